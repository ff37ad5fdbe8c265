"""The label file: which columns of the scores belong to which task, and what they are called."""

from pathlib import Path

from tosa.errors import ModelError
from tosa.model.metadata import FIRST_TASK

Labels = dict[str, tuple[str, ...]]  # by task, in the order of the graph's scores
REPAIR = "Copy it again, or make it again with retrain.py."


def read_labels(path: Path) -> Labels:
    """Returns the labels by task, both in the order of the lines, which is the order of the graph's scores.

    A line is `task: label`, split at the first colon with a space after it; or a label of the task cough. Blank lines
    are skipped. Raises ModelError if the file is missing, empty or contradicts itself.
    """
    data = read_file(path, "Set TOSA_LABELS to the label file that was made with the graph.")
    try:
        lines = [line.strip() for line in data.decode("utf-8-sig").splitlines() if line.strip()]
    except UnicodeDecodeError as error:
        raise ModelError(f"The label file {path} is not UTF-8 text. {REPAIR}") from error
    tasks: dict[str, list[str]] = {}
    for line in lines:
        task, separator, label = f"{line} ".partition(": ")
        task, label = (task.strip(), label.strip()) if separator else (FIRST_TASK, line)
        if not task or not label:
            raise ModelError(f"The label file {path} has the line {line!r} without a task or a label. {REPAIR}")
        if task in tasks and task != list(tasks)[-1]:
            raise ModelError(f"The label file {path} scatters the task {task}. Put its lines one after the other.")
        if label in tasks.setdefault(task, []):
            raise ModelError(f"The label file {path} has the label {label!r} twice in the task {task}. {REPAIR}")
        tasks[task].append(label)
    if not tasks:
        raise ModelError(f"The label file {path} has no labels. {REPAIR}")
    return {task: tuple(labels) for task, labels in tasks.items()}


def labels_for(graph: Path, own: Labels | None, label_file: Path | None) -> tuple[Labels, Path | None]:
    """Returns a graph's labels, and the file that they were read from, None if the graph carries them.

    own: those that the graph carries. Raises ModelError if they and the label file differ, or if there are none.
    """
    if own and label_file and not _are_the_same(given := read_labels(label_file), own):
        raise ModelError(
            f"The graph {graph} carries the labels {'; '.join(lines_of(own))}, and the label file {label_file} has "
            f"{'; '.join(lines_of(given))}. Leave the label file out (TOSA_LABELS, --labels): this graph needs none."
        )
    if own:
        return own, None
    label_file = label_file or label_file_beside(graph)
    if label_file is None:
        raise ModelError(
            f"The graph {graph} does not carry its labels, and no label file {' or '.join(usual_label_names(graph))} "
            "lies beside it. Name the label file that was made with it: TOSA_LABELS, or --labels."
        )
    return read_labels(label_file), label_file


def _are_the_same(given: Labels, own: Labels) -> bool:
    """Whether a label file fits the labels that a graph carries. Lines without a task fit a graph of one task."""
    if len(own) == 1 and list(given) == [FIRST_TASK]:
        return list(given.values()) == list(own.values())
    return list(given.items()) == list(own.items())


def label_file_beside(graph: Path) -> Path | None:
    """Returns the label file that lies beside a graph under the usual name, None if there is none.

    The usual names are `labels.txt` for `graph.pb`, `retrained_labels.txt` for `retrained_graph.pb`, and the graph's
    own name with `.txt`.
    """
    named = [graph.with_name(name) for name in usual_label_names(graph)]
    return next((file for file in named if file.is_file()), None)


def usual_label_names(graph: Path) -> list[str]:
    """Returns the names that the label file of a graph may have, the most usual first."""
    before, found, after = graph.stem.rpartition("graph")
    return [f"{before}labels{after}.txt", f"{graph.stem}.txt"] if found else [f"{graph.stem}.txt"]


def lines_of(labels: Labels) -> list[str]:
    """Returns `task: label, label` for each task, for people."""
    return [f"{task}: {', '.join(names)}" for task, names in labels.items()]


def read_file(path: Path, advice: str) -> bytes:
    """Returns the file's bytes. Raises ModelError, which ends with the advice, if it cannot be read."""
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise ModelError(f"The file {path} cannot be read: {error.strerror}. {advice}") from error
