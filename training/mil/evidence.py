"""What the loss is told of the instances: groups of them, each a bag for the loss, and their statistics."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection
from typing import Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from mifm_kipoi.finemapping.credible_sets import in_credible_set
from mifm_kipoi.finemapping.prior import uniform_pips
from training.data.dataset import DataSet

EvidenceKind = Literal["per_study", "lowest_p"]
Rows = Literal["all", "lead"]

_Indices = npt.NDArray[np.int64]
_Numbers = npt.NDArray[np.float32]


@dataclasses.dataclass(frozen=True)
class Evidence:
    """Groups of instances that the loss takes for bags, with the statistics that it reads.

    A positive bag of the data set is one group, or has one for each of its studies; the groups of a bag share
    its instances. A negative bag is one group. Groups are in the order of their bags, and in each group the
    rows are in that of rising p-value. Groups without the numbers that are needed are left out, so that a
    positive bag may have none.

    Parameters
    ----------
    bag : numpy.ndarray of int64, shape (groups,)
        The bag of each group, rising.
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
    ranked : numpy.ndarray of bool, shape (groups,)
        Whether the order of the rows has a reason: the first has a p-value or a z.
    left_out : int
        How many groups were left out.
    """

    bag: _Indices
    label: _Indices
    weight: npt.NDArray[np.float64]
    size: _Indices
    bag_size: _Indices
    instance: _Indices
    log_bf: _Numbers
    pip: _Numbers
    ranked: npt.NDArray[np.bool_]
    left_out: int = 0

    @classmethod
    def of(
        cls,
        dataset: DataSet,
        kind: EvidenceKind = "lowest_p",
        credible_set: float | None = None,
        rows: Rows = "all",
        needs: Collection[str] = (),
    ) -> Evidence:
        """The evidence of a data set.

        Where positive groups are narrowed, to credible sets or leads, negative bags are trimmed to sizes
        drawn from theirs, the same for every seed: negative bags that were made as large as positive ones
        would tell by their size else. Negative bags of one instance stay as they are.

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
            Groups with neither are left out.
        rows : str
            ``all``, or ``lead``: keep of each positive group only the row of lowest p, or of highest PIP
            where neither p nor z is known; groups without PIPs either are left out.
        needs : collection of str
            ``log_bf``, ``pip``: positive groups in which a row that is kept has no such number are left out.
        """
        whole = _united(dataset) if kind == "lowest_p" else _per_study(dataset)
        if rows == "lead":
            kept = whole._leads()
        elif credible_set is not None:
            kept = whole._in_sets(credible_set)
        else:
            kept = np.ones(whole.instance.size, dtype=np.bool_)
        kept[whole.label[whole.group] == 0] = True
        for name in needs:
            missing = kept & np.isnan(getattr(whole, name)) & (whole.label[whole.group] == 1)
            kept &= (np.bincount(whole.group[missing], minlength=whole.size.size) < 1)[whole.group]
        if rows == "lead" or credible_set is not None:
            whole._trim_negatives(kept)
        return whole if kept.all() else whole.kept(kept)

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
        """The label of each bag, -1 where no group is left: (bags,)."""
        labels = np.full(self.bag_size.size, -1, dtype=np.int64)
        labels[self.bag] = self.label
        return labels

    @property
    def bag_count(self) -> _Indices:
        """How many groups each bag has: (bags,)."""
        return np.bincount(self.bag, minlength=self.bag_size.size)

    @property
    def bag_start(self) -> _Indices:
        """The first group of each bag, or where it would be: (bags,)."""
        return np.searchsorted(self.bag, np.arange(self.bag_size.size))

    def has(self, values: _Numbers) -> npt.NDArray[np.bool_]:
        """Whether a number, ``log_bf`` or ``pip``, is known in all rows of each group: (groups,)."""
        unknown = np.bincount(self.group[np.isnan(values)], minlength=self.size.size)
        known: npt.NDArray[np.bool_] = unknown < 1
        return known

    def kept(self, rows: npt.NDArray[np.bool_]) -> Evidence:
        """Some of the rows, and the groups that have any; their weights are scaled as those of all were.

        Parameters
        ----------
        rows : numpy.ndarray of bool, shape (rows,)
            Which.
        """
        size = np.bincount(self.group[rows], minlength=self.size.size)
        left = size > 0
        bag, label, weight = self.bag[left], self.label[left], self.weight[left]
        if not left.all() and (label == 1).any():
            positive = label == 1
            weight[positive] *= np.unique(bag[positive]).size / weight[positive].sum()
        return Evidence(
            bag, label, weight, size[left], self.bag_size, self.instance[rows], self.log_bf[rows],
            self.pip[rows], self.ranked[left], self.left_out + int((~left).sum()),
        )  # fmt: skip

    def _leads(self) -> npt.NDArray[np.bool_]:
        """The rows of lowest p, or of highest PIP where nothing else is known: (rows,)."""
        by_pip = ~self.ranked & self.has(self.pip)
        group = self.group
        # Falling PIPs where they decide; the rows' own order elsewhere, and of equal ones.
        order = np.lexsort((np.where(by_pip[group], -self.pip, 0), group))
        leads = np.zeros(self.instance.size, dtype=np.bool_)
        leads[order[self.start[self.ranked | by_pip]]] = True
        return leads

    def _in_sets(self, level: float) -> npt.NDArray[np.bool_]:
        """The rows of credible sets; none of groups with neither Bayes factors nor PIPs: (rows,)."""
        group = self.group
        kept = np.zeros(self.instance.size, dtype=np.bool_)
        by_bf, by_pip = ((self.label == 1) & self.has(values) for values in (self.log_bf, self.pip))
        for chosen, values in ((by_bf, self.log_bf), (by_pip & ~by_bf, self.pip)):
            rows = np.flatnonzero(chosen[group])
            if rows.size:
                own, number = values[rows].astype(np.float64), group[rows]
                pip = uniform_pips(own, number) if values is self.log_bf else own
                kept[rows] = in_credible_set(pip, number, level)
        return kept

    def _trim_negatives(self, kept: npt.NDArray[np.bool_]) -> None:
        """Keep of negative bags as many rows, at random, as positive groups have, which count by weight.

        The larger sizes go to the larger bags, so that few are too small for theirs.
        """
        group = self.group
        sizes = np.bincount(group[kept], minlength=self.size.size)
        positive, negative = (self.label == 1) & (sizes > 0), np.flatnonzero(self.label == 0)
        if not positive.any() or self.size[negative].max(initial=1) == 1:
            return
        generator = np.random.default_rng(0)
        share = self.weight[positive] / self.weight[positive].sum()
        limit = np.full(self.size.size, self.instance.size)
        by_size = negative[np.lexsort((generator.random(negative.size), self.size[negative]))]
        limit[by_size] = np.sort(generator.choice(sizes[positive], negative.size, p=share))
        order = np.lexsort((generator.random(group.size), group))
        place = np.empty_like(order)
        place[order] = np.arange(order.size) - self.start[group]
        kept &= place < limit[group]


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
        _ranked(bags["size"].to_numpy(np.int64), instances["p_value"], instances["z"]),
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
    ranked = np.concatenate(
        [
            _ranked(studies["size"].to_numpy(np.int64), rows["log_p"], rows["z"]),
            np.zeros(negative.size, dtype=np.bool_),
        ]
    )
    order = np.argsort(bag, kind="stable")
    if not np.array_equal(order, np.arange(order.size)):
        moved = ranges((np.cumsum(size) - size)[order], size[order])
        bag, size, weight, ranked = bag[order], size[order], weight[order], ranked[order]
        instance, log_bf, pip = instance[moved], log_bf[moved], pip[moved]
    return Evidence(bag, label[bag], weight, size, bag_size, instance, log_bf, pip, ranked)


def _ranked(sizes: _Indices, p_value: pd.Series, z: pd.Series) -> npt.NDArray[np.bool_]:
    """Whether the first row of each group has a p-value or a z."""
    known = p_value.notna().to_numpy() | z.notna().to_numpy()
    first: npt.NDArray[np.bool_] = known[np.cumsum(sizes) - sizes]
    return first


def ranges(starts: _Indices, sizes: _Indices) -> _Indices:
    """``starts[0], ..., starts[0] + sizes[0] - 1, starts[1], ...``: int64, shape (sum of sizes,)."""
    ends = np.cumsum(sizes)
    return np.repeat(starts - (ends - sizes), sizes) + np.arange(ends[-1] if ends.size else 0)
