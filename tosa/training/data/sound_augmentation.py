"""Sounds changed at random, as another speaker, room, microphone, codec and moment would have recorded them.

Every function takes its randomness from a NumPy generator, so that a seed repeats a training.
"""

import numpy as np
import soxr
from scipy.signal import fftconvolve

from tosa.inputs import audio
from tosa.preprocessing import Preprocessing
from tosa.training.data.drawing import DEFAULT, draw_window


def change_sound(
    samples: np.ndarray,
    rng: np.random.Generator,
    background: np.ndarray | None = None,
    preprocessing: Preprocessing = DEFAULT,
) -> np.ndarray:
    """Returns the picture uint8 (size, size, 3) of a changed sound.

    samples: (n,) at preprocessing.sample_rate. background: (m,), a sound to mix in at times.
    """
    if rng.random() < 0.5:  # another speaker: pitch and tempo together
        samples = resampled(samples, np.exp(rng.uniform(-0.15, 0.15)))
    part = _placed(samples, rng, preprocessing)
    if rng.random() < 0.25:
        part = _in_a_room(part, rng, preprocessing.sample_rate)
    if background is not None and rng.random() < 0.6:
        part = mixed(part, audio.window(background, preprocessing), rng.uniform(-3, 25), preprocessing.sample_rate)
    if rng.random() < 0.5:
        part = mixed(part, colored_noise(len(part), rng), rng.uniform(5, 45), preprocessing.sample_rate)
    if rng.random() < 0.6:
        part = band_limited(part, rng, preprocessing.sample_rate)
    if rng.random() < 0.15:
        rail = rng.uniform(0.3, 0.9) * np.abs(part).max()
        part = part.clip(-rail, rail)
    drawn = draw_window(part, preprocessing)
    return _masked(drawn, rng) if rng.random() < 0.3 else drawn


def resampled(samples: np.ndarray, factor: float) -> np.ndarray:
    """Returns samples (n,) played faster by a factor, with a higher pitch: float32 (about n / factor,).

    librosa changes pitch and tempo apart, but takes eight times as long as soxr, more than all other changes together.
    """
    return soxr.resample(samples.astype(np.float32), factor, 1.0, "MQ")


def _placed(samples: np.ndarray, rng: np.random.Generator, preprocessing: Preprocessing) -> np.ndarray:
    """A window around the loudest part; half of the time shortened, so that its length tells no label."""
    active = audio.active_part(samples, preprocessing)
    rate, length, longest = preprocessing.sample_rate, preprocessing.window_samples, preprocessing.window_seconds
    seconds = rng.uniform(min(0.4, longest), longest) if rng.random() < 0.5 else longest
    wanted = round(seconds * rate)
    start = audio.loudest_window(active, seconds, rate) + int(rng.uniform(-0.5, 0.5) * min(wanted, rate))
    start = min(max(start, 0), max(len(active) - wanted, 0))
    part = active[start : start + wanted]
    before = (length - len(part)) // 2 if rng.random() < 0.5 else int(rng.integers(0, length - len(part) + 1))
    return np.pad(part, (before, length - len(part) - before))


def _in_a_room(samples: np.ndarray, rng: np.random.Generator, sample_rate: int) -> np.ndarray:
    """Reverberated: convolved with noise that decays by 60 dB in 0.1 to 0.6 s."""
    seconds = rng.uniform(0.1, 0.6)
    time = np.arange(round(seconds * sample_rate)) / sample_rate
    response = rng.normal(size=len(time)) * 10 ** (-3 * time / seconds) * rng.uniform(0.02, 0.15)
    response[0] = 1
    return fftconvolve(samples, response)[: len(samples)].astype(np.float32)


def mixed(samples: np.ndarray, other: np.ndarray, snr_db: float, sample_rate: int = DEFAULT.sample_rate) -> np.ndarray:
    """Returns the sum of two sounds (n,) at a signal-to-noise ratio, measured in the loudest tenth of the frames."""
    loud = np.quantile(audio.levels(samples, sample_rate), 0.9)
    level = np.sqrt(np.square(other).mean())
    return (samples + other * (loud / max(level, 1e-9) * 10 ** (-snr_db / 20))).astype(np.float32)


def colored_noise(length: int, rng: np.random.Generator) -> np.ndarray:
    """Returns noise (length,) whose power falls by 0 (white) to 6 dB (brown) an octave."""
    spectrum = np.fft.rfft(rng.normal(size=length))
    return np.fft.irfft(spectrum / np.maximum(np.arange(len(spectrum)), 1) ** rng.uniform(0, 1), length)


def band_limited(samples: np.ndarray, rng: np.random.Generator, sample_rate: int = DEFAULT.sample_rate) -> np.ndarray:
    """Returns what a telephone, a codec or a small microphone leaves: high and low cut off by 24 dB an octave.

    The gain is that of Butterworth filters, without their shift in time: two transforms are less than SciPy's filters
    forwards and backwards.
    """
    frequency = np.fft.rfftfreq(len(samples), 1 / sample_rate)
    high = rng.uniform(2_500, 11_000)
    low = rng.uniform(20, 300)
    gain = 1 / np.sqrt((1 + (frequency / high) ** 8) * (1 + (low / np.maximum(frequency, 1)) ** 8))
    return np.fft.irfft(np.fft.rfft(samples) * gain, len(samples)).astype(np.float32)


def _masked(drawn: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """SpecAugment (Park et al., Interspeech 2019): one band of pitch and one span of time darkened."""
    drawn, side = drawn.copy(), len(drawn)
    height, width = rng.integers(0, side // 6, 2)
    top, left = rng.integers(0, side - height), rng.integers(0, side - width)
    darkest = drawn.min(axis=(0, 1))
    drawn[top : top + height] = darkest
    drawn[:, left : left + width] = darkest
    return drawn
