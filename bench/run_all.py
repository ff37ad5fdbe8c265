"""Runs all measurements and writes bench/RESULTS.md.

    python bench/run_all.py [--data FOLDER] [--long]

With a folder of sounds and X-rays these are asked about, and every 40th is compared with TensorFlow's answer.
"""

import importlib
import os
import platform
import time
from importlib.metadata import version
from pathlib import Path

from measure import CORES, HEADER, options, served_precisions

MEASUREMENTS = ("latency", "throughput", "startup", "memory", "spectrogram", "bottleneck_rate", "head_steps")
PACKAGES = ("openvino", "numpy", "soxr", "pillow", "flask", "waitress", "tensorflow-cpu", "librosa", "matplotlib")
RESULTS = Path(__file__).with_name("RESULTS.md")


def main() -> None:
    given = options(__doc__)
    data = given.data
    started, machine = time.perf_counter(), machine_line()
    lines = []
    for name in (*MEASUREMENTS, *(["agreement"] if data else [])):
        for row in importlib.import_module(name).rows(data):  # here, so that TensorFlow's threads come late
            print(row, flush=True)
            lines.append(str(row))
    where = importlib.import_module("latency_breakdown").table(data)
    together = importlib.import_module("concurrency").table()
    engines = importlib.import_module("engines").table()
    many = importlib.import_module("many_files").tables(given.long)
    written = f"Written by `make bench`{' with real sounds and X-rays' if data else ''}"
    minutes = f"in {(time.perf_counter() - started) / 60:.0f} minutes; medians of ways that take turns."
    parts = ["# Results", f"{written} {minutes}", machine, "\n".join([HEADER, *lines])]
    parts += ["## Where the time of one answer goes", where, "## Several pictures at once", together]
    parts += ["## Engines", engines, "## Many files", many]
    RESULTS.write_text("\n\n".join(parts) + "\n", encoding="utf-8")
    print(f"Wrote {RESULTS}.")


def machine_line() -> str:
    """Returns processor, cores, precision, load before the run, and the versions of what is installed."""
    cpuinfo = Path("/proc/cpuinfo").read_text(errors="replace")
    lines = dict(line.split(":", 1) for line in cpuinfo.splitlines() if ":" in line)
    fields = {name.strip(): value.strip() for name, value in lines.items()}
    flags = set(fields.get("flags", fields.get("Features", "")).split())
    fast = sorted(flags & {"avx2", "avx512f", "avx512_vnni", "avx_vnni", "avx512_bf16", "amx_bf16", "amx_int8", "bf16"})
    served = "+".join(filter(None, served_precisions()))
    versions = ", ".join(f"{package} {version(package)}" for package in PACKAGES)
    return (
        f"{fields.get('model name', platform.machine())}, family {fields.get('cpu family', '?')}, {CORES} cores "
        f"({', '.join(fast)}); served in {served}; load {os.getloadavg()[0]:.1f} before the start.\n\n"
        f"{platform.system()} {platform.release()}, Python {platform.python_version()}, {versions}."
    )


if __name__ == "__main__":
    main()
