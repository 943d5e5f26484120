"""An interpreter that has imported what takes long, and forks for every command.

A command may come from this process (:class:`Interpreter`) or from another one: run as a program with the
address of a running one, this file hands its command line over (:func:`stub`).
"""

from __future__ import annotations

import json
import os
import socket
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    import subprocess

LIMIT = 600
"""Seconds that a command may take."""

MODULES = ("h5py", "matplotlib.figure", "pandas", "pyarrow", "pysam", "scipy.stats", "torch")
"""What most commands import. Kipoi is not among them: it reads the user's configuration at its import."""


class Interpreter:
    """Runs ``python -W ignore -m MODULE ARGUMENTS`` without the time that imports take.

    Parameters
    ----------
    modules : sequence of str
        Imported once.
    """

    def __init__(self, modules: Sequence[str] = MODULES) -> None:
        import subprocess
        import tempfile

        self._folder = tempfile.TemporaryDirectory()
        self.address = str(Path(self._folder.name) / "socket")
        command = [sys.executable, "-W", "ignore", __file__, "serve", self.address, *modules]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert self._process.stdout is not None
        if self._process.stdout.readline() != b"ready\n":
            self.stop()
            raise RuntimeError(f"the interpreter cannot start: {' '.join(command)}")

    def __call__(
        self, module: str, *arguments: str, cwd: Path, env: Mapping[str, str]
    ) -> subprocess.CompletedProcess[str]:
        """Run a module; its standard input is empty."""
        import subprocess
        import tempfile

        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err, open(os.devnull) as empty:
            files = [empty.fileno(), out.fileno(), err.fileno()]
            code = submit(self.address, module, arguments, str(cwd), env, files)
            out.seek(0)
            err.seek(0)
            return subprocess.CompletedProcess(
                [module, *arguments], code, out.read().decode(), err.read().decode()
            )

    def stop(self) -> None:
        """End the process."""
        self._process.terminate()
        self._process.communicate()
        self._folder.cleanup()


def submit(
    address: str,
    module: str,
    arguments: Sequence[str],
    cwd: str,
    env: Mapping[str, str],
    files: Sequence[int],
) -> int:
    """Have a module run by the interpreter at an address, with these three files; gives its exit code."""
    task = {"module": module, "arguments": list(arguments), "cwd": cwd, "env": dict(env)}
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(address)
        socket.send_fds(connection, [b"."], files)
        connection.sendall(json.dumps(task).encode())
        connection.shutdown(socket.SHUT_WR)
        return int(connection.recv(16) or b"1")


def stub(path: Path, address: str, module: str) -> None:
    """Write a program that runs a module in the interpreter at an address.

    Parameters
    ----------
    path : Path
        The program.
    address : str
        Of an :class:`Interpreter`.
    module : str
        What to run; ``-m``: the module that the program's own arguments name, and Python itself where they
        name none.
    """
    path.write_text(f'#!/bin/sh\nexec "{sys.executable}" -SE "{__file__}" run "{address}" "{module}" "$@"\n')
    path.chmod(0o755)


def _run(address: str, module: str, arguments: list[str]) -> int:
    if module == "-m":
        if arguments[:1] != ["-m"]:
            os.execv(sys.executable, [sys.executable, *arguments])
        _, module, *arguments = arguments
    return submit(address, module, arguments, os.getcwd(), os.environ, (0, 1, 2))


def _serve(address: str, modules: Sequence[str]) -> tuple[dict[str, Any], list[int]]:
    """Fork for each command; return it with its files in the child alone."""
    import gc
    import importlib

    for module in modules:
        importlib.import_module(module)
    # What is shared stays shared: collections in the children would touch, and so copy, all of it.
    gc.collect()
    gc.freeze()
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(address)
        server.listen(64)
        print("ready", flush=True)  # noqa: T201 - to who started it
        while True:
            connection, _ = server.accept()
            with connection:
                if os.fork() == 0:
                    server.close()
                    return _waited_for(connection)
            while _reaped():
                pass


def _reaped() -> bool:
    try:
        return os.waitpid(-1, os.WNOHANG)[0] != 0
    except ChildProcessError:
        return False


def _waited_for(connection: socket.socket) -> tuple[dict[str, Any], list[int]]:
    """Fork once more: the child is the command, and this process tells its exit code."""
    _, files, _, _ = socket.recv_fds(connection, 1, 3)
    task: dict[str, Any] = json.loads(b"".join(iter(lambda: connection.recv(65536), b"")))
    child = os.fork()
    if child == 0:
        connection.close()
        return task, files
    for file in files:
        os.close(file)
    _, status = os.waitpid(child, 0)
    connection.sendall(str(os.waitstatus_to_exitcode(status)).encode())
    os._exit(0)


def _become(task: dict[str, Any], files: Sequence[int]) -> NoReturn:
    """Turn a fork into the process of a command."""
    import atexit
    import contextlib
    import runpy
    import signal
    import threading

    signal.alarm(LIMIT)
    for number, file in enumerate(files):
        os.dup2(file, number)
        os.close(file)
    os.chdir(task["cwd"])
    old, new = (where.get("PYTHONPATH", "").split(os.pathsep) for where in (os.environ, task["env"]))
    sys.path[:] = [task["cwd"], *filter(None, new), *(path for path in sys.path if path not in old)]
    os.environ.clear()
    os.environ.update(task["env"])
    sys.argv = [task["module"], *task["arguments"]]
    # In the order in which a terminal shows it.
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    try:
        runpy.run_module(task["module"], run_name="__main__", alter_sys=True)
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
        if isinstance(end.code, str):
            print(end.code, file=sys.stderr)  # noqa: T201 - as Python does
    except BaseException:
        sys.excepthook(*sys.exc_info())
        code = 1
    # An end that does not take all modules apart, which takes longer than most commands.
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    os._exit(code)


if __name__ == "__main__":
    # This folder has packages of the same names as those that are tested.
    del sys.path[0]
    if sys.argv[1] == "run":
        sys.exit(_run(*sys.argv[2:4], sys.argv[4:]))
    _become(*_serve(sys.argv[2], sys.argv[3:]))
