"""Whether cases were in the training of the trunk, and other reasons why the results of a test may be too good.

A graph carries a fingerprint of each file that its trunk was fine-tuned on: of the training split, from which the
weights were learnt, and of the validation split, by which temperatures and thresholds were chosen. Its constants are
tosa/fingerprints/SPLIT/KIND, uint64 (n, 4), sorted, with 32 bytes for each file.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np

from tosa.errors import UsageError
from tosa.model.graph import Graph, GraphError
from tosa.training.data.dataset import SPLITS, Case, in_split, labels_by_task, of_task
from tosa.training.data.duplicates import looking_alike
from tosa.training.data.fingerprints import WORDS, Mark, alike, marks_of, stored_fingerprints, unique

SCOPE = "tosa/fingerprints"
SEEN = ("training", "validation")  # splits whose files a graph remembers
KINDS = ("picture", "sound")
PLACES = {f"{SCOPE}/{split}/{kind}s": (split, kind) for split in SEEN for kind in KINDS}  # by the constant's name
UNKNOWN = "unknown: the graph has no fingerprints of its training"
FEWEST_CASES = 10  # of a task, from which it is doubtful that no group repeats


@dataclass(frozen=True, eq=False)
class SeenFiles:
    """Fingerprints of the files that a trunk was fine-tuned on."""

    fingerprints: dict[tuple[str, str], np.ndarray] = field(default_factory=dict)  # (n, 4) by split and kind

    @classmethod
    def of_graph(cls, graph: Graph) -> Self:
        """Returns those that a graph carries, none of an older graph. Raises GraphError if they are damaged."""
        found = {}
        for name, place in PLACES.items():
            if (stored := graph.constant(name)) is not None:
                if stored.dtype != np.uint64 or stored.shape[1:] != (WORDS,):
                    raise GraphError(f"holds damaged fingerprints in {name}")
                found[place] = stored
        return cls(found)

    @classmethod
    def of_constants(cls, constants: Mapping[str, np.ndarray]) -> Self:
        """Returns those among constants by their name, as `constants` gives them."""
        return cls({PLACES[name]: rows for name, rows in constants.items() if name in PLACES})

    def with_cases(self, cases: Sequence[Case], marks: Sequence[Mark | None]) -> Self:
        """Returns these and those of the training and validation cases, of which `marks` has the fingerprints."""
        own = {}
        for split, kind in PLACES.values():
            in_it = [mark for case, mark in zip(cases, marks, strict=True) if case.split == split]
            own[split, kind] = stored_fingerprints(in_it, kind)
        return self.merged(type(self)(own))

    def merged(self, other: Self) -> Self:
        """Returns these and the others."""
        both = {
            place: unique([*self.fingerprints.get(place, []), *other.fingerprints.get(place, [])])
            for place in PLACES.values()
        }
        return type(self)({place: rows for place, rows in both.items() if len(rows)})

    def constants(self) -> dict[str, np.ndarray]:
        """Returns what a graph carries of them, by the name of the constant."""
        return {name: self.fingerprints[place] for name, place in PLACES.items() if place in self.fingerprints}

    def split_of(self, mark: Mark) -> str | None:
        """Returns in which split of the trunk's training a file was, None if in neither."""
        for split in SEEN:
            stored = self.fingerprints.get((split, mark.kind))
            if stored is not None and alike(mark, stored).any():
                return split
        return None


@dataclass(frozen=True, eq=False)
class Inspection:
    """What was found out about the cases before anything was trained or tested."""

    marks: list[Mark | None]  # of each case
    findings: dict[str, Any]  # for the report

    @property
    def sentences(self) -> list[str]:
        """What makes the figures doubtful, a sentence each."""
        return self.findings["doubts"]


def inspect_cases(
    cases: Sequence[Case], seen: SeenFiles, tested: str | None, allowed: bool = False, whose: str = "this trunk"
) -> Inspection:
    """Returns what is doubtful about the cases, and prints it.

    seen: what the trunk was fine-tuned on; tested: the split on which figures are wanted as on files that no training
    saw, 'all', or None; whose: what the messages call the trunk. Raises UsageError if one of those was in the training
    of the trunk, unless `allowed`.
    """
    marks = marks_of(cases)
    splits = [seen.split_of(mark) if mark else None for mark in marks] if seen.fingerprints else [None] * len(cases)
    contaminated = [case for case, split in zip(cases, splits, strict=True) if split]
    pairs = looking_alike(cases, marks)
    findings: dict[str, Any] = {
        "doubts": [
            *_seen_sentences(cases, contaminated, splits, whose),
            *_pair_sentences(pairs),
            *_group_sentences(cases),
        ],
        **_trunk_findings(cases, contaminated, bool(seen.fingerprints)),
        "looking_alike_across_splits": pairs,
    }
    if ungrouped := _ungrouped(cases):
        findings["tasks_in_which_no_group_repeats"] = ungrouped
    for sentence in findings["doubts"]:
        print(f"WARNING: {sentence}")
    if not allowed:
        _refuse(contaminated, cases, tested, whose)
    return Inspection(marks, findings)


def _trunk_findings(cases: Sequence[Case], contaminated: Sequence[Case], is_known: bool) -> dict[str, Any]:
    """Which cases were in the training of the trunk, for the report; is_known: whether the trunk has fingerprints."""
    if not is_known:
        return {"in_the_training_of_the_trunk": UNKNOWN}
    return {
        "in_the_training_of_the_trunk": {
            split: f"{len(in_split(contaminated, split))} of {len(in_split(cases, split))}" for split in SPLITS
        },
        "testing_files_in_the_training_of_the_trunk": len(in_split(contaminated, "testing")),
        "files_in_the_training_of_the_trunk": [str(case.file) for case in contaminated],
    }


def _seen_sentences(
    cases: Sequence[Case], contaminated: Sequence[Case], splits: Sequence[str | None], whose: str
) -> list[str]:
    """The warning, if testing files were in the training; for other files a line is only printed."""
    if not contaminated:
        return []
    validated = splits.count("validation")
    testing = f"{len(in_split(contaminated, 'testing'))} of {len(in_split(cases, 'testing'))} testing files"
    note = f" ({validated} of them in its validation split)" if validated else ""
    sentence = f"{len(contaminated)} of your {len(cases)} files, {testing}, were in the training of {whose}{note}"
    if not in_split(contaminated, "testing"):  # as when a graph is trained further on the same table
        print(f"{sentence}.")
        return []
    return [f"{sentence}: the results below are too good."]


def _pair_sentences(pairs: Sequence[Sequence[str]] | None) -> list[str]:
    if not pairs:
        return []
    found = f"{len({pair[0] for pair in pairs})} testing files look or sound like files of other splits"
    example = f"such as '{pairs[0][0]}' and '{pairs[0][1]}'"
    return [f"{found}, {example}. If they are copies, the results below are too good: give both the same group."]


def _group_sentences(cases: Sequence[Case]) -> list[str]:
    return [
        f"No group repeats: each of the {files} files of task {task} has its own. Are these really all different "
        "people? If not, name the people with --group_regex or the column group, since files of one person in several "
        "splits make the results too good."
        for task, files in _ungrouped(cases).items()
    ]


def _ungrouped(cases: Sequence[Case]) -> dict[str, int]:
    """The number of files of each task in which every file is a group of its own, though there are enough to doubt."""
    files = {}
    for task in labels_by_task(cases):
        own = of_task(cases, task)
        if len({case.group for case in own}) == len(own) >= FEWEST_CASES:
            files[task] = len(own)
    return files


def _refuse(contaminated: Sequence[Case], cases: Sequence[Case], tested: str | None, whose: str) -> None:
    """Raises UsageError if a case that is tested was in the training of the trunk."""
    hits = contaminated if tested == "all" else in_split(contaminated, tested or "")
    if hits:
        count = len(cases if tested == "all" else in_split(cases, tested or ""))
        raise UsageError(
            f"{len(hits)} of the {count} files to test on were in the training of {whose}, such as "
            f"'{hits[0].file}', so the results would look better than they are. Test on other files, or give "
            "--allow_contaminated to get the results with this warning."
        )
