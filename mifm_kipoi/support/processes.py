"""Work of several processes side by side."""

from __future__ import annotations

import concurrent.futures
import concurrent.futures.process
import contextlib
import multiprocessing
import multiprocessing.connection
import os
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

from mifm_kipoi.errors import WorkerError
from mifm_kipoi.support.guard import clean_up_when_terminated

Item = TypeVar("Item")
Result = TypeVar("Result")

_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
"""What numerical libraries ask for their number of threads when they are loaded."""


def unordered_map(
    function: Callable[[Item], Result], items: Iterable[Item], processes: int = 1
) -> Iterator[Result]:
    """Results of a function, as they come.

    Parameters
    ----------
    function : callable
        Can be pickled, as what it gets and returns. Each process has one thread of numerical libraries.
    items : iterable
        Read in the caller's process, one more than there are processes ahead of the results.
    processes : int
        How many there are; 1 computes in the caller's, without another process.

    Yields
    ------
    object
        One result an item, in any order. An error of the function is raised.

    Raises
    ------
    WorkerError
        When a process was killed.
    """
    if processes == 1:
        yield from map(function, items)
        return
    with _one_thread(), _explained(), _pool(processes) as pool:
        waiting: set[concurrent.futures.Future[Result]] = set()
        try:
            for item in items:
                waiting.add(pool.submit(function, item))
                if len(waiting) > processes:
                    done, waiting = _finished(waiting)
                    yield from (each.result() for each in done)
            while waiting:
                done, waiting = _finished(waiting)
                yield from (each.result() for each in done)
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def end_with_parent() -> None:
    """Let this process not outlive the one that it works for, which may be killed."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    threading.Thread(target=_end_with, args=(parent.sentinel,), daemon=True).start()


def _end_with(sentinel: int) -> None:
    multiprocessing.connection.wait([sentinel])
    os._exit(1)


def _pool(processes: int) -> concurrent.futures.ProcessPoolExecutor:
    context = multiprocessing.get_context("spawn")
    return concurrent.futures.ProcessPoolExecutor(processes, mp_context=context, initializer=_start)


def _start() -> None:
    end_with_parent()
    clean_up_when_terminated()


def _finished(
    waiting: set[concurrent.futures.Future[Result]],
) -> tuple[set[concurrent.futures.Future[Result]], set[concurrent.futures.Future[Result]]]:
    done, rest = concurrent.futures.wait(waiting, return_when=concurrent.futures.FIRST_COMPLETED)
    return done, rest


@contextlib.contextmanager
def _one_thread() -> Iterator[None]:
    """Let processes that are started meanwhile have one thread of numerical libraries."""
    before = {name: os.environ.get(name) for name in _THREADS}
    os.environ.update(dict.fromkeys(_THREADS, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


@contextlib.contextmanager
def _explained() -> Iterator[None]:
    try:
        yield
    except concurrent.futures.process.BrokenProcessPool as error:
        raise WorkerError(
            "a worker process was killed, most likely because it used too much memory; use fewer processes"
        ) from error
