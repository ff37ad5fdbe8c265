"""Put a graph together: a trunk, one softmax a task over its bottleneck, and what serving must know."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType

import numpy as np
from tensorboard.compat.proto.graph_pb2 import GraphDef
from tensorboard.compat.proto.types_pb2 import DT_FLOAT, DT_INT32

from tosa.errors import UsageError
from tosa.model.graph import BOTTLENECK, HEADS, METADATA, RESULT, constant_node, seal, text_constant
from tosa.model.metadata import GraphMetadata
from tosa.training.head.head import Head
from tosa.training.head.stored_heads import FLOOR, HIDDEN, SHIFT, scope_of

OUTLINE_BYTES = 1024  # larger constants are left out of an outline


def check_result_name(name: str, trunk: GraphDef) -> None:
    """Raises UsageError unless name can be that of the scores: a node's name that the graph does not have."""
    if not re.fullmatch(r"[A-Za-z0-9.][\w./-]*", name, re.ASCII):
        raise UsageError(f"--final_tensor_name '{name}' cannot name a node: use letters, digits and . _ - / only.")
    if name in {node.name for node in trunk.node} or name.startswith((f"{HEADS}/", "tosa/", "trunk/")):
        raise UsageError(f"--final_tensor_name '{name}' is the name of another node of the graph. Choose another.")


def assemble(
    trunk: GraphDef,
    heads: Sequence[Head],
    metadata: GraphMetadata,
    result: str = RESULT,
    constants: Mapping[str, np.ndarray] = MappingProxyType({}),
) -> bytes:
    """Returns a serialised and sealed GraphDef: the trunk, a softmax for each head, and all of them in `result`.

    metadata is stored with the tasks of the heads and their labels; constants are stored under their names.
    """
    graph = GraphDef()
    graph.CopyFrom(trunk)
    for head in heads:
        _append(graph, head, result if len(heads) == 1 else f"{scope_of(head.task)}/softmax")
    if len(heads) > 1:
        _append_concatenation(graph, heads, result)
    tasks = {head.task: replace(metadata.task(head.task), labels=head.labels) for head in heads}
    text = replace(metadata, tasks=tasks).to_json()
    graph.node.append(constant_node(METADATA, text_constant(text)))
    graph.node.extend(constant_node(name, value) for name, value in constants.items())
    return seal(graph.SerializeToString(deterministic=True))


def _append(graph: GraphDef, head: Head, softmax_name: str) -> None:
    """Adds a head's operations: bottleneck x weights + biases, divided by the temperature, softmax.

    Where the head has a shift, it is added before the softmax; where it has a floor, that bounds the scores after it.
    """
    scope = scope_of(head.task)
    graph.node.append(constant_node(f"{scope}/weights", head.weights.astype(np.float32)))
    graph.node.append(constant_node(f"{scope}/biases", head.biases.astype(np.float32)))
    graph.node.append(constant_node(f"{scope}/temperature", np.array(head.temperature, np.float32)))
    steps, inputs = [], BOTTLENECK
    if head.hidden:
        for name, value in zip(HIDDEN, head.hidden, strict=True):
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
    ]
    steps += _decision(graph, head, scope, softmax_name)
    for name, operation, names in steps:
        node = graph.node.add(name=name, op=operation, input=names)
        node.attr["T"].type = DT_FLOAT
        if operation == "MatMul":
            node.attr["transpose_a"].b = node.attr["transpose_b"].b = False


def _decision(graph: GraphDef, head: Head, scope: str, scores: str) -> list[tuple[str, str, list[str]]]:
    """The operations from the calibrated logits to the node `scores`; adds their constants."""
    logits, steps = f"{scope}/calibrated", []
    if head.shift is not None:
        graph.node.append(constant_node(f"{scope}/{SHIFT}", head.shift.astype(np.float32)))
        steps.append((f"{scope}/shifted", "Add", [logits, f"{scope}/{SHIFT}"]))
        logits = f"{scope}/shifted"
    if not head.floor:
        return [*steps, (scores, "Softmax", [logits])]
    room = 1 - len(head.labels) * head.floor
    graph.node.append(constant_node(f"{scope}/{FLOOR}", np.array(head.floor, np.float32)))
    graph.node.append(constant_node(f"{scope}/room", np.array(room, np.float32)))
    return [
        *steps,
        (f"{scope}/unbounded", "Softmax", [logits]),
        (f"{scope}/scaled", "Mul", [f"{scope}/unbounded", f"{scope}/room"]),
        (scores, "Add", [f"{scope}/scaled", f"{scope}/{FLOOR}"]),
    ]


def _append_concatenation(graph: GraphDef, heads: Sequence[Head], result: str) -> None:
    """Adds the node that joins the softmax vectors of several heads."""
    graph.node.append(constant_node(f"{result}/axis", np.array(1, np.int32)))
    softmaxes = [f"{scope_of(head.task)}/softmax" for head in heads]
    node = graph.node.add(name=result, op="ConcatV2", input=[*softmaxes, f"{result}/axis"])
    node.attr["N"].i, node.attr["T"].type, node.attr["Tidx"].type = len(heads), DT_FLOAT, DT_INT32


def outline(data: bytes) -> bytes:
    """Returns a serialised graph without the values of its large constants, for TensorBoard to draw."""
    graph = GraphDef.FromString(data)
    for node in graph.node:
        if node.op == "Const" and node.ByteSize() > OUTLINE_BYTES:
            del node.attr["value"]
    return graph.SerializeToString(deterministic=True)


def label_lines(heads: Sequence[Head], classic: bool = False) -> str:
    """Returns the text of the label file: `task: label` a line in the order of the columns; if classic, only labels."""
    return "".join(f"{label}\n" if classic else f"{head.task}: {label}\n" for head in heads for label in head.labels)
