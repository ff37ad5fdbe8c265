"""Write files beside their place and rename them there, so that a kill leaves the old file or the new one."""

import os
import tempfile
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from ..errors import UsageError


@contextmanager
def beside(target: Path):
    """A path beside target to write to, renamed to target when the block ends well and removed when it does not.

    Raises UsageError where the folder cannot be made or written to.
    """
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
        os.close(handle)
    except OSError as error:
        raise UsageError(f"Cannot write '{target}': {error.strerror}.") from error
    partial = Path(name)
    try:
        yield partial
        partial.chmod(0o644)  # mkstemp's own mode would keep others from reading
        os.replace(partial, target)
    except OSError as error:
        raise UsageError(f"Cannot write '{target}': {error.strerror}.") from error
    finally:
        partial.unlink(missing_ok=True)


def save_arrays(target: Path, **arrays: np.ndarray) -> None:
    """Write arrays as an .npz file that is whole on the disk before it takes its name."""
    with beside(target) as partial, open(partial, "wb") as out:
        np.savez(out, **arrays)
        out.flush()
        os.fsync(out.fileno())
