"""A graph in Ray's object store, which brings it to each node of a cluster once."""

import hashlib
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from tosa.errors import ModelError


@dataclass(frozen=True)
class StoredGraph:
    """A reference to the bytes of a graph, which may travel to actors."""

    reference: Any  # of Ray
    sha256: str  # of the bytes, hexadecimal
    labels: bytes | None = None  # its label file; None if the graph carries its labels, or is a trunk

    @classmethod
    def put(cls, graph: bytes, labels: bytes | None = None) -> Self:
        """Puts a serialised graph into the object store of the cluster that this process is connected to."""
        import ray

        return cls(ray.put(graph), hashlib.sha256(graph).hexdigest(), labels)

    @contextmanager
    def files(self) -> Iterator[tuple[Path, Path | None]]:
        """Yields files of the graph and its labels, which are there as long as the block lasts.

        Raises ModelError if the graph did not arrive whole.
        """
        import ray

        content = ray.get(self.reference)
        if (arrived := hashlib.sha256(content).hexdigest()) != self.sha256:
            raise ModelError(f"The graph that arrived has the SHA-256 {arrived}, not {self.sha256}.")
        with tempfile.TemporaryDirectory() as folder:
            graph, labels = Path(folder, "graph.pb"), Path(folder, "labels.txt")
            graph.write_bytes(content)
            if self.labels:
                labels.write_bytes(self.labels)
            yield graph, labels if self.labels else None
