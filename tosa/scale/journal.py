"""What a batch has done so far: one line of JSON for each file, beside the results that it will become.

A line is written when its file is answered, in one call, so a killed batch loses at most the files it was working on;
a line that the kill cut off is removed when the batch goes on.
"""

import hashlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, Self

from tosa.errors import UsageError

BLOCK = 1 << 20  # bytes read at once while looking for the end of the last whole line


class Journal:
    """The journal of one table of results; a context manager that holds it against a second batch.

    results: the file or folder that will be written. run: what must be the same for a batch to go on, such as the
    model's SHA-256. Raises UsageError where a journal of another run is there, or another batch writes to it.
    """

    def __init__(self, results: Path, run: dict[str, Any]) -> None:
        self.path = results.with_name(f".{results.name}.journal")
        self._run = run
        self._done: set[int] = set()
        self._file: IO[bytes]

    def __enter__(self) -> Self:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._file = open(self.path, "a+b", buffering=0)
        except OSError as error:
            raise UsageError(f"Cannot write '{self.path}': {error.strerror}.") from error
        try:
            self._lock()
            self._resume()
        except BaseException:
            self._file.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def __len__(self) -> int:
        """How many files are done."""
        return len(self._done)

    def has(self, name: str) -> bool:
        """Whether the file of this name is done."""
        return _digest(name) in self._done

    def add(self, record: dict[str, Any]) -> None:
        """Writes what was answered to a file. Raises UsageError where the disk does not take it."""
        self._write(record)
        self._done.add(_digest(record["file"]))

    def records(self) -> Iterator[dict[str, Any]]:
        """Yields what was added, by this run and those before it."""
        with open(self.path, "rb") as lines:
            next(lines)
            for line in lines:
                yield json.loads(line)

    def remove(self) -> None:
        """Removes the journal, once the results have taken its place."""
        self.path.unlink(missing_ok=True)

    def _write(self, content: dict[str, Any]) -> None:
        line = memoryview(json.dumps(content).encode() + b"\n")  # ASCII: names may hold bytes that are not UTF-8
        try:
            while line:  # a disk that is nearly full takes a part
                line = line[self._file.write(line) :]
        except OSError as error:
            raise UsageError(f"Cannot write '{self.path}': {error.strerror}.") from error

    def _lock(self) -> None:
        try:
            import fcntl
        except ImportError:  # Windows has no such lock
            return
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise UsageError(
                f"Another batch is writing to '{self.path}'. Wait for it, or name another --out."
            ) from error

    def _resume(self) -> None:
        """Reads which files are done, after cutting off a last line that a kill left unfinished."""
        self._file.truncate(_end_of_last_line(self._file))
        self._file.seek(0)
        first, begun = self._file.readline(), self._file.read(1)
        if not begun:  # no file was answered, so it does not matter with what a run before this one began
            self._file.truncate(0)
            self._write(self._run)
        elif json.loads(first) != self._run:
            raise UsageError(
                f"'{self.path}' belongs to a run with another model or other options. Use the same ones, name another "
                "--out, or remove that file to start again."
            )
        with open(self.path, "rb") as lines:
            next(lines)
            self._done = {_digest(json.loads(line)["file"]) for line in lines}


def _end_of_last_line(file: IO[bytes]) -> int:
    """Returns the number of bytes up to the last line end and with it."""
    end = file.seek(0, os.SEEK_END)
    while end:
        start = max(end - BLOCK, 0)
        file.seek(start)
        place = file.read(end - start).rfind(b"\n")
        if place >= 0:
            return start + place + 1
        end = start
    return 0


def _digest(name: str) -> int:
    """Returns 64 bits that stand for a name: of a million names, two are alike with a chance of 1 to 37 million."""
    return int.from_bytes(hashlib.blake2b(name.encode(errors="surrogateescape"), digest_size=8).digest(), "little")
