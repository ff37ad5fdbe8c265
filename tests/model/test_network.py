import hashlib
import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from tensorboard.compat.proto.graph_pb2 import GraphDef
from tensorboard.util.tensor_util import make_tensor_proto

from tosa.errors import ModelError
from tosa.model import network as networks
from tosa.model.graph import Graph, GraphError, constant_node
from tosa.model.labels import read_labels
from tosa.model.metadata import GraphMetadata
from tosa.model.network import MAX_BATCH, GraphFile, Network

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def pictures():
    """Pictures that differ in brightness, so that their answers differ."""
    noise = np.random.default_rng(0).integers(0, 256, (11, 299, 299, 3))
    return (noise * np.linspace(0.1, 1, 11)[:, None, None, None]).astype(np.uint8)


@pytest.fixture(scope="module")
def network(small_graph):
    return Network.load(*small_graph)


def by_tensorflow(tf, path, pictures):
    """What TensorFlow says to `pictures`, one at a time, fed where resized pictures arrive."""
    names = ["mixed_10/join:0", "pool_3/_reshape:0", "final_result:0"]
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        tf.graph_util.import_graph_def(tf.compat.v1.GraphDef.FromString(path.read_bytes()), name="")
        answers = [session.run(names, {"ResizeBilinear:0": picture[None].astype(np.float32)}) for picture in pictures]
    return [np.concatenate(arrays) for arrays in zip(*answers, strict=True)]


def arrays(answer):
    return answer.feature_map, answer.bottleneck, answer.scores


def altered(small_graph, folder, alter):
    """A copy of the small graph on whose GraphDef `alter` was called."""
    definition = GraphDef.FromString(small_graph[0].read_bytes())
    alter(definition, {node.name: node for node in definition.node})
    path = folder / "altered.pb"
    path.write_bytes(definition.SerializeToString())
    return path


@pytest.mark.parametrize("graph", ["small_graph", "classic_graph"])
def test_answers_as_tensorflow_does(graph, tf, pictures, request):
    graph, labels = request.getfixturevalue(graph)
    answer = Network.load(graph, labels).run(pictures[:3])
    for ours, theirs in zip(arrays(answer), by_tensorflow(tf, graph, pictures[:3]), strict=True):
        assert ours.dtype == np.float32 and ours.shape == theirs.shape
        assert np.ptp(theirs, axis=0).max() > 0.01  # or agreement would say nothing
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("count", [1, 2, MAX_BATCH, MAX_BATCH + 3])
def test_a_picture_is_answered_alike_alone_and_among_others(count, network, pictures):
    together = network.run(pictures[:count])
    alone = [arrays(network.run(pictures[number : number + 1])) for number in range(count)]
    for ours, theirs in zip(arrays(together), map(np.concatenate, zip(*alone, strict=True)), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-6)


def test_threads_do_not_mix_answers(network, pictures):
    alone = [network.run(picture[None]).scores for picture in pictures]
    assert len(np.unique(np.round(alone, 3), axis=0)) == len(pictures)
    with ThreadPoolExecutor(4) as pool:
        for number, scores in enumerate(pool.map(lambda n: network.run(pictures[n % 11, None]).scores, range(110))):
            np.testing.assert_allclose(scores, alone[number % 11], atol=1e-6)


def test_an_answer_outlives_the_next_one(network, pictures):
    first = network.run(pictures[:1])
    before = [array.copy() for array in arrays(first)]
    network.run(pictures[-1:])
    for array, copy in zip(arrays(first), before, strict=True):
        np.testing.assert_array_equal(array, copy)


def test_pictures_need_not_be_contiguous(network, pictures):
    mirrored = pictures[:2, :, ::-1]
    np.testing.assert_array_equal(network.run(mirrored).scores, network.run(mirrored.copy()).scores)


@pytest.mark.parametrize(
    "wrong",
    [
        np.zeros((1, 299, 299, 3), np.float32),
        np.zeros((1, 299, 298, 3), np.uint8),
        np.zeros((299, 299, 3), np.uint8),
        np.zeros((0, 299, 299, 3), np.uint8),
    ],
    ids=lambda array: f"{array.dtype}{array.shape}",
)
def test_other_arrays_are_refused(wrong, network):
    with pytest.raises(ValueError, match="pictures are"):
        network.run(wrong)


def test_tasks_come_in_the_order_of_the_labels_and_part_the_scores(network, pictures):
    assert {name: task.labels for name, task in network.tasks.items()} == {
        "cough": ("not sick", "sick"),
        "pneumonia": ("normal", "bacterial pneumonia", "viral pneumonia"),
        "covid": ("normal", "covid-19", "other pneumonia"),
    }
    assert [task.columns for task in network.tasks.values()] == [slice(0, 2), slice(2, 5), slice(5, 8)]
    scores = network.run(pictures).scores
    for task in network.tasks.values():
        np.testing.assert_allclose(scores[:, task.columns].sum(axis=1), 1, atol=1e-5)


def test_weights_biases_and_temperature_give_the_scores(network, small_graph, pictures):
    graph, answer = Graph(small_graph[0].read_bytes()), network.run(pictures)
    for name, task in network.tasks.items():
        biases, temperature = (graph.constant(f"final_training_ops/{name}/{k}") for k in ("biases", "temperature"))
        odds = np.exp((answer.bottleneck @ task.weights + biases) / temperature)
        np.testing.assert_allclose(
            answer.scores[:, task.columns], odds / odds.sum(axis=1, keepdims=True), rtol=1e-4, atol=1e-6
        )


def test_the_bottleneck_is_the_mean_of_the_feature_map(network, pictures):
    answer = network.run(pictures[:2])
    np.testing.assert_allclose(answer.feature_map.mean(axis=(1, 2)), answer.bottleneck, rtol=1e-4, atol=1e-5)


def test_a_hidden_layer_has_no_linear_weights(small_graph, tmp_path):
    def add_relu(definition, nodes):
        relu = definition.node.add(name="hidden", op="Relu", input=["pool_3/_reshape"])
        relu.attr["T"].CopyFrom(nodes["MatMul"].attr["T"])
        nodes["MatMul"].input[0] = "hidden"

    tasks = Network.load(altered(small_graph, tmp_path, add_relu), small_graph[1]).tasks
    assert tasks["cough"].weights is None
    assert tasks["covid"].weights.shape == (16, 3)


def test_weights_may_be_stored_transposed(small_graph, network, pictures, tmp_path):
    weights = network.tasks["cough"].weights

    def transpose(_, nodes):
        nodes["final_training_ops/cough/weights"].attr["value"].tensor.CopyFrom(make_tensor_proto(weights.T))
        nodes["MatMul"].attr["transpose_b"].b = True

    transposed = Network.load(altered(small_graph, tmp_path, transpose), small_graph[1])
    np.testing.assert_array_equal(transposed.tasks["cough"].weights, weights)
    np.testing.assert_allclose(transposed.run(pictures).scores, network.run(pictures).scores, rtol=1e-4, atol=1e-6)


def test_the_graph_says_what_it_is(network, small_graph):
    assert network.size == (299, 299)
    assert network.metadata.name == "small" and list(network.metadata.tasks) == list(network.tasks)
    assert network.sha256 == hashlib.sha256(small_graph[0].read_bytes()).hexdigest()
    assert network.gate is None and network.mel_bank is None
    assert [task.input for task in network.tasks.values()] == ["sound", "picture", "picture"]


def test_a_classic_graph_has_one_task_and_no_metadata(classic_graph):
    network = Network.load(*classic_graph)
    assert list(network.tasks) == ["cough"] and network.metadata == GraphMetadata()
    weights = Graph(classic_graph[0].read_bytes()).constant("final_training_ops/weights/final_weights")
    np.testing.assert_array_equal(network.tasks["cough"].weights, weights)


def test_final_result_may_have_another_name(small_graph, network, pictures, tmp_path):
    path = altered(small_graph, tmp_path, lambda _, nodes: setattr(nodes["final_result"], "name", "my_scores"))
    np.testing.assert_array_equal(Network.load(path, small_graph[1]).run(pictures).scores, network.run(pictures).scores)


def test_the_feature_map_may_have_another_name(classic_graph, pictures, tmp_path):
    def rename(_, nodes):
        nodes["mixed_10/join"].name = nodes["pool_3"].input[0] = "mixed_b"

    path = altered(classic_graph, tmp_path, rename)
    expected = Network.load(*classic_graph).run(pictures).feature_map
    np.testing.assert_array_equal(Network.load(path, classic_graph[1]).run(pictures).feature_map, expected)


def test_a_trunk_needs_neither_head_nor_labels(small_graph, network, pictures, tmp_path):
    def behead(definition, nodes):
        nodes["DecodeJpeg"].input[0] = "nobody"
        del definition.node[list(nodes).index("pool_3/_reshape") + 1 :]

    trunk = GraphFile.read_trunk(altered(small_graph, tmp_path, behead)).start()
    answer, expected = trunk.run(pictures), network.run(pictures)
    assert trunk.tasks == {} and answer.scores.shape == (11, 0)
    np.testing.assert_array_equal(answer.bottleneck, expected.bottleneck)
    np.testing.assert_array_equal(answer.feature_map, expected.feature_map)


# --- graphs that cannot be served ---


def lose(*names):
    def alter(definition, nodes):
        definition.CopyFrom(GraphDef(node=[node for name, node in nodes.items() if name not in names]))

    return alter


def set_value(name, value):
    return lambda _, nodes: nodes[name].attr["value"].tensor.CopyFrom(make_tensor_proto(value))


def set_op(name, op):
    return lambda _, nodes: setattr(nodes[name], "op", op)


def loop(_, nodes):
    nodes["mixed_10/join"].input[0] = "mixed_10/join"


def operating_point_json(label):
    point = {"labels": [label], "threshold": 0.5, "sensitivity": 1, "specificity": 1, "cases": {"ill": 9, "healthy": 9}}
    return json.dumps({"tasks": {"cough": {"operating_point": point}}}).encode()


def add_mel_bank(bank):
    return lambda definition, _: definition.node.append(constant_node("tosa/mel_bank", bank))


HEAD = "final_training_ops/cough/"


@pytest.mark.parametrize(
    "alter, says",
    [
        pytest.param(lose("final_result"), "has no node final_result", id="no scores"),
        pytest.param(lose("pool_3/_reshape"), "has no node pool_3/_reshape", id="no bottleneck"),
        pytest.param(lose("ResizeBilinear"), "has no node ResizeBilinear", id="no place for pictures"),
        pytest.param(lose("trunk/conv"), "has no node trunk/conv", id="a node lost"),
        pytest.param(
            set_op("trunk/kernel/f16", "VariableV2"), "not frozen: VariableV2 trunk/kernel/f16", id="variable"
        ),
        pytest.param(set_op("MatMul", "Betainc"), "cannot be run by OpenVINO.*Betainc", id="unknown operation"),
        pytest.param(set_op("Softmax", "Sigmoid"), "scores for cough that do not sum to 1", id="no softmax"),
        pytest.param(set_value(HEAD + "biases", np.float32([np.inf, 0])), "not finite", id="infinite"),
        pytest.param(set_value(HEAD + "biases", np.float32([np.nan, 0])), "not finite", id="not a number"),
        pytest.param(set_value(HEAD + "weights", np.ones((15, 2), np.float32)), "cannot be run", id="shapes at odds"),
        pytest.param(set_value("pool_3/_reshape/shape", np.int32([1, -1])), "fixed to one number", id="one picture"),
        pytest.param(set_value("ResizeBilinear/size", np.int32([299, 2**20])), "which size", id="size of no picture"),
        pytest.param(loop, "contains a cycle at mixed_10/join", id="circle"),
        pytest.param(set_value("tosa/metadata", b'{"cut'), r"damaged JSON \(in tosa/metadata\)", id="metadata cut"),
        pytest.param(
            set_value("tosa/metadata", b'{"preprocessing": {"n_fft": 1023}}'), "n_fft is 1023", id="odd preprocessing"
        ),
        pytest.param(set_value("tosa/metadata", b'{"preprocessing": {"n_mels": 64}}'), "tosa/mel_bank", id="no bank"),
        pytest.param(
            set_value("tosa/metadata", operating_point_json("ill")), "cough: ill, which is not", id="other label"
        ),
        pytest.param(add_mel_bank(np.ones((128, 512))), r"an array \(128, 512\)", id="mel bank of another shape"),
        pytest.param(add_mel_bank(np.full((128, 513), np.nan)), "not finite numbers", id="mel bank not finite"),
        pytest.param(set_value("tosa/metadata", b"[1]"), "no JSON object .in tosa/metadata", id="metadata no object"),
    ],
)
def test_damaged_graphs_are_named(alter, says, small_graph, tmp_path):
    path = altered(small_graph, tmp_path, alter)
    with pytest.raises(ModelError, match=says) as error:
        Network.load(path, small_graph[1])
    assert str(path) in str(error.value) and "retrain.py" in str(error.value)


def flipped(data):
    """One bit of the first node's length, after which nothing is where it should be."""
    return data[:1] + bytes([data[1] ^ 0x40]) + data[2:]


@pytest.mark.parametrize(
    "damage, says",
    [
        (lambda data: b"", "is empty"),
        (lambda data: data[: len(data) // 2], "damaged, cut off"),
        (flipped, "damaged, cut off"),
        (lambda data: b"version https://git-lfs.github.com/spec/v1\n", "damaged, cut off"),
        (lambda data: b"\x89PNG\r\n\x1a\n" + bytes(1000), "damaged, cut off"),
    ],
    ids=["empty", "cut in the middle", "one bit", "text", "picture"],
)
def test_files_that_are_no_graph_are_named(damage, says, small_graph, tmp_path):
    path = tmp_path / "graph.pb"
    path.write_bytes(damage(small_graph[0].read_bytes()))
    with pytest.raises(ModelError, match=says) as error:
        Network.load(path, small_graph[1])
    assert str(path) in str(error.value)


@pytest.mark.parametrize("missing", ["no.pb", "folder"])
def test_files_that_are_not_there_are_named(missing, small_graph, tmp_path):
    (tmp_path / "folder").mkdir()
    for pair in [(tmp_path / missing, small_graph[1]), (small_graph[0], tmp_path / missing)]:
        with pytest.raises(ModelError) as error:
            Network.load(*pair)
        assert str(tmp_path / missing) in str(error.value)


@pytest.mark.parametrize(
    "labels, says",
    [
        ("not sick\nsick\n", "3 softmax layers, the label file has 1 tasks"),
        ("a\nb\nx: a\nx: b\nx: c\ny: a\ny: b\n", "3 scores for y, the label file has 2"),
        ("a\nb\nc\nx: a\nx: b\ny: a\ny: b\ny: c\n", "2 scores for cough, the label file has 3"),
    ],
)
def test_labels_that_do_not_fit_are_named(labels, says, small_graph, tmp_path):
    path = tmp_path / "labels.txt"
    path.write_text(labels)
    with pytest.raises(ModelError, match=says) as error:
        Network.load(small_graph[0], path)
    assert str(path) in str(error.value) and str(small_graph[0]) in str(error.value)


def test_labels_are_counted_where_the_weights_do_not_tell(small_graph, tmp_path):
    def hide(definition, nodes):
        for number, name in enumerate(("MatMul", "MatMul_1", "MatMul_2")):
            relu = definition.node.add(name=f"hidden{number}", op="Relu", input=["pool_3/_reshape"])
            relu.attr["T"].CopyFrom(nodes[name].attr["T"])
            nodes[name].input[0] = relu.name

    graph, labels = altered(small_graph, tmp_path, hide), tmp_path / "labels.txt"
    assert {task.weights for task in Network.load(graph, small_graph[1]).tasks.values()} == {None}
    labels.write_text("a\nb\nc\nx: a\nx: b\ny: a\ny: b\ny: c\n")
    with pytest.raises(ModelError, match="2 scores for cough, the label file has 3"):
        Network.load(graph, labels)


# --- the label file ---


@pytest.mark.parametrize(
    "text, labels",
    [
        (b"not sick\nsick\n", {"cough": ("not sick", "sick")}),
        (b"sick", {"cough": ("sick",)}),
        (b"\r\n not sick \r\n\r\nsick\r\n", {"cough": ("not sick", "sick")}),
        (b"\xef\xbb\xbfnot sick\nsick", {"cough": ("not sick", "sick")}),
        (b"not sick\ncough: sick\n", {"cough": ("not sick", "sick")}),
        (b"a: x\na: y\nz\n", {"a": ("x", "y"), "cough": ("z",)}),
        (b"two words:  covid-19: mild\n", {"two words": ("covid-19: mild",)}),
        (b"12:30\n", {"cough": ("12:30",)}),
        ("a: fiévreux\n".encode(), {"a": ("fiévreux",)}),
    ],
)
def test_label_files(text, labels, tmp_path):
    path = tmp_path / "labels.txt"
    path.write_bytes(text)
    assert read_labels(path) == labels
    assert list(read_labels(path)) == list(labels)


@pytest.mark.parametrize(
    "text, says",
    [
        (b"", "has no labels"),
        (b" \n\n", "has no labels"),
        (b"a: x\nb: y\na: z\n", "scatters the task a"),
        (b"x\nb: y\ncough: z\n", "scatters the task cough"),
        (b"a: x\na: x\n", "label 'x' twice"),
        (b"a:\n", "without a task or a label"),
        (b": x\n", "without a task or a label"),
        (b"sick\xff\n", "not UTF-8"),
    ],
)
def test_label_files_that_are_refused(text, says, tmp_path):
    path = tmp_path / "labels.txt"
    path.write_bytes(text)
    with pytest.raises(ModelError, match=says) as error:
        read_labels(path)
    assert str(path) in str(error.value)


# --- what loading leaves and brings along ---


@pytest.mark.parametrize("in_memory", [True, False])
def test_loading_leaves_nothing_behind(in_memory, small_graph, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    if not in_memory:
        monkeypatch.delattr("os.memfd_create", raising=False)
    Network.load(*small_graph)
    assert list(tmp_path.iterdir()) == []


def test_serving_neither_imports_tensorflow_nor_reports_to_openvino(small_graph, tmp_path):
    code = (
        f"import sys; from tosa.model.network import Network; Network.load({str(small_graph[0])!r},"
        f"{str(small_graph[1])!r});"
        "print([name for name in ('tensorflow', 'openvino_telemetry', 'keras') if sys.modules.get(name)])"
    )
    run = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env={"HOME": str(tmp_path)}, capture_output=True, text=True, check=True
    )
    assert run.stdout.strip() == "[]"
    assert list(tmp_path.iterdir()) == []


class TestCompiledModelCache:
    """What one start compiled, found by the next."""

    @pytest.fixture
    def cache(self, small_graph, tmp_path):
        network = GraphFile.read(*small_graph).start(precision="f32", cache=tmp_path / "cache")
        assert not (tmp_path / "cache").exists()  # the start does not wait for the disk
        network.save()
        return tmp_path / "cache"

    @staticmethod
    def started(files, cache, precision="f32", monkeypatch=None) -> Network:
        """A network, which must be found where there is a monkeypatch."""
        if monkeypatch:
            monkeypatch.setattr(networks, "prune", lambda *_: pytest.fail("compiled"))
        return GraphFile.read(*files).start(precision=precision, cache=cache)

    def test_it_is_not_compiled_again_and_answers_alike(self, small_graph, network, pictures, cache, monkeypatch):
        found = self.started(small_graph, cache, monkeypatch=monkeypatch)
        assert (found.precision, found.sha256, found.metadata) == ("f32", network.sha256, network.metadata)
        for one, other in zip(arrays(found.run(pictures)), arrays(network.run(pictures)), strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)
        with ThreadPoolExecutor(4) as pool:
            scores = list(pool.map(lambda _: found.run(pictures).scores, range(8)))
        np.testing.assert_allclose(scores, [network.run(pictures).scores] * 8, rtol=1e-5, atol=1e-6)
        asked = found._engine
        assert asked._alone.transformed is asked._together.transformed  # the file's own memory, once

    @pytest.mark.parametrize("overlap", ["before", "after"])
    def test_what_has_been_written_is_used(self, overlap, small_graph, network, pictures, tmp_path, monkeypatch):
        """Whether requests have overlapped before it is there or not; and it can go from memory at any time."""
        read, found, released = networks.CompiledModelCache.read, [], []
        release = networks.CompiledModelCache.release
        monkeypatch.setattr(networks.CompiledModelCache, "read", lambda kept: found.append(read(kept)) or found[-1])
        monkeypatch.setattr(networks.CompiledModelCache, "release", lambda kept: released.append(release(kept)))
        asked = GraphFile.read(*small_graph).start(precision="f32", cache=tmp_path)
        if overlap == "before":
            asked._engine._for_several()
        asked.save()
        together = asked._engine._for_several()
        for compiled in (asked._engine._alone, together):
            assert np.shares_memory(compiled.transformed.data, found[-1])
        for times in (1, 2):
            assert len(released) == times
            with ThreadPoolExecutor(4) as pool:
                scores = list(pool.map(lambda _: asked.run(pictures).scores, range(8)))
            np.testing.assert_allclose(scores, [network.run(pictures).scores] * 8, rtol=1e-5, atol=1e-6)
            asked.save()

    def test_what_could_not_be_written_is_not_used(self, small_graph, cache, monkeypatch):
        """Though something lies there: it has been tried at the start, and was no good."""
        monkeypatch.setattr(GraphFile, "_loaded", lambda *_: None)
        asked = self.started(small_graph, cache)
        monkeypatch.setattr(networks.CompiledModelCache, "write", lambda *_: False)
        asked.save()
        together = asked._engine._for_several()
        assert together is not asked._engine._alone and asked._stored._mapped is None

    def test_it_is_written_once(self, small_graph, cache):
        (file,) = cache.iterdir()
        written = file.stat().st_ino
        self.started(small_graph, cache).save()
        assert [file.stat().st_ino for file in cache.iterdir()] == [written]

    @pytest.mark.parametrize("changed", ["graph", "precision", "code"])
    def test_what_has_changed_is_compiled(self, changed, small_graph, classic_graph, cache, monkeypatch):
        if changed == "code":
            monkeypatch.setattr(networks, "cache_key_parts", lambda: ["new code"])
        files = classic_graph if changed == "graph" else small_graph
        self.started(files, cache, "bf16" if changed == "precision" else "f32").save()
        assert len(list(cache.iterdir())) == 2

    @pytest.mark.parametrize("damage", [lambda data: data[:-9], flipped])
    def test_a_damaged_one_is_compiled_and_written_again(self, damage, small_graph, cache, monkeypatch):
        (file,) = cache.iterdir()
        file.write_bytes(damage(file.read_bytes()))
        again = self.started(small_graph, cache)
        assert again.run(np.zeros((1, 299, 299, 3), np.uint8)).scores.any()
        again.save()
        self.started(small_graph, cache, monkeypatch=monkeypatch)

    def test_one_that_does_not_answer_rightly_is_compiled(self, small_graph, network, pictures, cache, monkeypatch):
        checks, check = [], Network._check

        def fail_once(asked):
            checks.append(asked)
            if len(checks) == 1:
                raise GraphError("answers with numbers that are not finite")
            check(asked)

        monkeypatch.setattr(Network, "_check", fail_once)
        again = self.started(small_graph, cache)
        np.testing.assert_allclose(again.run(pictures).scores, network.run(pictures).scores, rtol=1e-5)
        assert len(checks) == 2

    def test_one_that_openvino_cannot_read_is_compiled(self, small_graph, network, pictures, cache):
        (file,) = cache.iterdir()
        content = np.arange(1000).astype(np.uint8)
        file.write_bytes(content.tobytes() + hashlib.sha256(content).digest())
        again = self.started(small_graph, cache)
        np.testing.assert_allclose(again.run(pictures).scores, network.run(pictures).scores, rtol=1e-5)
