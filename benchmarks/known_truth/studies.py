"""Traits and studies of the design ``real``: what they measure, in whom, with how many."""

from __future__ import annotations

import dataclasses

import numpy as np
import numpy.typing as npt
import pandas as pd

from benchmarks.known_truth.sizes import DISCOVERY, Simulation
from benchmarks.known_truth.streams import Stream, seeds
from mifm_kipoi.statistics.bayes_factors import PRIOR_VARIANCE

QUANTITATIVE_PRIOR_VARIANCE = 0.15**2
"""Variance of effects of an allele on a trait of variance 1 that Bayes factors assume."""

POPULATIONS = {"CEU": "EUR", "CHB": "EAS", "YRI": "AFR"}
"""CAUSALdb's names of the samples' populations."""

META_COLUMNS = (
    "meta_id", "trait", "mesh_term", "mesh_id", "sample_size", "n_case", "n_control", "popu", "author",
    "pmid", "year", "url",
)  # fmt: skip
"""Columns of CAUSALdb's ``meta.txt``."""

Values = npt.NDArray[np.float64]


@dataclasses.dataclass(frozen=True)
class Study:
    """A GWAS of one trait in one population.

    Parameters
    ----------
    name : str
        Its ``meta_id``.
    trait : int
        From 0.
    sample : str
        Whose LD and frequencies it has.
    size : int
        Individuals.
    cases : int, optional
        Of them, for a trait of cases and controls.
    missing : float
        Fraction of variants that it does not have.
    """

    name: str
    trait: int
    sample: str
    size: int
    cases: int | None
    missing: float

    @property
    def information(self) -> float:
        """n, or n times the fractions of cases and controls: z is its root times an effect of one SD."""
        if self.cases is None:
            return float(self.size)
        return self.cases * (self.size - self.cases) / self.size

    @property
    def prior_variance(self) -> float:
        """Of effects, in the units of the trait: squared deviations, or squared log odds ratios."""
        return QUANTITATIVE_PRIOR_VARIANCE if self.cases is None else PRIOR_VARIANCE

    def standard_error(self, z: Values, frequency: Values) -> Values:
        """Of the marginal effect of an allele: deviations of the trait, or log odds ratio.

        ``1 / sqrt(2 f (1 - f) (n + z^2))`` for a trait of variance 1; under a logistic model with a small
        effect ``1 / sqrt(2 f (1 - f) n p (1 - p))``, with the fraction p of cases.

        Parameters
        ----------
        z, frequency : numpy.ndarray of float64, shape (sites,)
            z-scores, and frequencies of one allele in the study's sample.
        """
        extra = z**2 if self.cases is None else 0.0
        values: Values = 1 / np.sqrt(2 * frequency * (1 - frequency) * (self.information + extra))
        return values


def trait_name(trait: int) -> str:
    """In ``meta.txt``; traits count from 0, their names from 1."""
    return f"trait_{trait + 1}"


def draw_studies(simulation: Simulation) -> list[Study]:
    """The studies of a simulation, from its seed; the first of each trait is the largest.

    Sizes are uniform on the scale of logarithms, fractions of cases between 0.1 and 0.5, fractions of missing
    variants between 0 and the highest.
    """
    design = simulation.studies
    generator = np.random.default_rng(seeds(simulation.seed, Stream.STUDIES))
    smallest, largest = np.log(design.sample_sizes)
    samples = list(design.ancestries)
    chances = np.array(list(design.ancestries.values()))
    studies = []
    for trait, count in enumerate(design.studies_per_trait):
        for number in range(count):
            size = design.sample_sizes[1]
            sample, fraction = DISCOVERY, 0.5
            if number:
                size = round(float(np.exp(generator.uniform(smallest, largest))))
                sample = samples[int(generator.choice(len(samples), p=chances / chances.sum()))]
                fraction = float(generator.uniform(0.1, 0.5))
            cases = round(size * fraction) if design.case_control[trait] else None
            missing = float(generator.uniform(0, design.missing))
            studies.append(Study(f"T{trait + 1}S{number + 1:02d}", trait, sample, size, cases, missing))
    return studies


def redraw_studies(simulation: Simulation) -> list[Study]:
    """The studies of the design ``clear``: one of each redraw, whose loci are those of one trait."""
    return [
        Study(str(redraw + 1), redraw, DISCOVERY, simulation.sample_size, None, 0.0)
        for redraw in range(simulation.redraws)
    ]


def meta_table(studies: list[Study]) -> pd.DataFrame:
    """Studies in CAUSALdb's columns; what a simulation has no value of is empty.

    ``n_case`` and ``n_control`` are empty for quantitative traits.
    """
    rows = [
        {
            "meta_id": study.name,
            "trait": trait_name(study.trait),
            "sample_size": study.size,
            "n_case": study.cases,
            "n_control": None if study.cases is None else study.size - study.cases,
            "popu": POPULATIONS[study.sample],
        }
        for study in studies
    ]
    table = pd.DataFrame(rows, columns=list(META_COLUMNS))
    return table.astype({"n_case": "Int64", "n_control": "Int64"})
