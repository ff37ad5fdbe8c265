"""The margin of int8, from scores whose movements are known."""

import numpy as np
import pytest

from tosa.model.cascade import Decisions
from tosa.training.graph import margin


def scores(sick):
    return np.stack([1 - sick, sick], axis=1).astype(np.float32)


def test_the_margin_is_a_multiple_of_how_far_the_nearest_decisions_move():
    random = np.random.default_rng(0)
    near = random.uniform(0.45, 0.55, 100)
    sick = np.concatenate([near, random.uniform(0.9, 1, 400)])
    moved = sick + np.concatenate([random.normal(0, 0.01, 100), random.normal(0, 0.0001, 400)])
    found = margin.margin(Decisions(), scores(sick), scores(moved))
    assert found == pytest.approx(margin.FACTOR * 2 * 0.01, rel=0.2)  # the lead moves by twice the score
    flipped = (sick > 0.5) != (moved > 0.5)
    assert flipped.any() and np.abs(2 * sick - 1)[flipped].max() < found


def test_the_operating_point_counts_as_a_decision():
    sick = np.linspace(0.75, 0.85, 100)
    moved = np.where(np.abs(sick - 0.8) < 0.025, sick + 0.01, sick)
    without, with_point = (
        margin.margin(decisions, scores(sick), scores(moved)) for decisions in (Decisions(), Decisions((1,), 0.8))
    )
    assert with_point < without  # the lead moves by twice the score, the distance from the threshold once


def test_scores_that_stay_get_the_smallest_margin():
    sick = np.linspace(0, 1, 50)
    assert margin.margin(Decisions((1,), 0.5), scores(sick), scores(sick)) == margin.LEAST
