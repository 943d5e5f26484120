"""Scores as the prior of fine-mapping: posterior probabilities of a score and Bayes factors together."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd

from mifm_kipoi.finemapping.prior import fit_slope, uniform_pips

Values = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]


def posterior_with_prior(
    scores: Values, log_bf: Values, signal: Integers, chrom: npt.NDArray[np.object_]
) -> tuple[Values, dict[str, float]]:
    """``exp(a f) BF`` over its sum in the signal, with the slope a that signals of other chromosomes have.

    A slope that is fitted to the same signals would count their evidence twice. Scores that all lie between 0
    and 1 are turned into logits; a member without a score has the mean of its signal.

    Parameters
    ----------
    scores : numpy.ndarray of float64, shape (n,)
        Higher is more likely causal; NaN where there is none.
    log_bf : numpy.ndarray of float64, shape (n,)
        Natural logarithms of Bayes factors; NaN where unknown.
    signal : numpy.ndarray of int64, shape (n,)
        The signal of each member, from 0.
    chrom : numpy.ndarray of object, shape (n,)
        Its contig.

    Returns
    -------
    pip : numpy.ndarray of float64, shape (n,)
        NaN in members without a Bayes factor.
    slopes : dict of str to float
        The slope on each contig.
    """
    known = scores[~np.isnan(scores)]
    if known.size and known.min() > 0 and known.max() < 1:
        scores = np.log(scores) - np.log1p(-scores)
    used = np.flatnonzero(~np.isnan(log_bf))
    own, missing = scores[used], np.isnan(scores[used])
    codes = pd.factorize(signal[used])[0]
    counts = np.maximum(np.bincount(codes, ~missing), 1)
    own = np.where(missing, (np.bincount(codes, np.where(missing, 0.0, own)) / counts)[codes], own)
    pip = np.full(len(scores), np.nan)
    slopes: dict[str, float] = {}
    contigs = chrom[used]
    for contig in pd.unique(contigs).tolist():
        here = contigs == contig
        # Without other contigs nothing is known of the slope, and the prior is uniform.
        slope = fit_slope(own[~here], log_bf[used][~here], codes[~here]).slope if not here.all() else 0.0
        slopes[str(contig)] = slope
        pip[used[here]] = uniform_pips(slope * own[here] + log_bf[used][here], codes[here])
    return pip, slopes
