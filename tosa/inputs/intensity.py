"""What every picture file needs: a limit on its size, and 8-bit levels for the values that it stores."""

import numpy as np

from tosa import settings
from tosa.errors import NotFinite, PictureTooLarge


def check_size(width: int, height: int, bytes_a_pixel: int) -> None:
    """Raise PictureTooLarge past settings.MAX_PICTURE_PIXELS or MAX_DECODED_BYTES."""
    if width * height > settings.MAX_PICTURE_PIXELS or width * height * bytes_a_pixel > settings.MAX_DECODED_BYTES:
        raise PictureTooLarge()


def scaled(
    stored: np.ndarray, values: np.ndarray, limits: tuple[float, float] | None = None, padding: np.ndarray | None = None
) -> np.ndarray:
    """Draw stored pixels, uint8 or uint16 (height, ...), by the value that each stands for.

    values: (256 or 65536,) or (..., 3), one for each that can be stored. limits: what becomes black and what white;
    without them the darkest and brightest that the picture has. padding: bool (256 or 65536,), what is black whatever
    it stands for, and no part of the picture. Returns uint8 (height, ...).
    """
    if limits is None:
        seen = np.zeros(len(values), bool)
        for row in stored:
            seen[row] = True
        if padding is not None and (seen & ~padding).any():
            seen &= ~padding
        limits = values[seen].min(), values[seen].max()
    black, white = (float(limit) for limit in limits)
    shares = (values - black) / ((white - black) or 1)
    if not np.isfinite(shares).all():
        raise NotFinite()
    levels = (shares.clip(0, 1) * 255).round().astype(np.uint8)
    if padding is not None:
        levels[padding] = 0
    return np.stack([levels[row] for row in stored])  # by row, since NumPy makes 8 bytes of every index
