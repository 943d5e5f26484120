"""Which indices of each level of the network the logit of a window depends on, and which of them are shared.

Indices are those of a window at a level; padding and substituted bases tell windows apart from what their
neighbours have at the same place of the sequence.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable

from mifm_kipoi.network.model import MIFMConfig


@dataclasses.dataclass(frozen=True)
class Layer:
    """A convolution with what follows it up to the next.

    Indices are those of the window at this level: index i begins ``i * step`` base pairs after it.
    """

    level: int
    kernel: int
    dilation: int
    step: int
    length: int
    inputs: int
    channels: int
    pooled: bool
    outputs: tuple[int, ...] = ()
    """Indices at which the read-out needs the convolution."""

    def taps(self, index: int) -> list[tuple[int, int]]:
        """Each tap of the kernel with the index that it reads for an output, inside the window or not."""
        return [(tap, index + (tap - self.kernel // 2) * self.dilation) for tap in range(self.kernel)]

    def holds(self, index: int) -> bool:
        """Whether the index is inside the window."""
        return 0 <= index < self.length

    def next_level(self, outputs: Iterable[int]) -> set[int]:
        """Indices of the next level that come from outputs."""
        return {index // 2 for index in outputs} if self.pooled else set(outputs)


def layers_of(config: MIFMConfig) -> list[Layer]:
    """All layers, with the outputs that the read-out needs."""
    widths = [config.channels, config.stem_channels, *config.tower_channels]
    kernels = [config.stem_kernel, *([config.tower_kernel] * len(config.tower_channels))]
    layers = [
        Layer(level, kernel, 1, 1 << level, config.window >> level, inputs, channels, True)
        for level, (kernel, inputs, channels) in enumerate(zip(kernels, widths, widths[1:], strict=False))
    ]
    bins, width = config.window // config.bin_size, widths[-1]
    layers += [
        Layer(level, config.dilated_kernel, dilation, config.bin_size, bins, width, width, False)
        for level, dilation in enumerate(config.dilations, start=len(layers))
    ]
    needed, complete = {config.variant_bin}, []
    for layer in reversed(layers):
        outputs = {2 * index + half for index in needed for half in (0, 1)} if layer.pooled else needed
        complete.append(dataclasses.replace(layer, outputs=tuple(sorted(outputs))))
        needed = {index for output in outputs for _, index in layer.taps(output) if layer.holds(index)}
    return complete[::-1]


@dataclasses.dataclass(frozen=True)
class Changes:
    """Indices of each window that differ from what is given: the shared values, or the reference window's.

    Parameters
    ----------
    levels : list of set of int
        Of the input of each layer, and of the bins.
    outputs : list of list of int
        Of the convolution of each layer, ascending.
    padding : bool
        Whether it is the padding that makes the difference.
    """

    levels: list[set[int]]
    outputs: list[list[int]]
    padding: bool

    @classmethod
    def spread(cls, layers: list[Layer], start: set[int], *, padding: bool) -> Changes:
        """What changes, from the indices of the input that do, or from the padding."""
        levels, outputs = [start], []
        for layer in layers:
            changed = [
                output
                for output in layer.outputs
                if any(
                    index in levels[-1] or (padding and not layer.holds(index))
                    for _, index in layer.taps(output)
                )
            ]
            outputs.append(changed)
            levels.append(layer.next_level(changed))
        return cls(levels, outputs, padding)

    def taps(self, layer: Layer, output: int) -> list[tuple[int, int]]:
        """The taps that read something else."""
        return [
            (tap, index)
            for tap, index in layer.taps(output)
            if index in self.levels[layer.level] or (self.padding and not layer.holds(index))
        ]

    def anew(self, layer: Layer, output: int) -> bool:
        """Whether an output is summed up from all of its inputs, and not from a sum that is there.

        Such a sum is the convolution before a substitution, or that of the last taps. It is of no use where
        all taps read something else, and not there where a convolution is shared by no windows.
        """
        changed = [tap for tap, _ in self.taps(layer, output)]
        if not self.padding:
            return len(changed) >= sum(layer.holds(index) for _, index in layer.taps(output))
        is_shared = len(self.outputs[layer.level]) < len(layer.outputs)
        return not is_shared or changed != list(range(len(changed))) or len(changed) == layer.kernel

    def partial_sums(self, layer: Layer) -> dict[int, list[int]]:
        """How many of the first taps are left out of a shared sum, and the outputs that begin with it."""
        sums: dict[int, list[int]] = {}
        for output in self.outputs[layer.level]:
            if not self.anew(layer, output):
                sums.setdefault(len(self.taps(layer, output)), []).append(output)
        return dict(sorted(sums.items(), reverse=True))


@dataclasses.dataclass(frozen=True)
class Span:
    """Offsets from a window's start in base pairs, the last included."""

    first: int
    last: int

    @classmethod
    def around(cls, *parts: Span | int | None) -> Span | None:
        """The shortest that holds all parts."""
        spans = [cls(part, part) if isinstance(part, int) else part for part in parts if part is not None]
        if not spans:
            return None
        return cls(min(span.first for span in spans), max(span.last for span in spans))

    def widened(self, before: int, behind: int) -> Span:
        """With more base pairs at either end."""
        return Span(self.first - before, self.last + behind)
