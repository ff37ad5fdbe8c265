"""What would embarrass us: shortcuts, what the bottleneck gives away, subgroups, stability, what the gate lets pass.

    python -m tosa.audit.audit cases.csv [--others FOLDER] [--output docs/audit.json]

cases.csv is what tosa.audit.datasets.collect writes; the graph is the served one. FOLDER holds one folder a kind of picture
that is no chest X-ray, as tosa.audit.datasets.other_pictures makes it. Everything is measured on the testing split.
"""

import argparse
import csv
import json
import sys
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from tosa.audit import gate_evaluation, robustness, shortcuts
from tosa.errors import UsageError
from tosa.model.graph import Graph
from tosa.model.network import Network
from tosa.settings import Settings
from tosa.training.data import dataset
from tosa.training.data.dataset import Case, SkippedFiles
from tosa.training.data.summary import summarize_data
from tosa.training.data.table import from_csv
from tosa.training.features.bottlenecks import Drawing, bottlenecks
from tosa.training.files import atomic_write, progress
from tosa.training.head.stored_heads import heads_of
from tosa.training.metrics import Answers, negative_of, rate, task_metrics
from tosa.training.trunk.serialize import trunk_sha256

CASES = 1000  # to train on of each task whose bottlenecks are looked at, at most
STABILITY_CASES = 150  # of each task, the first by the hash of their names
AGES = ((0, 17), (18, 39), (40, 59), (60, 120))  # years
LEAST = 10  # cases of a subgroup for it to be shown


class Audited:
    """The cases of a table with the bottlenecks and answers that the served graph gives them."""

    def __init__(self, table: Path, settings: Settings, cache: Path):
        cases = from_csv(table, "cough", dataset.Percentages())
        self.network = Network.load(settings.graph, settings.labels, precision="f32")
        graph = Graph(settings.graph.read_bytes())
        self.heads = heads_of(graph)
        name = trunk_sha256(graph.trunk())
        self.cases = cases
        known = [Drawing(case) for case in dataset.thinned(cases, CASES)]
        made = bottlenecks(known, self.network, name, cache, SkippedFiles())
        self.rows_of = {drawing.case: row for row, drawing in enumerate(made.drawings)}
        self.values = made.values
        with open(table, encoding="utf-8-sig", newline="") as lines:
            self.rows = list(csv.DictReader(lines))

    def bottlenecks(self, cases: list[Case]) -> np.ndarray:
        """Of cases that are not left out: float32 (cases, features)."""
        return self.values[[self.rows_of[case] for case in cases]]

    def of(self, task: str, split: str | None = None, label: str | None = None) -> list[int]:
        """The numbers of a task's cases."""
        return [
            number for number, case in enumerate(self.cases)
            if case.task == task and split in (None, case.split) and label in (None, case.label)
        ]  # fmt: skip

    def chosen(self, numbers: Iterable[int]) -> list[Case]:
        return [self.cases[number] for number in numbers]

    def answers(self, task: str, numbers: list[int]) -> Answers:
        """What the graph's head of the task answers to these cases."""
        head, cases = self.heads[task], self.chosen(numbers)
        scores = head.scores(self.bottlenecks(cases))
        targets = np.array([head.labels.index(case.label) for case in cases])
        return Answers(task, head.labels, targets, scores, [case.group for case in cases])


def audit(table: Path, others: Path | None, settings: Settings, cache: Path) -> dict:
    """All findings, ready for JSON."""
    audited = Audited(table, settings, cache)
    found = {"sha256": audited.network.sha256, "metadata": json.loads(audited.network.metadata.to_json()), "tasks": {}}
    data = summarize_data(audited.cases, SkippedFiles())
    found["copies"] = {"files": data["same_content"], "in_several_splits": len(data["same_content_in_several_splits"])}
    for task in dataset.labels_by_task(audited.cases):
        found["tasks"][task] = of_task(audited, task)
    if others:
        found["gate"] = gate_evaluation.evaluate_gate(audited.network.gate, audited.cases, others)
    return found


def of_task(audited: Audited, task: str) -> dict:
    """Data, figures, shortcuts, sources, subgroups and stability of one task."""
    training, testing = (audited.of(task, split) for split in ("training", "testing"))
    answers = audited.answers(task, testing)
    cases = audited.chosen(testing)
    features = shortcuts.OF_SOUNDS if cases[0].is_sound else shortcuts.OF_PICTURES
    by_feature = {}
    for name, feature in progress(features.items(), desc=f"{task}: shortcuts", unit="feature"):
        theirs = shortcuts.answers_by(feature, audited.chosen(training), cases)
        by_feature[name] = _short(task_metrics(theirs)) | {"where_wrong": where_wrong(answers, theirs)}
    by_label = {}
    for label in answers.labels:
        own = [case for case in audited.chosen(audited.of(task, label=label)) if case in audited.rows_of]
        by_label[label] = shortcuts.source_told(own, audited.bottlenecks(own))
    first = dataset.in_order(cases)[:STABILITY_CASES]
    return {
        "data": _data(audited, task),
        "figures": task_metrics(answers),
        "validation": task_metrics(audited.answers(task, audited.of(task, "validation")))["calibration"],
        "shortcuts": by_feature,
        "sources_told": {label: told for label, told in by_label.items() if told},
        "subgroups": subgroups(audited, task, testing, answers),
        "stability": robustness.measure_robustness(audited.network, task, first),
    }


def _short(found: dict) -> dict:
    return {"accuracy": found["accuracy"], "auc": found.get("auc")}


def where_wrong(answers: Answers, shortcut: Answers) -> dict | None:
    """How often the network tells ill from healthy where a shortcut takes one for the other: whether it sees more.

    Both are of the same cases. None where there are fewer than LEAST, or no label stands for health.
    """
    healthy, theirs = negative_of(answers.labels), negative_of(shortcut.labels)
    if healthy is None or theirs is None:
        return None
    ill = answers.targets != healthy
    wrong = (shortcut.predicted != theirs) != ill
    right = (answers.predicted != healthy) == ill
    return rate(right[wrong], np.array(answers.groups)[wrong].tolist()) if wrong.sum() >= LEAST else None


def _data(audited: Audited, task: str) -> list[dict]:
    """Files and groups of each source and label in each split."""
    cases = audited.chosen(audited.of(task))
    rows = []
    for source, label in sorted({(case.source, case.label) for case in cases}):
        own = [case for case in cases if (case.source, case.label) == (source, label)]
        splits = {split: [case for case in own if case.split == split] for split in dataset.SPLITS}
        counts = {split: [len(held), len({case.group for case in held})] for split, held in splits.items()}
        rows.append({"source": source, "label": label, **counts})
    return rows


def subgroups(audited: Audited, task: str, numbers: list[int], answers: Answers) -> dict[str, dict]:
    """Accuracy of each kind of person and picture that the table knows and that has LEAST cases."""
    right = answers.predicted == answers.targets
    groups = np.array(answers.groups)
    kinds: dict[str, list[int]] = {}
    for place, number in enumerate(numbers):
        for kind in kinds_of(audited.rows[number], audited.cases[number]):
            kinds.setdefault(kind, []).append(place)
    return {kind: rate(right[own], groups[own].tolist()) for kind, own in sorted(kinds.items()) if len(own) >= LEAST}


def kinds_of(row: dict, case: Case) -> list[str]:
    """The subgroups that a row of the table belongs to."""
    kinds = [f"source {case.source}"] if case.source else []
    kinds += [f"{name} {row[name]}" for name in ("sex", "view") if row.get(name)]
    if row.get("age"):
        kinds += [f"age {low} to {high}" for low, high in AGES if low <= float(row["age"]) < high + 1]
    return kinds


def main() -> None:
    flags = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    flags.add_argument("table", type=Path)
    flags.add_argument("--others", type=Path, help="folder of folders of pictures that are no chest X-rays")
    flags.add_argument("--output", type=Path, default=Path("docs/audit.json"))
    flags.add_argument("--bottleneck_dir", type=Path, default=Path("bottlenecks"))
    given = flags.parse_args()
    try:
        found = audit(given.table, given.others, Settings(), given.bottleneck_dir)
    except UsageError as error:
        sys.exit(str(error))
    with atomic_write(given.output) as partial:
        partial.write_text(json.dumps(found, indent=1, ensure_ascii=False, sort_keys=True) + "\n", encoding="utf-8")
    print(f"Wrote '{given.output}'. python -m tosa.training.report.model_card makes the model card of it.")


if __name__ == "__main__":
    main()
