"""What a training leaves beside its graph: graphs on the way, a SavedModel, the report, and the last log lines."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np

from tosa.errors import UsageError
from tosa.model.calibration import CalibrationCases
from tosa.model.metadata import GraphMetadata
from tosa.operating_point import cases_in_words
from tosa.training.data.dataset import Case
from tosa.training.files import atomic_folder, check_writable
from tosa.training.head.head import Head
from tosa.training.metrics import Answers, negative_of
from tosa.training.report import report, text
from tosa.training.report.compare import comparison_lines
from tosa.training.report.curve_notes import warnings_of
from tosa.training.report.folds import fold_lines
from tosa.training.report.options import ReportOptions
from tosa.training.tensorboard_curves import Points

WriteGraph = Callable[[Head, Path, Path], None]  # writes the graph that a head makes, and its labels, to two files


def check_outputs(
    files: Iterable[Path | None], folders: Iterable[Path | None], saved_model: Path | None = None
) -> None:
    """Raises UsageError on the first output that could not be written, before any work is done; None is skipped."""
    for file in filter(None, files):
        check_writable(file)
    for folder in filter(None, folders):
        check_writable(folder, is_folder=True)
    if saved_model:
        _check_saved_model(saved_model)


def _check_saved_model(folder: Path) -> None:
    check_writable(folder, is_folder=True)
    if folder.is_dir() and any(folder.iterdir()):
        raise UsageError(f"--saved_model_dir '{folder}' is not empty. Name another folder, or empty it.")
    try:
        import tensorflow  # noqa: F401  # seconds, but better found out now than after the training
    except ImportError as error:
        raise UsageError("--saved_model_dir needs TensorFlow, which is not installed.") from error


def store_intermediate(folder: Path, frequency: int, write: WriteGraph) -> Callable[[int, Head], None]:
    """Returns a function that writes the graph of every `frequency`-th step to folder, named by the step; 0: none."""

    def store(step: int, head: Head) -> None:
        if frequency and step and step % frequency == 0:
            file = folder / f"intermediate_{step}.pb"
            print(f"Save intermediate result to : {file}")
            write(head, file, file.with_suffix(".txt"))

    return store


def write_saved_model(folder: Path, graph_file: Path, label_file: Path, result: str) -> None:
    """Writes a graph as a SavedModel with the classic's names: `image`, JPEG or PNG bytes, to `prediction`.

    result: the name of the graph's output.
    """
    import tensorflow as tf

    definition = tf.compat.v1.GraphDef.FromString(graph_file.read_bytes())
    with tf.Graph().as_default() as graph, tf.compat.v1.Session(graph=graph) as session:
        tf.graph_util.import_graph_def(definition, name="")
        inputs = {"image": graph.get_tensor_by_name("DecodeJpeg/contents:0")}
        outputs = {"prediction": graph.get_tensor_by_name(f"{result}:0")}
        with atomic_folder(folder) as partial:
            tf.compat.v1.saved_model.simple_save(session, str(partial / "model"), inputs, outputs)
            extra = partial / "model" / "assets.extra"
            extra.mkdir()
            (extra / "labels.txt").write_bytes(label_file.read_bytes())
            for path in (partial / "model").iterdir():
                path.rename(partial / path.name)
            (partial / "model").rmdir()
    print(f"Wrote '{folder}'.")


def task_reports(
    options: ReportOptions, tasks: list[tuple[Answers, list[Case]]], metadata: GraphMetadata | None = None
) -> list[report.TaskReport]:
    """Returns the report of each task that has cases. tasks: each one's answers and the cases that they answer.

    metadata: of the graph that answered, if it was one; the report then says on what cases its scores were calibrated.
    """
    reports = [report.TaskReport.of(answers, cases, options) for answers, cases in tasks if cases]
    for each in reports:
        task = (metadata or GraphMetadata()).task(each.answers.task)
        if calibrated_on := CalibrationCases.of(task.calibration, task.operating_point):
            each.metrics["calibrated_on"] = cases_in_words(calibrated_on, task.input)
    return reports


def metrics_of(tested: list[report.TaskReport]) -> dict[str, dict[str, Any]]:
    """Returns the metrics of each task."""
    return {task.answers.task: task.metrics for task in tested}


def write_outputs(
    options: ReportOptions, tested: list[report.TaskReport], data: dict[str, Any], curves: Points | None = None
) -> None:
    """Prints the classic's last lines and each task's metrics, and writes the report and the plot of the curves.

    data: as summarize_data returns it.
    """
    if not tested:
        print("No case was left for testing, so there is no final test accuracy.")
    for task in tested:
        _print_task(task, options)
    for sentence in warnings_of(curves or {}):
        print(f"WARNING: {sentence}")
    report.write(options.report_dir, report.Report(tested, data, curves or {}))
    if options.plot:
        report.save_plot(curves or {}, options.plot)


def _print_task(task: report.TaskReport, options: ReportOptions) -> None:
    answers = task.answers
    name = "Final test accuracy" if options.split == "testing" else "Accuracy"
    print(f"{name} = {answers.right.mean() * 100:.1f}% (N={len(answers.right)}){text.split_words(task.metrics)}")
    if options.print_misclassified:
        print("=== MISCLASSIFIED TEST IMAGES ===")
        for row in np.flatnonzero(~answers.right):
            print(f"{task.cases[row].file!s:>70}  {answers.labels[answers.predicted[row]]}")
    if options.negative_label and negative_of(answers.labels, options.negative_label) is None:
        print(
            f"WARNING: Task {answers.task} has no label '{options.negative_label}', which --negative_label names; it "
            f"has {', '.join(answers.labels)}."
        )
    print(text.task_lines(answers, task.metrics))
    for name, lines_of in (("folds", fold_lines), ("comparison", comparison_lines)):
        if name in task.metrics:
            print("\n".join(lines_of(task.metrics[name])))
