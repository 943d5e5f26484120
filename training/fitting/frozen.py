"""Batch normalisation that keeps its statistics, for networks that go on from good weights."""

from __future__ import annotations

import copy

from torch import nn

from mifm_kipoi.network.model import MIFM


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
