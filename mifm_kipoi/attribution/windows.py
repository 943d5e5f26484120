"""Which windows are attributed: those around variants or in the middle of intervals, all or a sample."""

from __future__ import annotations

import collections
import dataclasses
import itertools
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt

from mifm_kipoi.conventions import CHUNK, MAX_MISMATCH_FRACTION, Status
from mifm_kipoi.genetics.variant_lists import iter_variants
from mifm_kipoi.genomics.genome import Genome
from mifm_kipoi.genomics.intervals import Interval, on_known_contigs, read_intervals
from mifm_kipoi.mutagenesis.targets import Centre, Target, interval_targets, variant_targets
from mifm_kipoi.sequence.windows import cut_interval_windows, variant_index

MAX_N_FRACTION = 0.0
"""A shuffled reference would have an N elsewhere, so that windows with N are left out."""


@dataclasses.dataclass(frozen=True)
class ChosenWindows:
    """Windows of 512 bp by the position at their centre, in the order of the input.

    Parameters
    ----------
    chroms, ids : list of str, length n
        Contigs as in the input, and identifiers, ``.`` where there is none.
    centres : numpy.ndarray of int64, shape (n,)
        0-based position of the base at index 255.
    status : mapping of Status to int
        Records or intervals of the input by their status.
    repeated, left_out : int
        Those that are ok and whose position had one before, and those that a sample or a distance leaves out.
    """

    chroms: list[str]
    ids: list[str]
    centres: npt.NDArray[np.int64]
    status: Mapping[Status, int]
    repeated: int = 0
    left_out: int = 0

    def __len__(self) -> int:
        return len(self.chroms)

    def codes(self, genome: Genome, rows: slice, window: int) -> npt.NDArray[np.uint8]:
        """Cut some of the windows.

        Parameters
        ----------
        genome : Genome
            Of the windows.
        rows : slice
            Which.
        window : int
            Their length, that of the network; 512 at most.

        Returns
        -------
        numpy.ndarray of uint8, shape (n, window)
        """
        positions = zip(self.chroms[rows], self.centres[rows].tolist(), strict=True)
        intervals = [Interval(chrom, centre, centre + 1, ".") for chrom, centre in positions]
        codes, _ = cut_interval_windows(intervals, genome, MAX_N_FRACTION)
        start = variant_index(codes.shape[1]) - variant_index(window)
        return np.ascontiguousarray(codes[:, start : start + window])


def windows_of_variants(
    path: str | os.PathLike[str],
    genome: Genome,
    positions: str | os.PathLike[str] | None = None,
    max_mismatch_fraction: float = MAX_MISMATCH_FRACTION,
) -> ChosenWindows:
    """Reference windows of the records of a VCF, a BCF or a table; one for records at one position.

    Parameters
    ----------
    path, positions : path-like
        See :func:`mifm_kipoi.genetics.variant_lists.open_variants`.
    genome : Genome
        REF is compared with it.
    max_mismatch_fraction : float
        See :func:`mifm_kipoi.stream_windows`.

    Raises
    ------
    MIFMError
        When the file cannot be read, or too many REF alleles differ.
    """
    variants = iter_variants(path, genome, positions=positions)
    targets = variant_targets(variants, genome, Centre.VARIANT, None, MAX_N_FRACTION, max_mismatch_fraction)
    return _collected((target, target.status) for target in targets)


def windows_of_intervals(path: Path, genome: Genome) -> ChosenWindows:
    """Windows whose centre is that of an interval of a BED file.

    Raises
    ------
    IntervalFileError
        When the file cannot be read.
    """
    intervals = on_known_contigs(read_intervals(path), genome, path)
    return _collected(_with_status(interval_targets(intervals, genome, Centre.VARIANT), genome))


def _with_status(targets: Iterable[Target], genome: Genome) -> Iterator[tuple[Target, Status]]:
    rest = iter(targets)
    while chunk := list(itertools.islice(rest, CHUNK)):
        middles = [target.centre or 0 for target in chunk]
        bases = [Interval(each.chrom, mid, mid + 1, ".") for each, mid in zip(chunk, middles, strict=True)]
        _, status = cut_interval_windows(bases, genome, MAX_N_FRACTION)
        for target, reason in zip(chunk, status, strict=True):
            yield target, reason if target.status is Status.OK else target.status


def _collected(targets: Iterable[tuple[Target, Status]]) -> ChosenWindows:
    chroms, ids, centres = list[str](), list[str](), list[int]()
    status: collections.Counter[Status] = collections.Counter()
    seen: set[tuple[str, int]] = set()
    repeated = 0
    for target, reason in targets:
        status[reason] += 1
        if reason is not Status.OK:
            continue
        assert target.centre is not None, "one window has one centre"
        if (target.chrom, target.centre) in seen:
            repeated += 1
            continue
        seen.add((target.chrom, target.centre))
        chroms.append(target.chrom)
        ids.append(target.id)
        centres.append(target.centre)
    return ChosenWindows(chroms, ids, np.array(centres, dtype=np.int64), status, repeated)


def thinned(windows: ChosenWindows, sample: int | None, min_distance: int, seed: int) -> ChosenWindows:
    """Draw windows in random order, without those close to one that was drawn before.

    Parameters
    ----------
    windows : ChosenWindows
        All.
    sample : int, optional
        How many, at most; all by default.
    min_distance : int
        Base pairs between the centres of two windows, at least; 0 keeps all, 512 those that do not overlap.
    seed : int
        Of the order.

    Returns
    -------
    ChosenWindows
        In the order of the input.
    """
    count = len(windows) if sample is None else min(sample, len(windows))
    if count == len(windows) and not min_distance:
        return windows
    kept = list[int]()
    # At most one centre in a cell as long as the distance, so that neighbours lie in three cells.
    cells: dict[tuple[str, int], int] = {}
    for row in np.random.default_rng(seed).permutation(len(windows)).tolist():
        if len(kept) == count:
            break
        if min_distance:
            chrom, centre = windows.chroms[row], int(windows.centres[row])
            cell = centre // min_distance
            near = (cells.get((chrom, cell + step)) for step in (-1, 0, 1))
            if any(other is not None and abs(other - centre) < min_distance for other in near):
                continue
            cells[chrom, cell] = centre
        kept.append(row)
    kept.sort()
    return dataclasses.replace(
        windows,
        chroms=[windows.chroms[row] for row in kept],
        ids=[windows.ids[row] for row in kept],
        centres=windows.centres[kept],
        left_out=len(windows) - len(kept),
    )
