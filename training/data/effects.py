"""Which effects the Bayes factors of a table's rows assume, in numbers for the report."""

from __future__ import annotations

import logging
from collections import Counter
from typing import Any

import numpy as np
import numpy.typing as npt

from mifm_kipoi.genetics.associations import AssociationRows
from mifm_kipoi.genetics.study_traits import StudyTraits
from mifm_kipoi.statistics.bayes_factors import Trait

log = logging.getLogger(__name__)

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
        Their rows, refused ones too, but none that are left out by their values or their test.
    """

    def __init__(self) -> None:
        self.rows: Counter[Trait] = Counter()
        self._range = dict.fromkeys(Trait, (np.inf, -np.inf))
        self.unknown_studies = self.rows_of_unknown = 0
        self._by_their_study: Counter[str] = Counter()
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

    def add_units(self, study: npt.NDArray[np.object_], rows: AssociationRows) -> None:
        """Note how it is known in which units the effects of a study are, which has one prior variance.

        Parameters
        ----------
        study : numpy.ndarray of str objects, shape (n,)
            The study of each row; empty where the row is not used, or has no Bayes factor.
        rows : AssociationRows, of n rows
            The rows. Those without an effect and its error are in units of the trait in any case.
        """
        in_units = (study != "") & (np.isfinite(rows.standard_error) | np.isfinite(rows.beta))
        shown = np.isfinite(rows.trait_variance)
        complete = np.isfinite(rows.frequency * rows.sample_size)
        expected = in_units & (rows.trait != Trait.UNKNOWN)
        self._by_their_study.update(study[expected & shown & ~complete].tolist())
        self._assumed.update(study[expected & ~shown & (rows.trait == Trait.QUANTITATIVE)].tolist())

    def warn(self) -> None:
        """Say on the console which prior variances rest on other rows of the study, or on an assumption."""
        if self._by_their_study:
            log.info(
                "%s lack a frequency or a sample size: the units of their effects are those that the other "
                "rows of the study show",
                _rows_of_studies(self._by_their_study),
            )
        if self._assumed:
            log.warning(
                "%s have effects on a quantitative trait in units that no row of the study shows, with a "
                "standard error, a frequency and a sample size: their Bayes factors expect those of a trait "
                "of variance 1. Where it has another, set prior_variance, (0.15 standard deviations)^2",
                _rows_of_studies(self._assumed),
            )

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
            "studies_with_incomplete_rows": len(self._by_their_study),
            "incomplete_rows": self._by_their_study.total(),
            "studies_of_assumed_units": len(self._assumed),
            "rows_of_assumed_units": self._assumed.total(),
        }


def _rows_of_studies(rows: Counter[str]) -> str:
    """Numbers of rows by their study, in words."""
    names = sorted(rows)
    some = ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")
    return f"{rows.total():,} rows of {len(names):,} studies ({some})"
