"""Labelled files: which label, patient and source each has, and whether it is for training, validation or testing."""

import hashlib
import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from tosa.errors import UsageError
from tosa.model.metadata import Counts, Input, default_input
from tosa.training.data.kinds import PICTURE_ENDINGS, SOUND_ENDINGS, Kind, has_ending, kind_of_file, sound_name_of

SPLITS = ("training", "validation", "testing")


@dataclass(frozen=True)
class Case:
    """One labelled file. Cases of one group (a patient, a source) are always in one split."""

    file: Path
    task: str
    label: str
    group: str
    split: str
    source: str = ""  # the hospital, microphone or data set it comes from, if a table says so
    split_given: bool = False  # whether a table says the split; else it follows from the group's name
    extra: Mapping[str, str] = field(default_factory=dict, compare=False)  # a table's other columns, such as age
    drawn_from: Path | None = None  # the sound in --audio_dir that this picture was drawn of

    @cached_property
    def kind(self) -> Kind:
        """What the file is, by its content."""
        return kind_of_file(self.file, default_input(self.task) == "sound" or self.drawn_from is not None)

    @property
    def is_sound(self) -> bool:
        """Whether the file is a sound, not a picture of one."""
        return self.kind is Kind.SOUND

    @property
    def sound(self) -> Path | None:
        """The sound that this picture was drawn of, as far as --audio_dir or the picture's name tell it."""
        return self.drawn_from or sound_name_of(self.file)


@dataclass(frozen=True)
class Percentages:
    """How much of the groups goes to validation and testing, in percent."""

    validation: int = 10
    testing: int = 10

    def __post_init__(self) -> None:
        if self.validation < 0 or self.testing < 0 or self.validation + self.testing >= 100:
            raise UsageError(
                f"--validation_percentage={self.validation} and --testing_percentage={self.testing} must be 0 or more, "
                "and together less than 100."
            )

    def split_of(self, group: str) -> str:
        """Returns the split of a group, by its name alone: the same on every machine and wherever the files lie."""
        percent = place(group)
        if percent < self.validation:
            return "validation"
        return "testing" if percent < self.validation + self.testing else "training"

    def held_out(self, group: str) -> str | None:
        """Returns validation or testing for a group that must not be trained on; None if both percentages are 0.

        Groups whose name says training are divided between the two in the ratio of the percentages.
        """
        if (split := self.split_of(group)) != "training":
            return split
        if not (held := self.validation + self.testing):
            return None
        rest = (place(group) - held) / (100 - held)
        return "validation" if rest < self.validation / held else "testing"


def place(group: str) -> float:
    """Returns where a group stands in [0, 100), by its name alone."""
    return int(hashlib.sha1(group.encode(), usedforsecurity=False).hexdigest(), 16) % 10_000 / 100


class SkippedFiles:
    """Files that cannot be read. The first one ends the training; with `skip` they are left out and listed."""

    def __init__(self, skip: bool = False) -> None:
        self.skip = skip
        self.sentences: list[str] = []  # what was wrong, for the report

    def add(self, error: UsageError) -> None:
        """Lists a file, once. Raises the error unless `skip` is set."""
        if not self.skip:
            raise error
        if str(error) not in self.sentences:  # several stages may read the same file
            self.sentences.append(str(error))
            print(f"Skipped: {error}")


def group_of(file: Path, group_regex: str | None) -> str:
    """Returns what group_regex finds in a file's name, in the first of its brackets that matched if it has any.

    Without group_regex it is the name without its endings up to `_nohash_`, as in the classic. Raises UsageError on a
    wrong regular expression and where it finds nothing.
    """
    if group_regex is None:
        while has_ending(file, PICTURE_ENDINGS | SOUND_ENDINGS):  # cough.wav.png has the group of cough.wav
            file = file.with_suffix("")
        return re.sub(r"_nohash_.*$", "", file.name)
    try:
        found = re.search(group_regex, file.name)
    except re.error as error:
        raise UsageError(f"--group_regex {group_regex!r} is not a regular expression: {error}.") from error
    if not found:
        raise UsageError(f"--group_regex {group_regex!r} does not match the file name '{file.name}'.")
    brackets = [text for text in found.groups() if text is not None] if found.re.groups else [found[0]]
    if not any(brackets[:1]):
        raise UsageError(f"--group_regex {group_regex!r} finds an empty group in '{file.name}'.")
    return brackets[0]


def labels_by_task(cases: Sequence[Case]) -> dict[str, list[str]]:
    """Returns the tasks in order of appearance, each with its labels sorted."""
    labels: dict[str, set[str]] = {}
    for case in cases:
        labels.setdefault(case.task, set()).add(case.label)
    return {task: sorted(names) for task, names in labels.items()}


def only_task(tasks: Collection[str]) -> str | None:
    """Returns the one task of a graph that has one, which is that of cases without a task; None of several."""
    return next(iter(tasks)) if len(tasks) == 1 else None


def of_task(cases: Sequence[Case], task: str) -> list[Case]:
    """Returns the cases of a task."""
    return [case for case in cases if case.task == task]


def in_split(cases: Sequence[Case], split: str) -> list[Case]:
    """Returns the cases of a split."""
    return [case for case in cases if case.split == split]


def input_of_task(cases: Sequence[Case], task: str) -> Input:
    """Returns what a task takes when it is served: sounds if one of its cases is a sound or a sound's spectrogram."""
    return "picture" if all(case.kind is Kind.XRAY for case in of_task(cases, task)) else "sound"


def thinned(cases: Sequence[Case], most: int) -> list[Case]:
    """Returns the cases without the training cases of a task beyond the first `most` by the hash of their names."""
    training: dict[str, list[Case]] = {}
    for case in in_order(in_split(cases, "training")):
        training.setdefault(case.task, []).append(case)
    chosen = {id(case) for own_cases in training.values() for case in own_cases[:most]}
    return [case for case in cases if case.split != "training" or id(case) in chosen]


def in_order(cases: Sequence[Case]) -> list[Case]:
    """Returns the cases in the order of their names' hashes, so that the first ones are of all kinds."""
    return sorted(cases, key=lambda case: place(case.file.name))


def counts_of_task(cases: Sequence[Case], task: str) -> dict[str, Counts]:
    """Returns how many cases and groups of each label of a task are in each split, without the empty ones."""
    counts: dict[str, dict[str, dict[str, int]]] = {}
    for split in SPLITS:
        for case in in_split(of_task(cases, task), split):
            counts.setdefault(split, {}).setdefault(case.label, {"cases": 0, "groups": 0})["cases"] += 1
    for split, label, _ in {(case.split, case.label, case.group) for case in of_task(cases, task)}:
        counts[split][label]["groups"] += 1
    return {split: dict(labels) for split, labels in counts.items()}


def table_of_counts(cases: Sequence[Case]) -> str:
    """Returns a table of how many files and groups of each label are in each split."""
    lines = [f"{'task: label':40}" + "".join(f"{split:>20}" for split in SPLITS) + "   files (groups)"]
    files = Counter((case.task, case.label, case.split) for case in cases)
    groups = Counter(key[:3] for key in {(case.task, case.label, case.split, case.group) for case in cases})
    for task, labels in labels_by_task(cases).items():
        for label in labels:
            keys = [(task, label, split) for split in SPLITS]
            lines.append(f"{task + ': ' + label:40}" + "".join(f"{files[k]:>12} ({groups[k]:>5})" for k in keys))
    return "\n".join(lines)
