"""Bayes factors of the rows of a GWAS: what a study is known for decides which effects they expect.

The prior variance of effects, W, is in the units of beta, which differ between studies. Bayes factors of one
study are compared with each other, so all of its rows have one W: that of its trait, whose variance is the
median over the study's rows that have a standard error, a frequency and a sample size. A row without them has
the W of its study all the same.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from mifm_kipoi.genetics.row_numbers import RowNumbers
from mifm_kipoi.genetics.study_traits import RowStudies, StudyTraits, Traits, TraitVariances
from mifm_kipoi.genomics.tables import Batch
from mifm_kipoi.statistics.bayes_factors import (
    Trait,
    log_bayes_factor,
    prior_variances,
    sampling_variance,
    trait_variances,
)
from mifm_kipoi.statistics.normal import z_of_log_p

ROWS_OF_BLOCK, ROWS_OF_ONE = 5_000, 20_000
"""Where all rows are of one study: rows that its variance is taken from, of each block of the table (evenly,
since neighbours are imputed alike, well or badly) and in all."""

Values = npt.NDArray[np.float64]


@dataclasses.dataclass(frozen=True)
class RowEvidence:
    """What some rows say for an effect; all arrays have shape (n,), and NaN where unknown.

    Parameters
    ----------
    traits : Traits
        Of their studies, with each row's own sample size where it has one.
    z : numpy.ndarray of float64
        Beta over its error, else the table's z, else what p and the sign of beta give.
    prior_variance : numpy.ndarray of float64
        W, in squared units of beta, never NaN.
    log_bf : numpy.ndarray of float64
        Natural logarithm of Wakefield's Bayes factor.
    """

    traits: Traits
    z: Values
    prior_variance: Values
    log_bf: Values


class RowBayesFactors:
    """Bayes factors of the rows of one table.

    Parameters
    ----------
    columns : tuple of str
        Columns that identify the study of a row; without any, all rows are of one.
    studies : StudyTraits, optional
        Traits and sample sizes of studies.
    trait : Trait
        Of studies that these do not tell, as are the next two.
    sample_size, case_fraction : float, optional
        Individuals, where a row has no number of its own; cases over individuals.
    prior_variance : float, optional
        W of all rows, whatever the trait.
    use_p_values : bool
        Whether z follows from the p-value where nothing else gives it.
    """

    def __init__(
        self,
        columns: tuple[str, ...],
        studies: StudyTraits | None,
        trait: Trait,
        sample_size: float | None,
        case_fraction: float | None,
        prior_variance: float | None,
        *,
        use_p_values: bool,
    ) -> None:
        self._columns, self._studies, self._prior_variance = columns, studies, prior_variance
        self._trait, self._size, self._fraction = trait, sample_size or np.nan, case_fraction or np.nan
        self._use_p_values = use_p_values
        self._variances = TraitVariances()

    def learn(self, rows: Iterable[tuple[Batch, RowNumbers]]) -> None:
        """Find the variance of the trait of each study.

        Parameters
        ----------
        rows : iterable of (Batch, RowNumbers)
            All rows of the table that count. Where they are of one study, no more are taken than are used.
        """
        self._variances = TraitVariances() if self._columns else TraitVariances(ROWS_OF_ONE)
        for batch, numbers in rows:
            studies = RowStudies.of(batch, self._columns)
            size = self._traits(studies, numbers).sample_size
            measured = self._measured(numbers, self._z(numbers))
            variance = trait_variances(measured, size, numbers.frequency)
            if not self._columns:
                known = np.flatnonzero(~np.isnan(variance))
                evenly = np.linspace(0, len(known) - 1, min(len(known), ROWS_OF_BLOCK)).astype(np.int64)
                studies, variance = studies[known[evenly]], variance[known[evenly]]
            self._variances.add(studies, variance)
            if not self._columns and self._variances.has_enough():
                break

    @property
    def of_several_studies(self) -> bool:
        """Whether rows are of the studies that columns name, of all of which some are needed."""
        return bool(self._columns)

    def of(self, batch: Batch, numbers: RowNumbers, *, counted: bool = True) -> RowEvidence:
        """What rows say for an effect.

        Parameters
        ----------
        batch, numbers : Batch, RowNumbers
            The rows.
        counted : bool
            Whether those of studies that are not known are counted.
        """
        studies = RowStudies.of(batch, self._columns)
        if self._studies is not None and counted:
            self._studies.count_unknown(studies)
        traits, z = self._traits(studies, numbers), self._z(numbers)
        traits = dataclasses.replace(traits, variance=self._variances.of(studies))
        variance = self._measured(numbers, z)
        expected = sampling_variance(
            traits.kind, traits.sample_size, numbers.frequency, traits.case_fraction, traits.variance
        )
        variance = np.where(np.isnan(variance), expected, variance)
        variance = np.where((variance > 0) & np.isfinite(variance), variance, np.nan)
        prior = prior_variances(traits.kind, traits.variance, traits.case_fraction)
        if self._prior_variance is not None:
            prior = np.full(len(z), self._prior_variance)
        return RowEvidence(traits, z, prior, log_bayes_factor(z, variance, prior))

    def _traits(self, studies: RowStudies, numbers: RowNumbers) -> Traits:
        """Each row's trait and sample size: as the table says, else as of its study, else of all."""
        traits = Traits.alike(len(studies), self._trait, self._size, self._fraction)
        if self._studies is not None:
            traits = self._studies.of(studies).or_else(traits)
        size = numbers.of("sample_size")
        return dataclasses.replace(traits, sample_size=np.where(np.isnan(size), traits.sample_size, size))

    def _z(self, numbers: RowNumbers) -> Values:
        z = numbers.z
        missing = np.isnan(z)
        if not self._use_p_values or not missing.any():
            return z
        missing &= np.isfinite(numbers.log_p)
        size = np.full(len(z), np.nan)
        size[missing] = z_of_log_p(numbers.log_p[missing])
        return np.where(missing, np.sign(numbers.beta) * size, z)

    def _measured(self, numbers: RowNumbers, z: Values) -> Values:
        """V from the standard error, else from beta and z; not above 0 and finite where these cannot be."""
        with np.errstate(divide="ignore", invalid="ignore"):
            from_z = (numbers.beta / z) ** 2
            variance = numbers.error**2
        return np.where(np.isnan(variance), from_z, variance)
