"""What OpenVINO made of a graph, kept on disk from one start of the server to the next, which is faster for it.

A file holds OpenVINO's own form of the network, and its SHA-256 at the end. It is read where nothing that it was made
from has changed since, whole and the user's own; in all other cases the graph is compiled as if there were none.
"""

import hashlib
import mmap
import os
import tempfile
import time
from contextlib import suppress
from pathlib import Path

import numpy as np

MOST = 2  # files; what was used longest ago goes first
SUFFIX = ".network"
WRITING_SECONDS = 60  # after which nobody writes a file any more
NAME = 32  # hexadecimal digits
DIGEST = 32  # bytes


class CompiledModelCache:
    """The place of one compiled network on disk."""

    def __init__(self, folder: Path, made_from: list[str | bytes]):
        """made_from: all that the compiled network depends on."""
        digest = hashlib.sha256()
        for part in made_from:
            digest.update(hashlib.sha256(part.encode() if isinstance(part, str) else part).digest())
        self.file = folder / f"{digest.hexdigest()[:NAME]}{SUFFIX}"
        self._mapped: mmap.mmap | None = None

    def read(self) -> np.ndarray | None:
        """What was written, uint8 (n,), as a private map of the file; None if it is not there, not whole or another
        user's.
        """
        try:
            with open(self.file, "rb") as file:
                if hasattr(os, "getuid") and os.fstat(file.fileno()).st_uid != os.getuid():
                    return None
                mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)
        except (OSError, ValueError):  # an empty file cannot be mapped
            return None
        with suppress(OSError):  # of a disk that cannot be written to
            os.utime(self.file)
        content = np.frombuffer(mapped, np.uint8)
        if hashlib.sha256(content[:-DIGEST]).digest() != content[-DIGEST:].tobytes():
            return None
        self._mapped = mapped
        return content[:-DIGEST]

    def write(self, content: np.ndarray) -> bool:
        """Put uint8 (n,) there in one step; whether that was done. Where it cannot be, that only costs time.

        Page by page: of what is written at once Linux makes larger units, up to 2 MB, and a map has a unit in memory as
        soon as one byte of it is read: 68 MB instead of 6, until the system reads the file from the disk again.
        """
        try:
            self.file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            handle, partial = tempfile.mkstemp(dir=self.file.parent, prefix=f".{self.file.stem}-", suffix=SUFFIX)
            try:
                with open(handle, "wb", buffering=mmap.PAGESIZE) as file:
                    for start in range(0, len(content), mmap.PAGESIZE):
                        file.write(content[start : start + mmap.PAGESIZE])
                    file.write(hashlib.sha256(content).digest())
                os.replace(partial, self.file)
            except BaseException:
                os.unlink(partial)
                raise
            self._tidy()
        except OSError:
            return False
        return True

    def _tidy(self) -> None:
        """Remove what is too much, and what a killed server left half written. The folder may hold other things too."""
        whole = "[0-9a-f]" * NAME
        for half in self.file.parent.glob(f".{whole}-*{SUFFIX}"):
            if time.time() - half.stat().st_mtime > WRITING_SECONDS:
                half.unlink()
        files = sorted(self.file.parent.glob(whole + SUFFIX), key=lambda file: file.stat().st_mtime)
        for old in files[:-MOST]:
            old.unlink()

    def release(self) -> None:
        """Leave what was read to the system, which gives back the part that is asked for again."""
        if self._mapped is not None and hasattr(mmap, "MADV_DONTNEED"):
            self._mapped.madvise(mmap.MADV_DONTNEED)
