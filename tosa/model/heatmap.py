"""Where the network looked: an exact class activation map over the picture that it saw.

The network ends in an average over its feature map and a linear layer, so a label's logit is the average of
feature_map @ weights. That product is the contribution of each place (Zhou et al., CVPR 2016).
"""

import base64
import struct
import zlib
from functools import cache

import numpy as np
from PIL import Image, ImageDraw, ImageFont

TINT = (0, 229, 255)  # cyan stands out from gray lungs and from the magma of sounds
STRENGTH = 0.6  # opacity of the tint where the contribution is largest
AXIS_HEIGHT = 15  # pixels, under a sound's picture
TICK_SECONDS = 0.5
GRAY, RGB, UP = 0, 2, 2  # color types of PNG, and its filter that subtracts the byte above


def activation_map(feature_map: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Returns the contribution of each place to a label's logit: float32 (height, width), in [0, 1].

    It is 1 where it is largest, and 0 where it is negative.
    feature_map: float32 (height, width, channels); weights: float32 (channels,), those of the label.
    """
    contribution = np.maximum(feature_map @ weights, 0)
    return contribution / max(contribution.max(), 1e-9)


def overlay(pixels: np.ndarray, feature_map: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Returns pixels, uint8 (height, width, 3), tinted by the activation map."""
    image = Image.fromarray(pixels)
    opacity = Image.fromarray((activation_map(feature_map, weights) * (STRENGTH * 255)).round().astype(np.uint8))
    opacity = opacity.resize(image.size, Image.Resampling.BICUBIC)
    return np.asarray(Image.composite(Image.new("RGB", image.size, TINT), image, opacity))


@cache
def time_axis(width: int, seconds: float) -> np.ndarray:
    """Returns an axis from 0 to `seconds`, to be put under a sound's picture: uint8 (AXIS_HEIGHT, width, 3)."""
    image = Image.new("L", (width, AXIS_HEIGHT))
    draw, font = ImageDraw.Draw(image), ImageFont.load_default_imagefont()
    for number in range(round(seconds / TICK_SECONDS) + 1):
        time = number * TICK_SECONDS
        x = round(time / seconds * (width - 1))
        text = f"{time:g} s"
        draw.line((x, 0, x, 3), fill=255)
        left = x - font.getlength(text) / 2
        draw.text((min(max(left, 0), width - font.getlength(text)), 4), text, fill=255, font=font)
    return np.repeat(np.asarray(image)[:, :, None], 3, axis=2)


def data_uri(pixels: np.ndarray) -> str:
    """Returns pixels, uint8 (height, width, 3), as the data URI of a PNG; of one channel if all three are equal."""
    red, green, blue = (pixels[:, :, channel] for channel in range(3))
    gray = (red == green).all() and (green == blue).all()
    return "data:image/png;base64," + base64.b64encode(_png(red if gray else pixels)).decode()


def _png(pixels: np.ndarray) -> bytes:
    """Pixels uint8 (height, width) or (height, width, 3) as a PNG (ISO/IEC 15948).

    Each row is stored as the difference from the row above and compressed with ISA-L. FFmpeg, and Pillow with zlib,
    need several times as long for a file of the same size.
    """
    from isal import isal_zlib  # imported here, since the start does not need it

    height, width = pixels.shape[:2]
    rows = pixels.reshape(height, -1)
    filtered = np.full((height, 1 + rows.shape[1]), UP, np.uint8)
    filtered[0, 1:] = rows[0]
    np.subtract(rows[1:], rows[:-1], out=filtered[1:, 1:])
    header = struct.pack(">2I5B", width, height, 8, RGB if pixels.ndim == 3 else GRAY, 0, 0, 0)
    parts = {b"IHDR": header, b"IDAT": isal_zlib.compress(filtered, 1), b"IEND": b""}
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(part)) + name + part + struct.pack(">I", zlib.crc32(name + part))
        for name, part in parts.items()
    )
