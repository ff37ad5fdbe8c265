"""From what the user names to cases: sounds drawn first if asked, labels, groups and splits, and doubts about them."""

from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path

from tosa.errors import UsageError
from tosa.model.metadata import FIRST_LABELS, FIRST_TASK, UNNAMED_TASK
from tosa.preprocessing import Preprocessing
from tosa.scale.executor import Executor, prefetch
from tosa.training.data import dataset, spectrogram_folders, splits
from tosa.training.data.check_cases import check_labels, check_training_cases, same_labels
from tosa.training.data.dataset import Case, Percentages, SkippedFiles
from tosa.training.data.drawing import DEFAULT, decode
from tosa.training.data.folders import from_folders
from tosa.training.data.table import from_csv
from tosa.training.files import progress


@dataclass(frozen=True)
class DataOptions:
    """Which files are the cases, and how they are split."""

    image_dir: Path | None = None  # folder with one folder a label
    labels_csv: Path | None = None  # table, in the place of image_dir
    audio_dir: Path | None = None  # folder with one folder of sounds a label, drawn into image_dir
    task: str | None = None
    group_regex: str | None = None
    percentages: Percentages = field(default_factory=Percentages)
    lists: Mapping[str, Path] = field(default_factory=dict)  # by split: a text file that names the files of it
    skip_unreadable: bool = False
    allow_contaminated: bool = False  # test on files that were in the training of the trunk
    executor: Executor | None = None  # a cluster that draws audio_dir and calculates bottlenecks; None: this machine

    @property
    def place(self) -> Path | None:
        """Where the cases are named, for messages."""
        return self.labels_csv or self.image_dir


def load_cases(
    options: DataOptions,
    skipped: SkippedFiles,
    task: str | None = None,
    for_training: bool = True,
    preprocessing: Preprocessing = DEFAULT,
) -> list[Case]:
    """Returns the cases that the options name, each in its split; `task` is for those whose task nothing names.

    Without it, that is FIRST_TASK where the labels are its own, as in the classic command, else UNNAMED_TASK.
    Prints how many there are and what is doubtful about them. Raises UsageError where they cannot be learnt from, or
    for_training is False and they cannot be evaluated.
    """
    cases = _read(options, options.task or task or UNNAMED_TASK, skipped, preprocessing)
    if not (options.task or task) and {case.label for case in dataset.of_task(cases, UNNAMED_TASK)} <= FIRST_LABELS:
        cases = [replace(case, task=FIRST_TASK) if case.task == UNNAMED_TASK else case for case in cases]
    if options.skip_unreadable:  # first, since splits depend on which cases there are
        cases = readable_cases(cases, skipped, preprocessing)
    if options.lists:
        cases = splits.by_lists(cases, options.lists, options.percentages)
    else:
        cases = splits.with_rare_labels(cases, options.percentages)
    check_labels(cases, str(options.place), fewest=2 if for_training else 1)
    if for_training:
        check_training_cases(cases)
    print(dataset.table_of_counts(cases))
    for sentence in [*same_labels(cases), *splits.warnings(cases)]:
        print(f"WARNING: {sentence}")
    return cases


def _read(options: DataOptions, task: str, skipped: SkippedFiles, preprocessing: Preprocessing) -> list[Case]:
    sounds: dict[Path, Path] = {}  # by the picture that was drawn of it
    if options.audio_dir:
        if not options.image_dir:
            raise UsageError("--audio_dir needs --image_dir, the folder to draw its spectrograms into.")
        sounds = spectrogram_folders.draw_folder(
            options.audio_dir, options.image_dir, skipped, preprocessing, options.executor
        )
    if options.labels_csv:
        only = bool(options.task)
        cases = from_csv(options.labels_csv, task, options.percentages, options.group_regex, only)
    elif options.image_dir:
        stale = spectrogram_folders.pictures_without_sound(options.image_dir, sounds) if options.audio_dir else set()
        print(f"Looking for images in '{options.image_dir}'")
        cases = from_folders(options.image_dir, task, options.percentages, options.group_regex, skipped)
        cases = [case for case in cases if case.file not in stale]
    else:
        raise UsageError("Name the cases to learn from: --image_dir or --labels_csv.")
    return [replace(case, drawn_from=sounds.get(case.file)) for case in cases] if sounds else cases


def with_sounds(cases: Sequence[Case]) -> list[Case]:
    """Returns the cases with sounds in the place of the pictures that were drawn of them, to be changed and drawn."""
    return [replace(case, file=case.drawn_from, drawn_from=None) if case.drawn_from else case for case in cases]


def readable_cases(cases: Sequence[Case], skipped: SkippedFiles, preprocessing: Preprocessing = DEFAULT) -> list[Case]:
    """Returns the cases whose files can be decoded; the others are skipped."""
    with ThreadPoolExecutor() as pool:
        errors_in_order = prefetch(pool, lambda case: _error(case, preprocessing), cases)
        bar = progress(errors_in_order, desc="reading", unit="file", total=len(cases))
        errors = list(zip(cases, bar, strict=True))
    for _, error in errors:
        if error:
            skipped.add(error)
    return [case for case, error in errors if not error]


def _error(case: Case, preprocessing: Preprocessing) -> UsageError | None:
    try:
        decode(case, preprocessing)
    except UsageError as error:
        return error
    return None


def check_against_graph(cases: Sequence[Case], labels: Mapping[str, Collection[str]]) -> None:
    """Raises UsageError where cases have a task or a label that a graph with these labels by task lacks."""
    for task, own_labels in dataset.labels_by_task(cases).items():
        if task not in labels:
            raise UsageError(
                f"The graph has no task '{task}'; it has {', '.join(labels)}. Leave out the cases of '{task}'."
            )
        if missing := set(own_labels) - set(labels[task]):
            raise UsageError(
                f"The graph's task '{task}' has no label {', '.join(sorted(missing))}; it has "
                f"{', '.join(labels[task])}."
            )
