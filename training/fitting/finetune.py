"""Fine-tune weights to the bags of a new GWAS, and report how the scores changed."""

from __future__ import annotations

import copy
import dataclasses
import json
import math
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from mifm_kipoi.errors import MIFMError
from mifm_kipoi.genomics.genome import Genome
from mifm_kipoi.network.inference import find_device
from mifm_kipoi.network.model import MIFM
from mifm_kipoi.network.training_sets import KEY, training_sets
from mifm_kipoi.network.weights import Weights, save_weights
from mifm_kipoi.statistics.correlation import pearson, spearman
from mifm_kipoi.support.configuration import to_plain
from mifm_kipoi.support.files import written_whole
from training.data.dataset import DataSet, Split
from training.fitting.alleles import alleles_of
from training.fitting.calibrate import Calibration, calibrate
from training.fitting.config import FINETUNE_REPORT, FINETUNED, FinetuneConfig
from training.fitting.held_out import scorer, verdicts
from training.fitting.predictions import (
    Validation,
    evaluate,
    genome_of,
    highest_rows,
    probabilities,
)
from training.fitting.verdict import VERDICTS, Verdict, conclusion
from training.mil.genome_tensor import GenomeTensor
from training.mil.objective import Objective

_LARGEST = 10
"""Variants that the report names."""

START, AFTER = "network before fine-tuning", "fine-tuned network"
"""Names of the two networks in verdicts."""

_Floats = npt.NDArray[np.float64]


class FinetuneError(MIFMError):
    """Weights and a data set that do not fit."""


@dataclasses.dataclass(frozen=True)
class Finetuned:
    """Fine-tuned weights, and how the scores changed.

    Parameters
    ----------
    weights : Path
        The fine-tuned weights.
    report : dict of plain JSON types
        See :func:`changes`; ``calibration``: slope, offset and losses, or None; ``validation``, where there
        are such bags: metrics before, with slope and offset alone, and after; ``verdicts`` and ``warnings``.
    verdicts : tuple of Verdict
        What the weights knew of the held-out bags of the new GWAS before, and what they know after.
    """

    weights: Path
    report: dict[str, Any]
    verdicts: tuple[Verdict, ...] = ()


@dataclasses.dataclass(frozen=True)
class Finetune:
    """The fine-tuning of weights on the training bags of a data set.

    Parameters
    ----------
    weights : Weights
        The weights to begin with, of 4 or 5 channels.
    dataset : DataSet
        Bags of the new GWAS; all of them are for training where ``data.splits`` names nothing.
    genome : Genome or GenomeTensor
        The FASTA that the data set was made with.
    config : FinetuneConfig
        How the weights are fine-tuned.
    out : path-like
        Folder, made where missing: the fine-tuned weights, the report, and in ``fit`` the files of
        :class:`training.fitting.fit.Fit`.
    resume : bool
        Resume the fit in ``out``, if there is one.
    """

    weights: Weights
    dataset: DataSet
    genome: Genome | GenomeTensor
    config: FinetuneConfig
    out: str | os.PathLike[str]
    resume: bool = False

    def run(self, on_progress: Callable[[int, float], None] | None = None) -> Finetuned:
        """Fine-tune the weights, and compare the scores before and after.

        Parameters
        ----------
        on_progress : callable, optional
            Called after each step with the training windows so far and the fraction of all steps.

        Raises
        ------
        FinetuneError
            When the data set has no training bags, or the weights were fitted to read both alleles and
            ``config.fit.alleles`` is ``reference``.
        MIFMError
            As of :meth:`training.fitting.fit.Fit.run`.
        """
        # Lightning takes seconds to import, and frozen statistics are needed without it.
        from training.fitting.fit import Fit

        config, dataset, out = self.config, self.dataset, Path(self.out)
        if not (dataset.bags["split"] == Split.TRAIN.value).any():
            raise FinetuneError(
                "the data set has no training bags; make it with data.splits.validation=[] and "
                "data.splits.test=[] to use all of a new GWAS"
            )
        if alleles_of(self.weights) == "both" and config.fit.alleles != "both":
            raise FinetuneError(
                f"{self.weights.name} was fitted with fit.alleles=both, and finetune.fit.alleles is "
                f"{config.fit.alleles}: windows of REF alone would be fitted and judged; set "
                "finetune.fit.alleles=both"
            )
        start = self.weights.model()
        genome = genome_of(dataset, self.genome, self.weights.config.window + config.fit.max_shift)
        device = find_device("cpu" if config.fit.accelerator == "cpu" else "auto")
        on_device = genome.to(device)
        calibration = self._calibration(start, on_device, device) if config.calibrate else None
        network = calibration.of(start) if calibration else start
        if config.statistics == "frozen":
            network = with_frozen_statistics(network)
        fitted = Fit(dataset, genome, network, config.fit, out / "fit", self.resume).run(on_progress)
        scorers = {
            name: scorer(copy.deepcopy(one).to(device), on_device, config.fit.alleles)
            for name, one in ((START, start), (AFTER, fitted.network))
        }
        report = changes(dataset, *(score(dataset.instances) for score in scorers.values()))
        report["calibration"] = dataclasses.asdict(calibration) if calibration else None
        if (dataset.bags["split"] == Split.VALIDATION.value).any():
            networks = {"before": start, "calibrated": network, "after": fitted.network}
            report["validation"] = self._validation(genome, networks, fitted.objective)
        judged = {
            name: verdicts(
                name,
                dataset,
                (Split.VALIDATION, Split.TEST),
                score,
                chose_epoch=name == AFTER and config.fit.monitor != "last",
            )
            for name, score in scorers.items()
        }
        report[VERDICTS] = [one.to_dict() for both in judged.values() for one in both]
        report["warnings"] = list(conclusion(judged[AFTER]))
        provenance = {
            "command": "python -m training finetune",
            "start": {"name": Path(self.weights.name).stem, "tensors_sha256": self.weights.sha256},
            "finetune": to_plain(config),
            "alleles": config.fit.alleles,
            KEY: [each.to_dict() for each in (*training_sets(self.weights), dataset.training_set())],
            "data_set": dataset.facts(),
            "change": {key: value for key, value in report.items() if isinstance(value, int | float)},
            "calibration": report["calibration"],
            VERDICTS: [one.to_dict() for one in judged[AFTER]],
            "torch": torch.__version__,
        }
        save_weights(out / FINETUNED, fitted.network, provenance)
        with written_whole(out / FINETUNE_REPORT) as path:
            path.write_text(json.dumps(report, indent=1) + "\n")
        return Finetuned(out / FINETUNED, report, tuple(one for both in judged.values() for one in both))

    def _calibration(
        self, start: MIFM, genome: GenomeTensor, device: torch.device | str
    ) -> Calibration | None:
        """Slope and offset by the training bags; None for poolings that read more than logits."""
        fit = self.config.fit
        objective = Objective(fit.objective, start.config.head_channels)
        if objective.needs_features:
            return None
        train = self.dataset.part(Split.TRAIN)
        bags = Validation.of(train, genome, fit).to(device)
        return calibrate(copy.deepcopy(start).to(device), objective, genome, bags)

    def _validation(
        self, genome: GenomeTensor, networks: Mapping[str, MIFM], objective: Objective
    ) -> dict[str, Any]:
        """The measures of the validation bags of some networks."""
        validation = Validation.of(self.dataset.part(Split.VALIDATION), genome, self.config.fit)
        metrics: dict[str, Any] = {}
        for name, network in networks.items():
            values = evaluate(network, objective, genome, validation).metrics
            metrics[name] = {key: None if math.isnan(value) else value for key, value in values.items()}
        return metrics


class _FrozenBatchNorm(nn.BatchNorm1d):
    """Batch normalisation with the statistics that it has, also in training."""

    def train(self, mode: bool = True) -> _FrozenBatchNorm:  # noqa: ARG002 - never in training
        """Stay in evaluation mode."""
        return super().train(False)


def with_frozen_statistics(network: MIFM) -> MIFM:
    """A copy whose batch normalisation never changes its statistics; its tensors have the same names."""
    frozen = copy.deepcopy(network)
    for module in frozen.modules():
        if isinstance(module, nn.BatchNorm1d):
            module.__class__ = _FrozenBatchNorm
            module.train(False)
    return frozen


def changes(dataset: DataSet, before: _Floats, after: _Floats) -> dict[str, Any]:
    """How scores changed.

    Parameters
    ----------
    dataset : DataSet
        The bags of the new GWAS, n instances.
    before, after : numpy.ndarray of float64, shape (n,)
        Logits of the instances before and after fine-tuning.

    Returns
    -------
    dict of plain JSON types
        ``positives`` and ``negatives``: the number of instances of such bags, Pearson and Spearman
        correlation of their scores before and after, and the mean scores. ``bags``: positive bags of two or
        more instances; ``same_top``: how many of them kept their first variant. ``largest``: the variants
        whose score changed most. Numbers that are not defined are None.
    """
    bag = dataset.instances["bag"].to_numpy()
    labels = dataset.bags["label"].to_numpy(np.int64)
    positive = labels[bag] == 1
    several = (labels == 1) & (dataset.bags["size"].to_numpy() > 1)
    same = highest_rows(before, bag) == highest_rows(after, bag)
    old, new = probabilities(before), probabilities(after)
    order = np.argsort(-np.abs(new - old), kind="stable")[:_LARGEST]
    named = dataset.instances.iloc[order][["chrom", "pos", "ref", "alt", "id"]]
    named = named.assign(label=labels[bag[order]], before=old[order].round(6), after=new[order].round(6))
    return {
        "positives": _changed(before[positive], after[positive]),
        "negatives": _changed(before[~positive], after[~positive]),
        "bags": int(several.sum()),
        "same_top": int(same[several].sum()),
        "largest": json.loads(named.to_json(orient="records")),
    }


def _changed(before: _Floats, after: _Floats) -> dict[str, Any]:
    old, new = probabilities(before), probabilities(after)
    # Ranks of logits, which do not meet at 0 and 1.
    summary = {"pearson": float(pearson(old, new)), "spearman": float(spearman(before, after))}
    if before.size:
        summary |= {"mean_before": float(old.mean()), "mean_after": float(new.mean())}
    return {
        "instances": before.size,
        **{key: None if math.isnan(value) else round(value, 6) for key, value in summary.items()},
    }


def lines(report: Mapping[str, Any]) -> list[str]:
    """The report of :class:`Finetuned` in words, but for verdicts and warnings."""
    calibration = report.get("calibration")
    shown = [Calibration(**calibration).in_words()] if calibration else []
    for kind in ("positives", "negatives"):
        changed = report[kind]
        if changed["instances"]:
            shown.append(
                f"{changed['instances']:,} instances of {kind[:-1]} bags: mean score "
                f"{changed['mean_before']:.4f} -> {changed['mean_after']:.4f}; correlation of the scores "
                f"before and after: Spearman {_shown(changed['spearman'])}, Pearson "
                f"{_shown(changed['pearson'])}"
            )
    shown.append(
        f"first variant unchanged in {report['same_top']} of {report['bags']} positive bags of two or more"
    )
    for kind, values in report.get("validation", {}).items():
        # The sizes of bags alone decide their areas.
        metrics = ", ".join(f"{name} {_shown(values[name])}" for name in ("loss", "likelihood", "top_pip"))
        shown.append(f"validation bags {kind}: {metrics}")
    shown += [
        f"largest change: {row['chrom']}:{row['pos']} {row['ref']}>{row['alt']} "
        f"{row['before']:.4f} -> {row['after']:.4f}"
        for row in report["largest"][:3]
    ]
    return shown


def _shown(value: float | None) -> str:
    return "not defined" if value is None else f"{value:.4f}"
