"""What a step of training draws from: bottlenecks and the labels that they have."""

import numpy as np


class Examples:
    """Bottlenecks float32 (n, features) and the columns of their labels int64 (n,)."""

    def __init__(self, bottlenecks: np.ndarray, targets: np.ndarray) -> None:
        self.bottlenecks, self.targets = bottlenecks, targets
        self._by_label = np.argsort(targets, kind="stable")
        counts = np.bincount(targets)
        self._present = np.flatnonzero(counts)
        self._starts = (np.cumsum(counts) - counts)[self._present]
        self._counts = counts[self._present]
        shares = np.zeros(max(len(counts), 1), np.float32)
        shares[self._present] = len(targets) / (len(self._present) * self._counts)
        # mean 1, the same sum for each label
        self.weights = shares[targets] if len(targets) else np.ones(0, np.float32)

    def rows(self, count: int, balanced: bool, rng: np.random.Generator) -> np.ndarray:
        """Returns `count` rows drawn with replacement, each label equally often if balanced; all rows for -1."""
        if count == -1 or not len(self.targets):
            return np.arange(len(self.targets))
        if not balanced:
            return rng.integers(len(self.targets), size=count)
        label = rng.integers(len(self._present), size=count)
        return self._by_label[self._starts[label] + (rng.random(count) * self._counts[label]).astype(np.int64)]

    def at(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Returns bottlenecks and targets of rows."""
        if len(rows) == len(self.targets) and (rows[:-1] < rows[1:]).all():
            return self.bottlenecks, self.targets  # all rows, without a copy
        return self.bottlenecks.take(rows, axis=0), self.targets[rows]
