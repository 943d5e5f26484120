"""Splits of bags into training, validation and test by genomic region.

An instance is the window ``[pos - 256, pos + 256)`` (0-based half-open) around its variant: whole windows are
held out, not only positions. The window of ALT of a deletion reads as many bases further on the right as it
deletes: a window is taken to be longer by all bases of REF but the first, whichever alleles are read. The
functions are used in this order::

    instances, dropped = drop_border_instances(instances, config)  # before bags are counted by size
    bags["split"] = assign_splits(bags, instances, config)         # NaN: leave the bag out
    check_no_overlap(bags, instances)                              # of the bags that are kept
"""

from __future__ import annotations

import dataclasses
import itertools
import logging
import re

import numpy as np
import numpy.typing as npt
import pandas as pd

from mifm_kipoi.conventions import WINDOW
from mifm_kipoi.genomics.contigs import contig_key, contig_keys
from training.data.dataset import DataSetError, Split

log = logging.getLogger(__name__)

_REGION = re.compile(r"(?P<chrom>[^:\s]+):(?P<start>[0-9][0-9,]*)-(?P<end>[0-9][0-9,]*)")
_CONTIG = re.compile(r"[^:\s]+")

_END = 1 << 40
"""A position beyond the end of any contig."""

_SPLITS = (Split.TRAIN, Split.VALIDATION, Split.TEST)
ACROSS = -1
"""Instead of the index of a split: the window crosses the border of a held-out region."""


@dataclasses.dataclass(frozen=True)
class Region:
    """A held-out region of the genome.

    Parameters
    ----------
    text : str
        The region as written in the configuration.
    contig : str
        The contig's key, the same for all its names (:func:`mifm_kipoi.genomics.contigs.contig_key`).
    start, end : int
        0-based half-open positions on the contig.
    """

    text: str
    contig: str
    start: int
    end: int

    @classmethod
    def parse(cls, text: str) -> Region:
        """Read a contig's name, or ``chrom:start-end``.

        Parameters
        ----------
        text : str
            Such as ``11`` or ``11:1,000,001-2,000,000``: 1-based inclusive, with or without commas.

        Raises
        ------
        ValueError
            When the text is neither, or the region ends before it starts.
        """
        if _CONTIG.fullmatch(text):
            return cls(text, contig_key(text), 0, _END)
        parts = _REGION.fullmatch(text)
        start, end = (int(parts[name].replace(",", "")) for name in ("start", "end")) if parts else (0, 0)
        if not parts or not 1 <= start <= end:
            raise ValueError(
                f"{text!r} is not a region; expected a contig such as 11, or chrom:start-end (1-based, "
                "start not after end) such as 11:1000001-2000000"
            )
        return cls(text, contig_key(parts["chrom"]), start - 1, end)

    def overlaps(self, other: Region) -> bool:
        """Whether the two regions have a base in common."""
        return self.contig == other.contig and self.start < other.end and other.start < self.end


@dataclasses.dataclass(frozen=True)
class SplitsConfig:
    """Which regions of the genome are held out; the rest is for training.

    Parameters
    ----------
    validation, test : tuple of str
        Contigs, or regions as ``chrom:start-end`` (1-based inclusive, as in genome browsers). ``11`` and
        ``chr11`` are the same contig. A region that reaches to the end of its contig may end beyond it, so
        that no window over that end counts as crossing a border.
    """

    validation: tuple[str, ...] = ("11", "12")
    test: tuple[str, ...] = ("9", "10")

    def __post_init__(self) -> None:
        regions = [region for _, region in self.regions()]
        for one, other in itertools.combinations(regions, 2):
            if one.overlaps(other):
                raise ValueError(
                    f"the held-out regions {one.text!r} and {other.text!r} overlap; expected regions "
                    "without a base in common"
                )

    def regions(self) -> list[tuple[Split, Region]]:
        """The held-out regions, each with its split."""
        return [
            (split, Region.parse(text))
            for split, texts in ((Split.VALIDATION, self.validation), (Split.TEST, self.test))
            for text in texts
        ]


def drop_border_instances(
    instances: pd.DataFrame, config: SplitsConfig, window: int = WINDOW
) -> tuple[pd.DataFrame, int]:
    """Leave out the instances whose window crosses the border of a held-out region.

    Parameters
    ----------
    instances : pandas.DataFrame
        With ``chrom`` and ``pos`` (1-based), and ``ref`` where alleles are known.
    config : SplitsConfig
        The held-out regions.
    window : int
        Length of windows in bp, even; more than 512 leaves room for windows that are shifted in training.

    Returns
    -------
    kept : pandas.DataFrame
        The other instances, with their index.
    dropped : int
        Number of instances that were left out.
    """
    across = split_indices(instances, config, window) == ACROSS
    return instances[~across], int(across.sum())


def assign_splits(
    bags: pd.DataFrame, instances: pd.DataFrame, config: SplitsConfig, window: int = WINDOW
) -> pd.Series[str]:
    """The split of each bag: the one in which the windows of all its instances lie.

    A warning is logged for each held-out region without instances.

    Parameters
    ----------
    bags : pandas.DataFrame
        With ``bag``, the numbers of the bags.
    instances : pandas.DataFrame
        With ``bag``, ``chrom`` and ``pos`` (1-based), and ``ref`` where alleles are known, in any order.
    config : SplitsConfig
        The held-out regions.
    window : int
        Length of windows in bp, even.

    Returns
    -------
    pandas.Series of str, with the index of ``bags``
        Values of :class:`training.data.dataset.Split`; NaN where the windows of a bag do not all lie in one
        split, or the bag has no instances.
    """
    indices = split_indices(instances, config, window, warn=True)
    by_bag = pd.Series(indices, index=instances["bag"].to_numpy()).groupby(level=0).agg(["min", "max"])
    one = by_bag["min"].where((by_bag["min"] == by_bag["max"]) & (by_bag["min"] != ACROSS))
    names = one.map({index: split.value for index, split in enumerate(_SPLITS)})
    return pd.Series(names.reindex(bags["bag"]).to_numpy(), index=bags.index, dtype="str", name="split")


def check_no_overlap(bags: pd.DataFrame, instances: pd.DataFrame, window: int = WINDOW) -> None:
    """Make sure that no window of one split overlaps a window of another.

    Parameters
    ----------
    bags : pandas.DataFrame
        With ``bag`` and ``split``; bags whose split is NaN are ignored.
    instances : pandas.DataFrame
        With ``bag``, ``chrom`` and ``pos`` (1-based), and ``ref`` where alleles are known, in any order.
    window : int
        Length of windows in bp.

    Raises
    ------
    DataSetError
        When two windows of different splits overlap; the message names them.
    """
    splits = instances["bag"].map(bags.set_index("bag")["split"])
    rows = instances.assign(split=splits, contig=_contigs(instances))[splits.notna()]
    rows = rows.sort_values(["contig", "pos"], kind="stable").reset_index(drop=True)
    contig = pd.factorize(rows["contig"])[0].astype(np.int64)
    # One contig after the other on one line, so far apart that no window reaches the next.
    starts = contig * 2 * _END + rows["pos"].to_numpy(np.int64) - window // 2
    ends = starts + window + _further(rows)
    for split in _SPLITS:
        own = (rows["split"] == split.value).to_numpy()
        # Up to each row the end of the window of this split that reaches furthest, and its row.
        reach = np.maximum.accumulate(np.where(own, ends, np.iinfo(np.int64).min))
        overlapping = np.flatnonzero(~own & (starts < reach))
        if len(overlapping):
            other = rows.iloc[overlapping[0]]
            one = rows.iloc[int(np.argmax(own & (ends == reach[overlapping[0]])))]
            raise DataSetError(
                f"the windows of {one['chrom']}:{one['pos']} (bag {one['bag']}, {one['split']}) and "
                f"{other['chrom']}:{other['pos']} (bag {other['bag']}, {other['split']}) overlap "
                f"({len(overlapping)} windows overlap one of {split.value}); expected splits at least "
                f"{window} bp apart"
            )


def _further(instances: pd.DataFrame) -> npt.NDArray[np.int64]:
    """By how many bases the window of ALT can end behind that of REF; 0 without a column ``ref``."""
    if "ref" not in instances:
        return np.zeros(len(instances), dtype=np.int64)
    return np.maximum(instances["ref"].str.len().to_numpy(np.int64) - 1, 0)


def _contigs(instances: pd.DataFrame) -> pd.Series[str]:
    """The key of each instance's contig, the same for all its names."""
    return contig_keys(instances["chrom"])


def split_indices(
    instances: pd.DataFrame, config: SplitsConfig, window: int = WINDOW, warn: bool = False
) -> npt.NDArray[np.int8]:
    """The split in which each window lies, as an index of :class:`training.data.dataset.Split`.

    Parameters
    ----------
    instances : pandas.DataFrame
        With ``chrom`` and ``pos`` (1-based), and ``ref`` where alleles are known.
    config : SplitsConfig
        The held-out regions.
    window : int
        Length of windows in bp, even.
    warn : bool
        Whether a warning is logged for each held-out region without instances.

    Returns
    -------
    numpy.ndarray of int8, shape (n,)
        :data:`ACROSS` where a window crosses the border of a held-out region.
    """
    indices = np.zeros(len(instances), dtype=np.int8)
    contigs = _contigs(instances).to_numpy()
    centres = instances["pos"].to_numpy()
    # Bases before a contig's start are N and belong to no other split.
    starts, ends = np.maximum(centres - window // 2, 0), centres + window // 2 + _further(instances)
    for split, region in config.regions():
        touched = (contigs == region.contig) & (starts < region.end) & (ends > region.start)
        within = touched & (starts >= region.start) & (ends <= region.end)
        indices[touched] = ACROSS
        indices[within] = _SPLITS.index(split)
        if warn and not within.any():
            log.warning("no variant lies in %s, which is held out for %s", region.text, split.value)
    return indices
