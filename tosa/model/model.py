"""What a graph file states of its tasks, its preprocessing and itself, read without running it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from tosa.model.card import ModelCard
from tosa.model.graph import Graph, GraphError
from tosa.model.labels import Labels
from tosa.model.metadata import GraphMetadata, Input
from tosa.model.out_of_distribution import OutOfDistributionGate

MEL_BANK = "tosa/mel_bank"  # constant of a graph whose sounds are drawn with other mel bands than by default


@dataclass(frozen=True, eq=False)
class Task:
    """One question that the network answers."""

    name: str
    labels: tuple[str, ...]
    input: Input
    columns: slice  # its part of Answer.scores
    weights: np.ndarray | None  # (C, labels) float32; None if its head is not one linear layer over the bottleneck


@dataclass(frozen=True, eq=False)
class Model:
    """What a graph file states, read without running it; it is still there after the graph's bytes are freed."""

    tasks: dict[str, Task]  # by name, in the order of the label file
    sha256: str  # of the graph file's bytes, hexadecimal
    size: tuple[int, int]  # height and width of the pictures it takes
    metadata: GraphMetadata
    gate: OutOfDistributionGate | None  # None if the graph has none
    mel_bank: np.ndarray | None  # (mel bands, FFT bins) float32; None if the graph has none
    card: ModelCard | None  # None if the graph has none
    files: str  # what errors call graph and labels

    @classmethod
    def of(cls, graph: Graph, labels: Labels, softmaxes: Sequence[str], files: str) -> Self:
        """Returns what a graph states. softmaxes: the output of each task. Raises GraphError on contradictions."""
        metadata = graph.metadata()
        weights = [graph.linear_weights(name) for name in softmaxes]
        return cls(
            tasks=_tasks(labels, weights, metadata),
            sha256=graph.sha256,
            size=graph.size(),
            metadata=metadata,
            gate=OutOfDistributionGate.of(graph),
            mel_bank=_mel_bank(graph, metadata),
            card=graph.card(),
            files=files,
        )


def _tasks(labels: Labels, weights: list[np.ndarray | None], metadata: GraphMetadata) -> dict[str, Task]:
    tasks, start = {}, 0
    for (name, names), matrix in zip(labels.items(), weights, strict=True):
        task = metadata.task(name)
        if task.operating_point and (others := set(task.operating_point.labels) - set(names)):
            raise GraphError(f"has an operating point for {name}: {', '.join(sorted(others))}, which is not a label")
        tasks[name] = Task(name, names, task.input, slice(start, start + len(names)), matrix)
        start += len(names)
    return tasks


def _mel_bank(graph: Graph, metadata: GraphMetadata) -> np.ndarray | None:
    """The mel bank that the graph carries, float32. Raises GraphError if it does not fit the preprocessing."""
    preprocessing = metadata.preprocessing
    shape = (preprocessing.n_mels, preprocessing.n_fft // 2 + 1)
    bank = graph.constant(MEL_BANK)
    if bank is None and not preprocessing.has_default_mel_bank:
        raise GraphError(f"has other mel bands than the default but does not carry its mel bank, {MEL_BANK}")
    if bank is None:
        return None
    if bank.shape != shape or not np.isfinite(bank.astype(np.float32)).all():
        raise GraphError(f"holds in {MEL_BANK} an array {bank.shape}, not finite numbers {shape}")
    return bank.astype(np.float32)
