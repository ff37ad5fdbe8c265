"""Batches of changed training pictures. Each depends only on the seed and the number of its step."""

from collections.abc import Mapping, Sequence

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
    """Draws batches: a label of n cases with a probability proportional to sqrt(n), then one of its cases.

    The square root lies between the frequencies in the data, with which rare labels are hardly seen, and equal ones,
    with which a network overfits to few cases.
    """

    def __init__(
        self, cases: Sequence[Case], recipe: FineTuneRecipe, columns: Columns, preprocessing: Preprocessing = DEFAULT
    ) -> None:
        self.cases, self.recipe, self.columns, self.preprocessing = cases, recipe, columns, preprocessing
        column_of_case = np.array([columns[case.task, case.label] for case in cases])
        sizes = np.bincount(column_of_case, minlength=len(columns))
        if missing := [": ".join(pair) for pair, column in columns.items() if not sizes[column]]:
            raise UsageError(f"There is no case to train {', '.join(missing)} on. Lower the percentages.")
        self.probabilities = np.sqrt(sizes)[column_of_case] / sizes[column_of_case]
        self.probabilities /= self.probabilities.sum()
        self.augmentation = Augmentation(cases)

    def batch(self, step: int) -> tuple[np.ndarray, np.ndarray]:
        """Returns pictures uint8 (batch, size, size, 3) and the columns of their labels, int64 (batch,)."""
        rng = np.random.default_rng([self.recipe.seed, step])
        chosen = rng.choice(len(self.cases), self.recipe.batch_size, p=self.probabilities)
        cases = [self.cases[index] for index in chosen]
        pictures = np.stack([self._changed(case, rng) for case in cases])
        return pictures, np.array([self.columns[case.task, case.label] for case in cases])

    def _changed(self, case: Case, rng: np.random.Generator) -> np.ndarray:
        """A case's picture, changed; a spectrogram as it is, since mirrored or rotated it would be no sound's."""
        if case.kind is Kind.SPECTROGRAM:
            return draw(case, preprocessing=self.preprocessing)
        decoded = decode(case, self.preprocessing)
        return self.augmentation.draw(decoded, case.is_sound, rng, self.preprocessing)
