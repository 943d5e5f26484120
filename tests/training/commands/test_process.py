"""Freed memory is kept, as the system sees it."""

import platform
import subprocess
import sys
from pathlib import Path

import pytest

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
