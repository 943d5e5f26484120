"""Which variants are tested, case by case."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from mifm_kipoi.association.filters import Filters
from mifm_kipoi.association.models import linear_model
from mifm_kipoi.association.scan import Scan

PEOPLE = 4000


def reasons(
    dosages: np.ndarray, chrom: str, filters: Filters, male: np.ndarray | None = None
) -> tuple[list[str], np.ndarray]:
    """Reasons and imputation qualities of variants on one contig."""
    generator = np.random.default_rng(1)
    everyone = np.ones(dosages.shape[1], dtype=bool)
    male = ~everyone if male is None else male
    model = linear_model(
        "height", everyone, generator.normal(size=len(everyone)), np.ones((len(everyone), 1))
    )
    genotyped, _ = Scan([model]).test(dosages.astype(np.float32))
    variants = pd.DataFrame(
        {"chrom": chrom, "pos": 10, "counted": "A", "other": "G"}, index=range(len(dosages))
    )
    found, info = filters.reasons(variants, dosages.astype(np.float32), genotyped, male, ~male)
    return found.tolist(), info


@pytest.mark.parametrize(("chrom", "men"), [("1", False), ("X", True), ("Y", True)])
def test_the_quality_is_the_variance_over_that_of_genotypes(chrom: str, men: bool) -> None:
    """Dosages are expectations of half of the genotype's variance: their quality is a half, on X as well."""
    generator = np.random.default_rng(2)
    male = generator.random(PEOPLE) < (0.4 if chrom == "X" else men)
    known = np.where(male, 2 * generator.binomial(1, 0.3, PEOPLE), generator.binomial(2, 0.3, PEOPLE))
    shrunk = 0.6 + np.sqrt(0.5) * (known - 0.6) + 1e-3
    found, info = reasons(np.stack([shrunk, known + 0.0]), chrom, Filters(min_hwe_p=0.0), male)
    assert info[0] == pytest.approx(0.5, abs=0.03)
    assert np.isnan(info[1])
    assert found == ["imputation quality", ""]
    assert reasons(shrunk[np.newaxis], chrom, Filters(min_info=0.4), male)[0] == [""]


def test_dosages_of_a_half_are_imputed_also_where_their_sums_are_whole() -> None:
    """Four halves have the sum 2, and the sum of squares 1."""
    generator = np.random.default_rng(4)
    called = generator.binomial(2, 0.3, PEOPLE).astype(np.float64)
    called[:8] = np.nan
    halves = called.copy()
    halves[8:12] = 0.5
    many = np.repeat([0.5, 1.0], PEOPLE // 2)
    found, info = reasons(np.stack([called, halves, many]), "1", Filters())
    np.testing.assert_array_equal(np.isnan(info), [True, False, False])
    known = halves[~np.isnan(halves)]
    frequency = known.mean() / 2
    np.testing.assert_allclose(info[1], known.var() / (2 * frequency * (1 - frequency)))
    assert found == ["", "", "imputation quality"]


def test_a_frequency_that_is_the_limit_is_kept() -> None:
    dosages = np.zeros((2, 300))
    dosages[0, :6] = 1
    dosages[1, :5] = 1
    assert reasons(dosages, "1", Filters(min_maf=0.01))[0] == ["", "minor allele frequency"]
    assert reasons(2 - dosages, "1", Filters(min_maf=0.01))[0] == ["", "minor allele frequency"]


def test_men_on_x_are_not_asked_for_equilibrium() -> None:
    generator = np.random.default_rng(3)
    male = np.arange(PEOPLE) % 2 == 0
    women = generator.binomial(2, 0.4, PEOPLE)
    fine = np.where(male, 2 * generator.binomial(1, 0.4, PEOPLE), women)
    odd = np.where(male, 2 * generator.binomial(1, 0.4, PEOPLE), 1)
    assert reasons(np.stack([fine, odd]), "X", Filters(), male)[0] == ["", "Hardy-Weinberg"]
    assert reasons(fine[np.newaxis], "1", Filters(), male)[0] == ["Hardy-Weinberg"]
    assert reasons(np.stack([fine, odd]), "Y", Filters(), male)[0] == ["", ""]


def test_nobody_has_the_genotype() -> None:
    assert reasons(np.full((1, 50), np.nan), "1", Filters())[0] == ["missing genotypes"]
    assert reasons(np.full((1, 50), np.nan), "1", Filters(max_missing=1.0))[0] == ["minor allele frequency"]
