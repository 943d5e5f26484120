"""Functions in processes of their own, some side by side, which end when their time is up."""

from __future__ import annotations

import multiprocessing
import multiprocessing.connection
from collections.abc import Callable, Sequence
from multiprocessing.process import BaseProcess
from typing import Any

from benchmarks.gpu.record import Deadline

GRACE = 20.0
"""Seconds after the deadline in which a process may still end by itself."""

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
        After it no process begins, and those that run are ended ``grace`` seconds later.
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
            ready = multiprocessing.connection.wait(list(running), timeout=deadline.left + grace)
            if not ready:
                break
            for pipe in ready:
                assert isinstance(pipe, multiprocessing.connection.Connection)
                number, process = running.pop(pipe)
                results[number] = _received(pipe, process)
                if on_result is not None:
                    on_result(number, results[number])
    finally:
        for pipe, (number, process) in running.items():
            process.terminate()
            process.join()
            pipe.close()
            results[number] = {"error": "ended when the time was up"}
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


def _received(pipe: multiprocessing.connection.Connection, process: BaseProcess) -> Result:
    try:
        result: Result = pipe.recv()
    except EOFError:
        process.join()
        result = {"error": f"the process ended with {process.exitcode}"}
    pipe.close()
    process.join()
    return result
