"""Seconds that the classic's training steps take on bottlenecks in memory, evaluations, log lines and curves included.

python bench/head.py [--pictures 4000] [--steps 40000] [--labels 2]
"""

import argparse
import contextlib
import io
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tosa.training import head  # noqa: E402
from tosa.training.curves import Curves  # noqa: E402


def examples(pictures: int, labels: int, features: int = 2048, seed: int = 0) -> head.Examples:
    """Bottlenecks as a network gives them, positive and mostly small, shifted a little by their label."""
    rng = np.random.default_rng(seed)
    targets = rng.integers(0, labels, pictures)
    shifts = rng.gamma(0.5, 0.2, (labels, features)).astype(np.float32)
    return head.Examples(rng.gamma(0.5, 0.8, (pictures, features)).astype(np.float32) + shifts[targets], targets)


def measure(pictures: int = 4000, steps: int = 40_000, labels: int = 2) -> tuple[float, float]:
    """Seconds of the clock and of the processor for training a head; its log lines go into a string."""
    training, validation = examples(pictures, labels), examples(pictures // 8, labels, seed=1)
    recipe, names = head.HeadRecipe(steps=steps), [f"label {number}" for number in range(labels)]
    with tempfile.TemporaryDirectory() as folder, Curves(Path(folder)) as curves:
        with contextlib.redirect_stdout(io.StringIO()):
            clock, processor = time.perf_counter(), time.process_time()
            head.train("bench", names, training, validation, recipe, curves.write)
            return time.perf_counter() - clock, time.process_time() - processor


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name, default in (("pictures", 4000), ("steps", 40_000), ("labels", 2)):
        parser.add_argument(f"--{name}", type=int, default=default)
    options = parser.parse_args()
    clock, processor = measure(**vars(options))
    print(f"{options.steps} steps on {options.pictures} pictures: {clock:.1f} s, {processor:.1f} s of one processor")


if __name__ == "__main__":
    main()
