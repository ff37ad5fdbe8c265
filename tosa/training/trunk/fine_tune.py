"""Trains the trunk, or its last blocks, on all tasks together, on pictures that are changed differently in every step.

Keras trains, on the backend that KERAS_BACKEND names: TensorFlow by default, or torch or jax. A step's batch depends
only on the seed and the step's number, and the checkpoint holds everything else, so that a training that was killed
resumes as if it had not been.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

import keras
import numpy as np

from tosa.errors import UsageError
from tosa.model.graph import Graph
from tosa.model.metadata import GraphMetadata
from tosa.preprocessing import Preprocessing
from tosa.training.data.dataset import Case, in_split, labels_by_task
from tosa.training.data.drawing import DEFAULT, draw
from tosa.training.files import atomic_write, file_sha256
from tosa.training.head.head import Head, softmax
from tosa.training.head.stored_heads import heads_of
from tosa.training.trunk import inception
from tosa.training.trunk.batches import Batches
from tosa.training.trunk.fine_tuned import FineTuned, cases_digest, is_fine_tuned
from tosa.training.trunk.fit_callbacks import Backup, Log, Progress, WriteCurves
from tosa.training.trunk.recipe import FineTuneRecipe
from tosa.training.trunk.sampler import Sampler, columns_of
from tosa.training.trunk.tuned_model import OTHER_TASK, TunedModel, compile_tuned_model, same_task_matrix

PLAN = "plan.json"  # in the folder of checkpoints: what must be the same for a training to resume
PREDICTED = 32  # pictures a forward pass


class FineTuning:
    """A network in training and what it is trained on."""

    def __init__(
        self, cases: Sequence[Case], recipe: FineTuneRecipe, weights: Path, preprocessing: Preprocessing = DEFAULT
    ) -> None:
        """weights: an .npz file of a trunk, or one of FineTuned, or a graph. Training starts from its heads too."""
        keras.utils.set_random_seed(recipe.seed)
        keras.mixed_precision.set_global_policy("mixed_bfloat16" if recipe.bfloat16 else "float32")
        self.cases, self.recipe, self.preprocessing, self.columns = cases, recipe, preprocessing, columns_of(cases)
        self.plan = _plan(cases, recipe, weights, preprocessing)
        self.trunk = inception.build_inception()
        heads = _load(self.trunk, weights)
        if recipe.layers != "all":
            inception.freeze_before(self.trunk, recipe.layers)
        self.model = TunedModel(self.trunk, len(self.columns), recipe)
        self._start_from(heads)
        compile_tuned_model(self.model, [task for task, _ in self.columns], recipe)

    def _start_from(self, heads: dict[str, Head]) -> None:
        weights, biases = self.model.head.get_weights()
        for (task, label), column in self.columns.items():
            if task in heads and label in heads[task].labels:
                old_column = heads[task].labels.index(label)
                weights[:, column] = heads[task].weights[:, old_column]
                biases[column] = heads[task].biases[old_column]
        self.model.head.set_weights([weights, biases])

    def train(
        self, checkpoints: Path, write_curves: WriteCurves, started: Callable[[int], None] = lambda _: None
    ) -> None:
        """Takes the remaining steps on the training cases, with the classic's log lines, and writes checkpoints.

        started: told the step that training starts from, once a checkpoint is loaded. Raises UsageError on a checkpoint
        of another training, and on files that cannot be read.
        """
        _check_plan(checkpoints, self.plan)
        sampler = Sampler(in_split(self.cases, "training"), self.recipe, self.columns, self.preprocessing)
        batches = Batches(sampler, self.recipe.epoch_steps)
        if keras.backend.backend() != "tensorflow":  # they would take the first batch to build loss and metrics with
            self.model.test_on_batch(*batches[0])
        log = Log(write_curves)
        progress = Progress(self.recipe, batches, started, log, lambda step: self._validate(step, log))
        callbacks = [progress, Backup(checkpoints, self.recipe.epoch_steps)]
        try:
            self.model.fit(batches, epochs=self.recipe.epochs, callbacks=callbacks, shuffle=False, verbose=0)
        except UsageError:
            raise
        except Exception as error:
            if of_worker := batches.error():
                raise of_worker from error
            raise

    def _validate(self, step: int, log: Log) -> None:
        """Logs accuracy and cross entropy of each task on validation cases that are not changed."""
        if not (cases := in_split(self.cases, "validation")):
            return
        targets = np.array([self.columns[case.task, case.label] for case in cases])
        with self.averaged_weights():
            logits = self.predict(cases)
        logits = logits + (1 - same_task_matrix([task for task, _ in self.columns])[targets]) * OTHER_TASK
        losses = -np.log(np.maximum(softmax(logits)[np.arange(len(targets)), targets], np.finfo(np.float32).tiny))
        for task in labels_by_task(cases):
            of_task = np.array([case.task == task for case in cases])
            right = (logits.argmax(axis=1) == targets)[of_task]
            log(step, f"Validation {task}", float(losses[of_task].mean()), float(right.mean()), f" (N={len(right)})")

    @contextmanager
    def averaged_weights(self) -> Iterator[None]:
        """Has the average of the weights in their place, if the recipe asks for one, as long as the block lasts."""
        if not self.recipe.ema:
            yield
            return
        own = [keras.ops.convert_to_numpy(variable) for variable in self.model.trainable_variables]
        self.model.optimizer.finalize_variable_values(self.model.trainable_variables)
        try:
            yield
        finally:
            for variable, value in zip(self.model.trainable_variables, own, strict=True):
                variable.assign(value)

    def predict(self, cases: Sequence[Case]) -> np.ndarray:
        """Returns logits float32 (cases, columns) of the cases' pictures as they will be served."""
        chunks = [cases[start : start + PREDICTED] for start in range(0, len(cases), PREDICTED)]
        drawn = (np.stack([draw(case, preprocessing=self.preprocessing) for case in chunk]) for chunk in chunks)
        return np.concatenate([self.model.predict_on_batch(pictures) for pictures in drawn])

    def result(self, metadata: GraphMetadata) -> FineTuned:
        """Returns the trained weights. metadata: that of the graph to be."""
        weights, biases = self.model.head.get_weights()
        return FineTuned(
            trunk=inception.arrays_of(self.trunk),
            weights=weights.astype(np.float32),
            biases=biases.astype(np.float32),
            columns=tuple(self.columns),
            metadata=metadata,
            cases_sha256=cases_digest(self.cases),
        )


def _load(trunk: keras.Model, weights: Path) -> dict[str, Head]:
    """Loads a file's weights into the trunk, and returns the heads that the file has."""
    if weights.suffix != ".npz":
        graph = Graph(weights.read_bytes())
        inception.load_graph(trunk, graph)
        return heads_of(graph)
    inception.load_weights(trunk, weights)
    return {head.task: head for head in FineTuned.read(weights).heads()} if is_fine_tuned(weights) else {}


def _plan(cases: Sequence[Case], recipe: FineTuneRecipe, weights: Path, preprocessing: Preprocessing) -> str:
    """What must be the same for a training to resume, as JSON: cases and splits, weights, recipe, preprocessing."""
    plan = {"recipe": asdict(recipe), "weights": file_sha256(weights), "cases": cases_digest(cases)}
    return json.dumps(plan | {"preprocessing": preprocessing.key()})


def _check_plan(checkpoints: Path, plan: str) -> None:
    """Writes the plan beside the checkpoints to be. Raises UsageError where checkpoints of another plan are."""
    file = checkpoints / PLAN
    if any(checkpoints.glob("*.weights.h5*")) and (not file.is_file() or file.read_text(encoding="utf-8") != plan):
        raise UsageError(
            f"The checkpoint in '{checkpoints}' belongs to a training with other cases, weights or flags. "
            "Give the same ones, or name another --checkpoint_dir."
        )
    with atomic_write(file) as unfinished:
        unfinished.write_text(plan, encoding="utf-8")
