"""What ``mifm pgs score`` writes: people's scores, and what became of each row of each scoring file."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from mifm_kipoi.support import read_back
from mifm_kipoi.support.bgzf import BGZF_END, bgzf_blocks
from mifm_kipoi.support.files import written_whole
from mifm_kipoi.support.rows import table_rows
from mifm_kipoi.support.threads import ordered_map

SCORES, SCORES_PARQUET = "sample_scores.tsv.gz", "sample_scores.parquet"

_PIECE_BYTES = 8 << 20
_FIELD_BYTES = 16
"""Text that is compressed together: 8 MiB, where a field takes as much."""

_LEVEL = 1
"""Of compression: five times as fast as the usual 6, for an eighth more bytes."""

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
    threads: int,
) -> Path:
    """Write a row a person and a column a score, as compressed text or Parquet.

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
    threads : int
        That compress text.

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
    path = folder / (SCORES_PARQUET if parquet else SCORES)
    if parquet:
        with written_whole(path, check=partial(read_back.parquet, rows=len(people))) as temporary:
            # A dictionary of numbers that are all different would only cost time.
            pq.write_table(table, temporary, use_dictionary=["family", "sample"])
    else:
        _write_text(path, [table], threads)
    return path


def write_variants(path: Path, frames: Iterable[pd.DataFrame], threads: int) -> None:
    """Write the rows of scoring files with what became of them.

    Parameters
    ----------
    path : Path
        Text, compressed.
    frames : iterable of pandas.DataFrame
        :data:`VARIANT_COLUMNS`, those of one scoring file after the other.
    threads : int
        That compress text.

    Raises
    ------
    OutputError
        When it cannot be written.
    """
    import pyarrow as pa

    _write_text(path, (pa.Table.from_pandas(frame, preserve_index=False) for frame in frames), threads)


def _write_text(path: Path, tables: Iterable[Any], threads: int) -> None:
    """Write Arrow tables of the same columns behind each other as bgzip, tabs between the fields."""
    pieces = (piece for table in tables for piece in _pieces(table))
    with written_whole(path) as temporary, temporary.open("wb") as file:
        header = True
        for names, content in ordered_map(_compressed, pieces, threads):
            if header:
                file.write(bgzf_blocks(("\t".join(names) + "\n").encode()))
                header = False
            file.write(content)
        file.write(BGZF_END)


def _pieces(table: Any) -> Iterator[Any]:
    """A table in pieces of some MiB of text."""
    rows = max(_PIECE_BYTES // (_FIELD_BYTES * table.num_columns), 1)
    for start in range(0, table.num_rows, rows):
        yield table.slice(start, rows)


def _compressed(table: Any) -> tuple[list[str], bytes]:
    """Names of the columns, and the rows as compressed text."""
    return table.column_names, bgzf_blocks(table_rows(table), _LEVEL)
