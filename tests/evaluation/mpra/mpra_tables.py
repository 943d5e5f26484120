"""Small tables of saturation mutagenesis that tests build for themselves."""

from __future__ import annotations

import gzip
from collections.abc import Sequence
from pathlib import Path

import numpy as np

HEADER = (
    "Chrom",
    "Pos",
    "Ref",
    "Alt",
    "Barcodes",
    "DNA",
    "RNA",
    "Coefficient",
    "pValue",
    "Element",
    "Release",
)

Row = tuple[object, ...]


def bases(length: int, seed: int) -> str:
    """Random sequence."""
    return "".join(np.random.default_rng(seed).choice(list("ACGT"), length))


def row(
    chrom: str, pos: int, ref: str, alt: str, coefficient: object = 0.1, *, element: str = "E",
    barcodes: object = 50, p: object = 0.5, release: str = "GRCh37",
) -> Row:  # fmt: skip
    """One row of the table."""
    return (chrom, pos, ref, alt, barcodes, 100, 120, coefficient, p, element, release)


def all_rows(
    chrom: str, start: int, sequence: str, element: str = "E", seed: int = 0, deletions: bool = True
) -> list[Row]:
    """Every exchange, and deletion, of a sequence whose first base is at a 1-based position."""
    random = np.random.default_rng(seed)
    return [
        row(
            chrom,
            start + place,
            base,
            alt,
            f"{random.normal():.6f}",
            element=element,
            p=f"{random.uniform():.4f}",
        )
        for place, base in enumerate(sequence)
        for alt in ("ACGT-" if deletions else "ACGT")
        if alt != base
    ]


def write_table(
    path: Path, rows: Sequence[Row], header: Sequence[str] = HEADER, separator: str = "\t"
) -> Path:
    """A table as text, gzipped where the name ends in .gz."""
    text = "".join(separator.join(map(str, cells)) + "\n" for cells in (header, *rows))
    path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())
    return path
