"""Accuracy by kind of person, picture or sound, as far as the table of cases knows them."""

from typing import Any

import numpy as np

from tosa.training.data.dataset import Case
from tosa.training.metrics import Answers, rate

AGES = ((0, 17), (18, 39), (40, 59), (60, 120))  # years
MIN_CASES = 10  # of a subgroup, to be shown
COLUMNS = ("sex", "view", "kind")  # of the table, beside age


def subgroup_accuracy(cases: list[Case], answers: Answers) -> dict[str, dict[str, Any]]:
    """Returns the accuracy of each subgroup with MIN_CASES cases. answers: to these cases, in their order."""
    groups = np.array(answers.groups)
    rows_of: dict[str, list[int]] = {}
    for row, case in enumerate(cases):
        for name in subgroups_of(case):
            rows_of.setdefault(name, []).append(row)
    return {
        name: rate(answers.right[rows], groups[rows].tolist())
        for name, rows in sorted(rows_of.items())
        if len(rows) >= MIN_CASES
    }


def subgroups_of(case: Case) -> list[str]:
    """Returns the names of the subgroups that a case belongs to."""
    names = [f"source {case.source}"] if case.source else []
    names += [f"{column} {case.extra[column].replace('_', ' ')}" for column in COLUMNS if case.extra.get(column)]
    if age := case.extra.get("age"):
        names += [f"age {low} to {high}" for low, high in AGES if low <= float(age) < high + 1]
    return names
