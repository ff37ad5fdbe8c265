import numpy as np
import pytest

import app
from sounds import coughs, wav
from tosa.errors import UsageError
from tosa.model.graph import HEADS, Graph
from tosa.model.metadata import GraphMetadata
from tosa.model.network import Network
from tosa.training.graph import assemble
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
