"""Bottlenecks: the numbers of each picture before the last layer (2048 of Inception-v3), calculated once and cached.

Threads read, decode and draw the next pictures while the network works on a batch; each file is read once. With a
cluster, its nodes do all of that for what the cache lacks.
"""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tosa.errors import UsageError
from tosa.model.network import Network
from tosa.preprocessing import Preprocessing
from tosa.scale.executor import prefetch
from tosa.training.data.dataset import SkippedFiles
from tosa.training.data.drawing import DEFAULT, read_case
from tosa.training.features.bottleneck_cache import Cache
from tosa.training.features.cluster import Cluster
from tosa.training.features.drawings import Drawing
from tosa.training.files import progress

BATCH = 8  # pictures a forward pass


@dataclass(frozen=True, eq=False)
class Bottlenecks:
    """The bottlenecks of n drawings; drawings of files that cannot be read are left out."""

    drawings: list[Drawing]
    values: np.ndarray  # float32 (n, features)
    contents: list[bytes]  # keys: the same for the same content drawn in the same way


@dataclass(frozen=True, eq=False)
class FeatureExtractor:
    """A trunk, how pictures are drawn for it, and the folder that caches its bottlenecks."""

    network: Network
    trunk_name: str  # its trunk_sha256
    cache_dir: Path
    preprocessing: Preprocessing = DEFAULT
    cluster: Cluster | None = None  # calculates instead of `network`

    def bottlenecks(self, drawings: Sequence[Drawing], skipped: SkippedFiles) -> Bottlenecks:
        """Returns the bottlenecks of drawings, as the function of that name does."""
        return bottlenecks(
            drawings, self.network, self.trunk_name, self.cache_dir, skipped, self.preprocessing, self.cluster
        )


@dataclass(frozen=True, eq=False)
class _Prepared:
    key: bytes
    record: np.void | None  # from the cache
    made: np.ndarray | None = None  # if the cache has no record: the picture, uint8; or from a cluster its bottleneck


def bottlenecks(
    drawings: Sequence[Drawing],
    network: Network,
    trunk_name: str,
    folder: Path,
    skipped: SkippedFiles,
    preprocessing: Preprocessing = DEFAULT,
    cluster: Cluster | None = None,
) -> Bottlenecks:
    """Returns the bottlenecks of drawings, from the cache in folder as far as they are there."""
    features = network.run(np.zeros((1, *network.size, 3), np.uint8)).bottleneck.shape[1]
    bar = progress(total=len(drawings), desc="bottlenecks", unit="picture")
    with bar, Cache(folder / trunk_name[:16], features) as cache, ThreadPoolExecutor() as pool:

        def prepare(drawing: Drawing) -> _Prepared | UsageError:
            if cluster and not len(cache):
                return _Prepared(b"", None)  # there is nothing to look up
            return _prepare(drawing, cache, None if cluster else network.size, preprocessing)

        def run(made: np.ndarray) -> np.ndarray:
            return made if cluster else network.run(made).bottleneck

        prepared = prefetch(pool, prepare, drawings)
        if cluster:
            prepared = _with_cluster(drawings, prepared, cluster, preprocessing)
        filling = _Filling(len(drawings), features, run, cache)
        for drawing, each in zip(drawings, prepared, strict=True):
            if isinstance(each, UsageError):
                skipped.add(each)
            else:
                filling.add(drawing, each)
            bar.update()
        filling.run()
    print(f"{filling.made} bottleneck files created.")
    count = len(filling.drawings)
    return Bottlenecks(filling.drawings, filling.values[:count], filling.keys)


def _prepare(
    drawing: Drawing, cache: Cache, size: tuple[int, int] | None, preprocessing: Preprocessing
) -> _Prepared | UsageError:
    """What the cache has of a drawing; else its picture of this size, or nothing more if that is None."""
    try:
        content = read_case(drawing.case)
        key = drawing.key(content, preprocessing)
        record = cache.get(key)
        picture = drawing.draw(content, key, size, preprocessing) if size and record is None else None
        return _Prepared(key, record, picture)
    except UsageError as error:
        return error


def _with_cluster(
    drawings: Sequence[Drawing],
    found: Iterator[_Prepared | UsageError],
    cluster: Cluster,
    preprocessing: Preprocessing,
) -> Iterator[_Prepared | UsageError]:
    """What was found in the cache, in the order of the drawings, and what the cluster calculates of the others."""
    waiting: dict[int, _Prepared | UsageError] = {}  # for what is calculated before it

    def missing() -> Iterator[int]:
        for number, each in enumerate(found):
            if isinstance(each, _Prepared) and each.record is None:
                yield number
            else:
                waiting[number] = each

    row = 0
    for number, made in cluster.calculate(drawings, missing(), preprocessing):
        yield from (waiting.pop(before) for before in range(row, number))
        yield made if isinstance(made, UsageError) else _Prepared(made.key, None, made.bottleneck)
        row = number + 1
    yield from (waiting.pop(after) for after in range(row, len(drawings)))


class _Filling:
    """One array, filled row by row from the cache or a batch at a time by `run`."""

    def __init__(self, count: int, features: int, run: Callable[[np.ndarray], np.ndarray], cache: Cache) -> None:
        """run: makes bottlenecks (n, features) of n pictures, or of what else is there to be added."""
        self._run, self.cache, self.made = run, cache, 0
        self.values = np.empty((count, features), np.float32)
        self.drawings: list[Drawing] = []
        self.keys: list[bytes] = []
        self.waiting: list[tuple[int, np.ndarray]] = []  # row and `_Prepared.made` of the next batch

    def add(self, drawing: Drawing, prepared: _Prepared) -> None:
        row = len(self.drawings)
        self.drawings.append(drawing)
        self.keys.append(prepared.key)
        if prepared.record is not None:
            self.values[row] = prepared.record["values"]
            return
        if prepared.made is None:
            raise ValueError("neither a record nor a picture")
        self.waiting.append((row, prepared.made))
        if len(self.waiting) == BATCH:
            self.run()

    def run(self) -> None:
        if self.waiting:
            rows = [row for row, _ in self.waiting]
            self.values[rows] = self._run(np.stack([made for _, made in self.waiting]))
            self.cache.add([self.keys[row] for row in rows], self.values[rows])
            self.made += len(rows)
            self.waiting = []
