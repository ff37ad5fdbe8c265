"""The report of a training or an evaluation as a folder: report.json has every number, report.md is for people."""

import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import numpy as np
from matplotlib.figure import Figure

from tosa.preprocessing import Preprocessing
from tosa.training.data.dataset import Case
from tosa.training.data.drawing import draw
from tosa.training.data.kinds import Kind
from tosa.training.files import atomic_write, wrap_os_error
from tosa.training.metrics import Answers, task_metrics
from tosa.training.report import charts, page
from tosa.training.report.curve_notes import warnings_of
from tosa.training.report.options import ReportOptions
from tosa.training.tensorboard_curves import Points

CELL_SIZE = (160, 160)  # pixels of a picture on the contact sheet
NUMBERS, PAGE, PLOT = "report.json", "report.md", "plot.png"
PICTURES = ("confusion", "roc", "reliability", "misclassified")  # of each task


@dataclass(frozen=True)
class TaskReport:
    """One task's answers, the cases that they answer, and their metrics, which take a bootstrap and are made once."""

    answers: Answers
    cases: list[Case]
    metrics: dict[str, Any]
    negative_label: str | None = None

    @classmethod
    def of(cls, answers: Answers, cases: list[Case], options: ReportOptions) -> Self:
        """Returns a report with the task's metrics, its misclassified files and its accuracy by source."""
        metrics = task_metrics(answers, options.negative_label, options.prevalence)
        metrics["misclassified"] = [
            {
                "file": str(case.file),
                "group": case.group,
                "source": case.source,
                "truth": case.label,
                "answer": answers.labels[answers.predicted[row]],
                "score": float(answers.scores[row].max()),
            }
            for row, case in _misclassified(answers, cases)
        ]
        metrics["by_source"] = _by_source(answers, cases)
        metrics["split"] = options.split
        return cls(answers, cases, metrics, options.negative_label)


@dataclass(frozen=True)
class Report:
    """Everything that a report's folder shows."""

    tasks: list[TaskReport]
    data: dict[str, Any] = field(default_factory=dict)  # as summarize_data returns it
    curves: Points = field(default_factory=dict)  # as tensorboard_curves.read returns it


def write(folder: Path, report: Report) -> None:
    """Writes the report into folder, in the place of an earlier one; other files there stay."""
    remove_earlier(folder)
    sections, files = page.doubt_lines(report.data), [NUMBERS, PAGE]
    for task in report.tasks:
        pictures = _save_pictures(folder, task)
        sections.append(page.task_section(task.metrics, pictures))
        files += pictures.values()
    if report.curves:
        save_plot(report.curves, folder / PLOT)
        sections.append(page.training_section(PLOT, warnings_of(report.curves)))
        files.append(PLOT)
    sections.append(page.data_section(report.data))
    tasks = {task.answers.task: task.metrics for task in report.tasks}
    numbers = {"tasks": tasks, "data": report.data, "files": sorted(files)}
    _write_text(folder / NUMBERS, json.dumps(numbers, ensure_ascii=False, indent=1) + "\n")
    _write_text(folder / PAGE, "# Report\n\n" + "\n".join(sections))
    print(f"The report is in '{folder / PAGE}'.")


def remove_earlier(folder: Path) -> None:
    """Removes the files of an earlier report: those that its report.json names, and no others.

    Reports of before that list was in them had the pictures of their tasks, PAGE and PLOT.
    """
    try:
        numbers = json.loads((folder / NUMBERS).read_text(encoding="utf-8"))
        of_tasks = [_picture_file(task, name) for task in numbers["tasks"] for name in PICTURES]
        files = numbers.get("files", [NUMBERS, PAGE, PLOT, *of_tasks])
    except (OSError, ValueError, TypeError, KeyError, AttributeError):  # there is none, or it is another program's
        return
    for name in files:
        if isinstance(name, str) and Path(name).name == name:
            with wrap_os_error(folder / name):
                (folder / name).unlink(missing_ok=True)


def save_plot(curves: Points, file: Path) -> None:
    """Draws the training curves into a PNG file."""
    _save(charts.training(curves), file)


def _save(figure: Figure, file: Path) -> None:
    with atomic_write(file) as partial:
        charts.save(figure, partial)


def _write_text(file: Path, content: str) -> None:
    with atomic_write(file) as partial:
        partial.write_text(content, encoding="utf-8")


def _misclassified(answers: Answers, cases: list[Case]) -> list[tuple[int, Case]]:
    """Returns row and case of the wrong answers, the highest score first."""
    rows = np.flatnonzero(~answers.right)
    return [(int(row), cases[row]) for row in rows[np.argsort(-answers.scores[rows].max(axis=1), kind="stable")]]


def _by_source(answers: Answers, cases: list[Case]) -> dict[str, dict[str, Any]]:
    """Returns the number of cases and the accuracy of each source that the table names."""
    rows: dict[str, list[bool]] = {}
    for case, is_right in zip(cases, answers.right, strict=True):
        if case.source:
            rows.setdefault(case.source, []).append(bool(is_right))
    return {source: {"cases": len(right), "accuracy": float(np.mean(right))} for source, right in sorted(rows.items())}


def _save_pictures(folder: Path, task: TaskReport) -> dict[str, str]:
    """Draws the pictures of a task into folder; returns the name of each one's file."""
    figures = {
        "confusion": charts.confusion(task.metrics["confusion_matrix"], task.answers.labels),
        "roc": charts.roc(task.answers, task.negative_label),
        "reliability": charts.reliability(task.metrics["calibration"]),
    }
    if misses := _misclassified(task.answers, task.cases)[: charts.CONTACT_SHEET_CASES]:
        figures["misclassified"] = _contact_sheet(task.answers, misses)
    names = {name: _picture_file(task.answers.task, name) for name in figures}
    for name, figure in figures.items():
        _save(figure, folder / names[name])
    return names


def _picture_file(task: str, name: str) -> str:
    """The name of a task's picture; the task may have characters that no file name may have."""
    prefix = re.sub(r"\W+", "-", task)
    return f"{prefix}-{name}.png"


def _contact_sheet(answers: Answers, misses: list[tuple[int, Case]]) -> Figure:
    captions = []
    for row, case in misses:
        answer, score = answers.labels[answers.predicted[row]], answers.scores[row].max()
        captions.append([case.file.name, f"label: {case.label}", f"answer: {answer}", f"score: {score:.2f}"])
    return charts.contact_sheet([_cell(case) for _, case in misses], captions)


def _cell(case: Case) -> np.ndarray | charts.Spectrogram:
    picture = draw(case, CELL_SIZE)
    return picture if case.kind is Kind.XRAY else charts.Spectrogram(picture, Preprocessing())
