"""Linkage disequilibrium: correlations between the dosages of variants, and variants in little of it."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from mifm_kipoi.genetics.genotypes import Block, Genotypes

Missing = Literal["mean", "pairwise"]
"""What a missing dosage is: the mean of its variant, or a reason to leave the person out of the pair."""

_CONSTANT = 1e-12
"""A variance of less than this fraction of the mean square is what rounding leaves of a constant."""

_Floats = npt.NDArray[np.floating]
Values = npt.NDArray[np.float64]
Rows = npt.NDArray[np.int64]


def correlations(dosages: _Floats, others: _Floats | None = None, missing: Missing = "mean") -> Values:
    """Pearson correlations between the dosages of variants.

    With ``mean``, a missing dosage counts as the mean of its variant, so that the matrix of one set of
    variants is positive semidefinite, as what inverts it needs. With ``pairwise``, a correlation is that of
    the people who have both dosages, as PLINK's ``--r``; such a matrix can be indefinite.

    Parameters
    ----------
    dosages : numpy.ndarray of float, shape (m, n)
        Of m variants and n people; NaN where missing.
    others : numpy.ndarray of float, shape (k, n), optional
        Of other variants and the same people; by default ``dosages``.
    missing : str
        ``mean`` or ``pairwise``.

    Returns
    -------
    numpy.ndarray of float64, shape (m, k)
        From -1 to 1; NaN where a variant is constant among the people who count.
    """
    if missing == "mean":
        mine = _normed(dosages)
        r = mine @ (mine if others is None else _normed(others)).T
        return np.clip(r, -1.0, 1.0)
    x, in_x = _filled(dosages)
    y, in_y = (x, in_x) if others is None else _filled(others)
    number = in_x @ in_y.T
    sum_x, sum_y = x @ in_y.T, in_x @ y.T
    square_x, square_y = (x**2) @ in_y.T, in_x @ (y**2).T
    covariance = number * (x @ y.T) - sum_x * sum_y
    variance_x, variance_y = number * square_x - sum_x**2, number * square_y - sum_y**2
    known = (variance_x > _CONSTANT * number * square_x) & (variance_y > _CONSTANT * number * square_y)
    product = np.where(known, variance_x * variance_y, np.nan)
    return np.clip(covariance / np.sqrt(product), -1.0, 1.0)


def correlations_of(
    genotypes: Genotypes, rows: npt.ArrayLike, samples: npt.ArrayLike | None = None, missing: Missing = "mean"
) -> Values:
    """Correlations between some variants of a source, in the order in which they are named.

    Parameters
    ----------
    genotypes : Genotypes
        The source; it is read once.
    rows : array-like of int, shape (m,)
        ``row`` of the variants, each once. Their dosages are held together, as is the matrix.
    samples : array-like of int, optional
        Rows of its people; by default all.
    missing : str
        As of :func:`correlations`.

    Returns
    -------
    numpy.ndarray of float64, shape (m, m)
        Of copies of the alleles that the source counts.

    Raises
    ------
    ValueError
        When a row is named twice, or the source does not have it.
    """
    wanted = np.asarray(rows, dtype=np.int64)
    if len(np.unique(wanted)) < len(wanted):
        raise ValueError(f"rows has {len(wanted)} variants, some of them twice")
    blocks = list(genotypes.blocks(lambda chunk: chunk["row"].isin(wanted).to_numpy(), samples))
    read = np.concatenate([np.empty(0, np.int64), *(block.variants["row"].to_numpy() for block in blocks)])
    if len(read) < len(wanted):
        raise ValueError(f"the genotypes lack {len(wanted) - len(read)} of {len(wanted)} rows")
    if not len(wanted):
        return np.empty((0, 0))
    order = np.argsort(read)[np.searchsorted(np.sort(read), wanted)]
    return correlations(np.concatenate([block.dosages for block in blocks])[order], missing=missing)


def independent_rows(
    genotypes: Genotypes,
    choose: Callable[[pd.DataFrame], npt.NDArray[np.bool_]],
    samples: npt.ArrayLike | None = None,
    *,
    usable: Callable[[Block], npt.NDArray[np.bool_]] = lambda block: np.ones(len(block.variants), dtype=bool),
    max_r2: float,
    window_bp: int,
) -> Rows:
    """Variants in little LD with each other: from the first on, each that has none with those kept before.

    Parameters
    ----------
    genotypes : Genotypes
        The source; it is read once. Variants of a contig should follow each other by position: one that
        steps back is compared with those of its window that are still held.
    choose : callable
        Which variants are considered, as of :meth:`Genotypes.blocks`.
    samples : array-like of int, optional
        Rows of its people; by default all.
    usable : callable
        Which variants of a block are considered, by their dosages.
    max_r2 : float
        Highest squared correlation of two variants that are kept.
    window_bp : int
        Distance beyond which variants are not compared.

    Returns
    -------
    numpy.ndarray of int64, shape (m,)
        ``row`` of the variants, rising. Constant ones are never kept.
    """
    kept: list[int] = []
    near: deque[tuple[int, Values]] = deque()
    contig = ""
    for block in genotypes.blocks(choose, samples):
        normed = _normed(block.dosages)
        use = np.asarray(usable(block), dtype=bool) & ~np.isnan(normed[:, 0])
        variants = block.variants
        places = zip(
            variants["row"].tolist(), variants["chrom"].tolist(), variants["pos"].tolist(), strict=True
        )
        for (row, chrom, pos), mine, considered in zip(places, normed, use, strict=True):
            if not considered:
                continue
            if chrom != contig:
                near.clear()
                contig = chrom
            while near and near[0][0] < pos - window_bp:
                near.popleft()
            if near and (np.square([mine @ other for _, other in near]) > max_r2).any():
                continue
            kept.append(row)
            near.append((pos, mine.copy()))
    return np.array(kept, dtype=np.int64)


def _normed(dosages: _Floats) -> Values:
    """Rows of mean 0 and length 1, a missing value being the mean; NaN where constant."""
    x, observed = _filled(dosages)
    number = np.maximum(observed.sum(axis=1, keepdims=True), 1)
    square = (x**2).sum(axis=1, keepdims=True)
    x = np.where(observed > 0, x - x.sum(axis=1, keepdims=True) / number, 0.0)
    length = (x**2).sum(axis=1, keepdims=True)
    return np.asarray(x / np.sqrt(np.where(length > _CONSTANT * square, length, np.nan)))


def _filled(dosages: _Floats) -> tuple[Values, Values]:
    """Dosages with 0 where they are missing, and 1 where they are not, else 0."""
    observed = ~np.isnan(dosages)
    return np.where(observed, dosages, 0).astype(np.float64), observed.astype(np.float64)
