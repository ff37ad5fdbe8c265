"""Two graphs on the same cases, and the folds of a cross-validation."""

from math import comb
from pathlib import Path

import numpy as np
import pytest

from tosa.errors import UsageError
from tosa.training.data.dataset import Case
from tosa.training.metrics import Answers
from tosa.training.report.compare import check_same_labels, compare_answers, comparison_lines, mcnemar
from tosa.training.report.folds import fold_lines, fold_metrics

LABELS = ("ill", "normal")


def answers(ill_scores: np.ndarray, ill: np.ndarray, groups: list[str]) -> Answers:
    return Answers("lungs", LABELS, np.where(ill, 0, 1), np.stack([ill_scores, 1 - ill_scores], axis=1), groups)


@pytest.fixture
def two():
    """60 cases of 20 groups; the other graph is wrong in 9 cases where this one is right, and right in 2 others."""
    ill = np.arange(60) % 2 == 0
    right = np.where(ill, 0.9, 0.1)
    this, other = right.copy(), right.copy()
    this[[50, 51]] = 1 - right[[50, 51]]
    other[:9] = 1 - right[:9]
    groups = [f"g{row // 3}" for row in range(60)]
    cases = [
        Case(Path(f"{row}.png"), "lungs", LABELS[0 if ill[row] else 1], groups[row], "testing") for row in range(60)
    ]
    return answers(this, ill, groups), answers(other, ill, groups), cases


def test_mcnemar_is_the_binomial_test_of_the_cases_that_differ(two):
    found = compare_answers(*two, "other.pb")
    p = 2 * sum(comb(11, wins) for wins in (0, 1, 2)) / 2**11
    assert found["mcnemar"] == {"only_this_right": 9, "only_other_right": 2, "p": pytest.approx(p)}
    assert mcnemar(np.ones(3, bool), np.ones(3, bool))["p"] == 1


def test_differences_and_their_paired_intervals(two):
    found = compare_answers(*two, "other.pb")
    accuracy, area = found["accuracy"], found["auc"]
    assert accuracy["this"]["value"] == pytest.approx(58 / 60) and accuracy["other"]["value"] == pytest.approx(51 / 60)
    assert accuracy["difference"]["value"] == pytest.approx(7 / 60)
    assert area["difference"]["value"] == pytest.approx(area["this"]["value"] - area["other"]["value"])
    for difference in (accuracy["difference"], area["difference"]):
        assert difference["low"] < difference["value"] < difference["high"]
    # by hand: groups g0, g1 and g2 differ by +3, g16 by -1 and g17 by -1 (rows 50 and 51), the others by 0
    per_group = np.array([3, 3, 3] + [0] * 13 + [-1, -1] + [0] * 2) / 3
    drawn = np.random.default_rng(1).choice(per_group, (20_000, 20)).mean(axis=1)
    low, high = np.quantile(drawn, [0.025, 0.975])
    assert accuracy["difference"]["low"] == pytest.approx(low, abs=0.03)
    assert accuracy["difference"]["high"] == pytest.approx(high, abs=0.03)


def test_a_graph_does_not_differ_from_itself(two):
    found = compare_answers(two[0], two[0], two[2], "same.pb")
    assert found["mcnemar"]["p"] == 1 and found["differing"] == []
    assert {found[name]["difference"][key] for name in ("accuracy", "auc") for key in ("value", "low", "high")} == {0}


def test_which_cases_differ_is_told(two):
    found = compare_answers(*two, "other.pb")
    assert [case["file"] for case in found["differing"]] == [f"{row}.png" for row in (*range(9), 50, 51)]
    page = "\n".join(comparison_lines(found))
    assert "'other.pb'" in page and "by this graph alone: 9, by the other alone: 2" in page
    assert "| 0.png | ill | ill 0.90 | normal 0.90 |" in page and "| accuracy | 0.967 | 0.850 | +0.117 |" in page


def test_labels_have_to_be_the_same():
    this = {"lungs": ("ill", "normal"), "cough": ("sick",)}
    check_same_labels(this, {"lungs": ("normal", "ill")}, ["lungs"])
    with pytest.raises(UsageError, match="no task 'cough'; it has lungs"):
        check_same_labels(this, {"lungs": ("normal", "ill")}, ["lungs", "cough"])
    with pytest.raises(UsageError, match="different labels for task lungs: ill, normal in one, ill, well in the other"):
        check_same_labels(this, {"lungs": ("well", "ill")}, ["lungs"])


def test_folds_have_mean_and_spread(two):
    folds = [two[0].take(range(30)), two[1].take(range(30)), two[0].take(range(30, 60))]
    found = fold_metrics(folds)
    each = [1, 21 / 30, 28 / 30]
    assert [fold["accuracy"] for fold in found["each"]] == pytest.approx(each)
    assert [fold["groups"] for fold in found["each"]] == [10, 10, 10]
    spread = found["over_folds"]["accuracy"]
    assert spread["mean"] == pytest.approx(np.mean(each))
    assert spread["standard_deviation"] == pytest.approx(np.std(each, ddof=1))
    assert f"| mean | | | {np.mean(each):.3f} |" in "\n".join(fold_lines(found))


def test_a_fold_of_one_kind_has_no_auc(two):
    ill = two[0].take([row for row in range(30) if row % 2 == 0])
    found = fold_metrics([ill, two[0]])
    assert found["each"][0]["auc"] is None and found["over_folds"]["auc"]["folds"] == 1
    assert "| - |" in "\n".join(fold_lines(found))
