"""Genealogies of three populations, and the sites that vary on them."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping

import msprime
import numpy as np
import numpy.typing as npt

from benchmarks.known_truth.sizes import DISCOVERY, Simulation, population_of
from benchmarks.known_truth.streams import Stream, seeds

MUTATION_RATE = 2.35e-8
"""The rate with which the demography was estimated (Gutenkunst et al. 2009, PLoS Genet 5:e1000695)."""

_GENERATION = 25


@dataclasses.dataclass(frozen=True)
class Genealogy:
    """Biallelic sites of one region.

    Parameters
    ----------
    positions : numpy.ndarray of int64, shape (sites,)
        0-based, rising.
    dosages : mapping of str to numpy.ndarray of uint8, shape (sites, diploids)
        Of each sample (:attr:`Simulation.diploids`): copies of the derived allele, 0 to 2.
    """

    positions: npt.NDArray[np.int64]
    dosages: Mapping[str, npt.NDArray[np.uint8]]

    def where(self, kept: npt.NDArray[np.bool_]) -> Genealogy:
        """Some of the sites."""
        return Genealogy(
            self.positions[kept], {name: dosages[kept] for name, dosages in self.dosages.items()}
        )

    def frequency(self, sample: str) -> npt.NDArray[np.float64]:
        """Frequency of the derived allele: (sites,)."""
        frequency: npt.NDArray[np.float64] = self.dosages[sample].mean(axis=1) / 2
        return frequency


def demography() -> msprime.Demography:
    """Out of Africa (Gutenkunst et al. 2009, table 1): the populations YRI, CEU and CHB today.

    Sizes in diploids, times in generations of 25 years, migration both ways.
    """
    europe_grows, asia_grows = 0.004, 0.0055
    split_of_eurasia = 21_200 / _GENERATION
    model = msprime.Demography()
    model.add_population(name="YRI", initial_size=12_300)
    model.add_population(
        name="CEU", initial_size=1_000 * math.exp(europe_grows * split_of_eurasia), growth_rate=europe_grows
    )
    model.add_population(
        name="CHB", initial_size=510 * math.exp(asia_grows * split_of_eurasia), growth_rate=asia_grows
    )
    model.add_population(name="out_of_africa", initial_size=2_100)
    model.add_population(name="modern_humans", initial_size=12_300)
    model.add_population(name="ancestral", initial_size=7_300)
    model.set_symmetric_migration_rate(["CEU", "CHB"], 9.6e-5)
    model.set_symmetric_migration_rate(["YRI", "CHB"], 1.9e-5)
    model.set_symmetric_migration_rate(["YRI", "CEU"], 3e-5)
    model.add_population_split(time=split_of_eurasia, derived=["CEU", "CHB"], ancestral="out_of_africa")
    model.add_symmetric_migration_rate_change(
        time=split_of_eurasia, populations=["YRI", "out_of_africa"], rate=25e-5
    )
    model.add_population_split(
        time=140_000 / _GENERATION, derived=["out_of_africa", "YRI"], ancestral="modern_humans"
    )
    model.add_population_split(time=220_000 / _GENERATION, derived=["modern_humans"], ancestral="ancestral")
    return model


def simulate(simulation: Simulation, number: int) -> Genealogy:
    """The sites of one genealogy with at least the smallest frequency in the discovery sample.

    Parameters
    ----------
    simulation : Simulation
        Seed, length of the region, sample sizes and smallest frequency.
    number : int
        Which genealogy; it and the simulation's seed decide everything.

    Returns
    -------
    Genealogy
    """
    every = simulate_all_sites(simulation, number)
    frequency = every.frequency(DISCOVERY)
    return every.where(np.minimum(frequency, 1 - frequency) >= simulation.min_maf)


def simulate_all_sites(simulation: Simulation, number: int) -> Genealogy:
    """The same with sites of any frequency; sites that mutated twice are left out."""
    states = seeds(simulation.seed, Stream.GENEALOGY, number).generate_state(2)
    sizes = simulation.diploids
    tree_sequence = msprime.sim_ancestry(
        samples=[msprime.SampleSet(size, population=population_of(name)) for name, size in sizes.items()],
        demography=demography(),
        sequence_length=simulation.length,
        recombination_rate=simulation.recombination_rate,
        random_seed=_seed(states[0]),
    )
    mutated = msprime.sim_mutations(
        tree_sequence, rate=MUTATION_RATE, model=msprime.BinaryMutationModel(), random_seed=_seed(states[1])
    )
    once = np.bincount(mutated.mutations_site, minlength=mutated.num_sites) == 1
    haplotypes = mutated.genotype_matrix()[once].astype(np.uint8)
    both = haplotypes[:, ::2] + haplotypes[:, 1::2]
    ends = np.cumsum(list(sizes.values()))
    dosages = dict(zip(sizes, np.split(both, ends[:-1], axis=1), strict=True))
    return Genealogy(mutated.sites_position[once].astype(np.int64), dosages)


def _seed(state: np.unsignedinteger) -> int:
    """A seed in msprime's range."""
    return int(state) % (2**31 - 1) + 1
