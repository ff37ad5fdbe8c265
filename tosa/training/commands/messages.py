"""What a training tells about the graph that it makes."""

from collections.abc import Collection, Sequence

from tosa.errors import ModelError
from tosa.model.graph import Graph, GraphError
from tosa.model.labels import read_labels
from tosa.model.metadata import FIRST_TASK
from tosa.settings import Settings
from tosa.training.data import dataset
from tosa.training.data.dataset import Case
from tosa.training.data.load_cases import DataOptions


def warn_of_lost_tasks(options: DataOptions, settings: Settings, tasks: Collection[str], reason: str) -> None:
    """Prints which tasks of the served graph a new one with `tasks` lacks, though --task promises to keep them."""
    if not options.task:
        return
    try:
        served = Graph(settings.graph.read_bytes()).metadata().tasks or read_labels(settings.labels)
    except (OSError, GraphError, ModelError):  # no graph is served
        return
    if lost := [task for task in served if task not in tasks]:
        names = ", ".join(lost)
        print(f"WARNING: The new graph will not have {names} of the served one, '{settings.graph}': {reason}.")


def print_input_note(options: DataOptions, cases: Sequence[Case]) -> None:
    """Prints that pictures without a task are taken for spectrograms, as in the classic command."""
    says_input = options.task or options.audio_dir or any(case.is_sound for case in cases)
    if not says_input and FIRST_TASK in dataset.labels_by_task(cases):
        print(f"The graph answers sounds, under task {FIRST_TASK}. For one that answers pictures give --task NAME.")
