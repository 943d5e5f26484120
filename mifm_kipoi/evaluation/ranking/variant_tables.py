"""Tables with a row for each variant: labels and scores, by chromosome, position, REF and ALT."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from mifm_kipoi.errors import InputError
from mifm_kipoi.genomics.contigs import ContigNames
from mifm_kipoi.genomics.tables import Batch, TableFile

VARIANT = ("chrom", "pos", "ref", "alt")
"""Columns that every table has, in any case and with or without ``#`` before them."""

ROW = "row"
"""Name of the index of variants: the line of a text file, or the row of a Parquet file, from 1."""


@dataclasses.dataclass(frozen=True)
class VariantTable:
    """A table of variants and its header; :meth:`of` reads them.

    Parameters
    ----------
    file : TableFile
        The table.
    columns : tuple of str
        Names of its columns, those of the variants as :data:`VARIANT` has them.
    names : dict of str to str
        From :data:`VARIANT` to the columns of the file.
    """

    file: TableFile
    columns: tuple[str, ...]
    names: dict[str, str]

    @classmethod
    def of(cls, path: Path) -> VariantTable:
        """Read the header.

        Raises
        ------
        InputError
            When the table cannot be read, or does not have each of :data:`VARIANT` once.
        """
        file = TableFile.of(path)
        names = {}
        for field in VARIANT:
            fitting = [name for name in file.columns if name.lstrip("#").lower() == field]
            if len(fitting) > 1:
                raise InputError(
                    f"{path} has the columns {', '.join(map(repr, fitting))}, each of which could be "
                    f"{field!r}; rename or remove all but one"
                )
            if not fitting:
                raise InputError(
                    f"{path} has no column {field!r}; expected {', '.join(VARIANT)}; it has "
                    f"{', '.join(file.columns)}"
                )
            names[field] = fitting[0]
        fields = {name: field for field, name in names.items()}
        return cls(file, tuple(fields.get(name, name) for name in file.columns), names)

    def batches(
        self, columns: Collection[str], block_bytes: int | None = None
    ) -> Iterator[tuple[pd.DataFrame, Batch]]:
        """The rows, in order, a batch at a time; at least one batch, which may be empty.

        Rows in which all columns that are read are empty are skipped.

        Parameters
        ----------
        columns : collection of str
            Columns that are read beside those of the variants.
        block_bytes : int, optional
            See :meth:`mifm_kipoi.genomics.tables.TableFile.batches`.

        Yields
        ------
        variants : pandas.DataFrame, n rows
            ``chrom`` by :func:`mifm_kipoi.genomics.contigs.contig_key`, ``pos`` (int64, 1-based), ``ref`` and
            ``alt`` in upper case. The index, :data:`ROW`, has the lines of the rows.
        batch : Batch, n rows
            The columns of the same rows.

        Raises
        ------
        InputError
            When the table cannot be read, a row has no variant, or accessions of contigs are of two builds.
        """
        wanted = list(dict.fromkeys((*self.names.values(), *columns)))
        contigs = ContigNames(str(self.file.path))
        empty = True
        for batch in self.file.batches(wanted, block_bytes):
            some = batch.filter(np.any([batch.known(name) for name in wanted], axis=0))
            yield self._variants(some, contigs), some
            empty = False
        if empty:
            nothing = pa.array([], pa.string())
            rows = pa.RecordBatch.from_arrays([nothing] * len(wanted), wanted)
            none = Batch(self.file, rows, np.empty(0, np.int64))
            yield self._variants(none, contigs), none

    def _variants(self, batch: Batch, contigs: ContigNames) -> pd.DataFrame:
        chrom, ref, alt = (
            pd.Series(text.to_pandas(), dtype="str")
            for text in (
                batch.optional_text(self.names["chrom"]),
                batch.alleles(self.names["ref"]),
                batch.alleles(self.names["alt"]),
            )
        )
        pos, known = batch.positions(self.names["pos"], lowest=1)
        missing = {"chrom": chrom.isna(), "pos": pd.Series(~known), "ref": ref.isna(), "alt": alt.isna()}
        for field, where in missing.items():
            batch.refuse(where.to_numpy(dtype=bool), self.names[field], "a variant in each row")
        table = pd.DataFrame({"chrom": contigs.keys(chrom), "pos": pos, "ref": ref, "alt": alt})
        return table.set_axis(pd.Index(np.asarray(batch.lines), name=ROW), axis=0)


def variant_keys(variants: pd.DataFrame) -> pd.Series[str]:
    """``chrom:pos:ref:alt`` of each row, by which tables are joined."""
    chrom, pos, ref, alt = (variants[name].astype(str) for name in VARIANT)
    return chrom + ":" + pos + ":" + ref + ":" + alt
