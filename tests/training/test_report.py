import numpy as np
import pytest

from tosa.training import report


@pytest.mark.parametrize(
    "right, count, low, high",
    [(45, 50, 0.786, 0.957), (0, 10, 0.0, 0.278), (10, 10, 0.722, 1.0), (0, 0, 0.0, 1.0)],
)
def test_wilson(right, count, low, high):
    """Values of Brown, Cai and DasGupta's formula, worked out apart."""
    assert report.wilson(right, count) == (pytest.approx(low, abs=1e-3), pytest.approx(high, abs=1e-3))


def test_auc_is_scikit_learns():
    from sklearn.metrics import roc_auc_score

    rng = np.random.default_rng(0)
    positive, score = rng.random(200) < 0.3, rng.integers(0, 20, 200)  # with ties
    assert report.auc(positive, score) == pytest.approx(roc_auc_score(positive, score))


def test_bootstrap_draws_groups_not_cases():
    """The same case forty times is one group: the interval must not shrink."""
    rng = np.random.default_rng(0)
    ill = np.tile([True, False], 15)
    score = rng.normal(size=30) + ill
    once = report.bootstrap_auc(ill, score, [str(i) for i in range(30)])
    many = report.bootstrap_auc(np.repeat(ill, 40), np.repeat(score, 40), [str(i // 40) for i in range(1200)])
    assert many[1] - many[0] == pytest.approx(once[1] - once[0], rel=0.2)


def test_text_counts_right():
    scores = np.array([[0.9, 0.1, 0], [0.2, 0.8, 0], [0.1, 0.2, 0.7], [0.6, 0.3, 0.1]])
    text = report.text("lungs", ["normal", "bacteria", "virus"], np.array([0, 1, 1, 2]), scores, list("abcd"))
    assert "accuracy      50.0%" in text and "(N=4)" in text
    assert "sensitivity   66.7%" in text and "specificity  100.0%" in text and "AUC" in text
