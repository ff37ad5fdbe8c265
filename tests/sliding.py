"""Recordings with coughs at known times, and a small graph that hears them."""

import json

import numpy as np

RATE = 22_050
COUGH_SECONDS = 0.4
NOISE = 0.001  # of full scale, between the coughs
STEEPNESS = 60.0
BORDER = 0.28  # mean of the red channel, from 0 to 1


def recording(times, seconds: float, rate: int = RATE, strength: float = 0.5) -> np.ndarray:
    """Quiet noise with a burst that decays, as a cough does, at each of the times: float32 (seconds * rate,)."""
    random = np.random.default_rng(5)
    sound = random.normal(0, NOISE, round(seconds * rate))
    for start in times:
        time = np.arange(round(COUGH_SECONDS * rate)) / rate
        cough = random.normal(0, strength / 3, len(time)) * np.minimum(time / 0.01, 1) * np.exp(-time / 0.1)
        first = round(start * rate)
        sound[first : first + len(cough)] += cough[: len(sound) - first]
    return sound.clip(-1, 1).astype(np.float32)


def write_graph(tf, folder, size: int = 299, operating_point: bool = True):
    """Writes a graph that calls a spectrogram sick if most of it is black, as that of a short sound is.

    A second of noise fills two fifths of the picture, a burst in it much less. Returns the paths of graph and labels.
    """
    ops = tf.raw_ops
    with tf.Graph().as_default() as graph:
        contents = tf.compat.v1.placeholder(tf.string, [], name="DecodeJpeg/contents")
        jpeg = ops.DecodeJpeg(contents=contents, channels=3, name="DecodeJpeg")
        picture = ops.Cast(x=jpeg, DstT=tf.float32, name="Cast")
        shape = tf.constant([size, size], name="ResizeBilinear/size")
        resized = ops.ResizeBilinear(
            images=tf.expand_dims(picture, 0, name="ExpandDims"), size=shape, name="ResizeBilinear"
        )
        centred = ops.Sub(x=resized, y=tf.constant(0.0, name="Sub/y"), name="Sub")
        scaled = ops.Mul(x=centred, y=tf.constant(1 / 255, name="Mul/y"), name="Mul")
        step = size // 8
        small = ops.AvgPool(value=scaled, ksize=[1, step, step, 1], strides=[1, step, step, 1], padding="VALID")
        features = tf.identity(small, name="mixed_10/join")
        pooled = ops.AvgPool(value=features, ksize=[1, 8, 8, 1], strides=[1] * 4, padding="VALID", name="pool_3")
        bottleneck = tf.reshape(pooled, tf.constant([-1, 3], name="pool_3/_reshape/shape"), name="pool_3/_reshape")
        weights = tf.constant([[0.0, -STEEPNESS], [0, 0], [0, 0]], tf.float32, name="final_training_ops/cough/weights")
        biases = tf.constant([0.0, STEEPNESS * BORDER], tf.float32, name="final_training_ops/cough/biases")
        scores = tf.nn.softmax(ops.AddV2(x=tf.matmul(bottleneck, weights), y=biases))
        tf.identity(scores, name="final_result")
        point = {"labels": ["sick"], "threshold": 0.5, "sensitivity": 0.9, "specificity": 0.9,
                 "cases": {"ill": 10, "healthy": 10}}  # fmt: skip
        task = {"from": "sound"} | ({"operating_point": point} if operating_point else {})
        tf.constant(json.dumps({"name": "dark", "tasks": {"cough": task}}).encode(), name="tosa/metadata")
    (folder / "graph.pb").write_bytes(graph.as_graph_def().SerializeToString())
    (folder / "labels.txt").write_text("cough: not sick\ncough: sick\n", encoding="utf-8")
    return folder / "graph.pb", folder / "labels.txt"
