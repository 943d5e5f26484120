"""Any column of numbers of any table of variants as a score."""

from __future__ import annotations

import logging
import unicodedata
from pathlib import Path

import numpy as np

from mifm_kipoi.baselines.protocol import ComputeOptions, Declaration, Score, evidence_of_column
from mifm_kipoi.baselines.tables.looked_up import ORDERED, UNORDERED, LookedUp, Source
from mifm_kipoi.baselines.tables.tabix import IndexedRows, checksums_of_indexed, find_index
from mifm_kipoi.baselines.tables.variant_columns import find_variant_columns
from mifm_kipoi.baselines.tables.variant_rows import RowsBuilder, agreed
from mifm_kipoi.errors import InputError, OptionError
from mifm_kipoi.genomics.columns import column_named
from mifm_kipoi.genomics.contigs import ContigNames
from mifm_kipoi.genomics.tables import TableFile
from mifm_kipoi.scoring.formats.tsv import VARIANT_COLUMNS
from mifm_kipoi.support.files import sha256_of
from mifm_kipoi.support.text import did_you_mean

_log = logging.getLogger(__name__)

RESERVED = (*VARIANT_COLUMNS, "status")
"""Columns of every table of scores, whose names no score can have."""


def open_table(argument: str, compute: ComputeOptions) -> LookedUp:
    """``table:FILE:COLUMN``: the numbers of a column, as they stand.

    FILE is a table as :mod:`mifm_kipoi.genomics.tables` reads it. The variants of its rows are found by
    :func:`mifm_kipoi.baselines.tables.variant_columns.find_variant_columns`; rows without a contig or a
    position are skipped, with a warning. Contigs match by :func:`mifm_kipoi.genomics.contigs.contig_key`.
    What :data:`mifm_kipoi.genomics.tables.MISSING` lists is not a value. Rows of the same variant must have
    the same value, where they have one.

    A table that is compressed with bgzip and has an index of tabix beside it is read by region, in constant
    memory. Any other is read once, and takes 24 bytes of memory a row (twice that while it is read) and
    the texts of its different alleles.

    Raises
    ------
    OptionError
        When the argument has not both parts, or COLUMN is one of :data:`RESERVED` or has tabs, line ends or
        other control characters.
    InputError
        When the table cannot be read, has no such column, or holds something there other than a finite
        number. What is read by region is checked when it is.
    """
    name, _, column = argument.rpartition(":")
    if not name or not column:
        raise OptionError(f"'table:{argument}' does not name a column; expected table:FILE:COLUMN")
    if column in RESERVED:
        raise OptionError(
            f"a score cannot have the name {column}, the name of another column in tables of scores; rename "
            "the column"
        )
    if any(unicodedata.category(character) == "Cc" for character in column):
        raise OptionError(
            f"the column {column!r} has a tab, a line end or another control character in its name, which "
            "tables of scores could not be written with; rename it"
        )
    path = Path(name)
    table = TableFile.of(path)
    spelt = column_named(table.columns, column)
    if not spelt:
        raise InputError(
            f"{path} has no column {column!r}; it has {', '.join(table.columns)}"
            f"{did_you_mean(column, table.columns)}"
        )
    variant_columns = find_variant_columns(table)
    index = find_index(path)
    source: Source
    contigs = None
    if index is not None and not variant_columns.name:
        source = IndexedRows(table, index, variant_columns, (spelt,))
        provenance = checksums_of_indexed(path, index)
    else:
        builder, contigs = RowsBuilder(1, variant_columns.ordered), ContigNames(str(path))
        names = dict.fromkeys((*variant_columns.columns, spelt))
        unplaced = 0
        with compute.reading(path) as progress:
            for batch in table.batches(list(names), on_progress=progress.update):
                variants = variant_columns.rows(batch)
                unplaced += int((~variants.known).sum())
                contigs.keys(variants.chrom.to_pandas()[variants.known])
                builder.add(variants, batch.finite(spelt)[:, np.newaxis])
        if unplaced:
            _log.warning("%s: %s rows have no contig or no position, and are skipped", path, f"{unplaced:,}")
        source = builder.done()
        provenance = {"file": path.name, "sha256": sha256_of(path)}
    return LookedUp(
        path,
        source,
        agreed,
        Declaration(
            name=f"column {spelt} of {path.name}",
            scores=(
                Score(
                    column,
                    f"the column {spelt} of the table, as it stands",
                    evidence=evidence_of_column(column),
                ),
            ),
            alleles=ORDERED if variant_columns.ordered else UNORDERED,
            formula="the value of the table's row; rows of one variant agree",
            citation="none: a table of the user",
            provenance={**provenance, "column": spelt},
            leakage="not known of a table of the user",
        ),
        contigs,
    )
