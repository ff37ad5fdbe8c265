"""Work on a Ray cluster, by Ray Data: a pool of actors that each make their function once.

Ray starts an actor again that was lost with its process or its node, and gives to another what it was working on.
"""

import json
import logging
import os
import socket
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import Any

from tosa import errors
from tosa.errors import TosaError, UsageError

CHUNK = 10_000  # items handed to Ray at a time, so that memory does not grow with their number
BATCH = 16  # items that an actor takes at a time; what a lost actor had done of them is done again
CONNECT_SECONDS = 5.0
THREADS = 2  # of an actor: while one waits for a file or a decoder, the other has the network


class RayExecutor:
    """Works on a cluster with one actor for each core; items and results travel as JSON.

    address: as ray.init takes it, such as auto, 10.0.0.1:6379 or ray://10.0.0.1:10001.
    in_order: whether results come in the order of the items, by default as soon as they are there.
    Raises UsageError if Ray is not installed or the cluster does not answer.
    """

    def __init__(self, address: str, in_order: bool = False) -> None:
        os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")  # of this process; others tell about restarts
        try:
            import ray
            import ray.data
        except ImportError as error:
            raise UsageError(f"--ray needs Ray, which cannot be imported ({error}): pip install '.[ray]'.") from error
        _check_reachable(address)  # Ray itself would try for minutes
        try:
            ray.init(address, ignore_reinit_error=True, logging_level=logging.WARNING, log_to_driver=False)
        except (ConnectionError, RuntimeError, ValueError) as error:
            reason = str(error).strip().splitlines()[0].partition(". ")[0]  # then come hints on flags of Ray's
            raise UsageError(f"No Ray cluster answers at --ray={address}: {reason}.") from error
        logging.getLogger("ray.data").setLevel(logging.ERROR)  # a command prints what it says itself, no more
        self._ray, self._in_order = ray, in_order

    def map(self, make: Callable[[], Callable[[Any], Any]], items: Iterable[Any]) -> Iterator[Any]:
        """See executor.Executor. An exception of the function ends the iteration; one of Tosa's own is raised as it is.

        Relative paths mean the same as here, on nodes that have this process's working directory.
        """
        items = iter(items)
        while chunk := [{"item": json.dumps(item)} for item in islice(items, CHUNK)]:
            for row in self._map_chunk(make, chunk):
                answer = json.loads(row["answer"])
                if "raised" in answer:
                    name, message = answer["raised"]
                    raise getattr(errors, name)(message)
                yield answer["result"]

    def _map_chunk(
        self, make: Callable[[], Callable[[Any], Any]], rows: list[dict[str, str]]
    ) -> Iterable[dict[str, str]]:
        data = self._ray.data
        context = data.DataContext.get_current()
        context.enable_progress_bars = False  # the batch has its own
        context.actor_task_retry_on_errors = False  # an exception is a fault of ours and ends the batch
        context.execution_options.preserve_order = self._in_order
        actors = max(int(self._ray.cluster_resources().get("CPU", 1)), 1)
        results = data.from_items(rows, override_num_blocks=-(-len(rows) // BATCH)).map_batches(
            _Worker,
            fn_constructor_args=(make, os.getcwd()),
            batch_size=BATCH,
            compute=data.ActorPoolStrategy(min_size=1, max_size=actors),
            num_cpus=1,
        )
        return results.iter_rows()


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

    def __init__(self, make: Callable[[], Callable[[Any], Any]], folder: str) -> None:
        """folder: what relative paths start from, if this node has it."""
        if os.path.isdir(folder):
            os.chdir(folder)
        self._threads = ThreadPoolExecutor(THREADS)
        try:
            self._function = make()
        except TosaError as error:  # each item raises it, since Ray would only print it
            self._function = _raising(error)

    def __call__(self, batch: dict[str, Any]) -> dict[str, list[str]]:
        return {"answer": list(self._threads.map(self._answer, batch["item"]))}

    def _answer(self, item: str) -> str:
        try:
            return json.dumps({"result": self._function(json.loads(item))})
        except TosaError as error:
            return json.dumps({"raised": [type(error).__name__, str(error)]})


def _raising(error: TosaError) -> Callable[[Any], Any]:
    def fail(_: Any) -> Any:
        raise error

    return fail
