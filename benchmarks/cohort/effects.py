"""Which causal variants act on which traits, and how much."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from benchmarks.cohort.loci import Locus
from benchmarks.cohort.sizes import DISCOVERY, TRAITS, Cohort
from benchmarks.known_truth.streams import Stream, seeds

Values = npt.NDArray[np.float64]


@dataclasses.dataclass(frozen=True)
class Effects:
    """Effects of one copy of ALT, the same in all populations.

    They are in units of traits whose genetic values and noise have a variance of 1 in the discovery sample.

    Parameters
    ----------
    variants : numpy.ndarray of float64, shape (traits, sites)
        0 for variants that do not act on a trait.
    driver : numpy.ndarray of float64, shape (traits,)
        Of the variant that is in no file; 0 where there is none.
    """

    variants: Values
    driver: Values

    def genetic_values(self, locus: Locus) -> dict[str, Values]:
        """What a locus adds to the traits of each person: (traits, diploids) of each sample."""
        acting = np.flatnonzero(self.variants.any(axis=0))
        values = {
            name: self.variants[:, acting] @ dosages[acting].astype(np.float64)
            for name, dosages in locus.dosages.items()
        }
        for name, hidden in locus.driver.items():
            values[name] += self.driver[:, None] * hidden
        return values


def base_effect(changes: Sequence[tuple[Values, bool]], cohort: Cohort) -> float:
    """The effect of one standard deviation of a genotype with a change of affinity of 1.

    With it, :attr:`Cohort.causal_variance` is the mean over all causal variants of the loci.

    Parameters
    ----------
    changes : sequence of tuple
        Of each locus, the changes of affinity, 0 where not causal, and whether it has a driver.
    cohort : Cohort
        All settings.
    """
    squares = np.concatenate([change[change != 0] ** 2 for change, _ in changes])
    if not squares.size:
        return float(np.sqrt(cohort.causal_variance))
    return float(np.sqrt(cohort.causal_variance / squares.mean()))


def draw_effects(cohort: Cohort, locus: Locus, base: float) -> Effects:
    """Draw the effects of a locus; they depend on the settings, its number and the base effect only.

    Each causal variant acts on each trait with the probability :attr:`Cohort.pleiotropy`, on one at least.
    Its effect, in standard deviations of its genotype in the discovery sample, is the base effect times its
    signed change of affinity, with a sign drawn for each locus and trait: motifs of a locus that become
    stronger act in one direction. A driver has the root of :attr:`Cohort.causal_variance`.
    """
    generator = np.random.default_rng(seeds(cohort.seed, Stream.COHORT_EFFECTS, locus.number))
    sign = generator.choice([-1.0, 1.0], len(TRAITS))
    causal = np.flatnonzero(locus.causal)
    acts = _acts(len(causal), cohort.pleiotropy, generator)
    deviation = locus.dosages[DISCOVERY][causal].std(axis=1)
    variants = np.zeros((len(TRAITS), locus.positions.size))
    variants[:, causal] = acts * sign[:, None] * base * locus.change[causal] / deviation
    driver = np.zeros(len(TRAITS))
    if locus.driver:
        size = np.sqrt(cohort.causal_variance) / locus.driver[DISCOVERY].std()
        driver = _acts(1, cohort.pleiotropy, generator)[:, 0] * sign * size
    return Effects(variants, driver)


def add(total: Mapping[str, Values], more: Mapping[str, Values]) -> None:
    """Add genetic values of a locus to those of others, in place."""
    for name, values in more.items():
        total[name][:] += values


def _acts(count: int, chance: float, generator: np.random.Generator) -> npt.NDArray[np.bool_]:
    """Which variants act on which traits: (traits, count)."""
    acts = generator.random((len(TRAITS), count)) < chance
    acts[generator.integers(len(TRAITS), size=count), np.arange(count)] |= ~acts.any(axis=0)
    return acts
