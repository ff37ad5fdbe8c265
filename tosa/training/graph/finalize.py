"""The end of every training: heads are calibrated on validation and tested on testing; graph and labels are written."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tensorboard.compat.proto.graph_pb2 import GraphDef

from tosa.model.graph import RESULT
from tosa.model.metadata import FIRST_TASK, UNNAMED_TASK, GraphMetadata
from tosa.model.model import MEL_BANK
from tosa.training.data import dataset
from tosa.training.data.dataset import Case, in_split
from tosa.training.data.mel_bank import bank_to_carry
from tosa.training.files import atomic_write, keep_previous, wrap_os_error
from tosa.training.graph import assemble
from tosa.training.head.bottleneck_dataset import BottleneckDataset
from tosa.training.head.examples import Examples
from tosa.training.head.head import Head
from tosa.training.metrics import Answers


@dataclass(frozen=True)
class GraphFiles:
    """Where a trained graph goes, and what its scores are called."""

    graph: Path
    labels: Path
    result: str = RESULT  # name of the node with the scores
    bare_labels: bool = False  # write the labels of a task that nobody named without its name, as the classic did

    def keep_previous(self) -> None:
        """Copies graph and labels that are there beside themselves, before they are replaced."""
        for file in (self.graph, self.labels):
            keep_previous(file)


def answers_to_testing(head: Head, data: BottleneckDataset, most: int = -1) -> tuple[Answers, list[Case]]:
    """Returns the head's answers to the testing cases, and these cases. most: how many are tested, -1 for all."""
    testing, cases = data.examples(head.labels, "testing"), in_split(data.cases, "testing")
    if most != -1:
        row_of = {case: row for row, case in enumerate(cases)}
        cases = dataset.in_order(cases)[:most]
        rows = [row_of[case] for case in cases]
        testing = Examples(testing.bottlenecks[rows], testing.targets[rows])
    scores = head.scores(testing.bottlenecks)
    return Answers(head.task, head.labels, testing.targets, scores, [case.group for case in cases]), cases


def mel_bank_constant(metadata: GraphMetadata) -> dict[str, np.ndarray]:
    """Returns the mel bank that a graph carries by its name, none where the bank in the package fits."""
    bank = bank_to_carry(metadata.preprocessing)
    return {} if bank is None else {MEL_BANK: bank}


def write_graph(
    files: GraphFiles,
    trunk: GraphDef,
    heads: Sequence[Head],
    metadata: GraphMetadata,
    constants: Mapping[str, np.ndarray],
) -> None:
    """Writes graph and labels beside their places, and renames both when both are whole."""
    with atomic_write(files.graph) as graph_beside, atomic_write(files.labels) as labels_beside:
        with wrap_os_error(files.graph):
            constants = {**constants, **mel_bank_constant(metadata)}
            graph_beside.write_bytes(assemble.assemble(trunk, heads, metadata, files.result, constants))
        classic = files.bare_labels and [head.task for head in heads] in ([FIRST_TASK], [UNNAMED_TASK])
        labels_beside.write_text(assemble.label_lines(heads, classic), encoding="utf-8")
    print(f"Wrote '{files.graph}' and '{files.labels}'.")
