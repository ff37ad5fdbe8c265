"""Freed memory: kept by the C library while requests come, given back to the system in quiet moments."""

import ctypes
from collections.abc import Callable

TRIM_THRESHOLD, MMAP_THRESHOLD = -1, -3  # parameters of the GNU C library's mallopt
LARGEST_REUSED = 2 * 2**20  # bytes of one array; larger ones, of large uploads, go back to the system at once
MOST_KEPT = 16 * 2**20  # bytes at the end of a heap


def reuse_freed() -> None:
    """Makes the C library keep freed memory for the next request, until `give_back`.

    By default it asks the system again for each array over 128 kB, which fills each page with zeros at its first use:
    a fifth to a third of the time in which a sound is decoded. For programs of Tosa's own, at their start.
    """
    if _option:
        _option(MMAP_THRESHOLD, LARGEST_REUSED)
        _option(TRIM_THRESHOLD, MOST_KEPT)


def give_back() -> None:
    """Makes the C library return the freed memory that it keeps; after a large upload or picture that is a lot."""
    if _trim:
        _trim(0)


def _of_c_library(name: str) -> Callable[..., int] | None:
    """A function of the GNU C library; None on systems with another one."""
    try:
        return getattr(ctypes.CDLL(None), name)
    except (AttributeError, OSError, TypeError):  # Windows has no CDLL(None)
        return None


_trim, _option = _of_c_library("malloc_trim"), _of_c_library("mallopt")
