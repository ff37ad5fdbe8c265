"""How large each activation becomes on training pictures, by which eight bits are shared out (tosa/model/quantization.py)."""

import json

import numpy as np

from tosa.model.engine import Engine
from tosa.model.graph import ACTIVATION_RANGES, RESIZED, Graph, inputs_of
from tosa.model.subgraph import prune
from tosa.training.data.dataset import Case, SkippedFiles, in_order
from tosa.training.data.drawing import draw
from tosa.training.data.prefetch import readable

SHOWN = 200  # pictures
EXACT = 4  # first convolutions that stay in float32: their rounding errors pass through all others
ACTIVATIONS = {"Relu", "AvgPool"}  # other operations that convolutions take hand these on


def constants(trunk: Graph, training: list[Case], problems: SkippedFiles) -> dict[str, np.ndarray]:
    """The constant that tells the peaks, by its name in the graph; none for a trunk without such activations."""
    names = activations(trunk)
    if not names or not training:
        return {}
    shown = in_order(training)[:SHOWN]
    engine = Engine(prune(trunk, names), len(names), None, "f32")
    peaks = np.zeros(len(names))
    for _, picture in readable(draw, [(case, trunk.size()) for case in shown], problems, "peaks"):
        peaks = np.maximum(peaks, [each.max() for each in engine.infer(picture[None])])
    known = shared(trunk, dict(zip(names, peaks.tolist(), strict=True)))
    return {ACTIVATION_RANGES: np.array(json.dumps(known, sort_keys=True).encode(), dtype=object)}


def constants_of(graph: Graph) -> dict[str, np.ndarray]:
    """The constant of a graph that has it, to be kept as long as its trunk is."""
    found = graph.constant(ACTIVATION_RANGES)
    return {} if found is None else {ACTIVATION_RANGES: found}


def activations(graph: Graph) -> list[str]:
    """Names of the activations that the convolutions after the first EXACT take, alone or joined with others."""
    taken = set()
    convolutions = {name for name, node in graph.nodes.items() if node.op == "Conv2D"}
    for name in graph.upstream([graph.feature_map()], {RESIZED}) & convolutions:
        if len(graph.upstream([name], {RESIZED}) & convolutions) > EXACT:
            taken.update(leaves(graph, inputs_of(graph.nodes[name])[0]))
    return [name for name in graph.nodes if name in taken]


def leaves(graph: Graph, name: str) -> list[str]:
    """The activations whose numbers the value `name` holds."""
    node = graph.source(name, {"Identity", "MaxPool"})
    if node.op == "ConcatV2":
        return [leaf for each in inputs_of(node)[:-1] for leaf in leaves(graph, each)]
    return [node.name] if node.op in ACTIVATIONS else []


def shared(graph: Graph, peaks: dict[str, float]) -> dict[str, float]:
    """Peaks where activations that are joined have the largest of them, so that a join need not round again."""
    known = dict(peaks)
    for node in graph.nodes.values():
        own = [name for name in leaves(graph, node.name) if name in known] if node.op == "ConcatV2" else []
        known |= dict.fromkeys(own, max((known[name] for name in own), default=0.0))
    return known
