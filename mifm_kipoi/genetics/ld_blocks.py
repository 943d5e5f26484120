"""Blocks of linkage disequilibrium, which hardly correlate with each other."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd

from mifm_kipoi.genomics.contigs import bare_names
from mifm_kipoi.genomics.text_tables import TableError, TextTable, numbers

COLUMNS = ("chr", "start", "stop", "pop")
"""Columns of a table of blocks."""


class LDBlocks:
    """The blocks of one population.

    A block is named by its row in the table from 1, all populations counted, as CAUSALdb2 does. It is
    0-based and half-open: it holds the variants with ``start < pos <= stop``, so that one at the common
    end of two blocks belongs to the first.

    Parameters
    ----------
    path : str
        Table with :data:`COLUMNS`.
    population : str
        Only rows of this ``pop`` are used.

    Raises
    ------
    TableError
        When the table cannot be read, lacks the population or a column, or blocks overlap.
    """

    def __init__(self, path: str, population: str) -> None:
        table = TextTable.of(path)
        lacking = [name for name in COLUMNS if name not in table.columns]
        if lacking:
            raise TableError(f"{path} has no column {', '.join(lacking)}; expected {', '.join(COLUMNS)}")
        blocks = pd.concat(list(table.chunks(COLUMNS)) or [pd.DataFrame(columns=list(COLUMNS), dtype=str)])
        blocks["number"] = range(1, len(blocks) + 1)
        for name in ("start", "stop"):
            blocks[name] = numbers(blocks, name, path)
        chosen = blocks[blocks["pop"] == population].sort_values(["chr", "start"])
        if not len(chosen):
            raise TableError(
                f"{path} has no population {population!r}; it has {', '.join(sorted(set(blocks['pop'])))}"
            )
        before = chosen.groupby("chr")["stop"].shift()
        bad = ~(chosen["start"] < chosen["stop"]) | (chosen["start"] < before)
        if bad.any():
            raise TableError(
                f"line {bad.idxmax()} of {path}: the block is empty or overlaps another one of {population}"
            )
        self._blocks = {
            chrom: (rows["start"].to_numpy(), rows["stop"].to_numpy(), rows["number"].to_numpy())
            for chrom, rows in chosen.groupby(bare_names(chosen["chr"]))
        }

    def of(self, chrom: pd.Series, pos: pd.Series) -> npt.NDArray[np.int64]:
        """The numbers of the blocks of variants (pos 1-based), shape (n,); 0 where there is none."""
        found = np.zeros(len(chrom), dtype=np.int64)
        names = bare_names(chrom).to_numpy()
        for name, (start, stop, number) in self._blocks.items():
            rows = np.flatnonzero(names == name)
            places = pos.to_numpy()[rows]
            last = np.searchsorted(start, places, side="left") - 1
            inside = (last >= 0) & (places <= stop[last])
            found[rows] = np.where(inside, number[last], 0)
        return found
