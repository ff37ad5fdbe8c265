"""The classic training of a last layer, to measure against.

Bottlenecks lie as comma-separated text, a file a picture. Every step opens and parses a hundred of them, drawn with
replacement, and runs one step of gradient descent in a TensorFlow session; every tenth step also measures accuracy
and cross entropy on the batch and on a hundred validation bottlenecks, which are read likewise.
"""

import os
from pathlib import Path

import numpy as np

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import tensorflow.compat.v1 as tf

BATCH, EVERY = 100, 10


def write_cache(folder: Path, bottlenecks: np.ndarray) -> list[Path]:
    """Writes a text file for each of the bottlenecks (n, features)."""
    files = [folder / f"{number}.jpg_inception_v3.txt" for number in range(len(bottlenecks))]
    for file, values in zip(files, bottlenecks, strict=True):
        file.write_text(",".join(map(str, values.tolist())))
    return files


class ClassicHead:
    """A softmax layer in a session, and the cached files that it learns from."""

    def __init__(self, files: list[Path], targets: np.ndarray, features: int, labels: int):
        """targets: int (n,), the label of each file. The last fifth of the files is for validation."""
        self.files, self.wanted = files, np.eye(labels, dtype=np.float32)[targets]
        self.split = len(files) * 4 // 5
        self.random = np.random.default_rng(0)
        with tf.Graph().as_default() as graph:
            self.given = tf.placeholder(tf.float32, [None, features])
            self.truth = tf.placeholder(tf.float32, [None, labels])
            weights = tf.Variable(tf.truncated_normal([features, labels], stddev=0.001))
            logits = self.given @ weights + tf.Variable(tf.zeros([labels]))
            losses = tf.nn.softmax_cross_entropy_with_logits_v2(labels=tf.stop_gradient(self.truth), logits=logits)
            self.loss = tf.reduce_mean(losses)
            self.learn = tf.train.GradientDescentOptimizer(0.01).minimize(self.loss)
            right = tf.equal(tf.argmax(logits, 1), tf.argmax(self.truth, 1))
            self.accuracy = tf.reduce_mean(tf.cast(right, tf.float32))
            start = tf.global_variables_initializer()
        self.session = tf.Session(graph=graph)
        self.session.run(start)

    def train(self, steps: int) -> None:
        for step in range(steps):
            batch = self._read(0, self.split)
            self.session.run(self.learn, batch)
            if step % EVERY == 0:
                self.session.run([self.accuracy, self.loss], batch)
                self.session.run([self.accuracy, self.loss], self._read(self.split, len(self.files)))

    def _read(self, first: int, end: int) -> dict:
        chosen = self.random.integers(first, end, BATCH)
        values = [[float(text) for text in self.files[number].read_text().split(",")] for number in chosen]
        return {self.given: values, self.truth: self.wanted[chosen]}
