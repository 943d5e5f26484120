"""Work of several threads in the order of what it is done on."""

from __future__ import annotations

import collections
import concurrent.futures
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def ordered_map(
    function: Callable[[Item], Result], items: Iterable[Item], threads: int = 1
) -> Iterator[Result]:
    """Results of a function that releases the interpreter's lock, in the order of the items.

    Parameters
    ----------
    function : callable
        Called in the threads.
    items : iterable
        Read in the caller's thread, one more than there are threads ahead of the result that is given.
    threads : int
        How many there are; 1 computes in the caller's, without another thread.

    Yields
    ------
    object
        One result an item. An error of the function is raised in its turn.
    """
    if threads == 1:
        yield from map(function, items)
        return
    waiting: collections.deque[concurrent.futures.Future[Result]] = collections.deque()
    with concurrent.futures.ThreadPoolExecutor(threads) as pool:
        try:
            for item in items:
                waiting.append(pool.submit(function, item))
                if len(waiting) > threads:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for each in waiting:
                each.cancel()
