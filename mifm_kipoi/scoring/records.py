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
    """

    read: int
    records: list[Record]

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
) -> Iterator[Chunk]:
    """Read a file in chunks of some thousand variants each.

    Where a chunk ends depends on the file and the sizes alone, so that a run that goes on has the same.

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

    Yields
    ------
    Chunk
        At least one; the last holds what is left, which may be nothing.
    """
    records: list[Record] = []
    number, variants, size, kept = start, 0, 0, False
    file.skip(start)
    length = None if end is None else end - start
    for number, record in enumerate(itertools.islice(file, length), start=start + 1):
        if regions is None or in_regions(record, regions):
            kept = True
            records.append(record)
            variants += len(record.variants)
            size += len(record.line) or record.allele_bases
            if variants >= chunk_size or size >= chunk_bytes:
                yield Chunk(number, records)
                records, variants, size = [], 0, 0
    yield Chunk(number, records)
    # A part of a file may have none.
    if regions is not None and number and not kept and start == 0 and end is None:
        regions.warn_no_match(file.path)
