"""Times one answer of a warm server against the classic app, the bare forward pass, and an answer with heat maps.

python bench/latency.py [--data FOLDER]
"""

from operator import sub
from pathlib import Path
from statistics import median

from measure import Question, Row, aim, bare_forward, in_turns, main, picture, running, sound, timed_in_turns

CLASSIC_ROUNDS, ROUNDS, EXPLAINED_ROUNDS = 7, 31, 61


def rows(data: Path | None) -> list[Row]:
    cough, chest = sound(data), picture(data)
    questions = {"a cough of 5 s": cough, "an X-ray": chest}
    rows = [against_classic(cough)]
    for measured in (against_engine, explained):
        rows += [measured(name, question) for name, question in questions.items()]
    return rows


def against_classic(cough: Question) -> Row:
    with running("app.py") as app, running("bench/classic_app.py") as classic:
        for server in (app, classic):
            server.first_answer(cough)
        medians = in_turns({"ours": app.asker(cough), "theirs": classic.asker(cough)}, CLASSIC_ROUNDS)
    ours, theirs, ratio = medians["ours"], medians["theirs"], medians["theirs"] / medians["ours"]
    what, against = "one answer, a cough of 5 s, server warm", f"{theirs * 1000:.0f} ms, the classic app"
    least = aim(60, 28)
    return Row(what, f"{ours * 1000:.1f} ms", against, f"{ratio:.0f} x faster", f"at least {least} x", ratio >= least)


def against_engine(name: str, question: Question) -> Row:
    with running("app.py") as app:
        app.first_answer(question)
        medians = in_turns({"ours": app.asker(question), "bare": bare_forward()}, ROUNDS, warm_up=3)
    ours, bare, ratio = medians["ours"], medians["bare"], medians["ours"] / medians["bare"]
    against, most = f"{bare * 1000:.1f} ms, the engine's bare forward pass", aim(1.3, 1.15)
    shown = f"{ratio:.2f} x"
    return Row(f"one answer, {name}", f"{ours * 1000:.1f} ms", against, shown, f"at most {most} x", ratio <= most)


def explained(name: str, question: Question) -> Row:
    with running("app.py") as app:
        app.first_answer(question)
        ways = {"plain": app.asker(question), "explained": app.asker(question, "/?explain=1")}
        seconds = timed_in_turns(ways, EXPLAINED_ROUNDS, warm_up=3)
    plain, tinted = seconds.values()
    more = median(map(sub, tinted, plain)) * 1000  # by the round: steadier than the difference of two medians
    ours, against = f"{median(tinted) * 1000:.1f} ms", f"{median(plain) * 1000:.1f} ms without them"
    what, most = f"one answer, {name}, with heat maps", aim(4, 8)
    return Row(what, ours, against, f"{more:.1f} ms more", f"at most {most} ms", more <= most)


if __name__ == "__main__":
    main(__doc__, rows)
