"""What happens around the short epochs of a fine-tuning: checkpoints, log lines, curves, validation."""

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import keras
from tqdm import tqdm

from tosa.errors import UsageError
from tosa.training.trunk.batches import Batches
from tosa.training.trunk.inception import first_line
from tosa.training.trunk.recipe import FineTuneRecipe

WriteCurves = Callable[..., None]  # (split, step, **values)


class Backup(keras.callbacks.BackupAndRestore):
    """Keras' backup after each short epoch, with the one before it, which is taken where a kill left half a file.

    The weights' own count of steps says where training goes on, since a kill between Keras' two files leaves the other
    one, of epochs, behind.
    """

    def __init__(self, folder: Path, epoch_steps: int) -> None:
        super().__init__(str(folder), double_checkpoint=True, delete_checkpoint=False)
        self.epoch_steps = epoch_steps

    def on_train_begin(self, logs: dict | None = None) -> None:
        """Loads the last backup, if there is one. Raises UsageError if none can be read."""
        try:
            super().on_train_begin(logs)
        except Exception as error:  # of h5py or Keras
            raise UsageError(
                f"The checkpoint in '{self.backup_dir}' cannot be read ({first_line(error)}). Remove that folder, or "
                "name another --checkpoint_dir."
            ) from error
        step = int(self.model.optimizer.iterations)
        self.model._initial_epoch = step // self.epoch_steps
        self.model.set_step(step)


class Progress(keras.callbacks.Callback):
    """Prints the classic's log lines and shows a bar, writes curves, validates, and tells the batches their epoch."""

    def __init__(
        self, recipe: FineTuneRecipe, batches: Batches, started: Callable[[int], None], log: "Log",
        validate: Callable[[int], None],
    ) -> None:  # fmt: skip
        """started: told the step that training starts from. log, validate: told the step after some short epochs."""
        super().__init__()
        self.recipe, self.batches, self.started, self.log, self.validate = recipe, batches, started, log, validate
        self.bar: tqdm | None = None

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:  # noqa: ARG002
        """Tells the batches which epoch they are of, before Keras starts their workers."""
        self.batches.epoch = epoch
        if self.bar is None:
            step = epoch * self.recipe.epoch_steps
            self.started(step)
            self.bar = tqdm(total=self.recipe.steps, initial=step, desc="fine-tuning", unit="step", disable=None)

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:  # noqa: ARG002
        """Moves the bar."""
        if self.bar is not None:
            self.bar.update()

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Logs the mean over the short epoch, and validates every validate_every steps."""
        length, every = self.recipe.epoch_steps, self.recipe.validate_every
        step = (epoch + 1) * length
        if logs:
            divergence = float(logs.get("divergence", 0))  # part of the loss
            loss = float(logs["loss"]) - self.recipe.consistency * divergence
            self.log(step, "Train", loss, float(logs["accuracy"]))
            if self.recipe.consistency:
                self.log.divergence(step, divergence)
        if step // every > (step - length) // every:
            self.validate(step)

    def on_train_end(self, logs: dict | None = None) -> None:  # noqa: ARG002
        """Ends the bar."""
        if self.bar is not None:
            self.bar.close()


class Log:
    """Prints measured values in the classic's words, and writes them as curves."""

    def __init__(self, write_curves: WriteCurves) -> None:
        self.write_curves = write_curves

    def __call__(self, step: int, name: str, loss: float, accuracy: float, note: str = "") -> None:
        """Prints and writes cross entropy and accuracy of a split, or of a task in it, such as 'Validation lungs'."""
        split, *task = name.lower().split()
        tqdm.write(f"{datetime.now()}: Step {step}: {name} accuracy = {accuracy * 100:.1f}%{note}")
        tqdm.write(f"{datetime.now()}: Step {step}: {name} cross entropy = {loss:f}")
        suffix = "/".join(["", *task])
        self.write_curves(split, step, **{f"accuracy{suffix}": accuracy, f"cross_entropy{suffix}": loss})

    def divergence(self, step: int, value: float) -> None:
        """Prints and writes the mean divergence between the answers to two views of a training case."""
        tqdm.write(f"{datetime.now()}: Step {step}: Train divergence = {value:f}")
        self.write_curves("train", step, divergence=value)
