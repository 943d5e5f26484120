"""The bases that a data set needs, two bits each, and the genome in memory that is made of them."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch

from mifm_kipoi.errors import InputError
from mifm_kipoi.genomics.genome import Genome
from mifm_kipoi.sequence.encoding import NO_BASE, codes
from mifm_kipoi.support.files import written_whole
from training.mil.genome_tensor import GenomeTensor

FLANK = 300
"""Bases that are kept on either side of a variant: half a window of 512 bp, and shifts of up to 44 bp."""

_SHIFTS = np.array([0, 2, 4, 6], dtype=np.uint8)
"""Bits of the four bases of a byte, the first one lowest."""


@dataclasses.dataclass(frozen=True)
class PackedGenome:
    """Regions of contigs, two bits a base; all other bases are unknown.

    Parameters
    ----------
    lengths : mapping of str to int
        Of the contigs, in bp.
    contig : numpy.ndarray of int64, shape (n,)
        Of each region, as index in ``lengths``.
    start, end : numpy.ndarray of int64, shape (n,)
        0-based half-open; the regions of a contig are apart and rise.
    bits : numpy.ndarray of uint8, shape (ceil(bases / 4),)
        Codes of the bases of all regions, one after the other; 0 for an unknown one.
    unknown : numpy.ndarray of int64, shape (m,)
        Which of these bases are unknown, N for instance.
    """

    lengths: Mapping[str, int]
    contig: npt.NDArray[np.int64]
    start: npt.NDArray[np.int64]
    end: npt.NDArray[np.int64]
    bits: npt.NDArray[np.uint8]
    unknown: npt.NDArray[np.int64]

    @classmethod
    def of(cls, genome: Genome, instances: pd.DataFrame, flank: int = FLANK) -> PackedGenome:
        """The surroundings of variants.

        Parameters
        ----------
        genome : Genome
            That of the data set.
        instances : pandas.DataFrame
            ``chrom``, ``pos`` (1-based) and ``ref``.
        flank : int
            Bases on either side of REF.

        Raises
        ------
        InputError
            When the genome lacks a contig.
        """
        names = {chrom: genome.find_contig(chrom) for chrom in instances["chrom"].unique().tolist()}
        if missing := [chrom for chrom, contig in names.items() if contig is None]:
            raise InputError(f"{genome.path} has no contig {missing[0]!r}; name the FASTA of the data set")
        lengths = {str(contig): genome.contigs[str(contig)] for contig in sorted(set(names.values()))}
        number = instances["chrom"].map({chrom: list(lengths).index(str(names[chrom])) for chrom in names})
        pos0 = instances["pos"].to_numpy(np.int64) - 1
        contig = number.to_numpy(np.int64)
        limit = np.array(list(lengths.values()), dtype=np.int64)[contig]
        start = np.maximum(pos0 - flank, 0)
        end = np.minimum(pos0 + instances["ref"].str.len().to_numpy(np.int64) + flank, limit)
        contig, start, end = _merged(contig, start, end)
        bases = np.concatenate(
            [np.empty(0, np.uint8)]
            + [
                codes(genome.fetch(list(lengths)[one], first, last))
                for one, first, last in zip(contig.tolist(), start.tolist(), end.tolist(), strict=True)
            ]
        )
        return cls(lengths, contig, start, end, _packed(bases), np.flatnonzero(bases == NO_BASE))

    @property
    def bases(self) -> int:
        """How many bases are kept."""
        return int((self.end - self.start).sum())

    def tensor(self, margin: int) -> GenomeTensor:
        """The contigs in memory, one byte a base.

        Parameters
        ----------
        margin : int
            As of :class:`training.mil.genome_tensor.GenomeTensor`.
        """
        starts, behind = {}, margin
        for name, length in self.lengths.items():
            starts[name] = behind
            behind += length + margin
        whole = np.full(behind, NO_BASE, dtype=np.uint8)
        kept = _unpacked(self.bits, self.bases)
        kept[self.unknown] = NO_BASE
        offsets = np.array(list(starts.values()), dtype=np.int64)[self.contig]
        done = 0
        for first, last in zip((offsets + self.start).tolist(), (offsets + self.end).tolist(), strict=True):
            whole[first:last] = kept[done : done + last - first]
            done += last - first
        return GenomeTensor(torch.from_numpy(whole), starts, dict(self.lengths), margin)

    def write(self, path: Path) -> None:
        """Write to a file ``.npz``."""
        with written_whole(path) as temporary, temporary.open("wb") as file:
            np.savez_compressed(
                file, names=np.array(list(self.lengths)), lengths=np.array(list(self.lengths.values())),
                contig=self.contig, start=self.start, end=self.end, bits=self.bits, unknown=self.unknown,
            )  # fmt: skip

    @classmethod
    def read(cls, path: Path) -> PackedGenome:
        """Read what :meth:`write` wrote.

        Raises
        ------
        InputError
            When the file cannot be read.
        """
        try:
            with np.load(path, allow_pickle=False) as file:
                lengths = dict(zip(file["names"].tolist(), file["lengths"].tolist(), strict=True))
                return cls(lengths, *(file[name] for name in ("contig", "start", "end", "bits", "unknown")))
        except (OSError, ValueError, KeyError) as error:
            raise InputError(
                f"cannot read the bases {path}: {error}; expected a file of 'python -m benchmarks gpu "
                "--prepare'"
            ) from error


_Indices = npt.NDArray[np.int64]


def _merged(contig: _Indices, start: _Indices, end: _Indices) -> tuple[_Indices, _Indices, _Indices]:
    """The union of regions, those that touch joined, in their order."""
    order = np.lexsort((start, contig))
    contig, start, end = contig[order], start[order], end[order]
    # In one row of numbers, the contigs far apart, the largest end so far is that of the same contig.
    apart = int(end.max(initial=0)) + 1
    reached = np.maximum.accumulate(end + contig * apart)
    begins = np.ones(len(start), dtype=np.bool_)
    begins[1:] = start[1:] + contig[1:] * apart > reached[:-1]
    first = np.flatnonzero(begins)
    last = np.append(first[1:], len(start)) - 1
    return contig[first], start[first], reached[last] - contig[first] * apart


def _packed(bases: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    whole = np.zeros(-(-bases.size // 4) * 4, dtype=np.uint8)
    whole[: bases.size] = np.where(bases == NO_BASE, 0, bases)
    packed: npt.NDArray[np.uint8] = np.bitwise_or.reduce(whole.reshape(-1, 4) << _SHIFTS, axis=1)
    return packed


def _unpacked(bits: npt.NDArray[np.uint8], count: int) -> npt.NDArray[np.uint8]:
    return ((bits[:, np.newaxis] >> _SHIFTS) & 3).ravel()[:count]
