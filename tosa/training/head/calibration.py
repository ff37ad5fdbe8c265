"""What a task's scores are worth, by its validation cases: their error, and the score from which illness is called."""

import numpy as np

from tosa.training.metrics import Answers, calibration, negative_of

LEAST = 10  # ill and healthy cases that an operating point needs; fewer would make it up


def calibration_metadata(answers: Answers, negative: str | None = None) -> dict:
    """What the graph says of a task beside its labels: `calibration` and, where it can be told, `operating_point`.

    answers: the calibrated ones to the validation cases; negative: as operating_point takes it.
    """
    if not len(answers.targets):
        return {}
    known = {"calibration": {"ece": round(calibration(answers)["ece"], 4), "n": len(answers.targets)}}
    point = operating_point(answers, negative)
    return known | ({"operating_point": point} if point else {})


def operating_point(answers: Answers, negative: str | None = None) -> dict | None:
    """The threshold over the summed score of all ill labels that has the highest sensitivity + specificity (Youden,
    Cancer 1950), the middle one of several; None without a label that stands for health, or with too few cases.

    negative: the label that does, where the task has it, else one of HEALTHY.
    """
    healthy = negative_of(answers.labels, negative)
    if healthy is None:  # it may be a label of another task that is trained beside this one
        healthy = negative_of(answers.labels)
    if healthy is None:
        return None
    ill = answers.targets != healthy
    if min(ill.sum(), (~ill).sum()) < LEAST:
        return None
    score = 1 - answers.scores[:, healthy]
    edges = np.unique(np.r_[0, score, 1])
    thresholds = (edges[1:] + edges[:-1]) / 2
    called = score[None] >= thresholds[:, None]
    sensitivity, specificity = called[:, ill].mean(axis=1), (~called[:, ~ill]).mean(axis=1)
    youden = sensitivity + specificity
    best = np.flatnonzero(youden >= youden.max() - 1e-9)
    chosen = best[len(best) // 2]
    return {
        "labels": [label for column, label in enumerate(answers.labels) if column != healthy],
        "threshold": round(float(thresholds[chosen]), 4),
        "sensitivity": round(float(sensitivity[chosen]), 4),
        "specificity": round(float(specificity[chosen]), 4),
        "cases": {"ill": int(ill.sum()), "healthy": int((~ill).sum())},
    }
