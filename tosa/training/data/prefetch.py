"""Work done in threads before its results are needed, in order and with bounded memory."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from tosa.errors import UsageError
from tosa.training.data.dataset import SkippedFiles
from tosa.training.files import progress

PREFETCHED = 32  # results computed or waiting at most

Item = TypeVar("Item")
Result = TypeVar("Result")


def prefetch(
    pool: ThreadPoolExecutor, function: Callable[[Item], Result], items: Iterable[Item], count: int = PREFETCHED
) -> Iterator[Result]:
    """Yields function(item) of each item in order; at most `count` results are computed or waiting in the pool."""
    futures: deque[Future[Result]] = deque()
    for item in items:
        futures.append(pool.submit(function, item))
        if len(futures) > count:
            yield futures.popleft().result()
    while futures:
        yield futures.popleft().result()


def map_readable(
    function: Callable[..., Result], items: list[tuple], skipped: SkippedFiles, desc: str
) -> Iterator[tuple[tuple, Result]]:
    """Yields (item, function(*item)) of each item; those for which it raises UsageError are skipped."""

    def result_or_error(item: tuple) -> Result | UsageError:
        try:
            return function(*item)
        except UsageError as error:
            return error

    with ThreadPoolExecutor() as pool:
        results = progress(prefetch(pool, result_or_error, items), desc=desc, unit="picture", total=len(items))
        for item, result in zip(items, results, strict=True):
            if isinstance(result, UsageError):
                skipped.add(result)
            else:
                yield item, result
