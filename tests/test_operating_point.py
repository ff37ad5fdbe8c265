"""What an answer says of a finding against its task's operating point."""

import pytest

from tosa.model.calibration import Calibration, CalibrationCases, OperatingPoint
from tosa.model.metadata import TaskMetadata
from tosa.operating_point import cases_in_words, compare

POINT = OperatingPoint(("bacterial", "viral"), 0.6, 0.75, 0.9, ill=40, healthy=20)


def compared(scores, diagnosis, point=POINT, **calibration):
    task = TaskMetadata("lungs", "picture", tuple(scores), calibration=Calibration(0.1, 60, **calibration))
    return compare(task, point, scores, diagnosis)


def test_rates_over_changed_versions_are_called_so():
    found = compared({"bacterial": 0.3, "normal": 0.2, "viral": 0.5}, "viral", views=9, training_cases=0)
    assert (found["score"], found["above"], found["agrees"]) == (0.8, True, True)
    assert (found["versions"], found["training_cases"]) == (9, 0)
    assert found["meaning"] == (
        "The threshold was chosen on 60 validation cases, each unchanged and in 8 changed versions, such as cropped. "
        "Of the 40 cases of bacterial or viral, 75% of the versions had a score of 0.60 or more; "
        "of the 20 other cases, 10% of the versions. On other files, expect more errors."
    )


def test_training_cases_are_not_called_validation_cases():
    found = compared({"bacterial": 0.3, "normal": 0.2, "viral": 0.5}, "viral", views=1, training_cases=52)
    assert "chosen on 60 cases: 8 of validation and 52 of training, each of these answered by" in found["meaning"]
    assert "Of the 40 cases of bacterial or viral, 75% had a score" in found["meaning"]
    assert "versions" not in found and "validation cases" not in found["meaning"]


@pytest.mark.parametrize(
    "calibration, kind",
    [
        (None, "60 validation cases"),  # no graph with a point alone was calibrated on other cases
        (Calibration(0.1, 60), "60 validation cases"),
        (
            Calibration(0.1, 60, views=9),
            "60 validation cases, each unchanged and in 8 changed versions, such as with noise",
        ),
        (Calibration(0.1, 60, views=1), "60 cases"),  # perhaps training cases too: the graph does not state it
    ],
)
def test_graphs_that_do_not_state_the_kind_of_their_cases(calibration, kind):
    assert cases_in_words(CalibrationCases.of(calibration, POINT), "sound") == kind


@pytest.mark.parametrize(
    "scores, diagnosis, says",
    [
        ({"bacterial": 0.29, "normal": 0.39, "viral": 0.32}, "normal", "reaches"),
        ({"bacterial": 0.1, "normal": 0.42, "viral": 0.48}, "viral", "does not reach"),
    ],
)
def test_a_diagnosis_on_the_other_side_is_explained(scores, diagnosis, says):
    found = compared(scores, diagnosis)
    assert found["above"] == (diagnosis == "normal") and found["agrees"] is False
    assert found["meaning"].endswith(
        f"The most likely label is {diagnosis}, but the sum of the scores of bacterial and viral {says} the threshold: "
        "treat this finding as undecided."
    )


def test_one_label_has_no_sum():
    point = OperatingPoint(("sick",), 0.3, 0.9, 0.9, ill=40, healthy=20)
    found = compared({"healthy": 0.6, "sick": 0.4}, "healthy", point)
    assert "but the score of sick reaches the threshold" in found["meaning"]
