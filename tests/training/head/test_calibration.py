import numpy as np
import pytest

from tosa.model.metadata import Calibration
from tosa.training.head import calibration
from tosa.training.metrics import Answers


def answers(ill_scores, healthy_scores, labels=("normal", "ill")):
    """Answers to ill cases, then healthy ones, whose scores of illness are given."""
    ill = np.r_[ill_scores, healthy_scores]
    targets = np.r_[np.ones(len(ill_scores), int), np.zeros(len(healthy_scores), int)]
    return Answers("lungs", labels, targets, np.stack([1 - ill, ill], axis=1), [str(n) for n in range(len(ill))])


def test_operating_point_parts_ill_from_healthy():
    point = calibration.choose_operating_point(answers([0.3] + [0.8] * 19, [0.1] * 18 + [0.2, 0.9]))
    assert 0.2 < point.threshold < 0.3
    assert (point.sensitivity, point.specificity) == (1, 0.95)
    assert point.labels == ("ill",) and (point.ill, point.healthy) == (20, 20)


def test_the_middle_of_many_equal_thresholds():
    assert calibration.choose_operating_point(answers([0.9] * 10, [0.1] * 10)).threshold == pytest.approx(0.5)


@pytest.mark.parametrize("ill, labels", [([0.9] * 3, ("normal", "ill")), ([0.9] * 20, ("cat", "dog"))])
def test_no_point_where_it_would_be_made_up(ill, labels):
    given = answers(ill, [0.1] * 20, labels)
    assert calibration.choose_operating_point(given) is None
    assert calibration.measure_calibration(given).n == len(ill) + 20


@pytest.mark.parametrize("labels", [("well", "normal"), ("normal", "well")])
def test_the_label_that_is_said_to_stand_for_health(labels):
    """It does though another has a healthy name; a task without it keeps its own."""
    of_ill = answers([0.9] * 10, [0.1] * 10, labels)
    wanted = tuple(label for label in labels if label != "well")
    assert calibration.choose_operating_point(of_ill, "Well").labels == wanted
    assert calibration.choose_operating_point(of_ill, "fit").labels == ("well",)


def test_calibration_error_is_the_distance_from_what_was_promised():
    always_right = answers([0.8] * 10, [0.2] * 10)  # at a confidence of 80 %
    assert calibration.measure_calibration(always_right) == Calibration(ece=0.2, n=20)
