"""The bags and instances of each batch: an epoch as indices, drawn from its seed and its number alone."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Iterator
from typing import Literal

import numpy as np
import numpy.typing as npt
import torch

from training.data.dataset import DataSet, DataSetError
from training.mil.evidence import Evidence, EvidenceKind, ranges
from training.mil.studies import StudyDraws

BagSample = Literal["p_value", "random"]

_Indices = npt.NDArray[np.int64]


@dataclasses.dataclass(frozen=True)
class Batch:
    """Some groups of instances and the windows that they share, as indices.

    A group is what the loss takes for a bag: a bag of the data set, or one study of it
    (:class:`training.mil.evidence.Evidence`). No bag comes twice, and each window is cut and evaluated once,
    however many groups have it; an entry is a window in a group.

    Parameters
    ----------
    rows : torch.Tensor of int64, shape (n,)
        The instance of each window, as row of the data set's instances, bag by bag.
    shifts : torch.Tensor of int64, shape (n,)
        Shift of each window, in bp (:meth:`training.mil.genome_tensor.GenomeTensor.cut`).
    reverse : torch.Tensor of bool, shape (n,)
        Which windows are read from the other strand.
    window : torch.Tensor of int64, shape (e,)
        The window of each entry, counted in this batch from 0.
    evidence : torch.Tensor of int64, shape (e,)
        The row of the evidence that each entry is.
    group : torch.Tensor of int64, shape (e,)
        The group of each entry, rising from 0 without gaps.
    bags : torch.Tensor of int64, shape (g,)
        Number of each group's bag in the data set; the groups of a bag follow each other.
    labels : torch.Tensor of float32, shape (g,)
        1 for groups of positive bags, 0 for those of negative ones.
    weights : torch.Tensor of float32, shape (g,)
        How much the loss of each group counts in that of its bag.
    fractions : torch.Tensor of float32, shape (g,)
        1 over the number of groups that the bag has in this batch, so that they sum to the number of bags.
    """

    rows: torch.Tensor
    shifts: torch.Tensor
    reverse: torch.Tensor
    window: torch.Tensor
    evidence: torch.Tensor
    group: torch.Tensor
    bags: torch.Tensor
    labels: torch.Tensor
    weights: torch.Tensor
    fractions: torch.Tensor


@dataclasses.dataclass(frozen=True)
class Epoch:
    """Batches, concatenated field by field; iterating gives them in order.

    Parameters
    ----------
    whole : Batch
        All batches concatenated; ``window`` and ``group`` count from 0 in each batch.
    window_ends, entry_ends, group_ends : tuple of int, one per batch
        Where the batches end in the tensors.
    """

    whole: Batch
    window_ends: tuple[int, ...]
    entry_ends: tuple[int, ...]
    group_ends: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.group_ends)

    def __getitem__(self, step: int) -> Batch:
        if not 0 <= step < len(self):
            raise IndexError(f"batch {step} of {len(self)}")
        n, e, g = (
            slice(ends[step - 1] if step else 0, ends[step])
            for ends in (self.window_ends, self.entry_ends, self.group_ends)
        )
        whole = self.whole
        return Batch(
            whole.rows[n], whole.shifts[n], whole.reverse[n], whole.window[e], whole.evidence[e],
            whole.group[e], whole.bags[g], whole.labels[g], whole.weights[g], whole.fractions[g],
        )  # fmt: skip

    def __iter__(self) -> Iterator[Batch]:
        return (self[step] for step in range(len(self)))

    def to(self, device: torch.device | str) -> Epoch:
        """The same batches on a device, so that a step moves nothing."""
        fields = dataclasses.fields(self.whole)
        moved = {field.name: getattr(self.whole, field.name).to(device) for field in fields}
        return dataclasses.replace(self, whole=Batch(**moved))


@dataclasses.dataclass(frozen=True)
class Sampler:
    """Draws epochs.

    Every epoch has each positive bag once, in a random order, ``bags_per_batch`` to a batch; the last batch
    may be smaller. Each comes with ``negatives_per_bag`` negative bags: they are drawn without replacement,
    and where an epoch needs more than there are, all are drawn before any is drawn again. Of those of a
    positive bag, the ones after the first that reach ``max_windows`` instances together are left out, and a
    batch has no bag twice, but fewer where there are too few. The draws depend on the seed, the epoch and the
    rank only.

    Where each study is a group, a positive bag comes with some of its studies: they are drawn in a random
    order until the union of their instances has ``max_windows`` or more. A study's rows are there whole or
    not at all. The weight of a study that is drawn is divided by the probability that it is
    (:attr:`training.mil.studies.StudyDraws.inclusion`), so that the expected loss of a bag is that of all its
    studies with their own weights.

    Of several processes (``world`` > 1) each has every ``world``-th bag of the same order, as with PyTorch's
    DistributedSampler; a few bags of the beginning come twice where the number of bags is not a multiple of
    ``world``, so that all processes make the same number of steps. ``bags_per_batch`` is that of one process.

    Parameters
    ----------
    evidence : Evidence
        The groups of all bags.
    kind : str
        Of the evidence: ``lowest_p``, one group a bag, or ``per_study``.
    seed : int
        Seed of all draws, not negative.
    bags_per_batch, negatives_per_bag : int
        Positive bags per batch, and negative bags per positive one.
    max_windows : int
        The instances of a bag at which no further study is drawn, with ``per_study``; and those of the
        negative bags of one positive bag at which no further one is used.
    max_bag_size : int
        Of ``lowest_p``: most instances of a bag that are used.
    bag_sample : str
        Of ``lowest_p``: which instances of a larger bag are used: ``p_value``, the first ones, which have the
        lowest; ``random``, drawn again in each epoch.
    max_shift : int
        Largest shift of a window to either side, in bp.
    reverse_complement : bool
        Whether each window is read from the other strand with a probability of one half.
    rank, world : int
        Number of this process, from 0, and number of processes.

    Raises
    ------
    DataSetError
        When there is no positive bag, or no negative one although some are asked for.
    """

    evidence: Evidence
    kind: EvidenceKind = "lowest_p"
    seed: int = 1
    bags_per_batch: int = 32
    negatives_per_bag: int = 1
    max_windows: int = 256
    max_bag_size: int = 127
    bag_sample: BagSample = "p_value"
    max_shift: int = 0
    reverse_complement: bool = False
    rank: int = 0
    world: int = 1

    def __post_init__(self) -> None:
        labels = self.evidence.bag_label
        positives, negatives = int((labels == 1).sum()), int((labels == 0).sum())
        if not positives or (self.negatives_per_bag and not negatives):
            raise DataSetError(
                f"there are {positives} positive and {negatives} negative training bags; expected some of "
                "both (with fit.negatives_per_bag=0, positive ones)"
            )

    @classmethod
    def of(cls, dataset: DataSet, kind: EvidenceKind = "lowest_p", **options: object) -> Sampler:
        """A sampler of all bags of a data set; ``options`` are the other parameters of the class."""
        return cls(Evidence.of(dataset, kind), kind, **options)  # type: ignore[arg-type] # by callers

    @property
    def steps(self) -> int:
        """Batches of an epoch in each process."""
        per_process = -(-int((self.evidence.bag_label == 1).sum()) // self.world)
        return -(-per_process // self.bags_per_batch)

    @property
    def mean_group_size(self) -> float:
        """Mean number of instances of a positive group, as far as they are used."""
        sizes = self.evidence.size[self.evidence.label == 1]
        return float((np.minimum(sizes, self.max_bag_size) if self.kind == "lowest_p" else sizes).mean())

    def epoch(self, number: int) -> Epoch:
        """The batches of an epoch, on the CPU; epochs count from 0."""
        common = np.random.default_rng([self.seed, number])
        labels = self.evidence.bag_label
        order = common.permutation(np.flatnonzero(labels == 1))
        per_process = -(-order.size // self.world)
        order = np.resize(order, per_process * self.world)
        negatives = _negatives(
            np.flatnonzero(labels == 0),
            order.size * self.negatives_per_bag,
            self.bags_per_batch * self.negatives_per_bag * self.world,
            common,
        )
        own = slice(self.rank, None, self.world)
        order, negatives = order[own], negatives.reshape(order.size, self.negatives_per_bag)[own]
        drawn, counts = [], []
        for start in range(0, per_process, self.bags_per_batch):
            chosen = slice(start, start + self.bags_per_batch)
            drawn += [order[chosen], self._used(negatives[chosen])]
            counts.append(drawn[-2].size + drawn[-1].size)
        bags, bag_counts = np.concatenate(drawn), np.array(counts, dtype=np.int64)
        generator = np.random.default_rng([self.seed, number, 1 + self.rank])
        if self.kind == "lowest_p":
            epoch = self._of_bags(bags, bag_counts, generator)
        else:
            # Studies have a generator of their own: the shifts are those of the same bags without studies.
            studies = np.random.default_rng([self.seed, number, 1 + self.rank, 1])
            drawn_groups, counts_of_all = self._draws.draw(studies)
            firsts = np.cumsum(counts_of_all) - counts_of_all
            group_counts = counts_of_all[bags]
            groups = drawn_groups[ranges(firsts[bags], group_counts)]
            weights = self.evidence.weight[groups] / self._draws.inclusion[groups]
            epoch = _of_groups(self.evidence, bags, bag_counts, groups, group_counts, weights)
        return self._augmented(epoch, generator)

    def _of_bags(self, bags: _Indices, bag_counts: _Indices, generator: np.random.Generator) -> Epoch:
        """Bags that are one group each, every window in one entry; of each bag some rows."""
        evidence = self.evidence
        groups = evidence.bag_start[bags]
        sizes = np.minimum(evidence.size[groups], self.max_bag_size)
        entries = ranges(evidence.start[groups], sizes)
        if self.bag_sample == "random":
            # The rows of the evidence, in each bag in a random order.
            entries = np.lexsort((generator.random(evidence.instance.size), evidence.group))[entries]
        return _epoch(
            evidence, bags, bag_counts, groups, np.ones_like(bags), evidence.weight[groups], entries, sizes,
            evidence.instance[entries], sizes, np.arange(entries.size),
        )  # fmt: skip

    @functools.cached_property
    def _draws(self) -> StudyDraws:
        return StudyDraws(self.evidence, self.max_windows)

    def _used(self, negatives: _Indices) -> _Indices:
        """Which negative bags a batch has, of those drawn: (positive bags, negatives of each) -> (n,)."""
        sizes = self.evidence.size[self.evidence.bag_start[negatives]]
        if self.kind == "lowest_p":
            sizes = np.minimum(sizes, self.max_bag_size)
        bags = negatives[np.cumsum(sizes, axis=1) - sizes < self.max_windows]
        return bags[np.sort(np.unique(bags, return_index=True)[1])]

    def _augmented(self, epoch: Epoch, generator: np.random.Generator) -> Epoch:
        """The epoch with shifts and strands drawn for each window."""
        shifts, reverse = epoch.whole.shifts, epoch.whole.reverse
        if self.max_shift:
            drawn = generator.integers(-self.max_shift, self.max_shift, len(shifts), endpoint=True)
            shifts = torch.from_numpy(drawn)
        if self.reverse_complement:
            reverse = torch.from_numpy(generator.random(len(shifts)) < 0.5)
        whole = dataclasses.replace(epoch.whole, shifts=shifts, reverse=reverse)
        return dataclasses.replace(epoch, whole=whole)


def in_order(
    evidence: Evidence, max_bag_size: int | None = None, max_windows: int = 4096, bags: _Indices | None = None
) -> Epoch:
    """Bags in their order, each in one batch with all of its groups and instances: for evaluation.

    Bags without a group have windows, and are in no group.

    Parameters
    ----------
    evidence : Evidence
        The groups of all bags.
    max_bag_size : int, optional
        Most rows of a group that are used, the first ones; None for all. Every instance of a bag has a window
        in any case.
    max_windows : int
        Most windows of a batch, unless one bag has more.
    bags : numpy.ndarray of int64, optional
        Which bags; all by default.
    """
    first = evidence.bag_start
    bags = np.arange(first.size) if bags is None else bags
    bag_counts: list[int] = []
    windows = 0
    for size in evidence.bag_size[bags].tolist():
        if not bag_counts or windows + size > max_windows:
            bag_counts.append(0)
            windows = 0
        bag_counts[-1] += 1
        windows += size
    group_counts = evidence.bag_count[bags]
    groups = ranges(first[bags], group_counts)
    return _of_groups(
        evidence, bags, np.array(bag_counts, dtype=np.int64), groups, group_counts, evidence.weight[groups],
        max_bag_size, unused=True,
    )  # fmt: skip


def _negatives(known: _Indices, count: int, step: int, generator: np.random.Generator) -> _Indices:
    """So many of the negative bags, all before any again.

    Those that a step of all processes, of ``step`` negative bags, has before the bags begin anew come last
    then, so that a step has none twice unless there are fewer than it needs.
    """
    drawn = np.empty(0, dtype=np.int64)
    while drawn.size < count:
        anew = generator.permutation(known)
        begun = drawn.size % step
        again = np.isin(anew, drawn[drawn.size - begun :])
        drawn = np.concatenate([drawn, anew[~again], anew[again]])
    return drawn[:count]


def _of_groups(
    evidence: Evidence,
    bags: _Indices,
    bag_counts: _Indices,
    groups: _Indices,
    group_counts: _Indices,
    weights: npt.NDArray[np.float64],
    largest: int | None = None,
    unused: bool = False,
) -> Epoch:
    """Bags with some of their groups, which share the bag's windows; these are in the order of the instances.

    Parameters
    ----------
    evidence : Evidence
        The groups of all bags.
    bags, group_counts : numpy.ndarray of int64, shape (b,)
        Bags, batch by batch, and how many groups each has. A bag that comes again has the same groups.
    bag_counts : numpy.ndarray of int64, shape (batches,)
        How many bags each batch has.
    groups : numpy.ndarray of int64, shape (g,)
        Groups of the evidence, bag by bag.
    weights : numpy.ndarray of float64, shape (g,)
        How much each counts.
    largest : int, optional
        Most rows of a group that are used.
    unused : bool
        Whether instances that are in none of the groups have a window too.
    """
    sizes = evidence.size[groups] if largest is None else np.minimum(evidence.size[groups], largest)
    entries = ranges(evidence.start[groups], sizes)
    instance = evidence.instance[entries]
    used = np.full(int(evidence.bag_size.sum()), unused)
    used[instance] = True
    rows = ranges(evidence.first_instance[bags], evidence.bag_size[bags])
    rows = rows[used[rows]]
    # The number of an instance among those that are used, in its bag.
    number = np.cumsum(used) - used
    first = number[evidence.first_instance]
    window_counts = np.diff(first, append=int(used.sum()))[bags]
    before = np.cumsum(window_counts) - window_counts - first[bags]
    windows = number[instance] + np.repeat(np.repeat(before, group_counts), sizes)
    return _epoch(
        evidence, bags, bag_counts, groups, group_counts, weights, entries, sizes, rows, window_counts,
        windows,
    )  # fmt: skip


def _epoch(
    evidence: Evidence,
    bags: _Indices,
    bag_counts: _Indices,
    groups: _Indices,
    group_counts: _Indices,
    weights: npt.NDArray[np.float64],
    entries: _Indices,
    sizes: _Indices,
    rows: _Indices,
    window_counts: _Indices,
    windows: _Indices,
) -> Epoch:
    """Batches from bags, their groups, the groups' entries, and the bags' windows, each one after the other.

    ``group_counts`` and ``window_counts`` are those of each bag, ``weights`` and ``sizes``, the entries,
    those of each group;
    ``windows`` are those of the entries, counted from the first of all.
    """
    bag_ends = np.cumsum(bag_counts)
    group_ends, window_ends = np.cumsum(group_counts)[bag_ends - 1], np.cumsum(window_counts)[bag_ends - 1]
    # A first batch may be without groups.
    entry_ends = np.cumsum(np.append(0, sizes))[group_ends]
    number = np.arange(groups.size) - _before(group_ends)
    fractions = np.repeat(1 / np.maximum(group_counts, 1), group_counts)
    whole = Batch(
        torch.from_numpy(rows),
        torch.zeros(rows.size, dtype=torch.int64),
        torch.zeros(rows.size, dtype=torch.bool),
        torch.from_numpy(windows - _before(window_ends, entry_ends)),
        torch.from_numpy(entries),
        torch.from_numpy(np.repeat(number, sizes)),
        torch.from_numpy(np.repeat(bags, group_counts)),
        torch.from_numpy(evidence.label[groups].astype(np.float32)),
        torch.from_numpy(weights.astype(np.float32)),
        torch.from_numpy(fractions.astype(np.float32)),
    )
    return Epoch(whole, tuple(window_ends.tolist()), tuple(entry_ends.tolist()), tuple(group_ends.tolist()))


def _before(ends: _Indices, of: _Indices | None = None) -> _Indices:
    """For each element of batches that end at ``of``, or at ``ends``, where its batch begins by ``ends``."""
    starts = np.concatenate([[0], ends[:-1]]).astype(np.int64)[: ends.size]
    return np.repeat(starts, np.diff(ends if of is None else of, prepend=0))
