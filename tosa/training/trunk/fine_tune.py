"""Train the trunk, or its last blocks, on all tasks together, from pictures changed anew in every step.

A step's batch depends on the seed and the step's number alone, and the checkpoint holds everything else, so a
training that was killed goes on as if it had not been.
"""

import hashlib
import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from tqdm import tqdm

from tosa.errors import UsageError
from tosa.model.graph import Graph
from tosa.training.data.augmentation import Augmentation
from tosa.training.data.dataset import Case, in_split, labels_by_task
from tosa.training.data.drawing import decode, draw
from tosa.training.files import save_arrays
from tosa.training.graph.assemble import heads_of
from tosa.training.head.head import Head
from tosa.training import tensorboard_curves
from tosa.training.trunk import inception


@dataclass(frozen=True)
class Recipe:
    """The knobs of fine-tuning."""

    layers: str = "all"  # or the first block to train, such as mixed7; what comes before it stays as it is
    steps: int = 4000
    batch_size: int = 16
    learning_rate: float = 1.5e-4  # AdamW's peak, after the warm-up; falls to zero as a cosine
    warmup_steps: int = 100
    weight_decay: float = 0.01
    clip_norm: float = 1.0  # of all gradients together
    dropout: float = 0.4  # of the bottleneck
    label_smoothing: float = 0.1
    bfloat16: bool = False  # forward and backward in bfloat16 over float32 weights
    checkpoint_every: int = 200
    validate_every: int = 800
    seed: int = 0


class Sampler:
    """Draws batches: a label of n cases with probability in proportion to sqrt(n), then one of its cases.

    The square root lies between what is there (rare labels are never seen) and all labels alike (few cases are
    learnt by heart).
    """

    def __init__(self, cases: list[Case], recipe: Recipe, columns: dict[tuple[str, str], int]):
        self.cases, self.recipe, self.columns = cases, recipe, columns
        of_label = np.array([self.columns[case.task, case.label] for case in cases])
        sizes = np.bincount(of_label, minlength=len(columns))
        if missing := [": ".join(pair) for pair, column in columns.items() if not sizes[column]]:
            raise UsageError(f"No case is left to train {', '.join(missing)} on; lower the percentages.")
        self.probabilities = np.sqrt(sizes)[of_label] / sizes[of_label]
        self.probabilities /= self.probabilities.sum()
        self.augmentation = Augmentation(cases)

    def batch(self, step: int) -> tuple[np.ndarray, np.ndarray]:
        """Pictures uint8 (batch, 299, 299, 3) and their labels' columns int64 (batch,)."""
        rng = np.random.default_rng([self.recipe.seed, step])
        chosen = rng.choice(len(self.cases), self.recipe.batch_size, p=self.probabilities)
        cases = [self.cases[index] for index in chosen]
        pictures = np.stack([self._changed(case, rng) for case in cases])
        return pictures, np.array([self.columns[case.task, case.label] for case in cases])

    def _changed(self, case: Case, rng: np.random.Generator) -> np.ndarray:
        return draw(case) if case.is_drawn else self.augmentation.draw(decode(case), case.is_sound, rng)


def columns(cases: list[Case]) -> dict[tuple[str, str], int]:
    """The column of each (task, label) in the scores, tasks side by side."""
    pairs = [(task, label) for task, labels in labels_by_task(cases).items() for label in labels]
    return {pair: column for column, pair in enumerate(pairs)}


class FineTuning:
    """The network in training: a Keras trunk, one linear layer for all tasks' columns, the optimizer."""

    def __init__(self, cases: list[Case], recipe: Recipe, weights: Path):
        """weights: an .npz file for trunk.load, or a graph, whose heads of the same labels are gone on from too."""
        keras.utils.set_random_seed(recipe.seed)
        keras.mixed_precision.set_global_policy("mixed_bfloat16" if recipe.bfloat16 else "float32")
        self.recipe, self.columns = recipe, columns(cases)
        self.plan = _plan(cases, recipe, weights)
        self.trunk = inception.build_inception()
        self.head = keras.layers.Dense(len(self.columns), dtype="float32")
        self.head.build((None, inception.FEATURES))
        if weights.suffix == ".npz":
            inception.load(self.trunk, weights)
        else:
            graph = Graph(weights.read_bytes())
            inception.load_graph(self.trunk, graph)
            self._start_from(heads_of(graph))
        if recipe.layers != "all":
            inception.keep_before(self.trunk, recipe.layers)
        tasks = [task for task, _ in self.columns]
        self.same_task = tf.constant([[a == b for b in tasks] for a in tasks], tf.float32)  # (columns, columns)
        self.trained = self.trunk.trainable_variables + self.head.trainable_variables
        self.optimizer = _optimizer(recipe, self.trained)
        self.step = 0

    @tf.function
    def train_step(self, pictures, targets, step):
        """One step on pictures uint8 (batch, 299, 299, 3) and columns int64 (batch,): cross entropy and accuracy."""
        with tf.GradientTape() as tape:
            bottleneck = self._bottleneck(pictures)
            kept = tf.random.stateless_uniform(tf.shape(bottleneck), (self.recipe.seed, step)) >= self.recipe.dropout
            logits = self.head(bottleneck * tf.cast(kept, tf.float32) / (1 - self.recipe.dropout))
            own = tf.gather(self.same_task, targets)
            logits += (own - 1) * 1e9  # only the columns of the picture's own task compete
            smooth = self.recipe.label_smoothing
            wanted = tf.one_hot(targets, len(self.columns)) * (1 - smooth)
            wanted += own * smooth / tf.reduce_sum(own, axis=1, keepdims=True)
            loss = tf.reduce_mean(tf.nn.softmax_cross_entropy_with_logits(wanted, logits))
        self.optimizer.apply_gradients(zip(tape.gradient(loss, self.trained), self.trained))
        right = tf.equal(tf.argmax(logits, axis=1), targets)
        return loss, tf.reduce_mean(tf.cast(right, tf.float32))

    @tf.function(reduce_retracing=True)
    def logits(self, pictures):
        """Logits of all columns, float32 (n, columns), for pictures uint8 (n, 299, 299, 3)."""
        return self.head(self._bottleneck(pictures))

    def _bottleneck(self, pictures):
        scaled = tf.cast(pictures, tf.float32) / inception.CENTRE - 1  # to [-1, 1], as the pretrained network had them
        return tf.reduce_mean(tf.cast(self.trunk(scaled, training=False), tf.float32), [1, 2])

    def _start_from(self, heads: dict[str, Head]) -> None:
        weights, biases = (np.array(variable) for variable in self.head.weights)
        for (task, label), column in self.columns.items():
            if task in heads and label in heads[task].labels:
                known = heads[task].labels.index(label)
                weights[:, column], biases[column] = heads[task].weights[:, known], heads[task].biases[known]
        self.head.set_weights([weights, biases])

    def heads(self) -> list[Head]:
        """The linear layer as one head a task, uncalibrated."""
        weights, biases = (np.asarray(variable) for variable in self.head.weights)
        heads = []
        for task in dict.fromkeys(task for task, _ in self.columns):
            own = {label: column for (of, label), column in self.columns.items() if of == task}
            heads.append(Head(task, tuple(own), weights[:, list(own.values())], biases[list(own.values())]))
        return heads

    def float32_trunk(self):
        """The trunk as a Keras model that calculates in float32."""
        keras.mixed_precision.set_global_policy("float32")
        plain = inception.build_inception()
        plain.set_weights(self.trunk.get_weights())
        return plain

    def save(self, folder: Path) -> None:
        """Write the checkpoint, in the place of the one before."""
        arrays = {f"trained_{i}": v.numpy() for i, v in enumerate(self.trained)}
        arrays |= {f"optimizer_{i}": np.asarray(v) for i, v in enumerate(self.optimizer.variables)}
        save_arrays(folder / "checkpoint.npz", step=self.step, plan=self.plan, **arrays)

    def restore(self, folder: Path) -> bool:
        """Take up the checkpoint in folder, where there is one. Raises UsageError where it is of another training."""
        file = folder / "checkpoint.npz"
        if not file.is_file():
            return False
        with np.load(file, allow_pickle=False) as arrays:
            if str(arrays["plan"]) != self.plan:
                raise UsageError(
                    f"'{file}' is of a training with other cases, weights or flags. "
                    "Give them as they were, or name another --checkpoint_dir."
                )
            for i, variable in enumerate(self.trained):
                variable.assign(arrays[f"trained_{i}"])
            for i, variable in enumerate(self.optimizer.variables):
                variable.assign(arrays[f"optimizer_{i}"])
            self.step = int(arrays["step"])
        return True


def _plan(cases: list[Case], recipe: Recipe, weights: Path) -> str:
    """What must be the same for a checkpoint to be gone on from: the cases and splits, the weights, the recipe."""
    digest = hashlib.sha256(weights.read_bytes())
    for case in cases:
        digest.update("\t".join([case.file.name, case.task, case.label, case.group, case.split, "\n"]).encode())
    return json.dumps([asdict(recipe), digest.hexdigest()])


def _optimizer(recipe: Recipe, trained) -> keras.optimizers.Optimizer:
    rate = keras.optimizers.schedules.CosineDecay(
        0.0,
        max(recipe.steps - recipe.warmup_steps, 1),
        warmup_target=recipe.learning_rate,
        warmup_steps=recipe.warmup_steps,
    )
    optimizer = keras.optimizers.AdamW(rate, weight_decay=recipe.weight_decay, global_clipnorm=recipe.clip_norm)
    optimizer.exclude_from_weight_decay(var_names=["beta", "bias"])
    optimizer.build(trained)
    return optimizer


def fine_tune(cases: list[Case], recipe: Recipe, weights: Path, checkpoints: Path, summaries: Path) -> FineTuning:
    """Train all layers on the training cases, going on from a checkpoint where one of the same plan is there.

    Prints the classic's log lines; writes TensorBoard curves to summaries/train and summaries/validation.
    """
    tuning = FineTuning(cases, recipe, weights)
    if tuning.restore(checkpoints):
        print(f"Going on from step {tuning.step} of '{checkpoints}'.")
    if not tuning.step:
        tensorboard_curves.clear(summaries)
    sampler = Sampler(in_split(cases, "training"), recipe, tuning.columns)
    validation = in_split(cases, "validation")
    seen = []
    bar = tqdm(total=recipe.steps, initial=tuning.step, desc="fine-tuning", unit="step", disable=None)
    with ThreadPoolExecutor(1) as ahead, tensorboard_curves.Curves(summaries) as written, bar:
        following = ahead.submit(sampler.batch, tuning.step)
        while tuning.step < recipe.steps:
            pictures, targets = following.result()
            following = ahead.submit(sampler.batch, tuning.step + 1)
            seen.append([float(x) for x in tuning.train_step(pictures, targets, tf.constant(tuning.step))])
            tuning.step += 1
            bar.update()
            if tuning.step % recipe.checkpoint_every == 0 or tuning.step == recipe.steps:
                _log(written, tuning.step, "Train", *np.mean(seen, axis=0))
                seen = []
                tuning.save(checkpoints)
                if validation and tuning.step % recipe.validate_every == 0:
                    _validate(tuning, validation, written)
    return tuning


def _validate(tuning: FineTuning, cases: list[Case], written: tensorboard_curves.Curves) -> None:
    """Log accuracy and cross entropy of each task on cases, undisturbed."""
    targets = np.array([tuning.columns[case.task, case.label] for case in cases])
    logits = predict(tuning, cases) + (tuning.same_task.numpy()[targets] - 1) * 1e9
    losses = tf.nn.sparse_softmax_cross_entropy_with_logits(targets, logits).numpy()
    for task in labels_by_task(cases):
        of_task = np.array([case.task == task for case in cases])
        right = (logits.argmax(axis=1) == targets)[of_task]
        _log(written, tuning.step, f"Validation {task}", losses[of_task].mean(), right.mean(), f" (N={len(right)})")


def predict(tuning: FineTuning, cases: list[Case], batch_size: int = 32) -> np.ndarray:
    """Logits float32 (cases, columns) of the cases' pictures as they will be served."""
    batches = [cases[i : i + batch_size] for i in range(0, len(cases), batch_size)]
    return np.concatenate([tuning.logits(np.stack([draw(case) for case in batch])).numpy() for batch in batches])


def _log(written: tensorboard_curves.Curves, step: int, name: str, loss: float, accuracy: float, note: str = "") -> None:
    split, *task = name.lower().split()
    tqdm.write(f"{datetime.now()}: Step {step}: {name} accuracy = {accuracy * 100:.1f}%{note}")
    tqdm.write(f"{datetime.now()}: Step {step}: {name} cross entropy = {loss:f}")
    suffix = "/".join(["", *task])
    written.write(split, step, **{f"accuracy{suffix}": accuracy, f"cross_entropy{suffix}": loss})
