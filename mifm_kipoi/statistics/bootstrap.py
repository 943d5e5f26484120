"""Intervals, standard errors and p-values from resamples, each of which is a weighting of the rows."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator

import numpy as np
import numpy.typing as npt

Values = npt.NDArray[np.float64]
Statistic = Callable[[Values], Values]
"""Of weights of rows, shape (n, r): numbers of shape (r,), or several of them, (m, r)."""

RESAMPLES = 1000

_CHUNK_SIZE = 1 << 17
"""Weights in memory at once: 1 MiB, what caches hold."""


@dataclasses.dataclass(frozen=True)
class Estimate:
    """A number with its 95 % interval."""

    value: float
    low: float
    high: float


class Clusters:
    """Bootstrap over clusters: rows of one, such as variants in LD, are drawn together.

    Parameters
    ----------
    cluster : numpy.ndarray of int64, shape (n,)
        Of each row.
    seed : int
    resamples : int

    Attributes
    ----------
    names : numpy.ndarray of int64, shape (c,)
        The clusters, sorted.
    index : numpy.ndarray of int64, shape (n,)
        Of each row, its place in ``names``.
    weights : numpy.ndarray of float64, shape (resamples, c)
        How often each cluster was drawn.
    """

    def __init__(self, cluster: npt.NDArray[np.int64], seed: int = 1, resamples: int = RESAMPLES) -> None:
        self.names, self.index = np.unique(cluster, return_inverse=True)
        generator = np.random.default_rng(seed)
        count = self.names.size
        self.weights = generator.multinomial(count, np.full(count, 1 / count), resamples).astype(np.float64)

    def resampled(self, statistic: Statistic) -> Values:
        """A statistic under each resample: shape (resamples,), or (m, resamples)."""
        chunk_size = max(_CHUNK_SIZE // max(self.index.size, 1), 1)
        parts = (
            self.weights[start : start + chunk_size] for start in range(0, len(self.weights), chunk_size)
        )
        drawn = (np.ascontiguousarray(part.T).take(self.index, axis=0) for part in parts)
        return np.concatenate([statistic(weights) for weights in drawn], axis=-1)

    def interval(self, statistic: Statistic) -> Estimate:
        """A statistic as it is, and over resamples; NaN among these are left out."""
        value = statistic(np.ones((self.index.size, 1)))
        return estimate(float(value[0]), self.resampled(statistic))

    def means(self, values: Values, rows: npt.NDArray[np.int64] | None = None) -> Values:
        """Means of values under each resample, NaN where no row was drawn: shape (resamples,).

        Parameters
        ----------
        values : numpy.ndarray of float64, shape (m,)
        rows : numpy.ndarray of int64, shape (m,), optional
            The row with whose cluster each value is drawn; by default there is a value for each row.
        """
        index = self.index if rows is None else self.index[rows]
        sums = np.bincount(index, values, self.names.size)
        counts = np.bincount(index, minlength=self.names.size)
        with np.errstate(invalid="ignore"):
            found: Values = (self.weights @ sums) / (self.weights @ counts)
        return found

    def mean(self, values: Values) -> Estimate:
        """The mean of the rows' values."""
        return estimate(float(values.mean()) if values.size else float("nan"), self.means(values))


def resampled_within_classes(
    positive: npt.NDArray[np.bool_], statistic: Statistic, seed: int = 1, resamples: int = RESAMPLES
) -> Values:
    """A statistic under resamples of single rows, the positive and the negative ones apart.

    Parameters
    ----------
    positive : numpy.ndarray of bool, shape (n,)
    statistic : callable
        Receives weights of shape (n, r).
    seed, resamples : int

    Returns
    -------
    numpy.ndarray of float64, shape (resamples,) or (m, resamples)
    """
    generator = np.random.default_rng(seed)
    classes = [rows for rows in (np.flatnonzero(positive), np.flatnonzero(~positive)) if rows.size]

    def batches() -> Iterator[Values]:
        chunk_size = max(_CHUNK_SIZE // positive.size, 1)
        for start in range(0, resamples, chunk_size):
            weights = np.empty((min(chunk_size, resamples - start), positive.size))
            for one in weights:
                for rows in classes:
                    drawn = generator.integers(0, rows.size, rows.size)
                    one[rows] = np.bincount(drawn, minlength=rows.size)
            yield np.ascontiguousarray(weights.T)

    return np.concatenate([statistic(weights) for weights in batches()], axis=-1)


def centred(value: float, resampled: Values) -> Values:
    """Resamples of a number less their bias, the mean of their differences from the number.

    A row that is drawn several times ties with itself, so that average precision is too high in resamples of
    few rows. Of simulated scores no better than chance, in 20, 100 and 400 matched groups of one positive
    and nine negative rows, plain 95 % intervals held the truth in 85 %, 89 % and 92 % of cases, and centred
    ones in 97 %, 95 % and 96 %; of scores with an AUPRC of 0.29 in 88 %, 91 % and 93 %, and in 90 %, 92 % and
    94 %.
    """
    finite = resampled[np.isfinite(resampled)]
    return resampled - (finite.mean() - value) if finite.size else resampled


def estimate(value: float, resampled: Values) -> Estimate:
    """A value with the 2.5 % and 97.5 % quantiles of its resamples; NaN among these are left out."""
    finite = resampled[np.isfinite(resampled)]
    if not finite.size:
        return Estimate(value, float("nan"), float("nan"))
    low, high = np.quantile(finite, [0.025, 0.975])
    return Estimate(value, float(low), float(high))


def standard_error(resampled: Values) -> float:
    """Standard deviation of the resamples of a number; NaN among these are left out."""
    finite = resampled[np.isfinite(resampled)]
    return float(finite.std(ddof=1)) if finite.size > 1 else float("nan")


def two_sided_p(differences: Values) -> float:
    """Bootstrap p-value of a difference: twice the share of resamples on the rarer side of 0, at most 1.

    ``2 (1 + min(#{d <= 0}, #{d >= 0})) / (1 + resamples)``; NaN among these are left out.
    """
    finite = differences[np.isfinite(differences)]
    if not finite.size:
        return float("nan")
    rarer = min(int((finite <= 0).sum()), int((finite >= 0).sum()))
    return min(1.0, 2 * (1 + rarer) / (1 + finite.size))
