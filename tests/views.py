"""Views of drawn cases, for the tests of last layers and calibration."""

import numpy as np

from tosa.training.data.handling import UNCHANGED
from tosa.training.head.head import Head
from tosa.training.head.views import Views

LABELS = ("normal", "ill")


def views_of(logits, targets, *, ways=(UNCHANGED,), sources="", groups=None) -> Views:
    """Returns views whose bottlenecks are their logits, so that an identity head answers with them.

    logits: (ways, n, labels) or (n, labels); targets, groups, sources: of the n cases, each its own group by default.
    """
    logits = np.asarray(logits, np.float32)
    logits = logits.reshape(len(ways), -1, logits.shape[-1])
    count = logits.shape[1]
    files = np.array([f"case{number}" for number in range(count)])
    return Views(
        bottlenecks=logits.reshape(-1, logits.shape[-1]),
        targets=np.tile(np.asarray(targets, np.int64), len(ways)),
        groups=np.tile(files if groups is None else np.asarray(groups, str), len(ways)),
        sources=np.tile(np.broadcast_to(np.asarray(sources, str), count), len(ways)),
        files=np.tile(files, len(ways)),
        names=np.repeat(np.array(ways, str), count),
    )


def identity(labels=LABELS, **more) -> Head:
    """Returns a head whose logits are its bottlenecks."""
    return Head("lungs", labels, np.eye(len(labels), dtype=np.float32), np.zeros(len(labels), np.float32), **more)


def logits_for(score) -> np.ndarray:
    """Returns logits (n, 2) of normal and ill whose calibrated score of illness is given, (n,)."""
    score = np.asarray(score, float)
    return np.stack([np.log(1 - score), np.log(score)], axis=1)
