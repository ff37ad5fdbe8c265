"""Measures bottlenecks in pictures a second, from files to the cache, against the engine's rate for batches.

python bench/bottleneck_rate.py [--data FOLDER]
"""

import contextlib
import io
import itertools
import tempfile
from pathlib import Path

from measure import PICTURES, Row, bare_forward, in_turns, main, picture

from tosa.model.network import MAX_BATCH, GraphFile
from tosa.settings import Settings
from tosa.training.data.dataset import Case, SkippedFiles
from tosa.training.features.bottlenecks import bottlenecks
from tosa.training.features.drawings import Drawing

COUNT, ROUNDS = 64, 3


def rows(data: Path | None) -> list[Row]:
    network = GraphFile.read_trunk(Settings().graph).start()
    forward = bare_forward(batch=MAX_BATCH, precision=network.precision)
    with tempfile.TemporaryDirectory() as folder:
        drawings = [Drawing(case) for case in cases(data, Path(folder))]
        caches = (Path(folder, f"cache{number}") for number in itertools.count())

        def make():
            with contextlib.redirect_stdout(io.StringIO()):
                bottlenecks(drawings, network, "bench", next(caches), SkippedFiles())

        def batches():
            for _ in range(COUNT // MAX_BATCH):
                forward()

        medians = in_turns({"ours": make, "bare": batches}, ROUNDS)
    ours, bare = (COUNT / medians[name] for name in ("ours", "bare"))
    against = f"{bare:.1f}, the engine's rate in batches of {MAX_BATCH}"
    aim, share = "at least 90 %", ours / bare
    return [Row("bottlenecks, pictures a second", f"{ours:.1f}", against, f"{share:.0%}", aim, share >= 0.9)]


def cases(data: Path | None, folder: Path) -> list[Case]:
    """Returns pictures of 224 x 224 pixels, the size of the largest training set, or real ones of the folder."""
    if data:
        found = sorted(path for path in data.rglob("*") if path.suffix.lower() in PICTURES)[:COUNT]
    else:
        found = [folder / f"{number}.png" for number in range(COUNT)]
        for number, path in enumerate(found):
            path.write_bytes(picture(None, 224, number).data)
    return [Case(path, "pneumonia", "normal", path.stem, "training") for path in found]


if __name__ == "__main__":
    main(__doc__, rows)
