"""A network evaluated only as far as its read-out depends on, and again only where a base changed."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any, TypeVar

import torch
from torch.nn import functional as F  # noqa: N812 - its usual name

from mifm_kipoi.network.layers import (
    DilatedWeights,
    Stage,
    activate,
    convolve,
    dilated_weights,
    read_out_of,
    stages_of,
)
from mifm_kipoi.network.model import MIFM


@dataclasses.dataclass(frozen=True)
class _Dilated:
    """A dilated residual block at those bins that the read-out depends on."""

    bins: torch.Tensor
    """Rows of the input at which there is an output."""
    taps: torch.Tensor
    """Rows of the input that the kernel reads, for one output after the other; one past the last row
    stands for a bin outside the window."""
    reads_outside: bool
    weights: DilatedWeights

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        """(n, rows, width) -> (n, len(bins), width)."""
        weights = self.weights
        active = activate(x, weights.affine)
        if self.reads_outside:
            active = F.pad(active, (0, 0, 0, 1))
        branch = convolve(active.index_select(1, self.taps), weights.kernel, stride=weights.kernel.shape[-1])
        return x.index_select(1, self.bins) + convolve(
            activate(branch, weights.mix_affine), weights.mix_kernel
        )


class PartialNetwork:
    """A MIFM network in evaluation mode, evaluated only as far as its one bin depends on.

    Bins, activations and regions of the window that the logit does not depend on are left out. When
    one base of a window is substituted, only the activations that it reaches are computed again (cf.
    fastISM, Nair et al. 2022). Both are exact: the logits are those of ``model.eval()`` but for the
    rounding of float32: up to 1e-5, or 2e-6 of the probabilities.

    Parameters
    ----------
    model : MIFM
        On any device; its values are taken as they are now.
    dtype : torch.dtype, optional
        Of the activations, that of the model by default. The logit is summed up in the model's.
    """

    def __init__(self, model: MIFM, dtype: torch.dtype | None = None) -> None:
        self.config = config = model.config
        self.dtype = dtype or model.head.weight.dtype
        blocks, bins = _dilated(model)
        self._stages = [_in_dtype(stage, self.dtype) for stage in stages_of(model)]
        self._dilated = [_in_dtype(block, self.dtype) for block in blocks]
        # What each stage reads of its input: [start, end), and the zeros past the window's ends.
        self._spans = [(min(bins), max(bins) + 1)]
        self._padding: list[tuple[int, int]] = []
        lengths = [config.window >> level for level in range(len(self._stages))]
        for stage, length in zip(reversed(self._stages), reversed(lengths), strict=True):
            start, end = 2 * self._spans[0][0] - stage.reach, 2 * self._spans[0][1] + stage.reach
            self._padding.insert(0, (max(-start, 0), max(end - length, 0)))
            self._spans.insert(0, (max(start, 0), min(end, length)))
        self._read_out = read_out_of(model)

    @property
    def receptive_field(self) -> tuple[int, int]:
        """The part of the window that the logit depends on: 0-based half-open."""
        return self._spans[0]

    def levels(self, windows: torch.Tensor) -> list[torch.Tensor]:
        """Activations of every level, from the window itself to the bins.

        Parameters
        ----------
        windows : torch.Tensor, shape (n, window, channels)
            One-hot windows.

        Returns
        -------
        list of torch.Tensor, shapes (n, length of the level, channels of the level)

        Raises
        ------
        ValueError
            When the shape is another: one base off centre would be a wrong score.
        """
        expected = (self.config.window, self.config.channels)
        if windows.dim() != 3 or tuple(windows.shape[1:]) != expected:
            raise ValueError(
                f"windows have shape {tuple(windows.shape)}; expected (n, {expected[0]}, {expected[1]})"
            )
        start, end = self.receptive_field
        levels = [windows[:, start:end].to(self.dtype).contiguous()]
        for stage, (before, behind) in zip(self._stages, self._padding, strict=True):
            levels.append(stage(F.pad(levels[-1], (0, 0, before, behind))))
        return levels

    def substitute(
        self,
        levels: Sequence[torch.Tensor],
        index: int,
        bases: torch.Tensor,
        rows: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """The bins of windows in which one base was substituted.

        Parameters
        ----------
        levels : list of torch.Tensor
            From :meth:`levels`, of the windows before the substitution.
        index : int
            0-based position of the base in the window.
        bases : torch.Tensor, shape (m, channels)
            The base that is there now.
        rows : torch.Tensor of int64, shape (m,), optional
            The window of each substitution; the windows in their order by default.

        Returns
        -------
        torch.Tensor, shape (m, bins, width)
            For :meth:`read_out`.
        """
        bins = _take(levels[-1], 0, levels[-1].shape[1], rows)
        start, end = self.receptive_field
        if not start <= index < end:
            return bins
        changed, start, end = bases.to(self.dtype).unsqueeze(1), index, index + 1
        for level, stage in enumerate(self._stages):
            # The outputs that read a changed input, in whole pairs for the pooling, and what they read.
            first = max((start - stage.reach) // 2, self._spans[level + 1][0])
            last = min((end + stage.reach + 1) // 2, self._spans[level + 1][1])
            low, high = 2 * first - stage.reach, 2 * last + stage.reach
            offset = self._spans[level][0]
            part = _take(levels[level], low - offset, high - offset, rows)
            part[:, start - low : end - low] = changed
            changed, start, end = stage(part), first, last
        offset = self._spans[-1][0]
        bins[:, start - offset : end - offset] = changed
        return bins

    def substitute_anywhere(
        self, levels: Sequence[torch.Tensor], rows: torch.Tensor, indices: torch.Tensor, bases: torch.Tensor
    ) -> torch.Tensor:
        """The bins of windows in which one base was substituted, at an index of its own in each.

        The same as :meth:`substitute` index by index but for rounding. Regions of one length are computed
        again for every substitution, long enough for each position in a pair and a bin.

        Parameters
        ----------
        levels : list of torch.Tensor
            From :meth:`levels`, of the windows before the substitution.
        rows : torch.Tensor of int64, shape (m,)
            The window of each substitution.
        indices : torch.Tensor of int64, shape (m,)
            0-based position of the base in the window.
        bases : torch.Tensor, shape (m, channels)
            The base that is there now.

        Returns
        -------
        torch.Tensor, shape (m, bins, width)
            For :meth:`read_out`.
        """
        changed, start = bases.to(self.dtype).unsqueeze(1), indices.unsqueeze(1)
        for level, stage in enumerate(self._stages):
            count = changed.shape[1] // 2 + stage.reach + 1
            first = torch.div(start - stage.reach, 2, rounding_mode="floor")
            low = 2 * first - stage.reach
            part = self._regions(levels[level], level, rows, low, 2 * (count + stage.reach))
            positions = start - low + _steps(changed.shape[1], start)
            # Past the window's ends stand zeros, whatever a convolution would give there.
            changed = changed.masked_fill(self._outside(level, start, changed.shape[1]).unsqueeze(2), 0)
            part.scatter_(1, positions.unsqueeze(2).expand_as(changed), changed)
            changed, start = stage(part), first
        last, count = levels[-1], changed.shape[1]
        outside = self._outside(len(self._stages), start, count)
        positions = (start - self._spans[-1][0] + _steps(count, start)).masked_fill(outside, last.shape[1])
        bins = F.pad(last.index_select(0, rows), (0, 0, 0, 1))
        return bins.scatter_(1, positions.unsqueeze(2).expand_as(changed), changed)[:, :-1]

    def _regions(
        self, x: torch.Tensor, level: int, rows: torch.Tensor, low: torch.Tensor, count: int
    ) -> torch.Tensor:
        """``count`` positions of a level from ``low`` of each row, zeros where the level has none."""
        length = x.shape[1]
        positions = low - self._spans[level][0] + _steps(count, low)
        positions = positions.masked_fill(self._outside(level, low, count), length)
        positions = positions + (length + 1) * rows[:, None]
        padded = F.pad(x, (0, 0, 0, 1)).view(-1, x.shape[2])
        return padded.index_select(0, positions.view(-1)).view(*positions.shape, x.shape[2])

    def _outside(self, level: int, start: torch.Tensor, count: int) -> torch.Tensor:
        """Which of ``count`` positions from ``start`` on a level does not hold: (m, count)."""
        positions = start + _steps(count, start)
        return (positions < self._spans[level][0]) | (positions >= self._spans[level][1])

    def read_out(self, bins: torch.Tensor) -> torch.Tensor:
        """Logits: (n, bins, width) -> (n,)."""
        for block in self._dilated:
            bins = block(bins)
        last = bins[:, 0].to(self._read_out.weight.dtype)
        active = activate(last, self._read_out.affine)
        return F.linear(active, self._read_out.weight, self._read_out.bias)[:, 0]


_Block = TypeVar("_Block", Stage, DilatedWeights, _Dilated)


def _in_dtype(block: _Block, dtype: torch.dtype) -> _Block:
    """A block with its weights in another floating-point format."""

    def cast(value: Any) -> Any:
        if isinstance(value, DilatedWeights):
            return _in_dtype(value, dtype)
        if isinstance(value, tuple):
            return tuple(cast(item) for item in value)
        is_weight = isinstance(value, torch.Tensor) and value.is_floating_point()
        return value.to(dtype) if is_weight else value

    fields = {field.name: cast(getattr(block, field.name)) for field in dataclasses.fields(block)}
    return dataclasses.replace(block, **fields)


def _steps(count: int, like: torch.Tensor) -> torch.Tensor:
    return torch.arange(count, device=like.device)


def _take(x: torch.Tensor, low: int, high: int, rows: torch.Tensor | None) -> torch.Tensor:
    """A copy of ``x[rows, low:high]``, zeros where that lies outside."""
    length = x.shape[1]
    part = x[:, max(low, 0) : min(high, length)]
    if rows is not None:
        part = part.index_select(0, rows)
    if low < 0 or high > length:
        return F.pad(part, (0, 0, max(-low, 0), max(high - length, 0)))
    return part.clone(memory_format=torch.contiguous_format) if rows is None else part


def _dilated(model: MIFM) -> tuple[list[_Dilated], list[int]]:
    """The dilated blocks, and the bins that the first of them reads."""
    config = model.config
    count = config.window // config.bin_size
    device = model.head.weight.device
    shifts = [
        [(tap - config.dilated_kernel // 2) * dilation for tap in range(config.dilated_kernel)]
        for dilation in config.dilations
    ]
    needed = [[config.variant_bin]]
    for shift in reversed(shifts):
        read = {centre + step for centre in needed[0] for step in (0, *shift)}
        needed.insert(0, sorted(centre for centre in read if 0 <= centre < count))
    # The first block is given the tower's bins, which have no gaps.
    have = list(range(needed[0][0], needed[0][-1] + 1))
    blocks = []
    for weights, shift, outputs in zip(dilated_weights(model), shifts, needed[1:], strict=True):
        row = {centre: position for position, centre in enumerate(have)}
        taps = [row.get(centre + step, len(have)) for centre in outputs for step in shift]
        blocks.append(
            _Dilated(
                bins=torch.tensor([row[centre] for centre in outputs], device=device),
                taps=torch.tensor(taps, device=device),
                reads_outside=len(have) in taps,
                weights=weights,
            )
        )
        have = outputs
    return blocks, needed[0]
