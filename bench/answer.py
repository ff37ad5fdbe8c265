"""One answer of a warm server: against the classic app, and against the engine's bare forward pass.

    python bench/answer.py [--data FOLDER]
"""

from pathlib import Path

from measure import Question, Row, bare_forward, in_turns, main, picture, running, sound

CLASSIC_ROUNDS, ROUNDS = 7, 31


def rows(data: Path | None) -> list[Row]:
    cough, chest = sound(data), picture(data)
    return [against_classic(cough), against_engine("a cough of 5 s", cough), against_engine("an X-ray", chest)]


def against_classic(cough: Question) -> Row:
    with running("app.py") as app, running("bench/classic_app.py") as classic:
        for server in (app, classic):
            server.first_answer(cough)
        medians = in_turns({"ours": app.asker(cough), "theirs": classic.asker(cough)}, CLASSIC_ROUNDS)
    ours, theirs, ratio = medians["ours"], medians["theirs"], medians["theirs"] / medians["ours"]
    what, against = "one answer, a cough of 5 s, server warm", f"{theirs * 1000:.0f} ms, the classic app"
    return Row(what, f"{ours * 1000:.1f} ms", against, f"{ratio:.0f} x faster", "at least 40 x", ratio >= 40)


def against_engine(name: str, question: Question) -> Row:
    with running("app.py") as app:
        app.first_answer(question)
        medians = in_turns({"ours": app.asker(question), "bare": bare_forward()}, ROUNDS, warm_up=3)
    ours, bare, ratio = medians["ours"], medians["bare"], medians["ours"] / medians["bare"]
    against = f"{bare * 1000:.1f} ms, the engine's bare forward pass"
    return Row(f"one answer, {name}", f"{ours * 1000:.1f} ms", against, f"{ratio:.2f} x", "at most 1.4 x", ratio <= 1.4)


if __name__ == "__main__":
    main(__doc__, rows)
