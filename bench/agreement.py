"""Compares the answers of the served engine with TensorFlow's in float32, over all sounds and X-rays of a folder.

    python bench/agreement.py --data FOLDER [--every 10] [--imitate-bfloat16]

TensorFlow runs the graph as its file says, fed with the picture where the decoded one arrives. A finding is one task's
answer about one file; its difference is that of the label whose score moved most. What a processor with bfloat16 would
say can be imitated on any other: TensorFlow then rounds whatever goes into a sum, and adds in float32 as those do.
"""

import argparse
import os
from pathlib import Path

import numpy as np
from engines import Engine, tensorflow_engine
from measure import PICTURES, SOUNDS, Row
from tqdm import tqdm

from tosa.errors import RequestError
from tosa.inputs import audio, xray
from tosa.model.network import Network
from tosa.settings import Settings

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import tensorflow.compat.v1 as tf

EVERY = 40  # what `make bench` takes
SUMS = {"Conv2D", "MatMul", "AvgPool", "Softmax"}  # what changes numbers; Relu, MaxPool and ConcatV2 choose among them


def rows(data: Path, every: int = EVERY, imitate_bfloat16: bool = False) -> list[Row]:
    network = Network.load(Settings().graph, Settings().labels)
    ours, precision = (lambda picture: network.run(picture).scores), network.precision
    if imitate_bfloat16:
        ours, precision = tensorflow_engine(Settings().graph, in_bfloat16), "imitated bf16"
    agreeing, apart, refused = compare(network, ours, data, every)
    share, median, worst = np.mean(agreeing), np.median(apart), np.quantile(apart, 0.999)
    what = f"same diagnosis, {len(apart)} findings, {refused} files refused, in {precision}"
    against, aim = "float32 TensorFlow", "at least 99.5 %"
    shown = f"scores: median {median:.1e}, 99.9th percentile {worst:.4f}, most {max(apart):.4f}"
    return [
        Row(what, f"{np.sum(agreeing)}", against, f"{share:.2%}", aim, share >= 0.995),
        Row("its scores' difference", shown, against, "", "at most 0.02 and 0.1", median <= 0.02 and worst <= 0.1),
    ]


def in_bfloat16(graph: tf.GraphDef) -> tf.GraphDef:
    """Returns the graph with all inputs of its sums, both pictures and weights, rounded to bfloat16."""
    rounded, done = tf.GraphDef(versions=graph.versions), set()
    for node in graph.node:
        copy = rounded.node.add()
        copy.CopyFrom(node)
        for number, name in enumerate(node.input if node.op in SUMS else []):
            copy.input[number] = f"{name}/rounded"
            if name not in done:
                _cast(rounded, f"{name}/bfloat16", name, tf.float32, tf.bfloat16)
                _cast(rounded, f"{name}/rounded", f"{name}/bfloat16", tf.bfloat16, tf.float32)
                done.add(name)
    return rounded


def _cast(graph: tf.GraphDef, name: str, source: str, given: tf.DType, wanted: tf.DType) -> None:
    node = graph.node.add(name=name, op="Cast", input=[source])
    node.attr["SrcT"].type, node.attr["DstT"].type = given.as_datatype_enum, wanted.as_datatype_enum


def compare(network: Network, ours: Engine, data: Path, every: int) -> tuple[list[bool], list[float], int]:
    """Returns for each finding whether the diagnosis is the same and how far scores differ; and the number refused."""
    reference = tensorflow_engine(Settings().graph)
    agreeing, apart, refused = [], [], 0
    files = sorted(path for path in data.rglob("*") if path.suffix.lower() in SOUNDS | PICTURES)[::every]
    for file in tqdm(files, desc="agreement", unit="file", disable=None):
        is_sound = file.suffix.lower() in SOUNDS
        try:
            drawn = (audio if is_sound else xray).picture(file.read_bytes())
        except RequestError:
            refused += 1
            continue
        pixels = xray.resize(drawn, network.size)[None]
        scores, expected = ours(pixels)[0], reference(pixels)[0]
        for task in network.tasks.values():
            if (task.input == "sound") == is_sound:
                agreeing.append(bool(scores[task.columns].argmax() == expected[task.columns].argmax()))
                apart.append(float(np.abs(scores[task.columns] - expected[task.columns]).max()))
    return agreeing, apart, refused


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of sounds and X-rays, in depth")
    parser.add_argument("--every", type=int, default=1, help="take every n-th file only")
    parser.add_argument("--imitate-bfloat16", action="store_true", help="compare what a bfloat16 processor would say")
    given = parser.parse_args()
    print(*rows(given.data, given.every, given.imitate_bfloat16), sep="\n")
