"""How a network's logits are spread over the positions of real sequence: what a score means among them.

A :class:`Background` is a compact table of ranks and logits, kept with the weights. :class:`LogitCounts`
makes the table of any number of logits, in constant memory.
"""

from __future__ import annotations

import dataclasses
import hashlib
import io
import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from mifm_kipoi.errors import WeightsError

FORMAT = "mifm-background/1"

EXACT_RANKS = 4096
"""The first ranks, all of which are in the table."""

RANK_RATIO = 256
"""Beyond them, the next rank of the table is at most this part of a rank away, ..."""

RANK_FRACTION = 10_000
"""... and at most this part of all positions."""

ROUNDING = 1e-5
"""Logits that differ by less are as high as each other: the same window has other digits in a scan, on a GPU
and among other windows. Without this, a position of the background could miss its own rank."""

_WHOLE = 1 << 24
"""Logits that are kept, and sorted in the end; more are counted in bins."""

_TOP = 1 << 17
"""Highest logits that are kept while others are counted: all ranks that are exact come from them."""

_BINS = 1 << 22


@dataclasses.dataclass(frozen=True, eq=False)
class Background:
    """The logits of the positions of real sequence under some weights, as a table of ranks.

    Rank 1 is the highest logit. The table has the first 4,096 ranks and of the others enough that what is
    between two of them is known to 0.017 in PHRED and 0.01 in percentile; it is interpolated.

    Parameters
    ----------
    ranks : numpy.ndarray of int64, shape (m,)
        Ascending, from 1 to the number of positions.
    logits : numpy.ndarray of float32, shape (m,)
        The logit of each rank, descending.
    source : mapping of plain JSON types
        What it is of: ``name`` in words, ``fasta`` (name and sha256), ``contigs`` (bases by contig),
        ``max_n_fraction``, ``weights`` (:attr:`mifm_kipoi.Weights.identity`), ``scan`` and ``mifm_kipoi``
        (what computed it).

    Raises
    ------
    WeightsError
        When it is not such a table.
    """

    ranks: npt.NDArray[np.int64]
    logits: npt.NDArray[np.float32]
    source: Mapping[str, Any]

    def __post_init__(self) -> None:
        ranks, logits = self.ranks, self.logits
        if ranks.ndim != 1 or ranks.shape != logits.shape or not len(ranks):
            raise WeightsError(
                f"a background has {ranks.shape} ranks and {logits.shape} logits; expected as many"
            )
        if ranks.dtype != np.int64 or logits.dtype != np.float32:
            raise WeightsError(f"a background has ranks of {ranks.dtype} and logits of {logits.dtype}")
        if ranks[0] != 1 or (np.diff(ranks) < 1).any():
            raise WeightsError("the ranks of a background do not ascend from 1")
        if not np.isfinite(logits).all() or (np.diff(logits) > 0).any():
            raise WeightsError("the logits of a background are not finite, or do not descend")

    @property
    def positions(self) -> int:
        """The number of positions, N."""
        return int(self.ranks[-1])

    @property
    def name(self) -> str:
        """What it is of, in words."""
        return str(self.source.get("name", "positions of unknown origin"))

    @property
    def identity(self) -> dict[str, Any]:
        """What must be the same for two backgrounds to give the same numbers, as plain JSON types."""
        digest = hashlib.sha256(self.ranks.astype("<i8").tobytes() + self.logits.astype("<f4").tobytes())
        of = {key: self.source[key] for key in ("name", "fasta") if key in self.source}
        return {**of, "positions": self.positions, "sha256": digest.hexdigest()}

    def fraction(self, logits: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
        """The fraction of positions whose score is as high or higher, but for rounding (:data:`ROUNDING`).

        Parameters
        ----------
        logits : numpy.ndarray of floating point, any shape
            Logits of reference windows.

        Returns
        -------
        numpy.ndarray of float64, same shape
            From 1 / N to 1: a score above all counts as that of one position. NaN stays NaN.
        """
        wanted = np.asarray(logits, dtype=np.float64) - ROUNDING
        table = self.logits.astype(np.float64)
        # Entries with a logit as high or higher: the true rank is theirs, or lies before that of the next.
        count = np.searchsorted(-table, -wanted, side="right")
        low = np.clip(count - 1, 0, None)
        high = np.clip(count, None, len(table) - 1)
        gap = table[low] - table[high]
        way = np.divide(table[low] - wanted, gap, out=np.zeros(wanted.shape), where=gap > 0)
        between = np.clip(self.ranks[high] - 1 - self.ranks[low], 0, None)
        rank = self.ranks[low] + between * np.clip(way, 0, 1)
        return np.where(np.isnan(wanted), np.nan, rank / self.positions)

    def percentile(self, logits: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
        """100 (1 - f), with f from :meth:`fraction`: 99 for a score that 1 % of the positions reach.

        Parameters
        ----------
        logits : numpy.ndarray of floating point, any shape
            Logits of reference windows.

        Returns
        -------
        numpy.ndarray of float32, same shape
        """
        return _percentile(self.fraction(logits))

    def phred(self, logits: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
        """-10 log10(f), with f from :meth:`fraction`: 20 for a score that 1 % of the positions reach.

        Parameters
        ----------
        logits : numpy.ndarray of floating point, any shape
            Logits of reference windows.

        Returns
        -------
        numpy.ndarray of float32, same shape
        """
        return _phred(self.fraction(logits))

    def percentile_and_phred(
        self, logits: npt.NDArray[Any]
    ) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
        """Both of :meth:`percentile` and :meth:`phred`, with one search in the table."""
        fraction = self.fraction(logits)
        return _percentile(fraction), _phred(fraction)

    def logit(self, percentile: float) -> float:
        """The lowest logit of the table that reaches a percentile, such as that of a line in a figure.

        Parameters
        ----------
        percentile : float
            From 0 to below 100.
        """
        rank = self.positions * (1 - percentile / 100)
        entry = np.searchsorted(self.ranks, rank * (1 + 1e-12), side="right") - 1
        return float(self.logits[max(int(entry), 0)])

    def to_bytes(self) -> bytes:
        """As the content of an .npz file."""
        record = json.dumps({"format": FORMAT, "source": dict(self.source)}, sort_keys=True)
        content = io.BytesIO()
        # Steps between ranks compress better than ranks.
        steps = np.diff(self.ranks, prepend=0).astype("<i8")
        logits = self.logits.astype("<f4")
        np.savez_compressed(
            content, record=np.frombuffer(record.encode(), np.uint8), steps=steps, logits=logits
        )
        return content.getvalue()

    @classmethod
    def from_bytes(cls, content: bytes) -> Background:
        """Read back what :meth:`to_bytes` gave.

        Raises
        ------
        WeightsError
            When it is something else, or damaged.
        """
        try:
            with np.load(io.BytesIO(content), allow_pickle=False) as file:
                record = json.loads(file["record"].tobytes())
                ranks, logits = np.cumsum(file["steps"], dtype=np.int64), file["logits"].astype(np.float32)
        except Exception as error:
            # What a damaged archive raises inside zipfile and zlib has no bounds.
            raise WeightsError(f"a background cannot be read: {error}") from error
        if not isinstance(record, dict) or record.get("format") != FORMAT:
            raise WeightsError(f"a background is of another format than {FORMAT!r}")
        if not isinstance(record.get("source"), dict):
            raise WeightsError("a background does not say what it is of")
        return cls(ranks, logits, record["source"])


def _percentile(fraction: npt.NDArray[np.float64]) -> npt.NDArray[np.float32]:
    return (100 * (1 - fraction)).astype(np.float32)


def _phred(fraction: npt.NDArray[np.float64]) -> npt.NDArray[np.float32]:
    return (10 * np.log10(1 / fraction)).astype(np.float32)


def table_ranks(positions: int) -> npt.NDArray[np.int64]:
    """The ranks of which a table has the logits.

    Parameters
    ----------
    positions : int
        All of them, at least 1.

    Returns
    -------
    numpy.ndarray of int64, shape (m,)
        1 to :data:`EXACT_RANKS`, then in steps that are no larger than both limits, to ``positions``.
    """
    ranks = list(range(1, min(positions, EXACT_RANKS) + 1))
    while ranks[-1] < positions:
        step = max(1, min(ranks[-1] // RANK_RATIO, positions // RANK_FRACTION))
        ranks.append(min(ranks[-1] + step, positions))
    return np.array(ranks, dtype=np.int64)


class LogitCounts:
    """How any number of logits is spread, in constant memory: less than 0.25 GB.

    Up to 16.7 million logits are kept and sorted. Beyond, the highest 131,072 are, and the others are counted
    in 4 million bins over twice the range of those that came first; what lies outside them counts as their
    ends do. Where logits are the same within a bin, some thousandths of a percentile are lost.
    """

    def __init__(self) -> None:
        self._kept: list[npt.NDArray[np.float32]] = []
        self._size = 0
        self._total = 0
        self._bins: npt.NDArray[np.int64] | None = None
        self._low = self._width = 0.0

    @property
    def total(self) -> int:
        """Logits so far."""
        return self._total

    def add(self, logits: npt.NDArray[np.float32]) -> None:
        """Add logits.

        Parameters
        ----------
        logits : numpy.ndarray of float32, shape (n,)

        Raises
        ------
        WeightsError
            When one of them is not finite.
        """
        if not np.isfinite(logits).all():
            raise WeightsError("the weights give logits that are not finite, which have no ranks")
        self._total += len(logits)
        self._kept.append(np.array(logits, dtype=np.float32))
        self._size += len(logits)
        if self._bins is not None:
            self._count(logits)
            if self._size > 2 * _TOP:
                self._keep_top()
        elif self._total > _WHOLE:
            self._begin_bins()

    def _begin_bins(self) -> None:
        low = min(float(part.min()) for part in self._kept if len(part))
        high = max(float(part.max()) for part in self._kept if len(part))
        half = max((high - low) / 2, 1e-3)
        self._low, self._width = low - half, (high - low + 2 * half) / _BINS
        self._bins = np.zeros(_BINS, dtype=np.int64)
        for part in self._kept:
            self._count(part)
        self._keep_top()

    def _count(self, logits: npt.NDArray[np.float32]) -> None:
        bins = self._bins
        assert bins is not None
        numbers = (logits.astype(np.float64) - self._low) / self._width
        np.add.at(bins, np.clip(numbers, 0, _BINS - 1).astype(np.int64), 1)

    def _keep_top(self) -> None:
        kept = np.concatenate(self._kept)
        top = np.partition(kept, len(kept) - _TOP)[-_TOP:]
        self._kept, self._size = [top], _TOP

    def background(self, source: Mapping[str, Any]) -> Background:
        """The table of what was added.

        Parameters
        ----------
        source : mapping of plain JSON types
            See :class:`Background`.

        Raises
        ------
        WeightsError
            When nothing was added.
        """
        if not self._total:
            raise WeightsError("no position has a window that can be scored, so there is no background")
        ranks = table_ranks(self._total)
        if self._bins is not None:
            self._keep_top()
        top = np.sort(np.concatenate(self._kept))[::-1]
        exact = ranks <= len(top)
        logits = np.empty(len(ranks), dtype=np.float32)
        logits[exact] = top[ranks[exact] - 1]
        if self._bins is not None:
            # Logits as high as the lower end of each bin, from the highest bin on.
            counts = self._bins[::-1]
            reached = np.cumsum(counts)
            rest = ranks[~exact]
            bins = np.searchsorted(reached, rest)
            into = (rest - (reached[bins] - counts[bins])) / counts[bins]
            logits[~exact] = self._low + (_BINS - bins - into) * self._width
            # A bin's edge may lie a little above the last logit that is known exactly.
            logits = np.minimum.accumulate(logits)
        return Background(ranks, logits, source)
