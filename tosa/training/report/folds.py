"""Cross-validation in numbers: each fold's accuracy and AUC, their mean and their spread."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from tosa.training.metrics import Answers, auc, negative_of

FIGURES = {"accuracy": "accuracy", "auc": "AUC"}


def fold_metrics(folds: Sequence[Answers], negative: str | None = None) -> dict[str, Any]:
    """Returns cases, groups, accuracy and AUC of each fold, with mean and standard deviation over the folds, for JSON.

    AUC is of any other label against the one that stands for health; it is None in a fold without both kinds.
    """
    each = [_figures(answers, negative) for answers in folds]
    spread = {}
    for name in FIGURES:
        if values := [fold[name] for fold in each if fold[name] is not None]:
            deviation = float(np.std(values, ddof=1)) if len(values) > 1 else None
            spread[name] = {"mean": float(np.mean(values)), "standard_deviation": deviation, "folds": len(values)}
    return {"each": each, "over_folds": spread}


def _figures(answers: Answers, negative: str | None) -> dict[str, Any]:
    healthy = negative_of(answers.labels, negative)
    ill = answers.targets != healthy
    both = healthy is not None and 0 < ill.sum() < len(ill)
    return {
        "cases": len(answers.targets),
        "groups": len(set(answers.groups)),
        "accuracy": float(answers.right.mean()),
        "auc": auc(ill, 1 - answers.scores[:, healthy]) if both else None,
    }


def fold_lines(found: dict[str, Any]) -> list[str]:
    """Returns the folds as lines of Markdown, which the terminal shows too. found: from fold_metrics."""
    lines = [
        f"Cross-validation over {len(found['each'])} folds of groups. The figures above are of all predictions",
        "together; each was made by a last layer that was trained without the case's group.",
        "",
        "| fold | cases | groups | accuracy | AUC |",
        "|---|---|---|---|---|",
    ]
    for number, fold in enumerate(found["each"], 1):
        lines.append(
            f"| {number} | {fold['cases']} | {fold['groups']} | {fold['accuracy']:.3f} | {_or_dash(fold['auc'])} |"
        )
    spread = [found["over_folds"].get(name, {}) for name in FIGURES]
    for title, key in (("mean", "mean"), ("standard deviation", "standard_deviation")):
        lines.append(f"| {title} | | | " + " | ".join(_or_dash(figure.get(key)) for figure in spread) + " |")
    return [*lines, ""]


def _or_dash(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
