"""Train the last layer of one task on cached bottlenecks, as the classic retrain.py does."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from tensorboard.compat.proto.graph_pb2 import GraphDef

from tosa.errors import UsageError
from tosa.model.card import ModelCard
from tosa.model.graph import Graph
from tosa.model.metadata import GraphMetadata, TaskMetadata
from tosa.settings import Settings
from tosa.training import tensorboard_curves
from tosa.training.commands.messages import (
    print_input_note,
    tell_what_comes_first,
    tell_what_is_replaced,
    warn_of_lost_tasks,
)
from tosa.training.data import dataset
from tosa.training.data.check_cases import check_labels, check_training_cases
from tosa.training.data.contamination import SeenFiles, inspect_cases
from tosa.training.data.dataset import Case, SkippedFiles
from tosa.training.data.load_cases import DataOptions, load_cases
from tosa.training.data.summary import summarize_data
from tosa.training.features.bottlenecks import FeatureExtractor
from tosa.training.features.cluster import Cluster
from tosa.training.gate.fit_gate import stored_gate_constants
from tosa.training.graph import assemble, finalize
from tosa.training.graph.activation_ranges import stored_quantization
from tosa.training.graph.finalize import GraphFiles
from tosa.training.graph.margin import with_margins
from tosa.training.graph.words import Words, describe, started_from, with_counts
from tosa.training.head.bottleneck_dataset import BottleneckDataset, Variants, make_bottleneck_dataset
from tosa.training.head.calibration import finish_head
from tosa.training.head.cross_validation import calibration_views
from tosa.training.head.decision import check_sensitivity
from tosa.training.head.head import Head
from tosa.training.head.stored_heads import heads_of
from tosa.training.head.train_head import HeadRecipe, temperature, train_head
from tosa.training.report import outputs
from tosa.training.report.card import card_constant, training_card
from tosa.training.report.options import ReportOptions
from tosa.training.report.report import TaskReport
from tosa.training.trunk.resolve import TrunkOptions, load_trunk, trunk_preprocessing
from tosa.training.trunk.serialize import trunk_sha256


@dataclass(frozen=True)
class RetrainOptions:
    """What to train on, how, and where the results go."""

    data: DataOptions
    trunk: TrunkOptions
    files: GraphFiles
    report: ReportOptions
    recipe: HeadRecipe
    variants: Variants
    bottleneck_dir: Path
    summaries_dir: Path
    intermediate_dir: Path
    intermediate_frequency: int  # steps between two intermediate graphs, 0 for none
    saved_model_dir: Path | None
    words: Words
    keeps_tasks: bool  # whether the new graph has the other tasks of the graph that it starts from
    most_tested: int  # testing cases, -1 for all
    sensitivity: Mapping[str, float] = field(default_factory=dict)  # that the decision must reach, by task


@dataclass(frozen=True, eq=False)
class _Start:
    """The graph that a training starts from: its trunk, and what the new graph keeps of it."""

    trunk: GraphDef
    heads: dict[str, Head]  # of the tasks that are kept, and of the one that is replaced, if the graph has it
    metadata: GraphMetadata
    constants: dict[str, np.ndarray]
    seen: SeenFiles  # what the trunk was fine-tuned on
    card: ModelCard | None  # of the tasks that are kept

    @classmethod
    def of(cls, graph: Graph, keeps_tasks: bool) -> "_Start":
        metadata = graph.metadata()
        heads = heads_of(graph) if keeps_tasks else {}
        constants = stored_gate_constants(graph) if heads else {}
        seen = SeenFiles.of_graph(graph)
        return cls(
            trunk=graph.trunk(),
            heads=heads,
            metadata=metadata if keeps_tasks else started_from(metadata),
            constants=constants | stored_quantization(graph) | seen.constants(),
            seen=seen,
            card=graph.card() if keeps_tasks else None,
        )


def retrain(options: RetrainOptions, settings: Settings) -> None:
    """Trains the last layer of one task, and writes graph, labels and report."""
    skipped = SkippedFiles(options.data.skip_unreadable)
    preprocessing = trunk_preprocessing(options.trunk, settings.graph)
    cases = load_cases(options.data, skipped, preprocessing=preprocessing)
    task = one_task(cases)
    check_sensitivity(options.sensitivity, [task])
    read, network = load_trunk(options.trunk, settings.graph)
    start = _Start.of(read.graph, options.keeps_tasks)
    assemble.check_result_name(options.files.result, start.trunk)
    if options.keeps_tasks:
        warn_of_lost_tasks(options.data, settings, {*start.heads, task}, "they belong to another trunk")
    tell_what_is_replaced(options.files, {*start.heads, task})
    metadata = describe(start.metadata.without_task(task), cases, options.words, read.model.metadata)
    inspection = inspect_cases(cases, start.seen, "testing", options.data.allow_contaminated)
    cluster = Cluster.of(options.data.executor, read.graph.data)
    extractor = FeatureExtractor(network, trunk_sha256(start.trunk), options.bottleneck_dir, preprocessing, cluster)
    data = make_bottleneck_dataset(cases, extractor, skipped, options.variants)
    check_labels(data.cases, str(options.data.place))
    check_training_cases(data.cases)
    metadata = metadata.with_task(_gated(metadata.task(task), start.metadata.task(task)))
    metadata = with_counts(metadata, data.cases, dataset.SPLITS)
    summary = summarize_data(data.cases, skipped, data.made.contents, inspection)
    tested = _train_and_write(options, start, metadata, task, data, summary, skipped)
    outputs.write_outputs(options.report, tested, summary, tensorboard_curves.read(options.summaries_dir))
    if not options.data.task:
        print("The new graph has only this task. To keep the other tasks of the served graph too, give --task NAME.")
    tell_what_comes_first(metadata, [*start.heads, task], task)
    print_input_note(options.data, cases)


def one_task(cases: Sequence[Case]) -> str:
    """Returns the one task of cases. Raises UsageError for several."""
    tasks = list(dataset.labels_by_task(cases))
    if len(tasks) > 1:
        raise UsageError(
            f"The cases belong to the tasks {', '.join(tasks)}, but the last layer is trained for one task at a time: "
            "choose it with --task, or train all of them with --fine_tune."
        )
    return tasks[0]


def _gated(task: TaskMetadata, replaced: TaskMetadata) -> TaskMetadata:
    """A task of pictures has the gate if the one that it replaces had it.

    A new task may take pictures of anything, and a gate that accepts only chest X-rays would refuse them.
    """
    if task.input == "picture" and not replaced.gate:
        print("Tosa does not check whether pictures of this task are chest X-rays: it answers every gray picture.")
    return replace(task, gate=task.input == "picture" and replaced.gate)


def _train_and_write(
    options: RetrainOptions,
    start: _Start,
    metadata: GraphMetadata,
    task: str,
    data: BottleneckDataset,
    summary: Mapping[str, Any],
    skipped: SkippedFiles,
) -> list[TaskReport]:
    """Trains, calibrates and tests the head, and writes curves, intermediate graphs, graph, labels and SavedModel.

    summary: as summarize_data returns it. Returns the report of the test.
    """
    files = options.files

    def write(head: Head, graph: Path, labels: Path, metadata: GraphMetadata = metadata, **card: np.ndarray) -> None:
        heads = list((start.heads | {task: head}).values())
        places = replace(files, graph=graph, labels=labels)
        finalize.write_graph(places, start.trunk, heads, metadata, start.constants | card)

    trained = replace(metadata.task(task), training=asdict(options.recipe) | options.variants.to_dict())
    head, calibrated = with_calibration(options, _trained(options, task, data, start.trunk, write), trained, data)
    metadata = with_margins(metadata.with_task(calibrated), [head], start.trunk, start.constants, {task: data}, skipped)
    answered = [finalize.answers_to_testing(head, data, options.most_tested)]
    tested = outputs.task_reports(options.report, answered, metadata)
    card = card_constant(training_card(outputs.metrics_of(tested), data.cases, summary, start.card))
    files.keep_previous()
    write(head, files.graph, files.labels, metadata, **card)
    if options.saved_model_dir:
        outputs.write_saved_model(options.saved_model_dir, files.graph, files.labels, files.result)
    return tested


def with_calibration(
    options: RetrainOptions, head: Head, task: TaskMetadata, data: BottleneckDataset
) -> tuple[Head, TaskMetadata]:
    """Returns the head with temperature, decision and bound, and the metadata that says so."""
    training, validation = (data.views(head.labels, split) for split in ("training", "validation"))
    views = calibration_views(head, validation, training, options.recipe)
    head = replace(head, temperature=temperature(views.logits_of(head), views.targets, views.case_weights()))
    prior = np.full(len(head.labels), 1 / len(head.labels))
    if options.recipe.class_balance == "none":
        prior = np.bincount(training.targets, minlength=len(prior)) / len(training.targets)
    sensitivity = options.sensitivity.get(task.name)
    return finish_head(head, task, views, prior, options.report.negative_label, sensitivity)


def _trained(
    options: RetrainOptions, task: str, data: BottleneckDataset, trunk: GraphDef, write: outputs.WriteGraph
) -> Head:
    """The head trained on the training cases, with its curves and intermediate graphs written."""
    labels = dataset.labels_by_task(data.cases)[task]
    tensorboard_curves.clear(options.summaries_dir)
    with tensorboard_curves.Curves(options.summaries_dir) as curves:
        store = outputs.store_intermediate(options.intermediate_dir, options.intermediate_frequency, write)
        training, validation = (data.examples(labels, split) for split in ("training", "validation"))
        head = train_head(task, labels, training, validation, options.recipe, curves.write, store)
        graph = assemble.assemble(trunk, [head], GraphMetadata(), options.files.result)
        curves.write_graph(assemble.outline(graph))
    return head
