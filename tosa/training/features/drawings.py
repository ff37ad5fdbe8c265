"""A case as it is or changed, its picture, and the key of its bottleneck."""

import hashlib
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from tosa.inputs import xray
from tosa.preprocessing import Preprocessing
from tosa.training.data.aspects import COLUMN as ASPECT
from tosa.training.data.dataset import Case
from tosa.training.data.drawing import DEFAULT, decode_content, draw_decoded, drawing_key


class Change(Protocol):
    """What makes variants of a case, such as a Distortion. Its text is part of the key of their bottlenecks."""

    def draw(
        self, decoded: np.ndarray, case: Case, rng: np.random.Generator, preprocessing: Preprocessing
    ) -> np.ndarray:
        """Returns the changed picture uint8 (size, size, 3) of samples or pixels."""


@dataclass(frozen=True)
class Drawing:
    """A case as it is, or one of its variants."""

    case: Case
    change: Change | None = None
    variant: int = 0

    def key(self, content: bytes, preprocessing: Preprocessing = DEFAULT) -> bytes:
        """Returns a SHA-256 of all that the picture depends on: the file's content, how it is drawn, the change."""
        change = f"{self.change} {self.variant} {self.case.extra.get(ASPECT, '')}" if self.change else ""
        return hashlib.sha256(content + f"{drawing_key(self.case.kind, preprocessing)} {change}".encode()).digest()

    def draw(
        self, content: bytes, key: bytes, size: tuple[int, int], preprocessing: Preprocessing = DEFAULT
    ) -> np.ndarray:
        """Returns the picture uint8 (*size, 3); what is random in it depends on the key alone."""
        decoded = decode_content(self.case, content, preprocessing)
        if not self.change:
            return draw_decoded(self.case, decoded, size, preprocessing)
        rng = np.random.default_rng(int.from_bytes(key[:16], "little"))
        return xray.resize(self.change.draw(decoded, self.case, rng, preprocessing), size)
