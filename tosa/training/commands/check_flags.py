"""What is wrong with the command line and can be told before any work is done."""

from argparse import Namespace

from tosa.errors import UsageError
from tosa.training.commands.options import trunk_options
from tosa.training.data.folders import labels_in
from tosa.training.graph.words import check_descriptions
from tosa.training.report.outputs import check_outputs
from tosa.training.trunk.resolve import check_trunk_options


def check_flags(flags: Namespace) -> None:
    """Raises UsageError on the first output that cannot be written and on a wrong trunk, before any work is done."""
    _check_graphs(flags)
    if flags.describe_graph:
        check_outputs([flags.output_graph], [])
        return
    files, folders = [flags.plot], [flags.report_dir]
    if flags.folds:
        folders.append(flags.bottleneck_dir)
    elif not flags.evaluate:
        files += [flags.output_graph, flags.output_labels]
        folders += [flags.summaries_dir, flags.checkpoint_dir if flags.fine_tune else flags.bottleneck_dir]
        folders += [flags.intermediate_output_graphs_dir] if flags.intermediate_store_frequency else []
        if flags.output_graph.resolve() == flags.output_labels.resolve():
            raise UsageError(f"--output_graph and --output_labels are the same file, '{flags.output_graph}'.")
    check_outputs(files, folders, flags.saved_model_dir)
    _check_descriptions(flags)
    check_trunk_options(trunk_options(flags), fine_tunes=bool(flags.fine_tune))


def _check_graphs(flags: Namespace) -> None:
    """Raises UsageError on a graph or label file that a flag names and that is not there."""
    for name in ("graph", "labels", "compare"):
        if (file := getattr(flags, name)) and not file.is_file():
            raise UsageError(f"--{name} '{file}' does not exist.")


def _check_descriptions(flags: Namespace) -> None:
    """Raises UsageError on a label of --describe that no folder has, where the new graph has only labels of folders."""
    folder = flags.audio_dir or flags.image_dir
    labels = [] if flags.labels_csv or not folder else labels_in(folder)
    keeps_others = flags.calibrate or flags.refit or (flags.task and not flags.drop_other_tasks)
    if labels and not keeps_others:
        check_descriptions(flags.describe, labels)
