"""Phenotypes and covariates of the people of a cohort."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from benchmarks.cohort.sizes import DISCOVERY, TRAITS, Cohort, population_of
from benchmarks.known_truth.streams import Stream, seeds

AGES = (40, 70)
"""Years: ages are uniform between these."""

AGE_EFFECT, SEX_EFFECT = 0.1, 0.2
"""On every trait: of a standard deviation of age, and of being male."""

CENTRES, BATCHES = 5, 4
CENTRE_SD, BATCH_SD, POPULATION_SD = 0.1, 0.05, 0.3
"""Of the effects of centres, batches and populations on each trait; CEU has none."""

HEADER = ["FID", "IID", "sample", "population"]
"""First columns of both tables."""

Values = npt.NDArray[np.float64]


@dataclasses.dataclass(frozen=True)
class Architecture:
    """How much of each trait is genetic.

    Parameters
    ----------
    heritability : numpy.ndarray of float64, shape (traits,)
        Variance of genetic values in the discovery sample, as fraction of all but covariates.
    prevalence : list of dict
        Of each trait, the fraction of cases in each sample; empty for quantitative ones.
    """

    heritability: Values
    prevalence: list[dict[str, float]]


def covariates(cohort: Cohort) -> pd.DataFrame:
    """People and their covariates: FID, IID, sample, population, age, sex (1 male, 2 female), centre, batch.

    Centres and batches are names, drawn with equal chances in all samples.
    """
    generator = np.random.default_rng(seeds(cohort.seed, Stream.COHORT_PEOPLE))
    parts = []
    for sample, count in cohort.samples.items():
        ids = [f"{sample}_{number}" for number in range(1, count + 1)]
        parts.append(
            pd.DataFrame(
                {
                    "FID": ids, "IID": ids, "sample": sample, "population": population_of(sample),
                    "age": generator.integers(AGES[0], AGES[1] + 1, count),
                    "sex": generator.integers(1, 3, count),
                    "centre": [f"centre_{each}" for each in generator.integers(1, CENTRES + 1, count)],
                    "batch": [f"batch_{each}" for each in generator.integers(1, BATCHES + 1, count)],
                }
            )
        )  # fmt: skip
    return pd.concat(parts, ignore_index=True)


def phenotypes(
    cohort: Cohort, people: pd.DataFrame, genetic: Mapping[str, Values]
) -> tuple[pd.DataFrame, Architecture]:
    """Traits of all people.

    A trait is its genetic value, noise, and effects of covariates. Noise has the same variance in all
    samples, the one that makes genetic values and noise together 1 in the discovery sample. Cases of a binary
    trait are those above a threshold, one for all samples, that gives the discovery sample its prevalence.

    Parameters
    ----------
    cohort : Cohort
        Its seed.
    people : pandas.DataFrame
        :func:`covariates`.
    genetic : mapping of str to numpy.ndarray of float64, shape (traits, diploids)
        Genetic values of each sample, in the order of the people.

    Returns
    -------
    phenotypes : pandas.DataFrame
        FID, IID, sample, population, and a column for each trait; 1 for cases, 0 for controls.
    architecture : Architecture
        What came of it.

    Raises
    ------
    ValueError
        When causal variants explain more than nine tenths of a trait.
    """
    generator = np.random.default_rng(seeds(cohort.seed, Stream.COHORT_TRAITS))
    table = people[HEADER].copy()
    heritability = genetic[DISCOVERY].var(axis=1)
    if (most := heritability.max()) > 0.9:
        raise ValueError(
            f"causal variants explain {most:.2f} of a trait; expected 0.9 at most: fewer loci, a smaller "
            "causal_variance or pleiotropy"
        )
    age = (people["age"] - sum(AGES) / 2) / people["age"].std()
    discovery = (people["sample"] == DISCOVERY).to_numpy()
    prevalence: list[dict[str, float]] = []
    for number, trait in enumerate(TRAITS):
        value = np.concatenate([genetic[sample][number] for sample in cohort.samples])
        value -= value[discovery].mean()
        value += np.sqrt(1 - heritability[number]) * generator.standard_normal(len(people))
        value += AGE_EFFECT * age.to_numpy() + SEX_EFFECT * (people["sex"] == 1).to_numpy()
        for column, deviation in (("centre", CENTRE_SD), ("batch", BATCH_SD), ("population", POPULATION_SD)):
            names = sorted(people[column].unique())
            effects = dict(zip(names, generator.normal(0, deviation, len(names)), strict=True))
            if column == "population":
                effects["CEU"] = 0.0
            value += people[column].map(effects).to_numpy()
        if trait.prevalence is None:
            table[trait.name] = np.round(value, 6)
            prevalence.append({})
            continue
        threshold = np.quantile(value[discovery], 1 - trait.prevalence)
        table[trait.name] = (value > threshold).astype(int)
        prevalence.append(table.groupby("sample")[trait.name].mean().to_dict())
    return table, Architecture(heritability, prevalence)


def design(people: pd.DataFrame, numeric: Sequence[str]) -> Values:
    """Covariates of a regression: age, sex, indicators of centres and batches, and more numeric columns.

    The first centre and the first batch of the sample have no indicator.
    """
    columns = [(people["age"] - 55) / 10, people["sex"] == 1, *(people[name] for name in numeric)]
    for name in ("centre", "batch"):
        columns += [people[name] == level for level in sorted(people[name].unique())[1:]]
    return np.column_stack([np.asarray(column, dtype=np.float64) for column in columns])
