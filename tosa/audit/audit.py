"""Measures what would embarrass the model: shortcuts, what the bottleneck tells, subgroups, handling, the gate.

    python -m tosa.audit.audit cases.csv [--others FOLDER] [--output docs/audit.json]

cases.csv is what tosa.audit.datasets.collect writes; the graph is the served one. FOLDER holds a folder for each kind
of picture that is not a chest X-ray, as tosa.audit.datasets.other_pictures makes them. All is measured on the testing
split.
"""

import argparse
import json
import sys
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from tosa.errors import TosaError, UsageError
from tosa.model.engine import native_precision
from tosa.model.network import GraphFile
from tosa.settings import Settings
from tosa.training.data import dataset
from tosa.training.data.dataset import Case, SkippedFiles
from tosa.training.data.kinds import Kind
from tosa.training.data.load_cases import check_against_graph
from tosa.training.data.summary import summarize_data
from tosa.training.data.table import from_csv
from tosa.training.features.bottlenecks import FeatureExtractor
from tosa.training.features.drawings import Drawing
from tosa.training.files import atomic_write
from tosa.training.head.stored_heads import heads_of
from tosa.training.packages import end_without_packages
from tosa.training.trunk.serialize import trunk_sha256

with end_without_packages(__name__):
    from tosa.audit import gate_evaluation, robustness, shortcuts
    from tosa.audit.subgroups import subgroup_accuracy
    from tosa.training.metrics import Answers, calibration, negative_of, rate, task_metrics
    from tosa.training.report.card import count_files

TRAINING_CASES = 1000  # of each task whose bottlenecks are looked at, at most
MIN_CASES = 10  # below which where_wrong is not measured


class Audited:
    """The cases of a table with the bottlenecks and answers that the served graph gives them.

    `network` calculates in float32, as the cache of bottlenecks wants it. `quick` is for the many pictures of handling
    and calculates as this processor does fastest without rounding to int8: in bfloat16 in half the time, where it can.
    """

    def __init__(self, table: Path, settings: Settings, cache: Path) -> None:
        self.cases = from_csv(table, "cough", dataset.Percentages())
        read = GraphFile.read(settings.graph, settings.labels)
        self.network = read.start(precision="f32")
        self.quick = self.network if native_precision() == "f32" else read.start(precision=native_precision())
        check_against_graph(self.cases, {name: task.labels for name, task in self.network.tasks.items()})
        self.heads = heads_of(read.graph)
        trunk = trunk_sha256(read.graph.trunk())
        drawings = [Drawing(case) for case in dataset.thinned(self.cases, TRAINING_CASES)]
        extractor = FeatureExtractor(self.network, trunk, cache, self.network.metadata.preprocessing)
        made = extractor.bottlenecks(drawings, SkippedFiles())
        self._row_of = {drawing.case: row for row, drawing in enumerate(made.drawings)}
        self._values = made.values

    def of(self, task: str, split: str | None = None, label: str | None = None) -> list[Case]:
        """Returns the cases of a task, of one split or label where given."""
        return [
            case for case in self.cases
            if case.task == task and split in (None, case.split) and label in (None, case.label)
        ]  # fmt: skip

    def with_bottlenecks(self, cases: Iterable[Case]) -> tuple[list[Case], np.ndarray]:
        """Returns the cases that thinning left, and their bottlenecks, float32 (cases, features)."""
        left = [case for case in cases if case in self._row_of]
        return left, self._values[[self._row_of[case] for case in left]]

    def answers(self, task: str, cases: list[Case]) -> Answers:
        """Returns what the graph's head of the task answers to cases that thinning left."""
        head, (cases, values) = self.heads[task], self.with_bottlenecks(cases)
        targets = np.array([head.labels.index(case.label) for case in cases], int)
        return Answers(task, head.labels, targets, head.scores(values), [case.group for case in cases])


def audit(table: Path, others: Path | None, settings: Settings, cache: Path) -> dict[str, Any]:
    """Returns all that is measured, ready for JSON. Raises UsageError where the table does not fit the graph."""
    audited = Audited(table, settings, cache)
    tasks = list(dataset.labels_by_task(audited.cases))
    if untested := [task for task in tasks if not audited.of(task, "testing")]:
        raise UsageError(f"'{table}' has no testing case of {', '.join(untested)}.")
    data = summarize_data(audited.cases, SkippedFiles())
    copies = {"files": data["same_content"], "in_several_splits": len(data["same_content_in_several_splits"])}
    measured = {
        "sha256": audited.network.sha256,
        "metadata": json.loads(audited.network.metadata.to_json()),
        "copies": copies,
        "licences": licences(audited.cases),
        "tasks": {task: of_task(audited, task) for task in tasks},
    }
    if others and audited.network.gate:
        preprocessing = audited.network.metadata.preprocessing
        measured["gate"] = gate_evaluation.evaluate_gate(audited.network.gate, audited.cases, others, preprocessing)
    elif others:
        print("The graph has no out-of-distribution gate, so what it refuses is not measured.")
    return measured


def of_task(audited: Audited, task: str) -> dict[str, Any]:
    """Returns data, metrics, shortcuts, sources, subgroups and handling of one task."""
    testing = audited.of(task, "testing")
    answers = audited.answers(task, testing)
    measured = {
        "data": count_files(audited.of(task)),
        "figures": task_metrics(answers),
        "validation": calibration(audited.answers(task, audited.of(task, "validation"))),
        "shortcuts": measure_shortcuts(audited.of(task, "training"), testing, answers),
        "sources_told": _sources_told(audited, task, answers.labels),
        "subgroups": subgroup_accuracy(testing, answers),
    }
    if handled := [case for case in testing if case.kind is not Kind.SPECTROGRAM]:
        chosen = robustness.cases_to_handle(handled, task)
        measured["handling"] = robustness.measure_robustness(audited.quick, task, chosen)
    return measured


def measure_shortcuts(training: list[Case], testing: list[Case], answers: Answers) -> dict[str, dict[str, Any]]:
    """Returns accuracy and AUC of each shortcut, and the network's accuracy where it is wrong.

    answers: the network's, to the testing cases. A shortcut that too few cases show is left out.
    """
    features = shortcuts.OF_SOUNDS if testing[0].is_sound else shortcuts.OF_PICTURES
    of_training, of_testing = (shortcuts.features_of(cases, features) for cases in (training, testing))
    measured = {}
    for name in features:
        answered = shortcuts.answers_by(training, of_training[name], testing, of_testing[name])
        if answered:
            theirs, rows = answered
            metrics = task_metrics(theirs)
            measured[name] = {
                "accuracy": metrics["accuracy"],
                "auc": metrics.get("auc"),
                "where_wrong": where_wrong(answers.take(rows), theirs),
            }
    return measured


def where_wrong(answers: Answers, shortcut: Answers) -> dict[str, Any] | None:
    """Returns how often the network tells ill from healthy where a shortcut takes one for the other.

    Both are of the same cases. None where there are fewer than MIN_CASES, or no label stands for health.
    """
    healthy, theirs = negative_of(answers.labels), negative_of(shortcut.labels)
    if healthy is None or theirs is None:
        return None
    ill = answers.targets != healthy
    wrong = (shortcut.predicted != theirs) != ill
    right = (answers.predicted != healthy) == ill
    return rate(right[wrong], np.array(answers.groups)[wrong].tolist()) if wrong.sum() >= MIN_CASES else None


def _sources_told(audited: Audited, task: str, labels: tuple[str, ...]) -> dict[str, dict[str, Any]]:
    told = {label: shortcuts.source_told(*audited.with_bottlenecks(audited.of(task, label=label))) for label in labels}
    return {label: of_label for label, of_label in told.items() if of_label}


def licences(cases: list[Case]) -> list[dict[str, Any]]:
    """Returns the number of files of each source and licence, by the table's column `licence`."""
    counts = Counter((case.source, case.extra["licence"]) for case in cases if case.extra.get("licence"))
    return [
        {"source": source, "licence": licence, "files": files} for (source, licence), files in sorted(counts.items())
    ]  # fmt: skip


def print_missed_bounds(tasks: dict[str, dict[str, Any]]) -> None:
    """Prints which ways of handling miss their bound. tasks: of `audit`."""
    missed = [
        f"{task}, {line}" for task, of in tasks.items() for line in robustness.missed_bounds(of.get("handling", {}))
    ]
    print("\n".join(f"MISSED {line}" for line in missed) or "All rows of the handling tables hold their bounds.")


def main() -> None:
    """Runs the command that the module's docstring shows."""
    flags = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    flags.add_argument("table", type=Path)
    flags.add_argument("--others", type=Path, help="folder of folders of pictures that are not chest X-rays")
    flags.add_argument("--output", type=Path, default=Path("docs/audit.json"))
    flags.add_argument("--bottleneck_dir", type=Path, default=Path("bottlenecks"))
    arguments = flags.parse_args()
    try:
        measured = audit(arguments.table, arguments.others, Settings(), arguments.bottleneck_dir)
    except TosaError as error:
        sys.exit(str(error))
    with atomic_write(arguments.output) as partial:
        partial.write_text(json.dumps(measured, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    print_missed_bounds(measured["tasks"])
    print(f"Wrote '{arguments.output}'. python -m tosa.audit.card puts it into the graph's model card.")


if __name__ == "__main__":
    main()
