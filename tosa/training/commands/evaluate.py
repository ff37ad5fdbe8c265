"""Report how a graph does on labelled cases."""

from dataclasses import dataclass
from pathlib import Path

from tosa.model.network import GraphFile
from tosa.training.data import dataset
from tosa.training.data.contamination import SeenFiles, inspect_cases
from tosa.training.data.dataset import SkippedFiles
from tosa.training.data.load_cases import DataOptions, load_cases
from tosa.training.report.evaluate import evaluate_graph
from tosa.training.report.options import ReportOptions


@dataclass(frozen=True)
class EvaluateOptions:
    """Which graph is tested on which cases."""

    data: DataOptions
    graph: Path
    labels: Path | None  # needed only for a graph that does not carry its labels
    split: str  # one of dataset.SPLITS, or all
    report: ReportOptions
    compared: Path | None = None  # another graph, which carries its labels


def evaluate(options: EvaluateOptions) -> None:
    """Prints and writes the report of each of the graph's tasks that the cases are of."""
    read = GraphFile.read(options.graph, options.labels)
    network = read.start()
    task = dataset.only_task(network.tasks)
    skipped = SkippedFiles(options.data.skip_unreadable)
    preprocessing = network.metadata.preprocessing
    cases = load_cases(options.data, skipped, task, for_training=False, preprocessing=preprocessing)
    tested = options.split if options.split in ("testing", "all") else None  # the others are no test
    seen, whose, other = SeenFiles.of_graph(read.graph), "this trunk", None
    if options.compared:
        compared = GraphFile.read(options.compared)
        seen, whose = seen.merged(SeenFiles.of_graph(compared.graph)), "a trunk of the two graphs"
        other = str(options.compared), compared.start()
    inspection = inspect_cases(cases, seen, tested, options.data.allow_contaminated, whose)
    evaluate_graph(network, cases, options.split, options.report, skipped, inspection, other)
