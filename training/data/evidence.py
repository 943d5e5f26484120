"""What the studies of a bag say of its variants: posterior probabilities, and how much each study counts."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Values = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]


def posteriors(study: npt.NDArray[np.integer], log_bf: npt.ArrayLike, pip: npt.ArrayLike) -> Values:
    """Posterior inclusion probabilities of the rows of each study, given one causal variant among them.

    ``BF_j / sum_j BF_j`` of the study's Bayes factors; in a study without any, its PIPs over their sum; in
    one without either, all rows alike.

    Parameters
    ----------
    study : numpy.ndarray of int, shape (n,)
        The study of each row, in rising order.
    log_bf : array_like, shape (n,)
        Natural logarithms of Bayes factors, less than infinity; NaN where unknown.
    pip : array_like, shape (n,)
        PIPs of a fine-mapping tool; NaN where unknown.

    Returns
    -------
    numpy.ndarray of float64, shape (n,)
        They sum to 1 in each study; 0 where a row lacks what other rows of its study have.
    """
    starts = _starts(study)
    if not len(starts):
        return np.empty(0)
    sizes = np.diff(np.append(starts, len(study)))
    weights = np.asarray(log_bf, dtype=np.float64)
    weights = np.where(np.isnan(weights), -np.inf, weights)
    largest = np.maximum.reduceat(weights, starts)
    usable = np.isfinite(largest)
    with np.errstate(invalid="ignore"):
        weights = np.exp(weights - np.repeat(np.where(usable, largest, 0), sizes))
    if not usable.all():
        given = np.nan_to_num(np.asarray(pip, dtype=np.float64))
        known = np.add.reduceat(given, starts) > 0
        instead = np.where(np.repeat(known, sizes), given, 1.0)
        weights = np.where(np.repeat(usable, sizes), weights, instead)
    return np.asarray(weights / np.repeat(np.add.reduceat(weights, starts), sizes))


def study_weights(study: npt.NDArray[np.integer], instance: npt.NDArray[np.integer], pip: Values) -> Values:
    """How much each study counts, so that a signal which several studies of a bag see counts once.

    ``w_s = 1 / sum_t sum_j sqrt(PIP_sj PIP_tj)`` over the studies t of the bag, s among them: the overlap of
    two studies' posteriors (their Bhattacharyya coefficient) is 1 where they are the same and 0 where no
    variant is in both. So k equal studies weigh 1/k each, and a study with a signal of its own weighs 1.

    Parameters
    ----------
    study : numpy.ndarray of int, shape (n,)
        The study of each row in its bag, in rising order.
    instance : numpy.ndarray of int, shape (n,)
        The variant of each row in its bag: equal for the rows of a variant in studies of one bag, and for no
        others.
    pip : numpy.ndarray of float64, shape (n,)
        As :func:`posteriors` gives them.

    Returns
    -------
    numpy.ndarray of float64, shape (number of different studies,)
        Above 0 and at most 1, in the order of the studies.
    """
    starts = _starts(study)
    if not len(starts):
        return np.empty(0)
    root = np.sqrt(pip)
    _, which = np.unique(instance, return_inverse=True)
    # The sum over t comes first: it is the same for all studies with the variant.
    over_studies = np.bincount(which, weights=root)
    return np.asarray(1 / np.add.reduceat(root * over_studies[which], starts))


def _starts(study: npt.NDArray[np.integer]) -> Integers:
    """The first row of each study."""
    new = np.ones(len(study), dtype=bool)
    new[1:] = study[1:] != study[:-1]
    return np.flatnonzero(new)
