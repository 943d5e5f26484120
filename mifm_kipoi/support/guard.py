"""Run a command so that its errors are one line on standard error."""

from __future__ import annotations

import contextlib
import errno
import io
import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from types import FrameType

from mifm_kipoi.errors import MIFMError, OptionError
from mifm_kipoi.support.packages import explained

_ENDING = (signal.SIGTERM, signal.SIGHUP)
"""Signals that end a process at once unless it handles them."""


class Terminated(KeyboardInterrupt):
    """The process was asked to end by a signal other than that of the keyboard.

    Parameters
    ----------
    number : int
        Of the signal.
    """

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number

    def __str__(self) -> str:
        return signal.Signals(self.number).name


def clean_up_when_terminated() -> list[signal.Signals]:
    """Let SIGTERM and SIGHUP raise :class:`Terminated`, so that what is unfinished is removed.

    It has an effect in the main thread alone, and on signals whose handling nobody has changed.

    Returns
    -------
    list of signal.Signals
        Those whose handling was changed.
    """
    changed = []
    for number in _ENDING:
        # In other threads nothing can be set.
        with contextlib.suppress(ValueError):
            if signal.getsignal(number) is signal.SIG_DFL:
                signal.signal(number, _terminate)
                changed.append(number)
    return changed


def _terminate(number: int, frame: FrameType | None) -> None:  # noqa: ARG001
    # Another signal must not interrupt the cleaning.
    for each in _ENDING:
        if signal.getsignal(each) is _terminate:
            signal.signal(each, signal.SIG_IGN)
    raise Terminated(number)


@contextlib.contextmanager
def _terminable() -> Iterator[None]:
    changed = clean_up_when_terminated()
    try:
        yield
    finally:
        for number in changed:
            signal.signal(number, signal.SIG_DFL)


def guarded(program: str, debug: bool, run: Callable[[], None]) -> int:
    """Run something; say an error in one line on standard error, with a traceback only for ``debug``.

    Parameters
    ----------
    program : str
        Name that begins the line.
    debug : bool
        Let errors through.
    run : callable
        What is run, without arguments.

    Returns
    -------
    int
        The exit code: 0, 1 for an error, 2 for impossible options, 130 when interrupted, 143 (or 129) when
        ended by SIGTERM (or SIGHUP).
    """
    _show_any_text()
    try:
        with _terminable():
            run()
        sys.stdout.flush()
    except BrokenPipeError:
        # The reader of a pipe has seen enough; keep Python from complaining at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except Terminated as ended:
        print(f"{program}: ended by {ended}", file=sys.stderr)  # noqa: T201
        return 128 + ended.number
    except KeyboardInterrupt:
        print(f"{program}: interrupted", file=sys.stderr)  # noqa: T201 - the command line speaks
        return 130
    except MIFMError as error:
        if debug:
            raise
        print(f"{program}: error: {error}", file=sys.stderr)  # noqa: T201
        return 2 if isinstance(error, OptionError) else 1
    # Whatever else goes wrong is shown in one line too, with the way to see more.
    except Exception as error:
        if debug:
            raise
        print(f"{program}: {_in_a_line(error)}", file=sys.stderr)  # noqa: T201
        return 1
    return 0


def _show_any_text() -> None:
    """Let standard output show what its encoding does not have, such as odd names of files, as escapes.

    Standard error does so by itself.
    """
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")


def _in_a_line(error: Exception) -> str:
    """An error that nobody has explained."""
    if isinstance(error, ModuleNotFoundError) and (missing := explained(error)):
        return f"error: {missing}"
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        where = f" {error.filename}" if error.filename else ""
        return f"error: the file{where} cannot be written: {error.strerror}; free some space and try again"
    text = f"{type(error).__name__}: {error}".replace("\n", " ")
    return f"unexpected error: {text} (more with --debug)"


def guarded_without_options(
    program: str, arguments: Sequence[str] | None, run: Callable[[list[str]], None]
) -> int:
    """Guard a command whose arguments another program parses; ``--debug`` is taken out of them.

    Parameters
    ----------
    program : str
        Name that begins the line of an error.
    arguments : sequence of str or None
        The arguments; those of the process for None.
    run : callable
        Receives the arguments without ``--debug``.

    Returns
    -------
    int
        The exit code, as of :func:`guarded`.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    rest = [argument for argument in given if argument != "--debug"]
    return guarded(program, "--debug" in given, lambda: run(rest))
