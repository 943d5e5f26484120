"""Fixtures that several folders of tests share."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

# Kipoi writes a configuration into the home folder when it is imported, weights lie in the user's data
# folder, and checksums in the cache folder: no test may see or change the user's own.
os.environ["HOME"] = tempfile.mkdtemp(prefix="mifm-tests-")
os.environ.pop("XDG_DATA_HOME", None)
os.environ.pop("XDG_CACHE_HOME", None)

# The networks of the tests are small, and two threads on a busy machine wait for each other.
torch.set_num_threads(1)

ROOT = Path(__file__).parent.parent
EXAMPLE = ROOT / "tests" / "kipoi" / "example"
PACKAGED_EXAMPLE = ROOT / "mifm_kipoi" / "kipoi" / "example"

Run = Callable[..., subprocess.CompletedProcess[str]]


LONGEST = ("documentation/test_pages.py", "workflow/test_paper.py", "documentation/test_site.py")
"""Files of minutes, which begin first: one that began last would run alone at the end."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the tests of the longest files first; all others stay in their order."""
    items.sort(key=lambda item: not item.path.as_posix().endswith(LONGEST))


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Commands that run in this process set the number of threads, which changes the last digits."""
    yield
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def root() -> Path:
    """The repository."""
    return ROOT


@pytest.fixture(scope="session")
def example() -> Path:
    """Folder of the tests' example, with every status: genome.fa, variants.vcf, intervals.bed."""
    return EXAMPLE


@pytest.fixture(scope="session")
def packaged_example() -> Path:
    """Folder of the packaged example, a real locus: genome.fa.gz, variants.vcf, intervals.bed."""
    return PACKAGED_EXAMPLE


@pytest.fixture(scope="session")
def reference_data() -> Path:
    """Folder of the reference data; the test is skipped where it is absent."""
    folder = Path(os.environ.get("MIFM_REFERENCE_DATA", ROOT.parent / "shared"))
    if not (folder / "data" / "genome").is_dir():
        pytest.skip(f"no reference data: {folder / 'data' / 'genome'} does not exist (MIFM_REFERENCE_DATA)")
    return folder


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """An empty home folder for commands that run in a process of their own."""
    folder = tmp_path / "home"
    folder.mkdir()
    return folder


@pytest.fixture
def run(home: Path) -> Run:
    """Run ``python -m MODULE ARGUMENTS`` in the empty home folder; ``check=False`` lets it fail."""

    def run_module(
        module: str, *arguments: str | Path, cwd: Path | None = None, check: bool = True, **environment: str
    ) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-W", "ignore", "-m", module, *map(str, arguments)]
        environment = {**os.environ, "HOME": str(home), **environment}
        done = subprocess.run(
            command,
            cwd=cwd or home,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=600,
        )
        if check and done.returncode:
            pytest.fail(f"{' '.join(command)} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}")
        return done

    return run_module
