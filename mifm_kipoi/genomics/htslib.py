"""What htslib, through pysam, asks of those who call it."""

from __future__ import annotations

import contextlib
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


def reason(failure: str) -> str:
    """What bcftools itself says, out of the text of pysam's error."""
    return failure.rpartition("stderr=")[2].replace("\\n", " ").strip(" '")


def is_sorted(lines: Iterable[bytes]) -> bool:
    """Whether the rows of each contig follow each other by position, as an index needs them."""
    seen: set[bytes] = set()
    last, last_pos = b"", 0
    for line in lines:
        chrom, pos, _ = line.split(b"\t", 2)
        if chrom != last:
            if chrom in seen:
                return False
            seen.add(chrom)
            last, last_pos = chrom, 0
        if int(pos) < last_pos:
            return False
        last_pos = int(pos)
    return True
