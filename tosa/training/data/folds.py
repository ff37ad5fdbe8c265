"""Folds for cross-validation: the groups divided into parts, each of which is tested on once."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from sklearn.model_selection import StratifiedGroupKFold

from tosa.errors import UsageError
from tosa.training.data.dataset import Case, labels_by_task, place


def check_folds(cases: Sequence[Case], folds: int) -> None:
    """Raises UsageError where the groups are too few for so many folds, with their numbers."""
    total = len({case.group for case in cases})
    if total < folds:
        raise UsageError(
            f"--folds={folds} needs at least {folds} groups, and the cases have {total}. Give --folds={total}."
            if total > 1
            else f"--folds={folds} needs at least {folds} groups, and all cases are of one."
        )
    for task, labels in labels_by_task(cases).items():
        for label in labels:
            groups = {case.group for case in cases if (case.task, case.label) == (task, label)}
            if len(groups) < 2:
                raise UsageError(
                    f"--folds={folds}: all cases of '{label}' are of one group, '{groups.pop()}'. Each label needs two "
                    "or more, since one is tested on and the others are trained on."
                )
            if len(groups) < folds:
                print(f"WARNING: '{label}' has {len(groups)} groups, so {folds - len(groups)} folds or more lack it.")


def fold_cases(cases: Sequence[Case], folds: int, validation_percentage: int) -> list[list[Case]]:
    """Returns, for each fold, all cases with their splits in it.

    Each group is in testing once. The folds have the labels in about the same shares, as far as groups allow
    (scikit-learn's StratifiedGroupKFold). Of the other groups about validation_percentage percent of all are for
    validation. The division depends on the groups' names, labels and numbers alone. Raises UsageError where a label
    would have no case to train on.
    """
    ordered = sorted(cases, key=lambda case: (place(case.group), case.group, str(case.file)))
    result = []
    for number, tested in enumerate(_parts(ordered, folds)):
        rest = [case for row, case in enumerate(ordered) if row not in tested]
        validated = _validated(rest, len(ordered), validation_percentage)
        split = [replace(ordered[row], split="testing", split_given=True) for row in sorted(tested)]
        for row, case in enumerate(rest):
            name = "validation" if row in validated else "training"
            split.append(replace(case, split=name, split_given=True))
        _check_fold(split, number, folds)
        result.append(split)
    return result


def _parts(cases: Sequence[Case], count: int) -> list[set[int]]:
    """The rows of each part; groups stay whole."""
    labels, groups = [case.label for case in cases], [case.group for case in cases]
    division = StratifiedGroupKFold(n_splits=count).split(np.zeros(len(cases)), labels, groups)
    return [set(rows.tolist()) for _, rows in division]


def _validated(rest: Sequence[Case], total: int, percentage: int) -> set[int]:
    """The rows for validation, of the cases that are not tested on."""
    wanted = percentage / 100 * total
    fewest = min(len({case.group for case in rest if case.label == label}) for label in {c.label for c in rest})
    count = min(round(len(rest) / wanted), fewest) if wanted else 0
    return _parts(rest, count)[0] if count > 1 else set()


def _check_fold(cases: Sequence[Case], number: int, folds: int) -> None:
    labels = {case.label for case in cases}
    if missing := sorted(labels - {case.label for case in cases if case.split == "training"}):
        raise UsageError(
            f"--folds={folds}: fold {number + 1} has no case of '{missing[0]}' left to train on. Give fewer folds, or "
            f"add groups of '{missing[0]}'."
        )
