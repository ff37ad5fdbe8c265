"""The distortions of the classic retrain.py, a rotation, and the same for sounds, each as far as its flag says."""

from dataclasses import dataclass

import numpy as np
from PIL import Image

from tosa.inputs import audio, spectrogram
from tosa.inputs.xray import SIZE, resize
from tosa.training.data import augmentation


@dataclass(frozen=True)
class Distortion:
    """How far pictures and sounds are changed at random. Its repr is part of what names a cached bottleneck."""

    flip_left_right: bool = False
    random_crop: int = 0  # percent of the side that may be cut away
    random_scale: int = 0  # percent by which the picture may be larger
    random_brightness: int = 0  # percent by which values may be multiplied or divided
    random_rotation: float = 0.0  # degrees to either side
    random_shift: float = 0.0  # seconds to either side
    random_gain: float = 0.0  # decibels to either side
    random_bandwidth: bool = False
    background_snr: float | None = None  # decibels of the sound over the noise
    seed: int = 0

    def of_pictures(self) -> bool:
        return self.flip_left_right or any(
            (self.random_crop, self.random_scale, self.random_brightness, self.random_rotation)
        )

    def of_sounds(self) -> bool:
        return self.random_bandwidth or any((self.random_shift, self.random_gain, self.background_snr is not None))

    def draw(self, decoded: np.ndarray, is_sound: bool, rng: np.random.Generator) -> np.ndarray:
        """A picture uint8 (SIZE, SIZE, 3) of decoded samples (n,) or pixels uint8 (height, width, 3), changed."""
        if is_sound:
            decoded = spectrogram.draw(self._changed_sound(decoded, rng))
        return self._changed_picture(decoded, rng) if self.of_pictures() else resize(decoded)

    def _changed_picture(self, pixels: np.ndarray, rng) -> np.ndarray:
        """Enlarged by crop and scale together, rotated, cut to SIZE at a random place, flipped, brightened."""
        scale = (1 + self.random_crop / 100) * rng.uniform(1, 1 + self.random_scale / 100)
        angle = np.deg2rad(rng.uniform(-self.random_rotation, self.random_rotation))
        cos, sin = np.cos(angle) / scale, np.sin(angle) / scale
        matrix = np.array([[cos, sin], [-sin, cos]])
        room = SIZE / 2 * (1 - 1 / scale)  # pixels that the cut may lie off the centre
        offset = SIZE / 2 + rng.uniform(-room, room, 2) - matrix @ np.full(2, SIZE / 2)
        row = (*matrix[0], offset[0], *matrix[1], offset[1])
        image = Image.fromarray(resize(pixels))
        image = image.transform(image.size, Image.Transform.AFFINE, row, Image.Resampling.BILINEAR)
        changed = np.asarray(image)
        if self.flip_left_right and rng.random() < 0.5:
            changed = changed[:, ::-1]
        brightness = rng.uniform(1 - self.random_brightness / 100, 1 + self.random_brightness / 100)
        return (changed * brightness).clip(0, 255).round().astype(np.uint8)

    def _changed_sound(self, samples: np.ndarray, rng) -> np.ndarray:
        """The window that is served, moved; then louder or softer, with noise, through another microphone."""
        part = audio.window(samples)
        if self.random_shift:
            steps = round(rng.uniform(-self.random_shift, self.random_shift) * audio.SAMPLE_RATE)
            part = np.roll(part, steps)  # what leaves at one end comes in at the other, as silence mostly
        if self.background_snr is not None:
            part = augmentation._mixed(part, augmentation._coloured_noise(len(part), rng), self.background_snr)
        if self.random_bandwidth:
            part = augmentation._band_limited(part, rng)
        gain = 10 ** (rng.uniform(-self.random_gain, self.random_gain) / 20)
        return np.clip(part * gain, -1, 1).astype(np.float32)
