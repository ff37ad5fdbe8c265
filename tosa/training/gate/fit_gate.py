"""Fit the gate for pictures to the training X-rays, to what is made of them, and to what is drawn."""

import warnings
from dataclasses import asdict, dataclass, replace

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier
from threadpoolctl import threadpool_limits

from tosa.inputs.xray import resize
from tosa.model.graph import Graph
from tosa.model.out_of_distribution import PREFIX, OutOfDistributionGate, thumbnail
from tosa.training.data import augmentation
from tosa.training.data.dataset import Case, SkippedFiles, in_order
from tosa.training.data.drawing import decode, draw
from tosa.training.data.prefetch import readable
from tosa.training.gate.dead_leaves import draw_dead_leaves
from tosa.training.gate.synthetic_negatives import synthetic_negative

DRAWN = 3000  # X-rays of each task, upright and spoilt; a task with fewer cases shows each several times
SPECTROGRAMS = 1000  # of sounds, at most
DIRECTIONS = 32  # principal ones, at most
CASES_A_DIRECTION = 8  # at least; more directions than that draw the training cases alone
FRAMED = 0.4  # of the changed X-rays, as scans of films and figures of papers are
WIDEST_FRAME = 0.2  # of the side, on each side
HIDDEN_UNITS = 128
PASSES = 24  # over all that is shown
BATCH = 256
PENALTY = 0.01  # on the squared weights


@dataclass(frozen=True)
class GateTrainingData:
    """n X-rays as the gate is shown them, float32 (n, pixels of a thumbnail), and what is none."""

    upright: np.ndarray  # as they are, or moved, exposed and compressed otherwise
    negatives: np.ndarray  # made of each
    dead_leaves: np.ndarray  # drawn, with details of each
    plain: np.ndarray  # bool (n,): which of the upright ones are as they are
    sources: np.ndarray  # str (n,), the data set of each
    spectrograms: np.ndarray  # float32 (m, pixels)

    def without(self, source: str) -> "GateTrainingData":
        """The same as if this data set did not exist."""
        kept = self.sources != source
        of_xrays = (self.upright, self.negatives, self.dead_leaves, self.plain, self.sources)
        return GateTrainingData(*(values[kept] for values in of_xrays), self.spectrograms)


def gate_training_data(cases: list[Case], tasks: list[str], problems: SkippedFiles) -> GateTrainingData:
    """Draw what the gate is shown. cases: to train on; tasks: those of X-rays, while all others are of sounds."""
    cases, chosen = in_order(cases), []
    for task in tasks:
        own = [case for case in cases if case.task == task]
        chosen += [(own[number % len(own)], number, number < len(own)) for number in range(DRAWN)]
    shown = list(readable(_thumbnails, chosen, problems, "gate"))
    upright, negatives, dead_leaves = np.stack([thumbnails for _, thumbnails in shown], axis=1)
    heard = [(case,) for case in cases if case.task not in tasks][:SPECTROGRAMS]
    spectrograms = [picture for _, picture in readable(lambda case: thumbnail(draw(case)), heard, problems, "gate")]
    plain, sources = zip(*((plain, case.source) for (case, _, plain), _ in shown))
    spectrograms = np.reshape(spectrograms, (-1, upright.shape[1]))
    return GateTrainingData(upright, negatives, dead_leaves, np.array(plain), np.array(sources), spectrograms)


def _thumbnails(case: Case, number: int, plain: bool) -> np.ndarray:
    """A case upright, changed unless plain, then spoilt, then as details in a scene: float32 (3, pixels)."""
    rng = np.random.default_rng(number)
    pixels = resize(decode(case))
    changed = augmentation.picture(pixels, rng)
    if rng.random() < FRAMED:
        changed = _framed(changed, rng)
    shown = (pixels if plain else changed), synthetic_negative(changed, rng), draw_dead_leaves(changed, rng)
    return np.stack([thumbnail(picture) for picture in shown])


def _framed(pixels: np.ndarray, rng) -> np.ndarray:
    """A picture, uint8 (side, side, 3), inside an uneven black or white frame, to the same size."""
    top, bottom, left, right = (rng.uniform(0, WIDEST_FRAME, 4) * len(pixels)).astype(int)
    ground = rng.choice([0, 0, 255])
    return resize(np.pad(pixels, ((top, bottom), (left, right), (0, 0)), constant_values=ground), pixels.shape[:2])


def fit_gate(shown: GateTrainingData) -> OutOfDistributionGate:
    """The gate that lets pass what is upright; it refuses what is spoilt or drawn, and what lies far from X-rays."""
    plain = shown.upright[shown.plain]
    mean = plain.mean(axis=0)
    _, _, directions = np.linalg.svd(plain - mean, full_matrices=False)
    sounds = [shown.spectrograms, -shown.spectrograms]  # quiet ones are dark, loud ones bright
    others = [shown.negatives, shown.dead_leaves, *sounds]
    targets = np.repeat([0, 1], [len(shown.upright), sum(map(len, others))])
    batch = min(BATCH, len(targets))
    model = MLPClassifier(HIDDEN_UNITS, alpha=PENALTY, max_iter=PASSES, batch_size=batch, random_state=0)
    with threadpool_limits(1, "blas"), warnings.catch_warnings():  # the same bytes on any number of cores
        warnings.simplefilter("ignore", ConvergenceWarning)  # it stops before it knows them by heart
        model.fit(np.concatenate([shown.upright, *others]), targets)
    (hidden, last), (hidden_biases, bias) = model.coefs_, model.intercepts_
    directions = directions[: min(DIRECTIONS, max(len(plain) // CASES_A_DIRECTION, 1))]
    gate = OutOfDistributionGate(mean, directions, np.inf, hidden, hidden_biases, last[:, 0], bias[0])
    return replace(gate, farthest=gate.distances(plain).max())


def constants(gate: OutOfDistributionGate) -> dict[str, np.ndarray]:
    """A gate's constants by their names in the graph."""
    arrays = {name: np.asarray(value, np.float32) for name, value in asdict(gate).items()}
    return {PREFIX + name: value.astype(np.float16) if value.ndim == 2 else value for name, value in arrays.items()}


def constants_of(graph: Graph) -> dict[str, np.ndarray]:
    """The gate's constants of a graph, none without one."""
    return {name: value for name, value in graph.extras().items() if name.startswith(PREFIX)}
