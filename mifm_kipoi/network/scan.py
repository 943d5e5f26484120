"""Logits of every window of a sequence, computed together."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from mifm_kipoi.network.inference import Predictor
from mifm_kipoi.network.model import MIFM


class Scan:
    """A network made ready for the consecutive windows of a sequence.

    Parameters
    ----------
    model : MIFM
        In evaluation mode; its values are taken as they are now.
    """

    def __init__(self, model: MIFM) -> None:
        self._predictor = Predictor(model)
        self._index = model.config.variant_index

    @property
    def window(self) -> int:
        """Length of the network's windows in base pairs."""
        return self._predictor.window

    def logits(self, codes: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        """Logits of all windows of a sequence.

        Parameters
        ----------
        codes : numpy.ndarray of uint8, shape (n + window - 1,)
            Coded bases (:func:`mifm_kipoi.sequence.encoding.codes`); window i is ``codes[i : i + window]``.

        Returns
        -------
        numpy.ndarray of float32, shape (n,)
        """
        return self._predictor.logits(self._windows(codes))

    def substituted(
        self, codes: npt.NDArray[np.uint8], rows: npt.NDArray[np.int64], bases: npt.NDArray[np.uint8]
    ) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
        """Logits of all windows, and of windows with another base at the variant's index.

        Parameters
        ----------
        codes : numpy.ndarray of uint8, shape (n + window - 1,)
            As for :meth:`logits`.
        rows : numpy.ndarray of int64, shape (m,)
            The window of each substitution, ascending; a window can have several.
        bases : numpy.ndarray of uint8, shape (m,)
            Code of the base that is there instead.

        Returns
        -------
        ref_logit : numpy.ndarray of float32, shape (n,)
            As from :meth:`logits`.
        alt_logit : numpy.ndarray of float32, shape (m,)
        """
        windows = self._windows(codes)
        alt = windows[rows]
        alt[:, self._index] = bases
        return self._predictor.logits(windows), self._predictor.logits(alt)

    def _windows(self, codes: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
        return np.lib.stride_tricks.sliding_window_view(codes, self.window)
