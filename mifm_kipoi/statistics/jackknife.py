"""The delete-one-block jackknife: standard errors of numbers of rows that depend on each other in blocks.

A number is computed anew with each block left out, and its variance is ``(g - 1)/g sum (x_(j) - mean)^2``
over g blocks (Efron and Stein, 1981, Annals of Statistics 9:586). Blocks of different sizes count as they
are: a weighting by their sizes, as of the delete-m_j jackknife, holds for independent rows and is too small
for rows of a block that depend on each other.

P-values and intervals are Student's with the degrees of freedom of the effective number of blocks
(:func:`effective_blocks`), less one: of something that lies in ten blocks only ten tell the size of the
error, however many blocks the genome has.
"""

from __future__ import annotations

import dataclasses

import numpy as np
import numpy.typing as npt

from mifm_kipoi.statistics.estimates import MIN_CLUSTERS, Values
from mifm_kipoi.support.packages import needed


@dataclasses.dataclass(frozen=True)
class Jackknifed:
    """Numbers with what the jackknife says of them; all arrays have the shape (...).

    Parameters
    ----------
    value : numpy.ndarray of float64
        Of all rows.
    standard_error : numpy.ndarray of float64
        NaN where the number is not finite with all blocks, and with each of them left out.
    low, high : numpy.ndarray of float64
        95 % interval; NaN where there is none.
    p_value : numpy.ndarray of float64
        Two-sided, of the number being 0; NaN where there is none.
    freedom : numpy.ndarray of float64
        Degrees of freedom.
    """

    value: Values
    standard_error: Values
    low: Values
    high: Values
    p_value: Values
    freedom: Values


def left_out(sums: Values) -> Values:
    """Sums over all blocks but one: shape (..., blocks), of sums over the rows of each block."""
    rest: Values = sums.sum(axis=-1, keepdims=True) - sums
    return rest


def effective_blocks(weights: Values) -> Values:
    """How many blocks of equal weight would be as uneven: ``(sum w)^2 / sum w^2``, shape (...).

    Parameters
    ----------
    weights : numpy.ndarray of float64, shape (..., blocks)
        What each block adds to the variance; not negative.

    Returns
    -------
    numpy.ndarray of float64, shape (...)
        0 where all weights are.
    """
    total, squares = weights.sum(axis=-1), (weights**2).sum(axis=-1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(squares > 0, total**2 / squares, 0.0)


def jackknife(value: npt.ArrayLike, without: Values, effective: npt.ArrayLike | None = None) -> Jackknifed:
    """Standard errors, intervals and p-values of numbers.

    Parameters
    ----------
    value : array-like of float64, shape (...)
        Of all rows.
    without : numpy.ndarray of float64, shape (..., blocks)
        With each block left out.
    effective : array-like of float64, shape (...), optional
        Effective numbers of blocks; by default all blocks.

    Returns
    -------
    Jackknifed
        Without intervals and p-values where fewer than
        :data:`mifm_kipoi.statistics.estimates.MIN_CLUSTERS` blocks are effective, or where a number is not
        finite once a block is left out: what rests on a single block has no known error.

    Raises
    ------
    MissingPackageError
        When scipy is not installed.
    """
    student = needed("scipy.stats", "evaluation").t
    values, blocks = np.asarray(value, dtype=np.float64), without.shape[-1]
    blocks_that_count = np.broadcast_to(blocks if effective is None else effective, values.shape)
    known = np.isfinite(values) & np.isfinite(without).all(axis=-1) & (blocks_that_count >= MIN_CLUSTERS)
    finite = np.where(known[..., np.newaxis], without, 0.0)
    deviations = finite - finite.mean(axis=-1, keepdims=True)
    deviations[~known] = np.nan
    error = np.sqrt((blocks - 1) / max(blocks, 1) * (deviations**2).sum(axis=-1))
    # The numbers are all the same where nothing varies; that is no certainty.
    error = np.where(error > 0, error, np.nan)
    freedom = np.where(known, np.maximum(blocks_that_count - 1, 1), np.nan)
    half = student.ppf(0.975, freedom) * error
    p_value = 2 * student.sf(np.abs(values) / error, freedom)
    return Jackknifed(values, error, values - half, values + half, p_value, freedom)
