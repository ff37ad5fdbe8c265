"""Pictures that are in a data set more than once: if one copy was trained on, the test flatters."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np

from tosa.training.data.dataset import Case

NEAR_BITS = 10  # of the 256 of a fingerprint in which two copies of a picture may differ
NEAR_PAIRS = 4e8  # testing x other cases; more are not compared, which would take minutes
BLOCK = 256  # testing cases compared at once


def find_duplicates(
    cases: Sequence[Case], contents: Sequence[bytes], fingerprints: np.ndarray | None
) -> dict[str, Any]:
    """Returns files with the same content, and testing cases that look like one of another split, within each task.

    contents: equal for files with the same content; fingerprints: uint64 (n, 4), of bottlenecks.fingerprint, or None.
    """
    by_content: dict[tuple[str, bytes], list[Case]] = defaultdict(list)
    for case, content in zip(cases, contents, strict=True):
        by_content[case.task, content].append(case)  # several tasks may share a file
    same = [copies for copies in by_content.values() if len(copies) > 1]
    near = {} if fingerprints is None else {"looking_alike_across_splits": _near(cases, fingerprints)}
    return {
        "same_content": sum(len(copies) - 1 for copies in same),
        "same_content_in_several_splits": _named(same, "split"),
        "same_content_with_several_labels": _named(same, "label"),
        **near,
    }


def _named(same: list[list[Case]], field: str) -> list[list[str]]:
    """The files of the copies that differ in a field."""
    return [[str(case.file) for case in copies] for copies in same if len({getattr(c, field) for c in copies}) > 1]


def _near(cases: Sequence[Case], fingerprints: np.ndarray) -> list[list[str]] | None:
    """Pairs of files that look alike, one for testing and one of another split; None for too many to compare."""
    splits = np.array([case.split for case in cases])
    testing, others = np.flatnonzero(splits == "testing"), np.flatnonzero(splits != "testing")
    if len(testing) * len(others) > NEAR_PAIRS:
        return None
    pairs = []
    for start in range(0, len(testing), BLOCK):
        rows = testing[start : start + BLOCK]
        apart = np.zeros((len(rows), len(others)), np.uint16)
        for word in range(fingerprints.shape[1]):
            apart += np.bitwise_count(fingerprints[rows, word, None] ^ fingerprints[None, others, word])
        pairs += [(rows[row], others[column]) for row, column in np.argwhere(apart <= NEAR_BITS)]
    return [[str(cases[a].file), str(cases[b].file)] for a, b in pairs if cases[a].task == cases[b].task]
