"""What the loss is told of the instances: groups of them, each a bag for the loss, and their statistics."""

from __future__ import annotations

import dataclasses
from typing import Literal

import numpy as np
import numpy.typing as npt

from mifm_kipoi.finemapping.credible_sets import in_credible_set
from mifm_kipoi.finemapping.prior import uniform_pips
from training.data.dataset import DataSet, DataSetError

EvidenceKind = Literal["per_study", "lowest_p"]
Rows = Literal["all", "lead"]

_Indices = npt.NDArray[np.int64]
_Numbers = npt.NDArray[np.float32]


@dataclasses.dataclass(frozen=True)
class Evidence:
    """Groups of instances that the loss takes for bags, with the statistics that it reads.

    A positive bag of the data set is one group, or has one for each of its studies; the groups of a bag share
    its instances. A negative bag is one group. Groups are in the order of their bags, and in each group the
    rows are in that of rising p-value.

    Parameters
    ----------
    bag : numpy.ndarray of int64, shape (groups,)
        The bag of each group, rising; every bag has at least one group.
    label : numpy.ndarray of int64, shape (groups,)
        1 for groups of positive bags, 0 for those of negative ones.
    weight : numpy.ndarray of float64, shape (groups,)
        How much each counts: over positive bags, the mean of their sums is 1; 1 for negative bags.
    size : numpy.ndarray of int64, shape (groups,)
        Rows of each group, one or more.
    bag_size : numpy.ndarray of int64, shape (bags,)
        Instances of each bag, which follow each other in the data set.
    instance : numpy.ndarray of int64, shape (rows,)
        The instance of each row, as row of :attr:`training.data.dataset.DataSet.instances`.
    log_bf, pip : numpy.ndarray of float32, shape (rows,)
        Log Bayes factor and PIP of each row, NaN where unknown and in negative bags.
    """

    bag: _Indices
    label: _Indices
    weight: npt.NDArray[np.float64]
    size: _Indices
    bag_size: _Indices
    instance: _Indices
    log_bf: _Numbers
    pip: _Numbers

    @classmethod
    def of(
        cls,
        dataset: DataSet,
        kind: EvidenceKind = "lowest_p",
        credible_set: float | None = None,
        rows: Rows = "all",
    ) -> Evidence:
        """The evidence of a data set.

        Parameters
        ----------
        dataset : DataSet
            Its studies and their rows, or its instances.
        kind : str
            ``per_study``: each study of a positive bag is a group, with its own rows. ``lowest_p``: each
            positive bag is a group, with all instances and of each the statistics of lowest p.
        credible_set : float, optional
            Keep of each positive group only the credible set that holds the causal variant with this
            probability, by the Bayes factors of the group, or by its PIPs where Bayes factors are missing.
        rows : str
            ``all``, or ``lead``: keep of each positive group only the row of lowest p.

        Raises
        ------
        DataSetError
            When credible sets are asked for, and a positive group has neither Bayes factors nor PIPs.
        """
        united = _united(dataset) if kind == "lowest_p" else _per_study(dataset)
        if rows == "lead":
            return united._kept(united._is_first() | (united.label == 0)[united.group])
        if credible_set is not None:
            return united._kept(united._in_sets(credible_set))
        return united

    @property
    def group(self) -> _Indices:
        """The group of each row, from 0: (rows,)."""
        return np.repeat(np.arange(self.size.size), self.size)

    @property
    def start(self) -> _Indices:
        """The first row of each group: (groups,)."""
        return np.cumsum(self.size) - self.size

    @property
    def first_instance(self) -> _Indices:
        """The first instance of each bag: (bags,)."""
        return np.cumsum(self.bag_size) - self.bag_size

    @property
    def bag_label(self) -> _Indices:
        """The label of each bag: (bags,)."""
        return self.label[self.bag_start]

    @property
    def bag_start(self) -> _Indices:
        """The first group of each bag: (bags,)."""
        return np.flatnonzero(np.diff(self.bag, prepend=-1))

    def has(self, values: _Numbers) -> npt.NDArray[np.bool_]:
        """Whether a number, ``log_bf`` or ``pip``, is known in all rows of each group: (groups,)."""
        unknown = np.bincount(self.group[np.isnan(values)], minlength=self.size.size)
        known: npt.NDArray[np.bool_] = unknown < 1
        return known

    def _is_first(self) -> npt.NDArray[np.bool_]:
        first = np.zeros(self.instance.size, dtype=np.bool_)
        first[self.start] = True
        return first

    def _in_sets(self, level: float) -> npt.NDArray[np.bool_]:
        group = self.group
        kept: npt.NDArray[np.bool_] = (self.label == 0)[group]
        by_bf, by_pip = ((self.label == 1) & self.has(values) for values in (self.log_bf, self.pip))
        neither = (self.label == 1) & ~by_bf & ~by_pip
        if neither.any():
            raise DataSetError(
                f"{int(neither.sum())} of {int(self.label.sum())} signals of studies have rows with neither "
                "a Bayes factor nor a PIP, which fit.credible_set needs; set fit.credible_set=null, or make "
                "the data set from a table that has them"
            )
        for chosen, values in ((by_bf, self.log_bf), (by_pip & ~by_bf, self.pip)):
            rows = np.flatnonzero(chosen[group])
            if rows.size:
                own, number = values[rows].astype(np.float64), group[rows]
                pip = uniform_pips(own, number) if values is self.log_bf else own
                kept[rows] = in_credible_set(pip, number, level)
        return kept

    def _kept(self, rows: npt.NDArray[np.bool_]) -> Evidence:
        """Some of the rows; each group keeps one at least."""
        size = np.add.reduceat(rows, self.start, dtype=np.int64) if rows.size else self.size
        return dataclasses.replace(
            self, size=size, instance=self.instance[rows], log_bf=self.log_bf[rows], pip=self.pip[rows]
        )


def _united(dataset: DataSet) -> Evidence:
    bags, instances = dataset.bags, dataset.instances
    label = bags["label"].to_numpy(np.int64)
    return Evidence(
        np.arange(label.size),
        label,
        np.ones(label.size),
        bags["size"].to_numpy(np.int64),
        bags["size"].to_numpy(np.int64),
        np.arange(len(instances)),
        instances["log_bf"].to_numpy(np.float32),
        instances["pip"].to_numpy(np.float32),
    )


def _per_study(dataset: DataSet) -> Evidence:
    """The studies of positive bags, and the negative bags, in the order of the bags."""
    studies, rows = dataset.studies, dataset.evidence
    label = dataset.bags["label"].to_numpy(np.int64)
    bag_size = dataset.bags["size"].to_numpy(np.int64)
    negative = np.flatnonzero(label == 0)
    # Studies first, then the negative bags: one after the other, and then sorted by bag.
    of_negative = np.flatnonzero(label[dataset.instances["bag"].to_numpy(np.int64)] == 0)
    weight = studies["weight"].to_numpy(np.float64)
    if weight.size:
        weight = weight * (int(label.sum()) / weight.sum())
    bag = np.concatenate([studies["bag"].to_numpy(np.int64), negative])
    size = np.concatenate([studies["size"].to_numpy(np.int64), bag_size[negative]])
    weight = np.concatenate([weight, np.ones(negative.size)])
    instance = np.concatenate([rows["instance"].to_numpy(np.int64), of_negative])
    unknown = np.full(of_negative.size, np.nan, dtype=np.float32)
    log_bf, pip = (np.concatenate([rows[name].to_numpy(np.float32), unknown]) for name in ("log_bf", "pip"))
    order = np.argsort(bag, kind="stable")
    if not np.array_equal(order, np.arange(order.size)):
        moved = ranges((np.cumsum(size) - size)[order], size[order])
        bag, size, weight = bag[order], size[order], weight[order]
        instance, log_bf, pip = instance[moved], log_bf[moved], pip[moved]
    return Evidence(bag, label[bag], weight, size, bag_size, instance, log_bf, pip)


def ranges(starts: _Indices, sizes: _Indices) -> _Indices:
    """``starts[0], ..., starts[0] + sizes[0] - 1, starts[1], ...``: int64, shape (sum of sizes,)."""
    ends = np.cumsum(sizes)
    return np.repeat(starts - (ends - sizes), sizes) + np.arange(ends[-1] if ends.size else 0)
