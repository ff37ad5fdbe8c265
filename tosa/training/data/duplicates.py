"""Files that are in a data set more than once: if one copy was trained on, the test results are too good."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np

from tosa.training.data.dataset import SPLITS, Case
from tosa.training.data.fingerprints import Mark, alike
from tosa.training.files import progress

NEAR_PAIRS = 5e7  # testing x other cases; more are not compared, which would take minutes


def find_duplicates(cases: Sequence[Case], contents: Sequence[bytes]) -> dict[str, Any]:
    """Returns files with the same content within each task. contents: equal for files with the same content."""
    by_content: dict[tuple[str, bytes], list[Case]] = defaultdict(list)
    for case, content in zip(cases, contents, strict=True):
        by_content[case.task, content].append(case)  # several tasks may share a file
    same = [copies for copies in by_content.values() if len(copies) > 1]
    return {
        "same_content": sum(len(copies) - 1 for copies in same),
        "same_content_in_several_splits": _named(same, "split"),
        "same_content_with_several_labels": _named(same, "label"),
    }


def _named(same: list[list[Case]], field: str) -> list[list[str]]:
    """The files of the copies that differ in a field."""
    return [[str(case.file) for case in copies] for copies in same if len({getattr(c, field) for c in copies}) > 1]


def looking_alike(cases: Sequence[Case], marks: Sequence[Mark | None]) -> list[list[str]] | None:
    """Returns pairs of files of a task that look or sound alike, one for testing and one of another split.

    marks: the cases' fingerprints. None for too many cases to compare.
    """
    marked = [(case, mark) for case, mark in zip(cases, marks, strict=True) if mark]
    testing = [(case, mark) for case, mark in marked if case.split == "testing"]
    if len(testing) * (len(marked) - len(testing)) > NEAR_PAIRS:
        return None
    pairs = []
    for kind, task in sorted({(mark.kind, case.task) for case, mark in testing}):
        others = [one for one in marked if (one[1].kind, one[0].task) == (kind, task) and one[0].split != "testing"]
        if not others:
            continue
        stored = np.stack([mark.stored for _, mark in others])
        for case, mark in testing:
            if (mark.kind, case.task) == (kind, task):
                pairs += [[str(case.file), str(others[row][0].file)] for row in np.flatnonzero(alike(mark, stored))]
    return pairs


def copies_in_other_groups(cases: Sequence[Case], marks: Sequence[Mark | None]) -> dict[int, int]:
    """Returns which cases look or sound like a case of another group: the number of the other one, by the case's own.

    Of two copies, the one that is trained on is kept, so that a graph that was trained on both is tested on neither;
    where they are in the same split, the first. marks: the cases' fingerprints.
    """
    order = sorted(range(len(cases)), key=lambda number: (SPLITS.index(cases[number].split), number))
    rank = {number: place for place, number in enumerate(order)}
    copies: dict[int, int] = {}
    neighbours = _neighbours(marks)
    for number in order:
        for other in sorted(neighbours.get(number, ()), key=rank.__getitem__):
            is_kept = rank[other] < rank[number] and other not in copies
            if is_kept and cases[other].group != cases[number].group:
                copies[number] = other
                break
    return copies


def _neighbours(marks: Sequence[Mark | None]) -> dict[int, set[int]]:
    """The files that each file looks or sounds like, in either direction, since a crop is found only in one."""
    neighbours: dict[int, set[int]] = defaultdict(set)
    for kind in ("picture", "sound"):
        marked = [(number, mark) for number, mark in enumerate(marks) if mark and mark.kind == kind]
        if not marked:
            continue
        stored = np.stack([mark.stored for _, mark in marked])
        for number, mark in progress(marked, desc=f"copies of {kind}s", unit="file"):
            for row in np.flatnonzero(alike(mark, stored)):
                other = marked[row][0]
                neighbours[number].add(other)
                neighbours[other].add(number)
    return neighbours
