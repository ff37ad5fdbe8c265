"""What trainings end with: heads calibrated on validation and answered for on testing, graph and labels written."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from tensorboard.compat.proto.graph_pb2 import GraphDef

from tosa.errors import UsageError
from tosa.model.metadata import FIRST_TASK, GraphMetadata, TaskMetadata
from tosa.training.data import dataset
from tosa.training.data.dataset import Case, in_split
from tosa.training.files import atomic_write, wrap_os_error
from tosa.training.graph import assemble
from tosa.training.head import calibration, train_head
from tosa.training.head.bottleneck_dataset import BottleneckDataset
from tosa.training.head.head import Head
from tosa.training.metrics import Answers


def describe_tasks(metadata: GraphMetadata, flags, cases: list[Case]) -> GraphMetadata:
    """Returns metadata with what serving needs to know of the tasks of cases: their input, and --demonstration."""
    for task in dataset.labels_by_task(cases):
        drawn = flags.audio_dir or any(case.of_sound for case in cases if case.task == task)
        metadata = metadata.with_task(replace(metadata.task(task), input="sound" if drawn else "picture"))
    if flags.demonstration:
        task, _, reason = flags.demonstration.partition(": ")
        if not reason or task not in metadata.tasks:
            names = ", ".join(metadata.tasks)
            raise UsageError(f"--demonstration needs the form 'TASK: REASON', TASK one of {names}.")
        metadata = metadata.with_task(replace(metadata.task(task), demonstration=True, note=reason))
    return metadata


def calibrated(head: Head, known: BottleneckDataset) -> Head:
    """The head with the temperature that fits the validation cases."""
    validation = known.examples(list(head.labels), "validation")
    return replace(head, temperature=train_head.temperature(head.logits(validation.bottlenecks), validation.targets))


def validation_metadata(flags, head: Head, known: BottleneckDataset) -> dict[str, Any]:
    """Returns calibration and operating point of a calibrated head on its validation cases, as fields of TaskMetadata."""
    validation = known.examples(list(head.labels), "validation")
    scores = head.scores(validation.bottlenecks)
    groups = [case.group for case in in_split(known.cases, "validation")]
    answers = Answers(head.task, head.labels, validation.targets, scores, groups)
    measured = TaskMetadata.from_dict(head.task, calibration.calibration_metadata(answers, flags.negative_label))
    return {"calibration": measured.calibration, "operating_point": measured.operating_point}


def tested(flags, head: Head, known: BottleneckDataset) -> tuple[Answers, list[Case]]:
    """The head's answers to the testing cases, as many as --test_batch_size says."""
    testing, cases = known.examples(list(head.labels), "testing"), in_split(known.cases, "testing")
    if flags.test_batch_size != -1:
        row_of = {case: row for row, case in enumerate(cases)}
        cases = dataset.in_order(cases)[: flags.test_batch_size]
        rows = [row_of[case] for case in cases]
        testing = train_head.Examples(testing.bottlenecks[rows], testing.targets[rows])
    scores = head.scores(testing.bottlenecks)
    return Answers(head.task, head.labels, testing.targets, scores, [case.group for case in cases]), cases


def write(
    flags, trunk: GraphDef, trained: list[Head], metadata: GraphMetadata, constants: dict, graph: Path, labels: Path
) -> None:
    """Write graph and labels beside their places, and rename both when both are whole."""
    with atomic_write(graph) as graph_beside, atomic_write(labels) as labels_beside:
        with wrap_os_error(graph):
            graph_beside.write_bytes(assemble.assemble(trunk, trained, metadata, flags.final_tensor_name, constants))
        classic = not flags.task and [head.task for head in trained] == [FIRST_TASK]
        labels_beside.write_text(assemble.label_lines(trained, classic), encoding="utf-8")
    print(f"Wrote '{graph}' and '{labels}'.")
