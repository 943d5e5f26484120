"""The bags and instances of each batch: an epoch as indices, drawn from its seed and its number alone."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Literal

import numpy as np
import numpy.typing as npt
import torch

from training.data.dataset import DataSet, DataSetError

BagSample = Literal["p_value", "random"]

_Indices = npt.NDArray[np.int64]


@dataclasses.dataclass(frozen=True)
class Batch:
    """Some bags, with all of their instances or a part of them, as indices.

    Parameters
    ----------
    rows : torch.Tensor of int64, shape (n,)
        Rows of the data set's instances, bag by bag.
    bag : torch.Tensor of int64, shape (n,)
        The bag of each instance, counted in this batch from 0.
    bags : torch.Tensor of int64, shape (m,)
        Numbers of the bags in the data set.
    labels : torch.Tensor of float32, shape (m,)
        1 for positive bags, 0 for negative ones.
    shifts : torch.Tensor of int64, shape (n,)
        Shift of each window, in bp (:meth:`training.mil.genome_tensor.GenomeTensor.cut`).
    reverse : torch.Tensor of bool, shape (n,)
        Which windows are read from the other strand.
    """

    rows: torch.Tensor
    bag: torch.Tensor
    bags: torch.Tensor
    labels: torch.Tensor
    shifts: torch.Tensor
    reverse: torch.Tensor


@dataclasses.dataclass(frozen=True)
class Epoch:
    """Batches, concatenated field by field; iterating gives them in order.

    Parameters
    ----------
    whole : Batch
        All batches concatenated; ``bag`` counts from 0 in each batch.
    instance_ends, bag_ends : tuple of int, one per batch
        Where the batches end in the tensors.
    """

    whole: Batch
    instance_ends: tuple[int, ...]
    bag_ends: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.bag_ends)

    def __getitem__(self, step: int) -> Batch:
        if not 0 <= step < len(self):
            raise IndexError(f"batch {step} of {len(self)}")
        rows = slice(self.instance_ends[step - 1] if step else 0, self.instance_ends[step])
        bags = slice(self.bag_ends[step - 1] if step else 0, self.bag_ends[step])
        whole = self.whole
        return Batch(
            whole.rows[rows], whole.bag[rows], whole.bags[bags], whole.labels[bags], whole.shifts[rows],
            whole.reverse[rows],
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
    and where an epoch needs more than there are, all are drawn before any is drawn again. The draws depend on
    the seed, the epoch and the rank only.

    Of several processes (``world`` > 1) each has every ``world``-th bag of the same order, as with PyTorch's
    DistributedSampler; a few bags of the beginning come twice where the number of bags is not a multiple of
    ``world``, so that all processes make the same number of steps. ``bags_per_batch`` is that of one process.

    Parameters
    ----------
    labels, sizes, starts : numpy.ndarray of int64, shape (bags,)
        Of each bag: its label, its number of instances, and the row of the first one.
    seed : int
        Seed of all draws, not negative.
    bags_per_batch, negatives_per_bag : int
        Positive bags per batch, and negative bags per positive one.
    max_bag_size : int
        Most instances of a bag that are used.
    bag_sample : str
        Which instances of a larger bag are used: ``p_value``, the first ones, which have the lowest;
        ``random``, drawn again in each epoch.
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

    labels: _Indices
    sizes: _Indices
    starts: _Indices
    seed: int = 1
    bags_per_batch: int = 32
    negatives_per_bag: int = 1
    max_bag_size: int = 127
    bag_sample: BagSample = "p_value"
    max_shift: int = 0
    reverse_complement: bool = False
    rank: int = 0
    world: int = 1

    def __post_init__(self) -> None:
        positives, negatives = int(self.labels.sum()), int((self.labels == 0).sum())
        if not positives or (self.negatives_per_bag and not negatives):
            raise DataSetError(
                f"there are {positives} positive and {negatives} negative training bags; expected some of "
                "both (with fit.negatives_per_bag=0, positive ones)"
            )

    @classmethod
    def of(cls, dataset: DataSet, **options: object) -> Sampler:
        """A sampler of all bags of a data set; ``options`` are the other parameters of the class."""
        sizes = dataset.bags["size"].to_numpy(np.int64)
        labels = dataset.bags["label"].to_numpy(np.int64)
        return cls(labels, sizes, np.cumsum(sizes) - sizes, **options)  # type: ignore[arg-type] # by callers

    @property
    def steps(self) -> int:
        """Batches of an epoch in each process."""
        per_process = -(-int(self.labels.sum()) // self.world)
        return -(-per_process // self.bags_per_batch)

    def epoch(self, number: int) -> Epoch:
        """The batches of an epoch, on the CPU; epochs count from 0."""
        common = np.random.default_rng([self.seed, number])
        order = common.permutation(np.flatnonzero(self.labels == 1))
        per_process = -(-order.size // self.world)
        order = np.resize(order, per_process * self.world)
        negatives = self._negatives(order.size * self.negatives_per_bag, common)
        own = slice(self.rank, None, self.world)
        order, negatives = order[own], negatives.reshape(order.size, self.negatives_per_bag)[own]
        bags, bag_counts = [], []
        for start in range(0, per_process, self.bags_per_batch):
            chosen = slice(start, start + self.bags_per_batch)
            bags += [order[chosen], negatives[chosen].ravel()]
            bag_counts.append(bags[-2].size + bags[-1].size)
        return self._batches(
            np.concatenate(bags), bag_counts, np.random.default_rng([self.seed, number, 1 + self.rank])
        )

    def _negatives(self, count: int, generator: np.random.Generator) -> _Indices:
        known = np.flatnonzero(self.labels == 0)
        rounds = -(-count // known.size) if count else 0
        drawn = [generator.permutation(known) for _ in range(rounds)]
        return np.concatenate([*drawn, np.empty(0, dtype=np.int64)])[:count]

    def _batches(self, bags: _Indices, bag_counts: list[int], generator: np.random.Generator) -> Epoch:
        order = self._order(generator) if self.bag_sample == "random" else None
        epoch = _batches(bags, np.array(bag_counts), self.labels, self.sizes, self.starts, self.max_bag_size)
        rows = epoch.whole.rows
        if order is not None:
            rows = torch.from_numpy(order)[rows]
        shifts, reverse = epoch.whole.shifts, epoch.whole.reverse
        if self.max_shift:
            drawn = generator.integers(-self.max_shift, self.max_shift, len(rows), endpoint=True)
            shifts = torch.from_numpy(drawn)
        if self.reverse_complement:
            reverse = torch.from_numpy(generator.random(len(rows)) < 0.5)
        whole = dataclasses.replace(epoch.whole, rows=rows, shifts=shifts, reverse=reverse)
        return dataclasses.replace(epoch, whole=whole)

    def _order(self, generator: np.random.Generator) -> _Indices:
        """The rows of the instances, in each bag in a random order."""
        keys = generator.random(int(self.sizes.sum()))
        return np.lexsort((keys, np.repeat(np.arange(self.sizes.size), self.sizes)))


def in_order(
    dataset: DataSet, max_bag_size: int = 127, max_instances: int = 4096, bags: _Indices | None = None
) -> Epoch:
    """Bags in their order, each in one batch, without shifts: for evaluation.

    Parameters
    ----------
    dataset : DataSet
        The data set.
    max_bag_size : int
        Most instances of a bag that are used, the first ones.
    max_instances : int
        Most instances of a batch, unless one bag has more.
    bags : numpy.ndarray of int64, optional
        Which bags; all by default.
    """
    sizes = dataset.bags["size"].to_numpy(np.int64)
    bags = np.arange(sizes.size) if bags is None else bags
    counts: list[int] = []
    instances = 0
    for size in np.minimum(sizes[bags], max_bag_size).tolist():
        if not counts or instances + size > max_instances:
            counts.append(0)
            instances = 0
        counts[-1] += 1
        instances += size
    labels = dataset.bags["label"].to_numpy(np.int64)
    counted = np.array(counts, dtype=np.int64)
    return _batches(bags, counted, labels, sizes, np.cumsum(sizes) - sizes, max_bag_size)


def _batches(
    bags: _Indices, bag_counts: _Indices, labels: _Indices, sizes: _Indices, starts: _Indices, largest: int
) -> Epoch:
    """Batches of a number of bags, as indices; of each bag the first instances."""
    kept = np.minimum(sizes[bags], largest)
    ends = np.cumsum(kept)
    rows = np.repeat(starts[bags] - (ends - kept), kept) + np.arange(ends[-1] if ends.size else 0)
    bag_ends = np.cumsum(bag_counts)
    number = np.arange(bags.size) - np.repeat(bag_ends - bag_counts, bag_counts)
    count = rows.size
    whole = Batch(
        torch.from_numpy(rows),
        torch.from_numpy(np.repeat(number, kept)),
        torch.from_numpy(bags),
        torch.from_numpy(labels[bags].astype(np.float32)),
        torch.zeros(count, dtype=torch.int64),
        torch.zeros(count, dtype=torch.bool),
    )
    return Epoch(whole, tuple(ends[bag_ends - 1].tolist()), tuple(bag_ends.tolist()))
