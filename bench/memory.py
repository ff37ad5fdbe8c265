"""Measures resident memory while serving, against the classic app.

    python bench/memory.py [--data FOLDER]

Tosa is asked by as many clients at once as it has places for, the classic app by one after the other. Counted are the
server and its children, pages that they share once.
"""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from measure import Question, Row, Server, aim, main, picture, running, served_precisions, sound

from tosa.settings import Settings

ANSWERS = 30


def rows(data: Path | None) -> list[Row]:
    questions = [sound(data), picture(data)]
    slots = Settings().slots
    with running("app.py") as server:
        ours = resident_after(server, questions, slots)
    with running("bench/classic_app.py") as server:
        theirs = resident_after(server, questions, 1)
    ratio = ours / theirs
    precisions = " and ".join(filter(None, served_precisions()))
    what = f"resident memory, {precisions}, after {ANSWERS} answers, {slots} at once"
    against, most = f"{theirs:.0f} MB, the classic app", aim(300, 450)
    return [Row(what, f"{ours:.0f} MB", against, f"{ratio:.2f} x", f"under {most} MB", ours < most)]


def resident_after(server: Server, questions: list[Question], clients: int) -> float:
    server.first_answer(questions[0])
    with ThreadPoolExecutor(clients) as pool:
        list(pool.map(lambda number: server.asker(questions[number % len(questions)])(), range(ANSWERS)))
    return server.resident()


if __name__ == "__main__":
    main(__doc__, rows)
