"""The part of a graph that serving runs, in a form that OpenVINO reads: from the resized picture to the scores."""

from collections.abc import Callable
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter

import numpy as np
from tensorboard.compat.proto.graph_pb2 import GraphDef
from tensorboard.compat.proto.node_def_pb2 import NodeDef
from tensorboard.compat.proto.types_pb2 import DT_FLOAT, DT_UINT8

from tosa.model.graph import BOTTLENECK, RESIZED, Graph, GraphError, constant_node, input_of, inputs_of

SERVED = "tosa/served/"  # prefix of the names that pruning adds: the input and the outputs
UNFROZEN = {"Placeholder", "Variable", "VariableV2", "VarHandleOp"}
FOLDED: dict[str, Callable] = {
    "Add": np.add,
    "AddV2": np.add,
    "Sub": np.subtract,
    "Mul": np.multiply,
    "Rsqrt": lambda value: 1 / np.sqrt(value),
    "Reshape": np.reshape,
}  # operations that are calculated here if all their inputs are constants
LARGE = 2**16  # bytes; larger constants are handed to OpenVINO apart from the graph


@dataclass(frozen=True, eq=False)
class Subgraph:
    """A graph without its weights: OpenVINO's reader would spend most of its time on copying and transposing them."""

    graph: bytes  # a serialised GraphDef
    weights: dict[str, np.ndarray]  # the values of its placeholders of these names


def prune(graph: Graph, outputs: list[str]) -> Subgraph:
    """Returns the part from the resized picture to the nodes whose names are `outputs`.

    It takes `tosa/served/pictures` (N, height, width, 3), uint8, and its outputs are `tosa/served/0` and so on.
    Operations that OpenVINO cannot read are replaced by equivalent ones.
    Raises GraphError if the graph is inconsistent.
    """
    served, weights = GraphDef(versions=graph.versions), {}
    served.node.append(_placeholder(SERVED + "pictures", DT_UINT8, (-1, *graph.size(), 3)))
    cast = served.node.add(name=RESIZED, op="Cast", input=[SERVED + "pictures"])
    cast.attr["SrcT"].type, cast.attr["DstT"].type = DT_UINT8, DT_FLOAT
    order = _in_order(graph, graph.upstream(outputs, {RESIZED}) - {RESIZED})
    values = _folded(graph, order)
    needed = graph.upstream(outputs, {RESIZED, *values})
    for name in (name for name in order if name in needed):
        node = graph.nodes[name]
        value = graph.constant(name) if node.op == "Const" else None
        if name in values:
            served.node.append(constant_node(name, values[name]))
        elif value is not None and value.dtype in (np.float16, np.float32) and value.nbytes > LARGE:
            weights[name] = value
            served.node.append(_placeholder(name, node.attr["dtype"].type, value.shape))
        else:
            served.node.extend(_servable(graph, node))
    for number, name in enumerate(outputs):
        served.node.add(name=f"{SERVED}{number}", op="Identity", input=[name]).attr["T"].type = DT_FLOAT
    return Subgraph(served.SerializeToString(), weights)


def _placeholder(name: str, dtype: int, shape: tuple[int, ...]) -> NodeDef:
    """An input of the graph; a length of -1 stands for any."""
    node = NodeDef(name=name, op="Placeholder")
    node.attr["dtype"].type = dtype
    for length in shape:
        node.attr["shape"].shape.dim.add(size=length)
    return node


def _in_order(graph: Graph, names: set[str]) -> list[str]:
    """`names`, each after those that it is computed from. On a cycle OpenVINO would use all memory."""
    inputs = {name: [graph.node(other).name for other in inputs_of(graph.nodes[name])] for name in sorted(names)}
    try:
        return [name for name in TopologicalSorter(inputs).static_order() if name in names]
    except CycleError as error:
        raise GraphError(f"contains a cycle at {error.args[1][0]}") from None


def _folded(graph: Graph, names: list[str]) -> dict[str, np.ndarray]:
    """The values of those of `names`, in order, that are computed from constants only.

    In some graphs these are most of the nodes, and take half of the time in which OpenVINO reads the graph.
    """
    values: dict[str, np.ndarray] = {}
    for name in names:
        node = graph.nodes[name]
        sources = [graph.source(other, {"Identity"}) for other in inputs_of(node)] if node.op in FOLDED else []
        if sources and all(source.name in values or source.op == "Const" for source in sources):
            arrays = [values[each.name] if each.name in values else graph.constant(each.name) for each in sources]
            try:
                with np.errstate(all="ignore"):
                    values[name] = FOLDED[node.op](*arrays)
            except (ValueError, TypeError) as error:
                raise GraphError(f"has a constant {name} that cannot be calculated") from error
    return values


def _servable(graph: Graph, node: NodeDef) -> list[NodeDef]:
    """`node` in a form that OpenVINO reads, without control inputs, whose nodes are not part of the subgraph."""
    if node.op in UNFROZEN:
        raise GraphError(f"is not frozen: {node.op} {node.name} has no value")
    copy = NodeDef(name=node.name, op=node.op, input=inputs_of(node), attr=node.attr)
    if node.op == "BatchNormWithGlobalNormalization":
        return _fused_batch_norm(graph, copy)
    if node.name == BOTTLENECK and node.op == "Reshape":  # classic graphs fix the batch size to 1
        shape = graph.constant(input_of(copy, 1))
        if shape is not None and shape.shape == (2,) and shape[1] > 0:
            free = constant_node(SERVED + "shape", np.array([-1, shape[1]], shape.dtype))
            copy.input[1] = free.name
            return [free, copy]
    return [copy]


def _fused_batch_norm(graph: Graph, old: NodeDef) -> list[NodeDef]:
    """FusedBatchNorm in place of BatchNormWithGlobalNormalization, which TensorFlow removed after 2015."""
    picture, mean, variance, beta, gamma = (input_of(old, number) for number in range(5))
    new = NodeDef(name=old.name, op="FusedBatchNorm", input=[picture, gamma, beta, mean, variance])
    new.attr["T"].type = old.attr["T"].type
    new.attr["epsilon"].f = old.attr["variance_epsilon"].f
    new.attr["is_training"].b = False
    new.attr["data_format"].s = b"NHWC"
    if old.attr["scale_after_normalization"].b:
        return [new]
    values = graph.constant(gamma)
    if values is None:
        raise GraphError(f"has a batch normalisation {old.name} without constants")
    ones = constant_node(old.name + "/" + SERVED + "ones", np.ones_like(values))
    new.input[1] = ones.name
    return [ones, new]
