"""Write files beside their target and rename them, so that a kill leaves the old file or the new one."""

import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from tosa.errors import UsageError

progress = partial(tqdm, disable=None, delay=2)  # a bar with the time left after two seconds, none in a pipe


@contextmanager
def wrap_os_error(target: Path) -> Iterator[None]:
    """Turns an OSError of the block, such as a full disk, into a UsageError that names target."""
    try:
        yield
    except OSError as error:
        raise UsageError(f"Cannot write '{target}': {error.strerror}.") from error


@contextmanager
def atomic_write(target: Path) -> Iterator[Path]:
    """Yields a path beside target to write to. It is renamed to target if the block ends well, otherwise removed.

    Raises UsageError if the folder cannot be made or written to.
    """
    with wrap_os_error(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
        os.close(handle)
        unfinished = Path(name)
        try:
            yield unfinished
            unfinished.chmod(0o644)  # mkstemp's own mode would keep others from reading
            os.replace(unfinished, target)  # noqa: PTH105  # tests kill the program here
        finally:
            unfinished.unlink(missing_ok=True)


def keep_previous(target: Path) -> None:
    """Copies target beside itself, graph.pb to graph.previous.pb, in the place of an older copy; nothing if missing.

    Raises UsageError if the copy cannot be written.
    """
    if target.is_file():
        with atomic_write(previous_of(target)) as copy:
            shutil.copyfile(target, copy)


def previous_of(target: Path) -> Path:
    """Returns where keep_previous copies target."""
    return target.with_suffix(f".previous{target.suffix}")


@contextmanager
def atomic_folder(target: Path) -> Iterator[Path]:
    """Yields a folder beside target, which is renamed in the same way. target must not exist, or be empty."""
    with wrap_os_error(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        unfinished = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
        try:
            yield unfinished
            unfinished.chmod(0o755)
            if target.is_dir():
                target.rmdir()
            unfinished.replace(target)
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)


def check_writable(target: Path, is_folder: bool = False) -> None:
    """Raises UsageError naming target if it cannot be written, and leaves nothing behind.

    It makes no folder, since another run may make the same at this moment: it tries in the nearest existing one.
    """
    with wrap_os_error(target):
        if target.is_file() if is_folder else target.is_dir():
            raise UsageError(f"Cannot write '{target}': it is a {'file' if is_folder else 'folder'}.")
        folders = (target, *target.parents) if is_folder else target.parents
        nearest = next(folder for folder in folders if folder.exists())
        with tempfile.TemporaryFile(dir=nearest) as trial:
            trial.write(b"0")


def file_sha256(file: Path) -> str:
    """Returns the SHA-256 of a file's content, hexadecimal."""
    with open(file, "rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def save_arrays(target: Path, **arrays: Any) -> None:
    """Writes arrays as an .npz file that is whole on the disk before it takes its name."""
    with atomic_write(target) as unfinished, open(unfinished, "wb") as out:
        np.savez(out, **arrays)
        out.flush()
        os.fsync(out.fileno())
