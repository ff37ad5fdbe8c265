"""The aspect ratio of what an X-ray shows, also where the picture was squashed to a square before it was published.

A table's column `aspect` says it: empty where the picture has it still, width divided by height where the picture was
squashed and that is known, `unknown` where it was squashed and that is not known. Without this column, square pictures
count as squashed.
"""

import hashlib
from collections.abc import Sequence

import numpy as np

from tosa.training.data.dataset import Case
from tosa.training.data.drawing import decode
from tosa.training.data.framing import random_aspect

COLUMN = "aspect"
UNKNOWN = "unknown"
TRIES = 20  # to find a picture of the same label whose aspect ratio is known


def is_aspect(text: str) -> bool:
    """Returns whether the column `aspect` may have this text."""
    if text in ("", UNKNOWN):
        return True
    try:
        return 0 < float(text) < np.inf
    except ValueError:
        return False


class Aspects:
    """Aspect ratios for training: a picture's own, or where it is not known, that of a random one of its label.

    Ill and healthy people are framed differently. A likely ratio of each label lets training undo that.
    """

    def __init__(self, training: Sequence[Case]) -> None:
        """training: the cases that a ratio may be taken from."""
        self._likely: dict[tuple[str, str], list[Case]] = {}
        for case in training:
            if not case.is_sound and case.extra.get(COLUMN) != UNKNOWN:
                self._likely.setdefault((case.task, case.label), []).append(case)
        self._known: dict[Case, float | None] = {}  # of pictures that were decoded for theirs

    def digest(self) -> str:
        """Returns the name of the pictures that a ratio may be taken from, by their content."""
        digest = hashlib.sha256()
        for label, cases in self._likely.items():
            digest.update(str(label).encode())
            for case in cases:
                digest.update(hashlib.sha256(case.file.read_bytes()).digest() + case.extra.get(COLUMN, "").encode())
        return digest.hexdigest()

    def of(self, case: Case, pixels: np.ndarray, rng: np.random.Generator) -> float:
        """Returns the width divided by the height of what a case shows. pixels: uint8 (height, width, 3)."""
        return _own(case, pixels) or self._likely_one(case, rng) or random_aspect(rng)

    def _likely_one(self, case: Case, rng: np.random.Generator) -> float | None:
        """The ratio of a random case of the same label, None if none is found whose own is known."""
        likely = self._likely.get((case.task, case.label), [])
        for _ in range(TRIES if likely else 0):
            other = likely[rng.integers(len(likely))]
            if other not in self._known:
                self._known[other] = _own(other, decode(other))
            if known := self._known[other]:
                return known
        return None


def _own(case: Case, pixels: np.ndarray) -> float | None:
    """The ratio that the table or the picture itself tells, None if neither does."""
    height, width = pixels.shape[:2]
    told = case.extra.get(COLUMN)
    if told is None:
        return width / height if width != height else None
    if told == UNKNOWN:
        return None
    return float(told) if told else width / height
