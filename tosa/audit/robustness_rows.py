"""One row of the handling table: rates after a change, how far they move, and whether that misses its bound."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from tosa.training.data.dataset import Case
from tosa.training.metrics import negative_of, rate

MIN_CASES = 10  # of a source, to be shown
REFUSED = -1  # in the place of a column

Row = dict[str, Any]


@dataclass(frozen=True)
class Bound:
    """What a change may do to the answers of one task."""

    kept: float  # share of the cases that stay normal or stay ill, at least
    moves: float | None = None  # by how much specificity and sensitivity may move, at most


@dataclass(frozen=True)
class Truth:
    """The labels and the answers of n cases of one task."""

    targets: np.ndarray  # columns (n,)
    healthy: int | None  # the column of the label that stands for health
    groups: np.ndarray  # (n,)
    sources: np.ndarray  # (n,)

    @classmethod
    def of(cls, cases: list[Case], labels: tuple[str, ...]) -> "Truth":
        """Returns what is known of these cases; labels: of their task."""
        targets = np.array([labels.index(case.label) for case in cases])
        groups, sources = (np.array([getattr(case, name) for case in cases]) for name in ("group", "source"))
        return cls(targets, negative_of(labels), groups, sources)

    def rate(self, right: np.ndarray, chosen: np.ndarray) -> dict[str, Any]:
        """Returns the share of right among the chosen cases; both bool (n,)."""
        return rate(right[chosen], self.groups[chosen].tolist())


@dataclass(frozen=True)
class Answered:
    """What the network answers to n cases after one change."""

    scores: np.ndarray  # (n, labels), 0 for refused cases
    predicted: np.ndarray  # columns (n,), REFUSED for cases that serving refuses to judge


def rates_row(truth: Truth, answered: Answered) -> Row:
    """Returns the rates of right answers."""
    everyone = np.ones(len(truth.targets), bool)
    return {
        "n": len(truth.targets),
        "refused": int((answered.predicted == REFUSED).sum()),
        "accuracy": truth.rate(answered.predicted == truth.targets, everyone),
        **_sensitivity_and_specificity(truth, answered, everyone),
    }


def _sensitivity_and_specificity(truth: Truth, answered: Answered, chosen: np.ndarray) -> Row:
    if truth.healthy is None:
        return {}
    ill = truth.targets != truth.healthy
    judged = answered.predicted != REFUSED
    right = judged & ((answered.predicted != truth.healthy) == ill)
    return {"sensitivity": truth.rate(right, chosen & ill), "specificity": truth.rate(right, chosen & ~ill)}


def changed_row(truth: Truth, plain: Answered, changed: Answered, bound: Bound) -> Row:
    """Returns the rates after a change, how far they move from those of `plain`, the bound, and what misses it."""
    kept = _kept(truth, plain, changed)
    everyone = np.ones(len(kept), bool)
    moved = np.abs(changed.scores - plain.scores).max(axis=1)[changed.predicted != REFUSED]
    row = rates_row(truth, changed) | {
        "kept": truth.rate(kept, everyone),
        "same": truth.rate(changed.predicted == plain.predicted, everyone),
        "moves": _moves(truth, plain, changed, everyone),
        "score_moves": {"median": float(np.median(moved)), "largest": float(moved.max())} if len(moved) else None,
        "bound": {"kept": bound.kept, "moves": bound.moves},
    }
    row["misses"] = _misses(row, bound)
    row["by_source"] = {
        source: {
            "kept": truth.rate(kept, truth.sources == source),
            **_sensitivity_and_specificity(truth, changed, truth.sources == source),
        }
        for source in np.unique(truth.sources).tolist()
        if source and (truth.sources == source).sum() >= MIN_CASES
    }
    return row


def _kept(truth: Truth, plain: Answered, changed: Answered) -> np.ndarray:
    """Returns which cases stay normal or stay ill; without a label for health, which keep their diagnosis."""
    if truth.healthy is None:
        return changed.predicted == plain.predicted
    sides = [np.where(each.predicted == REFUSED, REFUSED, each.predicted == truth.healthy) for each in (plain, changed)]
    return sides[0] == sides[1]


def _moves(truth: Truth, plain: Answered, changed: Answered, chosen: np.ndarray) -> dict[str, float]:
    """Returns by how much sensitivity and specificity rise or, below 0, fall."""
    before, after = (_sensitivity_and_specificity(truth, each, chosen) for each in (plain, changed))
    return {
        name: after[name]["value"] - before[name]["value"] for name in before if before[name]["value"] is not None
    }  # fmt: skip


def _misses(row: Row, bound: Bound) -> list[str]:
    """Returns why a row misses its bound, with N and interval; nothing where it holds."""
    reasons = []
    kept = row["kept"]
    limits = f"95 % interval {kept['low']:.1%} to {kept['high']:.1%}, N={kept['n']}"
    if kept["value"] < bound.kept:
        reasons.append(f"{kept['value']:.1%} kept, bound {bound.kept:.0%} ({limits})")
    for name, moves in row["moves"].items():
        if bound.moves is not None and abs(moves) > bound.moves + 1e-9:
            n = row[name]["n"]
            reasons.append(f"{name} moves by {100 * moves:+.1f} points, bound {100 * bound.moves:g} (N={n})")
    return reasons
