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
from tosa.training.metrics import Answers, negative_of, wilson
from tosa.training.tensorboard_curves import Points

CONTACT_SHEET_CASES = 24
COLUMNS = 6
CAPTION_WIDTH = 30  # letters in a line
CAPTION_LINE = 0.11  # inches
HERTZ = (100, 250, 500, 1000, 2000, 4000, 8000)  # marks on the frequency axis of a spectrogram
INK, ACCENT, PALE = "#222222", "#0b6fa4", "#999999"


@dataclass(frozen=True)
class Spectrogram:
    """The picture of a sound, to be drawn with axes."""

    picture: np.ndarray  # uint8 (height, width, 3), time to the right, the highest band on top
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
    groups = np.asarray(answers.groups)
    for name, (positive, score) in curves.items():
        if 0 < positive.sum() < len(positive):
            false, true, _ = roc_curve(positive, score)
            ill, others = (len(np.unique(groups[kind])) for kind in (positive, ~positive))
            (line,) = axes.plot(false, true, label=f"{name} (n={positive.sum()} + {(~positive).sum()})")
            corners = _roc_band(false, true, others, ill)
            axes.fill(*corners, color=line.get_color(), alpha=0.12, linewidth=0)
    axes.set(xlabel="1 - specificity", ylabel="sensitivity", xlim=(-0.01, 1.01), ylim=(-0.01, 1.01))
    if len(axes.lines) > 1:
        axes.legend(loc="lower right")
    return figure


def _roc_band(false: np.ndarray, true: np.ndarray, others: int, ill: int) -> tuple[np.ndarray, np.ndarray]:
    """Returns x and y of the polygon around a ROC curve between the corners of the rectangles of Wilson's intervals.

    false, true: (n,), the curve; others, ill: numbers of groups, which count as cases, that the two rates are of.
    """
    sideways = np.array([wilson(rate * others, others) for rate in false])
    upwards = np.array([wilson(rate * ill, ill) for rate in true])
    x = np.concatenate([sideways[:, 0], sideways[::-1, 1]])
    y = np.concatenate([upwards[:, 1], upwards[::-1, 0]])
    return x, y


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
    """Returns accuracy and cross entropy over the steps, with the number of cases and Wilson's band where it is known.

    curves: as tensorboard_curves.read returns them; `cases` beside `accuracy` is how many cases a point is of.
    """
    figure = Figure(figsize=(8, 3.6), layout="constrained")
    for axes, kind in zip(figure.subplots(1, 2), ("accuracy", "cross_entropy"), strict=True):
        for (split, tag), points in sorted(curves.items()):
            if tag.startswith(kind):
                task = tag.partition("/")[2]
                counts = dict(curves.get((split, "cases" + tag.removeprefix(kind)), []))
                number = f"(n={max(counts.values()):.0f})" if counts else ""
                name = " ".join(filter(None, (split, task, number)))
                (line,) = axes.plot(*zip(*points, strict=True), linewidth=0.9, label=name)
                if kind == "accuracy" and counts:
                    _fill_wilson(axes, points, counts, line.get_color())
        axes.set(xlabel="step", ylabel=kind.replace("_", " "))
        if axes.lines:
            axes.legend(fontsize=8)
    return figure


def _fill_wilson(axes: Axes, points: list[tuple[int, float]], counts: dict[int, float], color: str) -> None:
    """Fills Wilson's interval around each accuracy of points (step, value). counts: the number of cases by step."""
    known = [(step, value, counts[step]) for step, value in points if step in counts]
    limits = {(value, n): wilson(value * n, round(n)) for _, value, n in known}
    low, high = zip(*(limits[value, n] for _, value, n in known), strict=True)
    axes.fill_between([step for step, *_ in known], low, high, color=color, alpha=0.15, linewidth=0)


def contact_sheet(cells: Sequence[np.ndarray | Spectrogram], captions: Sequence[Sequence[str]]) -> Figure:
    """Returns pictures, uint8 (height, width, 3), and spectrograms in rows of COLUMNS.

    captions: some lines for each; those that are too long continue on the next.
    """
    texts = ["\n".join(part for line in lines for part in _wrapped(line)) for lines in captions]
    rows, most_lines = -(-len(cells) // COLUMNS), max((text.count("\n") + 1 for text in texts), default=1)
    figure = Figure(figsize=(1.9 * COLUMNS, (1.9 + CAPTION_LINE * most_lines) * rows), layout="constrained")
    grid = list(figure.subplots(rows, COLUMNS, squeeze=False).flat)
    for axes, cell, caption in zip(grid, cells, texts, strict=False):
        if isinstance(cell, Spectrogram):
            _draw_spectrogram(axes, cell)
        else:
            axes.imshow(cell)
            axes.axis("off")
        axes.set_title(caption, fontsize=6)
    for axes in grid[len(cells) :]:
        axes.axis("off")
    return figure


def _wrapped(line: str) -> list[str]:
    """The line in parts of CAPTION_WIDTH, with nothing left out."""
    return [line[start : start + CAPTION_WIDTH] for start in range(0, max(len(line), 1), CAPTION_WIDTH)]


def _draw_spectrogram(axes: Axes, spectrogram: Spectrogram) -> None:
    """Draws a spectrogram with seconds to the right and Hz upwards, as the mel scale has them."""
    import librosa  # takes a second, and only reports on sounds need it

    values = spectrogram.preprocessing
    axes.imshow(spectrogram.picture, extent=(0, values.window_seconds, 0, values.n_mels), aspect="auto")
    bands = librosa.mel_frequencies(n_mels=values.n_mels + 2, fmin=values.f_min, fmax=values.f_max)[1:-1]  # centres
    marks = [hertz for hertz in HERTZ if values.f_min <= hertz <= values.f_max]
    axes.set_yticks(np.interp(marks, bands, np.arange(values.n_mels) + 0.5), [str(hertz) for hertz in marks])
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
