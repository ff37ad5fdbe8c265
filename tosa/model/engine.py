"""The engine: OpenVINO runs a pruned graph, with all cores for a picture alone, with one core each for many at once."""

import io
import os
import sys
import tempfile
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from threading import Lock
from types import MappingProxyType

import numpy as np

from tosa.model import graph, subgraph
from tosa.model.graph import GraphError
from tosa.model.subgraph import SERVED, Subgraph

# Importing openvino would otherwise leave an identity in ~/intel and report to Google Analytics.
sys.modules.setdefault("openvino_telemetry", None)
sys.modules.setdefault("openvino.tools.ovc", None)  # converts models; half the time of the import
import openvino  # noqa: E402

from tosa.model import quantization  # noqa: E402

HINTS = {"int8": "f32"}  # what is calculated in besides rounded numbers
NONE = MappingProxyType({})
ALONE, TOGETHER = {"PERFORMANCE_HINT": "LATENCY"}, {"PERFORMANCE_HINT": "THROUGHPUT"}


@cache
def core() -> openvino.Core:
    """One for good: the last one to go takes with it the stack on which its first thread takes signals."""
    return openvino.Core()


def native_precision() -> str:
    """bf16 where the processor calculates in it by itself, half the time of f32; f32 elsewhere.

    Asked for bf16, OpenVINO would imitate it on processors with plain AVX-512, more slowly than f32.
    """
    return "bf16" if "BF16" in core().get_property("CPU", "OPTIMIZATION_CAPABILITIES") else "f32"


def cache_key_parts() -> list[str | bytes]:
    """What decides what `Engine.exported` gives, besides graph and precision: OpenVINO, the processor, our code."""
    of_processor = (core().get_property("CPU", name) for name in ("FULL_DEVICE_NAME", "OPTIMIZATION_CAPABILITIES"))
    code = (Path(module.__file__).read_bytes() for module in (graph, subgraph, quantization, sys.modules[__name__]))
    return [openvino.get_version(), *map(str, of_processor), *code]


class Engine:
    """A compiled graph that any number of threads may ask at once.

    Cores that share one picture wait for each other again and again, which the first answer is worth but the number
    of answers a second is not. So it is compiled for one picture with all cores, which is what the start waits for,
    and for several at once with a core each when they first come; from then on both share one copy of the weights.
    """

    def __init__(
        self, graph: Subgraph | np.ndarray, outputs: int, threads: int | None, precision: str, peaks: Mapping = NONE
    ):
        """graph: from prune, or what `exported` gave of it, writeable since OpenVINO asks for that; with so many outputs.

        threads: how many cores to use, all by default. precision: f32, bf16 or int8, which needs the graph's peaks.
        Raises GraphError if OpenVINO cannot run it.
        """
        self._core, self._outputs, self._eight_bits = core(), outputs, precision == "int8"
        self._transformed: openvino.Tensor | None = None  # what `exported` gives, where it is there already
        # Threads pinned to cores wait for whatever else runs there: the slowest answers took twice as long.
        self._config = {"INFERENCE_PRECISION_HINT": HINTS.get(precision, precision), "ENABLE_CPU_PINNING": False}
        if threads:
            self._config["INFERENCE_NUM_THREADS"] = threads
        try:
            if isinstance(graph, Subgraph):
                model = read(self._core, graph, peaks if self._eight_bits else NONE)
                self._alone = _Compiled(self._core.compile_model(model, "CPU", self._config | ALONE), outputs)
            else:
                self._transformed = openvino.Tensor(graph, shared_memory=True)
                self._alone = self._imported(ALONE)
        except (RuntimeError, UnicodeDecodeError) as error:  # what OpenVINO says of a wrong byte may hold it
            reasons = [line.removeprefix("--") for line in str(error).splitlines() if line.startswith("-- ")]
            raise GraphError(":".join(["cannot be run by OpenVINO", *reasons[-1:]])) from error
        self._together: _Compiled | None = None
        self._asked = 0  # threads in `infer`
        self._counting, self._compiling = Lock(), Lock()

    def infer(self, pictures: np.ndarray) -> list[np.ndarray]:
        """The outputs for pictures (N, height, width, 3), uint8, each a new array. Raises RuntimeError."""
        with self._counting:
            self._asked += 1
            alone = self._asked == 1
        try:
            return (self._alone if alone else self._for_several()).infer(pictures)
        finally:
            with self._counting:
                self._asked -= 1

    def precision(self) -> str:
        """What it calculates in: the one asked for, or f32 where the processor cannot."""
        if self._eight_bits:
            return "int8"
        return self._alone.model.get_property("INFERENCE_PRECISION_HINT").get_type_name()

    def takes_any_number(self) -> bool:
        """Whether the graph answers any number of pictures at once, as far as can be told without asking."""
        return not any(port.partial_shape[0].is_static for port in self._alone.ports)

    def _for_several(self) -> "_Compiled":
        """Compiled for several pictures at once, by the first that asks; the others ask the one for a picture alone.

        So does the first where it cannot be compiled, and the next one to ask tries again.
        """
        if self._together is None and self._compiling.acquire(blocking=False):
            try:
                if self._together is None:
                    if self._transformed is None:
                        self._transformed = openvino.Tensor(self.exported())
                    if self._alone.transformed is None:  # its weights are its own
                        self._alone = self._imported(ALONE)
                    self._together = self._imported(TOGETHER)
            except RuntimeError as error:
                print(f"Tosa answers with all cores on each picture: {error}", file=sys.stderr, flush=True)
            finally:
                self._compiling.release()
        return self._together or self._alone

    def exported(self) -> np.ndarray:
        """The graph in OpenVINO's own form, all transformations done: uint8 (n,)."""
        if self._transformed is not None:
            return self._transformed.data
        file = io.BytesIO()
        self._alone.model.export_model(file)
        return np.frombuffer(file.getbuffer(), np.uint8)

    def import_from(self, exported: np.ndarray) -> None:
        """Take the weights from what `exported` gave, as it lies somewhere else, in the place of a copy.

        Where there is no copy yet, there will be none. Raises RuntimeError.
        """
        with self._compiling:
            self._transformed = openvino.Tensor(exported, shared_memory=True)
            if self._together:
                self._alone, self._together = self._imported(ALONE), self._imported(TOGETHER)

    def _imported(self, hint: dict) -> "_Compiled":
        transformed = self._transformed
        return _Compiled(self._core.import_model(transformed, "CPU", self._config | hint), self._outputs, transformed)


class _Compiled:
    """A compiled model and its idle requests, each of which serves one thread at a time."""

    def __init__(self, model: openvino.CompiledModel, outputs: int, transformed: openvino.Tensor | None = None):
        """transformed: what the model was imported from. It reads its weights there, so that must not go before it."""
        self.model = model
        self.ports = [model.output(f"{SERVED}{number}:0") for number in range(outputs)]
        self._idle: deque[openvino.InferRequest] = deque()
        self.transformed = transformed

    def infer(self, pictures: np.ndarray) -> list[np.ndarray]:
        try:
            request = self._idle.pop()
        except IndexError:
            request = self.model.create_infer_request()
        results = request.infer([pictures])  # copies, so that the request is free again
        self._idle.append(request)
        return [results[port] for port in self.ports]


def read(core: openvino.Core, pruned: Subgraph, peaks: Mapping[str, float] = NONE) -> openvino.Model:
    """A pruned graph as OpenVINO's model, its weights back in their places.

    Where the peaks of its activations are given, it multiplies in eight bits.
    """
    pruned = quantization.quantize_activations(pruned, peaks) if peaks else pruned
    with _path_of(pruned.graph) as path:
        model = core.read_model(path)
    for parameter in model.get_parameters():
        value = pruned.weights.get(parameter.get_friendly_name().removesuffix(":0"))
        if value is not None:
            parameter.output(0).replace(openvino.opset13.constant(value).output(0))
            model.remove_parameter(parameter)
    if peaks:
        quantization.quantize_weights(model)
    return model


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
