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
from tosa.training.data.dataset import Case, SkippedFiles, in_split, of_task
from tosa.training.data.drawing import draw
from tosa.training.data.load_cases import check_against_graph
from tosa.training.data.summary import summarize_data
from tosa.training.features.bottlenecks import BATCH
from tosa.training.files import progress
from tosa.training.metrics import Answers
from tosa.training.report import outputs
from tosa.training.report.options import ReportOptions


def evaluate_graph(
    network: Network, cases: list[Case], split: str, options: ReportOptions, skipped: SkippedFiles
) -> None:
    """Prints and writes the report of every task on its cases of `split`, one of dataset.SPLITS or 'all'."""
    asked = cases if split == "all" else in_split(cases, split)
    if not asked:
        raise UsageError(f"No case is in {split}. Raise its percentage, or give --evaluate=all.")
    check_against_graph(asked, {name: task.labels for name, task in network.tasks.items()})
    tasks = []
    for name in dataset.labels_by_task(asked):
        task, task_cases = network.tasks[name], of_task(asked, name)
        targets = np.array([task.labels.index(case.label) for case in task_cases])
        scores = answers(network, task_cases, task.input)[:, task.columns]
        groups = [case.group for case in task_cases]
        tasks.append((Answers(name, task.labels, targets, scores, groups), task_cases))
    options = replace(options, split=split)
    outputs.write_outputs(options, outputs.task_reports(options, tasks), summarize_data(asked, skipped))


def answers(network: Network, cases: list[Case], kind: Input) -> np.ndarray:
    """Returns scores float32 (cases, columns) of cases of one kind of input, drawn in threads meanwhile."""
    scores = []
    with ThreadPoolExecutor() as pool, progress(total=len(cases), desc="answers", unit="picture") as bar:
        pictures = prefetch(pool, lambda case: draw(case, network.size, network.metadata.preprocessing), cases)
        while batch := list(islice(pictures, BATCH)):
            scores.append(network.run(np.stack(batch), kind).scores)
            bar.update(len(batch))
    return np.concatenate(scores)
