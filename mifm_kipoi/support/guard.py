"""Run a command so that its errors are one line on standard error."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence

from mifm_kipoi.errors import MIFMError, OptionError


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
        The exit code: 0, 1 for an error, 2 for impossible options, 130 when interrupted.
    """
    try:
        run()
        sys.stdout.flush()
    except BrokenPipeError:
        # The reader of a pipe has seen enough; keep Python from complaining at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
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
        text = f"{type(error).__name__}: {error}".replace("\n", " ")
        print(f"{program}: unexpected error: {text} (more with --debug)", file=sys.stderr)  # noqa: T201
        return 1
    return 0


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
