"""The largest value of each activation on training pictures, which gives int8 its scales (model/quantization.py)."""

import json
from collections.abc import Sequence

import numpy as np

from tosa.model.engine import Engine
from tosa.model.graph import ACTIVATION_RANGES, RESIZED, Graph, inputs_of
from tosa.model.subgraph import prune
from tosa.preprocessing import Preprocessing
from tosa.training.data.dataset import Case, SkippedFiles, in_order
from tosa.training.data.drawing import DEFAULT, draw
from tosa.training.data.prefetch import map_readable

PICTURES = 200  # that the ranges are measured on
EXACT = 4  # first convolutions that stay in float32: their rounding errors would pass through all others
ACTIVATIONS = {"Relu", "AvgPool"}  # convolutions take the output of other operations only through these


def measure_activation_ranges(
    trunk: Graph, training: Sequence[Case], skipped: SkippedFiles, preprocessing: Preprocessing = DEFAULT
) -> dict[str, np.ndarray]:
    """Returns the constant with the ranges by its name in the graph; none for a trunk without such activations."""
    names = activations(trunk)
    if not names or not training:
        return {}
    cases = [(case, trunk.size(), preprocessing) for case in in_order(training)[:PICTURES]]
    engine = Engine(prune(trunk, names), len(names), None, "f32")
    largest = np.zeros(len(names))
    for _, picture in map_readable(draw, cases, skipped, "activation ranges"):
        largest = np.maximum(largest, [values.max() for values in engine.infer(picture[None])])
    ranges = shared(trunk, dict(zip(names, largest.tolist(), strict=True)))
    return {ACTIVATION_RANGES: np.array(json.dumps(ranges, sort_keys=True).encode(), dtype=object)}


def stored_activation_ranges(graph: Graph) -> dict[str, np.ndarray]:
    """Returns the constant of a graph by its name, none if it has none; it holds as long as the trunk stays."""
    constant = graph.constant(ACTIVATION_RANGES)
    return {} if constant is None else {ACTIVATION_RANGES: constant}


def activations(graph: Graph) -> list[str]:
    """Returns the names of the activations that the convolutions after the first EXACT take, alone or concatenated."""
    taken: set[str] = set()
    convolutions = {name for name, node in graph.nodes.items() if node.op == "Conv2D"}
    for name in graph.upstream([graph.feature_map()], {RESIZED}) & convolutions:
        if len(graph.upstream([name], {RESIZED}) & convolutions) > EXACT:
            taken.update(leaves(graph, inputs_of(graph.nodes[name])[0]))
    return [name for name in graph.nodes if name in taken]


def leaves(graph: Graph, name: str) -> list[str]:
    """Returns the activations whose numbers the value `name` holds."""
    node = graph.source(name, {"Identity", "MaxPool"})
    if node.op == "ConcatV2":
        return [leaf for part in inputs_of(node)[:-1] for leaf in leaves(graph, part)]
    return [node.name] if node.op in ACTIVATIONS else []


def shared(graph: Graph, ranges: dict[str, float]) -> dict[str, float]:
    """Returns the ranges with the largest of them for activations that are concatenated, which then share a scale."""
    joined = dict(ranges)
    for node in graph.nodes.values():
        parts = [name for name in leaves(graph, node.name) if name in joined] if node.op == "ConcatV2" else []
        joined |= dict.fromkeys(parts, max((joined[name] for name in parts), default=0.0))
    return joined
