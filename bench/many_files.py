"""Measures `tosa screen`: its rate and memory over many files, and what the executors cost without a network.

python bench/many_files.py [--long] [--folder FOLDER]

With --folder, each row that was measured is kept there, and after an interruption the same command measures the rest.
The files are hard links to a few drawn sounds and X-rays, half of each. Rates are those after the first tenth, so that
the start is not in them. Ray is measured if it is installed, on a cluster of its own on this machine.
"""

import argparse
import importlib.util
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from measure import CORES, ROOT, bare_forward, in_turns, picture, resident, served_precision, sound

from tosa.scale.batch import run_batch
from tosa.scale.executor import Executor, LocalExecutor
from tosa.scale.journal import Journal
from tosa.scale.ray_executor import RayExecutor
from tosa.scale.sources import Item

CONTENTS = 16  # different X-rays
SHORT, LONG = (240, 10_000), (10_000, 100_000)  # files and items
WORKERS = (1, 2, 4)  # of Ray; only the second of them in a short run
WITH_RAY = importlib.util.find_spec("ray") is not None
SECONDS = 0.5  # between two looks at a running batch

Keep = Callable[[str, Callable[[], str]], str]  # returns a row by its name, which the function measures if it must


@dataclass(frozen=True)
class Sample:
    """A moment of a running batch."""

    seconds: float
    files: int  # that are done
    megabytes: float


def tables(is_long: bool) -> str:
    """Returns both tables."""
    files, items = LONG if is_long else SHORT
    return _both(files, items, is_long, keeper(None))


def _both(files: int, items: int, is_long: bool, keep: Keep) -> str:
    workers = (WORKERS if is_long else WORKERS[1:2]) if WITH_RAY else ()
    return f"{rates(files, workers, keep)}\n\n{costs(items, workers, keep)}"


def keeper(folder: Path | None) -> Keep:
    """Returns what keeps rows in a folder, or measures each of them again without one."""

    def keep(name: str, measure: Callable[[], str]) -> str:
        if not folder:
            return measure()
        folder.mkdir(parents=True, exist_ok=True)
        file = folder / "rows.json"
        rows = json.loads(file.read_text()) if file.exists() else {}
        if name not in rows:
            rows[name] = measure()
            unfinished = file.with_suffix(".unfinished")
            unfinished.write_text(json.dumps(rows, indent=2))
            unfinished.replace(file)
        return rows[name]

    return keep


def rates(files: int, ray_workers: tuple[int, ...], keep: Keep) -> str:
    """Returns the table of rates and memory, over `files` files on this machine and a part of them on Ray."""
    forward = bare_forward(threads=1)
    lines = [
        f"{files} files, half of them sounds of 5 s, half X-rays of 1,024 x 1,024 pixels.\n",
        "| `tosa screen` | files a second | of cores x the engine's one-thread rate | MB after a tenth | at the end |",
        "|---|---|---|---|---|",
    ]
    with tempfile.TemporaryDirectory() as folder:

        def local() -> str:
            archive = _archive(Path(folder, "archive"), files)
            return _line(f"on this machine, {CORES} cores", archive, [], forward, CORES)

        def on_ray(workers: int) -> str:
            part = _archive(Path(folder, f"archive{workers}"), max(files // 4, 240))
            with cluster(workers) as address:
                how = f"`--ray`, {workers} workers, on {CORES} cores"
                return _line(how, part, ["--ray", address], forward, min(workers, CORES))

        lines.append(keep(f"local, {files} files", local))
        name = "Ray, {} workers, a quarter of {} files"
        lines += [keep(name.format(each, files), partial(on_ray, each)) for each in ray_workers]
    return "\n".join(lines)


def _archive(folder: Path, files: int) -> Path:
    """A folder with so many files, which are names of a few contents."""
    folder.mkdir()
    contents = [sound(None).data, *(picture(None, seed=seed).data for seed in range(CONTENTS))]
    originals = [folder.parent / f"{folder.name}-{number}" for number in range(len(contents))]
    for original, content in zip(originals, contents, strict=True):
        original.write_bytes(content)
    for number in range(files):
        os.link(originals[(number // 2 % CONTENTS + 1) * (number % 2)], folder / f"{number:06}")
    return folder


def _line(how: str, archive: Path, more: list[str], forward: Callable[[], object], cores: int) -> str:
    """A row of the table; the engine's rate is measured before and after."""
    files = sum(1 for _ in archive.iterdir())
    singles = [1 / in_turns({"bare": forward}, 9)["bare"]]
    samples = _watch(archive, more)
    singles.append(1 / in_turns({"bare": forward}, 9)["bare"])
    first = next(sample for sample in samples if sample.files >= files / 10)
    last = samples[-1]
    rate = (last.files - first.files) / (last.seconds - first.seconds)
    share = rate / (cores * statistics.mean(singles))
    memory = f"{first.megabytes:.0f} | {last.megabytes:.0f}" if not more else "|"
    return f"| {how} | {rate:.1f} | {share:.0%} | {memory} |"


def _watch(archive: Path, more: list[str]) -> list[Sample]:
    """Screens a folder with the command, and returns how it went on."""
    out = archive.with_suffix(".csv")
    journal = out.with_name(f".{out.name}.journal")
    command = [sys.executable, "-m", "tosa", "screen", str(archive), "--out", str(out), *more]
    environment = os.environ | {"TOSA_PRECISION": served_precision(), "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(command, cwd=ROOT, env=environment, stderr=subprocess.PIPE, text=True)
    samples = []
    while process.poll() is None:
        time.sleep(SECONDS)
        try:
            done = journal.read_bytes().count(b"\n") - 1
        except FileNotFoundError:  # before the first answer, and after the last
            continue
        samples.append(Sample(time.perf_counter(), done, resident(process.pid)))
    if process.returncode:
        raise RuntimeError(process.stderr.read())
    return samples


@contextmanager
def cluster(workers: int) -> Iterator[str]:
    """Runs Ray on this machine for so many workers, and gives its address."""
    import ray

    os.environ |= {"RAY_USAGE_STATS_ENABLED": "0", "RAY_AUTH_MODE": "disabled", "PYTHONPATH": str(ROOT)}
    ray.init(num_cpus=workers, include_dashboard=False, log_to_driver=False)
    try:
        yield ray.get_runtime_context().gcs_address
    finally:
        ray.shutdown()


def costs(items: int, ray_workers: tuple[int, ...], keep: Keep) -> str:
    """Returns the table of what an item costs without a network, journal included."""
    lines = [f"{items} items without a file, a network that answers at once:\n"]
    lines += ["| executor | µs an item |", "|---|---|"]

    def local(threads: int) -> str:
        return f"| local, {threads} threads | {_microseconds(items, LocalExecutor(threads)):.0f} |"

    def on_ray(workers: int) -> str:
        with cluster(workers) as address:
            return f"| Ray, {workers} workers | {_microseconds(items, RayExecutor(address)):.0f} |"

    lines += [keep(f"local, {threads} threads, {items} items", partial(local, threads)) for threads in (1, 4)]
    lines += [keep(f"Ray, {each} workers, {items} items", partial(on_ray, each)) for each in ray_workers]
    return "\n".join(lines)


def _microseconds(items: int, executor: Executor) -> float:
    def empty_network() -> Callable:
        return lambda item: {"file": item[0], "findings": []}

    with tempfile.TemporaryDirectory() as folder, Journal(Path(folder, "r.csv"), {}) as journal:
        start = time.perf_counter()
        run_batch(empty_network, (Item(str(number), "") for number in range(items)), journal, items, executor)
        assert len(journal) == items
        return (time.perf_counter() - start) / items * 1e6


def main() -> None:
    """Prints both tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--long", action="store_true", help=f"{LONG[0]} files and {LONG[1]} items, about an hour")
    parser.add_argument("--files", type=int, help="number of files, instead of --long's")
    parser.add_argument("--items", type=int, help="number of items, instead of --long's")
    parser.add_argument("--folder", type=Path, help="where to keep the rows that are measured")
    given = parser.parse_args()
    files, items = LONG if given.long else SHORT
    print(_both(given.files or files, given.items or items, given.long, keeper(given.folder)))


if __name__ == "__main__":
    main()
