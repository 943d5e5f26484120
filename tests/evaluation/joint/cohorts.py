"""Small cohorts with clumps in strong LD: genotypes, people, studies and scores as files."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pandas as pd

from tests.genetics.filesets import write_bed

REGIONS, VARIANTS = 6, 7
"""Regions, half of them on each of two chromosomes; variants of each."""

TRAITS = ("height", "disease")


@dataclasses.dataclass(frozen=True)
class Sample:
    """One sample: its files, and what is in them.

    Parameters
    ----------
    prefix : str
        PLINK fileset.
    dosages : numpy.ndarray of float, shape (people, variants)
        Copies of allele 1; NaN where missing.
    people : pandas.DataFrame
        Its table of traits and covariates.
    """

    prefix: str
    dosages: np.ndarray
    people: pd.DataFrame

    @property
    def design(self) -> np.ndarray:
        """Intercept and covariates, in a form of its own."""
        centres = pd.get_dummies(self.people["centre"], drop_first=True).to_numpy(float)
        return np.column_stack([np.ones(len(self.people)), self.people["age"], centres])


def variants() -> pd.DataFrame:
    """Places and alleles of all variants, in their order."""
    rows = np.arange(REGIONS * VARIANTS)
    region = rows // VARIANTS
    return pd.DataFrame(
        {
            "chrom": np.where(region < REGIONS // 2, "1", "2"),
            "pos": (region % (REGIONS // 2)) * 3_000_000 + 1_000 * (rows % VARIANTS) + 1_000,
            "id": [f"v{row}" for row in rows],
        }
    )


def causal() -> np.ndarray:
    """The causal variant of each region, of which the last has none for any trait."""
    return np.arange(REGIONS - 1) * VARIANTS + 3


def draw(seed: int, size: int, missing: float = 0.0) -> tuple[np.ndarray, pd.DataFrame]:
    """Genotypes, where each region has an old haplotype and mutations of it, and people."""
    rng = np.random.default_rng(seed)
    parts = []
    for region in range(REGIONS):
        shared = rng.random((2, size)) < 0.25 + 0.05 * region
        flips = rng.random((VARIANTS, 2, size)) < np.linspace(0.002, 0.012, VARIANTS)[:, None, None]
        parts.append((shared[None] ^ flips).sum(axis=1))
    dosages = np.concatenate(parts).T.astype(float)
    age = rng.integers(40, 70, size)
    centre = rng.choice(["north", "south", "west"], size)
    liability = dosages[:, causal()] @ np.full(REGIONS - 1, 0.9) / 2 + 0.02 * age + rng.normal(size=size)
    dosages[rng.random(dosages.shape) < missing] = np.nan
    people = pd.DataFrame(
        {
            "height": liability.round(5),
            "disease": (liability > np.median(liability)).astype(int),
            "age": age,
            "centre": centre,
        }
    )
    return dosages, people


def write_sample(
    folder: Path, name: str, seed: int, size: int, missing: float = 0.0, swap: bool = False
) -> Sample:
    """Write genotypes and the table of people of a sample; with ``swap`` they count the other allele."""
    dosages, people = draw(seed, size, missing)
    ids = [f"{name}{row}" for row in range(size)]
    places = variants()
    alleles = ["A"] * len(places), ["C"] * len(places)
    prefix = write_bed(
        folder / name, 2 - dosages if swap else dosages, places["pos"], iid=ids, sid=places["id"].tolist(),
        chromosome=places["chrom"].tolist(), allele_1=alleles[swap], allele_2=alleles[not swap],
    )  # fmt: skip
    people.insert(0, "IID", ids)
    people.to_csv(folder / f"{name}.tsv", sep="\t", index=False)
    return Sample(prefix, dosages, people)


def write_scores(folder: Path, seed: int = 3) -> Path:
    """Scores of all variants but one: a good one, which finds causal variants, and a random one."""
    rng = np.random.default_rng(seed)
    table = variants().assign(ref="C", alt="A")[["chrom", "pos", "ref", "alt"]]
    noise = rng.random((2, len(table)))
    table["good"] = np.isin(np.arange(len(table)), causal()) + noise[0] / 2
    table["random"] = noise[1]
    path = folder / "scores.tsv"
    table.drop(index=5).to_csv(path, sep="\t", index=False)
    return path


def write_study(path: Path, sample: Sample, trait: str) -> Path:
    """Summary statistics of a trait by statsmodels, without covariates."""
    import statsmodels.api as sm

    rows = []
    for column in range(sample.dosages.shape[1]):
        x = sample.dosages[:, column]
        known = ~np.isnan(x)
        y = sample.people[trait].to_numpy(float)[known]
        fit = sm.OLS(y, np.column_stack([x[known], np.ones(known.sum())])).fit()
        rows.append((fit.params[0], fit.bse[0], fit.pvalues[0], x[known].mean() / 2, known.sum()))
    names = ["beta", "standard_error", "p_value", "effect_allele_frequency", "n"]
    table = variants().rename(columns={"chrom": "chromosome", "pos": "base_pair_location"})
    table = table.assign(effect_allele="A", other_allele="C")
    pd.concat([table, pd.DataFrame(rows, columns=names)], axis=1).to_csv(path, sep="\t", index=False)
    return path
