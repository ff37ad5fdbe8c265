"""Fingerprints: 256 bits of a picture or a sound, alike for copies of it in other files and for nothing else.

A picture or a mel-spectrogram is reduced to 18 x 18 places, and each of the inner 16 x 16 gives one bit: whether it is
brighter than the mean of its four neighbours, by more than MARGIN of the whole's standard deviation. The bits follow
the details of a file, not what all chest X-rays share. They survive JPEG, MP3 and Opus, other sizes and sample rates,
gain and mono. (The difference hash, which compares each place with its right neighbour alone, and the signs of the
lowest frequencies, as in the library imagehash, told X-rays of one hospital apart less well.)

A fingerprint leaves out the outer tenth of the picture. A file that is looked up has one for each of several ways in
which it may have been cropped: one of these views then covers what the stored fingerprint was made of.

Measured by bench/fingerprints.py: of 100 X-rays, all copies in JPEG, in other sizes, with other contrast or cropped by
up to 2 % at each edge are found among 5,719, and 88 of those cropped by up to 5 %. Of 50 sounds in each of 9 changes,
441 of 449 copies are found among 1,819. Of all 5,719 X-rays, looked up among those of other patients, most of one
hospital, none is taken for a copy. Of 600 sounds looked up among those of other groups, 11 are, all of the same
recording under another name (their waveforms correlate by 0.95 or more).
"""

from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from itertools import product

import numpy as np
from PIL import Image

from tosa.errors import UsageError
from tosa.inputs import audio, spectrogram
from tosa.inputs.colormap import MAGMA
from tosa.scale.executor import prefetch
from tosa.training.data.dataset import Case
from tosa.training.data.drawing import DEFAULT, decode
from tosa.training.data.kinds import Kind
from tosa.training.files import progress

PLACES = 16  # a side; WORDS holds one bit for each
WORDS = 4  # uint64 of one fingerprint
SIDE = 64  # to which a picture is reduced before its views are cut out
OUTER = 0.1  # of each side that a fingerprint leaves out
MARGIN = 0.05  # standard deviations; what is flatter gives 0, however a codec rounds it
CROPPED = (0, 0.025, 0.05)  # shares of a picture's width or height that may be missing at each edge
SHIFTED = (-0.1, -0.075, -0.05, -0.025, 0, 0.025, 0.05, 0.075, 0.1)  # shares of a sound by which each end may differ
FEWEST_ONES = 40  # of the 256 bits; a click or a blank picture has fewer, and is like others by chance
MOST_APART = {"picture": 0.15, "sound": 0.23}  # differing bits of two copies, per bit that is set in either
ACTIVE_DB = -40.0  # the columns before and after a sound, which are this far below its loudest cell, are cut off
FLOOR_DB = -60.0  # what is softer is left to codecs
BANDS = 88  # the lowest of 128 mel bands: up to 3 kHz, which a telephone passes on
COLOURED = 24.0  # mean difference of a pixel's channels, of 255; spectrograms have more, X-rays less

Box = tuple[float, float, float, float]  # left, upper, right, lower, as shares of the width and height


@dataclass(frozen=True, eq=False)
class Mark:
    """The fingerprints of one file."""

    kind: str  # "picture" or "sound"
    views: np.ndarray  # uint64 (n, 4): of the whole file, which is stored, and of what may be around a cropped one

    @property
    def stored(self) -> np.ndarray:
        """The fingerprint of the whole file, uint64 (4,)."""
        return self.views[0]


def mark_of(case: Case, decoded: np.ndarray) -> Mark | None:
    """Returns the fingerprints of a case; None for one with too few details to be told from others.

    decoded: samples (n,) or pixels uint8 (height, width, 3), from drawing.decode.
    """
    if case.is_sound:
        picture = _sound_picture(spectrogram.log_mel(audio.window(decoded)))
    elif case.kind is Kind.SPECTROGRAM and np.ptp(decoded, axis=2).mean() > COLOURED:
        picture = _sound_picture(_decibels(decoded))
    else:
        pixels = np.asarray(Image.fromarray(decoded).convert("L"), np.float32)
        return _mark("picture", pixels, _boxes(CROPPED, CROPPED))
    return None if picture is None else _mark("sound", picture, _boxes(SHIFTED, None))


def _mark(kind: str, picture: np.ndarray, boxes: Sequence[Box]) -> Mark | None:
    """picture: float32 (height, width)."""
    small = Image.fromarray(picture).resize((SIDE, SIDE), Image.Resampling.BOX)
    views = np.stack([_bits(small, box) for box in boxes])
    return Mark(kind, views) if np.bitwise_count(views[0]).sum() >= FEWEST_ONES else None


def _bits(small: Image.Image, box: Box) -> np.ndarray:
    """The fingerprint of a part of a picture, uint64 (4,)."""
    left, upper, right, lower = (share * SIDE for share in box)
    size = (PLACES + 2, PLACES + 2)
    grid = np.asarray(small.resize(size, Image.Resampling.BOX, box=(left, upper, right, lower)), np.float32)
    neighbours = (grid[:-2, 1:-1] + grid[2:, 1:-1] + grid[1:-1, :-2] + grid[1:-1, 2:]) / 4
    return np.packbits(grid[1:-1, 1:-1] > neighbours + MARGIN * grid.std()).view(np.uint64)


@cache
def _boxes(across: tuple[float, ...], down: tuple[float, ...] | None) -> tuple[Box, ...]:
    """The parts of a picture that a stored fingerprint may cover, that of an uncropped one first.

    across, down: shares that may be missing at each edge; down None: the whole height is taken.
    """
    horizontal = [_span(*missing) for missing in product(across, repeat=2)]
    vertical = [_span(*missing) for missing in product(down, repeat=2)] if down else [(0.0, 1.0)]
    whole = (OUTER, vertical[0][0], 1 - OUTER, vertical[0][1])
    boxes = [(left, top, right, bottom) for (left, right), (top, bottom) in product(horizontal, vertical)]
    return (whole, *(box for box in boxes if box != whole))


def _span(before: float, after: float) -> tuple[float, float]:
    """Where a whole without its outer tenths lies in a part of it that lacks `before` and `after`."""
    length = 1 - before - after
    return max((OUTER - before) / length, 0.0), min((1 - OUTER - before) / length, 1.0)


def _sound_picture(decibels: np.ndarray) -> np.ndarray | None:
    """The lower bands of a mel-spectrogram (bands, frames), where the sound is; None for a silent one.

    The mean of each frame and of each band is taken off, since many coughs have the same envelope and the same timbre.
    """
    loud = np.flatnonzero(decibels.max(axis=0) > ACTIVE_DB)
    if not len(loud):
        return None
    bands = round(len(decibels) * BANDS / DEFAULT.n_mels)
    part = np.maximum(decibels[:bands, loud[0] : loud[-1] + 1], FLOOR_DB)
    part = part - part.mean(axis=0)
    return part - part.mean(axis=1, keepdims=True)


def _decibels(pixels: np.ndarray) -> np.ndarray:
    """The mel-spectrogram that spectrogram.draw made pixels (height, width, 3) of, to about a decibel."""
    lightness = np.asarray(Image.fromarray(MAGMA[None]).convert("L"), np.float32)[0]
    found = np.asarray(Image.fromarray(pixels).convert("L"), np.float32)
    brightness = np.interp(found, np.maximum.accumulate(lightness), np.arange(len(lightness)))
    return ((brightness - len(lightness)) * (DEFAULT.top_db / len(lightness)))[::-1].astype(np.float32)


def marks_of(cases: Sequence[Case]) -> list[Mark | None]:
    """Returns the fingerprints of each case's file; None for those that cannot be read, which other stages report."""

    def read(case: Case) -> Mark | None:
        try:
            return mark_of(case, decode(case))
        except UsageError:
            return None

    with ThreadPoolExecutor() as pool:
        return list(progress(prefetch(pool, read, cases), desc="fingerprints", unit="file", total=len(cases)))


def alike(mark: Mark, stored: np.ndarray) -> np.ndarray:
    """Returns which of the stored fingerprints, uint64 (n, 4) of the mark's kind, are of a copy of its file: bool (n,).

    A view with few bits is like many by chance, so bits that differ are counted against those that are set.
    """
    views = mark.views[np.bitwise_count(mark.views).sum(axis=1) >= FEWEST_ONES]
    apart = np.zeros((len(views), len(stored)), np.uint16)
    for word in range(WORDS):
        apart += np.bitwise_count(views[:, word, None] ^ stored[None, :, word])
    ones = np.bitwise_count(views).sum(axis=1)[:, None] + np.bitwise_count(stored).sum(axis=1)
    return (apart <= MOST_APART[mark.kind] * ones).any(axis=0)


def stored_fingerprints(marks: Iterable[Mark | None], kind: str) -> np.ndarray:
    """Returns the fingerprints of all files of a kind, sorted and each once: uint64 (n, 4)."""
    return unique([mark.stored for mark in marks if mark and mark.kind == kind])


def unique(fingerprints: Iterable[np.ndarray]) -> np.ndarray:
    """Returns fingerprints, uint64 (4,) each, sorted and each once: (n, 4)."""
    rows = [np.asarray(row, np.uint64) for row in fingerprints]
    return np.unique(np.stack(rows), axis=0) if rows else np.zeros((0, WORDS), np.uint64)
