"""What a GWAS found, as its report and its manifest need it."""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from mifm_kipoi.statistics.normal import z_of_log_p

GENOME_WIDE = 5e-8
"""P-value of a locus that counts as associated."""

LOCUS_BP = 500_000
"""A variant farther than this from every lead variant with a lower p-value begins a locus of its own."""

_MEDIAN_CHI_SQUARE = 0.454936423119572
"""Of one degree of freedom."""

FEWEST_FOR_LAMBDA = 1_000
"""Variants below which the median of their statistics says little."""

Values32 = npt.NDArray[np.float32]


@dataclasses.dataclass(frozen=True)
class Tested:
    """Where the tested variants of all traits lie, in the order of the genotypes.

    Parameters
    ----------
    chroms : list of str
        Names of contigs, in the order in which they occur.
    chrom : numpy.ndarray of int16, shape (variants,)
        Which of them.
    pos : numpy.ndarray of int32, shape (variants,)
        1-based.
    """

    chroms: list[str]
    chrom: npt.NDArray[np.int16]
    pos: npt.NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.pos)


@dataclasses.dataclass(frozen=True)
class TraitResult:
    """One trait.

    Parameters
    ----------
    name : str
        Of the trait.
    binary : bool
        Whether it has cases and controls.
    people, cases : int
        In its model.
    covariates, columns : tuple of str
        Of its design.
    neg_log_10_p : numpy.ndarray of float32, shape (variants,)
        Of the variants of :class:`Tested`; NaN where the trait has no estimate.
    hits : pandas.DataFrame
        Rows with p below :data:`GENOME_WIDE`: ``chrom, pos, id, effect_allele, other_allele, frequency, beta,
        standard_error, log_p``.
    fits : mapping of str to int
        How many rows are of each kind of fit.
    wholly : tuple of str
        Variants that leave nothing of the trait, whose standard errors and p-values are upper bounds.
    """

    name: str
    binary: bool
    people: int
    cases: int
    covariates: tuple[str, ...]
    columns: tuple[str, ...]
    neg_log_10_p: Values32
    hits: pd.DataFrame
    fits: Mapping[str, int]
    wholly: tuple[str, ...] = ()

    @property
    def tested(self) -> int:
        """Variants with an estimate."""
        return sum(self.fits.values())

    @functools.cached_property
    def lambda_gc(self) -> float:
        """Median of the statistics over that of a chi-square of one degree; NaN of few variants."""
        known = self.neg_log_10_p[~np.isnan(self.neg_log_10_p)]
        if len(known) < FEWEST_FOR_LAMBDA:
            return float("nan")
        median = float(np.median(known.astype(np.float64)))
        return float(z_of_log_p(np.array([-median * math.log(10)]))[0] ** 2 / _MEDIAN_CHI_SQUARE)

    @functools.cached_property
    def loci(self) -> pd.DataFrame:
        """Lead variants: ``hits`` without a lower p-value that leads a locus within :data:`LOCUS_BP`."""
        ordered = self.hits.sort_values(["log_p", "chrom", "pos"], kind="stable")
        leads: list[int] = []
        taken: dict[str, list[int]] = {}
        for row, chrom, pos in zip(ordered.index, ordered["chrom"], ordered["pos"], strict=True):
            near = taken.setdefault(chrom, [])
            if all(abs(pos - other) > LOCUS_BP for other in near):
                near.append(pos)
                leads.append(row)
        return self.hits.loc[leads]


@dataclasses.dataclass(frozen=True)
class Result:
    """All traits.

    Parameters
    ----------
    traits : list of TraitResult
        In the order of the command.
    tested : Tested
        Variants.
    left_out : mapping of str to int
        Variants that were not tested with any trait, by reason.
    no_estimate : mapping of str to int
        Variants without a row of a trait that was tested, by trait.
    notes : list of str
        What became of people and covariates.
    cautions : list of str
        What a reader must know before trusting the numbers, the gravest first; without full stops.
    provenance : dict of plain JSON types
        Inputs and options.
    """

    traits: list[TraitResult]
    tested: Tested
    left_out: Mapping[str, int]
    no_estimate: Mapping[str, int]
    notes: list[str]
    cautions: list[str]
    provenance: dict[str, Any]

    @property
    def variants(self) -> int:
        """Variants of the genotypes, tested or not."""
        return len(self.tested) + sum(self.left_out.values())
