"""Tables and variants for the tests of baselines that look scores up."""

from __future__ import annotations

import gzip
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import cast

import numpy as np
import pandas as pd
import pysam

from mifm_kipoi.baselines.protocol import Baseline
from mifm_kipoi.baselines.specs import parse_specs
from mifm_kipoi.genomics.genome import Genome
from mifm_kipoi.genomics.variants import Variant
from mifm_kipoi.scoring.records import ScoredVariants


def variant(chrom: str, pos: int, ref: str, alt: str) -> Variant:
    return Variant(chrom, pos, ".", ref, alt)


def variants(rows: Iterable[tuple[str, int, str, str]]) -> list[Variant]:
    return [variant(*row) for row in rows]


def opened(spec: str) -> Baseline:
    return parse_specs([spec])[0].open()


def score(baseline: Baseline, rows: Sequence[Variant]) -> ScoredVariants:
    """Tables read no genome."""
    found = baseline.score(rows, cast(Genome, None))
    assert list(found.variants) == list(rows)
    assert tuple(found.columns) == baseline.declaration.columns
    assert all(column.dtype == np.float64 for column in found.columns.values())
    assert all(column.shape == (len(rows),) for column in found.columns.values())
    for number, status in enumerate(found.status):
        missing = [np.isnan(column[number]) for column in found.columns.values()]
        assert all(missing) if status != "ok" else not all(missing)
    return found


def looked_up(spec: str, rows: Sequence[Variant]) -> tuple[list[str], dict[str, list[float]]]:
    """Statuses and columns."""
    found = score(opened(spec), rows)
    return [str(status) for status in found.status], {k: v.tolist() for k, v in found.columns.items()}


def write_text(path: Path, text: str) -> Path:
    """Plain, or gzipped where the name ends in .gz."""
    path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())
    return path


def write_indexed(path: Path, text: str, csi: bool = False, **layout: int) -> Path:
    """A file compressed with bgzip and indexed; columns 1 and 2 are contig and position by default."""
    plain = path.with_name(path.name + ".plain")
    plain.write_text(text)
    pysam.tabix_compress(str(plain), str(path), force=True)
    plain.unlink()
    layout = {"seq_col": 0, "start_col": 1, "end_col": 1, "line_skip": 0, **layout}
    pysam.tabix_index(str(path), force=True, csi=csi, keep_original=True, **layout)
    return path


def random_variants(generator: np.random.Generator, count: int, snvs: bool = False) -> pd.DataFrame:
    """Distinct variants on two contigs, SNVs and indels, several at a position: chrom, pos, ref, alt."""
    genome = {chrom: generator.choice(list("ACGT"), 2 * count) for chrom in ("1", "2")}
    rows = set()
    while len(rows) < count:
        chrom, pos = str(generator.integers(1, 3)), int(generator.integers(1, count))
        bases = "".join(genome[chrom][pos - 1 : pos + 2])
        kind = 0 if snvs else generator.integers(3)
        if kind == 0:
            alt = str(generator.choice([base for base in "ACGT" if base != bases[0]]))
            rows.add((chrom, pos, bases[0], alt))
        else:
            rows.add((chrom, pos, bases[0], bases) if kind == 1 else (chrom, pos, bases, bases[0]))
    return pd.DataFrame(sorted(rows), columns=["chrom", "pos", "ref", "alt"])


def as_variants(table: pd.DataFrame) -> list[Variant]:
    return variants(table[["chrom", "pos", "ref", "alt"]].itertuples(index=False, name=None))
