"""Times `python app.py` to the first answer, against the classic app; the files are in the disk's cache.

    python bench/startup.py [--data FOLDER]

Once where an earlier start kept what it compiled, and once where none did.
"""

import statistics
import tempfile
import time
from pathlib import Path

from measure import Question, Row, main, running, served_precisions, sound

STARTS = 3
WRITING_SECONDS = 30  # at most, after the first start
MOST_SECONDS = 1.5


def rows(data: Path | None) -> list[Row]:
    cough = sound(data)
    with tempfile.TemporaryDirectory() as cache:
        start("app.py", cough, cache)
        ways = {
            "again": lambda: start("app.py", cough, cache),
            "first": lambda: start("app.py", cough),
            "theirs": lambda: start("bench/classic_app.py", cough),
        }
        taken = [{name: way() for name, way in ways.items()} for _ in range(STARTS)]
    medians = {name: statistics.median(turn[name] for turn in taken) for name in ways}
    what = "first answer after `python app.py`, warm disk"
    return [row(what, medians["again"], medians), row(f"{what}, the first start of all", medians["first"], medians)]


def row(what: str, ours: float, medians: dict[str, float]) -> Row:
    theirs, ratio = medians["theirs"], medians["theirs"] / ours
    against, aim = f"{theirs:.1f} s, the classic app", f"under {MOST_SECONDS} s"
    return Row(what, f"{ours:.2f} s", against, f"{ratio:.1f} x faster", aim, ours < MOST_SECONDS)


def start(script: str, question: Question, cache: str = "") -> float:
    """Returns the seconds to the first answer. With a cache it then waits until what was compiled is stored there."""
    started = time.perf_counter()
    with running(script, TOSA_CACHE=cache) as server:
        server.first_answer(question)
        seconds = time.perf_counter() - started
        networks = len([precision for precision in served_precisions() if precision])
        end = time.perf_counter() + WRITING_SECONDS
        while cache and len(list(Path(cache).glob("[!.]*"))) < networks and time.perf_counter() < end:
            time.sleep(0.1)
    return seconds


if __name__ == "__main__":
    main(__doc__, rows)
