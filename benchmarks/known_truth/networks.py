"""The networks of the arms: fitted, taught or gone on with, by commands, and their scores."""

from __future__ import annotations

import concurrent.futures
import logging
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from benchmarks.known_truth import steps
from benchmarks.known_truth.arms import TRAINED, Arm
from benchmarks.known_truth.datasets import fasta_of
from benchmarks.known_truth.evaluate import Scored, Test
from benchmarks.known_truth.sizes import Size
from mifm_kipoi.support.files import sha256_of
from mifm_kipoi.version import __version__
from training.configuration import read_configuration
from training.distillation.config import STUDENT
from training.fitting.config import EPOCHS, FINETUNED, MEMBER
from training.fitting.config import LOG as FIT_LOG
from training.fitting.predictions import mean_logits
from training.recipe import Recipe

RECIPES = Path(__file__).parent / "recipes"

HELD_OUT_VCF, VALIDATION_VCF = "held_out.vcf", "validation.vcf"
"""The variants that are scored: of validation and test bags, and of the first alone after each epoch."""

KEYS = ["chrom", "pos", "ref", "alt"]

Values = npt.NDArray[np.float64]


class Networks:
    """The networks of some arms in one folder; each is made once.

    Parameters
    ----------
    size : Size
        Size of the benchmark, with its recipe.
    arms : sequence of str
        Names of arms that are trained.
    out : Path
        Of the benchmark.
    simulated : Path
        Folder of the simulation.
    jobs : int
        Networks that are trained side by side.
    threads : int
        Of each.
    """

    def __init__(
        self, size: Size, arms: Sequence[str], out: Path, simulated: Path, jobs: int, threads: int
    ) -> None:
        self.size, self.out, self.simulated = size, out, simulated
        self.jobs, self.threads = jobs, threads
        self.arms = _with_needed(arms, size.pooling)
        self.recipe = recipe_of(size)

    def _networks(self) -> dict[tuple[str, int], Arm]:
        """The networks to fit, by arm and seed; those of the default pooling are members of the ensemble."""
        wanted: dict[tuple[str, int], Arm] = {}
        for arm in self.arms:
            seeds = self.size.members if arm.name == self.size.pooling else 1
            if arm.fitted:
                wanted |= {(arm.name, seed): arm for seed in range(1, seeds + 1)}
        return wanted

    def train(self) -> None:
        """Make all that are not there, the students and those that begin from another network last."""
        networks = self._networks()
        self._side_by_side([lambda key=key, arm=arm: self._fit(arm, key[1]) for key, arm in networks.items()])
        later = [arm for arm in self.arms if arm.student or arm.start]
        self._side_by_side(
            [lambda arm=arm: self._distil(arm) if arm.student else self._go_on(arm) for arm in later]
        )

    def _side_by_side(self, works: Sequence[Callable[[], None]]) -> None:
        """Run tasks, a number of them at a time; after an error or an interruption no other starts."""
        stopped = threading.Event()

        def unless_stopped(work: Callable[[], None]) -> None:
            if not stopped.is_set():
                try:
                    work()
                except BaseException:
                    stopped.set()
                    raise

        with concurrent.futures.ThreadPoolExecutor(self.jobs) as pool:
            futures = [pool.submit(unless_stopped, work) for work in works]
            try:
                for number, future in enumerate(concurrent.futures.as_completed(futures), start=1):
                    future.result()
                    logging.info("%d of %d networks", number, len(works))
            except BaseException as error:
                stopped.set()
                if not isinstance(error, Exception):
                    steps.end_children()
                raise

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
            self._score(folder, STUDENT, arm)

        checksums = [sha256_of(path) for path in teachers]
        steps.once(folder, self._made_of(arm, settings=settings, teachers=checksums), work)

    def _go_on(self, arm: Arm) -> None:
        folder = self.folder(arm.name)
        start = self.folder(arm.start) / MEMBER
        settings = [f"finetune.fit.objective.pooling={arm.pooling}", *arm.settings]

        def work() -> None:
            self._training(arm, folder, "finetune", settings, "--weights", start, "--resume")
            self._score(folder, FINETUNED, arm)

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
        epochs = pd.read_csv(folder / FIT_LOG)["epoch"]
        names = [f"{EPOCHS}/epoch-{epoch}.safetensors" for epoch in epochs]
        self._mifm_score(folder, VALIDATION_VCF, "epochs.parquet", names, arm)

    def _mifm_score(self, folder: Path, vcf: str, output: str, weights: Sequence[str], arm: Arm) -> None:
        words = ["score", self.out / vcf, fasta_of(arm.data, self.simulated), "-o", folder / output]
        words += ["--resume", "--threads", str(self.threads)]
        words += ["--weights", *(folder / name for name in weights)]
        steps.run_module("mifm_kipoi.cli", words, folder / "command.log")

    def logits(self, test: Test, arm: str, seed: int = 1) -> Values:
        """Logits of the reference windows from the file of scores, in the order of the table."""
        scores = pd.read_parquet(self.folder(arm, seed) / "scores.parquet")
        merged = test.table[KEYS].merge(
            scores[[*KEYS, "mifm_logit_ref"]], on=KEYS, how="left", validate="m:1"
        )
        logits = merged["mifm_logit_ref"].to_numpy(np.float64)
        if missing := int(np.isnan(logits).sum()):
            raise steps.BenchmarkError(
                f"{missing} of {len(logits)} variants of {self.out / HELD_OUT_VCF} have no score of {arm}"
            )
        return logits

    def members(self, test: Test) -> dict[int, Values]:
        """Logits of the members of the default pooling, by seed."""
        pooling, seeds = self.size.pooling, range(1, self.size.members + 1)
        return {seed: self.logits(test, pooling, seed) for seed in seeds}

    def scored(self, test: Test, arm: Arm) -> Scored:
        """What an arm says of variants."""
        if arm.ensemble:
            return Scored(arm, mean_logits(list(self.members(test).values())))
        if arm.name == self.size.pooling:
            members = self.members(test)
            return Scored(arm, members[1], members if len(members) > 1 else {})
        return Scored(arm, self.logits(test, arm.name))

    def curves(self, validation: Test) -> pd.DataFrame:
        """The logs of the fits, and top-1 of the validation bags after each epoch."""
        parts = []
        for arm, seed in self._networks():
            log = pd.read_csv(self.folder(arm, seed) / FIT_LOG)
            scores = pd.read_parquet(self.folder(arm, seed) / "epochs.parquet")
            epochs = [f"mifm_logit_ref_epoch-{epoch}" for epoch in log["epoch"]]
            if len(epochs) == 1:
                scores = scores.rename(columns={"mifm_logit_ref": epochs[0]})
            by_epoch = validation.table[KEYS].merge(
                scores[[*KEYS, *epochs]], on=KEYS, how="left", validate="m:1"
            )
            top_1 = [validation.top(by_epoch[epoch].to_numpy(np.float64), 1).value for epoch in epochs]
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


def _with_needed(names: Sequence[str], pooling: str) -> list[Arm]:
    """The arms of these names, and those that they are made of, in the order of all arms."""
    wanted = set(names)
    for arm in TRAINED:
        if arm.name in names:
            wanted |= {arm.start} if arm.start else set()
            wanted |= {pooling} if arm.ensemble or arm.student else set()
    return [arm for arm in TRAINED if arm.name in wanted]


def recipe_of(size: Size) -> Path:
    """The recipe of all arms of a size."""
    return RECIPES / f"{size.recipe}.yaml"
