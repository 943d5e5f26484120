"""Freed memory is kept, as the system sees it; lines of the log stand above the line of the progress."""

import logging
import platform
import subprocess
import sys
from pathlib import Path

import pytest

from mifm_kipoi.support.progress import Progress
from training.commands.process import training_process

SCRIPT = """
import sys
from pathlib import Path
import numpy as np
from training.commands.process import keep_freed_memory
if sys.argv[1] == "kept":
    assert keep_freed_memory()
pages = lambda: int(Path("/proc/self/statm").read_text().split()[1])
before = pages()
block = np.ones(25_000_000)
del block
print((pages() - before) * 4096 // 1_000_000)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="glibc only")
def test_freed_memory_is_kept(root: Path) -> None:
    """A block of 200 MB."""
    left = [
        int(
            subprocess.run(
                [sys.executable, "-c", SCRIPT, way], cwd=root, capture_output=True, check=True
            ).stdout
        )
        for way in ("given back", "kept")
    ]
    assert left[0] < 20
    assert 190 < left[1] < 220


def test_other_libraries_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    from training.commands.process import keep_freed_memory

    monkeypatch.setattr(platform, "libc_ver", lambda: ("", ""))
    assert not keep_freed_memory()


def test_lines_of_the_log_stand_above_the_progress(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setattr(Progress, "_INTERVAL", 0.0)
    monkeypatch.setattr("training.commands.process.keep_freed_memory", lambda: True)
    handler = logging.StreamHandler(sys.stderr)
    monkeypatch.setattr(logging.getLogger(), "handlers", [handler])
    with training_process("windows") as on_progress:
        on_progress(100, 0.5)
        logging.getLogger("some").warning("a line")
        on_progress(150, 0.75)
    assert logging.getLogger().handlers == [handler]
    shown = capsys.readouterr().err
    assert "100 windows, " in shown
    assert "150 windows, " in shown
    # The line of the progress is cleared before, and written anew behind.
    before, after = shown.split("a line\n")
    assert before.endswith("\r")
    assert after.lstrip("\r").startswith("100 windows, ")


def test_each_step_of_a_run_has_a_progress_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[list[tuple[int, float]]] = []

    class Recorded:
        def __init__(self, what: str) -> None:
            assert what == "windows"
            made.append([])

        def update(self, count: int, fraction: float) -> None:
            made[-1].append((count, fraction))

        def close(self) -> None:
            made[-1].append((-1, -1.0))

    monkeypatch.setattr("training.commands.process.Progress", Recorded)
    monkeypatch.setattr("training.commands.process.keep_freed_memory", lambda: True)
    with training_process("windows") as on_progress:
        on_progress(50, 0.5)
        on_progress(100, 1.0)
        on_progress(10, 0.2)
    assert made == [[(50, 0.5), (100, 1.0), (-1, -1.0)], [(10, 0.2), (-1, -1.0)]]
