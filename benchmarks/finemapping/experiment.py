"""Fine-mapping with different priors and LD where the causal variants are known, side by side."""

from __future__ import annotations

import dataclasses
import functools
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.cohort.build import TRUTH
from benchmarks.finemapping.fits import StudyLoci
from benchmarks.finemapping.measure import FLAT, Measures, arm_of
from benchmarks.known_truth import steps
from benchmarks.known_truth.sources import code_of
from benchmarks.polygenic.inputs import VARIANT, scores_table
from mifm_kipoi.support.files import sha256_of

ORACLE, REFERENCE, SHUFFLED, INVERTED = "oracle", "oracle_reference", "shuffled", "inverted"
"""Scores that know the rule, REF and ALT, or the rule and REF; the first network's of other variants; and
those turned round."""


@dataclasses.dataclass(frozen=True)
class Setting:
    """Whose LD a locus is fine-mapped with, and how.

    Parameters
    ----------
    name : str
        Of its rows.
    genotypes : str
        A key of :data:`benchmarks.finemapping.loci.SAMPLES`.
    in_sample : bool
        Whether it is taken for the studies' own; else ``mifm finemap`` takes one effect.
    """

    name: str
    genotypes: str
    in_sample: bool


IN = Setting("in-sample", "in", in_sample=True)
OUT = Setting("out-of-sample", "out", in_sample=False)
MISTAKEN = Setting("mistaken", "out", in_sample=True)
"""LD of others that is taken for the studies' own, with several effects."""

_CODE = (
    "benchmarks.finemapping.fits", "benchmarks.finemapping.measure", "mifm_kipoi.genetics.ld",
    *(
        f"mifm_kipoi.finemapping.{name}"
        for name in ("diagnostics", "fitting", "linkage", "prior_weights", "susie")
    ),
    *(f"mifm_kipoi.statistics.{name}" for name in ("bootstrap", "estimates", "mixtures", "single_effects")),
)  # fmt: skip
"""Modules that the measures depend on."""


@dataclasses.dataclass(frozen=True)
class Experiment:
    """The benchmark.

    Parameters
    ----------
    loci : Path
        Output of :class:`benchmarks.finemapping.loci.TestLoci`.
    networks : mapping of str to tuple of Path
        Weights by the name of the score; of several, the mean logit is taken. The first is shuffled and
        turned round.
    out : Path
        Folder of all outputs.
    jobs : int
        Processes of the fits, and threads of the networks.
    """

    loci: Path
    networks: Mapping[str, tuple[Path, ...]]
    out: Path
    jobs: int = 1

    def run(self, on_progress: Callable[[str], None]) -> list[str]:
        """Score the variants, fine-map with each prior, and measure; gives a few lines of text.

        ``--out`` gets ``scores/scores.tsv.gz``, and for each setting ``measures.tsv``, ``calibration.tsv``
        and ``prior.tsv`` in a folder of its name.
        """
        scores = self._scores()
        names = list(self.networks)
        plan = [
            (IN, (*names, SHUFFLED, INVERTED, REFERENCE, ORACLE)),
            (OUT, tuple(names)),
            (MISTAKEN, tuple(names)),
        ]
        texts = []
        for setting, priors in plan:
            folder = self.out / setting.name
            made_of = {
                "loci": sha256_of(self.loci / steps.DONE), "scores": sha256_of(scores), "priors": priors,
                "setting": dataclasses.asdict(setting), "code": code_of(*_CODE),
            }  # fmt: skip
            measure = functools.partial(self._measure, setting, priors, scores, folder, on_progress)
            steps.once(folder, made_of, measure)
            texts += lines(setting.name, pd.read_csv(folder / "measures.tsv", sep="\t"))
        return texts

    def _scores(self) -> Path:
        folder = self.out / "scores"
        made_of = {
            "loci": sha256_of(self.loci / steps.DONE),
            "networks": {name: [sha256_of(path) for path in paths] for name, paths in self.networks.items()},
            "code": code_of("benchmarks.polygenic.inputs", "mifm_kipoi.network", "mifm_kipoi.scoring"),
        }
        path = folder / "scores.tsv.gz"

        def write() -> None:
            table = scores_table(self.loci, self.networks, folder / "networks", self.jobs)
            first = table[next(iter(self.networks))].to_numpy(np.float64)
            table[SHUFFLED] = np.random.default_rng(1).permutation(first)
            table[INVERTED] = 1 - first
            table[REFERENCE] = pd.read_parquet(self.loci / TRUTH)["score_reference"]
            table.to_csv(path, sep="\t", index=False, float_format="%.7g")

        steps.once(folder, made_of, write)
        return path

    def _measure(
        self,
        setting: Setting,
        priors: tuple[str, ...],
        scores: Path,
        folder: Path,
        on_progress: Callable[[str], None],
    ) -> None:
        truth = pd.read_parquet(self.loci / TRUTH)
        columns = pd.read_csv(scores, sep="\t", dtype={"chrom": str})
        if not columns[VARIANT].equals(truth[VARIANT]):
            raise steps.BenchmarkError(f"{scores} has other variants than {self.loci}; delete it")
        loci = StudyLoci(self.loci, truth, setting.genotypes, setting.in_sample, self.jobs)
        began = time.monotonic()
        flat = loci.flat()
        on_progress(f"{setting.name}, flat: {len(flat):,} loci of studies, {time.monotonic() - began:.0f} s")
        arms, tables = {FLAT: arm_of(flat, truth)}, []
        for prior in priors:
            began = time.monotonic()
            mapped, fitted = loci.with_prior(flat, columns[prior].to_numpy(np.float64))
            on_progress(f"{setting.name}, {prior}: {time.monotonic() - began:.0f} s")
            arms[prior] = arm_of(mapped, truth)
            tables.append(fitted.table().assign(prior=prior))
        measures = Measures(truth["locus"].to_numpy(np.int64), arms)
        steps.write_table(folder / "prior.tsv", pd.concat(tables, ignore_index=True))
        steps.write_table(folder / "measures.tsv", measures.table())
        steps.write_table(folder / "calibration.tsv", measures.calibration())


def lines(setting: str, measures: pd.DataFrame) -> list[str]:
    """What matters of the measures, an arm a line."""
    texts = []
    for arm, own in measures[measures["loci"] == "tested"].groupby("arm", sort=False):
        value = own.set_index("measure")["value"]
        texts.append(
            f"{setting}, {arm}: {value['true']:.0f} causal variants at PIP > 0.95, FDR {value['fdr']:.3f}; "
            f"{value['sets']:.0f} sets of {value['size']:.2f} variants, coverage {value['coverage']:.3f}"
        )
    return texts
