"""The mel-spectrogram picture of a sound's window.

Decibels: the 2020 proof of concept passed a power spectrogram to librosa's amplitude_to_db, which doubles every
decibel, so its 80 dB of color held 40 dB of sound. Here decibels are true (10 log10 of power against the picture's
loudest cell), and the picture holds Preprocessing.top_db of them.
"""

from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image

from tosa.inputs.audio import load_window
from tosa.inputs.colormap import MAGMA
from tosa.preprocessing import Preprocessing

DEFAULT = Preprocessing()
MEL_BANK_FILE = Path(__file__).with_name("mel_bank.npy")  # python -m tosa.training.data.make_mel_bank writes it
BLOCK_FRAMES = 16  # spectra calculated at a time: they stay in the core's cache
BAND_GROUP = 16  # mel bands summed up at a time

Groups = list[tuple[slice, np.ndarray]]


def draw(samples: np.ndarray, preprocessing: Preprocessing = DEFAULT, mel_bank: np.ndarray | None = None) -> np.ndarray:
    """Returns one window of sound as the network's picture.

    samples: (preprocessing.window_samples,), from audio.window. mel_bank: as in log_mel.
    Returns uint8 (size, size, 3): time to the right, pitch upwards; black is top_db below the loudest cell.
    """
    size = preprocessing.size
    decibels = log_mel(samples, preprocessing, mel_bank)[::-1]
    if preprocessing.frames - size not in (0, 1):
        decibels = _interpolated(decibels.T, size).T
    smooth = _interpolated(decibels[:, :size], size)
    smooth *= np.float32(255 / preprocessing.top_db)
    smooth += np.float32(255.5)
    image = Image.fromarray(smooth.astype(np.uint8))
    image.putpalette(MAGMA.tobytes())  # Pillow colours three times as fast as NumPy
    return np.asarray(image.convert("RGB"))


def _interpolated(rows: np.ndarray, count: int) -> np.ndarray:
    """`count` rows, linearly interpolated from the first to the last of rows (n, columns)."""
    low, share = _places(len(rows), count)
    below, above = rows[low], rows[low + 1]
    below *= 1 - share
    above *= share
    below += above
    return below


@cache
def _places(rows: int, count: int) -> tuple[np.ndarray, np.ndarray]:
    """For each of `count` rows the one below it, int (count,), and how near the next one is, float32 (count, 1)."""
    places = np.linspace(0, rows - 1, count)
    low = np.minimum(places.astype(int), rows - 2)
    return low, (places - low).astype(np.float32)[:, None]


def log_mel(
    samples: np.ndarray, preprocessing: Preprocessing = DEFAULT, mel_bank: np.ndarray | None = None
) -> np.ndarray:
    """Returns the mel-spectrogram of samples (n,) in decibels against its loudest cell.

    mel_bank: float32 (n_mels, n_fft // 2 + 1), as librosa.filters.mel makes it; by default the one in the package.
    Returns float32 (n_mels, 1 + n // hop_length) in [-top_db, 0]; row 0 is the lowest band. Raises ValueError if the
    mel bank does not fit, or is missing where the preprocessing needs another than the package's.
    The same as librosa.power_to_db(librosa.feature.melspectrogram(...), ref=np.max), without its import, which takes
    a second and 130 MB. NumPy's FFT is the one of SciPy, without the latter's import.
    """
    n_fft, groups = preprocessing.n_fft, _groups_for(preprocessing, mel_bank)
    padded = np.pad(samples.astype(np.float32), n_fft // 2)
    frames = np.lib.stride_tricks.sliding_window_view(padded, n_fft)[:: preprocessing.hop_length]
    power = np.empty((len(frames), preprocessing.n_mels), np.float32)
    for start in range(0, len(frames), BLOCK_FRAMES):
        block = slice(start, start + BLOCK_FRAMES)
        spectra = np.fft.rfft(frames[block] * _hann(n_fft), axis=1)
        power[block] = _mel_power(np.square(spectra.real) + np.square(spectra.imag), groups)
    power = np.maximum(power.T, 1e-10 * max(power.max(), 1e-20), order="C")
    decibels = np.log(power / power.max()) * np.float32(10 / np.log(10))  # log10 takes three times as long
    return np.maximum(decibels, np.float32(-preprocessing.top_db))


def _mel_power(power: np.ndarray, groups: Groups) -> np.ndarray:
    """Power of each band from that of each bin: float32 (frames, n_fft // 2 + 1) to (frames, n_mels).

    Not by one matrix product: nearly all of it would be with zero, and be shared among threads that then wait for cores
    that the network is at work on. Products of few frames with a group of bands are too small for that.
    """
    return np.concatenate([power[:, bins] @ weights for bins, weights in groups], axis=1)


def _groups_for(preprocessing: Preprocessing, mel_bank: np.ndarray | None) -> Groups:
    if mel_bank is None:
        if not preprocessing.has_default_mel_bank:
            raise ValueError(f"a mel bank is needed for {preprocessing}")
        return _packaged_groups()
    shape = (preprocessing.n_mels, preprocessing.n_fft // 2 + 1)
    if mel_bank.shape != shape:
        raise ValueError(f"the mel bank has the shape {mel_bank.shape}, not {shape}")
    return _grouped(mel_bank.astype(np.float32))


def packaged_mel_bank() -> np.ndarray:
    """Returns librosa's mel bank for the default preprocessing: float32 (n_mels, n_fft // 2 + 1).

    The file holds the weights that are not zero, and the band and the bin of each.
    """
    entries = np.load(MEL_BANK_FILE, allow_pickle=False)
    bank = np.zeros((DEFAULT.n_mels, DEFAULT.n_fft // 2 + 1), np.float32)
    bank[entries["band"], entries["bin"]] = entries["weight"]
    return bank


@cache
def _packaged_groups() -> Groups:
    return _grouped(packaged_mel_bank())


def _grouped(bank: np.ndarray) -> Groups:
    """The bins and the weights, float32 (bins, bands), of each group of about BAND_GROUP neighboring bands."""
    groups = []
    for weights in np.array_split(bank, -(-len(bank) // BAND_GROUP)):
        used = np.flatnonzero(weights.any(axis=0))
        covered = slice(used[0], used[-1] + 1) if len(used) else slice(0, 1)
        groups.append((covered, np.ascontiguousarray(weights[:, covered].T)))
    return groups


@cache
def _hann(n_fft: int) -> np.ndarray:
    """Periodic Hann window, float32 (n_fft,). SciPy has it too, but its import takes longer than all drawing."""
    return (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(n_fft) / n_fft)).astype(np.float32)


def draw_file(data: bytes, preprocessing: Preprocessing = DEFAULT, mel_bank: np.ndarray | None = None) -> np.ndarray:
    """Returns a sound file's picture: uint8 (size, size, 3). Raises what audio.decode_sound and check_sound raise."""
    return draw(load_window(data, preprocessing)[0], preprocessing, mel_bank)
