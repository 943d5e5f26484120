"""How well logits of instances agree with the evidence of studies: measures of validation without truth."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import numpy.typing as npt
import torch

from mifm_kipoi.finemapping.credible_sets import in_credible_set
from mifm_kipoi.finemapping.groups import Groups
from mifm_kipoi.finemapping.prior import fit_slope, uniform_pips
from training.mil.evidence import Evidence
from training.mil.layout import BagLayout
from training.mil.pooling import effect_probabilities

_LEVEL = 0.95

Values = npt.NDArray[np.float64]


@dataclasses.dataclass(frozen=True)
class StudyRows:
    """The rows of studies that have evidence, with all that is known of them but the logits.

    Parameters
    ----------
    instance, study : numpy.ndarray of int64, shape (n,)
        Of each row: the instance, as row of the data set's instances; and the study, from 0 without gaps.
    log_bf : numpy.ndarray of float64, shape (n,)
        Natural logarithm of the Bayes factor, but for a number common to the study.
    weights : numpy.ndarray of float64, shape (studies,)
        How much each study counts.
    """

    instance: npt.NDArray[np.int64]
    study: npt.NDArray[np.int64]
    log_bf: Values
    weights: Values

    @classmethod
    def of(cls, evidence: Evidence, bags: npt.NDArray[np.int64] | None = None) -> StudyRows:
        """The positive groups whose rows all have Bayes factors, or all PIPs.

        PIPs stand for Bayes factors as in ``susie_em``
        (:func:`training.mil.pooling.effect_probabilities`); groups with neither are left out.

        Parameters
        ----------
        evidence : Evidence
            ``per_study``, with all rows.
        bags : numpy.ndarray of int64, optional
            Only groups of these bags; all by default.
        """
        known = log_evidence(evidence)
        chosen = (evidence.label == 1) & np.isfinite(known[evidence.start])
        if bags is not None:
            chosen &= np.isin(evidence.bag, bags)
        rows = np.flatnonzero(chosen[evidence.group])
        study = np.repeat(np.arange(int(chosen.sum())), evidence.size[chosen])
        return cls(evidence.instance[rows], study, known[rows], evidence.weight[chosen])

    @property
    def several(self) -> bool:
        """Whether some study has two rows or more, so that there is something to tell apart."""
        return bool((np.diff(self.study) == 0).any())

    def likelihood(self, logits: Values) -> float:
        """How much better the prior ``softmax(a f)`` explains the studies than a uniform one, in nats.

        The weighted mean over studies of ``log sum_j softmax(a f)_j BF_j - log mean_j BF_j``, where ``a`` is
        the one number, not negative, that makes it largest. It is never negative, and not 0 on average for
        logits that say nothing, since it is fitted to the same studies: over simulated loci, 0.06, 0.02 and
        0.01 nats at 5, 10 and 30, and 0 in half of the cases. It depends on how
        the logits order and space the variants of a study, not on their level or scale, so that networks of
        all poolings can be compared.

        Parameters
        ----------
        logits : numpy.ndarray of float64, shape (instances,)
            Of all instances of the data set; only those of rows are read.

        Returns
        -------
        float
            NaN where a logit is not finite, or no study has evidence.
        """
        own = logits[self.instance]
        if not self.several or not np.isfinite(own).all():
            return math.nan
        return fit_slope(own, self.log_bf, self.study, self.weights).gain

    def top_pip(self, logits: Values) -> float:
        """Posterior probability of the variant that comes first in each 95 % set, less that of a random one.

        The weighted mean of :meth:`top_pip_gains`: 0 on average for logits that say nothing.

        Parameters
        ----------
        logits : numpy.ndarray of float64, shape (instances,)
            As of :meth:`likelihood`.

        Returns
        -------
        float
            NaN where a logit is not finite, or no set has two variants.
        """
        gains, weights = self.top_pip_gains(logits)
        return float(weights @ gains / weights.sum()) if weights.any() else math.nan

    def top_pip_gains(self, logits: Values) -> tuple[Values, Values]:
        """For each study the PIP of the variant that comes first in its 95 % set, less the mean of the set.

        Parameters
        ----------
        logits : numpy.ndarray of float64, shape (instances,)
            As of :meth:`likelihood`.

        Returns
        -------
        gains : numpy.ndarray of float64, shape (studies,)
            See :func:`first_pips`; NaN where a logit is not finite.
        weights : numpy.ndarray of float64, shape (studies,)
            Those of the studies, 0 where the set has one variant and there is nothing to choose from.
        """
        if not self.study.size:
            return np.empty(0), np.empty(0)
        first, mean, several = first_pips(logits[self.instance], self.log_bf, self.study)
        return first - mean, np.where(several, self.weights, 0.0)


def log_evidence(evidence: Evidence) -> Values:
    """What the rows of studies say of each variant: log Bayes factors, but for a number common to the study.

    Parameters
    ----------
    evidence : Evidence
        ``per_study``, with all rows.

    Returns
    -------
    numpy.ndarray of float64, shape (rows,)
        Natural logarithms of Bayes factors where all rows of a study have them; or else what PIPs stand for
        (:func:`training.mil.pooling.effect_probabilities`); NaN in studies with neither, and in negative
        bags.
    """
    group, positive = evidence.group, evidence.label == 1
    by_bf, by_pip = (positive & evidence.has(values) for values in (evidence.log_bf, evidence.pip))
    pip = torch.from_numpy(evidence.pip.astype(np.float64))
    alpha = effect_probabilities(pip, BagLayout(torch.from_numpy(group), evidence.size.size)).numpy()
    known: Values = np.where(by_bf[group], evidence.log_bf, np.where(by_pip[group], alpha, np.nan))
    return known


def first_pips(
    logits: Values, log_bf: Values, study: npt.NDArray[np.int64]
) -> tuple[Values, Values, npt.NDArray[np.bool_]]:
    """PIPs of the variants that come first in the 95 % sets of studies.

    Parameters
    ----------
    logits, log_bf : numpy.ndarray of float64, shape (n,)
        Of the rows.
    study : numpy.ndarray of int64, shape (n,)
        The study of each row, rising from 0 without gaps; there is one at least.

    Returns
    -------
    first, mean : numpy.ndarray of float64, shape (studies,)
        PIP under a uniform prior of the variant with the highest logit of the set, and the mean PIP of the
        set. Equal logits share the first place, since rows lie in the order of p; NaN where a logit of the
        set is not finite.
    several : numpy.ndarray of bool, shape (studies,)
        Which sets have two variants or more.
    """
    pip = uniform_pips(log_bf, study)
    within = in_credible_set(pip, study, _LEVEL)
    own, pip, sets = logits[within], pip[within], Groups(study[within])
    highest = (own == sets.max(own)[sets.index]).astype(np.float64)
    with np.errstate(invalid="ignore"):
        first = sets.sum(highest * pip) / sets.sum(highest)
    first[sets.sum(~np.isfinite(own) * 1.0) > 0] = np.nan
    return first, sets.sum(pip) / sets.sizes, sets.sizes > 1
