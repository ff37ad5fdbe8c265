"""How many requests are at work, how many wait, and when further ones are refused."""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import BoundedSemaphore

from tosa import settings
from tosa.errors import Busy


class Slots:
    """As many requests at work as there are slots. A few more wait for a short time; the others are refused at once."""

    def __init__(self, slots: int) -> None:
        self.places = BoundedSemaphore(slots + settings.MAX_WAITING)
        self.working = BoundedSemaphore(slots)

    @contextmanager
    def inside(self) -> Iterator[None]:
        """A place to work or to wait. Raises Busy at once if none is left, so enter before reading the request."""
        if not self.places.acquire(blocking=False):
            raise Busy()
        try:
            yield
        finally:
            self.places.release()

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """A slot. Raises Busy after waiting for settings.MAX_WAIT_SECONDS."""
        if not self.working.acquire(timeout=settings.MAX_WAIT_SECONDS):
            raise Busy()
        try:
            yield
        finally:  # when the work is done, even if the client has disconnected
            self.working.release()
