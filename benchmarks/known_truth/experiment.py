"""The whole benchmark: simulate, train the arms, score, compare, report."""

from __future__ import annotations

import concurrent.futures
import dataclasses
import json
import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from bed_reader import open_bed

from benchmarks.known_truth import prior, steps
from benchmarks.known_truth.arms import BASELINES, TRAINED, Arm
from benchmarks.known_truth.attribution import effects_by_motif
from benchmarks.known_truth.datasets import (
    fasta_of,
    held_out_variants,
    make_dataset,
    write_held_out_vcf,
)
from benchmarks.known_truth.evaluate import Scored, Test, credible_sets, write_results
from benchmarks.known_truth.report import write_report
from benchmarks.known_truth.rule import Kind, classify_windows
from benchmarks.known_truth.simulate import FASTA, GENOTYPES, MANIFEST, VARIANTS, simulate
from benchmarks.known_truth.sizes import DISCOVERY, Size
from mifm_kipoi.files import sha256_of, written_whole
from mifm_kipoi.genome import Genome
from mifm_kipoi.variants import read_variants
from mifm_kipoi.version import __version__
from mifm_kipoi.windows import VARIANT_INDEX, WINDOW, cut_windows
from training.configuration import read_configuration, to_plain
from training.fit import EPOCHS
from training.fit import LOG as FIT_LOG
from training.fit import WEIGHTS as MEMBER
from training.predictions import mean_logits
from training.recipe import Recipe

RECIPES = Path(__file__).parent / "recipes"

HELD_OUT_VCF, VALIDATION_VCF = "held_out.vcf", "validation.vcf"

KEYS = ["chrom", "pos", "ref", "alt"]

Values = npt.NDArray[np.float64]


class Experiment:
    """One run of the benchmark in one folder.

    Parameters
    ----------
    size : Size
    arms : sequence of str
        Names of arms that are trained.
    out : Path
    cache : Path
        Of simulations.
    jobs : int
        Networks that are fitted side by side.
    threads : int
        Of each.
    """

    def __init__(
        self, size: Size, arms: Sequence[str], out: Path, cache: Path, jobs: int = 1, threads: int = 1
    ) -> None:
        self.size, self.out, self.cache = size, out, cache
        self.jobs, self.threads = jobs, threads
        self.arms = [arm for arm in TRAINED if arm.name in arms]
        self.recipe = RECIPES / f"{size.recipe}.yaml"
        self.simulated = Path()

    def run(self) -> Path:
        """Do all that is not done yet; gives the folder of the report."""
        self.out.mkdir(parents=True, exist_ok=True)
        self.simulated = simulate(self.size.simulation, self.cache)
        names = dict.fromkeys(["main", *(arm.data for arm in self.arms)])
        for name in names:
            make_dataset(name, self.size.simulation, self.simulated, self.recipe, self.out)
        main = self.out / "data" / "main"
        table = held_out_variants(main, self.simulated)
        write_held_out_vcf(table, self.out / HELD_OUT_VCF)
        write_held_out_vcf(table[table["split"] == "validation"], self.out / VALIDATION_VCF)
        self._train()
        self._report(table)
        return self.out

    def _networks(self) -> dict[tuple[str, int], Arm]:
        """The networks to fit, by arm and seed; those of the default pooling are members of the ensemble."""
        found: dict[tuple[str, int], Arm] = {}
        for arm in self.arms:
            if arm.fitted:
                found[arm.name, 1] = arm
            if arm.start:
                found[arm.start, 1] = next(one for one in TRAINED if one.name == arm.start)
        if self._members_wanted():
            default = next(arm for arm in TRAINED if arm.name == self.size.pooling)
            for seed in range(1, self.size.members + 1):
                found[default.name, seed] = default
        return found

    def _members_wanted(self) -> bool:
        return any(arm.ensemble or arm.student or arm.name == self.size.pooling for arm in self.arms)

    def _train(self) -> None:
        networks = self._networks()
        self._side_by_side([lambda key=key, arm=arm: self._fit(arm, key[1]) for key, arm in networks.items()])
        later = [arm for arm in self.arms if arm.student or arm.start]
        self._side_by_side(
            [lambda arm=arm: self._distil(arm) if arm.student else self._go_on(arm) for arm in later]
        )

    def _side_by_side(self, works: Sequence[Callable[[], None]]) -> None:
        """Do works, so many at a time; the first error ends the rest that has not begun."""
        with concurrent.futures.ThreadPoolExecutor(self.jobs) as pool:
            futures = [pool.submit(work) for work in works]
            for number, future in enumerate(concurrent.futures.as_completed(futures), start=1):
                try:
                    future.result()
                except BaseException:
                    pool.shutdown(wait=True, cancel_futures=True)
                    raise
                logging.info("%d of %d networks", number, len(works))

    def folder(self, arm: str, seed: int = 1) -> Path:
        """Where a network of an arm is."""
        return self.out / "arms" / arm / f"seed-{seed}"

    def _made_of(self, arm: Arm, **more: Any) -> dict[str, Any]:
        data = self.out / "data" / arm.data
        return {
            "version": __version__,
            "data": sha256_of(data / "manifest.json"),
            "recipe": self.recipe.read_text(),
            **more,
        }

    def _fit(self, arm: Arm, seed: int) -> None:
        folder = self.folder(arm.name, seed)
        settings = [
            f"fit.seed={seed}",
            f"fit.objective.pooling={arm.pooling or self.size.pooling}",
            *arm.settings,
        ]
        settings += self._as_many_windows(arm)

        def work() -> None:
            self._training(arm, folder, "fit", [*settings, "fit.keep_epochs=true"], "--resume")
            self._score(folder, MEMBER, arm)
            self._score_epochs(folder, arm)

        steps.once(folder, self._made_of(arm, settings=settings), work)

    def _as_many_windows(self, arm: Arm) -> list[str]:
        """Settings with which an arm of smaller bags sees as many windows as the others, in as many steps."""
        usual = read_configuration([self.recipe], Recipe).fit
        own = read_configuration([self.recipe], Recipe, arm.settings).fit
        bags = pd.read_parquet(self.out / "data" / "main" / "bags.parquet")
        sizes = bags[(bags["label"] == 1) & (bags["split"] == "train")]["size"]
        step = (sizes.clip(upper=usual.max_bag_size).mean() + usual.negatives_per_bag) * usual.bags_per_batch
        if arm.data == "every_member":
            # Half of a step's windows are positive.
            steps_of_epoch = sizes.sum() / (step / 2)
            changed = [f"fit.bags_per_batch={round(step / 2)}", "fit.negatives_per_bag=1"]
        elif own.max_bag_size < usual.max_bag_size:
            per_bag = sizes.clip(upper=own.max_bag_size).mean() + own.negatives_per_bag
            steps_of_epoch = len(sizes) / (step / per_bag)
            changed = [f"fit.bags_per_batch={round(step / per_bag)}"]
        else:
            return []
        epochs = usual.epochs * (len(sizes) / usual.bags_per_batch) / steps_of_epoch
        return [*changed, f"fit.epochs={max(1, round(epochs))}"]

    def _distil(self, arm: Arm) -> None:
        folder = self.folder(arm.name)
        seeds = range(1, self.size.members + 1)
        teachers = [self.folder(self.size.pooling, seed) / MEMBER for seed in seeds]
        settings = [f"distil.bags.target={arm.student}"]

        def work() -> None:
            self._training(arm, folder, "distil", settings, "--teachers", *teachers)
            self._score(folder, "student.safetensors", arm)

        checksums = [sha256_of(path) for path in teachers]
        steps.once(folder, self._made_of(arm, settings=settings, teachers=checksums), work)

    def _go_on(self, arm: Arm) -> None:
        folder = self.folder(arm.name)
        start = self.folder(arm.start) / MEMBER
        settings = [f"finetune.fit.objective.pooling={arm.pooling}", *arm.settings]

        def work() -> None:
            self._training(arm, folder, "finetune", settings, "--weights", start)
            self._score(folder, "finetuned.safetensors", arm)

        steps.once(folder, self._made_of(arm, settings=settings, start=sha256_of(start)), work)

    def _training(
        self, arm: Arm, folder: Path, name: str, settings: Sequence[str], *arguments: str | Path
    ) -> None:
        """A command of the training code on the data set of an arm."""
        words: list[str | Path] = ["--threads", str(self.threads), name, "--config", self.recipe]
        words += ["--data", self.out / "data" / arm.data, "--out", folder, *arguments]
        words += ["--set", f"fasta={fasta_of(arm.data, self.simulated)}", *settings]
        steps.run_module("training", words, folder / "command.log")

    def _score(self, folder: Path, weights: str, arm: Arm) -> None:
        self._mifm_score(folder, HELD_OUT_VCF, "scores.parquet", [weights], arm)

    def _score_epochs(self, folder: Path, arm: Arm) -> None:
        """Score the validation variants with the network of every epoch, for the learning curve."""
        names = [f"{EPOCHS}/{path.name}" for path in sorted((folder / EPOCHS).iterdir())]
        self._mifm_score(folder, VALIDATION_VCF, "epochs.parquet", names, arm)

    def _mifm_score(self, folder: Path, vcf: str, output: str, weights: Sequence[str], arm: Arm) -> None:
        words = ["score", self.out / vcf, fasta_of(arm.data, self.simulated), "-o", folder / output]
        words += ["--threads", str(self.threads), "--weights", *(folder / name for name in weights)]
        steps.run_module("mifm_kipoi.cli", words, folder / "command.log")

    def _report(self, table: pd.DataFrame) -> None:
        test = Test(table[table["split"] == "test"])
        validation = Test(table[table["split"] == "validation"])
        scored = [*self._scored(test), *self._baselines(test)]
        scored += self._with_prior(test, validation)
        results = self.out / "results"
        write_results(results, test, scored)
        steps.write_table(results / "arms.tsv", self._described(scored))
        steps.write_table(results / "credible_sets.tsv", credible_sets(test, scored, self._ld(test)))
        steps.write_table(results / "learning_curves.tsv", self._curves(validation))
        steps.write_table(results / "attribution.tsv", self._attribution(test, scored))
        with written_whole(results / "settings.json") as path:
            path.write_text(json.dumps(self._settings(), indent=1) + "\n")
        write_report(results, self.out)

    def _logits(self, test: Test, arm: str, seed: int = 1) -> Values:
        """Logits of the reference windows from the file of scores, in the order of the table."""
        scores = pd.read_parquet(self.folder(arm, seed) / "scores.parquet")
        found = test.table[KEYS].merge(scores[[*KEYS, "mifm_logit_ref"]], on=KEYS, how="left", validate="m:1")
        logits = found["mifm_logit_ref"].to_numpy(np.float64)
        if missing := int(np.isnan(logits).sum()):
            raise steps.BenchmarkError(
                f"{missing} of {len(logits)} variants of {self.out / HELD_OUT_VCF} have no score of {arm}"
            )
        return logits

    def _members(self, test: Test) -> dict[int, Values]:
        pooling, seeds = self.size.pooling, range(1, self.size.members + 1)
        return {seed: self._logits(test, pooling, seed) for seed in seeds}

    def _of_arm(self, test: Test, arm: Arm) -> Scored:
        if arm.ensemble:
            return Scored(arm, mean_logits(list(self._members(test).values())))
        if arm.name == self.size.pooling:
            members = self._members(test)
            return Scored(arm, members[1], members if len(members) > 1 else {})
        return Scored(arm, self._logits(test, arm.name))

    def _scored(self, test: Test) -> list[Scored]:
        return [self._of_arm(test, arm) for arm in self.arms]

    def _baselines(self, test: Test) -> list[Scored]:
        table = test.table
        pip = prior.uniform_pips(table["log_bf"].to_numpy(np.float64), test.bag)
        found = {
            "lowest_p": Scored(BASELINES[0], np.abs(table["z"].to_numpy(np.float64))),
            "abf": Scored(BASELINES[1], pip, pip=pip),
            "random": Scored(BASELINES[2], np.zeros(len(table))),
            "oracle": Scored(BASELINES[3], self._oracle(test)),
        }
        return list(found.values())

    def _oracle(self, test: Test) -> Values:
        """The rule, applied to windows that are cut from the FASTA as for scoring."""
        variants = list(read_variants(self.out / HELD_OUT_VCF))
        windows = cut_windows(variants, Genome(self.simulated / FASTA))
        kinds = classify_windows(windows.ref, VARIANT_INDEX)
        found = {
            (variant.chrom, variant.pos): float(kind is Kind.CAUSAL)
            for variant, kind in zip(variants, kinds, strict=True)
        }
        places = zip(test.table["chrom"], test.table["pos"], strict=True)
        return np.array([found[place] for place in places])

    def _with_prior(self, test: Test, validation: Test) -> list[Scored]:
        """Scores of poolings and their combinations as priors, the two numbers found on validation bags."""
        found = []
        for arm in self.arms:
            if arm.group not in ("pooling", "combination") or arm.data != "main":
                continue
            parts = []
            for part in (validation, test):
                log_bf = part.table["log_bf"].to_numpy(np.float64)
                parts.append((self._of_arm(part, arm).score, log_bf, part.bag))
            fitted = prior.fit_prior(*parts[0])
            pip = fitted.pips(*parts[1])
            own = dataclasses.replace(
                arm, name=f"{arm.name}+abf", group="prior", label=f"{arm.label} + ABF",
                description=f"prior odds exp({fitted.slope:.2f} f {fitted.offset:+.2f})",
            )  # fmt: skip
            found.append(Scored(own, pip, pip=pip))
        return found

    def _described(self, scored: Sequence[Scored]) -> pd.DataFrame:
        rows = []
        for one in scored:
            arm, windows, seconds = one.arm, 0, 0.0
            trained = arm.group in ("pooling", "control")
            if trained and arm.fitted:
                log = pd.read_csv(self.folder(arm.name) / FIT_LOG)
                windows, seconds = int(log["windows"].sum()), float(log["seconds"].sum())
            members = self.size.members if arm.ensemble or arm.student else int(trained)
            rows.append(
                {
                    "arm": arm.name, "group": arm.group, "label": arm.label,
                    "description": arm.description, "members": members, "windows": windows,
                    "seconds": seconds,
                }
            )  # fmt: skip
        return pd.DataFrame(rows)

    def _curves(self, validation: Test) -> pd.DataFrame:
        """The logs of the fits, and top-1 of the validation bags after each epoch."""
        parts = []
        for arm, seed in self._networks():
            log = pd.read_csv(self.folder(arm, seed) / FIT_LOG)
            scores = pd.read_parquet(self.folder(arm, seed) / "epochs.parquet")
            epochs = [f"mifm_logit_ref_epoch-{epoch}" for epoch in log["epoch"]]
            if len(epochs) == 1:
                scores = scores.rename(columns={"mifm_logit_ref": epochs[0]})
            found = validation.table[KEYS].merge(
                scores[[*KEYS, *epochs]], on=KEYS, how="left", validate="m:1"
            )
            top_1 = [validation.top(found[epoch].to_numpy(np.float64), 1).value for epoch in epochs]
            parts.append(
                pd.DataFrame(
                    {
                        "arm": arm, "seed": seed, "epoch": log["epoch"], "windows": log["windows"].cumsum(),
                        "train_loss": log["train_loss"], "validation_loss": log["validation_loss"],
                        "validation_top_1": top_1,
                    }
                )
            )  # fmt: skip
        return pd.concat(parts, ignore_index=True)

    def _attribution(self, test: Test, scored: Sequence[Scored]) -> pd.DataFrame:
        """Of the pooling with the highest top-1, and of max; where the windows are those of the package."""
        columns = ["arm", "motif", "offset", "base", "informative", "effect", "background"]
        networks = read_configuration([self.recipe], Recipe).network
        poolings = {one.arm.name: one for one in scored if one.arm.group == "pooling"}
        if networks.window != WINDOW or not poolings:
            return pd.DataFrame(columns=columns)
        best = max(poolings, key=lambda name: test.top(poolings[name].score, 1).value)
        parts = []
        for name in dict.fromkeys([best, *("max",) * ("max" in poolings)]):
            folder = self.out / "attribution" / name
            weights = self.folder(name) / MEMBER

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
            found = effects_by_motif(folder / "exchanges.parquet", self.simulated / FASTA)
            parts.append(found.assign(arm=name))
        return pd.concat(parts)[columns]

    def _ld(self, test: Test) -> dict[int, Values]:
        """Correlations between the variants of each bag, from the genotypes in PLINK's format."""
        found = {}
        for chrom, rows in test.table.groupby("chrom"):
            with open_bed(self.simulated / GENOTYPES / DISCOVERY / f"{chrom}.bed", num_threads=1) as bed:
                index = {name: number for number, name in enumerate(bed.sid)}
                for bag, members in rows.groupby("bag"):
                    columns = [index[name] for name in members["id"]]
                    dosages = bed.read(np.s_[:, columns], dtype="float32", num_threads=1)
                    with np.errstate(invalid="ignore"):
                        found[int(bag)] = np.atleast_2d(np.corrcoef(dosages.T.astype(np.float64)))
        return found

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
            "checksums": {name: manifest["sha256"][name] for name in (FASTA, VARIANTS)},
        }
