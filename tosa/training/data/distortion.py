"""The distortions of the classic retrain.py, rotation, and the same for sounds, each as strong as its flag says."""

from dataclasses import dataclass

import numpy as np
from PIL import Image

from tosa.inputs import audio, xray
from tosa.preprocessing import Preprocessing
from tosa.training.data import sound_augmentation
from tosa.training.data.dataset import Case
from tosa.training.data.drawing import DEFAULT, draw_window


@dataclass(frozen=True)
class Distortion:
    """How far pictures and sounds are changed at random. Its repr is part of the key of a cached bottleneck."""

    flip_left_right: bool = False
    random_crop: int = 0  # percent of the side that may be cropped
    random_scale: int = 0  # percent by which the picture may be larger
    random_brightness: int = 0  # percent by which values may be multiplied or divided
    random_rotation: float = 0.0  # degrees to either side
    random_shift: float = 0.0  # seconds to either side
    random_gain: float = 0.0  # decibels to either side
    random_bandwidth: bool = False
    background_snr: float | None = None  # decibels of the sound over the noise
    seed: int = 0

    def changes_pictures(self) -> bool:
        """Returns whether pictures, also those drawn of sounds, are changed."""
        return self.flip_left_right or any(
            (self.random_crop, self.random_scale, self.random_brightness, self.random_rotation)
        )

    def changes_sounds(self) -> bool:
        """Returns whether sounds are changed before they are drawn."""
        return self.random_bandwidth or any((self.random_shift, self.random_gain, self.background_snr is not None))

    def draw(
        self, decoded: np.ndarray, case: Case, rng: np.random.Generator, preprocessing: Preprocessing = DEFAULT
    ) -> np.ndarray:
        """Returns the changed picture uint8 (size, size, 3) of samples (n,) or of pixels uint8 (height, width, 3)."""
        if case.is_sound:
            fitting = draw_window(self._changed_sound(decoded, rng, preprocessing), preprocessing)
        else:
            fitting = xray.fit(decoded, preprocessing)
        return self._changed_picture(fitting, rng) if self.changes_pictures() else fitting

    def _changed_picture(self, pixels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Enlarged by crop and scale together, rotated, cut to its size at a random place, flipped, brightened."""
        scale = (1 + self.random_crop / 100) * rng.uniform(1, 1 + self.random_scale / 100)
        angle = np.deg2rad(rng.uniform(-self.random_rotation, self.random_rotation))
        cos, sin = np.cos(angle) / scale, np.sin(angle) / scale
        matrix = np.array([[cos, sin], [-sin, cos]])
        half = len(pixels) / 2
        room = half * (1 - 1 / scale)  # pixels that the cut may lie off the centre
        offset = half + rng.uniform(-room, room, 2) - matrix @ np.full(2, half)
        row = (*matrix[0], offset[0], *matrix[1], offset[1])
        image = Image.fromarray(pixels)
        image = image.transform(image.size, Image.Transform.AFFINE, row, Image.Resampling.BILINEAR)
        changed = np.asarray(image)
        if self.flip_left_right and rng.random() < 0.5:
            changed = changed[:, ::-1]
        brightness = rng.uniform(1 - self.random_brightness / 100, 1 + self.random_brightness / 100)
        return (changed * brightness).clip(0, 255).round().astype(np.uint8)

    def _changed_sound(self, samples: np.ndarray, rng: np.random.Generator, preprocessing: Preprocessing) -> np.ndarray:
        """The window that is served, moved; then with noise, through another microphone, louder or softer."""
        rate, part = preprocessing.sample_rate, audio.window(samples, preprocessing)
        if self.random_shift:
            steps = round(rng.uniform(-self.random_shift, self.random_shift) * rate)
            part = np.roll(part, steps)  # what leaves at one end enters at the other, mostly silence
        if self.background_snr is not None:
            noise = sound_augmentation.colored_noise(len(part), rng)
            part = sound_augmentation.mixed(part, noise, self.background_snr, rate)
        if self.random_bandwidth:
            part = sound_augmentation.band_limited(part, rng, rate)
        gain = 10 ** (rng.uniform(-self.random_gain, self.random_gain) / 20)
        return np.clip(part * gain, -1, 1).astype(np.float32)
