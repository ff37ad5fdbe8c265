"""Which mix of a recording's channels is judged: their mean, unless that loses what one of them holds.

Two microphones wired in opposite phase cancel each other, a dead channel halves the level, and one that only carries
noise covers the cough. The decision is made on the whole recording, from the energy of each channel and of their mean
in frames of 20 ms and in octaves, since two channels may cancel each other in some octaves only.
"""

import numpy as np

FRAME_SECONDS = 0.02
OCTAVES = (100, 250, 500, 1_000, 2_000, 4_000, 8_000)  # Hz, the edges of the bands; hum and offset lie below
MIN_RATE = 16_000  # Hz to which sounds are decimated, by means of neighbors: rough, but these are energies only
MIN_MEAN_ENERGY = 0.55  # -2.6 dB: the mean's loudest frame against the best channel's; delayed channels give -3 dB
MIN_OCTAVE_ENERGY = 0.1  # -10 dB: the same in one octave; a channel that is silent there gives -6 dB
MIN_OCTAVE_SHARE = 1e-3  # -30 dB: an octave this far below the loudest one does not count
MIN_MEAN_RANGE = 0.25  # -6 dB: the mean's dynamic range against the best channel's
MIN_ENERGY = 0.01  # -20 dB: a channel this far below the loudest one is not taken
MAX_RANGE = 1e4  # 40 dB: a larger dynamic range makes no channel better


def mean_of_channels(block: np.ndarray) -> np.ndarray:
    """Returns the mean over the channels of (n, channels): float32 (n,). NumPy's mean of short rows is slow."""
    return sum(block.T[1:], block[:, 0]) / np.float32(block.shape[1])


def octave_energies(block: np.ndarray, rate: int) -> np.ndarray:
    """Returns the energy in each frame and octave of block (n, channels) and of its mean, as mean squares.

    Returns float32 (frames, channels + 1, octaves), the mean last. Frames overlap so that they cover all n samples, of
    which there is at least one.
    """
    step = max(1, min(rate // MIN_RATE, len(block)))
    rows = np.ascontiguousarray(block[: len(block) // step * step].T)
    decimated = rows.reshape(len(rows), -1, step).sum(axis=2)
    length = min(round(rate / step * FRAME_SECONDS), decimated.shape[1])
    starts = np.linspace(0, decimated.shape[1] - length, -(-decimated.shape[1] // length)).astype(int)
    frames = np.lib.stride_tricks.sliding_window_view(decimated, length, axis=1)[:, starts]
    spectra = np.fft.rfft(np.ascontiguousarray(frames), axis=2)
    spectra = np.concatenate([spectra, spectra.mean(axis=0, keepdims=True)])
    power = np.square(spectra.real) + np.square(spectra.imag)
    octave = np.searchsorted(OCTAVES, np.fft.rfftfreq(length, step / rate), side="right") - 1
    belongs = octave[:, None] == np.arange(len(OCTAVES) - 1)
    return (power @ (belongs * np.float32(2 / (length * step) ** 2))).transpose(1, 0, 2)


def channel_to_take(energies: np.ndarray) -> int | None:
    """Returns the number of the channel to judge in place of the mean; None if the mean is as good.

    energies: (frames, channels + 1, octaves), from octave_energies; the last of axis 1 is the mean. The best channel is
    the one with the greatest dynamic range (loudest frame against median frame) among those nearly as loud as the
    loudest: a cough rises out of its surroundings, while hum and hiss do not. Of equal ones, the louder is taken.
    """
    total = energies.sum(axis=2)
    loudest, loudest_octaves = total.max(axis=0), energies.max(axis=0)
    dynamic_range = loudest / np.maximum(np.median(total, axis=0), loudest / MAX_RANGE + 1e-30)
    *channels, mean = range(len(loudest))
    candidates = [number for number in channels if loudest[number] >= MIN_ENERGY * loudest[channels].max()]
    best = max(candidates, key=lambda number: (round(np.log2(dynamic_range[number] + 1)), loudest[number]))
    counts = loudest_octaves[best] >= MIN_OCTAVE_SHARE * loudest_octaves[best].max()
    is_loud = loudest[mean] >= MIN_MEAN_ENERGY * loudest[best]
    is_whole = (loudest_octaves[mean] >= MIN_OCTAVE_ENERGY * loudest_octaves[best])[counts].all()
    is_clear = dynamic_range[mean] >= MIN_MEAN_RANGE * dynamic_range[best]
    return None if is_loud and is_whole and is_clear else best
