"""Bottlenecks calculated on a Ray cluster, whose nodes read the files by the same paths."""

import base64
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tosa.errors import UsageError
from tosa.model.network import GraphFile
from tosa.preprocessing import Preprocessing
from tosa.scale.executor import Executor
from tosa.scale.stored_graph import StoredGraph
from tosa.training.data.drawing import read_case
from tosa.training.features.drawings import Drawing


@dataclass(frozen=True, eq=False)
class Calculated:
    """What a node made of a drawing."""

    key: bytes  # of the drawing
    bottleneck: np.ndarray  # float32 (features,)


@dataclass(frozen=True, eq=False)
class Cluster:
    """A trunk in the object store of a cluster, and what gives work to its nodes."""

    executor: Executor  # with results in the order of its items
    trunk: StoredGraph

    @classmethod
    def of(cls, executor: Executor | None, trunk: bytes) -> "Cluster | None":
        """Returns the cluster of an executor with a serialised graph as its trunk; None without an executor."""
        return cls(executor, StoredGraph.put(trunk)) if executor else None

    def calculate(
        self, drawings: Sequence[Drawing], numbers: Iterable[int], preprocessing: Preprocessing
    ) -> Iterator[tuple[int, Calculated | UsageError]]:
        """Yields each of the numbers with what was made of the drawing of that number, or why it cannot be read."""
        make = _Calculator(self.trunk, tuple(drawings), preprocessing)
        for number, made in self.executor.map(make, numbers):
            if "error" in made:
                yield number, UsageError(made["error"])
            else:
                values = np.frombuffer(base64.b64decode(made["bottleneck"]), "<f4")
                yield number, Calculated(bytes.fromhex(made["key"]), values)


@dataclass(frozen=True)
class _Calculator:
    """Makes, in a process of the cluster, what calculates the bottleneck of a drawing."""

    trunk: StoredGraph
    drawings: tuple[Drawing, ...]
    preprocessing: Preprocessing

    def __call__(self) -> Callable[[int], tuple[int, dict[str, Any]]]:
        """Returns the function of a drawing's number. Raises ModelError as StoredGraph does."""
        with self.trunk.files() as (graph, _):
            network = GraphFile.read_trunk(graph).start(threads=1, precision="f32")

        def calculate(number: int) -> tuple[int, dict[str, Any]]:
            drawing = self.drawings[number]
            try:
                content = read_case(drawing.case)
                key = drawing.key(content, self.preprocessing)
                picture = drawing.draw(content, key, network.size, self.preprocessing)
            except UsageError as error:
                return number, {"error": str(error)}
            values = network.run(picture[np.newaxis]).bottleneck[0].astype("<f4")
            return number, {"key": key.hex(), "bottleneck": base64.b64encode(values.tobytes()).decode()}

        return calculate
