"""The decision between ill and healthy: a shift of the logits, so that the diagnosis is the operating point's.

The diagnosis is the label with the highest score. Where another decision is better, or a sensitivity is asked for, the
logit of the label that stands for health is shifted by the distance. That is the same as calibrating for another share
of healthy cases, which the graph states (`calibration.prior`): softmax(logits + shift) is Bayes' rule with the prior
multiplied by exp(shift).
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

import numpy as np

from tosa.errors import UsageError
from tosa.model.calibration import OperatingPoint
from tosa.training.head.head import Head
from tosa.training.head.views import Views, healthy_column

FEWEST = 10  # groups of ill and of healthy cases for an operating point; with fewer it would be chance


def check_sensitivity(wanted: Mapping[str, float], tasks: Collection[str]) -> None:
    """Raises UsageError where a sensitivity is wanted, by task, for one that is not among the tasks."""
    if missing := [task for task in wanted if task not in tasks]:
        raise UsageError(
            f"--sensitivity is given for '{missing[0]}', but the cases are of {', '.join(tasks)}. Name one of these."
        )


@dataclass(frozen=True, eq=False)
class _Rates:
    """Sensitivity and specificity of n thresholds over a score that rises with the evidence for illness: (n,) each."""

    thresholds: np.ndarray
    sensitivity: np.ndarray
    specificity: np.ndarray

    @classmethod
    def of(cls, score: np.ndarray, ill: np.ndarray, thresholds: np.ndarray | None = None) -> "_Rates":
        """Returns the rates of all thresholds that divide the cases differently, or of the given ones."""
        if thresholds is None:
            edges = np.unique(score)
            thresholds = np.r_[edges[0] - 1, (edges[1:] + edges[:-1]) / 2, edges[-1] + 1]
        below = [np.searchsorted(np.sort(score[kind]), thresholds) / kind.sum() for kind in (ill, ~ill)]
        return cls(thresholds, 1 - below[0], below[1])


def fit_shift(head: Head, views: Views, negative: str | None = None, sensitivity: float | None = None) -> Head:
    """Returns the head with the shift that makes the diagnosis reach `sensitivity`, or the best decision.

    The best is that of the highest sensitivity + specificity over all views (Youden, Cancer 1950). Without a shift the
    decision is kept if it is within two standard errors of the best and as sensitive as asked for: a shift that a few
    cases decide would be chance. negative: the label that stands for health, if the task has it.
    """
    head = replace(head, shift=None)
    healthy = healthy_column(head.labels, negative)
    ill = views.targets != healthy
    if healthy is None or not _enough(views, ill):
        if sensitivity:
            print(f"{head.task}: --sensitivity has no effect: it needs {FEWEST} groups each of ill and healthy cases.")
        return head
    margins = _margins(head, views, healthy)
    distance = _best_threshold(margins, ill, views, sensitivity)
    if distance == 0:
        return head
    shift = np.zeros(len(head.labels), np.float32)
    shift[healthy] = distance
    return replace(head, shift=shift)


def _enough(views: Views, ill: np.ndarray) -> bool:
    return min(views.group_count(ill), views.group_count(~ill)) >= FEWEST


def _margins(head: Head, views: Views, healthy: int) -> np.ndarray:
    """By how much the most likely label of illness is above the healthy one, (m,), in calibrated logits."""
    logits = views.logits_of(head) / np.float32(head.temperature)
    return np.delete(logits, healthy, axis=1).max(axis=1) - logits[:, healthy]


def _best_threshold(margins: np.ndarray, ill: np.ndarray, views: Views, sensitivity: float | None) -> float:
    rates = _Rates.of(margins, ill)
    reached = rates.sensitivity >= (sensitivity or 0)  # the lowest threshold reaches any
    youden = np.where(reached, rates.sensitivity + rates.specificity, -np.inf)
    best = np.flatnonzero(youden >= youden.max() - 1e-9)
    chosen = best[len(best) // 2]  # the middle one of several
    now = _Rates.of(margins, ill, np.zeros(1))
    error = _standard_error(
        rates.sensitivity[chosen], rates.specificity[chosen], views.group_count(ill), views.group_count(~ill)
    )
    is_near = now.sensitivity[0] + now.specificity[0] >= youden[chosen] - 2 * error
    return 0.0 if is_near and now.sensitivity[0] >= (sensitivity or 0) else float(rates.thresholds[chosen])


def _standard_error(sensitivity: float, specificity: float, ill: int, healthy: int) -> float:
    """Of sensitivity + specificity, from so many groups; Laplace's estimate, since a rate of 1 has an error too."""
    rates = [(rate * n + 1) / (n + 2) for rate, n in ((sensitivity, ill), (specificity, healthy))]
    return float(np.sqrt(sum(rate * (1 - rate) / n for rate, n in zip(rates, (ill, healthy), strict=True))))


def operating_point(head: Head, views: Views, negative: str | None = None) -> OperatingPoint | None:
    """Returns the threshold over the summed score of all labels of illness that decides as the diagnosis does.

    With two labels it is 0.5; with more, that which agrees with the diagnosis in the most views. Its rates are over all
    views, its counts are of cases and groups. None if no label stands for health or the groups are too few.
    """
    healthy = healthy_column(head.labels, negative)
    ill = views.targets != healthy
    if healthy is None or not _enough(views, ill):
        return None
    scores = head.scores_of(views.logits_of(head))
    score = 1 - scores[:, healthy]
    threshold = 0.5 if len(head.labels) == 2 else _agreeing_threshold(score, scores.argmax(axis=1) != healthy)
    rates = _Rates.of(score, ill, np.array([threshold]))
    return OperatingPoint(
        labels=tuple(label for column, label in enumerate(head.labels) if column != healthy),
        threshold=round(threshold, 4),
        sensitivity=round(float(rates.sensitivity[0]), 4),
        specificity=round(float(rates.specificity[0]), 4),
        ill=views.take(ill).case_count,
        healthy=views.take(~ill).case_count,
        ill_groups=views.group_count(ill),
        healthy_groups=views.group_count(~ill),
    )


def _agreeing_threshold(score: np.ndarray, called: np.ndarray) -> float:
    """The threshold (the middle one of several) on whose right side the most of called, bool (m,), are."""
    if called.all() or not called.any():
        return 0.5
    rates = _Rates.of(score, called)
    agreeing = rates.sensitivity * called.sum() + rates.specificity * (~called).sum()
    best = np.flatnonzero(agreeing >= agreeing.max() - 1e-9)
    return float(rates.thresholds[best[len(best) // 2]])
