from dataclasses import replace

import numpy as np
import pytest

import app
from sounds import coughs, wav
from tosa.errors import UsageError
from tosa.model.graph import HEADS, Graph
from tosa.model.metadata import GraphMetadata
from tosa.model.network import Network
from tosa.training.graph import assemble
from tosa.training.head.bound import score_floor
from tosa.training.head.head import Head, softmax
from tosa.training.head.stored_heads import heads_of, scope_of

CHANNELS = 16  # of small_graph's bottleneck


@pytest.fixture(scope="module")
def trunk(small_graph):
    return Graph(small_graph[0].read_bytes()).trunk()


def head(task="cough", units=0, labels=("not sick", "sick")):
    rng = np.random.default_rng(0)
    hidden = (rng.normal(size=(CHANNELS, units)), rng.normal(size=units)) if units else None
    return Head(task, labels, rng.normal(size=(units or CHANNELS, 2)), rng.normal(size=2), 1.5, hidden)


@pytest.fixture(scope="module")
def served(trunk, tmp_path_factory):
    """A network with a hidden layer for cough, and none for lungs."""
    folder, heads = tmp_path_factory.mktemp("served"), [head(units=6), head("lungs", labels=("normal", "ill"))]
    (folder / "graph.pb").write_bytes(assemble.assemble(trunk, heads, GraphMetadata()))
    (folder / "labels.txt").write_text(assemble.label_lines(heads))
    return Network.load(folder / "graph.pb", folder / "labels.txt"), (folder / "graph.pb").read_bytes(), heads


def test_hidden_layer_is_served_as_it_was_trained(served):
    network, _, heads = served
    answer = network.run(np.random.default_rng(1).integers(0, 256, (3, 299, 299, 3), dtype=np.uint8))
    wanted = [softmax(head.logits(answer.bottleneck) / head.temperature) for head in heads]
    np.testing.assert_allclose(answer.scores, np.concatenate(wanted, axis=1), atol=1e-4)
    assert network.tasks["cough"].weights is None and network.tasks["lungs"].weights is not None


def test_heads_come_back_out_of_the_graph(served):
    found = heads_of(Graph(served[1]))
    for wanted in served[2]:
        back = found[wanted.task]
        assert back.labels == wanted.labels and back.temperature == wanted.temperature
        np.testing.assert_allclose(back.weights, wanted.weights, rtol=1e-6)
        assert (back.hidden is None) == (wanted.hidden is None)
    np.testing.assert_allclose(found["cough"].hidden[0], served[2][0].hidden[0], rtol=1e-6)


@pytest.fixture(scope="module")
def bounded(trunk, tmp_path_factory):
    """A network whose two heads have a shift and a floor, and these heads."""
    folder = tmp_path_factory.mktemp("bounded")
    heads = [head(units=6), head("lungs", labels=("normal", "ill"))]
    heads = [replace(each, shift=np.float32([-0.7, 0]), floor=score_floor(8, 2)) for each in heads]
    (folder / "graph.pb").write_bytes(assemble.assemble(trunk, heads, GraphMetadata()))
    (folder / "labels.txt").write_text(assemble.label_lines(heads))
    return folder / "graph.pb", folder / "labels.txt", heads


def test_shift_and_floor_are_served(bounded):
    network = Network.load(*bounded[:2], precision="f32")
    answer = network.run(np.random.default_rng(1).integers(0, 256, (3, 299, 299, 3), dtype=np.uint8))
    for each, column in zip(bounded[2], (0, 2), strict=True):
        plain = softmax(each.logits(answer.bottleneck) / each.temperature + np.float32([-0.7, 0]))
        np.testing.assert_allclose(answer.scores[:, column : column + 2], 0.8 * plain + 0.1, atol=1e-4)
    assert answer.scores.max() <= 0.9 + 1e-6  # of eight groups all right, the ninth is with 9 / 10
    assert network.tasks["lungs"].weights is not None and network.tasks["cough"].weights is None


def test_shift_and_floor_come_back_out_of_the_graph(bounded):
    found = heads_of(Graph(bounded[0].read_bytes()))
    for wanted in bounded[2]:
        back = found[wanted.task]
        np.testing.assert_array_equal(back.shift, wanted.shift)
        assert back.floor == pytest.approx(wanted.floor)


def test_a_program_that_feeds_the_graph_gets_bounded_scores(tf, bounded):
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        tf.import_graph_def(tf.compat.v1.GraphDef.FromString(bounded[0].read_bytes()), name="")
        scores = session.run("final_result:0", {"pool_3/_reshape:0": np.full((1, CHANNELS), 50, np.float32)})
    np.testing.assert_allclose(np.sort(scores[0]), [0.1, 0.1, 0.9, 0.9], atol=1e-5)


def test_a_bounded_score_of_another_name_is_found(trunk, tmp_path):
    one = replace(head("lungs", labels=("normal", "ill")), floor=0.1)
    (tmp_path / "graph.pb").write_bytes(assemble.assemble(trunk, [one], GraphMetadata(), "answer"))
    graph = Graph((tmp_path / "graph.pb").read_bytes())
    assert graph.result() == "answer" and graph.own_labels() == {"lungs": ("normal", "ill")}
    assert graph.linear_weights("answer").shape == (CHANNELS, 2)


ODD = ["chest x-ray", "chest.20.x-ray", "pulmón", "a.b", "a b", "cough"]


def test_tasks_of_any_name_have_nodes_that_tensorflow_takes(tf, trunk):
    assert scope_of("cough") == "final_training_ops/cough"
    data = assemble.assemble(trunk, [head(task) for task in ODD], GraphMetadata())
    with tf.Graph().as_default():
        tf.graph_util.import_graph_def(tf.compat.v1.GraphDef.FromString(data), name="")
    assert len({scope_of(task) for task in ODD}) == len(ODD)
    assert heads_of(Graph(data)).keys() == set(ODD)


def test_heads_of_graphs_that_named_nodes_by_the_task_alone(trunk, monkeypatch):
    with monkeypatch.context() as before:
        before.setattr(assemble, "scope_of", lambda task: f"{HEADS}/{task}")
        data = assemble.assemble(trunk, [head("chest x-ray")], GraphMetadata())
    np.testing.assert_allclose(heads_of(Graph(data))["chest x-ray"].biases, head().biases, rtol=1e-6)


def test_the_answer_says_why_it_has_no_map(served):
    client = app.create_app(served[0]).test_client()
    body = wav(coughs())
    (finding,) = client.post("/?explain=1", data=body, content_type="audio/wav").json["findings"]
    assert "explanation" not in finding and "linear" in finding["explanation_missing"]
    (finding,) = client.post("/", data=body, content_type="audio/wav").json["findings"]
    assert "explanation_missing" not in finding


def test_classic_graphs_heads_are_refused(classic_graph):
    with pytest.raises(UsageError, match="classic graph"):
        heads_of(Graph(classic_graph[0].read_bytes()))


def test_outline_keeps_the_nodes_and_drops_the_numbers(trunk):
    big = Head("t", ("a", "b"), np.zeros((CHANNELS, 2)), np.zeros(2), 1.0, (np.zeros((CHANNELS, 500)), np.zeros(500)))
    whole = assemble.assemble(trunk, [big], GraphMetadata())
    outline = assemble.outline(whole)
    assert len(outline) < len(whole) - 30_000
    assert list(Graph(outline).nodes) == list(Graph(whole).nodes)
