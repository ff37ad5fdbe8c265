"""From flags to cases: sounds drawn where they are to be, labels, groups and splits, and what is doubtful in them."""

from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from tosa.errors import UsageError
from tosa.model.metadata import FIRST_TASK
from tosa.training.data import dataset, spectrogram_folders, splits
from tosa.training.data.dataset import Case, SkippedFiles
from tosa.training.data.drawing import decode
from tosa.training.data.prefetch import prefetch
from tosa.training.files import progress


def load_cases(flags, task: str | None = None, problems: SkippedFiles | None = None) -> list[Case]:
    """The cases that the flags name, of `task` where neither flags nor table name one, each in its split.

    Prints how many there are and what is doubtful. Raises UsageError where they cannot be learnt from.
    """
    problems = problems or SkippedFiles(flags.skip_unreadable)
    percentages = dataset.Percentages(flags.validation_percentage, flags.testing_percentage)
    cases = _read(flags, flags.task or task or FIRST_TASK, percentages, problems)
    if flags.skip_unreadable:  # first, since splits depend on who is there
        cases = readable(cases, problems)
    lists = {split: getattr(flags, f"{split}_list") for split in dataset.SPLITS}
    if any(lists.values()):
        drawn = spectrogram_folders.sounds_of(flags.image_dir, flags.audio_dir)
        cases = splits.by_lists(cases, lists, percentages, drawn)
    else:
        cases = splits.with_rare_labels(cases, percentages)
    check(flags, cases)
    print(dataset.describe(cases))
    for sentence in splits.warnings(cases):
        print(f"WARNING: {sentence}")
    return cases


def check_known(cases: list[Case], labels: dict[str, Collection[str]]) -> None:
    """Raises UsageError where cases have a task or a label that a graph with these labels by task has not."""
    for task, asked in dataset.labels_by_task(cases).items():
        if task not in labels:
            raise UsageError(f"The graph has no task '{task}'; it has {', '.join(labels)}. Choose with --task.")
        if missing := set(asked) - set(labels[task]):
            raise UsageError(f"The graph's task '{task}' has no label {', '.join(sorted(missing))}.")


def check(flags, cases: list[Case]) -> None:
    """Raises UsageError where the cases have too few labels, or none of a label is left to train on."""
    dataset.check_labels(cases, str(flags.labels_csv or flags.image_dir), least=1 if flags.evaluate else 2)
    if flags.evaluate:
        return
    trained = dataset.labels_by_task(dataset.in_split(cases, "training"))
    for task, labels in dataset.labels_by_task(cases).items():
        if missing := sorted(set(labels) - set(trained.get(task, []))):
            raise UsageError(
                f"No case of {task}: '{missing[0]}' is left for training; lower the percentages or add cases."
            )


def _read(flags, task: str, percentages: dataset.Percentages, problems: SkippedFiles) -> list[Case]:
    if flags.audio_dir and not flags.image_dir:
        raise UsageError("--audio_dir needs --image_dir, the folder to draw its spectrograms into.")
    gone = spectrogram_folders.draw_folder(flags.audio_dir, flags.image_dir, problems) if flags.audio_dir else set()
    if flags.labels_csv:
        return dataset.from_csv(flags.labels_csv, task, percentages, flags.group_regex, only=bool(flags.task))
    if not flags.image_dir:
        raise UsageError("Say what to learn from: --image_dir or --labels_csv.")
    print(f"Looking for images in '{flags.image_dir}'")
    cases = dataset.from_folders(flags.image_dir, task, percentages, flags.group_regex, problems)
    return [case for case in cases if case.file not in gone]


def with_sounds(cases: list[Case], sounds: Path | None, pictures: Path | None) -> list[Case]:
    """The cases with the sounds in the place of the pictures that were drawn of them, to be changed and drawn anew."""
    drawn = spectrogram_folders.sounds_of(pictures, sounds)
    return [replace(case, file=drawn.get(case.file, case.file)) for case in cases]


def readable(cases: list[Case], problems: SkippedFiles) -> list[Case]:
    """The cases whose files can be decoded; the others go to problems."""
    with ThreadPoolExecutor() as pool:
        found = progress(prefetch(pool, _error, cases), desc="reading", unit="file", total=len(cases))
        errors = list(zip(cases, found))
    for _, error in errors:
        if error:
            problems.add(error)
    return [case for case, error in errors if not error]


def _error(case: Case) -> UsageError | None:
    try:
        decode(case)
    except UsageError as error:
        return error
    return None
