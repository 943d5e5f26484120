"""The whole recipe, one section for each step; every command reads the sections that it needs."""

from __future__ import annotations

import dataclasses

from mifm_kipoi.model import MIFMConfig
from training.distil import DistilConfig
from training.export import ExportConfig
from training.fit import FitConfig
from training.prepare import DataConfig


@dataclasses.dataclass(frozen=True)
class Recipe:
    """What ``python -m training`` reads from ``--config`` and ``--set``.

    Parameters
    ----------
    fasta : str
        Reference genome, plain or bgzip.
    data : DataConfig
    network : MIFMConfig
        Of the members.
    fit : FitConfig
    distil : DistilConfig, optional
    export : ExportConfig
    """

    fasta: str = ""
    data: DataConfig = dataclasses.field(default_factory=DataConfig)
    network: MIFMConfig = dataclasses.field(default_factory=lambda: MIFMConfig(channels=5, dropout=0.5))
    fit: FitConfig = dataclasses.field(default_factory=FitConfig)
    distil: DistilConfig | None = None
    export: ExportConfig = dataclasses.field(default_factory=ExportConfig)
