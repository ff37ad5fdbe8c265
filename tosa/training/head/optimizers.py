"""Gradient descent as the classic had it, and Adam for heads with a hidden layer. Both change parameters in place."""

import numpy as np


class SGD:
    """Stochastic gradient descent."""

    def __init__(self, parameters: list[np.ndarray], learning_rate: float | None):
        self.parameters, self.rate = parameters, np.float32(0.01 if learning_rate is None else learning_rate)

    def step(self, slopes: list[np.ndarray]) -> None:
        for parameter, slope in zip(self.parameters, slopes, strict=True):
            parameter -= self.rate * slope


class Adam:
    """Kingma and Ba, ICLR 2015, with its constants."""

    def __init__(self, parameters: list[np.ndarray], learning_rate: float | None):
        self.parameters, self.rate = parameters, 0.001 if learning_rate is None else learning_rate
        self.first = [np.zeros_like(parameter) for parameter in parameters]
        self.second = [np.zeros_like(parameter) for parameter in parameters]
        self.steps = 0

    def step(self, slopes: list[np.ndarray]) -> None:
        self.steps += 1
        rate = np.float32(self.rate * np.sqrt(1 - 0.999**self.steps) / (1 - 0.9**self.steps))
        for parameter, slope, first, second in zip(self.parameters, slopes, self.first, self.second, strict=True):
            first += np.float32(0.1) * (slope - first)
            second += np.float32(0.001) * (slope * slope - second)
            parameter -= rate * first / (np.sqrt(second) + np.float32(1e-8))


OPTIMIZERS = {"sgd": SGD, "adam": Adam}
