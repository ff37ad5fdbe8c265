"""Compares engines over one graph: TensorFlow as the reference, OpenVINO in f32, in bf16 where it is native, in int8.

    python bench/engines.py [--graph G --labels L] [--pictures FOLDER] [--rounds 20]

Prints the median milliseconds a picture takes alone and in a batch of 8, and how far the scores are from
TensorFlow's. Engines take turns, so that whatever else the machine does slows all of them alike.
"""

import argparse
import os
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import tensorflow as tf

from tosa.model.engine import native_precision
from tosa.model.graph import RESIZED, Graph
from tosa.model.network import Network
from tosa.settings import Settings

SIDE = 299
BATCHES = (1, 8)
Engine = Callable[[np.ndarray], np.ndarray]  # pictures (N, 299, 299, 3) uint8 to scores (N, K)


def main() -> None:
    options = parse()
    pictures = read_pictures(options.pictures) if options.pictures else random_pictures(32)
    print(table(options.graph, options.labels, pictures, options.rounds))


def table(graph: Path | None = None, labels: Path | None = None, pictures: np.ndarray | None = None, rounds=8) -> str:
    """Returns milliseconds and differences of each engine as Markdown; by default of the embedded graph."""
    graph, labels = graph or Settings().graph, labels or Settings().labels
    pictures = random_pictures(32) if pictures is None else pictures
    engines = {"TensorFlow": tensorflow_engine(graph)}
    quantized = {"int8"} if Graph(graph.read_bytes()).activation_ranges() else set()
    for precision in sorted({"f32", native_precision()} | quantized):
        engines[f"OpenVINO {precision}"] = openvino_engine(graph, labels, precision)
    return report(engines, time_in_turns(engines, pictures, rounds), pictures)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--graph", type=Path, default=Settings().graph, help="frozen graph (default: the served one)")
    parser.add_argument("--labels", type=Path, default=Settings().labels, help="its label file")
    parser.add_argument("--pictures", type=Path, help="folder of pictures, searched in depth (default: random ones)")
    parser.add_argument("--rounds", type=int, default=20, help="how often each engine is timed at each batch size")
    return parser.parse_args()


def tensorflow_engine(path: Path, change: Callable = lambda graph: graph) -> Engine:
    """Imports the graph of a file, changed where asked, with any number of resized pictures as its input."""
    definition = change(tf.compat.v1.GraphDef.FromString(path.read_bytes()))
    with tf.Graph().as_default() as graph:
        pictures = tf.compat.v1.placeholder(tf.uint8, (None, SIDE, SIDE, 3))
        resized = {f"{RESIZED}:0": tf.cast(pictures, tf.float32)}
        tf.graph_util.import_graph_def(definition, resized, name="")
    session = tf.compat.v1.Session(graph=graph)
    scores = Graph(path.read_bytes()).result() + ":0"
    return lambda batch: session.run(scores, {pictures: batch})


def openvino_engine(graph: Path, labels: Path, precision: str) -> Engine:
    network = Network.load(graph, labels, precision=precision)
    return lambda batch: network.run(batch).scores


def time_in_turns(engines: dict[str, Engine], pictures: np.ndarray, rounds: int) -> dict[tuple[str, int], float]:
    """Returns median milliseconds a picture by engine and batch size; none if an engine takes one picture only."""
    times: dict[tuple[str, int], list[float]] = {}
    for turn in range(rounds + 1):
        for name, engine in engines.items():
            for batch in BATCHES:
                start = time.perf_counter()
                try:
                    engine(pictures[:batch])
                except tf.errors.InvalidArgumentError:  # classic graphs fix the bottleneck to one picture
                    continue
                if turn:  # the first one warms up
                    times.setdefault((name, batch), []).append((time.perf_counter() - start) * 1000 / batch)
    return {key: statistics.median(values) for key, values in times.items()}


def report(engines: dict[str, Engine], times: dict[tuple[str, int], float], pictures: np.ndarray) -> str:
    scores = {name: np.concatenate([engine(picture[None]) for picture in pictures]) for name, engine in engines.items()}
    reference = scores["TensorFlow"]
    lines = [f"{len(pictures)} pictures, whose scores spread {reference.std(axis=0).max():.3f}.\n"]
    lines += ["| engine | ms alone | ms in 8 | most difference | median difference |", "|---|---|---|---|---|"]
    for name in engines:
        alone, batched = (f"{times[name, batch]:.1f}" if (name, batch) in times else "-" for batch in BATCHES)
        apart = np.abs(scores[name] - reference)
        lines.append(f"| {name} | {alone} | {batched} | {apart.max():.1e} | {np.median(apart):.1e} |")
    return "\n".join(lines)


def read_pictures(folder: Path, most: int = 64) -> np.ndarray:
    paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in {".png", ".jpg", ".jpeg"})
    if not paths:
        sys.exit(f"{folder} holds no PNG or JPEG")
    chosen = paths[:: -(-len(paths) // most)]
    return np.stack([np.asarray(Image.open(path).convert("RGB").resize((SIDE, SIDE))) for path in chosen])


def random_pictures(count: int) -> np.ndarray:
    """Returns blots with some noise, since all plain noise looks the same to a convolutional network."""
    random = np.random.default_rng(0)
    blots = [Image.fromarray(random.integers(0, 256, (side, side, 3), np.uint8)) for side in range(2, 2 + count)]
    blots = np.stack([np.asarray(blot.resize((SIDE, SIDE), Image.Resampling.BICUBIC)) for blot in blots])
    return np.clip(blots + random.normal(0, 10, blots.shape), 0, 255).astype(np.uint8)


if __name__ == "__main__":
    main()
