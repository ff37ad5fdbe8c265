"""How a trunk is fine-tuned."""

from collections.abc import Mapping
from dataclasses import dataclass, field


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
    bfloat16: bool = False  # forward and backward passes in bfloat16, over float32 weights
    checkpoint_every: int = 200
    validate_every: int = 800
    pool_shares: Mapping[str, float] = field(default_factory=dict)  # of each batch, by the table's column pool
    seed: int = 0
