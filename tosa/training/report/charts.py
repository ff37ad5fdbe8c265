"""The report's pictures, drawn with Matplotlib's Agg and without its global state: each function returns a Figure."""

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from matplotlib.text import Text
from sklearn.metrics import roc_curve

from tosa.training.metrics import Answers, negative_of

SHOWN = 24  # pictures on a contact sheet
COLUMNS = 6
INK, ACCENT, PALE = "#222222", "#0b6fa4", "#999999"


def confusion(matrix: np.ndarray, labels: list[str]) -> Figure:
    """Counts, coloured by the share of their row. matrix: (labels, labels), rows are the truth."""
    matrix = np.asarray(matrix)
    figure = Figure(figsize=(1.6 + len(labels), 1.4 + 0.9 * len(labels)), layout="constrained")
    axes = figure.subplots()
    shares = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    for (row, column), count in np.ndenumerate(matrix):
        axes.text(column, row, count, ha="center", va="center", color="white" if shares[row, column] > 0.5 else INK)
    axes.set_xticks(range(len(labels)), labels, rotation=30, ha="right")
    axes.set_yticks(range(len(labels)), labels)
    axes.set(xlabel="answer", ylabel="truth")
    return figure


def roc(answers: Answers, negative: str | None = None) -> Figure:
    """The ROC curve of any illness against none, or of each label against the rest where no label is healthy."""
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


def reliability(calibration: dict) -> Figure:
    """How often answers of a confidence were right, with Wilson's intervals; calibration: of figures.calibration."""
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


def training(curves: dict[tuple[str, str], list[tuple[int, float]]]) -> Figure:
    """Accuracy and cross entropy over the steps. curves: as curves.read gives them."""
    figure = Figure(figsize=(8, 3.6), layout="constrained")
    for axes, kind in zip(figure.subplots(1, 2), ("accuracy", "cross_entropy")):
        for (split, tag), points in sorted(curves.items()):
            if tag.startswith(kind):
                task = tag.partition("/")[2]
                axes.plot(*zip(*points), linewidth=0.9, label=f"{split} {task}".strip())
        axes.set(xlabel="step", ylabel=kind.replace("_", " "))
        if axes.lines:
            axes.legend(fontsize=8)
    return figure


def contact_sheet(pictures: list[np.ndarray], captions: list[str]) -> Figure:
    """Pictures uint8 (height, width, 3) in rows of COLUMNS, each with its caption."""
    rows = -(-len(pictures) // COLUMNS)
    figure = Figure(figsize=(1.9 * COLUMNS, 2.3 * rows), layout="constrained")
    for axes in figure.subplots(rows, COLUMNS, squeeze=False).flat:
        axes.axis("off")
    for axes, picture, caption in zip(figure.axes, pictures, captions):
        axes.imshow(picture)
        axes.set_title(caption, fontsize=6)
    return figure


def save(figure: Figure, file: Path) -> None:
    """Writes a PNG without the time it was made, so that the same figure is the same file.

    Labels, tasks and names of files are the user's: a $ in them is no mathematics.
    """
    for text in figure.findobj(Text):
        text.set_parse_math(False)
    figure.savefig(file, format="png", dpi=100, metadata={"Software": None})
