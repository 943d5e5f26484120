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
from benchmarks.known_truth.arms import BASELINES
from benchmarks.known_truth.attribution import effects_by_motif
from benchmarks.known_truth.datasets import held_out_variants, make_dataset, write_held_out_vcf
from benchmarks.known_truth.evaluate import Scored, Test, credible_sets, write_results
from benchmarks.known_truth.networks import HELD_OUT_VCF, VALIDATION_VCF, Networks, recipe_of
from benchmarks.known_truth.report import write_report
from benchmarks.known_truth.rule import Kind, classify_windows
from benchmarks.known_truth.simulate import FASTA, GENOTYPES, MANIFEST, VARIANTS, simulate
from benchmarks.known_truth.sizes import DISCOVERY, Size
from mifm_kipoi.conventions import VARIANT_INDEX, WINDOW
from mifm_kipoi.finemapping import prior
from mifm_kipoi.genomics.genome import Genome
from mifm_kipoi.genomics.variants import read_variants
from mifm_kipoi.sequence.windows import cut_windows
from mifm_kipoi.support.files import sha256_of, writing, written_whole
from mifm_kipoi.version import __version__
from training.configuration import read_configuration, to_plain
from training.distillation.config import STUDENT
from training.fitting.config import LOG as FIT_LOG
from training.fitting.config import MEMBER
from training.recipe import Recipe

Values = npt.NDArray[np.float64]


class Experiment:
    """One run of the benchmark in one folder.

    Parameters
    ----------
    size : Size
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
        self, size: Size, arms: Sequence[str], out: Path, cache: Path, jobs: int = 1, threads: int = 1
    ) -> None:
        with writing(out):
            out.mkdir(parents=True, exist_ok=True)
        self.size, self.out = size, out
        self.recipe = recipe_of(size)
        self.simulated = simulate(size.simulation, cache)
        self.networks = Networks(size, arms, out, self.simulated, jobs, threads)

    def run(self) -> None:
        """Do all that is not done yet, and write the report."""
        names = dict.fromkeys(["main", *(arm.data for arm in self.networks.arms)])
        for name in names:
            make_dataset(name, self.size.simulation, self.simulated, self.recipe, self.out)
        table = held_out_variants(self.out / "data" / "main", self.simulated)
        write_held_out_vcf(table, self.out / HELD_OUT_VCF)
        write_held_out_vcf(table[table["split"] == "validation"], self.out / VALIDATION_VCF)
        self.networks.train()
        self._report(table)

    def _report(self, table: pd.DataFrame) -> None:
        test = Test(table[table["split"] == "test"])
        validation = Test(table[table["split"] == "validation"])
        scored = [
            dataclasses.replace(
                self.networks.scored(test, arm),
                validation_top_1=validation.top(self.networks.scored(validation, arm).score, 1).value,
            )
            for arm in self.networks.arms
        ]
        scored += self._baselines(test)
        scored += self._with_prior(test, validation)
        results = self.out / "results"
        write_results(results, test, scored)
        steps.write_table(results / "arms.tsv", self._described(scored))
        steps.write_table(results / "credible_sets.tsv", credible_sets(test, scored, self._ld(test)))
        steps.write_table(results / "learning_curves.tsv", self.networks.curves(validation))
        steps.write_table(results / "attribution.tsv", self._attribution(test, scored))
        with written_whole(results / "settings.json") as path:
            path.write_text(json.dumps(self._settings(), indent=1) + "\n")
        write_report(results, self.out)

    def _baselines(self, test: Test) -> list[Scored]:
        table = test.table
        pip = prior.uniform_pips(table["log_bf"].to_numpy(np.float64), test.bag)
        lowest_p, abf, chance, oracle = BASELINES
        return [
            Scored(lowest_p, np.abs(table["z"].to_numpy(np.float64))),
            Scored(abf, pip, pip=pip),
            Scored(chance, np.zeros(len(table))),
            Scored(oracle, self._oracle(test)),
        ]

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

    def _with_prior(self, test: Test, validation: Test) -> list[Scored]:
        """Scores of poolings and their combinations as priors, slope and offset fitted on validation bags."""
        combined = []
        for arm in self.networks.arms:
            if arm.group not in ("pooling", "combination") or arm.data != "main":
                continue
            parts = []
            for part in (validation, test):
                log_bf = part.table["log_bf"].to_numpy(np.float64)
                parts.append((self.networks.scored(part, arm).score, log_bf, part.bag))
            fitted = prior.fit_prior(*parts[0])
            pip = fitted.pips(*parts[1])
            top_1 = validation.top(fitted.pips(*parts[0]), 1).value
            own = dataclasses.replace(
                arm, name=f"{arm.name}+abf", group="prior", label=f"{arm.label} + ABF",
                description=f"prior odds exp({fitted.slope:.2f} f {fitted.offset:+.2f})",
            )  # fmt: skip
            combined.append(Scored(own, pip, pip=pip, validation_top_1=top_1))
        return combined

    def _described(self, scored: Sequence[Scored]) -> pd.DataFrame:
        rows = []
        for one in scored:
            arm, windows, seconds = one.arm, 0, 0.0
            trained = arm.group in ("pooling", "setting", "control")
            logs = [self.networks.folder(arm.name) / FIT_LOG] if trained and arm.fitted else []
            if arm.start:
                own = self.networks.folder(arm.name) / "fit" / FIT_LOG
                logs = [self.networks.folder(arm.start) / FIT_LOG, own]
            for log in map(pd.read_csv, logs):
                windows, seconds = windows + int(log["windows"].sum()), seconds + float(log["seconds"].sum())
            members = self.size.members if arm.ensemble or arm.student else int(trained)
            rows.append(
                {
                    "arm": arm.name, "group": arm.group, "label": arm.label,
                    "description": arm.description, "members": members, "windows": windows,
                    "seconds": seconds, "validation_top_1": one.validation_top_1,
                }
            )  # fmt: skip
        return pd.DataFrame(rows)

    def _attribution(self, test: Test, scored: Sequence[Scored]) -> pd.DataFrame:
        """Of the network and the pooling with the highest validation top-1, and of max; of 512 bp only."""
        columns = ["arm", "motif", "offset", "base", "informative", "effect", "background"]
        networks = read_configuration([self.recipe], Recipe).network
        single = [
            one for one in scored if one.arm.group in ("pooling", "combination") and not one.arm.ensemble
        ]
        if networks.window != WINDOW or not single:
            return pd.DataFrame(columns=columns)
        ranked = sorted(single, key=lambda one: -one.validation_top_1)
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
        """Correlations between the variants of each bag, from the genotypes in PLINK's format."""
        ld = {}
        for chrom, rows in test.table.groupby("chrom"):
            with open_bed(self.simulated / GENOTYPES / DISCOVERY / f"{chrom}.bed", num_threads=1) as bed:
                index = {name: number for number, name in enumerate(bed.sid)}
                for bag, members in rows.groupby("bag"):
                    columns = [index[name] for name in members["id"]]
                    dosages = bed.read(np.s_[:, columns], dtype="float32", num_threads=1)
                    with np.errstate(invalid="ignore"):
                        ld[int(bag)] = np.atleast_2d(np.corrcoef(dosages.T.astype(np.float64)))
        return ld

    def _settings(self) -> dict[str, Any]:
        recipe = read_configuration([self.recipe], Recipe)
        manifest = json.loads((self.simulated / MANIFEST).read_text())
        return {
            "version": __version__,
            "simulation": manifest["simulation"],
            "loci": manifest["counts"],
            "network": recipe.network.to_dict(),
            "fit": to_plain(recipe.fit),
            "student": to_plain(recipe.distil.bags),
            "packages": {"torch": torch.__version__, **manifest["packages"]},
            "checksums": {name: manifest["sha256"][name] for name in (FASTA, VARIANTS)},
        }
