"""Which effects the Bayes factors of a table's rows assume, in numbers for the report."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import numpy.typing as npt

from mifm_kipoi.genetics.study_traits import StudyTraits
from mifm_kipoi.statistics.bayes_factors import Trait

_NAMES = {
    Trait.QUANTITATIVE: "quantitative",
    Trait.CASE_CONTROL: "case-control",
    Trait.UNKNOWN: "not known",
}


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
        }
