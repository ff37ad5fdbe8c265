"""Decoding in processes of its own: decoders are written in C, and what a user sends may crash them or worse.

A decoding process (decoder_process.py) has limits on memory, time and files. One that crashes, hangs or answers
nonsense costs the request that did it, and a new one takes its place.
"""

import json
import math
import os
import queue
import signal
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import lru_cache
from typing import BinaryIO, Self, cast

import numpy as np

from tosa import errors, settings
from tosa.inputs.decoder_process import ANSWER, GOOD, KINDS, READY, REQUEST
from tosa.inputs.decoding import DEFAULT, Decoded, shape_of
from tosa.preprocessing import Preprocessing

SAMPLE = np.dtype(np.float32)
WATCH_SECONDS = 0.25  # between two looks at the processes
PIPE_BYTES = 2**20  # what Linux lets any user have
MAX_REFUSAL = 2**16  # bytes
MAX_AGE_YEARS = 130.0
TIME_IS_UP = getattr(signal, "SIGPROF", 0)  # the signal that ends a process that has worked for too long
TOOK_TOO_LONG = "The file takes too long to decode. It is damaged or very large: export it again, or smaller."
REFUSALS = {error.code: error for error in errors.refusals()}


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
            [sys.executable, "-m", "tosa.inputs.decoder_process"],
            cwd=settings.ROOT,
            env=os.environ | {"OPENBLAS_NUM_THREADS": "1"},  # more would take address space and are not used
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        self._requests = cast("BinaryIO", self.process.stdin)
        self._answers = cast("BinaryIO", self.process.stdout)
        for pipe in (self._requests, self._answers):
            _widen(pipe.fileno())
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
        try:
            verdict, number, payload = self._ask(kind, data, preprocessing)
            if verdict == GOOD:
                return _decoded(kind, number, payload, preprocessing)
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
        most = _most_bytes(kind, preprocessing) if verdict == GOOD else MAX_REFUSAL
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
    """Let a pipe hold a megabyte where the system allows: a picture goes through in one step, a large file in ten."""
    with suppress(ImportError, AttributeError, OSError):  # only Linux can, and may refuse it to a user with many pipes
        import fcntl

        fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, PIPE_BYTES)


@lru_cache(maxsize=8)
def _described(preprocessing: Preprocessing) -> bytes:
    return json.dumps(preprocessing.to_dict()).encode()


def _most_bytes(kind: str, preprocessing: Preprocessing) -> int:
    """Bytes of the largest array that a process answers."""
    shape = shape_of(kind, preprocessing)
    return math.prod(shape[:2]) if kind == "picture" else math.prod(shape) * SAMPLE.itemsize


def _decoded(kind: str, number: float, payload: bytes, preprocessing: Preprocessing) -> Decoded:
    """Raises ValueError unless the payload is an array of this kind's shape, with finite numbers."""
    if kind == "picture":
        shape = shape_of(kind, preprocessing)
        gray = np.frombuffer(payload, np.uint8).reshape(*shape[:2], 1)
        return Decoded(np.broadcast_to(gray, shape), age_years=_age(number))
    samples = np.frombuffer(payload, SAMPLE)
    if not np.isfinite(samples).all():
        raise ValueError("numbers that are not finite")
    return Decoded(samples, seconds=number)


def _age(number: float) -> float | None:
    """The age that a process answered, None where it said none or what no patient can be."""
    return number if 0 <= number <= MAX_AGE_YEARS else None


def _refusal(payload: bytes) -> errors.RequestError:
    """Raises ValueError unless the payload is a refusal of ours."""
    code, _, message = payload.decode().partition(": ")
    if code not in REFUSALS or not message:
        raise ValueError("no refusal of ours")
    return REFUSALS[code](message)
