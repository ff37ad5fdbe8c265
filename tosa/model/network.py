"""The network: pictures in; feature map, bottleneck and scores out.

`GraphFile` is what was read from disk, `Network` is what answers; `GraphFile.start` makes the one from the other.
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np

from tosa import memory
from tosa.errors import ModelError
from tosa.model.cascade import Decisions, Margin
from tosa.model.compiled_cache import CompiledModelCache
from tosa.model.engine import Engine, cache_key_parts, has_fast_int8, native_precision
from tosa.model.graph import BOTTLENECK, Graph, GraphError
from tosa.model.labels import REPAIR, Labels, labels_for, read_file
from tosa.model.metadata import Input
from tosa.model.model import Model
from tosa.model.quantization_constants import QuantizationConstants
from tosa.model.subgraph import prune
from tosa.settings import Settings

AGAIN = "f32"  # precision of what is computed again; bf16 changes as many diagnoses as a whole cascade may
MAX_BATCH = 8  # pictures run at once; more take memory and save no time


@dataclass(frozen=True, eq=False)
class Answer:
    """What the network answers to N pictures, float32."""

    feature_map: np.ndarray  # (N, h, w, C), the last convolutional layer
    bottleneck: np.ndarray  # (N, C), its average over h and w
    scores: np.ndarray  # (N, K) in [0, 1], each task's columns sum to 1; K is 0 in a trunk
    again: np.ndarray  # int (n,): the pictures that were close in int8 and were computed again in float32


class GraphFile:
    """A graph and its labels, read from disk and checked to fit each other, but not yet compiled."""

    def __init__(self, graph: Graph, labels: Labels, files: str) -> None:
        """files: what errors call the pair. Raises GraphError."""
        softmaxes = graph.softmaxes() if labels else []
        if len(softmaxes) != len(labels):
            raise GraphError(
                f"has {len(softmaxes)} softmax layers, the label file has {len(labels)} tasks: set TOSA_LABELS to the "
                "label file that was made with the graph"
            )
        self.graph = graph
        self.label_file: Path | None = None  # which the labels were read from; None if the graph carries them
        self.outputs = [graph.feature_map(), BOTTLENECK, *softmaxes]
        self.constants = QuantizationConstants.of(graph)
        self.model = Model.of(graph, labels, softmaxes, files)

    @classmethod
    def read(cls, graph: Path, labels: Path | None = None) -> Self:
        """Returns the graph of a file with its labels.

        labels: the label file of a graph that does not carry its labels; by default the one that lies beside it under
        the usual name. Raises ModelError, which names the file, if one is missing or damaged, if they do not fit each
        other, or if the graph carries other labels than the label file has.
        """
        read = _graph_in(graph)
        with _naming(f"{graph}"):
            own = read.own_labels()
        found, label_file = labels_for(graph, own, labels)
        files = f"{graph} (labels: {label_file})" if label_file else f"{graph}"
        with _naming(files):
            file = cls(read, found, files)
        file.label_file = label_file
        return file

    @classmethod
    def read_trunk(cls, graph: Path) -> Self:
        """Returns the part of a graph up to the bottleneck, which needs no labels. Raises ModelError as `read` does."""
        read = _graph_in(graph)
        with _naming(f"{graph}"):
            return cls(read, {}, f"{graph}")

    def start(self, threads: int | None = None, precision: str | None = None, cache: Path | None = None) -> "Network":
        """Returns the network, compiled or loaded from the folder `cache`; it has answered one picture.

        threads: how many cores it may use, all by default; precision: f32, bf16, int8, cascade or auto, by default what
        TOSA_PRECISION says. Raises ModelError if the graph cannot be run, SettingError on a wrong TOSA_PRECISION.
        """
        with _naming(self.model.files):
            first, second = self.precisions(precision or Settings().precision)
            with ThreadPoolExecutor(1) as pool:  # each compiles on one thread for most of its time
                again = pool.submit(self._started, second, threads, cache, singly=True) if second else None
                network = self._started(first, threads, cache)
                network.again = again.result() if again else None
        memory.give_back()  # 150 MB
        return network

    def precisions(self, asked: str) -> tuple[str, str | None]:
        """Returns the precision that answers, and the one that close answers are computed again in; None for no other.

        asked: as in `start`. Raises GraphError if the graph lacks what that needs.
        """
        margins = [self.model.metadata.task(name).margin for name in self.model.tasks]
        can_cascade = bool(self.constants and margins) and None not in margins
        if asked in ("int8", "cascade") and not self.constants:
            raise GraphError(f"carries no activation ranges, which TOSA_PRECISION={asked} needs")
        if asked == "cascade" and not can_cascade:
            raise GraphError(
                "does not say for each task which answers in int8 are too close, which TOSA_PRECISION=cascade needs: "
                "add that with retrain.py --calibrate"
            )
        if asked == "cascade" or (asked == "auto" and can_cascade and has_fast_int8()):
            return "int8", AGAIN
        return (native_precision() if asked == "auto" else asked), None

    def _started(self, precision: str, threads: int | None, cache: Path | None, singly: bool = False) -> "Network":
        stored = self._stored_in(cache, precision, singly) if cache else None
        network = self._loaded(stored, threads, precision, singly) if stored else None
        return network or self._compiled(stored, threads, precision, singly)

    def _stored_in(self, folder: Path, precision: str, singly: bool) -> CompiledModelCache:
        parts = [self.model.sha256, *self.outputs, precision, str(singly), *cache_key_parts()]
        return CompiledModelCache(folder, parts)

    def _loaded(
        self, stored: CompiledModelCache, threads: int | None, precision: str, singly: bool
    ) -> "Network | None":
        """The network that an earlier start compiled; None if there is none, or if it does not work."""
        content = stored.read()
        if content is None:
            return None
        try:
            engine = Engine(content, len(self.outputs), threads, precision, singly=singly)
            network = Network(self.model, engine, stored)
        except GraphError:
            return None
        stored.saved = True
        stored.release()
        return network

    def _compiled(
        self, stored: CompiledModelCache | None, threads: int | None, precision: str, singly: bool
    ) -> "Network":
        pruned = prune(self.graph, self.outputs)
        engine = Engine(pruned, len(self.outputs), threads, precision, self.constants, singly)
        return Network(self.model, engine, stored)


class Network:
    """A compiled graph that answers pictures, from any number of threads at once."""

    def __init__(self, model: Model, engine: Engine, stored: CompiledModelCache | None = None) -> None:
        """stored: where `save` writes what was compiled. Raises GraphError if the network does not answer rightly."""
        self.tasks = model.tasks
        self.sha256 = model.sha256
        self.size = model.size
        self.metadata = model.metadata
        self.gate = model.gate
        self.mel_bank = model.mel_bank
        self.card = model.card
        self.again: Network | None = None  # computes again, in float32, what is close in this one
        self._precision = engine.precision()
        self._margins = _margins(model)
        self._engine = engine
        self._stored = stored
        self._check()

    @classmethod
    def load(
        cls, graph: Path, labels: Path | None = None, threads: int | None = None, precision: str | None = None
    ) -> "Network":
        """Returns the network of a graph file and its labels. Arguments and errors: see GraphFile."""
        return GraphFile.read(graph, labels).start(threads, precision)

    @property
    def precision(self) -> str:
        """The precision of its calculations: f32, bf16 or int8; of a cascade both, as in int8+bf16."""
        return f"{self._precision}+{self.again.precision}" if self.again else self._precision

    def save(self) -> None:
        """For quiet moments: stores once what was compiled, and gives back memory that no request has needed since.

        It does nothing if the network was started without a cache. From then on the weights are those of the file.
        """
        if self._stored:
            if not self._stored.saved:
                self._store(self._stored)
            self._stored.release()
        if self.again:
            self.again.save()

    def _store(self, stored: CompiledModelCache) -> None:
        stored.saved = True  # or tried once, which is enough
        try:
            written = stored.write(self._engine.exported())
        except RuntimeError:  # what OpenVINO cannot export is compiled again at the next start
            return
        if written and (content := stored.read()) is not None:
            self._engine.import_from(content)

    def run(self, pictures: np.ndarray, kind: Input | None = None) -> Answer:
        """Answers `pictures`: (N, height, width, 3), uint8 RGB, N at least 1.

        The answer to one picture does not depend on the others. kind: of what the pictures show; only tasks on this
        kind decide whether an answer is close, by default all. Raises ValueError on another shape or type.
        """
        if pictures.dtype != np.uint8 or pictures.shape[1:] != (*self.size, 3) or not len(pictures):
            raise ValueError(f"pictures are {pictures.dtype} {pictures.shape}, not uint8 (N, {self.size}, 3)")
        parts = [
            self._answer(pictures[start : start + MAX_BATCH], kind) for start in range(0, len(pictures), MAX_BATCH)
        ]
        if len(parts) == 1:
            return parts[0]
        again = [part.again + number * MAX_BATCH for number, part in enumerate(parts)]
        return Answer(
            feature_map=np.concatenate([part.feature_map for part in parts]),
            bottleneck=np.concatenate([part.bottleneck for part in parts]),
            scores=np.concatenate([part.scores for part in parts]),
            again=np.concatenate(again),
        )

    def _answer(self, pictures: np.ndarray, kind: Input | None) -> Answer:
        """The answer to at most MAX_BATCH pictures."""
        pictures = np.ascontiguousarray(pictures)  # of gray pictures, three channels may be one
        outputs = self._engine.infer(pictures)
        close = self._close(outputs[2:], kind)
        if len(close) and self.again:
            for output, exact in zip(outputs, self.again._engine.infer(pictures[close]), strict=True):
                output[close] = exact
        feature_map, bottleneck, *scores = outputs
        return Answer(
            feature_map, bottleneck, np.concatenate([np.empty((len(pictures), 0), np.float32), *scores], 1), close
        )

    def _close(self, scores: list[np.ndarray], kind: Input | None) -> np.ndarray:
        """The numbers of the pictures that are to be computed again. scores: float32 (N, labels) of each task."""
        if self.again is None:
            return np.empty(0, np.intp)
        tasks = zip(self.tasks.values(), scores, strict=True)
        close = [self._margins[task.name].is_close(each) for task, each in tasks if kind in (None, task.input)]
        return np.flatnonzero(np.any(close, axis=0)) if close else np.empty(0, np.intp)

    def _check(self) -> None:
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
                raise GraphError(
                    f"gives {vector.shape[-1]} scores for {task.name}, the label file has {len(task.labels)} labels"
                )
            if abs(vector.sum() - 1) > 1e-3:
                raise GraphError(f"gives scores for {task.name} that do not sum to 1")


def _graph_in(path: Path) -> Graph:
    data = read_file(path, "Set TOSA_GRAPH to a frozen graph, or make one with retrain.py.")
    with _naming(f"{path}"):
        return Graph(data)


@contextmanager
def _naming(files: str) -> Iterator[None]:
    """Turns GraphError into ModelError, which names the files."""
    try:
        yield
    except GraphError as error:
        raise ModelError(f"The graph {files} {error}. {REPAIR}") from error


def _margins(model: Model) -> dict[str, Margin]:
    """The margin of each task; 0 where the graph does not say it."""
    tasks = {name: model.metadata.task(name) for name in model.tasks}
    return {
        name: Margin(Decisions.of(task, model.tasks[name].labels), task.margin or 0) for name, task in tasks.items()
    }
