"""The report: what figures.py counted and charts.py drew, as lines for the terminal and as a folder.

report.json has every number, report.md what people read, with the pictures beside it.
"""

import json
import re
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from sklearn.metrics import classification_report

from tosa.training.data.dataset import Case
from tosa.training.data.drawing import draw
from tosa.training.files import atomic_write
from tosa.training.metrics import PREVALENCE, Answers, task_metrics
from tosa.training.report import charts

RATES = {"accuracy": "accuracy", "sensitivity": "sensitivity", "specificity": "specificity", "ppv": "PPV", "auc": "AUC"}


@dataclass
class Report:
    """What is to be written: each task's answers with the cases they are to, and what is known of the data."""

    tasks: list[tuple[Answers, list[Case]]]
    data: dict = field(default_factory=dict)
    curves: dict = field(default_factory=dict)  # as curves.read gives them
    negative: str | None = None
    prevalence: float = PREVALENCE


def text(answers: Answers, negative: str | None = None, prevalence: float = PREVALENCE) -> str:
    """The report of one task, in lines."""
    return _text(answers, task_metrics(answers, negative, prevalence))


def _text(answers: Answers, found: dict) -> str:
    columns = range(len(answers.labels))
    lines = [
        f"== {found['task']}: {found['cases']} cases of {found['groups']} groups",
        classification_report(answers.targets, answers.predicted, labels=columns, target_names=answers.labels,
                              digits=3, zero_division=0),
        "confusion matrix (rows: truth, columns: answer, in the order above)",
        str(np.array(found["confusion_matrix"])),
    ]  # fmt: skip
    lines += [f"{name:12} {_value(found[key], key)}" for key, name in RATES.items() if found.get(key)]
    return "\n".join(lines)


def _value(known: dict, key: str) -> str:
    """A rate or area in words, with its interval."""
    if known["value"] is None:
        return "  none   nothing to count it from"
    value, low, high = (f"{known[x]:.3f}" if key == "auc" else f"{known[x]:.1%}" for x in ("value", "low", "high"))
    words = f"{value:>6}  95 % interval {low} to {high} (N={known['n']}; {known['by']})"
    if over := known.get("over_groups"):
        words += f", {over['low']:.1%} to {over['high']:.1%} ({over['by']} over {over['groups']} groups)"
    if "prevalence" in known:
        words += f" if {known['prevalence']:.1%} of all were ill"
    return words


def write(folder: Path, report: Report) -> None:
    """Write the report into folder. Its pictures are named by the task, so that another task's stay."""
    pages, numbers = [], {}
    for answers, cases in report.tasks:
        found = task_metrics(answers, report.negative, report.prevalence)
        found["misclassified"] = [
            {"file": str(case.file), "group": case.group, "source": case.source, "truth": case.label,
             "answer": answers.labels[answers.predicted[row]], "score": float(answers.scores[row].max())}
            for row, case in _misses(answers, cases)
        ]  # fmt: skip
        found["by_source"] = _by_source(answers, cases)
        pictures = _pictures(folder, answers, cases, found, report.negative)
        numbers[answers.task] = found
        pages.append(_page(answers, found, pictures))
    if report.curves:
        _save(charts.training(report.curves), folder / "plot.png")
        pages.append("## Training\n\n![accuracy and cross entropy over the steps](plot.png)\n")
    whole = {"tasks": numbers, "data": report.data}
    _write_text(folder / "report.json", json.dumps(whole, ensure_ascii=False, indent=1) + "\n")
    _write_text(folder / "report.md", "# Report\n\n" + "\n".join([*pages, _data_page(report.data)]))
    print(f"The report is in '{folder / 'report.md'}'.")


def save_plot(curves: dict, file: Path) -> None:
    """Draw the training curves into a PNG of the user's choice."""
    _save(charts.training(curves), file)


def _save(figure, file: Path) -> None:
    with atomic_write(file) as partial:
        charts.save(figure, partial)


def _write_text(file: Path, content: str) -> None:
    with atomic_write(file) as partial:
        partial.write_text(content, encoding="utf-8")


def _misses(answers: Answers, cases: list[Case]) -> list[tuple[int, Case]]:
    """Row and case of the wrong answers, the surest first."""
    rows = np.flatnonzero(answers.predicted != answers.targets)
    return [(int(row), cases[row]) for row in rows[np.argsort(-answers.scores[rows].max(axis=1), kind="stable")]]


def _by_source(answers: Answers, cases: list[Case]) -> dict:
    """Cases and accuracy of each source that the table names."""
    right = answers.predicted == answers.targets
    rows: dict[str, list[bool]] = {}
    for case, is_right in zip(cases, right):
        if case.source:
            rows.setdefault(case.source, []).append(bool(is_right))
    return {source: {"cases": len(known), "accuracy": float(np.mean(known))} for source, known in sorted(rows.items())}


def _pictures(folder: Path, answers: Answers, cases: list[Case], found: dict, negative: str | None) -> dict[str, str]:
    """Draw the pictures of a task; returns what each shows by its file's name."""
    drawn = {
        "confusion": charts.confusion(found["confusion_matrix"], list(answers.labels)),
        "roc": charts.roc(answers, negative),
        "reliability": charts.reliability(found["calibration"]),
    }
    if misses := _misses(answers, cases)[: charts.SHOWN]:
        captions = [
            f"{case.file.name[-28:]}\n{case.label} → {answers.labels[answers.predicted[row]]} "
            f"{answers.scores[row].max():.2f}"
            for row, case in misses
        ]
        drawn["misclassified"] = charts.contact_sheet([draw(case, (160, 160)) for _, case in misses], captions)
    prefix = re.sub(r"\W+", "-", answers.task)
    for name, figure in drawn.items():
        _save(figure, folder / f"{prefix}-{name}.png")
    return {name: f"{prefix}-{name}.png" for name in drawn}


def _page(answers: Answers, found: dict, pictures: dict[str, str]) -> str:
    """A task's part of report.md."""
    lines = [f"## {found['task']}", "", f"{found['cases']} cases of {found['groups']} groups were tested.", ""]
    lines += ["| | | how |", "|---|---|---|"]
    for key, name in RATES.items():
        if known := found.get(key):
            value, _, interval = _value(known, key).strip().partition("  95 % interval ")
            lines.append(f"| {name} | {value} | {interval} |")
    if "negative" in found:
        lines += ["", f"Sensitivity, specificity, PPV and AUC are of any other label against *{found['negative']}*."]
    lines += ["", "```", _text(answers, found).split("confusion matrix")[0].split("\n", 1)[1].rstrip(), "```", ""]
    lines += ["| label | " + " | ".join(RATES[key] for key in list(RATES)[1:]) + " |", "|---|---|---|---|---|"]
    for label, rates in found["by_label"].items():
        cells = [_value(rates[key], key).strip().split(" (")[0] if rates[key] else "" for key in list(RATES)[1:]]
        lines.append(f"| {label} against the rest | " + " | ".join(cells) + " |")
    if found["by_source"]:
        lines += ["", "| source | cases | accuracy |", "|---|---|---|"]
        lines += [f"| {name} | {of['cases']} | {of['accuracy']:.1%} |" for name, of in found["by_source"].items()]
    lines.append("")
    for name, file in pictures.items():
        note = f" ({min(len(found['misclassified']), charts.SHOWN)} of {len(found['misclassified'])}, the surest first)"
        lines += [f"{name}{note if name == 'misclassified' else ''}:", "", f"![{name}]({file})", ""]
    return "\n".join(lines)


def _data_page(data: dict) -> str:
    """What is known of the data, from a dictionary of counts and of lists of files."""
    if not data:
        return ""
    lines = ["## Data", ""]
    for name, known in data.items():
        title = name.replace("_", " ")
        if isinstance(known, list):
            lines += [f"- {title}: {len(known)}"]
            lines += [f"  - {' = '.join(entry) if isinstance(entry, list) else entry}" for entry in known[:50]]
        elif isinstance(known, dict):
            lines += [f"- {title}: " + ", ".join(f"{key}: {count}" for key, count in known.items())]
        else:
            lines += [f"- {title}: {'not compared, too many' if known is None else known}"]
    return "\n".join(lines) + "\n"
