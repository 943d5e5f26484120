"""Means of values that come in clusters, and their tests."""

from __future__ import annotations

import dataclasses

import numpy as np
import numpy.typing as npt

from mifm_kipoi.statistics.estimates import MIN_CLUSTERS, Estimate, Values
from mifm_kipoi.support.packages import needed

_LEVEL = 0.975
"""Quantile of Student's distribution at the upper end of a 95 % interval."""

_ROUNDING = 1e-12
"""Standard errors below this part of the largest value are rounding alone."""


@dataclasses.dataclass(frozen=True)
class TestedMean:
    """A mean and the test of whether it is 0.

    Parameters
    ----------
    estimate : Estimate
        With its 95 % interval.
    p_value : float
        Two-sided; NaN where there is no interval.
    clusters : int
        That the values come in.
    """

    # Nothing for pytest to collect.
    __test__ = False

    estimate: Estimate
    p_value: float
    clusters: int


def mean_of_clusters(values: Values, cluster: npt.NDArray[np.int64]) -> TestedMean:
    """The mean of values that depend on each other within clusters.

    The standard error is the cluster-robust one (Liang and Zeger 1986) of a regression on a constant,
    ``sqrt(G / (G - 1) sum_g (sum_(i in g) (x_i - mean))^2) / n``; the interval and the test are Student's
    with G - 1 degrees of freedom, for G clusters.

    Parameters
    ----------
    values : numpy.ndarray of float64, shape (n,)
        Finite.
    cluster : numpy.ndarray of int64, shape (n,)
        Of each value.

    Returns
    -------
    TestedMean
        Without an interval and a p-value where there are fewer than
        :data:`mifm_kipoi.statistics.estimates.MIN_CLUSTERS` clusters, or all sums are the same.

    Raises
    ------
    MissingPackageError
        When scipy is not installed.
    """
    names, index = np.unique(cluster, return_inverse=True)
    count = len(names)
    if not len(values):
        return TestedMean(Estimate(float("nan")), float("nan"), 0)
    mean = float(values.mean())
    sums = np.bincount(index, values - mean, count)
    if count < MIN_CLUSTERS:
        return TestedMean(Estimate(mean), float("nan"), count)
    error = float(np.sqrt(count / (count - 1) * (sums**2).sum())) / len(values)
    if error <= _ROUNDING * float(np.abs(values).max()):
        return TestedMean(Estimate(mean), float("nan"), count)
    student = needed("scipy.stats", "evaluation").t
    half = float(student.ppf(_LEVEL, count - 1)) * error
    p_value = 2 * float(student.sf(abs(mean) / error, count - 1))
    return TestedMean(Estimate(mean, mean - half, mean + half), p_value, count)
