"""What is rounded to eight bits, on graphs small enough to see it; tests/test_embedded.py asks the embedded one."""

import numpy as np
import pytest
from tensorboard.compat.proto.graph_pb2 import GraphDef

from tosa.errors import ModelError
from tosa.model.engine import Engine, core, read
from tosa.model.graph import Graph, constant_node
from tosa.model.network import GraphFile, Network
from tosa.model.quantization_constants import QuantizationConstants
from tosa.model.subgraph import prune
from tosa.training.graph import activation_ranges


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
    model = read(core(), prune(graph, ["mixed_10/join"]), QuantizationConstants.of(graph))
    convolutions = [node for node in model.get_ordered_ops() if node.get_type_name() == "Convolution"]
    weights = [node.input_value(1).get_node().get_type_name() for node in convolutions]
    assert len(weights) == 7 and weights.count("FakeQuantize") == 3


def test_a_graph_that_does_not_tell_is_refused(deep):
    with pytest.raises(ModelError, match="TOSA_PRECISION=int8 needs"):
        Network.load(*deep, precision="int8")


def test_a_new_last_layer_keeps_what_is_known_of_its_trunk(deep, rounded):
    graphs = (Graph(file.read_bytes()) for file in (rounded[0], deep[0]))
    known, unknown = (activation_ranges.stored_quantization(graph) for graph in graphs)
    corrected = [f"tosa/corrections/Conv2D_{number}" for number in (4, 5, 6)]
    assert list(known) == ["tosa/peaks", *corrected] and unknown == {}


@pytest.mark.parametrize("text", [b"{", b"[1]", b'{"relu_4": "high"}'])
def test_damaged_peaks_are_named(deep, tmp_path, text):
    definition = GraphDef.FromString(deep[0].read_bytes())
    definition.node.append(constant_node("tosa/peaks", np.array(text, dtype=object)))
    (tmp_path / "graph.pb").write_bytes(definition.SerializeToString())
    with pytest.raises(ModelError, match="tosa/peaks"):
        Network.load(tmp_path / "graph.pb", deep[1])
