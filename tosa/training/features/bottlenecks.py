"""Bottlenecks: the numbers of each picture before the last layer (2048 of Inception-v3), calculated once and cached.

Threads read, decode and draw the next pictures while the network works on a batch; each file is read once.
"""

import hashlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from tosa.errors import UsageError
from tosa.inputs import xray
from tosa.model.network import Network
from tosa.preprocessing import Preprocessing
from tosa.scale.executor import prefetch
from tosa.training.data.aspects import COLUMN as ASPECT
from tosa.training.data.dataset import Case, SkippedFiles
from tosa.training.data.drawing import DEFAULT, decode_content, draw_decoded, drawing_key, read_case
from tosa.training.features.bottleneck_cache import Cache
from tosa.training.files import progress

BATCH = 8  # pictures a forward pass


class Change(Protocol):
    """What makes variants of a case, such as a Distortion. Its text is part of the key of their bottlenecks."""

    def draw(
        self, decoded: np.ndarray, case: Case, rng: np.random.Generator, preprocessing: Preprocessing
    ) -> np.ndarray:
        """Returns the changed picture uint8 (size, size, 3) of samples or pixels."""


@dataclass(frozen=True)
class Drawing:
    """A case as it is, or one of its variants."""

    case: Case
    change: Change | None = None
    variant: int = 0

    def key(self, content: bytes, preprocessing: Preprocessing = DEFAULT) -> bytes:
        """Returns a SHA-256 of all that the picture depends on: the file's content, how it is drawn, the change."""
        change = f"{self.change} {self.variant} {self.case.extra.get(ASPECT, '')}" if self.change else ""
        return hashlib.sha256(content + f"{drawing_key(self.case.kind, preprocessing)} {change}".encode()).digest()

    def draw(
        self, content: bytes, key: bytes, size: tuple[int, int], preprocessing: Preprocessing = DEFAULT
    ) -> np.ndarray:
        """Returns the picture uint8 (*size, 3); what is random in it depends on the key alone."""
        decoded = decode_content(self.case, content, preprocessing)
        if not self.change:
            return draw_decoded(self.case, decoded, size, preprocessing)
        rng = np.random.default_rng(int.from_bytes(key[:16], "little"))
        return xray.resize(self.change.draw(decoded, self.case, rng, preprocessing), size)


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

    def bottlenecks(self, drawings: Sequence[Drawing], skipped: SkippedFiles) -> Bottlenecks:
        """Returns the bottlenecks of drawings, as the function of that name does."""
        return bottlenecks(drawings, self.network, self.trunk_name, self.cache_dir, skipped, self.preprocessing)


@dataclass(frozen=True, eq=False)
class _Prepared:
    key: bytes
    record: np.void | None  # from the cache
    picture: np.ndarray | None = None  # uint8 (height, width, 3), if the cache has no record


def bottlenecks(
    drawings: Sequence[Drawing],
    network: Network,
    trunk_name: str,
    folder: Path,
    skipped: SkippedFiles,
    preprocessing: Preprocessing = DEFAULT,
) -> Bottlenecks:
    """Returns the bottlenecks of drawings, from the cache in folder as far as they are there."""
    features = network.run(np.zeros((1, *network.size, 3), np.uint8)).bottleneck.shape[1]
    bar = progress(total=len(drawings), desc="bottlenecks", unit="picture")
    with bar, Cache(folder / trunk_name[:16], features) as cache, ThreadPoolExecutor() as pool:
        filling = _Filling(len(drawings), features, network, cache)

        def prepare(drawing: Drawing) -> _Prepared | UsageError:
            return _prepare(drawing, cache, network.size, preprocessing)

        for drawing, prepared in zip(drawings, prefetch(pool, prepare, drawings), strict=True):
            if isinstance(prepared, UsageError):
                skipped.add(prepared)
            else:
                filling.add(drawing, prepared)
            bar.update()
        filling.run()
    print(f"{filling.made} bottleneck files created.")
    count = len(filling.drawings)
    return Bottlenecks(filling.drawings, filling.values[:count], filling.keys)


def _prepare(
    drawing: Drawing, cache: Cache, size: tuple[int, int], preprocessing: Preprocessing
) -> _Prepared | UsageError:
    try:
        content = read_case(drawing.case)
        key = drawing.key(content, preprocessing)
        record = cache.get(key)
        picture = drawing.draw(content, key, size, preprocessing) if record is None else None
        return _Prepared(key, record, picture)
    except UsageError as error:
        return error


class _Filling:
    """One array, filled row by row from the cache or a batch at a time from the network."""

    def __init__(self, count: int, features: int, network: Network, cache: Cache) -> None:
        self.network, self.cache, self.made = network, cache, 0
        self.values = np.empty((count, features), np.float32)
        self.drawings: list[Drawing] = []
        self.keys: list[bytes] = []
        self.waiting: list[tuple[int, np.ndarray]] = []  # (row, picture) of the next batch

    def add(self, drawing: Drawing, prepared: _Prepared) -> None:
        row = len(self.drawings)
        self.drawings.append(drawing)
        self.keys.append(prepared.key)
        if prepared.record is not None:
            self.values[row] = prepared.record["values"]
            return
        if prepared.picture is None:
            raise ValueError("neither a record nor a picture")
        self.waiting.append((row, prepared.picture))
        if len(self.waiting) == BATCH:
            self.run()

    def run(self) -> None:
        if self.waiting:
            rows = [row for row, _ in self.waiting]
            self.values[rows] = self.network.run(np.stack([picture for _, picture in self.waiting])).bottleneck
            self.cache.add([self.keys[row] for row in rows], self.values[rows])
            self.made += len(rows)
            self.waiting = []
