"""The gate for pictures: how far one lies from the chest X-rays that the network was trained on.

Three distances, of which each finds what the others miss: of the bottleneck from the training bottlenecks within their
main directions (Mahalanobis') and beyond them (the residual), and of the picture's 32 x 32 thumbnail from what chests
look like (the residual again). The logarithm of each is scaled to mean 0 and deviation 1 on the training X-rays, and
the largest of them must stay under the limit. Beside them a linear classifier of the bottleneck tells upright X-rays
from turned ones, and by the way from much else. All of that travels in the graph as constants.
"""

from dataclasses import dataclass, fields

import numpy as np

from .network import Network
from .xray import resize

PREFIX = "tosa/familiarity/"
THUMBNAIL = 32  # pixels a side
MOST_TURNED = 0.8  # probability from which a picture is refused


@dataclass(frozen=True, eq=False)
class Familiarity:
    """What is known of the training X-rays, d numbers of a bottleneck and p pixels of a thumbnail."""

    mean: np.ndarray  # (d,) bottleneck
    basis: np.ndarray  # (k, d) its main directions, float16 in the graph
    deviations: np.ndarray  # (k,) along them
    thumbnail_mean: np.ndarray  # (p,)
    thumbnail_basis: np.ndarray  # (m, p)
    centre: np.ndarray  # (3,) of the logarithms of the distances
    scale: np.ndarray  # (3,)
    limit: np.ndarray  # () strangeness from which a picture is refused
    turned_weights: np.ndarray  # (d,) of the bottleneck in the log odds of a turned picture
    turned_bias: np.ndarray  # ()

    @classmethod
    def of(cls, network: Network) -> "Familiarity | None":
        """The gate of a network's graph, None where it has none."""
        found = {field.name: network.constant(PREFIX + field.name) for field in fields(cls)}
        if any(value is None for value in found.values()):
            return None
        return cls(**{name: value.astype(np.float32) for name, value in found.items()})

    def strangeness(self, bottlenecks: np.ndarray, thumbnails: np.ndarray) -> np.ndarray:
        """How strange n pictures are, float (n,). bottlenecks: (n, d); thumbnails: (n, p), from `thumbnail`."""
        return ((self.log_distances(bottlenecks, thumbnails) - self.centre) / self.scale).max(axis=1)

    def turned(self, bottlenecks: np.ndarray) -> np.ndarray:
        """The probability that each of n pictures, bottlenecks (n, d), does not stand upright: float (n,)."""
        log_odds = bottlenecks @ self.turned_weights + self.turned_bias
        return 1 / (1 + np.exp(-np.clip(log_odds, -50, 50)))

    def log_distances(self, bottlenecks: np.ndarray, thumbnails: np.ndarray) -> np.ndarray:
        """Logarithms of the three squared distances, float (n, 3)."""
        within, beyond = _parted(bottlenecks - self.mean, self.basis)
        _, unlike = _parted(thumbnails - self.thumbnail_mean, self.thumbnail_basis)
        mahalanobis = np.square(within / self.deviations).sum(axis=1)
        return np.log(np.maximum(np.stack([mahalanobis, beyond, unlike], axis=1), 1e-9))

    def knows(self, bottleneck: np.ndarray, pixels: np.ndarray) -> bool:
        """Whether a picture, uint8 (height, width, 3), with this bottleneck (d,) is like those learnt from."""
        strange = self.strangeness(bottleneck[None], thumbnail(pixels)[None])[0] > self.limit
        return not strange and bool(self.turned(bottleneck[None])[0] < MOST_TURNED)


def thumbnail(pixels: np.ndarray) -> np.ndarray:
    """A picture, uint8 (height, width, 3), small and gray, without its brightness and contrast: float32 (p,)."""
    small = resize(pixels, (THUMBNAIL, THUMBNAIL)).mean(axis=2, dtype=np.float32)
    return ((small - small.mean()) / (small.std() + 1e-6)).ravel()


def _parted(centred: np.ndarray, basis: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Coordinates of (n, d) along an orthonormal basis (k, d), and the squared length of what lies beyond it (n,)."""
    within = centred @ basis.T
    return within, np.maximum(np.square(centred).sum(axis=1) - np.square(within).sum(axis=1), 0)
