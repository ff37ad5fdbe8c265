"""Seconds from `python app.py` to the first answer, against the classic app; the files are in the disk's cache.

    python bench/first_answer.py [--data FOLDER]
"""

from pathlib import Path

from measure import Question, Row, in_turns, main, running, sound

STARTS = 3


def rows(data: Path | None) -> list[Row]:
    cough = sound(data)
    scripts = {"ours": "app.py", "theirs": "bench/classic_app.py"}
    medians = in_turns({name: lambda script=script: start(script, cough) for name, script in scripts.items()}, STARTS)
    ours, theirs, ratio = medians["ours"], medians["theirs"], medians["theirs"] / medians["ours"]
    what, against = "first answer after `python app.py`, warm disk", f"{theirs:.1f} s, the classic app"
    aim, ok = "at least 5 x, under 2 s", ratio >= 5 and ours < 2
    return [Row(what, f"{ours:.2f} s", against, f"{ratio:.1f} x faster", aim, ok)]


def start(script: str, question: Question) -> None:
    with running(script) as server:
        server.first_answer(question)


if __name__ == "__main__":
    main(__doc__, rows)
