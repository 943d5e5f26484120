"""The networks of the arms: fitted, taught or gone on with, by commands, and their scores."""

from __future__ import annotations

import concurrent.futures
import dataclasses
import logging
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from benchmarks.known_truth import steps
from benchmarks.known_truth.arms import Arm, DataName
from benchmarks.known_truth.datasets import fasta_of
from benchmarks.known_truth.evaluate import Test
from benchmarks.known_truth.plans import Plan
from benchmarks.known_truth.sources import code_of
from mifm_kipoi.statistics.ranking import Curve
from mifm_kipoi.support.files import sha256_of
from mifm_kipoi.version import __version__
from training.configuration import read_configuration
from training.data.dataset import Split, read_dataset
from training.distillation.config import STUDENT
from training.fitting.config import EPOCHS, FINETUNED, MEMBER, FitConfig
from training.fitting.config import LOG as FIT_LOG
from training.fitting.predictions import mean_logits
from training.recipe import Recipe

HELD_OUT_VCF, VALIDATION_VCF = "held_out.vcf", "validation.vcf"
"""The variants that are scored: of validation and test bags, and of the first alone after each epoch."""

KEYS = ["chrom", "pos", "ref", "alt"]

_LOGITS = ("mifm_logit_ref", "mifm_logit_alt")

_CODE = (
    "training.mil", "training.fitting", "mifm_kipoi.finemapping.groups", "mifm_kipoi.finemapping.prior",
    "mifm_kipoi.network", "mifm_kipoi.scoring.scorer", "mifm_kipoi.scoring.scores", "mifm_kipoi.sequence",
)  # fmt: skip
"""Packages and modules that decide what a network and its scores are, beside data, recipe and settings."""

Values = npt.NDArray[np.float64]


@dataclasses.dataclass(frozen=True)
class Budget:
    """How much a network is trained, in numbers of a fit.

    Parameters
    ----------
    epoch_windows : int
        Windows of an epoch, of both alleles where both are read.
    bags : int
        Positive bags, each of which comes once in an epoch.
    bags_per_batch, epochs : int
        Of the fit.
    """

    epoch_windows: int
    bags: int
    bags_per_batch: int
    epochs: int

    @property
    def windows(self) -> int:
        """Of all epochs."""
        return self.epochs * self.epoch_windows

    @property
    def steps(self) -> int:
        """Of all epochs."""
        return self.epochs * -(-self.bags // self.bags_per_batch)

    def as_of(self, other: Budget) -> Budget:
        """The nearest to the windows, and then to the steps, of another.

        Epochs are whole: windows differ by half an epoch at most, which is a fraction ``1 / (2 epochs)`` of
        them. The bags of a batch, which are whole too, follow from the epochs that are taken, so that their
        rounding changes the windows of a step rather than the number of steps.
        """
        epochs = max(1, round(other.windows / self.epoch_windows))
        # Of batches that give as many steps, the smallest are the most even.
        candidates = [
            dataclasses.replace(self, epochs=epochs, bags_per_batch=each) for each in range(1, self.bags + 1)
        ]
        return min(candidates, key=lambda budget: abs(budget.steps - other.steps))


class Networks:
    """The networks of some arms in one folder; each is made once.

    Parameters
    ----------
    plan : Plan
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
        self, plan: Plan, arms: Sequence[str], out: Path, simulated: Path, jobs: int, threads: int
    ) -> None:
        self.plan, self.out, self.simulated = plan, out, simulated
        self.jobs, self.threads = jobs, threads
        self.arms = _with_needed(arms, plan)
        self.recipe = plan.recipe_path

    def _networks(self) -> list[tuple[Arm, int]]:
        """The networks to fit, as arms and seeds; the first seeds of all arms come first."""
        wanted = [(arm, seed) for arm in self.arms if arm.fitted for seed in self.plan.seeds_of(arm)]
        return sorted(wanted, key=lambda network: network[1])

    def train(self) -> None:
        """Make all that are not there, the students and those that begin from another network last."""
        self._side_by_side(
            [lambda arm=arm, seed=seed: self._fit(arm, seed) for arm, seed in self._networks()]
        )
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
            "code": code_of(*_CODE, *(("training.distillation",) if arm.student else ())),
            "data": sha256_of(data / "manifest.json"),
            "recipe": self.recipe.read_text(),
            **more,
        }

    def _fit(self, arm: Arm, seed: int) -> None:
        folder = self.folder(arm.name, seed)
        settings = [f"fit.seed={seed}", *self._settings(arm)]

        def work() -> None:
            self._training(arm, folder, "fit", [*settings, "fit.keep_epochs=true"], "--resume")
            self._score(folder, MEMBER, arm)
            self._score_epochs(folder, arm)

        steps.once(folder, self._made_of(arm, settings=settings), work)

    def _settings(self, arm: Arm) -> list[str]:
        """Settings over the recipe's, with as many windows, in as many steps, as the main arm has.

        What remains of a difference is that of :meth:`Budget.as_of`: an arm of n epochs has up to 50 / n %
        more or fewer windows, so up to 6 % with eight epochs and up to 13 % with four, and one of b bags a
        batch about as much, 50 / b %, more or fewer steps.
        """
        usual = read_configuration([self.recipe], Recipe).fit
        pooling = [f"fit.objective.pooling={arm.pooling}"] if arm.pooling else []
        times = [one.removeprefix("fit.epochs=x") for one in arm.settings if one.startswith("fit.epochs=x")]
        fixed = [*pooling, *(one for one in arm.settings if not one.startswith("fit.epochs=x"))]
        if times:
            return [*fixed, f"fit.epochs={usual.epochs * int(times[0])}"]
        if self.plan.simulation.design == "clear":
            return [*fixed, *self._as_many_windows(arm)]
        own = read_configuration([self.recipe], Recipe, fixed).fit
        budget = self._budget(arm.data, own).as_of(self._budget("main", usual))
        return [*fixed, f"fit.bags_per_batch={budget.bags_per_batch}", f"fit.epochs={budget.epochs}"]

    def _budget(self, data: DataName, fit: FitConfig) -> Budget:
        train = read_dataset(self.out / "data" / data).part(Split.TRAIN)
        bags = int((train.bags["label"] == 1).sum())
        return Budget(fit.epoch_windows(train), bags, fit.bags_per_batch, fit.epochs)

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
        seeds = range(1, self.plan.members + 1)
        teachers = [self.folder(self.plan.main, seed) / MEMBER for seed in seeds]
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

    def logits(self, test: Test, arm: Arm, seed: int = 1) -> Values:
        """Logits from the file of scores, in the order of the table: those that the arm was trained for."""
        scores = pd.read_parquet(self.folder(arm.name, seed) / "scores.parquet")
        merged = test.table[KEYS].merge(scores[[*KEYS, *_LOGITS]], on=KEYS, how="left", validate="m:1")
        logits = _logits(arm, merged)
        if missing := int(np.isnan(logits).sum()):
            raise steps.BenchmarkError(
                f"{missing} of {len(logits)} variants of {self.out / HELD_OUT_VCF} have no score of "
                f"{arm.name}"
            )
        return logits

    def scores(self, test: Test, arm: Arm) -> tuple[Values, ...]:
        """What each network of an arm says of variants, as logits."""
        if arm.ensemble:
            (main,) = (one for one in self.arms if one.name == self.plan.main)
            return (mean_logits(list(self.scores(test, main))),)
        return tuple(self.logits(test, arm, seed) for seed in self.plan.seeds_of(arm))

    def curves(self, validation: Test) -> pd.DataFrame:
        """The logs of the fits, and top-1 and AUPRC of the validation bags after each epoch."""
        parts = []
        for arm, seed in self._networks():
            folder = self.folder(arm.name, seed)
            log = pd.read_csv(folder / FIT_LOG)
            columns = {
                "arm": arm.name, "seed": seed, "epoch": log["epoch"], "windows": log["windows"].cumsum(),
                **{name: log[name] for name in ("train_loss", "validation_loss", "validation_likelihood")},
            }  # fmt: skip
            logits = self._epoch_logits(validation, arm, folder, log["epoch"].tolist())
            columns["validation_top_1"] = [validation.top(one, 1).value for one in logits]
            columns["validation_auprc"] = [
                float(Curve(one, validation.causal).average_precision()) for one in logits
            ]
            parts.append(pd.DataFrame(columns))
        return pd.concat(parts, ignore_index=True)

    def _epoch_logits(self, validation: Test, arm: Arm, folder: Path, epochs: Sequence[int]) -> list[Values]:
        """Logits after each epoch."""
        scores = pd.read_parquet(folder / "epochs.parquet")
        if len(epochs) == 1:
            scores = scores.rename(columns={name: f"{name}_epoch-{epochs[0]}" for name in _LOGITS})
        columns = [f"{name}_epoch-{epoch}" for epoch in epochs for name in _LOGITS]
        merged = validation.table[KEYS].merge(scores[[*KEYS, *columns]], on=KEYS, how="left", validate="m:1")
        return [_logits(arm, merged, f"_epoch-{epoch}") for epoch in epochs]


def _logits(arm: Arm, scores: pd.DataFrame, suffix: str = "") -> Values:
    """The logits that an arm was trained for, from those of both windows."""
    reference, alternative = (scores[f"{name}{suffix}"].to_numpy(np.float64) for name in _LOGITS)
    if arm.both_alleles:
        return (reference + alternative) / 2 + np.abs(alternative - reference)
    return reference


def _with_needed(names: Sequence[str], plan: Plan) -> list[Arm]:
    """The arms of these names, and those that they are made of, in the order of all arms."""
    known = {arm.name: arm for arm in plan.known}
    if unknown := [name for name in names if name not in known]:
        raise steps.BenchmarkError(
            f"the design {plan.simulation.design} has no arm {unknown[0]!r}; it has {', '.join(known)}"
        )
    wanted = set(names)
    for arm in (known[name] for name in names):
        wanted |= {arm.start} if arm.start else set()
        wanted |= {plan.main} if arm.ensemble or arm.student else set()
    return [arm for arm in plan.known if arm.name in wanted]
