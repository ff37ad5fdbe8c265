"""Bottlenecks: each picture's 2048 numbers in front of the last layer, made once and kept.

Threads read, decode and draw the next pictures while the engine works on a batch; each file is read once.
"""

import hashlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from PIL import Image

from .. import audio, xray
from ..errors import RequestError, UsageError
from .cache import Cache
from .dataset import Case, Problems
from .files import progress

DRAWING = " ".join(str(getattr(audio, name)) for name in (
    "SAMPLE_RATE", "N_FFT", "HOP_LENGTH", "N_MELS", "F_MIN", "F_MAX", "TOP_DB", "WINDOW_SECONDS", "ACTIVE_DB",
))  # fmt: skip  # what a sound's picture depends on beside the sound
BATCH = 8  # pictures a forward pass
AHEAD = 4 * BATCH  # pictures drawn ahead of it at most


def draw(case: Case, size: tuple[int, int] = (299, 299)) -> np.ndarray:
    """A case's picture as it will be served: uint8 (*size, 3). Raises UsageError naming a file that cannot be read."""
    return _drawn(case, decode(case), size)


def decode(case: Case) -> np.ndarray:
    """A case's samples or pixels, those of X-rays in gray, as serving has them.

    Raises UsageError naming a file that cannot be read, or a sound that cannot be judged.
    """
    return _decoded(case, _content(case))


def _content(case: Case) -> bytes:
    try:
        return case.file.read_bytes()
    except OSError as error:
        raise UsageError(f"'{case.file}' cannot be read: {error.strerror}.") from error


def _decoded(case: Case, content: bytes) -> np.ndarray:
    if not content:
        raise UsageError(f"'{case.file}' is empty.")
    try:
        if case.is_sound:
            samples = audio.decode(content)
            audio.check(samples)
            return samples
        pixels = xray.decode(content)
    except RequestError as error:
        raise UsageError(f"'{case.file}': {error}") from error
    return pixels if case.of_sound else xray.gray(pixels)


def _drawn(case: Case, decoded: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    return xray.resize(audio.draw(audio.window(decoded)) if case.is_sound else xray.resize(decoded), size)


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
        decoded = _decoded(self.case, content)
        if not self.change:
            return _drawn(self.case, decoded, size)
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


def bottlenecks(drawings: list[Drawing], network, trunk_name: str, folder: Path, problems: Problems) -> Bottlenecks:
    """Bottlenecks of drawings, from the cache in folder where they are there.

    network: a tosa.network.Network on the trunk whose content is named trunk_name.
    """
    features = network.run(np.zeros((1, *network.size, 3), np.uint8)).bottleneck.shape[1]
    filling = _Filling(len(drawings), features, network)
    bar = progress(total=len(drawings), desc="bottlenecks", unit="picture")
    with bar, Cache(folder / trunk_name[:16], features) as filling.cache, ThreadPoolExecutor() as pool:
        prepared = ahead(pool, lambda drawing: _prepare(drawing, filling.cache, network.size), drawings)
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
        content = _content(drawing.case)
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


def ahead(pool: ThreadPoolExecutor, function: Callable, items: Iterable, count: int = AHEAD) -> Iterator:
    """Yields function(item) of each item in order, `count` of them at most computed or waiting in pool."""
    futures = deque()
    for item in items:
        futures.append(pool.submit(function, item))
        if len(futures) > count:
            yield futures.popleft().result()
    while futures:
        yield futures.popleft().result()


def readable(function: Callable, items: list[tuple], problems: Problems, desc: str) -> Iterator[tuple]:
    """(item, function(*item)) of each of the items whose files can be read."""

    def tried(item):
        try:
            return function(*item)
        except UsageError as error:
            return error

    with ThreadPoolExecutor() as pool:
        results = progress(ahead(pool, tried, items), desc=desc, unit="picture", total=len(items))
        for item, result in zip(items, results):
            if isinstance(result, UsageError):
                problems.add(result)
            else:
                yield item, result


def fingerprint(picture: np.ndarray) -> np.ndarray:
    """256 bits, uint64 (4,), that copies of a picture share whatever its size, exposure and compression.

    Whether each of 16 x 16 places is brighter than its right neighbour (the "difference hash").
    picture: uint8 (height, width, 3).
    """
    gray = np.asarray(Image.fromarray(picture).convert("L").resize((17, 16), Image.Resampling.BOX))
    return np.packbits(gray[:, :-1] > gray[:, 1:]).view(np.uint64)
