"""Decoding in processes of its own: decoders are written in C, and what a user sends may crash them or worse.

A decoding process has limits on memory, time and files. One that crashes, hangs or answers nonsense costs the request
that did it, and a new one takes its place. What comes back is small and of a known size, and nothing is unpickled:

    request  kind, two lengths; the preprocessing as JSON, the file's bytes
    answer   verdict, number, length; the array's bytes, or `code: message` of a RequestError

The number is how many seconds a sound lasts, or how many years old the patient of a picture is (NaN: not said).
"""

import json
import math
import os
import queue
import select
import signal
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import lru_cache
from typing import BinaryIO, Self, cast

import numpy as np

from tosa import errors, memory, settings
from tosa.inputs import audio, xray
from tosa.preprocessing import Preprocessing

REQUEST = struct.Struct("<cHI")
ANSWER = struct.Struct("<cdI")
READY, GOOD, REFUSED = b"!", b"+", b"-"
KINDS = {"sound": b"s", "recording": b"r", "picture": b"p"}
NAMES = {letter: kind for kind, letter in KINDS.items()}
FLOAT, BYTE = np.dtype(np.float32), np.dtype(np.uint8)
TYPES: dict[str, np.dtype] = {"sound": FLOAT, "recording": FLOAT, "picture": BYTE}
IDLE_SECONDS = 0.5  # after which a process tidies up
WATCH_SECONDS = 0.25  # between two looks at the processes
PIPE_BYTES = 2**20  # what Linux lets any user have
MAX_REFUSAL = 2**16  # bytes
DEFAULT = Preprocessing()
MAX_AGE_YEARS = 130.0
TIME_IS_UP = getattr(signal, "SIGPROF", 0)  # the signal that ends a process that has worked for too long
TOOK_TOO_LONG = "The file takes too long to decode. It is damaged or very large: export it again, or smaller."
REFUSALS = {error.code: error for error in errors.refusals()}


@dataclass(frozen=True, eq=False)
class Decoded:
    """A sound's window, float32 (window_samples,), all of it, float32 (n,), or an X-ray, uint8 (size, size, 3)."""

    array: np.ndarray
    seconds: float | None = None  # that the whole sound lasts
    age_years: float | None = None  # of the patient, where a DICOM file says it


def decode_file(kind: str, data: bytes, preprocessing: Preprocessing = DEFAULT) -> Decoded:
    """Decodes and judges a file in this process. Raises what audio and xray raise.

    kind: 'sound' for the loudest window of a sound, 'recording' for all of it, 'picture' for an X-ray.
    """
    if kind == "sound":
        return Decoded(*audio.load_window(data, preprocessing))
    if kind == "recording":
        samples = audio.load_recording(data, preprocessing)
        return Decoded(samples, seconds=len(samples) / preprocessing.sample_rate)
    prepared = xray.prepare(data, preprocessing)
    return Decoded(prepared.pixels, age_years=prepared.age_years)


def shape_of(kind: str, preprocessing: Preprocessing = DEFAULT) -> tuple[int, ...]:
    """Returns the shape of the array that `decode_file` returns; of a recording, the largest that it may have."""
    if kind == "recording":  # and what a resampler adds
        return (round((settings.MAX_SOUND_SECONDS + 1) * preprocessing.sample_rate),)
    size = preprocessing.size
    return (preprocessing.window_samples,) if kind == "sound" else (size, size, 3)


class Pool:
    """Processes that decode, for any number of threads at once; called as `decode_file` is."""

    def __init__(self, size: int) -> None:
        self.restarts = 0  # of processes that were lost
        self._idle: queue.LifoQueue[_Worker] = queue.LifoQueue()  # the last one used has its memory at hand
        self._asked: set[_Worker] = set()
        self._closed = threading.Event()
        threading.Thread(target=self._watch, name="decoders", daemon=True).start()
        for _ in range(size):
            self._idle.put(_Worker())

    def __call__(self, kind: str, data: bytes, preprocessing: Preprocessing = DEFAULT) -> Decoded:
        """Decodes and judges a file. Raises what `decode_file` raises, and Damaged if the process did not survive."""
        worker = self._idle.get()
        try:
            if not worker.alive():  # whatever ended it since, it was not this file
                worker = self._replace()
            worker.wait_until_ready()
            with self._in_time(worker, len(data)):
                return worker.decode(kind, data, preprocessing)
        except _Lost as lost:
            print(f"A decoding process was lost: {lost}. Another takes its place.", file=sys.stderr, flush=True)
            late = lost.status == -TIME_IS_UP or time.monotonic() > worker.due
            worker = self._replace()
            raise errors.Damaged(TOOK_TOO_LONG if late else None) from lost
        finally:
            self._idle.put(worker)

    def _replace(self) -> "_Worker":
        self.restarts += 1
        return _Worker()

    @contextmanager
    def _in_time(self, worker: "_Worker", size: int) -> Iterator[None]:
        """Ends the process if it is not done in time. size: bytes of the file."""
        more = settings.decoding_seconds(size) - settings.MAX_DECODING_SECONDS
        worker.due = time.monotonic() + settings.MAX_DECODING_WAIT + more
        self._asked.add(worker)
        try:
            yield
        finally:
            self._asked.discard(worker)

    def _watch(self) -> None:
        """End what takes too long. One thread looks at all, since a timer for each request would cost it 1 ms."""
        while not self._closed.wait(WATCH_SECONDS):
            for worker in list(self._asked):
                if time.monotonic() > worker.due:
                    worker.process.kill()

    def wait_until_ready(self) -> None:
        """Return when all processes can work. Raises DecoderError if one cannot."""
        for worker in list(self._idle.queue):
            worker.wait_until_ready()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._closed.set()
        while not self._idle.empty():
            self._idle.get().end()


class _Lost(Exception):
    """A decoding process crashed, took too long or answered what it cannot have meant. status: that it ended with."""

    def __init__(self, status: int) -> None:
        super().__init__(f"status {status}")
        self.status = status


class _Worker:
    def __init__(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tosa.inputs.decoder_pool"],
            cwd=settings.ROOT,
            env=os.environ | {"OPENBLAS_NUM_THREADS": "1"},  # more would take address space and are not used
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        self._requests = cast("BinaryIO", self.process.stdin)
        self._answers = cast("BinaryIO", self.process.stdout)
        _widen(self._requests.fileno())
        self._ready = False
        self.due = float("inf")  # when it has to have answered

    def alive(self) -> bool:
        return self.process.poll() is None

    def wait_until_ready(self) -> None:
        if not self._ready and self._answers.read(1) != READY:
            raise errors.DecoderError(f"A decoding process ended with status {self.end()} instead of starting.")
        self._ready = True

    def decode(self, kind: str, data: bytes, preprocessing: Preprocessing) -> Decoded:
        """Raises RequestError as the process says, and _Lost."""
        shape = (-1,) if kind == "recording" else shape_of(kind, preprocessing)
        try:
            verdict, number, payload = self._ask(kind, data, preprocessing)
            if verdict == GOOD:
                array = _array(payload, TYPES[kind], shape)
                return Decoded(array, age_years=_age(number)) if kind == "picture" else Decoded(array, seconds=number)
            refusal = _refusal(payload)
        except (OSError, ValueError, struct.error) as error:
            raise _Lost(self.end()) from error
        raise refusal

    def _ask(self, kind: str, data: bytes, preprocessing: Preprocessing) -> tuple[bytes, float, bytes]:
        to, back, described = self._requests, self._answers, _described(preprocessing)
        to.write(REQUEST.pack(KINDS[kind], len(described), len(data)))
        to.write(described)
        to.write(data)
        to.flush()
        verdict, number, length = ANSWER.unpack(back.read(ANSWER.size))
        most = math.prod(shape_of(kind, preprocessing)) * TYPES[kind].itemsize if verdict == GOOD else MAX_REFUSAL
        least = 1 if verdict != GOOD or kind == "recording" else most
        if not least <= length <= most:
            raise ValueError(f"an answer of {length} bytes")
        return verdict, number, back.read(length)

    def end(self) -> int:
        self.process.kill()
        self._answers.close()
        with suppress(OSError):  # what was still to be written has no reader
            self._requests.close()
        return self.process.wait()


def _widen(pipe: int) -> None:
    """Let a pipe hold a megabyte where the system allows: a large file then goes through in ten steps, not in 150."""
    with suppress(ImportError, AttributeError, OSError):  # only Linux can, and may refuse it to a user with many pipes
        import fcntl

        fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, PIPE_BYTES)


@lru_cache(maxsize=8)
def _described(preprocessing: Preprocessing) -> bytes:
    return json.dumps(preprocessing.to_dict()).encode()


@lru_cache(maxsize=8)
def _preprocessing(described: bytes) -> Preprocessing:
    return Preprocessing.from_dict(json.loads(described))


def _array(payload: bytes, dtype: np.dtype, shape: tuple[int, ...]) -> np.ndarray:
    """Raises ValueError unless the payload is an array of this type and shape, with finite numbers."""
    array = np.frombuffer(payload, dtype).reshape(shape)
    if not np.isfinite(array).all():
        raise ValueError("numbers that are not finite")
    return array


def _age(number: float) -> float | None:
    """The age that a process answered, None where it said none or what no patient can be."""
    return number if 0 <= number <= MAX_AGE_YEARS else None


def _refusal(payload: bytes) -> errors.RequestError:
    """Raises ValueError unless the payload is a refusal of ours."""
    code, _, message = payload.decode().partition(": ")
    if code not in REFUSALS or not message:
        raise ValueError("no refusal of ours")
    return REFUSALS[code](message)


def main() -> None:
    """Decode what comes through standard input until it ends."""
    for name in (signal.SIGINT, signal.SIGTERM):  # they reach the server too, which ends this process when it is done
        signal.signal(name, signal.SIG_IGN)
    incoming, outgoing = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    _confine()
    outgoing.write(READY)
    outgoing.flush()
    while header := _next(incoming):
        kind, described_length, length = REQUEST.unpack(header)
        preprocessing = _preprocessing(incoming.read(described_length))
        outgoing.write(_answer(kind, incoming.read(length), preprocessing))
        outgoing.flush()


def _next(incoming: BinaryIO) -> bytes:
    """Returns the head of the next request, b"" at the end. Idle processes give memory back."""
    if os.name == "posix" and not select.select([incoming], [], [], IDLE_SECONDS)[0]:
        memory.give_back()
    return incoming.read(REQUEST.size)


def _confine() -> None:
    """From here on: bounded memory, no file written, and nothing a decoder prints goes anywhere."""
    sys.dont_write_bytecode = True
    nowhere = os.open(os.devnull, os.O_RDWR)
    for standard in range(3):
        os.dup2(nowhere, standard)
    try:
        import resource
    except ImportError:  # Windows
        return
    limits = {"AS": settings.MAX_DECODING_BYTES, "FSIZE": 0, "CORE": 0, "NOFILE": 64}
    for name, limit in limits.items():
        with suppress(AttributeError, ValueError, OSError):  # macOS does not limit address space
            resource.setrlimit(getattr(resource, f"RLIMIT_{name}"), (limit, limit))


def _answer(kind: bytes, data: bytes, preprocessing: Preprocessing) -> bytes:
    """Whatever is raised here beside RequestError ends the process, with which its memory goes too."""
    _limit_time(settings.decoding_seconds(len(data)))
    try:
        decoded = decode_file(NAMES[kind], data, preprocessing)
    except errors.RequestError as error:
        payload = f"{error.code}: {error}".encode()
        return ANSWER.pack(REFUSED, 0, len(payload)) + payload
    finally:
        _limit_time(0)
    number = decoded.seconds if decoded.seconds is not None else decoded.age_years
    return ANSWER.pack(GOOD, math.nan if number is None else number, decoded.array.nbytes) + decoded.array.tobytes()


def _limit_time(seconds: float) -> None:
    """Let the system end this process when it has worked for so long, even inside a decoder; 0 lifts that."""
    if hasattr(signal, "setitimer"):
        signal.setitimer(signal.ITIMER_PROF, seconds)


if __name__ == "__main__":
    main()
