"""Gradient descent as in the classic, and Adam for heads with a hidden layer. Both change parameters in place.

They are float32 NumPy in ten lines each: with TensorFlow's, a training would start seconds later and a step of a last
layer take longer.
"""

from collections.abc import Sequence

import numpy as np


class SGD:
    """Stochastic gradient descent."""

    def __init__(self, parameters: Sequence[np.ndarray], learning_rate: float | None) -> None:
        self.parameters, self.rate = parameters, np.float32(0.01 if learning_rate is None else learning_rate)

    def step(self, gradients: Sequence[np.ndarray]) -> None:
        """Changes each parameter against its gradient."""
        for parameter, gradient in zip(self.parameters, gradients, strict=True):
            parameter -= self.rate * gradient


class Adam:
    """Kingma and Ba, ICLR 2015, with its constants."""

    def __init__(self, parameters: Sequence[np.ndarray], learning_rate: float | None) -> None:
        self.parameters, self.rate = parameters, 0.001 if learning_rate is None else learning_rate
        self.first = [np.zeros_like(parameter) for parameter in parameters]
        self.second = [np.zeros_like(parameter) for parameter in parameters]
        self.steps = 0

    def step(self, gradients: Sequence[np.ndarray]) -> None:
        """Changes each parameter by its gradients' running mean over the root of that of their squares."""
        self.steps += 1
        rate = np.float32(self.rate * np.sqrt(1 - 0.999**self.steps) / (1 - 0.9**self.steps))
        for parameter, gradient, first, second in zip(self.parameters, gradients, self.first, self.second, strict=True):
            first += np.float32(0.1) * (gradient - first)
            second += np.float32(0.001) * (gradient * gradient - second)
            parameter -= rate * first / (np.sqrt(second) + np.float32(1e-8))


OPTIMIZERS: dict[str, type[SGD] | type[Adam]] = {"sgd": SGD, "adam": Adam}
