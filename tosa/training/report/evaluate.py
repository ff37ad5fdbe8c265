"""Answer labelled cases as the server would, and report how right the answers are."""

from concurrent.futures import ThreadPoolExecutor
from itertools import islice

import numpy as np

from tosa.errors import UsageError
from tosa.model.network import Network
from tosa.training.data import dataset, load_cases
from tosa.training.data.dataset import Case, SkippedFiles, in_split
from tosa.training.data.drawing import draw
from tosa.training.data.prefetch import prefetch
from tosa.training.features.bottlenecks import BATCH
from tosa.training.files import progress
from tosa.training.metrics import Answers
from tosa.training.report import outputs


def evaluate_graph(network: Network, cases: list[Case], flags, problems: SkippedFiles | None = None) -> None:
    """Print and write the report of every task on its testing cases, or those of the split that --evaluate names."""
    split = flags.evaluate or "testing"
    asked = cases if split == "all" else in_split(cases, split)
    if not asked:
        raise UsageError(f"No case is in {split}; raise its percentage, or take --evaluate=all.")
    load_cases.check_known(asked, {name: task.labels for name, task in network.tasks.items()})
    tasks = []
    for task in dataset.labels_by_task(asked):
        known, own = network.tasks[task], [case for case in asked if case.task == task]
        targets = np.array([known.labels.index(case.label) for case in own])
        scores = answers(network, own)[:, known.columns]
        tasks.append((Answers(task, known.labels, targets, scores, [case.group for case in own]), own))
    outputs.write_outputs(flags, tasks, outputs.data_of(asked, problems or SkippedFiles()))


def answers(network: Network, cases: list[Case]) -> np.ndarray:
    """Scores float32 (cases, columns) of cases, drawn in threads while the network answers."""
    scores = []
    with ThreadPoolExecutor() as pool, progress(total=len(cases), desc="answers", unit="picture") as bar:
        pictures = prefetch(pool, lambda case: draw(case, network.size), cases)
        while batch := list(islice(pictures, BATCH)):
            scores.append(network.run(np.stack(batch)).scores)
            bar.update(len(batch))
    return np.concatenate(scores)
