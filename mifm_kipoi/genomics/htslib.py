"""What htslib, through pysam, asks of those who call it."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Without what htslib itself says on standard error; its errors are exceptions too."""
    import pysam

    before = pysam.set_verbosity(0)
    try:
        yield
    finally:
        pysam.set_verbosity(before)


_VIEW = """
import sys
from pysam import bcftools
bcftools.view("--no-version", "-Ov", "-o", "-", sys.argv[1], catch_stdout=False)
"""


@contextlib.contextmanager
def as_vcf(path: str | os.PathLike[str]) -> Iterator[Iterator[bytes]]:
    """The lines of a BCF file as VCF, its text byte by byte, made by bcftools in a process of its own.

    Raises
    ------
    ValueError
        While the lines are read, in their end, when bcftools cannot read the file.
    """
    with tempfile.TemporaryFile() as errors:
        command = [sys.executable, "-P", "-W", "ignore", "-c", _VIEW, os.fspath(path)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors) as process:  # noqa: S603 - no shell
            assert process.stdout is not None

            def lines() -> Iterator[bytes]:
                assert process.stdout is not None
                yield from process.stdout
                if process.wait():
                    errors.seek(0)
                    said = errors.read().decode(errors="replace").strip().splitlines()
                    raise ValueError(f"bcftools cannot read it: {said[-1] if said else process.returncode}")

            try:
                yield lines()
            finally:
                process.kill()


def is_sorted(lines: Iterable[bytes]) -> bool:
    """Whether the rows of each contig follow each other by position, as an index needs them."""
    seen: set[bytes] = set()
    last, place = b"", 0
    for line in lines:
        chrom, pos, _ = line.split(b"\t", 2)
        if chrom != last:
            if chrom in seen:
                return False
            seen.add(chrom)
            last, place = chrom, 0
        if int(pos) < place:
            return False
        place = int(pos)
    return True
