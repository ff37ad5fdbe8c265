"""Train the trunk on all tasks of the cases."""

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from tensorboard.compat.proto.graph_pb2 import GraphDef

from tosa.model.metadata import GraphMetadata
from tosa.model.network import GraphFile
from tosa.settings import Settings
from tosa.training import tensorboard_curves
from tosa.training.commands.finish import FinishOptions, finish
from tosa.training.commands.messages import print_input_note, tell_what_is_replaced, warn_of_lost_tasks
from tosa.training.data import dataset
from tosa.training.data.dataset import SkippedFiles, in_split
from tosa.training.data.load_cases import DataOptions, load_cases
from tosa.training.graph import assemble
from tosa.training.graph.words import Words, describe, started_from, with_counts
from tosa.training.head.decision import check_sensitivity
from tosa.training.trunk.recipe import FineTuneRecipe
from tosa.training.trunk.resolve import network_in
from tosa.training.trunk.serialize import to_float16


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
    words: Words
    finish: FinishOptions


def fine_tune(options: FineTuneOptions, settings: Settings) -> None:
    """Trains the trunk on all tasks of the cases, calibrates each, and writes graph, labels and report."""
    from tosa.training.trunk import fine_tune as tuning  # here, since these import TensorFlow
    from tosa.training.trunk import freeze, inception

    weights = network_in(options.model_dir) or settings.graph
    start = GraphFile.read_trunk(weights).model.metadata if weights.suffix == ".pb" else GraphMetadata()
    preprocessing = replace(start.preprocessing, geometry=options.geometry or start.preprocessing.geometry)
    skipped = SkippedFiles(options.data.skip_unreadable)
    cases = load_cases(options.data, skipped, preprocessing=preprocessing)
    check_sensitivity(options.finish.sensitivity, dataset.labels_by_task(cases))
    metadata = replace(started_from(start), preprocessing=preprocessing)
    metadata = with_counts(describe(metadata, cases, options.words, start), cases, dataset.SPLITS)
    warn_of_lost_tasks(options.data, settings, metadata.tasks, "--fine_tune changes the trunk that they rest on")
    tell_what_is_replaced(options.finish.files, metadata.tasks)
    around = freeze.freeze_trunk(lambda pictures, **_: pictures)  # the nodes around any trunk
    assemble.check_result_name(options.finish.files.result, GraphDef.FromString(around))
    bfloat16 = options.precision == "bfloat16" or (options.precision == "auto" and inception.has_fast_bfloat16())
    recipe = replace(options.recipe, bfloat16=bfloat16)
    print(f"Starting from '{weights}'.")
    tuned = tuning.FineTuning(cases, recipe, weights, preprocessing)
    if tuned.restore(options.checkpoint_dir):
        print(f"Resuming from step {tuned.step} of '{options.checkpoint_dir}'.")
    if not tuned.step:
        tensorboard_curves.clear(options.summaries_dir)
    with tensorboard_curves.Curves(options.summaries_dir) as curves:
        tuning.train(tuned, cases, options.checkpoint_dir, curves.write)
    trunk = to_float16(freeze.freeze_trunk(tuned.float32_trunk()))
    metadata = replace(
        metadata,
        recipe=asdict(recipe),
        weights_sha256=_sha256(weights),
        files={split: len(in_split(cases, split)) for split in dataset.SPLITS},
        before=_trainings_before(start),
    )
    finish(options.finish, trunk, tuned.heads(), metadata, cases, skipped)
    print_input_note(options.data, cases)


def _trainings_before(start: GraphMetadata) -> tuple[Mapping[str, Any], ...]:
    """The fine-tunings of the graph that a training starts from, the oldest first; none for other weights."""
    last = {"recipe": start.recipe, "weights_sha256": start.weights_sha256, "files": start.files}
    last = {key: value for key, value in last.items() if value}
    if last and (refits := {task.name: task.refit for task in start.tasks.values() if task.refit}):
        last["refit"] = refits
    return (*start.before, last) if last else ()


def _sha256(file: Path) -> str:
    with open(file, "rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()
