"""What a training tells about the graph that it makes."""

import os
import shlex
import shutil
import sys
from collections.abc import Collection, Sequence
from pathlib import Path

from tosa.errors import ModelError
from tosa.model.metadata import FIRST_TASK, UNNAMED_TASK, GraphMetadata
from tosa.model.network import GraphFile
from tosa.screening import is_after_primary
from tosa.settings import Settings
from tosa.training.data import dataset
from tosa.training.data.dataset import Case
from tosa.training.data.load_cases import DataOptions
from tosa.training.files import previous_of
from tosa.training.graph.finalize import GraphFiles


def warn_of_lost_tasks(options: DataOptions, settings: Settings, tasks: Collection[str], reason: str) -> None:
    """Prints which tasks of the served graph a new one with `tasks` lacks, though --task promises to keep them."""
    if options.task and (lost := _lost(settings.graph, settings.labels, tasks)):
        names = ", ".join(lost)
        print(f"WARNING: The new graph will not have {names} of the served graph, '{settings.graph}': {reason}.")


def tell_what_is_replaced(files: GraphFiles, tasks: Collection[str]) -> None:
    """Prints which tasks of the graph that is there the new one with `tasks` lacks, and where the old one is kept."""
    if lost := _lost(files.graph, files.labels, tasks):
        print(
            f"WARNING: '{files.graph}' is replaced, and the new graph has only {', '.join(tasks)}: {', '.join(lost)} "
            f"will be dropped. The old ones are kept as '{previous_of(files.graph)}' and '{previous_of(files.labels)}'."
        )


def _lost(graph: Path, labels: Path | None, tasks: Collection[str]) -> list[str]:
    """The tasks of a graph file that are not among `tasks`; none if there is no graph that can be served."""
    for label_file in (None, labels):  # which only a graph that does not carry its labels needs
        try:
            return [task for task in GraphFile.read(graph, label_file).model.tasks if task not in tasks]
        except ModelError:
            continue
    return []


def print_how_to_serve(file: Path) -> None:
    """Prints the command that serves the new graph, as this program was started: from a clone or installed."""
    graph = file if os.name == "nt" else shlex.quote(str(file))
    tosa = "tosa" if shutil.which("tosa") else f"{_python()} -m tosa"
    command = f"{tosa} serve --graph {graph}" if os.name == "nt" else f"TOSA_GRAPH={graph} {tosa} serve"
    print(f"To serve it: {command}")


def _python() -> str:
    """This Python as one types it: relative to the working folder where it lies below, or by its name."""
    executable, here = Path(sys.executable), Path.cwd()
    return str(executable.relative_to(here)) if executable.is_relative_to(here) else executable.name


def tell_what_comes_first(metadata: GraphMetadata, tasks: Collection[str], task: str) -> None:
    """Prints which finding comes before that of `task` in answers, if another of the graph's tasks does."""
    same = [name for name in tasks if metadata.task(name).input == metadata.task(task).input]
    first = min(same, key=is_after_primary)
    if first != task:
        print(
            f"An answer's diagnosis is that of its first finding, {first}; the finding of {task} is a later one. "
            f"--drop_other_tasks makes a graph of {task} alone."
        )


def print_input_note(options: DataOptions, cases: Sequence[Case]) -> None:
    """Prints that pictures without a task are taken for spectrograms, as in the classic command."""
    says_input = options.task or options.audio_dir or any(case.is_sound for case in cases)
    unnamed = [task for task in dataset.labels_by_task(cases) if task in (FIRST_TASK, UNNAMED_TASK)]
    if not says_input and unnamed:
        print(f"The new graph answers sounds, as the task {unnamed[0]}. If it is to answer pictures, give --task NAME.")
