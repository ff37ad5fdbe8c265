"""Bottlenecks: each picture's 2048 numbers in front of the last layer, made once and kept.

Threads read, decode and draw the next pictures while the engine works on a batch; each file is read once.
"""

import hashlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from PIL import Image

from tosa.errors import UsageError
from tosa.inputs import xray
from tosa.training.data.dataset import Case, SkippedFiles
from tosa.training.data.drawing import DRAWING, decode_content, draw_decoded, read_case
from tosa.training.data.prefetch import prefetch
from tosa.training.features.bottleneck_cache import Cache
from tosa.training.files import progress

BATCH = 8  # pictures a forward pass


class Change(Protocol):
    """What makes variants of a case, such as distort.Distortion. Its text is part of what names their bottlenecks."""

    def draw(self, decoded: np.ndarray, is_sound: bool, rng: np.random.Generator) -> np.ndarray: ...


@dataclass(frozen=True)
class Drawing:
    """A case as it is, or one of its variants."""

    case: Case
    change: Change | None = None
    variant: int = 0

    def key(self, content: bytes) -> bytes:
        """Names all that the picture depends on: the file's content, how sounds are drawn, gray, the change."""
        way = DRAWING if self.case.is_sound else "" if self.case.of_sound else "gray"
        way += f"{self.change}{self.variant}" if self.change else ""
        return hashlib.sha256(content + way.encode()).digest()

    def draw(self, content: bytes, key: bytes, size: tuple[int, int]) -> np.ndarray:
        """The picture uint8 (*size, 3); what is random in it depends on the key alone."""
        decoded = decode_content(self.case, content)
        if not self.change:
            return draw_decoded(self.case, decoded, size)
        rng = np.random.default_rng(int.from_bytes(key[:16], "little"))
        return xray.resize(self.change.draw(decoded, self.case.is_sound, rng), size)


@dataclass(frozen=True)
class Bottlenecks:
    """What came of n drawings, of which those that cannot be read are gone."""

    drawings: list[Drawing]
    values: np.ndarray  # float32 (n, features)
    fingerprints: np.ndarray  # uint64 (n, 4): alike for pictures that look alike
    contents: list[bytes]  # keys: the same for the same content drawn in the same way


@dataclass(frozen=True)
class _Prepared:
    key: bytes
    record: np.void | None  # from the cache
    picture: np.ndarray | None = None  # uint8 (height, width, 3), where the cache has none


def bottlenecks(drawings: list[Drawing], network, trunk_name: str, folder: Path, problems: SkippedFiles) -> Bottlenecks:
    """Bottlenecks of drawings, from the cache in folder where they are there.

    network: a tosa.network.Network on the trunk whose content is named trunk_name.
    """
    features = network.run(np.zeros((1, *network.size, 3), np.uint8)).bottleneck.shape[1]
    filling = _Filling(len(drawings), features, network)
    bar = progress(total=len(drawings), desc="bottlenecks", unit="picture")
    with bar, Cache(folder / trunk_name[:16], features) as filling.cache, ThreadPoolExecutor() as pool:
        prepared = prefetch(pool, lambda drawing: _prepare(drawing, filling.cache, network.size), drawings)
        for drawing, found in zip(drawings, prepared):
            if isinstance(found, UsageError):
                problems.add(found)
            else:
                filling.add(drawing, found)
            bar.update()
        filling.run()
    print(f"{filling.made} bottleneck files created.")
    count = len(filling.drawings)
    return Bottlenecks(filling.drawings, filling.values[:count], filling.fingerprints[:count], filling.keys)


def _prepare(drawing: Drawing, cache: Cache, size: tuple[int, int]) -> "_Prepared | UsageError":
    try:
        content = read_case(drawing.case)
        key = drawing.key(content)
        record = cache.get(key)
        return _Prepared(key, record, drawing.draw(content, key, size) if record is None else None)
    except UsageError as error:
        return error


class _Filling:
    """One array, filled row by row from the cache or a batch at a time from the network."""

    cache: Cache

    def __init__(self, count: int, features: int, network):
        self.network, self.made = network, 0
        self.values = np.empty((count, features), np.float32)
        self.fingerprints = np.empty((count, 4), np.uint64)
        self.drawings: list[Drawing] = []
        self.keys: list[bytes] = []
        self.waiting: list[tuple[int, np.ndarray]] = []  # (row, picture) of the batch to come

    def add(self, drawing: Drawing, prepared: _Prepared) -> None:
        row = len(self.drawings)
        self.drawings.append(drawing)
        self.keys.append(prepared.key)
        if prepared.picture is None:
            self.values[row], self.fingerprints[row] = prepared.record["values"], prepared.record["fingerprint"]
            return
        self.fingerprints[row] = fingerprint(prepared.picture)
        self.waiting.append((row, prepared.picture))
        if len(self.waiting) == BATCH:
            self.run()

    def run(self) -> None:
        if self.waiting:
            rows = [row for row, _ in self.waiting]
            self.values[rows] = self.network.run(np.stack([picture for _, picture in self.waiting])).bottleneck
            self.cache.add([self.keys[row] for row in rows], self.fingerprints[rows], self.values[rows])
            self.made += len(rows)
            self.waiting = []


def fingerprint(picture: np.ndarray) -> np.ndarray:
    """256 bits, uint64 (4,), that copies of a picture share whatever its size, exposure and compression.

    Whether each of 16 x 16 places is brighter than its right neighbour (the "difference hash").
    picture: uint8 (height, width, 3).
    """
    gray = np.asarray(Image.fromarray(picture).convert("L").resize((17, 16), Image.Resampling.BOX))
    return np.packbits(gray[:, :-1] > gray[:, 1:]).view(np.uint64)
