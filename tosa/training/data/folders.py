"""Cases from folders: one folder a label, as the classic retrain.py takes them."""

import os
import unicodedata
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from tosa.errors import RequestError, UsageError
from tosa.training.data import kinds
from tosa.training.data.dataset import Case, Percentages, SkippedFiles, group_of


def from_folders(
    folder: Path,
    task: str,
    percentages: Percentages,
    group_regex: str | None = None,
    skipped: SkippedFiles | None = None,
) -> list[Case]:
    """Returns the cases of a folder that has one folder of pictures or sounds a label.

    A file is a case if its content or its ending is that of a picture or sound. Others are passed over and named;
    hidden ones are passed over silently. Links to folders are followed. A file's group is that of group_of. Raises
    UsageError where a folder is missing or has no case, and where group_regex finds nothing.
    """
    skipped = skipped or SkippedFiles()
    if not folder.is_dir():
        raise UsageError(
            f"Image directory '{folder}' not found. It needs one folder of pictures for each label. "
            "--audio_dir=SOUNDS, with one folder of sounds for each label, makes it by drawing spectrograms."
        )
    folders = _label_folders(folder)
    labels = _labels_of([path.name for path in folders])
    _warn_of_same_labels(folders, labels)
    cases, passed_over = [], PassedOver()
    for label_folder, label in zip(folders, labels, strict=True):
        files = [file for file in files_below(label_folder) if _is_case(file, passed_over)]
        if not files:
            skipped.add(UsageError(f"The label folder '{label_folder}' has no picture or sound. Fill or remove it."))
        for file in files:
            group = group_of(file, group_regex)
            cases.append(Case(file, task, label, group, percentages.split_of(group)))
    passed_over.print_summary()
    if not cases:
        raise UsageError(
            f"No valid folders of pictures or sounds found at '{folder}': one folder for each label is needed. "
            "--audio_dir=SOUNDS, with one folder of sounds for each label, draws spectrograms into it."
        )
    return cases


def labels_in(folder: Path) -> list[str]:
    """Returns the labels that the folders in a folder stand for, [] if it is missing."""
    return _labels_of([path.name for path in _label_folders(folder)]) if folder.is_dir() else []


def _label_folders(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.is_dir() and not kinds.is_hidden(Path(path.name)))


def _labels_of(names: list[str]) -> list[str]:
    """Labels of folder names: in lower case with spaces for underscores, as the classic made them.

    The classic tore names with letters beyond ASCII apart ("neumon a"). If one name has such a letter, all names keep
    their capitals too, since people will read them.
    """
    composed = [" ".join(unicodedata.normalize("NFC", name).replace("_", " ").split()) for name in names]
    return [label.lower() for label in composed] if all(label.isascii() for label in composed) else composed


def _warn_of_same_labels(folders: list[Path], labels: list[str]) -> None:
    for label, count in Counter(labels).items():
        if count > 1:
            same = [path for path, own_label in zip(folders, labels, strict=True) if own_label == label]
            names = " and ".join(f"'{path.name}'" for path in same)
            print(f"WARNING: The folders {names} give the same label, '{label}'. Their files are taken together.")


def files_below(folder: Path) -> list[Path]:
    """Returns all files below a folder that are not hidden, sorted. Links to folders are followed, each folder once."""
    return sorted(folder / file for file in _walk(folder) if not kinds.is_hidden(file))


def _walk(folder: Path) -> Iterator[Path]:
    entered = set()
    for place, subfolders, files in os.walk(folder, followlinks=True):
        if (real := os.path.realpath(place)) in entered:  # a link to a folder above would never end
            subfolders.clear()
            continue
        entered.add(real)
        yield from (Path(place, name).relative_to(folder) for name in files)


class PassedOver:
    """Files that are neither sounds nor pictures, by the reason."""

    def __init__(self) -> None:
        self.files: dict[str, list[Path]] = {}

    def add(self, file: Path, reason: str) -> None:
        """Notes a file and why it is passed over."""
        self.files.setdefault(reason, []).append(file)

    def print_summary(self) -> None:
        """Prints how many files were passed over for each reason, and the name of one."""
        for reason, files in self.files.items():
            count = f"{len(files)} files were" if len(files) > 1 else "1 file was"
            print(f"WARNING: {count} passed over, such as '{files[0]}'. {reason}")


def _is_case(file: Path, passed_over: PassedOver) -> bool:
    if kinds.has_ending(file, kinds.PICTURE_ENDINGS | kinds.SOUND_ENDINGS):
        return True  # if it is not what its ending says, reading it for the training names it
    try:
        kinds.recognise(file)
    except OSError as error:
        passed_over.add(file, f"It cannot be read: {error.strerror}.")
    except RequestError as error:
        passed_over.add(file, str(error))
    else:
        return True
    return False
