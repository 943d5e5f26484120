"""Scores of variants, polygenic scores of each of them, and their evaluation, where the truth is known."""

from __future__ import annotations

import dataclasses
import logging
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from benchmarks.cohort.sizes import DISCOVERY, TRAITS
from benchmarks.known_truth import steps
from benchmarks.known_truth.sources import code_of
from benchmarks.polygenic import inputs
from mifm_kipoi.polygenic.study.run import PgsStudyResult, PgsStudyRun
from mifm_kipoi.support.files import sha256_of, written_whole

MIFM, UNTRAINED, KNOWS = "mifm", "mifm_null", "oracle"
"""Columns of scores: of the network, of one that learnt nothing, and of the rule itself."""

CONFIGURATION = "study.yaml"

_CODE = ("benchmarks.polygenic.inputs", "mifm_kipoi.network", "mifm_kipoi.scoring")


@dataclasses.dataclass(frozen=True)
class Experiment:
    """The study of a cohort.

    Parameters
    ----------
    cohort : Path
        Folder of ``python -m benchmarks cohort``.
    weights : tuple of Path
        Of networks that were trained on other loci of the same rule; of several, the mean logit is taken.
    null : tuple of Path
        Of networks that learnt nothing of the rule; may be empty.
    out : Path
        Folder of all outputs.
    draws : int
        Of members at random.
    threads : int
        Of the networks.
    settings : tuple of str
        ``KEY=VALUE`` over the configuration.
    """

    cohort: Path
    weights: tuple[Path, ...]
    null: tuple[Path, ...]
    out: Path
    draws: int = 100
    threads: int = 1
    settings: tuple[str, ...] = ()

    def run(self) -> PgsStudyResult:
        """Make the inputs and their configuration, do the study, and put the truth beside it.

        ``--out`` gets ``inputs/``, ``study.yaml``, ``study/`` (``report.html``) and ``truth.tsv``.
        """
        folder = self.out / "inputs"
        networks = [sha256_of(path) for path in (*self.weights, *self.null)]
        made_of = {
            "cohort": sha256_of(self.cohort / "cohort.json"), "networks": networks, "code": code_of(*_CODE),
            "weights": len(self.weights),
        }  # fmt: skip
        steps.once(folder, made_of, lambda: self._write_inputs(folder))
        configuration = self.out / CONFIGURATION
        with written_whole(configuration) as temporary:
            temporary.write_text(yaml.safe_dump(self.configuration(), sort_keys=False, width=100))
        result = PgsStudyRun((configuration,), self.out / "study", self.settings).run(logging.info)
        steps.write_table(self.out / "truth.tsv", picks(self.cohort, self.out / "study" / "build"))
        return result

    def _write_inputs(self, folder: Path) -> None:
        networks = {MIFM: self.weights} | ({UNTRAINED: self.null} if self.null else {})
        scores = inputs.scores_table(self.cohort, networks, folder / "networks", self.threads)
        _write(scores, folder / "scores.tsv.gz")
        inputs.write_truth(self.cohort, folder / inputs.ORACLE)
        inputs.merge_targets(self.cohort, folder / "targets")

    def configuration(self) -> dict[str, Any]:
        """That of ``mifm pgs run``, as plain YAML types."""
        made, cohort = self.out / "inputs", self.cohort
        return {
            "build": {
                "studies": [{"path": str(cohort / "credible_sets.txt.gz"), "meta": str(cohort / "meta.txt")}],
                "scores": [
                    {
                        "path": str(made / "scores.tsv.gz"),
                        "columns": [MIFM, *([UNTRAINED] if self.null else []), KNOWS],
                    }
                ],
                "signals": {"study_scores": ["abf", "susie"], "pip": "abf"},
                "priors": [MIFM],
                "top": [1, 5, 10, 0],
                "weightings": ["mean", "pip", "joint-shrunk"],
                "linkage": {"genotypes": [str(cohort / "genotypes" / f"{DISCOVERY}.bed")]},
                "draws": self.draws,
            },
            "scoring_files": [
                str(made / inputs.ORACLE / f"{inputs.ORACLE}.{trait.name}.txt.gz") for trait in TRAITS
            ],
            "score": {"genotypes": [str(made / "targets.bed")]},
            "evaluate": {
                "people": [str(cohort / "phenotypes.tsv"), str(cohort / "covariates.tsv")],
                "traits": [trait.name for trait in TRAITS],
                "covariates": ["age", "sex", "centre", "batch", "PC1", "PC2", "PC3", "PC4"],
                "categorical": ["sex", "centre", "batch"],
                "ancestry": "population",
                "method": MIFM,
                "bound": inputs.ORACLE,
            },
        }


def picks(cohort: Path, built: Path) -> pd.DataFrame:
    """How many of the variants that each method picks first are causal.

    Parameters
    ----------
    cohort : Path
        Folder of the cohort.
    built : Path
        Folder of ``mifm pgs build``.

    Returns
    -------
    pandas.DataFrame
        ``trait, method, signals, variants, causal``: variants that are picked first (top 1, mean weights),
        and those of them that act on the trait.
    """
    truth = pd.read_parquet(cohort / "truth" / "variants.parquet")
    table = pd.read_csv(built / "scores.tsv", sep="\t", dtype=str, keep_default_na=False)
    first = table[(table["top"] == "1") & (table["weighting"] == "mean") & (table["draw"].isin(["0", "1"]))]
    rows = []
    for score in first.itertuples():
        own = pd.read_csv(built / str(score.file), sep="\t", comment="#", dtype=str)
        acts = set(truth.loc[truth[f"effect_{score.study}"] != 0, "id"])
        causal = sum(name in acts for name in own["rsID"])
        rows.append((score.study, score.method, int(str(score.signals)), len(own), causal))
    return pd.DataFrame(rows, columns=["trait", "method", "signals", "variants", "causal"])


def _write(table: pd.DataFrame, path: Path) -> None:
    with written_whole(path) as temporary:
        table.to_csv(temporary, sep="\t", index=False, float_format="%.7g", compression="gzip")
