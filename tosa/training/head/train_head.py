"""Train a last layer on bottlenecks, as the classic retrain.py does: softmax regression by gradient descent.

With --hidden_units there is a layer of rectified units before it. All arithmetic is float32 on one thread: matrices
this small gain nothing from a second one, and the same seed gives the same bytes on any number of cores.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from threadpoolctl import threadpool_limits
from tqdm import tqdm

from tosa.training.files import progress
from tosa.training.head.examples import Examples
from tosa.training.head.head import Head, softmax
from tosa.training.head.optimizers import OPTIMIZERS

PRIOR_DEVIATION = 0.5  # of a temperature's logarithm, before any case was seen

WriteCurves = Callable[..., None]  # (split, step, **values)
Store = Callable[[int, Head], None]  # called after each step


@dataclass(frozen=True)
class HeadRecipe:
    """How a last layer is trained. A batch size of -1 takes all cases."""

    steps: int = 4000
    learning_rate: float | None = None  # None: the optimizer's own
    train_batch_size: int = 100
    validation_batch_size: int = 100
    eval_step_interval: int = 10
    class_balance: str = "drawn"  # each label equally often, as the classic; or weighted, or none: see --class_balance
    hidden_units: int = 0
    dropout: float = 0.0  # of the last layer's inputs
    optimizer: str | None = None  # None: sgd, and adam with hidden units
    seed: int = 0


def train_head(
    task: str,
    labels: Sequence[str],
    training: Examples,
    validation: Examples,
    recipe: HeadRecipe,
    write_curves: WriteCurves,
    store: Store | None = None,
) -> Head:
    """Returns the trained head of a task, printing the classic's log lines for some of the evaluations.

    Validation takes all cases where there are no more than --validation_batch_size: 100 cases drawn from five would
    claim a certainty that five do not give. write_curves: called with (split, step, accuracy_1=, cross_entropy_1=) at
    every evaluation, for validation with cases_1= too; store: called after every step with the step and the head.
    """
    rng = np.random.default_rng(recipe.seed)
    head = start_head(task, labels, training.bottlenecks.shape[1], recipe, rng)
    parameters = [*(head.hidden or ()), head.weights, head.biases]
    name = recipe.optimizer or ("adam" if recipe.hidden_units else "sgd")
    optimizer = OPTIMIZERS[name](parameters, recipe.learning_rate)
    balanced = recipe.class_balance == "drawn"
    few = len(validation.targets) <= recipe.validation_batch_size
    validation_batch = -1 if few else recipe.validation_batch_size
    printed = printed_steps(recipe.steps, recipe.eval_step_interval)
    with threadpool_limits(1, "blas"):
        for step in progress(range(recipe.steps), desc="head", unit="step"):
            rows = training.rows(recipe.train_batch_size, balanced, rng)
            values, targets = training.at(rows)
            weights = training.weights[rows] if recipe.class_balance == "weighted" else None
            optimizer.step(gradients(head, values, targets, weights, recipe.dropout, rng))
            if step % recipe.eval_step_interval == 0 or step + 1 == recipe.steps:
                chosen = validation.at(validation.rows(validation_batch, balanced, rng))
                evaluation = Evaluation(measure(head, values, targets), measure(head, *chosen), len(chosen[1]))
                evaluation.write(step, write_curves)
                if step in printed:
                    evaluation.print_lines(step)
            if store:
                store(step, head)
    return head


def start_head(task: str, labels: Sequence[str], features: int, recipe: HeadRecipe, rng: np.random.Generator) -> Head:
    """Returns a head before its first step: the classic's small random weights, He's (ICCV 2015) in a hidden layer."""
    hidden, inputs = None, features
    if recipe.hidden_units:
        first = np.asfortranarray(rng.normal(0, np.sqrt(2 / features), (features, recipe.hidden_units)), np.float32)
        hidden, inputs = (first, np.zeros(recipe.hidden_units, np.float32)), recipe.hidden_units
    deviation = 0.001 if hidden is None else np.sqrt(1 / inputs)
    weights = np.asfortranarray(rng.normal(0, deviation, (inputs, len(labels))), np.float32)  # so products are faster
    return Head(task, tuple(labels), weights, np.zeros(len(labels), np.float32), hidden=hidden)


def gradients(
    head: Head,
    values: np.ndarray,
    targets: np.ndarray,
    weights: np.ndarray | None,
    dropout: float,
    rng: np.random.Generator,
) -> list[np.ndarray]:
    """Returns the gradient of the mean cross entropy for each of the head's parameters, the hidden layer's first.

    values: bottlenecks (n, features); targets: columns (n,); weights: of each case (n,), None for equal ones.
    """
    inputs = features = head.features(values)  # of the last layer
    if dropout:
        kept = (rng.random(features.shape, np.float32) >= dropout) / np.float32(1 - dropout)
        inputs = features * kept
    gradient = softmax(inputs @ head.weights + head.biases)  # with respect to the logits
    gradient[np.arange(len(gradient)), targets] -= 1
    gradient *= np.float32(1 / len(gradient)) if weights is None else weights[:, None] / np.float32(len(gradient))
    last_layer = [(gradient.T @ inputs).T, gradient.sum(axis=0)]
    if not head.hidden:
        return last_layer
    back = gradient @ head.weights.T * (features > 0)
    if dropout:
        back *= kept
    return [(back.T @ values).T, back.sum(axis=0), *last_layer]


def printed_steps(steps: int, interval: int) -> set[int]:
    """Returns the evaluated steps that the terminal shows: the first 32 and, then, ever fewer, and the last one.

    Of the 4,000 evaluations of 40,000 steps these are about 110. TensorBoard has all.
    """
    evaluated = sorted({*range(0, steps, interval), steps - 1})
    shown, number = {steps - 1}, 0
    while number < len(evaluated):
        shown.add(evaluated[number])
        number += max(1, number // 16)
    return shown


@dataclass(frozen=True)
class Evaluation:
    """Accuracy and mean cross entropy of the head on a step's batch and on validation cases."""

    train: tuple[float, float]
    validation: tuple[float, float]
    count: int  # validation cases

    def write(self, step: int, write_curves: WriteCurves) -> None:
        """Adds the evaluation to the curves."""
        write_curves("train", step, accuracy_1=self.train[0], cross_entropy_1=self.train[1])
        if self.count:
            accuracy, loss = self.validation
            write_curves("validation", step, accuracy_1=accuracy, cross_entropy_1=loss, cases_1=self.count)

    def print_lines(self, step: int) -> None:
        """Prints the classic's three lines; the one about validation only if there are validation cases."""
        lines = [f"Train accuracy = {self.train[0] * 100:.1f}%", f"Cross entropy = {self.train[1]:f}"]
        if self.count:
            lines.append(f"Validation accuracy = {self.validation[0] * 100:.1f}% (N={self.count})")
        now = datetime.now()
        tqdm.write("\n".join(f"{now}: Step {step}: {line}" for line in lines))


def measure(head: Head, bottlenecks: np.ndarray, targets: np.ndarray) -> tuple[float, float]:
    """Returns accuracy and mean cross entropy of a head; (0, 0) for no cases."""
    if not len(targets):
        return 0.0, 0.0
    scores = softmax(head.logits(bottlenecks))
    right = scores.argmax(axis=1) == targets
    return float(right.mean()), float(cross_entropies(scores, targets).mean())


def cross_entropies(scores: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Returns the cross entropy of each case in nats, (n,), for scores (n, labels) and columns of labels (n,)."""
    return -np.log(np.maximum(scores[np.arange(len(scores)), targets], 1e-12))


def temperature(logits: np.ndarray, targets: np.ndarray, weights: np.ndarray | None = None) -> float:
    """Returns the temperature, between 1/8 and 8, that calibrates logits (n, labels) for targets (n,).

    The most likely one (Guo et al., "On Calibration of Modern Neural Networks", ICML 2017), given that its logarithm
    is normal around 0 with PRIOR_DEVIATION: a handful of cases must not make the network overconfident.
    weights: as how many cases each counts, (n,); 1 by default.
    """
    candidates = np.geomspace(1 / 8, 8, 241)
    counts = np.ones(len(targets)) if weights is None else weights
    losses = np.array([counts @ cross_entropies(softmax(logits / t), targets) for t in candidates])
    losses += np.square(np.log(candidates) / PRIOR_DEVIATION) / 2
    return float(candidates[int(np.argmin(losses))])
