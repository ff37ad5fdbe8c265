"""Bottlenecks: each picture's 2048 numbers in front of the last layer, made once and kept.

The cache is a folder a trunk, named by the trunk's content; each of its files holds some hundreds of bottlenecks,
named by the pictures' content. So a changed picture or trunk is never stale, and a kill loses one file's worth.
"""

import hashlib
import zipfile
from pathlib import Path

import numpy as np
from tqdm import tqdm

from .. import audio, xray
from ..errors import RequestError, UsageError
from .dataset import Case
from .files import save_arrays

DRAWING = " ".join(str(getattr(audio, name)) for name in (
    "SAMPLE_RATE", "N_FFT", "HOP_LENGTH", "N_MELS", "F_MIN", "F_MAX", "TOP_DB", "WINDOW_SECONDS", "ACTIVE_DB",
))  # fmt: skip  # what a sound's picture depends on beside the sound
BATCH = 8  # pictures a forward pass
CHUNK = 256  # bottlenecks a file


def draw(case: Case, size: tuple[int, int] = (299, 299)) -> np.ndarray:
    """A case's picture as it will be served: uint8 (*size, 3). Raises UsageError naming a file that cannot be read."""
    decoded = decode(case)
    return xray.resize(audio.draw(audio.window(decoded)) if case.is_sound else decoded, size)


def decode(case: Case) -> np.ndarray:
    """A case's samples or pixels, as audio.decode and xray.decode give them. Raises UsageError naming the file."""
    try:
        return (audio if case.is_sound else xray).decode(case.file.read_bytes())
    except RequestError as error:
        raise UsageError(f"'{case.file}': {error}") from error


def bottlenecks(cases: list[Case], network, trunk_name: str, folder: Path) -> np.ndarray:
    """Bottlenecks float32 (cases, features), from the cache in folder where they are there.

    network: a tosa.network.Network on the trunk whose content is named trunk_name.
    """
    cache = folder / trunk_name[:16]
    black = np.zeros((1, *network.size, 3), np.uint8)
    known = _read(cache, network.run(black).bottleneck.shape[1])
    keys = [_key(case) for case in cases]
    missing = list({key: case for key, case in zip(keys, cases) if key not in known}.items())
    with tqdm(total=len(missing), desc="bottlenecks", unit="picture", disable=None) as bar:
        for start in range(0, len(missing), CHUNK):
            made = {}
            chunk = missing[start : start + CHUNK]
            for first in range(0, len(chunk), BATCH):
                batch = chunk[first : first + BATCH]
                pictures = np.stack([draw(case, network.size) for _, case in batch])
                made |= zip([key for key, _ in batch], network.run(pictures).bottleneck)
                bar.update(len(batch))
            _write(cache, made)
            known |= made
    print(f"{len(missing)} bottleneck files created.")
    return np.stack([known[key] for key in keys])


def _key(case: Case) -> str:
    """The content of the file, and for a sound how it is drawn."""
    return hashlib.sha256(case.file.read_bytes() + (DRAWING.encode() if case.is_sound else b"")).hexdigest()


def _read(cache: Path, features: int) -> dict[str, np.ndarray]:
    """All bottlenecks of a folder; a damaged file is removed, so that what it held is made again."""
    known: dict[str, np.ndarray] = {}
    for file in sorted(cache.glob("*.npz")):
        try:
            with np.load(file, allow_pickle=False) as arrays:
                keys, values = arrays["keys"], arrays["values"]
            if values.shape != (len(keys), features) or not np.isfinite(values).all():
                raise ValueError
            known |= zip(keys.tolist(), values)
        except (OSError, TypeError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
            print(f"'{file}' is damaged and is made again.")
            file.unlink(missing_ok=True)  # another training may have done so
    return known


def _write(cache: Path, made: dict[str, np.ndarray]) -> None:
    name = hashlib.sha256("".join(sorted(made)).encode()).hexdigest()[:16]
    save_arrays(cache / f"{name}.npz", keys=np.array(list(made)), values=np.stack(list(made.values())))
