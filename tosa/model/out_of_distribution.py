"""The out-of-distribution gate for pictures: whether one looks like a chest X-ray, by its thumbnail of 32 x 32 pixels.

Two tests look at the thumbnail, and either may refuse it: a network of two small layers, trained on X-rays and on
pictures that are not X-rays, and the distance of the thumbnail from the subspace of the principal components of X-rays.
They do not use the bottleneck, which separates the X-rays of two hospitals as clearly as X-rays of chest and knee.
The graph carries all of it as constants.
"""

from dataclasses import dataclass, fields
from typing import Self

import numpy as np
from PIL import Image

from tosa.model.graph import Graph

PREFIX = "tosa/familiarity/"  # of the constants' names in the graph
THUMBNAIL = 32  # pixels a side
THRESHOLD = 2.5  # log odds of not being an X-ray above which a picture is refused: twelve to one


@dataclass(frozen=True, eq=False)
class OutOfDistributionGate:
    """Statistics of the training X-rays' thumbnails of p pixels; matrices are float16 in the graph."""

    mean: np.ndarray  # (p,)
    basis: np.ndarray  # (k, p) orthonormal principal directions
    farthest: np.ndarray  # () the largest squared distance from them that a training X-ray had
    hidden_weights: np.ndarray  # (p, h)
    hidden_biases: np.ndarray  # (h,)
    weights: np.ndarray  # (h,) of the rectified hidden units in the log odds of not being an X-ray
    bias: np.ndarray  # ()

    @classmethod
    def of(cls, graph: Graph) -> Self | None:
        """Returns the gate that a graph carries; None if it carries none."""
        constants = {field.name: graph.constant(PREFIX + field.name) for field in fields(cls)}
        if any(value is None for value in constants.values()):
            return None
        return cls(**{name: value.astype(np.float32) for name, value in constants.items() if value is not None})

    def log_odds(self, thumbnails: np.ndarray) -> np.ndarray:
        """Returns the log odds that each of n pictures is not a chest X-ray, float (n,). thumbnails: (n, p)."""
        return np.maximum(thumbnails @ self.hidden_weights + self.hidden_biases, 0) @ self.weights + self.bias

    def distances(self, thumbnails: np.ndarray) -> np.ndarray:
        """Returns the squared distance of each of n thumbnails (n, p) from the principal directions: float (n,)."""
        centred = thumbnails - self.mean
        return np.square(centred).sum(axis=1) - np.square(centred @ self.basis.T).sum(axis=1)

    def refuses(self, thumbnails: np.ndarray) -> np.ndarray:
        """Returns which of n thumbnails (n, p) are not like chest X-rays: bool (n,)."""
        return (self.log_odds(thumbnails) > THRESHOLD) | (self.distances(thumbnails) > self.farthest)

    def is_in_distribution(self, pixels: np.ndarray) -> bool:
        """Returns whether a picture, uint8 (height, width, 3), is like the X-rays that the gate was trained on."""
        return not self.refuses(thumbnail(pixels)[None])[0]


def thumbnail(pixels: np.ndarray) -> np.ndarray:
    """Returns a picture, uint8 (height, width, 3), small, gray and with its contrast normalized: float32 (p,)."""
    gray_held_once = pixels.strides[2] == 0  # then one channel is enough
    image = Image.fromarray(np.ascontiguousarray(pixels[:, :, 0] if gray_held_once else pixels))
    resized = np.asarray(image.resize((THUMBNAIL, THUMBNAIL), Image.Resampling.BILINEAR))
    small = resized.astype(np.float32) if gray_held_once else resized.mean(axis=2, dtype=np.float32)
    return ((small - small.mean()) / (small.std() + 1e-6)).ravel()
