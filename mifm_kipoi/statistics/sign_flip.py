"""Paired tests by sign flips, of whether two predictors of the same people lose as much.

Each person has a difference of two losses, such as squared errors of predictions by models that were fitted
without that person. If the two predictors are exchangeable, each difference is as likely with the other sign,
and the sum S = sum d_i is one of 2^n equally likely sums, whatever the distribution of the differences. The
p-value is two-sided, ``P(|sum e_i d_i| >= |S|)`` with random signs e_i. Fitted models are taken as they are.

Two models of the same people have R2 with the same denominator, so that a test of S is a test of the
difference between their R2; with log losses, between their McFadden's R2 against the same covariate model.
"""

from __future__ import annotations

import dataclasses
import math
from typing import Literal

import numpy as np
import numpy.typing as npt

from mifm_kipoi.statistics.bootstrap import Seed
from mifm_kipoi.statistics.estimates import Values
from mifm_kipoi.support.packages import needed

Method = Literal["exact", "saddlepoint", "draws"]

EXACT = 40
"""Differences that are not 0 up to which all sums are counted, by two lists of 2^20, in 0.2 s."""

_LARGE = 0.1
"""Part of the sum of squares that one difference may have; up to it the tail is wrong by 0.2 % at most."""

_MOST_LARGE = 10
"""Larger ones whose signs are gone through: 2^10 saddlepoints at most."""

_LATTICE = 1e-4
"""Part of the largest difference that all differences must be multiples of, for sums on a lattice."""

_STEPS = 100
"""Newton's steps at most; some ten are enough."""

_SIGNS = 1 << 22
"""Random signs in memory together."""


@dataclasses.dataclass(frozen=True)
class SignFlip:
    """A test by sign flips.

    Parameters
    ----------
    total : float
        Sum of the differences.
    p_value : float
        Two-sided; 0 only below what a float64 holds.
    log_p : float
        Its natural logarithm, which does not underflow.
    method : {"exact", "saddlepoint", "draws"}
        How the p-value was had.
    units : int
        Differences (sums of clusters) that are not 0: without any, p is 1.
    """

    total: float
    p_value: float
    log_p: float
    method: Method
    units: int


def sign_flip(
    differences: Values, cluster: npt.ArrayLike | None = None, exact_up_to: int = EXACT
) -> SignFlip:
    """Test whether differences are as likely with the other sign.

    Up to ``exact_up_to`` differences all sums are counted. Beyond, the tail is the saddlepoint approximation
    of Lugannani and Rice (1980, Advances in Applied Probability 12:475) with the cumulant generating function
    ``K(t) = sum log cosh(t d_i)``. Its relative error stays small at 1e-8 and beyond, which draws do not
    reach. The signs of differences that are large beside all others, which part the sums into separate heaps,
    are gone through, each with the saddlepoint of the rest.

    Parameters
    ----------
    differences : numpy.ndarray of float64, shape (n,)
        Finite.
    cluster : array_like, shape (n,), optional
        Such as families, or the trait of each scenario: the signs of a cluster flip together.
    exact_up_to : int
        At most 40.

    Returns
    -------
    SignFlip

    Raises
    ------
    ValueError
        When a difference is not finite.
    """
    values = _sums(differences, cluster)
    total = float(values.sum())
    sizes = np.sort(np.abs(values[values != 0]))[::-1]
    if not sizes.size:
        return SignFlip(total, 1.0, 0.0, "exact", 0)
    # Sums of very small or large numbers neither underflow nor overflow when squared.
    scaled, wanted = sizes / sizes[0], abs(total) / float(sizes[0])
    if sizes.size <= min(exact_up_to, 40):
        log_p = _exact(scaled, wanted)
        return SignFlip(total, math.exp(log_p), log_p, "exact", sizes.size)
    log_p = _saddlepoint(scaled, wanted)
    return SignFlip(total, math.exp(log_p), log_p, "saddlepoint", sizes.size)


def sign_flip_draws(
    differences: Values, draws: int, seed: Seed = 1, cluster: npt.ArrayLike | None = None
) -> SignFlip:
    """The same test with random signs: ``p = (1 + b) / (1 + draws)``, b sums at least as large.

    Parameters
    ----------
    differences, cluster
        As in :func:`sign_flip`.
    draws : int
        p cannot be less than ``1 / (1 + draws)``.
    seed : int or sequence of int
        Of the random numbers.
    """
    values = _sums(differences, cluster)
    total = float(values.sum())
    sizes = np.abs(values[values != 0])
    if not sizes.size:
        return SignFlip(total, 1.0, 0.0, "draws", 0)
    scaled, wanted = sizes / sizes.max(), abs(total) / float(sizes.max())
    generator = np.random.default_rng(seed)
    wanted -= _rounding(scaled)
    reached, chunk_size = 0, max(1, _SIGNS // scaled.size)
    for start in range(0, draws, chunk_size):
        sums = _random_signs(generator, min(chunk_size, draws - start), scaled.size) @ scaled
        reached += int((np.abs(sums) >= wanted).sum())
    p_value = (1 + reached) / (1 + draws)
    return SignFlip(total, p_value, math.log(p_value), "draws", sizes.size)


def pairwise_swaps(
    first: list[Values],
    second: list[Values],
    totals: list[float],
    models: int = 10_000,
    seed: Seed = 1,
) -> float:
    """The procedure of the paper's authors, which rejects far too often; to compare with theirs alone.

    Both predictors of random persons are swapped, in each split anew, which makes a model with the R2 that is
    the mean over splits of ``1 - sum of losses / total``. Of many such models *all pairs* are compared: the
    p-value is the fraction of pairs whose R2 differ by at least the observed difference. A swapped model has
    about half of the persons of each predictor, so that two of them differ by less than the two predictors
    do, and swaps that are independent between splits average out, while the two predictors have the same
    persons in overlapping test sets. The p-value is no p-value: docs/pgs.md states how often it is below 0.05
    where nothing differs. The models are not fitted again to the swapped predictors: those of exchangeable
    predictors have the same coefficients.

    Parameters
    ----------
    first, second : list of numpy.ndarray of float64, shape (t,)
        Losses of the persons of each split's test set.
    totals : list of float
        Sum of squared deviations of the outcome (or losses of the model that R2 compares with) of each test
        set.
    models : int
        Swapped models; their pairs are ``models (models - 1) / 2``.
    seed : int or sequence of int
        Of the random numbers.

    Returns
    -------
    float
    """
    generator = np.random.default_rng(seed)
    swapped = np.zeros(models)
    observed = 0.0
    for one, other, total in zip(first, second, totals, strict=True):
        differences = (one - other) / (total * len(totals))
        observed += float(differences.sum())
        chunk_size = max(1, _SIGNS // max(differences.size, 1))
        for start in range(0, models, chunk_size):
            stop = min(start + chunk_size, models)
            signs = _random_signs(generator, stop - start, differences.size)
            # The losses of a swapped model: the mean of both, and half of the difference with either sign.
            swapped[start:stop] += signs @ differences / 2
    swapped.sort()
    wanted = abs(observed)
    # Of each model, those that are above it by as much. Pairs with itself count only where all differences
    # are 0.
    above = models - np.searchsorted(swapped, swapped + wanted, side="left")
    pairs = models * (models - 1) / 2
    return float(min(1.0, above.sum() / pairs)) if wanted > 0 else 1.0


def _sums(differences: Values, cluster: npt.ArrayLike | None) -> Values:
    values = np.asarray(differences, dtype=np.float64)
    if not np.isfinite(values).all():
        count = int((~np.isfinite(values)).sum())
        raise ValueError(f"{count} of {values.size} differences of losses are not finite; leave these out")
    if cluster is None:
        return values
    names, index = np.unique(cluster, return_inverse=True)
    return np.bincount(index, values, names.size).astype(np.float64)


def _rounding(sizes: Values) -> float:
    """By how much sums that are equal may differ: equal ones count as reached."""
    return 1e-12 * float(sizes.sum())


def _random_signs(generator: np.random.Generator, rows: int, columns: int) -> Values:
    """-1 and 1, shape (rows, columns)."""
    octets = np.frombuffer(generator.bytes(rows * -(-columns // 8)), np.uint8).reshape(rows, -1)
    bits = np.unpackbits(octets, axis=1, count=columns)
    return bits.astype(np.float64) * 2 - 1


def _all_sums(sizes: Values) -> Values:
    """All 2^n sums of values with either sign, sorted."""
    sums = np.zeros(1)
    for size in sizes:
        sums = np.concatenate([sums - size, sums + size])
    return np.sort(sums)


def _exact(sizes: Values, wanted: float) -> float:
    """Logarithm of the fraction of all signs with which a sum is at least as large, in size."""
    half = sizes.size // 2
    one, other = _all_sums(sizes[:half]), _all_sums(sizes[half:])
    limit = wanted - _rounding(sizes)
    if limit <= 0:
        return 0.0
    reached = int((one.size - np.searchsorted(one, limit - other, side="left")).sum())
    # Sums are symmetric about 0; the count fits into an integer, and the power of two is exact.
    return min(0.0, math.log(2 * reached) - sizes.size * math.log(2)) if reached else -math.inf


def _saddlepoint(sizes: Values, wanted: float) -> float:
    """Logarithm of the two-sided tail; ``sizes`` fall."""
    squares = sizes**2
    # What is left after each: a difference is large beside those that are smaller.
    left = np.cumsum(squares[::-1])[::-1]
    large = int(np.argmin(np.append(squares[:_MOST_LARGE] > _LARGE * left[:_MOST_LARGE], False)))
    offsets, counts = np.unique(_all_sums(sizes[:large]), return_counts=True)
    tails = _log_upper_tails(sizes[large:], wanted - offsets)
    most = float(tails.max())
    if most == -math.inf:
        return -math.inf
    upper = most + math.log(float((counts * np.exp(tails - most)).sum())) - large * math.log(2)
    return min(0.0, math.log(2) + upper)


def _log_upper_tails(sizes: Values, wanted: Values) -> Values:
    """Logarithms of ``P(sum e_i d_i >= x)``, of each x of shape (x,)."""
    log_ndtr = needed("scipy.special", "polygenic").log_ndtr
    result = np.empty(wanted.size)
    variance, most, span = float((sizes**2).sum()), float(sizes.sum()), _span(sizes)
    if span:
        # To the sum that is reached: the next one on the lattice.
        wanted = most - np.floor((most - wanted) / span + 1e-6) * span
    start = 0.0
    for number in np.argsort(np.abs(wanted)):
        # P(sum >= -x) = 1 - P(sum > x), and the sum after x on a lattice is x + span.
        below = wanted[number] < 0
        value = abs(float(wanted[number])) + (span if below else 0.0)
        if value > most * (1 + 1e-12):
            upper = -math.inf
        elif most - value <= 2 * sizes[-1] * (1 - 1e-9):
            # No sign can flip: one of 2^n sums.
            upper = -sizes.size * math.log(2)
        else:
            start = _saddle(sizes, value, max(start, value / variance))
            upper = _lugannani_rice(sizes, value, start, span, log_ndtr)
        result[number] = math.log1p(-math.exp(min(upper, math.log(0.5)))) if below else upper
    return result


def _span(sizes: Values) -> float:
    """Distance between neighbouring sums where all sizes are multiples of one number, or 0."""
    divisor = float(sizes.min())
    while divisor > _LATTICE * sizes.max():
        rest = np.mod(sizes, divisor)
        rest = rest[(rest > 1e-9) & (rest < divisor - 1e-9)]
        if not rest.size:
            return 2 * divisor
        divisor = float(rest.min())
    return 0.0


def _saddle(sizes: Values, value: float, start: float) -> float:
    """The t at which ``sum d_i tanh(t d_i)`` is ``value``: concave, so Newton's steps from below rise."""
    t = start if float((sizes * np.tanh(start * sizes)).sum()) <= value else 0.0
    for _ in range(_STEPS):
        tangent = np.tanh(t * sizes)
        gap = value - float((sizes * tangent).sum())
        curvature = float((sizes**2 * (1 - tangent**2)).sum())
        if curvature <= 0:
            break
        step = gap / curvature
        t += step
        if abs(step) <= 1e-13 * t:
            break
    return t


def _lugannani_rice(sizes: Values, value: float, t: float, span: float, log_ndtr: np.ufunc) -> float:
    """Logarithm of the upper tail at the saddlepoint; with Daniels' correction on a lattice (1987)."""
    products = t * sizes
    # log cosh x = x + log((1 + exp(-2 x)) / 2), which does not overflow.
    cumulants = float((products + np.log1p(np.exp(-2 * products)) - math.log(2)).sum())
    root = math.sqrt(max(2 * (t * value - cumulants), 0.0))
    deviation = math.sqrt(float((sizes**2 / np.cosh(np.minimum(products, 300)) ** 2).sum()))
    tail = float(log_ndtr(-root))
    if root < 1e-3:
        # Both terms go to infinity at the centre. Sums are symmetric: what is left is half of a lattice's
        # step.
        difference = span / (2 * deviation)
    else:
        slope = deviation * (-math.expm1(-t * span) / span if span else t)
        difference = 1 / slope - 1 / root
    correction = math.exp(-0.5 * root**2 - 0.5 * math.log(2 * math.pi) - tail) * difference
    return min(0.0, tail + math.log1p(correction)) if correction > -1 else tail
