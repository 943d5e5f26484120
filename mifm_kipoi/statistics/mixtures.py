"""Weights of a mixture of known distributions."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from mifm_kipoi.support.packages import needed

Values = npt.NDArray[np.float64]

_SUM_WEIGHT = 1e3
"""How much more than an observation the sum of the weights counts in a least-squares step; it is 1."""

_STEPS = 200


def mixture_weights(log_likelihoods: Values, tolerance: float = 1e-10) -> Values:
    """The weights of components under which observations are likeliest.

    The problem is convex. Each step minimises the second-order expansion of the mean log-likelihood over
    weights that are not negative and sum to 1, which is a least-squares problem (as sequential quadratic
    programming does: Kim et al. 2020, J Comput Graph Stat 29:261; mixsqp).

    Parameters
    ----------
    log_likelihoods : numpy.ndarray of float64, shape (n, k)
        Of n observations under k components. What is common to a row does not matter.
    tolerance : float
        The steps end where one promises to add less than this to the mean log-likelihood.

    Returns
    -------
    numpy.ndarray of float64, shape (k,)
        0 or more, of sum 1.
    """
    nnls = needed("scipy.optimize", "finemapping").nnls
    n, k = log_likelihoods.shape
    likelihoods = np.exp(log_likelihoods - log_likelihoods.max(axis=1, keepdims=True))
    weights: Values = np.full(k, 1.0 / k)
    value = float(np.log(likelihoods @ weights).mean())
    for _ in range(_STEPS):
        relative = likelihoods / (likelihoods @ weights)[:, np.newaxis] / np.sqrt(n)
        target = np.full(n, 2.0 / np.sqrt(n))
        matrix = np.vstack([relative, np.full((1, k), _SUM_WEIGHT)])
        aim = nnls(matrix, np.append(target, _SUM_WEIGHT), maxiter=30 * k)[0]
        direction = aim / aim.sum() - weights
        promised = float((relative @ direction).sum()) / np.sqrt(n)
        if promised < tolerance:
            break
        size = 1.0
        while (new := float(np.log(likelihoods @ (weights + size * direction)).mean())) < value + (
            1e-4 * size * promised
        ) and size > 1e-12:
            size /= 2.0
        weights, value = np.maximum(weights + size * direction, 0.0), new
    return np.asarray(weights / weights.sum())
