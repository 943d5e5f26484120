"""The bootstrap: resamples of rows, each of which is a weighting of them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import numpy.typing as npt

from mifm_kipoi.statistics.estimates import Estimate, Values, estimate

Rows = npt.NDArray[np.int64]

Statistic = Callable[[Values], Values]
"""Of weights of rows, shape (n, r): numbers of shape (r,), or several of them, (..., r)."""

Seed = int | Sequence[int]

RESAMPLES = 1000

_ROW_WEIGHTS = 1 << 17
"""Weights of rows in memory together: 1 MiB, what caches hold."""

_UNIT_WEIGHTS = 1 << 21
"""Largest number of weights of units in memory; up to this many are drawn once and kept."""


class Bootstrap:
    """Resamples of units with replacement; the rows of a unit are drawn together.

    A resample is a weighting: how often each unit, and so each of its rows, is in it. Make one with
    :meth:`of_clusters` or :meth:`of_circular_blocks`. The same seed gives the same resamples, whatever is
    computed from them.

    Parameters
    ----------
    names : numpy.ndarray of int64, shape (units,)
        Clusters or positions, sorted.
    index : numpy.ndarray of int64, shape (n,)
        Index in ``names`` of each row's unit.
    block_length : int
        Units that are drawn together, neighbours in their order; 1 for clusters.
    draw : callable
        From a generator and a number of resamples, how often each unit is in each: shape (resamples, units).
    seed : int or sequence of int
        Of the random numbers.
    resamples : int
        How many.

    Attributes
    ----------
    names, index, block_length
        As given.
    blocks : int
        Clusters, or blocks, that are drawn for one resample. Intervals need at least
        :data:`mifm_kipoi.statistics.estimates.MIN_CLUSTERS`.
    """

    def __init__(
        self,
        names: Rows,
        index: Rows,
        block_length: int,
        draw: Callable[[np.random.Generator, int], Rows],
        seed: Seed,
        resamples: int,
    ) -> None:
        self.names, self.index, self.block_length = names, index, block_length
        self.blocks = -(-names.size // block_length)
        self._draw, self._seed, self._resamples = draw, seed, resamples
        few = resamples * names.size <= _UNIT_WEIGHTS
        self._kept = list(self._drawn()) if few else None

    @classmethod
    def of_clusters(cls, cluster: Rows, seed: Seed = 1, resamples: int = RESAMPLES) -> Bootstrap:
        """Resamples of as many clusters as there are, such as blocks of variants in LD.

        Parameters
        ----------
        cluster : numpy.ndarray of int64, shape (n,)
            Of each row.
        seed : int or sequence of int
            Of the random numbers.
        resamples : int
            How many.
        """
        names, index = np.unique(cluster, return_inverse=True)
        size = names.size
        chances = np.full(size, 1 / max(size, 1))

        def draw(generator: np.random.Generator, number: int) -> Rows:
            return generator.multinomial(size, chances, number) if size else np.zeros((number, 0), np.int64)

        return cls(names, index, 1, draw, seed, resamples)

    @classmethod
    def of_circular_blocks(
        cls, position: Rows, block_bp: int, seed: Seed = 1, resamples: int = RESAMPLES
    ) -> Bootstrap:
        """Resamples of blocks of neighbouring positions; the rows of a position are drawn together.

        A circular block bootstrap (Politis and Romano, 1992): of n positions in their order, the first
        following the last, blocks that begin anywhere, until there are n positions; the last block is cut.

        Parameters
        ----------
        position : numpy.ndarray of int64, shape (n,)
            Of each row, in bp; n is at least 1.
        block_bp : int
            Length of a block. It has as many positions as lie in this length on average.
        seed : int or sequence of int
            Of the random numbers.
        resamples : int
            How many.
        """
        names, index = np.unique(position, return_inverse=True)
        size = names.size
        span = int(names[-1] - names[0]) + 1
        length = max(1, min(round(block_bp * size / span), size))
        blocks = -(-size // length)

        def draw(generator: np.random.Generator, number: int) -> Rows:
            starts = generator.integers(size, size=(number, blocks, 1))
            drawn = (starts + np.arange(length)).reshape(number, blocks * length)[:, :size] % size
            cells = drawn + size * np.arange(number)[:, np.newaxis]
            return np.bincount(cells.ravel(), minlength=number * size).reshape(number, size)

        return cls(names, index, length, draw, seed, resamples)

    def weights(self) -> Iterator[Values]:
        """How often each unit is in each resample.

        Yields
        ------
        numpy.ndarray of float64, shape (r, units)
            Of some resamples, so that many units take little memory; all resamples in the end. Each row sums
            to the number of units.
        """
        yield from self._drawn() if self._kept is None else self._kept

    def _drawn(self) -> Iterator[Values]:
        generator = np.random.default_rng(self._seed)
        chunk_size = max(1, _UNIT_WEIGHTS // max(self.names.size, 1))
        for start in range(0, max(self._resamples, 1), chunk_size):
            number = min(chunk_size, self._resamples - start)
            yield self._draw(generator, number).astype(np.float64)

    def resampled(self, statistic: Statistic) -> Values:
        """A statistic of weighted rows under each resample.

        Parameters
        ----------
        statistic : callable
            Receives weights of rows, shape (n, r), of r resamples.

        Returns
        -------
        numpy.ndarray of float64, shape (..., resamples)
        """
        chunk_size = max(_ROW_WEIGHTS // max(self.index.size, 1), 1)
        parts = []
        for weights in self.weights():
            for start in range(0, max(len(weights), 1), chunk_size):
                of_units = np.ascontiguousarray(weights[start : start + chunk_size].T)
                parts.append(statistic(of_units.take(self.index, axis=0)))
        return np.concatenate(parts, axis=-1)

    def sums(self, sums: Values) -> Values:
        """Sums over the rows of each resample: a matrix product, whatever the number of rows.

        Parameters
        ----------
        sums : numpy.ndarray of float64, shape (..., units)
            Over the rows of each unit.

        Returns
        -------
        numpy.ndarray of float64, shape (..., resamples)
        """
        flat = np.moveaxis(sums, -1, 0).reshape(sums.shape[-1], math.prod(sums.shape[:-1]))
        drawn = np.concatenate([weights @ flat for weights in self.weights()])
        return np.moveaxis(drawn.reshape(-1, *sums.shape[:-1]), 0, -1)

    def means(self, values: Values, rows: Rows | None = None) -> Values:
        """Means of values under each resample.

        Parameters
        ----------
        values : numpy.ndarray of float64, shape (m,)
            One for each row, or for some rows.
        rows : numpy.ndarray of int64, shape (m,), optional
            Row with whose unit each value is drawn; by default there is a value for each row.

        Returns
        -------
        numpy.ndarray of float64, shape (resamples,)
            NaN where none of the values was drawn.
        """
        index = self.index if rows is None else self.index[rows]
        sums = np.bincount(index, values, self.names.size)
        counts = np.bincount(index, minlength=self.names.size)
        total, count = self.sums(np.stack([sums, counts]))
        with np.errstate(invalid="ignore"):
            means: Values = total / count
        return means

    def estimate(self, statistic: Statistic) -> Estimate:
        """A statistic of weighted rows, with its interval.

        Parameters
        ----------
        statistic : callable
            Receives weights of rows, shape (n, r), and returns one number for each of the r weightings.
        """
        value = statistic(np.ones((self.index.size, 1)))
        return estimate(float(value[0]), self.resampled(statistic), self.blocks)

    def mean(self, values: Values, rows: Rows | None = None) -> Estimate:
        """The mean of values, with its interval.

        Parameters
        ----------
        values, rows
            As in :meth:`means`.
        """
        clusters = self.blocks if rows is None else np.unique(self.index[rows]).size
        value = float(values.mean()) if values.size else float("nan")
        return estimate(value, self.means(values, rows), clusters)


def resampled_within_classes(
    positive: npt.NDArray[np.bool_], statistic: Statistic, seed: Seed = 1, resamples: int = RESAMPLES
) -> Values:
    """A statistic under resamples of single rows, in which each class keeps its number of rows.

    Parameters
    ----------
    positive : numpy.ndarray of bool, shape (n,)
        Class of each row.
    statistic : callable
        Receives weights of rows, shape (n, r), of r resamples.
    seed : int or sequence of int
        Of the random numbers.
    resamples : int
        How many.

    Returns
    -------
    numpy.ndarray of float64, shape (..., resamples)
    """
    generator = np.random.default_rng(seed)
    classes = [rows for rows in (np.flatnonzero(positive), np.flatnonzero(~positive)) if rows.size]

    def batches() -> Iterator[Values]:
        chunk_size = max(_ROW_WEIGHTS // positive.size, 1)
        for start in range(0, resamples, chunk_size):
            weights = np.empty((min(chunk_size, resamples - start), positive.size))
            for one in weights:
                for rows in classes:
                    drawn = generator.integers(0, rows.size, rows.size)
                    one[rows] = np.bincount(drawn, minlength=rows.size)
            yield np.ascontiguousarray(weights.T)

    return np.concatenate([statistic(weights) for weights in batches()], axis=-1)
