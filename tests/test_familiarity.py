"""The gate on a graph in which it was fitted to drawn chests."""

from dataclasses import replace

import numpy as np
import pytest

from pictures import phantom
from tosa import familiarity
from tosa.familiarity import Familiarity
from tosa.training import familiarity as fitting


class Network:
    """Stands for a network whose graph holds these constants."""

    def __init__(self, constants):
        self.constant = constants.get


def chests(count, seed):
    """Bottlenecks along four directions, and thumbnails of phantoms that are shifted and exposed differently."""
    rng = np.random.default_rng(seed)
    directions = np.random.default_rng(9).normal(size=(4, 32))
    bottlenecks = rng.normal(size=(count, 4)) @ directions + rng.normal(0, 0.05, (count, 32)) + 3
    plain = np.repeat(phantom()[:, :, None], 3, axis=2).astype(float)
    pictures = [
        (np.roll(plain, rng.integers(-9, 9, 2), (0, 1)) * rng.uniform(0.6, 1) + rng.uniform(0, 9)).astype(np.uint8)
        for _ in range(count)
    ]
    return bottlenecks.astype(np.float32), pictures


@pytest.fixture(scope="module")
def constants():
    parts = [chests(count, seed) for seed, count in enumerate((160, 80))]
    seen = [fitting.Seen(values, np.stack([familiarity.thumbnail(p) for p in pictures])) for values, pictures in parts]
    return fitting.fit(seen[:1], seen[1:], turned(60, 9))


def turned(count, seed):
    """Bottlenecks of chests moved along a direction of their own."""
    values, direction = chests(count, seed)[0], np.random.default_rng(8).normal(size=32).astype(np.float32)
    return values + 3 * direction


def test_those_like_the_ones_learnt_from_pass(constants):
    gate = Familiarity.of(Network(constants))
    values, pictures = chests(60, 2)
    assert sum(gate.knows(value, picture) for value, picture in zip(values, pictures)) >= 54


@pytest.mark.parametrize("part", ["within", "beyond", "thumbnail"])
def test_each_distance_refuses_by_itself(constants, part):
    gate = Familiarity.of(Network(constants))
    (value,), (picture,) = chests(1, 3)
    far = {
        "within": (gate.mean + gate.basis[0] * gate.deviations[0] * 500, picture),
        "beyond": (value + np.random.default_rng(0).normal(size=32), picture),
        "thumbnail": (value, np.random.default_rng(0).integers(0, 256, (299, 299, 3), dtype=np.uint8)),
    }
    assert gate.knows(value, picture) and not gate.knows(*far[part])


def test_the_turned_are_told_from_the_others(constants):
    """However far a picture may lie from those learnt from."""
    gate = replace(Familiarity.of(Network(constants)), limit=np.float32(1e9))
    values, pictures = chests(60, 6)
    assert (gate.turned(values) < familiarity.MOST_TURNED).sum() >= 57
    assert (gate.turned(turned(60, 6)) > familiarity.MOST_TURNED).sum() >= 57
    assert gate.knows(values[0], pictures[0]) and not gate.knows(turned(1, 6)[0], pictures[0])


def test_brightness_and_contrast_do_not_matter(constants):
    (picture,) = chests(1, 4)[1]
    np.testing.assert_allclose(familiarity.thumbnail(picture), familiarity.thumbnail(picture // 2), atol=0.2)


def test_a_graph_without_a_part_has_no_gate(constants):
    assert Familiarity.of(Network({})) is None
    assert Familiarity.of(Network({name: value for name, value in constants.items() if "limit" not in name})) is None


def test_limit_lets_validation_pass(constants):
    gate = Familiarity.of(Network(constants))
    strict = replace(gate, limit=np.float32(-1e9))
    (value,), (picture,) = chests(1, 5)
    assert gate.knows(value, picture) and not strict.knows(value, picture)
