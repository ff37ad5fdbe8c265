"""Pictures that are in a data set more than once, which flatters the test where one copy was trained on."""

from collections import defaultdict

import numpy as np

from tosa.training.data.dataset import Case

NEAR_BITS = 10  # of the 256 of a fingerprint in which two copies of a picture may differ
NEAR_PAIRS = 4e8  # testing x other cases; more are not compared, which would take minutes
BLOCK = 256  # testing cases compared at once


def find(cases: list[Case], contents: list[bytes], fingerprints: np.ndarray | None) -> dict:
    """Files of the same content, and testing cases that look like one of another split, each within one task.

    contents: what is the same for the same file; fingerprints: uint64 (n, 4), of bottlenecks.fingerprint, or None.
    """
    by_content = defaultdict(list)
    for case, content in zip(cases, contents):
        by_content[case.task, content].append(case)  # several tasks may share a file
    same = [found for found in by_content.values() if len(found) > 1]
    near = {} if fingerprints is None else {"looking_alike_across_splits": _near(cases, fingerprints)}
    return {
        "same_content": sum(len(found) - 1 for found in same),
        "same_content_in_several_splits": _named(same, "split"),
        "same_content_with_several_labels": _named(same, "label"),
        **near,
    }


def _named(same: list[list[Case]], field: str) -> list[list[str]]:
    """The files of those that differ in a field."""
    return [[str(case.file) for case in found] for found in same if len({getattr(c, field) for c in found}) > 1]


def _near(cases: list[Case], fingerprints: np.ndarray) -> list[list[str]] | None:
    """Pairs of files, one to test on and one of another split; None where there are too many to compare."""
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
