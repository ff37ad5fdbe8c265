import numpy as np
import pytest

from tosa.training import metrics
from tosa.training.metrics import Answers


@pytest.mark.parametrize(
    "right, count, low, high",
    [(45, 50, 0.786, 0.957), (0, 10, 0.0, 0.278), (10, 10, 0.722, 1.0), (0, 0, 0.0, 1.0)],
)
def test_wilson(right, count, low, high):
    """Values of Brown, Cai and DasGupta's formula, worked out apart."""
    assert metrics.wilson(right, count) == (pytest.approx(low, abs=1e-3), pytest.approx(high, abs=1e-3))


def test_auc_is_scikit_learns():
    from sklearn.metrics import roc_auc_score

    rng = np.random.default_rng(0)
    positive, score = rng.random(200) < 0.3, rng.integers(0, 20, 200)  # with ties
    assert metrics.auc(positive, score) == pytest.approx(roc_auc_score(positive, score))


def bootstrap(positive, score, groups):
    found = metrics.area(positive, score, groups)
    return found["low"], found["high"]


def test_drawn_aucs_are_those_of_the_drawn_cases():
    rng = np.random.default_rng(0)
    positive, score = rng.random(30) < 0.4, rng.integers(0, 6, 30)
    counts = metrics.group_draws([str(n // 2) for n in range(30)], 20)
    drawn = [(np.repeat(positive, times), np.repeat(score, times)) for times in counts]
    expected = [metrics.auc(*each) for each in drawn if 0 < each[0].sum() < len(each[0])]
    np.testing.assert_allclose(metrics.drawn_aucs(positive, score, counts), expected)


def test_bootstrap_draws_groups_not_cases():
    """The same case forty times is one group: the interval must not shrink."""
    rng = np.random.default_rng(0)
    ill = np.tile([True, False], 15)
    score = rng.normal(size=30) + ill
    once = bootstrap(ill, score, [str(i) for i in range(30)])
    many = bootstrap(np.repeat(ill, 40), np.repeat(score, 40), [str(i // 40) for i in range(1200)])
    assert many[1] - many[0] == pytest.approx(once[1] - once[0], rel=0.2)


@pytest.mark.parametrize("value, score", [(1, -np.arange(25)), (0, np.arange(25))])
def test_a_perfect_order_of_few_is_not_sure(value, score):
    """In the right order or in the wrong one."""
    found = metrics.area(np.repeat([True, False], [5, 20]), score, [str(n) for n in range(25)])
    assert found["value"] == value and (found["low"], found["high"]) == pytest.approx(metrics.wilson(5 * value, 5))
    assert metrics.area(np.ones(4, bool), np.arange(4), list("abcd")) is None


def test_rate_over_groups_is_wider_where_groups_agree():
    right = np.repeat([True, True, True, False, True], 20)
    found = metrics.rate(right, [str(n // 20) for n in range(100)])
    assert found["value"] == 0.8 and found["n"] == 100
    over = found["over_groups"]
    assert over["groups"] == 5 and over["high"] - over["low"] > found["high"] - found["low"]
    assert "over_groups" not in metrics.rate(right, [str(n) for n in range(100)])
    assert metrics.rate(np.zeros(0, bool), [])["value"] is None


@pytest.mark.parametrize("value, cases", [(1, [True, True]), (0, [False, False]), (0.5, [True, False])])
def test_rate_of_groups_that_are_all_alike_is_not_sure(value, cases):
    over = metrics.rate(np.tile(cases, 6), [str(n // 2) for n in range(12)])["over_groups"]
    assert (over["low"], over["high"]) == pytest.approx(metrics.wilson(6 * value, 6)) and over["by"] == "Wilson"


@pytest.mark.parametrize("prevalence, expected", [(0.5, 0.9 / (0.9 + 0.2)), (0.01, 0.009 / (0.009 + 0.198))])
def test_ppv_is_bayes(prevalence, expected):
    sensitivity, specificity = np.arange(100) < 90, np.arange(100) < 80
    found = metrics.positive_predictive(sensitivity, specificity, prevalence)
    assert found["value"] == pytest.approx(expected) and found["low"] < expected < found["high"]


def test_calibration_is_by_confidence():
    """Ten answers at 0.75 of which seven are right, ten at 0.95 of which five are."""
    scores = np.repeat([[0.75, 0.25], [0.05, 0.95]], 10, axis=0)
    targets = np.r_[np.repeat([0, 1], [7, 3]), np.repeat([1, 0], [5, 5])]
    found = metrics.calibration(Answers("t", ("a", "b"), targets, scores, list("x" * 20)))
    assert found["ece"] == pytest.approx((0.05 + 0.45) / 2)
    assert [(b["n"], b["accuracy"]) for b in found["bins"]] == [(10, 0.7), (10, 0.5)]


def test_calibration_error_that_chance_explains():
    """Answers right as often as their confidence says, few and many; then as many that are right half as often."""
    rng = np.random.default_rng(0)

    def error(count, share=1.0):
        confidence = rng.uniform(0.5, 1, count)
        targets = (rng.random(count) >= confidence * share).astype(int)
        return metrics.calibration(Answers("t", ("a", "b"), targets, np.c_[confidence, 1 - confidence], ["x"] * count))

    few, many, wrong = error(40), error(4000), error(4000, 0.5)
    assert few["by_chance"] > 5 * many["by_chance"] and few["at_most"] > few["by_chance"]
    assert few["ece"] < few["at_most"] and many["ece"] < many["at_most"] < 0.05 < wrong["ece"]


@pytest.mark.parametrize(
    "labels, wanted, column",
    [
        (("Bacteria", "NORMAL"), None, 1),
        (("a", "b"), None, None),
        (("a", "b"), "B", 1),
        (("sick", "not sick"), None, 1),
    ],
)
def test_negative_of(labels, wanted, column):
    assert metrics.negative_of(labels, wanted) == column


def three_classes():
    scores = np.array([[0.9, 0.1, 0], [0.2, 0.8, 0], [0.1, 0.2, 0.7], [0.6, 0.3, 0.1]])
    return Answers("lungs", ("normal", "bacteria", "virus"), np.array([0, 1, 1, 2]), scores, list("abcd"))


def test_figures_count_right():
    found = metrics.task_metrics(three_classes())
    assert found["confusion_matrix"] == [[1, 0, 0], [0, 1, 1], [1, 0, 0]]
    assert found["sensitivity"]["value"] == pytest.approx(2 / 3) and found["specificity"]["value"] == 1
    assert found["accuracy"]["value"] == 0.5 and found["negative"] == "normal"
    assert found["by_label"]["virus"]["sensitivity"]["value"] == 0
    assert found["classification_report"]["bacteria"]["recall"] == 0.5
