"""The bottleneck cache: a folder a trunk, a file a run, a record a picture.

The key of a record is a hash of all that the bottleneck was calculated from, and the record ends in a checksum: it is
never stale, and damage is noticed. Each run appends to a file of its own, a batch at a time: runs do not disturb each
other, and a kill loses at most one batch.
"""

import os
import threading
import time
import zlib
from io import FileIO
from pathlib import Path
from typing import Self

import numpy as np

from tosa.training.files import wrap_os_error

MAGIC = b"TOSABN01"
HEADER_BYTES = 16  # MAGIC and the number of features, uint64
KEY_BYTES = 32  # a SHA-256


def record_type(features: int) -> np.dtype:
    """Returns the type of a file's records after its header: key, bottleneck, checksum.

    Between key and bottleneck are 32 bytes that older versions used. They stay, so that their caches are still read.
    """
    return np.dtype([
        ("key", f"V{KEY_BYTES}"), ("unused", "V32"), ("values", "<f4", features), ("crc", "<u4"),
    ])  # fmt: skip


class Cache:
    """The records of a folder by key; a context manager that closes its files. Threads may call `get` at once."""

    def __init__(self, folder: Path, features: int) -> None:
        self.folder, self.features, self.type = folder, features, record_type(features)
        self._places: dict[bytes, list[tuple[FileIO, int]]] = {}
        self._lock = threading.Lock()
        self._own: FileIO | None = None
        self._files = [FileIO(path) for path in sorted(folder.glob("*.bottlenecks"))]
        for file in self._files:
            self._index(file)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for file in filter(None, [*self._files, self._own]):
            file.close()

    def __len__(self) -> int:
        """How many pictures had a record when the cache was opened."""
        return len(self._places)

    def _index(self, file: FileIO) -> None:
        """Notes where the records of a file are. Removes a file that no run can have written."""
        size = os.fstat(file.fileno()).st_size
        if not size:  # of another run that has not finished its first batch
            return
        if file.read(HEADER_BYTES) != self._header():
            print(f"'{file.name}' is damaged and is made again.")
            Path(file.name).unlink(missing_ok=True)
            return
        for number in range((size - HEADER_BYTES) // self.type.itemsize):  # a kill may have cut the last one off
            offset = HEADER_BYTES + number * self.type.itemsize
            file.seek(offset)
            self._places.setdefault(file.read(KEY_BYTES), []).append((file, offset))

    def _header(self) -> bytes:
        return MAGIC + self.features.to_bytes(8, "little")

    def get(self, key: bytes) -> np.void | None:
        """Returns the record of a key, None if there is none with a right checksum."""
        for file, offset in self._places.get(key, []):
            with self._lock:
                file.seek(offset)
                data = file.read(self.type.itemsize)
            if len(data) == self.type.itemsize and _crc(data) == int.from_bytes(data[-4:], "little"):
                return np.frombuffer(data, self.type)[0]
        if key in self._places:
            print(f"'{self._places[key][0][0].name}' is damaged at a bottleneck, which is calculated again.")
        return None

    def add(self, keys: list[bytes], values: np.ndarray) -> None:
        """Appends records. values: float32 (n, features)."""
        records = np.zeros(len(keys), self.type)
        records["key"] = np.array([np.void(key) for key in keys])
        records["values"] = values
        records["crc"] = [_crc(record.tobytes()) for record in records]
        with wrap_os_error(self.folder):
            header = b""
            if self._own is None:
                self.folder.mkdir(parents=True, exist_ok=True)
                name = f"{time.time_ns():x}-{os.getpid()}.bottlenecks"
                self._own, header = FileIO(self.folder / name, "x"), self._header()
            data = memoryview(header + records.tobytes())
            while data:  # a disk that is nearly full takes a part of it
                data = data[self._own.write(data) :]


def _crc(record: bytes) -> int:
    return zlib.crc32(record[:-4])
