"""What retrain.py does, from flags to files: retrain a head, fine-tune everything, refit and calibrate, evaluate."""

import hashlib
import tempfile
from collections.abc import Collection
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
from tensorboard.compat.proto.graph_pb2 import GraphDef

from tosa.errors import ModelError, UsageError
from tosa.model.graph import Graph, GraphError
from tosa.model.labels import read_labels
from tosa.model.metadata import FIRST_TASK, GraphMetadata, TaskMetadata
from tosa.model.network import GraphFile, Network
from tosa.settings import Settings
from tosa.training import tensorboard_curves
from tosa.training.data import dataset
from tosa.training.data.augmentation import Augmentation
from tosa.training.data.dataset import Case, SkippedFiles, in_split
from tosa.training.data.load_cases import check, check_known, load_cases
from tosa.training.data.summary import summarize_data
from tosa.training.gate import fit_gate
from tosa.training.graph import activation_ranges, assemble, finalize
from tosa.training.head import refit, train_head
from tosa.training.head.bottleneck_dataset import BottleneckDataset, make_bottleneck_dataset
from tosa.training.head.head import Head
from tosa.training.report import outputs
from tosa.training.report.evaluate import evaluate_graph
from tosa.training.report.options import ReportOptions
from tosa.training.trunk import architectures


def check_outputs(flags) -> None:
    """Raises UsageError on the first output that could not be written, before any work is done."""
    files, folders = [flags.plot], [flags.report_dir]
    if not flags.evaluate:
        files += [flags.output_graph, flags.output_labels]
        folders += [flags.summaries_dir, flags.checkpoint_dir if flags.fine_tune else flags.bottleneck_dir]
        folders += [flags.intermediate_output_graphs_dir] if flags.intermediate_store_frequency else []
        if flags.output_graph.resolve() == flags.output_labels.resolve():
            raise UsageError(f"--output_graph and --output_labels are the same file, '{flags.output_graph}'.")
    outputs.check_outputs(files, folders, flags.saved_model_dir)


def report_options(flags) -> ReportOptions:
    return ReportOptions(
        flags.report_dir, flags.plot, flags.prevalence, flags.negative_label, flags.print_misclassified_test_images
    )


def retrain(flags, settings: Settings) -> None:
    """Train the last layer of one task on cached bottlenecks, and write graph, labels and report."""
    problems = SkippedFiles(flags.skip_unreadable)
    cases = load_cases(flags, problems=problems)
    task = _one_task(cases)
    with architectures.trunk_file(flags, settings) as file:
        trunk_file = GraphFile.read(file, None)
        graph, network = trunk_file.graph, trunk_file.start(precision="f32")
        kept, metadata = (assemble.heads_of(graph), graph.metadata()) if flags.task else ({}, GraphMetadata())
        trunk = graph.trunk()
        architectures.check_size(flags, network.size)
        assemble.check_result(flags.final_tensor_name, trunk)
        _tell_lost(flags, settings, {*kept, task}, "they are of another trunk")
        replaced = metadata.task(task)
        metadata = finalize.describe_tasks(metadata.without_task(task), flags, cases)
        known = make_bottleneck_dataset(cases, flags, network, assemble.trunk_sha256(trunk), problems)
    check(flags, known.cases)
    metadata = metadata.with_task(_gated(metadata.task(task), replaced))
    constants = (fit_gate.constants_of(graph) if kept else {}) | activation_ranges.constants_of(graph)

    def write(head: Head, file: Path, labels: Path) -> None:
        finalize.write(flags, trunk, list((kept | {task: head}).values()), metadata, constants, file, labels)

    head = finalize.calibrated(_trained(flags, task, known, trunk, write), known)
    training = asdict(_head_recipe(flags)) | known.distortion
    measured = finalize.validation_metadata(flags, head, known)
    metadata = metadata.with_task(replace(metadata.task(task), training=training, **measured))
    write(head, flags.output_graph, flags.output_labels)
    if flags.saved_model_dir:
        outputs.write_saved_model(
            flags.saved_model_dir, flags.output_graph, flags.output_labels, flags.final_tensor_name
        )
    curves = tensorboard_curves.read(flags.summaries_dir)
    tested = [finalize.tested(flags, head, known)]
    outputs.write_outputs(report_options(flags), tested, known.data(problems), curves)
    if not flags.task:
        print("The graph has this one task. --task NAME adds to the graph it starts from, and keeps its others.")
    _tell_input(flags, cases)


def _tell_lost(flags, settings: Settings, tasks: Collection[str], why: str) -> None:
    """Says which tasks of the served graph a new one of `tasks` lacks, where --task promises to keep them."""
    if not flags.task:
        return
    try:
        known = Graph(settings.graph.read_bytes()).metadata().tasks or read_labels(settings.labels)
    except (OSError, GraphError, ModelError):  # nothing is served
        return
    if lost := [task for task in known if task not in tasks]:
        print(f"WARNING: The new graph will not have {', '.join(lost)} of the served one, '{settings.graph}': {why}.")


def _tell_input(flags, cases: list[Case]) -> None:
    """Says that pictures of the first task stand for sounds, as in the classic command."""
    drawn = flags.task or flags.audio_dir or any(case.is_sound for case in cases)
    if not drawn and FIRST_TASK in dataset.labels_by_task(cases):
        print(f"The graph answers sounds, under task {FIRST_TASK}. For one that answers pictures give --task NAME.")


def _gated(task: TaskMetadata, replaced: TaskMetadata) -> TaskMetadata:
    """The task, with the gate if it takes pictures and the task that it replaces had the gate.

    A new task may be about any pictures, and a gate for chest X-rays would refuse all others.
    """
    if task.input == "picture" and replaced.gate:
        return replace(task, gate=True)
    if task.input == "picture":
        print("Pictures of this task are not checked to be chest X-rays: any that are gray are answered.")
    return task


def _trained(flags, task: str, known: BottleneckDataset, trunk: GraphDef, write: outputs.WriteGraph) -> Head:
    """A head trained on what is known of the training cases, with its curves and intermediate graphs written."""
    labels = dataset.labels_by_task(known.cases)[task]
    tensorboard_curves.clear(flags.summaries_dir)
    with tensorboard_curves.Curves(flags.summaries_dir) as written:
        frequency = flags.intermediate_store_frequency
        store = outputs.store_intermediate(flags.intermediate_output_graphs_dir, frequency, write)
        training, validation = (known.examples(labels, split) for split in ("training", "validation"))
        head = train_head.train_head(task, labels, training, validation, _head_recipe(flags), written.write, store)
        written.write_graph(assemble.outline(assemble.assemble(trunk, [head], GraphMetadata(), flags.final_tensor_name)))
    return head


def _one_task(cases: list[Case]) -> str:
    """The one task of cases. Raises UsageError for several."""
    tasks = list(dataset.labels_by_task(cases))
    if len(tasks) > 1:
        raise UsageError("The last layer is trained one task at a time; --fine_tune takes several.")
    return tasks[0]


def _head_recipe(flags) -> train_head.HeadRecipe:
    names = train_head.HeadRecipe.__dataclass_fields__
    given = {name: getattr(flags, name) for name in names if getattr(flags, name, None) is not None}
    if flags.how_many_training_steps is not None:
        given["steps"] = flags.how_many_training_steps
    return train_head.HeadRecipe(**given)


def fine_tune(flags, settings: Settings) -> None:
    """Train the trunk on all tasks of the cases, calibrate each on validation, and write graph and labels."""
    from tosa.training.trunk import fine_tune as tuning  # here, since both import TensorFlow
    from tosa.training.trunk import inception

    problems = SkippedFiles(flags.skip_unreadable)
    cases = load_cases(flags, problems=problems)
    marked = finalize.describe_tasks(GraphMetadata(), flags, cases)
    _tell_lost(flags, settings, marked.tasks, "--fine_tune changes the trunk that they rest on")
    untrained = inception.freeze(lambda pictures, training: pictures)  # the nodes around any trunk
    assemble.check_result(flags.final_tensor_name, GraphDef.FromString(untrained))
    given = {
        "layers": flags.fine_tune,
        "steps": flags.how_many_training_steps,
        "learning_rate": flags.learning_rate,
        "batch_size": flags.train_batch_size,
        "seed": flags.seed,
        "bfloat16": inception.fast_bfloat16() if flags.precision == "auto" else flags.precision == "bfloat16",
    }
    recipe = tuning.Recipe(**{name: value for name, value in given.items() if value is not None})
    weights = next(iter(architectures.networks(flags.model_dir)), settings.graph)
    print(f"Starting from '{weights}'.")
    if weights.suffix == ".pb":
        GraphFile.read(weights, None)  # which names what is wrong
    tuned = tuning.fine_tune(cases, recipe, weights, flags.checkpoint_dir, flags.summaries_dir)
    trunk = assemble.to_float16(inception.freeze(tuned.float32_trunk()))
    files = {split: len(in_split(cases, split)) for split in dataset.SPLITS}
    marked = replace(
        marked, recipe=asdict(recipe), weights_sha256=_sha256(weights), files=files, before=_before(weights)
    )
    _finish(flags, trunk, tuned.heads(), marked, cases, problems, refits=True)
    _tell_input(flags, cases)


def _before(weights: Path) -> tuple[dict, ...]:
    """The trainings that a graph to start from has behind it, the oldest first; none for other weights."""
    metadata = Graph(weights.read_bytes()).metadata() if weights.suffix == ".pb" else GraphMetadata()
    last = {"recipe": metadata.recipe, "weights_sha256": metadata.weights_sha256, "files": metadata.files}
    last = {key: value for key, value in last.items() if value}
    if last and (refits := {task.name: task.refit for task in metadata.tasks.values() if task.refit}):
        last["refit"] = refits
    return (*metadata.before, last) if last else ()


def calibrate(flags, settings: Settings) -> None:
    """Fit temperatures, operating points and the gate of a graph anew, with --refit its last layers before, on the
    cases of all its tasks.

    It is the served one, or that of --graph and --labels.
    """
    graph = GraphFile.read(*_asked(flags, settings)).graph
    known = assemble.heads_of(graph)
    problems = SkippedFiles(flags.skip_unreadable)
    cases = load_cases(flags, problems=problems)
    trained = [known[task] for task in dataset.labels_by_task(cases) if task in known]
    if len(trained) < len(known) or {case.task for case in cases} - known.keys():
        use, names = "--refit" if flags.refit else "--calibrate", ", ".join(known) or "it has none"
        raise UsageError(f"{use} needs cases of all the graph's tasks and no others: {names}.")
    check_known(cases, {head.task: head.labels for head in trained})
    if flags.refit:
        refit.check(trained, cases)
    trunk = graph.trunk()
    assemble.check_result(flags.final_tensor_name, trunk)
    marked = finalize.describe_tasks(graph.metadata(), flags, cases)
    _finish(flags, trunk, trained, marked, cases, problems, refits=flags.refit)


def _finish(
    flags, trunk: GraphDef, trained: list[Head], metadata: GraphMetadata, cases: list[Case], problems: SkippedFiles, refits
):
    """Calibrate heads on the validation cases, write graph and labels, and report on the testing cases.

    refits: whether the heads are fitted to the training cases before.
    """
    network, name = _serving(trunk), assemble.trunk_sha256(trunk)
    if refits:
        where = (network, name, flags.bottleneck_dir, problems)
        refitted = [_refitted(head, cases, *where) for head in trained]
        trained = [head for head, _ in refitted]
        for task, how in ((metadata.task(head.task), how) for head, how in refitted):
            if how:  # what was said of the training was of the layer before
                metadata = metadata.with_task(replace(task, training=None, refit=how))
    held = [case for case in cases if case.split != "training"]
    knowns = {
        task: make_bottleneck_dataset([case for case in held if case.task == task], flags, network, name, problems)
        for task in dataset.labels_by_task(cases)
    }
    finished = [finalize.calibrated(head, knowns[head.task]) for head in trained]
    for head in finished:
        measured = finalize.validation_metadata(flags, head, knowns[head.task])
        metadata = metadata.with_task(replace(metadata.task(head.task), **measured))
    training = in_split(cases, "training")
    constants = activation_ranges.constants(Graph(trunk.SerializeToString()), training, problems)
    metadata, gate = _gate(metadata, training, problems)
    constants = gate | constants
    finalize.write(flags, trunk, finished, metadata, constants, flags.output_graph, flags.output_labels)
    tested = [finalize.tested(flags, head, knowns[head.task]) for head in finished]
    curves = tensorboard_curves.read(flags.summaries_dir) if flags.fine_tune else None
    outputs.write_outputs(report_options(flags), tested, summarize_data(cases, problems), curves)


def _refitted(head: Head, cases: list[Case], *where) -> tuple[Head, dict | None]:
    """A head with the last layer that fits its cases, and how it was fitted; None where it stayed as it was."""
    own = [case for case in cases if case.task == head.task]
    sounds = [case for case in in_split(cases, "training") if case.is_sound] if any(c.is_sound for c in own) else []
    return refit.fitted(head, own, Augmentation(sounds), *where)


def _serving(trunk: GraphDef) -> Network:
    """The engine that serves, on this trunk."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "trunk.pb"
        file.write_bytes(trunk.SerializeToString(deterministic=True))
        return Network.load(file, None, precision="f32")


def _gate(
    metadata: GraphMetadata, training: list[Case], problems: SkippedFiles
) -> tuple[GraphMetadata, dict[str, np.ndarray]]:
    """The metadata with the gate for all tasks of pictures, and the constants of the gate, which they share."""
    tasks = [task for task in dataset.labels_by_task(training) if metadata.task(task).input == "picture"]
    if not tasks:
        return metadata, {}
    for task in tasks:
        metadata = metadata.with_task(replace(metadata.task(task), gate=True))
    return metadata, fit_gate.constants(fit_gate.fit_gate(fit_gate.gate_training_data(training, tasks, problems)))


def evaluate(flags, settings: Settings) -> None:
    """Report how the served graph, or that of --graph and --labels, does on labelled cases of its tasks."""
    network = Network.load(*_asked(flags, settings))
    only = next(iter(network.tasks)) if len(network.tasks) == 1 else None
    problems = SkippedFiles(flags.skip_unreadable)
    cases = load_cases(flags, only, problems)
    evaluate_graph(network, cases, flags.evaluate or "testing", report_options(flags), problems)


def _asked(flags, settings: Settings) -> tuple[Path, Path]:
    """The files of --graph and --labels, or the served ones. Raises UsageError for one without the other."""
    if bool(flags.graph) != bool(flags.labels):
        raise UsageError("--graph and --labels belong together: name both, or neither for the served graph.")
    return (flags.graph, flags.labels) if flags.graph else (settings.graph, settings.labels)


def _sha256(file: Path) -> str:
    with open(file, "rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()
