"""X-rays spoilt into what the gate must refuse: from these it learns where lungs belong, whatever else may be sent.

Counterexamples made from the data itself teach more than distances to it (Hendrycks et al., "Deep Anomaly Detection
with Outlier Exposure", ICLR 2019), and leave real photographs and documents for the test.
"""

import numpy as np

from tosa.inputs.xray import resize

SMALLEST, LARGEST = 0.15, 0.5  # of the side that a detail has


def synthetic_negative(pixels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Square pixels uint8 (side, side, 3) spoilt in one of WAYS: uint8 (height, width, 3)."""
    return WAYS[rng.integers(len(WAYS))](pixels, rng)


def turned(pixels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Lying on either side or upside down, mirrored or not."""
    quarters = rng.integers(4)
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
    noise = np.fft.irfft2(np.abs(np.fft.rfft2(gray)) * phases, gray.shape)
    noise = (noise - noise.mean()) / (noise.std() + 1e-6) * gray.std() + gray.mean()
    return np.repeat(noise.clip(0, 255).astype(np.uint8)[:, :, None], 3, axis=2)


def magnified(pixels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A detail of it."""
    return resize(detail(pixels, rng))


def detail(pixels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A square part of square pixels, SMALLEST to LARGEST of their side."""
    side = int(len(pixels) * rng.uniform(SMALLEST, LARGEST))
    row, column = rng.integers(0, len(pixels) - side, 2)
    return np.ascontiguousarray(pixels[row : row + side, column : column + side])


WAYS = (turned, turned, turned, shuffled, scrambled, magnified)  # turned ones are the hardest to tell
