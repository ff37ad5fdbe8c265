"""Labelled files: where they are, whom they are of, and who is in training, validation and testing."""

import csv
import hashlib
import re
import unicodedata
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tosa.errors import UsageError
from tosa.model.metadata import FIRST_TASK

SPLITS = ("training", "validation", "testing")
COLUMNS = ("file", "label", "task", "group", "split", "source")  # of a table; only the first two are needed
PICTURES = {".jpg", ".jpeg", ".png", ".dcm"}
SOUNDS = {".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".webm", ".mka", ".mp4", ".m4a", ".aac"}


@dataclass(frozen=True)
class Case:
    """One labelled file. Cases of one group (a patient, a source) are always in one split."""

    file: Path
    task: str
    label: str
    group: str
    split: str
    source: str = ""  # the hospital, microphone or data set it is from, where a table says so
    split_given: bool = False  # by a table, not by the group's name
    extra: Mapping[str, str] = field(default_factory=dict, compare=False)  # a table's other columns, such as age

    @property
    def is_sound(self) -> bool:
        return self.file.suffix.lower() in SOUNDS

    @property
    def of_sound(self) -> bool:
        """Whether it is a sound or a sound's picture, by its name or task. Those are in colour, X-rays in gray."""
        return self.is_sound or self.task == FIRST_TASK or drawn_of(self.file) is not None

    @property
    def is_drawn(self) -> bool:
        """Whether it is a sound's picture. Mirrored or turned it would be no sound's any more."""
        return self.of_sound and not self.is_sound


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
        percent = place(group)
        if percent < self.validation:
            return "validation"
        return "testing" if percent < self.validation + self.testing else "training"

    def held_out(self, group: str) -> str | None:
        """Validation or testing by a group's name where it cannot be trained on, None where both have no percent.

        Those that would be trained on are parted as the percentages of the two are to each other.
        """
        if (split := self.split_of(group)) != "training":
            return split
        if not (held := self.validation + self.testing):
            return None
        rest = (place(group) - held) / (100 - held)
        return "validation" if rest < self.validation / held else "testing"


def place(group: str) -> float:
    """Where a group stands between 0 and 100, by its name alone."""
    return int(hashlib.sha1(group.encode()).hexdigest(), 16) % 10_000 / 100


class SkippedFiles:
    """Files that cannot be read: the first one ends it all, or where skip is set they are left out and listed."""

    def __init__(self, skip: bool = False):
        self.skip, self.sentences = skip, []

    def add(self, error: UsageError) -> None:
        if not self.skip:
            raise error
        if str(error) not in self.sentences:  # several stages may come upon it
            self.sentences.append(str(error))
            print(f"Skipped: {error}")


def from_folders(
    folder: Path, task: str, percentages: Percentages, group_regex: str | None = None, problems: SkippedFiles | None = None
) -> list[Case]:
    """The cases of a folder with one folder a label, as the classic retrain.py takes them.

    Hidden folders and files are passed over. A file's group is what group_regex finds in its name (the first of its
    brackets that matched, if it has any), else its name up to `_nohash_`. Raises UsageError where a folder is missing
    or empty, and where group_regex finds nothing.
    """
    if not folder.is_dir():
        raise UsageError(f"Image directory '{folder}' not found.")
    folders = sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))
    cases = []
    for label_folder, label in zip(folders, _labels_of([path.name for path in folders])):
        files = [file for file in sorted(label_folder.rglob("*")) if _is_case(file.relative_to(folder))]
        if not files:
            empty = UsageError(f"The label folder '{label_folder}' holds no picture or sound. Fill or remove it.")
            (problems or SkippedFiles()).add(empty)
        for file in files:
            group = _group_of(file, group_regex)
            cases.append(Case(file, task, label, group, percentages.split_of(group)))
    if not cases:
        raise UsageError(f"No valid folders of pictures or sounds found at '{folder}': one folder a label is needed.")
    return cases


def _labels_of(names: list[str]) -> list[str]:
    """Labels of folder names: in lower case with spaces for underscores, as the classic made them.

    The classic tore names with letters beyond ASCII apart ("neumon a"). Where there is such a one, the names of all
    folders keep their capitals too, since they are what will be read.
    """
    shown = [" ".join(unicodedata.normalize("NFC", name).replace("_", " ").split()) for name in names]
    return [label.lower() for label in shown] if all(label.isascii() for label in shown) else shown


def drawn_of(picture: Path) -> Path | None:
    """The sound that a picture is of by its name, cough.wav of cough.wav.png; None where it says none."""
    sound = picture.with_suffix("")
    return sound if picture.suffix.lower() == ".png" and sound.suffix.lower() in SOUNDS else None


def _is_case(file: Path) -> bool:
    return file.suffix.lower() in PICTURES | SOUNDS and not is_hidden(file)


def is_hidden(file: Path) -> bool:
    """Whether the file or a folder on its path is, such as .ipynb_checkpoints or what macOS adds, ._a.wav."""
    return any(part.startswith(".") for part in file.parts)


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
    brackets = [text for text in found.groups() if text is not None] if found.re.groups else [found[0]]
    if not any(brackets[:1]):
        raise UsageError(f"--group_regex {group_regex!r} finds an empty group in '{file.name}'.")
    return brackets[0]


def from_csv(
    table: Path, task: str, percentages: Percentages, group_regex: str | None = None, only: bool = False
) -> list[Case]:
    """The cases of a CSV table with the columns file and label, and optionally task, group, split and source.

    Files are looked up from the table's folder; further columns are in each case's `extra`. Without a group it is that
    of the file's name, as in from_folders; without a split the group's name decides, and rows without a task are of `task`; with `only`, the rows of others are
    passed over. Raises UsageError on missing columns, files or splits that are none, on a file that is twice in a task,
    and where nothing is left.
    """
    cases, lines, tasks = [], {}, {}
    for line, row in _rows(table):
        name, label, own_task, group, split, source = (
            unicodedata.normalize("NFC", row.get(column) or "").strip() for column in COLUMNS
        )
        tasks[own_task or task] = True  # in the order of the rows
        if only and own_task not in ("", task):
            continue
        file = table.parent / (row["file"] or "").strip()
        if not label:
            raise UsageError(f"'{table}' has no label for '{name}'.")
        if not name or not file.is_file():
            raise UsageError(f"'{table}' names '{name}', which is not there.")
        if (first := lines.setdefault((own_task or task, file), line)) != line:
            raise UsageError(f"'{table}' has '{name}' twice in task {own_task or task}: in lines {first} and {line}.")
        group = group or _group_of(Path(name), group_regex)
        if split and split not in SPLITS:
            raise UsageError(f"'{table}': split '{split}' of {name} is none of {', '.join(SPLITS)}.")
        placed = split or percentages.split_of(group)
        extra = {column: (value or "").strip() for column, value in row.items() if column and column not in COLUMNS}
        cases.append(Case(file, own_task or task, label, group, placed, source, bool(split), extra))
    if not cases:
        raise UsageError(f"'{table}' has no task '{task}'; it has {', '.join(tasks)}.")
    return cases


def _rows(table: Path) -> list[tuple[int, dict[str, str]]]:
    """Each row with the number of its line."""
    try:
        lines = table.read_text(encoding="utf-8-sig").splitlines()
    except OSError as error:
        raise UsageError(f"Cannot read --labels_csv '{table}': {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"--labels_csv '{table}' is not UTF-8 text. Save it as such.") from error
    semicolons = bool(lines) and ";" in lines[0] and "," not in lines[0]  # as spreadsheets write it in half of Europe
    reader = csv.DictReader(lines, delimiter=";" if semicolons else ",", skipinitialspace=True)
    reader.fieldnames = [column.strip() for column in reader.fieldnames or []]
    rows = [(reader.line_num, row) for row in reader]
    if not rows or not {"file", "label"} <= rows[0][1].keys():
        raise UsageError(f"--labels_csv '{table}' needs a header with at least the columns file and label.")
    return rows


def check_labels(cases: list[Case], where: str, least: int = 2) -> None:
    """Raises UsageError where a task has fewer labels than `least`, or a name that cannot be one."""
    for task, labels in labels_by_task(cases).items():
        if not re.fullmatch(r"[\w .-]+", task):
            raise UsageError(f"'{task}' cannot name a task: letters, digits, space, dot, dash and underscore can.")
        if bad := [label for label in labels if not label.strip() or ": " in f"{label} " or not label.isprintable()]:
            raise UsageError(
                f"{bad[0]!r} cannot be a label: it must be one line, not blank, no colon at its end or before a space."
            )
        if len(labels) < least:
            raise UsageError(
                f"Only one valid label, '{labels[0]}', found for task {task} at '{where}': two or more are needed."
            )


def labels_by_task(cases: list[Case]) -> dict[str, list[str]]:
    """The tasks in order of appearance, each with its labels sorted."""
    found: dict[str, set[str]] = {}
    for case in cases:
        found.setdefault(case.task, set()).add(case.label)
    return {task: sorted(labels) for task, labels in found.items()}


def thinned(cases: list[Case], most: int) -> list[Case]:
    """Without the training cases of a task beyond the first `most` by the hash of their names."""
    kept: dict[str, list[Case]] = {}
    for case in in_order(in_split(cases, "training")):
        kept.setdefault(case.task, []).append(case)
    left = {id(case) for own in kept.values() for case in own[:most]}
    return [case for case in cases if case.split != "training" or id(case) in left]


def in_order(cases: list[Case]) -> list[Case]:
    """Cases in the order of their names' hashes, so that the first ones are of all kinds."""
    return sorted(cases, key=lambda case: place(case.file.name))


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
