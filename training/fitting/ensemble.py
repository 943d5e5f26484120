"""Fit several members that differ in their seed, one after the other."""

from __future__ import annotations

import copy
import dataclasses
import json
import logging
import math
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mifm_kipoi.genomics.genome import Genome
from mifm_kipoi.network.inference import find_device
from mifm_kipoi.network.model import MIFMConfig
from mifm_kipoi.statistics.correlation import pearson
from mifm_kipoi.statistics.ranking import auroc
from mifm_kipoi.support.files import written_whole
from training.data.dataset import DataSet, Split
from training.fitting.config import ENSEMBLE_REPORT, EnsembleConfig, FitConfig, FitError
from training.fitting.fit import Fit, Fitted
from training.fitting.held_out import scorer, verdicts
from training.fitting.predictions import Validation, evaluate, genome_of, mean_logits, probabilities
from training.mil.genome_tensor import GenomeTensor

_SHOWN = ("validation_loss", "validation_likelihood", "validation_top_pip")
"""Columns of the log that are shown for each member."""


@dataclasses.dataclass(frozen=True)
class FittedEnsemble:
    """Complete members, and their metrics.

    Parameters
    ----------
    members : tuple of Fitted
        In the order of their seeds.
    report : dict of plain JSON types
        ``members``: seed, best epoch, metrics and verdict of each; ``mean``: the verdict on the mean of their
        probabilities of instances, and ``validation_auroc`` of bags by that of bags; ``pearson``: correlation
        of the instance logits of two members, averaged over all pairs. Verdicts are by validation bags, see
        :class:`training.fitting.verdict.Verdict`. Numbers that are not defined are None.
    """

    members: tuple[Fitted, ...]
    report: dict[str, Any]


@dataclasses.dataclass(frozen=True)
class Ensemble:
    """The fits of several members into ``out/member-SEED``.

    Parameters
    ----------
    dataset : DataSet
        Its test bags are not used.
    genome : Genome or GenomeTensor
        The FASTA that the data set was made with, or its contigs in memory.
    network : MIFMConfig
        Sizes of the members.
    config : FitConfig
        How each member is fitted; ``seed`` is replaced.
    ensemble : EnsembleConfig
        Which members.
    out : path-like
        Folder of the members and of the report; made where missing.
    """

    dataset: DataSet
    genome: Genome | GenomeTensor
    network: MIFMConfig
    config: FitConfig
    ensemble: EnsembleConfig
    out: str | os.PathLike[str]

    def run(self, on_progress: Callable[[int, float], None] | None = None) -> FittedEnsemble:
        """Fit the members that are not complete, and resume those that were interrupted.

        A member that is complete is only read, once its data set and settings are found to be the same.

        Parameters
        ----------
        on_progress : callable, optional
            Called after each step with the training windows of this call so far and the fraction of all
            members' steps.

        Raises
        ------
        FitError
            As of :meth:`training.fitting.fit.Fit.run`; also when a folder holds a member of another run, or
            several devices are asked for.
        """
        config = self.config
        if config.devices > 1:
            raise FitError(
                f"fit.devices is {config.devices}; the members of an ensemble are fitted on one device each. "
                "To use several devices, run one 'python -m training fit' on each, with fit.seed=SEED and "
                "--out OUT/member-SEED, and then the ensemble, which reads the members that are complete"
            )
        out = Path(self.out)
        out.mkdir(parents=True, exist_ok=True)
        genome = genome_of(self.dataset, self.genome, self.network.window + config.max_shift)
        progress = _Progress(self.ensemble.members, on_progress)
        members = []
        for number, seed in enumerate(self.ensemble.seeds):
            own = dataclasses.replace(config, seed=seed)
            fit = Fit(self.dataset, genome, self.network, own, out / f"member-{seed}", resume=True)
            member = fit.run(progress.of_member(number))
            logging.info(
                "member %d of %d, seed %d: best epoch %d of %d (from 0)%s",
                number + 1, self.ensemble.members, seed, member.epoch, len(member.history),
                validation_metrics(member.metrics),
            )  # fmt: skip
            members.append(member)
        report = {
            "members": [
                {
                    "seed": seed,
                    "epoch": member.epoch,
                    "metrics": _known(member.metrics),
                    "verdict": member.verdict.to_dict() if member.verdict else None,
                }
                for seed, member in zip(self.ensemble.seeds, members, strict=True)
            ],
            **self._together(members, genome),
        }
        with written_whole(out / ENSEMBLE_REPORT) as path:
            path.write_text(json.dumps(report, indent=1) + "\n")
        return FittedEnsemble(tuple(members), report)

    def _together(self, members: Sequence[Fitted], genome: GenomeTensor) -> dict[str, Any]:
        """The mean of the members on the validation bags, and how far they agree."""
        device = find_device("cpu" if self.config.accelerator == "cpu" else "auto")
        on_device = genome.to(device)
        validation = Validation.of(self.dataset.part(Split.VALIDATION), on_device, self.config).to(device)
        evaluations = [
            evaluate(
                copy.deepcopy(member.network).to(device), copy.deepcopy(member.objective).to(device),
                on_device, validation,
            )
            for member in members
        ]  # fmt: skip
        positive = evaluations[0].labels.cpu().numpy() > 0
        mean = np.mean([probabilities(one.bag_logits.cpu().numpy()) for one in evaluations], axis=0)
        # A network that diverged has no AUROC.
        rankable = len(positive) > 0 and bool(np.isfinite(mean).all())
        logits = [one.logits.cpu().double().numpy() for one in evaluations]
        pairs = [float(pearson(logits[i], logits[j])) for i in range(len(logits)) for j in range(i)]
        scorers = [
            scorer(copy.deepcopy(member.network).to(device), on_device, self.config.alleles)
            for member in members
        ]
        (verdict,) = verdicts(
            "members' mean", self.dataset, [Split.VALIDATION],
            lambda instances: mean_logits([score(instances) for score in scorers]),
            chose_epoch=self.config.monitor != "last",
        )  # fmt: skip
        return {
            "mean": {
                **_known({"validation_auroc": auroc(mean, positive) if rankable else math.nan}),
                "verdict": verdict.to_dict(),
            },
            "pearson": _known({"all": float(np.mean(pairs))})["all"] if pairs else None,
        }


class _Progress:
    """Turns the progress of each member into that of the ensemble."""

    def __init__(self, members: int, on_progress: Callable[[int, float], None] | None) -> None:
        self._members = members
        self._on_progress = on_progress
        self._windows = 0

    def of_member(self, number: int) -> Callable[[int, float], None] | None:
        """What the fit of a member calls, counted from 0."""
        if self._on_progress is None:
            return None
        on_progress, before = self._on_progress, self._windows

        def called(windows: int, fraction: float) -> None:
            self._windows = before + windows
            on_progress(self._windows, (number + fraction) / self._members)

        return called


def validation_metrics(metrics: Mapping[str, float | None]) -> str:
    """The validation metrics that are known, as the end of a line: ``, validation_loss 0.6931``.

    Areas of bags are left out: the sizes of bags alone can make them 1.
    """
    return "".join(
        f", {name} {value:.4f}"
        for name, value in metrics.items()
        if name in _SHOWN and value is not None and not math.isnan(value)
    )


def _known(metrics: Mapping[str, float]) -> dict[str, float | None]:
    return {
        name: None if math.isnan(value) else value for name, value in metrics.items() if name != "seconds"
    }
