"""Prior weights of the variants of loci from a score and annotations, by empirical Bayes out of chromosome.

Fine-mapping with a flat prior says how well each variant of a locus explains each signal: a Bayes factor.
Where a score or an annotation tells causal variants from others, these Bayes factors are higher at variants
for which it is higher, over all loci together, and no truth is needed to see it. A variant j of a locus of p
variants has the prior weight::

    pi_j = (1 - null) softmax(g(f) + c x)_j + null / p
    g(f) = a min(f, k) + b max(f - k, 0)

for its score f and its annotations x. The slopes a and b are not negative, for a score that points the wrong
way is not to be trusted the other way round; coefficients c may have any sign. A score has two slopes because
its highest values seldom say as much more as the others: above k, which 2 % of all variants exceed, a
network is surer than it should be, and one slope for all would be too steep there, or too flat elsewhere.
``null`` is the fraction of signals of which score and annotations say nothing, as where the causal variant is
in no file or the score errs: there all variants of the locus are equally likely. It also bounds what a prior
can do: no variant has less than ``null / p``.

All of them maximise the likelihood of the signals, ``sum log sum_j pi_j BF_j``, with a standard normal prior
on coefficients of features whose standard deviation within loci is 1: with hundreds of signals it hardly
matters, with ten it keeps a slope from running away, as that of a feature that all signals have in common.

Signals that are fitted to and then fine-mapped with the result would count their evidence twice. So the
weights of a chromosome come from the signals of all others, and those only where they are shown to help: the
other chromosomes are divided, each part gets the coefficients of the rest, and the weights are flat unless
these explain the signals better than flat ones. With fewer than two other chromosomes they are flat.
"""

from __future__ import annotations

import dataclasses
import enum
import functools
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from mifm_kipoi.statistics.estimates import Values
from mifm_kipoi.support.packages import needed

Rows = npt.NDArray[np.int64]

NULL = "null"
"""Name of the fraction of signals of which features say nothing, among those of coefficients."""

NULLS = (0.001, 0.99)
"""Smallest and largest fraction of signals of which features say nothing. At 0 a single signal that
contradicts the features would decide, and at 1 coefficients could be anything."""

FOLDS = 3
"""Parts into which chromosomes are divided to see whether coefficients help where they were not fitted."""

KNOT = 0.98
"""Quantile of a score, among the variants of all loci, from which on it has another slope."""

_STARTS = (0.25, 1.5)
"""Slopes, of features of standard deviation 1, that a fit begins from: the likelihood may have several
maxima."""

_FIRST_NULL = 0.2
_TOLERANCE = {"ftol": 1e-8, "maxiter": 100}

_MOST_AT_ENDS = 0.01
"""Fraction of scores between 0 and 1 that may be 0 or 1 for them to be probabilities."""

_NEGLIGIBLE = 60.0
"""Variants whose log Bayes factor is this much below the highest of their effect add nothing to its sum."""


class Reason(enum.StrEnum):
    """Where the coefficients of a chromosome come from."""

    FITTED = "fitted"
    """To the signals of other chromosomes."""

    NO_GAIN = "no gain"
    """They do not explain signals that they were not fitted to: the weights are flat."""

    TOO_FEW = "too few chromosomes"
    """Fewer than two other chromosomes have signals: the weights are flat."""

    CONSTANT = "no differences within loci"
    """Score and annotations are the same at all variants of each locus: the weights are flat."""


@dataclasses.dataclass(frozen=True)
class LocusEvidence:
    """What fine-mapping with a flat prior says of a locus, and the features of its variants.

    Parameters
    ----------
    chromosome : str
        Its contig, named the same way in all loci.
    features : numpy.ndarray of float64, shape (p, k)
        Scores first, higher where more likely causal, such as :func:`to_feature` makes of them; then
        annotations. NaN where a variant has none, which then counts as the mean of its locus.
    log_bf : numpy.ndarray of float64, shape (effects, p)
        Natural logarithms of each variant's Bayes factor for each effect that stands for a signal: of SuSiE,
        of the effects with a credible set. ``-inf`` is allowed; at least one of each effect is finite.

    Raises
    ------
    ValueError
        When shapes do not fit, or an effect has no finite Bayes factor.
    """

    chromosome: str
    features: Values
    log_bf: Values

    def __post_init__(self) -> None:
        if self.features.ndim != 2 or not self.features.shape[0]:
            raise ValueError(
                f"features have the shape {self.features.shape}; expected (variants, features), a variant at "
                "least"
            )
        variants = self.features.shape[0]
        if self.log_bf.ndim != 2 or self.log_bf.shape[1] != variants:
            raise ValueError(f"log_bf has the shape {self.log_bf.shape}; expected (effects, {variants})")
        if np.isnan(self.log_bf).any() or not np.isfinite(self.log_bf.max(axis=1, initial=-np.inf)).all():
            raise ValueError(
                f"log_bf of a locus on {self.chromosome} has a NaN, or an effect without a finite number"
            )


@dataclasses.dataclass(frozen=True)
class Coefficients:
    """How features become prior weights on one chromosome.

    Parameters
    ----------
    slopes : tuple of float
        Of one unit of each feature: of each score a, then b of each; then c of each annotation. Those of
        scores are 0 or more.
    knots : tuple of float
        k of each score.
    null : float
        Fraction of signals of which the features say nothing, from 0 to 1; 1 where weights are flat.
    signals : int
        Effects that the coefficients were fitted to.
    gain : float
        Mean log-likelihood of these signals under the weights less that under flat ones, in nats; 0 where
        the weights are flat, NaN without signals.
    held_out_gain : float
        The same under coefficients that were fitted to chromosomes which the signal is not on; NaN where it
        is not known.
    reason : Reason
        Where the coefficients come from.
    """

    slopes: tuple[float, ...]
    knots: tuple[float, ...]
    null: float
    signals: int
    gain: float
    held_out_gain: float
    reason: Reason

    @property
    def flat(self) -> bool:
        """Whether all variants have the same weight."""
        return self.reason is not Reason.FITTED

    def weights(self, features: Values) -> Values:
        """Prior weights of the variants of a locus.

        Parameters
        ----------
        features : numpy.ndarray of float64, shape (p, k)
            As in :class:`LocusEvidence`.

        Returns
        -------
        numpy.ndarray of float64, shape (p,)
            They sum to 1; none is below ``null / p``.
        """
        variants, width = features.shape
        if width != len(self.slopes) - len(self.knots):
            raise ValueError(f"the locus has {width} features; expected {len(self.slopes) - len(self.knots)}")
        if self.flat:
            return np.full(variants, 1 / max(variants, 1))
        predictor = _centred(_bent(features, self.knots)) @ np.array(self.slopes)
        weights = np.exp(predictor - predictor.max())
        values: Values = (1 - self.null) * weights / weights.sum() + self.null / variants
        return values


@dataclasses.dataclass(frozen=True)
class FittedPrior:
    """Coefficients of each chromosome, each fitted to the others.

    Parameters
    ----------
    names : tuple of str
        Of the slopes: the features, and each score above its knot.
    by_chromosome : dict of str to Coefficients
        Of chromosomes with signals.
    whole : Coefficients
        Fitted to all signals: those of a chromosome that has none. Nothing that was fitted to may be
        fine-mapped with it.
    """

    names: tuple[str, ...]
    by_chromosome: dict[str, Coefficients]
    whole: Coefficients

    def of(self, chromosome: str) -> Coefficients:
        """The coefficients for the loci of a chromosome."""
        return self.by_chromosome.get(chromosome, self.whole)

    def weights(self, chromosome: str, features: Values) -> Values:
        """Prior weights of the variants of a locus, (p, k) -> (p,); see :meth:`Coefficients.weights`."""
        return self.of(chromosome).weights(features)

    def table(self) -> pd.DataFrame:
        """One row for each chromosome and coefficient, those of ``all``, fitted to all signals, at the end.

        Returns
        -------
        pandas.DataFrame
            ``chrom, feature, coefficient, signals, gain, held_out_gain, reason``, as of
            :class:`Coefficients`; the last feature of each chromosome is ``null``.
        """
        rows = [
            (chromosome, feature, value, one.signals, one.gain, one.held_out_gain, str(one.reason))
            for chromosome, one in (*self.by_chromosome.items(), ("all", self.whole))
            for feature, value in zip((*self.names, NULL), (*one.slopes, one.null), strict=True)
        ]
        columns = ["chrom", "feature", "coefficient", "signals", "gain", "held_out_gain", "reason"]
        return pd.DataFrame(rows, columns=columns)


class Scale(enum.StrEnum):
    """How a score enters the prior."""

    LOGIT = "as its logit"
    """Of numbers between 0 and 1."""

    RAW = "as it is"


def to_feature(scores: Values) -> tuple[Values, Scale]:
    """Scores as they enter the prior: as logits where they are probabilities, else as they are.

    A prior multiplies odds by ``exp(a f)``, so that f should not end at 0 and 1. Where all scores lie between
    0 and 1 they are turned into logits; a few that are 0 or 1, by rounding, count as the nearest others. More
    of them are classes rather than probabilities, which stay as they are. Scores that were turned round, all
    between -1 and 0, are the logits of the others with the opposite sign. The scores of a whole run belong
    together: those of one locus may all lie between 0 and 1 by chance.

    Parameters
    ----------
    scores : numpy.ndarray of float64, shape (n,)
        NaN where there is none.

    Returns
    -------
    feature : numpy.ndarray of float64, shape (n,)
    scale : Scale
        What was done.
    """
    known = scores[~np.isnan(scores)]
    if not known.size:
        return scores, Scale.RAW
    turned = known.max() <= 0
    chances = 1 + known if turned else known
    inner = chances[(chances > 0) & (chances < 1)]
    at_ends = known.size - inner.size
    if chances.min() < 0 or chances.max() > 1 or not inner.size or at_ends > _MOST_AT_ENDS * known.size:
        return scores, Scale.RAW
    logit = needed("scipy.special", "finemapping").logit
    values: Values = logit(np.clip(1 + scores if turned else scores, inner.min(), inner.max()))
    return values, Scale.LOGIT


def fit_prior_weights(loci: Sequence[LocusEvidence], names: Sequence[str], scores: int = 1) -> FittedPrior:
    """Fit coefficients for each chromosome to the signals of all others.

    Parameters
    ----------
    loci : sequence of LocusEvidence
        Of one study or of many; a locus is there once for each study. Those without effects add features,
        which decide the scale of these, and no signals.
    names : sequence of str
        Of the features.
    scores : int
        How many of the first features are scores, whose slopes are not negative; the others are annotations.

    Raises
    ------
    ValueError
        When a locus has another number of features than ``names``.
    """
    names = tuple(names)
    for locus in loci:
        if locus.features.shape[1] != len(names):
            raise ValueError(
                f"a locus on {locus.chromosome} has {locus.features.shape[1]} features; "
                f"expected {len(names)}: {', '.join(names)}"
            )
    knots = _knots(loci, scores)
    above = [f"{name} above {knot:.4g}" for name, knot in zip(names, knots, strict=False)]
    names = (*names[:scores], *above, *names[scores:])
    signals = _Signals(loci, knots)
    chromosomes = list(dict.fromkeys(locus.chromosome for locus in loci if locus.log_bf.shape[0]))
    if not signals.count:
        return FittedPrior(names, {}, _flat(signals, 0, float("nan"), Reason.TOO_FEW))
    if not signals.scale.any():
        flat = _flat(signals, signals.count, 0.0, Reason.CONSTANT)
        return FittedPrior(names, dict.fromkeys(chromosomes, flat), flat)
    every = np.ones(signals.count, dtype=bool)
    whole, _ = signals.fit(every)
    by_chromosome = {
        chromosome: _fitted(signals, signals.chromosome != chromosome, whole) for chromosome in chromosomes
    }
    return FittedPrior(names, by_chromosome, _fitted(signals, every, whole))


def _fitted(signals: _Signals, rows: npt.NDArray[np.bool_], begin: Values) -> Coefficients:
    """Coefficients of some signals, or flat ones where they do not help on chromosomes that are left out.

    Nothing but these signals decides: a chromosome has no say in its own weights.
    """
    chromosomes = pd.unique(signals.chromosome[rows]).tolist()
    count = int(rows.sum())
    if len(chromosomes) < 2:
        return _flat(signals, count, float("nan"), Reason.TOO_FEW)
    parameters, gain = signals.fit(rows, begin)
    held_out = np.zeros(signals.count)
    for fold in range(min(FOLDS, len(chromosomes))):
        own = np.isin(signals.chromosome, chromosomes[fold::FOLDS])
        rest, _ = signals.fit(rows & ~own, parameters)
        held_out[own] = signals.gains(rest)[own]
    mean = float(held_out[rows].mean())
    if not mean > 0:
        return _flat(signals, count, mean, Reason.NO_GAIN)
    slopes = parameters[:-1] * signals.per_unit
    null = float(parameters[-1])
    return Coefficients(tuple(slopes.tolist()), signals.knots, null, count, gain, mean, Reason.FITTED)


def _flat(signals: _Signals, count: int, held_out: float, reason: Reason) -> Coefficients:
    zeros = (0.0,) * signals.features.shape[1]
    return Coefficients(zeros, signals.knots, 1.0, count, 0.0 if count else float("nan"), held_out, reason)


class _Signals:
    """All signals of all loci, as arrays.

    Parameters
    ----------
    loci : sequence of LocusEvidence
        As of :func:`fit_prior_weights`.
    knots : tuple of float
        Of the scores.

    Attributes
    ----------
    features : numpy.ndarray of float64, shape (n, width)
        Of the variants of all loci with signals: centred in each locus, in standard deviations.
    scale : numpy.ndarray of float64, shape (width,)
        Standard deviation within loci that each feature had, of both parts of a score that of the score.
    chromosome : numpy.ndarray of object, shape (count,)
        Of each signal.
    """

    def __init__(self, loci: Sequence[LocusEvidence], knots: tuple[float, ...]) -> None:
        self.knots = knots
        self._sloping = 2 * len(knots)
        kept = [locus for locus in loci if locus.log_bf.shape[0]]
        scores = len(knots)
        squares = [(_centred(one.features) ** 2).sum(axis=0) for one in loci]
        freedom = max(sum(len(one.features) - 1 for one in loci), 1)
        deviation = np.sqrt(np.sum(squares, axis=0) / freedom) if loci else np.zeros(scores)
        # Both slopes of a score are of its own units, so that few high values have no steep one.
        self.scale = np.concatenate([deviation[:scores], deviation])
        self.per_unit = np.divide(1, self.scale, out=np.zeros_like(self.scale), where=self.scale > 0)
        with_signals = [_centred(_bent(one.features, knots)) * self.per_unit for one in kept]
        self.features = np.concatenate(with_signals) if kept else np.zeros((0, self.scale.size))
        sizes = np.array([len(one) for one in with_signals], dtype=np.int64)
        self._starts = np.cumsum(sizes) - sizes
        self._locus = np.repeat(np.arange(sizes.size), sizes)
        effects = np.array([one.log_bf.shape[0] for one in kept], dtype=np.int64)
        self._of_locus = np.repeat(np.arange(effects.size), effects)
        self.count = int(effects.sum())
        self.chromosome = np.array([one.chromosome for one in kept], dtype=object)[self._of_locus]
        self._read([one.log_bf for one in kept], sizes)

    def _read(self, log_bf: Sequence[Values], sizes: Rows) -> None:
        """The Bayes factors of each effect, relative to their mean, of variants that add to their sum."""
        rows, values, counts = [], [], []
        for number, of_locus in enumerate(log_bf):
            for one in of_locus:
                top = one.max()
                near = np.flatnonzero(one > top - _NEGLIGIBLE)
                mean = top + np.log(np.exp(one - top).sum() / sizes[number])
                rows.append(self._starts[number] + near)
                values.append(one[near] - mean)
                counts.append(near.size)
        self._variant = np.concatenate(rows) if rows else np.zeros(0, dtype=np.int64)
        self._log_bf = np.concatenate(values) if values else np.zeros(0)
        lengths = np.array(counts, dtype=np.int64)
        self._effect = np.repeat(np.arange(lengths.size), lengths)
        self._effect_starts = np.cumsum(lengths) - lengths

    def gains(self, parameters: Values) -> Values:
        """Log-likelihood of each signal less that under flat weights: (width + 1,) -> (count,)."""
        ratio = self._log_ratios(parameters[:-1])[0]
        return _mixed(ratio, parameters[-1])

    def fit(self, rows: npt.NDArray[np.bool_], begin: Values | None = None) -> tuple[Values, float]:
        """The parameters under which some signals are most likely, and their mean gain.

        Parameters
        ----------
        rows : numpy.ndarray of bool, shape (count,)
            Which signals.
        begin : numpy.ndarray of float64, shape (width + 1,), optional
            Parameters to begin from, beside others.

        Returns
        -------
        parameters : numpy.ndarray of float64, shape (width + 1,)
            Coefficients of the features, and the null.
        gain : float
            In nats a signal.
        """
        weights = rows.astype(np.float64)
        width = self.features.shape[1]
        starts = [
            np.array([*[slope] * self._sloping, *[0.0] * (width - self._sloping), _FIRST_NULL])
            for slope in _STARTS
        ]
        # What fits nearly the same signals is near enough, unless slopes are where they cannot go on.
        near = begin is not None and (not self._sloping or begin[: self._sloping].any())
        starts = [begin] if begin is not None and near else starts
        bounds: list[tuple[float | None, float | None]] = [
            (0.0 if number < self._sloping else None, None) for number in range(width)
        ]
        bounds.append(NULLS)
        objective = functools.partial(self._loss, weights=weights)
        minimize = needed("scipy.optimize", "finemapping").minimize
        found = [
            minimize(objective, one, jac=True, method="L-BFGS-B", bounds=bounds, options=_TOLERANCE)
            for one in starts
        ]
        best = min(found, key=lambda one: float(one.fun))
        parameters: Values = np.asarray(best.x, dtype=np.float64)
        return parameters, float(self.gains(parameters)[rows].mean())

    def _loss(self, parameters: Values, weights: Values) -> tuple[float, Values]:
        """Less the penalised log-likelihood, and its gradient."""
        coefficients, null = parameters[:-1], parameters[-1]
        ratio, posterior, prior = self._log_ratios(coefficients)
        gains = _mixed(ratio, null)
        # Probability of each signal that the features have a say in it.
        known = weights * np.exp(np.log1p(-null) + ratio - gains)
        of_locus = np.bincount(self._of_locus, known, minlength=self._starts.size)
        change = np.bincount(self._variant, posterior * known[self._effect], minlength=len(prior))
        slope = (change - prior * of_locus[self._locus]) @ self.features - coefficients
        # Of (1 - null) e^ratio + null.
        of_null = float(weights @ (np.exp(-gains) - np.exp(ratio - gains)))
        loss = -float(weights @ gains) + 0.5 * float(coefficients @ coefficients)
        return loss, -np.append(slope, of_null)

    def _log_ratios(self, coefficients: Values) -> tuple[Values, Values, Values]:
        """``log sum_j p_j BF_j - log mean BF`` of each signal for p = softmax(features @ coefficients).

        Returns
        -------
        ratio : numpy.ndarray of float64, shape (count,)
        posterior : numpy.ndarray of float64, shape (rows,)
            Of the variants that add to the sum of an effect; they sum to 1 in each.
        prior : numpy.ndarray of float64, shape (n,)
            Of all variants; they sum to 1 in each locus.
        """
        predictor = self.features @ coefficients
        top = np.maximum.reduceat(predictor, self._starts)
        prior = np.exp(predictor - top[self._locus])
        total = np.add.reduceat(prior, self._starts)
        log_total = top + np.log(total)
        joint = predictor[self._variant] + self._log_bf
        highest = np.maximum.reduceat(joint, self._effect_starts)
        posterior = np.exp(joint - highest[self._effect])
        sums = np.add.reduceat(posterior, self._effect_starts)
        ratio = highest + np.log(sums) - log_total[self._of_locus]
        return ratio, posterior / sums[self._effect], prior / total[self._locus]


def _mixed(ratio: Values, null: float) -> Values:
    """``log((1 - null) e^ratio + null)``."""
    with np.errstate(divide="ignore"):
        values: Values = np.logaddexp(np.log1p(-null) + ratio, np.log(null))
    return values


def _knots(loci: Sequence[LocusEvidence], scores: int) -> tuple[float, ...]:
    """:data:`KNOT` of each score; 0 where no variant has one."""
    if not loci:
        return (0.0,) * scores
    every = np.concatenate([one.features[:, :scores] for one in loci])
    known = [column[~np.isnan(column)] for column in every.T]
    return tuple(float(np.quantile(one, KNOT)) if one.size else 0.0 for one in known)


def _bent(features: Values, knots: Sequence[float]) -> Values:
    """Scores up to their knots, what they are above these, and annotations: (p, k) -> (p, k + scores)."""
    scores, knot = features[:, : len(knots)], np.array(knots)
    values: Values = np.column_stack(
        [np.minimum(scores, knot), np.maximum(scores - knot, 0), features[:, len(knots) :]]
    )
    return values


def _centred(features: Values) -> Values:
    """Features of a locus less their means; 0 where one is not known: (p, k) -> (p, k)."""
    known = ~np.isnan(features)
    counts = np.maximum(known.sum(axis=0), 1)
    values: Values = np.where(known, features - np.where(known, features, 0).sum(axis=0) / counts, 0.0)
    return values
