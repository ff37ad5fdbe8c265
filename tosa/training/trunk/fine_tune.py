"""Train the trunk, or its last blocks, on all tasks together, on pictures that are changed anew in every step.

A step's batch depends only on the seed and the step's number, and the checkpoint holds everything else, so that a
training that was killed resumes as if it had not been.
"""

import hashlib
import json
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from tqdm import tqdm

from tosa.errors import UsageError
from tosa.model.graph import Graph
from tosa.preprocessing import Preprocessing
from tosa.training.data.dataset import Case, in_split, labels_by_task
from tosa.training.data.drawing import DEFAULT, draw
from tosa.training.files import save_arrays
from tosa.training.head.head import Head
from tosa.training.head.stored_heads import heads_of
from tosa.training.trunk import inception
from tosa.training.trunk.architectures import CENTRE
from tosa.training.trunk.recipe import FineTuneRecipe
from tosa.training.trunk.sampler import Sampler, columns_of

CHECKPOINT = "checkpoint.npz"
OTHER_TASK = -1e9  # added to the logits of other tasks' columns, so that only those of the picture's task compete

Tensor = Any  # a tf.Tensor; TensorFlow has no types
WriteCurves = Callable[..., None]  # (split, step, **values)


class FineTuning:
    """The network in training: a Keras trunk, one linear layer for all tasks' columns, the optimizer."""

    def __init__(
        self, cases: Sequence[Case], recipe: FineTuneRecipe, weights: Path, preprocessing: Preprocessing = DEFAULT
    ) -> None:
        """weights: an .npz file for inception.load_weights, or a graph, whose heads of the same labels are used too."""
        keras.utils.set_random_seed(recipe.seed)
        keras.mixed_precision.set_global_policy("mixed_bfloat16" if recipe.bfloat16 else "float32")
        self.recipe, self.preprocessing, self.columns = recipe, preprocessing, columns_of(cases)
        self.plan = _plan(cases, recipe, weights, preprocessing)
        self.trunk = inception.build_inception()
        self.head = keras.layers.Dense(len(self.columns), dtype="float32")
        self.head.build((None, inception.FEATURES))
        if weights.suffix == ".npz":
            inception.load_weights(self.trunk, weights)
        else:
            graph = Graph(weights.read_bytes())
            inception.load_graph(self.trunk, graph)
            self._start_from(heads_of(graph))
        if recipe.layers != "all":
            inception.freeze_before(self.trunk, recipe.layers)
        tasks = [task for task, _ in self.columns]
        self.same_task = tf.constant([[a == b for b in tasks] for a in tasks], tf.float32)  # (columns, columns)
        self.trained = self.trunk.trainable_variables + self.head.trainable_variables
        self.optimizer = _optimizer(recipe, self.trained)
        self.step = 0

    @tf.function
    def train_step(self, pictures: Tensor, targets: Tensor, step: Tensor) -> tuple[Tensor, Tensor]:
        """Takes one step on pictures uint8 (batch, size, size, 3) and columns int64 (batch,).

        Returns cross entropy and accuracy.
        """
        with tf.GradientTape() as tape:
            bottleneck = self._bottleneck(pictures)
            kept = tf.random.stateless_uniform(tf.shape(bottleneck), (self.recipe.seed, step)) >= self.recipe.dropout
            logits = self.head(bottleneck * tf.cast(kept, tf.float32) / (1 - self.recipe.dropout))
            same_task = tf.gather(self.same_task, targets)
            logits += (1 - same_task) * OTHER_TASK
            smoothing = self.recipe.label_smoothing
            wanted = tf.one_hot(targets, len(self.columns)) * (1 - smoothing)
            wanted += same_task * smoothing / tf.reduce_sum(same_task, axis=1, keepdims=True)
            loss = tf.reduce_mean(tf.nn.softmax_cross_entropy_with_logits(wanted, logits))
        self.optimizer.apply_gradients(zip(tape.gradient(loss, self.trained), self.trained, strict=True))
        right = tf.equal(tf.argmax(logits, axis=1), targets)
        return loss, tf.reduce_mean(tf.cast(right, tf.float32))

    @tf.function(reduce_retracing=True)
    def logits(self, pictures: Tensor) -> Tensor:
        """Returns logits of all columns, float32 (n, columns), for pictures uint8 (n, size, size, 3)."""
        return self.head(self._bottleneck(pictures))

    def _bottleneck(self, pictures: Tensor) -> Tensor:
        scaled = tf.cast(pictures, tf.float32) / CENTRE - 1  # to [-1, 1], as in the pretrained network
        return tf.reduce_mean(tf.cast(self.trunk(scaled, training=False), tf.float32), [1, 2])

    def _start_from(self, heads: dict[str, Head]) -> None:
        weights, biases = (np.array(variable) for variable in self.head.weights)
        for (task, label), column in self.columns.items():
            if task in heads and label in heads[task].labels:
                old_column = heads[task].labels.index(label)
                weights[:, column] = heads[task].weights[:, old_column]
                biases[column] = heads[task].biases[old_column]
        self.head.set_weights([weights, biases])

    def heads(self) -> list[Head]:
        """Returns the linear layer as one head a task, uncalibrated."""
        weights, biases = (np.asarray(variable) for variable in self.head.weights)
        heads = []
        for task in dict.fromkeys(task for task, _ in self.columns):
            columns = {label: column for (of, label), column in self.columns.items() if of == task}
            chosen = list(columns.values())
            heads.append(Head(task, tuple(columns), weights[:, chosen], biases[chosen]))
        return heads

    def float32_trunk(self) -> keras.Model:
        """Returns the trunk as a Keras model that calculates in float32."""
        keras.mixed_precision.set_global_policy("float32")
        plain = inception.build_inception()
        plain.set_weights(self.trunk.get_weights())
        return plain

    def save(self, folder: Path) -> None:
        """Writes the checkpoint in the place of the last one."""
        arrays = {f"trained_{i}": v.numpy() for i, v in enumerate(self.trained)}
        arrays |= {f"optimizer_{i}": np.asarray(v) for i, v in enumerate(self.optimizer.variables)}
        save_arrays(folder / CHECKPOINT, step=np.array(self.step), plan=np.array(self.plan), **arrays)

    def restore(self, folder: Path) -> bool:
        """Loads the checkpoint in folder and returns True, False if there is none.

        Raises UsageError where it is of another training.
        """
        file = folder / CHECKPOINT
        if not file.is_file():
            return False
        with np.load(file, allow_pickle=False) as arrays:
            if str(arrays["plan"]) != self.plan:
                raise UsageError(
                    f"'{file}' belongs to a training with other cases, weights or flags. "
                    "Give the same ones, or name another --checkpoint_dir."
                )
            for i, variable in enumerate(self.trained):
                variable.assign(arrays[f"trained_{i}"])
            for i, variable in enumerate(self.optimizer.variables):
                variable.assign(arrays[f"optimizer_{i}"])
            self.step = int(arrays["step"])
        return True


def _plan(cases: Sequence[Case], recipe: FineTuneRecipe, weights: Path, preprocessing: Preprocessing) -> str:
    """What must be the same for a training to resume: cases and splits, weights, recipe, preprocessing."""
    digest = hashlib.sha256(weights.read_bytes())
    for case in cases:
        digest.update(f"{case.file.name}\t{case.task}\t{case.label}\t{case.group}\t{case.split}\t\n".encode())
    if preprocessing != DEFAULT:
        digest.update(preprocessing.key().encode())
    return json.dumps([asdict(recipe), digest.hexdigest()])


def _optimizer(recipe: FineTuneRecipe, trained: list) -> keras.optimizers.Optimizer:
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


def train(tuning: FineTuning, cases: Sequence[Case], checkpoints: Path, write_curves: WriteCurves) -> None:
    """Takes the remaining steps on the training cases, with the classic's log lines, and writes checkpoints."""
    recipe = tuning.recipe
    sampler = Sampler(in_split(cases, "training"), recipe, tuning.columns, tuning.preprocessing)
    validation = in_split(cases, "validation")
    measured = []  # cross entropy and accuracy of each step since the last checkpoint
    bar = tqdm(total=recipe.steps, initial=tuning.step, desc="fine-tuning", unit="step", disable=None)
    with ThreadPoolExecutor(1) as pool, bar:
        next_batch = pool.submit(sampler.batch, tuning.step)
        while tuning.step < recipe.steps:
            pictures, targets = next_batch.result()
            next_batch = pool.submit(sampler.batch, tuning.step + 1)
            measured.append([float(x) for x in tuning.train_step(pictures, targets, tf.constant(tuning.step))])
            tuning.step += 1
            bar.update()
            if tuning.step % recipe.checkpoint_every == 0 or tuning.step == recipe.steps:
                _log(write_curves, tuning.step, "Train", *np.mean(measured, axis=0))
                measured = []
                tuning.save(checkpoints)
                if validation and tuning.step % recipe.validate_every == 0:
                    _validate(tuning, validation, write_curves)


def _validate(tuning: FineTuning, cases: Sequence[Case], write_curves: WriteCurves) -> None:
    """Logs accuracy and cross entropy of each task on cases that are not changed."""
    targets = np.array([tuning.columns[case.task, case.label] for case in cases])
    logits = predict(tuning, cases) + (1 - tuning.same_task.numpy()[targets]) * OTHER_TASK
    losses = tf.nn.sparse_softmax_cross_entropy_with_logits(targets, logits).numpy()
    for task in labels_by_task(cases):
        of_task = np.array([case.task == task for case in cases])
        right = (logits.argmax(axis=1) == targets)[of_task]
        name, note = f"Validation {task}", f" (N={len(right)})"
        _log(write_curves, tuning.step, name, losses[of_task].mean(), right.mean(), note)


def predict(tuning: FineTuning, cases: Sequence[Case], batch_size: int = 32) -> np.ndarray:
    """Returns logits float32 (cases, columns) of the cases' pictures as they will be served."""
    batches = [cases[i : i + batch_size] for i in range(0, len(cases), batch_size)]
    drawn = (np.stack([draw(case, preprocessing=tuning.preprocessing) for case in batch]) for batch in batches)
    return np.concatenate([tuning.logits(pictures).numpy() for pictures in drawn])


def _log(write_curves: WriteCurves, step: int, name: str, loss: float, accuracy: float, note: str = "") -> None:
    split, *task = name.lower().split()
    tqdm.write(f"{datetime.now()}: Step {step}: {name} accuracy = {accuracy * 100:.1f}%{note}")
    tqdm.write(f"{datetime.now()}: Step {step}: {name} cross entropy = {loss:f}")
    suffix = "/".join(["", *task])
    write_curves(split, step, **{f"accuracy{suffix}": accuracy, f"cross_entropy{suffix}": loss})
