"""An interpreter that has imported what takes long, and forks for every command.

Kipoi itself is not among it: it reads the user's configuration when it is imported.
"""

from __future__ import annotations

import importlib
import json
import os
import runpy
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

LIMIT = 600
"""Seconds that a command may take."""

_MODULES = ("h5py", "matplotlib.figure", "pandas", "pyarrow", "pysam", "scipy.stats", "torch")


class Interpreter:
    """Runs ``python -W ignore -m MODULE ARGUMENTS`` without the time that imports take."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-W", "ignore", __file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __call__(
        self, module: str, *arguments: str, cwd: Path, env: Mapping[str, str]
    ) -> subprocess.CompletedProcess[str]:
        """Run a module; its standard input is empty."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with tempfile.TemporaryDirectory() as folder:
            files = [Path(folder) / name for name in ("stdout", "stderr")]
            task = {"module": module, "arguments": arguments, "cwd": str(cwd), "env": dict(env)}
            self._process.stdin.write(json.dumps(task | {"files": [str(path) for path in files]}) + "\n")
            self._process.stdin.flush()
            code = int(self._process.stdout.readline())
            stdout, stderr = (path.read_text() for path in files)
        return subprocess.CompletedProcess([module, *arguments], code, stdout, stderr)

    def stop(self) -> None:
        """End the process."""
        self._process.communicate()


def _serve() -> dict[str, Any]:
    """Fork for each task; return it in the child alone."""
    for module in _MODULES:
        importlib.import_module(module)
    for line in sys.stdin:
        task: dict[str, Any] = json.loads(line)
        child = os.fork()
        if child == 0:
            return task
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)  # noqa: T201 - the answer
    os._exit(0)


def _become(task: dict[str, Any]) -> None:
    """Turn a fork into the process of a command."""
    signal.alarm(LIMIT)
    for number, (path, flags) in enumerate(
        [(os.devnull, os.O_RDONLY), *((path, os.O_WRONLY | os.O_CREAT) for path in task["files"])]
    ):
        file = os.open(path, flags)
        os.dup2(file, number)
        os.close(file)
    os.chdir(task["cwd"])
    old, new = (where.get("PYTHONPATH", "").split(os.pathsep) for where in (os.environ, task["env"]))
    sys.path[:] = [task["cwd"], *filter(None, new), *(path for path in sys.path[1:] if path not in old)]
    os.environ.clear()
    os.environ.update(task["env"])
    sys.argv = [task["module"], *task["arguments"]]
    runpy.run_module(task["module"], run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    _become(_serve())
