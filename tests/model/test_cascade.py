"""Which answers in int8 are computed again: distances by hand, and a small graph in both precisions."""

import numpy as np
import pytest
from tensorboard.compat.proto.graph_pb2 import GraphDef

from tosa.errors import ModelError
from tosa.model import network as networks
from tosa.model.calibration import OperatingPoint
from tosa.model.cascade import Decisions, Margin
from tosa.model.engine import Engine, native_precision
from tosa.model.graph import METADATA, Graph, constant_node
from tosa.model.metadata import GraphMetadata, TaskMetadata
from tosa.model.network import GraphFile, Network
from tosa.model.quantization_constants import QuantizationConstants
from tosa.model.subgraph import prune

POINT = OperatingPoint(("viral", "bacterial"), 0.6, 0.9, 0.9, 10, 10)
LABELS = ("normal", "viral", "bacterial")


def test_distances_are_the_lead_and_the_way_to_the_operating_point():
    scores = np.array([[0.5, 0.3, 0.2], [0.2, 0.45, 0.35]], np.float32)
    decisions = Decisions.of(TaskMetadata("lungs", "picture", operating_point=POINT), LABELS)
    np.testing.assert_allclose(decisions.distances(scores), [[0.2, 0.1], [0.1, 0.2]], atol=1e-6)
    np.testing.assert_allclose(Decisions().distances(scores), [[0.2], [0.1]], atol=1e-6)


def test_a_decision_that_other_scores_take_otherwise_has_a_negative_distance():
    decisions = Decisions.of(TaskMetadata("lungs", "picture", operating_point=POINT), LABELS)
    found = decisions.distances(np.array([[0.38, 0.42, 0.2]]), ranked_by=np.array([[0.42, 0.38, 0.2]]))
    np.testing.assert_allclose(found, [[-0.04, -0.02]], atol=1e-6)


def test_one_close_decision_is_enough():
    margin = Margin(Decisions((1, 2), 0.6), 0.05)
    scores = np.array([[0.9, 0.05, 0.05], [0.42, 0.4, 0.18], [0.1, 0.46, 0.44], [0.37, 0.6, 0.03]])
    assert margin.is_close(scores).tolist() == [False, True, True, True]


@pytest.fixture(scope="module")
def cascade(rounded, tmp_path_factory):
    """Returns a function that writes the rounded graph with a margin for its task."""

    def write(margin):
        definition = GraphDef.FromString(rounded[0].read_bytes())
        task = TaskMetadata("cough", "sound", ("not sick", "sick"), margin=margin)
        text = GraphMetadata(tasks={"cough": task}).to_json().encode()
        definition.node.append(constant_node(METADATA, np.array(text, dtype=object)))
        folder = tmp_path_factory.mktemp("cascade")
        (folder / "graph.pb").write_bytes(definition.SerializeToString())
        return folder / "graph.pb", rounded[1]

    return write


@pytest.fixture(scope="module")
def answers(rounded, pictures):
    """What int8 and float32 answer to the pictures."""
    return {name: Network.load(*rounded, precision=name).run(pictures) for name in ("int8", "f32")}


def test_close_answers_are_those_of_float32_and_the_others_of_int8(cascade, answers, pictures):
    rounded, exact = answers["int8"], answers["f32"]
    leads = np.abs(np.diff(rounded.scores, axis=1)).ravel()
    margin = float(np.median(leads))
    network = Network.load(*cascade(margin), precision="cascade")
    found = network.run(pictures)
    assert found.again.tolist() == np.flatnonzero(leads < margin).tolist() and 0 < len(found.again) < len(pictures)
    for ours, near, far in zip(arrays(found), arrays(rounded), arrays(exact), strict=True):
        expected = near.copy()
        expected[found.again] = far[found.again]
        np.testing.assert_allclose(ours, expected, rtol=1e-4, atol=1e-5)
    assert np.abs(rounded.bottleneck - exact.bottleneck).max() > 1e-3  # or the two could not be told apart


def arrays(answer):
    return answer.feature_map, answer.bottleneck, answer.scores


def test_only_tasks_on_what_is_shown_decide_whether_an_answer_is_close(cascade, pictures):
    network = Network.load(*cascade(1.0), precision="cascade")
    assert len(network.run(pictures, "sound").again) == len(pictures)
    assert len(network.run(pictures, "picture").again) == 0


def test_batches_say_which_of_all_pictures_were_computed_again(cascade, pictures):
    network = Network.load(*cascade(1.0), precision="cascade")
    assert network.run(np.concatenate([pictures] * 2)).again.tolist() == list(range(2 * len(pictures)))


@pytest.mark.parametrize("fast", [True, False])
def test_it_is_the_default_where_int8_is_faster(fast, cascade, monkeypatch):
    monkeypatch.setattr(networks, "has_fast_int8", lambda: fast)
    native = native_precision()
    assert Network.load(*cascade(0.1), precision="auto").precision == ("int8+f32" if fast else native)


def test_a_graph_without_margins_is_answered_in_the_native_precision(rounded):
    assert Network.load(*rounded, precision="auto").precision == native_precision()
    with pytest.raises(ModelError, match="--calibrate"):
        Network.load(*rounded, precision="cascade")


def test_both_are_loaded_from_what_an_earlier_start_compiled(cascade, pictures, tmp_path, monkeypatch):
    files = cascade(0.1)
    first = GraphFile.read(*files).start(precision="cascade", cache=tmp_path)
    first.save()
    monkeypatch.setattr(networks, "prune", lambda *_: pytest.fail("compiled"))
    second = GraphFile.read(*files).start(precision="cascade", cache=tmp_path)
    assert second.precision == first.precision
    np.testing.assert_allclose(second.run(pictures).scores, first.run(pictures).scores, rtol=1e-4, atol=1e-5)


def test_what_rounded_weights_add_on_average_is_subtracted(rounded, pictures):
    graph = Graph(rounded[0].read_bytes())
    constants = QuantizationConstants.of(graph)
    exact, plain, corrected = (
        Engine(prune(graph, ["pool_3/_reshape"]), 1, None, precision, given).infer(pictures)[0].mean(axis=0)
        for precision, given in (
            ("f32", constants),
            ("int8", QuantizationConstants(constants.ranges)),
            ("int8", constants),
        )
    )
    assert np.linalg.norm(corrected - exact) < 0.8 * np.linalg.norm(plain - exact)
