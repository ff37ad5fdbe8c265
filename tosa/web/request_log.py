"""Lines of JSON. The log has one for each request on standard error, without anything of what was sent or by whom."""

import json
import secrets
import sys
from contextlib import suppress
from typing import Any, TextIO


def new_id() -> str:
    """Returns a random id for a request, which the answer carries as X-Request-Id."""
    return secrets.token_hex(8)


def write(
    request_id: str, status: int, kind: str | None, size: int, duration: float | None, milliseconds: float
) -> None:
    """Writes a request's line.

    kind: sound, picture, both, or None if it is not known; size in bytes; duration of the sound in seconds.
    """
    values = {
        "id": request_id,
        "status": status,
        "kind": kind,
        "size": size,
        "duration": None if duration is None else round(duration, 2),
        "milliseconds": round(milliseconds, 1),
    }
    line(sys.stderr, values)


def line(stream: TextIO, values: dict[str, Any]) -> None:
    """Writes JSON as one line; a stream that nobody reads any more (`python app.py | head`) stops no answer."""
    with suppress(OSError):
        stream.write(json.dumps(values, ensure_ascii=False) + "\n")  # one write, so that lines do not mix
        stream.flush()
