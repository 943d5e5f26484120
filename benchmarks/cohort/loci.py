"""Loci of a cohort: sites of many people, a sequence under the rule, and which variants are causal."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import msprime
import numpy as np
import numpy.typing as npt

from benchmarks.cohort.sizes import DISCOVERY, Cohort, population_of
from benchmarks.known_truth.factorial import make_locus
from benchmarks.known_truth.genealogies import MUTATION_RATE, demography
from benchmarks.known_truth.streams import Stream, seeds
from mifm_kipoi.conventions import WINDOW

Dosages = npt.NDArray[np.uint8]
Values = npt.NDArray[np.float64]

DRIVER_MAF = 0.05
"""Smallest frequency in the discovery sample of a variant that is causal and in no file."""

_EDGE = WINDOW // 2
"""Base pairs from either end of a locus without variants, so that no window has bases of two loci."""


@dataclasses.dataclass(frozen=True)
class Locus:
    """One locus.

    Parameters
    ----------
    number : int
        From 0.
    positions : numpy.ndarray of int64, shape (sites,)
        0-based in the locus, rising.
    dosages : mapping of str to numpy.ndarray of uint8, shape (sites, diploids)
        Copies of ALT in each sample. No two sites have the same dosages in the discovery sample, or opposite
        ones.
    sequence : numpy.ndarray of uint8, shape (length,)
        Codes of the reference.
    alternative : numpy.ndarray of uint8, shape (sites,)
        Codes of ALT.
    kinds : numpy.ndarray of str, shape (sites,)
        What each variant is under the rule.
    change : numpy.ndarray of float64, shape (sites,)
        Signed change of affinity from REF to ALT.
    causal : numpy.ndarray of bool, shape (sites,)
        By the rule.
    score_optimal, score_reference : numpy.ndarray of float64, shape (sites,)
        See :class:`benchmarks.known_truth.affinity.Judged`.
    driver : mapping of str to numpy.ndarray of uint8, shape (diploids,)
        Dosages of the variant that is causal and in no file; empty where there is none.
    twins : int
        Sites that were left out because another one has the same dosages.
    """

    number: int
    positions: npt.NDArray[np.int64]
    dosages: Mapping[str, Dosages]
    sequence: npt.NDArray[np.uint8]
    alternative: npt.NDArray[np.uint8]
    kinds: npt.NDArray[np.str_]
    change: Values
    causal: npt.NDArray[np.bool_]
    score_optimal: Values
    score_reference: Values
    driver: Mapping[str, Dosages]
    twins: int


def draw_locus(cohort: Cohort, number: int) -> Locus:
    """A locus; it depends on the settings and its number only.

    Parameters
    ----------
    cohort : Cohort
        All settings.
    number : int
        From 0.
    """
    positions, dosages, twins = draw_sites(cohort, number)
    generator = np.random.default_rng(seeds(cohort.seed, Stream.COHORT_SEQUENCE, number))
    rule = cohort.simulation
    driver: dict[str, Dosages] = {}
    if generator.random() < rule.absent_share:
        frequency = dosages[DISCOVERY].mean(axis=1) / 2
        common = np.flatnonzero(np.minimum(frequency, 1 - frequency) >= DRIVER_MAF)
        hidden = int(generator.choice(common if common.size else np.arange(positions.size)))
        driver = {name: each[hidden] for name, each in dosages.items()}
        positions = np.delete(positions, hidden)
        dosages = {name: np.delete(each, hidden, axis=0) for name, each in dosages.items()}
    counts = np.arange(1, len(rule.causal_counts) + 1)
    causal = 0 if driver else int(generator.choice(counts, p=rule.causal_counts))
    locus = make_locus(rule, positions, causal, generator)
    return Locus(
        number, positions, dosages, locus.sequence, locus.alternative, np.array(locus.kinds), locus.change,
        locus.causal, locus.score_optimal, locus.score_reference, driver, twins,
    )  # fmt: skip


def draw_sites(cohort: Cohort, number: int) -> tuple[npt.NDArray[np.int64], dict[str, Dosages], int]:
    """Biallelic sites that are frequent enough in the discovery sample, each column of genotypes once.

    Of sites with the same dosages in the whole discovery sample, or with opposite ones, one drawn at random
    stays: such columns make regressions on several variants singular.

    Returns
    -------
    positions : numpy.ndarray of int64, shape (sites,)
        0-based, rising.
    dosages : dict of str to numpy.ndarray of uint8, shape (sites, diploids)
        Copies of the derived allele.
    twins : int
        Sites that were left out because another one has the same dosages.
    """
    rule = cohort.simulation
    drawn = seeds(cohort.seed, Stream.COHORT_SITES, number).generate_state(3)
    ancestry, mutation = (int(seed) % (2**31 - 1) + 1 for seed in drawn[:2])
    tree_sequence = msprime.sim_ancestry(
        samples=[
            msprime.SampleSet(size, population=population_of(name)) for name, size in cohort.samples.items()
        ],
        demography=demography(),
        sequence_length=cohort.length,
        recombination_rate=rule.recombination_rate,
        random_seed=ancestry,
    )
    mutated = msprime.sim_mutations(
        tree_sequence, rate=MUTATION_RATE, model=msprime.BinaryMutationModel(), random_seed=mutation
    )
    # Nodes of samples are numbered in the order of the samples, two for a person.
    ends = np.cumsum(list(cohort.samples.values()))
    people = dict(zip(cohort.samples, np.split(np.arange(ends[-1]), ends[:-1]), strict=True))
    carriers = _carriers(mutated, 2 * people[DISCOVERY][0] + np.arange(2 * people[DISCOVERY].size))
    frequency = carriers / (2 * people[DISCOVERY].size)
    place = mutated.sites_position
    wanted = (np.minimum(frequency, 1 - frequency) >= rule.min_maf) & (place >= _EDGE)
    wanted &= place < cohort.length - _EDGE
    mutated = mutated.delete_sites(np.flatnonzero(~wanted))
    haplotypes = mutated.genotype_matrix().astype(np.uint8)
    both = haplotypes[:, ::2] + haplotypes[:, 1::2]
    generator = np.random.default_rng(drawn[2])
    kept = _each_once(both[:, people[DISCOVERY]], generator)
    dosages = {name: np.ascontiguousarray(both[np.ix_(kept, own)]) for name, own in people.items()}
    return mutated.sites_position[kept].astype(np.int64), dosages, int(len(both) - kept.size)


def _carriers(mutated: msprime.TreeSequence, samples: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """How many of some samples carry the derived allele of each site; 0 where it mutated twice: (sites,)."""
    counts = np.zeros(mutated.num_sites, dtype=np.int64)
    for tree in mutated.trees(tracked_samples=samples):
        for site in tree.sites():
            if len(site.mutations) == 1:
                counts[site.id] = tree.num_tracked_samples(site.mutations[0].node)
    return counts


def _each_once(dosages: Dosages, generator: np.random.Generator) -> npt.NDArray[np.int64]:
    """One site, at random, of each set with the same or the opposite dosages: their rising numbers."""
    first: dict[bytes, int] = {}
    for site in generator.permutation(len(dosages)).tolist():
        row = dosages[site]
        first.setdefault(min(row.tobytes(), (2 - row).tobytes()), site)
    return np.array(sorted(first.values()), dtype=np.int64)
