"""Which answers in int8 are too close to call, so that the same picture is computed again in float32.

A task decides twice: which label scores highest, and whether the score of illness reaches the operating point. Rounding
to eight bits moves scores by a few hundredths, so it can only turn a decision that is about as close. How close is too
close was measured on the validation cases when the graph was made (tosa/training/graph/margin.py).
"""

from dataclasses import dataclass

import numpy as np

from tosa.model.metadata import TaskMetadata


@dataclass(frozen=True)
class Decisions:
    """What one task decides from its scores. `ill` are the columns that its operating point sums, () without one."""

    ill: tuple[int, ...] = ()
    threshold: float = 0.0

    @classmethod
    def of(cls, task: TaskMetadata, labels: tuple[str, ...]) -> "Decisions":
        """Returns the decisions of a task with these labels, in the order of its scores."""
        point = task.operating_point
        if point is None:
            return cls()
        return cls(tuple(labels.index(label) for label in point.labels), point.threshold)

    def distances(self, scores: np.ndarray, ranked_by: np.ndarray | None = None) -> np.ndarray:
        """Returns how far scores are from each decision's turning point: float32 (N, 1), or (N, 2) with a threshold.

        The first column is the lead of the best label over the second, the second the distance from the threshold.
        scores: (N, labels); ranked_by: scores, by default the same, that say which labels are the best two and on which
        side of the threshold a case is. A distance below zero is then a decision that these scores take otherwise.
        """
        ranked_by = scores if ranked_by is None else ranked_by
        rows, order = np.arange(len(scores)), np.argsort(ranked_by, axis=1)
        second = scores[rows, order[:, -2]] if scores.shape[1] > 1 else 0
        found = [scores[rows, order[:, -1]] - second]
        if self.ill:
            side = np.where(self._ill_score(ranked_by) >= self.threshold, 1, -1)
            found.append((self._ill_score(scores) - self.threshold) * side)
        return np.stack(found, axis=1)

    def _ill_score(self, scores: np.ndarray) -> np.ndarray:
        return scores[:, list(self.ill)].sum(axis=1)


@dataclass(frozen=True)
class Margin:
    """The decisions of a task, and how close is too close."""

    decisions: Decisions
    margin: float

    def is_close(self, scores: np.ndarray) -> np.ndarray:
        """Returns for each row of the task's scores (N, labels) whether a decision is too close: bool (N,)."""
        return self.decisions.distances(scores).min(axis=1) < self.margin
