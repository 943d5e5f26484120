"""Run a network over windows in batches."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch

from mifm_kipoi.model import MIFM

_BATCH = 256
"""Windows per forward pass: on CPUs, larger batches leave the cache and are half as fast."""


def logits(model: MIFM, windows: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Logits of one-hot windows.

    Parameters
    ----------
    model : MIFM
        On any device; left in the mode in which it came.
    windows : numpy.ndarray of float32, shape (n, channels, length)
        A window whose first value is NaN stands for one that cannot be scored.

    Returns
    -------
    numpy.ndarray of float32, shape (n,)
        NaN for windows that cannot be scored.
    """
    found = np.full(len(windows), np.nan, dtype=np.float32)
    scored = np.flatnonzero(~np.isnan(windows[:, 0, 0]))
    device = next(model.parameters()).device
    was_training = model.training
    model.eval()
    try:
        with torch.inference_mode():
            for start in range(0, scored.size, _BATCH):
                rows = scored[start : start + _BATCH]
                batch = torch.from_numpy(np.ascontiguousarray(windows[rows])).to(device)
                found[rows] = model(batch).float().cpu().numpy()
    finally:
        model.train(was_training)
    return found
