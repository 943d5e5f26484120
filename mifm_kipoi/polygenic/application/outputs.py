"""What ``mifm pgs score`` writes: people's scores, and what became of each row of each scoring file."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from mifm_kipoi.support import read_back
from mifm_kipoi.support.files import written_whole

SCORES, SCORES_PARQUET = "sample_scores.tsv.gz", "sample_scores.parquet"

VARIANT_COLUMNS = (
    "score", "line", "id", "chrom", "pos", "effect_allele", "other_allele", "weight", "outcome", "variant",
    "counts", "strand", "frequency", "missing",
)  # fmt: skip
"""Columns of the table of variants."""


def write_scores(
    folder: Path,
    people: pd.DataFrame,
    names: Mapping[str, int],
    sums: Sequence[npt.NDArray[np.float64]],
    parquet: bool,
) -> Path:
    """Write a row a person and a column a score, as compressed text or Parquet; the other form is removed.

    Parameters
    ----------
    folder : Path
        Of the outputs.
    people : pandas.DataFrame
        ``family`` and ``sample``.
    names : mapping of str to int
        Of the scores that are written, with their rows in ``sums``.
    sums : sequence of numpy.ndarray of float64, shape (scores, some people)
        All people in their order.
    parquet : bool
        Whether to write Parquet.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    OutputError
        When it cannot be written.
    """
    import pyarrow as pa
    from pyarrow import parquet as pq

    columns = {name: pa.array(people[name], pa.string()) for name in ("family", "sample")}
    # Rows of the sums lie in one piece each: Arrow reads them where they are.
    columns |= {name: pa.chunked_array([tile[row] for tile in sums]) for name, row in names.items()}
    table = pa.table(columns)
    path, stale = folder / SCORES, folder / SCORES_PARQUET
    if parquet:
        path, stale = stale, path
        with written_whole(path, check=partial(read_back.parquet, rows=len(people))) as temporary:
            pq.write_table(table, temporary)
    else:
        _write_text(path, [table])
    stale.unlink(missing_ok=True)
    return path


def write_variants(path: Path, frames: Iterable[pd.DataFrame]) -> None:
    """Write the rows of scoring files with what became of them.

    Parameters
    ----------
    path : Path
        Text, compressed.
    frames : iterable of pandas.DataFrame
        :data:`VARIANT_COLUMNS`, those of one scoring file after the other.

    Raises
    ------
    OutputError
        When it cannot be written.
    """
    import pyarrow as pa

    _write_text(path, (pa.Table.from_pandas(frame, preserve_index=False) for frame in frames))


def _write_text(path: Path, tables: Iterable[Any]) -> None:
    """Write Arrow tables of the same columns behind each other, tabs between the fields, with gzip."""
    import pyarrow as pa
    from pyarrow import csv

    # Arrow would put quotes around the names of columns.
    options = csv.WriteOptions(include_header=False, delimiter="\t", quoting_style="none")
    with written_whole(path) as temporary, pa.CompressedOutputStream(str(temporary), "gzip") as stream:
        writer = None
        for table in tables:
            if writer is None:
                stream.write(("\t".join(table.column_names) + "\n").encode())
                writer = csv.CSVWriter(stream, table.schema, write_options=options)
            writer.write(table)
        if writer is not None:
            writer.close()
