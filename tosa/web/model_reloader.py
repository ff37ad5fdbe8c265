"""The network in service, and the loading of a new one when its files change, without losing a request."""

import sys
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path

from tosa import memory
from tosa.errors import ModelError
from tosa.model.labels import label_file_beside
from tosa.model.network import GraphFile, Network
from tosa.settings import Settings

INTERVAL = 1.0  # seconds between two looks at the files
Stamp = tuple[tuple[int, int, int], ...]  # of each file: its inode, when it was written, its length


@dataclass(frozen=True)
class ModelFiles:
    """The files that a network is loaded from."""

    graph: Path
    labels: Path | None = None  # of a graph that does not carry its labels, and has no label file beside it
    cache: Path | None = None  # folder for compiled networks

    def read(self) -> GraphFile:
        """Returns the graph with its labels. Raises ModelError."""
        return GraphFile.read(self.graph, self.labels)

    def stamp(self) -> Stamp | None:
        """Returns what changes when the files change; None if one is missing."""
        try:
            stats = [file.stat() for file in (self.graph, self.labels or label_file_beside(self.graph)) if file]
        except OSError:
            return None
        return tuple((stat.st_ino, stat.st_mtime_ns, stat.st_size) for stat in stats)


class ModelReloader:
    """Holds the network that answers. A request takes it once, so that all of its answer is from one network."""

    def __init__(self, files: ModelFiles, network: Network, stamp: Stamp | None) -> None:
        """stamp: of the files when the network was read."""
        self.network, self.loaded_at = network, time.time()
        self._files = files
        self._tried = self._last = stamp

    @classmethod
    def load(cls, files: ModelFiles) -> "ModelReloader":
        """Returns a reloader with the network that the files hold. Raises ModelError."""
        stamp = files.stamp()
        return cls(files, files.read().start(cache=files.cache), stamp)

    def watch(self) -> None:
        """Starts a thread that checks the files regularly and does the housekeeping, until the program ends."""
        threading.Thread(target=self._watch, name="watch", daemon=True).start()

    def _watch(self) -> None:
        while True:
            time.sleep(INTERVAL)
            try:
                self.reload_if_changed()
                self.network.save()
            except Exception as error:  # noqa: BLE001  # such as lack of memory; the next round may succeed
                print(f"Tosa continues with the graph it has: {error!r}", file=sys.stderr, flush=True)
            memory.give_back()

    def reload_if_changed(self) -> bool:
        """Loads changed files once they have stayed the same for a round. Returns whether there is a new network.

        If the new files cannot be served, it prints a line on stderr and the network in service stays.
        """
        now, before = self._files.stamp(), self._last
        self._last = now
        if now is None or now == self._tried or now != before:  # graph and labels may come one after the other
            return False
        try:
            network = self._files.read().start(cache=self._files.cache)
        except ModelError as error:
            self._tried = now
            print(f"Tosa continues with the graph it has: {error}", file=sys.stderr, flush=True)
            return False
        if self._files.stamp() != now:  # they changed while they were read
            return False
        self._tried, self.network, self.loaded_at = now, network, time.time()
        print(f"Tosa answers with a new graph, sha256 {network.sha256}.", file=sys.stderr, flush=True)
        return True


def load_in_background() -> "Future[ModelReloader]":
    """Reads the files that the settings name, then returns while a thread compiles the network.

    Reading needs the interpreter, compiling hardly does, so the caller imports other modules meanwhile.
    The future raises SettingError and ModelError.
    """
    thread = ThreadPoolExecutor(1)
    reading = thread.submit(_read)
    wait([reading])
    return thread.submit(lambda: _start(*reading.result()))


def _read() -> tuple[ModelFiles, Stamp | None, GraphFile]:
    config = Settings()
    files = ModelFiles(config.graph, config.labels, config.cache)
    return files, files.stamp(), files.read()


def _start(files: ModelFiles, stamp: Stamp | None, graph: GraphFile) -> ModelReloader:
    return ModelReloader(files, graph.start(cache=files.cache), stamp)
