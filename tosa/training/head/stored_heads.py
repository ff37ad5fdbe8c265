"""The heads that a graph carries, read back as arrays: names of their nodes, and what a head of a graph holds."""

from tosa.errors import UsageError
from tosa.model.graph import RESULT, Graph, scopes_of
from tosa.training.head.head import Head

HIDDEN = ("hidden/weights", "hidden/biases")


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
            "This is a classic graph: --task, --calibrate and --refit cannot read its last layer. Train anew."
        )
    heads = {}
    for name, task in tasks.items():
        scope, old_scope = scopes_of(name)
        scope = scope if f"{scope}/weights" in graph.nodes else old_scope
        weights, biases, temperature, *hidden = (
            graph.constant(f"{scope}/{node}") for node in ("weights", "biases", "temperature", *HIDDEN)
        )
        layer = None if hidden[0] is None else (hidden[0], hidden[1])
        heads[name] = Head(name, task.labels, weights, biases, float(temperature), layer)
    return heads
