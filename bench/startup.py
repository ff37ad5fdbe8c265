"""Times `python app.py` to the first answer, against the classic app; the files are in the disk's cache.

    python bench/startup.py [--data FOLDER]

Once where an earlier start kept what it compiled, and once where none did.
"""

import tempfile
import time
from pathlib import Path

from measure import Question, Row, in_turns, main, running, sound

STARTS = 3
WRITING_SECONDS = 30  # at most, after the first start


def rows(data: Path | None) -> list[Row]:
    cough = sound(data)
    with tempfile.TemporaryDirectory() as cache:
        start("app.py", cough, cache)
        ways = {
            "again": lambda: start("app.py", cough, cache),
            "first": lambda: start("app.py", cough),
            "theirs": lambda: start("bench/classic_app.py", cough),
        }
        medians = in_turns(ways, STARTS)
    what = "first answer after `python app.py`, warm disk"
    return [row(what, medians["again"], medians), row(f"{what}, the first start of all", medians["first"], medians)]


def row(what: str, ours: float, medians: dict[str, float]) -> Row:
    theirs, ratio = medians["theirs"], medians["theirs"] / ours
    against, aim = f"{theirs:.1f} s, the classic app", "at least 5 x, under 2 s"
    return Row(what, f"{ours:.2f} s", against, f"{ratio:.1f} x faster", aim, ratio >= 5 and ours < 2)


def start(script: str, question: Question, cache: str = "") -> None:
    """Returns the seconds to the first answer; with an empty cache it also waits until the compiled model is stored."""
    with running(script, TOSA_CACHE=cache) as server:
        server.first_answer(question)
        end = time.perf_counter() + WRITING_SECONDS
        while cache and not list(Path(cache).glob("[!.]*")) and time.perf_counter() < end:
            time.sleep(0.1)


if __name__ == "__main__":
    main(__doc__, rows)
