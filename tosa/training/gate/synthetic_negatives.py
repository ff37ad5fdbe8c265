"""Synthetic negatives: X-rays changed into pictures that the gate must refuse, so that it learns where lungs belong.

Counterexamples made from the data itself teach more than distances to it (Hendrycks et al., "Deep Anomaly Detection
with Outlier Exposure", ICLR 2019), and leave real photographs and documents for the test.
"""

import numpy as np
from PIL import Image, ImageFilter

from tosa.inputs.xray import resize

SMALLEST, LARGEST = 0.15, 0.5  # of the side that a detail has
COARSEST = 0.06  # of the side that the grains of noise have
SATURATED = 0.7, 0.95  # share of the pixels that clipping makes black or white


def synthetic_negative(pixels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Square pixels uint8 (side, side, 3) changed in one of WAYS: uint8 (height, width, 3)."""
    return WAYS[rng.integers(len(WAYS))](pixels, rng)


def turned(pixels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Lying on either side or upside down, mirrored or not."""
    quarters = int(rng.integers(4))
    if not quarters:
        return pixels[::-1]
    lying = np.rot90(pixels, quarters)
    return lying[:, ::-1] if rng.random() < 0.5 else lying


def shuffled(pixels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Cut into 2 x 2 to 4 x 4 tiles that come in another order."""
    count = int(rng.integers(2, 5))
    side = len(pixels) // count
    tiles = pixels[: side * count, : side * count].reshape(count, side, count, side, 3).swapaxes(1, 2)
    tiles = tiles.reshape(-1, side, side, 3)
    order = rng.permutation(len(tiles))
    if (order == np.arange(len(tiles))).all():
        order = order[::-1]
    return tiles[order].reshape(count, count, side, side, 3).swapaxes(1, 2).reshape(side * count, -1, 3)


def scrambled(pixels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Noise with the picture's spectrum, brightness and contrast."""
    gray = pixels.mean(axis=2)
    phases = np.exp(1j * np.angle(np.fft.rfft2(rng.normal(size=gray.shape))))
    field = np.fft.irfft2(np.abs(np.fft.rfft2(gray)) * phases, gray.shape)
    field = (field - field.mean()) / (field.std() + 1e-6) * gray.std() + gray.mean()
    return _as_gray(field.clip(0, 255))


def noise(pixels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Returns noise, from fine to coarse, with exactly the picture's histogram."""
    gray = pixels.mean(axis=2)
    grains = Image.fromarray(rng.normal(128, 40, gray.shape).clip(0, 255).astype(np.uint8))
    grains = grains.filter(ImageFilter.GaussianBlur(rng.uniform(0, COARSEST) * len(gray)))
    order = np.argsort(np.asarray(grains) + rng.uniform(0, 1, gray.shape), axis=None)  # the fraction decides ties
    matched = np.empty(gray.size, np.uint8)
    matched[order] = np.sort(gray, axis=None)
    return _as_gray(matched.reshape(gray.shape))


def silhouette(pixels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Returns the outline of what is bright in the picture, filled with one white on one black."""
    gray = pixels.mean(axis=2)
    bright = gray > np.quantile(gray, rng.uniform(0.15, 0.7))
    white, black = rng.uniform(180, 255), rng.uniform(0, 60)
    filled = Image.fromarray(np.where(bright, white, black).astype(np.uint8))
    return _as_gray(np.asarray(filled.filter(ImageFilter.GaussianBlur(rng.uniform(0, 0.015) * len(gray)))))


def double_exposure(pixels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Returns the picture with itself on top, turned and shifted, as two exposures of one plate look."""
    again = turned(pixels, rng).astype(float)
    shift = rng.integers(-len(again) // 4, len(again) // 4 + 1, 2)
    share = rng.uniform(0.35, 0.65)
    both = (1 - share) * pixels + share * np.roll(again, shift, (0, 1))
    return both.clip(0, 255).astype(np.uint8)


def clipped(pixels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Returns the picture burnt out: most pixels are black or white, as SATURATED says."""
    gray = pixels.mean(axis=2)
    kept = 1 - rng.uniform(*SATURATED)
    low = rng.uniform(0, 1 - kept)
    black, white = np.quantile(gray, [low, low + kept])
    return _as_gray(((gray - black) / max(white - black, 1e-6)).clip(0, 1) * 255)


def _as_gray(gray: np.ndarray) -> np.ndarray:
    """Gray (height, width) of 0 to 255 as uint8 (height, width, 3)."""
    return np.repeat(np.asarray(gray).astype(np.uint8)[:, :, None], 3, axis=2)


def magnified(pixels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A detail of it."""
    return resize(detail(pixels, rng))


def detail(pixels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A square part of square pixels, SMALLEST to LARGEST of their side."""
    side = int(len(pixels) * rng.uniform(SMALLEST, LARGEST))
    row, column = rng.integers(0, len(pixels) - side, 2)
    return np.ascontiguousarray(pixels[row : row + side, column : column + side])


WAYS = (
    turned, turned, turned, turned,  # the hardest to tell
    shuffled, scrambled, magnified, noise, silhouette, double_exposure, clipped,
)  # fmt: skip
