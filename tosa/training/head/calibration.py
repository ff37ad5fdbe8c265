"""How far a task's scores are from frequencies, and the score from which a case counts as ill, by validation cases."""

import numpy as np

from tosa.model.metadata import Calibration, OperatingPoint
from tosa.training.metrics import Answers, calibration, negative_of

FEWEST = 10  # ill and healthy cases for an operating point; with fewer it would be chance


def measure_calibration(answers: Answers) -> Calibration | None:
    """Returns the expected calibration error of calibrated answers; None for no cases."""
    if not len(answers.targets):
        return None
    return Calibration(ece=round(calibration(answers)["ece"], 4), n=len(answers.targets))


def choose_operating_point(answers: Answers, negative: str | None = None) -> OperatingPoint | None:
    """Returns the threshold over the summed score of all ill labels with the highest sensitivity + specificity.

    (Youden, Cancer 1950; the middle one of several.) None if no label stands for health or the cases are too few.
    negative: the label that stands for health, if the task has it; else one of metrics.HEALTHY.
    """
    healthy = negative_of(answers.labels, negative)
    if healthy is None:  # `negative` may be a label of another task that is trained beside this one
        healthy = negative_of(answers.labels)
    if healthy is None:
        return None
    ill = answers.targets != healthy
    if min(ill.sum(), (~ill).sum()) < FEWEST:
        return None
    thresholds, sensitivity, specificity = _rates(1 - answers.scores[:, healthy], ill)
    youden = sensitivity + specificity
    best = np.flatnonzero(youden >= youden.max() - 1e-9)
    chosen = best[len(best) // 2]
    return OperatingPoint(
        labels=tuple(label for column, label in enumerate(answers.labels) if column != healthy),
        threshold=round(float(thresholds[chosen]), 4),
        sensitivity=round(float(sensitivity[chosen]), 4),
        specificity=round(float(specificity[chosen]), 4),
        ill=int(ill.sum()),
        healthy=int((~ill).sum()),
    )


def _rates(score: np.ndarray, ill: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """All thresholds that divide the cases differently, with sensitivity and specificity of each."""
    edges = np.unique(np.r_[0, score, 1])
    thresholds = (edges[1:] + edges[:-1]) / 2
    called = score[None] >= thresholds[:, None]
    return thresholds, called[:, ill].mean(axis=1), (~called[:, ~ill]).mean(axis=1)
