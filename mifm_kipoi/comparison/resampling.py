"""Intervals by bootstrap over blocks: neighbouring variants are alike, and blocks of them are less so."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from mifm_kipoi.comparison.blocks import stretches
from mifm_kipoi.comparison.comparison import Comparison

MIN_BLOCKS = 5
"""With fewer blocks there is no interval: their resamples are too few and too alike."""

FEW_BLOCKS = 30
"""With fewer blocks intervals are known to be too narrow."""

LEVEL = 0.95
"""Share of the resamples inside an interval."""

_MOST_WEIGHTS = 1 << 21
"""Weights that are held at once."""

_MOST_UNDEFINED = 0.05
"""Share of resamples that may have no value, as where a score is constant in them."""

_SAME = 1e-12
"""Values that differ by less differ by rounding."""

Numbers = npt.NDArray[np.float64]


def independent_blocks(comparison: Comparison) -> npt.NDArray[np.int64]:
    """The block of each row that is drawn whole: that of the comparison, or outside all a stretch of 100 kb.

    Parameters
    ----------
    comparison : Comparison

    Returns
    -------
    numpy.ndarray of int64, shape (n,)
        From 0 on, without gaps.
    """
    rows = comparison.table
    outside = comparison.block < 0
    block = comparison.block.copy()
    stretch, _ = stretches(rows.loc[outside, "chrom"], rows.loc[outside, "pos"])
    block[outside] = stretch + comparison.block.max(initial=-1) + 1
    return np.unique(block, return_inverse=True)[1].astype(np.int64)


def draw_weights(blocks: int, resamples: int, seed: int) -> Iterator[Numbers]:
    """How often each block is in each resample, in runs of resamples.

    Parameters
    ----------
    blocks : int
        As many are drawn with replacement for one resample.
    resamples : int
    seed : int

    Yields
    ------
    numpy.ndarray of float64, shape (some resamples, blocks)
        Each row sums to ``blocks``.
    """
    generator = np.random.default_rng(seed)
    chunk_size = max(1, _MOST_WEIGHTS // blocks)
    for start in range(0, resamples, chunk_size):
        size = min(chunk_size, resamples - start)
        yield generator.multinomial(blocks, np.full(blocks, 1 / blocks), size=size).astype(np.float64)


def resampled_sums(sums: Numbers, resamples: int, seed: int) -> Numbers:
    """Sums over the rows of each resample, from the sums over the rows of each block.

    Parameters
    ----------
    sums : numpy.ndarray of float64, shape (..., blocks)
    resamples, seed : int
        The same give the same resamples, whatever is summed.

    Returns
    -------
    numpy.ndarray of float64, shape (resamples, ...)
    """
    blocks = sums.shape[-1]
    flat = sums.reshape(-1, blocks).T
    drawn = [weights @ flat for weights in draw_weights(blocks, resamples, seed)]
    return np.concatenate(drawn).reshape(resamples, *sums.shape[:-1])


def percentile_interval(values: Numbers, blocks: npt.NDArray[np.int64]) -> tuple[Numbers, Numbers]:
    """The middle 95 % of resampled values.

    Parameters
    ----------
    values : numpy.ndarray of float64, shape (resamples, m)
        NaN where a resample has no value.
    blocks : numpy.ndarray of int64, shape (m,)
        Blocks with rows that each value is of.

    Returns
    -------
    low, high : numpy.ndarray of float64, shape (m,)
        NaN with fewer than :data:`MIN_BLOCKS` blocks, where more than 5 % of the resamples have no value, and
        where all have the same, as when no block holds an exception: that does not say how rare these are.
    """
    undefined = np.isnan(values)
    unknown = (blocks < MIN_BLOCKS) | (undefined.mean(axis=0) > _MOST_UNDEFINED)
    filled: Any = np.where(unknown, 0.0, values)
    low, high = np.nanquantile(filled, [(1 - LEVEL) / 2, (1 + LEVEL) / 2], axis=0)
    unknown |= high - low < _SAME
    return np.where(unknown, np.nan, low), np.where(unknown, np.nan, high)
