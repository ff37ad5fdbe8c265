"""Shared by the measurements: timing in turns, rows of the report, servers, and sounds and X-rays to send."""

import argparse
import http.client
import io
import json
import os
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import soundfile
from PIL import Image

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import openvino  # noqa: E402

from tosa.model.engine import hint, read  # noqa: E402
from tosa.model.graph import BOTTLENECK, Graph  # noqa: E402
from tosa.model.network import GraphFile  # noqa: E402
from tosa.model.out_of_distribution import PREFIX, THUMBNAIL  # noqa: E402
from tosa.model.quantization_constants import NONE, QuantizationConstants  # noqa: E402
from tosa.model.subgraph import Subgraph, prune  # noqa: E402
from tosa.settings import Settings  # noqa: E402

CORES = len(os.sched_getaffinity(0))
FAST = {"avx512_vnni", "avx_vnni", "avx512_bf16", "amx_bf16", "amx_int8"}  # with which int8 or bf16 is fast
SOUNDS, PICTURES = {".wav", ".flac", ".ogg", ".mp3", ".webm", ".m4a"}, {".png", ".jpg", ".jpeg", ".dcm"}


@dataclass(frozen=True)
class Row:
    """One line of RESULTS.md."""

    what: str
    ours: str
    against: str
    ratio: str
    aim: str
    ok: bool

    def __str__(self) -> str:
        verdict = "ok" if self.ok else "missed"
        return f"| {self.what} | {self.ours} | {self.against} | {self.ratio} | {self.aim} | {verdict} |"


HEADER = "| what | Tosa | against | ratio | aim | |\n|---|---|---|---|---|---|"


@dataclass(frozen=True)
class Question:
    """A file as a form sends it: the name of its part and its bytes."""

    part: str  # audio_data or image_data
    data: bytes


@cache
def cpuinfo() -> dict[str, str]:
    """Returns the fields of the last core in /proc/cpuinfo."""
    text = Path("/proc/cpuinfo").read_text(errors="replace")
    return {name.strip(): value.strip() for name, _, value in (line.partition(":") for line in text.splitlines())}


def flags() -> set[str]:
    """Returns the names of the processor's instruction sets."""
    return set(cpuinfo().get("flags", cpuinfo().get("Features", "")).split())


def aim(fast: float, plain: float) -> float:
    """Returns the aim for this processor: `plain` if it has AVX2 only, `fast` with VNNI or instructions for bf16."""
    return fast if flags() & FAST else plain


def in_turns(ways: dict[str, Callable[[], object]], rounds: int, warm_up: int = 1) -> dict[str, float]:
    """Returns the median seconds of each way, by `timed_in_turns`."""
    return {name: statistics.median(values) for name, values in timed_in_turns(ways, rounds, warm_up).items()}


def timed_in_turns(ways: dict[str, Callable[[], object]], rounds: int, warm_up: int = 1) -> dict[str, list[float]]:
    """Returns the seconds of each way; they take turns in every round, so that other work slows all of them equally."""
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for turn in range(warm_up + rounds):
        for name, way in ways.items():
            start = time.perf_counter()
            way()
            if turn >= warm_up:
                seconds[name].append(time.perf_counter() - start)
    return seconds


def options(description: str) -> argparse.Namespace:
    """Returns the command-line options that all measurements share."""
    parser = argparse.ArgumentParser(description=description.splitlines()[0])
    parser.add_argument("--data", type=Path, help="folder of real sounds and X-rays, in depth (default: drawn ones)")
    parser.add_argument("--long", action="store_true", help="many files: 10,000 files and 100,000 items")
    return parser.parse_args()


def main(description: str, rows: Callable[[Path | None], list[Row]]) -> None:
    """Prints the rows of one measurement."""
    print(HEADER, *rows(options(description).data), sep="\n")


# --- what is asked ---


def sound(folder: Path | None) -> Question:
    """Returns a sound of about 5 s: bursts of noise, or the first such file of the folder."""
    for path in _files(folder, SOUNDS):
        try:
            if 4 < soundfile.info(path).duration < 6:
                return Question("audio_data", path.read_bytes())
        except soundfile.LibsndfileError:  # WebM and MP4
            continue
    rate = 44_100
    at = np.arange(5 * rate) / rate
    bursts = sum(np.where(at >= start, np.exp(-14 * (at - start)), 0) for start in np.arange(0.3, 5, 0.8))
    samples = 0.2 * bursts * np.random.default_rng(0).normal(size=len(at))
    buffer = io.BytesIO()
    soundfile.write(buffer, samples.clip(-1, 1), rate, format="WAV")
    return Question("audio_data", buffer.getvalue())


def picture(folder: Path | None, side: int = 1024, seed: int = 0) -> Question:
    """Returns an X-ray as PNG: the first picture of the folder, or the mean of the gate's X-rays with grain."""
    for path in _files(folder, PICTURES):
        return Question("image_data", path.read_bytes())
    random = np.random.default_rng(seed)
    coarse = Image.fromarray(mean_thumbnail()).resize((side, side), Image.Resampling.BICUBIC)
    smooth = np.asarray(coarse, np.float32)
    buffer = io.BytesIO()
    Image.fromarray((smooth + random.normal(0, 2, smooth.shape)).clip(0, 255).astype(np.uint8)).save(buffer, "PNG")
    return Question("image_data", buffer.getvalue())


@cache
def served_graph() -> Graph:
    return Graph(Settings().graph.read_bytes())


@cache
def mean_thumbnail() -> np.ndarray:
    """Returns the mean X-ray of the served graph's gate, which would refuse a drawing: uint8 (32, 32)."""
    mean = served_graph().constant(f"{PREFIX}mean").reshape(THUMBNAIL, THUMBNAIL)
    return (128 + 60 * mean).clip(0, 255).astype(np.uint8)


def _files(folder: Path | None, suffixes: set[str]) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.suffix.lower() in suffixes) if folder else []


# --- the engine without anything around it ---


@cache
def pruned_graph() -> tuple[Subgraph, tuple[int, int]]:
    """Returns the served graph as the engine gets it, and the size of its pictures."""
    graph = served_graph()
    return prune(graph, [graph.feature_map(), BOTTLENECK, *graph.softmaxes()]), graph.size()


def bare_forward(threads: int | None = None, batch: int = 1, precision: str | None = None) -> Callable[[], object]:
    """Returns a function that runs the served graph in OpenVINO alone, on one batch shape.

    precision: f32, bf16 or int8; by default the one that the app answers first in.
    """
    request = compiled({"INFERENCE_NUM_THREADS": threads} if threads else {}, batch, precision).create_infer_request()
    pictures = np.random.default_rng(0).integers(0, 256, (batch, *pruned_graph()[1], 3), np.uint8)
    return lambda: request.infer([pictures])


def served_precision() -> str:
    """Returns the precision that the app calculates in on this machine; of a cascade, the one that answers first."""
    return served_precisions()[0]


@cache
def served_precisions() -> tuple[str, str | None]:
    """Returns the precision that answers first, and the one that close answers are computed again in."""
    return GraphFile.read(Settings().graph).precisions(Settings().precision)


def compiled(config: dict, batch: int = 1, precision: str | None = None) -> openvino.CompiledModel:
    """Compiles the served graph for one batch size, in the served precision by default, all cores on each."""
    pruned, size = pruned_graph()
    core = openvino.Core()
    precision = precision or served_precision()
    model = read(core, pruned, QuantizationConstants.of(served_graph()) if precision == "int8" else NONE)
    model.reshape([batch, *size, 3])
    own = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": hint(precision), "ENABLE_CPU_PINNING": False}
    return core.compile_model(model, "CPU", own | config)


# --- servers ---


class Server:
    """A process that answers on a port of its own."""

    def __init__(self, script: str, variables: dict[str, str]):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        environment = os.environ | {"TOSA_PORT": str(self.port), "PORT": str(self.port)} | variables
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        self.process = subprocess.Popen([sys.executable, script], cwd=ROOT, env=environment, **quiet)

    def asker(self, question: Question, path: str = "/") -> Callable[[], dict | None]:
        """Returns a function that sends the question over one connection; it returns the answer, or None if full."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)
        line = b"measured-in-turns"
        name = f'Content-Disposition: form-data; name="{question.part}"; filename="x"'.encode()
        body = b"--%b\r\n%b\r\n\r\n%b\r\n--%b--\r\n" % (line, name, question.data, line)
        headers = {"Content-Type": f"multipart/form-data; boundary={line.decode()}"}

        def ask() -> dict | None:
            connection.request("POST", path, body, headers)
            response = connection.getresponse()
            text = response.read()
            if response.status == 503:
                return None
            if response.status != 200:
                raise RuntimeError(f"{response.status}: {text[:300]!r}")
            return json.loads(text)

        return ask

    def first_answer(self, question: Question, seconds: float = 120) -> None:
        """Asks until there is an answer. Raises RuntimeError if there is none in time."""
        end = time.perf_counter() + seconds
        while time.perf_counter() < end and self.process.poll() is None:
            try:
                if self.asker(question)() is not None:  # while it loads, it refuses
                    return
            except ConnectionError:
                pass
            time.sleep(0.01)
        raise RuntimeError(f"{self.process.args} does not answer")

    def resident(self) -> float:
        """Returns the megabytes that the process and its children hold; shared memory counts once."""
        return resident(self.process.pid)


@contextmanager
def running(script: str, **variables: str) -> Iterator[Server]:
    """Runs a script's server with these environment variables until the end of the block."""
    server = Server(script, variables)
    try:
        yield server
    finally:
        server.process.terminate()
        server.process.wait()


def resident(pid: int) -> float:
    """Returns the megabytes that a process and its children hold; shared memory counts once."""
    parents = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            parents[int(stat.parent.name)] = int(stat.read_text().rpartition(")")[2].split()[1])
        except OSError:  # gone meanwhile
            continue
    family = {pid}
    while more := {child for child, parent in parents.items() if parent in family} - family:
        family |= more
    return sum(_pss(each) for each in family)


def _pss(pid: int) -> float:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:  # gone meanwhile
        return 0.0
    return next((int(line.split()[1]) for line in lines if line.startswith("Pss:")), 0) / 1024
