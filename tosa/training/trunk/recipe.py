"""How a trunk is fine-tuned."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Self


@dataclass(frozen=True)
class FineTuneRecipe:
    """The settings of a fine-tuning. They are stored in the graph, and a checkpoint belongs to one recipe."""

    layers: str = "all"  # or the first block to train, such as mixed7; earlier ones are frozen
    steps: int = 4000
    batch_size: int = 16
    learning_rate: float = 1.5e-4  # AdamW's peak, after the warm-up; falls to zero as a cosine
    warmup_steps: int = 100
    weight_decay: float = 0.01
    clip_norm: float = 1.0  # of all gradients together
    dropout: float = 0.4  # of the bottleneck
    label_smoothing: float = 0.1
    consistency: float = 0.0  # weight of the divergence between answers to two views of a case; 0: each case has one
    ema: float = 0.0  # decay of the average of the weights that a training ends with; 0: it ends with the last weights
    batch_norm: str = "inference"  # or training: normalise by each batch, and keep averages of its statistics
    bfloat16: bool = False  # forward and backward passes in bfloat16, over float32 weights
    checkpoint_every: int = 50
    validate_every: int = 800
    pool_shares: Mapping[str, float] = field(default_factory=dict)  # of each batch, by the table's column pool
    seed: int = 0

    @property
    def epochs(self) -> int:
        """The number of short epochs, after each of which a checkpoint is written."""
        return math.ceil(self.steps / self.checkpoint_every)

    @property
    def epoch_steps(self) -> int:
        """The steps of each short epoch, at most checkpoint_every."""
        return math.ceil(self.steps / self.epochs)

    @property
    def views(self) -> int:
        """How often a batch has each of its cases, each time changed in another way."""
        return 2 if self.consistency else 1

    def in_whole_epochs(self) -> Self:
        """Returns the recipe with so many more steps that all short epochs are equally long."""
        return replace(self, steps=self.epochs * self.epoch_steps)
