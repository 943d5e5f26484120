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

Method = Literal["exact", "saddlepoint", "draws"]
Transform = npt.NDArray[np.complex128]

EXACT = 40
"""Differences that are not 0 up to which all sums are counted, by two lists of 2^20, in 0.2 s."""

_POINTS = 1 << 17
"""Of the line of integration: sums are told apart that differ by 4e-4 standard deviations, with 4 times
as many by 1e-4."""

_FEWEST = 1 << 9
"""Points however many sizes there are."""

_WORK = 1 << 25
"""Points times sizes, beyond which there are fewer points: 5 s, where nearly all signs are the same."""

_DIGITS = 18.0
"""What is smaller than others by exp(-18) is left out."""

_TOGETHER = 1 << 17
"""Numbers of a table in memory together."""

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

    Up to ``exact_up_to`` differences all sums are counted. Beyond, the tail is the integral of the
    characteristic function on a line through the saddlepoint (Daniels 1954, Annals of Mathematical Statistics
    25:631) of the cumulant generating function ``K(t) = sum log cosh(t d_i)``. A few large differences, or
    many that are nearly equal, which part the sums into separate heaps, do no harm. Against counted sums of
    36 differences and of 15 large beside 3,000 small ones it is right to 0.6 %, mostly to 0.02 %, at 1e-8
    too, unless heaps are narrower than some 1e-4 standard deviations of the sum: all of such a heap counts as
    reached. Where 60 to 2,000 differences are equal but for 1e-4 of their size or less, p is up to 28 % too
    large.

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
    persons in overlapping test sets. The p-value is no p-value: docs/tasks/pgs.md states how often it is
    below 0.05 where nothing differs. The models are not fitted again to the swapped predictors: those of
    exchangeable predictors have the same coefficients.

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
    """Logarithm of the two-sided tail, by Fourier inversion on a line through the saddlepoint.

    ``P(S >= x)`` is the integral of ``exp(K(z) - z x) / (2 pi i z)`` over ``z = t + i u``, for any t > 0. At
    the saddlepoint's t nothing cancels, so that small tails are as exact as large ones. Points that are
    ``2 pi / period`` apart give the tail of sums modulo the period, which is long enough.
    """
    most, deviation = float(sizes.sum()), math.sqrt(float((sizes**2).sum()))
    least = (1 - sizes.size) * math.log(2)
    value = wanted - _rounding(sizes)
    if value <= 0:
        return 0.0
    if most - value <= 2 * sizes[-1] * (1 - 1e-9):
        # No sign can flip: one of 2^n sums.
        return least
    # The pole at 0 is kept away from; a line beside the saddlepoint is as right.
    t = max(_saddle(sizes, value, value / deviation**2), 2 / deviation)
    t = min(t, 1 / _rounding(sizes))
    products = t * sizes
    # K(t) - t x, without the difference of large numbers.
    height = t * (most - value) + float(np.log1p(np.exp(-2 * products)).sum()) - sizes.size * math.log(2)
    # Sums above by a period, and below: K(t - v) - K(t) + v x bounds these, of any v up to t.
    whole = _cumulant(sizes, t)
    below = [(_DIGITS + _cumulant(sizes, t - v) - whole + v * value) / v for v in t / 2.0 ** np.arange(8)]
    period = max(min(9 * deviation, most - value), min(below))
    step = 2 * math.pi / period
    found, count = None, 4 * _POINTS
    while found is None:
        count //= 4
        found = _transform(sizes, t, step, count)
    if count == _POINTS and not _ends(*found, t, step, count):
        finer = _transform(sizes, t, step, 4 * count)
        found, count = (found, count) if finer is None else (finer, 4 * count)
    numbers, transform = found
    if not _ends(numbers, transform, t, step, count):
        width = _width(step, count)
        # The sums come in heaps that are narrower than can be told from single sums. Noise of this width lets
        # the integral end, and what is not told apart from the sum counts as reached.
        transform = transform * np.exp((width * (t + 1j * step * numbers)) ** 2 / 2)
        height += 4 * width * t
        value -= 4 * width
    terms = (transform * np.exp(-1j * step * numbers * value) / (t + 1j * step * numbers)).real
    integral = (2 * float(terms[1:].sum()) + float(terms[0])) / period
    if integral <= 0:
        return least
    return max(least, min(0.0, math.log(2) + height + math.log(integral)))


def _width(step: float, count: int) -> float:
    """Deviation of noise whose characteristic function ends with so many points."""
    return 5.5 / (step * count)


def _ends(numbers: Values, transform: Transform, t: float, step: float, count: int) -> bool:
    """Whether the second half of the points adds nothing."""
    parts = np.abs(transform) / np.hypot(t, step * numbers)
    return bool(parts[2 * numbers > count].sum() < 1e-5 * parts.sum())


def _cumulant(sizes: Values, t: float) -> float:
    """``sum log cosh(t d)``; log cosh x = x + log((1 + exp(-2 x)) / 2), which does not overflow."""
    products = t * sizes
    return float((products + np.log1p(np.exp(-2 * products)) - math.log(2)).sum())


def _grouped(sizes: Values, bin_width: float) -> tuple[Values, Values]:
    """Means and numbers of sizes that are equal but for less than what can be told apart."""
    _, index, counts = np.unique(np.floor(sizes / bin_width), return_inverse=True, return_counts=True)
    return np.bincount(index, sizes) / counts, counts.astype(np.float64)


def _transform(sizes: Values, t: float, step: float, end: int) -> tuple[Values, Transform] | None:
    """``exp(K(z) - K(t))`` at points ``z = t + i step number``, where not negligible; first their numbers.

    Sizes that are nearly equal make it large again far from 0, so that all points are looked through: first
    cells of points, by a bound that holds in all of the cell, of more and more sizes. None when that is too
    much work.
    """
    sizes, counts = _grouped(sizes, _width(step, end) / math.sqrt(sizes.size))
    most = math.inf if end <= _FEWEST else _WORK
    # Any order will do in which the first ones are of all sizes.
    order = np.random.default_rng(0).permutation(sizes.size)
    sizes, counts = sizes[order], counts[order]
    blocks = [slice(0, 32)]
    while blocks[-1].stop < sizes.size:
        blocks.append(slice(blocks[-1].stop, 2 * blocks[-1].stop))
    root_mean = math.sqrt(float((counts * sizes**2).sum() / counts.sum()))
    cell = max(4, round(0.2 / (root_mean * step)))
    numbers = np.arange(-(-end // cell), dtype=np.float64)
    height = np.zeros(numbers.size)
    # |cosh(z d) / cosh(t d)|^2 = 1 - (sin(u d) / cosh(t d))^2
    for block in blocks:
        d, n = sizes[block], counts[block]
        if numbers.size * d.size > most:
            return None
        flat = 1 / np.cosh(np.minimum(t * d, 300))
        for part in _parts(numbers.size, d.size):
            sine = np.abs(np.sin(np.multiply.outer((numbers[part] + 0.5) * cell * step, d)))
            sine = np.maximum(sine - 0.5 * cell * step * d, 0)
            height[part] += 0.5 * np.log(np.maximum(1 - (sine * flat) ** 2, 1e-300)) @ n
        numbers, height = numbers[height > -_DIGITS], height[height > -_DIGITS]
    if numbers.size * cell * min(sizes.size, 1 << 12) > most:
        return None
    points = (numbers[:, np.newaxis] * cell + np.arange(cell)).ravel()
    transform = np.ones(points.size, np.complex128)
    for block in blocks:
        d, n = sizes[block], counts[block]
        slope = np.tanh(t * d)
        several = n > 1
        for part in _parts(points.size, d.size):
            angle = np.multiply.outer(points[part] * step, d)
            factor = np.cos(angle) + 1j * (slope * np.sin(angle))
            factor[:, several] **= n[several]
            transform[part] *= factor.prod(axis=1)
        kept = np.abs(transform) > math.exp(-_DIGITS)
        points, transform = points[kept], transform[kept]
    return points, transform


def _parts(rows: int, columns: int) -> list[slice]:
    """Of rows, so that what is in memory together stays small."""
    size = max(1, _TOGETHER // columns)
    return [slice(start, start + size) for start in range(0, rows, size)]


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
