"""A full disk never leaves a broken file under a final name, whatever library writes."""

from __future__ import annotations

import importlib.util
import os
import random
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.builders import write_fasta, write_vcf
from tests.support.full_disk import WRITERS

_NEEDED = {"figures": "matplotlib", "mutation_map": "kipoi_veff"}


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A genome, and variants to score."""
    folder = tmp_path_factory.mktemp("inputs")
    generator = random.Random(1)
    bases = "".join(generator.choices("ACGT", k=20000))
    write_fasta(folder / "genome.fa", {"1": bases})
    records = []
    for pos in range(600, 3600, 3):
        base = bases[pos - 1]
        # Most have no score, which costs no time.
        records.append(("1", pos, base, "<DEL>" if pos % 100 else "ACGT".replace(base, "")[0]))
    write_vcf(folder / "x.vcf", records, {"1": len(bases)})
    return folder


@pytest.fixture(scope="module")
def small_disk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A disk of 4 MB."""
    folder = tmp_path_factory.mktemp("disk")
    mount = ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(folder)]
    try:
        done = subprocess.run(mount, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        pytest.skip("there is no command mount")
    if done.returncode:
        pytest.skip(f"a small disk cannot be mounted: {done.stderr.strip()}")
    yield folder
    subprocess.run(["umount", folder], check=True)


def check(name: str, inputs: Path, folder: Path, kind: str) -> None:
    # Not imported: kipoi_veff turns off all loggers that there are.
    if name in _NEEDED and importlib.util.find_spec(_NEEDED[name]) is None:
        pytest.skip(f"{_NEEDED[name]} is not installed")
    command = [sys.executable, "-m", "tests.support.full_disk", name, folder, kind]
    environment = {**os.environ, "MIFM_FULL_DISK_INPUTS": str(inputs)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    assert int(done.stdout) > 1


@pytest.mark.parametrize("name", WRITERS)
def test_a_full_disk(name: str, inputs: Path, small_disk: Path) -> None:
    for path in small_disk.iterdir():
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    check(name, inputs, small_disk, "disk")


@pytest.mark.parametrize("name", WRITERS)
def test_a_file_that_may_not_grow(name: str, inputs: Path, tmp_path: Path) -> None:
    """Where no disk can be mounted; the errors are the same."""
    check(name, inputs, tmp_path, "size")
