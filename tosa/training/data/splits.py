"""Splits that a group's name alone does not decide: lists of files, and labels with few groups."""

import os
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from dataclasses import replace
from functools import cache
from pathlib import Path

from tosa.errors import UsageError
from tosa.training.data.dataset import SPLITS, Case, Percentages, in_split, labels_by_task, place
from tosa.training.data.kinds import sound_name_of

LEFT_TO_TRAIN = 2  # groups of a label that are not moved away from training


def by_lists(cases: Sequence[Case], lists: Mapping[str, Path], percentages: Percentages) -> list[Case]:
    """Returns the cases with the splits that text files give them.

    lists: by split, a file that names a case's file a line, as its path ends or in full; or the sound that it is a
    picture of. A case that no list names goes with its group if a list names that, else where a table says, else into
    the splits without a list: by percentage, or into training, or if that has a list by the percentages of the other
    two. With three lists it is left out. Raises UsageError on lines that name no case, and on cases in two lists.
    """
    named = _named(cases, lists)
    groups = {case.group: named[case.file] for case in cases if case.file in named}
    placed = []
    for case in cases:
        split = named.get(case.file) or groups.get(case.group)
        if not split:
            split = case.split if case.split_given else _unlisted(case.group, lists.keys(), percentages)
        if split:
            placed.append(replace(case, split=split))
    if len(placed) < len(cases):
        print(f"{len(cases) - len(placed)} files are in none of the lists, and left out.")
    return placed


def _unlisted(group: str, listed: Set[str], percentages: Percentages) -> str | None:
    """The split without a list that a group goes into, None where there is none."""
    if listed == {"training"}:
        return percentages.held_out(group)
    split = percentages.split_of(group)
    return next((other for other in (split, *SPLITS) if other not in listed), None)


def _named(cases: Sequence[Case], lists: Mapping[str, Path]) -> dict[Path, str]:
    """The split of every file that a list names."""
    find = _finder(cases)
    named: dict[Path, str] = {}
    for split, list_file in lists.items():
        for line in _lines(split, list_file):
            files = find(line)
            if len(files) != 1:
                many = "no picture or sound" if not files else f"{len(files)} files; give more of the path"
                raise UsageError(f"--{split}_list '{list_file}': '{line}' names {many}.")
            if named.setdefault(next(iter(files)), split) != split:
                raise UsageError(f"--{split}_list '{list_file}': '{line}' is in two lists.")
    return named


def _lines(split: str, list_file: Path) -> list[str]:
    try:
        lines = list_file.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"Cannot read --{split}_list '{list_file}' as UTF-8 text: {error}.") from error
    return [line.strip() for line in lines if line.strip()]


def _finder(cases: Sequence[Case]) -> Callable[[str], set[Path]]:
    """A function from a line of a list to the files that it names."""
    own_names = [(case.file, case.file) for case in cases]
    sound_names = [
        (case.file, sound) for case in cases for sound in {case.drawn_from, sound_name_of(case.file)} - {None} if sound
    ]
    by_end = _by_name((file, end) for file, name in own_names for end in _ends(name))
    by_sound = _by_name((file, end) for file, name in sound_names for end in _ends(name))

    @cache  # asked for where the others find nothing, since it looks at every file
    def by_place() -> dict[str, set[Path]]:
        return _by_name((file, os.path.realpath(name)) for file, name in own_names + sound_names)

    def find(line: str) -> set[Path]:
        name = Path(line).as_posix()
        return by_end.get(name) or by_sound.get(name) or by_place().get(os.path.realpath(line), set())

    return find


def _ends(path: Path) -> list[str]:
    """The ends of a path: x.png, a/x.png and so on up to the whole path."""
    return [path.as_posix(), *("/".join(path.parts[start:]) for start in range(1, len(path.parts)))]


def _by_name(named: Iterable[tuple[Path, str]]) -> dict[str, set[Path]]:
    files: dict[str, set[Path]] = {}
    for file, name in named:
        files.setdefault(name, set()).add(file)
    return files


def with_rare_labels(cases: Sequence[Case], percentages: Percentages) -> list[Case]:
    """Returns the cases with a group moved from training to each split that would have none of a label.

    It is the training group of that label whose place is next after the split's, so that the same groups give the
    same splits everywhere, and it is moved in all tasks, since they may share a trunk. Cases are returned as they are
    if a table gave one of them its split. LEFT_TO_TRAIN groups of every label stay.
    """
    if any(case.split_given for case in cases):
        return list(cases)
    cases = list(cases)
    wanted = [split for split in ("testing", "validation") if getattr(percentages, split)]
    for task, labels in labels_by_task(cases).items():
        for label in labels:
            for split in wanted:
                cases = _with_one(cases, task, label, split)
    return cases


def _with_one(cases: list[Case], task: str, label: str, split: str) -> list[Case]:
    if any((case.task, case.label, case.split) == (task, label, split) for case in cases):
        return cases
    training: dict[tuple[str, str], set[str]] = {}  # groups by task and label
    for case in in_split(cases, "training"):
        training.setdefault((case.task, case.label), set()).add(case.group)
    few = [groups for groups in training.values() if len(groups) <= LEFT_TO_TRAIN]
    free = training.get((task, label), set()).difference(*few)
    if not free:
        return cases
    moved = min(free, key=lambda group: (place(group), group))
    print(f"No '{label}' was in {split}: its group '{moved}' is moved there from training.")
    return [replace(case, split=split) if case.group == moved else case for case in cases]


def warnings(cases: Sequence[Case]) -> list[str]:
    """Returns what is doubtful about the number of cases and their splits, a sentence each."""
    sentences = []
    for task, labels in labels_by_task(cases).items():
        counts = Counter((case.label, case.split) for case in cases if case.task == task)
        for label in labels:
            total = sum(counts[label, split] for split in SPLITS)
            if total < 20:
                sentences.append(f"Folder has less than 20 images, which may cause issues: '{label}' has {total}.")
            sentences += [
                f"No '{label}' is in {split}, so how well it is recognised cannot be measured there."
                for split in ("validation", "testing")
                if not counts[label, split] and any(counts[other, split] for other in labels)
            ]
    if crossing := crossing_groups(cases):
        sentences.append(f"{len(crossing)} groups are in more than one split, such as '{crossing[0]}'.")
    return sentences


def crossing_groups(cases: Sequence[Case]) -> list[str]:
    """Returns the groups that are in more than one split, in one task or in several; only given splits lead to it."""
    splits: dict[str, set[str]] = {}
    for case in cases:
        splits.setdefault(case.group, set()).add(case.split)
    return sorted(group for group, own_splits in splits.items() if len(own_splits) > 1)
