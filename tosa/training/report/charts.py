"""The report's pictures, drawn with Matplotlib's Agg and without its global state: each function returns a Figure."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Text
from sklearn.metrics import roc_curve

from tosa.preprocessing import Preprocessing
from tosa.training.metrics import Answers, negative_of
from tosa.training.tensorboard_curves import Points

CONTACT_SHEET_CASES = 24
COLUMNS = 6
INK, ACCENT, PALE = "#222222", "#0b6fa4", "#999999"


@dataclass(frozen=True)
class MelSpectrogram:
    """A spectrogram to be drawn with axes."""

    decibels: np.ndarray  # float32 (bands, frames), the lowest band first
    preprocessing: Preprocessing


def confusion(matrix: list[list[int]], labels: Sequence[str]) -> Figure:
    """Returns the counts, coloured by the share of their row. matrix: (labels, labels), rows are the truth."""
    counts = np.asarray(matrix)
    figure = Figure(figsize=(1.6 + len(labels), 1.4 + 0.9 * len(labels)), layout="constrained")
    axes = figure.subplots()
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    for (row, column), count in np.ndenumerate(counts):
        axes.text(column, row, count, ha="center", va="center", color="white" if shares[row, column] > 0.5 else INK)
    axes.set_xticks(range(len(labels)), labels, rotation=30, ha="right")
    axes.set_yticks(range(len(labels)), labels)
    axes.set(xlabel="answer", ylabel="truth")
    return figure


def roc(answers: Answers, negative: str | None = None) -> Figure:
    """Returns the ROC curve of any illness against health, or of each label against the rest if no label is healthy."""
    figure = Figure(figsize=(4.5, 4.2), layout="constrained")
    axes = figure.subplots()
    axes.plot([0, 1], [0, 1], color=PALE, linewidth=0.8)
    healthy = negative_of(answers.labels, negative)
    if healthy is not None:
        curves = {f"any but {answers.labels[healthy]}": (answers.targets != healthy, 1 - answers.scores[:, healthy])}
    else:
        curves = {label: (answers.targets == c, answers.scores[:, c]) for c, label in enumerate(answers.labels)}
    for name, (positive, score) in curves.items():
        if 0 < positive.sum() < len(positive):
            false, true, _ = roc_curve(positive, score)
            axes.plot(false, true, label=name)
    axes.set(xlabel="1 - specificity", ylabel="sensitivity", xlim=(-0.01, 1.01), ylim=(-0.01, 1.01))
    if len(axes.lines) > 1:
        axes.legend(loc="lower right")
    return figure


def reliability(calibration: dict[str, Any]) -> Figure:
    """Returns how often answers of a confidence were right, with Wilson's intervals.

    calibration: what metrics.calibration returned.
    """
    figure = Figure(figsize=(4.5, 4.2), layout="constrained")
    axes = figure.subplots()
    axes.plot([0, 1], [0, 1], color=PALE, linewidth=0.8)
    for of_bin in calibration["bins"]:
        x, y = of_bin["confidence"], of_bin["accuracy"]
        axes.plot([x, x], [of_bin["low"], of_bin["high"]], color=ACCENT, linewidth=1)
        axes.plot(x, y, "o", color=ACCENT, markersize=5)
        axes.annotate(of_bin["n"], (x, y), (-5, -9), textcoords="offset points", ha="right", fontsize=7, color=INK)
    axes.set(xlabel="score of the diagnosis", ylabel="how often it was right", xlim=(0, 1.02), ylim=(-0.02, 1.02))
    axes.set_title(f"expected calibration error {calibration['ece']:.3f}", fontsize=10)
    return figure


def training(curves: Points) -> Figure:
    """Returns accuracy and cross entropy over the steps. curves: as tensorboard_curves.read returns them."""
    figure = Figure(figsize=(8, 3.6), layout="constrained")
    for axes, kind in zip(figure.subplots(1, 2), ("accuracy", "cross_entropy"), strict=True):
        for (split, tag), points in sorted(curves.items()):
            if tag.startswith(kind):
                task = tag.partition("/")[2]
                axes.plot(*zip(*points, strict=True), linewidth=0.9, label=f"{split} {task}".strip())
        axes.set(xlabel="step", ylabel=kind.replace("_", " "))
        if axes.lines:
            axes.legend(fontsize=8)
    return figure


def contact_sheet(cells: Sequence[np.ndarray | MelSpectrogram], captions: Sequence[str]) -> Figure:
    """Returns pictures, uint8 (height, width, 3), and spectrograms in rows of COLUMNS, each with its caption."""
    rows = -(-len(cells) // COLUMNS)
    figure = Figure(figsize=(1.9 * COLUMNS, 2.3 * rows), layout="constrained")
    grid = list(figure.subplots(rows, COLUMNS, squeeze=False).flat)
    for axes, cell, caption in zip(grid, cells, captions, strict=False):
        if isinstance(cell, MelSpectrogram):
            _draw_spectrogram(axes, cell)
        else:
            axes.imshow(cell)
            axes.axis("off")
        axes.set_title(caption, fontsize=6)
    for axes in grid[len(cells) :]:
        axes.axis("off")
    return figure


def _draw_spectrogram(axes: Axes, spectrogram: MelSpectrogram) -> None:
    """Draws a spectrogram with seconds to the right and Hz upwards."""
    import librosa.display  # takes a second, and only reports on sounds need it

    values = spectrogram.preprocessing
    librosa.display.specshow(
        spectrogram.decibels, ax=axes, x_axis="time", y_axis="mel", cmap="magma",
        sr=values.sample_rate, hop_length=values.hop_length, fmin=values.f_min, fmax=values.f_max,
    )  # fmt: skip
    axes.set_xlabel("s", fontsize=5, labelpad=0)
    axes.set_ylabel("Hz", fontsize=5, labelpad=0)
    axes.tick_params(labelsize=5, length=2, pad=1)


def save(figure: Figure, file: Path) -> None:
    """Writes a PNG without the time it was made, so that the same figure is the same file.

    Labels, tasks and file names are the user's, so a $ in them does not start a formula.
    """
    for text in figure.findobj(Text):
        text.set_parse_math(False)
    figure.savefig(file, format="png", dpi=100, metadata={"Software": None})
