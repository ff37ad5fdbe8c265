"""Labelled files: where they are, whom they are of, and who is in training, validation and testing."""

import csv
import hashlib
import re
import unicodedata
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from ..errors import UsageError

SPLITS = ("training", "validation", "testing")
PICTURES = {".jpg", ".jpeg", ".png", ".dcm"}
SOUNDS = {".wav", ".flac", ".ogg", ".opus", ".mp3", ".webm", ".mp4", ".m4a"}


@dataclass(frozen=True)
class Case:
    """One labelled file. Cases of one group (a patient, a source) are always in one split."""

    file: Path
    task: str
    label: str
    group: str
    split: str

    @property
    def is_sound(self) -> bool:
        return self.file.suffix.lower() in SOUNDS


@dataclass(frozen=True)
class Percentages:
    """How much of the groups goes to validation and testing, in percent."""

    validation: int = 10
    testing: int = 10

    def __post_init__(self):
        if self.validation < 0 or self.testing < 0 or self.validation + self.testing >= 100:
            raise UsageError("--validation_percentage and --testing_percentage must leave something to train on.")

    def split_of(self, group: str) -> str:
        """The split of a group, by its name alone: the same on every machine and wherever the files lie."""
        percent = int(hashlib.sha1(group.encode()).hexdigest(), 16) % 10_000 / 100
        if percent < self.validation:
            return "validation"
        return "testing" if percent < self.validation + self.testing else "training"


def from_folders(folder: Path, task: str, percentages: Percentages, group_regex: str | None = None) -> list[Case]:
    """The cases of a folder with one folder a label, as the classic retrain.py takes them.

    A label is its folder's name in lower case, with spaces for underscores; hidden folders and files are passed over.
    A file's group is what group_regex finds in its name (its first bracket if it has one), else its name up to
    `_nohash_`. Raises UsageError where there are not two labels with files.
    """
    if not folder.is_dir():
        raise UsageError(f"Image directory '{folder}' not found.")
    cases = []
    for label_folder in sorted(path for path in folder.iterdir() if path.is_dir()):
        label = " ".join(unicodedata.normalize("NFC", label_folder.name).lower().replace("_", " ").split())
        for file in sorted(label_folder.rglob("*")):
            hidden = any(part.startswith(".") for part in file.relative_to(folder).parts)
            if not hidden and file.suffix.lower() in PICTURES | SOUNDS:
                group = _group_of(file, group_regex)
                cases.append(Case(file, task, label, group, percentages.split_of(group)))
    _check_labels(cases, str(folder))
    return cases


def _group_of(file: Path, group_regex: str | None) -> str:
    if group_regex is None:
        name = file.name
        while Path(name).suffix.lower() in PICTURES | SOUNDS:  # a spectrogram, cough.wav.png, is of cough's group
            name = Path(name).stem
        return re.sub(r"_nohash_.*$", "", name)
    try:
        found = re.search(group_regex, file.name)
    except re.error as error:
        raise UsageError(f"--group_regex {group_regex!r} is no regular expression: {error}.") from error
    if not found:
        raise UsageError(f"--group_regex {group_regex!r} finds nothing in '{file.name}'.")
    return found[1] if found.re.groups else found[0]


def from_csv(table: Path, task: str, percentages: Percentages) -> list[Case]:
    """The cases of a CSV table with the columns file and label, and optionally task, group and split.

    Files are looked up from the table's folder. Without a group each file is its own; without a split the group's
    name decides. Raises UsageError on missing columns, files or splits that are none.
    """
    try:
        rows = list(csv.DictReader(table.read_text(encoding="utf-8-sig").splitlines()))
    except OSError as error:
        raise UsageError(f"Cannot read --labels_csv '{table}': {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"--labels_csv '{table}' is not UTF-8 text. Save it as such.") from error
    if not rows or not {"file", "label"} <= rows[0].keys():
        raise UsageError(f"--labels_csv '{table}' needs a header with at least the columns file and label.")
    cases = []
    for row in rows:
        group = row.get("group") or Path(row["file"]).stem
        split = row.get("split") or percentages.split_of(group)
        if split not in SPLITS:
            raise UsageError(f"'{table}': split '{split}' of {row['file']} is none of {', '.join(SPLITS)}.")
        file = table.parent / row["file"]
        if not row["label"]:
            raise UsageError(f"'{table}' has no label for '{row['file']}'.")
        if not file.is_file():
            raise UsageError(f"'{table}' names '{row['file']}', which is not there.")
        cases.append(Case(file, row.get("task") or task, row["label"], group, split))
    _check_labels(cases, str(table))
    return cases


def _check_labels(cases: list[Case], where: str) -> None:
    if not cases:
        raise UsageError(f"No valid folders of pictures or sounds found at '{where}': one folder a label is needed.")
    for task, labels in labels_by_task(cases).items():
        if not re.fullmatch(r"[\w .-]+", task):
            raise UsageError(f"'{task}' cannot name a task: letters, digits, space, dot, dash and underscore can.")
        if len(labels) < 2:
            raise UsageError(
                f"Only one valid label, '{labels[0]}', found for task {task} at '{where}': two or more are needed."
            )


def labels_by_task(cases: list[Case]) -> dict[str, list[str]]:
    """The tasks in order of appearance, each with its labels sorted."""
    found: dict[str, set[str]] = {}
    for case in cases:
        found.setdefault(case.task, set()).add(case.label)
    return {task: sorted(labels) for task, labels in found.items()}


def in_split(cases: list[Case], split: str) -> list[Case]:
    return [case for case in cases if case.split == split]


def describe(cases: list[Case]) -> str:
    """A table of how many files and groups of each label are in each split."""
    lines = [f"{'task: label':40}" + "".join(f"{split:>20}" for split in SPLITS) + "   files (groups)"]
    files = Counter((case.task, case.label, case.split) for case in cases)
    groups = Counter(key[:3] for key in {(case.task, case.label, case.split, case.group) for case in cases})
    for task, labels in labels_by_task(cases).items():
        for label in labels:
            keys = [(task, label, split) for split in SPLITS]
            lines.append(f"{task + ': ' + label:40}" + "".join(f"{files[k]:>12} ({groups[k]:>5})" for k in keys))
    return "\n".join(lines)


def crossing_groups(cases: list[Case]) -> list[str]:
    """Groups of one task that are in more than one split, which only an explicit split column can bring about."""
    splits: dict[tuple[str, str], set[str]] = {}
    for case in cases:
        splits.setdefault((case.task, case.group), set()).add(case.split)
    return sorted({group for (_, group), found in splits.items() if len(found) > 1})
