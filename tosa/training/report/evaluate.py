"""Answers labelled cases as the server would, and reports how many answers are right."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import islice

import numpy as np

from tosa.errors import UsageError
from tosa.model.metadata import Input
from tosa.model.network import Network
from tosa.scale.executor import prefetch
from tosa.training.data import dataset
from tosa.training.data.contamination import Inspection
from tosa.training.data.dataset import Case, SkippedFiles, in_split, of_task
from tosa.training.data.drawing import draw
from tosa.training.data.load_cases import check_against_graph
from tosa.training.data.summary import summarize_data
from tosa.training.features.bottlenecks import BATCH
from tosa.training.files import progress
from tosa.training.metrics import Answers
from tosa.training.report import outputs
from tosa.training.report.compare import check_same_labels, compare_answers
from tosa.training.report.options import ReportOptions
from tosa.training.report.report import TaskReport


def evaluate_graph(
    network: Network,
    cases: list[Case],
    split: str,
    options: ReportOptions,
    skipped: SkippedFiles,
    inspection: Inspection,
    other: tuple[str, Network] | None = None,
) -> None:
    """Prints and writes the report of every task on its cases of `split`, one of dataset.SPLITS or 'all'.

    other: another graph that answers the same cases, with its file's name, to be compared.
    """
    asked = cases if split == "all" else in_split(cases, split)
    if not asked:
        raise UsageError(f"No case is in {split}. Raise its percentage, or give --evaluate=all.")
    check_against_graph(asked, {name: task.labels for name, task in network.tasks.items()})
    names = list(dataset.labels_by_task(asked))
    labels = {name: network.tasks[name].labels for name in names}
    if other:
        check_same_labels(labels, {name: task.labels for name, task in other[1].tasks.items()}, names)
    tasks = [(_answers_of(network, name, labels[name], of_task(asked, name)), of_task(asked, name)) for name in names]
    options = replace(options, split=split)
    tested = outputs.task_reports(options, tasks, network.metadata)
    if other:
        _compare(tested, *other)
    outputs.write_outputs(options, tested, summarize_data(asked, skipped, inspection=inspection))


def _answers_of(network: Network, name: str, labels: tuple[str, ...], cases: list[Case]) -> Answers:
    """A network's answers to the cases of one of its tasks, with its labels in this order."""
    task = network.tasks[name]
    scores = answers(network, cases, task.input)[:, task.columns][:, [task.labels.index(label) for label in labels]]
    targets = np.array([labels.index(case.label) for case in cases])
    return Answers(name, labels, targets, scores, [case.group for case in cases])


def _compare(tested: list[TaskReport], file: str, other: Network) -> None:
    """Adds to each task's metrics how another graph does on the same cases."""
    for task in tested:
        one = task.answers
        theirs = _answers_of(other, one.task, one.labels, task.cases)
        task.metrics["comparison"] = compare_answers(one, theirs, task.cases, file, task.negative_label)


def answers(network: Network, cases: list[Case], kind: Input) -> np.ndarray:
    """Returns scores float32 (cases, columns) of cases of one kind of input, drawn in threads meanwhile."""
    scores = []
    with ThreadPoolExecutor() as pool, progress(total=len(cases), desc="answers", unit="picture") as bar:
        pictures = prefetch(pool, lambda case: draw(case, network.size, network.metadata.preprocessing), cases)
        while batch := list(islice(pictures, BATCH)):
            scores.append(network.run(np.stack(batch), kind).scores)
            bar.update(len(batch))
    return np.concatenate(scores)
