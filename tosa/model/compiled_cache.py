"""What OpenVINO compiled from a graph, stored on disk so that the next start of the server does not compile it again.

A file holds OpenVINO's own form of the network, followed by its SHA-256. It is used only if everything that it was made
from is unchanged, and if it is complete and belongs to the user; otherwise the graph is compiled.

OpenVINO's own CACHE_DIR does the same with less code, but keeps the weights in memory that belongs to the process,
while here they are pages of the file that the system can take back. Measured in turns on two cores, medians of five
starts of the server: the first answer came after 0.80 s (CACHE_DIR: 0.85 s, no cache: 1.45 s); the server then held
163 MB (259 MB, 258 MB), and after 30 answers to four clients 264 MB (371 MB, 365 MB). That was in bf16; in f32 it held
199 MB (291 MB) and 350 MB (406 MB).
"""

import hashlib
import mmap
import os
import tempfile
import time
from contextlib import suppress
from pathlib import Path

import numpy as np

MAX_FILES = 4  # of two graphs in two precisions each; the file that was used longest ago goes first
SUFFIX = ".network"
WRITING_SECONDS = 60  # an unfinished file that is older belongs to a server that was killed
NAME = 32  # hexadecimal digits
DIGEST = 32  # bytes


class CompiledModelCache:
    """The place of one compiled network on disk."""

    def __init__(self, folder: Path, key_parts: list[str | bytes]) -> None:
        """key_parts: everything that the compiled network depends on."""
        digest = hashlib.sha256()
        for part in key_parts:
            digest.update(hashlib.sha256(part.encode() if isinstance(part, str) else part).digest())
        self.file = folder / f"{digest.hexdigest()[:NAME]}{SUFFIX}"
        self.saved = False  # whether the network in use was read from here or written here, or writing it failed
        self._mapped: mmap.mmap | None = None

    def read(self) -> np.ndarray | None:
        """Returns what was written, uint8 (n,), as a private map of the file.

        None if there is no file, if it is not complete or if it belongs to another user.
        """
        try:
            with open(self.file, "rb") as file:
                if hasattr(os, "getuid") and os.fstat(file.fileno()).st_uid != os.getuid():
                    return None
                mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)
        except (OSError, ValueError):  # an empty file cannot be mapped
            return None
        with suppress(OSError):  # on a disk that is read-only
            os.utime(self.file)
        content, digest = memoryview(mapped)[:-DIGEST], memoryview(mapped)[-DIGEST:]
        if hashlib.sha256(content).digest() != digest.tobytes():
            return None
        self._mapped = mapped
        return np.frombuffer(content, np.uint8)

    def write(self, content: np.ndarray) -> bool:
        """Stores content, uint8 (n,), in one step. Returns whether that succeeded; if not, the next start takes longer.

        It writes page by page. Linux would put a file that is written at once into units of up to 2 MB, and a map holds
        a whole unit in memory as soon as one byte of it is read: 68 MB instead of 6, until the file is read from the
        disk again.
        """
        view = content.data.cast("B")
        try:
            self.file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            handle, name = tempfile.mkstemp(dir=self.file.parent, prefix=f".{self.file.stem}-", suffix=SUFFIX)
            partial = Path(name)
            try:
                with open(handle, "wb", buffering=mmap.PAGESIZE) as file:
                    file.writelines(view[start : start + mmap.PAGESIZE] for start in range(0, len(view), mmap.PAGESIZE))
                    file.write(hashlib.sha256(view).digest())
                partial.replace(self.file)
            except BaseException:
                partial.unlink()
                raise
            self._remove_old_files()
        except OSError:
            return False
        return True

    def _remove_old_files(self) -> None:
        """Removes surplus files, and unfinished ones of a server that was killed. Other files in the folder stay."""
        name = "[0-9a-f]" * NAME
        for unfinished in self.file.parent.glob(f".{name}-*{SUFFIX}"):
            if time.time() - unfinished.stat().st_mtime > WRITING_SECONDS:
                unfinished.unlink()
        files = sorted(self.file.parent.glob(name + SUFFIX), key=lambda file: file.stat().st_mtime)
        for old in files[:-MAX_FILES]:
            old.unlink()

    def release(self) -> None:
        """Gives the memory of what was read back to the system, which reads again what is needed again."""
        if self._mapped is not None and hasattr(mmap, "MADV_DONTNEED"):
            self._mapped.madvise(mmap.MADV_DONTNEED)
