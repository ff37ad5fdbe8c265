"""Fits temperatures, operating points and the gate of a finished graph; with --refit, its last layers first."""

from dataclasses import dataclass
from pathlib import Path

from tosa.errors import UsageError
from tosa.model.network import GraphFile
from tosa.training.commands.finish import FinishOptions, InspectedCases, Unfinished, finish
from tosa.training.commands.messages import tell_what_is_replaced
from tosa.training.data import dataset
from tosa.training.data.contamination import SeenFiles, inspect_cases
from tosa.training.data.dataset import SkippedFiles
from tosa.training.data.load_cases import DataOptions, check_against_graph, load_cases
from tosa.training.graph import assemble
from tosa.training.graph.words import Words, describe, with_counts
from tosa.training.head.decision import check_sensitivity
from tosa.training.head.refit import check_training_labels
from tosa.training.head.stored_heads import heads_of


@dataclass(frozen=True)
class CalibrateOptions:
    """Which graph is calibrated on which cases, and where the result goes."""

    data: DataOptions
    graph: Path
    labels: Path | None  # needed only for a graph that does not carry its labels
    words: Words
    finish: FinishOptions


def calibrate(options: CalibrateOptions) -> None:
    """Calibrates a graph on cases of all its tasks, after fitting its last layers if asked; its trunk stays."""
    graph = GraphFile.read(options.graph, options.labels).graph
    stored = heads_of(graph)
    skipped, metadata = SkippedFiles(options.data.skip_unreadable), graph.metadata()
    cases = load_cases(options.data, skipped, dataset.only_task(stored), preprocessing=metadata.preprocessing)
    tasks = dataset.labels_by_task(cases)
    heads = [stored[task] for task in tasks if task in stored]
    if tasks.keys() != stored.keys():
        flag, names = "--refit" if options.finish.refits else "--calibrate", ", ".join(stored) or "none"
        raise UsageError(
            f"{flag} needs cases of all the graph's tasks and no others. The graph has {names}; the cases are of "
            f"{', '.join(tasks)}."
        )
    check_against_graph(cases, {head.task: head.labels for head in heads})
    if options.finish.refits:
        check_training_labels(heads, cases)
    tell_what_is_replaced(options.finish.files, stored)
    check_sensitivity(options.finish.sensitivity, tasks)
    trunk = graph.trunk()
    assemble.check_result_name(options.finish.files.result, trunk)
    metadata = describe(metadata, cases, options.words, metadata)
    used = dataset.SPLITS if options.finish.refits else ("validation", "testing")
    metadata = with_counts(metadata, cases, used)
    seen = SeenFiles.of_graph(graph)
    inspection = inspect_cases(cases, seen, "testing", options.data.allow_contaminated)
    if options.finish.refits:  # a test on what the last layers were fitted to would be too good as well
        seen = seen.with_cases(cases, inspection.marks)
    unfinished = Unfinished(trunk, heads, metadata, seen)
    finish(options.finish, unfinished, InspectedCases(cases, skipped, inspection))
