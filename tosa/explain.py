"""Where the network looked: an exact class activation map over the picture it saw.

The network ends in an average over its feature map and a linear layer, so a label's logit is the average of
feature_map @ weights, and that product shows each place's share (Zhou et al., CVPR 2016).
"""

import base64
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from functools import cache

import numpy as np
from PIL import Image, ImageDraw, ImageFont

TINT = (0, 229, 255)  # cyan stands out from gray lungs and from the magma of sounds
STRENGTH = 0.6  # opacity of the tint where the share is largest
AXIS_HEIGHT = 15  # pixels, under a sound's picture
TICK_SECONDS = 0.5
WORKERS = ThreadPoolExecutor(thread_name_prefix="explain")  # compressing does not hold Python's lock


def activation_map(feature_map: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Each place's share in a label's logit.

    feature_map: float32 (height, width, channels); weights: float32 (channels,), the label's.
    Returns float32 (height, width), 0 where the place speaks against the label or not at all, 1 at its peak.
    """
    share = np.maximum(feature_map @ weights, 0)
    return share / max(share.max(), 1e-9)


def overlay(pixels: np.ndarray, feature_map: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Tint pixels uint8 (height, width, 3) by the activation map: uint8 of the same shape."""
    image = Image.fromarray(pixels)
    opacity = Image.fromarray((activation_map(feature_map, weights) * (STRENGTH * 255)).round().astype(np.uint8))
    opacity = opacity.resize(image.size, Image.Resampling.BICUBIC)
    return np.asarray(Image.composite(Image.new("RGB", image.size, TINT), image, opacity))


@cache
def time_axis(width: int, seconds: float) -> np.ndarray:
    """An axis from 0 to `seconds` to put under a sound's picture: uint8 (AXIS_HEIGHT, width, 3), white on black."""
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
    """Pixels uint8 (height, width, 3) as the data URI of a PNG, with one channel where all three are the same."""
    red, green, blue = (pixels[:, :, channel] for channel in range(3))
    gray = (red == green).all() and (green == blue).all()
    return "data:image/png;base64," + base64.b64encode(_png(red if gray else pixels)).decode()


def _png(pixels: np.ndarray) -> bytes:
    """Pixels uint8 (height, width) or (height, width, 3) as a PNG, by FFmpeg, which takes half of Pillow's time."""
    import av  # here, since it takes long to import and a start does without

    frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), "gray" if pixels.ndim == 2 else "rgb24")
    encoder = av.CodecContext.create("png", "w")
    encoder.width, encoder.height, encoder.pix_fmt = frame.width, frame.height, frame.format.name
    encoder.time_base, encoder.thread_count = Fraction(1), 1
    encoder.options = {"pred": "up", "compression_level": "1"}
    return b"".join(bytes(packet) for picture in (frame, None) for packet in encoder.encode(picture))


def data_uris(
    pixels: np.ndarray, feature_map: np.ndarray, weights: list[np.ndarray], below: list[np.ndarray]
) -> list[str]:
    """The picture's data URI, then that of its overlay for each of weights, made on as many cores as are free.

    below: pixels uint8 (any height, width, 3) to put under each overlay, such as a time axis.
    """

    def tinted(own: np.ndarray) -> str:
        return data_uri(np.concatenate([overlay(pixels, feature_map, own), *below]))

    overlays = [WORKERS.submit(tinted, own) for own in weights]  # first, since they take longer
    return [data_uri(pixels), *(each.result() for each in overlays)]
