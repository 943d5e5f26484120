"""Random filters against enumeration, and the pass over genotypes against a direct reading."""

from __future__ import annotations

import collections
import dataclasses
import itertools
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm

from mifm_kipoi.evaluation.joint.clumps import Clump
from mifm_kipoi.evaluation.joint.cohort import Cohort, clump_dosages
from mifm_kipoi.evaluation.joint.controls import MATCHED, OBSERVED, PERMUTED, count
from mifm_kipoi.evaluation.joint.models import (
    FilterOptions,
    JointTests,
    Limits,
    choose,
    correlations_of,
    limits_of,
    pruned_members,
    regressions_of,
)
from mifm_kipoi.evaluation.joint.second import Replicated, located
from mifm_kipoi.genetics.genotypes import open_genotypes
from mifm_kipoi.statistics.joint import joint_fit, linear_products
from mifm_kipoi.statistics.matched_draws import strata
from tests.genetics.filesets import write_bed

PEOPLE = 900


def people(seed: int, variants: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Genotypes in strong LD, (variants, people), a trait and its covariates."""
    rng = np.random.default_rng(seed)
    shared = rng.random((2, PEOPLE)) < 0.4
    flips = rng.random((variants, 2, PEOPLE)) < np.linspace(0.01, 0.06, variants)[:, None, None]
    x = (shared ^ flips).sum(axis=1).astype(float)
    covariates = np.column_stack([np.ones(PEOPLE), rng.normal(size=PEOPLE)])
    return x, 0.35 * x[0] + 0.3 * x[variants // 2] + rng.normal(size=PEOPLE), covariates


def drawn_clump(seed: int, variants: int) -> tuple[JointTests, np.ndarray, np.ndarray, np.ndarray]:
    x, y, covariates = people(seed, variants)
    products = linear_products(x, np.linalg.qr(covariates)[0], y)
    clump = Clump("y", 1, np.arange(variants), np.ones(variants), np.log(np.linspace(1e-9, 1e-8, variants)))
    scores = {"score": np.r_[np.zeros(variants - 3), 1, 2, 3]}
    options = FilterOptions(prune=1.0)
    one = regressions_of(clump, correlations_of(x), products, scores, Limits(-30, {"score": 0.5}), options)
    return one, x, y, covariates


def enumerated(
    one: JointTests, x: np.ndarray, y: np.ndarray, covariates: np.ndarray, stratum: np.ndarray
) -> list:
    """Significant variants at 0.05 with each subset that has as many of each stratum, by statsmodels."""
    pool = np.arange(1, len(x))
    wanted = np.bincount(stratum[one.chosen["score"][1:]], minlength=stratum.max() + 1)
    counts = []
    for subset in itertools.combinations(pool, int(wanted.sum())):
        if (np.bincount(stratum[np.array(subset) - 1], minlength=len(wanted)) == wanted).all():
            rows = [0, *subset]
            fit = sm.OLS(y, np.column_stack([x[rows].T, covariates])).fit()
            counts.append(int((fit.pvalues[: len(rows)] < 0.05).sum()))
    return counts


@pytest.mark.parametrize("control", [MATCHED, PERMUTED])
def test_random_filters_are_draws_from_all_that_are_alike(control: str) -> None:
    one, x, y, covariates = drawn_clump(1, 10)
    assert one.chosen["score"].sum() == 4
    stratum = strata(one.r[1:] ** 2) if control == MATCHED else np.zeros(9, dtype=int)
    counts = enumerated(one, x, y, covariates, stratum)
    assert len(set(counts)) > 1
    draws = count([one], None, "score", control, {"level": 0.05}, None, 8_000, 1)["level"]
    drawn = draws.significant[0]
    assert set(drawn) == set(counts)
    for value in set(counts):
        expected = np.mean(np.array(counts) == value)
        assert (drawn == value).mean() == pytest.approx(expected, abs=4 * np.sqrt(expected / 8_000))
    observed = count([one], None, "score", OBSERVED, {"level": 0.05}, None, 1, 1)["level"]
    fit = sm.OLS(y, np.column_stack([x[one.chosen["score"]].T, covariates])).fit()
    assert observed.significant[0, 0] == (fit.pvalues[:4] < 0.05).sum()


def test_replication_and_truth_are_counted_draw_by_draw() -> None:
    one, _, _, _ = drawn_clump(2, 8)
    x, y, covariates = people(3, 8)
    products = linear_products(x, np.linalg.qr(covariates)[0], y)
    second = Replicated(np.ones(8, dtype=bool), products, {}, {})
    causal = np.arange(8) == 4
    draws = count([one, one], [second, second], "score", PERMUTED, {"level": 0.2}, [causal, causal], 40, 5)[
        "level"
    ]
    totals = draws.totals(np.array([True, True]), 0.05)
    # The same, slowly: both clumps have the same variants, so that the same are drawn of both.
    keys = np.column_stack([np.random.default_rng([5, 1, row]).random(40) for row in range(1, 8)])
    by_hand = []
    for draw in range(40):
        hits, replicated, true = 0, [], 0
        for _ in range(2):
            chosen = int(one.chosen["score"].sum()) - 1
            rows = [0, *(1 + np.argsort(keys[draw])[:chosen])]
            fit, again = joint_fit(one.products, rows), joint_fit(products, rows)
            for place, row in enumerate(rows):
                if fit.log_p[place] < np.log(0.2):
                    hits += 1
                    true += row == 4
                    if np.sign(fit.coefficients[place]) == np.sign(again.coefficients[place]):
                        replicated.append(again.log_p[place])
        by_hand.append((hits, sum(p < np.log(0.05 / max(hits, 1)) for p in replicated), true))
    assert list(zip(totals["significant"], totals["replicated"], totals["true"], strict=True)) == by_hand
    assert (totals["false"] == totals["significant"] - totals["true"]).all()
    # Of one of the clumps alone, with the limit of all.
    part = draws.totals(np.array([True, False]), 0.05)
    assert (part["significant"] == draws.significant[0]).all()
    assert (part["replicated"] <= totals["replicated"]).all()


def test_what_is_pruned_is_represented_by_the_lead_first_then_by_p() -> None:
    clump = Clump("y", 1, np.arange(4), np.ones(4), np.log([1e-9, 1e-6, 1e-8, 1e-5]))
    r = np.array([[1, 0.999, 0.9, 0.9], [0.999, 1, 0.9, 0.9], [0.9, 0.9, 1, 0.999], [0.9, 0.9, 0.999, 1]])
    kept, stands_for = pruned_members(clump, r, 0.99)
    assert kept.tolist() == [0, 2]
    assert stands_for.tolist() == [0, 0, 2, 2]
    # The kept one has its own score, not the best of those that it stands for; a missing score is never kept.
    scores = {
        "score": np.array([0.1, 0.2, 0.9, 0.3]),
        "other": np.array([0.1, 0.2, 0.3, 0.9]),
        "none": np.full(4, np.nan),
    }
    limits = Limits(np.log(1e-7), {"score": 0.8, "other": 0.8, "none": np.nan})
    chosen, pool = choose(clump, kept, scores, limits, FilterOptions())
    assert chosen["score"].tolist() == chosen["p"].tolist() == [True, True]
    assert chosen["other"].tolist() == chosen["none"].tolist() == [True, False]
    assert pool["none"].tolist() == [False, False]
    chosen, _ = choose(clump, kept, scores, dataclasses.replace(limits, log_p=-30), FilterOptions())
    assert chosen["p"].tolist() == [True, False]


@pytest.mark.parametrize("within_clumps", [False, True])
def test_scores_without_information_keep_each_subset_with_the_same_chance(within_clumps: bool) -> None:
    # Of five secondary variants the first stands for two others, so that three are kept.
    clump = Clump("y", 1, np.arange(6), np.ones(6), np.log([1e-9, 1e-8, 1e-7, 1e-7, 1e-6, 1e-5]))
    r = np.full((6, 6), 0.9)
    r[1:4, 1:4] = 0.999
    np.fill_diagonal(r, 1)
    kept, stands_for = pruned_members(clump, r, 0.99)
    assert kept.tolist() == [0, 1, 4, 5]
    assert stands_for.tolist() == [0, 1, 1, 1, 4, 5]
    options = FilterOptions(p_percentile=40, within_clumps=within_clumps)
    subsets = collections.Counter()
    for order in itertools.permutations(range(6)):
        scores = {"score": np.array(order, dtype=float)}
        chosen, _ = choose(clump, kept, scores, limits_of([clump], scores, options), options)
        subsets[tuple(np.flatnonzero(chosen["score"][1:]))] += 1
    assert len(subsets) > 2
    for size in range(4):
        of_size = [count for subset, count in subsets.items() if len(subset) == size]
        assert len(set(of_size)) <= 1


def test_what_traits_share_is_drawn_together() -> None:
    one, _, _, _ = drawn_clump(4, 10)
    again = dataclasses.replace(one, clump=dataclasses.replace(one.clump, trait="other"))
    draws = count([one, again], None, "score", PERMUTED, {"level": 0.05}, None, 200, 1)["level"].significant
    assert (draws[0] == draws[1]).all()
    assert len(set(draws[0])) > 1


def test_clumps_are_read_in_one_pass(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    dosages = rng.integers(0, 3, (30, 40)).astype(float)
    dosages[rng.random(dosages.shape) < 0.1] = np.nan
    dosages[:, 7] = np.nan
    prefix = write_bed(tmp_path / "people", dosages, np.arange(1, 41) * 100)
    genotypes = open_genotypes([f"{prefix}.bed"])
    samples = np.array([3, 1, 20, 5, 8, 29])
    clumps = [
        np.array([30, 2, 5]),
        np.array([5, 6]),
        np.array([], dtype=int),
        np.array([7]),
        np.array([2, 39]),
    ]
    found = dict(clump_dosages(Cohort(genotypes, samples, {}, []), clumps))
    assert sorted(found) == [0, 1, 3, 4]
    own = dosages[samples]
    mean = np.array([np.nanmean(column) if (~np.isnan(column)).any() else 0.0 for column in own.T])
    full = np.where(np.isnan(own), mean, own).T
    for number, values in found.items():
        np.testing.assert_allclose(values, full[clumps[number]], rtol=1e-12)


def test_variants_of_the_second_sample_are_found_by_place_and_alleles(tmp_path: Path) -> None:
    dosages = np.ones((5, 4))
    dosages[0] = 0
    prefix = write_bed(
        tmp_path / "second", dosages, [100, 200, 300, 300], allele_1=["A", "C", "A", "G"],
        allele_2=["C", "A", "C", "C"],
    )  # fmt: skip
    variants = pd.DataFrame(
        {"chrom": "1", "pos": [300, 100, 200, 400], "counted": ["A", "A", "A", "A"], "other": ["C"] * 4}
    )
    rows, swapped = located(open_genotypes([f"{prefix}.bed"]), variants)
    assert rows.tolist() == [2, 0, 1, -1]
    assert swapped.tolist() == [False, False, True, False]
