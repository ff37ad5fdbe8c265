"""Compares ways to answer several pictures at once, in the engine alone, by how well they use the cores.

python bench/concurrency.py
"""

import statistics
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from measure import CORES, bare_forward, compiled, pruned_graph

ROUNDS, SECONDS = 5, 1.0
BATCHES = (4, 8)


def table() -> str:
    """Returns pictures a second of each way, and its share of the rate of one thread times the cores, as Markdown."""
    yardstick = "one thread alone, times the cores"
    ways = {yardstick: ([bare_forward(threads=1)], CORES), "all cores on one picture": ([bare_forward()], 1)}
    picture = np.random.default_rng(0).integers(0, 256, (1, *pruned_graph()[1], 3), np.uint8)
    for hint, name in (("LATENCY", "all cores on each"), ("THROUGHPUT", "a core each")):
        model = compiled({"PERFORMANCE_HINT": hint})
        ways[f"{2 * CORES} threads, {name}"] = ([asker(model, picture) for _ in range(2 * CORES)], 1)
    ways |= {f"batches of {size}, all cores": ([bare_forward(batch=size)], size) for size in BATCHES}
    rates: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(ROUNDS):
        for name, (askers, pictures) in ways.items():
            rates[name].append(pictures * calls_a_second(askers))
    medians = {name: statistics.median(values) for name, values in rates.items()}
    lines = [f"| {name} | {rate:.1f} | {rate / medians[yardstick]:.0%} |" for name, rate in medians.items()]
    return "\n".join(["| way | pictures a second | share |", "|---|---|---|", *lines])


def asker(model, picture: np.ndarray) -> Callable[[], object]:
    request = model.create_infer_request()
    return lambda: request.infer([picture])


def calls_a_second(askers: list[Callable]) -> float:
    """Calls all functions again and again, each in a thread of its own."""
    start = time.perf_counter()

    def call_on(ask: Callable) -> int:
        count = 0
        while time.perf_counter() - start < SECONDS:
            ask()
            count += 1
        return count

    with ThreadPoolExecutor(len(askers)) as pool:
        count = sum(pool.map(call_on, askers))
    return count / (time.perf_counter() - start)


if __name__ == "__main__":
    print(table())
