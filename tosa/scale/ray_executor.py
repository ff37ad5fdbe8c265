"""Work on a Ray cluster, by Ray Data: a pool of actors that each make their function once.

Ray starts an actor again that was lost with its process or its node, and gives to another what it was working on.
"""

import json
import logging
import socket
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import Any

from tosa.errors import UsageError

CHUNK = 10_000  # items handed to Ray at a time, so that memory does not grow with their number
BATCH = 16  # items that an actor takes at a time; what a lost actor had done of them is done again
CONNECT_SECONDS = 5.0
THREADS = 2  # of an actor: while one waits for a file or a decoder, the other has the network
RESTARTS = 100  # of lost actors, and of the batches they were working on


class RayExecutor:
    """Works on a cluster with one actor for each core; items and results travel as JSON.

    address: as ray.init takes it, such as auto, 10.0.0.1:6379 or ray://10.0.0.1:10001.
    Raises UsageError if Ray is not installed or the cluster does not answer.
    """

    def __init__(self, address: str) -> None:
        try:
            import ray
            import ray.data
        except ImportError as error:
            raise UsageError("--ray needs Ray, which is not installed: pip install '.[ray]'.") from error
        _check_reachable(address)  # Ray itself would try for minutes
        try:
            ray.init(address, ignore_reinit_error=True, logging_level=logging.WARNING, log_to_driver=False)
        except (ConnectionError, RuntimeError, ValueError) as error:
            reason = str(error).strip().splitlines()[0]
            raise UsageError(f"No Ray cluster answers at --ray={address}: {reason}") from error
        self._ray = ray

    def map(self, make: Callable[[], Callable[[Any], Any]], items: Iterable[Any]) -> Iterator[Any]:
        """See executor.Executor; results come in any order. An exception of the function ends the iteration."""
        items = iter(items)
        while chunk := [{"item": json.dumps(item)} for item in islice(items, CHUNK)]:
            yield from self._map_chunk(make, chunk)

    def _map_chunk(self, make: Callable[[], Callable[[Any], Any]], rows: list[dict[str, str]]) -> Iterator[Any]:
        data = self._ray.data
        context = data.DataContext.get_current()
        context.enable_progress_bars = False  # the batch has its own
        context.actor_task_retry_on_errors = False  # an exception is a fault of ours and ends the batch
        actors = max(int(self._ray.cluster_resources().get("CPU", 1)), 1)
        results = data.from_items(rows, override_num_blocks=-(-len(rows) // BATCH)).map_batches(
            _Worker,
            fn_constructor_args=(make,),
            batch_size=BATCH,
            compute=data.ActorPoolStrategy(min_size=1, max_size=actors),
            num_cpus=1,
            max_restarts=RESTARTS,
            max_task_retries=RESTARTS,
        )
        for row in results.iter_rows():
            yield json.loads(row["result"])


def _check_reachable(address: str) -> None:
    """Raises UsageError if nothing listens at an address of the form host:port."""
    host, separator, port = address.removeprefix("ray://").rpartition(":")
    if not separator or not port.isdecimal():
        return
    try:
        socket.create_connection((host, int(port)), CONNECT_SECONDS).close()
    except OSError as error:
        raise UsageError(f"No Ray cluster answers at --ray={address}: {error.strerror or error}.") from error


class _Worker:
    """An actor's function, as Ray Data calls it: with columns of a batch, on which a few threads work."""

    def __init__(self, make: Callable[[], Callable[[Any], Any]]) -> None:
        self._function = make()
        self._threads = ThreadPoolExecutor(THREADS)

    def __call__(self, batch: dict[str, Any]) -> dict[str, list[str]]:
        return {"result": list(self._threads.map(self._answer, batch["item"]))}

    def _answer(self, item: str) -> str:
        return json.dumps(self._function(json.loads(item)))
