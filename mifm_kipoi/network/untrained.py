"""Networks with random weights: what an architecture does before it has learnt anything."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch

from mifm_kipoi.network.model import MIFM, MIFMConfig
from mifm_kipoi.sequence import encoding

CALIBRATING = 1_000
"""Windows that give an untrained network its statistics of batch normalisation."""


def untrained(config: MIFMConfig, seed: int, windows: npt.NDArray[np.uint8]) -> MIFM:
    """A network with random weights, and with the statistics of batch normalisation that windows have in it.

    Parameters
    ----------
    config : MIFMConfig
        Sizes.
    seed : int
        Of the weights.
    windows : numpy.ndarray of uint8, shape (n, window)
        Coded; the first :data:`CALIBRATING` are used.

    Returns
    -------
    MIFM
        In evaluation mode, on the CPU; the same for the same arguments.
    """
    one_hot = encoding.one_hot(windows[:CALIBRATING])
    if config.channels > encoding.NO_BASE:
        one_hot = encoding.with_variant_token(one_hot, config.variant_index)
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(seed)
        network = MIFM(config).train()
        for module in network.modules():
            if isinstance(module, torch.nn.BatchNorm1d):
                # The mean over all batches seen, which here are one.
                module.momentum = None
        network(torch.from_numpy(one_hot))
    return network.eval()
