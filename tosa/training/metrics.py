"""Metrics of one task on labelled cases: counts, rates, areas under the ROC curve, and their 95 % intervals.

The interval of a rate is Wilson's, which takes cases as independent. Where a group (a patient) has several cases, the
interval of a bootstrap over groups stands beside it. When all groups have the same rate, for example when every case is
right, all draws of a bootstrap are equal and its interval has no width; then Wilson's is given, with groups as cases.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
from scipy.stats import binomtest
from sklearn.metrics import classification_report, confusion_matrix, roc_auc_score

HEALTHY = ("not sick", "normal", "healthy", "negative", "no finding")  # the negative class, first match in this order
DRAWS = 1000  # of a bootstrap
BINS = 10  # of the expected calibration error, of equal width in confidence
PREVALENCE = 0.1  # at which the predictive values are given by default


@dataclass(frozen=True)
class Answers:
    """The cases of one task and the scores that a network gave them."""

    task: str
    labels: tuple[str, ...]
    targets: np.ndarray  # the true label's column, int64 (n,)
    scores: np.ndarray  # probabilities (n, labels)
    groups: list[str]  # the patient or source of each case

    @property
    def predicted(self) -> np.ndarray:
        """The column of the highest score, int64 (n,)."""
        return self.scores.argmax(axis=1)

    @property
    def right(self) -> np.ndarray:
        """Whether each case got its label, bool (n,)."""
        return self.predicted == self.targets

    def take(self, rows: Sequence[int]) -> Self:
        """Returns the answers to the cases in these rows."""
        groups = [self.groups[row] for row in rows]
        return replace(self, targets=self.targets[list(rows)], scores=self.scores[list(rows)], groups=groups)


def wilson(successes: float, count: int, confidence: float = 0.95) -> tuple[float, float]:
    """Returns the interval of a rate (Wilson, JASA 1927), (0, 1) for no cases.

    successes may be fractional; the interval then reaches from that of the next lower whole number to that of the next
    higher one.
    """
    if not count:
        return 0.0, 1.0
    rounded = round(successes, 9)  # a product of a rate and a count may be 2.9999999999999996
    low, high = (
        binomtest(whole(rounded), count).proportion_ci(confidence, method="wilson") for whole in (math.floor, math.ceil)
    )
    return float(low.low), float(high.high)


def auc(positive: np.ndarray, score: np.ndarray) -> float:
    """Returns the area under the ROC curve of score (n,) for positive, bool (n,), both kinds present."""
    return float(roc_auc_score(positive, score))


def group_draws(groups: Sequence[str], draws: int = DRAWS) -> np.ndarray:
    """Returns how often each case is in each draw of as many groups as there are, with replacement: (draws, n)."""
    names, index = np.unique(groups, return_inverse=True)
    rng = np.random.default_rng(0)
    counts = rng.multinomial(len(names), np.full(len(names), 1 / len(names)), size=draws)
    return counts[:, index]


def drawn_aucs(positive: np.ndarray, score: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Returns the AUC of each draw that has both kinds of cases.

    positive, score: (n,); counts: (draws, n), from group_draws. All draws share one sorting; a call of scikit-learn's
    roc_auc_score with sample weights for each draw gives the same and takes a hundred times as long.
    """
    order = np.argsort(score, kind="stable")
    ordered = score[order]
    starts = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]])  # of runs of ties
    ones = np.add.reduceat(counts[:, order] * positive[order], starts, axis=1)
    zeros = np.add.reduceat(counts[:, order] * ~positive[order], starts, axis=1)
    below = np.cumsum(zeros, axis=1) - zeros / 2
    pairs = ones.sum(axis=1) * zeros.sum(axis=1)
    return (ones * below).sum(axis=1)[pairs > 0] / pairs[pairs > 0]


def interval_of(drawn: np.ndarray) -> dict[str, float]:
    """Returns the 95 % interval of a bootstrap from its draws, (draws,)."""
    low, high = np.quantile(drawn, [0.025, 0.975])
    return {"low": float(low), "high": float(high)}


def rate(right: np.ndarray, groups: list[str]) -> dict[str, Any]:
    """Returns the share of right, bool (n,), with Wilson's interval, and a bootstrap's where groups have several cases.

    Its value is None for no cases.
    """
    count = len(right)
    low, high = wilson(int(right.sum()), count)
    value = float(right.mean()) if count else None
    result: dict[str, Any] = {"value": value, "low": low, "high": high, "n": count, "by": "Wilson"}
    if 1 < len(set(groups)) < count:
        result["over_groups"] = _rate_over_groups(right, groups)
    return result


def _rate_over_groups(right: np.ndarray, groups: list[str]) -> dict[str, Any]:
    counts, group_count = group_draws(groups), len(set(groups))
    drawn = counts @ right / np.maximum(counts.sum(axis=1), 1)
    limits = interval_of(drawn[counts.sum(axis=1) > 0])
    if limits["high"] - limits["low"] >= 1e-9:
        return {**limits, "groups": group_count, "by": "bootstrap"}
    low, high = wilson(float(right.mean()) * group_count, group_count)
    return {"low": low, "high": high, "groups": group_count, "by": "Wilson"}


def area(positive: np.ndarray, score: np.ndarray, groups: list[str]) -> dict[str, Any] | None:
    """Returns the AUC with its interval, by a bootstrap over groups; None unless both kinds of cases are present.

    An AUC of exactly 0 or 1 is the same in all draws. Its interval is then Wilson's with the groups of the rarer kind
    as cases.
    """
    if not 0 < positive.sum() < len(positive):
        return None
    value = auc(positive, score)
    drawn = drawn_aucs(positive, score, group_draws(groups))
    if 0 < value < 1 and len(drawn):
        return {"value": value, **interval_of(drawn), "n": len(positive), "by": "bootstrap over groups"}
    rarer = min(
        len({group for group, each in zip(groups, positive, strict=True) if each == kind}) for kind in (True, False)
    )
    low, high = wilson(round(value * rarer), rarer)
    return {"value": value, "low": low, "high": high, "n": rarer, "by": "Wilson over groups of the rarer kind"}


def positive_predictive(sensitivity: np.ndarray, specificity: np.ndarray, prevalence: float) -> dict[str, Any]:
    """Returns the share of positive answers that would be right if `prevalence` of all cases were positive (Bayes).

    sensitivity, specificity: bool (n,) and (m,), whether each positive and each negative case was answered rightly.
    The interval combines the 97.5 % limits of both rates, so that both hold together with at least 95 %.
    """

    def share(sens: float, spec: float) -> float | None:
        true, false = sens * prevalence, (1 - spec) * (1 - prevalence)
        return true / (true + false) if true + false else None

    sens, spec = (wilson(int(right.sum()), len(right), 0.975) for right in (sensitivity, specificity))
    value = share(sensitivity.mean(), specificity.mean()) if len(sensitivity) and len(specificity) else None
    low, high = share(sens[0], spec[0]) or 0.0, share(sens[1], spec[1])
    return {
        "value": None if value is None else float(value),
        "low": low,
        "high": 1.0 if high is None else high,
        "prevalence": prevalence,
        "n": len(sensitivity) + len(specificity),
        "by": "Wilson, both rates at 97.5 %",
    }


def one_against_rest(
    positive: np.ndarray, called: np.ndarray, score: np.ndarray, groups: list[str], prevalence: float
) -> dict[str, Any]:
    """Returns sensitivity, specificity, PPV and AUC of one kind of cases against all others.

    positive, called: bool (n,), the truth and the answer; score: (n,), rising with the evidence for this kind.
    """
    names = np.asarray(groups)
    hits, rejections = called[positive], ~called[~positive]
    return {
        "sensitivity": rate(hits, names[positive].tolist()),
        "specificity": rate(rejections, names[~positive].tolist()),
        "ppv": positive_predictive(hits, rejections, prevalence),
        "auc": area(positive, score, groups),
    }


def calibration(answers: Answers) -> dict[str, Any]:
    """Returns the expected calibration error (Naeini et al., AAAI 2015): |accuracy - confidence|, weighted by cases.

    Confidence is the highest score; a bin holds confidences from its lower edge to under its upper one. Even perfect
    confidences show an error on few cases: `by_chance` is its mean and `at_most` its 95 % quantile if each answer were
    right with exactly the probability that its confidence states.
    """
    confidence, right = answers.scores.max(axis=1), answers.right
    index = np.minimum((confidence * BINS).astype(int), BINS - 1)
    drawn = np.random.default_rng(0).random((DRAWS, len(right))) < confidence
    chance = _calibration_errors(confidence, drawn, index) if len(right) else np.zeros(1)
    return {
        "ece": float(_calibration_errors(confidence, right[None], index)[0]),
        "by_chance": float(chance.mean()),
        "at_most": float(np.quantile(chance, 0.95)),
        "binning": f"{BINS} bins of equal width over the highest score",
        "bins": [_bin(number, confidence, right, index == number) for number in np.unique(index).tolist()],
    }


def _bin(number: int, confidence: np.ndarray, right: np.ndarray, inside: np.ndarray) -> dict[str, Any]:
    count = int(inside.sum())
    low, high = wilson(int(right[inside].sum()), count)
    return {
        "from": number / BINS,
        "to": (number + 1) / BINS,
        "n": count,
        "confidence": float(confidence[inside].mean()),
        "accuracy": float(right[inside].mean()),
        "low": low,
        "high": high,
    }


def _calibration_errors(confidence: np.ndarray, right: np.ndarray, index: np.ndarray) -> np.ndarray:
    """Returns the error of each row of right, bool (draws, n); confidence, index: (n,), the scores and their bins."""
    in_bin = index[:, None] == np.arange(BINS)
    return np.abs((right - confidence) @ in_bin).sum(axis=1) / max(len(confidence), 1)


def negative_of(labels: tuple[str, ...], wanted: str | None = None) -> int | None:
    """Returns the column of the label that stands for health: `wanted`, else the first of HEALTHY; None without one."""
    folded = [label.casefold() for label in labels]
    for name in (wanted,) if wanted else HEALTHY:
        if name.casefold() in folded:
            return folded.index(name.casefold())
    return None


def task_metrics(answers: Answers, negative: str | None = None, prevalence: float = PREVALENCE) -> dict[str, Any]:
    """Returns all metrics of a task, ready for JSON. negative: the label that stands for health."""
    labels, targets, predicted, groups = answers.labels, answers.targets, answers.predicted, answers.groups
    columns = range(len(labels))
    healthy = negative_of(labels, negative)
    result = {
        "task": answers.task,
        "labels": list(labels),
        "cases": len(targets),
        "groups": len(set(groups)),
        "accuracy": rate(answers.right, groups),
        "classification_report": classification_report(
            targets, predicted, labels=columns, target_names=labels, zero_division=0, output_dict=True
        ),
        "confusion_matrix": confusion_matrix(targets, predicted, labels=columns).tolist(),
        "by_label": {
            label: one_against_rest(targets == c, predicted == c, answers.scores[:, c], groups, prevalence)
            for c, label in enumerate(labels)
        },
        "calibration": calibration(answers),
    }
    if healthy is not None:
        ill = (targets != healthy, predicted != healthy, 1 - answers.scores[:, healthy])
        result |= {"negative": labels[healthy], **one_against_rest(*ill, groups, prevalence)}
    return result
