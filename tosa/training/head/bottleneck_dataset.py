"""What a head learns from: the bottlenecks of the cases, and of distorted variants of the training cases."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from tosa.errors import UsageError
from tosa.training.data import dataset
from tosa.training.data.dataset import Case, SkippedFiles, in_split
from tosa.training.data.distortion import Distortion
from tosa.training.data.load_cases import with_sounds
from tosa.training.features.bottlenecks import Bottlenecks, FeatureExtractor
from tosa.training.features.drawings import Drawing
from tosa.training.head.examples import Examples
from tosa.training.head.views import Views


@dataclass(frozen=True, eq=False)
class BottleneckDataset:
    """Bottlenecks of cases in the order of their splits, so that each split is a view of one array."""

    made: Bottlenecks
    variants: Bottlenecks | None = None  # distorted training cases, in the place of those in `made`

    @property
    def cases(self) -> list[Case]:
        """The cases, without those whose files cannot be read."""
        return [drawing.case for drawing in self.made.drawings]

    def examples(self, labels: Sequence[str], split: str) -> Examples:
        """Returns bottlenecks and targets of a split; for training those of the distorted variants, if there are."""
        made = self.variants if split == "training" and self.variants else self.made
        rows = [row for row, drawing in enumerate(made.drawings) if drawing.case.split == split]
        first, end = (rows[0], rows[-1] + 1) if rows else (0, 0)
        column = {label: number for number, label in enumerate(labels)}
        targets = np.array([column[drawing.case.label] for drawing in made.drawings[first:end]], dtype=np.int64)
        return Examples(made.values[first:end], targets)

    def views(self, labels: Sequence[str], split: str) -> Views:
        """Returns the same as `examples`, with the case of each bottleneck."""
        made = self.variants if split == "training" and self.variants else self.made
        rows = [row for row, drawing in enumerate(made.drawings) if drawing.case.split == split]
        return Views.of([made.drawings[row].case for row in rows], labels, self.examples(labels, split).bottlenecks)


@dataclass(frozen=True)
class Variants:
    """Distorted copies of each training case."""

    distortion: Distortion = field(default_factory=Distortion)
    count: int = 10

    def to_dict(self) -> dict[str, Any]:
        """Returns what a graph says of them; nothing if nothing is distorted."""
        distorts = self.distortion.changes_pictures() or self.distortion.changes_sounds()
        return {"distortion": asdict(self.distortion), "variants": self.count} if distorts else {}


def make_bottleneck_dataset(
    cases: Sequence[Case], extractor: FeatureExtractor, skipped: SkippedFiles, variants: Variants | None = None
) -> BottleneckDataset:
    """Returns the bottlenecks of all cases and, if `variants` distorts, of distorted copies of the training cases.

    The classic ran the trunk for every distorted picture in every step. A pool of variants, calculated once in full
    batches and cached, costs as much as `variants.count` passes over the training pictures, and a step takes no longer.
    """
    sorted_cases = [case for split in dataset.SPLITS for case in in_split(cases, split)]
    made = extractor.bottlenecks([Drawing(case) for case in sorted_cases], skipped)
    if not variants or not variants.to_dict():
        return BottleneckDataset(made)
    training = with_sounds(in_split([drawing.case for drawing in made.drawings], "training"))
    distortion = variants.distortion
    if not distortion.changes_pictures() and not any(case.is_sound for case in training):
        raise UsageError("--random_shift and the like change sounds, but all cases are pictures. Give --audio_dir.")
    print(f"Making {variants.count} distorted variants of each of {len(training)} training cases.")
    drawings = [Drawing(case, distortion, variant) for variant in range(variants.count) for case in training]
    return BottleneckDataset(made, extractor.bottlenecks(drawings, skipped))
