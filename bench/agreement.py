"""Whether the served engine says what TensorFlow says in float32, over all sounds and X-rays of a folder.

    python bench/agreement.py --data FOLDER [--every 10]

TensorFlow runs the graph as its file says, fed with the picture where the decoded one arrives. A finding is one task's
answer about one file; its difference is that of the label whose score moved most.
"""

import argparse
import os
from pathlib import Path

import numpy as np
from measure import PICTURES, SOUNDS, Row
from tqdm import tqdm

from tosa import audio, screening, xray
from tosa.errors import RequestError
from tosa.graph import RESIZED, RESULT
from tosa.network import Network
from tosa.settings import Settings

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import tensorflow.compat.v1 as tf  # noqa: E402

EVERY = 40  # what `make bench` takes


def rows(data: Path, every: int = EVERY) -> list[Row]:
    network = Network.load(Settings().graph, Settings().labels)
    agreeing, apart, refused = compare(network, data, every)
    share, median, worst = np.mean(agreeing), np.median(apart), np.quantile(apart, 0.999)
    what = f"same diagnosis, {len(apart)} findings, {refused} files refused, in {network.precision}"
    against, aim = "float32 TensorFlow", "at least 99.5 %"
    shown = f"scores: median {median:.1e}, 99.9th percentile {worst:.4f}, most {max(apart):.4f}"
    return [
        Row(what, f"{np.sum(agreeing)}", against, f"{share:.2%}", aim, share >= 0.995),
        Row("its scores' difference", shown, against, "", "at most 0.02 and 0.1", median <= 0.02 and worst <= 0.1),
    ]


def compare(network: Network, data: Path, every: int) -> tuple[list[bool], list[float], int]:
    """Of each finding whether the diagnosis is the same and how far its scores are apart; how many were refused."""
    session = tf.Session(graph=tf.Graph())
    with session.graph.as_default():
        tf.import_graph_def(tf.GraphDef.FromString(Settings().graph.read_bytes()), name="")
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
        ours = network.run(pixels).scores[0]
        theirs = session.run(f"{RESULT}:0", {f"{RESIZED}:0": pixels.astype(np.float32)})[0]
        for task in network.tasks.values():
            if screening._is_of_sound(task, network.metadata) == is_sound:
                agreeing.append(bool(ours[task.columns].argmax() == theirs[task.columns].argmax()))
                apart.append(float(np.abs(ours[task.columns] - theirs[task.columns]).max()))
    return agreeing, apart, refused


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of sounds and X-rays, in depth")
    parser.add_argument("--every", type=int, default=1, help="take every n-th file only")
    given = parser.parse_args()
    print(*rows(given.data, given.every), sep="\n")
