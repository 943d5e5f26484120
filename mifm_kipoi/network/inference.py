"""Run a network over windows, and over pairs of reference and alternative windows, in batches."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import torch
from torch.nn import functional as F  # noqa: N812 - its usual name

from mifm_kipoi.conventions import FULL, PRECISIONS
from mifm_kipoi.errors import OptionError, WeightsError
from mifm_kipoi.network.model import MIFM
from mifm_kipoi.network.partial import PartialNetwork
from mifm_kipoi.sequence import encoding

_BATCH = 256
"""Windows, or pairs of windows, per batch: on CPUs, more leave the cache and fewer waste time on calls."""


class Predictor:
    """A network made ready for inference.

    Windows come in one of two forms: codes, uint8 of shape (n, window), from
    :func:`mifm_kipoi.cut_windows`; or one-hot, floating point of shape (n, channels, window), in which
    a window whose first value is NaN stands for one that cannot be scored. One-hot windows are read
    fastest when their memory is laid out as (n, window, channels). A network with the variant token is given
    it at the variant's index, unless one-hot windows have the fifth channel already.

    Parameters
    ----------
    model : MIFM
        On any device; it is left as it came, and its values are taken as they are now.
    batch_size : int, optional
        Windows, or pairs of windows, per batch.
    precision : str
        A key of :data:`mifm_kipoi.conventions.PRECISIONS`: the format of activations. The two short
        ones are for GPUs; what they cost is in docs/tasks/scoring.md.
    path : path-like, optional
        The file of the weights, which errors name.
    """

    def __init__(
        self,
        model: MIFM,
        batch_size: int | None = None,
        precision: str = FULL,
        path: str | os.PathLike[str] = "",
    ) -> None:
        self._batch_size = batch_size or _BATCH
        self._precision, self._path = precision, path
        kind = PRECISIONS[precision]
        self._network = PartialNetwork(model, getattr(torch, kind) if kind else None)
        self._like = model.head.weight.detach()
        self._index, self._window = model.config.variant_index, model.config.window
        bases = torch.eye(encoding.NO_BASE + 1, model.config.channels)
        bases[encoding.NO_BASE] = 0
        self._bases = bases.to(self._like)

    @property
    def window(self) -> int:
        """Length of the network's windows in base pairs."""
        return self._window

    @property
    def network(self) -> PartialNetwork:
        """The network, for computations on its levels."""
        return self._network

    def logits(self, windows: npt.NDArray[np.uint8 | np.floating]) -> npt.NDArray[np.float32]:
        """Logits of windows.

        Parameters
        ----------
        windows : numpy.ndarray
            In either form.

        Returns
        -------
        numpy.ndarray of float32, shape (n,)
            NaN for windows that cannot be scored.

        Raises
        ------
        ValueError
            When the windows have another shape than the network's.
        WeightsError
            When the network computes a logit that is not finite.
        """
        logits = np.full(len(windows), np.nan, dtype=np.float32)
        with exactly():
            for rows in _batches(_scorable(windows), self._batch_size):
                levels = self._network.levels(self.one_hot(_tensor(windows[rows])))
                logits[rows] = self.finite(self._network.read_out(levels[-1])).numpy()
        return logits

    def variant_logits(
        self,
        ref: npt.NDArray[np.uint8 | np.floating],
        alt: npt.NDArray[np.uint8 | np.floating],
        index: int | None = None,
    ) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
        """Logits of the reference and the alternative windows of variants.

        Equal to two calls of :meth:`logits` but for rounding, and faster: where the windows differ in
        the variant's base alone, only what that base reaches is computed again, and the reference
        window of neighbours that share one is computed once.

        Parameters
        ----------
        ref, alt : numpy.ndarray
            In either form, both in the same.
        index : int, optional
            0-based position of the variant's base in the windows, that of the network by default.

        Returns
        -------
        ref_logit, alt_logit : numpy.ndarray of float32, shape (n,)
            NaN where either window cannot be scored.

        Raises
        ------
        ValueError
            When the windows have another shape than the network's, or the two differ.
        WeightsError
            When the network computes a logit that is not finite.
        """
        if ref.shape != alt.shape or ref.dtype != alt.dtype:
            raise ValueError(
                f"ref is {ref.dtype} of shape {ref.shape} and alt {alt.dtype} of {alt.shape}; "
                "expected two of a kind"
            )
        index = self._index if index is None else index
        both = np.full((2, len(ref)), np.nan, dtype=np.float32)
        with exactly():
            for rows in _batches(_scorable(ref, alt), self._batch_size):
                both[:, rows] = self._pair_logits(_tensor(ref[rows]), _tensor(alt[rows]), index)
        return both[0], both[1]

    def _pair_logits(self, ref: torch.Tensor, alt: torch.Tensor, index: int) -> npt.NDArray[np.float32]:
        """Shape (2, n)."""
        differs = (ref != alt).view(*ref.shape[:2], -1).any(2)
        differs[:, index] = False
        substituted = ~differs.any(1)
        first = torch.ones(len(ref), dtype=torch.bool)
        first[1:] = (ref[1:] != ref[:-1]).flatten(1).any(1)
        owner = first.cumsum(0) - 1
        one_by_one = bool(substituted.all() and first.all())
        whole = ref if one_by_one else torch.cat([ref[first], alt[~substituted]])
        levels = self._network.levels(self.one_hot(whole, index))
        bins = [levels[-1]]
        if substituted.any():
            bases = self.one_hot(alt[substituted], index)[:, index]
            rows = None if one_by_one else owner[substituted].to(bases.device)
            bins.append(self._network.substitute(levels, index, bases, rows))
        logits = self.finite(self._network.read_out(torch.cat(bins)))
        both = torch.empty(2, len(ref))
        refs = int(first.sum())
        both[0] = logits[:refs][owner]
        both[1, ~substituted] = logits[refs : len(whole)]
        both[1, substituted] = logits[len(whole) :]
        return both.numpy()

    def finite(self, logits: torch.Tensor) -> torch.Tensor:
        """Logits as the network computes them, as float32 on the CPU; see :func:`finite`."""
        return finite(logits, self._path, self._precision)

    def one_hot(self, windows: torch.Tensor, index: int | None = None) -> torch.Tensor:
        """Windows on the network's device: codes or one-hot -> (n, window, channels)."""
        windows = windows.to(self._like.device)
        wanted = self._bases.shape[1]
        if windows.dim() == 3:
            channels = windows.to(self._like.dtype)
            if channels.shape[2] == wanted or channels.shape[2] != encoding.NO_BASE:
                return channels
            channels = F.pad(channels, (0, wanted - encoding.NO_BASE))
        else:
            channels = F.embedding(windows.int(), self._bases)
        if wanted > encoding.NO_BASE:
            channels[:, self._index if index is None else index] = channels.new_tensor([0, 0, 0, 0, 1])
        return channels


def logits(model: MIFM, windows: npt.NDArray[np.uint8 | np.floating]) -> npt.NDArray[np.float32]:
    """Logits of windows under a model; see :meth:`Predictor.logits`."""
    return Predictor(model).logits(windows)


def finite(logits: torch.Tensor, path: str | os.PathLike[str] = "", precision: str = FULL) -> torch.Tensor:
    """Logits as a network computes them, as float32 on the CPU.

    Parameters
    ----------
    logits : torch.Tensor
        On any device.
    path : path-like, optional
        The file of the weights, which the error names.
    precision : str
        The format of activations, which it names as well.

    Raises
    ------
    WeightsError
        When some are not finite: of weights that are too large, or in a short format of activations.
    """
    found = logits.float().cpu()
    if not torch.isfinite(found).all():
        count = int((~torch.isfinite(found)).sum())
        weights = f"the weights {path}" if path else "the weights of the network"
        raise WeightsError(
            f"{weights} give numbers that are not finite for {count} of {len(found)} windows: they are "
            f"too large to compute with (the format of activations is {precision}), or the windows "
            "hold numbers that are not bases. Check where the weights come from"
        )
    return found


def find_device(name: str = "auto") -> torch.device:
    """A device of PyTorch; ``auto`` is a GPU where there is one.

    Raises
    ------
    OptionError
        When there is no such device.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        return torch.empty(0, device=name).device
    # PyTorch has an exception of its own for each way in which a device can be missing.
    except Exception as error:
        raise OptionError(f"no device {name!r}: {error}; expected cpu, cuda or auto") from error


@contextlib.contextmanager
def exactly() -> Iterator[None]:
    """No gradients, and no TensorFloat-32 in place of float32 on GPUs, in any number of threads at a time."""
    with torch.inference_mode(), _FULL_FLOAT32:
        yield


class _FullFloat32:
    """Keeps TensorFloat-32 off while any thread is inside: PyTorch has one setting for all of them."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inside = 0
        self._before = True

    def __enter__(self) -> None:
        with self._lock:
            if not self._inside:
                self._before = torch.backends.cudnn.allow_tf32
                torch.backends.cudnn.allow_tf32 = False
            self._inside += 1

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._inside -= 1
            if not self._inside:
                torch.backends.cudnn.allow_tf32 = self._before


_FULL_FLOAT32 = _FullFloat32()


def _scorable(*windows: npt.NDArray[np.uint8 | np.floating]) -> npt.NDArray[np.intp]:
    """Rows without NaN in the first value."""
    scorable = np.ones(len(windows[0]), dtype=bool)
    for each in windows:
        if each.dtype != np.uint8 and each.size:
            scorable &= ~np.isnan(each[:, 0, 0])
    return np.flatnonzero(scorable)


def _batches(rows: npt.NDArray[np.intp], size: int) -> Iterator[npt.NDArray[np.intp] | slice]:
    """Batches of rows, as slices where they follow each other, which takes no copy."""
    for start in range(0, rows.size, size):
        batch = rows[start : start + size]
        consecutive = batch[-1] - batch[0] == batch.size - 1
        yield slice(batch[0], batch[-1] + 1) if consecutive else batch


def _tensor(windows: npt.NDArray[np.uint8 | np.floating]) -> torch.Tensor:
    """Codes (n, window) as they are; one-hot (n, channels, window) as (n, window, channels)."""
    if windows.dtype != np.uint8:
        windows = windows.swapaxes(1, 2)
    return torch.from_numpy(np.require(windows, requirements=("C", "W")))
