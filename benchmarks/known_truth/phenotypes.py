"""Phenotypes of the samples whose genotypes are written: traits of known heritability."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from scipy import stats

from benchmarks.known_truth.loci import Drawn
from benchmarks.known_truth.sizes import DISCOVERY, Simulation
from benchmarks.known_truth.streams import Stream, seeds

PREVALENCE = 0.2
"""Of the binary traits, in the discovery sample's population."""

AGE_EFFECT, SEX_EFFECT = 0.1, 0.2
"""On traits: of a standard deviation of age, and of being male."""


class Phenotypes:
    """Genetic values, summed up over loci; the causal variants of one redraw are those of one trait.

    Effects are those of an allele, the same in all populations. The noise of all is that which gives the
    discovery sample the heritability.

    Parameters
    ----------
    simulation : Simulation
        Its diploids, redraws and heritability.
    """

    def __init__(self, simulation: Simulation) -> None:
        self._simulation = simulation
        self._values = {
            name: np.zeros((simulation.redraws, size)) for name, size in simulation.diploids.items()
        }

    def add(self, drawn: Drawn) -> None:
        """Add a locus."""
        causal = np.flatnonzero(drawn.effects)
        deviation = drawn.sites.dosages[DISCOVERY][causal].std(axis=1)
        for name, values in self._values.items():
            dosages = drawn.sites.dosages[name][causal]
            values[drawn.redraw] += (drawn.effects[causal] / deviation) @ dosages
            if drawn.driver is not None:
                hidden, effect = drawn.driver
                values[drawn.redraw] += effect / hidden[DISCOVERY].std() * hidden[name]

    def tables(self) -> dict[str, pd.DataFrame]:
        """Of each sample: ``FID, IID, age, sex`` (1 male, 2 female), ``trait_K`` and ``case_K`` (1 or 0)."""
        simulation = self._simulation
        generator = np.random.default_rng(seeds(simulation.seed, Stream.PHENOTYPES))
        fraction = simulation.heritability
        scale = np.sqrt(fraction) / np.maximum(self._values[DISCOVERY].std(axis=1), 1e-12)
        centre = self._values[DISCOVERY].mean(axis=1)
        threshold = stats.norm.isf(PREVALENCE)
        tables = {}
        for name, values in self._values.items():
            count = values.shape[1]
            age, sex = generator.integers(40, 71, count), generator.integers(1, 3, count)
            ids = [f"{name}{number}" for number in range(count)]
            columns: dict[str, object] = {"FID": ids, "IID": ids, "age": age, "sex": sex}
            for trait in range(simulation.redraws):
                genetic = (values[trait] - centre[trait]) * scale[trait]
                liability = genetic + np.sqrt(1 - fraction) * generator.standard_normal(count)
                fixed = AGE_EFFECT * (age - 55) / 8.9 + SEX_EFFECT * (sex == 1)
                columns[f"trait_{trait + 1}"] = np.round(liability + fixed, 6)
                columns[f"case_{trait + 1}"] = (liability > threshold).astype(int)
            tables[name] = pd.DataFrame(columns)
        return tables

    def write(self, folder: Path) -> None:
        """``SAMPLE/phenotypes.tsv``."""
        for name, table in self.tables().items():
            table.to_csv(folder / name / "phenotypes.tsv", sep="\t", index=False)
