"""Change training cases at random so that the network learns what stays the same: lungs and coughs, not their source.

Every function takes its randomness from a numpy Generator, so a seed repeats a training.
"""

import hashlib
import io
from functools import cached_property
from pathlib import Path

import numpy as np
from PIL import Image

from tosa.inputs import audio, spectrogram
from tosa.inputs.xray import SIZE, resize
from tosa.training.data.dataset import Case
from tosa.training.data.drawing import decode


class Augmentation:
    """Changes cases of any kind; sounds get others mixed in that are no cough."""

    def __init__(self, training: list[Case]):
        """training: the cases whose sounds may be mixed in."""
        self.backgrounds = [case for case in training if case.is_sound and case.label == "not sick"]

    def __str__(self) -> str:
        """Names what a changed picture depends on beside its case, by which it is found in a cache."""
        return f"augmented {self._digest}"

    @cached_property
    def _digest(self) -> str:
        digest = hashlib.sha256(Path(__file__).read_bytes())
        for case in self.backgrounds:
            digest.update(hashlib.sha256(case.file.read_bytes()).digest())
        return digest.hexdigest()

    def draw(self, decoded: np.ndarray, is_sound: bool, rng: np.random.Generator) -> np.ndarray:
        """The changed picture uint8 (SIZE, SIZE, 3) of samples or pixels, as `bottlenecks.decode` gives them."""
        if not is_sound:
            return picture(decoded, rng)
        background = self.backgrounds[rng.integers(len(self.backgrounds))] if self.backgrounds else None
        return sound(decoded, rng, background and decode(background))


def picture(pixels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A picture as another exposure, detector and position would have shown it, half the time mirrored.

    pixels: uint8 (height, width, 3). Returns uint8 (SIZE, SIZE, 3).
    """
    if rng.random() < 0.5:  # the side marker's letter and place must not tell one class from another
        pixels = pixels[:, ::-1]
    if rng.random() < 0.3:  # as if it came from a coarser scan
        side = int(rng.integers(140, SIZE))
        pixels = resize(pixels, (side, side))
    result = _exposed(np.asarray(_moved(Image.fromarray(resize(pixels)), rng)), rng)
    if rng.random() < 0.3:
        noise = rng.normal(0, rng.uniform(0, 10), result.shape[:2])[:, :, None]
        result = (result + noise).clip(0, 255).round().astype(np.uint8)
    if rng.random() < 0.2:
        result = _compressed(result, int(rng.integers(30, 90)))
    return _erased(result, rng) if rng.random() < 0.3 else result


def _moved(image: Image.Image, rng) -> Image.Image:
    """Rotate by up to 15 degrees, zoom by 0.88 to 1.3, stretch by up to 8 %, shift by up to 6 %."""
    angle = np.deg2rad(rng.uniform(-15, 15))
    zoom = np.exp(rng.uniform(np.log(0.88), np.log(1.3)))
    stretch = np.exp(rng.uniform(-0.08, 0.08))
    cos, sin = np.cos(angle), np.sin(angle)
    matrix = np.array([[cos / (zoom * stretch), sin / zoom], [-sin / (zoom * stretch), cos / zoom]])
    centre = SIZE / 2
    offset = centre - matrix @ np.full(2, centre) + rng.uniform(-0.06, 0.06, 2) * SIZE
    row = (*matrix[0], offset[0], *matrix[1], offset[1])
    return image.transform((SIZE, SIZE), Image.Transform.AFFINE, row, Image.Resampling.BILINEAR)


def _exposed(pixels: np.ndarray, rng) -> np.ndarray:
    """Change gamma, contrast and brightness of pixels, by a table of what becomes of each of the 256 levels."""
    levels = (np.arange(256) / 255) ** np.exp(rng.uniform(-0.35, 0.35))
    middle = levels[pixels[:, :, 0]].mean()
    levels = (levels - middle) * rng.uniform(0.7, 1.3) + middle + rng.uniform(-0.12, 0.12)
    return (levels.clip(0, 1) * 255).round().astype(np.uint8)[pixels]


def _compressed(pixels: np.ndarray, quality: int) -> np.ndarray:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=quality)
    return np.asarray(Image.open(buffer).convert("RGB"))


def _erased(pixels: np.ndarray, rng) -> np.ndarray:
    """Hide one or two boxes, so that no burnt-in letter or device decides alone."""
    pixels = pixels.copy()
    for _ in range(rng.integers(1, 3)):
        height, width = rng.integers(SIZE // 16, SIZE // 4, 2)
        top, left = rng.integers(0, SIZE - height), rng.integers(0, SIZE - width)
        pixels[top : top + height, left : left + width] = rng.integers(0, 256)
    return pixels


def sound(samples: np.ndarray, rng: np.random.Generator, background: np.ndarray | None = None) -> np.ndarray:
    """A sound as another room, microphone, codec and moment would have recorded it, drawn as a picture.

    samples, background: (n,) at audio.SAMPLE_RATE, n of any length. Returns uint8 (SIZE, SIZE, 3).
    """
    if rng.random() < 0.5:  # other speakers: pitch and tempo together
        samples = _resampled(samples, np.exp(rng.uniform(-0.15, 0.15)))
    part = _placed(samples, rng)
    if rng.random() < 0.25:
        part = _in_a_room(part, rng)
    if background is not None and rng.random() < 0.6:
        part = _mixed(part, audio.window(background), rng.uniform(-3, 25))
    if rng.random() < 0.5:
        part = _mixed(part, _coloured_noise(len(part), rng), rng.uniform(5, 45))
    if rng.random() < 0.6:
        part = _band_limited(part, rng)
    if rng.random() < 0.15:
        rail = rng.uniform(0.3, 0.9) * np.abs(part).max()
        part = part.clip(-rail, rail)
    drawn = spectrogram.draw(part)
    return _masked(drawn, rng) if rng.random() < 0.3 else drawn


def _placed(samples: np.ndarray, rng) -> np.ndarray:
    """A window around the loudest part; half the time shortened, so that its length gives no class away."""
    active = audio.active_part(samples)
    length, longest = spectrogram.DEFAULT.window_samples, spectrogram.DEFAULT.window_seconds
    seconds = rng.uniform(0.4, longest) if rng.random() < 0.5 else longest
    wanted = round(seconds * audio.SAMPLE_RATE)
    start = audio.loudest_window(active, seconds) + int(rng.uniform(-0.5, 0.5) * min(wanted, audio.SAMPLE_RATE))
    start = min(max(start, 0), max(len(active) - wanted, 0))
    part = active[start : start + wanted]
    before = (length - len(part)) // 2 if rng.random() < 0.5 else int(rng.integers(0, length - len(part) + 1))
    return np.pad(part, (before, length - len(part) - before))


def _resampled(samples: np.ndarray, factor: float) -> np.ndarray:
    return np.interp(np.arange(0, len(samples) - 1, factor), np.arange(len(samples)), samples).astype(np.float32)


def _in_a_room(samples: np.ndarray, rng) -> np.ndarray:
    """Reverberate: convolve with noise that decays by 60 dB in 0.1 to 0.6 s."""
    seconds = rng.uniform(0.1, 0.6)
    time = np.arange(round(seconds * audio.SAMPLE_RATE)) / audio.SAMPLE_RATE
    response = rng.normal(size=len(time)) * 10 ** (-3 * time / seconds) * rng.uniform(0.02, 0.15)
    response[0] = 1
    size = 1 << (len(samples) + len(response)).bit_length()
    wet = np.fft.irfft(np.fft.rfft(samples, size) * np.fft.rfft(response, size), size)
    return wet[: len(samples)].astype(np.float32)


def _mixed(samples: np.ndarray, other: np.ndarray, snr_db: float) -> np.ndarray:
    """Add another sound at a signal-to-noise ratio, measured against the loudest tenth of the frames."""
    loud = np.quantile(audio.levels(samples), 0.9)
    level = np.sqrt(np.square(other).mean())
    return (samples + other * (loud / max(level, 1e-9) * 10 ** (-snr_db / 20))).astype(np.float32)


def _coloured_noise(length: int, rng) -> np.ndarray:
    """Noise whose power falls by 0 (white) to 6 dB (brown) an octave."""
    spectrum = np.fft.rfft(rng.normal(size=length))
    return np.fft.irfft(spectrum / np.maximum(np.arange(len(spectrum)), 1) ** rng.uniform(0, 1), length)


def _band_limited(samples: np.ndarray, rng) -> np.ndarray:
    """What a telephone, a codec or a small microphone leaves: a high and a low cut of 24 dB an octave."""
    frequency = np.fft.rfftfreq(len(samples), 1 / audio.SAMPLE_RATE)
    high = rng.uniform(2_500, 11_000)
    low = rng.uniform(20, 300)
    gain = 1 / np.sqrt((1 + (frequency / high) ** 8) * (1 + (low / np.maximum(frequency, 1)) ** 8))
    return np.fft.irfft(np.fft.rfft(samples) * gain, len(samples)).astype(np.float32)


def _masked(drawn: np.ndarray, rng) -> np.ndarray:
    """SpecAugment (Park et al., Interspeech 2019): darken one band of pitch and one span of time."""
    drawn = drawn.copy()
    height, width = rng.integers(0, SIZE // 6, 2)
    top, left = rng.integers(0, SIZE - height), rng.integers(0, SIZE - width)
    darkest = drawn.min(axis=(0, 1))
    drawn[top : top + height] = darkest
    drawn[:, left : left + width] = darkest
    return drawn
