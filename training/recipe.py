"""The recipe of a training run: one section per step; each command reads the sections that it needs."""

from __future__ import annotations

import dataclasses

from mifm_kipoi.network.model import MIFMConfig
from training.data.prepare import DataConfig
from training.distillation.config import DistilConfig
from training.export import ExportConfig
from training.fitting.config import EnsembleConfig, FinetuneConfig, FitConfig


@dataclasses.dataclass(frozen=True)
class Recipe:
    """What ``python -m training`` reads from ``--config`` and ``--set``.

    Parameters
    ----------
    fasta : str
        Path of the reference genome, plain or bgzip.
    data : DataConfig
        The tables, and how a data set is made of them.
    network : MIFMConfig
        The network of the members, which reads the variant token (5 channels).
    fit : FitConfig
        How a member is fitted.
    ensemble : EnsembleConfig
        How many members are fitted, and how.
    student : MIFMConfig
        The network that the members are distilled into.
    distil : DistilConfig
        How the student is distilled.
    export : ExportConfig
        The Kipoi model that is made of the student.
    finetune : FinetuneConfig
        How weights are fine-tuned on the data set of another GWAS.
    """

    fasta: str = ""
    data: DataConfig = dataclasses.field(default_factory=DataConfig)
    network: MIFMConfig = dataclasses.field(default_factory=lambda: MIFMConfig(channels=5))
    fit: FitConfig = dataclasses.field(default_factory=FitConfig)
    ensemble: EnsembleConfig = dataclasses.field(default_factory=EnsembleConfig)
    student: MIFMConfig = dataclasses.field(default_factory=MIFMConfig)
    distil: DistilConfig = dataclasses.field(default_factory=DistilConfig)
    export: ExportConfig = dataclasses.field(default_factory=ExportConfig)
    finetune: FinetuneConfig = dataclasses.field(default_factory=FinetuneConfig)
