"""The whole benchmark: simulate, train the arms, score, compare, report."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch
from bed_reader import open_bed

from benchmarks.known_truth import steps
from benchmarks.known_truth.arms import (
    ABF,
    LOWEST_P,
    MASKED_OPTIMAL,
    OPTIMAL,
    ORACLE,
    RANDOM,
    REFERENCE_OPTIMAL,
    Arm,
)
from benchmarks.known_truth.attribution import effects_by_motif
from benchmarks.known_truth.datasets import REAL_KINDS, held_out_variants, make_dataset, write_held_out_vcf
from benchmarks.known_truth.evaluate import (
    Scored,
    Test,
    credible_sets,
    evidence_ceiling,
    monitors,
    write_results,
)
from benchmarks.known_truth.networks import HELD_OUT_VCF, VALIDATION_VCF, Networks
from benchmarks.known_truth.plans import Plan
from benchmarks.known_truth.report import write_report
from benchmarks.known_truth.rule import Kind, classify_windows
from benchmarks.known_truth.simulate import FASTA, GENOTYPES, MANIFEST, VARIANTS, simulate
from benchmarks.known_truth.sizes import DISCOVERY
from mifm_kipoi.conventions import VARIANT_INDEX, WINDOW
from mifm_kipoi.finemapping.prior import Prior, fit_prior, fit_slope, uniform_pips
from mifm_kipoi.genomics.genome import Genome
from mifm_kipoi.genomics.variants import read_variants
from mifm_kipoi.sequence.windows import cut_windows
from mifm_kipoi.statistics.ranking import Curve
from mifm_kipoi.support.configuration import to_plain
from mifm_kipoi.support.files import sha256_of, writing, written_whole
from mifm_kipoi.version import __version__
from training.configuration import read_configuration
from training.distillation.config import STUDENT
from training.fitting.config import LOG as FIT_LOG
from training.fitting.config import MEMBER
from training.recipe import Recipe

Values = npt.NDArray[np.float64]

_LIMITS = {REFERENCE_OPTIMAL: "score_reference", MASKED_OPTIMAL: "score_masked"}
"""Scorers that know the rule and a window, and the columns of the truth that have their probabilities."""

_LEAST = 1e-3
"""Probability of a causal variant that is taken for 0."""

_SAMPLES = {"EUR": DISCOVERY, "AFR": "YRI", "EAS": "CHB"}
"""Genotyped samples of the populations of studies."""


class Experiment:
    """One run of the benchmark in one folder.

    Parameters
    ----------
    plan : Plan
        Size of the simulation and the networks.
    arms : sequence of str
        Names of arms that are trained.
    out : Path
        Folder of the run.
    cache : Path
        Of simulations.
    jobs, threads : int
        Networks that are trained side by side, and threads of each.
    """

    def __init__(
        self, plan: Plan, arms: Sequence[str], out: Path, cache: Path, jobs: int = 1, threads: int = 1
    ) -> None:
        with writing(out):
            out.mkdir(parents=True, exist_ok=True)
        self.plan, self.out = plan, out
        self.recipe = plan.recipe_path
        self.simulated = simulate(plan.simulation, cache, workers=jobs * threads)
        self.networks = Networks(plan, arms, out, self.simulated, jobs, threads)

    def run(self) -> None:
        """Do all that is not done yet, and write the report."""
        names = dict.fromkeys(["main", *(arm.data for arm in self.networks.arms)])
        for name in names:
            make_dataset(name, self.plan.simulation, self.simulated, self.recipe, self.out)
        table = held_out_variants(self.out / "data" / "main", self.simulated, smallest=1)
        ranked = table[table["size"] > 1]
        write_held_out_vcf(ranked, self.out / HELD_OUT_VCF)
        write_held_out_vcf(ranked[ranked["split"] == "validation"], self.out / VALIDATION_VCF)
        self.networks.train()
        self._report(table)

    def _report(self, table: pd.DataFrame) -> None:
        test = Test(table[table["split"] == "test"])
        validation = Test(table[table["split"] == "validation"])
        scored, priors = [], []
        for arm in self.networks.arms:
            on_validation = self.networks.scores(validation, arm)
            own = self.networks.scores(test, arm)
            scored.append(Scored(arm, own, (), *_on_validation(validation, on_validation)))
            if arm.group != "control" and arm.data != "every_member":
                priors.append(_with_prior(scored[-1], test, validation, on_validation))
        scored += [*self._baselines(test), *priors]
        if self._real:
            scored += [self._limit_as_prior(arm, test, validation) for arm in _LIMITS]
        results = self.out / "results"
        write_results(results, test, scored, self._kinds(), self.plan.main)
        steps.write_table(results / "arms.tsv", self._described(scored))
        ld = self._ld(test)
        steps.write_table(results / "credible_sets.tsv", credible_sets(test, scored, ld))
        curves = self.networks.curves(validation)
        steps.write_table(results / "learning_curves.tsv", curves)
        steps.write_table(results / "monitors.tsv", monitors(curves))
        steps.write_table(results / "attribution.tsv", self._attribution(test, scored))
        with written_whole(results / "settings.json") as path:
            settings = self._settings(test, validation)
            settings["held out"]["test"]["highest top-1 of the evidence"] = round(
                evidence_ceiling(test, ld), 4
            )
            path.write_text(json.dumps(settings, indent=1) + "\n")
        write_report(results, self.out)

    def _kinds(self) -> tuple[str, ...]:
        """The kinds of variants, in the order of tables."""
        return REAL_KINDS if self._real else tuple(kind.value for kind in Kind)

    @property
    def _real(self) -> bool:
        return self.plan.simulation.design == "real"

    def _baselines(self, test: Test) -> list[Scored]:
        table = test.table
        pip = uniform_pips(table["log_bf"].to_numpy(np.float64), test.bag)
        gwas = [
            Scored(LOWEST_P, (np.abs(table["z"].to_numpy(np.float64)),)),
            Scored(ABF, (pip,), (pip,)),
            Scored(RANDOM, (np.zeros(len(table)),)),
        ]
        if not self._real:
            return [*gwas, Scored(ORACLE, (self._oracle(test),))]
        limits = {OPTIMAL: "score_optimal", **_LIMITS}
        known = {arm: table[column].to_numpy(np.float64) for arm, column in limits.items()}
        return [*gwas, *(Scored(arm, (score,)) for arm, score in known.items())]

    def _oracle(self, test: Test) -> Values:
        """The rule, applied to windows that are cut from the FASTA as for scoring."""
        variants = list(read_variants(self.out / HELD_OUT_VCF))
        windows = cut_windows(variants, Genome(self.simulated / FASTA))
        kinds = classify_windows(windows.ref, VARIANT_INDEX)
        causal = {
            (variant.chrom, variant.pos): float(kind is Kind.CAUSAL)
            for variant, kind in zip(variants, kinds, strict=True)
        }
        positions = zip(test.table["chrom"], test.table["pos"], strict=True)
        return np.array([causal[position] for position in positions])

    def _limit_as_prior(self, limit: Arm, test: Test, validation: Test) -> Scored:
        """What ABF reaches with the best scorer of a window as prior: the limit of an arm with ABF."""
        on_test, on_validation = (_log_odds(part, _LIMITS[limit]) for part in (test, validation))
        judged = _on_validation(validation, [on_validation])
        return _with_prior(Scored(limit, (on_test,), (), *judged), test, validation, [on_validation])

    def _described(self, scored: Sequence[Scored]) -> pd.DataFrame:
        rows = []
        for one in scored:
            arm, windows, seconds = one.arm, 0, 0.0
            logs = []
            if arm.start:
                logs = [self.networks.folder(arm.start), self.networks.folder(arm.name) / "fit"]
            elif arm.fitted:
                logs = [self.networks.folder(arm.name)]
            for log in (pd.read_csv(folder / FIT_LOG) for folder in logs):
                windows, seconds = windows + int(log["windows"].sum()), seconds + float(log["seconds"].sum())
            members = len(one.scores) if arm.fitted else int(bool(arm.start))
            members = self.plan.members if arm.ensemble or arm.student else members
            rows.append(
                {
                    "arm": arm.name, "group": arm.group, "label": arm.label,
                    "description": arm.description, "members": members, "windows": windows,
                    "seconds": seconds, "validation_auprc": one.validation_auprc,
                    "validation_gain": one.validation_gain,
                }
            )  # fmt: skip
        return pd.DataFrame(rows)

    def _attribution(self, test: Test, scored: Sequence[Scored]) -> pd.DataFrame:
        """Of the network and the pooling with the highest validation AUPRC, and of max; of 512 bp only."""
        columns = ["arm", "motif", "offset", "base", "informative", "effect", "background"]
        networks = read_configuration([self.recipe], Recipe).network
        single = [
            one for one in scored if one.arm.group in ("pooling", "combination") and not one.arm.ensemble
        ]
        if networks.window != WINDOW or not single:
            return pd.DataFrame(columns=columns)
        ranked = sorted(single, key=lambda one: -one.validation_auprc)
        poolings = [one.arm for one in ranked if one.arm.group == "pooling"]
        shown = [ranked[0].arm, *poolings[:1], *(arm for arm in poolings if arm.name == "max")]
        parts = []
        for arm in dict.fromkeys(shown):
            folder = self.out / "attribution" / arm.name
            weights = self.networks.folder(arm.name) / (STUDENT if arm.student else MEMBER)

            def work(folder: Path = folder, weights: Path = weights) -> None:
                write_held_out_vcf(test.table[test.causal], folder / "causal.vcf")
                steps.run_module(
                    "mifm_kipoi.cli",
                    [
                        "mutagenesis", self.simulated / FASTA, "--vcf", folder / "causal.vcf",
                        "-o", folder / "exchanges.parquet", "--weights", weights,
                    ],
                    folder / "command.log",
                )  # fmt: skip

            steps.once(folder, {"weights": sha256_of(weights)}, work)
            effects = effects_by_motif(folder / "exchanges.parquet", self.simulated / FASTA)
            parts.append(effects.assign(arm=arm.name))
        return pd.concat(parts)[columns]

    def _ld(self, test: Test) -> dict[int, Values]:
        """Correlations between the variants of each bag in its study's population, from PLINK's genotypes."""
        ld = {}
        for (chrom, population), rows in test.table.groupby(["chrom", "population"]):
            sample = self.simulated / GENOTYPES / _SAMPLES[population]
            with open_bed(sample / f"{chrom}.bed", num_threads=1) as bed:
                index = {name: number for number, name in enumerate(bed.sid)}
                for bag, members in rows.groupby("bag"):
                    columns = [index[name] for name in members["id"]]
                    dosages = bed.read(np.s_[:, columns], dtype="float32", num_threads=1)
                    with np.errstate(invalid="ignore"):
                        ld[int(bag)] = np.atleast_2d(np.corrcoef(dosages.T.astype(np.float64)))
        return ld

    def _settings(self, test: Test, validation: Test) -> dict[str, Any]:
        recipe = read_configuration([self.recipe], Recipe)
        manifest = json.loads((self.simulated / MANIFEST).read_text())
        return {
            "version": __version__,
            "simulation": manifest["simulation"],
            "loci": manifest["counts"],
            "held out": {"test": _counts(test), "validation": _counts(validation)},
            "network": recipe.network.to_dict(),
            "fit": to_plain(recipe.fit),
            "student": to_plain(recipe.distil.bags),
            "packages": {"torch": torch.__version__, **manifest["packages"]},
            "checksums": {name: manifest["sha256"][name] for name in (FASTA, VARIANTS)},
        }


def _with_prior(scored: Scored, test: Test, validation: Test, on_validation: Sequence[Values]) -> Scored:
    """The scores of an arm as priors, the slope of each network fitted on validation bags."""
    pips, priors = [], []
    for logits, own in zip(on_validation, scored.scores, strict=True):
        fitted = fit_prior(logits, _log_bf(validation), validation.bag)
        priors.append(f"{fitted.fraction:g} softmax({fitted.slope:.2f} f)")
        pips.append(fitted.pips(own, _log_bf(test), test.bag))
    arm = dataclasses.replace(
        scored.arm, name=f"{scored.arm.name}+abf", group="prior", label=f"{scored.arm.label} + ABF",
        description=f"prior {', '.join(priors)}",
    )  # fmt: skip
    return Scored(arm, tuple(pips), tuple(pips), scored.validation_auprc, scored.validation_gain)


def _log_odds(part: Test, column: str) -> Values:
    """Of a probability, away from 0 and 1."""
    probability = part.table[column].to_numpy(np.float64).clip(_LEAST, 1 - _LEAST)
    odds: Values = np.log(probability) - np.log1p(-probability)
    return odds


def _log_bf(test: Test) -> Values:
    return test.table["log_bf"].to_numpy(np.float64)


def _on_validation(validation: Test, networks: Sequence[Values]) -> tuple[float, float]:
    """AUPRC of ABF with logits as prior, and the gain without the truth: means over networks."""
    evidence = _log_bf(validation)
    areas, gains = [], []
    for logits in networks:
        fitted = fit_slope(logits, evidence, validation.bag)
        pip = Prior(fitted.slope).pips(logits, evidence, validation.bag)
        areas.append(float(Curve(pip, validation.causal).average_precision()))
        gains.append(fitted.gain)
    return float(np.mean(areas)), float(np.mean(gains))


def _counts(part: Test) -> dict[str, Any]:
    return {
        "bags": len(part.bags),
        "with a causal variant": int(part.bags["causal"].sum()),
        "variants a bag": round(len(part.table) / len(part.bags), 1),
        "genealogies": int(part.bags["genealogy"].nunique()),
    }
