"""Which variants are tested, by what their genotypes are."""

from __future__ import annotations

import dataclasses

import numpy as np
import numpy.typing as npt
import pandas as pd

from mifm_kipoi.association.models import Flags
from mifm_kipoi.association.scan import Dosages, Genotyped
from mifm_kipoi.errors import OptionError
from mifm_kipoi.genetics.genotypes.source import NO_ALLELE
from mifm_kipoi.statistics import hardy_weinberg
from mifm_kipoi.statistics.estimates import Values

NO_POSITION, NO_ALLELES = "no position", "one allele"
MISSING, MAF, HWE, INFO = (
    "missing genotypes",
    "minor allele frequency",
    "Hardy-Weinberg",
    "imputation quality",
)

REASONS = (NO_POSITION, NO_ALLELES, MISSING, MAF, HWE, INFO)
"""Why a variant is not tested with any trait, in the order in which they are asked."""

_HAPLOID = ("X", "Y", "M")
"""Contigs on which some or all people have one haplotype, which counts twice."""

_LOOKED_AT = 1 << 18
"""Genotypes that are copied together: 1 MiB."""


@dataclasses.dataclass(frozen=True)
class Filters:
    """Limits that variants keep to, among all people who are analysed.

    The defaults are choices of this program; the published text does not have its own.

    Parameters
    ----------
    min_maf : float
        Smallest frequency of the rarer allele.
    min_hwe_p : float
        Smallest p-value of the exact test of Hardy-Weinberg equilibrium, of called genotypes on autosomes,
        and of those of women on X.
    min_info : float
        Smallest ratio of the variance of imputed dosages to that of genotypes with the same frequency: MaCH's
        r2. Called genotypes are not asked for it.
    max_missing : float
        Largest fraction of people without a genotype.
    """

    min_maf: float = 0.01
    min_hwe_p: float = 1e-6
    min_info: float = 0.8
    max_missing: float = 0.1

    def check(self) -> None:
        """Refuse limits that cannot be meant.

        Raises
        ------
        OptionError
            When one is out of its range.
        """
        ranges = {"maf": (self.min_maf, 0.5), "hwe": (self.min_hwe_p, 1.0), "info": (self.min_info, 1.0),
                  "missing": (self.max_missing, 1.0)}  # fmt: skip
        for name, (value, most) in ranges.items():
            if not 0 <= value <= most:
                raise OptionError(f"--{name} is {value:g}; expected a number from 0 to {most:g}")

    def reasons(
        self,
        variants: pd.DataFrame,
        dosages: Dosages,
        genotyped: Genotyped,
        male: Flags,
        female: Flags,
        hard_calls: bool = False,
    ) -> tuple[npt.NDArray[np.object_], Values]:
        """Why variants of a block are not tested.

        Parameters
        ----------
        variants : pandas.DataFrame
            As a :class:`~mifm_kipoi.genetics.genotypes.Block` has them.
        dosages : numpy.ndarray of float32, shape (variants, people)
            Their genotypes.
        genotyped : Genotyped
            What :meth:`mifm_kipoi.association.scan.Scan.test` says of them.
        male, female : numpy.ndarray of bool, shape (people,)
            Whose sex is known to be so.
        hard_calls : bool
            Whether all genotypes are called by their format, so that they need not be looked at.

        Returns
        -------
        reasons : numpy.ndarray of object, shape (variants,)
            One of :data:`REASONS`; empty where the variant is tested.
        info : numpy.ndarray of float64, shape (variants,)
            Quality of imputation; NaN for called genotypes.
        """
        chrom = variants["chrom"].to_numpy(dtype=object)
        called = np.ones(len(chrom), dtype=bool) if hard_calls else _called(dosages, genotyped)
        info = _info(chrom, genotyped, called, float(male.mean()) if len(male) else 0.0)
        frequency = genotyped.frequency
        with np.errstate(invalid="ignore"):
            fails = {
                NO_POSITION: variants["pos"].to_numpy() < 1,
                NO_ALLELES: (
                    (variants["counted"] == NO_ALLELE) | (variants["other"] == NO_ALLELE)
                ).to_numpy(),
                MISSING: 1 - genotyped.observed / genotyped.people > self.max_missing,
                # The smallest frequency that is kept is a fraction of a count: rounding must not decide.
                MAF: ~(np.minimum(frequency, 1 - frequency) >= self.min_maf * (1 - 1e-12)),
                HWE: self._out_of_equilibrium(chrom, dosages, genotyped, called, female),
                INFO: info < self.min_info,
            }
        reasons = np.full(len(chrom), "", dtype=object)
        for reason in reversed(REASONS):
            reasons[fails[reason]] = reason
        return reasons, info

    def _out_of_equilibrium(
        self,
        chrom: npt.NDArray[np.object_],
        dosages: Dosages,
        genotyped: Genotyped,
        called: Flags,
        female: Flags,
    ) -> Flags:
        fails = np.zeros(len(chrom), dtype=bool)
        if self.min_hwe_p <= 0:
            return fails
        autosomal = np.flatnonzero(called & ~np.isin(chrom, _HAPLOID))
        # Of whole numbers from 0 to 2, the sum and the sum of squares are enough.
        total = np.rint(genotyped.total[autosomal]).astype(np.int64)
        squares = np.rint(genotyped.squares[autosomal]).astype(np.int64)
        two, one = (squares - total) // 2, 2 * total - squares
        none = genotyped.observed[autosomal] - one - two
        fails[autosomal] = hardy_weinberg.below(two, one, none, self.min_hwe_p)
        on_x = np.flatnonzero(called & (chrom == "X"))
        if len(on_x):
            own = dosages[on_x][:, female]
            two, one, none = ((own == copies).sum(axis=1) for copies in (2, 1, 0))
            fails[on_x] = hardy_weinberg.below(two, one, none, self.min_hwe_p)
        return fails


def _called(dosages: Dosages, genotyped: Genotyped) -> Flags:
    """Whether all genotypes of a variant are whole numbers, shape (variants,)."""
    # Sums that are not whole spare the look at most imputed variants; sums of halves can be whole.
    called = np.asarray((genotyped.total % 1 == 0) & (genotyped.squares % 1 == 0))
    rows = np.flatnonzero(called)
    size = max(1, _LOOKED_AT // max(dosages.shape[1], 1))
    for start in range(0, len(rows), size):
        some = rows[start : start + size]
        values = dosages[some]
        called[some] = ((values == np.rint(values)) | np.isnan(values)).all(axis=1)
    return called


def _info(chrom: npt.NDArray[np.object_], genotyped: Genotyped, called: Flags, male: float) -> Values:
    """Variance of dosages over that of genotypes in equilibrium; NaN for called genotypes."""
    # One haplotype that counts twice has twice the variance of two.
    one_haplotype = np.select([chrom == "X", np.isin(chrom, _HAPLOID)], [male, 1.0], 0.0)
    frequency = genotyped.frequency
    expected = 2 * frequency * (1 - frequency) * (1 + one_haplotype)
    with np.errstate(divide="ignore", invalid="ignore"):
        variance = genotyped.squares / genotyped.observed - (2 * frequency) ** 2
        return np.asarray(np.where(called, np.nan, variance / expected))
