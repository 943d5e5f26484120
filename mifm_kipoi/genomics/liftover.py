"""Positions and alleles of one genome build in another, by a chain file of UCSC or Ensembl."""

from __future__ import annotations

import dataclasses
import enum
import functools
import gzip
import os
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import numpy.typing as npt

from mifm_kipoi.conventions import COMPLEMENT, LARGEST_POS
from mifm_kipoi.errors import InputError
from mifm_kipoi.genomics.contigs import build_of_lengths, contig_key
from mifm_kipoi.genomics.text_files import is_gzip
from mifm_kipoi.support.packages import needed

Texts = npt.NDArray[np.object_]
Positions = npt.NDArray[np.int64]


class LiftStatus(enum.StrEnum):
    """What became of a position, or of a variant."""

    OK = "ok"
    LOST = "lost"
    """The other build has no such place, or not as one block."""

    AMBIGUOUS = "ambiguous"
    """The other build has several such places."""


_OK, _LOST, _AMBIGUOUS = (status.value for status in LiftStatus)


@dataclasses.dataclass(frozen=True)
class Lifted:
    """Positions in the other build; all arrays have shape (n,).

    Parameters
    ----------
    chrom : numpy.ndarray of str objects
        Contigs as the chain file names them, such as ``chr1``; empty where the status is not ok.
    pos : numpy.ndarray of int64
        1-based; 0 where the status is not ok.
    strand : numpy.ndarray of str objects
        ``+``, or ``-`` where the other build has the opposite strand; empty where the status is not ok.
    status : numpy.ndarray of str objects
        Values of :class:`LiftStatus`.
    """

    chrom: Texts
    pos: Positions
    strand: Texts
    status: Texts

    def __len__(self) -> int:
        return len(self.pos)

    @property
    def known(self) -> npt.NDArray[np.bool_]:
        """Where the status is ok, shape (n,)."""
        return np.asarray(self.status == LiftStatus.OK, dtype=bool)

    def counts(self) -> dict[str, int]:
        """How many positions have each status, in the order of :class:`LiftStatus`."""
        return {status.value: int((self.status == status).sum()) for status in LiftStatus}


class LiftOver:
    """Takes positions from one genome build to another; needs the package ``liftover``.

    Parameters
    ----------
    chain : path-like
        A chain file, plain or gzip, such as UCSC's ``hg19ToHg38.over.chain.gz``. Its targets are the build
        that positions are given in.

    Raises
    ------
    InputError
        When the file cannot be read, is damaged or has no chain.
    MissingPackageError
        When the package ``liftover`` is not installed.
    """

    def __init__(self, chain: str | os.PathLike[str]) -> None:
        self.path = Path(chain)
        package = needed("liftover", "liftover")
        try:
            # Opened first for the system's own reason, where it cannot be.
            with self.path.open("rb") as file:
                file.read(1)
            self._file = package.ChainFile(str(self.path), one_based=True)
        except OSError as error:
            raise InputError(f"cannot read the chain file {self.path}: {error.strerror or error}") from error
        # The package has no error of its own for what it cannot read.
        except (ValueError, RuntimeError) as error:
            raise InputError(
                f"cannot read the chain file {self.path}: {error}; expected a whole chain file, plain or "
                "gzip, such as hg19ToHg38.over.chain.gz of UCSC"
            ) from error
        self._contigs = {contig_key(name): name for name in self._file}
        if not self._contigs:
            raise InputError(f"{self.path} has no chain; expected a file such as hg19ToHg38.over.chain.gz")

    @functools.cached_property
    def builds(self) -> tuple[str, str]:
        """The builds that positions are taken from and to, by the lengths of the chains' contigs.

        Each as :func:`mifm_kipoi.genomics.contigs.build_of_lengths` names it; empty where it cannot be told.
        """
        lengths: tuple[dict[str, int], dict[str, int]] = ({}, {})
        with gzip.open(self.path, "rt") if is_gzip(self.path) else self.path.open() as file:
            for line in file:
                if line.startswith("chain"):
                    fields = line.split()
                    for known, name in zip(lengths, (2, 7), strict=True):
                        known[fields[name]] = int(fields[name + 1])
        return build_of_lengths(lengths[0]), build_of_lengths(lengths[1])

    def has_contig(self, chrom: str) -> bool:
        """Whether any position of a contig can be lifted; names match by their :func:`contig_key`."""
        return contig_key(chrom) in self._contigs

    def lift(self, chrom: Iterable[str], pos: npt.ArrayLike) -> Lifted:
        """Lift single bases.

        Parameters
        ----------
        chrom : iterable of str, length n
            Contigs under any of their names.
        pos : array-like of int, shape (n,)
            1-based positions. Each different one is looked up once, in about a microsecond.

        Returns
        -------
        Lifted
            In the same order.
        """
        names = np.asarray(list(chrom) if not isinstance(chrom, np.ndarray) else chrom, dtype=object)
        positions = np.asarray(pos, dtype=np.int64)
        numbers: dict[str, int] = {}
        codes = np.array([numbers.setdefault(name, len(numbers)) for name in names], dtype=np.int64)
        inside = (positions > 0) & (positions <= LARGEST_POS)
        sites = (codes << 32) + np.where(inside, positions, 0)
        different, first = np.unique(sites, return_inverse=True)
        contigs = [self._contigs.get(contig_key(name)) for name in numbers]
        targets = [None if contig is None else self._file[contig] for contig in contigs]
        results = [
            _result(target[pos] if pos and (target := targets[site >> 32]) is not None else [])
            for site in different.tolist()
            for pos in (site & (2**32 - 1),)
        ]
        fields = [np.array(field, dtype=object)[first] for field in zip(*results, strict=True)]
        if not fields:
            fields = [np.empty(0, dtype=object) for _ in range(4)]
        return Lifted(fields[0], fields[1].astype(np.int64), fields[2], fields[3])

    def lift_variants(
        self, chrom: Iterable[str], pos: npt.ArrayLike, first: Iterable[str], second: Iterable[str]
    ) -> tuple[Lifted, Texts, Texts]:
        """Lift variants, whose alleles change with the strand.

        The bases that the longer allele would replace must lie in the other build as one block of the same
        length, or the variant is lost: next to a gap between the builds, one of them may have the
        insertion that the other lacks. Whether an allele is the reference allele of the other build is left
        to the caller, who has its FASTA: builds may have exchanged them.

        Parameters
        ----------
        chrom, pos
            As of :meth:`lift`; ``pos`` is that of the first base of the alleles.
        first, second : iterable of str, length n
            The two alleles, in any order; what is not made of A, C, G, T and N (``-``, ``<DEL>``) counts as
            one base.

        Returns
        -------
        lifted : Lifted
            Where the first base of the alleles lies in the other build. On the opposite strand
            that is the last base of the block. An insertion or deletion of the opposite strand is lost: the
            base before it, by which VCF writes it, is another there.
        first, second : numpy.ndarray of str objects, shape (n,)
            The alleles, as the reverse complement on the opposite strand.
        """
        alleles = [np.array(list(texts), dtype=object) for texts in (first, second)]
        lengths = np.array([[_bases(text) for text in texts] for texts in alleles], dtype=np.int64).reshape(
            2, -1
        )
        positions = np.asarray(pos, dtype=np.int64)
        names = np.asarray(list(chrom) if not isinstance(chrom, np.ndarray) else chrom, dtype=object)
        starts = self.lift(names, positions)
        long = np.flatnonzero(lengths.max(axis=0, initial=1) > 1)
        if long.size:
            starts = self._as_blocks(starts, names, positions, lengths, long)
        for row in np.flatnonzero(starts.strand == "-"):
            for texts in alleles:
                if _bases(texts[row]):
                    texts[row] = texts[row][::-1].translate(COMPLEMENT)
        return starts, alleles[0], alleles[1]

    def _as_blocks(
        self,
        starts: Lifted,
        names: Texts,
        positions: Positions,
        lengths: npt.NDArray[np.int64],
        long: npt.NDArray[np.int64],
    ) -> Lifted:
        """What becomes of variants of more than one base, of whose blocks the first bases are lifted."""
        size = np.maximum(lengths.max(axis=0), 1)[long]
        ends = self.lift(names[long], positions[long] + size - 1)
        reverse = starts.strand[long] == "-"
        same = (ends.chrom == starts.chrom[long]) & (ends.strand == starts.strand[long])
        one_block = same & (ends.pos - starts.pos[long] == np.where(reverse, 1 - size, size - 1))
        indel = lengths[0, long] != lengths[1, long]
        ok = starts.known[long] & ends.known & one_block & ~(reverse & indel)
        ambiguous = (starts.status[long] == LiftStatus.AMBIGUOUS) | (ends.status == LiftStatus.AMBIGUOUS)
        status, chrom, strand = (array.copy() for array in (starts.status, starts.chrom, starts.strand))
        pos = starts.pos.copy()
        status[long] = np.select([ok, ambiguous], [_OK, _AMBIGUOUS], _LOST)
        chrom[long] = np.where(ok, chrom[long], "")
        strand[long] = np.where(ok, strand[long], "")
        pos[long] = np.where(ok, np.where(reverse, ends.pos, pos[long]), 0)
        return Lifted(chrom, pos, strand, status)


def _result(places: list[tuple[str, int, str]]) -> tuple[str, int, str, str]:
    """Contig, position, strand and status of one position, of what the chains make of it."""
    if len(places) == 1:
        return (*places[0], _OK)
    return ("", 0, "", _AMBIGUOUS if places else _LOST)


def _bases(allele: str) -> int:
    """Bases of an allele; 0 for a symbol, or nothing."""
    return len(allele) if allele and not allele.upper().strip("ACGTN") else 0
