"""TensorBoard's functions for tensors in a graph, without what importing them would load besides.

TensorBoard can read event files in cloud storage, so it imports clients of those (boto3, fsspec) wherever they are
installed: 16 MB of memory and 0.2 s of every start.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

CLOUD_CLIENTS = ("botocore", "boto3", "fsspec")


@contextmanager
def _hidden(names: tuple[str, ...]) -> Iterator[None]:
    """Makes the import of these packages fail; what was imported before stays."""
    hiding: dict[str, None] = {name: None for name in names if name not in sys.modules}
    sys.modules.update(hiding)  # type: ignore[arg-type]  # None is what fails
    try:
        yield
    finally:
        for name in hiding:
            del sys.modules[name]


with _hidden(CLOUD_CLIENTS):
    from tensorboard.util.tensor_util import make_ndarray, make_tensor_proto

__all__ = ["make_ndarray", "make_tensor_proto"]
