"""The engine: OpenVINO runs a pruned graph, on all cores for a single picture, on one core each for several at once."""

import io
import os
import platform
import sys
import tempfile
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np

from tosa.model import graph, quantization_constants, subgraph
from tosa.model.graph import GraphError
from tosa.model.quantization_constants import NONE, QuantizationConstants
from tosa.model.subgraph import SERVED, Subgraph

# Importing openvino would otherwise leave an identity in ~/intel and report to Google Analytics.
NOT_IMPORTED: dict[str, Any] = {
    "openvino_telemetry": None,
    "openvino.tools.ovc": None,  # converts models; half the time of the import
}
sys.modules.update(NOT_IMPORTED | sys.modules)
import openvino  # noqa: E402

from tosa.model import quantization  # noqa: E402

ALONE, TOGETHER = {"PERFORMANCE_HINT": "LATENCY"}, {"PERFORMANCE_HINT": "THROUGHPUT"}


@cache
def core() -> openvino.Core:
    """Returns the one OpenVINO core of this process.

    It is never destroyed: the last core that is destroyed frees the signal stack of the thread that made the first.
    """
    return openvino.Core()


def native_precision() -> str:
    """Returns bf16 if the processor has instructions for it, which take half the time of f32; f32 otherwise.

    On processors with plain AVX-512, OpenVINO emulates bf16, which is slower than f32.
    """
    return "bf16" if "BF16" in core().get_property("CPU", "OPTIMIZATION_CAPABILITIES") else "f32"


def has_fast_int8() -> bool:
    """Returns whether int8 takes less time than the native precision.

    It does on every x86-64 processor with AVX2; on arm64 it has not been measured.
    """
    is_x86 = platform.machine() in ("x86_64", "AMD64")
    return is_x86 and "INT8" in core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")


def hint(precision: str) -> str:
    """Returns the precision that OpenVINO is asked for: for int8 that of the layers which are not rounded."""
    return native_precision() if precision == "int8" else precision


def cache_key_parts() -> list[str | bytes]:
    """Returns what `Engine.exported` depends on besides graph and precision: OpenVINO, the processor, Tosa's code.

    The graph's SHA-256 covers its preprocessing too, since the graph carries that.
    """
    of_processor = (core().get_property("CPU", name) for name in ("FULL_DEVICE_NAME", "OPTIMIZATION_CAPABILITIES"))
    modules = (graph, subgraph, quantization, quantization_constants)
    code = (Path(file).read_bytes() for file in (*(str(module.__file__) for module in modules), __file__))
    return [openvino.get_version(), *map(str, of_processor), *code]


class Engine:
    """A compiled graph that any number of threads may use at once.

    Cores that share one picture often wait for each other. That gives the fastest single answer, but fewer answers a
    second. So the graph is compiled twice: at the start for one picture on all cores; and for several pictures on one
    core each when several first arrive at once. From then on both share one copy of the weights.
    """

    def __init__(
        self,
        graph: Subgraph | np.ndarray,
        outputs: int,
        threads: int | None,
        precision: str,
        constants: QuantizationConstants = NONE,
        singly: bool = False,
    ) -> None:
        """graph: from `prune`, or what `exported` returned, as a writable array; outputs: how many it has.

        threads: how many cores to use, all by default; precision: f32, bf16 or int8, which needs constants.
        singly: whether it runs one picture after the other, always on all cores, which takes the least memory.
        Raises GraphError if OpenVINO cannot run the graph.
        """
        self._core, self._outputs, self._quantized = core(), outputs, precision == "int8"
        self._transformed: openvino.Tensor | None = None  # what `exported` returns, once it was called
        # Threads pinned to cores wait for other work on these cores: the slowest answers took twice as long.
        self._config = {"INFERENCE_PRECISION_HINT": hint(precision), "ENABLE_CPU_PINNING": False}
        if threads:
            self._config["INFERENCE_NUM_THREADS"] = threads
        try:
            if isinstance(graph, Subgraph):
                model = read(self._core, graph, constants if self._quantized else NONE)
                if singly:
                    _fix_number(model)
                self._alone = _Compiled(self._core.compile_model(model, "CPU", self._config | ALONE), outputs)
            else:
                self._transformed = openvino.Tensor(graph, shared_memory=True)
                self._alone = self._imported(ALONE)
        except (RuntimeError, UnicodeDecodeError) as error:  # OpenVINO's message may contain the wrong byte itself
            reasons = [line.removeprefix("--") for line in str(error).splitlines() if line.startswith("-- ")]
            raise GraphError(":".join(["cannot be run by OpenVINO", *reasons[-1:]])) from error
        self._together: _Compiled | None = None
        self._singly = singly
        self._running = 0  # threads in `infer`
        self._counting, self._compiling = Lock(), Lock()

    def infer(self, pictures: np.ndarray) -> list[np.ndarray]:
        """Returns the outputs for pictures (N, height, width, 3), uint8, each a new array. Raises RuntimeError."""
        if self._singly:
            each = [self._alone.infer(pictures[number : number + 1]) for number in range(len(pictures))]
            return each[0] if len(each) == 1 else [np.concatenate(parts) for parts in zip(*each, strict=True)]
        with self._counting:
            self._running += 1
            alone = self._running == 1
        try:
            return (self._alone if alone else self._for_several()).infer(pictures)
        finally:
            with self._counting:
                self._running -= 1

    def precision(self) -> str:
        """Returns the precision in use: the one that was asked for, or f32 if the processor does not support it."""
        if self._quantized:
            return "int8"
        return self._alone.model.get_property("INFERENCE_PRECISION_HINT").get_type_name()

    def takes_any_number(self) -> bool:
        """Returns whether the graph's outputs have a free batch size, or pictures are run singly."""
        return self._singly or not any(port.partial_shape[0].is_static for port in self._alone.ports)

    def _for_several(self) -> "_Compiled":
        """The graph compiled for several pictures at once. The first caller compiles it.

        Meanwhile the other callers get the one for a single picture. If compiling fails, so does the first caller, and
        the next one tries again.
        """
        if self._together is None and self._compiling.acquire(blocking=False):
            try:
                if self._together is None:
                    if self._transformed is None:
                        self._transformed = openvino.Tensor(self.exported())
                    if self._alone.transformed is None:  # it still has its own copy of the weights
                        self._alone = self._imported(ALONE)
                    self._together = self._imported(TOGETHER)
            except RuntimeError as error:
                print(f"Tosa answers with all cores on each picture: {error}", file=sys.stderr, flush=True)
            finally:
                self._compiling.release()
        return self._together or self._alone

    def exported(self) -> np.ndarray:
        """Returns the graph in OpenVINO's own form, with all transformations done: uint8 (n,)."""
        if self._transformed is not None:
            return self._transformed.data
        file = io.BytesIO()
        self._alone.model.export_model(file)
        return np.frombuffer(file.getbuffer(), np.uint8)

    def import_from(self, exported: np.ndarray) -> None:
        """Uses the weights in `exported`, a copy of what `exported()` returned, in place of the engine's own copy.

        Raises RuntimeError if OpenVINO cannot import them.
        """
        with self._compiling:
            self._transformed = openvino.Tensor(exported, shared_memory=True)
            if self._together or self._singly:
                self._alone = self._imported(ALONE)
            if self._together:
                self._together = self._imported(TOGETHER)

    def _imported(self, hint: dict) -> "_Compiled":
        transformed = self._transformed
        return _Compiled(self._core.import_model(transformed, "CPU", self._config | hint), self._outputs, transformed)


class _Compiled:
    """A compiled model and its idle requests, each of which one thread uses at a time."""

    def __init__(self, model: openvino.CompiledModel, outputs: int, transformed: openvino.Tensor | None = None) -> None:
        """transformed: what the model was imported from. The model reads its weights there, so it must live as long."""
        self.model = model
        self.ports = [model.output(f"{SERVED}{number}:0") for number in range(outputs)]
        self._idle: deque[openvino.InferRequest] = deque()
        self.transformed = transformed

    def infer(self, pictures: np.ndarray) -> list[np.ndarray]:
        try:
            request = self._idle.pop()
        except IndexError:
            request = self.model.create_infer_request()
        results = request.infer([pictures])  # copies, so that the request can be used again
        self._idle.append(request)
        return [results[port] for port in self.ports]


def read(core: openvino.Core, pruned: Subgraph, constants: QuantizationConstants = NONE) -> openvino.Model:
    """Returns a pruned graph as OpenVINO's model, with its weights; quantized if there are constants for that."""
    pruned = quantization.quantize_activations(pruned, constants) if constants else pruned
    with _path_of(pruned.graph) as path:
        model = core.read_model(path)
    for parameter in model.get_parameters():
        value = pruned.weights.get(parameter.get_friendly_name().removesuffix(":0"))
        if value is not None:
            parameter.output(0).replace(openvino.opset13.constant(value).output(0))
            model.remove_parameter(parameter)
    if constants:
        quantization.quantize_weights(model)
    return model


def _fix_number(model: openvino.Model) -> None:
    """Makes the model one for a single picture: sizes that are known take less memory than any number of pictures."""
    shape = model.input().partial_shape
    shape[0] = 1
    model.reshape(shape)


@contextmanager
def _path_of(data: bytes) -> Iterator[str]:
    """The path of a file with this content, since OpenVINO reads TensorFlow graphs only from files.

    On Linux the file is in memory and disappears with the process.
    """
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
