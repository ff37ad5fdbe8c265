"""Where the network looked: an exact class activation map over the picture it saw.

The network ends in an average over its feature map and a linear layer, so a label's logit is the average of
feature_map @ weights, and that product shows each place's share (Zhou et al., CVPR 2016).
"""

import base64
import io

import numpy as np
from PIL import Image

TINT = np.array([0, 229, 255], dtype=np.float32)  # cyan stands out from gray lungs and from the magma of sounds
STRENGTH = 0.6  # opacity of the tint where the share is largest


def activation_map(feature_map: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Each place's share in a label's logit.

    feature_map: float32 (height, width, channels); weights: float32 (channels,), the label's.
    Returns float32 (height, width), 0 where the place speaks against the label or not at all, 1 at its peak.
    """
    share = np.maximum(feature_map @ weights, 0)
    return share / max(share.max(), 1e-9)


def overlay(pixels: np.ndarray, feature_map: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Tint pixels uint8 (height, width, 3) by the activation map: uint8 of the same shape."""
    share = Image.fromarray(activation_map(feature_map, weights))
    opacity = np.asarray(share.resize(pixels.shape[1::-1], Image.Resampling.BICUBIC)).clip(0, 1)[:, :, None] * STRENGTH
    return (pixels * (1 - opacity) + TINT * opacity).round().astype(np.uint8)


def data_uri(pixels: np.ndarray) -> str:
    """Pixels uint8 (height, width, 3) as the data URI of a PNG."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG", compress_level=1)
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()
