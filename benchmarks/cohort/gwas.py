"""The GWAS of a sample: all traits, locus by locus."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from benchmarks.cohort.components import COMPONENTS
from benchmarks.cohort.phenotypes import design
from benchmarks.cohort.sizes import TRAITS, population_of
from mifm_kipoi.association import Associations, Scan, linear_model, logistic_model
from mifm_kipoi.genetics.gwas_ssf import encode, gwas_ssf, write_metadata

COMPONENT_COLUMNS = [f"PC{number}" for number in range(1, COMPONENTS + 1)]

METHODS = {False: "linear regression", True: "score test of logistic regression, one-step effects"}
"""Of quantitative and of binary traits, with age, sex, centre, batch and the components as covariates."""


class SampleGwas:
    """Tests the variants of loci with all traits of one sample, and collects their summary statistics.

    Parameters
    ----------
    sample : str
        Its name.
    people : pandas.DataFrame
        Covariates and components of all samples.
    phenotypes : pandas.DataFrame
        Of the same people in the same order.
    """

    def __init__(self, sample: str, people: pd.DataFrame, phenotypes: pd.DataFrame) -> None:
        own = (people["sample"] == sample).to_numpy()
        self.sample, self.size = sample, int(own.sum())
        covariates = design(people[own].reset_index(drop=True), COMPONENT_COLUMNS)
        values = {trait.name: phenotypes.loc[own, trait.name].to_numpy() for trait in TRAITS}
        self.cases = {
            trait.name: int(values[trait.name].sum()) for trait in TRAITS if trait.prevalence is not None
        }
        self.variance = {name: float(each.var()) for name, each in values.items()}
        everyone = np.ones(self.size, dtype=bool)
        whole = np.column_stack([np.ones(self.size), covariates])
        self._scan = Scan(
            [
                (logistic_model if name in self.cases else linear_model)(
                    name, everyone, own_values.astype(np.float64), whole
                )
                for name, own_values in values.items()
            ]
        )
        self._rows: dict[str, list[pa.Table]] = {trait.name: [] for trait in TRAITS}

    def add(self, variants: pd.DataFrame, dosages: npt.NDArray[np.uint8]) -> dict[str, Associations]:
        """Test the variants of a locus, and keep their rows.

        Variants that do not vary in the sample have no row.

        Parameters
        ----------
        variants : pandas.DataFrame
            ``chrom, pos, id, ref, alt``.
        dosages : numpy.ndarray of uint8, shape (sites, diploids)
            Copies of ALT.

        Returns
        -------
        dict of str to Associations
            Of each trait.
        """
        _, associations = self._scan.test(dosages.astype(np.float32))
        found = dict(zip(self._rows, associations, strict=True))
        frequency = dosages.mean(axis=1) / 2
        tested = variants.rename(columns={"alt": "effect_allele", "ref": "other_allele"})
        for name, each in found.items():
            known = np.isfinite(each.beta)
            rows = gwas_ssf(
                tested[known], each.beta[known], each.standard_error[known], frequency[known], self.size,
                self.cases.get(name), each.log_p[known],
            )  # fmt: skip
            self._rows[name].append(rows)
        return found

    def write(self, folder: Path) -> None:
        """``SAMPLE.TRAIT.tsv.gz`` in GWAS-SSF, and its description beside it."""
        folder.mkdir(parents=True, exist_ok=True)
        for name, parts in self._rows.items():
            path = folder / f"{self.sample}.{name}.tsv.gz"
            path.write_bytes(encode(pa.concat_tables(parts), header=True))
            method = METHODS[name in self.cases]
            write_metadata(path, name, population_of(self.sample), self.size, self.cases.get(name), method)
