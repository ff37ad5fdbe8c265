"""Report how a graph does on labelled cases."""

from dataclasses import dataclass
from pathlib import Path

from tosa.model.network import Network
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


def evaluate(options: EvaluateOptions) -> None:
    """Prints and writes the report of each of the graph's tasks that the cases are of."""
    network = Network.load(options.graph, options.labels)
    task = next(iter(network.tasks)) if len(network.tasks) == 1 else None
    skipped = SkippedFiles(options.data.skip_unreadable)
    preprocessing = network.metadata.preprocessing
    cases = load_cases(options.data, skipped, task, for_training=False, preprocessing=preprocessing)
    evaluate_graph(network, cases, options.split, options.report, skipped)
