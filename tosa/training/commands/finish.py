"""The end of fine-tuning and of calibration: last layers, temperatures, operating points, gate, graph and report."""

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from tensorboard.compat.proto.graph_pb2 import GraphDef

from tosa.model.graph import Graph
from tosa.model.metadata import GraphMetadata
from tosa.model.network import GraphFile
from tosa.preprocessing import Preprocessing
from tosa.scale.executor import Executor
from tosa.training import tensorboard_curves
from tosa.training.data import dataset
from tosa.training.data.contamination import Inspection, SeenFiles
from tosa.training.data.dataset import Case, SkippedFiles, in_split, of_task
from tosa.training.data.summary import summarize_data
from tosa.training.features.bottlenecks import FeatureExtractor
from tosa.training.features.cluster import Cluster
from tosa.training.gate.fit_gate import fit_gate, gate_constants, gate_training_data
from tosa.training.graph import finalize
from tosa.training.graph.activation_ranges import measure_quantization
from tosa.training.graph.finalize import GraphFiles
from tosa.training.graph.margin import with_margins
from tosa.training.head.bottleneck_dataset import make_bottleneck_dataset
from tosa.training.head.fit_under_handling import Wanted, fit_under_handling
from tosa.training.head.head import Head
from tosa.training.report import outputs
from tosa.training.report.card import card_constant, training_card
from tosa.training.report.options import ReportOptions
from tosa.training.trunk.serialize import trunk_sha256


@dataclass(frozen=True)
class FinishOptions:
    """Where the results go, and what is refitted."""

    files: GraphFiles
    report: ReportOptions
    bottleneck_dir: Path
    most_tested: int  # testing cases of each task, -1 for all
    refits: bool  # whether last layers fitted to the training cases are among the candidates
    sensitivity: Mapping[str, float] = field(default_factory=dict)  # that the decision must reach, by task
    curves: Path | None = None  # folder of the training's event files
    executor: Executor | None = None  # a cluster that calculates bottlenecks, this machine by default


@dataclass(frozen=True, eq=False)
class Unfinished:
    """A graph without calibration, gate and card."""

    trunk: GraphDef
    heads: Sequence[Head]
    metadata: GraphMetadata
    seen: SeenFiles  # what the trunk was fine-tuned on


@dataclass(frozen=True, eq=False)
class InspectedCases:
    """The cases of all tasks, and what is known of them."""

    cases: Sequence[Case]
    skipped: SkippedFiles
    inspection: Inspection


def finish(options: FinishOptions, unfinished: Unfinished, inspected: InspectedCases) -> None:
    """Fits and calibrates heads under handling, writes graph and labels, and reports on the testing cases."""
    trunk, metadata, seen = unfinished.trunk, unfinished.metadata, unfinished.seen
    cases, skipped = inspected.cases, inspected.skipped
    extractor = _extractor(trunk, options, metadata.preprocessing)
    finished = []
    for head in unfinished.heads:
        wanted = Wanted(options.refits, options.report.negative_label, options.sensitivity.get(head.task))
        own, task = of_task(cases, head.task), metadata.task(head.task)
        calibrated, task = fit_under_handling(head, task, own, extractor, skipped, wanted)
        finished.append(calibrated)
        metadata = metadata.with_task(task)
    held_out = [case for case in cases if case.split != "training"]
    data = {head.task: make_bottleneck_dataset(of_task(held_out, head.task), extractor, skipped) for head in finished}
    training = in_split(cases, "training")
    graph = Graph(trunk.SerializeToString())
    quantization = measure_quantization(graph, training, skipped, metadata.preprocessing)
    metadata = with_margins(metadata, finished, trunk, quantization, data, skipped)
    metadata, gate = _with_gate(metadata, training, skipped)
    answered = [finalize.answers_to_testing(head, data[head.task], options.most_tested) for head in finished]
    tested = outputs.task_reports(options.report, answered, metadata)
    summary = summarize_data(list(cases), skipped, inspection=inspected.inspection)
    card = card_constant(training_card(outputs.metrics_of(tested), cases, summary))
    options.files.keep_previous()
    finalize.write_graph(options.files, trunk, finished, metadata, gate | quantization | card | seen.constants())
    curves = tensorboard_curves.read(options.curves) if options.curves else None
    outputs.write_outputs(options.report, tested, summary, curves)


def _extractor(trunk: GraphDef, options: FinishOptions, preprocessing: Preprocessing) -> FeatureExtractor:
    """The trunk as the server runs it."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "trunk.pb"
        file.write_bytes(trunk.SerializeToString(deterministic=True))
        read = GraphFile.read_trunk(file)
        network = read.start(precision="f32")
    cluster = Cluster.of(options.executor, read.graph.data)
    return FeatureExtractor(network, trunk_sha256(trunk), options.bottleneck_dir, preprocessing, cluster)


def _with_gate(
    metadata: GraphMetadata, training: Sequence[Case], skipped: SkippedFiles
) -> tuple[GraphMetadata, dict[str, np.ndarray]]:
    """The metadata with the gate for all tasks of pictures, and the constants of the gate that they share."""
    tasks = [task for task in dataset.labels_by_task(training) if metadata.task(task).input == "picture"]
    if not tasks:
        return metadata, {}
    for task in tasks:
        metadata = metadata.with_task(replace(metadata.task(task), gate=True))
    gate = fit_gate(gate_training_data(training, tasks, skipped, metadata.preprocessing))
    return metadata, gate_constants(gate)
