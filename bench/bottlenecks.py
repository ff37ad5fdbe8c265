"""Pictures a second: bottlenecks made from files, beside the engine alone on pictures that are ready in memory.

    python bench/bottlenecks.py [--pictures FOLDER] [--count 64] [--rounds 5]

Both take turns, so that whatever else the machine does slows both alike. Without a folder, JPEGs of 512 pixels are
drawn.
"""

import argparse
import contextlib
import io
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tosa.network import Network  # noqa: E402
from tosa.settings import Settings  # noqa: E402
from tosa.training.bottlenecks import BATCH, Drawing, bottlenecks, draw  # noqa: E402
from tosa.training.dataset import PICTURES, Case, Problems  # noqa: E402


def drawn_files(folder: Path, count: int) -> list[Path]:
    """Gray JPEGs of 512 pixels, blots with some noise."""
    rng, files = np.random.default_rng(0), []
    for number in range(count):
        blots = Image.fromarray(rng.integers(0, 256, (8, 8), np.uint8)).resize((512, 512), Image.Resampling.BICUBIC)
        noisy = np.asarray(blots) + rng.normal(0, 8, (512, 512))
        files.append(folder / f"{number}.jpg")
        Image.fromarray(noisy.clip(0, 255).astype(np.uint8)).save(files[-1], quality=90)
    return files


def measure(network: Network, files: list[Path], rounds: int = 5) -> tuple[list[float], list[float]]:
    """Pictures a second in each round: of the engine alone, and from files to bottlenecks in an empty cache."""
    cases = [Case(file, "t", "a", file.stem, "training") for file in files]
    ready = np.stack([draw(case, network.size) for case in cases])
    engine, whole = [], []
    for turn in range(rounds + 1):
        start = time.perf_counter()
        for first in range(0, len(ready), BATCH):
            network.run(ready[first : first + BATCH])
        alone = time.perf_counter() - start
        with tempfile.TemporaryDirectory() as cache, contextlib.redirect_stdout(io.StringIO()):
            start = time.perf_counter()
            bottlenecks([Drawing(case) for case in cases], network, "bench", Path(cache), Problems())
            if turn:  # the first one warms up
                whole.append(len(files) / (time.perf_counter() - start))
                engine.append(len(files) / alone)
    return engine, whole


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pictures", type=Path)
    parser.add_argument("--count", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = sorted(options.pictures.rglob("*")) if options.pictures else drawn_files(Path(folder), options.count)
        files = [file for file in found if file.suffix.lower() in PICTURES][: options.count]
        engine, whole = measure(Network.load(Settings().graph, None), files, options.rounds)
    ratio = statistics.median(b / a for a, b in zip(engine, whole))
    print(f"{len(files)} pictures, {os.cpu_count()} cores, median of {options.rounds} rounds in turn")
    print(f"engine alone  {statistics.median(engine):7.1f} pictures/s")
    print(f"from files    {statistics.median(whole):7.1f} pictures/s, {ratio:.0%} of the engine")


if __name__ == "__main__":
    main()
