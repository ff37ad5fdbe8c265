"""Metrics in words: rates with their intervals, and a task's lines for the terminal."""

from typing import Any

import numpy as np
from sklearn.metrics import classification_report

from tosa.training.metrics import Answers

RATES = {"accuracy": "accuracy", "sensitivity": "sensitivity", "specificity": "specificity", "ppv": "PPV", "auc": "AUC"}


SPLITS = {  # what a report says of cases that are not those of testing
    "training": ", training cases",
    "validation": ", validation cases",
    "all": ", including training cases",
}


def split_words(metrics: dict[str, Any]) -> str:
    """Returns what to say behind a number of cases; '' for testing cases."""
    return SPLITS.get(metrics.get("split", "testing"), "")


def task_lines(answers: Answers, metrics: dict[str, Any]) -> str:
    """Returns the report of one task as lines for the terminal; metrics: what task_metrics returned for answers."""
    columns = range(len(answers.labels))
    lines = [
        f"== {metrics['task']}: {metrics['cases']} cases of {metrics['groups']} groups{split_words(metrics)}",
        classification_report(
            answers.targets,
            answers.predicted,
            labels=columns,
            target_names=answers.labels,
            digits=3,
            zero_division=0,
        ),
        "confusion matrix (rows: truth, columns: answer, in the order above)",
        str(np.array(metrics["confusion_matrix"])),
    ]
    for key, name in RATES.items():
        if metrics.get(key):
            value, interval = value_words(metrics[key], key), interval_words(metrics[key], key)
            lines.append(f"{name:12} {value:>6}" + (f"  95 % interval {interval}" if interval else ""))
    return "\n".join([*lines, *calibration_lines(metrics)])


def calibration_lines(metrics: dict[str, Any]) -> list[str]:
    """Returns a sentence on the cases that a graph's scores were calibrated on, no line where it is not known."""
    return [f"Its scores were calibrated on {metrics['calibrated_on']}."] if "calibrated_on" in metrics else []


def value_words(rate: dict[str, Any], key: str) -> str:
    """Returns a rate in percent, or an area under the curve (key 'auc') with three digits."""
    return "undefined, no such cases" if rate["value"] is None else _number(rate["value"], key)


def interval_words(rate: dict[str, Any], key: str) -> str:
    """Returns the limits of a rate's or area's interval, with N and how it was made; '' for no cases."""
    if rate["value"] is None:
        return ""
    words = f"{_number(rate['low'], key)} to {_number(rate['high'], key)} (N={rate['n']}; {rate['by']})"
    if over := rate.get("over_groups"):
        words += f", {over['low']:.1%} to {over['high']:.1%} ({over['by']} over {over['groups']} groups)"
    if "prevalence" in rate:
        words += f" if {rate['prevalence']:.1%} of all were ill"
    return words


def _number(value: float, key: str) -> str:
    return f"{value:.3f}" if key == "auc" else f"{value:.1%}"
