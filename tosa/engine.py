"""The engine: OpenVINO runs a cut graph, with all cores for a picture alone, with one core each for many at once."""

import io
import os
import sys
import tempfile
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from threading import Lock

import numpy as np

from tosa.graph import SERVED, GraphError

# Importing openvino would otherwise leave an identity in ~/intel and report to Google Analytics.
sys.modules.setdefault("openvino_telemetry", None)
import openvino  # noqa: E402


@cache
def core() -> openvino.Core:
    """One for good: the last one to go takes with it the stack on which its first thread takes signals."""
    return openvino.Core()


def native_precision() -> str:
    """bf16 where the processor calculates in it by itself, half the time of f32; f32 elsewhere.

    Asked for bf16, OpenVINO would imitate it on processors with plain AVX-512, more slowly than f32.
    """
    return "bf16" if "BF16" in core().get_property("CPU", "OPTIMIZATION_CAPABILITIES") else "f32"


class Engine:
    """A compiled graph that any number of threads may ask at once.

    Cores that share one picture wait for each other again and again, which the first answer is worth but the number
    of answers a second is not. So it is compiled twice, over one copy of the weights: for one picture with all cores,
    and for several at once with a core each, the latter when they first come.
    """

    def __init__(self, graph: bytes, outputs: int, threads: int | None, precision: str):
        """graph: from Graph.cut, with so many outputs. threads: how many cores to use, all by default.

        Raises GraphError if OpenVINO cannot run it.
        """
        self._core = core()
        # Threads pinned to cores wait for whatever else runs there: the slowest answers took twice as long.
        self._config = {"INFERENCE_PRECISION_HINT": precision, "ENABLE_CPU_PINNING": False}
        if threads:
            self._config["INFERENCE_NUM_THREADS"] = threads
        try:
            self._transformed = self._transform(graph)
            self._alone = self._compiled("LATENCY", outputs)
        except RuntimeError as error:
            reasons = [line.removeprefix("--") for line in str(error).splitlines() if line.startswith("-- ")]
            raise GraphError(":".join(["cannot be run by OpenVINO", *reasons[-1:]])) from error
        self._outputs = outputs
        self._together: _Compiled | None = None
        self._asked = 0  # threads in `infer`
        self._counting, self._compiling = Lock(), Lock()

    def infer(self, pictures: np.ndarray) -> list[np.ndarray]:
        """The outputs for pictures (N, height, width, 3), uint8, each a new array. Raises RuntimeError."""
        with self._counting:
            self._asked += 1
            compiled = self._alone if self._asked == 1 else self._for_several()
        try:
            return compiled.infer(pictures)
        finally:
            with self._counting:
                self._asked -= 1

    def precision(self) -> str:
        """What it calculates in: the one asked for, or f32 where the processor cannot."""
        return self._alone.model.get_property("INFERENCE_PRECISION_HINT").get_type_name()

    def takes_any_number(self) -> bool:
        """Whether the graph answers any number of pictures at once, as far as can be told without asking."""
        return not any(port.partial_shape[0].is_static for port in self._alone.ports)

    def _transform(self, graph: bytes) -> openvino.Tensor:
        """The graph as OpenVINO's own file, all transformations done, so that all compiled from it share its memory."""
        file = io.BytesIO()
        self._core.compile_model(read(self._core, graph), "CPU", self._config).export_model(file)
        return openvino.Tensor(np.frombuffer(file.getbuffer(), np.uint8))

    def _compiled(self, hint: str, outputs: int) -> "_Compiled":
        model = self._core.import_model(self._transformed, "CPU", {**self._config, "PERFORMANCE_HINT": hint})
        return _Compiled(model, outputs, self._transformed)

    def _for_several(self) -> "_Compiled":
        """Compiled for several pictures at once; meanwhile they get in line for the other."""
        if self._together is None and self._compiling.acquire(blocking=False):
            self._together = self._compiled("THROUGHPUT", self._outputs)
        return self._together or self._alone


class _Compiled:
    """A compiled model and its idle requests, each of which serves one thread at a time."""

    def __init__(self, model: openvino.CompiledModel, outputs: int, weights: openvino.Tensor):
        self.model = model
        self.ports = [model.output(f"{SERVED}{number}:0") for number in range(outputs)]
        self._idle: deque[openvino.InferRequest] = deque()
        self._weights = weights  # which the model reads but does not hold, so they must not go before it

    def infer(self, pictures: np.ndarray) -> list[np.ndarray]:
        try:
            request = self._idle.pop()
        except IndexError:
            request = self.model.create_infer_request()
        results = request.infer([pictures])  # copies, so that the request is free again
        self._idle.append(request)
        return [results[port] for port in self.ports]


def read(core: openvino.Core, graph: bytes) -> openvino.Model:
    """A serialised GraphDef from Graph.cut as OpenVINO's model."""
    with _path_of(graph) as path:
        return core.read_model(path)


@contextmanager
def _path_of(data: bytes) -> Iterator[str]:
    """OpenVINO reads TensorFlow graphs from files only. On Linux the file is in memory and dies with the process."""
    if hasattr(os, "memfd_create"):
        with os.fdopen(os.memfd_create("graph.pb"), "wb") as file:
            file.write(data)
            file.flush()
            yield f"/proc/self/fd/{file.fileno()}"
    else:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "graph.pb")
            path.write_bytes(data)
            yield str(path)
