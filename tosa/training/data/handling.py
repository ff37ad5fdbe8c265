"""How a file may be handled before it is sent: the changes that last layers, thresholds and the gate must survive.

A fixed, small part of the changes that the audit measures: nothing here is random but the noise in a sound, and that
depends on the file alone.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import soxr

from tosa.inputs import xray
from tosa.preprocessing import Preprocessing
from tosa.training.data.dataset import Case, in_order, in_split
from tosa.training.data.drawing import DEFAULT, decode, draw_sound
from tosa.training.data.kinds import Kind
from tosa.training.data.picture_changes import PICTURE_CHANGES
from tosa.training.data.sound_changes import SAMPLE_RATE, sound_changes
from tosa.training.metrics import HEALTHY

VERSION = 1  # of the changes; it goes up when the same name gives another picture
UNCHANGED = "unchanged"
OF_PICTURES = (
    "12 % cut off top and bottom", "12 % cut off left and right", "8 % cut off each side", "width x 0.8",
    "width x 1.25", "size x 0.35", "black margins of 10 % on each side", "white margins of 10 % on each side",
)  # fmt: skip
OF_SOUNDS = (
    "+6 dB", "sampled at 8 kHz", "GSM 06.10", "noise 15 dB below", "small room", "other sounds 10 dB below",
    "other sounds 5 dB below",
)  # fmt: skip
OTHER_SOUNDS = 20  # sounds to mix in, at most


class OtherSounds:
    """Training sounds with a label for health, to mix into others: a cough in them stays a cough."""

    def __init__(self, cases: Sequence[Case]) -> None:
        """cases: of one task; at most OTHER_SOUNDS of them are taken, the first by the hash of their names."""
        labels = {case.label for case in cases}
        healthy = next((label for label in HEALTHY if label in labels), None)
        usable = [case for case in in_split(cases, "training") if case.is_sound and case.label == healthy]
        self.cases = in_order(usable)[:OTHER_SOUNDS]

    @cached_property
    def samples(self) -> list[np.ndarray]:
        """The sounds, each (n,) at SAMPLE_RATE."""
        return [decode(case) for case in self.cases]

    @cached_property
    def digest(self) -> str:
        """A SHA-256 of all their files."""
        digests = [hashlib.sha256(case.file.read_bytes()).digest() for case in self.cases]
        return hashlib.sha256(b"".join(digests)).hexdigest()


@dataclass(frozen=True)
class Handling:
    """One way of handling a file, by its name in OF_PICTURES or OF_SOUNDS."""

    name: str
    others: OtherSounds

    def __str__(self) -> str:
        """Returns what a changed picture depends on beside its case and how it is drawn, for the key of a cache."""
        mixed = f" {self.others.digest}" if self.name.startswith("other sounds") else ""
        return f"handled {VERSION} {self.name}{mixed}"

    def draw(
        self, decoded: np.ndarray, case: Case, rng: np.random.Generator, preprocessing: Preprocessing = DEFAULT
    ) -> np.ndarray:
        """Returns the changed picture uint8 (size, size, 3) of samples or pixels, as drawing.decode returns them."""
        if not case.is_sound:
            return xray.fit(np.ascontiguousarray(PICTURE_CHANGES[self.name](decoded)), preprocessing)
        samples = soxr.resample(decoded.astype(np.float32), preprocessing.sample_rate, SAMPLE_RATE)
        changed = sound_changes(self.others.samples)[self.name](samples, rng).astype(np.float32)
        return draw_sound(soxr.resample(changed, SAMPLE_RATE, preprocessing.sample_rate), preprocessing)


def handlings(kind: Kind, others: OtherSounds) -> list[Handling]:
    """Returns the ways in which a file of this kind is handled; none for a picture of a sound."""
    if kind is Kind.SPECTROGRAM:
        return []
    names = OF_PICTURES if kind is Kind.XRAY else OF_SOUNDS
    return [Handling(name, others) for name in names if others.cases or not name.startswith("other sounds")]
