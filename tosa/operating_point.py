"""A finding against its task's operating point, in numbers and in words."""

from typing import Any

from tosa.model.calibration import CalibrationCases, OperatingPoint
from tosa.model.json_fields import present
from tosa.model.metadata import Input, TaskMetadata

CHANGED = {"sound": "with noise", "picture": "cropped"}  # an example of the versions that heads are calibrated on


def compare(task: TaskMetadata, point: OperatingPoint, scores: dict[str, float], diagnosis: str) -> dict[str, Any]:
    """Returns a task's operating point, and on which side of it these scores are, for JSON.

    `agrees` tells whether the diagnosis is on the same side; where it is not, `meaning` says so too.
    """
    score = point.score(scores)
    above = score >= point.threshold
    agrees = above == (diagnosis in point.labels)
    cases = CalibrationCases.of(task.calibration, point)
    meaning = _rates(point, cases, task.input)
    return {
        "labels": list(point.labels),
        "score": score,
        "threshold": point.threshold,
        "above": above,
        "agrees": agrees,
        "sensitivity": point.sensitivity,
        "specificity": point.specificity,
        "cases": {"ill": point.ill, "healthy": point.healthy},
        **_kind_of_cases(cases),
        "meaning": meaning if agrees else f"{meaning} {_disagreement(point, above, diagnosis)}",
    }


def cases_in_words(cases: CalibrationCases, kind: Input) -> str:
    """Returns how many cases of which kind a task was calibrated on, such as '44 validation cases'."""
    words = f"{cases.n} {'cases' if cases.training is None else 'validation cases'}"
    if cases.training:
        words = (
            f"{cases.n} cases: {cases.n - cases.training} of validation and {cases.training} of training, each of "
            "these answered by a last layer that was trained without it"
        )
    if cases.views > 1:
        words += f", each unchanged and in {cases.views - 1} changed versions, such as {CHANGED[kind]}"
    return words


def _kind_of_cases(cases: CalibrationCases | None) -> dict[str, Any]:
    if cases is None:
        return {}
    return present({"training_cases": cases.training, "versions": cases.views if cases.views > 1 else None})


def _rates(point: OperatingPoint, cases: CalibrationCases | None, kind: Input) -> str:
    """What the threshold gave on the cases that it was chosen on."""
    chosen = f"The threshold was chosen on {cases_in_words(cases, kind)}. " if cases else ""
    of_versions = " of the versions" if cases and cases.views > 1 else ""
    return (
        f"{chosen}Of the {point.ill} cases of {' or '.join(point.labels)}, {point.sensitivity:.0%}{of_versions} had a "
        f"score of {point.threshold:.2f} or more; of the {point.healthy} other cases, {1 - point.specificity:.0%}"
        f"{of_versions}. On other files, expect more errors."
    )


def _disagreement(point: OperatingPoint, above: bool, diagnosis: str) -> str:
    side = "reaches" if above else "does not reach"
    whose = "the score" if len(point.labels) == 1 else "the sum of the scores"
    return (
        f"The most likely label is {diagnosis}, but {whose} of {' and '.join(point.labels)} {side} the threshold: "
        "treat this finding as undecided."
    )
