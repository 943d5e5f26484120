"""Which studies of a bag a step has, and how probable each is to be among them."""

from __future__ import annotations

import dataclasses
import functools

import numpy as np
import numpy.typing as npt

from training.mil.evidence import Evidence

ORDERS = 400
"""Random orders of a bag's studies from which :attr:`StudyDraws.inclusion` is estimated."""

_Indices = npt.NDArray[np.int64]


@dataclasses.dataclass(frozen=True)
class StudyDraws:
    """Draws of studies in a random order, until the union of their instances is large enough.

    Parameters
    ----------
    evidence : Evidence
        Groups of bags, each a study; negative bags have one.
    max_windows : int
        The instances of a bag at which no further study is drawn. The first is drawn in any case.
    """

    evidence: Evidence
    max_windows: int

    def draw(self, generator: np.random.Generator) -> tuple[_Indices, _Indices]:
        """Studies of every bag.

        Parameters
        ----------
        generator : numpy.random.Generator
            Draws the orders.

        Returns
        -------
        groups : numpy.ndarray of int64, shape (g,)
            The groups that are drawn, bag by bag, in the order in which they were.
        counts : numpy.ndarray of int64, shape (bags,)
            How many each bag has.
        """
        evidence = self.evidence
        first = evidence.bag_start
        order = np.lexsort((generator.random(evidence.bag.size), evidence.bag))
        rank = np.empty_like(order)
        rank[order] = np.arange(order.size) - first[evidence.bag]
        # An instance is new with the first study of this order that has it.
        earliest = np.full(int(evidence.bag_size.sum()), order.size, dtype=np.int64)
        np.minimum.at(earliest, evidence.instance, np.repeat(rank, evidence.size))
        had = earliest < order.size
        new = np.bincount(first[self._owner[had]] + earliest[had], minlength=order.size)
        before = np.cumsum(new) - new
        before -= before[first[evidence.bag]]
        drawn = before < self.max_windows
        counts = np.bincount(evidence.bag[drawn], minlength=first.size)
        return order[drawn], counts

    @functools.cached_property
    def inclusion(self) -> npt.NDArray[np.float64]:
        """How probable it is that a draw has each group: (groups,).

        Exactly 1 where the whole bag is too small to leave a study out. Elsewhere a study of a bag of k is
        the first with a probability of 1/k, and then always drawn; how often it is drawn otherwise is
        estimated from :data:`ORDERS` random orders, the same for every seed.
        """
        evidence = self.evidence
        used = np.zeros(int(evidence.bag_size.sum()), dtype=np.bool_)
        used[evidence.instance] = True
        union = np.bincount(self._owner[used], minlength=evidence.bag_size.size)
        some = (union >= self.max_windows) & (evidence.bag_count > 1)
        chosen = some[evidence.bag]
        result = np.ones(evidence.bag.size)
        if chosen.any():
            result[chosen] = StudyDraws(evidence.kept(chosen[evidence.group]), self.max_windows)._estimated()
        return result

    def _estimated(self) -> npt.NDArray[np.float64]:
        drawn, first = (np.zeros(self.evidence.bag.size, dtype=np.int64) for _ in range(2))
        generator = np.random.default_rng(0)
        for _ in range(ORDERS):
            groups, counts = self.draw(generator)
            drawn[groups] += 1
            first[groups[(np.cumsum(counts) - counts)[counts > 0]]] += 1
        of_first = 1 / self.evidence.bag_count[self.evidence.bag]
        later = (drawn - first) / np.maximum(ORDERS - first, 1)
        return np.where(drawn == ORDERS, 1.0, of_first + (1 - of_first) * later)

    @functools.cached_property
    def _owner(self) -> _Indices:
        """The bag of each instance."""
        sizes = self.evidence.bag_size
        return np.repeat(np.arange(sizes.size), sizes)
