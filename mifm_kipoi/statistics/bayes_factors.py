"""Wakefield's approximate Bayes factors of associations, and the effects that they expect."""

from __future__ import annotations

import enum

import numpy as np
import numpy.typing as npt

Values = npt.NDArray[np.float64]

PRIOR_VARIANCE = 0.04
"""Variance of effects, in squared units of beta, where the kind of trait is not known: a standard deviation
of 0.2 (Wakefield 2009, Genet Epidemiol 33:79), as of log odds ratios."""

CASE_CONTROL_PRIOR_VARIANCE = 0.04
"""Variance of log odds ratios (Giambartolomei et al. 2014, PLoS Genet 10: e1004383; coloc)."""

QUANTITATIVE_PRIOR_VARIANCE = 0.15**2
"""Variance of effects on a trait of variance 1 (the same)."""


class Trait(enum.IntEnum):
    """Kinds of traits, which differ in the units of effects."""

    UNKNOWN = 0
    QUANTITATIVE = 1
    CASE_CONTROL = 2

    @classmethod
    def of(cls, name: str) -> Trait:
        """The kind by its name: ``quantitative``, ``case_control``, or empty where it is not known.

        Raises
        ------
        ValueError
            When it is none of these.
        """
        kinds = {"" if kind is cls.UNKNOWN else kind.name.lower(): kind for kind in cls}
        if name not in kinds:
            raise ValueError(
                f"trait is {name!r}; expected quantitative or case_control, or nothing if unknown"
            )
        return kinds[name]


def log_bayes_factor(
    z: npt.NDArray[np.floating],
    variance: npt.NDArray[np.floating],
    prior_variance: float | npt.NDArray[np.floating] = PRIOR_VARIANCE,
) -> Values:
    """Wakefield's approximate Bayes factor for an effect against none, as its natural logarithm.

    ``-1/2 log(1 + W/V) + 1/2 z^2 W / (V + W)`` (Wakefield 2009).

    Parameters
    ----------
    z : numpy.ndarray, shape (n,)
        Effects over their standard errors.
    variance : numpy.ndarray, shape (n,)
        V, squared standard errors.
    prior_variance : float or numpy.ndarray, shape (n,)
        W, of the effects, in the same units.

    Returns
    -------
    numpy.ndarray of float64, shape (n,)
        NaN where an input is.
    """
    z, variance = np.asarray(z, dtype=np.float64), np.asarray(variance, dtype=np.float64)
    shrinkage = prior_variance / (variance + prior_variance)
    return np.asarray(0.5 * np.log1p(-shrinkage) + 0.5 * z**2 * shrinkage)


def trait_variances(variance: npt.ArrayLike, sample_size: npt.ArrayLike, frequency: npt.ArrayLike) -> Values:
    """The variance of a trait in squared units of its effects, as each variant of a study gives it.

    ``V 2 n f (1 - f)``, from ``V = sd_y^2 / (2 n f (1 - f))`` of a linear model; about
    ``1 / (phi (1 - phi))`` of log odds ratios, with the fraction phi of cases. The median over the variants
    of a study is that of the study: rounded frequencies and imputation make single ones too high or too low.

    Parameters
    ----------
    variance : array_like of float, shape (n,)
        V, squared standard errors; of effects that are not conditional on others.
    sample_size, frequency : array_like of float, shape (n,)
        Individuals, cases and controls together; the frequency of either allele.

    Returns
    -------
    numpy.ndarray of float64, shape (n,)
        Above 0; NaN where unknown, as where frequencies are 0 or 1.
    """
    of_trait = np.asarray(variance, np.float64) * _information(sample_size, frequency)
    return np.where((of_trait > 0) & np.isfinite(of_trait), of_trait, np.nan)


def sampling_variance(
    trait: npt.ArrayLike,
    sample_size: npt.ArrayLike,
    frequency: npt.ArrayLike,
    case_fraction: npt.ArrayLike,
    trait_variance: npt.ArrayLike = np.nan,
) -> Values:
    """Squared standard errors that sample size and frequency give, where none is known.

    ``sd_y^2 / (2 n f (1 - f))``, with the variance of the trait in the units of the study's effects. Where it
    is not known it is 1, also of traits of unknown kind, and that of log odds ratios of case-control traits,
    ``1 / (phi (1 - phi))`` with the fraction phi of cases (Giambartolomei et al. 2014, as coloc's Var.data
    and Var.data.cc).

    Parameters
    ----------
    trait : array_like of int, shape (n,)
        Values of :class:`Trait`.
    sample_size, frequency, case_fraction : array_like of float, shape (n,)
        Individuals, cases and controls together; the frequency of either allele; cases over individuals.
    trait_variance : array_like of float, shape (n,)
        Of the study of each row (:func:`trait_variances`); NaN where unknown.

    Returns
    -------
    numpy.ndarray of float64, shape (n,)
        NaN where unknown, as of case-control studies of which neither the variance nor the fraction of cases
        is known; not above 0 and finite where frequencies are 0 or 1.
    """
    known = np.asarray(trait_variance, dtype=np.float64)
    binary = np.asarray(trait) == Trait.CASE_CONTROL
    with np.errstate(divide="ignore", invalid="ignore"):
        assumed = np.where(binary, 1 / _spread(np.asarray(case_fraction, dtype=np.float64)), 1)
        return np.asarray(np.where(np.isnan(known), assumed, known) / _information(sample_size, frequency))


def prior_variances(
    trait: npt.ArrayLike, trait_variance: npt.ArrayLike, case_fraction: npt.ArrayLike
) -> Values:
    """W of each row, in squared units of its beta: one number for all rows of a study.

    Parameters
    ----------
    trait : array_like of int, shape (n,)
        Values of :class:`Trait`.

        - Quantitative: ``0.15^2 sd_y^2`` (Giambartolomei et al. 2014, coloc), with the variance of the trait
          in the units of the study, or 1 where that is not known.
        - Case-control: 0.04, of log odds ratios. A linear model of cases and controls has effects in other
          units: there the variance of the trait is ``phi (1 - phi)``, at most 1/4, where that of log odds
          ratios is its inverse, and W is ``0.04 (phi (1 - phi))^2``. Where phi is not known, the variance of
          the trait says it.
        - Unknown: :data:`PRIOR_VARIANCE`.
    trait_variance : array_like of float, shape (n,)
        Of the study of each row (:func:`trait_variances`); NaN where unknown.
    case_fraction : array_like of float, shape (n,)
        Cases over individuals; NaN where unknown.

    Returns
    -------
    numpy.ndarray of float64, shape (n,)
        Above 0, never NaN.
    """
    trait, of_trait = np.asarray(trait), np.asarray(trait_variance, dtype=np.float64)
    spread = _spread(np.asarray(case_fraction, dtype=np.float64))
    quantitative = QUANTITATIVE_PRIOR_VARIANCE * np.where(np.isnan(of_trait), 1, of_trait)
    with np.errstate(invalid="ignore"):
        linear = of_trait < 1
    spread = np.where(spread > 0, spread, np.fmin(of_trait, 0.25))
    case_control = CASE_CONTROL_PRIOR_VARIANCE * np.where(linear, spread, 1) ** 2
    return np.select(
        [trait == Trait.QUANTITATIVE, trait == Trait.CASE_CONTROL],
        [quantitative, case_control],
        PRIOR_VARIANCE,
    )


def _information(sample_size: npt.ArrayLike, frequency: npt.ArrayLike) -> Values:
    """N times the variance of the allele count."""
    size, frequency = np.asarray(sample_size, np.float64), np.asarray(frequency, np.float64)
    return np.asarray(2 * size * frequency * (1 - frequency))


def _spread(case_fraction: Values) -> Values:
    """The variance of being a case."""
    return np.asarray(case_fraction * (1 - case_fraction))
