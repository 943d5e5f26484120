"""Loci fitted with many priors, by the parts of ``mifm finemap``: LD and the flat fit once, then each prior.

The command itself would read all files and fit every locus with the flat prior again for each score, and
write its tables. What it makes of a score is the same (the tests compare them).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import stats

from benchmarks.cohort.build import GENOTYPES, STATISTICS
from mifm_kipoi.finemapping.fitting import Job, LocusFit, fit_locus
from mifm_kipoi.finemapping.linkage import GenotypeLinkage, founders_of
from mifm_kipoi.finemapping.loci import GENOME_WIDE
from mifm_kipoi.finemapping.prior_weights import FittedPrior, LocusEvidence, fit_prior_weights, to_feature
from mifm_kipoi.finemapping.records import FINE_MAPPED, Method
from mifm_kipoi.finemapping.run import MIN_LOG_BF
from mifm_kipoi.finemapping.susie import SusieOptions
from mifm_kipoi.genetics.genotypes import open_genotypes
from mifm_kipoi.statistics.normal import log_p_of_z
from mifm_kipoi.support.processes import unordered_map

Values = npt.NDArray[np.float64]
Rows = npt.NDArray[np.int64]


OPTIONS = SusieOptions(min_log_bf=MIN_LOG_BF)
"""Those of ``mifm finemap``."""


@dataclasses.dataclass(frozen=True)
class Mapped:
    """A locus of a study.

    Parameters
    ----------
    study : str
        Its name.
    locus : int
        Number of the locus.
    chrom : str
        Its contig.
    variants : numpy.ndarray of int64, shape (p,)
        Rows of the truth that are fine-mapped.
    fit : LocusFit
        Of these.
    """

    study: str
    locus: int
    chrom: str
    variants: Rows
    fit: LocusFit


class StudyLoci:
    """The loci of the four studies in which they have an association, with the LD of a sample.

    Parameters
    ----------
    folder : Path
        Output of :class:`benchmarks.finemapping.loci.TestLoci`.
    truth : pandas.DataFrame
        Of its variants.
    genotypes : str
        Of ``genotypes/``.
    in_sample : bool
        Whether LD is taken for that of the studies' own people, so that a locus may have several effects.
    processes : int
        That fit loci side by side.
    """

    def __init__(
        self, folder: Path, truth: pd.DataFrame, genotypes: str, in_sample: bool, processes: int
    ) -> None:
        self._method = Method.SUMMARY if in_sample else Method.ONE_EFFECT
        self._processes = processes
        self._rows = _rows(folder, truth)
        groups = self._rows.groupby(["study", "locus"], sort=False).indices
        self._keys: list[Any] = list(groups)
        self._number = {key: number for number, key in enumerate(self._keys)}
        self._slices = [np.asarray(rows, dtype=np.int64) for rows in groups.values()]
        source = open_genotypes([str(folder / GENOTYPES / f"{genotypes}.bed")])
        self._linkage = GenotypeLinkage(source, founders_of(source, None))
        self._linkage.attach(self._rows, self._slices, [locus for _, locus in self._keys])

    def flat(self) -> list[Mapped]:
        """Fit with the flat prior; loci whose z do not fit LD are left out, as by the command."""
        fits = self._fits(None)
        found = []
        for number, (used, fit) in sorted(fits.items()):
            if fit.status != FINE_MAPPED:
                continue
            rows = self._slices[number][used][fit.kept]
            found.append(self._mapped(number, rows, fit))
        return found

    def with_prior(self, flat: list[Mapped], scores: Values) -> tuple[list[Mapped], FittedPrior]:
        """Fit the prior of a score, and the loci with it.

        Parameters
        ----------
        flat : list of Mapped
            :meth:`flat`.
        scores : numpy.ndarray of float64, shape (n,)
            Of all variants of the truth.

        Returns
        -------
        mapped : list of Mapped
            In the order of ``flat``.
        prior : FittedPrior
            Of all studies together.
        """
        feature = to_feature(scores)[0][:, np.newaxis]
        evidence = [
            LocusEvidence(
                one.chrom, feature[one.variants],
                one.fit.log_bf_variable[sorted({each.effect for each in one.fit.sets})],
            )
            for one in flat
        ]  # fmt: skip
        prior = fit_prior_weights(evidence, ("score",))
        weights: dict[int, tuple[Rows, Values]] = {}
        for one in flat:
            if not prior.of(one.chrom).flat:
                own = prior.weights(one.chrom, feature[one.variants])
                weights[self._number[one.study, one.locus]] = one.variants, own
        fits = self._fits(weights)
        found = []
        for one in flat:
            number = self._number[one.study, one.locus]
            fit = fits[number][1] if number in fits else one.fit
            found.append(dataclasses.replace(one, fit=fit))
        return found, prior

    def _mapped(self, number: int, rows: Rows, fit: LocusFit) -> Mapped:
        study, locus = self._keys[number]
        own = self._rows.iloc[rows]
        return Mapped(
            str(study), int(locus), str(own["chrom"].iloc[0]), own["variant"].to_numpy(np.int64), fit
        )

    def _fits(
        self, weights: Mapping[int, tuple[Rows, Values]] | None
    ) -> dict[int, tuple[npt.NDArray[np.bool_], LocusFit]]:
        """Of each locus, or of those with weights of some variants: rows with LD, and the fit."""
        used: dict[int, npt.NDArray[np.bool_]] = {}

        def jobs() -> Iterator[Job]:
            wanted = range(len(self._keys)) if weights is None else weights
            for ld in self._linkage.loci(frozenset(wanted)):
                own_rows = self._rows.iloc[self._slices[ld.number]]
                # One effect needs no LD: variants that the sample lacks count, too.
                one_effect = self._method is Method.ONE_EFFECT
                counted = np.ones(len(own_rows), dtype=bool) if one_effect else ld.usable
                rows = own_rows[counted]
                used[ld.number] = counted
                job = Job(
                    number=ld.number,
                    method=self._method,
                    z=rows["z"].to_numpy(np.float64),
                    log_bf=np.zeros(len(rows)),
                    log_p=rows["log_p"].to_numpy(np.float64),
                    n=float(rows["sample_size"].median()),
                    with_ld=ld.usable[counted],
                    R=ld.R,
                    products=None,
                    prior_weights=None,
                    options=OPTIONS,
                    check=weights is None,
                )
                if weights is not None:
                    chosen, own = weights[ld.number]
                    kept = np.isin(rows["variant"].to_numpy(np.int64), chosen)
                    job = dataclasses.replace(job.take(kept), prior_weights=own)
                yield job

        fits = {fit.number: fit for fit in unordered_map(fit_locus, jobs(), self._processes)}
        return {number: (used[number], fit) for number, fit in fits.items()}


def _rows(folder: Path, truth: pd.DataFrame) -> pd.DataFrame:
    """Rows of the loci of studies that reach 5e-8, by study and place."""
    number = pd.Series(np.arange(len(truth)), index=truth["id"])
    threshold = stats.norm.isf(GENOME_WIDE / 2)
    parts = []
    for path in sorted((folder / STATISTICS).glob("*.tsv.gz")):
        table = pd.read_csv(path, sep="\t")
        variant = number[table["variant_id"]].to_numpy(np.int64)
        own = truth.iloc[variant]
        z = (table["beta"] / table["standard_error"]).to_numpy(np.float64)
        rows = pd.DataFrame(
            {
                "study": path.name.partition(".")[0], "locus": own["locus"].to_numpy(np.int64),
                "variant": variant, "chrom": own["chrom"].to_numpy(object), "pos": own["pos"].to_numpy(),
                "id": own["id"].to_numpy(object), "ref": own["ref"].to_numpy(object),
                "alt": own["alt"].to_numpy(object), "z": z, "log_p": log_p_of_z(z),
                "frequency": table["effect_allele_frequency"].to_numpy(np.float64), "folded": False,
                "sample_size": table["n"].to_numpy(np.float64),
            }
        )  # fmt: skip
        highest = rows["z"].abs().groupby(rows["locus"]).transform("max")
        parts.append(rows[highest >= threshold])
    every: pd.DataFrame = pd.concat(parts, ignore_index=True)
    return every
