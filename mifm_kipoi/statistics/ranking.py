"""How well scores rank rows of which some are positive, and which rows they rank first.

Ties count by their expectation under a random order, or, in curves and their areas, have one threshold. Rows
may have weights: a resample of a bootstrap is a weighting of the rows.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd

from mifm_kipoi.statistics.estimates import Values

Flags = npt.NDArray[np.bool_]
Rows = npt.NDArray[np.int64]


class _Runs:
    """Rows in an order, cut into runs, of which weights are summed."""

    def __init__(self, order: Rows, starts: Rows, positive: Flags) -> None:
        self._order, self._starts, self._rows = order, starts, positive.size
        hits = np.flatnonzero(positive[order])
        before = np.searchsorted(hits, np.append(starts, order.size))
        self.has_positive = before[:-1] < before[1:]
        self._positive_rows = order[hits]
        self._positive_starts = before[:-1][self.has_positive]

    def sums(self, weights: Values | None) -> tuple[Values, Values]:
        """Weights of the positive rows and of all, of each run: shapes (runs,) or (runs, r)."""
        if weights is None:
            weights = np.ones(self._rows)
        every = np.add.reduceat(weights.take(self._order, axis=0), self._starts, axis=0)
        positives = np.zeros_like(every)
        if self.has_positive.any():
            own = weights.take(self._positive_rows, axis=0)
            positives[self.has_positive] = np.add.reduceat(own, self._positive_starts, axis=0)
        return positives, every


class Curve:
    """A score at every threshold, sorted once for any number of weightings.

    Weights have the shape (n,), or (n, r) for r weightings together; results then have the shape () or (r,).
    Without weights each row counts once.

    Parameters
    ----------
    score : numpy.ndarray of float64, shape (n,)
        Higher is more likely positive; n is at least 1.
    positive : numpy.ndarray of bool, shape (n,)
        Class of each row.

    Raises
    ------
    ValueError
        When a score is NaN, which cannot be ordered.
    """

    def __init__(self, score: Values, positive: Flags) -> None:
        _check(score)
        order = np.argsort(-score, kind="stable")
        thresholds = np.flatnonzero(_changes(score[order]))
        self._thresholds = _Runs(order, thresholds, positive)
        # Areas change only where positive rows are: runs of thresholds without any are one step.
        has = self._thresholds.has_positive
        self._steps = _Runs(order, thresholds[has | np.append(True, has[:-1])], positive)

    def points(self, weights: Values | None = None) -> tuple[Values, Values]:
        """Recall and precision, from the highest threshold on: shapes (thresholds,) or (thresholds, r)."""
        positives, every = self._thresholds.sums(weights)
        hits, chosen = positives.cumsum(axis=0), every.cumsum(axis=0)
        with np.errstate(invalid="ignore", divide="ignore"):
            return hits / hits[-1], _precision(hits, chosen)

    def roc(self) -> tuple[Values, Values]:
        """False positive rate and recall, from (0, 0) on: shapes (thresholds + 1,)."""
        positives, every = self._thresholds.sums(None)
        with np.errstate(invalid="ignore"):
            rates = [np.append(0.0, sums.cumsum() / sums.sum()) for sums in (every - positives, positives)]
        return rates[0], rates[1]

    def average_precision(self, weights: Values | None = None) -> Values:
        """``sum (R_i - R_(i-1)) P_i``, as scikit-learn defines it; AUPRC. NaN without a positive row."""
        return self.areas(weights)[0]

    def auroc(self, weights: Values | None = None) -> Values:
        """Probability that a positive row is above a negative one, ties half; NaN without either."""
        return self.areas(weights)[1]

    def areas(self, weights: Values | None = None) -> tuple[Values, Values]:
        """Average precision and AUROC, of one pass over the rows."""
        positives, every = self._steps.sums(weights)
        hits, chosen = positives.cumsum(axis=0), every.cumsum(axis=0)
        negatives = every - positives
        with np.errstate(invalid="ignore", divide="ignore"):
            average = (positives * _precision(hits, chosen)).sum(axis=0) / hits[-1]
            below = (negatives * (hits - positives / 2)).sum(axis=0)
            return average, below / (hits[-1] * negatives.sum(axis=0))


class GroupedPrecision:
    """Average precision within groups, the groups weighted by their rows.

    With chromosomes as groups it is the metric of TraitGym (Benegas et al. 2025, bioRxiv
    10.1101/2025.02.11.637758). Groups in which no row is positive, or each is, are left out: whatever the
    score, their average precision is 0 in scikit-learn, or 1.

    Parameters
    ----------
    score : numpy.ndarray of float64, shape (n,)
        Higher is more likely positive.
    positive : numpy.ndarray of bool, shape (n,)
        Class of each row.
    group : numpy.ndarray of int64, shape (n,)
        Group of each row, from 0 on.

    Attributes
    ----------
    sizes, positives : numpy.ndarray of int64, shape (groups,)
        Rows of the groups that count, and those that are positive.
    """

    def __init__(self, score: Values, positive: Flags, group: Rows) -> None:
        _check(score)
        sizes = np.bincount(group, minlength=1)
        positives = np.bincount(group[positive], minlength=sizes.size)
        counts = (positives > 0) & (positives < sizes)
        self.sizes, self.positives = sizes[counts], positives[counts]
        kept = np.flatnonzero(counts[group])
        order = kept[np.lexsort((-score[kept], group[kept]))]
        begins = _changes(group[order])
        thresholds = np.flatnonzero(begins | _changes(score[order]))
        has = _Runs(order, thresholds, positive).has_positive
        steps = thresholds[has | np.append(True, has[:-1])[: has.size] | begins[thresholds]]
        self._steps = _Runs(order, steps, positive)
        self._begins = np.flatnonzero(begins[steps])
        self._lengths = np.diff(self._begins, append=steps.size)

    def each(self, weights: Values | None = None) -> tuple[Values, Values, Values]:
        """Average precision, weight of the positive rows and of all, of each group that counts.

        Parameters
        ----------
        weights : numpy.ndarray of float64, shape (n,) or (n, r), optional
            Weight of each row, such as how often each of r resamples draws it; 1 by default.

        Returns
        -------
        tuple of numpy.ndarray of float64, shapes (groups,) or (groups, r)
        """
        positives, every = self._steps.sums(weights)
        hits, chosen = (self._within(sums.cumsum(axis=0)) for sums in (positives, every))
        with np.errstate(invalid="ignore", divide="ignore"):
            areas = np.add.reduceat(positives * _precision(hits, chosen), self._begins, axis=0)
            good, both = (np.add.reduceat(sums, self._begins, axis=0) for sums in (positives, every))
            return areas / good, good, both

    def mean(self, weights: Values | None = None) -> Values:
        """The weighted mean; groups that lack a class under the weights are left out. NaN without groups.

        Parameters
        ----------
        weights : numpy.ndarray of float64, shape (n,) or (n, r), optional
            Weight of each row, such as how often each of r resamples draws it; 1 by default.

        Returns
        -------
        numpy.ndarray of float64, shape () or (r,)
        """
        if not self.sizes.size:
            return np.full(() if weights is None else weights.shape[1:], np.nan)
        areas, good, both = self.each(weights)
        counts = (good > 0) & (good < both)
        with np.errstate(invalid="ignore"):
            mean = np.where(counts, areas * both, 0.0).sum(axis=0) / np.where(counts, both, 0.0).sum(axis=0)
        return np.asarray(mean)

    def expected(self) -> float:
        """The mean that a random order has on average; NaN without groups."""
        if not self.sizes.size:
            return float("nan")
        return float(np.average(expected_average_precision(self.positives, self.sizes), weights=self.sizes))

    def _within(self, sums: Values) -> Values:
        """Cumulative sums that start again at 0 with each group."""
        before = np.concatenate([np.zeros_like(sums[:1]), sums[self._begins[1:] - 1]])
        own: Values = sums - np.repeat(before, self._lengths, axis=0)
        return own


def _check(score: Values) -> None:
    if np.isnan(score).any():
        raise ValueError("scores with NaN cannot be ranked; leave these rows out")


def _changes(ordered: npt.NDArray[np.generic]) -> Flags:
    """Where a value differs from the one before; the first does."""
    return np.append(True, ordered[1:] != ordered[:-1])[: ordered.size]


def _precision(hits: Values, chosen: Values) -> Values:
    return np.where(chosen > 0, hits / chosen, 1.0)


def average_precision(score: Values, positive: Flags, weights: Values | None = None) -> float:
    """Average precision of one score (:meth:`Curve.average_precision`); NaN without rows."""
    return float("nan") if not score.size else float(Curve(score, positive).average_precision(weights))


def expected_average_precision(positives: npt.ArrayLike, rows: npt.ArrayLike) -> Values:
    """Average precision that a random order has on average.

    ``H_N / N + (P - 1) / (N - 1) (1 - H_N / N)`` with the harmonic number ``H_N = 1 + 1/2 + ... + 1/N``: the
    row at rank k is positive with probability P/N, and then (k - 1) (P - 1) / (N - 1) of those before it are
    on average. It is above the fraction of positives P/N, which a constant score has, and falls to it as N
    grows.

    Parameters
    ----------
    positives, rows : array_like of int
        P from 1 to N, and N, at least 2.

    Returns
    -------
    numpy.ndarray of float64, of the shape of both
    """
    good, size = np.asarray(positives), np.asarray(rows)
    harmonic = (1 / np.arange(1, size.max() + 1)).cumsum()[size - 1]
    return np.asarray(harmonic / size + (good - 1) / (size - 1) * (1 - harmonic / size))


def auroc(score: Values, positive: Flags, weights: Values | None = None) -> float:
    """Area under the ROC curve of one score (:meth:`Curve.auroc`); NaN without rows."""
    return float("nan") if not score.size else float(Curve(score, positive).auroc(weights))


def top_k(score: Values, bag: Rows, positive: Flags, k: int) -> pd.Series[float]:
    """Whether a positive row is among the first k of its bag.

    Parameters
    ----------
    score : numpy.ndarray of float64, shape (n,)
        Higher comes first; rows of equal scores are in random order.
    bag : numpy.ndarray of int64, shape (n,)
        Bag of each row.
    positive : numpy.ndarray of bool, shape (n,)
        Which rows count as hits.
    k : int
        All rows of a bag that has fewer.

    Returns
    -------
    pandas.Series of float64
        The probability, of each bag with a positive row, by bag.
    """
    if not score.size:
        return pd.Series(dtype=np.float64)
    order = np.lexsort((-score, bag))
    bag, positive = bag[order], positive[order]
    starts, sizes, above, tied, left = _edges(score[order], bag, k)
    total, good = (np.add.reduceat(flags.astype(np.int64), starts) for flags in (tied, tied & positive))
    # None of the positive ones among those drawn: C(total - good, left) / C(total, left).
    log_factorial = np.append(0.0, np.log(np.arange(1, sizes.max() + 1)).cumsum())
    others = np.maximum(total - good, left)
    log_none = log_factorial[others] + log_factorial[total - left]
    log_none -= log_factorial[others - left] + log_factorial[total]
    chance = np.where(total - good < left, 1.0, 1 - np.exp(log_none))
    hits = np.where(np.logical_or.reduceat(above & positive, starts), 1.0, chance)
    return pd.Series(hits, bag[starts])[np.logical_or.reduceat(positive, starts)]


def among_first(score: Values, bag: Rows, k: int) -> Values:
    """How probable it is that each row is among the first k of its bag.

    Parameters
    ----------
    score : numpy.ndarray of float64, shape (n,)
        Higher comes first; rows of equal scores are in random order.
    bag : numpy.ndarray of int64, shape (n,)
        Bag of each row.
    k : int
        All rows of a bag that has fewer.

    Returns
    -------
    numpy.ndarray of float64, shape (n,)
        They sum to k in each bag, or to its size.
    """
    if not score.size:
        return np.zeros(0)
    order = np.lexsort((-score, bag))
    starts, sizes, above, tied, left = _edges(score[order], bag[order], k)
    chance = left / np.add.reduceat(tied.astype(np.int64), starts)
    member = np.empty(score.size)
    member[order] = np.where(above, 1.0, np.where(tied, np.repeat(chance, sizes), 0.0))
    return member


def _edges(score: Values, bag: Rows, k: int) -> tuple[Rows, Rows, Flags, Flags, Rows]:
    """The edges of the first k of each bag, of rows that are sorted by bag and falling score.

    Returns
    -------
    starts, sizes : numpy.ndarray of int64, shape (bags,)
        First row of each bag, and its rows.
    above, tied : numpy.ndarray of bool, shape (n,)
        Rows with a higher score than the last of the first k, and with the same.
    left : numpy.ndarray of int64, shape (bags,)
        How many of the tied rows are among the first k.
    """
    starts = np.flatnonzero(_changes(bag))
    sizes = np.diff(starts, append=bag.size)
    drawn = np.minimum(k, sizes)
    last = np.repeat(score[starts + drawn - 1], sizes)
    above, tied = score > last, score == last
    return starts, sizes, above, tied, drawn - np.add.reduceat(above.astype(np.int64), starts)


class Top:
    """The rows with the highest scores, of any number k, where ties at the edge are broken at random.

    Parameters
    ----------
    score : numpy.ndarray of float64, shape (n,)
        Higher comes first.
    order : numpy.ndarray of int64, shape (m,)
        The rows to look at, which have a score, from the lowest to the highest.
    """

    def __init__(self, score: Values, order: Rows) -> None:
        self._rows = len(score)
        self._order = order
        self._sorted = score[order]

    def membership(self, k: int) -> Values:
        """How probable it is that each row is one of the top k.

        Parameters
        ----------
        k : int
            From 1 to m.

        Returns
        -------
        numpy.ndarray of float64, shape (n,)
            They sum to k.
        """
        edge = self._sorted[-k]
        first, last = np.searchsorted(self._sorted, edge), np.searchsorted(self._sorted, edge, side="right")
        member = np.zeros(self._rows)
        member[self._order[last:]] = 1
        member[self._order[first:last]] = (k - len(self._sorted) + last) / (last - first)
        return member
