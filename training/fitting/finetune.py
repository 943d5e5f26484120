"""Fine-tune weights to the bags of a new GWAS, and say how the scores moved."""

from __future__ import annotations

import copy
import dataclasses
import json
import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import torch

from mifm_kipoi.errors import MIFMError
from mifm_kipoi.genomics.genome import Genome
from mifm_kipoi.network.inference import find_device
from mifm_kipoi.network.model import MIFM
from mifm_kipoi.network.weights import Weights, save_weights
from mifm_kipoi.support.files import written_whole
from training.configuration import to_plain
from training.data.dataset import DataSet, Split
from training.fitting.config import FitConfig
from training.fitting.fit import Fitted, fit, validation_bags
from training.fitting.frozen import with_frozen_statistics
from training.fitting.predictions import genome_of, instance_logits, largest, pearson, probabilities, spearman
from training.mil.batches import in_order
from training.mil.genome_tensor import GenomeTensor

WEIGHTS = "finetuned.safetensors"
"""The updated weights."""

REPORT = "finetune.json"
"""How the scores moved."""

_LARGEST = 10
"""Variants that the report names."""

_Floats = npt.NDArray[np.float64]


class FinetuneError(MIFMError):
    """Weights and a data set that do not fit."""


@dataclasses.dataclass(frozen=True)
class FinetuneConfig:
    """How weights are fine-tuned.

    Parameters
    ----------
    statistics : str
        Of batch normalisation: ``frozen``, they stay those of the weights, and the network trains as it
        will be used; ``updated``, they become those of the new windows. A single GWAS has too few windows,
        and too much of one kind, to estimate them anew. Scale and shift are learnt in either case.
    fit : FitConfig
        The fit itself, with defaults of its own: few epochs, a low and constant learning rate, and the last
        epoch, since a new GWAS rarely has bags to spare for validation.
    """

    statistics: Literal["frozen", "updated"] = "frozen"
    fit: FitConfig = dataclasses.field(
        default_factory=lambda: FitConfig(
            epochs=5,
            bags_per_batch=32,
            negatives_per_bag=4,
            max_shift=0,
            learning_rate=1e-4,
            schedule="constant",
            monitor="last",
        )
    )


def finetune(
    weights: Weights,
    dataset: DataSet,
    genome: Genome | GenomeTensor,
    config: FinetuneConfig,
    out: str | os.PathLike[str],
    resume: bool = False,
    show: bool | None = None,
) -> tuple[Path, dict[str, Any]]:
    """Go on with weights on the training bags of a data set.

    Parameters
    ----------
    weights : Weights
        With 4 or 5 channels.
    dataset : DataSet
        Of the new GWAS; all of it is training where ``data.splits`` names nothing.
    genome : Genome or GenomeTensor
        The FASTA that the data set was made with.
    config : FinetuneConfig
    out : path-like
        Folder, made where missing: the updated weights, the report, and in ``fit`` the files of
        :func:`training.fitting.fit.fit`.
    resume, show
        See :func:`training.fitting.fit.fit`.

    Returns
    -------
    weights : Path
        The updated weights.
    report : dict of plain JSON types
        See :func:`changes`; ``validation``, where there are such bags: metrics before and after.

    Raises
    ------
    FinetuneError
        When the data set has no training bags.
    """
    out = Path(out)
    if not (dataset.bags["split"] == Split.TRAIN.value).any():
        raise FinetuneError(
            "the data set has no training bags; make it with data.splits.validation=[] and "
            "data.splits.test=[] to use all of a new GWAS"
        )
    start = weights.model()
    place = genome_of(dataset, genome, weights.config.window + config.fit.max_shift)
    begun = with_frozen_statistics(start) if config.statistics == "frozen" else start
    fitted = fit(dataset, place, begun, config.fit, out / "fit", resume, show)
    device = find_device("cpu" if config.fit.accelerator == "cpu" else "auto")
    on_device = place.to(device)
    offsets = on_device.offsets(dataset.instances)
    before, after = (
        instance_logits(copy.deepcopy(network).to(device), on_device, offsets)
        for network in (start, fitted.network)
    )
    report = changes(dataset, before, after)
    if (dataset.bags["split"] == Split.VALIDATION.value).any():
        report["validation"] = _validation(dataset.part(Split.VALIDATION), place, start, fitted, config.fit)
    provenance = {
        "command": "python -m training finetune",
        "start": {"name": Path(weights.name).stem, "tensors_sha256": weights.sha256},
        "finetune": to_plain(config),
        "data_set": dataset.facts(),
        "change": {key: value for key, value in report.items() if isinstance(value, int | float)},
        "torch": torch.__version__,
    }
    save_weights(out / WEIGHTS, fitted.network, provenance)
    with written_whole(out / REPORT) as path:
        path.write_text(json.dumps(report, indent=1) + "\n")
    return out / WEIGHTS, report


def changes(dataset: DataSet, before: _Floats, after: _Floats) -> dict[str, Any]:
    """How scores moved.

    Parameters
    ----------
    dataset : DataSet
    before, after : numpy.ndarray of float64, shape (n,)
        Logits of its instances.

    Returns
    -------
    dict of plain JSON types
        ``positives`` and ``negatives``: of the instances of such bags their number, Pearson and Spearman
        correlation of the probabilities before and after, and their means. ``bags``:
        positive bags of two or more instances; ``same_top``: those of them whose first variant stayed.
        ``largest``: the variants whose probability changed most. Numbers that are not defined are None.
    """
    bag = dataset.instances["bag"].to_numpy()
    labels = dataset.bags["label"].to_numpy(np.int64)
    positive = labels[bag] == 1
    several = (labels == 1) & (dataset.bags["size"].to_numpy() > 1)
    same = largest(before, bag) == largest(after, bag)
    old, new = probabilities(before), probabilities(after)
    order = np.argsort(-np.abs(new - old), kind="stable")[:_LARGEST]
    named = dataset.instances.iloc[order][["chrom", "pos", "ref", "alt", "id"]]
    named = named.assign(label=labels[bag[order]], before=old[order].round(6), after=new[order].round(6))
    return {
        "positives": _moved(before[positive], after[positive]),
        "negatives": _moved(before[~positive], after[~positive]),
        "bags": int(several.sum()),
        "same_top": int(same[several].sum()),
        "largest": json.loads(named.to_json(orient="records")),
    }


def _moved(before: _Floats, after: _Floats) -> dict[str, Any]:
    old, new = probabilities(before), probabilities(after)
    # Ranks of logits, which do not meet at 0 and 1.
    found = {"pearson": pearson(old, new), "spearman": spearman(before, after)}
    if before.size:
        found |= {"mean_before": float(old.mean()), "mean_after": float(new.mean())}
    return {
        "instances": before.size,
        **{key: None if math.isnan(value) else round(value, 6) for key, value in found.items()},
    }


def _validation(
    validation: DataSet, genome: GenomeTensor, start: MIFM, fitted: Fitted, config: FitConfig
) -> dict[str, Any]:
    """Loss, AUROC and AUPRC of the validation bags before and after."""
    from training.fitting.member import Part, evaluate

    part = Part.of(validation, genome)
    batches = in_order(validation, config.max_bag_size, bags=validation_bags(config, validation))
    found: dict[str, Any] = {}
    for name, network in (("before", start), ("after", fitted.network)):
        one = evaluate(network, fitted.objective, genome, part, batches)
        values = {"loss": one.loss, "auroc": one.auroc, "auprc": one.auprc}
        found[name] = {key: None if math.isnan(value) else value for key, value in values.items()}
    return found


def lines(report: Mapping[str, Any]) -> list[str]:
    """The report in words."""
    found = []
    for kind in ("positives", "negatives"):
        moved = report[kind]
        if moved["instances"]:
            found.append(
                f"{moved['instances']:,} instances of {kind}: mean score {moved['mean_before']:.4f} -> "
                f"{moved['mean_after']:.4f}, Spearman {_shown(moved['spearman'])}, "
                f"Pearson {_shown(moved['pearson'])}"
            )
    found.append(f"first variant unchanged in {report['same_top']} of {report['bags']} positive bags")
    for kind, values in report.get("validation", {}).items():
        shown = ", ".join(f"{name} {_shown(value)}" for name, value in values.items())
        found.append(f"validation bags {kind}: {shown}")
    found += [
        f"changed most: {row['chrom']}:{row['pos']} {row['ref']}>{row['alt']} "
        f"{row['before']:.4f} -> {row['after']:.4f}"
        for row in report["largest"][:3]
    ]
    return found


def _shown(value: float | None) -> str:
    return "not defined" if value is None else f"{value:.4f}"
