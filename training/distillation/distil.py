"""How a student is distilled: on the bags that its teachers were fitted to, or on sequence alone."""

from __future__ import annotations

import dataclasses
import json
import logging
import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import torch

from mifm_kipoi.genomics.genome import Genome
from mifm_kipoi.network.inference import find_device
from mifm_kipoi.network.model import MIFMConfig
from mifm_kipoi.network.weights import Weights, save_weights
from training.configuration import to_plain
from training.data.dataset import DataSet
from training.distillation.bags import BagDistilConfig, distil_on_bags
from training.distillation.sequence import SequenceDistilConfig

WEIGHTS = "student.safetensors"
"""The student, in the folder of a distillation."""


@dataclasses.dataclass(frozen=True)
class DistilConfig:
    """One of two ways.

    Parameters
    ----------
    source : str
        ``bags``: the mean of several teachers, or their choice in each bag, on the windows of a data set;
        ``sequence``: one teacher's answers everywhere on a stretch of genome, for which no labels are
        needed.
    bags : BagDistilConfig
    sequence : SequenceDistilConfig, optional
        Must be given for the second.
    """

    source: Literal["bags", "sequence"] = "bags"
    bags: BagDistilConfig = dataclasses.field(default_factory=BagDistilConfig)
    sequence: SequenceDistilConfig | None = None

    def __post_init__(self) -> None:
        if self.source == "sequence" and self.sequence is None:
            raise ValueError("distil.source is sequence, and distil.sequence is missing")


def distil_bags(
    teachers: Sequence[Weights],
    dataset: DataSet,
    genome: Genome,
    student: MIFMConfig,
    config: BagDistilConfig,
    out: str | os.PathLike[str],
    start: Weights | None = None,
    device: str = "auto",
) -> Path:
    """Distil on bags, and write the student's weights with what made them.

    Parameters
    ----------
    teachers : sequence of Weights
    start : Weights, optional
        A student to go on with.
    device : str
        See :func:`mifm_kipoi.network.inference.find_device`.
    dataset, genome, student, config, out
        See :func:`training.distillation.bags.distil_on_bags`, whose errors are also those of this.

    Returns
    -------
    Path
        The weights in ``out``.
    """
    networks = [teacher.model() for teacher in teachers]
    begun = start.model() if start else student
    network, found = distil_on_bags(networks, dataset, genome, begun, config, out, find_device(device))
    known = {key: None if math.isnan(value) else value for key, value in dataclasses.asdict(found).items()}
    provenance = {
        "command": "python -m training distil",
        "distil": to_plain(config),
        "teachers": [_described(teacher) for teacher in teachers],
        "start": described_start(start),
        "data_set": dataset.facts(),
        "agreement": known,
        "torch": torch.__version__,
    }
    save_weights(Path(out) / WEIGHTS, network, provenance)
    logging.info("%s: %s", Path(out) / WEIGHTS, json.dumps(known))
    return Path(out) / WEIGHTS


def _described(teacher: Weights) -> dict[str, Any]:
    known = {
        key: teacher.provenance[key] for key in ("fit", "metrics", "source") if key in teacher.provenance
    }
    path = Path(teacher.name)
    # Members of an ensemble have one name, and folders of their own.
    name = f"{path.parent.name}/{path.stem}" if path.parent.name else path.stem
    return {"name": name, "tensors_sha256": teacher.sha256, **known}


def described_start(student: Weights | None) -> Mapping[str, object] | None:
    """The student that was gone on with, and what it had gone on with in its turn."""
    if student is None:
        return None
    known = {key: student.provenance.get(key) for key in ("recipe", "distil", "start")}
    return {"tensors_sha256": student.sha256, **{key: value for key, value in known.items() if value}}
