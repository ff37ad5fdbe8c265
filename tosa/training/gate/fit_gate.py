"""Fit the out-of-distribution gate to the training X-rays, to negatives made of them, and to drawn scenes.

A third of the X-rays are shown as they came; the others cropped, padded, shrunk and turned as files are handled before
they are sent, half of these with another exposure too. The gate must accept a chest that was cropped by 12 %.
"""

import warnings
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Literal

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier
from threadpoolctl import threadpool_limits

from tosa.inputs import xray
from tosa.model.graph import Graph
from tosa.model.out_of_distribution import PREFIX, OutOfDistributionGate, thumbnail
from tosa.preprocessing import Preprocessing
from tosa.training.data.dataset import Case, SkippedFiles, in_order, of_task
from tosa.training.data.drawing import DEFAULT, decode, draw
from tosa.training.data.framing import frame
from tosa.training.data.picture_augmentation import change_picture
from tosa.training.data.picture_changes import SIDES, crop, margin
from tosa.training.data.prefetch import map_readable
from tosa.training.gate.dead_leaves import draw_dead_leaves
from tosa.training.gate.synthetic_negatives import synthetic_negative

DRAWN = 6000  # X-rays of each task, and as many negatives of each kind; cases of smaller tasks are used several times
SPECTROGRAMS = 1000  # of sounds, at most
DIRECTIONS = 32  # principal ones, at most
CASES_A_DIRECTION = 8  # at least; with more directions than that they would fit single training cases
RANDOM_FRAMES = 1 / 3  # share of the handled X-rays that are framed as in fine-tuning
WIDEST_CROP = 0.15  # of height or width, on each side; margins are as wide
FRAMED = 0.4  # share of the changed X-rays that get a frame, as scans of films and figures of papers have
WIDEST_FRAME = 0.2  # of the side, on each side
HIDDEN_UNITS = 128
PASSES = 24  # over all training data
BATCH = 256
PENALTY = 0.01  # on the squared weights


View = Literal["unchanged", "framed", "changed"]


@dataclass(frozen=True, eq=False)
class GateTrainingData:
    """Thumbnails of n X-rays, of negatives made of each, and of m spectrograms: float32 (n or m, pixels)."""

    upright: np.ndarray  # as they came, in another frame, or with another exposure and compression too
    negatives: np.ndarray  # synthetic_negatives of each
    dead_leaves: np.ndarray  # scenes with details of each
    natural: np.ndarray  # bool (n,): which of the upright ones have their own exposure, in whatever frame
    sources: np.ndarray  # str (n,), the data set of each
    spectrograms: np.ndarray  # (m, pixels)

    def without(self, source: str) -> "GateTrainingData":
        """Returns the same data without a source, as if it did not exist."""
        kept = self.sources != source
        return GateTrainingData(
            self.upright[kept],
            self.negatives[kept],
            self.dead_leaves[kept],
            self.natural[kept],
            self.sources[kept],
            self.spectrograms,
        )


def gate_training_data(
    cases: Sequence[Case], tasks: Sequence[str], skipped: SkippedFiles, preprocessing: Preprocessing = DEFAULT
) -> GateTrainingData:
    """Draws what the gate is trained on.

    cases: the training cases; tasks: those that take X-rays, while all others take sounds.
    """
    cases = in_order(cases)
    chosen: list[tuple[Case, int, View, Preprocessing]] = []
    for task in tasks:
        task_cases = of_task(cases, task)
        for number in range(DRAWN):
            view = _view_of(number, len(task_cases))
            chosen.append((task_cases[number % len(task_cases)], number, view, preprocessing))
    drawn = list(map_readable(_thumbnails, chosen, skipped, "gate"))
    upright, negatives, dead_leaves = np.stack([thumbnails for _, thumbnails in drawn], axis=1)
    sounds = [(case, preprocessing) for case in cases if case.task not in tasks][:SPECTROGRAMS]
    spectrograms = [picture for _, picture in map_readable(_spectrogram, sounds, skipped, "gate")]
    return GateTrainingData(
        upright,
        negatives,
        dead_leaves,
        natural=np.array([view != "changed" for (_, _, view, _), _ in drawn]),
        sources=np.array([case.source for (case, *_), _ in drawn]),
        spectrograms=np.reshape(spectrograms, (-1, upright.shape[1])),
    )


def _view_of(number: int, cases: int) -> View:
    """How the X-ray of this number is shown, of a task with so many cases."""
    if number < min(cases, DRAWN // 3):
        return "unchanged"
    return "framed" if number % 2 else "changed"


def _thumbnails(case: Case, number: int, view: View, preprocessing: Preprocessing) -> np.ndarray:
    """A case upright, in a view; a negative of it; a scene with its details: float32 (3, pixels)."""
    rng = np.random.default_rng(number)
    pixels = decode(case, preprocessing)
    changed = change_picture(pixels, rng, preprocessing)
    if rng.random() < FRAMED:
        changed = _framed(changed, rng)
    upright = changed
    if view == "unchanged":
        upright = xray.fit(pixels, preprocessing)
    elif view == "framed":
        upright = _handled(pixels, rng, preprocessing)
    shown = upright, synthetic_negative(changed, rng), draw_dead_leaves(changed, rng)
    return np.stack([thumbnail(picture) for picture in shown])


def _handled(pixels: np.ndarray, rng: np.random.Generator, preprocessing: Preprocessing) -> np.ndarray:
    """An X-ray, uint8 (height, width, 3), in another frame, its exposure unchanged: uint8 (size, size, 3).

    A third of them in a random one, as in fine-tuning; the others evenly cropped or with even margins on one, two or
    all sides, which a random frame seldom has.
    """
    if rng.random() < RANDOM_FRAMES:
        return np.repeat(frame(pixels[:, :, 0], rng, preprocessing)[:, :, None], 3, axis=2)
    sides = list(SIDES.values())[rng.integers(len(SIDES))]
    shares = [rng.uniform(0, WIDEST_CROP) * side for side in sides]
    if rng.random() < 0.5:  # the same on each of these sides
        shares = [max(shares) * side for side in sides]
    change = crop(*shares) if rng.random() < 0.5 else margin(int(rng.choice([0, 255])), *shares)
    return xray.fit(np.ascontiguousarray(change(pixels)), preprocessing)


def _spectrogram(case: Case, preprocessing: Preprocessing) -> np.ndarray:
    return thumbnail(draw(case, preprocessing=preprocessing))


def _framed(pixels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A picture, uint8 (side, side, 3), inside an uneven black or white frame, at the same size."""
    top, bottom, left, right = (rng.uniform(0, WIDEST_FRAME, 4) * len(pixels)).astype(int)
    ground = rng.choice([0, 0, 255])
    padded = np.pad(pixels, ((top, bottom), (left, right), (0, 0)), constant_values=ground)
    return xray.resize(padded, (len(pixels), len(pixels)))


def fit_gate(data: GateTrainingData) -> OutOfDistributionGate:
    """Returns the gate that accepts upright X-rays and refuses negatives, scenes and what lies far from X-rays."""
    natural = data.upright[data.natural]
    mean = natural.mean(axis=0)
    _, _, directions = np.linalg.svd(natural - mean, full_matrices=False)
    spectrograms = [data.spectrograms, -data.spectrograms]  # quiet sounds are dark, loud ones bright
    others = [data.negatives, data.dead_leaves, *spectrograms]
    targets = np.repeat([0, 1], [len(data.upright), sum(map(len, others))])
    batch = min(BATCH, len(targets))
    model = MLPClassifier(HIDDEN_UNITS, alpha=PENALTY, max_iter=PASSES, batch_size=batch, random_state=0)
    with threadpool_limits(1, "blas"), warnings.catch_warnings():  # the same bytes on any number of cores
        warnings.simplefilter("ignore", ConvergenceWarning)  # it stops before it overfits
        model.fit(np.concatenate([data.upright, *others]), targets)
    (hidden, last), (hidden_biases, bias) = model.coefs_, model.intercepts_
    directions = directions[: min(DIRECTIONS, max(len(natural) // CASES_A_DIRECTION, 1))]
    gate = OutOfDistributionGate(mean, directions, np.array(np.inf), hidden, hidden_biases, last[:, 0], bias[0])
    return replace(gate, farthest=gate.distances(natural).max())


def gate_constants(gate: OutOfDistributionGate) -> dict[str, np.ndarray]:
    """Returns a gate's constants by their names in the graph."""
    arrays = {name: np.asarray(value, np.float32) for name, value in asdict(gate).items()}
    return {PREFIX + name: value.astype(np.float16) if value.ndim == 2 else value for name, value in arrays.items()}


def stored_gate_constants(graph: Graph) -> dict[str, np.ndarray]:
    """Returns the gate's constants of a graph by their names, none if it has no gate."""
    return {name: value for name, value in graph.extras().items() if name.startswith(PREFIX)}
