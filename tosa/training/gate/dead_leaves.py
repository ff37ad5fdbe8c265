"""Scenes of shapes that hide each other, in the place of photographs, drawings and other organs.

Such "dead leaves" have the statistics of natural pictures (Lee, Mumford and Huang, "Occlusion models for natural
images", IJCV 2001), and networks can learn from them instead of photographs (Baradad et al., "Learning to see by
looking at noise", NeurIPS 2021). Some shapes are filled with details of X-rays, so that texture alone tells nothing.
"""

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from tosa.inputs.xray import resize
from tosa.training.gate.synthetic_negatives import detail

SIDE = 128  # pixels, four times those of a thumbnail
MOST = 40  # shapes
FEW = 3  # at most so many shapes are large and in the middle; more lie anywhere
WAVES = np.arange(1, 9)  # round a curved outline
POINTS = 96  # of it


def draw_dead_leaves(pixels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Returns one to MOST shapes on an even ground, filled with shades and details of a picture: uint8 (SIDE, SIDE, 3).

    pixels: of an X-ray, square, uint8 (side, side, 3).
    """
    sheet = np.full((SIDE, SIDE), rng.choice([0, 255, rng.uniform(0, 255)]))
    count = round(np.exp(rng.uniform(0, np.log(MOST))))
    for _ in range(count):
        share = _cover(rng, large=count <= FEW)
        sheet += share * (_filling(pixels, rng) - sheet)
    if rng.random() < 0.5:  # symmetric, as most things are
        sheet[:, SIDE // 2 :] = sheet[:, SIDE // 2 - 1 :: -1]
    if rng.random() < 0.3:
        sheet = 255 - sheet
    return np.repeat(sheet.clip(0, 255).astype(np.uint8)[:, :, None], 3, axis=2)


def _cover(rng: np.random.Generator, large: bool) -> np.ndarray:
    """The share of each pixel that a shape hides, 0 to 1, float (SIDE, SIDE); some have soft edges."""
    radius = rng.uniform(0.25, 0.6) if large else np.exp(rng.uniform(np.log(0.04), np.log(0.5)))
    centre = rng.normal(0.5, 0.12, 2) if large else rng.uniform(0, 1, 2)
    mask = Image.new("L", (SIDE, SIDE))
    ImageDraw.Draw(mask).polygon((SIDE * (centre + radius * _outline(rng))).ravel().tolist(), fill=255)
    if rng.random() < 0.3:
        mask = mask.filter(ImageFilter.GaussianBlur(rng.uniform(1, 12)))
    return np.asarray(mask) / 255


def _outline(rng: np.random.Generator) -> np.ndarray:
    """Points of a polygon, an ellipse or a curve round the origin, float (points, 2) in -1 to 1."""
    angles = np.linspace(0, 2 * np.pi, POINTS, endpoint=False)
    kind = rng.integers(3)
    if kind == 0:
        angles = np.sort(rng.uniform(0, 2 * np.pi, rng.integers(3, 9)))
        radii = rng.uniform(0.5, 1, len(angles))
    elif kind == 1:
        radii = np.ones(POINTS)
    else:
        heights, phases = rng.normal(0, 0.5, len(WAVES)) / WAVES, rng.uniform(0, 2 * np.pi, len(WAVES))
        radii = np.exp(heights @ np.cos(np.outer(WAVES, angles) + phases[:, None]))
    points = np.stack([np.cos(angles), np.sin(angles)], axis=1) * radii[:, None] * np.exp(rng.normal(0, 0.3, 2))
    return points / np.abs(points).max()


def _filling(pixels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """An even shade, a ramp, a glow, or a detail of the picture, lighter or darker: float (SIDE, SIDE)."""
    kind = rng.integers(4)
    if kind == 0:
        return np.full((SIDE, SIDE), rng.uniform(0, 255))
    if kind == 1:
        y, x = np.mgrid[-0.5 : 0.5 : SIDE * 1j, -0.5 : 0.5 : SIDE * 1j]
        angle, (right, down) = rng.uniform(0, 2 * np.pi), rng.uniform(-0.3, 0.3, 2)
        slope = x * np.cos(angle) + y * np.sin(angle) if rng.random() < 0.5 else np.hypot(x - right, y - down)
        return np.interp(slope, [slope.min(), slope.max()], rng.uniform(0, 255, 2))
    texture = resize(detail(pixels, rng), (SIDE, SIDE))[:, :, 0]
    return (texture - texture.mean()) * np.exp(rng.normal(0, 0.4)) + rng.uniform(60, 220)
