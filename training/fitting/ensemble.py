"""Fit several members that differ in their seed, one after the other."""

from __future__ import annotations

import copy
import dataclasses
import json
import logging
import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mifm_kipoi.genomics.genome import Genome
from mifm_kipoi.network.inference import find_device
from mifm_kipoi.network.model import MIFMConfig
from mifm_kipoi.support.files import written_whole
from training.configuration import check_least
from training.data.dataset import DataSet, Split
from training.fitting.config import FitConfig
from training.fitting.fit import FitError, Fitted, fit, validation_bags
from training.fitting.predictions import auroc, genome_of, pearson, probabilities
from training.mil.batches import in_order
from training.mil.genome_tensor import GenomeTensor

REPORT = "ensemble.json"
"""What the members reached, and their mean; written when all are complete."""


@dataclasses.dataclass(frozen=True)
class EnsembleConfig:
    """Which members.

    Parameters
    ----------
    members : int
        How many.
    first_seed : int
        Of the first; the others follow it. It takes the place of ``fit.seed``.
    """

    members: int = 5
    first_seed: int = 1

    def __post_init__(self) -> None:
        check_least(self, members=1, first_seed=0)

    @property
    def seeds(self) -> range:
        """One for each member."""
        return range(self.first_seed, self.first_seed + self.members)


@dataclasses.dataclass(frozen=True)
class Ensemble:
    """Complete members, and what they reached.

    Parameters
    ----------
    members : tuple of Fitted
        In the order of their seeds.
    report : dict of plain JSON types
        ``members``: seed, best epoch and metrics of each; ``mean``: ``validation_auroc`` of bags by the mean
        of the members' probabilities; ``pearson``: correlation of the instance logits of two members,
        averaged over all pairs. Numbers that are not defined are None.
    """

    members: tuple[Fitted, ...]
    report: dict[str, Any]


def fit_ensemble(
    dataset: DataSet,
    genome: Genome | GenomeTensor,
    network: MIFMConfig,
    config: FitConfig,
    ensemble: EnsembleConfig,
    out: str | os.PathLike[str],
    show: bool | None = None,
) -> Ensemble:
    """Fit the members into ``out/member-SEED``; each goes on where it was interrupted.

    Members that are complete are only read, once it is seen that they were made of the same data set and
    settings.

    Parameters
    ----------
    dataset, genome, network, config, show
        See :func:`training.fitting.fit.fit`.
    ensemble : EnsembleConfig
    out : path-like
        Folder, made where missing.

    Raises
    ------
    FitError
        As of :func:`training.fitting.fit.fit`; also when a folder holds a member of another run, or several
        devices are asked for.
    """
    if config.devices > 1:
        raise FitError(
            f"fit.devices is {config.devices}; the members of an ensemble are fitted on one device each. To "
            "use several, begin one 'python -m training fit' on each, with fit.seed=SEED and "
            "--out OUT/member-SEED, and then the ensemble, which reads what is complete"
        )
    out = Path(out)
    out.mkdir(parents=True, exist_ok=True)
    place = genome_of(dataset, genome, network.window + config.max_shift)
    members = []
    for number, seed in enumerate(ensemble.seeds, start=1):
        one = dataclasses.replace(config, seed=seed)
        found = fit(dataset, place, network, one, out / f"member-{seed}", resume=True, show=show)
        logging.info(
            "member %d of %d, seed %d: epoch %d of %d%s",
            number, ensemble.members, seed, found.epoch, len(found.history), described(found.metrics),
        )  # fmt: skip
        members.append(found)
    seeds = zip(ensemble.seeds, members, strict=True)
    report = {
        "members": [
            {"seed": seed, "epoch": member.epoch, "metrics": _known(member.metrics)} for seed, member in seeds
        ],
        **_together(members, dataset.part(Split.VALIDATION), place, config),
    }
    with written_whole(out / REPORT) as path:
        path.write_text(json.dumps(report, indent=1) + "\n")
    return Ensemble(tuple(members), report)


def described(metrics: Mapping[str, float | None]) -> str:
    """The validation metrics that are known, for a line of the log."""
    return "".join(
        f", {name} {value:.4f}"
        for name, value in metrics.items()
        if name.startswith("validation_") and value is not None and not math.isnan(value)
    )


def _known(metrics: Mapping[str, float]) -> dict[str, float | None]:
    return {
        name: None if math.isnan(value) else value for name, value in metrics.items() if name != "seconds"
    }


def _together(
    members: Sequence[Fitted], validation: DataSet, genome: GenomeTensor, config: FitConfig
) -> dict[str, Any]:
    """The mean of the members on the validation bags, and how far they agree."""
    from training.fitting.member import Part, evaluate

    bags = validation_bags(config, validation)
    device = find_device("cpu" if config.accelerator == "cpu" else "auto")
    place = genome.to(device)
    part = Part.of(validation, place)
    batches = in_order(validation, config.max_bag_size, bags=bags).to(device)
    found = [
        evaluate(
            copy.deepcopy(member.network).to(device), copy.deepcopy(member.objective).to(device), place, part,
            batches,
        )
        for member in members
    ]  # fmt: skip
    labels = validation.bags["label"].to_numpy(np.int64)[bags]
    mean = np.mean([probabilities(one.bag_logits.cpu().numpy()) for one in found], axis=0)
    logits = [one.logits.cpu().double().numpy() for one in found]
    pairs = [pearson(logits[i], logits[j]) for i in range(len(logits)) for j in range(i)]
    return {
        "mean": _known({"validation_auroc": auroc(mean, labels) if len(labels) else math.nan}),
        "pearson": _known({"all": float(np.mean(pairs))})["all"] if pairs else None,
    }
