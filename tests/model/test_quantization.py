"""What is rounded to eight bits, on graphs small enough to see it; tests/test_embedded.py asks the embedded one."""

import numpy as np
import pytest
from tensorboard.compat.proto.graph_pb2 import GraphDef

from tosa.errors import ModelError
from tosa.model.engine import Engine, core, read
from tosa.model.graph import Graph, constant_node
from tosa.model.network import GraphFile, Network
from tosa.model.subgraph import prune
from tosa.training.data.dataset import SkippedFiles
from tosa.training.graph import activation_ranges


@pytest.fixture(scope="module")
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
        tf.nn.softmax(tf.matmul(bottleneck, random.normal(size=(8, 2)).astype("f4")), name="final_result")
    folder = tmp_path_factory.mktemp("deep")
    (folder / "graph.pb").write_bytes(graph.as_graph_def().SerializeToString())
    (folder / "labels.txt").write_text("not sick\nsick\n")
    return folder / "graph.pb", folder / "labels.txt"


@pytest.fixture(scope="module")
def pictures():
    return np.random.default_rng(0).integers(0, 256, (12, 16, 16, 3), np.uint8)


@pytest.fixture(scope="module")
def rounded(deep, pictures, tmp_path_factory):
    """The same with its peaks, measured on half of the pictures."""
    graph = Graph(deep[0].read_bytes())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(activation_ranges, "draw", lambda case, *_: pictures[case])
        patch.setattr(activation_ranges, "in_order", list)
        found = activation_ranges.measure_activation_ranges(graph, list(range(6)), SkippedFiles())
    definition = GraphDef.FromString(graph.data)
    definition.node.extend(constant_node(name, value) for name, value in found.items())
    file = tmp_path_factory.mktemp("rounded") / "graph.pb"
    file.write_bytes(definition.SerializeToString())
    return file, deep[1]


def test_the_first_convolutions_and_the_feature_map_stay_as_they_are(deep):
    assert activation_ranges.activations(Graph(deep[0].read_bytes())) == ["relu_4", "average", "relu_5", "relu_6"]


def test_peaks_are_the_largest_values_and_shared_where_joined(deep, rounded, pictures):
    graph = Graph(deep[0].read_bytes())
    names = ["relu_4", "average", "relu_5", "relu_6"]
    values = Engine(prune(graph, names), 4, None, "f32").infer(pictures[:6])
    largest = dict(zip(names, (value.max() for value in values)))
    largest["relu_5"] = largest["relu_6"] = max(largest["relu_5"], largest["relu_6"])
    assert Graph(rounded[0].read_bytes()).activation_ranges() == pytest.approx(largest, rel=1e-5)


def test_answers_are_near_those_in_float32_but_not_the_same(rounded, pictures):
    exact, near = (Network.load(*rounded, precision=precision) for precision in ("f32", "int8"))
    assert (exact.precision, near.precision) == ("f32", "int8")
    expected, found = (network.run(pictures).bottleneck for network in (exact, near))
    assert 1e-6 < np.abs(found - expected).max() / expected.max() < 0.05


def test_alone_and_several_at_once_round_alike(rounded, pictures):
    asked = Network.load(*rounded, precision="int8")._engine
    for alone, together in zip(asked._alone.infer(pictures), asked._for_several().infer(pictures), strict=True):
        np.testing.assert_allclose(alone, together, rtol=1e-5, atol=1e-6)


def test_what_an_earlier_start_compiled_rounds_alike(rounded, pictures, tmp_path):
    GraphFile.read(*rounded).start(precision="int8", cache=tmp_path).save()
    compiled = Network.load(*rounded, precision="int8")
    found = GraphFile.read(*rounded).start(precision="int8", cache=tmp_path)
    assert found.precision == "int8"
    np.testing.assert_allclose(found.run(pictures).bottleneck, compiled.run(pictures).bottleneck, rtol=1e-5, atol=1e-6)


def test_the_weights_of_what_takes_rounded_activations_are_rounded(rounded):
    graph = Graph(rounded[0].read_bytes())
    model = read(core(), prune(graph, ["mixed_10/join"]), graph.activation_ranges())
    convolutions = [node for node in model.get_ordered_ops() if node.get_type_name() == "Convolution"]
    weights = [node.input_value(1).get_node().get_type_name() for node in convolutions]
    assert len(weights) == 7 and weights.count("FakeQuantize") == 3


def test_a_graph_that_does_not_tell_is_refused(deep):
    with pytest.raises(ModelError, match="TOSA_PRECISION=int8 needs"):
        Network.load(*deep, precision="int8")


def test_a_new_last_layer_keeps_what_is_known_of_its_trunk(deep, rounded):
    known, unknown = (activation_ranges.stored_activation_ranges(Graph(file.read_bytes())) for file in (rounded[0], deep[0]))
    assert list(known) == ["tosa/peaks"] and unknown == {}


@pytest.mark.parametrize("text", [b"{", b"[1]", b'{"relu_4": "high"}'])
def test_damaged_peaks_are_named(deep, tmp_path, text):
    definition = GraphDef.FromString(deep[0].read_bytes())
    definition.node.append(constant_node("tosa/peaks", np.array(text, dtype=object)))
    (tmp_path / "graph.pb").write_bytes(definition.SerializeToString())
    with pytest.raises(ModelError, match="tosa/peaks"):
        Network.load(tmp_path / "graph.pb", deep[1])
