"""How far a classifier gets that sees next to nothing of lungs or coughs: what a network can have learnt instead.

Logistic regression on the training split, measured on the testing split, both as retrain.py makes them.
"""

from collections.abc import Callable

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from tosa.inputs import audio
from tosa.training.data.dataset import Case
from tosa.training.data.drawing import decode, draw
from tosa.training.metrics import Answers

RING = 3  # pixels of 32: the border that is left when the rest is hidden
QUIET_DB = (20.0, 40.0, 60.0)  # under the loudest frame
LEAST = 20  # cases of a source, in training, for it to be told apart
LEAST_TESTED = 10  # cases of a source, in testing, for a statement about it


def thumbnail(case: Case) -> np.ndarray:
    """Gray pixels of the picture at 32 x 32: exposure and pose, hardly the lungs. float (1024,)."""
    return _small(case).ravel()


def border(case: Case) -> np.ndarray:
    """The outermost RING pixels of the thumbnail: markers, collimation, padding."""
    small = _small(case)
    small[RING:-RING, RING:-RING] = 0
    return small.ravel()


def _small(case: Case) -> np.ndarray:
    return draw(case, (32, 32)).mean(axis=2)


def silence(case: Case) -> np.ndarray:
    """How much of a sound is quiet, before, after and in between: no word on what the rest sounds like."""
    levels = audio.levels(decode(case))
    decibels = 20 * np.log10(np.maximum(levels / levels.max(), 1e-6))
    loud = np.flatnonzero(decibels > -QUIET_DB[1])
    edges = [loud[0] / len(levels), 1 - (loud[-1] + 1) / len(levels)]
    return np.array([*((decibels < -limit).mean() for limit in QUIET_DB), *edges])


def file_size(case: Case) -> np.ndarray:
    """The logarithm of the file's bytes, and of the decoded length or sides."""
    return np.log([case.file.stat().st_size, *decode(case).shape[:2]])


OF_PICTURES = {"thumbnail of 32 x 32": thumbnail, "borders only": border, "file size": file_size}
OF_SOUNDS = {"thumbnail of 32 x 32": thumbnail, "silence only": silence, "file size": file_size}


def answers_by(feature: Callable[[Case], np.ndarray], training: list[Case], testing: list[Case]) -> Answers:
    """What logistic regression on a feature answers to the testing cases of one task."""
    labels = sorted({case.label for case in training})
    model = _fitted(np.stack([feature(case) for case in training]), [labels.index(case.label) for case in training])
    scores = model.predict_proba(np.stack([feature(case) for case in testing]))
    targets = np.array([labels.index(case.label) for case in testing])
    return Answers(testing[0].task, tuple(labels), targets, scores, [case.group for case in testing])


def source_told(cases: list[Case], bottlenecks: np.ndarray) -> dict | None:
    """How well the bottleneck tells the data sets of one label's cases apart; None where not two have enough cases.

    bottlenecks: float32 (cases, features). Returns the balanced accuracy on the testing split, what guessing gets,
    and the sources.
    """
    training = np.array([case.split == "training" for case in cases])
    testing = np.array([case.split == "testing" for case in cases])
    source = np.array([case.source for case in cases])
    sources = [name for name in np.unique(source) if (training & (source == name)).sum() >= LEAST]
    sources = [name for name in sources if (testing & (source == name)).sum() >= LEAST_TESTED]
    if len(sources) < 2:
        return None
    training, testing = (chosen & np.isin(source, sources) for chosen in (training, testing))
    model = _fitted(bottlenecks[training], source[training])
    told = balanced_accuracy_score(source[testing], model.predict(bottlenecks[testing]))
    return {"balanced_accuracy": float(told), "guessing": 1 / len(sources), "sources": sources, "n": int(testing.sum())}


def _fitted(features: np.ndarray, targets):
    model = make_pipeline(StandardScaler(), LogisticRegression(C=0.01, max_iter=1000, class_weight="balanced"))
    return model.fit(features, targets)
