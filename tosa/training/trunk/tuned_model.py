"""The network in training, on any of Keras' backends: trunk, bottleneck, one linear layer for all tasks' columns."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from tosa.training.trunk.architectures import CENTRE
from tosa.training.trunk.recipe import FineTuneRecipe

OTHER_TASK = -1e9  # added to the logits of other tasks' columns, so that only those of the picture's task compete
NOT_DECAYED = ["beta", "gamma", "bias"]  # weights of these names are not decayed

Tensor = Any  # a tensor of Keras' backend


class TunedModel(keras.Model):
    """From pictures uint8 (n, size, size, 3) to the logits of all columns, float32 (n, columns)."""

    def __init__(self, trunk: keras.Model, columns: int, recipe: FineTuneRecipe) -> None:
        super().__init__()
        self.trunk, self.trains_batch_norm = trunk, recipe.batch_norm == "training"
        self.scale = keras.layers.Rescaling(1 / CENTRE, -1, dtype="float32")  # to [-1, 1], as it was pretrained
        self.pool = keras.layers.GlobalAveragePooling2D(dtype="float32")
        self.dropout = keras.layers.Dropout(recipe.dropout, seed=recipe.seed, dtype="float32")
        self.head = keras.layers.Dense(columns, dtype="float32")
        self(np.zeros((1, *trunk.input_shape[1:]), np.uint8))  # makes the head's weights

    def call(self, pictures: Tensor, training: bool = False) -> Tensor:
        """Returns the logits. training: whether this is a step, in which a share of the bottleneck is left out."""
        return self.head(self.dropout(self.bottleneck(pictures, training), training=training))

    def set_step(self, step: int) -> None:
        """Makes dropout leave out what it leaves out at this step; Keras saves no state of random generators."""
        state = self.dropout.seed_generator.state
        seed, _ = keras.ops.convert_to_numpy(state)
        state.assign(np.array([seed, step], state.dtype))

    def bottleneck(self, pictures: Tensor, training: bool = False) -> Tensor:
        """Returns the bottlenecks, float32 (n, features)."""
        # A functional model would hand its own `training` on to batch normalisation whatever it was built with.
        return self.pool(self.trunk(self.scale(pictures), training=bool(training) and self.trains_batch_norm))


def compile_tuned_model(model: TunedModel, tasks: Sequence[str], recipe: FineTuneRecipe) -> None:
    """Gives the network its loss, accuracy and optimizer. tasks: that of each column."""
    same_task = same_task_matrix(tasks)

    def accuracy(targets: Tensor, logits: Tensor) -> Tensor:
        rows = keras.ops.take(same_task, _indices(targets), axis=0)
        answers = keras.ops.argmax(logits + (1 - rows) * OTHER_TASK, axis=-1)
        return keras.ops.equal(keras.ops.cast(answers, "int32"), _indices(targets))

    is_tensorflow = keras.backend.backend() == "tensorflow"
    model.compile(
        _optimizer(recipe),
        TaskCrossEntropy(same_task, recipe.label_smoothing),
        metrics=[accuracy],
        jit_compile=False if is_tensorflow else "auto",  # XLA compiles for minutes, and is slower on CPUs
    )
    model.optimizer.build(model.trainable_variables)


def same_task_matrix(tasks: Sequence[str]) -> np.ndarray:
    """Returns 1 where two columns are of one task, otherwise 0: float32 (columns, columns)."""
    return np.array([[a == b for b in tasks] for a in tasks], np.float32)


class TaskCrossEntropy(keras.losses.Loss):
    """Cross entropy with label smoothing among the columns of a case's task. Other tasks' columns get no gradient."""

    def __init__(self, same_task: np.ndarray, smoothing: float) -> None:
        super().__init__(name="cross_entropy")
        self.same_task, self.smoothing = same_task, smoothing

    def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        """Returns the cross entropy of each case. y_true: columns (n,); y_pred: logits (n, columns)."""
        rows = keras.ops.take(self.same_task, _indices(y_true), axis=0)
        wanted = keras.ops.one_hot(_indices(y_true), len(self.same_task)) * (1 - self.smoothing)
        wanted += rows * self.smoothing / keras.ops.sum(rows, axis=1, keepdims=True)
        return keras.ops.categorical_crossentropy(wanted, y_pred + (1 - rows) * OTHER_TASK, from_logits=True)


def _indices(targets: Tensor) -> Tensor:
    """Columns int32 (n,), from what Keras makes of them."""
    return keras.ops.cast(keras.ops.reshape(targets, (-1,)), "int32")


def _optimizer(recipe: FineTuneRecipe) -> keras.optimizers.Optimizer:
    rate = keras.optimizers.schedules.CosineDecay(
        0.0,
        max(recipe.steps - recipe.warmup_steps, 1),
        warmup_target=recipe.learning_rate,
        warmup_steps=recipe.warmup_steps,
    )
    optimizer = keras.optimizers.AdamW(
        rate,
        weight_decay=recipe.weight_decay,
        global_clipnorm=recipe.clip_norm,
        use_ema=recipe.ema > 0,
        ema_momentum=recipe.ema,
    )
    optimizer.exclude_from_weight_decay(var_names=NOT_DECAYED)
    return optimizer
