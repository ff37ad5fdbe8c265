"""Calibration: labels counted alike, biases that take out shares, bounds that cases support, and the error left."""

from dataclasses import replace

import numpy as np
import pytest

from tosa.model.metadata import TaskMetadata
from tosa.training.data.handling import UNCHANGED
from tosa.training.head import calibration
from tosa.training.head.bound import largest_score, score_floor
from tosa.training.head.views import assumed_prior
from views import LABELS, identity, logits_for, views_of

HALF = np.array([0.5, 0.5])


def drawn(count, share_ill, seed=0, factor=1.0, ways=(UNCHANGED,)):
    """Cases of which a share is ill, with the true log odds of Gaussian evidence times a factor as logits."""
    rng = np.random.default_rng(seed)
    targets = (rng.random(count) < share_ill).astype(int)
    logits = []
    for _ in ways:
        evidence = rng.normal(np.where(targets, 1, -1), 1)  # log odds at half and half: 2 x evidence
        log_odds = 2 * evidence + np.log(share_ill / (1 - share_ill))
        logits.append(np.stack([-log_odds / 2, log_odds / 2], axis=1) * factor)
    return views_of(np.stack(logits), targets, ways=ways)


def test_biases_take_out_the_share_of_ill_cases():
    """Logits that assume 10 % ill and are twice as sure as they may be; the fitted ones assume half and half."""
    given = drawn(4000, 0.1, factor=2)
    head = calibration.with_biases(identity(), given, HALF)
    asked = np.array([[0.0, 0.0]], np.float32)
    assert head.temperature == pytest.approx(2, rel=0.1)
    shift = (head.biases[1] - head.biases[0]) / head.temperature
    assert shift == pytest.approx(-np.log(0.1 / 0.9), abs=0.2)
    odds = np.exp(-np.log(0.1 / 0.9))  # what was even evidence with the prior is much evidence without
    assert head.scores(asked)[0, 1] == pytest.approx(odds / (1 + odds), abs=0.03)


def test_fitting_again_changes_next_to_nothing():
    given = drawn(500, 0.3)
    once = calibration.with_biases(identity(), given, HALF)
    again = calibration.with_biases(once, given, HALF)
    np.testing.assert_allclose(again.biases, once.biases, atol=1e-4)
    assert again.temperature == once.temperature


def test_the_bound_is_laplaces_rule():
    """Of n cases that were all right, (n + 1) / (n + 2); no score is larger, and their order stays."""
    assert [largest_score(groups) for groups in (0, 1, 8)] == [2 / 3, 2 / 3, 0.9]
    for labels in (2, 3, 5):
        head = replace(identity(tuple("abcde"[:labels])), floor=score_floor(8, labels))
        scores = head.scores(np.float32([[50, *np.zeros(labels - 1)], [1, *np.linspace(0, 0.9, labels - 1)]]))
        assert scores[0, 0] == pytest.approx(0.9, abs=1e-6)
        np.testing.assert_allclose(scores.sum(axis=1), 1, rtol=1e-6)
        assert scores[1].argmax() == 0 and (np.argsort(scores[1][1:]) == np.arange(labels - 1)).all()


def test_few_cases_are_told(capsys):
    """Nine groups of ill cases, however many pictures."""
    groups = [str(number % 9) for number in range(40)] + [f"h{number}" for number in range(40)]
    given = views_of(logits_for([0.9] * 40 + [0.1] * 40), [1] * 40 + [0] * 40, groups=groups)
    head, task = calibration.finish_head(identity(), TaskMetadata("lungs", "picture"), given, HALF)
    assert task.calibrated is False and "those of “ill” come from 9 groups" in task.uncalibrated_reason["en"]
    assert (
        set(task.uncalibrated_reason) == {"en", "es", "fr"}
        and task.uncalibrated_reason["en"] in capsys.readouterr().out
    )
    assert task.calibration.bound == pytest.approx(10 / 11, abs=1e-4)
    assert head.scores(np.float32([[0, 99]]))[0, 1] == pytest.approx(10 / 11)
    assert task.calibration.groups == 49 and task.calibration.n == 80


def test_enough_cases_are_told_too():
    given = views_of(logits_for([0.9] * 10 + [0.1] * 10), [1] * 10 + [0] * 10)
    _, task = calibration.finish_head(identity(), TaskMetadata("lungs", "picture"), given, HALF)
    assert task.calibrated is True and task.uncalibrated_reason is None
    assert task.calibration.prior == {"normal": 0.5, "ill": 0.5}


def test_the_prior_follows_the_decision():
    """Shifted so that 0.2 is enough, the scores assume four ill cases to each healthy one."""
    head = identity(shift=np.float32([np.log(0.2 / 0.8), 0]))
    prior = calibration.measure_calibration(head, drawn(50, 0.5), HALF).prior
    assert prior == {"normal": 0.2, "ill": 0.8}


def test_calibration_error_is_the_distance_from_what_was_promised():
    always_right = views_of(logits_for([0.8] * 10 + [0.2] * 10), [1] * 10 + [0] * 10)  # at a confidence of 80 %
    found = calibration.measure_calibration(identity(), always_right, HALF)
    assert (found.ece, found.n, found.views) == (0.2, 20, 1)
    assert calibration.measure_calibration(identity(), always_right.take(np.zeros(20, bool)), HALF) is None


def test_labels_count_alike_and_sources_by_the_root_of_their_size():
    targets = [0] * 90 + [1] * 10
    sources = ["large"] * 81 + ["small"] * 9 + ["large"] * 10
    given = views_of(np.zeros((2, 100, 2)), targets, ways=(UNCHANGED, "cut"), sources=sources)
    weights = given.weights(HALF)
    ill = given.targets == 1
    assert weights[ill].sum() == pytest.approx(weights[~ill].sum())
    large, small = (weights[~ill & (given.sources == name)].sum() for name in ("large", "small"))
    assert large / small == pytest.approx(3)  # sqrt(81 / 9)
    single = given.take(given.names == UNCHANGED).weights(HALF)
    assert weights.sum() == pytest.approx(single.sum())  # a second view is no second case
    assert single.sum() == pytest.approx(single.sum() ** 2 / np.square(single).sum())  # Kish's effective number


def test_the_assumed_prior():
    assert assumed_prior(LABELS).tolist() == [0.5, 0.5]
    assert assumed_prior(("bacterial", "normal", "viral")).tolist() == [0.25, 0.5, 0.25]
    assert assumed_prior(("a", "b", "c", "d")).tolist() == [0.25] * 4
    assert assumed_prior(("a", "b", "c"), "C").tolist() == [0.25, 0.25, 0.5]
