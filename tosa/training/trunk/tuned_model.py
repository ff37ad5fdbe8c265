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
        self.views = recipe.views
        self.scale = keras.layers.Rescaling(1 / CENTRE, -1, dtype="float32")  # to [-1, 1], as it was pretrained
        self.pool = keras.layers.GlobalAveragePooling2D(dtype="float32")
        self.dropout = keras.layers.Dropout(recipe.dropout, seed=recipe.seed, dtype="float32")
        self.head = keras.layers.Dense(columns, dtype="float32")
        self(np.zeros((1, *trunk.input_shape[1:]), np.uint8))  # makes the head's weights

    def call(self, pictures: Tensor, training: bool = False) -> Tensor:
        """Returns the logits. training: whether this is a step, in which a share of the bottleneck is left out."""
        features = self.bottleneck(pictures, training)
        if training and self.views > 1:  # the views of a case keep the same share, so that only the views differ
            kept = self.dropout(keras.ops.ones_like(features[:: self.views]), training=True)
            return self.head(features * keras.ops.repeat(kept, self.views, axis=0))
        return self.head(self.dropout(features, training=training))

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

    def divergence(targets: Tensor, logits: Tensor) -> Tensor:
        rows = keras.ops.take(same_task, _indices(targets), axis=0)
        return divergence_of_views(logits + (1 - rows) * OTHER_TASK)

    is_tensorflow = keras.backend.backend() == "tensorflow"
    model.compile(
        _optimizer(recipe),
        TaskCrossEntropy(same_task, recipe.label_smoothing, recipe.consistency),
        metrics=[accuracy, divergence] if recipe.consistency else [accuracy],
        jit_compile=False if is_tensorflow else "auto",  # XLA compiles for minutes, and is slower on CPUs
    )
    model.optimizer.build(model.trainable_variables)


def same_task_matrix(tasks: Sequence[str]) -> np.ndarray:
    """Returns 1 where two columns are of one task, otherwise 0: float32 (columns, columns)."""
    return np.array([[a == b for b in tasks] for a in tasks], np.float32)


class TaskCrossEntropy(keras.losses.Loss):
    """Cross entropy with label smoothing among the columns of a case's task. Other tasks' columns get no gradient.

    With a consistency, so many times the divergence between the answers to the two views of each case is added.
    """

    def __init__(self, same_task: np.ndarray, smoothing: float, consistency: float = 0.0) -> None:
        super().__init__(name="cross_entropy")
        self.same_task, self.smoothing, self.consistency = same_task, smoothing, consistency

    def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        """Returns the loss of each picture, (n,). y_true: columns (n,); y_pred: logits (n, columns)."""
        rows = keras.ops.take(self.same_task, _indices(y_true), axis=0)
        wanted = keras.ops.one_hot(_indices(y_true), len(self.same_task)) * (1 - self.smoothing)
        wanted += rows * self.smoothing / keras.ops.sum(rows, axis=1, keepdims=True)
        logits = y_pred + (1 - rows) * OTHER_TASK
        loss = keras.ops.categorical_crossentropy(wanted, logits, from_logits=True)
        return loss + self.consistency * divergence_of_views(logits) if self.consistency else loss


def divergence_of_views(logits: Tensor) -> Tensor:
    """Returns the Jensen-Shannon divergence between the answers to the two views of each case, in nats: (n,).

    logits: (n, columns), the views of a case one after the other; both get the divergence of their case. It is 0 where
    the answers agree, and at most log 2 (Lin, IEEE Transactions on Information Theory 1991).
    """
    answers = keras.ops.reshape(keras.ops.log_softmax(logits), (-1, 2, logits.shape[-1]))
    mean = keras.ops.logaddexp(answers[:, :1], answers[:, 1:]) - np.log(2)
    from_mean = keras.ops.sum(keras.ops.exp(answers) * (answers - mean), axis=-1)
    return keras.ops.repeat(keras.ops.mean(from_mean, axis=-1), 2)


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
