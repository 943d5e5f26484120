"""Joint regressions of one trait on any subset of some variables, from cross products that are made once.

By the theorem of Frisch, Waugh and Lovell, the effects of a regression on variables and covariates are those
of the regression of what the covariates leave of the trait on what they leave of the variables. Their sums of
squares and products are all that a regression needs, whichever of the variables it has: a clump of variants
is read once, and thousands of models follow.

Three kinds of cross products have the same form, :class:`CrossProducts`:

- :func:`linear_products`: least squares, of people. Estimates, standard errors, F and Student's t are those
  of the regression with covariates.
- :func:`score_products`: logistic regression, of people; one Newton step for all variables from the model
  with covariates alone, whose variances are those at 0. For effects as small as those of common variants that
  is close to the maximum-likelihood fit, but not equal to it.
- :func:`summary_products`: marginal effects and correlations between variants (Yang et al. 2012, Nat Genet
  44:369, equations 8, 12 and 13; COJO), without people.
"""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import numpy.typing as npt

from mifm_kipoi.statistics.estimates import Values
from mifm_kipoi.statistics.normal import log_p_of_z
from mifm_kipoi.statistics.student import log_p_of_t
from mifm_kipoi.support.packages import needed

Rows = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

ALIKE = 1e-9
"""Eigenvalues of a correlation matrix below this times the largest are those of dependent variables, and a
variable of which covariates leave less than this fraction of its sum of squares is one of the covariates."""

_LOADING = 1e-6
"""Loadings on dependent directions above which a variable is part of a dependence."""


@dataclasses.dataclass(frozen=True)
class CrossProducts:
    """What regressions on m variables need, once covariates have been projected out.

    Parameters
    ----------
    xx : numpy.ndarray of float64, shape (m, m)
        Sums of products of the variables; a row of zeros for one that covariates explain.
    xy : numpy.ndarray of float64, shape (m,)
        Sums of products with the trait.
    yy : float
        Sum of squares of the trait; NaN where ``dispersion`` is known.
    freedom : float
        Degrees of freedom that covariates leave; infinite where ``dispersion`` is known.
    dispersion : float
        Variance of the residuals where it is known; NaN where it is estimated in each regression.
    total : numpy.ndarray of float64, shape (m,)
        Sums of squares of the variables about their means, covariates not projected out; in variance
        inflation factors alone.
    """

    xx: Values
    xy: Values
    yy: float
    freedom: float
    dispersion: float
    total: Values

    def __len__(self) -> int:
        return len(self.xy)

    def correlations(self) -> Values:
        """Correlations of the variables given covariates, shape (m, m); 0 for what covariates explain."""
        size = np.sqrt(np.diag(self.xx))
        scale = np.where(size > 0, 1 / np.where(size > 0, size, 1), 0.0)
        scaled: Values = self.xx * scale[:, np.newaxis] * scale
        return scaled


@dataclasses.dataclass(frozen=True)
class JointFit:
    """A regression on k variables, beside covariates; arrays have the shape (k,).

    Parameters
    ----------
    coefficients, standard_errors : numpy.ndarray of float64
        NaN for a variable whose effect the others determine: it can be split among them in any way.
    log_p : numpy.ndarray of float64
        Natural logarithms of two-sided p-values, of Student's t, or of the normal distribution where the
        variance of the residuals is known.
    vif : numpy.ndarray of float64
        Variance inflation factors, covariates among the others; infinite where an effect is not determined.
    rank : int
        Of the variables, given covariates.
    freedom : float
        Degrees of freedom of the residuals.
    explained : float
        What the variables explain of the sum of squares of the trait; where the variance of the residuals is
        known, the statistic that tests them all is this over it.
    dispersion : float
        Variance of the residuals.
    """

    coefficients: Values
    standard_errors: Values
    log_p: Values
    vif: Values
    rank: int
    freedom: float
    explained: float
    dispersion: float

    @property
    def statistics(self) -> Values:
        """Coefficients over their standard errors."""
        return self.coefficients / self.standard_errors

    @property
    def estimable(self) -> Flags:
        """Which effects the data determine."""
        return np.asarray(np.isfinite(self.coefficients))


@dataclasses.dataclass(frozen=True)
class AddedTest:
    """A test of what variables add to others.

    Parameters
    ----------
    statistic : float
        F, or the sum of squares over the known variance and the degrees of freedom.
    added : int
        Degrees of freedom of the variables that were added: by how much the rank rose.
    freedom : float
        Those of the residuals.
    log_p : float
        Natural logarithm of the p-value; NaN where nothing was added.
    """

    statistic: float
    added: int
    freedom: float
    log_p: float


def linear_products(variables: npt.NDArray[np.floating], basis: Values, trait: Values) -> CrossProducts:
    """Cross products of least squares.

    Parameters
    ----------
    variables : numpy.ndarray of float, shape (m, n)
        Without missing values.
    basis : numpy.ndarray of float64, shape (n, c)
        An orthonormal basis of covariates and intercept, such as the Q of their QR decomposition.
    trait : numpy.ndarray of float64, shape (n,)
        Of the same people.

    Returns
    -------
    CrossProducts
    """
    left, total = _left(variables, basis)
    rest = trait - basis @ (basis.T @ trait)
    freedom = float(len(trait) - basis.shape[1])
    return CrossProducts(left @ left.T, left @ rest, float(rest @ rest), freedom, math.nan, total)


def score_products(
    variables: npt.NDArray[np.floating], weights: Values, basis: Values, residuals: Values
) -> CrossProducts:
    """Cross products of one Newton step of logistic regression from the model with covariates alone.

    Parameters
    ----------
    variables : numpy.ndarray of float, shape (m, n)
        Without missing values.
    weights : numpy.ndarray of float64, shape (n,)
        ``p (1 - p)`` of the model with covariates.
    basis : numpy.ndarray of float64, shape (n, c)
        An orthonormal basis of covariates and intercept, each times the root of ``weights``.
    residuals : numpy.ndarray of float64, shape (n,)
        Cases, 1 or 0, less p.

    Returns
    -------
    CrossProducts
        Of a dispersion of 1.
    """
    root = np.sqrt(weights)
    left, _ = _left(variables * root, basis)
    centred = np.asarray(variables, dtype=np.float64)
    mean = centred @ weights / weights.sum()
    total = ((centred - mean[:, np.newaxis]) ** 2) @ weights
    return CrossProducts(left @ left.T, left @ (residuals / root), math.nan, math.inf, 1.0, total)


def _left(variables: npt.NDArray[np.floating], basis: Values) -> tuple[Values, Values]:
    """What covariates leave of variables, (m, n), and their sums of squares about their means, (m,)."""
    variables = np.asarray(variables, dtype=np.float64)
    centred = variables - variables.mean(axis=1, keepdims=True)
    total = (centred**2).sum(axis=1)
    # Twice: what rounding left of covariates goes as well (Giraud et al. 2005).
    left = variables - (variables @ basis) @ basis.T
    left -= (left @ basis) @ basis.T
    size = (left**2).sum(axis=1)
    left[size <= ALIKE * (variables**2).sum(axis=1)] = 0.0
    return left, total


def summary_products(
    correlations: Values, effects: Values, errors: Values, frequencies: Values, sizes: Values
) -> CrossProducts:
    """Cross products from marginal effects and the correlations of a reference panel, as COJO has them.

    The variance of the trait is the median over variants of ``2p(1 - p) (N se^2 + N b^2 / (N - 1))``; each
    variant has the sample size that its standard error implies; and the residuals have the variance of the
    trait, as in GCTA, which makes standard errors a little too large.

    Parameters
    ----------
    correlations : numpy.ndarray of float64, shape (m, m)
        Of copies of the alleles that the effects are of.
    effects, errors : numpy.ndarray of float64, shape (m,)
        Marginal, of one copy, with their standard errors.
    frequencies : numpy.ndarray of float64, shape (m,)
        Of these alleles.
    sizes : numpy.ndarray of float64, shape (m,)
        Sample sizes as reported.

    Returns
    -------
    CrossProducts
    """
    variance = 2 * frequencies * (1 - frequencies)
    trait = float(np.median(variance * sizes * (errors**2 + effects**2 / (sizes - 1))))
    effective = np.maximum((trait - variance * effects**2) / (variance * errors**2) + 1, 0.0)
    xx = (
        np.minimum.outer(effective, effective) * correlations * np.sqrt(np.multiply.outer(variance, variance))
    )
    diagonal = effective * variance
    np.fill_diagonal(xx, diagonal)
    return CrossProducts(xx, diagonal * effects, math.nan, math.inf, trait, diagonal)


def joint_fit(products: CrossProducts, rows: npt.ArrayLike | None = None) -> JointFit:
    """The regression on some of the variables.

    Of dependent variables, only the effects that the data determine have a value; rank, degrees of freedom
    and what is explained are those of any of the least-squares solutions.

    Parameters
    ----------
    products : CrossProducts
        Of m variables.
    rows : array_like of int, shape (k,), optional
        Which of them; by default all.

    Returns
    -------
    JointFit
        Of the variables in the order of ``rows``.
    """
    chosen = np.arange(len(products)) if rows is None else np.asarray(rows, dtype=np.int64)
    xx, xy = products.xx[np.ix_(chosen, chosen)], products.xy[chosen]
    scale, values, vectors = _spectrum(xx)
    known = values > ALIKE * max(float(values.max(initial=0.0)), 1.0)
    rank = int(known.sum())
    dependent = (vectors[:, ~known] ** 2).sum(axis=1)
    estimable = dependent < _LOADING**2
    part = vectors[:, known] / np.sqrt(values[known])
    projected = part.T @ (scale * xy)
    explained = float(projected @ projected)
    freedom = products.freedom - rank
    dispersion = products.dispersion
    if math.isnan(dispersion):
        dispersion = (products.yy - explained) / freedom if freedom > 0 else math.nan
    inverse = (part**2).sum(axis=1) * scale**2
    coefficients = np.where(estimable, (part @ projected) * scale, np.nan)
    with np.errstate(invalid="ignore"):
        errors = np.where(estimable, np.sqrt(dispersion * inverse), np.nan)
    vif = np.where(estimable, products.total[chosen] * inverse, np.inf)
    return JointFit(
        coefficients, errors, log_p_two_sided(coefficients / errors, freedom), vif, rank, freedom, explained,
        dispersion,
    )  # fmt: skip


def _spectrum(xx: Values) -> tuple[Values, Values, Values]:
    """Scale to unit diagonal (..., k), and eigenvalues (..., k) and vectors (..., k, k) of what is scaled."""
    diagonal = np.einsum("...ii->...i", xx)
    scale = np.where(diagonal > 0, 1 / np.sqrt(np.where(diagonal > 0, diagonal, 1)), 0.0)
    values, vectors = np.linalg.eigh(xx * scale[..., :, np.newaxis] * scale[..., np.newaxis, :])
    return scale, values, vectors


def added_test(products: CrossProducts, base: npt.ArrayLike, added: npt.ArrayLike) -> AddedTest:
    """Whether variables add to others: the partial F test of their effects, all of them 0.

    Parameters
    ----------
    products : CrossProducts
        Of m variables.
    base, added : array_like of int
        Those of the smaller model, and those beside them in the larger one.

    Returns
    -------
    AddedTest
        F with its degrees of freedom; chi-squared over its degrees of freedom where the dispersion is known.
    """
    small = joint_fit(products, base)
    large = joint_fit(products, np.concatenate([np.asarray(base, np.int64), np.asarray(added, np.int64)]))
    more = large.rank - small.rank
    if more <= 0 or not large.freedom > 0:
        return AddedTest(math.nan, max(more, 0), large.freedom, math.nan)
    statistic = max(large.explained - small.explained, 0.0) / more / large.dispersion
    stats = needed("scipy.stats", "evaluation")
    if math.isinf(large.freedom):
        log_p = float(stats.chi2.logsf(statistic * more, more))
    else:
        log_p = float(stats.f.logsf(statistic, more, large.freedom))
    return AddedTest(statistic, more, large.freedom, log_p)


def subset_fits(products: CrossProducts, subsets: npt.ArrayLike) -> tuple[Values, Values, Values]:
    """Regressions on many subsets of one size: the coefficients and standard errors of :func:`joint_fit`.

    Parameters
    ----------
    products : CrossProducts
        Of m variables.
    subsets : array_like of int, shape (s, k)
        The variables of each regression, k from 1 on.

    Returns
    -------
    coefficients, standard_errors : numpy.ndarray of float64, shape (s, k)
        NaN where an effect is not determined.
    freedom : numpy.ndarray of float64, shape (s,)
        Degrees of freedom of the residuals.
    """
    chosen = np.asarray(subsets, dtype=np.int64)
    # Draws from a few variables repeat each other.
    order = np.argsort(chosen, axis=1, kind="stable")
    unique, which = np.unique(np.take_along_axis(chosen, order, axis=1), axis=0, return_inverse=True)
    xx, xy = products.xx[unique[:, :, np.newaxis], unique[:, np.newaxis, :]], products.xy[unique]
    scale, values, vectors = _spectrum(xx)
    known = values > ALIKE * np.maximum(values.max(axis=1, keepdims=True), 1.0)
    estimable = ((vectors**2) * ~known[:, np.newaxis, :]).sum(axis=2) < _LOADING**2
    part = vectors * np.where(known, 1 / np.sqrt(np.where(known, values, 1)), 0.0)[:, np.newaxis, :]
    projected = np.einsum("skv,sk->sv", part, scale * xy)
    freedom = products.freedom - known.sum(axis=1)
    dispersion = np.full(len(unique), products.dispersion)
    if math.isnan(products.dispersion):
        dispersion = (products.yy - (projected**2).sum(axis=1)) / freedom
    coefficients = np.einsum("skv,sv->sk", part, projected) * scale
    errors = np.sqrt(dispersion[:, np.newaxis] * (part**2).sum(axis=2)) * scale
    back = np.argsort(order, axis=1, kind="stable")
    which = which.reshape(-1)
    return (
        np.take_along_axis(np.where(estimable, coefficients, np.nan)[which], back, axis=1),
        np.take_along_axis(np.where(estimable, errors, np.nan)[which], back, axis=1),
        np.asarray(freedom, dtype=np.float64)[which],
    )


def log_p_two_sided(statistics: npt.ArrayLike, freedom: npt.ArrayLike) -> Values:
    """Natural logarithms of two-sided p-values of Student's t, or of the normal distribution.

    Parameters
    ----------
    statistics : array_like of float64
        NaN gives NaN.
    freedom : array_like of float64, broadcast to the same shape
        Infinite for the normal distribution.

    Returns
    -------
    numpy.ndarray of float64
    """
    value, degrees = np.broadcast_arrays(np.asarray(statistics, dtype=np.float64), freedom)
    normal = np.isinf(degrees)
    log_p = np.full(value.shape, np.nan)
    log_p[normal] = log_p_of_z(value[normal])
    # Without degrees of freedom there is no estimate of the error.
    student = ~normal & (degrees > 0)
    log_p[student] = log_p_of_t(value[student], degrees[student])
    return log_p


@dataclasses.dataclass(frozen=True)
class Pruned:
    """Variables of which no two are too much alike.

    Parameters
    ----------
    kept : numpy.ndarray of int64, shape (k,)
        The variables that stay, in the order in which they were considered.
    stands_for : numpy.ndarray of int64, shape (m,)
        For each variable the one that is kept in its place: itself, where it is kept.
    """

    kept: Rows
    stands_for: Rows


def prune(r2: Values, order: npt.ArrayLike, limit: float) -> Pruned:
    """Keep variables, in an order, unless one that is kept already is too much like them.

    Parameters
    ----------
    r2 : numpy.ndarray of float64, shape (m, m)
        Squared correlations.
    order : array_like of int, shape (m,)
        In which they are considered.
    limit : float
        Variables with a higher squared correlation with a kept one are represented by it; where there are
        several, by that with the highest. 1 keeps all.

    Returns
    -------
    Pruned
    """
    kept: list[int] = []
    stands_for = np.arange(len(r2))
    for row in np.asarray(order, dtype=np.int64):
        alike = r2[row, kept]
        if kept and limit < 1 and alike.max() > limit:
            stands_for[row] = kept[int(alike.argmax())]
        else:
            kept.append(int(row))
    return Pruned(np.array(kept, dtype=np.int64), stands_for)


def dependent_sets(products: CrossProducts, rows: npt.ArrayLike) -> list[list[int]]:
    """Variables that are linearly dependent, given covariates, in sets that do not concern each other.

    Parameters
    ----------
    products : CrossProducts
        Of m variables.
    rows : array_like of int, shape (k,)
        Which of them.

    Returns
    -------
    list of list of int
        Of ``rows``; a set of one is a variable that covariates explain.
    """
    chosen = np.asarray(rows, dtype=np.int64)
    _, values, vectors = _spectrum(products.xx[np.ix_(chosen, chosen)])
    null = vectors[:, values <= ALIKE * max(float(values.max(initial=0.0)), 1.0)]
    # The projection on dependent directions links the variables of a set, whatever basis they have.
    linked = np.abs(null @ null.T) > _LOADING
    sets, free = [], linked.diagonal().copy()
    while free.any():
        members = np.zeros(len(chosen), dtype=bool)
        members[int(free.argmax())] = True
        while (more := linked[members].any(axis=0) & ~members).any():
            members |= more
        sets.append(chosen[members].tolist())
        free &= ~members
    return sets
