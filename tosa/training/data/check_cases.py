"""Checks of cases before anything is learnt from them."""

import re
from collections.abc import Sequence

from tosa.errors import UsageError
from tosa.training.data.dataset import Case, in_split, labels_by_task


def check_labels(cases: Sequence[Case], place: str, fewest: int = 2) -> None:
    """Raises UsageError where a task has fewer labels than `fewest`, or a name that a label file cannot hold.

    place: where the cases come from, for the message.
    """
    for task, labels in labels_by_task(cases).items():
        if not re.fullmatch(r"[\w .-]+", task):
            raise UsageError(f"'{task}' cannot name a task: use letters, digits, space, dot, dash and underscore.")
        if bad := [label for label in labels if not label.strip() or ": " in f"{label} " or not label.isprintable()]:
            raise UsageError(
                f"{bad[0]!r} cannot be a label: it must be one line, not blank, no colon at its end or before a space."
            )
        if len(labels) < fewest:
            raise UsageError(
                f"Only one valid label, '{labels[0]}', found for task {task} at '{place}': two or more are needed."
            )


def check_training_cases(cases: Sequence[Case]) -> None:
    """Raises UsageError where a label has no training case."""
    trained = labels_by_task(in_split(cases, "training"))
    for task, labels in labels_by_task(cases).items():
        if missing := sorted(set(labels) - set(trained.get(task, []))):
            raise UsageError(
                f"No case of {task}: '{missing[0]}' is left for training; lower the percentages or add cases."
            )


def same_labels(cases: Sequence[Case]) -> list[str]:
    """Returns a sentence about each label of a task that differs from another one only in capitals or blanks."""
    sentences = []
    for task, labels in labels_by_task(cases).items():
        first: dict[str, str] = {}
        for label in labels:
            other = first.setdefault("".join(label.casefold().split()), label)
            if other != label:
                sentences.append(f"Task {task} has both '{other}' and '{label}' as labels. Are they the same?")
    return sentences
