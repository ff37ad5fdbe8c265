"""Lines of JSON: the log has one a request on standard error, with nothing in it of what was sent or by whom."""

import json
import secrets
import sys
from contextlib import suppress
from typing import TextIO


def new_id() -> str:
    """Random, so that it says nothing of the request; the answer carries it as X-Request-Id."""
    return secrets.token_hex(8)


def write(id: str, status: int, kind: str | None, size: int, duration: float | None, milliseconds: float) -> None:
    """kind: sound, picture, both, or None where it was not told; size in bytes; duration of the sound in seconds."""
    known = {
        "id": id,
        "status": status,
        "kind": kind,
        "size": size,
        "duration": None if duration is None else round(duration, 2),
        "milliseconds": round(milliseconds, 1),
    }
    line(sys.stderr, known)


def line(stream: TextIO, known: dict) -> None:
    """Write JSON as one line; a stream that no one reads any more (`python app.py | head`) stops no answer."""
    with suppress(OSError):
        stream.write(json.dumps(known, ensure_ascii=False) + "\n")  # one write, so that no two lines mix
        stream.flush()
