"""A process that decodes what comes through its standard input, with limits on memory, time and files.

What it answers is small and of a known size, and nothing is unpickled:

    request  kind, two lengths; the preprocessing as JSON, the file's bytes
    answer   verdict, number, length; the array's bytes, or `code: message` of a RequestError

A picture is gray, so it has one channel. The number is how many seconds a sound lasts, or how many years old the
patient of a picture is (NaN: not said).
"""

import json
import math
import os
import select
import signal
import struct
import sys
from contextlib import suppress
from functools import lru_cache
from typing import BinaryIO

import numpy as np

from tosa import errors, memory, settings
from tosa.inputs.decoding import decode_file
from tosa.preprocessing import Preprocessing

REQUEST = struct.Struct("<cHI")
ANSWER = struct.Struct("<cdI")
READY, GOOD, REFUSED = b"!", b"+", b"-"
KINDS = {"sound": b"s", "recording": b"r", "picture": b"p"}
NAMES = {letter: kind for kind, letter in KINDS.items()}
IDLE_SECONDS = 0.5  # after which a process tidies up


def main() -> None:
    """Decode what comes through standard input until it ends."""
    for name in (signal.SIGINT, signal.SIGTERM):  # they reach the server too, which ends this process when it is done
        signal.signal(name, signal.SIG_IGN)
    incoming, outgoing = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    _confine()
    memory.reuse_freed()
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


@lru_cache(maxsize=8)
def _preprocessing(described: bytes) -> Preprocessing:
    return Preprocessing.from_dict(json.loads(described))


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
    array = np.ascontiguousarray(decoded.array[:, :, 0] if NAMES[kind] == "picture" else decoded.array)
    return b"".join([ANSWER.pack(GOOD, math.nan if number is None else number, array.nbytes), array.data])


def _limit_time(seconds: float) -> None:
    """Let the system end this process when it has worked for so long, even inside a decoder; 0 lifts that."""
    if hasattr(signal, "setitimer"):
        signal.setitimer(signal.ITIMER_PROF, seconds)


if __name__ == "__main__":
    main()
