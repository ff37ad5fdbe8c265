"""Which mix of a recording's channels is judged: their mean, unless that loses what one of them holds.

Two microphones wired in opposite phase cancel each other, a dead channel halves the level, and one that only carries
noise covers the cough. The decision is made on the whole recording, from the energy of each channel and of their mean
in frames of 20 ms.
"""

import numpy as np

FRAME_SECONDS = 0.02
MIN_MEAN_ENERGY = 0.4  # -4 dB: the mean's loudest frame against the best channel's; unrelated channels give -3 dB
MIN_MEAN_RANGE = 0.25  # -6 dB: the mean's dynamic range against the best channel's
MIN_ENERGY = 0.01  # -20 dB: a channel this far below the loudest one is not taken
MAX_RANGE = 1e4  # 40 dB: a larger dynamic range makes no channel better


def mean_of_channels(block: np.ndarray) -> np.ndarray:
    """Returns the mean over the channels of (n, channels): float32 (n,). NumPy's mean of short rows is slow."""
    return sum(block.T[1:], block[:, 0]) / np.float32(block.shape[1])


def frame_energies(block: np.ndarray, mean: np.ndarray, rate: int) -> np.ndarray:
    """Returns the variance in each frame of block (n, channels) and of its mean (n,): float32 (frames, channels + 1).

    n is at least 1. A few samples at the end may belong to no frame.
    """
    count = max(1, int(len(block) / (rate * FRAME_SECONDS)))
    length = len(block) // count
    rows = np.empty((block.shape[1] + 1, count * length), np.float32)
    rows[:-1], rows[-1] = block[: count * length].T, mean[: count * length]
    frames = rows.reshape(-1, count, length)
    frames -= frames.mean(axis=2, keepdims=True)
    return np.einsum("cft,cft->cf", frames, frames).T / length


def channel_to_take(energies: np.ndarray) -> int | None:
    """Returns the number of the channel to judge in place of the mean; None if the mean is as good.

    energies: (frames, channels + 1), from frame_energies; the last column is the mean's. The best channel is the one
    with the greatest dynamic range (loudest frame against median frame) among those nearly as loud as the loudest: a
    cough rises out of its surroundings, while hum and hiss do not. Of equal ones, the louder is taken.
    """
    loudest = energies.max(axis=0)
    dynamic_range = loudest / np.maximum(np.median(energies, axis=0), loudest / MAX_RANGE + 1e-30)
    *channels, mean = range(len(loudest))
    candidates = [number for number in channels if loudest[number] >= MIN_ENERGY * loudest[channels].max()]
    best = max(candidates, key=lambda number: (round(np.log2(dynamic_range[number] + 1)), loudest[number]))
    mean_is_loud = loudest[mean] >= MIN_MEAN_ENERGY * loudest[best]
    mean_is_clear = dynamic_range[mean] >= MIN_MEAN_RANGE * dynamic_range[best]
    return None if mean_is_loud and mean_is_clear else best
