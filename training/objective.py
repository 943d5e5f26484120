"""From instance logits to the loss of bags."""

from __future__ import annotations

import dataclasses
from typing import Literal

PoolingName = Literal[
    "max", "log_sum_exp", "generalised_mean", "isr", "noisy_or", "top_k_mean",
    "gated_attention", "additive_attention", "single_effect", "susie_em",
]  # fmt: skip


@dataclasses.dataclass(frozen=True)
class ObjectiveConfig:
    """The loss.

    Parameters
    ----------
    pooling : str
        How a bag's score is made of those of its instances; see :mod:`training.pooling`.
    """

    pooling: PoolingName = "max"
