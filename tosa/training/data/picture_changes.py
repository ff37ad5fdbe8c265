"""Ways in which an X-ray is handled before it is sent: cropped, shrunk, compressed, padded, turned, exposed otherwise.

Each changes pixels, uint8 (height, width, 3), into pixels of another size or content and of the same diagnosis.
"""

import io
from collections.abc import Callable

import numpy as np
from PIL import Image

from tosa.inputs import xray

PictureChange = Callable[[np.ndarray], np.ndarray]

SIDES = {
    "the top": (1, 0, 0, 0), "the bottom": (0, 1, 0, 0), "the left": (0, 0, 1, 0), "the right": (0, 0, 0, 1),
    "top and bottom": (1, 1, 0, 0), "left and right": (0, 0, 1, 1), "each side": (1, 1, 1, 1),
}  # fmt: skip


def crop(*shares: float) -> PictureChange:
    """Returns a change that cuts off these shares of height and width: at the top, bottom, left and right."""

    def change(pixels: np.ndarray) -> np.ndarray:
        top, bottom, left, right = _in_pixels(pixels, shares)
        return pixels[top : len(pixels) - bottom, left : pixels.shape[1] - right]

    return change


def margin(level: int, *shares: float) -> PictureChange:
    """Returns a change that adds margins of one gray level: at the top, bottom, left and right."""

    def change(pixels: np.ndarray) -> np.ndarray:
        top, bottom, left, right = _in_pixels(pixels, shares)
        return np.pad(pixels, ((top, bottom), (left, right), (0, 0)), constant_values=level)

    return change


def _in_pixels(pixels: np.ndarray, shares: tuple[float, ...]) -> list[int]:
    height, width = pixels.shape[:2]
    return [round(share * length) for share, length in zip(shares, (height, height, width, width), strict=True)]


def resize(width: float, height: float) -> PictureChange:
    """Returns a change that multiplies the sides by these factors."""

    def change(pixels: np.ndarray) -> np.ndarray:
        return xray.resize(pixels, (max(round(len(pixels) * height), 1), max(round(pixels.shape[1] * width), 1)))

    return change


def compress(quality: int) -> PictureChange:
    """Returns a change that writes and reads a JPEG of this quality."""

    def change(pixels: np.ndarray) -> np.ndarray:
        buffer = io.BytesIO()
        Image.fromarray(np.ascontiguousarray(pixels)).save(buffer, "JPEG", quality=quality)
        return np.asarray(Image.open(buffer).convert("RGB"))

    return change


def rotate(degrees: float) -> PictureChange:
    """Returns a change that turns the picture counterclockwise and fills the corners with black."""

    def change(pixels: np.ndarray) -> np.ndarray:
        image = Image.fromarray(np.ascontiguousarray(pixels))
        return np.asarray(image.rotate(degrees, Image.Resampling.BILINEAR))

    return change


def mirror(pixels: np.ndarray) -> np.ndarray:
    """Returns the picture with left and right exchanged."""
    return pixels[:, ::-1]


def gamma(exponent: float) -> PictureChange:
    """Returns a change that raises brightness, from 0 to 1, to this power: over 1 is darker."""
    levels = ((np.arange(256) / 255) ** exponent * 255).round().astype(np.uint8)
    return lambda pixels: levels[pixels]


def _named_changes() -> dict[str, PictureChange]:
    changes: dict[str, PictureChange] = {}
    for name, sides in SIDES.items():
        for share in (0.04, 0.08, 0.12):
            changes[f"{share:.0%} cut off {name}"] = crop(*(share * side for side in sides))
    changes |= {f"width x {factor:g}": resize(factor, 1) for factor in (0.8, 0.9, 1.1, 1.25)}
    changes |= {f"size x {factor:g}": resize(factor, factor) for factor in (0.35, 0.5, 0.7)}
    changes |= {f"JPEG quality {quality}": compress(quality) for quality in (30, 50, 70, 95)}
    for color, level in (("black", 0), ("white", 255)):
        for name in ("left and right", "top and bottom", "each side"):
            sides = SIDES[name]
            changes[f"{color} margins of 10% on {name}"] = margin(level, *(0.1 * side for side in sides))
    changes |= {"mirrored": mirror}
    changes |= {f"turned by {degrees} degrees": rotate(degrees) for degrees in (-10, -5, 5, 10)}
    changes |= {f"gamma {exponent:g}": gamma(exponent) for exponent in (0.67, 0.8, 1.25, 1.5)}
    return {name.replace("%", " %"): change for name, change in changes.items()}


PICTURE_CHANGES = _named_changes()
