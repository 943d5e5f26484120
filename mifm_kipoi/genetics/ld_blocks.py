"""LD blocks: regions of a genome between which there is hardly any linkage disequilibrium."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd

from mifm_kipoi.errors import InputError
from mifm_kipoi.genomics.columns import column_named
from mifm_kipoi.genomics.contigs import contig_keys
from mifm_kipoi.genomics.tables import TableFile

COLUMNS = ("chr", "start", "stop", "pop")
"""Columns of a table of blocks."""


class LDBlocks:
    """The LD blocks of one population.

    A block is named by its row in the table, counted from 1 over all populations, as CAUSALdb2 does. It is
    0-based and half-open: it holds the variants with ``start < pos <= stop``, so that a variant at the
    border of two blocks belongs to the first.

    Parameters
    ----------
    path : str
        Table with the columns :data:`COLUMNS`, in any case.
    population : str
        Value of ``pop`` in the rows that are used, such as EUR.

    Raises
    ------
    InputError
        When the table cannot be read, lacks the population or a column, or blocks overlap.
    """

    def __init__(self, path: str, population: str) -> None:
        table = TableFile.of(path)
        spelt = {name: column_named(table.columns, name) for name in COLUMNS}
        lacking = [name for name, column in spelt.items() if not column]
        if lacking:
            raise InputError(f"{path} has no column {', '.join(lacking)}; expected {', '.join(COLUMNS)}")
        texts = {spelt[name]: name for name in ("chr", "pop")}
        parts = [
            batch.frame(list(texts))
            .rename(columns=texts)
            .assign(**{name: batch.numbers(spelt[name]) for name in ("start", "stop")})
            for batch in table.batches(list(spelt.values()))
        ]
        blocks = pd.concat(parts or [pd.DataFrame(columns=list(COLUMNS), dtype=str)])
        blocks["number"] = range(1, len(blocks) + 1)
        chosen = blocks[blocks["pop"] == population]
        chosen = chosen.assign(chr=contig_keys(chosen["chr"])).sort_values(["chr", "start"])
        if not len(chosen):
            raise InputError(
                f"{path} has no population {population!r}; it has {', '.join(sorted(set(blocks['pop'])))}"
            )
        for name in ("start", "stop"):
            if chosen[name].isna().any():
                line = chosen[name].isna().idxmax()
                raise InputError(f"line {line} of {path}: {spelt[name]} is missing; expected a number")
        before = chosen.groupby("chr")["stop"].shift()
        bad = ~(chosen["start"] < chosen["stop"]) | (chosen["start"] < before)
        if bad.any():
            raise InputError(
                f"line {bad.idxmax()} of {path}: the block is empty or overlaps another block of {population}"
            )
        self._blocks = {
            chrom: (rows["start"].to_numpy(), rows["stop"].to_numpy(), rows["number"].to_numpy())
            for chrom, rows in chosen.groupby("chr")
        }

    @property
    def contigs(self) -> frozenset[str]:
        """The contigs that have blocks, as :func:`mifm_kipoi.genomics.contigs.contig_key` names them."""
        return frozenset(map(str, self._blocks))

    @property
    def places(self) -> pd.DataFrame:
        """``number``, ``chrom``, ``start`` (0-based) and ``stop`` of each block, by contig and position."""
        parts = [
            pd.DataFrame({"number": number, "chrom": chrom, "start": start, "stop": stop})
            for chrom, (start, stop, number) in self._blocks.items()
        ]
        return pd.concat(parts, ignore_index=True).astype({"start": "int64", "stop": "int64"})

    def of(self, chrom: pd.Series, pos: pd.Series) -> npt.NDArray[np.int64]:
        """Find the block of each variant.

        Parameters
        ----------
        chrom : pandas.Series of str, shape (n,)
            Chromosomes, with or without ``chr``.
        pos : pandas.Series of int, shape (n,)
            1-based positions.

        Returns
        -------
        numpy.ndarray of int64, shape (n,)
            Numbers of the blocks; 0 for a variant outside all blocks.
        """
        numbers_of = np.zeros(len(chrom), dtype=np.int64)
        names = contig_keys(chrom).to_numpy()
        for name, (start, stop, number) in self._blocks.items():
            rows = np.flatnonzero(names == name)
            positions = pos.to_numpy()[rows]
            last = np.searchsorted(start, positions, side="left") - 1
            inside = (last >= 0) & (positions <= stop[last])
            numbers_of[rows] = np.where(inside, number[last], 0)
        return numbers_of
