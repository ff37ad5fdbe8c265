"""The heads that a graph carries, read back as arrays: names of their nodes, and what a head of a graph holds."""

import numpy as np

from tosa.errors import UsageError
from tosa.model.graph import RESULT, Graph, GraphError, scopes_of
from tosa.training.head.head import Head

STORED = ("weights", "biases", "temperature")
HIDDEN = ("hidden/weights", "hidden/biases")
SHIFT, FLOOR = "shift", "floor"  # only where a head has them


def scope_of(task: str) -> str:
    """Returns the folder of a task's nodes in a graph that is written now."""
    return scopes_of(task)[0]


def heads_of(graph: Graph) -> dict[str, Head]:
    """Returns the heads of a graph that assemble.assemble wrote, by task; none for a trunk.

    Raises UsageError for a classic graph, which does not say what task its last layer is of.
    """
    tasks = graph.metadata().tasks
    if RESULT in graph.nodes and not tasks:
        raise UsageError(
            "This is a classic graph: --task, --calibrate and --refit cannot read its last layer. Train it again."
        )
    heads = {}
    for name, task in tasks.items():
        scope = next((scope for scope in scopes_of(name) if f"{scope}/weights" in graph.nodes), scope_of(name))
        weights, biases, temperature = (_constant(graph, f"{scope}/{node}") for node in STORED)
        hidden = None
        if f"{scope}/{HIDDEN[0]}" in graph.nodes:
            hidden = (_constant(graph, f"{scope}/{HIDDEN[0]}"), _constant(graph, f"{scope}/{HIDDEN[1]}"))
        shift, floor = (graph.constant(f"{scope}/{node}") for node in (SHIFT, FLOOR))
        heads[name] = Head(
            name,
            task.labels,
            weights,
            biases,
            float(temperature),
            hidden,
            shift,
            0.0 if floor is None else float(floor),
        )
    return heads


def _constant(graph: Graph, name: str) -> np.ndarray:
    """A constant that a graph with this head has. Raises GraphError if it has not."""
    if (value := graph.constant(name)) is None:
        raise GraphError(f"has no constant {name}: damaged, or not a graph of retrain.py")
    return value
