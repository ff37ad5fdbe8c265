"""The memory of all uploads together, which is bounded from the first byte that is received."""

import threading

from waitress.adjustments import Adjustments
from waitress.parser import HTTPRequestParser
from waitress.utilities import Error as HttpError

from tosa import settings

MEMORY_FULL = "The server receives too many uploads at the moment. Try again in a moment."


class UploadMemory:
    """Counts the memory of all uploads in progress, from the first byte received to the answer."""

    def __init__(self, limit: int) -> None:
        """limit: bytes."""
        self.limit = limit
        self.used = 0
        self._lock = threading.Lock()

    def take(self, size: int) -> bool:
        """Counts the copies of size bytes more, unless they do not fit. Returns whether they do."""
        size *= settings.UPLOAD_COPIES
        with self._lock:
            if self.used + size > self.limit:
                return False
            self.used += size
            return True

    def give_back(self, size: int) -> None:
        """Counts the copies of size bytes less."""
        with self._lock:
            self.used -= size * settings.UPLOAD_COPIES


class MemoryFull(HttpError):
    """An upload that does not fit into the memory for uploads."""

    code = 503
    reason = "Service Unavailable"


class Parser(HTTPRequestParser):
    """Reads one request, whose body counts as upload memory until it is closed."""

    counted = 0  # bytes

    def __init__(self, adj: Adjustments, memory: UploadMemory) -> None:
        super().__init__(adj)
        self.memory = memory

    def received(self, data: bytes) -> int:
        """Reads from data and returns how many bytes it has read."""
        before = self.body_bytes_received
        consumed = super().received(data)
        size = self.body_bytes_received - before
        if size and self.memory.take(size):
            self.counted += size
        elif size:  # what was received of it is thrown away, so that the others can go on
            self.close()
            self.error, self.completed = MemoryFull(MEMORY_FULL), True
        return consumed

    def close(self) -> None:
        """Frees the body."""
        super().close()
        self.memory.give_back(self.counted)
        self.counted = 0
