"""Cases worked on in threads, and those left out whose files cannot be read."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from tosa.errors import UsageError
from tosa.scale.executor import prefetch
from tosa.training.data.dataset import SkippedFiles
from tosa.training.files import progress

Result = TypeVar("Result")


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
