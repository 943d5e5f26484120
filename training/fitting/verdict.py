"""What a network has learnt, measured on held-out instances beside chance, and a verdict in words.

Bags cannot tell: a positive bag has dozens of instances and a negative one a single one, so that any network
separates them by size alone. What can tell is the evidence of each study for its own variants, the rows of
one signal with their Bayes factors, or else PIPs. Three measures compare a network's logits f with it:

- the **gain in likelihood** of a study, ``log sum_j softmax(a f)_j BF_j - log mean_j BF_j``, in nats. The
  slope a >= 0 is fitted on the studies of other loci (:data:`FOLDS`), so that a network that knows nothing is
  at 0 or just below;
- the **PIP of the first variant**: within the 95 % credible set of each study under a uniform prior, the PIP
  of the variant with the highest logit, less the mean PIP of the set;
- how often the **lead variant** of a study, that of lowest p, has its highest logit, less one over the number
  of its rows. It alone needs neither Bayes factors nor PIPs.

The first two decide; the third does where there is neither Bayes factor nor PIP. It is of studies with p or
z, for without them no variant is known to lead.

Of simulated networks that know nothing, 2 to 5 % are found to have learnt (250 each at 10, 30, 60 and 120
loci). This holds for bags that chose nothing, such as test bags. Validation bags that chose the epoch find
more: of the best of ten independent networks that know nothing, by its likelihood on the same bags, 12 % (250
draws at 30 loci), although epochs of one network differ less. Their verdicts are called optimistic.

Of variants with the same logit each is first in equal parts: rows lie by rising p, so that taking the first
would let a constant network find every lead. Studies count by their weights, by which a signal that several
of them see counts once. Intervals (95 %) are of a bootstrap over loci.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import expit

from mifm_kipoi.finemapping.groups import Groups
from mifm_kipoi.finemapping.prior import fit_slope, slope_gains
from mifm_kipoi.statistics.bootstrap import Bootstrap
from mifm_kipoi.statistics.estimates import MIN_CLUSTERS, Estimate, Values
from training.fitting.measures import first_pips

FOLDS = 5
"""Parts of the loci; the slope for the studies of each is fitted on the other four."""

MIN_PEARSON = 0.5
"""Correlation of a student's logits with those of its teachers' mean below which it is not their student."""

MIN_LOGIT_SD = 0.1
"""Standard deviation of logits below which a network says too little: untrained ones have 0.05 to 0.07."""

VERDICTS = "verdicts"
"""Where the provenance of weights, and summaries, have the verdicts on them."""

_Rows = npt.NDArray[np.int64]
_Flags = npt.NDArray[np.bool_]


@dataclasses.dataclass(frozen=True)
class HeldOutRows:
    """The evidence of some studies for their variants: n rows of m studies, ordered by study.

    Parameters
    ----------
    instance : numpy.ndarray of int64, shape (n,)
        The instance of each row: an index of the logits.
    study : numpy.ndarray of int64, shape (n,)
        The study of each row, rising from 0 without gaps.
    log_evidence : numpy.ndarray of float64, shape (n,)
        Of :func:`training.fitting.measures.log_evidence`; NaN for all rows of a study that has neither Bayes
        factors nor PIPs.
    weight : numpy.ndarray of float64, shape (m,)
        How much each study counts.
    locus : numpy.ndarray of int64, shape (m,)
        The locus of each study; its studies are drawn together.
    led : numpy.ndarray of bool, shape (m,)
        Whether the first row of each study is known to be its lead variant, the one of lowest p.
    """

    instance: _Rows
    study: _Rows
    log_evidence: Values
    weight: Values
    locus: _Rows
    led: _Flags

    def of(self, kept: _Flags) -> HeldOutRows:
        """Those of some studies.

        Parameters
        ----------
        kept : numpy.ndarray of bool, shape (m,)
            Which studies.
        """
        rows, numbers = kept[self.study], np.cumsum(kept) - 1
        return HeldOutRows(
            self.instance[rows], numbers[self.study[rows]], self.log_evidence[rows], self.weight[kept],
            self.locus[kept], self.led[kept],
        )  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Measures:
    """What a network knows of some studies; NaN where it is not defined, intervals too.

    Parameters
    ----------
    studies, loci : int
        Studies with two or more variants, and loci that they are at.
    with_evidence : int
        Loci of those that have Bayes factors or PIPs.
    with_lead : int
        Loci of those that have a lead variant.
    gain : Estimate
        In likelihood, in nats per study; chance is 0.
    first_pip, set_pip : float
        Mean PIP of the first variant within 95 % sets of two or more, and of all variants of these sets.
    pip_gain : Estimate
        The difference of the two; chance is 0.
    lead_first, lead_chance : float
        Fraction of the studies whose lead variant is first, and what it is by chance.
    lead_gain : Estimate
        The difference of the two; chance is 0.
    logit_sd, score_sd : float
        Standard deviation of logits, and of scores (their sigmoid), of all instances.
    """

    studies: int
    loci: int
    with_evidence: int
    with_lead: int
    gain: Estimate
    first_pip: float
    set_pip: float
    pip_gain: Estimate
    lead_first: float
    lead_chance: float
    lead_gain: Estimate
    logit_sd: float
    score_sd: float

    @property
    def judged_by(self) -> tuple[Estimate, ...]:
        """The measures that decide: likelihood and PIPs, or leads where there are neither."""
        return (self.gain, self.pip_gain) if self.with_evidence else (self.lead_gain,)

    @property
    def judged_loci(self) -> int:
        """Loci that :attr:`judged_by` is of."""
        return self.with_evidence or self.with_lead

    @property
    def can_judge(self) -> bool:
        """Whether there are loci enough for intervals."""
        return self.judged_loci >= MIN_CLUSTERS

    @property
    def learnt(self) -> bool:
        """Whether the interval of a measure that decides lies above chance."""
        return any(measure.low > 0 for measure in self.judged_by)


def measure(logits: Values, rows: HeldOutRows) -> Measures:
    """Compare logits with the evidence of studies.

    Parameters
    ----------
    logits : numpy.ndarray of float64, shape (instances,)
        Of the held-out instances, finite.
    rows : HeldOutRows
        The evidence of each study. Studies of one variant are left out, for they leave nothing to choose.

    Raises
    ------
    ValueError
        When a logit is not finite.
    """
    if not np.isfinite(logits).all():
        raise ValueError("logits are not finite")
    spread = {
        "logit_sd": float(logits.std()) if logits.size else math.nan,
        "score_sd": float(expit(logits).std()) if logits.size else math.nan,
    }
    rows = rows.of(np.bincount(rows.study, minlength=rows.weight.size) > 1)
    evident = rows.of(np.isfinite(np.bincount(rows.study, rows.log_evidence, rows.weight.size)))
    first_pip, set_pip, pip_gain = _first_pips(logits, evident)
    led = rows.of(rows.led)
    lead_first, lead_chance, lead_gain = _leads(logits, led)
    return Measures(
        rows.weight.size, np.unique(rows.locus).size, np.unique(evident.locus).size,
        np.unique(led.locus).size, _gain(logits, evident), first_pip, set_pip, pip_gain,
        lead_first, lead_chance, lead_gain, **spread,
    )  # fmt: skip


def _gain(logits: Values, rows: HeldOutRows) -> Estimate:
    """Gain in likelihood, with the slope of other loci."""
    _, locus = np.unique(rows.locus, return_inverse=True)
    fold = locus % FOLDS
    if np.unique(fold).size < 2:
        return Estimate(math.nan)
    gains = np.zeros(fold.size)
    for number in np.unique(fold).tolist():
        others, own = rows.of(fold != number), rows.of(fold == number)
        found = fit_slope(logits[others.instance], others.log_evidence, others.study, others.weight)
        gains[fold == number] = slope_gains(found.slope, logits[own.instance], own.log_evidence, own.study)
    return _mean(gains, rows)


def _first_pips(logits: Values, rows: HeldOutRows) -> tuple[float, float, Estimate]:
    if not rows.weight.size:
        return math.nan, math.nan, Estimate(math.nan)
    first, mean, several = first_pips(logits[rows.instance], rows.log_evidence, rows.study)
    if not several.any():
        return math.nan, math.nan, Estimate(math.nan)
    first, mean, sets = first[several], mean[several], rows.of(several)
    return _mean(first, sets).value, _mean(mean, sets).value, _mean(first - mean, sets)


def _leads(logits: Values, rows: HeldOutRows) -> tuple[float, float, Estimate]:
    if not rows.weight.size:
        return math.nan, math.nan, Estimate(math.nan)
    groups = Groups(rows.study)
    starts = np.cumsum(groups.sizes) - groups.sizes
    own = logits[rows.instance]
    highest = (own == groups.max(own)[groups.index]).astype(np.float64)
    found: Values = highest[starts] / groups.sum(highest)
    chance = 1 / groups.sizes
    return _mean(found, rows).value, _mean(chance, rows).value, _mean(found - chance, rows)


def _mean(values: Values, rows: HeldOutRows) -> Estimate:
    """Weighted mean over studies, with its interval over loci."""
    weight = rows.weight

    def statistic(drawn: Values) -> Values:
        means: Values = (weight * values) @ drawn / (weight @ drawn)
        return means

    return Bootstrap.of_clusters(rows.locus).estimate(statistic)


@dataclasses.dataclass(frozen=True)
class Verdict:
    """What a network has learnt, by the held-out bags of one split.

    Parameters
    ----------
    network : str
        Which: such as ``member 3`` or ``student``.
    split : str
        The split of the bags.
    measures : Measures
        What it knows of them.
    pearson : float, optional
        Of a student: correlation of its logits with those of its teachers' mean.
    chose_epoch : bool
        Whether the epoch of the network was chosen by these bags, so that the verdict is optimistic.
    """

    network: str
    split: str
    measures: Measures
    pearson: float | None = None
    chose_epoch: bool = False

    @property
    def warnings(self) -> tuple[str, ...]:
        """What speaks against using the network; empty where nothing does."""
        measures, found = self.measures, []
        if not measures.can_judge:
            found.append(
                f"{self.network}: it cannot be judged whether anything was learnt: its {self.split} bags "
                f"reach {_counted(measures.judged_loci, 'locus', 'loci')} with studies of two or more "
                f"variants that have evidence, and an interval needs {MIN_CLUSTERS}; hold out more of the "
                "genome (data.splits)"
            )
        elif not measures.learnt:
            reason = (
                "no interval of likelihood or PIPs lies above chance"
                if measures.with_evidence
                else "the leads of studies are first no more often than by chance"
            )
            found.append(
                f"{self.network}: nothing was learnt that shows on its {self.split} bags: {reason}; do not "
                "use its scores"
            )
        if self.pearson is not None and not self.pearson >= MIN_PEARSON:
            found.append(
                f"{self.network}: it does not score as its teachers: Pearson {_shown(self.pearson)} of "
                f"logits, expected {MIN_PEARSON:g} or more; give it more windows or steps, or use a member"
            )
        if measures.logit_sd < MIN_LOGIT_SD:
            found.append(
                f"{self.network}: its scores are all but constant: its logits have a standard "
                f"deviation of {measures.logit_sd:.2g}, expected {MIN_LOGIT_SD:g} or more (that of untrained "
                "networks is 0.05 to 0.07)"
            )
        return tuple(found)

    def to_dict(self) -> dict[str, Any]:
        """The verdict as plain JSON types, ``warnings`` among them; None where a number is not defined."""
        values: dict[str, Any] = _plain(dataclasses.asdict(self))
        return {**values, "learnt": self.learnt, "warnings": list(self.warnings)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Verdict:
        """The verdict that :meth:`to_dict` gave."""
        measures: dict[str, Any] = {
            name: Estimate(**_numbers(value)) if isinstance(value, Mapping) else value
            for name, value in _numbers(values["measures"]).items()
        }
        return cls(
            values["network"], values["split"], Measures(**measures), values["pearson"], values["chose_epoch"]
        )

    @property
    def learnt(self) -> bool | None:
        """Whether anything was; None where it cannot be judged."""
        return self.measures.learnt if self.measures.can_judge else None

    def brief(self) -> str:
        """The measures that decide, in a line."""
        measures = self.measures
        if measures.with_evidence:
            found = (
                f"gain in likelihood (nats a study) {_interval(measures.gain, '+.4f')}, PIP of the first "
                f"variant less that of a random one {_interval(measures.pip_gain, '+.4f')}"
            )
        else:
            found = f"lead first, less chance, {_interval(measures.lead_gain, '+.1%')} of studies"
        loci = _counted(measures.judged_loci, "locus", "loci")
        return f"{self.network}, {self.split} bags, {loci}: {found}; chance is 0{self._optimistic}"

    @property
    def _optimistic(self) -> str:
        return "; optimistic, for these bags chose the epoch" if self.chose_epoch else ""

    def lines(self) -> list[str]:
        """The measures in words, one a line; warnings are apart."""
        measures = self.measures
        where = f"{self.network}, {self.split} bags"
        if not measures.studies:
            return [f"{where}: no study has two or more variants"]
        studies = _counted(measures.studies, "study", "studies")
        loci = _counted(measures.loci, "locus", "loci")
        shown = [f"{where}: {studies} with two or more variants, at {loci}{self._optimistic}"]
        if measures.with_evidence:
            shown += [
                f"{where}: gain in likelihood, in nats a study (chance: 0): "
                f"{_interval(measures.gain, '+.4f')}",
                f"{where}: mean PIP of its first variant in 95 % sets {_shown(measures.first_pip)}, of all "
                f"variants of the sets {_shown(measures.set_pip)}; difference "
                f"{_interval(measures.pip_gain, '+.4f')}",
            ]
        if measures.with_lead:
            shown.append(
                f"{where}: the lead variant is its first in {measures.lead_first:.1%} of the studies, by "
                f"chance {measures.lead_chance:.1%}; difference {_interval(measures.lead_gain, '+.1%')}"
            )
        return [
            *shown,
            f"{where}: standard deviation of logits {measures.logit_sd:.3g}, of scores "
            f"{measures.score_sd:.3g}",
        ]


def conclusion(verdicts: Sequence[Verdict]) -> tuple[str, ...]:
    """The warnings that hold for a network which was judged by several splits.

    Parameters
    ----------
    verdicts : sequence of Verdict
        Of validation bags, and then of test bags, which no epoch was chosen by: they decide where they can.
    """
    judged = [verdict for verdict in verdicts if verdict.measures.can_judge]
    return (judged or list(verdicts))[-1].warnings if verdicts else ()


def _interval(estimate: Estimate, spec: str) -> str:
    if math.isnan(estimate.value):
        return "not defined"
    if math.isnan(estimate.low):
        return f"{estimate.value:{spec}} (no interval)"
    return f"{estimate.value:{spec}} (95 % interval {estimate.low:{spec}} to {estimate.high:{spec}})"


def _counted(number: int, one: str, several: str) -> str:
    return f"{number:,} {one if number == 1 else several}"


def _shown(value: float) -> str:
    return "not defined" if math.isnan(value) else f"{value:.4f}"


def _numbers(values: Mapping[str, Any]) -> dict[str, Any]:
    return {key: math.nan if value is None else value for key, value in values.items()}


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(one) for key, one in value.items()}
    return None if isinstance(value, float) and math.isnan(value) else value
