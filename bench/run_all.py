"""Runs all measurements and writes bench/RESULTS.md.

    python bench/run_all.py [--data FOLDER] [--long]

With a folder of sounds and X-rays these are asked about, and every 40th is compared with TensorFlow's answer.
"""

import importlib
import os
import platform
import time
from collections.abc import Callable
from datetime import date
from importlib.metadata import version
from pathlib import Path
from typing import Any

from measure import CORES, FAST, HEADER, cpuinfo, flags, options, served_precisions

MEASUREMENTS = (
    "latency",
    "latency_breakdown",
    "throughput",
    "startup",
    "memory",
    "spectrogram",
    "bottleneck_rate",
    "head_steps",
)
PACKAGES = ("openvino", "numpy", "soxr", "pillow", "flask", "waitress", "tensorflow-cpu", "librosa", "matplotlib")
OTHER = "## The other kind of processor"
RESULTS = Path(__file__).with_name("RESULTS.md")


def main() -> None:
    given = options(__doc__)
    data = given.data
    started, machine = time.perf_counter(), machine_line()
    lines = []
    for name in (*MEASUREMENTS, *(["agreement"] if data else [])):
        for row in timed(name, lambda module: module.rows(data)):
            print(row, flush=True)
            lines.append(str(row))
    where = timed("latency_breakdown", lambda module: module.table(data))
    together = timed("concurrency", lambda module: module.table())
    engines = timed("engines", lambda module: module.table())
    many = timed("many_files", lambda module: module.tables(given.long))
    written = f"Written by `make bench` on {date.today()}{' with real sounds and X-rays' if data else ''}"
    minutes = f"in {(time.perf_counter() - started) / 60:.0f} minutes; medians of ways that take turns."
    parts = [f"{written} {minutes}", machine, "\n".join([HEADER, *lines])]
    other = other_kind(RESULTS.read_text(encoding="utf-8") if RESULTS.exists() else "", machine)
    parts = ["# Results", *parts, *([OTHER, other] if other else [])]
    parts += ["## Where the time of one answer goes", where, "## Several pictures at once", together]
    parts += ["## Engines", engines, "## Many files", many]
    RESULTS.write_text("\n\n".join(parts) + "\n", encoding="utf-8")
    print(f"Wrote {RESULTS}.")


def timed(name: str, measure: Callable) -> Any:
    """Returns what a measurement returns, and prints how long it took. Imported late, and so TensorFlow's threads."""
    started = time.perf_counter()
    result = measure(importlib.import_module(name))
    print(f"{name}: {time.perf_counter() - started:.0f} s", flush=True)
    return result


def machine_line() -> str:
    """Returns processor, cores, precision, load before the run, and the versions of what is installed."""
    fields = cpuinfo()
    fast = sorted(flags() & ({"avx2", "avx512f", "bf16"} | FAST))
    served = "+".join(filter(None, served_precisions()))
    versions = ", ".join(f"{package} {version(package)}" for package in PACKAGES)
    return (
        f"{fields.get('model name', platform.machine())}, family {fields.get('cpu family', '?')}, {CORES} cores "
        f"({', '.join(fast)}); served in {served}; load {os.getloadavg()[0]:.1f} before the start.\n\n"
        f"{platform.system()} {platform.release()}, Python {platform.python_version()}, {versions}."
    )


def other_kind(results: str, machine: str) -> str:
    """Returns the last figures of the other kind of processor: with instructions for int8 or bf16, or without.

    They are the first section of the results so far if that was measured on such a processor, otherwise their section
    on the other kind. results: RESULTS.md so far; machine: the line of this machine.
    """
    first, *sections = results.split("\n## ")
    if first and is_fast(first) != is_fast(machine):
        return first.removeprefix("# Results").strip()
    return next((each for each in sections if f"## {each}".startswith(OTHER)), "").partition("\n")[2].strip()


def is_fast(text: str) -> bool:
    """Returns whether the line of a machine names an instruction set for int8 or bf16."""
    return any(name in text for name in FAST)


if __name__ == "__main__":
    main()
