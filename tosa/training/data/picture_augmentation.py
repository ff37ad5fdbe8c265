"""X-rays changed at random, as another frame, exposure, detector and file format would have shown them.

Every function takes its randomness from a NumPy generator, so that a seed repeats a training.
"""

import io

import numpy as np
from PIL import Image, ImageFilter

from tosa.preprocessing import Preprocessing
from tosa.training.data.drawing import DEFAULT
from tosa.training.data.framing import frame


def change_picture(
    pixels: np.ndarray,
    rng: np.random.Generator,
    preprocessing: Preprocessing = DEFAULT,
    aspect: float | None = None,
) -> np.ndarray:
    """Returns a changed picture uint8 (size, size, 3) of gray pixels uint8 (height, width, 3).

    aspect: width to height of what was photographed, as `frame` takes it.
    """
    return change_exposure(frame(pixels[:, :, 0], rng, preprocessing, aspect=aspect), rng)


def change_exposure(pixels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Returns a picture as another detector and file format would have shown it: uint8 (side, side, 3).

    pixels: uint8 (side, side), gray.
    """
    changed = _exposed(pixels, rng)
    if rng.random() < 0.15:
        changed = _sharpened(changed, rng.uniform(-0.8, 1.2))
    if rng.random() < 0.3:
        noise = rng.normal(0, rng.uniform(0, 10), changed.shape)
        changed = (changed + noise).clip(0, 255).round().astype(np.uint8)
    if rng.random() < 0.2:
        changed = _compressed(changed, int(rng.integers(30, 90)))
    if rng.random() < 0.3:
        changed = _erased(changed, rng)
    return np.repeat(changed[:, :, None], 3, axis=2)


def _exposed(pixels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """With another gamma, contrast and brightness, by a table of what becomes of each of the 256 levels."""
    levels = (np.arange(256) / 255) ** np.exp(rng.uniform(-0.35, 0.35))
    middle = levels[pixels].mean()
    levels = (levels - middle) * rng.uniform(0.7, 1.3) + middle + rng.uniform(-0.12, 0.12)
    return (levels.clip(0, 1) * 255).round().astype(np.uint8)[pixels]


def _sharpened(pixels: np.ndarray, amount: float) -> np.ndarray:
    """Unsharp masking with Pillow's 5 x 5 smoothing as the mask; a negative amount blurs."""
    smooth = np.asarray(Image.fromarray(pixels).filter(ImageFilter.SMOOTH_MORE), np.float32)
    return (pixels + amount * (pixels - smooth)).clip(0, 255).round().astype(np.uint8)


def _compressed(pixels: np.ndarray, quality: int) -> np.ndarray:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=quality)
    return np.asarray(Image.open(buffer))


def _erased(pixels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """With one or two boxes hidden, so that no burnt-in letter or device decides alone."""
    pixels, side = pixels.copy(), len(pixels)
    for _ in range(rng.integers(1, 3)):
        height, width = rng.integers(side // 16, side // 4, 2)
        top, left = rng.integers(0, side - height), rng.integers(0, side - width)
        pixels[top : top + height, left : left + width] = rng.integers(0, 256)
    return pixels
