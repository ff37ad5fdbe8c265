"""Fit the gate for pictures to the training X-rays and to what is made of them."""

import warnings
from dataclasses import asdict, dataclass, replace

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier
from threadpoolctl import threadpool_limits

from ..familiarity import PREFIX, Familiarity, thumbnail
from ..graph import Graph
from ..xray import resize
from . import augment
from .bottlenecks import decode, draw, readable
from .counterexamples import spoilt
from .dataset import Case, Problems, in_order

DRAWN = 3000  # X-rays of each task, upright and spoilt; a task with fewer cases shows each several times
SPECTROGRAMS = 1000  # of sounds, at most
DIRECTIONS = 32  # principal ones, at most
CASES_A_DIRECTION = 8  # at least; more directions than that draw the training cases alone
HIDDEN_UNITS = 64
PASSES = 12  # over all that is shown
BATCH = 256
PENALTY = 0.01  # on the squared weights


@dataclass(frozen=True)
class Shown:
    """n X-rays as the gate is shown them, float32 (n, pixels of a thumbnail), and what is none."""

    upright: np.ndarray  # as they are, or moved, exposed and compressed otherwise
    spoilt: np.ndarray
    plain: np.ndarray  # bool (n,): which of the upright ones are as they are
    sources: np.ndarray  # str (n,), the data set of each
    spectrograms: np.ndarray  # float32 (m, pixels)

    def without(self, source: str) -> "Shown":
        """The same as if this data set did not exist."""
        kept = self.sources != source
        return Shown(self.upright[kept], self.spoilt[kept], self.plain[kept], self.sources[kept], self.spectrograms)


def show(cases: list[Case], tasks: list[str], problems: Problems) -> Shown:
    """Draw what the gate is shown. cases: to train on; tasks: those of X-rays, while all others are of sounds."""
    cases, chosen = in_order(cases), []
    for task in tasks:
        own = [case for case in cases if case.task == task]
        chosen += [(own[number % len(own)], number, number < len(own)) for number in range(DRAWN)]
    shown = list(readable(_pair, chosen, problems, "gate"))
    upright, spoiled = np.stack([pair for _, pair in shown], axis=1)
    heard = [(case,) for case in cases if case.task not in tasks][:SPECTROGRAMS]
    spectrograms = [picture for _, picture in readable(lambda case: thumbnail(draw(case)), heard, problems, "gate")]
    plain, sources = zip(*((plain, case.source) for (case, _, plain), _ in shown))
    return Shown(upright, spoiled, np.array(plain), np.array(sources), np.reshape(spectrograms, (-1, upright.shape[1])))


def _pair(case: Case, number: int, plain: bool) -> np.ndarray:
    """Thumbnails of a case upright, changed unless plain, and spoilt: float32 (2, pixels)."""
    rng = np.random.default_rng(number)
    pixels = resize(decode(case))
    changed = augment.picture(pixels, rng)
    return np.stack([thumbnail(pixels if plain else changed), thumbnail(spoilt(changed, rng))])


def fit(shown: Shown) -> Familiarity:
    """The gate that lets pass what is upright and refuses what is spoilt, spectrograms and what lies far from both."""
    plain = shown.upright[shown.plain]
    mean = plain.mean(axis=0)
    _, _, directions = np.linalg.svd(plain - mean, full_matrices=False)
    others = [shown.spoilt, shown.spectrograms, -shown.spectrograms]  # quiet sounds are dark, loud ones bright
    targets = np.repeat([0, 1], [len(shown.upright), sum(map(len, others))])
    batch = min(BATCH, len(targets))
    model = MLPClassifier(HIDDEN_UNITS, alpha=PENALTY, max_iter=PASSES, batch_size=batch, random_state=0)
    with threadpool_limits(1, "blas"), warnings.catch_warnings():  # the same bytes on any number of cores
        warnings.simplefilter("ignore", ConvergenceWarning)  # it stops before it knows them by heart
        model.fit(np.concatenate([shown.upright, *others]), targets)
    (hidden, last), (hidden_biases, bias) = model.coefs_, model.intercepts_
    directions = directions[: min(DIRECTIONS, max(len(plain) // CASES_A_DIRECTION, 1))]
    gate = Familiarity(mean, directions, np.inf, hidden, hidden_biases, last[:, 0], bias[0])
    return replace(gate, farthest=gate.distances(plain).max())


def constants(gate: Familiarity) -> dict[str, np.ndarray]:
    """A gate's constants by their names in the graph."""
    arrays = {name: np.asarray(value, np.float32) for name, value in asdict(gate).items()}
    return {PREFIX + name: value.astype(np.float16) if value.ndim == 2 else value for name, value in arrays.items()}


def constants_of(graph: Graph) -> dict[str, np.ndarray]:
    """The gate's constants of a graph, none without one."""
    return {name: value for name, value in graph.extras().items() if name.startswith(PREFIX)}
