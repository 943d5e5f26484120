"""The exact test of Hardy-Weinberg equilibrium, against all tables and PLINK."""

from __future__ import annotations

import math
import shutil
import subprocess
from fractions import Fraction
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from mifm_kipoi.statistics.hardy_weinberg import below, exact_p, log_probability
from tests.genetics.filesets import write_bed


def by_fractions(first: int, het: int, second: int) -> float:
    """The sum over all counts of heterozygotes, in exact arithmetic."""
    copies = 2 * first + het
    people = first + het + second

    def weight(count: int) -> Fraction:
        one, two = (copies - count) // 2, people - (copies + count) // 2
        return Fraction(2**count, math.factorial(one) * math.factorial(count) * math.factorial(two))

    counts = range(copies % 2, min(copies, 2 * people - copies) + 1, 2)
    weights = {count: weight(count) for count in counts}
    return float(sum(each for each in weights.values() if each <= weights[het]) / sum(weights.values()))


def test_p_is_the_sum_over_all_tables() -> None:
    tables = [
        (first, het, people - first - het)
        for people in (1, 2, 5, 12)
        for first in range(people + 1)
        for het in range(people - first + 1)
    ]
    expected = [by_fractions(*table) for table in tables]
    np.testing.assert_allclose(exact_p(*np.transpose(tables)), expected, rtol=1e-12)


def test_probabilities_of_all_counts_with_the_same_alleles_add_up_to_one() -> None:
    het = np.arange(1, 602, 2)
    first = (601 - het) // 2
    total = np.exp(log_probability(first, het, 1000 - first - het)).sum()
    np.testing.assert_allclose(total, 1, rtol=1e-11)


def test_an_extreme_table_has_its_p_value() -> None:
    # Twenty heterozygotes and no homozygote of the rarer allele among a thousand is likely; none is not.
    p = exact_p([0, 10], [20, 0], [980, 990])
    assert p[0] == pytest.approx(1.0)
    assert p[1] == pytest.approx(by_fractions(10, 0, 990), rel=1e-10)
    assert p[1] < 1e-20


def test_below_agrees_with_the_p_values() -> None:
    generator = np.random.default_rng(3)
    counts = generator.multinomial(400, [0.2, 0.45, 0.35], size=2000)
    p = exact_p(*counts.T)
    for limit in (0.0, 1e-6, 1e-3, 0.05, 1.0):
        np.testing.assert_array_equal(below(*counts.T, limit), p < limit)
    assert 0 < below(*counts.T, 1e-3).sum() < 2000


@pytest.mark.skipif(not shutil.which("plink1.9"), reason="plink1.9 is not installed")
def test_p_values_of_plink(tmp_path: Path) -> None:
    generator = np.random.default_rng(4)
    frequency = generator.uniform(0.01, 0.5, 80)
    genotypes = generator.binomial(2, frequency, (300, 80)).astype(np.float32)
    genotypes[:, :10] *= generator.random((300, 10)) < 0.6
    genotypes[generator.random(genotypes.shape) < 0.03] = np.nan
    prefix = write_bed(tmp_path / "some", genotypes, np.arange(1, 81), chrom="1")
    subprocess.run(
        ["plink1.9", "--bfile", prefix, "--hardy", "--out", str(tmp_path / "plink")],
        check=True, capture_output=True,
    )  # fmt: skip
    found = pd.read_csv(tmp_path / "plink.hwe", sep=r"\s+")
    found = found[found["TEST"].str.startswith("ALL")]
    counts = np.array([(genotypes == copies).sum(axis=0) for copies in (2, 1, 0)])
    np.testing.assert_allclose(exact_p(*counts), found["P"], rtol=6e-4)
