"""Measures how much memory training a head on many pictures takes beside the trunk.

    python bench/training_memory.py [--pictures 100000]

Makes that many tiny files and a cache of synthetic bottlenecks of them, then goes the way of retrain.py: reads and
hashes the files, fills the array from the cache, trains. Needs 1 GB of disk for 100,000.
"""

import argparse
import contextlib
import io
import resource
import sys
import tempfile
from pathlib import Path
from types import SimpleNamespace

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tosa.training.data.dataset import SPLITS, Case, SkippedFiles
from tosa.training.features.bottleneck_cache import Cache
from tosa.training.features.bottlenecks import bottlenecks
from tosa.training.features.drawings import Drawing
from tosa.training.head import train_head
from tosa.training.head.bottleneck_dataset import BottleneckDataset

FEATURES = 2048
BLOCK = 500  # bottlenecks made at once


def synthetic(folder: Path, pictures: int) -> list[Drawing]:
    """Returns cases in the order of their splits, whose files hold only their number; all bottlenecks are cached."""
    (folder / "files").mkdir()
    drawings, rng = [], np.random.default_rng(0)
    for number in range(pictures):
        split = SPLITS[(number >= 0.8 * pictures) + (number >= 0.9 * pictures)]
        file = folder / "files" / f"{number}.png"
        file.write_bytes(b"%d" % number)
        drawings.append(Drawing(Case(file, "t", "ab"[number % 2], f"g{number}", split)))
    with Cache(folder / "bench", FEATURES) as cache:
        for start in range(0, pictures, BLOCK):
            keys = [drawing.key(drawing.case.file.read_bytes()) for drawing in drawings[start : start + BLOCK]]
            values = rng.random((len(keys), FEATURES), np.float32)
            cache.add(keys, values)
    return drawings


class NoNetwork:
    """Stands in for the trunk, which is only asked for the number of its features."""

    size = (1, 1)

    def run(self, pictures):
        return SimpleNamespace(bottleneck=np.zeros((len(pictures), FEATURES), np.float32))


def train(folder: Path, drawings: list[Drawing], steps: int = 100) -> BottleneckDataset:
    """Trains a head as retrain.py does, from files and cache; log lines are not printed."""
    with contextlib.redirect_stdout(io.StringIO()):
        known = BottleneckDataset(bottlenecks(drawings, NoNetwork(), "bench", folder, SkippedFiles()))
        training, validation = (known.examples(["a", "b"], split) for split in ("training", "validation"))
        train_head.train_head(
            "t", ["a", "b"], training, validation, train_head.HeadRecipe(steps=steps), lambda *_, **__: None
        )
    return known


def measure(pictures: int = 100_000) -> int:
    """Returns the peak memory in bytes, Python and its libraries included."""
    with tempfile.TemporaryDirectory() as folder:
        known = train(Path(folder), synthetic(Path(folder), pictures))
        assert len(known.cases) == pictures
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pictures", type=int, default=100_000)
    pictures = parser.parse_args().pictures
    peak = measure(pictures)
    print(f"{pictures} bottlenecks, {pictures * FEATURES * 4 / 1e9:.2f} GB: {peak / 1e9:.2f} GB at the peak")


if __name__ == "__main__":
    main()
