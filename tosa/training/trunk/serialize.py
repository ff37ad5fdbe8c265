"""A trunk as a TensorFlow GraphDef: its name by content, and its large constants as float16."""

import hashlib

import numpy as np
from tensorboard.compat.proto.graph_pb2 import GraphDef
from tensorboard.compat.proto.types_pb2 import DT_FLOAT, DT_HALF

from tosa.model.graph import constant_node
from tosa.model.tensors import make_ndarray

FLOAT16_FROM = 1024  # constants of at least so many float32 numbers are stored as float16


def trunk_sha256(trunk: GraphDef) -> str:
    """Returns the name of a trunk by its content, for the bottleneck cache: hexadecimal."""
    digest = hashlib.sha256()
    for node in sorted(trunk.node, key=lambda node: node.name):
        digest.update(node.SerializeToString(deterministic=True))
    return digest.hexdigest()


def to_float16(data: bytes) -> GraphDef:
    """Returns a serialised trunk with its large float32 constants as float16 and a cast back: half the file."""
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
