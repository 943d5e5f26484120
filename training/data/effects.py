"""Which effects the Bayes factors of a table's rows assume, in numbers for the report."""

from __future__ import annotations

import logging
from collections import Counter
from typing import Any

import numpy as np
import numpy.typing as npt

from mifm_kipoi.genetics.study_traits import StudyTraits
from mifm_kipoi.statistics.bayes_factors import (
    CASE_CONTROL_PRIOR_VARIANCE,
    QUANTITATIVE_PRIOR_VARIANCE,
    Trait,
)

log = logging.getLogger(__name__)

_NAMES = {
    Trait.QUANTITATIVE: "quantitative",
    Trait.CASE_CONTROL: "case-control",
    Trait.UNKNOWN: "not known",
}

_MATTERS = 1.1
"""Prior variances of one study that differ by less than this factor are taken for the same."""


class EffectCounts:
    """Kept rows by the kind of trait, and the prior variances of effects of their Bayes factors.

    Attributes
    ----------
    rows : collections.Counter
        Numbers of rows by :class:`mifm_kipoi.statistics.bayes_factors.Trait`.
    unknown_studies : int
        Studies that the table of studies (``meta``) lacks.
    rows_of_unknown : int
        Their rows, refused ones too.
    """

    def __init__(self) -> None:
        self.rows: Counter[Trait] = Counter()
        self._range = dict.fromkeys(Trait, (np.inf, -np.inf))
        self.unknown_studies = self.rows_of_unknown = 0
        self._in_units: set[str] = set()
        self._assumed: Counter[str] = Counter()

    def add(self, trait: npt.NDArray[np.int8], prior_variance: npt.NDArray[np.float64]) -> None:
        """Count rows that are kept.

        Parameters
        ----------
        trait, prior_variance : numpy.ndarray, shape (n,)
            As :class:`mifm_kipoi.genetics.associations.AssociationRows` has them.
        """
        for kind in Trait:
            chosen = prior_variance[trait == kind]
            if len(chosen):
                low, high = self._range[kind]
                self.rows[kind] += len(chosen)
                self._range[kind] = (min(low, float(chosen.min())), max(high, float(chosen.max())))

    def add_units(
        self,
        study: npt.NDArray[np.object_],
        trait: npt.NDArray[np.int8],
        prior_variance: npt.NDArray[np.float64],
        known: npt.NDArray[np.bool_],
    ) -> None:
        """Note in which studies the units of effects are known of some rows, and assumed of others.

        The prior variance of a row without sample size or frequency is that of a trait of variance 1, or of
        log odds ratios. Beside rows in other units it is wrong by a factor, and the Bayes factors of the two
        cannot be compared.

        Parameters
        ----------
        study : numpy.ndarray of str objects, shape (n,)
            The study of each row that has a Bayes factor.
        trait, prior_variance : numpy.ndarray, shape (n,)
            As :meth:`add`.
        known : numpy.ndarray of bool, shape (n,)
            Whether sample size and frequency are known.
        """
        assumed = np.where(
            trait == Trait.QUANTITATIVE, QUANTITATIVE_PRIOR_VARIANCE, CASE_CONTROL_PRIOR_VARIANCE
        )
        differs = np.abs(np.log(prior_variance / assumed)) > np.log(_MATTERS)
        self._in_units.update(study[known & differs].tolist())
        self._assumed.update(study[~known & (trait != Trait.UNKNOWN)].tolist())

    def warn(self) -> None:
        """Log a warning of studies whose rows have Bayes factors in different units."""
        mixed = sorted(self._mixed)
        if mixed:
            log.warning(
                "%d studies (%s) have rows without frequency or sample size beside others whose standard "
                "errors show effects in units of their own: the Bayes factors of the %d such rows are too "
                "high or too low against the others of their study. Complete the column of frequencies, or "
                "set prior_variance for all rows (the variance of effects in units of beta)",
                len(mixed),
                ", ".join(mixed[:3]) + (" ..." if len(mixed) > 3 else ""),
                sum(self._assumed[name] for name in mixed),
            )

    @property
    def _mixed(self) -> set[str]:
        return self._in_units & self._assumed.keys()

    def add_unknown(self, studies: StudyTraits) -> None:
        """Count the studies that a table of studies was asked for and lacks."""
        self.unknown_studies += len(studies.unknown)
        self.rows_of_unknown += studies.rows_of_unknown

    def to_dict(self) -> dict[str, Any]:
        """Rows and prior standard deviations by kind of trait, and what is not known, as plain JSON types."""
        return {
            "traits": [
                {
                    "trait": _NAMES[kind],
                    "rows": self.rows[kind],
                    "lowest_prior_sd": float(np.sqrt(self._range[kind][0])),
                    "highest_prior_sd": float(np.sqrt(self._range[kind][1])),
                }
                for kind in _NAMES
                if self.rows[kind]
            ],
            "studies_not_in_meta": self.unknown_studies,
            "rows_of_studies_not_in_meta": self.rows_of_unknown,
            "studies_of_mixed_units": len(self._mixed),
            "rows_of_assumed_units_in_these": sum(self._assumed[name] for name in self._mixed),
        }
