"""Work done in threads ahead of whoever takes its results, in order and with bounded memory."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor

from tosa.errors import UsageError
from tosa.training.data.dataset import SkippedFiles
from tosa.training.files import progress

PREFETCHED = 32  # results computed or waiting at most


def prefetch(pool: ThreadPoolExecutor, function: Callable, items: Iterable, count: int = PREFETCHED) -> Iterator:
    """Yields function(item) of each item in order, `count` of them at most computed or waiting in pool."""
    futures = deque()
    for item in items:
        futures.append(pool.submit(function, item))
        if len(futures) > count:
            yield futures.popleft().result()
    while futures:
        yield futures.popleft().result()


def readable(function: Callable, items: list[tuple], problems: SkippedFiles, desc: str) -> Iterator[tuple]:
    """(item, function(*item)) of each of the items whose files can be read."""

    def tried(item):
        try:
            return function(*item)
        except UsageError as error:
            return error

    with ThreadPoolExecutor() as pool:
        results = progress(prefetch(pool, tried, items), desc=desc, unit="picture", total=len(items))
        for item, result in zip(items, results):
            if isinstance(result, UsageError):
                problems.add(result)
            else:
                yield item, result
