"""Commands of Kipoi and the bridges, each in a process of its own that has its imports already."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import Run
from tests.preloaded import Interpreter


@pytest.fixture(scope="session")
def interpreter() -> Iterator[Interpreter]:
    interpreter = Interpreter()
    yield interpreter
    interpreter.stop()


@pytest.fixture
def run(home: Path, interpreter: Interpreter) -> Run:
    """Run ``python -m MODULE ARGUMENTS`` in the empty home folder; ``check=False`` lets it fail."""

    def run_module(
        module: str, *arguments: str | Path, cwd: Path | None = None, check: bool = True, **environment: str
    ) -> subprocess.CompletedProcess[str]:
        env = {**os.environ, "HOME": str(home), **environment}
        done = interpreter(module, *map(str, arguments), cwd=cwd or home, env=env)
        if check and done.returncode:
            pytest.fail(f"{done.args} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}")
        return done

    return run_module
