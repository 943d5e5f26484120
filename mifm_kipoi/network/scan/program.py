"""What a scan computes: operations on arrays of activations, derived from the network's configuration.

The convolutions of a window read the same numbers as those of the window one position further, so nearly
all activations are computed once a position (the algorithme a trous: a level that has an index every
``2 ** k`` positions of a window is computed at every position of the sequence, and read at that step).
A few indices of each window are not shared, because padding reaches them: there a convolution reads zeros
where the sequence goes on. They are computed for each window: the sum over those taps of the kernel that
read what is shared, to which the other taps are added. Sums begin with the last tap, so that those without
the first taps come by the way. Nothing outside a window enters into its numbers, not even by rounding.

The indices that a substituted base reaches are computed again: the value before plus differences times taps.

An array has a row for each channel, in which positions lie side by side. All arrays lie in one buffer, the
rows of most at one stride, with room for all positions. What only the windows at hand need has rows at a
smaller stride, which are used again: they stay in the processor's cache.
"""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from mifm_kipoi.network.layers import Affine, dilated_weights, read_out_of, stages_of
from mifm_kipoi.network.model import MIFM, MIFMConfig

TOKEN = 5
"""The symbol of the variant token in arrays of symbols, which are codes of bases but for it."""

SYMBOLS = (0, 1, 2, 3, TOKEN)
"""The symbol of each channel of a one-hot array."""

SLACK = 64
"""Positions past an array's last that an operation may write to, so that it can work on whole vectors."""


class Kind(enum.IntEnum):
    """What an operation makes of the arrays at its places."""

    MULTIPLY = 0
    """``first + sum of kernel[tap] @ rows at the tap's place``; the bias where there is no ``first``."""
    MAXIMUM = 1
    """``maximum(first, second)``"""
    SUBTRACT = 2
    """``first - second``"""
    GATHER = 3
    """What ``first`` has for the window of each substitution."""


@dataclasses.dataclass(frozen=True)
class Place:
    """Where an array lies.

    Parameters
    ----------
    start : int
        Index in the buffer of that value of the first channel that belongs to window 0, what belongs to
        window i lies i further; when local, that of the first of the windows at hand.
    is_local : bool
        Whether it has room for the windows at hand only, and its rows are at the smaller stride.
    """

    start: int
    is_local: bool = False


@dataclasses.dataclass(frozen=True)
class Tap:
    """A term of a product.

    Parameters
    ----------
    source : Place
        The array that is multiplied.
    matrix : int
        Where in the weights the matrix (inputs, channels) for it lies.
    kept : Place, optional
        Where the sum up to this term is written to as well; not local.
    """

    source: Place
    matrix: int
    kept: Place | None = None


@dataclasses.dataclass(frozen=True)
class Operation:
    """One step, for all windows.

    Parameters
    ----------
    kind : Kind
        What is done.
    channels : int
        Rows of the result.
    extent : int
        How many positions more than there are windows.
    out : Place, optional
        Where the result is written to.
    active : Place, optional
        Where ``GELU(scale * result + shift)`` is.
    affine : int
        Where in the weights the scales lie, with the shifts behind them.
    first, second : Place, optional
        What is read.
    taps : tuple of Tap
        Of a product: what is added, in this order.
    inputs : int
        Rows of each of these arrays.
    bias : int
        Where in the weights the bias lies.
    """

    kind: Kind
    channels: int
    extent: int = 0
    out: Place | None = None
    active: Place | None = None
    affine: int = 0
    first: Place | None = None
    second: Place | None = None
    taps: tuple[Tap, ...] = ()
    inputs: int = 0
    bias: int = 0

    @property
    def multiply_adds(self) -> int:
        """For each position, products alone."""
        return self.channels * self.inputs * len(self.taps)


@dataclasses.dataclass(frozen=True)
class Program:
    """Operations in their order.

    Each reads at a position what lies at most as far as its sources have been computed when every operation
    has been done up to the same window: they can be done for some windows after the other.

    Parameters
    ----------
    operations : tuple of Operation
    one_hot : Place
        The input: bases, or the substituted base.
    logit : Place
        The result.
    """

    operations: tuple[Operation, ...]
    one_hot: Place
    logit: Place

    @property
    def multiply_adds(self) -> int:
        """For each window, but for the few positions past the last window."""
        return sum(operation.multiply_adds for operation in self.operations)

    @property
    def activations(self) -> int:
        """Evaluations of GELU for each window."""
        return sum(each.channels for each in self.operations if each.active is not None)


@dataclasses.dataclass(frozen=True)
class ScanPrograms:
    """The two programs of a network and the numbers that they read.

    Parameters
    ----------
    reference : Program
        Logits of consecutive windows.
    substitution : Program
        Logits of windows with another base at the variant's index. It reads what ``reference`` has left.
    weights : numpy.ndarray, one dimension
        Kernels, scales, shifts, biases.
    channels : int
        Rows of the one-hot arrays.
    start, end : int
        The bases that window 0 needs; those before 0 lie left of it.
    windows : int
        How many windows, or substitutions, there can be.
    at_hand : int
        How many of them at a time.
    stride, local_stride : int
        Of the rows of arrays.
    size : int
        Of the buffer.
    """

    reference: Program
    substitution: Program
    weights: npt.NDArray[np.floating]
    channels: int
    start: int
    end: int
    windows: int
    at_hand: int
    stride: int
    local_stride: int
    size: int


def programs_of(model: MIFM, windows: int, at_hand: int) -> ScanPrograms:
    """Derive the programs of a network.

    Parameters
    ----------
    model : MIFM
        In evaluation mode; its values are taken as they are now.
    windows : int
        How many there can be.
    at_hand : int
        How many of them are carried through all operations before the next.
    """
    layers = _layers(model.config)
    weights = _Weights(model)
    reference = _Reference(model.config, layers, weights)
    substitution = _Substitution(model.config, layers, weights, reference)
    span = reference.bases
    rooms = _Rooms(reference, substitution, windows, at_hand)
    return ScanPrograms(
        rooms.program(reference),
        rooms.program(substitution),
        weights.packed(),
        model.config.channels,
        span.first,
        span.last + 1,
        windows,
        at_hand,
        rooms.stride,
        rooms.local_stride,
        rooms.size,
    )


@dataclasses.dataclass(frozen=True)
class _Layer:
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


def _layers(config: MIFMConfig) -> list[_Layer]:
    """All layers, with the outputs that the read-out needs."""
    widths = [config.channels, config.stem_channels, *config.tower_channels]
    kernels = [config.stem_kernel, *([config.tower_kernel] * len(config.tower_channels))]
    layers = [
        _Layer(level, kernel, 1, 1 << level, config.window >> level, inputs, channels, True)
        for level, (kernel, inputs, channels) in enumerate(zip(kernels, widths, widths[1:], strict=False))
    ]
    bins, width = config.window // config.bin_size, widths[-1]
    layers += [
        _Layer(level, config.dilated_kernel, dilation, config.bin_size, bins, width, width, False)
        for level, dilation in enumerate(config.dilations, start=len(layers))
    ]
    needed, complete = {config.variant_bin}, []
    for layer in reversed(layers):
        outputs = {2 * index + half for index in needed for half in (0, 1)} if layer.pooled else needed
        complete.append(dataclasses.replace(layer, outputs=tuple(sorted(outputs))))
        needed = {index for output in outputs for _, index in layer.taps(output) if layer.holds(index)}
    return complete[::-1]


@dataclasses.dataclass(frozen=True)
class _Changes:
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
    def spread(cls, layers: list[_Layer], start: set[int], *, padding: bool) -> _Changes:
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

    def taps(self, layer: _Layer, output: int) -> list[tuple[int, int]]:
        """The taps that read something else."""
        return [
            (tap, index)
            for tap, index in layer.taps(output)
            if index in self.levels[layer.level] or (self.padding and not layer.holds(index))
        ]

    def anew(self, layer: _Layer, output: int) -> bool:
        """Whether an output is summed up from all of its inputs, and not from a sum that is there.

        Such a sum is the convolution before a substitution, or that of the last taps. It is of no use where
        all taps read something else, and not there where a convolution is shared by no windows.
        """
        changed = [tap for tap, _ in self.taps(layer, output)]
        if not self.padding:
            return len(changed) >= sum(layer.holds(index) for _, index in layer.taps(output))
        is_shared = len(self.outputs[layer.level]) < len(layer.outputs)
        return not is_shared or changed != list(range(len(changed))) or len(changed) == layer.kernel

    def partial_sums(self, layer: _Layer) -> dict[int, list[int]]:
        """How many of the first taps are left out of a shared sum, and the outputs that begin with it."""
        sums: dict[int, list[int]] = {}
        for output in self.outputs[layer.level]:
            if not self.anew(layer, output):
                sums.setdefault(len(self.taps(layer, output)), []).append(output)
        return dict(sorted(sums.items(), reverse=True))


@dataclasses.dataclass(frozen=True)
class _Span:
    """Offsets from a window's start in base pairs, the last included."""

    first: int
    last: int

    @classmethod
    def around(cls, *parts: _Span | int | None) -> _Span | None:
        """The shortest that holds all parts."""
        spans = [cls(part, part) if isinstance(part, int) else part for part in parts if part is not None]
        if not spans:
            return None
        return cls(min(span.first for span in spans), max(span.last for span in spans))

    def widened(self, before: int, behind: int) -> _Span:
        return _Span(self.first - before, self.last + behind)


@dataclasses.dataclass(frozen=True, eq=False)
class _Array:
    """Rows that get a room in the buffer when all operations are known.

    Parameters
    ----------
    channels : int
        How many.
    first : int
        Offset from a window's start at which their positions begin.
    is_shared : bool
        Whether it has more positions than there are windows, or is read when others are at hand.
    """

    channels: int
    first: int = 0
    is_shared: bool = False

    def at(self, offset: int = 0) -> _Spot:
        """What belongs to window 0 at an offset from its start."""
        return _Spot(self, offset - self.first)


@dataclasses.dataclass(frozen=True)
class _Spot:
    """A place in an array that has no room yet."""

    array: _Array
    offset: int

    def moved(self, positions: int) -> _Spot:
        return _Spot(self.array, self.offset + positions)


@dataclasses.dataclass(frozen=True)
class _Step:
    """An :class:`Operation` whose arrays have no room yet."""

    kind: Kind
    channels: int
    extent: int = 0
    out: _Spot | None = None
    active: _Spot | None = None
    affine: int = 0
    first: _Spot | None = None
    second: _Spot | None = None
    taps: tuple[tuple[_Spot, int, _Spot | None], ...] = ()
    inputs: int = 0
    bias: int = 0

    @property
    def written(self) -> list[_Array]:
        spots = [self.out, self.active, *(kept for *_, kept in self.taps)]
        return [spot.array for spot in spots if spot is not None]

    @property
    def read(self) -> list[_Array]:
        spots = [self.first, self.second, *(spot for spot, *_ in self.taps)]
        return [spot.array for spot in spots if spot is not None]


class _Weights:
    """All that multiplies and is added, in one array."""

    def __init__(self, model: MIFM) -> None:
        self._parts: list[torch.Tensor] = []
        self._size = 0
        stages, blocks, read_out = stages_of(model), dilated_weights(model), read_out_of(model)
        kernels = [*(stage.kernel for stage in stages), *(block.kernel for block in blocks)]
        self.kernels = [
            [self._add(kernel[:, :, 0, tap].T) for tap in range(kernel.shape[3])] for kernel in kernels
        ]
        biases = [*(stage.bias for stage in stages), *([None] * len(blocks))]
        self.biases = [
            self._add(kernel.new_zeros(len(kernel)) if bias is None else bias)
            for kernel, bias in zip(kernels, biases, strict=True)
        ]
        self.mixes = [
            *(self._add(stage.residual_weight) for stage in stages),
            *(self._add(block.mix_kernel[:, :, 0, 0].T) for block in blocks),
        ]
        self.mix_affines = [
            *(self._add_affine(stage.residual_affine) for stage in stages),
            *(self._add_affine(block.mix_affine) for block in blocks),
        ]
        # Of the input of each layer after the stem, and of the bin that is read out.
        affines = [stage.next_affine for stage in stages if stage.next_affine is not None]
        affines += [*(block.affine for block in blocks), read_out.affine]
        self.affines = [0, *(self._add_affine(affine) for affine in affines)]
        bias = read_out.weight.new_zeros(1) if read_out.bias is None else read_out.bias
        self.read_out, self.read_out_bias = self._add(read_out.weight.T), self._add(bias)

    def _add(self, values: torch.Tensor) -> int:
        self._parts.append(values.detach().cpu().reshape(-1))
        self._size += values.numel()
        return self._size - values.numel()

    def _add_affine(self, affine: Affine) -> int:
        return self._add(torch.cat(affine))

    def packed(self) -> npt.NDArray[np.floating]:
        packed: npt.NDArray[np.floating] = torch.cat(self._parts).numpy()
        return packed


def _without(taps: int) -> str:
    """The name of shared sums without the first taps."""
    return f"without {taps}"


class _Emitter:
    """Writes operations."""

    def __init__(self, layers: list[_Layer], weights: _Weights) -> None:
        self.layers, self.weights = layers, weights
        self.steps: list[_Step] = []

    def emit(self, kind: Kind, channels: int, **values: Any) -> None:
        """Write an operation."""
        self.steps.append(_Step(kind, channels, **values))

    def mixed(self, layer: _Layer, out: _Spot, gate: _Spot, residual: _Spot, **values: Any) -> None:
        """``out = residual + mix @ gate``."""
        taps = ((gate, self.weights.mixes[layer.level], None),)
        self.emit(
            Kind.MULTIPLY,
            layer.channels,
            out=out,
            first=residual,
            taps=taps,
            inputs=layer.channels,
            **values,
        )

    def logit(self, active: _Spot) -> _Spot:
        """The read-out of a bin."""
        out = _Array(1, is_shared=True).at()
        taps = ((active, self.weights.read_out, None),)
        inputs, bias = self.layers[-1].channels, self.weights.read_out_bias
        self.emit(Kind.MULTIPLY, 1, out=out, taps=taps, inputs=inputs, bias=bias)
        return out

    def changed(
        self, changes: _Changes, given: Callable[[str, int, int], _Spot], start: dict[int, _Spot]
    ) -> dict[tuple[str, int, int], _Spot]:
        """Compute what differs in each window.

        Parameters
        ----------
        changes : _Changes
            What does.
        given : callable
            The place of what is given: ``active`` or ``raw`` of a level, or ``convolved`` or ``mixed`` of a
            layer's outputs, by level and index.
        start : dict of int to _Spot
            Place of each index of the input that differs.

        Returns
        -------
        dict of (str, int, int) to _Spot
            The places of what was computed, under the same names.
        """
        places = {("active", 0, index): place for index, place in start.items()}
        differences: dict[tuple[int, int], _Spot] = {}

        def now(kind: str, level: int, index: int) -> _Spot:
            place = places.get((kind, level, index))
            return given(kind, level, index) if place is None else place

        def difference(layer: _Layer, index: int) -> _Spot:
            key = layer.level, index
            if key not in differences:
                first, second = places["active", *key], given("active", *key)
                differences[key] = _Array(layer.inputs).at()
                self.emit(Kind.SUBTRACT, layer.inputs, out=differences[key], first=first, second=second)
            return differences[key]

        for layer, outputs in zip(self.layers, changes.outputs, strict=True):
            level, kernels = layer.level, self.weights.kernels[layer.level]
            for output in outputs:
                first: _Spot | None
                if changes.anew(layer, output):
                    first = None
                    taps = [
                        (now("active", level, index), kernels[tap], None)
                        for tap, index in layer.taps(output)
                        if layer.holds(index)
                    ]
                elif changes.padding:
                    first = given(_without(len(changes.taps(layer, output))), level, output)
                    taps = [
                        (places["active", level, index], kernels[tap], None)
                        for tap, index in changes.taps(layer, output)
                        if layer.holds(index)
                    ]
                else:
                    first = given("convolved", level, output)
                    taps = [
                        (difference(layer, index), kernels[tap], None)
                        for tap, index in changes.taps(layer, output)
                    ]
                # A sum of which no tap is left to add lies in its place already.
                is_new = bool(taps) or first is None
                convolved = _Array(layer.channels).at() if is_new or first is None else first
                gate = _Array(layer.channels).at()
                self.emit(
                    Kind.MULTIPLY,
                    layer.channels,
                    out=convolved if is_new else None,
                    first=first,
                    taps=tuple(taps),
                    inputs=layer.inputs,
                    bias=self.weights.biases[level],
                    active=gate,
                    affine=self.weights.mix_affines[level],
                )
                places["convolved", level, output] = convolved
                out = _Array(layer.channels).at()
                if layer.pooled:
                    self.mixed(layer, out, gate, convolved)
                    places["mixed", level, output] = out
                    continue
                residual, active = now("raw", level, output), _Array(layer.channels).at()
                affine = self.weights.affines[level + 1]
                self.mixed(layer, out, gate, residual, active=active, affine=affine)
                places["raw", level + 1, output], places["active", level + 1, output] = out, active
            for index in sorted(changes.levels[level + 1]) if layer.pooled else ():
                out, active = _Array(layer.channels).at(), _Array(layer.channels).at()
                left, right = (now("mixed", level, 2 * index + half) for half in (0, 1))
                self.emit(
                    Kind.MAXIMUM,
                    layer.channels,
                    out=out,
                    first=left,
                    second=right,
                    active=active,
                    affine=self.weights.affines[level + 1],
                )
                places["raw", level + 1, index], places["active", level + 1, index] = out, active
        return places


class _Reference:
    """The program for consecutive windows, and where its results lie."""

    def __init__(self, config: MIFMConfig, layers: list[_Layer], weights: _Weights) -> None:
        self._layers = layers
        self._changes = changes = _Changes.spread(layers, set(), padding=True)
        self._span()
        bases = self._spans["active", 0]
        assert bases is not None
        self.bases = bases
        self._emitter = emitter = _Emitter(layers, weights)
        self._arrays: dict[tuple[str, int], _Array] = {}
        self._scratch = _Array(max(layer.channels for layer in layers), is_shared=True)
        self._share()
        self._changed = emitter.changed(changes, self._shared, {})
        self.one_hot = self._arrays["active", 0].at(bases.first)
        self.logit = emitter.logit(self.place("active", len(layers), config.variant_bin))
        self.steps = emitter.steps

    def _span(self) -> None:
        """Which offsets of a window are read of each shared array, from the read-out backwards."""
        self._spans: dict[tuple[str, int], _Span | None] = {}
        bins = len(self._layers)
        (read_out,) = self._layers[-1].next_level(self._layers[-1].outputs)
        is_shared = read_out not in self._changes.levels[bins]
        last = self._layers[-1]
        offset = read_out * last.step * (2 if last.pooled else 1)
        wanted = _Span(offset, offset) if is_shared else None
        self._spans["raw", bins] = self._spans["active", bins] = wanted
        for layer in reversed(self._layers):
            level, step = layer.level, layer.step
            changed = self._changes.outputs[level]
            if layer.pooled:
                partners = {output ^ 1 for output in changed} - set(changed)
                mixed = _Span.around(
                    wanted and wanted.widened(0, step), *(index * step for index in partners)
                )
                self._spans["mixed", level] = mixed
            else:
                mixed = wanted
            anew = [output for output in changed if self._changes.anew(layer, output)]
            starts = [output * step for output in changed if output not in anew]
            convolved = _Span.around(mixed, *starts)
            self._spans["convolved", level] = convolved
            for left_out in self._changes.partial_sums(layer):
                self._spans[_without(left_out), level] = convolved
            reach = layer.kernel // 2 * layer.dilation * step
            unchanged = {
                index
                for output in anew
                for _, index in layer.taps(output)
                if layer.holds(index) and index not in self._changes.levels[level]
            }
            if not layer.pooled:
                unchanged |= set(changed) - self._changes.levels[level]
            wanted = _Span.around(
                convolved and convolved.widened(reach, reach),
                None if layer.pooled else mixed,
                *(index * step for index in unchanged),
            )
            self._spans["active", level] = wanted
            self._spans["raw", level] = None if level == 0 or layer.pooled else wanted

    def _share(self) -> None:
        """Compute what the windows share."""
        emitter, weights = self._emitter, self._emitter.weights
        self._array("active", 0, self._layers[0].inputs)
        for layer in self._layers:
            level, channels, step = layer.level, layer.channels, layer.step
            convolved = self._spans["convolved", level]
            if convolved is None:
                continue
            mixed = self._spans["mixed" if layer.pooled else "active", level + (not layer.pooled)]
            source = self._arrays["active", level]
            kept = {
                left_out: self._array(_without(left_out), level, channels).at(convolved.first)
                for left_out in self._changes.partial_sums(layer)
            }
            taps = []
            for tap in reversed(range(layer.kernel)):
                offset = (tap - layer.kernel // 2) * layer.dilation * step
                matrix = weights.kernels[level][tap]
                taps.append((source.at(convolved.first + offset), matrix, kept.get(tap)))
            # What ends where the next operation does is read by it at the same positions.
            if mixed is None or mixed.last == convolved.last:
                gate = self._scratch.at()
            else:
                gate = self._array("gate", level, channels, "convolved").at(convolved.first)
            emitter.emit(
                Kind.MULTIPLY,
                channels,
                out=self._array("convolved", level, channels).at(convolved.first),
                taps=tuple(taps),
                inputs=layer.inputs,
                extent=convolved.last - convolved.first,
                bias=weights.biases[level],
                active=None if mixed is None else gate,
                affine=weights.mix_affines[level],
            )
            if mixed is None:
                continue
            gate = gate.moved(mixed.first - convolved.first)
            wanted, affine = self._spans["active", level + 1], weights.affines[level + 1]
            extent = mixed.last - mixed.first
            if not layer.pooled:
                out = self._array("raw", level + 1, channels, "active").at(mixed.first)
                residual = self._arrays["raw", level].at(mixed.first)
                following = self._array("active", level + 1, channels).at(mixed.first)
                emitter.mixed(layer, out, gate, residual, extent=extent, active=following, affine=affine)
                continue
            blocks = self._array("mixed", level, channels)
            residual = self._arrays["convolved", level].at(mixed.first)
            emitter.mixed(layer, blocks.at(mixed.first), gate, residual, extent=extent)
            if wanted is None:
                continue
            keeps_raw = self._spans["raw", level + 1] is not None
            emitter.emit(
                Kind.MAXIMUM,
                channels,
                out=self._array("raw", level + 1, channels).at(wanted.first) if keeps_raw else None,
                first=blocks.at(wanted.first),
                second=blocks.at(wanted.first + step),
                extent=wanted.last - wanted.first,
                active=self._array("active", level + 1, channels).at(wanted.first),
                affine=affine,
            )

    @property
    def widest(self) -> int:
        """How many positions more than there are windows an array has at most."""
        return max(span.last - span.first for span in self._spans.values() if span is not None)

    def _array(self, kind: str, level: int, channels: int, like: str | None = None) -> _Array:
        span = self._spans[like or kind, level]
        assert span is not None
        array = self._arrays[kind, level] = _Array(channels, span.first, is_shared=True)
        return array

    def _shared(self, kind: str, level: int, index: int) -> _Spot:
        step = self._layers[level].step if level < len(self._layers) else None
        if step is None:
            last = self._layers[-1]
            step = last.step * (2 if last.pooled else 1)
        return self._arrays[kind, level].at(index * step)

    def place(self, kind: str, level: int, index: int) -> _Spot:
        """Where the value that window 0 has at an index lies, whether shared or not."""
        place = self._changed.get((kind, level, index))
        return self._shared(kind, level, index) if place is None else place


class _Substitution:
    """The program for windows with another base."""

    def __init__(
        self, config: MIFMConfig, layers: list[_Layer], weights: _Weights, reference: _Reference
    ) -> None:
        emitter = _Emitter(layers, weights)
        gathered: dict[_Spot, _Spot] = {}

        def given(kind: str, level: int, index: int) -> _Spot:
            spot = reference.place(kind, level, index)
            if spot not in gathered:
                channels = spot.array.channels
                gathered[spot] = _Array(channels).at()
                emitter.emit(Kind.GATHER, channels, out=gathered[spot], first=spot)
            return gathered[spot]

        index = config.variant_index
        changes = _Changes.spread(layers, {index}, padding=False)
        self.one_hot = _Array(config.channels, is_shared=True).at()
        spots = emitter.changed(changes, given, {index: self.one_hot})
        self.logit = emitter.logit(spots["active", len(layers), config.variant_bin])
        self.steps = emitter.steps


class _Rooms:
    """Where in the buffer all arrays lie."""

    def __init__(
        self, reference: _Reference, substitution: _Substitution, windows: int, at_hand: int
    ) -> None:
        # An odd multiple of a cache line's floats: the rows of an array begin in different cache sets.
        self.stride = _odd_multiple_of_16(windows + reference.widest + SLACK)
        self.local_stride = _odd_multiple_of_16(at_hand)
        self._rows: dict[_Array, int] = {}
        read_later = {
            step.first.array for step in substitution.steps if step.kind == Kind.GATHER and step.first
        }
        self._shared: set[_Array] = set()
        count = 0
        for program in (reference, substitution):
            arrays = [program.one_hot.array, *(each for step in program.steps for each in step.written)]
            for array in dict.fromkeys(arrays):
                if array.is_shared or array in read_later:
                    self._shared.add(array)
                    self._rows[array], count = count, count + array.channels
        self._local_start = count * self.stride
        most = max(self._place_local(program.steps) for program in (reference, substitution))
        self.size = self._local_start + most * self.local_stride

    def _place_local(self, steps: list[_Step]) -> int:
        """Give rows to the local arrays of a program, and say how many that takes.

        Rows are free again behind the last operation that reads them.
        """
        last_use = {
            array: number
            for number, step in enumerate(steps)
            for array in (*step.written, *step.read)
            if array not in self._shared
        }
        taken: list[tuple[int, int, int]] = []
        most = 0
        for number, step in enumerate(steps):
            for array in step.written:
                if array in self._shared:
                    continue
                row = 0
                for start, end, _ in taken:
                    if row + array.channels <= start:
                        break
                    row = end
                taken.append((row, row + array.channels, last_use[array]))
                taken.sort()
                self._rows[array] = row
                most = max(most, row + array.channels)
            taken = [each for each in taken if each[2] > number]
        return most

    def _place(self, spot: _Spot) -> Place:
        row = self._rows[spot.array]
        if spot.array in self._shared:
            return Place(row * self.stride + spot.offset)
        return Place(self._local_start + row * self.local_stride + spot.offset, is_local=True)

    def program(self, written: _Reference | _Substitution) -> Program:
        """The program with all arrays in their places."""

        def placed(spot: _Spot | None) -> Place | None:
            return None if spot is None else self._place(spot)

        operations = [
            Operation(
                step.kind,
                step.channels,
                step.extent,
                placed(step.out),
                placed(step.active),
                step.affine,
                placed(step.first),
                placed(step.second),
                tuple(Tap(self._place(spot), matrix, placed(kept)) for spot, matrix, kept in step.taps),
                step.inputs,
                step.bias,
            )
            for step in written.steps
        ]
        return Program(tuple(operations), self._place(written.one_hot), self._place(written.logit))


def _odd_multiple_of_16(count: int) -> int:
    """The smallest that is not less."""
    return 16 * ((count + 15) // 16 | 1)
