"""Traits, studies, and what each study finds at a locus."""

import dataclasses

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
from scipy import stats

from benchmarks.known_truth import genealogies, gwas, studies, study_loci
from benchmarks.known_truth.genealogies import Genealogy
from benchmarks.known_truth.sizes import Simulation, StudyDesign
from benchmarks.known_truth.studies import Study
from benchmarks.known_truth.study_loci import StudyLocus
from mifm_kipoi.statistics.bayes_factors import log_bayes_factor

SIMULATION = Simulation(
    genealogies=6, contigs=3, redraws=1, length=20_000,
    diploids={
        "CEU": 300, "CEU_reference": 200, "CHB": 150, "CHB_reference": 100, "YRI": 150, "YRI_reference": 100,
    },
    recombination_rate=2e-9, design="real",
)  # fmt: skip
STUDIES = studies.draw_studies(SIMULATION)


@pytest.fixture(scope="module")
def genealogy() -> Genealogy:
    return genealogies.simulate(SIMULATION, 0)


def test_the_studies_of_the_traits() -> None:
    design = SIMULATION.studies
    assert [sum(study.trait == trait for study in STUDIES) for trait in range(4)] == [
        *design.studies_per_trait
    ]
    assert len({study.name for study in STUDIES}) == len(STUDIES)
    for trait in range(4):
        first, *others = (study for study in STUDIES if study.trait == trait)
        assert (first.sample, first.size) == ("CEU", design.sample_sizes[1])
        assert all(other.information <= first.information for other in others)
        assert (first.cases is not None) == design.case_control[trait]
    assert {study.sample for study in STUDIES} == {"CEU", "CHB", "YRI"}
    assert all(0 <= study.missing <= design.missing for study in STUDIES)
    assert studies.draw_studies(dataclasses.replace(SIMULATION, contigs=6)) == STUDIES
    assert studies.draw_studies(dataclasses.replace(SIMULATION, seed=2)) != STUDIES


def test_the_table_of_studies() -> None:
    table = studies.meta_table(
        [Study("A", 0, "CEU", 1000, None, 0.1), Study("B", 2, "YRI", 500, 100, 0.0)]
    )  # fmt: skip
    assert list(table) == list(studies.META_COLUMNS)
    assert table["meta_id"].tolist() == ["A", "B"]
    assert table["trait"].tolist() == ["trait_1", "trait_3"]
    assert table["sample_size"].tolist() == [1000, 500]
    assert table["popu"].tolist() == ["EUR", "AFR"]
    assert table["n_case"].tolist() == [pd.NA, 100]
    assert table["n_control"].tolist() == [pd.NA, 400]


def test_standard_errors_of_both_kinds() -> None:
    """Against ordinary least squares and logistic regression on 200,000 individuals."""
    generator = np.random.default_rng(1)
    count, frequency = 200_000, 0.3
    dosage = generator.binomial(2, frequency, count).astype(float)
    trait = generator.standard_normal(count) + 0.02 * dosage
    fit = stats.linregress(dosage, trait)
    one = Study("A", 0, "CEU", count, None, 0)
    z = np.array([fit.slope / fit.stderr])
    assert one.standard_error(z, np.array([frequency]))[0] == pytest.approx(fit.stderr, rel=0.01)
    case = generator.random(count) < 1 / (1 + np.exp(-(-1.5 + 0.02 * dosage)))
    other = Study("B", 1, "CEU", count, int(case.sum()), 0)
    # Newton's steps of the logistic model.
    X = np.column_stack([np.ones(count), dosage])
    beta = np.zeros(2)
    for _ in range(8):
        p = 1 / (1 + np.exp(-X @ beta))
        hessian = (X * (p * (1 - p))[:, None]).T @ X
        beta += np.linalg.solve(hessian, X.T @ (case - p))
    error = float(np.sqrt(np.linalg.inv(hessian)[1, 1]))
    assert other.standard_error(np.zeros(1), np.array([frequency]))[0] == pytest.approx(error, rel=0.01)


def test_effects_are_scaled_to_the_change() -> None:
    change = np.zeros(20)
    change[[3, 7, 12]] = 0.8, -0.4, 0.2
    generator = np.random.default_rng(2)
    active, z = [], []
    for _ in range(300):
        effects = study_loci.draw_effects(SIMULATION, STUDIES, change, generator)
        acts = effects != 0
        assert not acts[:, change == 0].any()
        assert acts[:, change != 0].any(axis=0).all()
        active.append(int(acts.any(axis=1).sum()))
        for trait in np.flatnonzero(acts.any(axis=1)):
            ratios = effects[trait, acts[trait]] / change[acts[trait]]
            np.testing.assert_allclose(ratios, ratios[0])
            largest = max(study.information for study in STUDIES if study.trait == trait)
            z.append(np.abs(effects[trait]).max() * np.sqrt(largest))
    chances = np.bincount(active, minlength=4)[1:] / 300
    np.testing.assert_allclose(chances, SIMULATION.studies.trait_counts, atol=0.1)
    lowest, more = SIMULATION.studies.mean_z
    assert min(z) >= lowest
    assert np.mean(z) == pytest.approx(lowest + more, abs=0.5)


def test_expected_z_has_the_ld_and_frequencies_of_each_ancestry(genealogy: Genealogy) -> None:
    """With so large a study that noise is nothing: z / sqrt(n) = R b, b with the sample's deviations."""
    huge = [
        Study(sample, 0, sample, 10**14, cases, 0.0) for sample, cases in (("CEU", None), ("YRI", 10**13))
    ]
    effects = np.zeros((1, len(genealogy.positions)))
    effects[0, [5, 20]] = 0.3, -0.2
    z = study_loci._draw_z(huge, genealogy, effects, np.random.default_rng(3))
    for row, study in zip(z, huge, strict=True):
        dosages = genealogy.dosages[study.sample].astype(float)
        covariance = np.cov(dosages, bias=True)
        deviation = np.sqrt(np.diag(covariance))
        frequency = genealogy.frequency(study.sample)
        rare = np.minimum(frequency, 1 - frequency) < study_loci.MIN_STUDY_MAF
        np.testing.assert_array_equal(np.isnan(row), rare)
        expected = (covariance @ effects[0])[~rare] / deviation[~rare]
        information = 1e14 if study.cases is None else 1e14 * 0.1 * 0.9
        np.testing.assert_allclose(row[~rare] / np.sqrt(information), expected, atol=1e-5)


def test_noise_has_the_ld_of_the_ancestry(genealogy: Genealogy) -> None:
    many = [Study(f"S{number}", 0, "CHB", 1000, None, 0.0) for number in range(4000)]
    effects = np.zeros((1, len(genealogy.positions)))
    z = study_loci._draw_z(many, genealogy, effects, np.random.default_rng(4))
    kept = ~np.isnan(z[0])
    expected = gwas.correlations(gwas.standardised(genealogy.dosages["CHB"]))[np.ix_(kept, kept)]
    # Each covariance has a standard error of at most sqrt(2 / 4000).
    assert np.abs(np.cov(z[:, kept].T, bias=True) - expected).max() < 5.5 * np.sqrt(2 / 4000)


def test_studies_miss_variants_each_their_own(genealogy: Genealogy) -> None:
    pair = [Study(name, 0, "CEU", 1000, None, 0.3) for name in "AB"]
    effects = np.zeros((1, len(genealogy.positions)))
    z = study_loci._draw_z(pair, genealogy, effects, np.random.default_rng(5))
    missing = np.isnan(z)
    assert (missing.mean(axis=1) > 0.1).all()
    assert (missing[0] != missing[1]).any()


def locus_with(z: npt.NDArray[np.float64], genealogy: Genealogy) -> StudyLocus:
    drawn = study_loci.draw_locus(SIMULATION, STUDIES, genealogy, 0)
    rows = np.full((len(STUDIES), len(drawn.sites.positions)), np.nan)
    rows[0] = z[: rows.shape[1]]
    return dataclasses.replace(drawn, z=rows)


def test_rows_are_the_set_of_a_study(genealogy: Genealogy) -> None:
    sites = len(study_loci.draw_locus(SIMULATION, STUDIES, genealogy, 0).sites.positions)
    z = np.random.default_rng(6).normal(size=sites)
    z[[4, 9, 11]] = 9.0, -8.8, 7.0
    z[15] = np.nan
    drawn = locus_with(z, genealogy)
    (signal,) = study_loci.find_signals(SIMULATION, STUDIES, 0, drawn, np.eye(sites))[:1]
    frequency = drawn.sites.frequency("CEU")
    variance = 1 / (2 * frequency * (1 - frequency) * (STUDIES[0].size + z**2))
    bf = np.exp(np.nan_to_num(log_bayes_factor(z, variance, 0.15**2), nan=-np.inf))
    np.testing.assert_allclose(signal.pip, bf / bf.sum(), rtol=1e-9)
    assert (signal.lead, signal.primary, signal.pip[15]) == (4, True, 0.0)
    order = np.argsort(-signal.pip)
    needed = int(np.searchsorted(np.cumsum(signal.pip[order]), 0.95)) + 1
    assert set(signal.members) == set(order[: needed + round(0.1 * needed)])


def test_a_variant_that_a_study_lacks_leads_no_signal(genealogy: Genealogy) -> None:
    """Were its z taken for 0, a lead of z = 9 in LD with it would make it one of 7.7."""
    sites = len(study_loci.draw_locus(SIMULATION, STUDIES, genealogy, 0).sites.positions)
    z, ld = np.zeros(sites), np.eye(sites)
    z[4], z[7], ld[4, 7], ld[7, 4] = 9.0, np.nan, 0.65, 0.65
    (signal,) = study_loci.find_signals(SIMULATION, STUDIES, 0, locus_with(z, genealogy), ld)
    assert (signal.lead, signal.pip[7]) == (4, 0.0)
    z[7] = 0.0
    signals = study_loci.find_signals(SIMULATION, STUDIES, 0, locus_with(z, genealogy), ld)
    assert [signal.lead for signal in signals] == [4, 7]


def test_a_study_without_a_hit_has_its_best_locus(genealogy: Genealogy) -> None:
    """Once a genome, with a lead that does not reach 5e-8."""
    only = StudyDesign(
        studies_per_trait=(1,), case_control=(False,), sample_sizes=(999, 1000), trait_counts=(1.0,)
    )
    simulation = dataclasses.replace(SIMULATION, studies=only)
    alone = studies.draw_studies(simulation)
    drawn = [study_loci.draw_locus(simulation, alone, genealogy, number) for number in range(2)]
    rng = np.random.default_rng(7)
    weak = [dataclasses.replace(one, z=np.clip(rng.normal(size=one.z.shape), -4, 4)) for one in drawn]
    highest = [np.abs(one.z).max() for one in weak]
    best = int(np.argmax(highest))
    signals = study_loci.contig_signals(simulation, alone, weak)
    assert [len(each) for each in signals] == [1 - best, best] if best else [1, 0]
    assert abs(signals[best][0].z[signals[best][0].lead]) == highest[best]
    strong = dataclasses.replace(weak[1 - best], z=weak[1 - best].z * 0 + 1)
    strong.z[0, 3] = 7.0
    both = [strong, weak[best]] if best else [weak[best], strong]
    signals = study_loci.contig_signals(simulation, alone, both)
    assert [len(each) for each in signals] == ([1, 0] if best else [0, 1])
    # Each of the two for itself.
    apart = dataclasses.replace(simulation, studies=dataclasses.replace(only, genome_loci=1))
    signals = study_loci.contig_signals(apart, alone, both)
    assert [len(each) for each in signals] == [1, 1]


def test_a_later_lead_stays_only_if_it_is_significant_given_the_others() -> None:
    """Of sites with r = 0.8 to the first: z given it is (z - 0.8 z_1) / 0.6; the weakest goes first."""
    ld = np.array([[1, 0.8, 0.0], [0.8, 1, 0.0], [0.0, 0.0, 1]])
    assert study_loci._significant_together(np.array([10.0, 8.0, 7.0]), ld, [0, 1, 2]) == [0, 2]
    assert study_loci._significant_together(np.array([10.0, 12.0, 5.0]), ld, [0, 1, 2]) == [0, 1]
    # The third is collinear with the second, and neither is significant given the other.
    ld[1, 2] = ld[2, 1] = 0.8
    ld[0] = ld[:, 0] = 0
    ld[0, 0] = 1
    z = np.array([9.0, 8.0, 7.9])
    assert study_loci._significant_together(z, ld, [0, 1, 2]) == [0, 1]
    assert study_loci._significant_together(np.array([1.0, 0, 0]), ld, [0]) == [0]
