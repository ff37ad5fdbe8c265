"""What int8 needs of a trunk, measured on training pictures (model/quantization.py).

Each activation's largest value gives its scale. Clipping at the range with the least squared error of all activations
was tried and doubled the error of the bottlenecks: the few large values are those that decide. Weights are rounded by
their largest; what that adds to a convolution's output on average is known from the mean of its input.
"""

import json
from collections.abc import Sequence

import numpy as np
from tensorboard.compat.proto.graph_pb2 import GraphDef

from tosa.model import quantization
from tosa.model.engine import Engine
from tosa.model.graph import ACTIVATION_RANGES, CORRECTIONS, RESIZED, Graph, constant_node, inputs_of, text_constant
from tosa.model.subgraph import prune
from tosa.preprocessing import Preprocessing
from tosa.training.data.dataset import Case, SkippedFiles, in_order
from tosa.training.data.drawing import DEFAULT, draw
from tosa.training.data.prefetch import map_readable

PICTURES = 200  # that the ranges are measured on
EXACT = 4  # first convolutions that stay as they are: their rounding errors would pass through all others
ACTIVATIONS = {"Relu", "AvgPool"}  # convolutions take the output of other operations only through these


def measure_quantization(
    trunk: Graph, training: Sequence[Case], skipped: SkippedFiles, preprocessing: Preprocessing = DEFAULT
) -> dict[str, np.ndarray]:
    """Returns the constants by their names in the graph; none for a trunk without activations that can be rounded."""
    names = activations(trunk)
    if not names or not training:
        return {}
    convolutions = rounded_convolutions(trunk, names)
    inputs = sorted({inputs_of(trunk.nodes[name])[0] for name in convolutions})
    cases = [(case, trunk.size(), preprocessing) for case in in_order(training)[:PICTURES]]
    engine = Engine(prune(trunk, names + inputs), len(names) + len(inputs), None, "f32")
    largest, means, count = np.zeros(len(names)), [np.zeros(1)] * len(inputs), 0
    for _, picture in map_readable(draw, cases, skipped, "activation ranges"):
        outputs = engine.infer(picture[None])
        largest = np.maximum(largest, [values.max() for values in outputs[: len(names)]])
        means = [total + values.mean((0, 1, 2)) for total, values in zip(means, outputs[len(names) :], strict=True)]
        count += 1
    ranges = shared(trunk, dict(zip(names, largest.tolist(), strict=True)))
    mean_of = {name: total / max(count, 1) for name, total in zip(inputs, means, strict=True)}
    corrections = {name: _correction(trunk, name, mean_of[inputs_of(trunk.nodes[name])[0]]) for name in convolutions}
    return {
        ACTIVATION_RANGES: text_constant(json.dumps(ranges, sort_keys=True)),
        **{CORRECTIONS + name: value for name, value in corrections.items() if value is not None},
    }


def stored_quantization(graph: Graph) -> dict[str, np.ndarray]:
    """Returns these constants of a graph by their names, none if it has none; they hold as long as the trunk stays."""
    names = [name for name in graph.nodes if name == ACTIVATION_RANGES or name.startswith(CORRECTIONS)]
    return {name: value for name in names if (value := graph.constant(name)) is not None}


def with_constants(trunk: GraphDef, constants: dict[str, np.ndarray]) -> Graph:
    """Returns a graph with the constants as nodes."""
    whole = GraphDef()
    whole.CopyFrom(trunk)
    whole.node.extend(constant_node(name, value) for name, value in constants.items())
    return Graph(whole.SerializeToString(deterministic=True))


def _correction(trunk: Graph, name: str, mean: np.ndarray) -> np.ndarray | None:
    """What rounding the weights of a convolution adds to its output on average: float32 (channels,).

    mean: of its input, (channels of the input,). Padding at the borders is not taken into account.
    """
    weights = trunk.constant(inputs_of(trunk.nodes[name])[1])
    if weights is None:
        return None
    weights = weights.astype(np.float32)
    added = quantization.rounded_weights(weights) - weights
    return np.einsum("hwio,i->o", added, mean).astype(np.float32)


def activations(graph: Graph) -> list[str]:
    """Returns the names of the activations that the convolutions after the first EXACT take, alone or concatenated."""
    taken: set[str] = set()
    convolutions = {name for name, node in graph.nodes.items() if node.op == "Conv2D"}
    for name in graph.upstream([graph.feature_map()], {RESIZED}) & convolutions:
        if len(graph.upstream([name], {RESIZED}) & convolutions) > EXACT:
            taken.update(leaves(graph, inputs_of(graph.nodes[name])[0]))
    return [name for name in graph.nodes if name in taken]


def rounded_convolutions(graph: Graph, names: Sequence[str]) -> list[str]:
    """Returns the convolutions whose whole input is rounded if the activations `names` are."""

    def is_rounded(name: str) -> bool:
        node = graph.source(name, {"Identity", "MaxPool"})
        if node.op == "ConcatV2":
            return all(is_rounded(part) for part in inputs_of(node)[:-1])
        return node.name in rounded

    rounded = set(names)
    needed = graph.upstream([graph.feature_map()], {RESIZED})
    convolutions = [name for name, node in graph.nodes.items() if node.op == "Conv2D" and name in needed]
    return [name for name in convolutions if is_rounded(inputs_of(graph.nodes[name])[0])]


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
