"""Commands that are run once: what is complete, of the same inputs and settings, is not made again."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from mifm_kipoi.errors import MIFMError
from mifm_kipoi.support.files import written_whole
from mifm_kipoi.support.provenance import differences

DONE = "made_of.json"
"""In the folder of each step: what it was made of; written when it is complete."""

_SHOWN = 15
"""Lines of the output of a command that failed, in the error."""

_running: set[subprocess.Popen[bytes]] = set()
_lock = threading.Lock()


class BenchmarkError(MIFMError):
    """A benchmark that cannot be run."""


def once(folder: Path, made_of: Mapping[str, Any], work: Callable[[], object]) -> None:
    """Do a step in a folder, unless it is complete.

    An interrupted step is started again in the same folder, where its commands may resume.

    Parameters
    ----------
    folder : Path
        Made where missing.
    made_of : mapping of plain JSON types
        What the step depends on.
    work : callable
        Does the step, without arguments.

    Raises
    ------
    BenchmarkError
        When the folder holds the step made of something else.
    """
    wanted = json.loads(json.dumps(made_of))
    begun = folder / f"{DONE}.begun"
    for known in (folder / DONE, begun):
        if known.exists():
            changes = differences(json.loads(known.read_text()), wanted)
            if changes:
                raise BenchmarkError(
                    f"{folder} was made of other settings: {'; '.join(changes[:5])}; name another --out, or "
                    "delete it"
                )
    if (folder / DONE).exists():
        return
    folder.mkdir(parents=True, exist_ok=True)
    with written_whole(begun) as path:
        path.write_text(json.dumps(wanted, indent=1) + "\n")
    began = time.monotonic()
    work()
    begun.replace(folder / DONE)
    logging.info("%s: %.0f s", folder, time.monotonic() - began)


def run_module(module: str, arguments: Sequence[str | Path], log: Path) -> None:
    """Run ``python -m MODULE ARGUMENTS`` in a process of its own; its output is added to a file.

    On a terminal, what it says on standard error, its progress too, is shown there.

    Raises
    ------
    BenchmarkError
        When it fails; the message has the end of its output.
    """
    words = [str(argument) for argument in arguments]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    with log.open("a") as file:
        file.write(f"$ python -m {module} {' '.join(words)}\n")
        file.flush()
        errors = None if sys.stderr.isatty() else file
        child = subprocess.Popen(
            [sys.executable, "-m", module, *words], stdout=file, stderr=errors, env=environment
        )
        with _lock:
            _running.add(child)
        try:
            returned = child.wait()
        except BaseException:
            child.terminate()
            child.wait()
            raise
        finally:
            with _lock:
                _running.discard(child)
    if returned:
        tail = "\n".join(log.read_text().splitlines()[-_SHOWN:])
        raise BenchmarkError(f"python -m {module} ended with {returned}; the end of {log}:\n{tail}")


def end_children() -> None:
    """End all commands that are running, in whichever thread, and wait for them."""
    with _lock:
        running = list(_running)
    for child in running:
        child.terminate()
    for child in running:
        child.wait()


def write_table(path: Path, table: Any) -> None:
    """Write a table as TSV, whole or not at all."""
    with written_whole(path) as temporary:
        table.to_csv(temporary, sep="\t", index=False, float_format="%.6g")
