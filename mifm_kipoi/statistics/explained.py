"""How much of an outcome predictors explain: R2 in its forms, with variances, also of differences.

All measures of predictions by models that did not see the person are of one form, a ratio of sums of losses
over the persons, ``sum (before - after) / sum total``:

=====================  ===========================  =========================  ===========================
measure                before                       after                      total
=====================  ===========================  =========================  ===========================
R2 of the whole model  squared deviation from mean  squared error, with score  squared deviation from mean
incremental R2         squared error, covariates    squared error, with score  squared deviation from mean
partial R2             squared error, covariates    squared error, with score  squared error, covariates
McFadden's R2          log loss, covariates         log loss, with score       log loss, covariates
=====================  ===========================  =========================  ===========================

Sums go over all folds together: the R2 of small folds, averaged, depend on which persons are in which fold,
and folds are not replicates, since their models share most of their training data (Nadeau and Bengio, 2003,
Machine Learning 52:239). Out-of-fold R2 are below 0 where a score predicts worse than none. Variances are of
persons that could have been drawn, with the fitted models as they are.
"""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import numpy.typing as npt

from mifm_kipoi.statistics.bootstrap import Bootstrap
from mifm_kipoi.statistics.estimates import Estimate, Values
from mifm_kipoi.support.packages import needed

_NORMAL_975 = 1.959963984540054
"""The 97.5 % quantile of the normal distribution."""


@dataclasses.dataclass(frozen=True)
class Difference:
    """Difference between two measures of the same persons.

    Parameters
    ----------
    value, standard_error : float
        First less second.
    low, high : float
        95 % interval.
    p_value : float
        Two-sided, of the normal distribution; 1 where both are the same for every person.
    """

    value: float
    standard_error: float
    low: float
    high: float
    p_value: float


@dataclasses.dataclass(frozen=True)
class Measures:
    """Measures of m predictors on the same persons.

    Parameters
    ----------
    values : numpy.ndarray of float64, shape (m,)
        NaN where there is none.
    covariance : numpy.ndarray of float64, shape (m, m)
        Of the values; NaN where there is no value.
    """

    values: Values
    covariance: Values

    @property
    def standard_errors(self) -> Values:
        """Shape (m,)."""
        errors: Values = np.sqrt(np.diag(self.covariance))
        return errors

    def estimate(self, number: int) -> Estimate:
        """One of the values with its 95 % interval, ``value -+ 1.96 standard errors``."""
        value, half = float(self.values[number]), _NORMAL_975 * float(self.standard_errors[number])
        return Estimate(value, value - half, value + half)

    def difference(self, first: int, second: int) -> Difference:
        """Between two predictors, whose measures are correlated."""
        value = float(self.values[first] - self.values[second])
        cov = self.covariance
        variance = float(cov[first, first] + cov[second, second] - cov[first, second] - cov[second, first])
        # What rounding leaves of two equal ones is no variance.
        if variance <= 1e-14 * float(cov[first, first] + cov[second, second]):
            variance = 0.0
        return _difference(value, variance)


def _difference(value: float, variance: float) -> Difference:
    error = math.sqrt(variance) if variance >= 0 else float("nan")
    if math.isnan(value) or math.isnan(error):
        return Difference(value, error, float("nan"), float("nan"), float("nan"))
    if error == 0:
        return Difference(value, error, value, value, 1.0 if value == 0 else 0.0)
    p_value = math.erfc(abs(value) / error / math.sqrt(2))
    return Difference(value, error, value - _NORMAL_975 * error, value + _NORMAL_975 * error, p_value)


def squared_errors(prediction: Values, outcome: Values) -> Values:
    """Squared errors, shape (n,) or (n, m).

    Parameters
    ----------
    prediction : numpy.ndarray of float64, shape (n,) or (n, m)
    outcome : numpy.ndarray of float64, shape (n,)
    """
    errors: Values = prediction - (outcome if prediction.ndim == 1 else outcome[:, np.newaxis])
    return errors**2


def log_losses(logit: Values, positive: Values) -> Values:
    """Minus the logarithms of the likelihoods of classes, shape (n,) or (n, m).

    Parameters
    ----------
    logit : numpy.ndarray of float64, shape (n,) or (n, m)
        Predicted log odds.
    positive : numpy.ndarray of bool or float64, shape (n,)
        True, or 1, for cases.
    """
    case = np.asarray(positive, dtype=bool)
    signed = np.where(case if logit.ndim == 1 else case[:, np.newaxis], -logit, logit)
    with np.errstate(invalid="ignore"):
        return np.logaddexp(0.0, signed)


def deviations(outcome: Values) -> Values:
    """Squared deviations from the mean, shape (n,): the total of R2."""
    values = np.asarray(outcome, dtype=np.float64)
    centred: Values = values - values.mean()
    return centred**2


def reduction(before: Values, after: Values, total: Values, cluster: npt.ArrayLike | None = None) -> Measures:
    """Ratios of sums ``sum (before - after) / sum total``, with their covariance.

    The covariance is that of the delta method for a ratio of means: of the influence of each person,
    ``(d_i - R t_i) / sum t`` with d_i = before - after and t_i = total (Cochran, 1977, Sampling Techniques,
    section 6.3). It is what the bootstrap of persons has for large n.

    Parameters
    ----------
    before, total : numpy.ndarray of float64, shape (n,)
        See the module.
    after : numpy.ndarray of float64, shape (n,) or (n, m)
        Of each of m models; a column with NaN has no value.
    cluster : array_like, shape (n,), optional
        Persons of a cluster, such as a family or repeated tests of one person, may depend on each other.

    Returns
    -------
    Measures
    """
    gains = before[:, np.newaxis] - after.reshape(len(before), -1)
    whole = float(total.sum())
    with np.errstate(invalid="ignore", divide="ignore"):
        values = gains.sum(axis=0) / whole
        influence = (gains - total[:, np.newaxis] * values) / whole
    size = len(before)
    if cluster is not None:
        names, index = np.unique(cluster, return_inverse=True)
        size = names.size
        influence = np.stack([np.bincount(index, column, size) for column in influence.T], axis=1)
    covariance = influence.T @ influence * (size / (size - 1) if size > 1 else float("nan"))
    return Measures(np.where(np.isfinite(values), values, np.nan), covariance)


def resampled_reduction(before: Values, after: Values, total: Values, bootstrap: Bootstrap) -> Values:
    """The same ratios under resamples of persons: matrix products, whatever the number of models.

    Parameters
    ----------
    before, after, total
        As in :func:`reduction`.
    bootstrap : Bootstrap
        Of the persons, ``Bootstrap.of_clusters(np.arange(n))``, or of families.

    Returns
    -------
    numpy.ndarray of float64, shape (m, resamples)
    """
    gains = before[:, np.newaxis] - after.reshape(len(before), -1)
    columns = np.column_stack([gains, total])
    sums = np.stack(
        [
            np.bincount(bootstrap.index, column, bootstrap.names.size).astype(np.float64)
            for column in columns.T
        ]
    )
    drawn = bootstrap.sums(sums)
    ratios: Values = drawn[:-1] / drawn[-1]
    return ratios


def r_squared_variance(r_squared: npt.ArrayLike, size: int, predictors: int = 1) -> Values:
    """Variance of the R2 of a least-squares fit to the same persons, of normal variables.

    ``((1 - R2)^2 / n)^2 2 (k + 2 n R2 / (1 - R2)^2)``, from the non-central chi-square distribution of R2, as
    of r2redux (Momin et al., 2023, American Journal of Human Genetics 110:349).

    Parameters
    ----------
    r_squared : array_like of float64
        R2, from 0 to 1.
    size : int
        Persons.
    predictors : int
        k.
    """
    explained = np.asarray(r_squared, dtype=np.float64)
    unit = (1 - explained) ** 2 / size
    with np.errstate(divide="ignore", invalid="ignore"):
        variance: Values = unit**2 * 2 * predictors + 4 * unit * explained
    return variance


def r_squared_interval(r_squared: float, size: int) -> Estimate:
    """The R2 of one predictor with r2redux's 95 % interval, of the non-central chi-square distribution.

    Parameters
    ----------
    r_squared : float
        Of a least-squares fit to the same persons; less than 1.
    size : int
        Persons.
    """
    chi_square = needed("scipy.stats", "polygenic").ncx2
    centre = r_squared * size / (1 - r_squared) ** 2
    error = math.sqrt(float(r_squared_variance(r_squared, size)))
    spread = math.sqrt(2 * (1 + 2 * centre))
    low, high = ((chi_square.ppf([0.025, 0.975], 1, centre)) - centre - 1) / spread
    return Estimate(r_squared, r_squared + float(low) * error, r_squared + float(high) * error)


def r_squared_difference(first: float, second: float, between: float, size: int) -> Difference:
    """Difference between the R2 of two predictors in least-squares fits to the same persons, each alone.

    The variance is that of Olkin and Finn (1995, Psychological Bulletin 118:155) for correlations of normal
    variables, as of r2redux.

    Parameters
    ----------
    first, second : float
        Correlation of each predictor with the outcome; what covariates explain has been taken from all three.
    between : float
        Correlation between the predictors.
    size : int
        Persons.
    """
    squares = first**2 + second**2 + between**2
    covariance = (between - first * second / 2) * (1 - squares) + between**3
    variance = (1 - first**2) ** 2 * first**2 + (1 - second**2) ** 2 * second**2
    variance -= 2 * first * second * covariance
    return _difference(first**2 - second**2, max(4 * variance / size, 0.0))


@dataclasses.dataclass(frozen=True)
class Liability:
    """R2 on the scale of liability, and how it changes with that on the observed scale.

    Parameters
    ----------
    r_squared : numpy.ndarray of float64, shape (...)
    slope : numpy.ndarray of float64, shape (...)
        Derivative: a standard error on the observed scale, times this, is one on that of liability.
    """

    r_squared: Values
    slope: Values


def liability(observed: npt.ArrayLike, prevalence: float, cases: float) -> Liability:
    """R2 on the scale of liability, of R2 of a linear model of 0 and 1.

    ``R2 C / (1 + R2 theta C)`` of Lee et al. (2012, Genetic Epidemiology 36:214, equation 15), which holds
    for samples with more cases, or fewer, than the population.

    Parameters
    ----------
    observed : array_like of float64, shape (...)
        R2 of a linear model of cases (1) and controls (0).
    prevalence : float
        In the population, between 0 and 1.
    cases : float
        Fraction of cases among the persons that R2 is of, between 0 and 1.

    Returns
    -------
    Liability

    Raises
    ------
    ValueError
        When a fraction is not between 0 and 1.
    """
    for name, fraction in (("prevalence", prevalence), ("fraction of cases", cases)):
        if not 0 < fraction < 1:
            raise ValueError(f"the {name} is {fraction:g}; it must be between 0 and 1")
    normal = needed("scipy.stats", "polygenic").norm
    threshold = float(normal.isf(prevalence))
    density = float(normal.pdf(threshold))
    spread = prevalence * (1 - prevalence)
    factor = spread**2 / density**2 / (cases * (1 - cases))
    excess = density / prevalence * (cases - prevalence) / (1 - prevalence)
    theta = excess * (excess - threshold)
    explained = np.asarray(observed, dtype=np.float64)
    divisor = 1 + explained * theta * factor
    return Liability(explained * factor / divisor, factor / divisor**2)
