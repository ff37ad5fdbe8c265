"""Answer labelled cases as the server would, and report how right the answers are."""

from concurrent.futures import ThreadPoolExecutor
from itertools import islice

import numpy as np

from ..errors import UsageError
from ..network import Network
from . import dataset, gather, publish
from .bottlenecks import BATCH, ahead, draw
from .dataset import Case, Problems, in_split
from .figures import Answers
from .files import progress


def evaluate_graph(network: Network, cases: list[Case], flags, problems: Problems | None = None) -> None:
    """Print and write the report of every task on its testing cases, or those of the split that --evaluate names."""
    split = flags.evaluate or "testing"
    asked = cases if split == "all" else in_split(cases, split)
    if not asked:
        raise UsageError(f"No case is in {split}; raise its percentage, or take --evaluate=all.")
    gather.check_known(asked, {name: task.labels for name, task in network.tasks.items()})
    tasks = []
    for task in dataset.labels_by_task(asked):
        known, own = network.tasks[task], [case for case in asked if case.task == task]
        targets = np.array([known.labels.index(case.label) for case in own])
        scores = answers(network, own)[:, known.columns]
        tasks.append((Answers(task, known.labels, targets, scores, [case.group for case in own]), own))
    publish.publish(flags, tasks, publish.data_of(asked, problems or Problems()))


def answers(network: Network, cases: list[Case]) -> np.ndarray:
    """Scores float32 (cases, columns) of cases, drawn in threads while the network answers."""
    scores = []
    with ThreadPoolExecutor() as pool, progress(total=len(cases), desc="answers", unit="picture") as bar:
        pictures = ahead(pool, lambda case: draw(case, network.size), cases)
        while batch := list(islice(pictures, BATCH)):
            scores.append(network.run(np.stack(batch)).scores)
            bar.update(len(batch))
    return np.concatenate(scores)
