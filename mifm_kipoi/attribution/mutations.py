"""In-silico mutagenesis as contributions of bases."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from mifm_kipoi.mutagenesis.mutate import substitution_logits
from mifm_kipoi.network.attribution import Contributions
from mifm_kipoi.network.inference import Predictor
from mifm_kipoi.sequence import encoding


class Mutagenesis:
    """The logit with each base at a position, less the mean over the four bases there.

    Of a position whose base is substituted, the contributions of A, C, G and T sum to 0, and their
    differences are differences of logits. Contributions of several positions need not add up.

    Parameters
    ----------
    predictor : Predictor
        Of the network. Calls from several threads are safe.
    """

    def __init__(self, predictor: Predictor) -> None:
        self._predictor = predictor

    @property
    def identity(self) -> dict[str, Any]:
        """What must be the same for the same numbers, as plain JSON types."""
        return {"method": "ism"}

    def __call__(self, codes: npt.NDArray[np.uint8]) -> Contributions:
        """Contributions of the bases of windows.

        Parameters
        ----------
        codes : numpy.ndarray of uint8, shape (n, window)
            Windows; those of a position without a base are 0.
        """
        logit, substituted = substitution_logits(self._predictor, codes)
        rows, indices = np.nonzero(codes != encoding.NO_BASE)
        substituted[rows, indices, codes[rows, indices]] = logit[rows]
        hypothetical = np.nan_to_num(substituted - substituted.mean(axis=2, keepdims=True)).swapaxes(1, 2)
        none = np.full(len(codes), np.nan, np.float32)
        return Contributions(logit, none, np.ascontiguousarray(hypothetical), none.copy())
