"""Who is in training, validation and testing, where a group's name alone does not say it: lists, and rare labels."""

import os
from collections import Counter
from collections.abc import Iterable, Set
from dataclasses import replace
from functools import cache
from pathlib import Path

from tosa.errors import UsageError
from tosa.training.data.dataset import SPLITS, Case, Percentages, drawn_of, in_split, labels_by_task, place

LEFT_TO_TRAIN = 2  # groups of a label that are not moved away from training


def by_lists(
    cases: list[Case], lists: dict[str, Path | None], percentages: Percentages, sounds: dict[Path, Path] | None = None
) -> list[Case]:
    """The cases with the splits that text files give them.

    lists: by split, a file that names a case's file a line, as its path ends or in full; or the sound that it is a
    picture of, by `sounds` or by its name without .png. What no list names goes with its group where that is named,
    else where a table says, else into the splits without a list: by percentage, or into training, or where that has
    a list by the percentages of the others. With three lists it is left out. Raises UsageError on lines that name no
    case, and on cases of two lists.
    """
    given = {split: file for split, file in lists.items() if file}
    named = _named(cases, given, sounds or {})
    groups = {case.group: named[case.file] for case in cases if case.file in named}
    placed = []
    for case in cases:
        split = named.get(case.file) or groups.get(case.group)
        if not split:
            split = case.split if case.split_given else _unlisted(case.group, given.keys(), percentages)
        if split:
            placed.append(replace(case, split=split))
    if len(placed) < len(cases):
        print(f"{len(cases) - len(placed)} files are in none of the lists, and left out.")
    return placed


def _unlisted(group: str, given: Set[str], percentages: Percentages) -> str | None:
    """The split without a list that a group goes into, None where there is none."""
    if given == {"training"}:
        return percentages.held_out(group)
    split = percentages.split_of(group)
    return next((other for other in (split, *SPLITS) if other not in given), None)


def _named(cases: list[Case], lists: dict[str, Path], sounds: dict[Path, Path]) -> dict[Path, str]:
    """The split of every file that a list names."""
    own = [(case.file, case.file) for case in cases]
    heard = [(file, sound) for file, _ in own for sound in {sounds.get(file), drawn_of(file)} - {None}]
    by_end = _by_name((file, end) for file, name in own for end in _ends(name))
    by_sound = _by_name((file, end) for file, name in heard for end in _ends(name))

    @cache  # asked for where the others know nothing, since it looks at every file
    def by_place():
        return _by_name((file, os.path.realpath(name)) for file, name in own + heard)

    named: dict[Path, str] = {}
    for split, list_file in lists.items():
        try:
            lines = list_file.read_text(encoding="utf-8-sig").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise UsageError(f"Cannot read --{split}_list '{list_file}' as UTF-8 text: {error}.") from error
        for line in filter(None, map(str.strip, lines)):
            name = Path(line).as_posix()
            found = by_end.get(name) or by_sound.get(name) or by_place().get(os.path.realpath(line), set())
            if len(found) != 1:
                many = "no picture or sound" if not found else f"{len(found)} files; give more of the path"
                raise UsageError(f"--{split}_list '{list_file}': '{line}' names {many}.")
            if named.setdefault(*found, split) != split:
                raise UsageError(f"--{split}_list '{list_file}': '{line}' is in two lists.")
    return named


def _ends(path: Path) -> list[str]:
    """x.png, a/x.png and so on up to the whole path."""
    return [path.as_posix(), *("/".join(path.parts[start:]) for start in range(1, len(path.parts)))]


def _by_name(named: Iterable[tuple[Path, str]]) -> dict[str, set[Path]]:
    found: dict[str, set[Path]] = {}
    for file, name in named:
        found.setdefault(name, set()).add(file)
    return found


def with_rare_labels(cases: list[Case], percentages: Percentages) -> list[Case]:
    """The cases, with a group moved from training to each split that would have none of a label.

    It is the training group of that label whose place is next after the split's, so that the same groups give the
    same splits everywhere, and it is moved in all tasks: they may share a trunk. Splits that were given are left as
    they are, and LEFT_TO_TRAIN groups stay of every label.
    """
    if any(case.split_given for case in cases):
        return cases
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


def warnings(cases: list[Case]) -> list[str]:
    """What is doubtful in how many cases there are and how they are split, a sentence each."""
    found = []
    for task, labels in labels_by_task(cases).items():
        counts = Counter((case.label, case.split) for case in cases if case.task == task)
        for label in labels:
            total = sum(counts[label, split] for split in SPLITS)
            if total < 20:
                found.append(f"Folder has less than 20 images, which may cause issues: '{label}' has {total}.")
            for split in ("validation", "testing"):
                if not counts[label, split] and any(counts[other, split] for other in labels):
                    found.append(f"No '{label}' is in {split}, so nothing is known there of how well it is told.")
    if crossing := crossing_groups(cases):
        found.append(f"{len(crossing)} groups are in more than one split, such as '{crossing[0]}'.")
    return found


def crossing_groups(cases: list[Case]) -> list[str]:
    """Groups that are in more than one split, of one task or of several, which only explicit splits can bring about."""
    splits: dict[str, set[str]] = {}
    for case in cases:
        splits.setdefault(case.group, set()).add(case.split)
    return sorted(group for group, found in splits.items() if len(found) > 1)
