"""Tosa screens a cough recording or a chest X-ray with one neural network.

    import tosa

    model = tosa.load()
    model.screen(sound="cough.wav")["diagnosis"]

For learning and research only; it is not a medical device.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from tosa.errors import ModelError, RequestError, TosaError

if TYPE_CHECKING:  # what needs time to import is imported when it is used
    from tosa.model.network import Network

__all__ = ["Model", "ModelError", "RequestError", "TosaError", "load"]
__version__ = "0.2.0.dev0"

Source = str | os.PathLike[str] | bytes | BinaryIO  # a path, the content of a file, or an open binary file


class Model:
    """A loaded network that screens files, from any number of threads at once."""

    def __init__(self, network: "Network") -> None:
        self._network = network

    @property
    def tasks(self) -> Mapping[str, tuple[str, ...]]:
        """The labels of each task, by the task's name."""
        return {name: task.labels for name, task in self._network.tasks.items()}

    @property
    def sha256(self) -> str:
        """The SHA-256 of the graph file, hexadecimal."""
        return self._network.sha256

    def screen(
        self,
        *,
        sound: Source | None = None,
        picture: Source | None = None,
        explain: bool = False,
        timeline: bool = False,
        at: float | None = None,
    ) -> dict[str, Any]:
        """Returns the findings for a sound, a picture or both: the same dict as the JSON of POST /.

        With `explain`, each finding has the picture that the network saw and a heat map, as PNG data URIs.
        With `timeline`, the answer has a score for each second of the sound and the episodes of its coughs; with `at`,
        the findings of the sound are about the second around that time, in seconds.
        Files are decoded in this process, without the limits on time and memory that the web app sets: send files of
        strangers to that. Raises RequestError, which has a `code` and a `status`, if a file cannot be
        read or judged, and OSError if a path cannot be opened.
        """
        from tosa import screening
        from tosa.timeline import screen_recording

        files: dict[str, bytes | None] = {"sound": _content(sound), "picture": _content(picture)}
        for kind, data in files.items():
            if data is not None:
                screening.check_kind(data, kind, f"{kind}=")
        sound_file, picture_file = files["sound"], files["picture"]
        return screen_recording(self._network, sound_file, picture_file, explain, with_timeline=timeline, at=at)


def load(graph: str | os.PathLike[str] | None = None, labels: str | os.PathLike[str] | None = None) -> Model:
    """Returns the model of a graph file; by default the one that TOSA_GRAPH names, or the embedded one.

    labels: the label file of a classic graph, if it does not lie beside it as `labels.txt` lies beside `graph.pb`.
    Graphs that Tosa trained carry their labels and need none.
    Raises ModelError, which names the file, if graph or labels cannot be used.
    """
    from tosa.model.network import GraphFile
    from tosa.settings import Settings

    config = Settings()
    label_file = Path(labels) if labels else config.labels if graph is None else None
    file = GraphFile.read(Path(graph) if graph else config.graph, label_file)
    return Model(file.start(cache=config.cache))


def _content(source: Source | None) -> bytes | None:
    if source is None or isinstance(source, bytes):
        return source
    if isinstance(source, bytearray | memoryview):
        return bytes(source)
    if isinstance(source, str | os.PathLike):
        return Path(source).read_bytes()
    data = source.read() if hasattr(source, "read") else None
    if not isinstance(data, bytes):
        raise TypeError("sound and picture must be a path, bytes, or a file that is open in binary mode")
    return data
