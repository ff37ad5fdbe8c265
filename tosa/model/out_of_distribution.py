"""The gate for pictures: whether one looks like a chest X-ray, by its thumbnail of 32 x 32 pixels.

Two judges look at the thumbnail, and either may refuse it: a network of two small layers that was shown X-rays and
what is none, and the distance of the thumbnail from all that the principal directions of X-rays can draw. They do
not look at the bottleneck, which tells one hospital's X-rays from another's as surely as it tells them from a knee.
All of that travels in the graph as constants.
"""

from dataclasses import dataclass, fields

import numpy as np

from tosa.inputs.xray import resize
from tosa.model.network import Network

PREFIX = "tosa/familiarity/"
THUMBNAIL = 32  # pixels a side
THRESHOLD = 2.5  # log odds of being none from which a picture is refused: twelve to one


@dataclass(frozen=True, eq=False)
class OutOfDistributionGate:
    """What is known of the training X-rays' thumbnails of p pixels; matrices are float16 in the graph."""

    mean: np.ndarray  # (p,)
    basis: np.ndarray  # (k, p) orthonormal principal directions
    farthest: np.ndarray  # () the largest squared distance from them that a training X-ray had
    hidden_weights: np.ndarray  # (p, h)
    hidden_biases: np.ndarray  # (h,)
    weights: np.ndarray  # (h,) of the rectified hidden units in the log odds of being none
    bias: np.ndarray  # ()

    @classmethod
    def of(cls, network: Network) -> "OutOfDistributionGate | None":
        """The gate of a network's graph, None where it has none."""
        found = {field.name: network.constant(PREFIX + field.name) for field in fields(cls)}
        if any(value is None for value in found.values()):
            return None
        return cls(**{name: value.astype(np.float32) for name, value in found.items()})

    def log_odds(self, thumbnails: np.ndarray) -> np.ndarray:
        """Log odds that each of n pictures is no chest X-ray, float (n,). thumbnails: (n, p), from `thumbnail`."""
        return np.maximum(thumbnails @ self.hidden_weights + self.hidden_biases, 0) @ self.weights + self.bias

    def distances(self, thumbnails: np.ndarray) -> np.ndarray:
        """Squared distance of each of n thumbnails (n, p) from the principal directions: float (n,)."""
        centred = thumbnails - self.mean
        return np.square(centred).sum(axis=1) - np.square(centred @ self.basis.T).sum(axis=1)

    def refuses(self, thumbnails: np.ndarray) -> np.ndarray:
        """Which of n thumbnails (n, p) are not like chest X-rays: bool (n,)."""
        return (self.log_odds(thumbnails) > THRESHOLD) | (self.distances(thumbnails) > self.farthest)

    def is_in_distribution(self, pixels: np.ndarray) -> bool:
        """Whether a picture, uint8 (height, width, 3), is like those learnt from."""
        return not self.refuses(thumbnail(pixels)[None])[0]


def thumbnail(pixels: np.ndarray) -> np.ndarray:
    """A picture, uint8 (height, width, 3), small and gray, without its brightness and contrast: float32 (p,)."""
    small = resize(pixels, (THUMBNAIL, THUMBNAIL)).mean(axis=2, dtype=np.float32)
    return ((small - small.mean()) / (small.std() + 1e-6)).ravel()
