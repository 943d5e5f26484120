"""Loci of a simulation: a genealogy, a sequence, causal variants and the signals of a GWAS."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from benchmarks.known_truth import genealogies, gwas, sequences
from benchmarks.known_truth.rule import Kind
from benchmarks.known_truth.sizes import DISCOVERY, REFERENCE_PANEL, Simulation
from benchmarks.known_truth.streams import Stream, seeds

_DRIVER_MAF = 0.05
"""Smallest frequency of a variant that makes a signal and is in no file."""


@dataclasses.dataclass(frozen=True)
class Drawn:
    """A locus with everything that is written of it.

    Parameters
    ----------
    number, genealogy, redraw : int
        From 0; the locus is one redraw of one genealogy.
    contig, start : int
        From 0: its contig, and the 0-based position there at which it begins.
    sites : Genealogy
        The variants that are in the files.
    locus : Locus
        Its sequence and the kinds of its variants.
    effects : numpy.ndarray of float64, shape (sites,)
        Of one standard deviation of a genotype, 0 for those that are not causal.
    z : numpy.ndarray of float64, shape (sites,)
        Marginal z-scores.
    signals, reference_signals : list of Signal
        By the LD of the GWAS's sample, and of the reference panel.
    driver : tuple of numpy.ndarray and float, optional
        Dosages by sample, and effect, of the variant that is in no file, where the signal comes from one.
    """

    number: int
    genealogy: int
    redraw: int
    contig: int
    start: int
    sites: genealogies.Genealogy
    locus: sequences.Locus
    effects: npt.NDArray[np.float64]
    z: npt.NDArray[np.float64]
    signals: list[gwas.Signal]
    reference_signals: list[gwas.Signal]
    driver: tuple[dict[str, npt.NDArray[np.uint8]], float] | None


def draw_contig(simulation: Simulation, contig: int) -> Iterator[Drawn]:
    """The loci of a contig, one after the other; each depends on the seed and its number only."""
    per_contig = simulation.genealogies // simulation.contigs
    for index in range(per_contig):
        genealogy = contig * per_contig + index
        all_sites = genealogies.simulate(simulation, genealogy)
        for redraw in range(simulation.redraws):
            yield draw(simulation, all_sites, genealogy, redraw)


def draw(simulation: Simulation, all_sites: genealogies.Genealogy, genealogy: int, redraw: int) -> Drawn:
    """One locus on the sites of a genealogy."""
    number = genealogy * simulation.redraws + redraw
    per_contig = simulation.genealogies // simulation.contigs
    generator = np.random.default_rng(seeds(simulation.seed, Stream.LOCUS, number))
    absent = generator.random() < simulation.absent_share
    kept = np.ones(len(all_sites.positions), dtype=bool)
    if absent:
        hidden = hide_driver(all_sites, generator)
        kept[hidden] = False
    sites = all_sites.where(kept)
    counts = np.arange(1, len(simulation.causal_counts) + 1)
    causal = 0 if absent else int(generator.choice(counts, p=simulation.causal_counts))
    locus = sequences.make_locus(simulation, sites.positions, causal, generator)
    is_causal = np.array([kind is Kind.CAUSAL for kind in locus.kinds])
    size = np.sqrt(simulation.causal_variance)
    effects = np.where(is_causal, size * generator.choice([-1, 1], len(is_causal)), 0.0)
    genotypes = gwas.standardised(all_sites.dosages[DISCOVERY])
    all_effects = np.zeros(kept.size)
    all_effects[kept] = effects
    driver = None
    if absent:
        all_effects[hidden] = size * generator.choice([-1, 1])
        dosages = {name: values[hidden] for name, values in all_sites.dosages.items()}
        driver = dosages, float(all_effects[hidden])
    z = gwas.draw_z(genotypes, all_effects, simulation.sample_size, generator)[kept]
    frequency = sites.frequency(DISCOVERY)
    signals = [
        gwas.find_signals(z, frequency, gwas.correlations(own), simulation)
        for own in (genotypes[kept], gwas.standardised(sites.dosages[REFERENCE_PANEL]))
    ]
    start = (number - contig_first(simulation, genealogy // per_contig)) * simulation.length
    return Drawn(
        number, genealogy, redraw, genealogy // per_contig, start, sites, locus, effects, z, *signals, driver
    )


def hide_driver(sites: genealogies.Genealogy, generator: np.random.Generator) -> int:
    """Choose the site, a common one where there is any, that makes a locus's signal and is in no file."""
    frequency = sites.frequency(DISCOVERY)
    common = np.flatnonzero(np.minimum(frequency, 1 - frequency) >= _DRIVER_MAF)
    return int(generator.choice(common if common.size else np.arange(len(frequency))))


def contig_first(simulation: Simulation, contig: int) -> int:
    """The number of the first locus of a contig."""
    return contig * (simulation.genealogies // simulation.contigs) * simulation.redraws
