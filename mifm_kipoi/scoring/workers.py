"""Score runs of records in this process, or in worker processes side by side."""

from __future__ import annotations

import collections
import concurrent.futures
import concurrent.futures.process
import contextlib
import multiprocessing
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TypeVar

from mifm_kipoi.errors import WorkerError
from mifm_kipoi.genomics.variants import Variant
from mifm_kipoi.scoring.records import Chunk, ScoredVariants
from mifm_kipoi.support.guard import clean_up_when_terminated
from mifm_kipoi.support.processes import end_with_parent

Result = TypeVar("Result")

ScoreChunk = Callable[[Sequence[Variant], Sequence[int] | None], ScoredVariants]
"""Scores of variants, each with its row, and how many belong to each run where that is known."""


def score_chunks(
    chunks: Iterable[Chunk],
    make_scorer: Callable[[], ScoreChunk],
    workers: int = 0,
    threads: int | None = None,
) -> Iterator[tuple[Chunk, ScoredVariants]]:
    """Score runs of records, in their order.

    Parameters
    ----------
    chunks : iterable of Chunk
        Runs of records with their variants.
    make_scorer : callable
        Makes a scorer, such as :class:`mifm_kipoi.scoring.scorer.Scorer`; sent to the worker processes, where
        there are any.
    workers : int
        Processes that score side by side; 0 scores in this one.
    threads : int, optional
        Threads of PyTorch in each process.
    """
    if workers == 0:
        if threads:
            set_threads(threads)
        scorer = make_scorer()
        for chunk in chunks:
            yield chunk, scorer(chunk.variants, chunk.runs)
        return
    context = multiprocessing.get_context("spawn")
    with (
        _explained_workers(),
        concurrent.futures.ProcessPoolExecutor(
            workers, mp_context=context, initializer=_start_worker, initargs=(make_scorer, threads or 1)
        ) as pool,
    ):
        waiting: collections.deque[tuple[Chunk, concurrent.futures.Future[ScoredVariants]]] = (
            collections.deque()
        )
        try:
            for chunk in chunks:
                waiting.append((chunk, pool.submit(_work, chunk.variants, chunk.runs)))
                # One run more than there are workers, so that none waits for this process.
                if len(waiting) > workers + 1:
                    first, scored = waiting.popleft()
                    yield first, scored.result()
            while waiting:
                first, scored = waiting.popleft()
                yield first, scored.result()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


@contextlib.contextmanager
def _explained_workers() -> Iterator[None]:
    try:
        yield
    except concurrent.futures.process.BrokenProcessPool as error:
        raise WorkerError(
            "a worker process was killed, most likely because it used too much memory; use fewer --workers"
        ) from error


def in_own_process(call: Callable[[], Result], killed: str) -> Result:
    """Call something in a process of its own, which gives its memory back.

    Parameters
    ----------
    call : callable
        Can be pickled, as what it returns and raises.
    killed : str
        What to say when the process was killed.

    Returns
    -------
    Result
        What the call returns; it raises what the call raises.

    Raises
    ------
    WorkerError
        When the process was killed.
    """
    context = multiprocessing.get_context("spawn")
    try:
        with concurrent.futures.ProcessPoolExecutor(1, mp_context=context, initializer=_start_alone) as pool:
            future = pool.submit(call)
            try:
                return future.result()
            except KeyboardInterrupt:
                # The pool waits for its process, which may have hours to go.
                for process in tuple(pool._processes.values()):
                    process.terminate()
                raise
    except concurrent.futures.process.BrokenProcessPool as error:
        raise WorkerError(killed) from error


def _start_alone() -> None:
    end_with_parent()
    clean_up_when_terminated()


def set_threads(threads: int) -> None:
    """Set the threads of PyTorch in this process."""
    import torch

    torch.set_num_threads(threads)


@contextlib.contextmanager
def threads_of_torch(threads: int) -> Iterator[None]:
    """Set the threads of PyTorch in this process, and those of before at the end."""
    import torch

    before = torch.get_num_threads()
    set_threads(threads)
    try:
        yield
    finally:
        set_threads(before)


_worker: ScoreChunk | None = None


def _start_worker(make_scorer: Callable[[], ScoreChunk], threads: int) -> None:
    global _worker  # noqa: PLW0603 - the state of a worker process
    end_with_parent()
    set_threads(threads)
    _worker = make_scorer()


def _work(variants: list[Variant], runs: tuple[int, ...] | None) -> ScoredVariants:
    assert _worker is not None
    return _worker(variants, runs)
