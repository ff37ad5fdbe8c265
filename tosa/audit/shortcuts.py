"""How far a classifier gets that sees next to nothing of lungs or coughs: what a network may have learnt instead.

Each shortcut is a logistic regression, fitted to the training split and measured on the testing split.
"""

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from tosa.inputs import audio
from tosa.scale.executor import prefetch
from tosa.training.data.dataset import Case
from tosa.training.data.drawing import decode, draw_decoded
from tosa.training.files import progress
from tosa.training.metrics import Answers

Feature = Callable[[Case, np.ndarray], np.ndarray | None]  # of a case and its decoded pixels or samples

RING = 3  # pixels of 32: the border that is left when the rest is hidden
QUIET_DB = (20.0, 40.0, 60.0)  # below the loudest frame
FLAT_LEVELS = 8  # a row or column whose pixels differ by no more is part of a margin
MIN_TRAINING = 20  # cases of a source, or of the whole training split, below which nothing is fitted
MIN_TESTING = 10  # cases of a source, or of the whole testing split, below which nothing is measured


def thumbnail(case: Case, decoded: np.ndarray) -> np.ndarray:
    """Returns gray pixels of the picture at 32 x 32, float (1024,): exposure and pose, hardly the lungs."""
    return _small(case, decoded).ravel()


def border(case: Case, decoded: np.ndarray) -> np.ndarray:
    """Returns the outermost RING pixels of the thumbnail, float (1024,): markers, collimation, padding."""
    small = _small(case, decoded)
    small[RING:-RING, RING:-RING] = 0
    return small.ravel()


def _small(case: Case, decoded: np.ndarray) -> np.ndarray:
    return draw_decoded(case, decoded, (32, 32)).mean(axis=2)


def silence(_case: Case, decoded: np.ndarray) -> np.ndarray:
    """Returns how much of a sound is quiet, and how much of that lies before and after it, float (5,)."""
    levels = audio.levels(decoded)
    decibels = 20 * np.log10(np.maximum(levels / levels.max(), 1e-6))
    loud = np.flatnonzero(decibels > -QUIET_DB[1])
    edges = [loud[0] / len(levels), 1 - (loud[-1] + 1) / len(levels)]
    return np.array([*((decibels < -limit).mean() for limit in QUIET_DB), *edges])


def file_size(case: Case, decoded: np.ndarray) -> np.ndarray:
    """Returns the logarithms of the file's bytes and of the samples, or of height and width."""
    return np.log([case.file.stat().st_size, *decoded.shape[:2]])


def aspect_ratio(case: Case, decoded: np.ndarray) -> np.ndarray | None:
    """Returns the logarithm of width to height, float (1,); None where the picture came squashed."""
    size = native_size(case, decoded)
    return None if size is None else np.log([size[0] / size[1]])


def native_width(case: Case, decoded: np.ndarray) -> np.ndarray | None:
    """Returns the logarithm of the width in pixels that the picture was made with; None where it is not known."""
    size = native_size(case, decoded)
    return None if size is None else np.log([size[0]])


def native_height(case: Case, decoded: np.ndarray) -> np.ndarray | None:
    """Returns the logarithm of the height in pixels that the picture was made with; None where it is not known."""
    size = native_size(case, decoded)
    return None if size is None else np.log([size[1]])


def native_size(case: Case, decoded: np.ndarray) -> tuple[float, float] | None:
    """Returns width and height by the table's native_width and native_height, else those of the pixels.

    None where the table has these columns and leaves them empty: the size that the picture was made with is lost.
    """
    width, height = (case.extra.get(column) for column in ("native_width", "native_height"))
    if width is None or height is None:
        return float(decoded.shape[1]), float(decoded.shape[0])
    return (float(width), float(height)) if width and height else None


def margins(_case: Case, decoded: np.ndarray) -> np.ndarray:
    """Returns how much of the height or width is an even margin: at the top, bottom, left and right, float (4,)."""
    gray = decoded[:, :, 0]
    top, end = _uneven(gray)
    left, right = _uneven(gray[top:end].T)
    height, width = gray.shape
    return np.array([top / height, 1 - end / height, left / width, 1 - right / width])


def _uneven(lines: np.ndarray) -> tuple[int, int]:
    """Returns where the uneven lines of pixels (lines, length) begin and end; those around them are a margin."""
    uneven = np.flatnonzero(np.ptp(lines, axis=1) > FLAT_LEVELS)
    return (int(uneven[0]), int(uneven[-1]) + 1) if len(uneven) else (0, len(lines))


OF_PICTURES: dict[str, Feature] = {
    "thumbnail of 32 x 32": thumbnail,
    "borders only": border,
    "file size": file_size,
    "aspect ratio": aspect_ratio,
    "native width": native_width,
    "native height": native_height,
    "margins": margins,
}
OF_SOUNDS: dict[str, Feature] = {"thumbnail of 32 x 32": thumbnail, "silence only": silence, "file size": file_size}


def features_of(cases: list[Case], features: Mapping[str, Feature]) -> dict[str, list[np.ndarray | None]]:
    """Returns each feature of each case; a case is decoded once for all features."""

    def measured(case: Case) -> list[np.ndarray | None]:
        decoded = decode(case)
        return [feature(case, decoded) for feature in features.values()]

    with ThreadPoolExecutor() as pool:
        rows = list(progress(prefetch(pool, measured, cases), desc="shortcuts", unit="case", total=len(cases)))
    return {name: [row[column] for row in rows] for column, name in enumerate(features)}


def answers_by(
    training: list[Case], values: list[np.ndarray | None], testing: list[Case], tested: list[np.ndarray | None]
) -> tuple[Answers, list[int]] | None:
    """Returns what logistic regression on one feature answers to the testing cases, and which of them it answers.

    values, tested: the feature of each training and testing case. Cases for which it is None are left out; the result
    is None where too few are left, or not two labels of them.
    """
    known = [(case.label, value) for case, value in zip(training, values, strict=True) if value is not None]
    labels = sorted({label for label, _ in known})
    asked = [
        (row, value) for row, value in enumerate(tested) if value is not None and testing[row].label in labels
    ]  # fmt: skip
    if len(known) < MIN_TRAINING or len(asked) < MIN_TESTING or len(labels) < 2:
        return None
    model = _fitted(np.stack([value for _, value in known]), [labels.index(label) for label, _ in known])
    scores = model.predict_proba(np.stack([value for _, value in asked]))
    rows = [row for row, _ in asked]
    targets = np.array([labels.index(testing[row].label) for row in rows])
    groups = [testing[row].group for row in rows]
    return Answers(testing[0].task, tuple(labels), targets, scores, groups), rows


def source_told(cases: list[Case], bottlenecks: np.ndarray) -> dict[str, Any] | None:
    """Returns how well the bottleneck tells the data sets of one label's cases apart.

    bottlenecks: float32 (cases, features). The result has the balanced accuracy on the testing split, that of guessing,
    the sources and the number of testing cases; it is None where fewer than two sources are large enough.
    """
    training = np.array([case.split == "training" for case in cases])
    testing = np.array([case.split == "testing" for case in cases])
    source = np.array([case.source for case in cases])
    sources = [name for name in np.unique(source) if (training & (source == name)).sum() >= MIN_TRAINING]
    sources = [str(name) for name in sources if (testing & (source == name)).sum() >= MIN_TESTING]
    if len(sources) < 2:
        return None
    training, testing = (chosen & np.isin(source, sources) for chosen in (training, testing))
    model = _fitted(bottlenecks[training], source[training])
    accuracy = balanced_accuracy_score(source[testing], model.predict(bottlenecks[testing]))
    return {
        "balanced_accuracy": float(accuracy),
        "guessing": 1 / len(sources),
        "sources": sources,
        "n": int(testing.sum()),
    }


def _fitted(features: np.ndarray, targets: Any) -> Pipeline:
    model = make_pipeline(StandardScaler(), LogisticRegression(C=0.01, max_iter=1000, class_weight="balanced"))
    return model.fit(features, targets)
