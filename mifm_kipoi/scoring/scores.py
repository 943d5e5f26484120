"""The named scores of a variant, as pure functions of its two logits, and what they are among others."""

from __future__ import annotations

from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from mifm_kipoi.network.background import Background

SCORES = ("mifm_ref", "mifm_alt", "mifm_delta")
"""Names of the scores, in the order of every output."""

LOGITS = ("mifm_logit_ref", "mifm_logit_alt")
"""Names of the logits, which follow the scores."""

PERCENTILES = ("mifm_percentile", "mifm_phred")
"""Where ``mifm_ref`` lies among the positions of the weights' background; they follow the logits."""

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


def background_columns(
    background: Background | None, ref_logit: npt.NDArray[Any]
) -> dict[str, npt.NDArray[np.float32]]:
    """What scores mean among the positions of real sequence.

    Parameters
    ----------
    background : Background or None
        That of the weights (:attr:`mifm_kipoi.Weights.background`).
    ref_logit : numpy.ndarray of floating point, shape (n,)
        Logits of reference windows.

    Returns
    -------
    dict of str to numpy.ndarray of float32, shape (n,)
        ``mifm_percentile``, 100 (1 - f), and ``mifm_phred``, -10 log10(f), where f is the fraction of the
        background's positions whose ``mifm_ref`` is as high or higher, at least that of one position. NaN
        without a background.
    """
    if background is None:
        missing = np.full(np.shape(ref_logit), np.nan, dtype=np.float32)
        return dict.fromkeys(PERCENTILES, missing)
    return dict(zip(PERCENTILES, background.percentile_and_phred(ref_logit), strict=True))
