"""Chunks of the records of a variant file, and variants with their scores; nothing here needs PyTorch."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from mifm_kipoi.conventions import CHUNK, CHUNK_BYTES
from mifm_kipoi.genetics.variant_lists import VariantList
from mifm_kipoi.genomics.intervals import Regions
from mifm_kipoi.genomics.variants import Record, Variant, VariantFile, in_regions
from mifm_kipoi.scoring.scanning import block_of
from mifm_kipoi.support.text import as_unicode

if TYPE_CHECKING:
    import pandas as pd


@dataclasses.dataclass(frozen=True)
class ScoredVariants:
    """Variants with their scores.

    Parameters
    ----------
    variants : sequence of Variant, length n
        In the order of the file.
    status : sequence of str, length n
        ``Status.OK`` where there is a score, else the reason why not.
    columns : dict of str to numpy.ndarray of floating point, shape (n,)
        Numbers by name; NaN without a score. Those of MIFM are of float32 and have the names of
        :attr:`mifm_kipoi.ScoringOptions.columns`.
    """

    variants: Sequence[Variant]
    status: Sequence[str]
    columns: Mapping[str, npt.NDArray[np.floating]]

    def __len__(self) -> int:
        return len(self.variants)

    def to_frame(self) -> pd.DataFrame:
        """A table: ``chrom, pos, id, ref, alt``, the columns of numbers, ``status``.

        Bytes that are not UTF-8 are as :func:`mifm_kipoi.support.text.as_unicode` has them.
        """
        import pandas as pd

        named = {
            name: pd.Series([as_unicode(getattr(variant, name)) for variant in self.variants], dtype="str")
            for name in ("chrom", "id", "ref", "alt")
        }
        table = pd.DataFrame({**named, **self.columns})
        table.insert(1, "pos", pd.Series([variant.pos for variant in self.variants], dtype="int64"))
        return table.assign(status=pd.Series([str(reason) for reason in self.status], dtype="str"))


@dataclasses.dataclass(frozen=True)
class Chunk:
    """Consecutive records of a file.

    Parameters
    ----------
    read : int
        Records of the file up to the chunk's end, those outside the regions included.
    records : list of Record
        Those inside the regions, in the order of the file.
    runs : tuple of int, optional
        How many of :attr:`variants` belong to each run (:mod:`mifm_kipoi.scoring.scanning`), where the chunk
        ends with a run.
    """

    read: int
    records: list[Record]
    runs: tuple[int, ...] | None = None

    @property
    def variants(self) -> list[Variant]:
        """The variants of the records, in their order."""
        return list(itertools.chain.from_iterable(record.variants for record in self.records))


def read_chunks(
    file: VariantFile | VariantList,
    regions: Regions | None = None,
    start: int = 0,
    end: int | None = None,
    chunk_size: int = CHUNK,
    chunk_bytes: int = CHUNK_BYTES,
    whole_runs: bool = False,
) -> Iterator[Chunk]:
    """Read a file in chunks of some thousand variants each.

    Where a chunk ends depends on the file and the sizes alone, so that one who goes on has the same.

    Parameters
    ----------
    file : VariantFile or VariantList
        Open, at its beginning.
    regions : Regions, optional
        Keep only records whose reference allele overlaps one of these; all by default. A warning is logged
        where no record of a whole file does.
    start, end : int
        First record and the one behind the last, counted from 0 in the file.
    chunk_size : int
        Variants after which a chunk ends.
    chunk_bytes : int
        Letters of the alleles, and bytes of the records' text where it is kept, after which a chunk ends.
    whole_runs : bool
        Let no chunk end within a run (:mod:`mifm_kipoi.scoring.scanning`): consecutive records of the file
        in one block of the genome, but no more of them than fill a chunk. The runs are the same wherever
        reading begins, if a run begins there.

    Yields
    ------
    Chunk
        At least one; the last holds what is left, which may be nothing.
    """
    records: list[Record] = []
    runs: list[int] = []
    number, kept, block = start, False, None
    variants = size = before = size_before = 0
    file.skip(start)
    length = None if end is None else end - start
    for number, record in enumerate(itertools.islice(file, length), start=start + 1):
        if whole_runs and block != (block := block_of(record.variants[0])):
            if variants > before:
                runs.append(variants - before)
                before, size_before = variants, size
            if variants >= chunk_size or size >= chunk_bytes:
                yield Chunk(number - 1, records, tuple(runs))
                records, runs = [], []
                variants = size = before = size_before = 0
        if regions is None or in_regions(record, regions):
            kept = True
            records.append(record)
            variants += len(record.variants)
            size += len(record.line) or record.allele_bases
            if variants - before >= chunk_size or size - size_before >= chunk_bytes:
                yield Chunk(number, records, (*runs, variants - before) if whole_runs else None)
                records, runs = [], []
                variants = size = before = size_before = 0
    if variants > before:
        runs.append(variants - before)
    yield Chunk(number, records, tuple(runs) if whole_runs else None)
    # A part of a file may have none.
    if regions is not None and number and not kept and start == 0 and end is None:
        regions.warn_no_match(file.path)


def next_run(file: VariantFile | VariantList, record: int) -> int:
    """The first record, at or behind one, with which a run begins, as :func:`read_chunks` makes runs.

    Parameters
    ----------
    file : VariantFile or VariantList
        Open, at its beginning.
    record : int
        Counted from 0.

    Returns
    -------
    int
        The number of records where none follows.
    """
    if not record:
        return 0
    file.skip(record - 1)
    blocks = (block_of(each.variants[0]) for each in file)
    last, number = next(blocks, None), record - 1
    for number, block in enumerate(blocks, start=record):
        if block != last:
            return number
    return number + 1
