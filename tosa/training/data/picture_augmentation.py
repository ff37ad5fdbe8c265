"""X-rays changed at random, as another exposure, detector, file format and position would have shown them.

Every function takes its randomness from a NumPy generator, so that a seed repeats a training.
"""

import io

import numpy as np
from PIL import Image

from tosa.inputs import xray
from tosa.preprocessing import Preprocessing
from tosa.training.data.drawing import DEFAULT


def change_picture(pixels: np.ndarray, rng: np.random.Generator, preprocessing: Preprocessing = DEFAULT) -> np.ndarray:
    """Returns a changed picture uint8 (size, size, 3) of pixels uint8 (height, width, 3), half of the time mirrored."""
    if rng.random() < 0.5:  # letter and place of the side marker must not tell one label from another
        pixels = pixels[:, ::-1]
    if rng.random() < 0.3:  # as if it came from a coarser scan
        pixels = _coarse(pixels, int(rng.integers(140, 299)))
    changed = _exposed(np.asarray(_moved(Image.fromarray(xray.fit(pixels, preprocessing)), rng)), rng)
    if rng.random() < 0.3:
        noise = rng.normal(0, rng.uniform(0, 10), changed.shape[:2])[:, :, None]
        changed = (changed + noise).clip(0, 255).round().astype(np.uint8)
    if rng.random() < 0.2:
        changed = _compressed(changed, int(rng.integers(30, 90)))
    return _erased(changed, rng) if rng.random() < 0.3 else changed


def _coarse(pixels: np.ndarray, longer: int) -> np.ndarray:
    """Shrunk so that the longer side has so many pixels; a smaller picture stays."""
    height, width = pixels.shape[:2]
    scale = min(1.0, longer / max(height, width))
    return xray.resize(pixels, (max(1, round(height * scale)), max(1, round(width * scale))))


def _moved(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Rotated by up to 15 degrees, zoomed by 0.88 to 1.3, stretched by up to 8 %, shifted by up to 6 %."""
    side = image.width
    angle = np.deg2rad(rng.uniform(-15, 15))
    zoom = np.exp(rng.uniform(np.log(0.88), np.log(1.3)))
    stretch = np.exp(rng.uniform(-0.08, 0.08))
    cos, sin = np.cos(angle), np.sin(angle)
    matrix = np.array([[cos / (zoom * stretch), sin / zoom], [-sin / (zoom * stretch), cos / zoom]])
    centre = side / 2
    offset = centre - matrix @ np.full(2, centre) + rng.uniform(-0.06, 0.06, 2) * side
    row = (*matrix[0], offset[0], *matrix[1], offset[1])
    return image.transform((side, side), Image.Transform.AFFINE, row, Image.Resampling.BILINEAR)


def _exposed(pixels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """With another gamma, contrast and brightness, by a table of what becomes of each of the 256 levels."""
    levels = (np.arange(256) / 255) ** np.exp(rng.uniform(-0.35, 0.35))
    middle = levels[pixels[:, :, 0]].mean()
    levels = (levels - middle) * rng.uniform(0.7, 1.3) + middle + rng.uniform(-0.12, 0.12)
    return (levels.clip(0, 1) * 255).round().astype(np.uint8)[pixels]


def _compressed(pixels: np.ndarray, quality: int) -> np.ndarray:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=quality)
    return np.asarray(Image.open(buffer).convert("RGB"))


def _erased(pixels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """With one or two boxes hidden, so that no burnt-in letter or device decides alone."""
    pixels, side = pixels.copy(), len(pixels)
    for _ in range(rng.integers(1, 3)):
        height, width = rng.integers(side // 16, side // 4, 2)
        top, left = rng.integers(0, side - height), rng.integers(0, side - width)
        pixels[top : top + height, left : left + width] = rng.integers(0, 256)
    return pixels
