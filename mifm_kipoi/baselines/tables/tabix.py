"""Rows of a table that is compressed with bgzip and indexed by tabix, read by region in constant memory."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mifm_kipoi.baselines.tables.looked_up import content_of
from mifm_kipoi.baselines.tables.variant_columns import VariantColumns
from mifm_kipoi.baselines.tables.variant_rows import Combine, Lookup, RowsBuilder
from mifm_kipoi.errors import InputError
from mifm_kipoi.genomics.contigs import contig_key
from mifm_kipoi.genomics.htslib import quiet
from mifm_kipoi.genomics.tables import Batch, TableFile
from mifm_kipoi.genomics.text_files import is_bgzip
from mifm_kipoi.genomics.variants import Variant
from mifm_kipoi.support.files import sha256_of

_NEAR = 500
"""Variants at most this many bases apart are read in one region, roughly a compressed block of a table of all
SNVs."""

_WRITTEN_PLAINLY = re.compile("[1-9][0-9]*")


def find_index(path: Path) -> Path | None:
    """The index beside a file that is compressed with bgzip, or None.

    Raises
    ------
    InputError
        When the file cannot be read, or is newer than the index.
    """
    index = next((name for name in (Path(f"{path}.tbi"), Path(f"{path}.csi")) if name.is_file()), None)
    try:
        if index is None or not is_bgzip(path):
            return None
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}") from error
    if index.stat().st_mtime < path.stat().st_mtime:
        raise InputError(
            f"the index {index} is older than {path} and may be that of another file; make it again with "
            f"tabix, or run 'touch {index.name}' if it belongs to this file"
        )
    return index


def checksums_of_indexed(path: Path, index: Path) -> dict[str, str | int]:
    """What identifies a file and its index: names, sizes and checksums."""
    return {"file": path.name, **content_of(path), "index_sha256": sha256_of(index)}


@dataclasses.dataclass(frozen=True)
class IndexedRows:
    """Rows of an indexed table.

    Parameters
    ----------
    table : TableFile
        The table, compressed with bgzip.
    index : Path
        Its index, ``.tbi`` or ``.csi``.
    variant_columns : VariantColumns
        With columns for chrom, pos and alleles.
    columns : tuple of str
        Columns of numbers.
    either_strand : bool
        See :func:`mifm_kipoi.genetics.alleles.allele_fit`.
    """

    table: TableFile
    index: Path
    variant_columns: VariantColumns
    columns: tuple[str, ...]
    either_strand: bool = True

    def look_up(self, variants: Sequence[Variant], combine: Combine) -> Lookup:
        """Look variants up as ``VariantRows.look_up`` does; missing contigs hold no rows.

        Raises
        ------
        InputError
            When the file cannot be read, or one of the rows is malformed.
        """
        import pyarrow as pa

        wanted = (*self.variant_columns.columns, *self.columns)
        fetched = list(self._rows(variants, wanted))
        builder = RowsBuilder(len(self.columns), self.variant_columns.ordered, self.either_strand)
        if fetched:
            fields = [pa.array(field) for field in zip(*fetched, strict=True)]
            rows = self.table.cleaned(pa.RecordBatch.from_arrays(fields, wanted))
            batch = Batch(self.table, rows, None)
            values = np.column_stack([batch.finite(name) for name in self.columns])
            builder.add(self.variant_columns.rows(batch), values)
        return builder.done().look_up(variants, combine)

    def _rows(self, variants: Sequence[Variant], columns: Sequence[str]) -> Iterator[list[str]]:
        """Fields of the rows at the positions of variants."""
        import pysam

        fields = [self.table.columns.index(name) for name in columns]
        path = str(self.table.path)
        try:
            with quiet(), pysam.TabixFile(path, index=str(self.index), encoding="utf-8") as file:
                for contig, region in _regions(variants, file.contigs):
                    for line in self._at(file, contig, region):
                        row = line.split("\t")
                        if len(row) != len(self.table.columns):
                            raise InputError(
                                f"{path} has a row of {len(row)} fields near {contig}:{region[0]}; expected "
                                f"{len(self.table.columns)} as in the header"
                            )
                        yield [row[field] for field in fields]
        except (OSError, ValueError) as error:
            raise InputError(
                f"cannot read {path} with its index {self.index.name}: {error}; the file is damaged, or the "
                "index is that of another file: make it again with tabix"
            ) from error

    def _at(self, file: Any, contig: str, positions: Sequence[int]) -> Iterator[str]:
        """Lines at positions, which ascend, and some others nearby: those that write theirs as in 597.0."""
        field = self.table.columns.index(self.variant_columns.pos)
        wanted = {str(pos) for pos in positions}
        # A base more on either side, whatever the index takes for the first base of a contig.
        for line in file.fetch(contig, max(positions[0] - 2, 0), positions[-1] + 1):
            here = line.split("\t", field + 1)[field : field + 1]
            if not here or here[0] in wanted or not _WRITTEN_PLAINLY.fullmatch(here[0]):
                yield line


def _regions(variants: Sequence[Variant], contigs: Sequence[str]) -> Iterator[tuple[str, list[int]]]:
    """Contigs of a file and ascending positions of variants on them, near ones together."""
    positions: dict[str, set[int]] = {}
    for variant in variants:
        positions.setdefault(contig_key(variant.chrom), set()).add(variant.pos)
    for contig in contigs:
        region: list[int] = []
        for pos in sorted(positions.get(contig_key(contig), ())):
            if region and pos - region[-1] > _NEAR:
                yield contig, region
                region = []
            region.append(pos)
        if region:
            yield contig, region
