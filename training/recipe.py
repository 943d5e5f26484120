"""The whole recipe, one section for each step; every command reads the sections that it needs."""

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
        Reference genome, plain or bgzip.
    data : DataConfig
    network : MIFMConfig
        Of the members: they read the variant token.
    fit : FitConfig
        Of a member.
    ensemble : EnsembleConfig
    student : MIFMConfig
        The network that the members are distilled into.
    distil : DistilConfig
    export : ExportConfig
    finetune : FinetuneConfig
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
