"""Corrections of p-values for many tests, over those that were really made.

A p-value of NaN says that there was no test; it does not count.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from mifm_kipoi.statistics.estimates import Values


def holm(p_values: Values) -> Values:
    """P-values adjusted for all of them together (Holm 1979): the chance of any false rejection is bounded.

    Parameters
    ----------
    p_values : numpy.ndarray of float64, shape (n,)
        NaN where there was no test; those do not count.

    Returns
    -------
    numpy.ndarray of float64, shape (n,)
        In the same order, NaN where there was no test.
    """
    adjusted, order = _tested(p_values)
    factors = np.arange(len(order), 0, -1)
    adjusted[order] = np.minimum(np.maximum.accumulate(factors * p_values[order]), 1)
    return adjusted


def benjamini_hochberg(p_values: Values, dependent: bool = False) -> Values:
    """P-values adjusted for the expected fraction of false ones among those rejected (1995).

    Parameters
    ----------
    p_values : numpy.ndarray of float64, shape (n,)
        NaN where there was no test; those do not count.
    dependent : bool
        Whether tests may depend on each other in any way: Benjamini and Yekutieli's (2001), larger by
        ``1 + 1/2 + ... + 1/n``.

    Returns
    -------
    numpy.ndarray of float64, shape (n,)
        In the same order, NaN where there was no test.
    """
    adjusted, order = _tested(p_values)
    ranks = np.arange(1, len(order) + 1)
    factors = len(order) / ranks * ((1 / ranks).sum() if dependent else 1.0)
    adjusted[order] = np.minimum(np.minimum.accumulate((factors * p_values[order])[::-1])[::-1], 1)
    return adjusted


def _tested(p_values: Values) -> tuple[Values, npt.NDArray[np.int64]]:
    """NaN for all, and the tests in the order of their p-values."""
    tested = np.flatnonzero(~np.isnan(p_values))
    return np.full(len(p_values), np.nan), tested[np.argsort(p_values[tested], kind="stable")]
