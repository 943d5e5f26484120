"""Credible sets: the fewest variants that hold the causal one with a given probability."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from mifm_kipoi.finemapping.groups import Groups
from mifm_kipoi.statistics.estimates import Values


def in_credible_set(pip: Values, bag: npt.NDArray[np.int64], level: float = 0.95) -> npt.NDArray[np.bool_]:
    """Which rows are in the credible set of their bag.

    Parameters
    ----------
    pip : numpy.ndarray of float64, shape (n,)
        Posterior inclusion probabilities, not negative. They need not sum to 1: a bag's set holds
        ``level`` of their sum.
    bag : numpy.ndarray of int64, shape (n,)
        Bag of each row.
    level : float
        Probability that the set holds, in (0, 1].

    Returns
    -------
    numpy.ndarray of bool, shape (n,)
        In each bag the rows of highest PIP, of equal ones the first, until their sum reaches ``level`` of the
        bag's; at least one row of each bag. All rows where ``level`` is 1.

    Raises
    ------
    ValueError
        When ``level`` is not in (0, 1].
    """
    if not 0 < level <= 1:
        raise ValueError(f"level is {level}; expected a number in (0, 1]")
    if level == 1 or not pip.size:
        return np.ones(pip.size, dtype=np.bool_)
    groups = Groups(bag)
    order = np.lexsort((-pip, groups.index))
    starts = np.cumsum(groups.sizes) - groups.sizes
    sorted_pip = pip[order].astype(np.float64)
    cumulative = np.cumsum(sorted_pip)
    before = cumulative - sorted_pip
    # What the higher ones of the bag hold together; the first has nothing before it.
    before = before - np.repeat(before[starts], groups.sizes)
    totals = np.add.reduceat(sorted_pip, starts)
    # A sum that is the level but for rounding reaches it.
    kept = before < level * (1 - 1e-9) * np.repeat(totals, groups.sizes)
    kept[starts] = True
    chosen = np.zeros(pip.size, dtype=np.bool_)
    chosen[order[kept]] = True
    return chosen
