"""Train a last layer on bottlenecks, as the classic retrain.py does: softmax regression by gradient descent."""

from dataclasses import dataclass
from datetime import datetime

import numpy as np
from tqdm import tqdm

from .export import Head, softmax

PRIOR_DEVIATION = 0.5  # of a temperature's logarithm, before any case was seen


@dataclass(frozen=True)
class HeadRecipe:
    """The knobs of the classic trainer; a batch size of -1 takes all."""

    steps: int = 4000
    learning_rate: float = 0.01
    train_batch_size: int = 100
    validation_batch_size: int = 100
    eval_step_interval: int = 10
    seed: int = 0


@dataclass(frozen=True)
class Examples:
    """Bottlenecks float32 (n, features) and the columns of their labels int64 (n,)."""

    bottlenecks: np.ndarray
    targets: np.ndarray

    def drawn(self, count: int, rng) -> "Examples":
        """`count` examples drawn with replacement, all of them for -1."""
        if count == -1 or not len(self.targets):
            return self
        chosen = rng.integers(len(self.targets), size=count)
        return Examples(self.bottlenecks[chosen], self.targets[chosen])


def train(
    task: str, labels: list[str], training: Examples, validation: Examples, recipe: HeadRecipe, write_curves
) -> Head:
    """Train the head of a task, printing the classic's log lines.

    write_curves: called with (split, step, accuracy_1=, cross_entropy_1=) at every evaluation.
    """
    rng = np.random.default_rng(recipe.seed)
    weights = rng.normal(0, 0.001, (training.bottlenecks.shape[1], len(labels))).astype(np.float32)
    biases = np.zeros(len(labels), dtype=np.float32)
    wanted = np.eye(len(labels), dtype=np.float32)
    head = Head(task, tuple(labels), weights, biases)
    for step in tqdm(range(recipe.steps), desc="head", unit="step", disable=None):
        batch = training.drawn(recipe.train_batch_size, rng)
        slope = softmax(head.logits(batch.bottlenecks)) - wanted[batch.targets]
        weights -= recipe.learning_rate / len(slope) * (batch.bottlenecks.T @ slope)
        biases -= recipe.learning_rate * slope.mean(axis=0)
        if step % recipe.eval_step_interval == 0 or step + 1 == recipe.steps:
            _log(head, step, batch, validation.drawn(recipe.validation_batch_size, rng), write_curves)
    return head


def _log(head: Head, step: int, batch: Examples, validation: Examples, write_curves) -> None:
    """The classic's three lines; validation is left out where no case is there."""
    accuracy, loss = measure(head, batch)
    tqdm.write(f"{datetime.now()}: Step {step}: Train accuracy = {accuracy * 100:.1f}%")
    tqdm.write(f"{datetime.now()}: Step {step}: Cross entropy = {loss:f}")
    write_curves("train", step, accuracy_1=accuracy, cross_entropy_1=loss)
    if len(validation.targets):
        accuracy, loss = measure(head, validation)
        tqdm.write(
            f"{datetime.now()}: Step {step}: Validation accuracy = {accuracy * 100:.1f}% (N={len(validation.targets)})"
        )
        write_curves("validation", step, accuracy_1=accuracy, cross_entropy_1=loss)


def measure(head: Head, examples: Examples) -> tuple[float, float]:
    """Accuracy and mean cross entropy of a head on examples."""
    scores = softmax(head.logits(examples.bottlenecks))
    right = scores.argmax(axis=1) == examples.targets
    own = scores[np.arange(len(scores)), examples.targets]
    return float(right.mean()), float(-np.log(np.maximum(own, 1e-12)).mean())


def temperature(logits: np.ndarray, targets: np.ndarray) -> float:
    """The temperature that calibrates logits (n, labels) for targets (n,), between 1/8 and 8.

    The most likely one (Guo et al., "On Calibration of Modern Neural Networks", ICML 2017), given that its logarithm
    is normal around 0 with PRIOR_DEVIATION: a handful of cases must not make the network sure of itself.
    """
    tried = np.geomspace(1 / 8, 8, 241)
    rows = np.arange(len(targets))
    losses = [-np.log(np.maximum(softmax(logits / t)[rows, targets], 1e-12)).sum() for t in tried]
    losses = np.array(losses) + np.square(np.log(tried) / PRIOR_DEVIATION) / 2
    return float(tried[int(np.argmin(losses))])
