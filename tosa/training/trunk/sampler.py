"""Batches of changed training pictures. Each depends only on the seed and the number of its step."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from tosa.errors import UsageError
from tosa.preprocessing import Preprocessing
from tosa.training.data.augmentation import Augmentation
from tosa.training.data.dataset import Case, labels_by_task
from tosa.training.data.drawing import DEFAULT, decode, draw
from tosa.training.data.kinds import Kind
from tosa.training.trunk.recipe import FineTuneRecipe

Columns = Mapping[tuple[str, str], int]  # of the scores, by task and label


def columns_of(cases: Sequence[Case]) -> dict[tuple[str, str], int]:
    """Returns the column of each (task, label) in the scores, tasks side by side."""
    pairs = [(task, label) for task, labels in labels_by_task(cases).items() for label in labels]
    return {pair: column for column, pair in enumerate(pairs)}


class Sampler:
    """Draws batches of changed pictures.

    Without shares, a label of n cases is drawn with a probability proportional to sqrt(n), then one of its strata, of m
    cases, proportional to sqrt(m), then one case of it. The square root lies between the frequencies in the data, with
    which rare labels are hardly seen, and equal ones, with which a network overfits to few cases. The stratum is the
    table's column `stratum`, such as a hospital or a range of aspect ratios.

    With recipe.pool_shares, each batch has these shares of the pools that the table's column `pool` names, exactly
    where they come out whole; the labels of a pool are balanced as above.

    With recipe.consistency, a batch has half as many cases, and two views of each, one after the other.
    """

    def __init__(
        self, cases: Sequence[Case], recipe: FineTuneRecipe, columns: Columns, preprocessing: Preprocessing = DEFAULT
    ) -> None:
        """Raises UsageError where a label has no case to train on, or the shares are not those of the pools."""
        self.cases, self.recipe, self.columns, self.preprocessing = cases, recipe, columns, preprocessing
        self.pools = _pools(cases, recipe.pool_shares)
        drawn = {(cases[index].task, cases[index].label) for pool in self.pools if pool.share for index in pool.indices}
        if missing := [": ".join(pair) for pair in columns if pair not in drawn]:
            raise UsageError(f"There is no case to train {', '.join(missing)} on. Lower the percentages.")
        self.augmentation = Augmentation(cases)

    def batch(self, step: int) -> tuple[np.ndarray, np.ndarray]:
        """Returns pictures uint8 (batch, size, size, 3) and the columns of their labels, int64 (batch,)."""
        rng = np.random.default_rng([self.recipe.seed, step])
        ends, size = np.cumsum([pool.share for pool in self.pools]), self.recipe.batch_size // self.recipe.views
        places = (rng.random() + np.arange(size)) / size * ends[-1]  # at even distances, from a random start
        counts = np.bincount(np.searchsorted(ends, places), minlength=len(self.pools))
        chosen = [
            index
            for pool, count in zip(self.pools, counts, strict=True)
            for index in rng.choice(pool.indices, count, p=pool.probabilities)
            for _ in range(self.recipe.views)
        ]
        pictures = np.stack([self._changed(self.cases[index], rng) for index in chosen])
        return pictures, np.array([self.columns[self.cases[index].task, self.cases[index].label] for index in chosen])

    def _changed(self, case: Case, rng: np.random.Generator) -> np.ndarray:
        """A case's picture, changed; a spectrogram as it is, since mirrored or rotated it would be no sound's."""
        if case.kind is Kind.SPECTROGRAM:
            return draw(case, preprocessing=self.preprocessing)
        decoded = decode(case, self.preprocessing)
        return self.augmentation.draw(decoded, case, rng, self.preprocessing)


@dataclass(frozen=True, eq=False)
class _Pool:
    """Cases, by their number, and the probability that the next one of the pool is each of them."""

    share: float
    indices: np.ndarray
    probabilities: np.ndarray


def _pools(cases: Sequence[Case], shares: Mapping[str, float]) -> list[_Pool]:
    """The pools of the shares, in their order; without shares one of all cases."""
    if not shares:
        return [_Pool(1, np.arange(len(cases)), _balanced(cases))]
    indices: dict[str, list[int]] = {}
    for index, case in enumerate(cases):
        indices.setdefault(case.extra.get("pool", ""), []).append(index)
    if set(indices) != set(shares):
        found = ", ".join(f"'{name}'" for name in sorted(indices))
        raise UsageError(
            f"--pool_shares names {', '.join(shares)}, but the column pool of the training cases has {found}: give "
            "each pool its share, 0 to leave it out."
        )
    return [
        _Pool(share, np.array(indices[name]), _balanced([cases[index] for index in indices[name]]))
        for name, share in shares.items()
    ]


def _balanced(cases: Sequence[Case]) -> np.ndarray:
    """The probability of each case, with the square root of the sizes of labels, and of strata within a label."""
    labels = [(case.task, case.label) for case in cases]
    strata = [(label, case.extra.get("stratum", "")) for label, case in zip(labels, cases, strict=True)]
    of_label, of_stratum = Counter(labels), Counter(strata)
    roots: Counter = Counter()  # sum of the square roots of the sizes of a label's strata
    for (label, _), size in of_stratum.items():
        roots[label] += size**0.5
    weights = [
        of_label[label] ** 0.5 / roots[label] / of_stratum[stratum] ** 0.5
        for label, stratum in zip(labels, strata, strict=True)
    ]
    return np.array(weights) / sum(weights)
