"""Times 40,000 steps of training a last layer, with evaluations, log lines and curves, against the classic loop.

    python bench/head_steps.py

The classic loop takes most of an hour for as many, so its steps are counted in hundreds and multiplied.
"""

import contextlib
import io
import tempfile
from pathlib import Path

import numpy as np
from classic_head import ClassicHead, write_cache
from measure import Row, in_turns, main

from tosa.training.head import train_head
from tosa.training.head.examples import Examples
from tosa.training.tensorboard_curves import Curves

STEPS, ROUNDS = 40_000, 4  # ours: all of them, in as many parts
CLASSIC_STEPS = 40  # in each round
CASES, FEATURES, LABELS = 1_000, 2048, ["normal", "bacterial pneumonia", "viral pneumonia"]


def rows(_: Path | None) -> list[Row]:
    random = np.random.default_rng(0)
    values = np.abs(random.normal(0, 0.4, (CASES, FEATURES))).astype(np.float32)
    targets = random.integers(0, len(LABELS), CASES)
    split = CASES * 4 // 5
    training, validation = (Examples(values[part], targets[part]) for part in (slice(split), slice(split, None)))
    recipe = train_head.HeadRecipe(steps=STEPS // ROUNDS)

    def ours():
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            with tempfile.TemporaryDirectory() as summaries, Curves(Path(summaries)) as curves:
                train_head.train_head("pneumonia", LABELS, training, validation, recipe, curves.write)

    with tempfile.TemporaryDirectory() as folder:
        classic = ClassicHead(write_cache(Path(folder), values), targets, FEATURES, len(LABELS))
        classic.train(1)
        medians = in_turns({"ours": ours, "theirs": lambda: classic.train(CLASSIC_STEPS)}, ROUNDS, warm_up=0)
    own, other = medians["ours"] * ROUNDS, medians["theirs"] * STEPS / CLASSIC_STEPS
    ratio = other / own
    what = f"{STEPS:,} steps of the head"
    against = f"{other / 60:.0f} min, the classic loop, from {ROUNDS * CLASSIC_STEPS} steps"
    return [Row(what, f"{own:.1f} s", against, f"{ratio:.0f} x faster", "at least 100 x", ratio >= 100)]


if __name__ == "__main__":
    main(__doc__, rows)
