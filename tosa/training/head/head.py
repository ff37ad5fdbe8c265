"""A task's last layer as arrays, and the scores that it gives to bottlenecks."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Head:
    """One task's last layer: weights float32 (inputs, labels), biases float32 (labels,).

    Its inputs are the features of the bottleneck or, if there is a hidden layer, its rectified units. hidden: weights
    float32 (features, units) and biases float32 (units,) of that layer.
    """

    task: str
    labels: tuple[str, ...]
    weights: np.ndarray
    biases: np.ndarray
    temperature: float = 1.0  # logits are divided by it, which calibrates the scores (Guo et al., ICML 2017)
    hidden: tuple[np.ndarray, np.ndarray] | None = None
    shift: np.ndarray | None = (
        None  # float32 (labels,), added to the calibrated logits: moves the decision, see decision.py
    )
    floor: float = 0.0  # the smallest score, which bounds the largest one too, see bound.py

    def features(self, bottlenecks: np.ndarray) -> np.ndarray:
        """Returns the last layer's inputs (n, inputs) for bottlenecks (n, features)."""
        return np.maximum(bottlenecks @ self.hidden[0] + self.hidden[1], 0) if self.hidden else bottlenecks

    def logits(self, bottlenecks: np.ndarray) -> np.ndarray:
        """Returns uncalibrated logits (n, labels) of bottlenecks (n, features)."""
        return self.features(bottlenecks) @ self.weights + self.biases

    def scores(self, bottlenecks: np.ndarray) -> np.ndarray:
        """Returns calibrated probabilities (n, labels) of bottlenecks (n, features)."""
        return self.scores_of(self.logits(bottlenecks))

    def scores_of(self, logits: np.ndarray) -> np.ndarray:
        """Returns calibrated probabilities (n, labels) of uncalibrated logits (n, labels)."""
        calibrated = logits / np.float32(self.temperature)
        scores = softmax(calibrated if self.shift is None else calibrated + self.shift)
        return scores * np.float32(1 - len(self.labels) * self.floor) + np.float32(self.floor)


def softmax(logits: np.ndarray) -> np.ndarray:
    """Returns probabilities for logits (n, labels), each row summing to 1."""
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)
