"""Compares the answers of the served engine with TensorFlow's in float32, over all sounds and X-rays of a folder.

    python bench/agreement.py --data FOLDER [--every 10] [--imitate-bfloat16]

TensorFlow runs the graph as its file says, fed with the picture where the decoded one arrives. A finding is one task's
answer about one file; its difference is that of the label whose score moved most. What a processor with bfloat16 would
say can be imitated on any other: TensorFlow then rounds whatever goes into a sum, and adds in float32 as those do.
"""

import argparse
import os
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from engines import tensorflow_engine
from measure import PICTURES, SOUNDS, Row
from tqdm import tqdm

from tosa.errors import RequestError
from tosa.inputs import spectrogram, xray
from tosa.model.metadata import Input
from tosa.model.network import Answer, Network
from tosa.settings import Settings

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import tensorflow.compat.v1 as tf

EVERY = 40  # what `make bench` takes
SUMS = {"Conv2D", "MatMul", "AvgPool", "Softmax"}  # what changes numbers; Relu, MaxPool and ConcatV2 choose among them


def rows(data: Path, every: int = EVERY, imitate_bfloat16: bool = False) -> list[Row]:
    network = Network.load(Settings().graph)
    ours, precision = network.run, network.precision
    if imitate_bfloat16:
        imitated, precision = tensorflow_engine(Settings().graph, in_bfloat16), "imitated bf16"
        none = np.empty(0, np.intp)

        def ours(picture: np.ndarray, _: Input) -> Answer:
            return Answer(none, none, imitated(picture), none)

    found = compare(network, ours, data, every)
    apart = found.apart
    share, median, worst = np.mean(found.agreeing), np.median(apart), np.quantile(apart, 0.999)
    what = f"same diagnosis, {len(apart)} findings, {found.refused} files refused, in {precision}"
    against, aim = "float32 TensorFlow", "at least 99.9 %"
    shown = f"scores: median {median:.1e}, 99.9th percentile {worst:.4f}, most {max(apart):.4f}"
    made = [
        Row(what, f"{np.sum(found.agreeing)}", against, f"{share:.2%}", aim, share >= 0.999),
        Row("its scores' difference", shown, against, "", "99.9th percentile at most 0.03", worst <= 0.03),
    ]
    return [*made, _asked_again(found)] if network.again else made


def _asked_again(found: "Comparison") -> Row:
    """The share of files that were computed again in float32, in all and by kind of input."""
    kinds = ", ".join(f"{kind}s {np.mean(again):.1%} of {len(again)}" for kind, again in found.again.items() if again)
    share = np.mean([each for again in found.again.values() for each in again])
    return Row("files computed again in float32", kinds, "all", f"{share:.1%}", "under 8 %", share < 0.08)


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


@dataclass(frozen=True)
class Comparison:
    """What a folder of files showed."""

    agreeing: list[bool] = field(default_factory=list)  # of each finding, whether the diagnosis is the same
    apart: list[float] = field(default_factory=list)  # of each finding, how far scores differ
    again: dict[Input, list[bool]] = field(default_factory=lambda: {"sound": [], "picture": []})  # by file
    refused: int = 0


def compare(network: Network, ours: Callable[[np.ndarray, Input], Answer], data: Path, every: int) -> Comparison:
    """Returns how far answers are from TensorFlow's in float32."""
    reference, found, refused = tensorflow_engine(Settings().graph), Comparison(), 0
    files = sorted(path for path in data.rglob("*") if path.suffix.lower() in SOUNDS | PICTURES)[::every]
    for file in tqdm(files, desc="agreement", unit="file", disable=None):
        kind: Input = "sound" if file.suffix.lower() in SOUNDS else "picture"
        try:
            drawn = drawing(file.read_bytes(), kind, network)
        except RequestError:
            refused += 1
            continue
        pixels = xray.resize(drawn, network.size)[None]
        answer, expected = ours(pixels, kind), reference(pixels)[0]
        found.again[kind].append(bool(len(answer.again)))
        for task in network.tasks.values():
            if task.input == kind:
                scores, wanted = answer.scores[0, task.columns], expected[task.columns]
                found.agreeing.append(bool(scores.argmax() == wanted.argmax()))
                found.apart.append(float(np.abs(scores - wanted).max()))
    return replace(found, refused=refused)


def drawing(data: bytes, kind: Input, network: Network) -> np.ndarray:
    """Returns the picture of a file: uint8 (height, width, 3). Raises what the readers raise."""
    preprocessing = network.metadata.preprocessing
    if kind == "picture":
        return xray.picture(data, preprocessing)
    return spectrogram.draw_file(data, preprocessing, network.mel_bank)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of sounds and X-rays, in depth")
    parser.add_argument("--every", type=int, default=1, help="take every n-th file only")
    parser.add_argument("--imitate-bfloat16", action="store_true", help="compare what a bfloat16 processor would say")
    given = parser.parse_args()
    print(*rows(given.data, given.every, given.imitate_bfloat16), sep="\n")
