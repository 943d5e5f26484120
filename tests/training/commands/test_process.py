"""Freed memory is kept, as the system sees it; lines of the log replace the line of the progress."""

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


def test_lines_of_the_log_replace_the_progress(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setattr(Progress, "_INTERVAL", 0.0)
    monkeypatch.setattr("training.commands.process.keep_freed_memory", lambda: True)
    handler = logging.StreamHandler(sys.stderr)
    logging.getLogger().addHandler(handler)
    try:
        with training_process("windows") as on_progress:
            on_progress(100, 0.5)
            logging.getLogger("some").warning("a line")
            on_progress(150, 0.75)
        assert handler.filters == []
    finally:
        logging.getLogger().removeHandler(handler)
    first, second, third = capsys.readouterr().err.split("\r")[1:4]
    assert first.startswith("100 windows, ")
    assert second == " " * len(first)
    assert third == "a line\n"
