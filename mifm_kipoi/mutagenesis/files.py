"""Files of saturation mutagenesis: a long Parquet table, or HDF5 with arrays of each region."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from mifm_kipoi.conventions import Status
from mifm_kipoi.errors import OutputError
from mifm_kipoi.genomics.genome import Genome
from mifm_kipoi.mutagenesis.mutate import SCORES, Effects
from mifm_kipoi.mutagenesis.targets import Centre, Target
from mifm_kipoi.network.weights import Weights
from mifm_kipoi.sequence import encoding
from mifm_kipoi.support import read_back
from mifm_kipoi.support.files import written_whole
from mifm_kipoi.support.hdf5 import created_hdf5
from mifm_kipoi.support.text import as_unicode
from mifm_kipoi.version import __version__

if TYPE_CHECKING:
    import pyarrow as pa

SUFFIXES = (".parquet", ".h5")

ROW_GROUP = 1 << 17
"""Rows of a Parquet row group: some megabytes."""

_PER_WINDOW = ("mifm_logit_ref", "mifm_ref")
"""Scores of the unchanged window, which have no channels."""


class Sink(Protocol):
    """Where effects go."""

    def add(self, effects: Effects) -> None:
        """Take the effects at further positions; those of one target follow each other."""


def provenance(weights: Weights, genome: Genome, centre: Centre) -> dict[str, str]:
    """What made a file, as text."""
    return {
        "mifm_kipoi": __version__,
        "weights": as_unicode(weights.name),
        "tensors_sha256": weights.sha256,
        "configuration": json.dumps(weights.config.to_dict()),
        "fasta": as_unicode(genome.path.name),
        "centre": centre.value,
    }


@contextlib.contextmanager
def written(
    path: str | os.PathLike[str], provenance: Mapping[str, str], row_group: int = ROW_GROUP
) -> Iterator[Sink]:
    """A file of effects, in the format that its suffix names; it gets its name when it is complete.

    Parameters
    ----------
    path : path-like
        Ends in ``.parquet`` or ``.h5``.
    provenance : mapping of str to str
        From :func:`provenance`.
    row_group : int
        Rows of a Parquet row group.

    Raises
    ------
    OutputError
        When the suffix is another, or the file cannot be written.
    """
    suffix = Path(path).suffix
    if suffix not in SUFFIXES:
        raise OutputError(f"cannot write {path}: its name ends in {suffix!r}; expected .parquet or .h5")
    with written_whole(path) as temporary:
        if suffix == ".parquet":
            with _parquet(temporary, provenance, row_group) as sink:
                yield sink
        else:
            with _hdf5(temporary, provenance) as sink:
                yield sink


@contextlib.contextmanager
def _parquet(path: Path, provenance: Mapping[str, str], row_group: int) -> Iterator[Sink]:
    import pyarrow.parquet as pq

    schema = _schema().with_metadata(dict(provenance))
    with pq.ParquetWriter(path, schema, compression="zstd") as writer:
        table = _Table(writer, schema, row_group)
        yield table
        table.flush()
    read_back.parquet(path, table.written)


@contextlib.contextmanager
def _hdf5(path: Path, provenance: Mapping[str, str]) -> Iterator[Sink]:
    with created_hdf5(path) as (arrays, check):
        arrays.attrs.update(provenance)
        yield _Arrays(arrays, check)


def _schema() -> pa.Schema:
    import pyarrow as pa

    fields: list[tuple[str, Any]] = [
        ("region", pa.int32()),
        ("id", pa.string()),
        ("chrom", pa.string()),
        ("start", pa.int64()),
        ("end", pa.int64()),
        ("centre", pa.int64()),
        ("pos", pa.int64()),
        ("ref", pa.string()),
        ("alt", pa.string()),
        ("status", pa.string()),
        *((name, pa.float32()) for name in SCORES),
    ]
    return pa.schema(fields)


class _Table:
    """One row per substitution, collected into row groups."""

    def __init__(self, writer: Any, schema: pa.Schema, row_group: int) -> None:
        self._row_group = row_group
        self._writer = writer
        self._schema = schema
        self._batches: list[pa.RecordBatch] = []
        self._rows = 0
        self.written = 0

    def add(self, effects: Effects) -> None:
        batch = _rows(effects, self._schema)
        self._batches.append(batch)
        self._rows += batch.num_rows
        if self._rows >= self._row_group:
            self.flush()

    def flush(self) -> None:
        """Write the rows collected so far as a row group."""
        import pyarrow as pa

        if self._batches:
            self._writer.write_table(
                pa.Table.from_batches(self._batches, self._schema), row_group_size=self._rows
            )
            self.written += self._rows
        self._batches, self._rows = [], 0


def _rows(effects: Effects, schema: pa.Schema) -> pa.RecordBatch:
    """Three rows for each base, one for a position without a base, one for a target without a score."""
    import pyarrow as pa

    target = effects.target
    if target.status is not Status.OK:
        columns: dict[str, Any] = {"pos": [None], "ref": [None], "alt": [None]}
        columns |= {"status": [target.status.value]}
        columns |= dict.fromkeys(SCORES, np.full(1, np.nan, dtype=np.float32))
        count = 1
    else:
        codes = encoding.codes(effects.ref)
        is_other = codes[:, None] != np.arange(encoding.NO_BASE)
        # A position without a base keeps one row, at the first channel, where its scores are NaN.
        is_other[codes == encoding.NO_BASE, 1:] = False
        rows, channels = np.nonzero(is_other)
        count = len(rows)
        columns = {
            "pos": effects.start + 1 + rows,
            "ref": np.array([chr(base) for base in effects.ref.tolist()], dtype=object)[rows],
            "alt": pa.array(
                np.array(list(encoding.BASES), dtype=object)[channels], mask=codes[rows] == encoding.NO_BASE
            ),
            "status": np.array([reason.value for reason in effects.status], dtype=object)[rows],
        }
        for name, values in effects.scores().items():
            columns[name] = values[rows] if name in _PER_WINDOW else values[rows, channels]
    centre = None if target.centre is None else target.centre + 1
    same = {
        "region": target.number,
        "id": as_unicode(target.id),
        "chrom": as_unicode(target.chrom),
        "start": target.start,
        "end": target.end,
        "centre": centre,
    }
    columns |= {name: [value] * count for name, value in same.items()}
    arrays = [pa.array(columns[field.name], type=field.type) for field in schema]
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


class _Arrays:
    """A group per target, named by its number, with an array per score."""

    def __init__(self, file: Any, check: Callable[[], None]) -> None:
        import h5py

        self._file = file
        self._check = check
        self._statuses = list(Status)
        self._status_type = h5py.enum_dtype(
            {status.value: number for number, status in enumerate(self._statuses)}, basetype="u1"
        )
        self._number = 0

    def add(self, effects: Effects) -> None:
        self._check()
        target = effects.target
        if target.number != self._number:
            self._start(target)
        group = self._file[str(target.number)]
        rows = slice(effects.start - target.start, effects.start - target.start + len(effects))
        if rows.start == rows.stop:
            return
        group["ref"][rows] = effects.ref.view("S1")
        group["status"][rows] = [self._statuses.index(status) for status in effects.status]
        for name, values in effects.scores().items():
            group[name][rows] = values

    def _start(self, target: Target) -> None:
        """A group with empty arrays."""
        self._number = target.number
        group = self._file.create_group(str(target.number))
        group.attrs.update(
            id=as_unicode(target.id, zero=False),
            chrom=as_unicode(target.chrom, zero=False),
            start=target.start,
            end=target.end,
            status=target.status.value,
        )
        if target.centre is not None:
            group.attrs["centre"] = target.centre + 1
        length = target.end - target.start if target.status is Status.OK else 0
        options = {"chunks": True, "compression": "gzip", "shuffle": True} if length else {}
        group.create_dataset("ref", (length,), "S1", **options)
        group.create_dataset("status", (length,), self._status_type, **options)
        for name in SCORES:
            shape = (length,) if name in _PER_WINDOW else (length, encoding.NO_BASE)
            dataset = group.create_dataset(name, shape, np.float32, fillvalue=np.nan, **options)
            if name not in _PER_WINDOW:
                dataset.attrs["channels"] = encoding.BASES


class Counts:
    """A sink that counts what passes."""

    def __init__(self) -> None:
        self.regions = 0
        self.positions = 0
        self.substitutions = 0
        self.status: dict[Status, int] = {}
        self._number = 0

    def add(self, effects: Effects) -> None:
        """Count."""
        if effects.target.number != self._number:
            self._number = effects.target.number
            self.regions += 1
        self.positions += len(effects)
        self.substitutions += int(np.count_nonzero(~np.isnan(effects.alt_logit)))
        statuses = effects.status if effects.target.status is Status.OK else [effects.target.status]
        for status in statuses:
            if status is not Status.OK:
                self.status[status] = self.status.get(status, 0) + 1


def write(stream: Iterable[Effects], sinks: Iterable[Sink]) -> Counts:
    """Hand every effect to every sink.

    Returns
    -------
    Counts
        What was written.
    """
    counts = Counts()
    everywhere = (*sinks, counts)
    for effects in stream:
        for sink in everywhere:
            sink.add(effects)
    return counts
