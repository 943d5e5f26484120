"""DeepLIFT: what each base of a window contributes to its logit, against shuffled windows (by tangermeme)."""

from __future__ import annotations

import copy
import dataclasses
import importlib.metadata
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from mifm_kipoi.network.model import MIFM
from mifm_kipoi.sequence import encoding
from mifm_kipoi.support.packages import needed

EXTRA = "interpretation"
"""The extra that brings tangermeme, TF-MoDISco and memelite."""

REFERENCES = 20
"""Dinucleotide shuffles of a window that it is compared with."""

_PAIRS = 160
"""Windows with a reference each that are computed together: 8 windows against 20 references."""


@dataclasses.dataclass(frozen=True)
class Contributions:
    """What the bases of windows contribute to their logits.

    Parameters
    ----------
    logit : numpy.ndarray of float32, shape (n,)
        Of the windows.
    reference_logit : numpy.ndarray of float32, shape (n,)
        Mean logit of what they are compared with; NaN for a method without references.
    hypothetical : numpy.ndarray of float32, shape (n, 4, window)
        Contribution that A, C, G or T would have at each position. That of the base which is there is its
        contribution (:func:`observed`).
    delta : numpy.ndarray of float32, shape (n,)
        Convergence delta: by how much the sum of the contributions misses ``logit - reference_logit``; NaN
        for a method whose contributions do not add up. Contributions are means over references, so that
        errors of single ones may cancel.
    """

    logit: npt.NDArray[np.float32]
    reference_logit: npt.NDArray[np.float32]
    hypothetical: npt.NDArray[np.float32]
    delta: npt.NDArray[np.float32]


def observed(hypothetical: npt.NDArray[np.float32], codes: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """Contributions of the bases that are there.

    Parameters
    ----------
    hypothetical : numpy.ndarray of float32, shape (n, 4, length)
        See :class:`Contributions`.
    codes : numpy.ndarray of uint8, shape (n, length)
        The windows.

    Returns
    -------
    numpy.ndarray of float32, shape (n, length)
        0 where there is no base.
    """
    known = codes != encoding.NO_BASE
    rows = np.where(known, codes, 0).astype(np.intp)
    values: npt.NDArray[np.float32] = np.take_along_axis(hypothetical, rows[:, None], axis=1)[:, 0]
    values[~known] = 0
    return values


class DeepLift:
    """DeepLIFT with the rescale rule, averaged over dinucleotide shuffles (DeepSHAP).

    Shrikumar, Greenside and Kundaje 2017, Lundberg and Lee 2017; hypothetical contributions as in TF-MoDISco.
    The same numbers as ``tangermeme.deep_lift_shap.deep_lift_shap(..., hypothetical=True,
    random_state=seed)``: reference k of every window is drawn with the seed ``seed + k``, whatever else is
    computed. It can be called from several threads: each has a copy of the network.

    Parameters
    ----------
    model : MIFM
        In evaluation mode.
    references : int
        Shuffles of each window.
    seed : int
        Of the shuffles.
    device : str or torch.device
        Where it is computed.

    Raises
    ------
    MissingPackageError
        When tangermeme is not installed.
    """

    def __init__(
        self,
        model: MIFM,
        references: int = REFERENCES,
        seed: int = 0,
        device: str | torch.device = "cpu",
    ) -> None:
        self._compute = needed("tangermeme.deep_lift_shap", EXTRA).deep_lift_shap
        self._shuffle = needed("tangermeme.ersatz", EXTRA).dinucleotide_shuffle
        self._model = model
        self._references = references
        self._seed = seed
        self._device = torch.device(device)
        self._of_thread = threading.local()

    @property
    def identity(self) -> dict[str, Any]:
        """What must be the same for the same numbers, as plain JSON types."""
        return {
            "method": "deeplift",
            "references": self._references,
            "shuffle": "dinucleotide",
            "seed": self._seed,
            "tangermeme": importlib.metadata.version("tangermeme"),
        }

    def __call__(
        self, codes: npt.NDArray[np.uint8], shuffled: npt.NDArray[np.uint8] | None = None
    ) -> Contributions:
        """Contributions of the bases of windows.

        Parameters
        ----------
        codes : numpy.ndarray of uint8, shape (n, window)
            Windows without N: a shuffle would move it.
        shuffled : numpy.ndarray of uint8, shape (n, window), optional
            The windows whose shuffles these are compared with; by default themselves. With those of another
            allele, contributions of both differ by what the alleles do, and not by their shuffles.

        Raises
        ------
        ValueError
            When a window has N.
        """
        shuffled = codes if shuffled is None else shuffled
        if np.any(codes == encoding.NO_BASE) or np.any(shuffled == encoding.NO_BASE):
            raise ValueError("a window has N, which shuffled references would have elsewhere")
        if not len(codes):
            none = np.empty(0, np.float32)
            return Contributions(none, none, np.empty((0, 4, codes.shape[1]), np.float32), none)
        model = self._model_of_thread()
        one_hot = torch.from_numpy(encoding.one_hot(codes)).contiguous()
        model.logits = []
        given = {} if shuffled is codes else {"references": self._shuffles(shuffled)}
        hypothetical = self._compute(
            model, one_hot, n_shuffles=self._references, **given, hypothetical=True, random_state=self._seed,
            batch_size=_PAIRS, device=self._device,
        ).numpy()  # fmt: skip
        # Each batch had its windows first, then as many references.
        halves = [logits.view(2, -1) for logits in model.logits]
        logits, references = torch.cat(halves, dim=1).view(2, len(codes), -1).mean(dim=2).numpy()
        total = observed(hypothetical, codes).sum(axis=1, dtype=np.float64)
        delta = np.abs(logits.astype(np.float64) - references - total).astype(np.float32)
        return Contributions(logits, references, hypothetical, delta)

    def _shuffles(self, codes: npt.NDArray[np.uint8]) -> torch.Tensor:
        """The references that windows have by default, shape (n, references, 4, window)."""
        one_hot = torch.from_numpy(encoding.one_hot(codes)).contiguous()
        seeds = [[self._seed + number] * len(codes) for number in range(self._references)]
        return torch.cat([self._shuffle(one_hot, n=1, random_state=seed) for seed in seeds], dim=1)

    def _model_of_thread(self) -> _Logits:
        """A copy of the network, since the hooks of an attribution lie in it."""
        if not hasattr(self._of_thread, "model"):
            self._of_thread.model = _Logits(copy.deepcopy(self._model)).to(self._device).eval()
        model: _Logits = self._of_thread.model
        return model


@contextmanager
def without_warnings() -> Iterator[None]:
    """Leave out what tangermeme says of convergence with single references. Not for several threads.

    Each window has the delta of its mean contributions.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Convergence deltas", category=RuntimeWarning)
        yield


class _Logits(nn.Module):
    """A network as tangermeme calls it: one-hot windows with four channels to logits of shape (n, 1).

    Parameters
    ----------
    model : MIFM
        One with the variant token gets it, so that the base at the centre contributes nothing.
    """

    def __init__(self, model: MIFM) -> None:
        super().__init__()
        self.model = model
        self.logits: list[torch.Tensor] = []
        config = model.config
        self._tokenised = config.channels > encoding.NO_BASE
        self._token = torch.zeros(1, 1, config.window)
        self._token[..., config.variant_index] = 1

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Shape (n, 4, window) -> (n, 1)."""
        if self._tokenised:
            token = self._token.to(x)
            x = torch.cat([x * (1 - token), token.expand(len(x), -1, -1)], dim=1)
        logits: torch.Tensor = self.model(x)
        self.logits.append(logits.detach().cpu())
        return logits.unsqueeze(1)
