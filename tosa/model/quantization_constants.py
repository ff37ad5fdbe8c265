"""What a graph carries for int8: how far each activation reaches, and what rounding the weights adds on average."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self

import numpy as np

from tosa.model.graph import CORRECTIONS, Graph, GraphError


@dataclass(frozen=True, eq=False)
class QuantizationConstants:
    """Measured on training pictures; empty for a graph that cannot be run in int8."""

    ranges: Mapping[str, float] = field(default_factory=dict)  # the largest value of each rounded activation, by name
    corrections: Mapping[str, np.ndarray] = field(default_factory=dict)  # float32 (channels,), by convolution

    @classmethod
    def of(cls, graph: Graph) -> Self:
        """Returns what a graph carries. Raises GraphError if that is damaged."""
        corrections = {}
        for name in graph.nodes:
            if name.startswith(CORRECTIONS) and (value := graph.constant(name)) is not None:
                if value.dtype != np.float32 or value.ndim != 1 or not np.isfinite(value).all():
                    raise GraphError(f"holds a damaged correction {name}")
                corrections[name.removeprefix(CORRECTIONS)] = value
        return cls(graph.activation_ranges(), corrections)

    def __bool__(self) -> bool:
        """Returns whether the graph can be run in int8."""
        return bool(self.ranges)


NONE = QuantizationConstants()
