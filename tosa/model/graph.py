"""A frozen TensorFlow graph, read without TensorFlow."""

import hashlib
import json
import re
from collections.abc import Collection, Iterable

import numpy as np
from tensorboard.compat.proto.graph_pb2 import GraphDef
from tensorboard.compat.proto.node_def_pb2 import NodeDef

from tosa.model.card import ModelCard, card_from_json
from tosa.model.metadata import GraphMetadata
from tosa.model.tensors import make_ndarray, make_tensor_proto

# Names that have been the same in every retrain.py since 2015, and that users' own programs feed and fetch.
RESIZED = "ResizeBilinear"
FEATURE_MAP = "mixed_10/join"
POOL = "pool_3"
BOTTLENECK = "pool_3/_reshape"
RESULT = "final_result"
HEADS = "final_training_ops"
METADATA = "tosa/metadata"
CARD = "tosa/card"
ACTIVATION_RANGES = "tosa/peaks"
CORRECTIONS = "tosa/corrections/"  # prefix of constants, each named after a convolution
SEAL = "tosa/sha256"  # the last node of a sealed graph: the digest of all bytes before it
MAX_SIDE = 2048  # pixels; a graph that takes larger pictures is damaged

ENDS = {"Softmax", "ConcatV2", "Add"}  # operations that the scores may come from; Add where they have a floor
PASSING = {"Identity", "Cast", "PlaceholderWithDefault"}  # their output is their first input
AFTER_MATMUL = PASSING | {"Softmax", "RealDiv", "Div", "Mul", "Add", "AddV2", "BiasAdd"}


class GraphError(Exception):
    """What is wrong with a graph. The message is the end of a sentence that starts with the name of its file."""


class Graph:
    """The nodes of a frozen GraphDef by name. Every method raises GraphError if the graph is inconsistent."""

    def __init__(self, data: bytes) -> None:
        """data: a serialised GraphDef."""
        if not data:
            raise GraphError("is empty")
        self.sha256 = _checked(data)
        try:
            self._definition = GraphDef.FromString(data)
        except Exception as error:  # which module DecodeError comes from depends on the protobuf implementation
            raise GraphError("is damaged, cut off or not a frozen TensorFlow graph") from error
        self.data = data
        self.nodes = {node.name: node for node in self._definition.node}
        self.versions = self._definition.versions

    def node(self, name: str) -> NodeDef:
        """Returns the node of an input's name, which may include the number of an output (`split:1`)."""
        try:
            return self.nodes[name.partition(":")[0]]
        except KeyError:
            raise GraphError(
                f"has no node {name}: it is cut off, or not a graph of retrain.py on Inception-v3"
            ) from None

    def constant(self, name: str) -> np.ndarray | None:
        """Returns the value of the Const node `name`, or of the one whose value it passes on; None without one."""
        if name.partition(":")[0] not in self.nodes:
            return None
        node = self.source(name)
        if node.op != "Const":
            return None
        try:
            return make_ndarray(node.attr["value"].tensor)
        except Exception as error:  # NumPy raises many types for a damaged tensor
            raise GraphError(f"holds a damaged constant {name}") from error

    def size(self) -> tuple[int, int]:
        """Returns the height and width that pictures are resized to before the network sees them."""
        size = self.constant(input_of(self.node(RESIZED), 1))
        if size is None or size.shape != (2,) or not all(0 < length <= MAX_SIDE for length in size):
            raise GraphError(f"does not specify in {RESIZED} which size of picture it takes")
        return int(size[0]), int(size[1])

    def feature_map(self) -> str:
        """Returns the name of the last convolutional feature map, whose average is the bottleneck."""
        return FEATURE_MAP if FEATURE_MAP in self.nodes else input_of(self.node(POOL), 0)

    def result(self) -> str:
        """Returns the name of the scores: `final_result`, or another one that --final_tensor_name chose."""
        if RESULT in self.nodes:
            return RESULT
        used = {name.partition(":")[0] for node in self.nodes.values() for name in node.input}
        ends = [name for name, node in self.nodes.items() if node.op in ENDS and name not in used]
        if len(ends) != 1:
            raise GraphError(f"has no node {RESULT}: it is cut off, or not a graph of retrain.py on Inception-v3")
        return ends[0]

    def softmaxes(self) -> list[str]:
        """Returns the names of the vectors that are concatenated in the result, one for each task."""
        result = self.source(self.result(), {"Identity"})
        return {"ConcatV2": inputs_of(result)[:-1], "Concat": inputs_of(result)[1:]}.get(result.op, [result.name])

    def linear_weights(self, softmax: str) -> np.ndarray | None:
        """Returns the weights (bottleneck, labels), float32; None unless the head is one linear layer."""
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
        """Returns every constant that the bottleneck does not need: heads, temperatures, gate, metadata."""
        trunk = self.upstream([BOTTLENECK], {RESIZED})
        names = [name for name, node in self.nodes.items() if node.op == "Const" and name not in trunk]
        return {name: value for name in names if (value := self.constant(name)) is not None}

    def metadata(self) -> GraphMetadata:
        """Returns what the graph says of itself in its constant `tosa/metadata`; graphs of other makers have none."""
        try:
            return GraphMetadata.from_json(self._text(METADATA))
        except ValueError as error:
            raise GraphError(f"{error} (in {METADATA})") from error

    def card(self) -> ModelCard | None:
        """Returns the model card that the graph carries, None without one."""
        if CARD not in self.nodes:
            return None
        try:
            return card_from_json(self._text(CARD))
        except ValueError as error:
            raise GraphError(f"{error} (in {CARD})") from error

    def own_labels(self) -> dict[str, tuple[str, ...]] | None:
        """Returns the labels by task that the graph carries, both in the order of its scores; None without them.

        Every graph that Tosa trains carries them; those of other makers do not.
        """
        tasks, softmaxes = self.metadata().tasks, self.softmaxes()
        by_softmax = {f"{scope}/softmax": task for task in tasks.values() for scope in scopes_of(task.name)}
        if len(tasks) == len(softmaxes) == 1:
            by_softmax[softmaxes[0]] = next(iter(tasks.values()))
        ordered = [by_softmax[name] for name in softmaxes if name in by_softmax]
        if len(ordered) < len(softmaxes) or not all(task.labels for task in ordered):
            return None
        return {task.name: task.labels for task in ordered}

    def activation_ranges(self) -> dict[str, float]:
        """Returns the largest value of each activation that int8 rounds, by its name; {} if the graph has none."""
        try:
            ranges = json.loads(self._text(ACTIVATION_RANGES))
            return {name: float(largest) for name, largest in ranges.items()}
        except (ValueError, TypeError, AttributeError) as error:
            raise GraphError(f"holds damaged activation ranges in {ACTIVATION_RANGES}") from error

    def _text(self, name: str) -> str | bytes:
        """The JSON text in a constant, an empty object if the graph has no such constant."""
        constant = self.constant(name)
        if constant is None:
            return "{}"
        if constant.size != 1 or not isinstance(text := constant.item(), str | bytes):
            raise GraphError(f"holds no text in {name}")
        return text

    def trunk(self) -> GraphDef:
        """Returns the part that the bottleneck needs, from the bytes of a picture on, without control inputs."""
        needed = self.upstream([BOTTLENECK])
        trunk = GraphDef(versions=self.versions)
        for node in self._definition.node:
            if node.name in needed:
                trunk.node.add(name=node.name, op=node.op, input=inputs_of(node), attr=node.attr)
        return trunk

    def upstream(self, names: Iterable[str], stop: Collection[str] = ()) -> set[str]:
        """Returns `names` and everything that they are computed from, up to and including the nodes in `stop`."""
        visited: set[str] = set()
        waiting = list(names)
        while waiting:
            node = self.node(waiting.pop())
            if node.name not in visited:
                visited.add(node.name)
                waiting += [] if node.name in stop else inputs_of(node)
        return visited

    def source(self, name: str, passing: set[str] = PASSING) -> NodeDef:
        """Returns the first node upstream of `name` that is not one of the `passing` operations."""
        for _ in self.nodes:  # a damaged graph may contain a cycle
            node = self.node(name)
            if node.op not in passing or not inputs_of(node):
                return node
            name = input_of(node, 0)
        raise GraphError(f"contains a cycle at {name}")


def scopes_of(task: str) -> tuple[str, str]:
    """Returns the folder of a task's nodes in a graph of today, and the one in older graphs.

    Today's has codes in place of characters that TensorFlow may refuse.
    """
    coded = re.sub(r"[^\w-]", lambda match: f".{ord(match[0]):x}.", task, flags=re.ASCII)
    return f"{HEADS}/{coded}", f"{HEADS}/{task}"


def inputs_of(node: NodeDef) -> list[str]:
    """Returns the names of the data inputs of `node`; names of control inputs start with ^."""
    return [name for name in node.input if not name.startswith("^")]


def input_of(node: NodeDef, number: int) -> str:
    """Returns the name of one data input of `node`. Raises GraphError if it has fewer."""
    try:
        return inputs_of(node)[number]
    except IndexError:
        raise GraphError(f"is damaged: {node.op} {node.name} lacks an input") from None


def text_constant(text: str) -> np.ndarray:
    """Returns a text as the value of a constant, as `Graph` reads it."""
    return np.array(text.encode(), dtype=object)


def constant_node(name: str, value: np.ndarray) -> NodeDef:
    """Returns a Const node that holds `value`, of any type that TensorFlow has."""
    tensor = make_tensor_proto(value)
    for values in (tensor.half_val, tensor.uint64_val):  # they take more bytes for each number than tensor_content
        if values:
            del values[:]
            tensor.tensor_content = value.tobytes()
    node = NodeDef(name=name, op="Const")
    node.attr["value"].tensor.CopyFrom(tensor)
    node.attr["dtype"].type = tensor.dtype
    return node


def seal(data: bytes) -> bytes:
    """Returns a serialised GraphDef with a digest as its last node, which shows whether the graph was changed."""
    return data + _seal(hashlib.sha256(data).digest())


def _seal(digest: bytes) -> bytes:
    node = constant_node(SEAL, np.array(digest, dtype=object))
    return GraphDef(node=[node]).SerializeToString(deterministic=True)


def _checked(data: bytes) -> str:
    """The SHA-256 of a graph, hexadecimal.

    Raises GraphError if the graph has a seal, and graph or seal were changed. Graphs of other makers have no seal.
    """
    length = len(_seal(bytes(32)))
    body, end = memoryview(data)[:-length], data[-length:]
    hashed = hashlib.sha256(body)
    digest = hashed.digest()
    hashed.update(end)
    if (SEAL.encode() in end or digest in end) and end != _seal(digest):
        raise GraphError(f"is damaged: its content does not match its digest, {SEAL}")
    return hashed.hexdigest()
