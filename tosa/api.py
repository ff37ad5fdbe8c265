"""The Python interface: a Model answers what POST / of the web app answers."""

from os import PathLike
from pathlib import Path
from typing import Any, BinaryIO

from tosa.errors import UnsupportedFormat
from tosa.model.network import GraphFile, Network
from tosa.screening import kind_of, screen
from tosa.settings import Settings

Source = str | PathLike[str] | bytes | BinaryIO  # a path, the bytes of a file, or a file opened for reading bytes


class Model:
    """A network that screens sounds and pictures; any number of threads may share one."""

    def __init__(self, network: Network) -> None:
        self._network = network

    @property
    def sha256(self) -> str:
        """The SHA-256 of the graph file, hexadecimal."""
        return self._network.sha256

    @property
    def tasks(self) -> dict[str, tuple[str, ...]]:
        """The labels of each task."""
        return {name: task.labels for name, task in self._network.tasks.items()}

    def screen(
        self, sound: Source | None = None, picture: Source | None = None, explain: bool = False
    ) -> dict[str, Any]:
        """Returns the findings on a sound, a picture or both, as the dict that the web app answers as JSON.

        With `explain`, findings carry PNGs as data URIs: what the network saw, and the same under a heat map. Files
        are decoded in this process, without the limits on time and memory that the web app sets: use that for files
        of strangers. Raises tosa.errors.RequestError, with the `code` and `status` that the web app would answer,
        for input that cannot be judged, and OSError if a path cannot be read.
        """
        return screen(self._network, _read(sound, "sound"), _read(picture, "picture"), explain)


def load_model(graph: str | PathLike[str] | None = None, labels: str | PathLike[str] | None = None) -> Model:
    """Returns the network of a graph file, as `tosa.load` describes."""
    config = Settings()
    if labels is None and graph is not None:
        file = GraphFile.read_with_own_labels(Path(graph))
    else:
        file = GraphFile.read(Path(graph or config.graph), Path(labels or config.labels))
    return Model(file.start(cache=config.cache))


def _read(source: Source | None, kind: str) -> bytes | None:
    """Returns the bytes of a source. Raises UnsupportedFormat if they are not of this kind, 'sound' or 'picture'."""
    if source is None:
        return None
    if isinstance(source, bytes | bytearray | memoryview):
        data = bytes(source)
    elif isinstance(source, str | PathLike):
        data = Path(source).read_bytes()
    else:
        data = source.read()
    if (found := kind_of(data)) != kind:
        raise UnsupportedFormat(f"This is a {found}. Give it as {found}=, not as {kind}=.")
    return data
