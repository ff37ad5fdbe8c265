"""The network in service, and a new one in its place when its files change, without a request lost."""

import sys
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor, wait
from pathlib import Path

from tosa import memory
from tosa.errors import ModelError
from tosa.model.network import Network
from tosa.settings import Settings

INTERVAL = 1.0  # seconds between two looks at the files
Stamp = tuple[tuple[int, int, int], ...]  # of each file: which one it is, when it was written, how long it is


def load_in_background() -> "Future[ModelReloader]":
    """What the settings name, read; a thread goes on to start it, mostly outside Python, which others use meanwhile.

    Its result raises SettingError and ModelError.
    """
    thread = ThreadPoolExecutor(1)
    reading = thread.submit(lambda: ModelReloader((config := Settings()).graph, config.labels, config.cache))
    wait([reading])
    return thread.submit(lambda: reading.result().start())


class ModelReloader:
    """Holds the network that answers. A request takes it once, so that all of its answer is from one network."""

    def __init__(self, graph: Path, labels: Path, cache: Path | None = None):
        """Reads the files, but does not answer before `start`. Raises ModelError.

        cache: a folder for what has been compiled.
        """
        self._files, self._cache = (graph, labels), cache
        self._tried = self._last = self._stamp()
        self.network = Network.read(graph, labels)

    def start(self) -> "ModelReloader":
        """Raises ModelError."""
        self.network.start(keep_in=self._cache)
        return self

    def watch(self) -> None:
        """Look at the files again and again, and tidy up meanwhile, in a thread that ends with the program."""
        threading.Thread(target=self._watch, name="watch", daemon=True).start()

    def _watch(self) -> None:
        while True:
            time.sleep(INTERVAL)
            try:
                self.look()
                self.network.keep()
            except Exception as error:  # no memory, no more files: the next look may go well
                print(f"Tosa goes on with the graph it has: {error!r}", file=sys.stderr, flush=True)
            memory.give_back()

    def look(self) -> bool:
        """Take up new files that have not changed since the last look; whether that was done.

        A pair that cannot be served is refused with a line on stderr, and the network in service stays.
        """
        now, before = self._stamp(), self._last
        self._last = now
        if now is None or now == self._tried or now != before:  # graph and labels may come one after the other
            return False
        try:
            network = Network.read(*self._files).start(keep_in=self._cache)
        except ModelError as error:
            self._tried = now
            print(f"Tosa goes on with the graph it has: {error}", file=sys.stderr, flush=True)
            return False
        if self._stamp() != now:  # changed while it was read
            return False
        self._tried, self.network = now, network
        print(f"Tosa answers with a new graph, sha256 {network.sha256}.", file=sys.stderr, flush=True)
        return True

    def _stamp(self) -> Stamp | None:
        """None where a file is not there."""
        try:
            stats = [file.stat() for file in self._files]
        except OSError:
            return None
        return tuple((stat.st_ino, stat.st_mtime_ns, stat.st_size) for stat in stats)
