"""The three things retrain.py does, from flags to files: retrain a head, fine-tune everything, evaluate."""

import hashlib
import tempfile
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
from tensorboard.compat.proto.graph_pb2 import GraphDef

from ..errors import UsageError
from ..graph import Graph
from ..network import FIRST_TASK, Network
from ..settings import Settings
from . import architectures, curves, dataset, export, publish
from . import head as heads
from .architectures import networks as _networks
from .dataset import Case, Problems, in_split
from .evaluation import answers, evaluate_graph
from .examples import Known, learn_from
from .figures import Answers
from .files import beside, naming
from .gather import check, gather


def retrain(flags, settings: Settings) -> None:
    """Train the last layer of one task on cached bottlenecks, and write graph, labels and report."""
    problems = Problems(flags.skip_unreadable)
    cases = gather(flags, problems=problems)
    task = _one_task(cases)
    with architectures.trunk_file(flags, settings) as file:
        network, graph = (
            Network.load(file, None),
            Graph(file.read_bytes()),
        )  # in this order: loading names what is wrong
        kept, metadata = (export.heads_of(graph), graph.metadata()) if flags.task else ({}, {})
        trunk = graph.trunk()
        known = learn_from(cases, flags, network, export.trunk_sha256(trunk), problems)
    check(flags, known.cases)
    head = _with_temperature(_trained(flags, task, known, trunk, list(kept.values())), known)
    metadata = _marked(metadata, flags, known.cases)
    metadata["tasks"][task]["training"] = asdict(_head_recipe(flags)) | known.distortion
    _write(flags, trunk, list((kept | {task: head}).values()), metadata)
    publish.saved_model(flags)
    publish.publish(flags, [_tested(flags, head, known)], known.data(problems))
    if not flags.task:
        print("The graph has this one task. --task NAME adds to the graph it starts from, and keeps its others.")


def _trained(flags, task: str, known: Known, trunk: GraphDef, kept: list[export.Head]) -> export.Head:
    """A head trained on what is known of the training cases, with its curves and intermediate graphs written."""
    labels = dataset.labels_by_task(known.cases)[task]
    curves.clear(flags.summaries_dir)
    with curves.Curves(flags.summaries_dir) as written:
        store = publish.intermediate(flags, trunk, kept)
        training, validation = (known.examples(labels, split) for split in ("training", "validation"))
        head = heads.train(task, labels, training, validation, _head_recipe(flags), written.write, store)
        written.write_graph(export.outline(export.assemble(trunk, [head], {}, flags.final_tensor_name)))
    return head


def _with_temperature(head: export.Head, known: Known) -> export.Head:
    """The head with the temperature that fits the validation cases."""
    validation = known.examples(list(head.labels), "validation")
    return replace(head, temperature=heads.temperature(head.logits(validation.bottlenecks), validation.targets))


def _tested(flags, head: export.Head, known: Known) -> tuple[Answers, list[Case]]:
    """The head's answers to the testing cases, as many as --test_batch_size says."""
    testing, cases = known.examples(list(head.labels), "testing"), in_split(known.cases, "testing")
    count = len(cases) if flags.test_batch_size == -1 else min(flags.test_batch_size, len(cases))
    scores = export.softmax(head.logits(testing.bottlenecks[:count]) / head.temperature)
    cases = cases[:count]
    return Answers(head.task, head.labels, testing.targets[:count], scores, [case.group for case in cases]), cases


def _one_task(cases: list[Case]) -> str:
    """The one task of cases. Raises UsageError for several."""
    tasks = list(dataset.labels_by_task(cases))
    if len(tasks) > 1:
        raise UsageError("The last layer is trained one task at a time; --fine_tune takes several.")
    return tasks[0]


def _head_recipe(flags) -> heads.HeadRecipe:
    names = heads.HeadRecipe.__dataclass_fields__
    given = {name: getattr(flags, name) for name in names if getattr(flags, name, None) is not None}
    if flags.how_many_training_steps is not None:
        given["steps"] = flags.how_many_training_steps
    return heads.HeadRecipe(**given)


def fine_tune(flags) -> None:
    """Train all layers on all tasks of the cases, calibrate each on validation, and write graph and labels."""
    from . import fine_tune as tuning_stage  # here, since it imports TensorFlow, which a head does without
    from . import trunk as trunk_stage

    cases = gather(flags)
    given = {
        "steps": flags.how_many_training_steps,
        "learning_rate": flags.learning_rate,
        "batch_size": flags.train_batch_size,
        "seed": flags.seed,
        "bfloat16": flags.precision == "bfloat16",
    }
    recipe = tuning_stage.Recipe(**{name: value for name, value in given.items() if value is not None})
    weights = [file for file in _networks(flags.model_dir) if file.suffix == ".npz"]
    if not weights:
        raise UsageError(f"--fine_tune needs weights (.npz) in --model_dir, and '{flags.model_dir}' holds none.")
    tuning = tuning_stage.fine_tune(cases, recipe, weights[0], flags.checkpoint_dir, flags.summaries_dir)
    trunk = export.halve(trunk_stage.freeze(tuning.float32_trunk()))
    metadata = _marked({"recipe": asdict(recipe), "weights_sha256": _sha256(weights[0])}, flags, cases)
    metadata["files"] = {split: len(in_split(cases, split)) for split in dataset.SPLITS}
    trained = _calibrated(trunk, tuning.heads(), in_split(cases, "validation"))
    _write(flags, trunk, trained, metadata)
    evaluate_graph(Network.load(flags.output_graph, flags.output_labels), cases, flags)


def _calibrated(trunk: GraphDef, trained: list[export.Head], validation: list[Case]) -> list[export.Head]:
    """The heads with the temperatures that fit the validation cases, as the serving engine answers them."""
    with tempfile.TemporaryDirectory() as folder:
        graph, labels = Path(folder) / "graph.pb", Path(folder) / "labels.txt"
        graph.write_bytes(export.assemble(trunk, trained, {}))
        labels.write_text(export.label_lines(trained), encoding="utf-8")
        network = Network.load(graph, labels)
    calibrated = []
    for head in trained:
        own = [case for case in validation if case.task == head.task]
        targets = np.array([head.labels.index(case.label) for case in own], dtype=np.int64)
        scores = answers(network, own)[:, network.tasks[head.task].columns]
        fitting = heads.temperature(np.log(np.maximum(scores, 1e-12)), targets)  # logits but for a constant
        print(f"Temperature of {head.task}: {fitting:.2f} (N={len(own)})")
        calibrated.append(replace(head, temperature=fitting))
    return calibrated


def evaluate(flags, settings: Settings) -> None:
    """Report how the served graph, or that of --graph and --labels, does on labelled cases of its tasks."""
    if bool(flags.graph) != bool(flags.labels):
        raise UsageError("--graph and --labels belong together: name both, or neither for the served graph.")
    network = Network.load(flags.graph or settings.graph, flags.labels or settings.labels)
    only = next(iter(network.tasks)) if len(network.tasks) == 1 else None
    problems = Problems(flags.skip_unreadable)
    evaluate_graph(network, gather(flags, only, problems), flags, problems)


def _marked(metadata: dict, flags, cases: list[Case]) -> dict:
    """metadata with what serving must know of the tasks of cases: from which input they are, and --demonstration."""
    tasks = {task: dict(known) for task, known in metadata.get("tasks", {}).items()}
    for task in dataset.labels_by_task(cases):
        drawn = flags.audio_dir or task == FIRST_TASK or any(case.is_sound for case in cases if case.task == task)
        tasks.setdefault(task, {})["from"] = "sound" if drawn else "picture"
    if flags.demonstration:
        task, _, reason = flags.demonstration.partition(": ")
        if not reason or task not in tasks:
            raise UsageError(f"--demonstration needs the form 'TASK: REASON', TASK one of {', '.join(tasks)}.")
        tasks[task] |= {"demonstration": True, "note": reason}
    return {**metadata, "tasks": tasks}


def _sha256(file: Path) -> str:
    with open(file, "rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def _write(flags, trunk: GraphDef, trained: list[export.Head], metadata: dict) -> None:
    """Write graph and labels beside their places, and rename both when both are whole."""
    with beside(flags.output_graph) as graph, beside(flags.output_labels) as labels:
        with naming(flags.output_graph):
            graph.write_bytes(export.assemble(trunk, trained, metadata, flags.final_tensor_name))
        classic = not flags.task and [head.task for head in trained] == [FIRST_TASK]
        labels.write_text(export.label_lines(trained, classic), encoding="utf-8")
    print(f"Wrote '{flags.output_graph}' and '{flags.output_labels}'.")
