"""Gives freed memory back to the system."""

import ctypes
from collections.abc import Callable


def give_back() -> None:
    """Makes the C library return the freed memory that it keeps; after a large upload or picture that is a lot."""
    if _trim:
        _trim(0)


def _find_trim() -> Callable[[int], int] | None:
    """malloc_trim of the GNU C library; None on systems with another one."""
    try:
        return ctypes.CDLL(None).malloc_trim
    except (AttributeError, OSError, TypeError):  # Windows has no CDLL(None)
        return None


_trim = _find_trim()
