"""The network: pictures in; feature map, bottleneck and scores out."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tosa import memory
from tosa.errors import ModelError
from tosa.model.compiled_cache import CompiledModelCache
from tosa.model.engine import Engine, cache_key_parts, native_precision
from tosa.model.graph import BOTTLENECK, Graph, GraphError
from tosa.model.subgraph import prune
from tosa.settings import Settings

FIRST_TASK = "cough"  # whose labels need not name it
MAX_BATCH = 8  # pictures run at once; more take memory and save no time
REPAIR = "Copy it again, or make it anew with retrain.py."


@dataclass(frozen=True, eq=False)
class Task:
    """One question that the network answers."""

    name: str
    labels: tuple[str, ...]
    columns: slice  # its part of Answer.scores
    weights: np.ndarray | None  # (C, labels) float32; None if its head is not one linear layer over the bottleneck


@dataclass(frozen=True, eq=False)
class Answer:
    """What the network says to N pictures, float32."""

    feature_map: np.ndarray  # (N, h, w, C), the last convolutional layer
    bottleneck: np.ndarray  # (N, C), its average over h and w
    scores: np.ndarray  # (N, K) in [0, 1], each task's columns sum to 1; K is 0 in a network loaded without labels


class Network:
    """A graph that answers pictures, from any number of threads at once."""

    tasks: dict[str, Task]  # by name, in the order of the label file
    sha256: str  # of the graph file's bytes, hexadecimal
    size: tuple[int, int]  # height and width of the pictures it takes
    metadata: dict  # what the graph says of itself; {} if nothing
    precision: str  # of its calculations: f32, bf16 or int8
    graph: Graph | None  # that it was read from, until it is started

    def __init__(self, graph: Graph, labels: dict[str, tuple[str, ...]], files: str):
        """See `read`. `files` is what errors call the pair. Raises GraphError."""
        softmaxes = graph.softmaxes() if labels else []
        if len(softmaxes) != len(labels):
            raise GraphError(f"has {len(softmaxes)} softmax layers, the label file {len(labels)} tasks")
        self.tasks = _tasks(labels, [graph.linear_weights(name) for name in softmaxes])
        self.sha256 = graph.sha256
        self.size = graph.size()
        self._constants = graph.extras()
        self.metadata = graph.metadata()
        self.graph, self._files = graph, files
        self._outputs = [graph.feature_map(), BOTTLENECK, *softmaxes]
        self._peaks = graph.peaks()
        self._kept: CompiledModelCache | None = None  # where `keep` writes
        self._read: CompiledModelCache | None = None  # whose file has the weights

    @classmethod
    def load(
        cls, graph: Path, labels: Path | None, threads: int | None = None, precision: str | None = None
    ) -> "Network":
        """Reads a frozen graph and its label file, and lets it answer one picture to see that it can.

        Without `labels` the graph is run up to the bottleneck only and needs no head. `threads` is how many cores
        it may take, all by default; `precision` is f32, bf16, int8 or auto, by default what TOSA_PRECISION says.
        Raises ModelError, which names the file, if one is missing or damaged or they do not fit each other;
        SettingError on a TOSA_PRECISION that is none.
        """
        return cls.read(graph, labels).start(threads, precision)

    @classmethod
    def read(cls, graph: Path, labels: Path | None) -> "Network":
        """The first half of `load`: what Python does. It answers after `start`, the half that Python hardly does."""
        names = read_labels(labels) if labels else {}
        data = _read(graph, "Set TOSA_GRAPH to a frozen graph, or make one with retrain.py.")
        files = f"{graph} (labels: {labels})" if labels else f"{graph}"
        with _naming(files):
            return cls(Graph(data), names, files)

    def start(self, threads: int | None = None, precision: str | None = None, keep_in: Path | None = None) -> "Network":
        """The second half of `load`. What would be compiled is looked for in the folder `keep_in`; `keep` writes it."""
        precision = precision or Settings().precision
        precision = native_precision() if precision == "auto" else precision
        with _naming(self._files):
            if precision == "int8" and not self._peaks:
                raise GraphError("does not tell how large its activations become, which TOSA_PRECISION=int8 needs")
            if keep_in:
                self._kept = CompiledModelCache(keep_in, [self.sha256, *self._outputs, precision, *cache_key_parts()])
            if not self._found(threads, precision):
                graph = prune(self.graph, self._outputs)
                self._use(Engine(graph, len(self._outputs), threads, precision, self._peaks))
        self.graph = None
        memory.give_back()  # 150 MB
        return self

    def _found(self, threads: int | None, precision: str) -> bool:
        """Use what an earlier start kept, if there is something and it can be used."""
        transformed = self._kept and self._kept.read()
        if transformed is None:
            return False
        try:
            self._use(Engine(transformed, len(self._outputs), threads, precision))
        except GraphError:
            return False
        self._read, self._kept = self._kept, None
        self._read.release()
        return True

    def _use(self, engine: Engine) -> None:
        self._engine, self.precision = engine, engine.precision()
        self._check()

    def keep(self) -> None:
        """For quiet moments, where `start` was given a folder: write what was compiled for a later start to find, once.

        The weights are taken from the file from then on; those that nobody has needed since are left to the system.
        """
        kept, self._kept = self._kept, None
        if kept and self._written(kept) and (content := kept.read()) is not None:
            self._engine.import_from(content)
            self._read = kept
        if self._read:
            self._read.release()

    def _written(self, kept: CompiledModelCache) -> bool:
        try:
            return kept.write(self._engine.exported())
        except RuntimeError:  # what OpenVINO cannot export is compiled again
            return False

    def constant(self, name: str) -> np.ndarray | None:
        """Value of the graph's Const node `name`, None without one. Those that the bottleneck needs are not kept."""
        return self._constants.get(name)

    def run(self, pictures: np.ndarray) -> Answer:
        """Answers `pictures`: (N, height, width, 3), uint8 RGB, N at least 1.

        What is said to one picture does not depend on the others. Raises ValueError on another shape or type.
        """
        if pictures.dtype != np.uint8 or pictures.shape[1:] != (*self.size, 3) or not len(pictures):
            raise ValueError(f"pictures are {pictures.dtype} {pictures.shape}, not uint8 (N, {self.size}, 3)")
        starts = range(0, len(pictures), MAX_BATCH)
        parts = [self._engine.infer(pictures[start : start + MAX_BATCH]) for start in starts]
        feature_map, bottleneck, *scores = (np.concatenate(part) for part in zip(*parts, strict=True))
        return Answer(feature_map, bottleneck, np.concatenate([np.empty((len(pictures), 0), np.float32), *scores], 1))

    def _check(self):
        """Answers a black picture, which also warms up. Raises GraphError if the answer cannot be right."""
        try:
            feature_map, bottleneck, *scores = answer = self._engine.infer(np.zeros((1, *self.size, 3), np.uint8))
        except RuntimeError as error:
            raise GraphError("cannot be run by OpenVINO") from error
        if not self._engine.takes_any_number():
            raise GraphError("is fixed to one number of pictures")
        if feature_map.ndim != 4 or bottleneck.shape != (1, feature_map.shape[-1]):
            raise GraphError(f"has a bottleneck {bottleneck.shape} unlike its feature map {feature_map.shape}")
        if not all(np.isfinite(array).all() for array in answer):
            raise GraphError("answers with numbers that are not finite")
        for task, vector in zip(self.tasks.values(), scores, strict=True):
            if vector.shape != (1, len(task.labels)):
                raise GraphError(f"gives {vector.shape[-1]} scores for {task.name}, the label file {len(task.labels)}")
            if abs(vector.sum() - 1) > 1e-3:
                raise GraphError(f"gives scores for {task.name} that do not sum to 1")


@contextmanager
def _naming(files: str) -> Iterator[None]:
    """Turn GraphError into ModelError, which names the files."""
    try:
        yield
    except GraphError as error:
        raise ModelError(f"The graph {files} {error}. {REPAIR}") from error


def read_labels(path: Path) -> dict[str, tuple[str, ...]]:
    """Labels by task, both in the order of the lines, which is that of the graph's scores.

    A line is `task: label`, parted at the first colon with a space after it; or a label of task cough. Blank lines
    say nothing. Raises ModelError if the file is missing, empty or contradicts itself.
    """
    lines = _read(path, "Set TOSA_LABELS to the label file that was made with the graph.")
    try:
        lines = [line.strip() for line in lines.decode("utf-8-sig").splitlines() if line.strip()]
    except UnicodeDecodeError as error:
        raise ModelError(f"The label file {path} is not UTF-8 text. {REPAIR}") from error
    tasks: dict[str, list[str]] = {}
    for line in lines:
        task, separator, label = f"{line} ".partition(": ")
        task, label = (task.strip(), label.strip()) if separator else (FIRST_TASK, line)
        if not task or not label:
            raise ModelError(f"The label file {path} has the line {line!r} without task or label. {REPAIR}")
        if task in tasks and task != list(tasks)[-1]:
            raise ModelError(f"The label file {path} scatters task {task}. Put its lines one after the other.")
        if label in tasks.setdefault(task, []):
            raise ModelError(f"The label file {path} has the label {label!r} twice in task {task}. {REPAIR}")
        tasks[task].append(label)
    if not tasks:
        raise ModelError(f"The label file {path} names no label. {REPAIR}")
    return {task: tuple(labels) for task, labels in tasks.items()}


def _read(path: Path, otherwise: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise ModelError(f"The file {path} cannot be read: {error.strerror}. {otherwise}") from error


def _tasks(labels: dict[str, tuple[str, ...]], weights: list[np.ndarray | None]) -> dict[str, Task]:
    tasks, start = {}, 0
    for (name, names), matrix in zip(labels.items(), weights, strict=True):
        tasks[name] = Task(name, names, slice(start, start + len(names)), matrix)
        start += len(names)
    return tasks
