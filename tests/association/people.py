"""A small cohort as files: genotypes of PLINK, and a table of people."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from tests.genetics.filesets import write_bed

PEOPLE, VARIANTS = 500, 60


class SmallCohort:
    """Files of some hundred people, and the arrays in them.

    Parameters
    ----------
    folder : Path
        Receives ``cohort.bed, .bim, .fam`` and ``people.tsv``.
    missing : float
        Fraction of genotypes that are missing.
    """

    def __init__(self, folder: Path, missing: float = 0.02, seed: int = 5) -> None:
        generator = np.random.default_rng(seed)
        self.names = [f"i{row}" for row in range(PEOPLE)]
        frequency = generator.uniform(0.05, 0.95, VARIANTS)
        genotypes = generator.binomial(2, frequency, (PEOPLE, VARIANTS)).astype(np.float32)
        centre = generator.choice(["north", "south", "west"], PEOPLE)
        age = generator.integers(40, 70, PEOPLE)
        height = 170 + 0.1 * age + 3 * genotypes[:, 4] + 6 * generator.normal(size=PEOPLE)
        weight = 50 + 0.1 * height + generator.gamma(2, 8, PEOPLE)
        liability = generator.normal(size=PEOPLE) + 0.8 * genotypes[:, 7] + 0.5 * (centre == "west")
        sick = (liability > np.quantile(liability, 0.7)).astype(int)
        genotypes[generator.random(genotypes.shape) < missing] = np.nan
        self.genotypes = genotypes
        self.prefix = write_bed(
            folder / "cohort", genotypes, np.arange(1, VARIANTS + 1) * 1000, chrom="1",
            fid=self.names, iid=self.names, sex=generator.integers(1, 3, PEOPLE).tolist(),
        )  # fmt: skip
        self.people = pd.DataFrame(
            {"FID": self.names, "IID": self.names, "height": height.round(3), "weight": weight.round(3),
             "sick": sick + 1, "age": age, "centre": centre}
        )  # fmt: skip
        self.people.loc[:9, "weight"] = np.nan
        self.table = folder / "people.tsv"
        # In another order than the genotypes.
        self.people.sample(frac=1, random_state=1).to_csv(self.table, sep="\t", index=False, na_rep="NA")

    @property
    def design(self) -> np.ndarray:
        """Intercept, age and centre."""
        centres = [self.people["centre"] == name for name in ("south", "west")]
        return np.column_stack([np.ones(PEOPLE), self.people["age"], *centres]).astype(np.float64)
