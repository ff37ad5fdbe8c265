"""Memory that was freed, given back to the system."""

import ctypes


def give_back() -> None:
    """Have the C library return what it holds for later: after a large upload or picture that is a lot."""
    if _trim:
        _trim(0)


try:
    _trim = ctypes.CDLL(None).malloc_trim
except (AttributeError, OSError, TypeError):  # only glibc has it, and Windows no CDLL(None)
    _trim = None
