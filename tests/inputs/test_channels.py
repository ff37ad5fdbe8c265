import numpy as np
import pytest

from sounds import RATE, coughs
from tosa.inputs.channels import channel_to_take, octave_energies

COUGH = coughs()
ZERO = np.zeros_like(COUGH)
TIME = np.arange(len(COUGH)) / RATE


def noise(level: float, seed: int = 1) -> np.ndarray:
    return (np.random.default_rng(seed).normal(size=len(COUGH)) * level).astype(np.float32)


def taken(*channels: np.ndarray) -> int | None:
    block = np.stack(channels, axis=1).astype(np.float32)
    return channel_to_take(octave_energies(block, RATE))


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
    "one late": ((COUGH, np.roll(COUGH, 220)), {0, 1}),
    "out of phase, one late": ((COUGH, -np.roll(COUGH, 110)), {0, 1}),
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


@pytest.mark.parametrize("rate", [8_000, 22_050, 48_000])
def test_energies_of_tones_are_in_their_octaves(rate):
    time = np.arange(rate) / rate
    tones = [np.sqrt(2) * level * np.sin(2 * np.pi * hertz * time) for hertz, level in ((150, 1), (3_000, 0.1))]
    block = np.stack([*tones, 0 * time + 0.7], axis=1).astype(np.float32)
    energies = octave_energies(block, rate)
    assert energies.shape == (50, 4, 6)
    wanted = np.zeros((4, 6))
    wanted[0, 0], wanted[1, 4] = 1, 0.01
    wanted[3] = wanted[:3].sum(axis=0) / 9
    assert (np.abs(energies.mean(axis=0) - wanted) <= 0.1 * wanted.max(axis=1, keepdims=True) + 1e-6).all()


def test_energies_of_less_than_a_frame():
    assert octave_energies(np.ones((1, 300), np.float32), 192_000).shape == (1, 301, 6)
    assert octave_energies(np.ones((20, 30), np.float32), 192_000).shape == (1, 31, 6)


def test_takes_a_channel_where_the_mean_loses_some_octaves():
    """As lossy codecs do it, which keep the phase of the low octaves only; and with hum that is in phase."""
    low = np.convolve(COUGH, np.ones(8) / 8, mode="same")
    high = COUGH - low
    assert taken(low + high, high - low) in (0, 1)
    hum = 0.5 * np.sin(TIME * 2 * np.pi * 50)
    assert taken(hum + 0.5 * COUGH, hum - 0.5 * COUGH) in (0, 1)
