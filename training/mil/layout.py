"""Ragged bags: which instances belong together, and sums over them."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import torch


@dataclasses.dataclass(frozen=True)
class BagLayout:
    """Which bag each instance belongs to.

    Parameters
    ----------
    bag : torch.Tensor of int64, shape (n,)
        Rising from 0 without gaps: the instances of a bag follow each other.
    count : int
        Number of bags.

    Raises
    ------
    ValueError
        When bags are not numbered so. Off the CPU the numbers are not checked, for that would wait for the
        device: make layouts on the CPU and move them.
    """

    bag: torch.Tensor
    count: int

    def __post_init__(self) -> None:
        if self.bag.dtype != torch.int64 or self.bag.dim() != 1:
            raise ValueError(
                f"bag has dtype {self.bag.dtype} and shape {tuple(self.bag.shape)}; expected int64 and (n,)"
            )
        if self.bag.device.type != "cpu":
            return
        steps = torch.diff(self.bag, prepend=self.bag.new_tensor([-1]))
        if bool(((steps < 0) | (steps > 1)).any()) or bool((steps[:1] != 1).any()):
            raise ValueError(
                "the bags of the instances do not rise from 0 without gaps; sort and number them"
            )
        if int(steps.sum()) != self.count:
            raise ValueError(f"the instances are of {int(steps.sum())} bags; expected {self.count}")

    @classmethod
    def of_sizes(cls, sizes: Sequence[int] | torch.Tensor) -> BagLayout:
        """Bags of given sizes, one after the other.

        Parameters
        ----------
        sizes : sequence of int, or torch.Tensor of int64, shape (count,)
            Instances of each bag, 1 or more.

        Raises
        ------
        ValueError
            When a bag is empty.
        """
        sizes = torch.as_tensor(sizes, dtype=torch.int64)
        if sizes.numel() and int(sizes.min()) < 1:
            raise ValueError(
                f"bag {int(sizes.argmin())} has {int(sizes.min())} instances; expected one or more"
            )
        return cls(
            torch.repeat_interleave(torch.arange(sizes.numel(), device=sizes.device), sizes), sizes.numel()
        )

    @property
    def sizes(self) -> torch.Tensor:
        """Instances of each bag: int64, shape (count,)."""
        ones = torch.ones_like(self.bag)
        return torch.zeros(self.count, dtype=torch.int64, device=self.bag.device).index_add_(
            0, self.bag, ones
        )

    def to(self, device: torch.device | str) -> BagLayout:
        """The same bags on another device."""
        return BagLayout(self.bag.to(device), self.count)

    def sum(self, values: torch.Tensor) -> torch.Tensor:
        """Sums over the instances of each bag: (n, ...) -> (count, ...)."""
        return values.new_zeros(self.count, *values.shape[1:]).index_add(0, self.bag, values)

    def mean(self, values: torch.Tensor) -> torch.Tensor:
        """Means over the instances of each bag: (n,) -> (count,)."""
        return self.sum(values) / self.sizes

    def max(self, values: torch.Tensor) -> torch.Tensor:
        """Largest value of each bag: (n,) -> (count,)."""
        lowest = values.new_full((self.count,), -torch.inf)
        return lowest.scatter_reduce(0, self.bag, values, "amax")

    def log_sum_exp(self, values: torch.Tensor) -> torch.Tensor:
        """``log sum exp`` over each bag: (n,) -> (count,); -inf where all values of a bag are."""
        top = self.max(values.detach())
        nothing = torch.isneginf(top)
        top = torch.where(nothing, torch.zeros_like(top), top)
        total = self.sum((values - top[self.bag]).exp())
        # The logarithm of 0 would make the gradient NaN, even though its value is replaced.
        result = torch.where(nothing, torch.ones_like(total), total).log() + top
        return result.masked_fill(nothing, -torch.inf)

    def log_softmax(self, values: torch.Tensor) -> torch.Tensor:
        """Logarithm of the softmax over each bag: (n,) -> (n,)."""
        return values - self.log_sum_exp(values)[self.bag]
