"""The report of a training or an evaluation as a folder: report.json has every number, report.md is for people."""

import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import numpy as np
from matplotlib.figure import Figure

from tosa.inputs import audio
from tosa.inputs.spectrogram import log_mel
from tosa.preprocessing import Preprocessing
from tosa.training.data.dataset import Case
from tosa.training.data.drawing import decode, draw
from tosa.training.files import atomic_write
from tosa.training.metrics import Answers, task_metrics
from tosa.training.report import charts, page
from tosa.training.report.options import ReportOptions
from tosa.training.tensorboard_curves import Points

CELL_SIZE = (160, 160)  # pixels of a picture on the contact sheet


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
        return cls(answers, cases, metrics, options.negative_label)


@dataclass(frozen=True)
class Report:
    """Everything that a report's folder shows."""

    tasks: list[TaskReport]
    data: dict[str, Any] = field(default_factory=dict)  # as summarize_data returns it
    curves: Points = field(default_factory=dict)  # as tensorboard_curves.read returns it


def write(folder: Path, report: Report) -> None:
    """Writes the report into folder. Picture files are named by task, so that those of other tasks stay."""
    sections = []
    for task in report.tasks:
        pictures = _save_pictures(folder, task)
        sections.append(page.task_section(task.metrics, pictures))
    if report.curves:
        save_plot(report.curves, folder / "plot.png")
        sections.append(page.training_section("plot.png"))
    sections.append(page.data_section(report.data))
    numbers = {"tasks": {task.answers.task: task.metrics for task in report.tasks}, "data": report.data}
    _write_text(folder / "report.json", json.dumps(numbers, ensure_ascii=False, indent=1) + "\n")
    _write_text(folder / "report.md", "# Report\n\n" + "\n".join(sections))
    print(f"The report is in '{folder / 'report.md'}'.")


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
    prefix = re.sub(r"\W+", "-", task.answers.task)
    names = {name: f"{prefix}-{name}.png" for name in figures}
    for name, figure in figures.items():
        _save(figure, folder / names[name])
    return names


def _contact_sheet(answers: Answers, misses: list[tuple[int, Case]]) -> Figure:
    captions = []
    for row, case in misses:
        answer = f"{answers.labels[answers.predicted[row]]} {answers.scores[row].max():.2f}"
        captions.append(f"{case.file.name[-28:]}\n{case.label} → {answer}")
    return charts.contact_sheet([_cell(case) for _, case in misses], captions)


def _cell(case: Case) -> np.ndarray | charts.MelSpectrogram:
    if not case.is_sound:
        return draw(case, CELL_SIZE)
    preprocessing = Preprocessing()
    return charts.MelSpectrogram(log_mel(audio.window(decode(case)), preprocessing), preprocessing)
