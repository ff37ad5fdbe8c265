"""What a head learns from: the bottlenecks of the cases, and of distorted variants of those to train on."""

from dataclasses import asdict, dataclass, fields

import numpy as np

from tosa.errors import UsageError
from tosa.training.data import dataset
from tosa.training.data.dataset import Case, SkippedFiles, in_split
from tosa.training.data.distortion import Distortion
from tosa.training.data.load_cases import with_sounds
from tosa.training.data.summary import summarize_data
from tosa.training.features.bottlenecks import Bottlenecks, Drawing, bottlenecks
from tosa.training.head.train_head import Examples


@dataclass(frozen=True)
class BottleneckDataset:
    """Bottlenecks of cases in the order of their splits, so that each split is a view of one array."""

    made: Bottlenecks
    variants: Bottlenecks | None = None  # distorted training cases, in their place
    distortion: dict = None  # what the graph says of how they were made

    @property
    def cases(self) -> list[Case]:
        return [drawing.case for drawing in self.made.drawings]

    def examples(self, labels: list[str], split: str) -> Examples:
        """Bottlenecks and targets of a split; of the distorted variants to train on, where there are any."""
        made = self.variants if split == "training" and self.variants else self.made
        rows = [row for row, drawing in enumerate(made.drawings) if drawing.case.split == split]
        first, end = (rows[0], rows[-1] + 1) if rows else (0, 0)
        column = {label: number for number, label in enumerate(labels)}
        targets = np.array([column[drawing.case.label] for drawing in made.drawings[first:end]], dtype=np.int64)
        return Examples(made.values[first:end], targets)

    def data(self, problems: SkippedFiles) -> dict:
        """What the report says of the data."""
        return summarize_data(self.cases, problems, self.made.contents, self.made.fingerprints)


def make_bottleneck_dataset(cases: list[Case], flags, network, trunk_name: str, problems: SkippedFiles) -> BottleneckDataset:
    """Bottlenecks of all cases; and where the flags distort, of --variants distorted copies of each to train on.

    The classic ran the trunk anew for every picture of every step. A pool of variants, made once in full batches and
    kept in the cache, costs as much as `variants` passes over the training pictures, and a step takes no longer.
    """
    cases = [case for split in dataset.SPLITS for case in in_split(cases, split)]
    made = bottlenecks([Drawing(case) for case in cases], network, trunk_name, flags.bottleneck_dir, problems)
    distortion = distortion_of(flags)
    if not (distortion.of_pictures() or distortion.of_sounds()):
        return BottleneckDataset(made, distortion={})
    readable = [drawing.case for drawing in made.drawings]
    training = with_sounds(in_split(readable, "training"), flags.audio_dir, flags.image_dir)
    if not distortion.of_pictures() and not any(case.is_sound for case in training):
        raise UsageError("--random_shift and its like change sounds, but only pictures are here. Give --audio_dir.")
    print(f"Making {flags.variants} distorted variants of each of {len(training)} training cases.")
    drawings = [Drawing(case, distortion, variant) for variant in range(flags.variants) for case in training]
    variants = bottlenecks(drawings, network, trunk_name, flags.bottleneck_dir, problems)
    return BottleneckDataset(made, variants, {"distortion": asdict(distortion), "variants": flags.variants})


def distortion_of(flags) -> Distortion:
    return Distortion(**{field.name: getattr(flags, field.name) for field in fields(Distortion)})
