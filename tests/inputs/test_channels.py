import numpy as np
import pytest

from sounds import RATE, coughs
from tosa.inputs.channels import channel_to_take, frame_energies, mean_of_channels

COUGH = coughs()
ZERO = np.zeros_like(COUGH)
TIME = np.arange(len(COUGH)) / RATE


def noise(level: float, seed: int = 1) -> np.ndarray:
    return (np.random.default_rng(seed).normal(size=len(COUGH)) * level).astype(np.float32)


def taken(*channels: np.ndarray) -> int | None:
    block = np.stack(channels, axis=1).astype(np.float32)
    return channel_to_take(frame_energies(block, mean_of_channels(block), RATE))


MEAN_IS_KEPT = {
    "the same": (COUGH, COUGH),
    "one softer": (COUGH, 0.5 * COUGH),
    "some noise in both": (COUGH + noise(0.01, 1), COUGH + noise(0.01, 2)),
    "an echo in one": (COUGH, np.roll(COUGH, 5) * 0.5 + COUGH * 0.5),
    "six the same": (COUGH,) * 6,
}
ONE_IS_TAKEN = {
    "out of phase": ((COUGH, -COUGH), {0, 1}),
    "out of phase, one softer": ((COUGH, -0.5 * COUGH), {0}),
    "out of phase, with noise": ((COUGH + noise(0.01, 1), -COUGH + noise(0.01, 2)), {0, 1}),
    "one silent": ((ZERO, COUGH), {1}),
    "one a constant": ((COUGH, ZERO + 0.5), {0}),
    "one soft noise": ((COUGH, noise(0.02)), {0}),
    "one noise of the same energy": ((COUGH, noise(COUGH.std())), {0}),
    "one noise that is louder": ((noise(0.3), COUGH), {1}),
    "one hum": ((0.5 * np.sin(TIME * 2 * np.pi * 50), COUGH), {1}),
    "one of six": ((ZERO, ZERO, ZERO, COUGH, ZERO, ZERO), {3}),
    "six that cancel": ((COUGH, -COUGH) * 3, set(range(6))),
    "two that cancel and noise": ((COUGH, noise(0.2), -COUGH), {0, 2}),
}


@pytest.mark.parametrize("name", MEAN_IS_KEPT)
def test_keeps_the_mean_of_channels_that_agree(name):
    assert taken(*MEAN_IS_KEPT[name]) is None


@pytest.mark.parametrize("name", ONE_IS_TAKEN)
def test_takes_the_channel_that_the_mean_would_lose(name):
    channels, right = ONE_IS_TAKEN[name]
    assert taken(*channels) in right


def test_silence_in_all_channels_is_kept():
    assert taken(ZERO, ZERO) is None


def test_energies_are_the_variances_of_frames():
    rng = np.random.default_rng(0)
    block = rng.normal(loc=3, size=(RATE, 2)).astype(np.float32)
    energies = frame_energies(block, mean_of_channels(block), RATE)
    assert energies.shape == (50, 3)
    columns = np.column_stack([block, block.mean(axis=1)])
    np.testing.assert_allclose(energies, columns.reshape(50, 441, 3).var(axis=1), rtol=1e-3)


def test_energies_of_less_than_a_frame():
    block = np.array([[1, 0], [-1, 0]], np.float32)
    np.testing.assert_allclose(frame_energies(block, mean_of_channels(block), RATE), [[1, 0, 0.25]])
