"""Loci of the design ``real``: several traits, and the associations that each study finds."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy import stats

from benchmarks.known_truth import genealogies, gwas
from benchmarks.known_truth.factorial import EDGE, BindingLocus, make_locus
from benchmarks.known_truth.loci import contig_first, hide_driver
from benchmarks.known_truth.metrics import credible_set
from benchmarks.known_truth.sizes import DISCOVERY, Simulation, panel_of
from benchmarks.known_truth.streams import Stream, seeds
from benchmarks.known_truth.studies import Study

Values = npt.NDArray[np.float64]

MIN_STUDY_MAF = 0.01
"""A study has no variants of a smaller frequency in its own sample."""

COLLINEAR = 0.7
"""Highest r2 of a variant to the lead variants before it that may lead a signal: with higher ones, the
errors of LD from a panel of some hundred people make signals of nothing."""


@dataclasses.dataclass(frozen=True)
class StudyLocus:
    """A locus with everything that is written of it.

    Parameters
    ----------
    number, genealogy, redraw, contig, start : int
        As of :class:`benchmarks.known_truth.loci.Drawn`.
    sites : Genealogy
        The variants that are in the files.
    locus : BindingLocus
        Its sequence, alleles and rule.
    effects : numpy.ndarray of float64, shape (traits, sites)
        Of one copy of ALT, the same in all populations; in deviations of the trait or log odds ratios.
    z : numpy.ndarray of float64, shape (studies, sites)
        Marginal z-scores of ALT; NaN for variants that a study does not have.
    driver : numpy.ndarray of float64, shape (traits,), optional
        Effects of an allele that is in no file, where the locus has its signal from one.
    """

    number: int
    genealogy: int
    redraw: int
    contig: int
    start: int
    sites: genealogies.Genealogy
    locus: BindingLocus
    effects: Values
    z: Values
    driver: Values | None


@dataclasses.dataclass(frozen=True)
class StudySignal:
    """One association signal of a study at a locus.

    Parameters
    ----------
    study : int
        Which study.
    lead : int
        The variant with the lowest p-value given the leads before it.
    primary : bool
        Whether it is the first signal; the others' z are given all other leads.
    members : numpy.ndarray of int64, shape (rows,)
        The variants that are reported for it, in the order of the locus.
    z, standard_error, pip : numpy.ndarray of float64, shape (sites,)
        Of the signal; NaN for variants that the study does not have, whose PIP is 0.
    """

    study: int
    lead: int
    primary: bool
    members: npt.NDArray[np.int64]
    z: Values
    standard_error: Values
    pip: Values


def draw_locus(
    simulation: Simulation,
    studies: Sequence[Study],
    genealogy: genealogies.Genealogy,
    number: int,
) -> StudyLocus:
    """One locus on the sites of a genealogy; it depends on the seed and its number only.

    Parameters
    ----------
    simulation : Simulation
        Of the design ``real``.
    studies : sequence of Study
        :func:`benchmarks.known_truth.studies.draw_studies`.
    genealogy : Genealogy
        All sites; those at the ends of the locus are left out.
    number : int
        Of the locus, from 0.
    """
    generator = np.random.default_rng(seeds(simulation.seed, Stream.LOCUS, number))
    inside = (genealogy.positions >= EDGE) & (genealogy.positions < simulation.length - EDGE)
    every = genealogy.where(inside)
    absent = generator.random() < simulation.absent_share
    kept = np.ones(len(every.positions), dtype=bool)
    hidden = hide_driver(every, generator) if absent else None
    if hidden is not None:
        kept[hidden] = False
    sites = every.where(kept)
    counts = np.arange(1, len(simulation.causal_counts) + 1)
    causal = 0 if absent else int(generator.choice(counts, p=simulation.causal_counts))
    locus = make_locus(simulation, sites.positions, causal, generator)
    change = np.zeros(kept.size)
    change[kept] = np.where(locus.causal, locus.change, 0)
    if hidden is not None:
        change[hidden] = 1.0
    effects = draw_effects(simulation, studies, change, generator)
    effects /= np.maximum(every.dosages[DISCOVERY].std(axis=1), 1e-9)
    z = _draw_z(studies, every, effects, generator)[:, kept]
    genealogy_number, redraw = divmod(number, simulation.redraws)
    contig = genealogy_number // (simulation.genealogies // simulation.contigs)
    return StudyLocus(
        number, genealogy_number, redraw, contig,
        (number - contig_first(simulation, contig)) * simulation.length,
        sites, locus, effects[:, kept], z, None if hidden is None else effects[:, hidden],
    )  # fmt: skip


def draw_effects(
    simulation: Simulation, studies: Sequence[Study], change: Values, generator: np.random.Generator
) -> Values:
    """Effects of one standard deviation of genotypes in :data:`DISCOVERY` on each trait: (traits, sites).

    A locus acts on some of the traits. A causal variant has, on each trait that it acts on, the base effect
    of locus and trait times its change of affinity. The base effect is drawn as the z that the largest change
    has, but for noise, in the trait's largest study: only loci with a hit are of interest.

    Parameters
    ----------
    simulation : Simulation
        Its :attr:`Simulation.studies`.
    studies : sequence of Study
        The largest of a trait gives the scale of its effects.
    change : numpy.ndarray of float64, shape (sites,)
        Signed change of affinity; 0 for variants that are not causal.
    generator : numpy.random.Generator
        Draws traits and effects.
    """
    design = simulation.studies
    traits = len(design.studies_per_trait)
    count = 1 + int(generator.choice(len(design.trait_counts), p=np.array(design.trait_counts)))
    active = generator.permutation(traits)[:count]
    causal = np.flatnonzero(change)
    acts = np.zeros((traits, len(causal)), dtype=bool)
    acts[active] = generator.random((count, len(causal))) < design.shared
    # Each variant acts on a trait, and a variant on each trait.
    for column in np.flatnonzero(~acts.any(axis=0)):
        acts[generator.choice(active), column] = True
    for trait in active[~acts[active].any(axis=1)]:
        acts[trait, generator.integers(len(causal))] = True
    effects = np.zeros((traits, len(change)))
    for trait in active:
        lowest, more = design.mean_z
        z = (lowest + generator.exponential(more)) * generator.choice([-1, 1])
        largest = max(study.information for study in studies if study.trait == trait)
        base = z / np.sqrt(largest) / np.abs(change[causal][acts[trait]]).max()
        effects[trait, causal] = np.where(acts[trait], base * change[causal], 0)
    return effects


def panels(drawn: StudyLocus, studies: Sequence[Study]) -> dict[str, Values]:
    """LD of a locus, (sites, sites), in other people of each population that has studies."""
    return {
        sample: gwas.correlations(gwas.standardised(drawn.sites.dosages[panel_of(sample)]))
        for sample in dict.fromkeys(study.sample for study in studies)
    }


def find_signals(
    simulation: Simulation, studies: Sequence[Study], number: int, drawn: StudyLocus, ld: Values | None
) -> list[StudySignal]:
    """The signals of a study at a locus, one after the other, each given the leads before it.

    A signal's rows are its 95 % set under one effect, by Wakefield's Bayes factors over all variants of the
    locus, and some more of the next.

    Parameters
    ----------
    simulation : Simulation
        Its ``causal_counts`` (no more signals than these) and ``studies.extra_rows``.
    studies : sequence of Study
        All studies.
    number : int
        Which one.
    drawn : StudyLocus
        The locus.
    ld : numpy.ndarray of float64, shape (sites, sites), optional
        Of the study's panel. Without it one signal is given whatever its p-value: CAUSALdb keeps the best
        block of a study that has no hit.

    Returns
    -------
    list of StudySignal
        Empty where nothing reaches 5e-8.
    """
    study = studies[number]
    z = drawn.z[number]
    has = np.isfinite(z)
    known = np.where(has, z, 0.0)
    if ld is None:
        leads = [int(np.abs(known).argmax())]
        ld = np.eye(1)
    else:
        # A variant that the study lacks has no z: given a lead in LD with it, 0 would look like a signal.
        ld = np.where(np.outer(has, has), ld, 0.0)
        leads = gwas.find_leads(known, ld, len(simulation.causal_counts), COLLINEAR)
        leads = _significant_together(known, ld, leads)
    frequency = np.where(has, drawn.sites.frequency(study.sample), 0.5)
    marginal = np.where(has, study.standard_error(known, frequency), np.nan)
    signals = []
    for order, lead in enumerate(leads):
        others = leads[:order] + leads[order + 1 :] if order else []
        given, left = gwas.conditional(known, ld, others, 1 - COLLINEAR)
        given, error = np.where(has, given, np.nan), marginal / np.sqrt(left)
        pip = gwas.pips(given, error, study.prior_variance)
        chosen = credible_set(pip)
        more = round(simulation.studies.extra_rows * len(chosen))
        rows = np.argsort(-pip, kind="stable")[: min(len(chosen) + more, int(has.sum()))]
        signals.append(StudySignal(number, lead, order == 0, np.sort(rows), given, error, pip))
    return signals


def _significant_together(z: Values, ld: Values, leads: list[int]) -> list[int]:
    """The first lead, and those of the others that reach 5e-8 given all the rest, as GCTA-COJO keeps them.

    A lead may lose its signal to later ones, and would have a set of variants that nothing distinguishes. The
    weakest goes first, since without it others may reach the threshold.
    """
    threshold = stats.norm.isf(gwas.GENOME_WIDE / 2)
    kept = list(leads)
    while len(kept) > 1:
        sizes = [
            abs(float(gwas.conditional(z, ld, [one for one in kept if one != lead], 1 - COLLINEAR)[0][lead]))
            for lead in kept[1:]
        ]
        weakest = int(np.argmin(sizes))
        if sizes[weakest] >= threshold:
            break
        del kept[1 + weakest]
    return kept


def contig_signals(
    simulation: Simulation, studies: Sequence[Study], loci: Sequence[StudyLocus]
) -> list[list[StudySignal]]:
    """The signals of all studies at the loci of a contig: one list for each locus.

    Some loci, ``studies.genome_loci`` in a row, stand for a genome: a study without a hit among them has the
    best of them all the same, as CAUSALdb has the best block of the genome.
    """
    count = simulation.studies.genome_loci
    genomes = [loci[first : first + count] for first in range(0, len(loci), count)]
    return [signals for genome in genomes for signals in _genome_signals(simulation, studies, genome)]


def _genome_signals(
    simulation: Simulation, studies: Sequence[Study], loci: Sequence[StudyLocus]
) -> list[list[StudySignal]]:
    signals: list[list[StudySignal]] = []
    for drawn in loci:
        ld = panels(drawn, studies)
        signals.append(
            [
                signal
                for number, study in enumerate(studies)
                for signal in find_signals(simulation, studies, number, drawn, ld[study.sample])
            ]
        )
    hits = {signal.study for each in signals for signal in each}
    highest = np.array([np.nanmax(np.abs(drawn.z), axis=1) for drawn in loci])
    for number in range(len(studies)):
        if number not in hits:
            best = int(highest[:, number].argmax())
            signals[best] += find_signals(simulation, studies, number, loci[best], None)
    return signals


def _draw_z(
    studies: Sequence[Study],
    sites: genealogies.Genealogy,
    effects: Values,
    generator: np.random.Generator,
) -> Values:
    """z-scores of all studies, NaN where a study does not have a variant: (studies, sites)."""
    z = np.empty((len(studies), len(sites.positions)))
    samples = dict.fromkeys(study.sample for study in studies)
    genotypes = {sample: gwas.standardised(sites.dosages[sample]) for sample in samples}
    deviations = {sample: sites.dosages[sample].std(axis=1) for sample in samples}
    for row, study in zip(z, studies, strict=True):
        b = effects[study.trait] * deviations[study.sample]
        row[:] = gwas.draw_z(genotypes[study.sample], b, study.information, generator)
        frequency = sites.frequency(study.sample)
        row[np.minimum(frequency, 1 - frequency) < MIN_STUDY_MAF] = np.nan
        row[generator.random(row.size) < study.missing] = np.nan
    return z
