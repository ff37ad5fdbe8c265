"""Graphs to test with: small enough to answer in milliseconds, with the names and quirks of the real ones."""

import json
import os
from pathlib import Path

import numpy as np
import pytest

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ["TOSA_CACHE"] = ""  # no test finds what another compiled
os.environ.setdefault("TOSA_PRECISION", "f32")  # the same answers on every processor

CHANNELS = 16
TASKS = {
    "cough": ("not sick", "sick"),
    "pneumonia": ("normal", "bacterial pneumonia", "viral pneumonia"),
    "covid": ("normal", "covid-19", "other pneumonia"),
}


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """With `-n`, the tests of a file stay in one process; those of the page do all, since they share browsers."""
    for item in items:
        group = "page" if item.path.parent.name == "page" else item.path.name
        item.add_marker(pytest.mark.xdist_group(group))


@pytest.fixture(scope="session")
def tf():
    """TensorFlow, which takes seconds to import."""
    return pytest.importorskip("tensorflow")


@pytest.fixture(scope="session")
def small_graph(tf, tmp_path_factory) -> tuple[Path, Path]:
    """A graph in Tosa's own format, tasks cough, pneumonia and covid, and its label file."""
    ops, random = tf.raw_ops, np.random.default_rng(1)
    with tf.Graph().as_default() as graph:
        pictures = _pictures(tf)
        weights = tf.constant(random.normal(size=(3, 3, 3, CHANNELS)), tf.float16, name="trunk/kernel/f16")
        kernel = ops.Cast(x=weights, DstT=tf.float32, name="trunk/kernel")
        conv = ops.Conv2D(input=pictures, filter=kernel, strides=[1] * 4, padding="SAME", name="trunk/conv")
        scale, offset, mean, variance = (tf.constant(value, tf.float32) for value in _statistics(random))
        norm = ops.FusedBatchNormV3(
            x=conv, scale=scale, offset=offset, mean=mean, variance=variance, epsilon=1e-3, is_training=False
        )
        features = tf.identity(tf.nn.relu(norm.y), name="mixed_10/join")
        bottleneck = _pool(tf, features, [-1, CHANNELS])
        scores = [_head(tf, bottleneck, task, len(labels), random) for task, labels in TASKS.items()]
        tf.concat(scores, 1, name="final_result")
        tf.constant(json.dumps({"name": "small", "tasks": embedded_words()}).encode(), name="tosa/metadata")
        tf.constant(np.arange(CHANNELS), tf.float32, name="tosa/mean")
    lines = [f"{task}: {label}\n" for task, labels in TASKS.items() for label in labels]
    return _write(tmp_path_factory.mktemp("small"), graph.as_graph_def(), "".join(lines))


def embedded_words() -> dict:
    """What the embedded graph calls its tasks and labels, without what it says of their data."""
    words = json.loads((Path(__file__).parent.parent / "docs" / "embedded_words.json").read_text(encoding="utf-8"))
    kept = ("title", "names", "headlines", "descriptions", "limits")
    return {name: {key: task[key] for key in kept} for name, task in words["tasks"].items()}


@pytest.fixture(scope="session")
def classic_graph(tf, tmp_path_factory) -> tuple[Path, Path]:
    """What retrain.py made of the 2015 Inception graph: two labels, old operations, one picture at a time."""
    random = np.random.default_rng(2)
    with tf.Graph().as_default() as graph:
        pictures = _pictures(tf)
        branches = [_classic_conv(tf, pictures, f"mixed_10/conv_{number}", random) for number in range(2)]
        features = tf.raw_ops.Concat(concat_dim=3, values=branches, name="mixed_10/join")
        bottleneck = _pool(tf, features, [1, CHANNELS])
        imagenet = tf.constant(random.normal(size=(CHANNELS, 7)), tf.float32, name="softmax/weights")
        tf.nn.softmax(tf.matmul(bottleneck, imagenet), name="softmax")
        given = tf.compat.v1.placeholder_with_default(bottleneck, [None, CHANNELS], "input/BottleneckInputPlaceholder")
        head = "final_training_ops/"
        weights = tf.constant(random.normal(size=(CHANNELS, 2)), tf.float32, name=head + "weights/final_weights")
        weights = tf.identity(weights, name=head + "weights/final_weights/read")
        product = tf.matmul(given, weights, name=head + "Wx_plus_b/MatMul")
        biases = tf.constant([0.1, -0.1], name=head + "biases/final_biases")
        logits = tf.raw_ops.Add(x=product, y=biases, name=head + "Wx_plus_b/add")
        tf.nn.softmax(logits, name="final_result")
    return _write(tmp_path_factory.mktemp("classic"), _age(graph.as_graph_def()), "not sick\nsick\n")


def _pictures(tf):
    """From JPEG bytes to pictures of 8 x 8 pixels around [-1, 1]."""
    ops = tf.raw_ops
    contents = tf.compat.v1.placeholder(tf.string, [], name="DecodeJpeg/contents")
    picture = ops.Cast(x=ops.DecodeJpeg(contents=contents, channels=3, name="DecodeJpeg"), DstT=tf.float32, name="Cast")
    size = tf.constant([299, 299], name="ResizeBilinear/size")
    resized = ops.ResizeBilinear(images=tf.expand_dims(picture, 0, name="ExpandDims"), size=size, name="ResizeBilinear")
    centred = ops.Sub(x=resized, y=tf.constant(128.0, name="Sub/y"), name="Sub")
    scaled = ops.Mul(x=centred, y=tf.constant(1 / 128, name="Mul/y"), name="Mul")
    return ops.AvgPool(value=scaled, ksize=[1, 37, 37, 1], strides=[1, 37, 37, 1], padding="VALID", name="pool")


def _pool(tf, features, shape):
    pooled = tf.raw_ops.AvgPool(value=features, ksize=[1, 8, 8, 1], strides=[1] * 4, padding="VALID", name="pool_3")
    return tf.reshape(pooled, tf.constant(shape, name="pool_3/_reshape/shape"), name="pool_3/_reshape")


def _head(tf, bottleneck, task, labels, random):
    """One linear layer, its temperature and softmax, named as the exporter names them."""
    prefix = f"final_training_ops/{task}/"
    weights = tf.constant(random.normal(0, 0.2, (CHANNELS, labels)), tf.float32, name=prefix + "weights")
    biases = tf.constant(random.normal(0, 0.2, labels), tf.float32, name=prefix + "biases")
    logits = tf.raw_ops.Add(x=tf.matmul(bottleneck, weights), y=biases)
    return tf.nn.softmax(logits / tf.constant(1.5, name=prefix + "temperature"))


def _statistics(random, channels=CHANNELS):
    """Scale, offset, mean and variance of a batch normalisation."""
    return random.uniform(0.5, 2, channels), *random.normal(size=(2, channels)), random.uniform(0.5, 2, channels)


def _classic_conv(tf, pictures, name, random):
    """Convolution, normalisation and ReLU as of 2015, the normalisation still a FusedBatchNorm for `_age`."""
    channels = CHANNELS // 2
    kernel = tf.constant(random.normal(size=(3, 3, 3, channels)), tf.float32, name=f"{name}/conv2d_params")
    conv = tf.raw_ops.Conv2D(input=pictures, filter=kernel, strides=[1] * 4, padding="SAME", name=f"{name}/Conv2D")
    scale, offset, mean, variance = (tf.constant(value, tf.float32) for value in _statistics(random, channels))
    norm = tf.raw_ops.FusedBatchNorm(
        x=conv, scale=scale, offset=offset, mean=mean, variance=variance, epsilon=1e-3, is_training=False,
        name=f"{name}/batchnorm",
    ).y  # fmt: skip
    with tf.control_dependencies([tf.raw_ops.CheckNumerics(tensor=norm, message="NaN", name=f"{name}/CheckNumerics")]):
        return tf.nn.relu(tf.identity(norm, name=f"{name}/control_dependency"), name=name)


def _age(definition):
    """Turns FusedBatchNorm into the operation it replaced, with and without its scale, under a version that has it."""
    definition.versions.producer = 8
    for number, node in enumerate(node for node in definition.node if node.op == "FusedBatchNorm"):
        picture, scale, offset, mean, variance = node.input
        epsilon = node.attr["epsilon"].f
        node.op = "BatchNormWithGlobalNormalization"
        node.input[:] = [picture, mean, variance, offset, scale]
        for name in set(node.attr) - {"T"}:
            del node.attr[name]
        node.attr["variance_epsilon"].f = epsilon
        node.attr["scale_after_normalization"].b = number == 0
    return definition


def _write(folder: Path, definition, labels: str) -> tuple[Path, Path]:
    graph, label_file = folder / "graph.pb", folder / "labels.txt"
    graph.write_bytes(definition.SerializeToString())
    label_file.write_text(labels, encoding="utf-8")
    return graph, label_file
