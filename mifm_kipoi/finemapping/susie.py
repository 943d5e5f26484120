"""SuSiE: probabilities and credible sets of variants, from people, cross products, z and LD, or z alone.

All four forms give the same :class:`Fit`. Variables are standardised: effects are in standard deviations of
the trait per standard deviation of a variant's dosage. Where n is not known, they are in units of z.

Three things differ from susieR 0.12.35, whose results these are otherwise: the purity of a set is that of all
its members (susieR draws 100 of a larger set), nothing is said of fits that do not converge but
:attr:`Fit.converged`, and what cannot be fitted is an error with its reason.
"""

from __future__ import annotations

import dataclasses

import numpy as np
import numpy.typing as npt

from mifm_kipoi.errors import InputError
from mifm_kipoi.finemapping.diagnostics import adjusted_z, correlation_fault
from mifm_kipoi.statistics.single_effects import SingleEffects, fit_single_effects

Values = npt.NDArray[np.float64]
Rows = npt.NDArray[np.int64]

UNKNOWN_N_VARIANCE = 50.0
"""Prior variance of effects in units of z, where n is not known (susieR's)."""

_NO_EFFECT = 1e-9
"""Effects of a smaller prior variance give neither PIPs nor sets (susieR's ``prior_tol``)."""

_UNREASONABLE = 100.0
"""A prior variance is too large beyond this multiple of the largest squared z (susieR's ``check_prior``)."""


@dataclasses.dataclass(frozen=True)
class SusieOptions:
    """How single effects are fitted, and which sets are kept; the defaults are susieR's.

    Parameters
    ----------
    effects : int
        L, the most effects of a locus; as many as variants where there are fewer.
    coverage : float
        Probability that a credible set holds the variant of its effect, in (0, 1).
    min_abs_corr : float
        Sets with a pair of variants of a smaller absolute correlation are dropped, from 0 to 1.
    scaled_prior_variance : float
        Prior variance of effects as a fraction of the trait's variance, above 0 and 1 at most: where its
        estimates start. Where n is not known, :data:`UNKNOWN_N_VARIANCE` takes its place.
    estimate_prior_variance : bool
        Whether the prior variance of each effect is estimated, 0 being among the estimates.
    min_log_bf : float
        Once they are fitted, effects of a smaller natural logarithm of the Bayes factor give neither PIPs nor
        sets, 0 or more. With 0, as in susieR, effects without evidence count with prior variances just above
        0, and each adds PIPs with a sum of 1, as the prior has them: on 119 simulated loci with 119 causal
        variants PIPs add up to 297, with 1 to 143, and the same variants have PIPs above 0.95. susieR's
        ``check_null_threshold`` acts during the fit, which can so end in a worse optimum: on susieR's own
        data set, 0.1 loses two of three signals.
    estimate_residual_variance : bool, optional
        Whether the residual variance is. By default as susieR: with people and cross products, not with z and
        LD, for which it is right only where LD is that of the study's own people.
    null_weight : float
        Prior probability of each effect to be that of no variant, from 0 to below 1.
    max_iterations : int
        After which a fit ends in any case.
    tolerance : float
        A fit has converged where an iteration adds less than this to the bound of the log evidence, above 0.

    Raises
    ------
    ValueError
        When a number is outside of its range.
    """

    effects: int = 10
    coverage: float = 0.95
    min_abs_corr: float = 0.5
    scaled_prior_variance: float = 0.2
    estimate_prior_variance: bool = True
    min_log_bf: float = 0.0
    estimate_residual_variance: bool | None = None
    null_weight: float = 0.0
    max_iterations: int = 100
    tolerance: float = 1e-3

    def __post_init__(self) -> None:
        _require(self.effects >= 1, "effects", self.effects, "1 or more")
        _require(0 < self.coverage < 1, "coverage", self.coverage, "a number in (0, 1)")
        _require(0 <= self.min_abs_corr <= 1, "min_abs_corr", self.min_abs_corr, "a number from 0 to 1")
        variance = self.scaled_prior_variance
        _require(0 < variance <= 1, "scaled_prior_variance", variance, "a number in (0, 1]")
        _require(self.min_log_bf >= 0, "min_log_bf", self.min_log_bf, "0 or more")
        _require(0 <= self.null_weight < 1, "null_weight", self.null_weight, "a number in [0, 1)")
        _require(self.max_iterations >= 1, "max_iterations", self.max_iterations, "1 or more")
        _require(self.tolerance > 0, "tolerance", self.tolerance, "a number above 0")


def _require(holds: bool, name: str, value: object, expected: str) -> None:
    if not holds:
        raise ValueError(f"{name} is {value}; expected {expected}")


DEFAULTS = SusieOptions()
"""As susieR."""


@dataclasses.dataclass(frozen=True)
class CredibleSet:
    """Variants of which one is that of an effect, with a given probability.

    Parameters
    ----------
    effect : int
        Row of the effect in the arrays of the fit, from 0.
    members : numpy.ndarray of int64, shape (k,)
        Numbers of the variants, by falling probability.
    coverage : float
        Probability that one of them is that of the effect: the level that was asked for, or more.
    min_abs_corr, mean_abs_corr, median_abs_corr : float
        Of the absolute correlations of pairs of members; 1 of a single one, NaN without LD.
    """

    effect: int
    members: Rows
    coverage: float
    min_abs_corr: float
    mean_abs_corr: float
    median_abs_corr: float


@dataclasses.dataclass(frozen=True)
class Fit:
    """A fine-mapped locus of p variants and L effects.

    Parameters
    ----------
    pip : numpy.ndarray of float64, shape (p,)
        Posterior inclusion probability: that a variant is the one of any effect.
    alpha : numpy.ndarray of float64, shape (L, p)
        Probability that a variant is the one of an effect.
    log_bf_variable : numpy.ndarray of float64, shape (L, p)
        Natural logarithm of the Bayes factor of each variant as the one of an effect, given the other
        effects.
    log_bf : numpy.ndarray of float64, shape (L,)
        The same of the effect: of the sum over variants, each with its prior weight.
    prior_variance : numpy.ndarray of float64, shape (L,)
        Of the size of each effect; 0 where there is no evidence for it.
    mean, second_moment : numpy.ndarray of float64, shape (L, p)
        Posterior mean and mean square of an effect's size, if it is that of the variant.
    sigma2 : float
        Residual variance of the trait.
    objective : float
        Lower bound of the log evidence; NaN of a single effect without LD.
    converged : bool
        Whether the fit had come to its end within the iterations.
    iterations : int
        How many there were.
    sets : tuple of CredibleSet
        Purest first.
    """

    pip: Values
    alpha: Values
    log_bf_variable: Values
    log_bf: Values
    prior_variance: Values
    mean: Values
    second_moment: Values
    sigma2: float
    objective: float
    converged: bool
    iterations: int
    sets: tuple[CredibleSet, ...]


def fit_individual(
    X: npt.NDArray[np.floating],  # noqa: N803 - the field's name
    y: npt.NDArray[np.floating],
    prior_weights: npt.ArrayLike | None = None,
    options: SusieOptions = DEFAULTS,
    *,
    covariates: npt.NDArray[np.floating] | None = None,
) -> Fit:
    """Fine-map a locus with the genotypes and the trait of people.

    The cross products are computed and fitted: the same model, with the same results, at a cost that the
    number of people does not multiply.

    Parameters
    ----------
    X : numpy.ndarray of float, shape (n, p)
        Dosages of n people; none is missing.
    y : numpy.ndarray of float, shape (n,)
        Their trait, continuous.
    prior_weights, options
        As of :func:`fit_summary`.
    covariates : numpy.ndarray of float, shape (n, c), optional
        Taken from X and y by least squares beforehand, beside the constant.

    Raises
    ------
    InputError
        When a number is missing, a variant or the trait is constant (or the covariates explain it), or the
        sizes do not fit.
    """
    dosages, trait = np.asarray(X, dtype=np.float64), np.asarray(y, dtype=np.float64)
    if dosages.ndim != 2 or trait.shape != dosages.shape[:1]:
        raise InputError(
            f"X has the shape {dosages.shape} and y {trait.shape}; expected (people, variants) and (people,)"
        )
    _require_finite(dosages, "dosage", "impute it, or leave its variant or its person out")
    _require_finite(trait, "value of the trait", "leave its person out")
    n = trait.size
    # Beside the constant; centring first keeps the digits of what is left.
    dosages, trait = dosages - dosages.mean(axis=0, keepdims=True), trait - trait.mean()
    scale = (dosages**2).sum(axis=0)
    if covariates is not None:
        others = np.asarray(covariates, dtype=np.float64)
        if others.ndim != 2 or len(others) != n:
            raise InputError(f"covariates have the shape {others.shape}; expected ({n}, covariates)")
        _require_finite(others, "covariate", "leave its person out")
        left, values, _ = np.linalg.svd(others - others.mean(axis=0), full_matrices=False)
        basis = left[:, values > 1e-9 * values.max(initial=0.0)]
        dosages, trait = dosages - basis @ (basis.T @ dosages), trait - basis @ (basis.T @ trait)
    products = dosages.T @ dosages
    # What rounding leaves of a variant that the covariates explain is not information.
    _require_variance(np.flatnonzero(np.diag(products) <= 1e-10 * scale))
    return fit_sufficient(products, dosages.T @ trait, float(trait @ trait), n, prior_weights, options)


def fit_sufficient(
    XtX: npt.NDArray[np.floating],  # noqa: N803 - the field's name
    Xty: npt.NDArray[np.floating],  # noqa: N803 - the field's name
    yty: float,
    n: float,
    prior_weights: npt.ArrayLike | None = None,
    options: SusieOptions = DEFAULTS,
) -> Fit:
    """Fine-map a locus with the cross products of centred dosages and a centred trait.

    Parameters
    ----------
    XtX : numpy.ndarray of float, shape (p, p)
        X'X.
    Xty : numpy.ndarray of float, shape (p,)
        X'y.
    yty : float
        y'y, above 0.
    n : float
        People, more than 1.
    prior_weights, options
        As of :func:`fit_summary`.

    Raises
    ------
    InputError
        When the products cannot be those of p variants, or a variant is constant.
    """
    products, marginal = np.array(XtX, dtype=np.float64), np.asarray(Xty, dtype=np.float64)
    _require_shapes(marginal, "Xty", products, "XtX")
    _require_finite(products, "number in XtX", "leave its variant out")
    _require_finite(marginal, "number in Xty", "leave its variant out")
    _require_n(n)
    if not yty > 0 or not np.isfinite(yty):
        raise InputError(f"yty is {yty:g}; expected a number above 0: a constant trait has no association")
    _require_variance(np.flatnonzero(np.diag(products) <= 0))
    deviation = np.sqrt(np.diag(products))
    products /= deviation
    products /= deviation[:, np.newaxis]
    _require_correlations(products, "XtX")
    estimate = options.estimate_residual_variance
    return _fitted(
        products,
        marginal / deviation / np.sqrt(n - 1),
        n - 1,
        float(yty),
        n,
        prior_weights,
        options,
        residual=float(yty) / (n - 1),
        estimate_residual=True if estimate is None else estimate,
    )


def fit_summary(
    z: npt.NDArray[np.floating],
    R: npt.NDArray[np.floating],  # noqa: N803 - the field's name
    n: float | None = None,
    prior_weights: npt.ArrayLike | None = None,
    options: SusieOptions = DEFAULTS,
) -> Fit:
    """Fine-map a locus with z and LD.

    Parameters
    ----------
    z : numpy.ndarray of float, shape (p,)
        Effects over their standard errors, by the variants' own alleles.
    R : numpy.ndarray of float, shape (p, p)
        Correlations of copies of the same alleles.
    n : float, optional
        People of the study. Where it is known, z is adjusted by what the variant explains of the trait
        (:func:`mifm_kipoi.finemapping.diagnostics.adjusted_z`).
    prior_weights : array-like of float, shape (p,), optional
        Prior probabilities of the variants to be the one of an effect, 0 or more and any sum above 0; all the
        same by default. A variant of weight 0 has a PIP of 0.
    options : SusieOptions
        How effects are fitted.

    Returns
    -------
    Fit

    Raises
    ------
    InputError
        When there is no variant, z, R, n or the weights cannot be such, or z cannot be what variants of these
        correlations have.
    """
    statistics, correlations = np.asarray(z, dtype=np.float64), np.asarray(R, dtype=np.float64)
    _require_shapes(statistics, "z", correlations, "R")
    _require_finite(statistics, "z", "leave its variant out")
    _require_finite(correlations, "number in R", "leave out constant variants, which correlate with nothing")
    _require_correlations(correlations, "R")
    estimate = bool(options.estimate_residual_variance)
    if n is None:
        return _fitted(
            correlations,
            statistics,
            1.0,
            1.0,
            2.0,
            prior_weights,
            options,
            residual=1.0,
            estimate_residual=estimate,
            prior_variance=UNKNOWN_N_VARIANCE,
        )
    _require_n(n)
    return _fitted(
        correlations,
        adjusted_z(statistics, n) / np.sqrt(n - 1),
        n - 1,
        n - 1,
        n,
        prior_weights,
        options,
        residual=1.0,
        estimate_residual=estimate,
    )


def fit_single_effect(
    log_bf: npt.NDArray[np.floating],
    prior_weights: npt.ArrayLike | None = None,
    options: SusieOptions = DEFAULTS,
    *,
    effects: tuple[npt.ArrayLike, npt.ArrayLike, npt.ArrayLike] | None = None,
) -> Fit:
    """Fine-map a locus with one causal variant and no LD: Bayes factors and a prior.

    Parameters
    ----------
    log_bf : numpy.ndarray of float, shape (p,)
        Natural logarithm of each variant's Bayes factor, such as Wakefield's
        (:func:`mifm_kipoi.statistics.bayes_factors.log_bayes_factor`).
    prior_weights : array-like of float, shape (p,), optional
        As of :func:`fit_summary`.
    options : SusieOptions
        Coverage, null weight and ``min_log_bf``.
    effects : tuple of three array-like of float, shape (p,), optional
        beta, its squared standard error and the prior variance W, for the moments of the fit, which are NaN
        without.

    Returns
    -------
    Fit
        Of one effect; its set has no purity.

    Raises
    ------
    InputError
        When there is no variant, or a number is missing or cannot be such.
    """
    bayes_factors = np.asarray(log_bf, dtype=np.float64)
    if bayes_factors.ndim != 1 or not bayes_factors.size:
        raise InputError(f"log_bf has the shape {bayes_factors.shape}; expected (variants,), one or more")
    _require_finite(bayes_factors, "log_bf", "leave its variant out")
    weights = _weights(prior_weights, bayes_factors.size, options.null_weight)
    with np.errstate(divide="ignore"):
        joint = bayes_factors + np.log(weights)
        none = float(np.log(options.null_weight))
    top = max(float(joint.max()), none)
    posterior = np.exp(joint - top)
    total = float(posterior.sum()) + float(np.exp(none - top))
    alpha = (posterior / total)[np.newaxis]
    mean, second, variance = np.full((3, bayes_factors.size), np.nan)
    if effects is not None:
        beta, error, variance = (
            np.broadcast_to(np.asarray(part, dtype=np.float64), bayes_factors.shape) for part in effects
        )
        shrinkage = variance / (variance + error)
        mean = shrinkage * beta
        second = mean**2 + shrinkage * error
    of_effect = np.array([top + np.log(total)])
    # One number an effect: that of its likeliest variant, since W is one number a study.
    prior_variance = variance[[int(alpha[0].argmax())]]
    present = _counts(of_effect, prior_variance, options)
    return Fit(
        pip=alpha[0] if present[0] else np.zeros(bayes_factors.size),
        alpha=alpha,
        log_bf_variable=bayes_factors[np.newaxis],
        log_bf=of_effect,
        prior_variance=prior_variance,
        mean=mean[np.newaxis],
        second_moment=second[np.newaxis],
        sigma2=float("nan"),
        objective=float("nan"),
        converged=True,
        iterations=1,
        sets=_credible_sets(alpha, present, None, options),
    )


def _fitted(
    correlations: Values,
    marginal: Values,
    scale: float,
    outcome: float,
    n: float,
    prior_weights: npt.ArrayLike | None,
    options: SusieOptions,
    *,
    residual: float,
    estimate_residual: bool,
    prior_variance: float | None = None,
) -> Fit:
    p = marginal.size
    weights = _weights(prior_weights, p, options.null_weight)
    variance = options.scaled_prior_variance * outcome / (n - 1) if prior_variance is None else prior_variance
    misfit = (
        "z and LD are not of the same variants, alleles or people; check alleles, or fine-map with one effect"
    )
    try:
        found = fit_single_effects(
            correlations,
            marginal,
            scale,
            outcome,
            n,
            effects=min(options.effects, p),
            prior_weights=weights,
            prior_variance=variance,
            estimate_prior_variance=options.estimate_prior_variance,
            residual_variance=residual,
            estimate_residual_variance=estimate_residual,
            max_iterations=options.max_iterations,
            tolerance=options.tolerance,
        )
    except FloatingPointError as error:
        raise InputError(f"the fit fails: {error}; {misfit}") from error
    largest = float((marginal**2).max()) * scale / residual
    # Variances of effects per standard deviation and largest squared z, as susieR compares them.
    if float(found.prior_variance.max()) > _UNREASONABLE * largest:
        raise InputError(
            f"an effect has the prior variance {found.prior_variance.max():.3g}, the largest squared z is "
            f"{largest:.3g}; {misfit}"
        )
    return _fit_of(found, correlations, options)


def _fit_of(found: SingleEffects, correlations: Values, options: SusieOptions) -> Fit:
    present = _counts(found.log_bf, found.prior_variance, options)
    with np.errstate(divide="ignore"):
        # Exact for small probabilities; the logarithm of 0 is that of a certain variant.
        pip = np.asarray(0.0 - np.expm1(np.log1p(-found.alpha[present]).sum(axis=0)), dtype=np.float64)
    return Fit(
        pip=pip,
        alpha=found.alpha,
        log_bf_variable=found.log_bf_variable,
        log_bf=found.log_bf,
        prior_variance=found.prior_variance,
        mean=found.mean,
        second_moment=found.second_moment,
        sigma2=found.residual_variance,
        objective=found.objective,
        converged=found.converged,
        iterations=found.iterations,
        sets=_credible_sets(found.alpha, present, correlations, options),
    )


def _counts(log_bf: Values, prior_variance: Values, options: SusieOptions) -> npt.NDArray[np.bool_]:
    """Which effects there is evidence for: (L,)."""
    present = ~(prior_variance <= _NO_EFFECT)  # NaN where it is not known
    if options.min_log_bf:
        present &= log_bf >= options.min_log_bf
    return present


def _credible_sets(
    alpha: Values, present: npt.NDArray[np.bool_], correlations: Values | None, options: SusieOptions
) -> tuple[CredibleSet, ...]:
    """Sets of the effects that count, purest first; of equal ones the first effect's."""
    sets, known = [], set()
    for effect in np.flatnonzero(present).tolist():
        order = np.argsort(-alpha[effect], kind="stable")
        cumulative = np.cumsum(alpha[effect][order])
        size = int((cumulative < options.coverage).sum()) + 1
        none = 1.0 - float(cumulative[-1])
        # A set that needs "no variant" to be so likely, or to which no variant adds more than that, is none.
        if size > order.size or (options.null_weight and none > alpha[effect][order[size - 1]]):
            continue
        members = order[:size].astype(np.int64)
        key = tuple(np.sort(members).tolist())
        if key in known:
            continue
        known.add(key)
        purity = _purity(members, correlations)
        if correlations is not None and purity[0] < options.min_abs_corr:
            continue
        sets.append(CredibleSet(effect, members, float(cumulative[size - 1]), *purity))
    return (
        tuple(sorted(sets, key=lambda each: -each.min_abs_corr)) if correlations is not None else tuple(sets)
    )


def _purity(members: Rows, correlations: Values | None) -> tuple[float, float, float]:
    if correlations is None:
        return (float("nan"),) * 3
    if members.size == 1:
        return 1.0, 1.0, 1.0
    pairs = np.abs(correlations[np.ix_(members, members)][np.triu_indices(members.size, k=1)])
    return float(pairs.min()), float(pairs.mean()), float(np.median(pairs))


def _weights(prior_weights: npt.ArrayLike | None, p: int, null_weight: float) -> Values:
    if prior_weights is None:
        return np.full(p, (1.0 - null_weight) / p)
    weights = np.asarray(prior_weights, dtype=np.float64)
    if weights.shape != (p,):
        raise InputError(f"prior_weights has the shape {weights.shape}; expected ({p},), one a variant")
    if not np.isfinite(weights).all() or (weights < 0).any() or not weights.sum() > 0:
        raise InputError("prior_weights has numbers that are negative or not finite, or only 0")
    return np.asarray(weights / weights.sum() * (1.0 - null_weight))


def _require_shapes(vector: Values, name: str, matrix: Values, matrix_name: str) -> None:
    if vector.ndim != 1 or matrix.shape != (vector.size, vector.size):
        raise InputError(
            f"{name} has the shape {vector.shape} and {matrix_name} {matrix.shape}; expected (p,) and (p, p)"
        )
    if not vector.size:
        raise InputError("there is no variant to fine-map")


def _require_finite(values: Values, what: str, remedy: str) -> None:
    missing = ~np.isfinite(values)
    if missing.any():
        rows = np.flatnonzero(missing.any(axis=0) if values.ndim == 2 else missing)
        raise InputError(
            f"a {what} is missing or not finite ({missing.sum()} in all, the first of number {rows[0]}, "
            f"counted from 0); {remedy}"
        )


def _require_n(n: float) -> None:
    if not n > 2 or not np.isfinite(n):
        raise InputError(f"n is {n:g}; expected the number of people, more than 2")


def _require_correlations(matrix: Values, name: str) -> None:
    fault = correlation_fault(matrix)
    if fault:
        raise InputError(f"{name} is not a matrix of correlations: {fault}")


def _require_variance(constant: Rows) -> None:
    if constant.size:
        raise InputError(
            f"variants that are constant, or that covariates explain: {constant.size} (the first is number "
            f"{constant[0]}, counted from 0); leave them out"
        )
