"""A frozen TensorFlow graph, read without TensorFlow."""

import hashlib
import json
from collections.abc import Collection, Iterable

import numpy as np
from tensorboard.compat.proto.graph_pb2 import GraphDef
from tensorboard.compat.proto.node_def_pb2 import NodeDef
from tensorboard.util.tensor_util import make_ndarray, make_tensor_proto

# The names that every retrain.py since 2015 has kept, and that users' own programs feed and fetch.
RESIZED = "ResizeBilinear"
FEATURE_MAP = "mixed_10/join"
POOL = "pool_3"
BOTTLENECK = "pool_3/_reshape"
RESULT = "final_result"
METADATA = "tosa/metadata"
ACTIVATION_RANGES = "tosa/peaks"
SEAL = "tosa/sha256"  # the last node of a sealed graph: the digest of all bytes before it
MAX_SIDE = 2048  # pixels; what asks for more is damaged

PASSING = {"Identity", "Cast", "PlaceholderWithDefault"}  # hand their first input on
AFTER_MATMUL = PASSING | {"Softmax", "RealDiv", "Div", "Mul", "Add", "AddV2", "BiasAdd"}


class GraphError(Exception):
    """What is wrong with a graph, as the end of a sentence that starts with the name of its file."""


class Graph:
    """The nodes of a frozen GraphDef by name. Every method raises GraphError on a graph that does not hold together."""

    def __init__(self, data: bytes):
        """`data` is a serialised GraphDef."""
        if not data:
            raise GraphError("is empty")
        self.sha256 = _checked(data)
        try:
            self._definition = GraphDef.FromString(data)
        except Exception as error:  # DecodeError's home depends on the protobuf implementation
            raise GraphError("is damaged, cut off or not a frozen TensorFlow graph") from error
        self.data = data
        self.nodes = {node.name: node for node in self._definition.node}
        self.versions = self._definition.versions

    def node(self, name: str) -> NodeDef:
        """The node behind an input's name, which may carry an output's number (`split:1`)."""
        try:
            return self.nodes[name.split(":")[0]]
        except KeyError:
            raise GraphError(f"has no node {name}: cut off, or not a graph of retrain.py") from None

    def constant(self, name: str) -> np.ndarray | None:
        """The value of the Const node `name`, or of the one it hands on; None if there is none."""
        if name.split(":")[0] not in self.nodes:
            return None
        node = self.source(name)
        if node.op != "Const":
            return None
        try:
            return make_ndarray(node.attr["value"].tensor)
        except Exception as error:  # whatever NumPy makes of a damaged tensor
            raise GraphError(f"holds a damaged constant {name}") from error

    def size(self) -> tuple[int, int]:
        """Height and width that pictures are resized to before the network sees them."""
        size = self.constant(input_of(self.node(RESIZED), 1))
        if size is None or size.shape != (2,) or not all(0 < length <= MAX_SIDE for length in size):
            raise GraphError(f"does not say in {RESIZED} which size of picture it takes")
        return int(size[0]), int(size[1])

    def feature_map(self) -> str:
        """Name of the last convolutional feature map, what average pooling turns into the bottleneck."""
        return FEATURE_MAP if FEATURE_MAP in self.nodes else input_of(self.node(POOL), 0)

    def result(self) -> str:
        """Name of the scores: `final_result`, or what --final_tensor_name called it."""
        if RESULT in self.nodes:
            return RESULT
        used = {name.split(":")[0] for node in self.nodes.values() for name in node.input}
        ends = [name for name, node in self.nodes.items() if node.op in ("Softmax", "ConcatV2") and name not in used]
        if len(ends) != 1:
            raise GraphError(f"has no node {RESULT}: cut off, or not a graph of retrain.py")
        return ends[0]

    def softmaxes(self) -> list[str]:
        """Names of the vectors that lie side by side in the result, one for each task."""
        result = self.source(self.result(), {"Identity"})
        return {"ConcatV2": inputs_of(result)[:-1], "Concat": inputs_of(result)[1:]}.get(result.op, [result.name])

    def linear_weights(self, softmax: str) -> np.ndarray | None:
        """Weights (bottleneck, labels), float32, if all between bottleneck and `softmax` is one linear layer."""
        node = self.node(softmax)
        for _ in self.nodes:
            if node.op not in AFTER_MATMUL:
                break
            variable = [name for name in inputs_of(node) if self.constant(name) is None]
            if len(variable) != 1:
                return None
            node = self.node(variable[0])
        if node.op != "MatMul" or self.source(input_of(node, 0)).name != BOTTLENECK:
            return None
        weights = self.constant(input_of(node, 1))
        if weights is None or weights.ndim != 2:
            return None
        return (weights.T if node.attr["transpose_b"].b else weights).astype(np.float32)

    def extras(self) -> dict[str, np.ndarray]:
        """Every constant that the bottleneck does not need: heads, temperatures, statistics, metadata."""
        trunk = self.upstream([BOTTLENECK], {RESIZED})
        return {
            name: self.constant(name) for name, node in self.nodes.items() if node.op == "Const" and name not in trunk
        }

    def metadata(self) -> dict:
        """What the graph says of itself as JSON in its constant `tosa/metadata`; {} in graphs of other makers."""
        return self._json(METADATA)

    def peaks(self) -> dict[str, float]:
        """How large each activation that eight bits round may become, by its name; {} in graphs that do not tell."""
        try:
            return {name: float(peak) for name, peak in self._json(ACTIVATION_RANGES).items()}
        except (ValueError, TypeError) as error:
            raise GraphError(f"holds no numbers in {ACTIVATION_RANGES}") from error

    def _json(self, name: str) -> dict:
        constant = self.constant(name)
        try:
            value = {} if constant is None else json.loads(constant.item())
        except (ValueError, TypeError) as error:
            raise GraphError(f"holds damaged JSON in {name}") from error
        if not isinstance(value, dict):
            raise GraphError(f"holds no JSON object in {name}")
        return value

    def trunk(self) -> GraphDef:
        """The part that the bottleneck needs, from a picture's bytes on, without control inputs."""
        needed = self.upstream([BOTTLENECK])
        trunk = GraphDef(versions=self.versions)
        for node in self._definition.node:
            if node.name in needed:
                trunk.node.add(name=node.name, op=node.op, input=inputs_of(node), attr=node.attr)
        return trunk

    def upstream(self, names: Iterable[str], stop: Collection[str] = ()) -> set[str]:
        """`names` and all that they are computed from, up to and with those in `stop`."""
        found, waiting = set(), list(names)
        while waiting:
            node = self.node(waiting.pop())
            if node.name not in found:
                found.add(node.name)
                waiting += [] if node.name in stop else inputs_of(node)
        return found

    def source(self, name: str, passing: set[str] = PASSING) -> NodeDef:
        """Walks up from `name` past nodes that hand their first input on."""
        for _ in self.nodes:  # a damaged graph may run in a circle
            node = self.node(name)
            if node.op not in passing or not inputs_of(node):
                return node
            name = input_of(node, 0)
        raise GraphError(f"runs in a circle at {name}")


def inputs_of(node: NodeDef) -> list[str]:
    """The names that carry data into `node`; control inputs start with ^."""
    return [name for name in node.input if not name.startswith("^")]


def input_of(node: NodeDef, number: int) -> str:
    try:
        return inputs_of(node)[number]
    except IndexError:
        raise GraphError(f"is damaged: {node.op} {node.name} lacks an input") from None


def constant_node(name: str, value: np.ndarray) -> NodeDef:
    """A Const node that holds `value`, of any type that TensorFlow has."""
    tensor = make_tensor_proto(value)
    if tensor.half_val:  # three bytes a float16 there, two as content
        del tensor.half_val[:]
        tensor.tensor_content = value.tobytes()
    node = NodeDef(name=name, op="Const")
    node.attr["value"].tensor.CopyFrom(tensor)
    node.attr["dtype"].type = tensor.dtype
    return node


def seal(data: bytes) -> bytes:
    """A serialised GraphDef with one more node at its end, by which a reader sees that no byte was changed."""
    return data + _seal(hashlib.sha256(data).digest())


def _seal(digest: bytes) -> bytes:
    node = constant_node(SEAL, np.array(digest, dtype=object))
    return GraphDef(node=[node]).SerializeToString(deterministic=True)


def _checked(data: bytes) -> str:
    """SHA-256 of a graph, hexadecimal.

    Raises GraphError for a sealed one that was changed, be it in its seal. Graphs of other makers have none.
    """
    length = len(_seal(bytes(32)))
    body, end = memoryview(data)[:-length], data[-length:]
    hashed = hashlib.sha256(body)
    digest = hashed.digest()
    hashed.update(end)
    if (SEAL.encode() in end or digest in end) and end != _seal(digest):
        raise GraphError(f"is damaged: it is not what its {SEAL} was made of")
    return hashed.hexdigest()
