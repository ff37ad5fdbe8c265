"""The three things retrain.py does, from flags to files: retrain a head, fine-tune everything, evaluate."""

import hashlib
import tempfile
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
from tensorboard.compat.proto.graph_pb2 import GraphDef
from tqdm import tqdm

from ..errors import UsageError
from ..graph import Graph
from ..network import FIRST_TASK, Network
from ..settings import Settings
from . import dataset, export, report, spectrograms
from . import head as heads
from .bottlenecks import bottlenecks, draw
from .curves import Curves
from .dataset import Case, in_split
from .files import beside


def gather(flags) -> list[Case]:
    """The cases that the flags name, drawn to pictures first where they are sounds of --audio_dir."""
    percentages = dataset.Percentages(flags.validation_percentage, flags.testing_percentage)
    if flags.audio_dir:
        if not flags.image_dir:
            raise UsageError("--audio_dir needs --image_dir, the folder to draw its spectrograms into.")
        spectrograms.draw_folder(flags.audio_dir, flags.image_dir)
    task = flags.task or FIRST_TASK
    if flags.labels_csv:
        cases = dataset.from_csv(flags.labels_csv, task, percentages)
    elif flags.image_dir:
        print(f"Looking for images in '{flags.image_dir}'")
        cases = dataset.from_folders(flags.image_dir, task, percentages, flags.group_regex)
    else:
        raise UsageError("Say what to learn from: --image_dir or --labels_csv.")
    print(dataset.describe(cases))
    crossing = dataset.crossing_groups(cases)
    if crossing:
        print(f"WARNING: {len(crossing)} groups are in more than one split, such as '{crossing[0]}'.")
    return cases


def retrain(flags, settings: Settings) -> None:
    """Train the last layer of one task on cached bottlenecks, and write graph and labels."""
    cases = gather(flags)
    labels_by_task = dataset.labels_by_task(cases)
    if len(labels_by_task) > 1:
        raise UsageError("The last layer is trained one task at a time; --fine_tune takes several.")
    ((task, labels),) = labels_by_task.items()
    if not in_split(cases, "training"):
        raise UsageError("No case is left for training; lower the percentages.")
    with _trunk_file(flags.model_dir, settings) as file:
        network = Network.load(file, None)
        graph = Graph(file.read_bytes())
        trunk = graph.trunk()
        values = bottlenecks(cases, network, export.trunk_sha256(trunk), flags.bottleneck_dir)
    examples = {split: _examples(cases, values, labels, split) for split in dataset.SPLITS}
    recipe = _head_recipe(flags)
    with Curves(flags.summaries_dir) as curves:
        head = heads.train(task, labels, examples["training"], examples["validation"], recipe, curves.write)
    validation = examples["validation"]
    head = replace(head, temperature=heads.temperature(head.logits(validation.bottlenecks), validation.targets))
    _test(flags, head, examples["testing"], in_split(cases, "testing"))
    kept, metadata = (export.heads_of(graph), graph.metadata()) if flags.task else ({}, {})
    _write(flags, trunk, list((kept | {task: head}).values()), _marked(metadata, flags, cases))
    if not flags.task:
        print("The graph has this one task. --task NAME adds to the graph it starts from, and keeps its others.")


def _head_recipe(flags) -> heads.HeadRecipe:
    given = {
        "steps": flags.how_many_training_steps,
        "learning_rate": flags.learning_rate,
        "train_batch_size": flags.train_batch_size,
        "validation_batch_size": flags.validation_batch_size,
        "eval_step_interval": flags.eval_step_interval,
        "seed": flags.seed,
    }
    return heads.HeadRecipe(**{name: value for name, value in given.items() if value is not None})


def _examples(cases: list[Case], values: np.ndarray, labels: list[str], split: str) -> heads.Examples:
    chosen = [index for index, case in enumerate(cases) if case.split == split]
    targets = np.array([labels.index(cases[index].label) for index in chosen], dtype=np.int64)
    return heads.Examples(values[chosen], targets)


def _test(flags, head: export.Head, testing: heads.Examples, cases: list[Case]) -> None:
    """Print the final test accuracy as the classic does, then the report."""
    count = len(cases) if flags.test_batch_size == -1 else min(flags.test_batch_size, len(cases))
    testing, cases = heads.Examples(testing.bottlenecks[:count], testing.targets[:count]), cases[:count]
    if not count:
        print("No case was left for testing, so there is no final test accuracy.")
        return
    scores = export.softmax(head.logits(testing.bottlenecks) / head.temperature)
    misses = flags.print_misclassified_test_images
    _print_test(head.task, head.labels, testing.targets, scores, cases, misses)


def _print_test(
    task: str, labels: tuple[str, ...], targets: np.ndarray, scores: np.ndarray, cases: list[Case], misses: bool
) -> None:
    """The classic's last line and, if asked for, its list of misses; then the report of the task."""
    answered = scores.argmax(axis=1)
    print(f"Final test accuracy = {(answered == targets).mean() * 100:.1f}% (N={len(targets)})")
    if misses:
        print("=== MISCLASSIFIED TEST IMAGES ===")
        for index in np.flatnonzero(answered != targets):
            print(f"{cases[index].file}  {labels[answered[index]]}")
    print(report.text(task, list(labels), targets, scores, [case.group for case in cases]))


def fine_tune(flags, settings: Settings) -> None:
    """Train the trunk on all tasks of the cases, calibrate each on validation, and write graph and labels."""
    from . import fine_tune as tuning_stage  # here, since it imports TensorFlow, which a head does without
    from . import trunk as trunk_stage

    cases = gather(flags)
    given = {
        "layers": flags.fine_tune,
        "steps": flags.how_many_training_steps,
        "learning_rate": flags.learning_rate,
        "batch_size": flags.train_batch_size,
        "seed": flags.seed,
        "bfloat16": trunk_stage.fast_bfloat16() if flags.precision == "auto" else flags.precision == "bfloat16",
    }
    recipe = tuning_stage.Recipe(**{name: value for name, value in given.items() if value is not None})
    weights = next(iter(_networks(flags.model_dir)), settings.graph)
    print(f"Starting from '{weights}'.")
    tuning = tuning_stage.fine_tune(cases, recipe, weights, flags.checkpoint_dir, flags.summaries_dir)
    trunk = export.halve(trunk_stage.freeze(tuning.float32_trunk()))
    metadata = _marked({"recipe": asdict(recipe), "weights_sha256": _sha256(weights)}, flags, cases)
    metadata["files"] = {split: len(in_split(cases, split)) for split in dataset.SPLITS}
    trained = _calibrated(trunk, tuning.heads(), in_split(cases, "validation"))
    _write(flags, trunk, trained, metadata)
    evaluate_graph(Network.load(flags.output_graph, flags.output_labels), cases)


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
    """Report how the served graph does on the testing cases of each of its tasks."""
    evaluate_graph(Network.load(settings.graph, settings.labels), gather(flags))


def evaluate_graph(network: Network, cases: list[Case]) -> None:
    """Print the report of every task on its testing cases, answered by the engine that serves."""
    testing = in_split(cases, "testing")
    for task, labels in dataset.labels_by_task(testing).items():
        if task not in network.tasks:
            raise UsageError(f"The graph has no task '{task}'; it has {', '.join(network.tasks)}.")
        known = network.tasks[task]
        if missing := set(labels) - set(known.labels):
            raise UsageError(f"The graph's task '{task}' has no label {', '.join(sorted(missing))}.")
        own = [case for case in testing if case.task == task]
        scores = answers(network, own)[:, known.columns]
        targets = np.array([known.labels.index(case.label) for case in own])
        _print_test(task, known.labels, targets, scores, own, misses=False)


def answers(network: Network, cases: list[Case], batch: int = 8) -> np.ndarray:
    """Scores float32 (cases, columns) of cases."""
    if not cases:
        return np.empty((0, sum(len(task.labels) for task in network.tasks.values())), np.float32)
    starts = tqdm(range(0, len(cases), batch), desc="answers", unit="batch", disable=None)
    pictures = (np.stack([draw(case, network.size) for case in cases[start : start + batch]]) for start in starts)
    return np.concatenate([network.run(stack).scores for stack in pictures])


@contextmanager
def _trunk_file(model_dir: Path, settings: Settings):
    """The file of a graph that holds the trunk: the .pb of model_dir, or its .npz frozen, or the embedded graph."""
    networks = _networks(model_dir)
    if not networks:
        print(f"No network in '{model_dir}': the trunk is that of the embedded graph, '{settings.graph}'.")
        yield settings.graph
    elif networks[0].suffix == ".pb":
        print(f"The trunk is '{networks[0]}'.")
        yield networks[0]
    else:
        from . import trunk as trunk_stage  # here, since it imports TensorFlow

        print(f"The trunk is Inception-v3 with the weights of '{networks[0]}'.")
        built = trunk_stage.build()
        trunk_stage.load(built, networks[0])
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "trunk.pb"
            halved = export.halve(trunk_stage.freeze(built))
            file.write_bytes(halved.SerializeToString(deterministic=True))
            yield file


def _networks(model_dir: Path) -> list[Path]:
    """The network in model_dir, a .pb or .npz file, or none. Raises UsageError for several."""
    networks = sorted(file for file in model_dir.glob("*") if file.suffix in (".pb", ".npz"))
    if len(networks) > 1:
        raise UsageError(f"--model_dir '{model_dir}' holds {len(networks)} networks; leave one.")
    return networks


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
        graph.write_bytes(export.assemble(trunk, trained, metadata, flags.final_tensor_name))
        classic = not flags.task and [head.task for head in trained] == [FIRST_TASK]
        labels.write_text(export.label_lines(trained, classic), encoding="utf-8")
    print(f"Wrote '{flags.output_graph}' and '{flags.output_labels}'.")
