"""Circular shifts: overlaps of flags under null hypotheses that keep their neighbourhoods.

Within blocks (:func:`shifted_overlaps`): the flags of each block (which variants are in an enhancer, say) are
turned around by a random number of rows. How many are set in the block, and how they cluster, stays as it is;
whether they fall on rows that are selected is left to chance. What differs between blocks is not tested.

Over all rows (:func:`rotated_sums`): the flags are turned around the whole genome, so that only their number
and their neighbourhoods stay.
"""

from __future__ import annotations

import dataclasses

import numpy as np
import numpy.typing as npt

from mifm_kipoi.statistics.estimates import Values
from mifm_kipoi.support.packages import needed

Flags = npt.NDArray[np.bool_]

ROTATIONS = 10_000
"""Of the p-values of a family of tests."""


@dataclasses.dataclass(frozen=True)
class Shifted:
    """Overlaps of selections with flags, as seen and under shifts.

    Parameters
    ----------
    seen : numpy.ndarray of float64, shape (s, f)
        Rows that are selected and flagged.
    drawn : numpy.ndarray of float32, shape (s, f, draws)
        The same under each shift; the same shifts for all selections and flags.
    """

    seen: Values
    drawn: npt.NDArray[np.float32]

    @property
    def p_value(self) -> Values:
        """Two-sided, shape (s, f): how often the overlap is as far from its mean; NaN where none varies."""
        statistic, drawn = self._standardised()
        as_far = (drawn >= statistic[..., np.newaxis] - 1e-6).sum(axis=-1)
        p_value: Values = np.where(np.isnan(statistic), np.nan, (1 + as_far) / (1 + drawn.shape[-1]))
        return p_value

    @property
    def statistic(self) -> Values:
        """Distance from the mean in standard deviations, shape (s, f); NaN where nothing varies."""
        return self._standardised()[0]

    @property
    def largest(self) -> npt.NDArray[np.float32]:
        """The largest statistic of all selections and flags under each shift, shape (draws,).

        Minus infinity where nothing varies.
        """
        _, drawn = self._standardised()
        largest: npt.NDArray[np.float32] = np.nan_to_num(
            drawn.reshape(-1, drawn.shape[-1]), nan=-np.inf, posinf=np.inf
        ).max(axis=0, initial=-np.inf)
        return largest

    def _standardised(self) -> tuple[Values, npt.NDArray[np.float32]]:
        """Distances from the mean in standard deviations, of what is seen and drawn."""
        mean, spread = self.drawn.mean(axis=-1, dtype=np.float64), self.drawn.std(axis=-1, dtype=np.float64)
        with np.errstate(invalid="ignore", divide="ignore"):
            unit = np.where(spread > 0, spread, np.nan)
            seen = np.abs(self.seen - mean) / unit
            drawn = np.abs(self.drawn - mean[..., np.newaxis].astype(np.float32))
            return seen, drawn / unit[..., np.newaxis].astype(np.float32)


def largest_p(statistic: Values, largest: npt.NDArray[np.float32]) -> Values:
    """P-values of tests corrected for their number (max-T), shape of ``statistic``; NaN where it is.

    Parameters
    ----------
    statistic : numpy.ndarray of float64, shape (...)
        Of all tests of a family (:attr:`Shifted.statistic`), which may be of several :class:`Shifted`.
    largest : numpy.ndarray of float32, shape (draws,)
        The largest of these (:attr:`Shifted.largest`) under each shift.
    """
    as_far = (largest >= statistic[..., np.newaxis] - 1e-6).sum(axis=-1)
    return np.where(np.isnan(statistic), np.nan, (1 + as_far) / (1 + largest.size))


def shifted_overlaps(
    selected: Flags, flags: Flags, block: npt.NDArray[np.int64], draws: int, seed: int = 1
) -> Shifted:
    """Overlaps under random circular shifts of the flags within each block.

    Parameters
    ----------
    selected : numpy.ndarray of bool, shape (s, n)
        Selections of rows.
    flags : numpy.ndarray of bool, shape (f, n)
        Sets of rows.
    block : numpy.ndarray of int64, shape (n,)
        Of each row; within a block the rows are in the order of the genome.
    draws, seed : int
        Of the shifts.
    """
    generator = np.random.default_rng(seed)
    order = np.argsort(block, kind="stable")
    cuts = np.flatnonzero(np.diff(block[order])) + 1
    seen = np.zeros((len(selected), len(flags)))
    drawn = np.zeros((len(selected), len(flags), draws), dtype=np.float32)
    for rows in np.split(order, cuts) if order.size else ():
        own, inside = selected[:, rows].astype(np.float32), flags[:, rows].astype(np.float32)
        # All shifts together: a circular cross-correlation.
        spectrum = np.fft.rfft(own)[:, np.newaxis].conj() * np.fft.rfft(inside)[np.newaxis]
        counts = np.rint(np.fft.irfft(spectrum, rows.size)).astype(np.float32)
        seen += counts[..., 0]
        drawn += counts[..., generator.integers(rows.size, size=draws)]
    return Shifted(seen, drawn)


def rotated_sums(
    values: npt.NDArray[np.float32], flags: Flags, draws: int = ROTATIONS, seed: int = 1
) -> npt.NDArray[np.float32]:
    """Sums of values over the flagged rows, with the flags as they are and turned around all rows.

    Parameters
    ----------
    values : numpy.ndarray of float32, shape (s, n)
        Of rows in the order of the genome; 1 for selected rows and 0 for others, or any numbers.
    flags : numpy.ndarray of bool, shape (f, n)
        Sets of rows.
    draws, seed : int
        Of the rotations, which are the same for all values and flags.

    Returns
    -------
    numpy.ndarray of float32, shape (s, f, 1 + draws)
        First those of the flags as they are. A few rows at the end, 1 % at most of thousands, do not count:
        as many rows are used as are fast to transform.

    Raises
    ------
    MissingPackageError
        When scipy is not installed.
    """
    fft = needed("scipy.fft", "evaluation")
    size = values.shape[-1]
    while fft.next_fast_len(size, real=True) != size:
        size -= 1
    generator = np.random.default_rng(seed)
    # Of rows of another number these are turned by the same part of the genome.
    turned = 1 + (generator.random(draws) * (size - 1)).astype(np.int64)
    places = np.append(0, turned % size)
    sums = np.empty((len(values), len(flags), 1 + draws), dtype=np.float32)
    spectra = [np.conj(fft.rfft(row[:size].astype(np.float32))) for row in values]
    for column, flag in enumerate(flags):
        own = fft.rfft(flag[:size].astype(np.float32))
        for row, spectrum in enumerate(spectra):
            sums[row, column] = fft.irfft(spectrum * own, size)[places]
    return sums


def family_statistics(sums: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Distances of numbers from their mean over all draws, in standard deviations; NaN where nothing varies.

    Parameters
    ----------
    sums : numpy.ndarray of float32, shape (..., 1 + draws)
        As seen, then drawn.
    """
    mean = sums.mean(axis=-1, keepdims=True, dtype=np.float64)
    spread = sums.std(axis=-1, keepdims=True, dtype=np.float64)
    spread[spread <= 1e-6 * np.abs(mean)] = np.nan
    statistics: npt.NDArray[np.float32] = (np.abs(sums - mean) / spread).astype(np.float32)
    return statistics
