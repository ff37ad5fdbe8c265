"""The gate, with weights that are known, and as a graph holds it."""

from dataclasses import replace

import numpy as np
import pytest

from pictures import phantom
from tosa.model import out_of_distribution
from tosa.model.out_of_distribution import OutOfDistributionGate, thumbnail
from tosa.training.gate import fit_gate as fitting

PIXELS = out_of_distribution.THUMBNAIL**2
CHEST = np.repeat(phantom()[:, :, None], 3, axis=2)


class Holding:
    """Stands for a graph that holds these constants."""

    def __init__(self, constants):
        self.constant = constants.get


@pytest.fixture
def gate() -> OutOfDistributionGate:
    """It knows thumbnails along one direction, and objects to those of which the upper half is dark."""
    basis = thumbnail(CHEST)[None] / np.sqrt(PIXELS)
    upper = np.repeat([[-1.0], [0.0]], PIXELS // 2, axis=0) / PIXELS
    return OutOfDistributionGate(
        np.zeros(PIXELS), basis, np.float32(PIXELS / 2), np.repeat(upper, 2, axis=1), np.zeros(2), np.float32([9, 9]),
        np.float32(-1),
    )  # fmt: skip


def test_what_it_learnt_from_passes_whatever_its_exposure(gate):
    for pixels in (CHEST, CHEST // 2, CHEST // 4 + 150):
        assert gate.is_in_distribution(pixels)
        np.testing.assert_allclose(thumbnail(pixels), thumbnail(CHEST), atol=0.2)


def test_gray_that_is_held_once_has_the_same_thumbnail():
    np.testing.assert_array_equal(thumbnail(np.broadcast_to(CHEST[:, :, :1], CHEST.shape)), thumbnail(CHEST))


def test_each_judge_refuses_by_itself(gate):
    dark_above = np.repeat([[-1.0], [1.0]], PIXELS // 2, axis=0).T
    assert gate.log_odds(dark_above)[0] == pytest.approx(8)
    assert gate.log_odds(-dark_above)[0] == pytest.approx(-1)  # rectified
    assert gate.refuses(dark_above)[0] and replace(gate, farthest=np.float32(1e9)).refuses(dark_above)[0]
    noise = np.random.default_rng(0).normal(size=(1, PIXELS))
    assert gate.distances(noise)[0] == pytest.approx(PIXELS, rel=0.2)
    assert gate.log_odds(noise)[0] < out_of_distribution.THRESHOLD and gate.refuses(noise)[0]
    assert not gate.refuses(thumbnail(CHEST)[None])[0]


def test_the_graph_holds_all_of_it_or_there_is_no_gate(gate):
    held = fitting.gate_constants(gate)
    again = OutOfDistributionGate.of(Holding(held))
    assert again.hidden_weights.shape == (PIXELS, 2) and again.is_in_distribution(CHEST)
    assert held[out_of_distribution.PREFIX + "basis"].dtype == np.float16
    assert OutOfDistributionGate.of(Holding({})) is None
    partial = {name: value for name, value in held.items() if "bias" not in name}
    assert OutOfDistributionGate.of(Holding(partial)) is None
