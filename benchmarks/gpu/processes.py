"""Functions in processes of their own, some side by side, which end when their time is up."""

from __future__ import annotations

import contextlib
import multiprocessing
import multiprocessing.connection
import time
from collections.abc import Callable, Sequence
from multiprocessing.process import BaseProcess
from typing import Any

from benchmarks.gpu.record import Deadline

GRACE = 20.0
"""Seconds after the deadline in which a process may still end by itself."""

ENDED = "ended when the time was up"
"""The error of a call whose process was killed."""

_EXIT = 2.0
"""Seconds that are waited for a process to be gone, once it has given its result or was killed."""

CONTEXT = multiprocessing.get_context("spawn")
"""A fork would share the device of the parent, which CUDA does not allow."""

Result = dict[str, Any]


def run(
    function: Callable[..., Result],
    arguments: Sequence[tuple[Any, ...]],
    jobs: int,
    deadline: Deadline,
    on_result: Callable[[int, Result], None] | None = None,
    grace: float = GRACE,
) -> list[Result]:
    """Call a function with several arguments, each in a process of its own; in this one if there is one job.

    Parameters
    ----------
    function : callable
        Of a module; it gives plain types.
    arguments : sequence of tuple
        Of each call.
    jobs : int
        Processes side by side; they begin in the order of the arguments. One job is this process itself, so
        the function must keep to its time.
    deadline : Deadline
        After it no process begins, and all that still run ``grace`` seconds after it are killed.
    on_result : callable, optional
        Gets the number of a call and its result as soon as it is there.
    grace : float
        In seconds.

    Returns
    -------
    list of dict
        The results in the order of the arguments: ``error`` where a call ended otherwise, ``not_run`` where
        it was not begun.
    """
    results: list[Result] = [{"not_run": "the time was up"} for _ in arguments]
    if jobs == 1:
        for number, each in enumerate(arguments):
            if not deadline.over:
                results[number] = _result(function, each)
                if on_result is not None:
                    on_result(number, results[number])
        return results
    end = deadline.end + grace
    waiting = list(range(len(arguments)))
    running: dict[multiprocessing.connection.Connection, tuple[int, BaseProcess]] = {}
    try:
        while running or (waiting and not deadline.over):
            while waiting and len(running) < jobs and not deadline.over:
                number = waiting.pop(0)
                ours, theirs = CONTEXT.Pipe(duplex=False)
                process = CONTEXT.Process(
                    target=_call, args=(theirs, function, arguments[number]), daemon=True
                )
                process.start()
                theirs.close()
                running[ours] = (number, process)
            ready = multiprocessing.connection.wait(list(running), timeout=_left(end))
            if not ready:
                break
            for pipe in ready:
                assert isinstance(pipe, multiprocessing.connection.Connection)
                number, process = running.pop(pipe)
                results[number] = _received(pipe, process, end)
                if on_result is not None:
                    on_result(number, results[number])
    finally:
        _kill([process for _, process in running.values()])
        for pipe, (number, _) in running.items():
            pipe.close()
            results[number] = {"error": ENDED}
            if on_result is not None:
                on_result(number, results[number])
    return results


def _call(
    pipe: multiprocessing.connection.Connection, function: Callable[..., Result], arguments: tuple[Any, ...]
) -> None:
    pipe.send(_result(function, arguments))
    pipe.close()


def _result(function: Callable[..., Result], arguments: tuple[Any, ...]) -> Result:
    try:
        return function(*arguments)
    # Whatever went wrong is written down, and the others go on.
    except Exception as error:
        return {"error": f"{type(error).__name__}: {error}"[:500]}


def _received(pipe: multiprocessing.connection.Connection, process: BaseProcess, end: float) -> Result:
    """The result of a process, which is killed where it does not go by itself, at ``end`` at the latest."""
    result: Result | None = None
    with contextlib.suppress(EOFError):
        result = pipe.recv()
    pipe.close()
    process.join(min(_left(end), _EXIT))
    if process.is_alive():
        _kill([process])
    return {"error": f"the process ended with {process.exitcode}"} if result is None else result


def _kill(processes: Sequence[BaseProcess]) -> None:
    """End all at once, before any is waited for; a process may ignore SIGTERM."""
    for process in processes:
        process.kill()
    gone = time.monotonic() + _EXIT
    for process in processes:
        process.join(_left(gone))


def _left(end: float) -> float:
    """Seconds until a time of :func:`time.monotonic`; 0 when it is over."""
    return max(end - time.monotonic(), 0.0)
