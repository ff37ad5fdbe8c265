"""What a head is calibrated on: the bottlenecks of cases, each unchanged and handled in several ways."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from tosa.training.data.dataset import Case, SkippedFiles
from tosa.training.data.handling import UNCHANGED, OtherSounds, handlings
from tosa.training.features.bottlenecks import FeatureExtractor
from tosa.training.features.drawings import Drawing
from tosa.training.head.head import Head
from tosa.training.metrics import negative_of


@dataclass(frozen=True, eq=False)
class Views:
    """m views of n cases of one task; a view is a case's picture, unchanged or handled in one way."""

    bottlenecks: np.ndarray  # float32 (m, features)
    targets: np.ndarray  # columns of the labels, int64 (m,)
    groups: np.ndarray  # str (m,)
    sources: np.ndarray  # str (m,)
    files: np.ndarray  # str (m,): which case a view is of
    names: np.ndarray  # str (m,): UNCHANGED, or how it was handled
    given_logits: np.ndarray | None = None  # float32 (m, labels), where other heads gave them
    of_training: np.ndarray | None = None  # bool (m,): which views with such logits are of training cases

    @classmethod
    def of(
        cls, cases: Sequence[Case], labels: Sequence[str], bottlenecks: np.ndarray, names: Sequence[str] | None = None
    ) -> Self:
        """Returns the views with these bottlenecks; cases: of each view; names: all UNCHANGED by default."""
        return cls(
            bottlenecks,
            np.array([labels.index(case.label) for case in cases], dtype=np.int64),
            np.array([case.group for case in cases], dtype=str),
            np.array([case.source for case in cases], dtype=str),
            np.array([str(case.file) for case in cases], dtype=str),
            np.array(names if names is not None else [UNCHANGED] * len(cases), dtype=str),
        )

    @classmethod
    def handled(
        cls,
        cases: Sequence[Case],
        labels: Sequence[str],
        others: OtherSounds,
        extractor: FeatureExtractor,
        skipped: SkippedFiles,
    ) -> Self:
        """Returns each case unchanged and handled in each way; others: sounds to mix into sounds."""
        drawings = [Drawing(case) for case in cases]
        drawings += [Drawing(case, way) for case in cases for way in handlings(case.kind, others)]
        made = extractor.bottlenecks(drawings, skipped)
        names = [getattr(drawing.change, "name", UNCHANGED) for drawing in made.drawings]
        return cls.of([drawing.case for drawing in made.drawings], labels, made.values, names)

    def take(self, chosen: np.ndarray) -> "Views":
        """Returns the chosen views, bool or rows."""
        arrays = {name: value[chosen] for name, value in vars(self).items() if value is not None}
        return Views(**arrays)

    def with_logits(self, logits: np.ndarray, more: "Views", more_logits: np.ndarray) -> "Views":
        """Returns these views and `more`, of training cases, with the logits of each, whichever head they are of."""
        joined = {
            name: np.concatenate([value, getattr(more, name)])
            for name, value in vars(self).items()
            if name not in ("given_logits", "of_training")
        }
        of_training = np.repeat([False, True], [len(logits), len(more_logits)])
        return Views(**joined, given_logits=np.concatenate([logits, more_logits]), of_training=of_training)

    def logits_of(self, head: Head) -> np.ndarray:
        """Returns uncalibrated logits (m, labels) of a head, or those given in their place."""
        return head.logits(self.bottlenecks) if self.given_logits is None else self.given_logits

    def without(self, source: str) -> "Views":
        """Returns the views of all other sources."""
        return self.take(self.sources != source)

    @property
    def case_count(self) -> int:
        """How many different cases there are."""
        return len(np.unique(self.files))

    @property
    def training_case_count(self) -> int:
        """How many of them are training cases that other heads answered."""
        return 0 if self.of_training is None else len(np.unique(self.files[self.of_training]))

    def group_count(self, chosen: np.ndarray | None = None) -> int:
        """Returns how many different groups the chosen views, bool (m,), are of; all views by default."""
        return len(np.unique(self.groups if chosen is None else self.groups[chosen]))

    def fewest_groups(self, labels: int) -> int:
        """Returns how many groups the label with the fewest has, of so many labels; a label without any has 0."""
        return min(self.group_count(self.targets == label) for label in range(labels))

    def case_weights(self) -> np.ndarray:
        """Returns weights (m,) with which each case counts as one, however many views it has."""
        _, index, sizes = np.unique(self.files, return_inverse=True, return_counts=True)
        return 1 / sizes[index]

    def weights(self, prior: np.ndarray) -> np.ndarray:
        """Returns weights (m,) with which labels have the shares `prior` (labels,), 0 for those without a view.

        Within a label, sources count by the square root of their size: a source of four cases counts less than one of
        four hundred, but not a hundred times less. The sum is Kish's effective number of cases (Survey Sampling, 1965):
        all views of a case together count as one case.
        """
        if not len(self.targets):
            return np.ones(0)
        keys = np.array([f"{target} {source}" for target, source in zip(self.targets, self.sources, strict=True)])
        _, index, sizes = np.unique(keys, return_inverse=True, return_counts=True)
        weights = 1 / np.sqrt(sizes)[index]
        weights *= (prior / np.maximum(np.bincount(self.targets, weights, len(prior)), 1e-12))[self.targets]
        plain = weights[self.names == UNCHANGED]
        effective = plain.sum() ** 2 / np.square(plain).sum()
        return weights / weights.sum() * effective


def assumed_prior(labels: tuple[str, ...], negative: str | None = None) -> np.ndarray:
    """Returns the share of each label, (labels,), that calibrated scores assume.

    Ill and healthy half and half, all labels of illness alike; without a label that stands for health, all alike.
    """
    healthy = healthy_column(labels, negative)
    if healthy is None or len(labels) == 1:
        return np.full(len(labels), 1 / len(labels))
    prior = np.full(len(labels), 0.5 / (len(labels) - 1))
    prior[healthy] = 0.5
    return prior


def healthy_column(labels: tuple[str, ...], negative: str | None = None) -> int | None:
    """Returns the column of the label that stands for health; None without one.

    negative: that label, if the task has it; it may be one of another task that is trained beside this one.
    """
    wanted = negative_of(labels, negative) if negative else None
    return negative_of(labels) if wanted is None else wanted
