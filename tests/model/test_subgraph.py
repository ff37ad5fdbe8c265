"""What is calculated before OpenVINO reads a graph; tests/test_network.py tests the answers of what is cut."""

import numpy as np
import pytest
from tensorboard.compat.proto.graph_pb2 import GraphDef
from tensorboard.compat.proto.node_def_pb2 import NodeDef
from tensorboard.util.tensor_util import make_ndarray

from tosa.model.graph import Graph, GraphError, constant_node
from tosa.model.subgraph import SERVED, prune

VARIANCE = np.array([0.25, 4, 16], np.float32)
BIG = np.arange(6, dtype=np.float32).reshape(2, 3)


def graph(shape=(1, 3)) -> Graph:
    """Half of a batch normalisation, its constants behind Identity as TensorFlow freezes them."""
    constants = {"size": np.array([8, 8], np.int32), "variance": VARIANCE, "big": BIG, "shape": np.array(shape, "i4")}
    nodes = [constant_node(name, value) for name, value in constants.items()]
    for name, op, *inputs in (
        ("contents", "Placeholder"),
        ("ResizeBilinear", "ResizeBilinear", "contents", "size"),
        ("variance/read", "Identity", "variance"),
        ("big/read", "Identity", "big"),
        ("rsqrt", "Rsqrt", "variance/read", "^size"),
        ("reshaped", "Reshape", "rsqrt", "shape"),
        ("scale", "Mul", "reshaped", "big/read"),
        ("scaled", "Mul", "ResizeBilinear", "scale"),
        ("out", "AddV2", "scaled", "big/read"),
    ):
        nodes.append(NodeDef(name=name, op=op, input=inputs))
    return Graph(GraphDef(node=nodes).SerializeToString())


def served(graph: Graph) -> dict[str, NodeDef]:
    return {node.name: node for node in GraphDef.FromString(prune(graph, ["out"]).graph).node}


def test_what_constants_alone_make_is_one_constant():
    nodes = served(graph())
    assert set(nodes) == {
        SERVED + "pictures", "ResizeBilinear", SERVED + "0", "scale", "scaled", "big", "big/read", "out"
    }  # fmt: skip
    np.testing.assert_allclose(make_ndarray(nodes["scale"].attr["value"].tensor), BIG * [[2, 0.5, 0.25]])
    assert list(nodes["scaled"].input) == ["ResizeBilinear", "scale"]


def test_each_node_comes_after_those_it_is_computed_from():
    known = set()
    for node in GraphDef.FromString(prune(graph(), ["out"]).graph).node:
        if not node.name.startswith(SERVED):
            assert known >= set(node.input) - {SERVED + "pictures"}
        known.add(node.name)


def test_a_large_constant_is_put_in_its_place_afterwards(monkeypatch):
    monkeypatch.setattr("tosa.model.subgraph.LARGE", 20)
    made = prune(graph(), ["out"])
    nodes = {node.name: node for node in GraphDef.FromString(made.graph).node}
    assert nodes["big"].op == "Placeholder" and nodes["scale"].op == "Const"
    assert [dim.size for dim in nodes["big"].attr["shape"].shape.dim] == [2, 3]
    np.testing.assert_array_equal(made.weights.pop("big"), BIG)
    assert not made.weights


def test_constants_that_do_not_fit_are_refused():
    with pytest.raises(GraphError, match="constant reshaped that cannot be calculated"):
        prune(graph(shape=(5, 5)), ["out"])
