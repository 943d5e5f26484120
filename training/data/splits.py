"""Splits of bags into training, validation and test by place in the genome.

An instance is the window ``[pos - 256, pos + 256)`` (0-based half-open) around its variant, and it is the
windows that are held out, not the positions alone. The order of use is::

    instances, dropped = drop_border_instances(instances, config)  # before bags are counted and sized
    bags["split"] = assign_splits(bags, instances, config)         # NaN: leave the bag out, and count it
    check_no_overlap(bags, instances)                              # of what is kept
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
from mifm_kipoi.genomics.contigs import contig_key
from training.data.dataset import DataSetError, Split

log = logging.getLogger(__name__)

_STRETCH = re.compile(r"(?P<chrom>[^:\s]+):(?P<start>[0-9][0-9,]*)-(?P<end>[0-9][0-9,]*)")
_CONTIG = re.compile(r"[^:\s]+")

_END = 1 << 40
"""Behind the end of any contig."""

_SPLITS = (Split.TRAIN, Split.VALIDATION, Split.TEST)
_ACROSS = -1
"""In place of an index of these: the window lies across the border of a stretch."""


@dataclasses.dataclass(frozen=True)
class Stretch:
    """A part of the genome that is held out.

    Parameters
    ----------
    text : str
        As in the configuration.
    contig : str
        From :func:`mifm_kipoi.genomics.contigs.contig_key`.
    start, end : int
        0-based half-open.
    """

    text: str
    contig: str
    start: int
    end: int

    @classmethod
    def parse(cls, text: str) -> Stretch:
        """Read a contig, or ``chrom:start-end`` (1-based inclusive; commas as in browsers may stand).

        Raises
        ------
        ValueError
            When it is neither, or ends before it starts.
        """
        if _CONTIG.fullmatch(text):
            return cls(text, contig_key(text), 0, _END)
        found = _STRETCH.fullmatch(text)
        start, end = (int(found[name].replace(",", "")) for name in ("start", "end")) if found else (0, 0)
        if not found or not 1 <= start <= end:
            raise ValueError(
                f"{text!r} is no part of a genome; expected a contig such as 11, or chrom:start-end "
                "(1-based, start not after end) such as 11:1000001-2000000"
            )
        return cls(text, contig_key(found["chrom"]), start - 1, end)

    def overlaps(self, other: Stretch) -> bool:
        """Whether they share a base."""
        return self.contig == other.contig and self.start < other.end and other.start < self.end


@dataclasses.dataclass(frozen=True)
class SplitsConfig:
    """Which parts of the genome are held out; what is left is for training.

    Parameters
    ----------
    validation, test : tuple of str
        Contigs, or stretches of them as ``chrom:start-end`` (1-based inclusive, as in browsers). ``11`` and
        ``chr11`` are the same contig. A stretch that should reach to the end of its contig may end
        behind it, so that no window over that end counts as one over a border.
    """

    validation: tuple[str, ...] = ("11", "12")
    test: tuple[str, ...] = ("9", "10")

    def __post_init__(self) -> None:
        stretches = [stretch for _, stretch in self.stretches()]
        for one, other in itertools.combinations(stretches, 2):
            if one.overlaps(other):
                raise ValueError(
                    f"the held-out parts {one.text!r} and {other.text!r} share bases; expected that each "
                    "base is held out once"
                )

    def stretches(self) -> list[tuple[Split, Stretch]]:
        """The held-out parts, and what each is for."""
        return [
            (split, Stretch.parse(text))
            for split, texts in ((Split.VALIDATION, self.validation), (Split.TEST, self.test))
            for text in texts
        ]


def drop_border_instances(
    instances: pd.DataFrame, config: SplitsConfig, window: int = WINDOW
) -> tuple[pd.DataFrame, int]:
    """Leave out the instances whose window lies across the border of a held-out stretch.

    Parameters
    ----------
    instances : pandas.DataFrame
        With ``chrom`` and ``pos`` (1-based).
    config : SplitsConfig
    window : int
        Length of windows in bp, even; a longer one than 512 leaves room for shifts.

    Returns
    -------
    kept : pandas.DataFrame
        The others, with their index.
    dropped : int
        How many were left out.
    """
    across = _split_indices(instances, config, window) == _ACROSS
    return instances[~across], int(across.sum())


def assign_splits(
    bags: pd.DataFrame, instances: pd.DataFrame, config: SplitsConfig, window: int = WINDOW
) -> pd.Series[str]:
    """The split of each bag: that of the windows of all of its instances.

    A held-out part that no bag is on is named in a warning of the log.

    Parameters
    ----------
    bags : pandas.DataFrame
        With ``bag``.
    instances : pandas.DataFrame
        With ``bag``, ``chrom`` and ``pos`` (1-based), in any order.
    config : SplitsConfig
    window : int
        Length of windows in bp, even.

    Returns
    -------
    pandas.Series of str, with the index of ``bags``
        Values of :class:`training.data.dataset.Split`; NaN where the windows of a bag are not all within one
        split, or the bag has no instances.
    """
    indices = _split_indices(instances, config, window, warn=True)
    by_bag = pd.Series(indices, index=instances["bag"].to_numpy()).groupby(level=0).agg(["min", "max"])
    one = by_bag["min"].where((by_bag["min"] == by_bag["max"]) & (by_bag["min"] != _ACROSS))
    names = one.map({index: split.value for index, split in enumerate(_SPLITS)})
    return pd.Series(names.reindex(bags["bag"]).to_numpy(), index=bags.index, dtype="str", name="split")


def check_no_overlap(bags: pd.DataFrame, instances: pd.DataFrame, window: int = WINDOW) -> None:
    """Make sure that no window of one split shares a base with one of another.

    Parameters
    ----------
    bags : pandas.DataFrame
        With ``bag`` and ``split``; bags whose split is NaN are passed over.
    instances : pandas.DataFrame
        With ``bag``, ``chrom`` and ``pos`` (1-based), in any order.
    window : int
        Length of windows in bp.

    Raises
    ------
    DataSetError
        When two do; the message names them.
    """
    splits = instances["bag"].map(bags.set_index("bag")["split"])
    rows = instances.assign(split=splits, contig=_contigs(instances))[splits.notna()]
    rows = rows.sort_values(["contig", "pos"], kind="stable").reset_index(drop=True)
    # Windows are equally long: where any two of different splits overlap, so do two neighbours between them.
    before = rows.shift(1)
    near = (rows["contig"] == before["contig"]) & (rows["pos"] - before["pos"] < window)
    shared = np.flatnonzero(near & (rows["split"] != before["split"]))
    if len(shared):
        (_, one), (_, other) = rows.iloc[shared[0] - 1 : shared[0] + 1].iterrows()
        raise DataSetError(
            f"the windows of {one['chrom']}:{one['pos']} (bag {one['bag']}, {one['split']}) and "
            f"{other['chrom']}:{other['pos']} (bag {other['bag']}, {other['split']}) share bases "
            f"({len(shared)} such neighbours in all); expected splits at least {window} bp apart"
        )


def _contigs(instances: pd.DataFrame) -> pd.Series[str]:
    """What stands for the contig of each instance, whatever its name in the file."""
    return instances["chrom"].map({chrom: contig_key(chrom) for chrom in instances["chrom"].unique()})


def _split_indices(
    instances: pd.DataFrame, config: SplitsConfig, window: int, warn: bool = False
) -> npt.NDArray[np.int8]:
    """The split in which each window lies, as an index of ``_SPLITS``, or ``_ACROSS``."""
    indices = np.zeros(len(instances), dtype=np.int8)
    contigs = _contigs(instances).to_numpy()
    centres = instances["pos"].to_numpy()
    # What lies before a contig is N, and nobody else's.
    starts, ends = np.maximum(centres - window // 2, 0), centres + window // 2
    for split, stretch in config.stretches():
        touched = (contigs == stretch.contig) & (starts < stretch.end) & (ends > stretch.start)
        within = touched & (starts >= stretch.start) & (ends <= stretch.end)
        indices[touched] = _ACROSS
        indices[within] = _SPLITS.index(split)
        if warn and not within.any():
            log.warning("no variant is on %s, which is held out for %s", stretch.text, split.value)
    return indices
