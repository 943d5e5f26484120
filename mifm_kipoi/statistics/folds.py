"""Who trains a model and who tests it: folds, and random splits."""

from __future__ import annotations

import dataclasses

import numpy as np
import numpy.typing as npt

from mifm_kipoi.statistics.bootstrap import Seed

Rows = npt.NDArray[np.int64]


@dataclasses.dataclass(frozen=True)
class Split:
    """Rows that train a model, and rows that test it.

    Parameters
    ----------
    train, test : numpy.ndarray of int64
        Sorted; no row is in both.
    """

    train: Rows
    test: Rows


def k_folds(
    size: int,
    folds: int = 5,
    seed: Seed = 1,
    stratum: npt.ArrayLike | None = None,
    cluster: npt.ArrayLike | None = None,
) -> list[Split]:
    """Folds of rows at random, each of which is the test set of one split.

    Parameters
    ----------
    size : int
        Rows.
    folds : int
        From 2 to the number of rows (of clusters).
    seed : int or sequence of int
        Of the random numbers.
    stratum : array_like, shape (size,), optional
        Such as cases and controls: a stratum's rows are spread evenly, as far as clusters let them.
    cluster : array_like, shape (size,), optional
        Rows of a cluster, such as a family, are in the same fold.

    Returns
    -------
    list of Split
        Their test sets hold each row once.

    Raises
    ------
    ValueError
        When there are more folds than rows, or than clusters.
    """
    generator = np.random.default_rng(seed)
    strata = np.zeros(size, np.int64) if stratum is None else np.unique(stratum, return_inverse=True)[1]
    units = np.arange(size) if cluster is None else np.unique(cluster, return_inverse=True)[1]
    count = int(units.max()) + 1 if size else 0
    if not 2 <= folds <= count:
        what = "rows" if cluster is None else "clusters"
        raise ValueError(f"{folds} folds of {count} {what}: there must be from 2 to {count} folds")
    if cluster is None:
        order = np.lexsort((generator.random(size), strata))
        # Dealt in turn, from stratum to stratum, so that folds and strata within folds differ by at most 1.
        fold = np.empty(size, np.int64)
        fold[order] = generator.permutation(folds)[np.arange(size) % folds]
    else:
        fold = _fold_of_clusters(units, strata, count, folds, generator)[units]
    rows = np.arange(size)
    return [Split(rows[fold != number], rows[fold == number]) for number in range(folds)]


def _fold_of_clusters(
    units: Rows, strata: Rows, count: int, folds: int, generator: np.random.Generator
) -> Rows:
    """Fold of each cluster: the largest first, each to the fold that then is most even."""
    kinds = int(strata.max()) + 1
    sizes = np.bincount(units * kinds + strata, minlength=count * kinds).reshape(count, kinds)
    aim = sizes.sum(axis=0) / folds
    order = np.lexsort((generator.random(count), -sizes.sum(axis=1)))
    held = np.zeros((folds, kinds))
    fold = np.empty(count, np.int64)
    for one in order:
        # Change of the sum of squared deviations, each stratum by its own size.
        cost = ((2 * held * sizes[one] + sizes[one] ** 2) / np.maximum(aim, 1) ** 2).sum(axis=1)
        fold[one] = int(cost.argmin())
        held[fold[one]] += sizes[one]
    return fold


def random_splits(
    size: int,
    splits: int = 5,
    test_fraction: float = 0.33,
    seed: Seed = 1,
    stratum: npt.ArrayLike | None = None,
) -> list[Split]:
    """Independent random splits; a row may be in several test sets, or none.

    Parameters
    ----------
    size : int
        Rows.
    splits : int
        How many.
    test_fraction : float
        Of the rows, rounded up, in each stratum.
    seed : int or sequence of int
        Of the random numbers.
    stratum : array_like, shape (size,), optional
        Such as cases and controls.
    """
    generator = np.random.default_rng(seed)
    strata = np.zeros(size, np.int64) if stratum is None else np.unique(stratum, return_inverse=True)[1]
    result = []
    for _ in range(splits):
        test = np.zeros(size, dtype=bool)
        for rows in (np.flatnonzero(strata == one) for one in np.unique(strata)):
            test[generator.permutation(rows)[: int(np.ceil(rows.size * test_fraction))]] = True
        result.append(Split(np.flatnonzero(~test), np.flatnonzero(test)))
    return result
