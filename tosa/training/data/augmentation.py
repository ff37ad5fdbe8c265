"""Training cases changed at random, so that the network learns lungs and coughs and not where a file comes from."""

import hashlib
from collections.abc import Sequence
from functools import cached_property

import numpy as np

from tosa.preprocessing import Preprocessing
from tosa.training.data.aspects import Aspects
from tosa.training.data.dataset import Case
from tosa.training.data.drawing import DEFAULT, decode
from tosa.training.data.picture_augmentation import change_picture
from tosa.training.data.sound_augmentation import change_sound

VERSION = 4  # of the code that changes pictures and sounds; it goes up when the same randomness gives another picture


class Augmentation:
    """Changes cases of any kind; sounds get others mixed in that are labelled `not sick`."""

    def __init__(self, training: Sequence[Case]) -> None:
        """training: the cases whose sounds may be mixed in, and whose aspect ratios squashed pictures may get."""
        self.aspects = Aspects(training)
        self.backgrounds = [case for case in training if case.is_sound and case.label == "not sick"]

    def __str__(self) -> str:
        """Returns what a changed picture depends on beside its case and how it is drawn, for the key of a cache."""
        return f"augmented {VERSION} {self._digest}"

    @cached_property
    def _digest(self) -> str:
        digest = hashlib.sha256(self.aspects.digest().encode())
        for case in self.backgrounds:
            digest.update(hashlib.sha256(case.file.read_bytes()).digest())
        return digest.hexdigest()

    def draw(
        self, decoded: np.ndarray, case: Case, rng: np.random.Generator, preprocessing: Preprocessing = DEFAULT
    ) -> np.ndarray:
        """Returns the changed picture uint8 (size, size, 3) of samples or pixels, as drawing.decode returns them."""
        if not case.is_sound:
            return change_picture(decoded, rng, preprocessing, self.aspects.of(case, decoded, rng))
        background = self.backgrounds[rng.integers(len(self.backgrounds))] if self.backgrounds else None
        other = decode(background, preprocessing) if background else None
        return change_sound(decoded, rng, other, preprocessing)
