"""The end of fine-tuning and of calibration: last layers, temperatures, operating points, gate, graph and report."""

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from tensorboard.compat.proto.graph_pb2 import GraphDef

from tosa.model.graph import Graph
from tosa.model.metadata import GraphMetadata
from tosa.model.network import GraphFile
from tosa.preprocessing import Preprocessing
from tosa.training import tensorboard_curves
from tosa.training.data import dataset
from tosa.training.data.augmentation import Augmentation
from tosa.training.data.dataset import Case, SkippedFiles, in_split, of_task
from tosa.training.data.summary import summarize_data
from tosa.training.features.bottlenecks import FeatureExtractor
from tosa.training.gate.fit_gate import fit_gate, gate_constants, gate_training_data
from tosa.training.graph import finalize
from tosa.training.graph.activation_ranges import measure_quantization
from tosa.training.graph.finalize import GraphFiles
from tosa.training.graph.margin import with_margins
from tosa.training.head.bottleneck_dataset import BottleneckDataset, make_bottleneck_dataset
from tosa.training.head.head import Head
from tosa.training.head.refit import refit_head
from tosa.training.report import outputs
from tosa.training.report.card import card_constant, training_card
from tosa.training.report.options import ReportOptions
from tosa.training.trunk.serialize import trunk_sha256


@dataclass(frozen=True)
class FinishOptions:
    """Where the results go, and what is fitted anew."""

    files: GraphFiles
    report: ReportOptions
    bottleneck_dir: Path
    most_tested: int  # testing cases of each task, -1 for all
    refits: bool  # whether the last layers are fitted to the training cases before they are calibrated
    curves: Path | None = None  # folder of the training's event files


def finish(
    options: FinishOptions,
    trunk: GraphDef,
    heads: Sequence[Head],
    metadata: GraphMetadata,
    cases: Sequence[Case],
    skipped: SkippedFiles,
) -> None:
    """Calibrates heads on the validation cases, writes graph and labels, and reports on the testing cases."""
    extractor = _extractor(trunk, options.bottleneck_dir, metadata.preprocessing)
    if options.refits:
        heads, metadata = _refitted(heads, metadata, cases, extractor, skipped)
    held_out = [case for case in cases if case.split != "training"]
    data = {
        task: make_bottleneck_dataset(of_task(held_out, task), extractor, skipped)
        for task in dataset.labels_by_task(cases)
    }
    heads = [finalize.calibrated(head, data[head.task]) for head in heads]
    metadata = _with_validation(metadata, heads, data, options.report.negative_label)
    training = in_split(cases, "training")
    graph = Graph(trunk.SerializeToString())
    quantization = measure_quantization(graph, training, skipped, metadata.preprocessing)
    metadata = with_margins(metadata, heads, trunk, quantization, data, skipped)
    metadata, gate = _with_gate(metadata, training, skipped)
    tested = outputs.task_reports(
        options.report, [finalize.answers_to_testing(head, data[head.task], options.most_tested) for head in heads]
    )
    summary = summarize_data(list(cases), skipped)
    card = card_constant(training_card(tested, cases, summary))
    options.files.keep_previous()
    finalize.write_graph(options.files, trunk, heads, metadata, gate | quantization | card)
    curves = tensorboard_curves.read(options.curves) if options.curves else None
    outputs.write_outputs(options.report, tested, summary, curves)


def _extractor(trunk: GraphDef, cache_dir: Path, preprocessing: Preprocessing) -> FeatureExtractor:
    """The trunk as the server runs it."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "trunk.pb"
        file.write_bytes(trunk.SerializeToString(deterministic=True))
        network = GraphFile.read_trunk(file).start(precision="f32")
    return FeatureExtractor(network, trunk_sha256(trunk), cache_dir, preprocessing)


def _refitted(
    heads: Sequence[Head],
    metadata: GraphMetadata,
    cases: Sequence[Case],
    extractor: FeatureExtractor,
    skipped: SkippedFiles,
) -> tuple[list[Head], GraphMetadata]:
    """The heads with the last layers that fit their cases, and the metadata that says how they were fitted."""
    refitted = []
    for head in heads:
        task_cases = of_task(cases, head.task)
        takes_sounds = any(case.is_sound for case in task_cases)
        sounds = [case for case in in_split(cases, "training") if case.is_sound] if takes_sounds else []
        fitted, record = refit_head(head, task_cases, Augmentation(sounds), extractor, skipped)
        refitted.append(fitted)
        if record:  # what the metadata says of the training is of the layer before
            metadata = metadata.with_task(replace(metadata.task(head.task), training=None, refit=record))
    return refitted, metadata


def _with_validation(
    metadata: GraphMetadata, heads: Sequence[Head], data: Mapping[str, BottleneckDataset], negative: str | None
) -> GraphMetadata:
    """The metadata with calibration error and operating point of each calibrated head."""
    for head in heads:
        task = finalize.with_validation(metadata.task(head.task), head, data[head.task], negative)
        metadata = metadata.with_task(task)
    return metadata


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
