"""Two graphs on the same cases: whether one is better, or the difference may be chance."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.stats import binomtest

from tosa.errors import UsageError
from tosa.training.data.dataset import Case
from tosa.training.metrics import Answers, area, auc, drawn_aucs, group_draws, interval_of, negative_of, rate

SHOWN_CASES = 20  # that the page lists; report.json has all


def compare_answers(
    one: Answers, other: Answers, cases: Sequence[Case], file: str, negative: str | None = None
) -> dict[str, Any]:
    """Returns accuracy and AUC of two graphs on the same cases, and their differences, for JSON.

    file: that of the other graph. The interval of a difference is of a paired bootstrap: in each draw of groups both
    graphs answer the same cases.
    McNemar's exact test takes the cases that one graph alone answered rightly (Psychometrika 1947): its p is the
    chance that such a split, or a more uneven one, comes about if neither is better. It takes cases as independent,
    so `cases_per_group` says how far they are. AUC is of any other label against the one that stands for health,
    `negative` or a usual name; it is None without one.
    """
    healthy = negative_of(one.labels, negative)
    score = None if healthy is None else [1 - each.scores[:, healthy] for each in (one, other)]
    ill = one.targets != healthy
    result: dict[str, Any] = {
        "other": file,
        "cases": len(cases),
        "cases_per_group": len(cases) / max(len(set(one.groups)), 1),
        "accuracy": {
            "this": rate(one.right, one.groups),
            "other": rate(other.right, other.groups),
            "difference": _accuracy_difference(one, other),
        },
        "auc": None,
        "mcnemar": mcnemar(one.right, other.right),
        "differing": _differing(one, other, cases),
    }
    if score is not None and (area_of_one := area(ill, score[0], one.groups)):
        difference = _auc_difference(ill, score[0], score[1], one.groups)
        result["auc"] = {"this": area_of_one, "other": area(ill, score[1], one.groups), "difference": difference}
    return result


def check_same_labels(
    this: dict[str, tuple[str, ...]], other: dict[str, tuple[str, ...]], tasks: Sequence[str]
) -> None:
    """Raises UsageError where two graphs, given as labels by task, do not have the same labels for one of the tasks."""
    for task in tasks:
        if task not in other:
            raise UsageError(f"--compare: the other graph has no task '{task}'; it has {', '.join(other)}.")
        if set(this[task]) != set(other[task]):
            raise UsageError(
                f"--compare: the graphs have different labels for task {task}: {', '.join(sorted(this[task]))} in one, "
                f"{', '.join(sorted(other[task]))} in the other."
            )


def mcnemar(one: np.ndarray, other: np.ndarray) -> dict[str, Any]:
    """Returns McNemar's exact test of which answers are right, bool (n,) each: the two counts and the two-sided p."""
    only_one, only_other = int((one & ~other).sum()), int((other & ~one).sum())
    count = only_one + only_other
    p = float(binomtest(only_one, count).pvalue) if count else 1.0
    return {"only_this_right": only_one, "only_other_right": only_other, "p": p}


def _accuracy_difference(one: Answers, other: Answers) -> dict[str, Any]:
    """Accuracy of `one` minus that of `other`, with the interval of a paired bootstrap over groups."""
    each = one.right.astype(int) - other.right.astype(int)
    counts = group_draws(one.groups)
    drawn = counts @ each / np.maximum(counts.sum(axis=1), 1)
    return {"value": float(each.mean()), **interval_of(drawn), "by": "paired bootstrap over groups"}


def _auc_difference(ill: np.ndarray, one: np.ndarray, other: np.ndarray, groups: list[str]) -> dict[str, Any]:
    counts = group_draws(groups)
    drawn = drawn_aucs(ill, one, counts) - drawn_aucs(ill, other, counts)  # both leave out the same draws
    return {"value": auc(ill, one) - auc(ill, other), **interval_of(drawn), "by": "paired bootstrap over groups"}


def _differing(one: Answers, other: Answers, cases: Sequence[Case]) -> list[dict[str, Any]]:
    """The cases that the graphs answer differently, those first on which their scores differ most."""
    rows = np.flatnonzero(one.predicted != other.predicted)
    apart = np.abs(one.scores[rows] - other.scores[rows]).max(axis=1)
    return [
        {
            "file": str(cases[row].file),
            "truth": cases[row].label,
            "this": one.labels[one.predicted[row]],
            "this_score": float(one.scores[row].max()),
            "other": other.labels[other.predicted[row]],
            "other_score": float(other.scores[row].max()),
        }
        for row in rows[np.argsort(-apart, kind="stable")]
    ]


def comparison_lines(found: dict[str, Any]) -> list[str]:
    """Returns the comparison of one task as lines of Markdown, which the terminal shows too."""
    names = {"accuracy": ("accuracy", 3), "auc": ("AUC", 4)}  # with decimals: AUCs near 1 differ by little
    lines = [f"Compared with the other graph, '{found['other']}', on the same {found['cases']} cases:", ""]
    lines += [
        "| | this graph | other graph | this - other | 95 % interval of a paired bootstrap over groups |",
        "|---|---|---|---|---|",
    ]
    for key, (name, digits) in names.items():
        if values := found[key]:
            this, that, gap = values["this"]["value"], values["other"]["value"], values["difference"]
            lines.append(
                f"| {name} | {this:.{digits}f} | {that:.{digits}f} | {gap['value']:+.{digits}f} | "
                f"{gap['low']:+.{digits}f} to {gap['high']:+.{digits}f} |"
            )
    test = found["mcnemar"]
    alone = f"by this graph alone: {test['only_this_right']}, by the other alone: {test['only_other_right']}"
    lines += ["", f"Cases answered rightly {alone}. McNemar's exact p = {test['p']:.3g}.", ""]
    differing = found["differing"]
    if differing:
        lines += [f"{len(differing)} cases are answered differently" + _shown(len(differing)) + ":", ""]
        lines += ["| file | label | this graph | other graph |", "|---|---|---|---|"]
        lines += [
            f"| {case['file']} | {case['truth']} | {case['this']} {case['this_score']:.2f} | "
            f"{case['other']} {case['other_score']:.2f} |"
            for case in differing[:SHOWN_CASES]
        ]
    return [*lines, ""]


def _shown(count: int) -> str:
    return f", of which {SHOWN_CASES} are shown" if count > SHOWN_CASES else ""
