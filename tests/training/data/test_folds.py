"""Folds for cross-validation."""

from collections import Counter
from pathlib import Path

import pytest

from tosa.errors import UsageError
from tosa.training.data.dataset import Case
from tosa.training.data.folds import check_folds, fold_cases


def cases(groups: int, files: int = 3, rare: int = 5) -> list[Case]:
    """`files` files of each group; one of `rare` groups is ill."""
    return [
        Case(Path(f"{group}-{number}.png"), "t", "healthy" if group % rare else "ill", f"g{group}", "training")
        for group in range(groups)
        for number in range(files)
    ]


def test_each_group_is_tested_once_and_labels_are_spread():
    given = cases(25)
    folds = fold_cases(given, 5, 10)
    tested = Counter(case.group for fold in folds for case in fold if case.split == "testing")
    assert tested == {f"g{group}": 3 for group in range(25)}
    for fold in folds:
        assert sorted(case.file for case in fold) == sorted(case.file for case in given)
        splits = {}
        for case in fold:
            splits.setdefault(case.group, set()).add(case.split)
        assert all(len(of_group) == 1 for of_group in splits.values())
        counts = Counter((case.label, case.split) for case in fold)
        assert counts["ill", "testing"] == 3 and counts["healthy", "testing"] == 12
        assert 3 <= counts["healthy", "validation"] + counts["ill", "validation"] <= 15
        assert counts["ill", "training"] and counts["healthy", "training"]


def test_folds_depend_on_the_cases_alone():
    given = cases(12)
    assert fold_cases(given, 3, 10) == fold_cases(given[::-1], 3, 10)


def test_no_validation_without_its_percentage():
    assert {case.split for fold in fold_cases(cases(12), 3, 0) for case in fold} == {"training", "testing"}


@pytest.mark.parametrize(
    "given, words",
    [
        (cases(4, rare=2), "needs at least 5 groups, and the cases have 4. Give --folds=4"),
        (cases(1), "all cases are of one"),
        (cases(9, rare=9), "all cases of 'ill' are of one group, 'g0'"),
    ],
)
def test_too_few_groups_are_told_with_their_numbers(given, words):
    with pytest.raises(UsageError, match=words):
        check_folds(given, 5)


def test_labels_with_fewer_groups_than_folds_are_told(capsys):
    check_folds(cases(15), 5)
    assert "'ill' has 3 groups, so 2 folds or more lack it" in capsys.readouterr().out
