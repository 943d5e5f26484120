"""Fit one member to the bags of a data set."""

from __future__ import annotations

import dataclasses

from training.objective import ObjectiveConfig


@dataclasses.dataclass(frozen=True)
class FitConfig:
    """How a member is fitted.

    Parameters
    ----------
    objective : ObjectiveConfig
    seed : int
    """

    objective: ObjectiveConfig = dataclasses.field(default_factory=ObjectiveConfig)
    seed: int = 1
