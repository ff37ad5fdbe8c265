"""Measures answers a second to many clients, against the engine's rate on one core in float32 times the cores.

python bench/throughput.py [--data FOLDER]
"""

import statistics
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from measure import CORES, Row, aim, bare_forward, in_turns, main, picture, running, sound

CLIENTS = 4 * CORES  # twice as many as are at work at once, so that there is always one waiting
ROUNDS, SECONDS = 5, 4.0


def rows(data: Path | None) -> list[Row]:
    questions = [sound(data), picture(data)]
    one_thread = bare_forward(threads=1, precision="f32")
    rates, singles = [], []
    with running("app.py") as app:
        app.first_answer(questions[0])
        askers = [app.asker(questions[number % 2]) for number in range(CLIENTS)]
        answers_a_second(askers, 2)
        for _ in range(ROUNDS):
            rates.append(answers_a_second(askers, SECONDS))
            singles.append(1 / in_turns({"bare": one_thread}, 9)["bare"])
    rate, single = statistics.median(rates), statistics.median(singles)
    ratio, least = rate / (CORES * single), aim(2.8, 1.3)
    what = f"answers a second, {CLIENTS} clients, coughs and X-rays"
    against = f"{CORES} cores x {single:.1f}, the engine's one-thread rate in float32"
    return [Row(what, f"{rate:.1f}", against, f"{ratio:.1f} x", f"at least {least} x", ratio >= least)]


def answers_a_second(askers: list, seconds: float) -> float:
    """Lets all clients ask again as soon as they are answered, for so many seconds."""
    start = time.perf_counter()

    def ask_on(ask) -> int:
        count = 0
        while time.perf_counter() - start < seconds:
            count += ask() is not None
        return count

    with ThreadPoolExecutor(len(askers)) as pool:
        count = sum(pool.map(ask_on, askers))
    return count / (time.perf_counter() - start)


if __name__ == "__main__":
    main(__doc__, rows)
