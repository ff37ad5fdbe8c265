"""Write files beside their place and rename them there, so that a kill leaves the old file or the new one."""

import os
import shutil
import tempfile
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import numpy as np
from tqdm import tqdm

from tosa.errors import UsageError

progress = partial(tqdm, disable=None, delay=2)  # a bar with the time left, past two seconds, and none in a pipe


@contextmanager
def wrap_os_error(target: Path):
    """Turns an OSError of the block, such as a full disk, into a UsageError that names target."""
    try:
        yield
    except OSError as error:
        raise UsageError(f"Cannot write '{target}': {error.strerror}.") from error


@contextmanager
def atomic_write(target: Path):
    """A path beside target to write to, renamed to target when the block ends well and removed when it does not.

    Raises UsageError where the folder cannot be made or written to.
    """
    with wrap_os_error(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
        os.close(handle)
        partial = Path(name)
        try:
            yield partial
            partial.chmod(0o644)  # mkstemp's own mode would keep others from reading
            os.replace(partial, target)
        finally:
            partial.unlink(missing_ok=True)


@contextmanager
def atomic_folder(target: Path):
    """The same for a whole folder, which must not be there yet or be empty."""
    with wrap_os_error(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        partial = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
        try:
            yield partial
            partial.chmod(0o755)
            if target.is_dir():
                target.rmdir()
            os.replace(partial, target)
        finally:
            shutil.rmtree(partial, ignore_errors=True)


def check_writable(target: Path, is_folder: bool = False) -> None:
    """Raises UsageError naming target where it could not be written, and leaves nothing behind.

    It makes no folder, since another run may make the same at this moment: it tries in the nearest that is there.
    """
    with wrap_os_error(target):
        if target.is_file() if is_folder else target.is_dir():
            raise UsageError(f"Cannot write '{target}': it is a {'file' if is_folder else 'folder'}.")
        folders = (target, *target.parents) if is_folder else target.parents
        nearest = next(folder for folder in folders if folder.exists())
        with tempfile.TemporaryFile(dir=nearest) as trial:
            trial.write(b"0")


def save_arrays(target: Path, **arrays: np.ndarray) -> None:
    """Write arrays as an .npz file that is whole on the disk before it takes its name."""
    with atomic_write(target) as partial, open(partial, "wb") as out:
        np.savez(out, **arrays)
        out.flush()
        os.fsync(out.fileno())
