"""DICOM's grayscale pipeline: stored values -> Modality LUT -> VOI LUT or window -> what is black and what is white.

DICOM PS3.3, C.11.1 (modality), C.11.2 (values of interest) and C.7.6.3.1.2 (photometric interpretation). Elements that
are empty or make no sense count as missing, so that a file with a broken window is shown by its own range of values.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from pydicom.dataset import Dataset, FileDataset

from tosa.inputs.intensity import LIMITS, drawn

MIN_SHOWN = 0.05  # share of the pixels between black and white below which a window or table shows nothing
MIN_CONTRAST = 8.0  # standard deviation of the levels, of 255, below which it shows nothing either, as in xray.check
UNUSED_BITS = 2  # a table that leaves so many of its declared bits unused is taken at the bits that it uses


@dataclass(frozen=True)
class Table:
    """A lookup table: values below `first` get its first entry, values past its end the last one."""

    entries: np.ndarray  # unsigned
    first: int
    white: float  # the largest that an entry may be

    def look_up(self, values: np.ndarray) -> np.ndarray:
        """The entries for values of any type and shape: float, same shape."""
        index = np.nan_to_num(values - self.first).round().clip(0, len(self.entries) - 1).astype(int)
        return self.entries[index].astype(float)


def displayed(dataset: FileDataset, stored: np.ndarray, counts: np.ndarray) -> tuple[np.ndarray, LIMITS | None]:
    """Return what each stored value (n,) stands for, float (n,), then which of these are black and white.

    counts: how many pixels have each stored value, int (n,), those of the padding left out. The limits are None where
    no table or window of the file shows anything.
    """
    values = _after_modality(dataset, stored)
    for shown, limits in _of_interest(dataset, values, signed=bool(values.min() < 0)):
        levels = drawn(shown, limits)
        if counts[(levels > 0) & (levels < 255)].sum() >= MIN_SHOWN * counts.sum() and _has_contrast(levels, counts):
            break
    else:
        shown, limits = values, None
    if is_inverted(dataset):
        shown, limits = -shown, limits and (-limits[1], -limits[0])
    return shown, limits


def _has_contrast(levels: np.ndarray, counts: np.ndarray) -> bool:
    """Whether levels (n,), each of so many pixels, differ enough to be seen; a window far too wide hides everything."""
    pixels = max(counts.sum(), 1)
    mean = (levels * counts).sum() / pixels
    return bool((np.square(levels - mean) * counts).sum() / pixels >= MIN_CONTRAST**2)


def is_inverted(dataset: Dataset) -> bool:
    """Whether low values are white.

    So they are in MONOCHROME1, whatever else the file says, and in MONOCHROME2 with the Presentation LUT Shape INVERSE,
    whose definition (PS3.3, C.11.6.1.2) is that the smallest input becomes the largest output. MONOCHROME1 with INVERSE
    is inverted once: PS3.3, C.8.11.3.1.2 demands this pair and means one inversion.
    """
    return (
        dataset.PhotometricInterpretation == "MONOCHROME1"
        or str(dataset.get("PresentationLUTShape", "")).upper() == "INVERSE"
    )


def padding(dataset: Dataset, stored: np.ndarray) -> np.ndarray:
    """Which stored values (n,) fill up the frame beside the picture: bool (n,) (PS3.3, C.7.5.1.1.2)."""
    first = number(dataset, "PixelPaddingValue")
    if first is None:
        return np.zeros(len(stored), bool)
    last = number(dataset, "PixelPaddingRangeLimit")
    ends = sorted([first, first if last is None else last])
    return (stored >= ends[0]) & (stored <= ends[1])


def _after_modality(dataset: FileDataset, stored: np.ndarray) -> np.ndarray:
    """Stored values (n,) after the Modality LUT or the rescale slope and intercept: float (n,)."""
    if tables := _tables(dataset, "ModalityLUTSequence", signed=bool(stored.min() < 0)):
        return tables[0].look_up(stored)
    slope, intercept = number(dataset, "RescaleSlope"), number(dataset, "RescaleIntercept")
    if not slope or intercept is None:
        return stored.astype(float)
    with np.errstate(over="ignore"):
        return stored * slope + intercept


def _of_interest(dataset: FileDataset, values: np.ndarray, signed: bool) -> Iterator[tuple[np.ndarray, LIMITS]]:
    """Yield values (n,) after each VOI LUT, then for each window, with what is black and white."""
    for table in _tables(dataset, "VOILUTSequence", signed):
        yield table.look_up(values), (0.0, table.white)
    function = str(dataset.get("VOILUTFunction") or "LINEAR").upper()
    for centre, width in zip(numbers(dataset, "WindowCenter"), numbers(dataset, "WindowWidth"), strict=False):
        if centre is None or width is None or width <= 0:
            continue
        if function == "SIGMOID":
            with np.errstate(over="ignore"):
                yield 1 / (1 + np.exp(-4 * (values - centre) / width)), (0.0, 1.0)
        elif function == "LINEAR_EXACT":
            yield values, (centre - width / 2, centre + width / 2)
        elif width > 1:
            yield values, (centre - 0.5 - (width - 1) / 2, centre - 0.5 + (width - 1) / 2)


def _tables(dataset: FileDataset, name: str, signed: bool) -> list[Table]:
    """The lookup tables of a sequence that make sense. signed: whether what they are given can be negative."""
    little = dataset.original_encoding[1] is not False
    found = (_table(item, signed, little) for item in dataset.get(name) or [])
    return [table for table in found if table is not None]


def _table(item: Dataset, signed: bool, little: bool) -> Table | None:
    """A sequence's item as a table, None where it makes no sense.

    The descriptor holds how many entries there are (0 means 65,536), which value the first is for, and how many bits
    an entry has. Entries of 8 bits come in bytes or in words; the length of the data says which. Where descriptor and
    data differ, the data count. A table of one value shows nothing, so it makes no sense.
    """
    data = item.get("LUTData")
    described = [int(value) for value in numbers(item, "LUTDescriptor") if value is not None]
    if len(described) != 3 or data is None or len(np.atleast_1d(data)) == 0:
        return None
    count, first, bits = described
    count, first = count % 2**16 or 2**16, first % 2**16
    if isinstance(data, bytes):
        words = np.frombuffer(data[: len(data) // 2 * 2], "<u2" if little else ">u2")
    else:
        words = np.atleast_1d(np.asarray(data, np.int64)).astype("<u2")
    half = (count + 1) // 2
    of_bytes = words.size == half < count or (words.size < half and bits <= 8)
    entries = words.astype("<u2").view(np.uint8)[:count] if of_bytes else words
    if len(entries) < 2 or entries.min() == entries.max():
        return None
    used = int(entries.max()).bit_length()
    declared = bits if 0 < bits <= 16 else used
    white = declared if used <= declared < used + UNUSED_BITS else used
    return Table(entries, first - 2**16 if signed and first >= 2**15 else first, float(2**white - 1))


def numbers(dataset: Dataset, name: str) -> list[float | None]:
    """The values of an element, None for each that is no finite number."""
    try:
        value = dataset.get(name)
    except Exception:  # noqa: BLE001 -- pydicom converts values when asked, and raises many types on those it cannot
        return []
    several = [value] if value is None or isinstance(value, (int, float, str)) else list(value)
    return [_finite(each) for each in several]


def number(dataset: Dataset, name: str) -> float | None:
    """The first value of an element, None where it is missing or no finite number."""
    return next(iter(numbers(dataset, name)), None)


def _finite(value: Any) -> float | None:
    try:
        converted = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return converted if np.isfinite(converted) else None
