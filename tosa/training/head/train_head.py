"""Train a last layer on bottlenecks, as the classic retrain.py does: softmax regression by gradient descent.

With --hidden_units there is a layer of rectified units in front of it. All arithmetic is float32 on one thread:
matrices this small gain nothing from a second one, and the same seed gives the same bytes on any number of cores.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from threadpoolctl import threadpool_limits
from tqdm import tqdm

from tosa.training.files import progress
from tosa.training.head.head import Head, softmax
from tosa.training.head.optimizers import OPTIMIZERS

PRIOR_DEVIATION = 0.5  # of a temperature's logarithm, before any case was seen


@dataclass(frozen=True)
class HeadRecipe:
    """The knobs of the classic trainer, and of the hidden layer; a batch size of -1 takes all."""

    steps: int = 4000
    learning_rate: float | None = None  # None: the optimizer's own
    train_batch_size: int = 100
    validation_batch_size: int = 100
    eval_step_interval: int = 10
    class_balance: str = "drawn"  # each label equally often, as the classic; or weighted, none: as retrain.py says
    hidden_units: int = 0
    dropout: float = 0.0  # of what the last layer sees
    optimizer: str | None = None  # None: sgd, and adam with hidden units
    seed: int = 0


class Examples:
    """Bottlenecks float32 (n, features) and the columns of their labels int64 (n,)."""

    def __init__(self, bottlenecks: np.ndarray, targets: np.ndarray):
        self.bottlenecks, self.targets = bottlenecks, targets
        self._by_label = np.argsort(targets, kind="stable")
        counts = np.bincount(targets)
        self._present = np.flatnonzero(counts)
        self._starts = (np.cumsum(counts) - counts)[self._present]
        self._counts = counts[self._present]
        shares = np.zeros(max(len(counts), 1), np.float32)
        shares[self._present] = len(targets) / (len(self._present) * self._counts)
        self.weights = shares[targets] if len(targets) else np.ones(0, np.float32)  # mean 1, each label's sum alike

    def rows(self, count: int, balanced: bool, rng: np.random.Generator) -> np.ndarray:
        """`count` rows drawn with replacement, each label equally often where balanced; all of them for -1."""
        if count == -1 or not len(self.targets):
            return np.arange(len(self.targets))
        if not balanced:
            return rng.integers(len(self.targets), size=count)
        label = rng.integers(len(self._present), size=count)
        return self._by_label[self._starts[label] + (rng.random(count) * self._counts[label]).astype(np.int64)]

    def at(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Bottlenecks and targets of rows."""
        if len(rows) == len(self.targets) and (rows[:-1] < rows[1:]).all():
            return self.bottlenecks, self.targets  # all, without a copy
        return self.bottlenecks.take(rows, axis=0), self.targets[rows]


def train_head(
    task: str,
    labels: list[str],
    training: Examples,
    validation: Examples,
    recipe: HeadRecipe,
    write_curves: Callable,
    store: Callable[[int, Head], None] = lambda step, head: None,
) -> Head:
    """Train the head of a task, printing the classic's log lines.

    write_curves: called with (split, step, accuracy_1=, cross_entropy_1=) at every evaluation; store: after every
    step, with it and the head as it is then.
    """
    rng = np.random.default_rng(recipe.seed)
    head = start(task, labels, training.bottlenecks.shape[1], recipe, rng)
    parameters = [*(head.hidden or ()), head.weights, head.biases]
    optimize = OPTIMIZERS[recipe.optimizer or ("adam" if recipe.hidden_units else "sgd")]
    optimize = optimize(parameters, recipe.learning_rate)
    balanced = recipe.class_balance == "drawn"
    with threadpool_limits(1, "blas"):
        for step in progress(range(recipe.steps), desc="head", unit="step"):
            rows = training.rows(recipe.train_batch_size, balanced, rng)
            values, targets = training.at(rows)
            weights = training.weights[rows] if recipe.class_balance == "weighted" else None
            optimize.step(gradients(head, values, targets, weights, recipe.dropout, rng))
            if step % recipe.eval_step_interval == 0 or step + 1 == recipe.steps:
                chosen = validation.at(validation.rows(recipe.validation_batch_size, balanced, rng))
                _log(step, measure(head, values, targets), measure(head, *chosen), len(chosen[1]), write_curves)
            store(step, head)
    return head


def start(task: str, labels: list[str], features: int, recipe: HeadRecipe, rng: np.random.Generator) -> Head:
    """A head before its first step: the classic's small random weights; He's (ICCV 2015) for the hidden layer."""
    hidden, inputs = None, features
    if recipe.hidden_units:
        first = np.asfortranarray(rng.normal(0, np.sqrt(2 / features), (features, recipe.hidden_units)), np.float32)
        hidden, inputs = (first, np.zeros(recipe.hidden_units, np.float32)), recipe.hidden_units
    deviation = 0.001 if hidden is None else np.sqrt(1 / inputs)
    weights = np.asfortranarray(rng.normal(0, deviation, (inputs, len(labels))), np.float32)  # so products are faster
    return Head(task, tuple(labels), weights, np.zeros(len(labels), np.float32), hidden=hidden)


def gradients(
    head: Head, values: np.ndarray, targets: np.ndarray, weights: np.ndarray | None, dropout: float, rng
) -> list[np.ndarray]:
    """The gradient of the mean cross entropy, an array for each of the head's parameters, the hidden layer's first.

    values: bottlenecks (n, features); targets: columns (n,); weights: of each case (n,), None for all alike.
    """
    last = seen = head.features(values)  # seen: by the last layer
    if dropout:
        kept = (rng.random(seen.shape, np.float32) >= dropout) / np.float32(1 - dropout)
        last = seen * kept
    slope = softmax(last @ head.weights + head.biases)
    slope[np.arange(len(slope)), targets] -= 1
    slope *= np.float32(1 / len(slope)) if weights is None else weights[:, None] / np.float32(len(slope))
    own = [(slope.T @ last).T, slope.sum(axis=0)]
    if not head.hidden:
        return own
    back = slope @ head.weights.T * (seen > 0)
    if dropout:
        back *= kept
    return [(back.T @ values).T, back.sum(axis=0), *own]


def _log(step: int, train: tuple[float, float], validation: tuple[float, float], count: int, write_curves) -> None:
    """The classic's three lines; validation is left out where no case is there."""
    lines = [f"Train accuracy = {train[0] * 100:.1f}%", f"Cross entropy = {train[1]:f}"]
    write_curves("train", step, accuracy_1=train[0], cross_entropy_1=train[1])
    if count:
        lines.append(f"Validation accuracy = {validation[0] * 100:.1f}% (N={count})")
        write_curves("validation", step, accuracy_1=validation[0], cross_entropy_1=validation[1])
    now = datetime.now()
    tqdm.write("\n".join(f"{now}: Step {step}: {line}" for line in lines))


def measure(head: Head, bottlenecks: np.ndarray, targets: np.ndarray) -> tuple[float, float]:
    """Accuracy and mean cross entropy of a head; (0, 0) for no cases."""
    if not len(targets):
        return 0.0, 0.0
    scores = softmax(head.logits(bottlenecks))
    right = scores.argmax(axis=1) == targets
    return float(right.mean()), float(cross_entropies(scores, targets).mean())


def cross_entropies(scores: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """The cross entropy of each case, in nats: (n,) for scores (n, labels) and the columns of their labels (n,)."""
    return -np.log(np.maximum(scores[np.arange(len(scores)), targets], 1e-12))


def temperature(logits: np.ndarray, targets: np.ndarray) -> float:
    """The temperature that calibrates logits (n, labels) for targets (n,), between 1/8 and 8.

    The most likely one (Guo et al., "On Calibration of Modern Neural Networks", ICML 2017), given that its logarithm
    is normal around 0 with PRIOR_DEVIATION: a handful of cases must not make the network sure of itself.
    """
    tried = np.geomspace(1 / 8, 8, 241)
    losses = [cross_entropies(softmax(logits / t), targets).sum() for t in tried]
    losses = np.array(losses) + np.square(np.log(tried) / PRIOR_DEVIATION) / 2
    return float(tried[int(np.argmin(losses))])
