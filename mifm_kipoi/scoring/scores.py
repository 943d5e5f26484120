"""The named scores of a variant, as pure functions of its two logits."""

from __future__ import annotations

from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

SCORES = ("mifm_ref", "mifm_alt", "mifm_delta")
"""Names of the scores, in the order of every output."""

LOGITS = ("mifm_logit_ref", "mifm_logit_alt")
"""Names of the logits, which follow the scores."""

Array = TypeVar("Array", bound=Any)
"""A numpy array or a tensor of PyTorch."""

AVERAGED = "averaged"
"""Suffix of the scores averaged over strands and shifts."""


def probability(logit: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
    """The logistic function; NaN stays NaN.

    Parameters
    ----------
    logit : numpy.ndarray of floating point, any shape
        Logits of the network.

    Returns
    -------
    numpy.ndarray of float32, same shape
        ``1 / (1 + exp(-logit))``, computed in float64.
    """
    exact = np.asarray(logit, dtype=np.float64)
    decay = np.exp(-np.abs(exact))
    return (np.where(exact >= 0, 1.0, decay) / (1.0 + decay)).astype(np.float32)


def both_alleles_logit(ref_logit: Array, alt_logit: Array) -> Array:
    """The logit of a variant by a network that was fitted with both alleles (``fit.alleles: both``).

    Parameters
    ----------
    ref_logit, alt_logit : numpy.ndarray or torch.Tensor of floating point, any shape
        Logits of the reference and the alternative windows, such as the columns ``mifm_logit_ref`` and
        ``mifm_logit_alt`` of a score file.

    Returns
    -------
    numpy.ndarray or torch.Tensor, same shape
        ``(ref + alt) / 2 + |alt - ref|``: what the sequence around the variant says, and how much the alleles
        differ. It does not change when REF and ALT are swapped.
    """
    both: Array = (ref_logit + alt_logit) / 2 + abs(alt_logit - ref_logit)
    return both


def variant_scores(
    ref_logit: npt.NDArray[Any], alt_logit: npt.NDArray[Any]
) -> dict[str, npt.NDArray[np.float32]]:
    """Scores of variants.

    Parameters
    ----------
    ref_logit, alt_logit : numpy.ndarray of floating point, shape (n,)
        Logits of the reference and the alternative windows.

    Returns
    -------
    dict of str to numpy.ndarray of float32, shape (n,)
        ``mifm_ref``, the sigmoid of the reference window's logit: the MIFM score of the paper.
        ``mifm_alt``, that of the alternative window, and ``mifm_delta``, ``mifm_alt - mifm_ref``:
        extensions, which the paper does not define.
    """
    ref, alt = probability(ref_logit), probability(alt_logit)
    return {"mifm_ref": ref, "mifm_alt": alt, "mifm_delta": alt - ref}
