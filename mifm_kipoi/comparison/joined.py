"""One table of all models' scores, joined from theirs in constant memory."""

from __future__ import annotations

import contextlib
import functools
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from Bio import bgzf

from mifm_kipoi.comparison.records import VARIANT_COLUMNS, Model
from mifm_kipoi.errors import InputError
from mifm_kipoi.support import read_back
from mifm_kipoi.support.files import written_whole

if TYPE_CHECKING:
    import pyarrow as pa

ROWS = 1 << 16
"""Rows that are joined together by default."""


def write_joined(
    models: Sequence[Model],
    tables: Sequence[Path],
    folder: Path,
    provenance: dict[str, Any],
    rows: int = ROWS,
) -> list[Path]:
    """Write ``scores.parquet`` and ``scores.tsv.gz`` (bgzip): a row for each variant, all models' columns.

    Parameters
    ----------
    models : sequence of Model
        In the order of their columns.
    tables : sequence of Path
        The Parquet file of each (:class:`mifm_kipoi.baselines.run.BaselineRun`).
    folder : Path
        Where to write.
    provenance : dict of plain JSON types
        Goes into the metadata of the Parquet file.
    rows : int
        How many are joined together, which decides the memory.

    Returns
    -------
    list of Path
        The two files.

    Raises
    ------
    InputError
        When the tables are not of the same variants in the same order.
    OutputError
        When a file cannot be written.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    parquet, tsv = folder / "scores.parquet", folder / "scores.tsv.gz"
    schema = _schema(models).with_metadata({"mifm_kipoi": json.dumps(provenance)})
    counts = {pq.read_metadata(table).num_rows for table in tables}
    if len(counts) > 1:
        raise _other_variants(tables)
    check = functools.partial(read_back.parquet, rows=counts.pop())
    with (
        written_whole(parquet, check) as new_parquet,
        written_whole(tsv) as new_tsv,
        contextlib.closing(bgzf.BgzfWriter(str(new_tsv))) as text,  # type: ignore[no-untyped-call]
        pq.ParquetWriter(new_parquet, schema, compression="zstd") as writer,
    ):
        text.write("\t".join(schema.names) + "\n")  # type: ignore[no-untyped-call]  # Biopython has few types
        for batches in zip(*(_even_batches(table, rows) for table in tables), strict=True):
            table = pa.Table.from_batches([_joined(models, tables, batches, schema)])
            writer.write_table(table)
            text.write(_lines(table))  # type: ignore[no-untyped-call]
    return [parquet, tsv]


def _lines(table: pa.Table) -> bytes:
    """Rows as text: tabs between fields, no quotes, every digit; an empty field for what is missing."""
    import pyarrow.compute as pc

    columns = [column.cast("string").fill_null("") for column in table.columns]
    lines = pc.binary_join_element_wise(*columns, "\t").to_pylist()
    return "".join(f"{line}\n" for line in lines).encode()


def _other_variants(tables: Sequence[Path]) -> InputError:
    names = ", ".join(str(table) for table in tables)
    return InputError(f"{names} are not of the same variants; delete them, and run the command again")


def _schema(models: Sequence[Model]) -> pa.Schema:
    import pyarrow as pa

    fields: dict[str, Any] = dict.fromkeys(VARIANT_COLUMNS, pa.string()) | {"pos": pa.int64()}
    for model in models:
        fields |= {model.column(name): pa.float64() for name in model.declaration.columns}
        fields[model.status] = pa.string()
    return pa.schema(fields.items())


def _even_batches(path: Path, size: int) -> Iterator[pa.RecordBatch]:
    """The rows of a Parquet file in batches of the same size, whatever its row groups."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    with pq.ParquetFile(path) as file:
        rest: list[Any] = []
        rows = 0
        for batch in file.iter_batches(size):
            rest.append(batch)
            rows += batch.num_rows
            while rows >= size:
                whole = pa.Table.from_batches(rest).combine_chunks()
                yield whole.slice(0, size).to_batches()[0]
                rest = whole.slice(size).to_batches()
                rows -= size
        if rows:
            yield pa.Table.from_batches(rest).combine_chunks().to_batches()[0]


def _joined(
    models: Sequence[Model], tables: Sequence[Path], batches: Sequence[pa.RecordBatch], schema: pa.Schema
) -> pa.RecordBatch:
    import pyarrow as pa

    first = batches[0]
    columns = [first.column(name) for name in VARIANT_COLUMNS]
    for model, path, batch in zip(models, tables, batches, strict=True):
        if any(not batch.column(name).equals(first.column(name)) for name in VARIANT_COLUMNS):
            raise _other_variants([tables[0], path])
        columns += [batch.column(name) for name in (*model.declaration.columns, "status")]
    return pa.record_batch(columns, schema=schema)
