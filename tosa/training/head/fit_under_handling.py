"""A head of a finished trunk, fitted to validation cases as they came and handled in several ways."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from tosa.model.metadata import TaskMetadata
from tosa.training.data.augmentation import Augmentation
from tosa.training.data.dataset import Case, SkippedFiles, in_order, in_split
from tosa.training.data.handling import UNCHANGED, OtherSounds
from tosa.training.data.kinds import Kind
from tosa.training.features.bottlenecks import FeatureExtractor
from tosa.training.features.drawings import Drawing
from tosa.training.head.calibration import finish_head
from tosa.training.head.head import Head
from tosa.training.head.refit import choose_last_layer
from tosa.training.head.views import Views, assumed_prior

REFIT_CASES = 600  # of a task that a last layer is fitted to, at most; each takes two runs of the trunk


@dataclass(frozen=True)
class Wanted:
    """What to fit."""

    refits: bool  # whether layers fitted to the training cases are among the candidates
    negative: str | None = None  # the label that stands for health
    sensitivity: float | None = None  # that the decision must reach


def fit_under_handling(
    head: Head,
    task: TaskMetadata,
    cases: Sequence[Case],
    extractor: FeatureExtractor,
    skipped: SkippedFiles,
    wanted: Wanted,
) -> tuple[Head, TaskMetadata]:
    """Returns a head with the last layer, temperature, decision and bound that fit the cases, and its metadata.

    cases: of the head's task, of all splits.
    """
    prior = assumed_prior(head.labels, wanted.negative)
    validation = Views.handled(in_split(cases, "validation"), head.labels, OtherSounds(cases), extractor, skipped)
    training = _training_views(head, cases, extractor, skipped) if wanted.refits else None
    start = replace(head, shift=None, floor=0.0)  # both are refitted
    fitted, record = choose_last_layer(start, prior, validation, training, wanted.negative)
    if record:  # what the metadata says of the training is of the layer before
        task = replace(task, training=None, refit=record)
    return finish_head(fitted, task, validation, prior, wanted.negative, wanted.sensitivity)


def _training_views(head: Head, cases: Sequence[Case], extractor: FeatureExtractor, skipped: SkippedFiles) -> Views:
    """Training cases of a task, at most REFIT_CASES, as they came and changed once as in fine-tuning.

    Pictures of sounds are only taken as they came: changed, they would be no sound's.
    """
    training = in_split(cases, "training")
    augmentation = Augmentation(training)
    chosen = in_order(training)[:REFIT_CASES]
    drawings = [Drawing(case) for case in chosen]
    drawings += [Drawing(case, augmentation) for case in chosen if case.kind is not Kind.SPECTROGRAM]
    made = extractor.bottlenecks(drawings, skipped)
    names = ["changed" if drawing.change else UNCHANGED for drawing in made.drawings]
    return Views.of([drawing.case for drawing in made.drawings], head.labels, made.values, names)
