"""What every picture file needs: a limit on its size, and 8-bit levels for the values that it stores."""

import numpy as np

from tosa import settings
from tosa.errors import NotFinite, PictureTooLarge

LIMITS = tuple[float, float]  # what becomes black and what white
TAILS = 0.02  # share of the pixels at either end that may be outliers: a hot pixel, a side marker, a burnt-in text
MARGIN = 0.3  # of the range between the tails; what lies within it of a tail is no outlier
ROWS = 64  # counted at once: NumPy makes 8 bytes of every index


def check_size(width: int, height: int, bytes_a_pixel: int) -> None:
    """Raise PictureTooLarge past settings.MAX_PICTURE_PIXELS or MAX_DECODED_BYTES."""
    if width * height > settings.MAX_PICTURE_PIXELS:
        raise PictureTooLarge(
            f"The picture has {width:,} x {height:,} pixels. The limit is {settings.MAX_PICTURE_PIXELS // 10**6} "
            "megapixels. Send a smaller copy."
        )
    if width * height * bytes_a_pixel > settings.MAX_DECODED_BYTES:
        raise PictureTooLarge(
            f"The picture takes {width * height * bytes_a_pixel // 2**20} MiB once decoded. The limit is "
            f"{settings.MAX_DECODED_BYTES // 2**20} MiB. Send a smaller copy."
        )


def histogram(stored: np.ndarray) -> np.ndarray:
    """How many samples have each value that stored, uint8 or uint16 (height, ...), can hold: int (256 or 65536,)."""
    counts = np.zeros(256**stored.itemsize, np.int64)
    for start in range(0, len(stored), ROWS):
        counts += np.bincount(stored[start : start + ROWS].ravel(), minlength=len(counts))
    return counts


def robust_range(values: np.ndarray, counts: np.ndarray) -> LIMITS:
    """The darkest and brightest of the pixels' values that are no outliers.

    values: (n,) or (n, channels), one for each that can be stored; counts: how many pixels have it, (n,). An outlier is
    among the darkest or brightest 2 % (TAILS) and further than MARGIN from the rest. One hot pixel or a side
    marker then changes nothing, and a picture without outliers keeps its full range. Raises NotFinite.
    """
    seen = counts > 0
    values, counts = values[seen], counts[seen]
    counts = np.repeat(counts, values[0].size)
    values = values.ravel()
    if not np.isfinite(values).all():
        raise NotFinite()
    order = np.argsort(values)
    values, shares = values[order], np.cumsum(counts[order]) / counts.sum()
    low, high = values[np.searchsorted(shares, [TAILS, 1 - TAILS])]
    margin = (float(high) - float(low)) * MARGIN
    if not margin:  # hardly anything but one value: what differs from it is the picture
        return float(values[0]), float(values[-1])
    first = np.searchsorted(values, float(low) - margin)
    last = np.searchsorted(values, float(high) + margin, side="right") - 1
    return float(values[first]), float(values[last])


def drawn(values: np.ndarray, limits: LIMITS) -> np.ndarray:
    """Levels for values of any shape between black and white: uint8, same shape. Raises NotFinite."""
    black, white = (float(limit) for limit in limits)
    with np.errstate(over="ignore", invalid="ignore"):
        shares = (values - black) / ((white - black) or 1)
    if not np.isfinite(shares).all():
        raise NotFinite()
    return (shares.clip(0, 1) * 255).round().astype(np.uint8)


def scaled(
    stored: np.ndarray,
    values: np.ndarray,
    limits: LIMITS | None = None,
    padding: np.ndarray | None = None,
    counts: np.ndarray | None = None,
) -> np.ndarray:
    """Draw stored pixels, uint8 or uint16 (height, ...), by the value that each stands for.

    values: (256 or 65536,) or (..., 3), one for each that can be stored. limits: what becomes black and what white;
    without them the pixels' robust range. padding: bool (256 or 65536,), what is black whatever it stands for.
    counts: the histogram of stored without its padding, where the caller has it. Returns uint8 (height, ...).
    """
    if limits is None:
        limits = robust_range(values, histogram(stored) if counts is None else counts)
    levels = drawn(values, limits)
    if padding is not None:
        levels[padding] = 0
    return np.stack([levels[row] for row in stored])  # by row, since NumPy makes 8 bytes of every index
