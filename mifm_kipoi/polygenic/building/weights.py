"""Weights of the variants that were picked: what each adds to the score for a copy of its effect allele.

The effect of a picked variant is an estimate of a single-variant model, so that variants in LD with one
causal variant all have its effect. What is added up must not count it several times:

- ``mean``: the effects of a signal's picked variants, divided by the number of them that there are: the score
  has the signal once, spread evenly.
- ``shrunk``: the same with effects that expect the winner's curse, ``b W / (V + W)``: the posterior mean of
  an effect with the prior variance W whose estimate has the variance V.
- ``pip``: the effects weighted by the posterior inclusion probabilities of the picked variants, which are
  made to sum to 1 in each signal.
- ``posterior``: ``PIP b W / (V + W)``, the posterior mean of the effect of a variant that may be causal.
  Where the picked variants hold little of the posterior probability, the signal counts little.
- ``joint``: the effects of the picked variants in one model with all of them, ``S^-1 R^-1 S b`` with the
  correlations R and the standard deviations S of the allele counts in an LD reference (Yang et al. 2012, Nat
  Genet 44: 369).
- ``joint-shrunk``: the posterior mean of joint effects, ``S^-1 (R + diag(V / W))^-1 S b``, which is
  ``shrunk`` for a variant alone.
"""

from __future__ import annotations

import enum

import numpy as np
import numpy.typing as npt

Values = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]


class Weighting(enum.StrEnum):
    """How picked variants are weighted; see the module."""

    MEAN = "mean"
    SHRUNK = "shrunk"
    PIP = "pip"
    POSTERIOR = "posterior"
    JOINT = "joint"
    JOINT_SHRUNK = "joint-shrunk"

    @property
    def is_joint(self) -> bool:
        """Whether it needs an LD reference."""
        return self in (Weighting.JOINT, Weighting.JOINT_SHRUNK)

    @property
    def uses_pips(self) -> bool:
        """Whether it uses posterior inclusion probabilities."""
        return self in (Weighting.PIP, Weighting.POSTERIOR)


LEAST_EIGENVALUE = 0.1
"""Directions of R with a smaller eigenvalue are left out: two variants with a correlation above 0.9 are not
told apart, and share their effect evenly. The difference between such variants is hardly in the study,
differs between a reference panel and the study's people, and is larger in people of other ancestries."""


def shrinkage(variance: Values, prior_variance: Values) -> Values:
    """``W / (V + W)``, shape (n,): what the winner's curse leaves of an effect; NaN where V is unknown.

    Parameters
    ----------
    variance, prior_variance : numpy.ndarray of float64, shape (n,)
        V, squared standard errors; W, of effects, in the same units.
    """
    return np.asarray(prior_variance / (variance + prior_variance))


def mean_weights(effects: Values, group: Integers) -> Values:
    """Effects over the number of rows in their group.

    Parameters
    ----------
    effects : numpy.ndarray of float64, shape (n,)
        Of picked variants.
    group : numpy.ndarray of int64, shape (n,)
        The signal of each.

    Returns
    -------
    numpy.ndarray of float64, shape (n,)
    """
    return np.asarray(effects / np.bincount(group)[group]) if len(effects) else effects


def pip_weights(effects: Values, pip: Values, group: Integers) -> Values:
    """Effects times PIPs that sum to 1 in each group; evenly where all PIPs of a group are 0.

    Parameters
    ----------
    effects : numpy.ndarray of float64, shape (n,)
        Of picked variants.
    pip : numpy.ndarray of float64, shape (n,)
        Posterior inclusion probabilities, not negative.
    group : numpy.ndarray of int64, shape (n,)
        The signal of each.

    Returns
    -------
    numpy.ndarray of float64, shape (n,)
    """
    if not len(effects):
        return effects
    totals = np.bincount(group, pip)[group]
    with np.errstate(divide="ignore", invalid="ignore"):
        fraction = np.where(totals > 0, pip / totals, 1 / np.bincount(group)[group])
    return np.asarray(effects * fraction)


def joint_weights(
    effects: Values,
    correlations: Values,
    deviations: Values,
    ridge: Values | None = None,
    least_eigenvalue: float = LEAST_EIGENVALUE,
) -> tuple[Values, int]:
    """Joint effects of variants from their single effects and an LD reference.

    With R of the eigenvalues from ``least_eigenvalue`` on, its pseudo-inverse R^- and ``P = R R^-``, the
    weights are ``S^-1 R^- S b``, or ``S^-1 (R + diag(V / W))^-1 P S b``.

    Parameters
    ----------
    effects : numpy.ndarray of float64, shape (m,)
        b, per copy of the effect allele, each from a model with that variant alone.
    correlations : numpy.ndarray of float64, shape (m, m)
        R, of copies of the effect alleles.
    deviations : numpy.ndarray of float64, shape (m,)
        S, standard deviations of these copies, above 0.
    ridge : numpy.ndarray of float64, shape (m,), optional
        V / W, for the posterior mean; without it there is no prior.
    least_eigenvalue : float
        Directions with a smaller eigenvalue are not used.

    Returns
    -------
    weights : numpy.ndarray of float64, shape (m,)
    rank : int
        Directions that were used.
    """
    standardised = deviations * effects
    values, vectors = np.linalg.eigh(correlations)
    used = values >= least_eigenvalue
    values, vectors = values[used], vectors[:, used]
    along = vectors.T @ standardised
    if ridge is None:
        joint = vectors @ (along / values)
    else:
        joint = np.linalg.solve((vectors * values) @ vectors.T + np.diag(ridge), vectors @ along)
    return np.asarray(joint / deviations), len(values)
