"""Train the trunk on all tasks of the cases, here or on another machine, and finish it into a graph."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from tensorboard.compat.proto.graph_pb2 import GraphDef

from tosa.errors import UsageError
from tosa.model.metadata import GraphMetadata
from tosa.model.network import GraphFile
from tosa.settings import Settings
from tosa.training import tensorboard_curves
from tosa.training.commands.finish import FinishOptions, InspectedCases, Unfinished, finish
from tosa.training.commands.messages import print_input_note, tell_what_is_replaced, warn_of_lost_tasks
from tosa.training.data import dataset
from tosa.training.data.contamination import SeenFiles, inspect_cases
from tosa.training.data.dataset import SkippedFiles, in_split
from tosa.training.data.load_cases import DataOptions, check_against_graph, load_cases
from tosa.training.files import file_sha256
from tosa.training.graph import assemble
from tosa.training.graph.words import Words, describe, started_from, with_counts
from tosa.training.head.decision import check_sensitivity
from tosa.training.trunk.average import read_average
from tosa.training.trunk.fine_tuned import FineTuned, cases_digest, is_fine_tuned
from tosa.training.trunk.recipe import FineTuneRecipe
from tosa.training.trunk.resolve import network_in


@dataclass(frozen=True)
class FineTuneOptions:
    """What to train on, how, and where the results go."""

    data: DataOptions
    recipe: FineTuneRecipe
    precision: str  # bfloat16, float32 or auto
    geometry: str | None  # None: that of the graph to start from
    model_dir: Path  # holds the weights to start from; if empty, the served graph has them
    checkpoint_dir: Path
    summaries_dir: Path
    output_weights: Path | None  # file of the trained weights, to be finished elsewhere; None: they are finished here
    words: Words
    finish: FinishOptions


@dataclass(frozen=True)
class FinishWeightsOptions:
    """Which weights become a graph, and with which cases."""

    data: DataOptions
    weights: tuple[Path, ...]  # of several, their mean
    words: Words
    finish: FinishOptions


def fine_tune(options: FineTuneOptions, settings: Settings) -> None:
    """Trains the trunk on all tasks of the cases; writes the weights, or calibrates and writes graph and report."""
    from tosa.training.trunk import inception  # here, since these import Keras, which takes seconds
    from tosa.training.trunk.fine_tune import FineTuning

    weights = network_in(options.model_dir) or settings.graph
    start, seen = _start(weights)
    preprocessing = replace(start.preprocessing, geometry=options.geometry or start.preprocessing.geometry)
    skipped = SkippedFiles(options.data.skip_unreadable)
    cases = load_cases(options.data, skipped, preprocessing=preprocessing)
    check_sensitivity(options.finish.sensitivity, dataset.labels_by_task(cases))
    bfloat16 = options.precision == "bfloat16" or (options.precision == "auto" and inception.has_fast_bfloat16())
    recipe = replace(options.recipe.in_whole_epochs(), bfloat16=bfloat16)
    metadata = replace(
        started_from(start),
        preprocessing=preprocessing,
        recipe=asdict(recipe),
        weights_sha256=file_sha256(weights),
        files={split: len(in_split(cases, split)) for split in dataset.SPLITS},
        before=_trainings_before(start),
    )
    metadata = with_counts(describe(metadata, cases, options.words, start), cases, dataset.SPLITS)
    if not options.output_weights:  # what is wrong with the end is told before the training
        _check_end(metadata, options, settings)
    inspection = inspect_cases(cases, seen, "testing", options.data.allow_contaminated)
    print(f"Starting from '{weights}'.")
    tuning = FineTuning(cases, recipe, weights, preprocessing)

    def started(step: int) -> None:
        if step:
            print(f"Resuming from step {step} of '{options.checkpoint_dir}'.")
        else:
            tensorboard_curves.clear(options.summaries_dir)

    with tensorboard_curves.Curves(options.summaries_dir) as curves:
        tuning.train(options.checkpoint_dir, curves.write, started)
    tuned = replace(tuning.result(metadata), seen=seen.with_cases(cases, inspection.marks))
    if options.output_weights:
        tuned.write(options.output_weights)
        print(f"Wrote '{options.output_weights}'. --finish={options.output_weights} makes a graph of it.")
    else:
        _finish(tuned, options, InspectedCases(cases, skipped, inspection))


def finish_weights(options: FinishWeightsOptions, settings: Settings) -> None:
    """Makes a graph of the weights of one fine-tuning or several, calibrates it, and writes it, labels and report."""
    tuned, first = read_average(options.weights), options.weights[0]
    skipped = SkippedFiles(options.data.skip_unreadable)
    labels: dict[str, list[str]] = {}
    for task, label in tuned.columns:
        labels.setdefault(task, []).append(label)
    cases = load_cases(options.data, skipped, dataset.only_task(labels), preprocessing=tuned.metadata.preprocessing)
    check_against_graph(cases, labels)
    check_sensitivity(options.finish.sensitivity, labels)
    if missing := ", ".join(task for task in labels if task not in dataset.labels_by_task(cases)):
        raise UsageError(f"'{first}' has the tasks {missing} too: name cases of all its tasks.")
    if tuned.cases_sha256 not in (None, cases_digest(cases)):
        raise UsageError(
            f"'{first}' was trained on other cases, or they were in other splits: name the same ones, so "
            "that no case that it was trained on is validated or tested on."
        )
    described = describe(tuned.metadata, cases, options.words, tuned.metadata)
    tuned = replace(tuned, metadata=with_counts(described, cases, dataset.SPLITS))
    _check_end(tuned.metadata, options, settings)
    inspection = inspect_cases(cases, tuned.seen, tested=None)  # whether they may be tested on was asked before
    tuned = replace(tuned, seen=tuned.seen.with_cases(cases, inspection.marks))
    _finish(tuned, options, InspectedCases(cases, skipped, inspection))


def _finish(tuned: FineTuned, options: FineTuneOptions | FinishWeightsOptions, inspected: InspectedCases) -> None:
    from tosa.training.trunk import freeze_tuned  # here, since it imports TensorFlow

    trunk = freeze_tuned.freeze_tuned(tuned.trunk)
    finish(options.finish, Unfinished(trunk, tuned.heads(), tuned.metadata, tuned.seen), inspected)
    print_input_note(options.data, inspected.cases)


def _check_end(metadata: GraphMetadata, options: FineTuneOptions | FinishWeightsOptions, settings: Settings) -> None:
    """Tells what the new graph lacks of the one that it replaces. Raises UsageError on a wrong name of its scores."""
    from tosa.training.trunk import freeze  # here, since it imports TensorFlow

    warn_of_lost_tasks(options.data, settings, metadata.tasks, "--fine_tune changes the trunk that they rest on")
    tell_what_is_replaced(options.finish.files, metadata.tasks)
    around = freeze.freeze_trunk(lambda pictures, **_: pictures)  # the nodes around any trunk
    assemble.check_result_name(options.finish.files.result, GraphDef.FromString(around))


def _start(weights: Path) -> tuple[GraphMetadata, SeenFiles]:
    """What the file that a training starts from says of itself and of its cases; nothing if it is a trunk alone."""
    if weights.suffix == ".pb":
        read = GraphFile.read_trunk(weights)
        return read.model.metadata, SeenFiles.of_graph(read.graph)
    if is_fine_tuned(weights):
        tuned = FineTuned.read(weights)
        return tuned.metadata, tuned.seen
    return GraphMetadata(), SeenFiles()


def _trainings_before(start: GraphMetadata) -> tuple[Mapping[str, Any], ...]:
    """The fine-tunings of the graph that a training starts from, the oldest first; none for other weights."""
    last = {"recipe": start.recipe, "weights_sha256": start.weights_sha256, "files": start.files}
    last = {key: value for key, value in last.items() if value}
    if last and (refits := {task.name: task.refit for task in start.tasks.values() if task.refit}):
        last["refit"] = refits
    return (*start.before, last) if last else ()
