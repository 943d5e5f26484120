"""Posterior probabilities of the variants of loci, without and with the score as their prior.

One variant of each locus is causal, and those of its rows in the table are all that could be: then the
posterior of a variant is its Bayes factor over the sum in the locus. With the score the prior is
``softmax(a f)`` of the logits f (:mod:`mifm_kipoi.finemapping.prior`). The slope a is estimated from the same
study, and may be 0, which leaves the posteriors as they are. A slope that is fitted to the loci it is applied
to would count their statistics twice: regions are divided into tenths, in the order of the genome, and the
slope of a tenth is that of the nine others. Where these do not show that the score helps, on regions that no
slope was fitted to, the slope is 0.
"""

from __future__ import annotations

import dataclasses
import enum

import numpy as np
import numpy.typing as npt

from mifm_kipoi.finemapping.prior import Prior, fit_slope, slope_gains, uniform_pips
from mifm_kipoi.statistics.estimates import Estimate, Values, mean_of_units

MIN_REGIONS = 20
"""Regions from which a slope is estimated. On simulated loci of 25 variants whose scores say nothing, 80 % of
slopes of 10 regions lay between 0 and 1.2, and those of scores with a true slope of 2 between 0.1 and 3.9;
of 20 regions between 0 and 1.5, and between 1.1 and 3.5."""

FOLDS = 10
"""Parts into which regions are divided."""

Numbers = npt.NDArray[np.int64]


class Reason(enum.StrEnum):
    """Where the slope comes from."""

    GIVEN = "given"
    """By the user."""

    ESTIMATED = "estimated"
    """From the other regions."""

    TOO_FEW = "too few regions"
    """It cannot be estimated, and 0 is used."""

    NO_GAIN = "no gain"
    """It was estimated, and does not explain the other regions better than none: 0 is used."""


@dataclasses.dataclass(frozen=True)
class Posteriors:
    """Posterior probabilities of variants.

    Parameters
    ----------
    without : numpy.ndarray of float64, shape (n,)
        Under a uniform prior; NaN without a Bayes factor. Those of a locus sum to 1.
    with_score : numpy.ndarray of float64, shape (n,)
        Under the prior of the scores, the same where the slope is 0.
    reason : Reason
        Where the slope comes from.
    slopes : tuple of float
        Lowest and highest slope that was used.
    fitted : float
        The slope that explains all regions best; NaN where none was estimated.
    gain : Estimate
        Mean over regions of the log-likelihood of their statistics under the slope of the others, less that
        under none, in nats; with its interval. NaN where none was estimated.
    regions, loci : int
        With two variants or more that have Bayes factors.
    without_logit : int
        Variants with a Bayes factor and without a score, which have the mean logit of their locus.
    """

    without: Values
    with_score: Values
    reason: Reason
    slopes: tuple[float, float]
    fitted: float
    gain: Estimate
    regions: int
    loci: int
    without_logit: int


def posteriors(
    logits: Values, log_abf: Values, locus: Numbers, region: Numbers, slope: float | None = None
) -> Posteriors:
    """Posterior probabilities without and with the score.

    Parameters
    ----------
    logits, log_abf : numpy.ndarray of float64, shape (n,)
        Of the network, and natural logarithms of Bayes factors; NaN where there is none.
    locus : numpy.ndarray of int64, shape (n,)
        The locus of each variant, each variant once in it; -1 for none.
    region : numpy.ndarray of int64, shape (loci,)
        The region of each locus, ascending along the genome.
    slope : float, optional
        By which logits are multiplied; by default it is estimated.

    Raises
    ------
    MissingPackageError
        When scipy is not installed.
    """
    used = np.flatnonzero(np.isfinite(log_abf) & (locus >= 0))
    without, with_score = (np.full(len(logits), np.nan) for _ in range(2))
    loci, inverse, sizes = np.unique(locus[used], return_inverse=True, return_counts=True)
    own = logits[used]
    missing = ~np.isfinite(own)
    totals, counts = np.bincount(inverse, np.where(missing, 0, own)), np.bincount(inverse, ~missing)
    own = np.where(missing, (totals / np.maximum(counts, 1))[inverse], own)
    informative = (sizes > 1) & (counts > 1)
    regions = np.unique(region[loci[informative]])
    slopes, reason = np.zeros(len(loci)), Reason.TOO_FEW
    fitted, gain = float("nan"), Estimate(float("nan"))
    if slope is not None:
        slopes[:], reason = slope, Reason.GIVEN
    elif len(regions) >= MIN_REGIONS:
        rows = informative[inverse]
        of_rows = inverse[rows]
        slopes, fitted, gain = _estimated(own[rows], log_abf[used][rows], of_rows, region[loci], regions)
        reason = Reason.ESTIMATED if gain.value > 0 else Reason.NO_GAIN
        if reason is Reason.NO_GAIN:
            slopes[:] = 0
    if used.size:
        without[used] = uniform_pips(log_abf[used], inverse)
        # Each row's own slope: constant within its locus.
        with_score[used] = Prior(1.0, 1.0).pips(slopes[inverse] * own, log_abf[used], inverse)
    ends = (float(slopes.min()), float(slopes.max())) if slopes.size else (0.0, 0.0)
    return Posteriors(
        without,
        with_score,
        reason,
        ends,
        fitted,
        gain,
        len(regions),
        int(informative.sum()),
        int(missing.sum()),
    )


def _estimated(
    logits: Values, log_abf: Values, locus: Numbers, region: Numbers, regions: Numbers
) -> tuple[Values, float, Estimate]:
    """The slope of each locus by the regions of the other folds, that of all, and the mean gain."""
    fold = np.arange(len(regions)) * FOLDS // len(regions)
    # Loci without two variants are in no fold, or in that of the region before them.
    of_loci = fold[np.clip(np.searchsorted(regions, region, side="right") - 1, 0, None)]
    # Loci of one region, as those of several studies, count as one.
    per_region = np.bincount(region[np.unique(locus)], minlength=int(region.max()) + 1)
    weights = 1 / np.maximum(per_region[region], 1)
    slopes, gains = np.zeros(len(region)), np.full(len(region), np.nan)
    for number in range(FOLDS):
        held_out = of_loci[locus] == number
        rest, part = np.unique(locus[~held_out]), np.unique(locus[held_out])
        fitted = fit_slope(logits[~held_out], log_abf[~held_out], locus[~held_out], weights[rest])
        slopes[of_loci == number] = fitted.slope
        gains[part] = slope_gains(fitted.slope, logits[held_out], log_abf[held_out], locus[held_out])
    whole = fit_slope(logits, log_abf, locus, weights[np.unique(locus)]).slope
    known = np.isfinite(gains)
    totals = np.bincount(region[known], gains[known] * weights[known], minlength=len(per_region))
    return slopes, whole, mean_of_units(totals[regions].astype(np.float64))
