"""How many requests are at work, how many wait, and when further ones are refused."""

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from threading import BoundedSemaphore, Lock

from tosa import settings
from tosa.errors import Busy

LONG_SHARE = 4  # of so many slots, long requests may have one


class Slots:
    """As many requests at work as there are slots. A few more wait for a short time; the others are refused at once."""

    def __init__(self, slots: int) -> None:
        self.count = slots
        self.inside_count = self.working_count = 0  # requests that have a place; those of them that have a slot
        self._places = BoundedSemaphore(slots + settings.MAX_WAITING)
        self._working = BoundedSemaphore(slots)
        self._long = BoundedSemaphore(max(slots // LONG_SHARE, 1))
        self._counting = Lock()

    @contextmanager
    def inside(self) -> Iterator[None]:
        """A place to work or to wait. Raises Busy at once if none is left, so enter before reading the request."""
        if not self._places.acquire(blocking=False):
            raise Busy()
        self._add(inside=1)
        try:
            yield
        finally:
            self._add(inside=-1)
            self._places.release()

    @contextmanager
    def at_work(self, is_long: bool = False) -> Iterator[None]:
        """A slot. Raises Busy after waiting for settings.MAX_WAIT_SECONDS.

        is_long: the request works for seconds. Such requests get only one of LONG_SHARE slots, so that the others are
        answered meanwhile.
        """
        deadline = time.monotonic() + settings.MAX_WAIT_SECONDS
        with ExitStack() as held:  # until the work is done, even if the client has disconnected
            for slot in (self._long, self._working) if is_long else (self._working,):
                if not slot.acquire(timeout=max(deadline - time.monotonic(), 0)):
                    raise Busy()
                held.callback(slot.release)
            self._add(working=1)
            held.callback(self._add, working=-1)
            yield

    def _add(self, inside: int = 0, working: int = 0) -> None:
        with self._counting:
            self.inside_count += inside
            self.working_count += working
