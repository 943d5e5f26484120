"""Windows cut on the device of the network: the genome as one tensor, a batch as offsets into it."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Iterable, Mapping

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch

from mifm_kipoi.errors import ReferenceMismatchError
from mifm_kipoi.genomics.contigs import contig_aliases
from mifm_kipoi.genomics.genome import Genome
from mifm_kipoi.sequence.encoding import BASES, NO_BASE, codes
from training.data.dataset import DataSetError

_TOKEN = NO_BASE + 1
"""The code of the variant token, in windows only."""

_EXAMPLES = 3
"""Variants that an error names."""


@dataclasses.dataclass(frozen=True)
class Alleles:
    """The alleles of variants, for windows of ALT.

    Parameters
    ----------
    ref_length, alt_length : torch.Tensor of int64, shape (n,)
        Bases of REF and of ALT.
    alt_start : torch.Tensor of int64, shape (n,)
        Where each ALT begins in ``alt``.
    alt : torch.Tensor of uint8, shape (sum of alt_length,)
        Codes of the bases of all ALTs, one after the other.
    """

    ref_length: torch.Tensor
    alt_length: torch.Tensor
    alt_start: torch.Tensor
    alt: torch.Tensor

    @classmethod
    def of(cls, instances: pd.DataFrame) -> Alleles:
        """Those of instances, on the CPU.

        Parameters
        ----------
        instances : pandas.DataFrame, n rows
            ``ref`` and ``alt`` of :data:`training.data.dataset.INSTANCE_COLUMNS`.
        """
        ref, alt = (
            np.fromiter(map(len, instances[name]), dtype=np.int64, count=len(instances))
            for name in ("ref", "alt")
        )
        bases = np.frombuffer("".join(instances["alt"]).encode(), dtype=np.uint8)
        return cls(*(torch.from_numpy(x) for x in (ref, alt, np.cumsum(alt) - alt, codes(bases))))

    def to(self, device: torch.device | str) -> Alleles:
        """The same on another device."""
        return Alleles(*(x.to(device) for x in (self.ref_length, self.alt_length, self.alt_start, self.alt)))

    def __getitem__(self, rows: torch.Tensor) -> Alleles:
        """Those of some variants."""
        return Alleles(self.ref_length[rows], self.alt_length[rows], self.alt_start[rows], self.alt)


@dataclasses.dataclass(frozen=True)
class GenomeTensor:
    """Contigs one after the other, with a margin of unknown bases before, between and behind them.

    Parameters
    ----------
    codes : torch.Tensor of uint8, shape (length,)
        Codes of the bases, see :func:`mifm_kipoi.sequence.encoding.codes`.
    starts, lengths : mapping of str to int
        Of every contig: the index of its first base in ``codes``, and its length in bp.
    margin : int
        Unknown bases on either side of every contig: how far a window may reach over its end.
    """

    codes: torch.Tensor
    starts: Mapping[str, int]
    lengths: Mapping[str, int]
    margin: int
    _one_hot: torch.Tensor = dataclasses.field(init=False, repr=False)

    def __post_init__(self) -> None:
        # On the device once, or every cut would wait for it to get there.
        object.__setattr__(self, "_one_hot", _BOTH_STRANDS.to(self.codes.device))

    @classmethod
    def read(cls, genome: Genome, chroms: Iterable[str], margin: int) -> GenomeTensor:
        """Read contigs into memory, one byte a base.

        Parameters
        ----------
        genome : Genome
            The FASTA file.
        chroms : iterable of str
            The contigs to read, in any of the names of :func:`mifm_kipoi.genomics.contigs.contig_aliases`.
        margin : int
            Unknown bases on either side of a contig: at least the length of a window plus the largest shift.

        Raises
        ------
        DataSetError
            When the FASTA has no such contig.
        GenomeError
            When the FASTA is damaged.
        """
        contigs = []
        for chrom in sorted(set(chroms)):
            contig = genome.find_contig(chrom)
            if contig is None:
                raise DataSetError(
                    f"the data set has variants on {chrom!r}, which {genome.path} lacks; it has "
                    f"{', '.join(genome.contigs)}: name the FASTA that the data set was made with"
                )
            if contig not in contigs:
                contigs.append(contig)
        lengths = {contig: genome.contigs[contig] for contig in contigs}
        starts, end = {}, margin
        for contig, length in lengths.items():
            starts[contig] = end
            end += length + margin
        sequence = np.full(end, NO_BASE, dtype=np.uint8)
        for contig, start in starts.items():
            sequence[start : start + lengths[contig]] = codes(genome.fetch(contig, 0, lengths[contig]))
        return cls(torch.from_numpy(sequence), starts, lengths, margin)

    def to(self, device: torch.device | str) -> GenomeTensor:
        """The same genome on another device."""
        return dataclasses.replace(self, codes=self.codes.to(device))

    def offsets(self, instances: pd.DataFrame) -> torch.Tensor:
        """The index in the tensor of the first base of every variant's REF.

        Parameters
        ----------
        instances : pandas.DataFrame, n rows
            ``chrom``, ``pos`` (1-based) and ``ref`` of :data:`training.data.dataset.INSTANCE_COLUMNS`.

        Returns
        -------
        torch.Tensor of int64, shape (n,)
            On the device of the genome.

        Raises
        ------
        DataSetError
            When a contig is not in the tensor, or a variant lies outside its contig.
        ReferenceMismatchError
            When any REF differs from the genome.
        """
        contigs = {chrom: self._contig(chrom) for chrom in instances["chrom"].unique().tolist()}
        names = instances["chrom"].map(contigs)
        pos = instances["pos"].to_numpy(np.int64)
        outside = (pos < 1) | (pos > names.map(self.lengths).to_numpy(np.int64))
        if outside.any():
            raise DataSetError(
                f"{outside.sum()} of {len(instances)} variants lie outside their contig, such as "
                f"{_examples(instances[outside])}; name the FASTA that the data set was made with"
            )
        first = names.map(self.starts).to_numpy(np.int64) + pos - 1
        self._check_reference(instances, first)
        return torch.from_numpy(first).to(self.codes.device)

    def cut(
        self,
        offsets: torch.Tensor,
        window: int,
        shifts: torch.Tensor | None = None,
        reverse: torch.Tensor | None = None,
        token: bool = False,
        alleles: Alleles | None = None,
    ) -> torch.Tensor:
        """One-hot windows, of either strand, with the variant's base in the middle or shifted.

        The variant's base lies at index ``window // 2 - 1 - shift``, 255 of 512 without a shift, on the
        other strand as on this one: with a positive shift the window lies further downstream, as its own
        strand is read. A window of ALT is that of the genome in which ALT stands in the place of REF: on
        this strand it keeps the bases before the variant (:func:`mifm_kipoi.sequence.windows.cut_windows`).

        Parameters
        ----------
        offsets : torch.Tensor of int64, shape (n,)
            From :meth:`offsets`.
        window : int
            Length of the windows in bp; with the largest shift at most :attr:`margin`.
        shifts : torch.Tensor of int64, shape (n,), optional
            Shift of each window in bp; None for no shifts.
        reverse : torch.Tensor of bool, shape (n,), optional
            Which windows are read from the other strand; None for no window.
        token : bool
            Replace the variant's base by the variant token, a fifth channel.
        alleles : Alleles of n variants, optional
            Cut windows of ALT; None for windows of the genome as it is.

        Returns
        -------
        torch.Tensor of float32, shape (n, 4 or 5, window)
            As :func:`mifm_kipoi.sequence.encoding.one_hot` and
            :func:`~mifm_kipoi.sequence.encoding.with_variant_token` give them; the channels of a base lie
            side by side in memory, which convolutions read fastest.

        Raises
        ------
        ValueError
            When the window is longer than the margin.
        """
        if window > self.margin:
            raise ValueError(f"windows have {window} bp; expected at most the margin, {self.margin}")
        index = window // 2 - 1
        steps = torch.arange(-index, window - index, device=offsets.device).unsqueeze(0)
        if shifts is not None:
            steps = steps + shifts.unsqueeze(1)
        if reverse is not None:
            steps = torch.where(reverse.unsqueeze(1), -steps, steps)
        if alleles is None:
            windows = self.codes[offsets.unsqueeze(1) + steps].int()
        else:
            windows = self._alt_codes(offsets, steps.expand(len(offsets), -1), alleles).int()
        if token:
            bases = index - shifts if shifts is not None else torch.full_like(offsets, index)
            windows.scatter_(1, bases.unsqueeze(1), _TOKEN)
        if reverse is not None:
            windows += reverse.unsqueeze(1).int() * len(_ONE_HOT)
        table = self._one_hot[:, : NO_BASE + token]
        return table.index_select(0, windows.view(-1)).view(*windows.shape, -1).transpose(1, 2)

    def _alt_codes(self, offsets: torch.Tensor, steps: torch.Tensor, alleles: Alleles) -> torch.Tensor:
        """Codes of the bases at steps from the first base of ALT: uint8, shape of ``steps``."""
        length = alleles.alt_length.unsqueeze(1)
        behind = steps >= length
        moved = torch.where(behind, steps - length + alleles.ref_length.unsqueeze(1), steps)
        bases = self.codes[offsets.unsqueeze(1) + moved]
        within = steps.clamp_min(0).minimum(length - 1) + alleles.alt_start.unsqueeze(1)
        return torch.where((steps >= 0) & ~behind, alleles.alt[within], bases)

    def checksum(self, chroms: Iterable[str]) -> str:
        """SHA-256 of the bases of contigs, whatever else is in memory: 64 hexadecimal digits.

        Parameters
        ----------
        chroms : iterable of str
            The contigs, in any of their names.
        """
        digest = hashlib.sha256()
        for contig in sorted({self._contig(chrom) for chrom in chroms}):
            start = self.starts[contig]
            bases = self.codes[start : start + self.lengths[contig]].cpu().numpy()
            digest.update(f"{contig.removeprefix('chr')} {bases.size} ".encode())
            digest.update(bases.data)
        return digest.hexdigest()

    def _contig(self, chrom: str) -> str:
        for name in contig_aliases(chrom):
            if name in self.starts:
                return name
        raise DataSetError(
            f"the data set has variants on {chrom!r}; the genome in memory has {', '.join(self.starts)}"
        )

    def _check_reference(self, instances: pd.DataFrame, first: npt.NDArray[np.int64]) -> None:
        """Compare every base of every REF with the genome."""
        refs = instances["ref"].tolist()
        sizes = np.fromiter(map(len, refs), dtype=np.int64, count=len(refs))
        expected = torch.from_numpy(codes(np.frombuffer("".join(refs).encode(), dtype=np.uint8)))
        rows = np.repeat(np.arange(sizes.size), sizes)
        indices = np.arange(rows.size) - np.repeat(np.cumsum(sizes) - sizes, sizes) + first[rows]
        # A long REF at the end of the tensor could reach past it, where bases are unknown in any case.
        held = torch.from_numpy(np.minimum(indices, self.codes.numel() - 1)).to(self.codes.device)
        wrong = (self.codes[held].cpu() != expected).numpy()
        differs = np.unique(rows[wrong])
        if differs.size or not sizes.all():
            differs = differs if differs.size else np.flatnonzero(sizes == 0)
            raise ReferenceMismatchError(
                f"REF of {differs.size} of {sizes.size} variants differs from the FASTA, such as "
                f"{_examples(instances.iloc[differs])}; name the FASTA that the data set was made with, or "
                "make the data set with this one"
            )


def _examples(instances: pd.DataFrame) -> str:
    rows = instances[["chrom", "pos", "ref", "alt"]].head(_EXAMPLES).itertuples(index=False)
    return "; ".join(f"{row.chrom}:{row.pos} {row.ref}>{row.alt}" for row in rows)


def _one_hot(order: str) -> torch.Tensor:
    """One row per code: A, C, G, T in their channels of ``order``, an unknown base, and the variant token."""
    rows = torch.zeros(_TOKEN + 1, len(order) + 1)
    for code, base in enumerate(BASES):
        rows[code, order.index(base)] = 1
    rows[_TOKEN, len(order)] = 1
    return rows


_ONE_HOT = _one_hot(BASES)

_BOTH_STRANDS = torch.cat([_ONE_HOT, _one_hot(BASES[::-1])])
"""Of this strand, then of the other: the complement of ACGT is TGCA."""
