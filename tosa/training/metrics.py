"""What a graph is worth on labelled cases, as numbers: counts, rates, and their 95 % intervals.

Intervals of rates are Wilson's over cases. Where a group (a patient) has several cases, these say less than as many
independent ones would, so there the interval of a bootstrap over groups stands beside it. Where all groups are alike,
as when all cases are right, each draw is the same and the bootstrap would be sure of it: there it is Wilson's, with
the groups for cases.
"""

from dataclasses import dataclass

import numpy as np
from scipy.stats import norm, rankdata
from sklearn.metrics import classification_report, confusion_matrix

HEALTHY = ("not sick", "normal", "healthy", "negative", "no finding")  # negative for sensitivity and specificity
DRAWS = 1000  # of a bootstrap
BINS = 10  # of the expected calibration error, all as wide as one another in confidence
PREVALENCE = 0.1  # at which the predictive values are given where none is stated


@dataclass(frozen=True)
class Answers:
    """One task's cases and what was answered to them."""

    task: str
    labels: tuple[str, ...]
    targets: np.ndarray  # columns int64 (n,)
    scores: np.ndarray  # probabilities (n, labels)
    groups: list[str]

    @property
    def predicted(self) -> np.ndarray:
        return self.scores.argmax(axis=1)


def wilson(right: float, count: int, confidence: float = 0.95) -> tuple[float, float]:
    """Interval of a rate (Wilson, JASA 1927); (0, 1) for no cases."""
    if not count:
        return 0.0, 1.0
    z = norm.ppf((1 + confidence) / 2)
    rate, spread = right / count, z * z / count
    middle, half = rate + spread / 2, z * np.sqrt(rate * (1 - rate) / count + spread / 4 / count)
    return max(float((middle - half) / (1 + spread)), 0.0), min(float((middle + half) / (1 + spread)), 1.0)


def auc(positive: np.ndarray, score: np.ndarray) -> float:
    """Area under the ROC curve of score (n,) for positive (n,) bool, as the Mann-Whitney statistic; ties count half."""
    count = positive.sum()
    ranks = rankdata(score)[positive].sum()
    return float((ranks - count * (count + 1) / 2) / (count * (len(positive) - count)))


def group_draws(groups: list[str], draws: int = DRAWS) -> np.ndarray:
    """How often each case is in each draw of as many groups as there are, with replacement: (draws, n)."""
    names, index = np.unique(groups, return_inverse=True)
    rng = np.random.default_rng(0)
    counts = rng.multinomial(len(names), np.full(len(names), 1 / len(names)), size=draws)
    return counts[:, index]


def drawn_aucs(positive: np.ndarray, score: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """The AUC of each draw that has both kinds. positive, score: (n,); counts: (draws, n), from group_draws."""
    order = np.argsort(score, kind="stable")
    ordered = score[order]
    starts = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]])  # of runs of ties
    ones = np.add.reduceat(counts[:, order] * positive[order], starts, axis=1)
    zeros = np.add.reduceat(counts[:, order] * ~positive[order], starts, axis=1)
    below = np.cumsum(zeros, axis=1) - zeros / 2
    pairs = ones.sum(axis=1) * zeros.sum(axis=1)
    return (ones * below).sum(axis=1)[pairs > 0] / pairs[pairs > 0]


def _limits(values: np.ndarray) -> dict:
    low, high = np.quantile(values, [0.025, 0.975])
    return {"low": float(low), "high": float(high)}


def rate(right: np.ndarray, groups: list[str]) -> dict:
    """A rate of right (n,) bool with Wilson's interval, and a bootstrap's over groups where one has several cases."""
    count = len(right)
    low, high = wilson(int(right.sum()), count)
    found = {"value": float(right.mean()) if count else None, "low": low, "high": high, "n": count, "by": "Wilson"}
    if 1 < len(set(groups)) < count:
        counts = group_draws(groups)
        drawn = counts @ right / np.maximum(counts.sum(axis=1), 1)
        over = {**_limits(drawn[counts.sum(axis=1) > 0]), "groups": len(set(groups)), "by": "bootstrap"}
        if over["high"] - over["low"] < 1e-9:
            low, high = wilson(found["value"] * over["groups"], over["groups"])
            over |= {"low": low, "high": high, "by": "Wilson"}
        found["over_groups"] = over
    return found


def area(positive: np.ndarray, score: np.ndarray, groups: list[str]) -> dict | None:
    """The AUC with its interval, by a bootstrap over groups; None where there is but one kind of case.

    Where all pairs are in order, or none is, all draws are alike, and the bootstrap would be sure of it. The interval
    is then what Wilson's would be with the groups of the rarer kind for cases, since as few could all have been lucky.
    """
    if not 0 < positive.sum() < len(positive):
        return None
    value = auc(positive, score)
    drawn = drawn_aucs(positive, score, group_draws(groups))
    kinds = [len({group for group, is_positive in zip(groups, positive) if is_positive == kind}) for kind in (1, 0)]
    if 0 < value < 1 and len(drawn):
        return {"value": value, **_limits(drawn), "n": len(positive), "by": "bootstrap over groups"}
    low, high = wilson(round(value * min(kinds)), min(kinds))
    return {"value": value, "low": low, "high": high, "n": min(kinds), "by": "Wilson over groups of the rarer kind"}


def positive_predictive(sensitivity: np.ndarray, specificity: np.ndarray, prevalence: float) -> dict:
    """The share of positive answers that would be right, were `prevalence` of all cases positive (Bayes).

    sensitivity, specificity: bool (n,) and (m,), whether each positive and negative case was answered rightly. The
    limits take each rate's limit of 97.5 %, so that both hold together with at least 95 %.
    """

    def share(sens: float, spec: float) -> float | None:
        true, false = sens * prevalence, (1 - spec) * (1 - prevalence)
        return true / (true + false) if true + false else None

    sens, spec = (wilson(int(right.sum()), len(right), 0.975) for right in (sensitivity, specificity))
    value = share(sensitivity.mean(), specificity.mean()) if len(sensitivity) and len(specificity) else None
    low, high = share(sens[0], spec[0]) or 0.0, share(sens[1], spec[1])
    return {"value": value, "low": low, "high": 1.0 if high is None else high, "prevalence": prevalence,
            "n": len(sensitivity) + len(specificity), "by": "Wilson, both rates at 97.5 %"}  # fmt: skip


def one_against_rest(positive: np.ndarray, called: np.ndarray, score: np.ndarray, groups: list[str], prevalence: float):
    """Sensitivity, specificity, PPV and AUC of one kind. positive, called: bool (n,); score: (n,) for being it."""
    groups = np.asarray(groups)
    hits, rejections = called[positive], ~called[~positive]
    return {
        "sensitivity": rate(hits, groups[positive].tolist()),
        "specificity": rate(rejections, groups[~positive].tolist()),
        "ppv": positive_predictive(hits, rejections, prevalence),
        "auc": area(positive, score, groups.tolist()),
    }


def calibration(answers: Answers) -> dict:
    """Expected calibration error (Naeini et al., AAAI 2015): |accuracy - confidence| of BINS, weighted by cases.

    Confidence is the highest score. A bin holds confidences from its lower edge to under its upper one. Few cases
    scatter, so that even right confidences show an error: `by_chance` is what it would be on average, and `at_most`
    in 95 of 100 times, were each answer right with exactly the probability that its confidence says.
    """
    confidence, right = answers.scores.max(axis=1), answers.predicted == answers.targets
    index = np.minimum((confidence * BINS).astype(int), BINS - 1)
    bins = []
    for number in range(BINS):
        inside = index == number
        if count := int(inside.sum()):
            low, high = wilson(int(right[inside].sum()), count)
            bins.append({"from": number / BINS, "to": (number + 1) / BINS, "n": count,
                         "confidence": float(confidence[inside].mean()), "accuracy": float(right[inside].mean()),
                         "low": low, "high": high})  # fmt: skip
    drawn = np.random.default_rng(0).random((DRAWS, len(right))) < confidence
    chance = _calibration_errors(confidence, drawn, index) if len(right) else np.zeros(1)
    return {
        "ece": float(_calibration_errors(confidence, right[None], index)[0]),
        "by_chance": float(chance.mean()),
        "at_most": float(np.quantile(chance, 0.95)),
        "binning": f"{BINS} bins of equal width over the highest score",
        "bins": bins,
    }


def _calibration_errors(confidence: np.ndarray, right: np.ndarray, index: np.ndarray) -> np.ndarray:
    """The error of each row of right, bool (draws, n), with confidences (n,) in the bins that index (n,) names."""
    in_bin = index[:, None] == np.arange(BINS)
    return np.abs((right - confidence) @ in_bin).sum(axis=1) / max(len(confidence), 1)


def negative_of(labels: tuple[str, ...], wanted: str | None = None) -> int | None:
    """The column of the label that stands for health: the wanted one, else the first of HEALTHY; None without."""
    known = [label.casefold() for label in labels]
    for name in (wanted,) if wanted else HEALTHY:
        if name.casefold() in known:
            return known.index(name.casefold())
    return None


def task_metrics(answers: Answers, negative: str | None = None, prevalence: float = PREVALENCE) -> dict:
    """All numbers of a task, ready for JSON. negative: the label that counts as such, else one of HEALTHY."""
    labels, targets, predicted, groups = answers.labels, answers.targets, answers.predicted, answers.groups
    columns = range(len(labels))
    healthy = negative_of(labels, negative)
    found = {
        "task": answers.task,
        "labels": list(labels),
        "cases": len(targets),
        "groups": len(set(groups)),
        "accuracy": rate(predicted == targets, groups),
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
        found |= {"negative": labels[healthy], **one_against_rest(*ill, groups, prevalence)}
    return found
