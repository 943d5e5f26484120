"""Scored variants in the order of the genome: the universe in which enrichment is measured."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pandas as pd

from mifm_kipoi.errors import InputError
from mifm_kipoi.evaluation.ranking.score_tables import Chosen
from mifm_kipoi.evaluation.ranking.variant_tables import VariantTable
from mifm_kipoi.genetics.ld_blocks import LDBlocks
from mifm_kipoi.genomics.contigs import DECIDED, UNDECIDED
from mifm_kipoi.genomics.tables import Batch

if TYPE_CHECKING:
    import pyarrow as pa

Values = npt.NDArray[np.float64]
Rows = npt.NDArray[np.int64]

BLOCK_BP = 1_000_000
"""Length of the blocks where there is no table of LD blocks, and outside of its blocks."""

ID = "id"
"""Column of the names of variants, where a table has one."""


@dataclasses.dataclass(frozen=True)
class Variants:
    """The variants that have all scores, each once, by contig and position.

    Parameters
    ----------
    contigs : tuple of str
        Keys of the contigs (:func:`mifm_kipoi.genomics.contigs.contig_key`), in the order of the genome.
    contig : numpy.ndarray of int64, shape (n,)
        Index in ``contigs`` of each variant; rising.
    pos : numpy.ndarray of int64, shape (n,)
        1-based position of the first base of REF; rising within a contig.
    scores : dict of str to numpy.ndarray of float64, shape (n,)
        Higher is more likely causal.
    covariates : dict of str to numpy.ndarray of float64, shape (n,)
        Columns of the table that enrichment is adjusted for; NaN where missing.
    names : pyarrow.StringArray, optional
        Of the variants, where they are wanted: the column ``id``, else ``chrom:pos:ref:alt``.
    counts : dict of str to int
        Rows of the table; ``repeated`` ones, ``without_score`` and, for each score, how many lack it.
    """

    contigs: tuple[str, ...]
    contig: Rows
    pos: Rows
    scores: dict[str, Values]
    covariates: dict[str, Values]
    names: pa.StringArray | None
    counts: dict[str, int]

    def __len__(self) -> int:
        return len(self.pos)

    @property
    def chrom(self) -> pd.Series[str]:
        """The contig of each variant, shape (n,)."""
        return pd.Series(np.array(self.contigs, dtype=object)[self.contig], dtype="str")

    def blocks(self, table: Path | None, population: str, block_bp: int = BLOCK_BP) -> tuple[Rows, int]:
        """The block of each variant, of which the jackknife leaves one out at a time.

        Parameters
        ----------
        table : Path, optional
            LD blocks (:class:`mifm_kipoi.genetics.ld_blocks.LDBlocks`).
        population : str
            Whose blocks of that table.
        block_bp : int
            Length of the blocks that variants are in without a table, or outside of its blocks.

        Returns
        -------
        block : numpy.ndarray of int64, shape (n,)
            Numbers from 0 on.
        outside : int
            Variants outside all LD blocks; 0 without a table.
        """
        physical = self.contig * (1 << 32) + self.pos // block_bp
        outside = 0
        if table is not None:
            number = LDBlocks(str(table), population).of(self.chrom, pd.Series(self.pos))
            outside = int((number == 0).sum())
            physical = np.where(number > 0, -number, physical)
        return np.unique(physical, return_inverse=True)[1].astype(np.int64), outside


def read_variants(
    path: Path, chosen: Chosen, covariates: Sequence[str] = (), with_names: bool = False
) -> Variants:
    """Read the variants of a table that have all of the chosen scores.

    Parameters
    ----------
    path : Path
        See :class:`mifm_kipoi.evaluation.ranking.variant_tables.VariantTable`.
    chosen : Chosen
        The columns of scores.
    covariates : sequence of str
        Further columns of numbers.
    with_names : bool
        Whether names of variants are kept.

    Raises
    ------
    InputError
        When the table cannot be read, rows of a variant have different scores, or no variant has all scores.
    """
    file = VariantTable.of(path)
    wanted = [*chosen.columns, *covariates]
    has_id = with_names and ID in file.columns
    parts: list[pd.DataFrame] = []
    codes: dict[str, int] = {}
    for variants, batch in file.batches([*wanted, *([ID] if has_id else [])]):
        batch.refuse(variants["chrom"].isin(UNDECIDED).to_numpy(), file.names["chrom"], DECIDED)
        part = _part(variants, batch, wanted, with_names, has_id)
        numbers = {name: codes.setdefault(name, len(codes)) for name in variants["chrom"].unique()}
        parts.append(part.assign(contig=variants["chrom"].map(numbers).to_numpy(np.int64)))
    table = pd.concat(parts, ignore_index=True)
    del parts
    counts = {"rows": len(table)}
    known = table[list(chosen.columns)].notna().to_numpy()
    counts |= {
        f"without {name}": int((~has).sum()) for name, has in zip(chosen.columns, known.T, strict=True)
    }
    contigs = tuple(sorted(codes, key=_in_genome))
    place = {codes[name]: number for number, name in enumerate(contigs)}
    contig = np.array([place[code] for code in range(len(codes))], np.int64)[table.pop("contig")]
    rows = np.lexsort((table["alleles"].to_numpy(), table["pos"].to_numpy(), contig))
    table, contig, known = table.iloc[rows], contig[rows], known[rows]
    again = _repeated(table, contig, chosen.columns, path)
    kept = known.all(axis=1) & ~again
    counts |= {"repeated": int(again.sum()), "without_score": int((~known.all(axis=1) & ~again).sum())}
    if not kept.any():
        raise InputError(
            f"{path} has no variant with a value in {' and '.join(chosen.columns)} ({counts['rows']} rows); "
            "expected scores of many variants"
        )
    table, contig = table[kept], contig[kept]
    sign = {name: -1.0 if name in chosen.lower else 1.0 for name in chosen.columns}
    return Variants(
        contigs,
        contig,
        table["pos"].to_numpy(np.int64),
        {name: sign[name] * table[name].to_numpy(np.float64) for name in chosen.columns},
        {name: table[name].to_numpy(np.float64) for name in covariates},
        _names(table) if with_names else None,
        counts,
    )


def _part(
    variants: pd.DataFrame, batch: Batch, wanted: Sequence[str], with_names: bool, has_id: bool
) -> pd.DataFrame:
    """Rows with ``pos``, ``alleles`` (a hash), ``line`` and numbers."""
    alleles = variants["ref"] + ":" + variants["alt"]
    part = pd.DataFrame(
        {
            "pos": variants["pos"].to_numpy(np.int64),
            "alleles": pd.util.hash_array(alleles.to_numpy(object), categorize=True),
            "line": variants.index.to_numpy(np.int64),
            **{name: batch.numbers(name) for name in wanted},
        }
    )
    if with_names:
        own = variants["chrom"] + ":" + variants["pos"].astype(str) + ":" + alleles
        named = batch.frame([ID])[ID] if has_id else pd.Series(pd.NA, index=own.index, dtype="str")
        part["name"] = named.where(named.notna(), own).to_numpy()
    return part


def _repeated(table: pd.DataFrame, contig: Rows, columns: Sequence[str], path: Path) -> npt.NDArray[np.bool_]:
    """Which rows, in the order of the genome, are of the same variant as the row before."""
    again = np.zeros(len(table), dtype=bool)
    same = contig[1:] == contig[:-1]
    for name in ("pos", "alleles"):
        values = table[name].to_numpy()
        same &= values[1:] == values[:-1]
    again[1:] = same
    for name in columns:
        values = table[name].to_numpy(np.float64)
        differs = again[1:] & ~((values[1:] == values[:-1]) | (np.isnan(values[1:]) & np.isnan(values[:-1])))
        if differs.any():
            row = int(differs.argmax())
            lines = sorted(table["line"].iloc[[row, row + 1]].tolist())
            raise InputError(
                f"{path} has different {name} for the same variant in lines {lines[0]} and {lines[1]}; "
                "expected one score for each variant"
            )
    return again


def _names(table: pd.DataFrame) -> pa.StringArray:
    import pyarrow as pa

    return pa.array(table["name"].to_numpy(object), pa.string())


def _in_genome(contig: str) -> tuple[int, str]:
    """A key that sorts contigs: 1 to 22, X, Y, M, others by name."""
    if contig.isdecimal():
        return int(contig), contig
    return {"X": 1001, "Y": 1002, "M": 1003}.get(contig, 2000), contig
