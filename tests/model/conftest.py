"""A graph small enough to see what rounding to eight bits does to it."""

import numpy as np
import pytest
from tensorboard.compat.proto.graph_pb2 import GraphDef

from tosa.model.graph import Graph, constant_node
from tosa.training.data.dataset import SkippedFiles
from tosa.training.graph import activation_ranges


@pytest.fixture(scope="session")
def deep(tf, tmp_path_factory):
    """A graph of seven convolutions, the last after two that are joined, and its label file."""
    random = np.random.default_rng(3)
    with tf.Graph().as_default() as graph:
        size = tf.constant([16, 16])
        contents = tf.compat.v1.placeholder(tf.string, (), name="DecodeJpeg/contents")
        picture = tf.cast(tf.raw_ops.DecodeJpeg(contents=contents, channels=3), tf.float32)
        value = tf.raw_ops.ResizeBilinear(images=tf.expand_dims(picture, 0), size=size, name="ResizeBilinear") / 255

        def convolution(name, value, channels=8):
            kernel = random.normal(0, 0.3, (3, 3, value.shape[-1], channels)).astype(np.float16)
            kernel = tf.cast(tf.constant(kernel), tf.float32)
            return tf.nn.relu(tf.nn.conv2d(value, kernel, 1, "SAME"), name=f"relu_{name}")

        for number in range(1, 5):
            value = convolution(number, value)
        value = tf.nn.max_pool2d(value, 2, 2, "SAME")
        averaged = tf.nn.avg_pool2d(value, 3, 1, "SAME", name="average")
        joined = tf.concat([convolution(5, value), convolution(6, averaged)], 3)
        features = tf.identity(convolution(7, joined), name="mixed_10/join")
        pooled = tf.nn.avg_pool2d(features, features.shape[1:3], 1, "VALID", name="pool_3")
        bottleneck = tf.reshape(pooled, (-1, 8), name="pool_3/_reshape")
        tf.nn.softmax(tf.matmul(bottleneck, random.normal(0, 0.1, (8, 2)).astype("f4")), name="final_result")
    folder = tmp_path_factory.mktemp("deep")
    (folder / "graph.pb").write_bytes(graph.as_graph_def().SerializeToString())
    (folder / "labels.txt").write_text("not sick\nsick\n")
    return folder / "graph.pb", folder / "labels.txt"


@pytest.fixture(scope="session")
def pictures():
    return np.random.default_rng(0).integers(0, 256, (12, 16, 16, 3), np.uint8)


@pytest.fixture(scope="session")
def rounded(deep, pictures, tmp_path_factory):
    """The same with its peaks, measured on half of the pictures."""
    graph = Graph(deep[0].read_bytes())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(activation_ranges, "draw", lambda case, *_: pictures[case])
        patch.setattr(activation_ranges, "in_order", list)
        found = activation_ranges.measure_quantization(graph, list(range(6)), SkippedFiles())
    definition = GraphDef.FromString(graph.data)
    definition.node.extend(constant_node(name, value) for name, value in found.items())
    file = tmp_path_factory.mktemp("rounded") / "graph.pb"
    file.write_bytes(definition.SerializeToString())
    return file, deep[1]
