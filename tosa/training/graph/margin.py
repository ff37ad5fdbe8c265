"""How close a decision in int8 has to be to be taken again in float32, measured on validation cases.

Each validation case is scored in float32 and in int8. Only decisions near their turning point can change, so the margin
follows from how far rounding moves the distances (model/cascade.py) of the decisions that are nearest to theirs. With
normally distributed movements, FACTOR standard deviations leave one decision in 500 of those within one standard
deviation, far less than one in a thousand of all cases.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from tensorboard.compat.proto.graph_pb2 import GraphDef

from tosa.model.cascade import Decisions
from tosa.model.engine import Engine
from tosa.model.graph import BOTTLENECK
from tosa.model.metadata import GraphMetadata
from tosa.model.quantization_constants import QuantizationConstants
from tosa.model.subgraph import prune
from tosa.training.data.dataset import SkippedFiles, in_order
from tosa.training.data.drawing import draw
from tosa.training.data.prefetch import map_readable
from tosa.training.graph.activation_ranges import with_constants
from tosa.training.head.bottleneck_dataset import BottleneckDataset
from tosa.training.head.head import Head

FACTOR = 2.5
NEAREST = 100  # decisions that are nearest to their turning points
MOST = 500  # validation cases of a task whose bottlenecks are calculated in int8
FEWEST = 20  # validation cases; with fewer, a task gets no margin, and its graph is not served as a cascade
LEAST = 0.002  # a margin, should rounding change nothing that can be seen in the validation cases


def with_margins(
    metadata: GraphMetadata,
    heads: Sequence[Head],
    trunk: GraphDef,
    constants: dict[str, np.ndarray],
    data: Mapping[str, BottleneckDataset],
    skipped: SkippedFiles,
) -> GraphMetadata:
    """Returns the metadata with the margin of each head that there is data for.

    A task answers every picture of its kind, and labels are not needed here: the cases of all tasks with the same kind
    of input count.

    heads: calibrated, their operating points in the metadata; constants: among them those of `measure_quantization`.
    """
    graph = with_constants(trunk, constants)
    quantization = QuantizationConstants.of(graph)
    if not quantization:
        return metadata
    engine = Engine(prune(graph, [BOTTLENECK]), 1, None, "int8", quantization)
    both = {task: _both(each, engine, graph.size(), metadata, skipped) for task, each in data.items()}
    for head in (head for head in heads if head.task in data):
        task = metadata.task(head.task)
        alike = [pair for name, pair in both.items() if metadata.task(name).input == task.input]
        exact, rounded = (head.scores(np.concatenate(values)) for values in zip(*alike, strict=True))
        decisions = Decisions.of(task, head.labels)
        measured = margin(decisions, rounded, exact) if len(exact) >= FEWEST else None
        metadata = metadata.with_task(replace(task, margin=measured))
    return metadata


def margin(decisions: Decisions, rounded: np.ndarray, exact: np.ndarray) -> float:
    """Returns the margin of a task from its cases' scores in int8 and in float32, each float32 (N, labels)."""
    distances = decisions.distances(rounded).ravel()
    moved = decisions.distances(exact, ranked_by=rounded).ravel() - distances
    nearest = np.argsort(distances, kind="stable")[:NEAREST]
    spread = float(np.sqrt(np.mean(np.square(moved[nearest]))))
    return round(min(max(FACTOR * spread, LEAST), 1.0), 4)


def _both(
    data: BottleneckDataset, engine: Engine, size: tuple[int, int], metadata: GraphMetadata, skipped: SkippedFiles
) -> tuple[np.ndarray, np.ndarray]:
    """The bottlenecks of the validation cases in float32 and in int8, each float32 (N, features)."""
    row_of = {case: row for row, case in enumerate(data.cases) if case.split == "validation"}
    items = [(case, size, metadata.preprocessing) for case in in_order(list(row_of))[:MOST]]
    rows, rounded = [], []
    for (case, *_), picture in map_readable(draw, items, skipped, "margin of int8"):
        rows.append(row_of[case])
        rounded.append(engine.infer(picture[None])[0][0])
    exact = data.made.values[rows]
    return exact, np.array(rounded, np.float32).reshape(exact.shape)
