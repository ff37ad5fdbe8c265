"""X-rays reframed at random, so that a picture's shape, margins, size and side do not predict its label.

In public data the shape of a picture alone can tell ill from normal: in the children's X-rays that Tosa is trained on,
normal pictures are 1.2 times as wide as high and ill ones 1.5 times, and squashing both to a square shows that to the
network as a distortion. Here every side is cropped on its own, and pictures are zoomed, rotated, mirrored, shrunk and
padded, so that the same chest comes in all resolutions. A squashed picture is then stretched so that it is distorted as
a picture of a random aspect ratio would be, which does not depend on its own: distortion and label are independent.
"""

from dataclasses import dataclass

import numpy as np
from PIL import Image

from tosa.inputs import xray
from tosa.preprocessing import Preprocessing


@dataclass(frozen=True)
class Framing:
    """How far pictures are reframed. Shares are probabilities."""

    whole: float = 0.1  # share of the pictures whose frame is left as it is
    crop: float = 0.15  # of height or width, at most, from each side on its own
    cropped_sides: float = 0.6  # share of the sides
    shapes: tuple[float, float] = (0.95, 1.8)  # width to height that squashed pictures seem to have had, log-uniform
    most_stretch: float = 0.25  # logarithm by which width and height are each scaled for that, at most
    stretch: float = 0.22  # logarithm, at most, by which height and width are each scaled in a letterbox; 25 %
    zoom: tuple[float, float] = (0.92, 1.4)
    rotation: float = 15.0  # degrees at most, to either side
    visible: float = 0.7  # of height and of width, at least, that stay in the frame before rotation and shift
    shift: float = 0.05  # of the side, at most; a picture that is larger than the frame may be moved further
    farthest_shift: float = 0.08  # of the side
    coarse: float = 0.4  # share of the pictures that are shrunk first
    coarse_sides: tuple[int, int] = (110, 400)  # pixels of the longer side that those are shrunk to
    margin: float = 0.15  # share of the pictures with a black or white margin
    widest_margin: float = 0.125  # of the side
    black: float = 0.7  # share of the pictures with black around them; half of the others have white, half gray


def frame(
    pixels: np.ndarray,
    rng: np.random.Generator,
    preprocessing: Preprocessing,
    framing: Framing = Framing(),
    aspect: float | None = None,
) -> np.ndarray:
    """Returns a gray picture in a random frame: uint8 (size, size).

    pixels: uint8 (height, width). aspect: width to height of what was photographed, where it differs from that of
    pixels. By default it is theirs; only a square picture is taken for one that was squashed before, from an aspect
    ratio drawn from framing.shapes.
    """
    image = Image.fromarray(np.ascontiguousarray(pixels))
    if aspect is None:
        is_square = image.width == image.height
        aspect = random_aspect(rng, framing) if is_square else image.width / image.height
    if rng.random() < framing.coarse:
        image = _coarse(image, int(rng.integers(*framing.coarse_sides)))
    if preprocessing.geometry == "letterbox":
        image = _resized(image, image.height * aspect, image.height)
    if rng.random() < 0.5:  # letter and place of the side marker must not tell one label from another
        image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    if rng.random() < framing.whole:
        return _fitted(np.asarray(image), preprocessing)
    whole = np.array(image.size)
    image = _cropped(image, framing, rng)
    largest = np.array(image.size) / whole / framing.visible
    if rng.random() < framing.margin:
        image = _with_margin(image, framing, rng)
    if preprocessing.geometry == "letterbox":
        stretched = _stretched_in_letterbox(image, framing, rng)
    else:
        across, down = np.array(image.size) / whole
        stretched = _stretched_in_square(aspect * across / down, framing, rng)
    return _placed(
        _scaled(image, framing, rng, preprocessing.size, stretched, largest), framing, rng, preprocessing.size
    )


def random_aspect(rng: np.random.Generator, framing: Framing = Framing()) -> float:
    """Returns a random ratio of width to height, log-uniform in framing.shapes."""
    return float(np.exp(rng.uniform(*np.log(framing.shapes))))


def _fitted(pixels: np.ndarray, preprocessing: Preprocessing) -> np.ndarray:
    """A gray picture as the server fits it: uint8 (size, size) of uint8 (height, width)."""
    return xray.fit(np.broadcast_to(pixels[:, :, None], (*pixels.shape, 3)), preprocessing)[:, :, 0]


def _resized(image: Image.Image, width: float, height: float) -> Image.Image:
    return image.resize((max(1, round(width)), max(1, round(height))), Image.Resampling.BILINEAR)


def _coarse(image: Image.Image, longer: int) -> Image.Image:
    """Shrunk so that the longer side has so many pixels; a smaller picture stays."""
    scale = min(1.0, longer / max(image.size))
    return _resized(image, image.width * scale, image.height * scale)


def _cropped(image: Image.Image, framing: Framing, rng: np.random.Generator) -> Image.Image:
    """Each side cropped on its own, or not."""
    left, top, right, bottom = rng.uniform(0, framing.crop, 4) * (rng.random(4) < framing.cropped_sides)
    width, height = image.size
    box = [round(left * width), round(top * height), round((1 - right) * width), round((1 - bottom) * height)]
    return image.crop((box[0], box[1], max(box[2], box[0] + 1), max(box[3], box[1] + 1)))


def _with_margin(image: Image.Image, framing: Framing, rng: np.random.Generator) -> Image.Image:
    """With a black or white margin all around, above and below, or on both sides."""
    where = rng.integers(3)
    across, down = (round(rng.uniform(0, framing.widest_margin) * length) for length in image.size)
    across, down = across * int(where != 1), down * int(where != 2)
    padded = Image.new("L", (image.width + 2 * across, image.height + 2 * down), 255 * int(rng.random() < 0.4))
    padded.paste(image, (across, down))
    return padded


def _stretched_in_square(aspect: float, framing: Framing, rng: np.random.Generator) -> np.ndarray:
    """Width and height of a squashed picture in sides of the square, stretched to seem of a random aspect ratio.

    aspect: that of what the picture shows.
    """
    half = np.log(aspect / random_aspect(rng, framing)) / 2
    across = np.clip(half, -framing.most_stretch, framing.most_stretch)
    return np.exp([across, -across])


def _stretched_in_letterbox(image: Image.Image, framing: Framing, rng: np.random.Generator) -> np.ndarray:
    """Width and height in sides of the square, each stretched at random; the longer one fills the square."""
    lengths = np.array(image.size) * np.exp(rng.uniform(-framing.stretch, framing.stretch, 2))
    return lengths / lengths.max()


def _scaled(
    image: Image.Image,
    framing: Framing,
    rng: np.random.Generator,
    size: int,
    stretched: np.ndarray,
    largest: np.ndarray,
) -> Image.Image:
    """Zoomed to about `stretched` times the network's size.

    stretched, largest: width and height in sides of the square, as they should be and at most.
    """
    lengths = stretched * np.exp(rng.uniform(*np.log(framing.zoom)))
    width, height = lengths * min(1, *(largest / lengths)) * size
    return _resized(image, width, height)


def _placed(image: Image.Image, framing: Framing, rng: np.random.Generator, size: int) -> np.ndarray:
    """Rotated and shifted onto a square: uint8 (size, size)."""
    angle = np.deg2rad(rng.uniform(-framing.rotation, framing.rotation))
    cos, sin = np.cos(angle), np.sin(angle)
    matrix = np.array([[cos, sin], [-sin, cos]])
    lengths = np.array(image.size)
    room = np.maximum(0, lengths / size - 1) / 2 + framing.shift
    centre = lengths / 2 + rng.uniform(-1, 1, 2) * np.minimum(room, framing.farthest_shift) * size
    offset = centre - matrix @ np.full(2, size / 2)
    row = (*matrix[0], offset[0], *matrix[1], offset[1])
    other = (1 - framing.black) / 2
    ground = (0, 255, int(rng.integers(256)))[int(rng.choice(3, p=[framing.black, other, other]))]
    turned = image.transform((size, size), Image.Transform.AFFINE, row, Image.Resampling.BILINEAR, fillcolor=ground)
    return np.asarray(turned)
