"""Where many items are worked on: in threads of this process, or on a Ray cluster."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Protocol, TypeVar

T = TypeVar("T")
R = TypeVar("R")

PREFETCHED = 32  # results computed or waiting at most
IN_FLIGHT = 4  # items given out for each thread at most, so that none waits for work


class Executor(Protocol):
    """Works on items with the function that `make` returns."""

    def map(self, make: Callable[[], Callable[[T], R]], items: Iterable[T]) -> Iterator[R]:
        """Yields function(item) for each of the items, with a bounded number of them in memory.

        make: called once in each process that works; any number of threads may call what it returns.
        """
        ...


class LocalExecutor:
    """Works in threads: decoding happens in other processes and the network outside Python, so threads are enough."""

    def __init__(self, threads: int) -> None:
        self._threads = threads

    def map(self, make: Callable[[], Callable[[T], R]], items: Iterable[T]) -> Iterator[R]:
        """See Executor; results come in the order of the items. An exception of the function ends the iteration."""
        pool = ThreadPoolExecutor(self._threads)
        try:
            yield from prefetch(pool, make(), items, self._threads * IN_FLIGHT)
        finally:
            pool.shutdown(cancel_futures=True)


def prefetch(
    pool: ThreadPoolExecutor, function: Callable[[T], R], items: Iterable[T], count: int = PREFETCHED
) -> Iterator[R]:
    """Yields function(item) of each item in order; at most `count` results are computed or waiting in the pool."""
    futures: deque[Future[R]] = deque()
    for item in items:
        futures.append(pool.submit(function, item))
        if len(futures) > count:
            yield futures.popleft().result()
    while futures:
        yield futures.popleft().result()
