"""The graph and its labels: a trunk, one softmax a task over its bottleneck, and what serving must know."""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

import numpy as np
from tensorboard.compat.proto.graph_pb2 import GraphDef
from tensorboard.compat.proto.types_pb2 import DT_FLOAT, DT_HALF, DT_INT32
from tensorboard.util.tensor_util import make_ndarray

from tosa.errors import UsageError
from tosa.model.graph import BOTTLENECK, HEADS, METADATA, RESULT, Graph, constant_node, scopes_of, seal
from tosa.model.metadata import GraphMetadata
from tosa.training.head.head import Head

HIDDEN = ("hidden/weights", "hidden/biases")
FLOAT16_FROM = 1024  # constants of at least so many float32 numbers are stored as float16


def trunk_sha256(trunk: GraphDef) -> str:
    """Name of a trunk by its content, for the bottleneck cache."""
    digest = hashlib.sha256()
    for node in sorted(trunk.node, key=lambda node: node.name):
        digest.update(node.SerializeToString(deterministic=True))
    return digest.hexdigest()


def to_float16(data: bytes) -> GraphDef:
    """A serialised trunk with its large float32 constants as float16 and a cast back: half the file."""
    trunk = GraphDef.FromString(data)
    halved = GraphDef(versions=trunk.versions)
    for node in trunk.node:
        value = make_ndarray(node.attr["value"].tensor) if node.op == "Const" else None
        if value is None or value.dtype != np.float32 or value.size < FLOAT16_FROM:
            halved.node.add().CopyFrom(node)
        else:
            halved.node.append(constant_node(node.name + "/float16", value.astype(np.float16)))
            cast = halved.node.add(name=node.name, op="Cast", input=[node.name + "/float16"])
            cast.attr["SrcT"].type, cast.attr["DstT"].type = DT_HALF, DT_FLOAT
    return halved


def scope_of(task: str) -> str:
    """Returns the folder of a task's nodes in a graph that is written now."""
    return scopes_of(task)[0]


def heads_of(graph: Graph) -> dict[str, Head]:
    """The heads of a graph that `assemble` wrote, by task; none for a trunk.

    Raises UsageError for a classic graph, whose head is not known by task.
    """
    tasks = graph.metadata().tasks
    if RESULT in graph.nodes and not tasks:
        raise UsageError(
            "This is a classic graph: --task, --calibrate and --refit do not know its last layer. Train anew."
        )
    heads = {}
    for task, known in tasks.items():
        today, old = scopes_of(task)
        scope = today if f"{today}/weights" in graph.nodes else old
        weights, biases, temperature, *hidden = (
            graph.constant(f"{scope}/{name}") for name in ("weights", "biases", "temperature", *HIDDEN)
        )
        hidden = None if hidden[0] is None else tuple(hidden)
        heads[task] = Head(task, known.labels, weights, biases, float(temperature), hidden)
    return heads


def check_result(name: str, trunk: GraphDef) -> None:
    """Raises UsageError where name cannot be that of the scores: it is no name, or taken already."""
    if not re.fullmatch(r"[A-Za-z0-9.][\w./-]*", name, re.ASCII):
        raise UsageError(f"--final_tensor_name '{name}' is no name of a node: take letters, digits and . _ - / alone.")
    if name in {node.name for node in trunk.node} or name.startswith((f"{HEADS}/", "tosa/", "trunk/")):
        raise UsageError(f"--final_tensor_name '{name}' is the name of another node of the graph. Choose another.")


def assemble(
    trunk: GraphDef,
    heads: list[Head],
    metadata: GraphMetadata,
    result: str = RESULT,
    constants: Mapping[str, np.ndarray] = MappingProxyType({}),
) -> bytes:
    """A serialised and sealed GraphDef: the trunk, a softmax for each head, all of them side by side in `result`.

    metadata is stored as JSON, with the labels of each task added; constants are stored under their names.
    """
    graph = GraphDef()
    graph.CopyFrom(trunk)
    for head in heads:
        _append(graph, head, result if len(heads) == 1 else f"{scope_of(head.task)}/softmax")
    if len(heads) > 1:
        graph.node.append(constant_node(f"{result}/axis", np.int32(1)))
        softmaxes = [f"{scope_of(head.task)}/softmax" for head in heads]
        concat = graph.node.add(name=result, op="ConcatV2", input=[*softmaxes, f"{result}/axis"])
        concat.attr["N"].i, concat.attr["T"].type, concat.attr["Tidx"].type = len(heads), DT_FLOAT, DT_INT32
    tasks = {head.task: replace(metadata.task(head.task), labels=head.labels) for head in heads}
    text = replace(metadata, tasks=tasks).to_json()
    graph.node.append(constant_node(METADATA, np.array(text.encode(), dtype=object)))
    graph.node.extend(constant_node(name, value) for name, value in constants.items())
    return seal(graph.SerializeToString(deterministic=True))


def _append(graph: GraphDef, head: Head, softmax_name: str) -> None:
    """Add a head's operations: bottleneck x weights + biases, divided by the temperature, softmax."""
    scope = scope_of(head.task)
    graph.node.append(constant_node(f"{scope}/weights", head.weights.astype(np.float32)))
    graph.node.append(constant_node(f"{scope}/biases", head.biases.astype(np.float32)))
    graph.node.append(constant_node(f"{scope}/temperature", np.float32(head.temperature)))
    steps, inputs = [], BOTTLENECK
    if head.hidden:
        for name, value in zip(HIDDEN, head.hidden):
            graph.node.append(constant_node(f"{scope}/{name}", value.astype(np.float32)))
        inputs = f"{scope}/hidden/Relu"
        steps += [
            (f"{scope}/hidden/MatMul", "MatMul", [BOTTLENECK, f"{scope}/{HIDDEN[0]}"]),
            (f"{scope}/hidden/add", "Add", [f"{scope}/hidden/MatMul", f"{scope}/{HIDDEN[1]}"]),
            (inputs, "Relu", [f"{scope}/hidden/add"]),
        ]
    steps += [
        (f"{scope}/Wx_plus_b/MatMul", "MatMul", [inputs, f"{scope}/weights"]),
        (f"{scope}/Wx_plus_b/add", "Add", [f"{scope}/Wx_plus_b/MatMul", f"{scope}/biases"]),
        (f"{scope}/calibrated", "RealDiv", [f"{scope}/Wx_plus_b/add", f"{scope}/temperature"]),
        (softmax_name, "Softmax", [f"{scope}/calibrated"]),
    ]
    for name, operation, names in steps:
        node = graph.node.add(name=name, op=operation, input=names)
        node.attr["T"].type = DT_FLOAT
        if operation == "MatMul":
            node.attr["transpose_a"].b = node.attr["transpose_b"].b = False


def outline(data: bytes) -> bytes:
    """A serialised graph without the numbers of its constants, as TensorBoard draws it."""
    graph = GraphDef.FromString(data)
    for node in graph.node:
        if node.op == "Const" and node.ByteSize() > 1024:
            del node.attr["value"]
    return graph.SerializeToString(deterministic=True)


def label_lines(heads: list[Head], classic: bool = False) -> str:
    """The label file's text: `task: label` a line in the order of the columns; without the task where classic."""
    return "".join(f"{label}\n" if classic else f"{head.task}: {label}\n" for head in heads for label in head.labels)
