import dataclasses

import numpy as np
import numpy.typing as npt
import pytest
from scipy import stats

from benchmarks.known_truth import gwas, loci
from benchmarks.known_truth.genealogies import Genealogy
from benchmarks.known_truth.rule import Kind
from benchmarks.known_truth.sizes import Simulation

SIMULATION = Simulation(genealogies=400, contigs=4, redraws=2, length=4000, diploids={"CEU": 60})
N = SIMULATION.sample_size

Values = npt.NDArray[np.float64]


def haplotypes(generator: np.random.Generator, sites: int, count: int, kept: float) -> npt.NDArray[np.uint8]:
    """Alleles that each site shares with the one before with a chance, else drawn anew; then diploids."""
    alleles = generator.random((sites, 2 * count)) < 0.4
    stays = generator.random((sites, 2 * count)) < kept
    for site in range(1, sites):
        alleles[site] = np.where(stays[site], alleles[site - 1], alleles[site])
    return (alleles[:, ::2].astype(np.uint8) + alleles[:, 1::2]).astype(np.uint8)


@pytest.fixture(scope="module")
def blocks() -> Values:
    """Standardised genotypes of three blocks of 10 sites each, with LD within them only."""
    generator = np.random.default_rng(1)
    return gwas.standardised(np.concatenate([haplotypes(generator, 10, 4000, 0.9) for _ in range(3)]))


def common(sites: int) -> Values:
    return np.full(sites, 0.4)


def test_standardised_genotypes_and_their_ld() -> None:
    dosages = haplotypes(np.random.default_rng(2), 8, 200, 0.7)
    dosages[3] = 2
    values = gwas.standardised(dosages)
    varying = np.arange(8) != 3
    np.testing.assert_allclose(values.mean(axis=1), 0, atol=1e-12)
    np.testing.assert_allclose(values.std(axis=1), varying, atol=1e-12)
    expected = np.zeros((8, 8))
    expected[np.ix_(varying, varying)] = np.corrcoef(dosages[varying])
    np.testing.assert_allclose(gwas.correlations(values), expected, atol=1e-12)


def test_drawn_z_scores_have_the_mean_and_the_covariance_of_ld() -> None:
    """Also with sites that are the same, mirrored, or many more than individuals: R is singular."""
    generator = np.random.default_rng(3)
    dosages = haplotypes(generator, 12, 9, 0.6)
    dosages[4], dosages[7] = dosages[1], 2 - dosages[1]
    assert (dosages.std(axis=1) > 0).all()
    ld = np.corrcoef(dosages)
    assert np.linalg.matrix_rank(ld) < len(ld)
    effects = np.zeros(12)
    effects[[1, 8]] = 0.03, -0.02
    genotypes = gwas.standardised(dosages)
    draws = np.array([gwas.draw_z(genotypes, effects, 10_000, generator) for _ in range(6000)])
    np.testing.assert_allclose(draws[:, 4], draws[:, 1], atol=1e-9)
    # Mirrored: the noise and the mean change their sign.
    np.testing.assert_allclose(draws[:, 7], -draws[:, 1], atol=1e-9)
    np.testing.assert_allclose(draws.mean(axis=0), 100 * ld @ effects, atol=4.5 / np.sqrt(6000))
    # The variance of a covariance is (1 + r2) / draws.
    within = 4.5 * np.sqrt((1 + ld**2) / 6000)
    assert (np.abs(np.cov(draws.T) - ld) < within).all()
    for site in (0, 7):
        assert stats.kstest(draws[:, site] - 100 * ld[site] @ effects, "norm").pvalue > 1e-4


def test_the_size_of_the_gwas_is_not_that_of_the_sample() -> None:
    genotypes = gwas.standardised(haplotypes(np.random.default_rng(4), 3, 50, 0.0))
    effects = np.array([0.05, 0, 0])
    one, other = (gwas.draw_z(genotypes, effects, n, np.random.default_rng(5)) for n in (10_000, 40_000))
    np.testing.assert_allclose(other - one, 100 * np.corrcoef(genotypes)[:, 0] * 0.05, atol=1e-9)


def test_given_one_lead_the_closed_form() -> None:
    z, r = np.array([7.0, 5.0]), 0.6
    found, left = gwas.conditional(z, np.array([[1, r], [r, 1]]), [0])
    assert found.tolist() == pytest.approx([0, (5 - 0.6 * 7) / 0.8])
    assert left[1] == pytest.approx(1 - 0.36)


def test_given_no_lead_nothing_changes() -> None:
    found, left = gwas.conditional(np.array([7.0, 5.0]), np.eye(2), [])
    assert found.tolist() == [7, 5]
    assert left.tolist() == [1, 1]


@pytest.mark.parametrize("leads", [[2], [2, 5], [5, 0, 7]])
def test_given_leads_as_in_a_multiple_regression(leads: list[int]) -> None:
    """The regression's t is larger by the trait's residual deviation, which a GWAS takes for 1."""
    generator = np.random.default_rng(6)
    genotypes = gwas.standardised(haplotypes(generator, 8, 3000, 0.7))
    trait = genotypes.T @ np.array([0, 0.05, 0.1, 0, 0, -0.08, 0, 0.04]) + generator.standard_normal(3000)
    trait = (trait - trait.mean()) / trait.std()
    z = genotypes @ trait / np.sqrt(3000)
    found, left = gwas.conditional(z, np.corrcoef(genotypes), leads)
    for site in set(range(8)) - set(leads):
        X = np.column_stack([genotypes[[site, *leads]].T, np.ones(3000)])
        fitted, (residual,), *_ = np.linalg.lstsq(X, trait)
        inverse = np.linalg.inv(X.T @ X)[0, 0]
        t = fitted[0] / np.sqrt(residual / (3000 - X.shape[1]) * inverse)
        assert found[site] == pytest.approx(t * np.sqrt(residual / (3000 - X.shape[1])), rel=1e-9, abs=1e-9)
        assert left[site] == pytest.approx(1 / (3000 * inverse))
        assert found[site] == pytest.approx(t, rel=0.05)
    assert found[leads].tolist() == [0] * len(leads)


def test_what_the_leads_explain_wholly_is_0() -> None:
    r = 0.9997
    ld = np.array([[1, r, 0.5], [r, 1, 0.5], [0.5, 0.5, 1]])
    found, left = gwas.conditional(np.array([9.0, 3.0, 4.5]), ld, [0])
    assert found.tolist() == [0, 0, pytest.approx(0, abs=1e-12)]
    assert left.tolist() == [1e-3, 1e-3, pytest.approx(0.75)]


def wakefield(z: Values, error: Values) -> Values:
    """Densities of an estimate with and without an effect of variance 0.04, as shares of one."""
    estimate = z * error
    log_bf = stats.norm.logpdf(estimate, scale=np.sqrt(error**2 + 0.04)) - stats.norm.logpdf(
        estimate, scale=error
    )
    weights = np.exp(log_bf - log_bf.max())
    return np.asarray(weights / weights.sum())


def test_two_independent_causal_variants_are_two_signals(blocks: Values) -> None:
    effects = np.zeros(30)
    effects[[3, 24]] = 0.05, -0.04
    z = gwas.draw_z(blocks, effects, N, np.random.default_rng(7))
    frequency = np.linspace(0.05, 0.6, 30)
    ld = np.corrcoef(blocks)
    first, second = gwas.find_signals(z, frequency, ld, SIMULATION)
    assert (first.lead, second.lead) == (3, 24)
    # The first is marginal, and the second by the formula for one other variant.
    r = ld[3]
    with np.errstate(divide="ignore", invalid="ignore"):
        given = np.where(np.arange(30) == 3, 0, (z - r * z[3]) / np.sqrt(1 - r**2))
    marginal_error = 1 / np.sqrt(2 * frequency * (1 - frequency) * (N + z**2))
    left = np.where(np.arange(30) == 3, 1e-3, 1 - r**2)
    for signal, expected, error in (
        (first, z, marginal_error),
        (second, given, marginal_error / np.sqrt(left)),
    ):
        np.testing.assert_allclose(signal.z, expected, atol=1e-9)
        np.testing.assert_allclose(signal.standard_error, error)
        np.testing.assert_allclose(signal.p_value, 2 * stats.norm.sf(np.abs(expected)), rtol=1e-6)
        np.testing.assert_allclose(signal.pip, wakefield(expected, error), atol=1e-9)
        assert signal.pip.sum() == pytest.approx(1)
        members = [
            site
            for site in range(30)
            if stats.chi2.sf(expected[site] ** 2, 1) <= 1e-5 and ld[site, signal.lead] ** 2 >= 0.3
        ]
        assert signal.members.tolist() == members
        assert signal.lead in members
        assert len(members) > 1


def test_the_standard_error_is_that_of_a_regression() -> None:
    """Of an allele's effect, on individual data in Hardy-Weinberg equilibrium but for chance."""
    generator = np.random.default_rng(8)
    dosages = haplotypes(generator, 5, 20_000, 0.5)
    trait = 0.25 * dosages[2] + generator.standard_normal(20_000)
    trait /= trait.std()
    fits = [stats.linregress(row, trait) for row in dosages]
    z = np.array([fit.slope / fit.stderr for fit in fits])
    simulation = dataclasses.replace(SIMULATION, sample_size=20_000)
    signal = gwas.find_signals(z, dosages.mean(axis=1) / 2, np.corrcoef(dosages), simulation)[0]
    assert signal.lead == 2
    np.testing.assert_allclose(signal.standard_error, [fit.stderr for fit in fits], rtol=0.015)


def test_no_signal_below_genome_wide_significance() -> None:
    border = stats.norm.isf(2.5e-8)
    below = np.array([0.0, border - 1e-6, -3.0])
    assert gwas.find_signals(below, common(3), np.eye(3), SIMULATION) == []
    above = np.array([0.0, 1.0, -border - 1e-6])
    (signal,) = gwas.find_signals(above, common(3), np.eye(3), SIMULATION)
    assert signal.lead == 2
    assert signal.members.tolist() == [2]


def test_a_second_signal_needs_genome_wide_significance_given_the_first() -> None:
    ld = np.array([[1, 0.7], [0.7, 1]])
    assert len(gwas.find_signals(np.array([20.0, 14.0]), common(2), ld, SIMULATION)) == 1
    assert len(gwas.find_signals(np.array([20.0, 8.0]), common(2), ld, SIMULATION)) == 2


def test_no_more_signals_than_causal_variants() -> None:
    z = np.array([9.0, -12.0, 8.0, 10.0, 7.0])
    found = gwas.find_signals(z, common(5), np.eye(5), SIMULATION)
    assert [signal.lead for signal in found] == [1, 3, 0]
    two = dataclasses.replace(SIMULATION, causal_counts=(0.5, 0.5))
    assert len(gwas.find_signals(z, common(5), np.eye(5), two)) == 2


@pytest.mark.parametrize(("r", "leads"), [(0.94, [0, 1]), (-0.94, [0, 1]), (0.96, [0]), (-0.96, [0])])
def test_collinear_variants_do_not_lead(r: float, leads: list[int]) -> None:
    """Of an r2 above 0.9, however much is left of their z, as where LD is of other samples."""
    z = np.array([20.0, 10.0])
    found = gwas.find_signals(z, common(2), np.array([[1, r], [r, 1]]), SIMULATION)
    assert [signal.lead for signal in found] == leads


@pytest.mark.parametrize(("z", "leads"), [([30.0, 20.0, 1.0], {1}), ([7.0, 20.0, 9.0], {1, 2})])
def test_a_variant_that_does_not_vary_in_the_panel(z: list[float], leads: set[int]) -> None:
    """Its LD is not known, 0 even with itself; the others are found all the same."""
    found = gwas.find_signals(np.array(z), common(3), np.diag([0.0, 1.0, 1.0]), SIMULATION)
    assert leads <= {signal.lead for signal in found}
    assert all(np.isfinite(signal.z).all() and np.isfinite(signal.pip).all() for signal in found)


def sites_of(seed: int, count: int = 14) -> Genealogy:
    """Sites 250 bp apart, each with room for motifs, in samples of 60, 40 and 30."""
    generator = np.random.default_rng(seed)
    dosages = haplotypes(generator, count, 130, 0.5)
    names = ("CEU", "CEU_reference", "YRI")
    parts = dict(zip(names, np.split(dosages, [60, 100], axis=1), strict=True))
    return Genealogy(np.arange(250, 250 * (count + 1), 250), parts)


@pytest.fixture(scope="module")
def drawn() -> list[tuple[Genealogy, loci.Drawn]]:
    found = []
    for genealogy in range(SIMULATION.genealogies):
        sites = sites_of(genealogy)
        found += [(sites, loci.draw(SIMULATION, sites, genealogy, redraw)) for redraw in range(2)]
    return found


def test_the_number_of_causal_variants(drawn: list[tuple[Genealogy, loci.Drawn]]) -> None:
    counts = np.bincount([np.count_nonzero(one.effects) for _, one in drawn], minlength=4)
    assert counts.sum() == 800
    assert counts.size == 4
    assert counts[0] == sum(one.driver is not None for _, one in drawn)
    assert stats.binomtest(int(counts[0]), 800, 0.15).pvalue > 1e-4
    present = counts[1:]
    assert stats.chisquare(present, present.sum() * np.array([0.7, 0.2, 0.1])).pvalue > 1e-4


def test_effects_are_those_of_causal_variants(drawn: list[tuple[Genealogy, loci.Drawn]]) -> None:
    signs = []
    for _, one in drawn:
        causal = np.array([kind is Kind.CAUSAL for kind in one.locus.kinds])
        np.testing.assert_array_equal(one.effects != 0, causal)
        np.testing.assert_allclose(one.effects[causal] ** 2, 0.0015)
        signs += (one.effects[causal] > 0).tolist()
    assert stats.binomtest(sum(signs), len(signs)).pvalue > 1e-4


def test_a_hidden_driver_is_in_no_file(drawn: list[tuple[Genealogy, loci.Drawn]]) -> None:
    for sites, one in drawn:
        if one.driver is None:
            np.testing.assert_array_equal(one.sites.positions, sites.positions)
            continue
        (gone,) = np.flatnonzero(~np.isin(sites.positions, one.sites.positions))
        hidden, effect = one.driver
        assert effect**2 == pytest.approx(0.0015)
        for name, dosages in sites.dosages.items():
            np.testing.assert_array_equal(hidden[name], dosages[gone])
            np.testing.assert_array_equal(one.sites.dosages[name], np.delete(dosages, gone, axis=0))
        frequency = hidden["CEU"].mean() / 2
        assert 0.05 <= frequency <= 0.95
        assert len(one.locus.kinds) == len(one.z) == 13


def test_a_hidden_driver_is_common() -> None:
    sites = sites_of(1)
    rare = sites.dosages["CEU"].copy()
    rare[1:] = 0
    rare[1:, 0] = 1
    always = dataclasses.replace(SIMULATION, absent_share=1.0)
    for redraw in range(10):
        one = loci.draw(always, dataclasses.replace(sites, dosages={**sites.dosages, "CEU": rare}), 0, redraw)
        assert one.driver is not None
        np.testing.assert_array_equal(one.driver[0]["CEU"], rare[0])


def test_z_scores_come_from_the_causal_variants_and_the_driver(
    drawn: list[tuple[Genealogy, loci.Drawn]],
) -> None:
    """Less ``sqrt(n) r b`` of each of them, they are standard normal at every site."""
    left, expected = [], []
    for _, one in drawn:
        dosages, effects = one.sites.dosages["CEU"], one.effects
        if one.driver is not None:
            dosages = np.concatenate([dosages, one.driver[0]["CEU"][None]])
            effects = np.append(effects, one.driver[1])
        mean = (np.sqrt(150_000) * np.corrcoef(dosages) @ effects)[: len(one.z)]
        left.append((one.z - mean)[5])
        expected.append(mean[5])
    assert np.std(expected) > 2
    assert stats.kstest(left, "norm").pvalue > 1e-4
    assert abs(stats.pearsonr(left, expected).statistic) < 4 / np.sqrt(800)


def test_signals_are_of_both_kinds_of_ld(drawn: list[tuple[Genealogy, loci.Drawn]]) -> None:
    for _, one in drawn[:60]:
        for signals, name in ((one.signals, "CEU"), (one.reference_signals, "CEU_reference")):
            ld = np.corrcoef(one.sites.dosages[name])
            # All vary in all samples; the first signal is that of the largest z.
            assert np.isfinite(ld).all()
            if stats.chi2.sf(np.abs(one.z).max() ** 2, 1) >= 5e-8:
                assert signals == []
                continue
            assert signals[0].lead == np.abs(one.z).argmax()
            near = ld[signals[0].lead] ** 2 >= 0.3
            significant = 2 * stats.norm.sf(np.abs(one.z)) <= 1e-5
            assert signals[0].members.tolist() == np.flatnonzero(near & significant).tolist()


def test_a_locus_depends_on_the_seed_and_its_number_alone(drawn: list[tuple[Genealogy, loci.Drawn]]) -> None:
    sites, one = drawn[31]
    again = loci.draw(SIMULATION, sites, 15, 1)
    np.testing.assert_array_equal(again.locus.sequence, one.locus.sequence)
    np.testing.assert_array_equal(again.z, one.z)
    other = loci.draw(dataclasses.replace(SIMULATION, seed=2), sites, 15, 1)
    assert not np.array_equal(other.locus.sequence, one.locus.sequence)
    assert not np.array_equal(drawn[30][1].locus.sequence, one.locus.sequence)


def test_where_loci_are(drawn: list[tuple[Genealogy, loci.Drawn]]) -> None:
    """100 genealogies of two loci on each of four contigs, 4,000 bp each, one after the other."""
    for number, (_, one) in enumerate(drawn):
        assert one.number == number
        assert (one.genealogy, one.redraw) == divmod(number, 2)
        assert (one.contig, one.start) == (number // 200, number % 200 * 4000)
