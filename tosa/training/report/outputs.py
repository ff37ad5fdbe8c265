"""What a training leaves behind beside the graph: the last log lines, the report, graphs on the way, a SavedModel."""

import hashlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from tosa.errors import UsageError
from tosa.training.data import dataset, duplicates
from tosa.training.data.dataset import Case, SkippedFiles
from tosa.training.data.prefetch import prefetch
from tosa.training.data.splits import crossing_groups
from tosa.training.files import atomic_folder, check_writable, progress
from tosa.training.head.head import Head
from tosa.training.metrics import Answers, negative_of
from tosa.training.report import report, tensorboard_curves

Write = Callable[[Head, Path, Path], None]  # writes the graph that a head makes, and its labels, to two files


def check_outputs(flags) -> None:
    """Raises UsageError on the first output that could not be written, before any work is done."""
    files, folders = [flags.plot], [flags.report_dir]
    if not flags.evaluate:
        files += [flags.output_graph, flags.output_labels]
        folders += [flags.summaries_dir, flags.checkpoint_dir if flags.fine_tune else flags.bottleneck_dir]
        folders += [flags.intermediate_output_graphs_dir] if flags.intermediate_store_frequency else []
        if flags.output_graph.resolve() == flags.output_labels.resolve():
            raise UsageError(f"--output_graph and --output_labels are the same file, '{flags.output_graph}'.")
    for file in filter(None, files):
        check_writable(file)
    for folder in filter(None, folders):
        check_writable(folder, is_folder=True)
    if flags.saved_model_dir:
        _check_saved_model(flags.saved_model_dir)


def _check_saved_model(folder) -> None:
    check_writable(folder, is_folder=True)
    if folder.is_dir() and any(folder.iterdir()):
        raise UsageError(f"--saved_model_dir '{folder}' is not empty. Name another folder, or empty it.")
    try:
        import tensorflow  # noqa: F401  # seconds, but better found out now than after the training
    except ImportError as error:
        raise UsageError("--saved_model_dir needs TensorFlow, which is not installed.") from error


def intermediate(flags, write: Write) -> Callable[[int, Head], None]:
    """What stores a graph and its labels every --intermediate_store_frequency steps, named by the step."""

    def store(step: int, head: Head) -> None:
        if flags.intermediate_store_frequency and step and step % flags.intermediate_store_frequency == 0:
            file = flags.intermediate_output_graphs_dir / f"intermediate_{step}.pb"
            print(f"Save intermediate result to : {file}")
            write(head, file, file.with_suffix(".txt"))

    return store


def saved_model(flags) -> None:
    """Write --output_graph as a SavedModel too: `image`, bytes of a JPEG or PNG, to `prediction`, as the classic."""
    if not flags.saved_model_dir:
        return
    import tensorflow as tf

    definition = tf.compat.v1.GraphDef.FromString(flags.output_graph.read_bytes())
    with tf.Graph().as_default() as graph, tf.compat.v1.Session(graph=graph) as session:
        tf.graph_util.import_graph_def(definition, name="")
        inputs = {"image": graph.get_tensor_by_name("DecodeJpeg/contents:0")}
        outputs = {"prediction": graph.get_tensor_by_name(f"{flags.final_tensor_name}:0")}
        with atomic_folder(flags.saved_model_dir) as partial:
            tf.compat.v1.saved_model.simple_save(session, str(partial / "model"), inputs, outputs)
            extra = partial / "model" / "assets.extra"
            extra.mkdir()
            (extra / "labels.txt").write_bytes(flags.output_labels.read_bytes())
            for path in (partial / "model").iterdir():
                path.rename(partial / path.name)
            (partial / "model").rmdir()
    print(f"Wrote '{flags.saved_model_dir}'.")


def write_outputs(flags, tasks: list[tuple[Answers, list[Case]]], data: dict) -> None:
    """Print the classic's last lines and each task's figures; write the report and the plot."""
    for answers, cases in tasks:
        if not cases:
            print("No case was left for testing, so there is no final test accuracy.")
            continue
        right = answers.predicted == answers.targets
        print(f"Final test accuracy = {right.mean() * 100:.1f}% (N={len(right)})")
        if flags.print_misclassified_test_images:
            print("=== MISCLASSIFIED TEST IMAGES ===")
            for row in np.flatnonzero(~right):
                print(f"{str(cases[row].file):>70}  {answers.labels[answers.predicted[row]]}")
        if flags.negative_label and negative_of(answers.labels, flags.negative_label) is None:
            print(f"WARNING: --negative_label '{flags.negative_label}' is no label of {answers.task}.")
        print(report.text(answers, flags.negative_label, flags.prevalence))
    drawn = {} if flags.evaluate or flags.calibrate or flags.refit else tensorboard_curves.read(flags.summaries_dir)
    tested = [(answers, cases) for answers, cases in tasks if cases]
    report.write(flags.report_dir, report.Report(tested, data, drawn, flags.negative_label, flags.prevalence))
    if flags.plot:
        report.save_plot(drawn, flags.plot)


def data_of(
    cases: list[Case],
    problems: SkippedFiles,
    contents: list[bytes] | None = None,
    fingerprints: np.ndarray | None = None,
) -> dict:
    """What the report says of the data: how many files, groups and sources, which twice, which skipped.

    contents, fingerprints: as bottlenecks.Bottlenecks has them; without them the files are read, and only the same
    content is found, not what merely looks alike.
    """
    if contents is None:
        with ThreadPoolExecutor() as pool:
            hashes = prefetch(pool, lambda case: hashlib.sha256(case.file.read_bytes()).digest(), cases)
            contents = list(progress(hashes, desc="duplicates", unit="file", total=len(cases)))
    found = duplicates.find(cases, contents, fingerprints)
    counts = {split: len(dataset.in_split(cases, split)) for split in dataset.SPLITS}
    sources = sorted({case.source for case in cases if case.source})
    return {
        "files": counts,
        "groups": {split: len({(c.task, c.group) for c in dataset.in_split(cases, split)}) for split in counts},
        "groups_in_several_splits": crossing_groups(cases),
        "sources": sources or "none named",
        **found,
        "skipped": problems.sentences,
    }
