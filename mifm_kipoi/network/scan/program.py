"""What a scan computes: operations on arrays of activations, derived from the network's configuration.

The convolutions of a window read the same numbers as those of the window one position further, so nearly
all activations are computed once a position (the algorithme a trous: a level that has an index every
``2 ** k`` positions of a window is computed at every position of the sequence, and read at that step).
A few indices of each window are not shared, because padding reaches them: there a convolution reads zeros
where the sequence goes on. They are computed for each window: the sum over those taps of the kernel that
read what is shared, to which the other taps are added. Sums begin with the last tap, so that those without
the first taps come by the way. Nothing outside a window enters into its numbers, not even by rounding.

The indices that a substituted base reaches are computed again: the value before plus differences times taps.

An array has a row for each channel, all rows at one stride in one buffer, and its positions lie side by side.
A place is the index in the buffer of that value of the first channel that belongs to window 0; what belongs
to window i lies i further.
"""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Callable, Iterable

import numpy as np
import numpy.typing as npt
import torch

from mifm_kipoi.network.layers import Affine, dilated_weights, read_out_of, stages_of
from mifm_kipoi.network.model import MIFM, MIFMConfig

NOWHERE = -1
"""The place of a first term that is not there."""

TOKEN = 5
"""The symbol of the variant token in arrays of symbols, which are codes of bases but for it."""

SYMBOLS = (0, 1, 2, 3, TOKEN)
"""The symbol of each channel of a one-hot array."""

SLACK = 64
"""Positions past an array's last that an operation may write to, so that it can work on whole vectors."""


class Kind(enum.IntEnum):
    """What an operation does with the arrays at its places."""

    MULTIPLY = 0
    """``out = first + sum of kernel[tap] @ rows at the tap's place``; ``first`` is the bias when nowhere."""
    ACTIVATE = 1
    """``out = GELU(scale * first + shift)``"""
    MAXIMUM = 2
    """``out = maximum(first, second)``"""
    SUBTRACT = 3
    """``out = first - second``"""
    GATHER = 4
    """``out`` = what lies at the place ``first`` of the other program's buffer, for each window asked for."""


@dataclasses.dataclass(frozen=True)
class Operation:
    """One step, for all windows.

    Parameters
    ----------
    kind : Kind
        What is done.
    out : int
        Place of the array that is written.
    channels : int
        Rows that are written.
    extent : int
        How many positions more than there are windows.
    first, second : int
        Places of the arrays that are read.
    taps : tuple of (int, int)
        Of a product: places of arrays, and where in the weights the matrix (inputs, channels) for each lies.
    inputs : int
        Rows of each of these arrays.
    constants : int
        Where in the weights the bias lies, or the scales with the shifts behind them.
    """

    kind: Kind
    out: int
    channels: int
    extent: int = 0
    first: int = NOWHERE
    second: int = NOWHERE
    taps: tuple[tuple[int, int], ...] = ()
    inputs: int = 0
    constants: int = 0

    @property
    def multiply_adds(self) -> int:
        """For each position, products alone."""
        return self.channels * self.inputs * len(self.taps)


@dataclasses.dataclass(frozen=True)
class Program:
    """Operations on one buffer.

    Parameters
    ----------
    operations : tuple of Operation
        In their order. Each reads at a position what lies at most as far as its sources have been computed
        when every operation has been done up to the same window: they can be done piece by piece.
    windows : int
        How many windows there can be.
    rows, stride : int
        Of the buffer.
    one_hot : int
        Place of the input: bases, or the substituted base.
    start, end : int
        The bases that window 0 needs, before ``start`` = 0 those left of it.
    logit : int
        Place of the logits.
    """

    operations: tuple[Operation, ...]
    windows: int
    rows: int
    stride: int
    one_hot: int
    start: int
    end: int
    logit: int

    @property
    def multiply_adds(self) -> int:
        """For each window, but for the few positions past the last window."""
        return sum(operation.multiply_adds for operation in self.operations)

    @property
    def activations(self) -> int:
        """Evaluations of GELU for each window."""
        return sum(each.channels for each in self.operations if each.kind == Kind.ACTIVATE)


@dataclasses.dataclass(frozen=True)
class ScanPrograms:
    """The two programs of a network and the numbers that they read.

    Parameters
    ----------
    reference : Program
        Logits of consecutive windows.
    substitution : Program
        Logits of windows with another base at the variant's index. It gathers from the buffer of
        ``reference``, whose one-hot array it needs as well.
    weights : numpy.ndarray, one dimension
        Kernels, scales, shifts, biases.
    channels : int
        Rows of the one-hot arrays.
    """

    reference: Program
    substitution: Program
    weights: npt.NDArray[np.floating]
    channels: int


def programs_of(model: MIFM, windows: int, substitutions: int) -> ScanPrograms:
    """Derive the programs of a network.

    Parameters
    ----------
    model : MIFM
        In evaluation mode; its values are taken as they are now.
    windows, substitutions : int
        How many of each the buffers have room for.
    """
    layers = _layers(model.config)
    weights = _Weights(model)
    reference = _Reference(model.config, layers, weights, windows)
    return ScanPrograms(
        reference.program(),
        _substitution(model.config, layers, weights, reference, substitutions),
        weights.packed(),
        model.config.channels,
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


@dataclasses.dataclass(frozen=True)
class _Array:
    """Rows of the buffer, and the offset at which they begin."""

    row: int
    first: int
    stride: int

    def at(self, offset: int) -> int:
        """Place of what belongs to window 0 at an offset from its start."""
        return self.row * self.stride + offset - self.first


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
        self.affines = [NOWHERE, *(self._add_affine(affine) for affine in affines)]
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
    """Operations as they are written, and the rows of the buffer that they use."""

    def __init__(self, layers: list[_Layer], weights: _Weights, stride: int) -> None:
        self.layers, self.weights, self.stride = layers, weights, stride
        self.operations: list[Operation] = []
        self.rows = 0
        self._scratch = self.array(max(layer.channels for layer in layers), 0)

    def array(self, channels: int, first: int) -> _Array:
        array = _Array(self.rows, first, self.stride)
        self.rows += channels
        return array

    def emit(self, kind: Kind, channels: int, out: int | None = None, **values: object) -> int:
        """Write an operation; its result lies in rows of its own when no place is given."""
        place = self.array(channels, 0).at(0) if out is None else out
        self.operations.append(Operation(kind, place, channels, **values))  # type: ignore[arg-type]
        return place

    def scratch(self) -> int:
        """A place for what the next operation alone reads, at the same positions."""
        return self._scratch.at(0)

    def mixed(
        self, layer: _Layer, convolved: int, residual: int, out: int | None = None, extent: int = 0
    ) -> int:
        """``residual + mix @ activate(convolved)``."""
        active = self.emit(
            Kind.ACTIVATE,
            layer.channels,
            self.scratch(),
            first=convolved,
            extent=extent,
            constants=self.weights.mix_affines[layer.level],
        )
        return self.emit(
            Kind.MULTIPLY,
            layer.channels,
            out,
            first=residual,
            taps=((active, self.weights.mixes[layer.level]),),
            inputs=layer.channels,
            extent=extent,
        )

    def activated(self, level: int, raw: int, out: int | None = None, extent: int = 0) -> int:
        """What the layer after ``level`` reads."""
        channels, affine = self.layers[level - 1].channels, self.weights.affines[level]
        return self.emit(Kind.ACTIVATE, channels, out, first=raw, extent=extent, constants=affine)

    def logit(self, active: int, out: int | None = None) -> int:
        weights = self.weights
        width = self.layers[-1].channels
        taps = ((active, weights.read_out),)
        return self.emit(Kind.MULTIPLY, 1, out, taps=taps, inputs=width, constants=weights.read_out_bias)

    def changed(
        self, changes: _Changes, given: Callable[[str, int, int], int], start: dict[int, int]
    ) -> dict[tuple[str, int, int], int]:
        """Compute what differs in each window.

        Parameters
        ----------
        changes : _Changes
            What does.
        given : callable
            The place of what is given: ``active`` or ``raw`` of a level, or ``convolved`` or ``mixed`` of a
            layer's outputs, by level and index.
        start : dict of int to int
            Place of each index of the input that differs.

        Returns
        -------
        dict of (str, int, int) to int
            The places of what was computed, under the same names.
        """
        places = {("active", 0, index): place for index, place in start.items()}
        differences: dict[tuple[int, int], int] = {}

        def now(kind: str, level: int, index: int) -> int:
            place = places.get((kind, level, index))
            return given(kind, level, index) if place is None else place

        def difference(layer: _Layer, index: int) -> int:
            key = layer.level, index
            if key not in differences:
                differences[key] = self.emit(
                    Kind.SUBTRACT, layer.inputs, first=places["active", *key], second=given("active", *key)
                )
            return differences[key]

        for layer, outputs in zip(self.layers, changes.outputs, strict=True):
            level, kernels = layer.level, self.weights.kernels[layer.level]
            for output in outputs:
                if changes.anew(layer, output):
                    first = NOWHERE
                    taps = [
                        (now("active", level, index), kernels[tap])
                        for tap, index in layer.taps(output)
                        if layer.holds(index)
                    ]
                elif changes.padding:
                    first = given(_without(len(changes.taps(layer, output))), level, output)
                    taps = [
                        (places["active", level, index], kernels[tap])
                        for tap, index in changes.taps(layer, output)
                        if layer.holds(index)
                    ]
                else:
                    first = given("convolved", level, output)
                    taps = [
                        (difference(layer, index), kernels[tap]) for tap, index in changes.taps(layer, output)
                    ]
                convolved = first
                if taps or first == NOWHERE:
                    convolved = self.emit(
                        Kind.MULTIPLY,
                        layer.channels,
                        first=first,
                        taps=tuple(taps),
                        inputs=layer.inputs,
                        constants=self.weights.biases[level],
                    )
                places["convolved", level, output] = convolved
                if layer.pooled:
                    places["mixed", level, output] = self.mixed(layer, convolved, convolved)
                else:
                    residual = now("raw", level, output)
                    places["raw", level + 1, output] = self.mixed(layer, convolved, residual)
            for index in sorted(changes.levels[level + 1]):
                key = level + 1, index
                if layer.pooled:
                    pair = [now("mixed", level, 2 * index + half) for half in (0, 1)]
                    places["raw", *key] = self.emit(
                        Kind.MAXIMUM, layer.channels, first=pair[0], second=pair[1]
                    )
                places["active", *key] = self.activated(level + 1, places["raw", *key])
        return places


class _Reference:
    """The program for consecutive windows, and where its results lie."""

    def __init__(self, config: MIFMConfig, layers: list[_Layer], weights: _Weights, windows: int) -> None:
        self._layers, self._windows = layers, windows
        self._changes = changes = _Changes.spread(layers, set(), padding=True)
        self._span()
        extents = [span.last - span.first for span in self._spans.values() if span is not None]
        # An odd multiple of a cache line's floats: the rows of an array begin in different cache sets.
        stride = (windows + max(extents) + SLACK + 15) // 16 * 16
        stride += 16 * (stride // 16 % 2 == 0)
        self._emitter = emitter = _Emitter(layers, weights, stride)
        self._arrays: dict[tuple[str, int], _Array] = {}
        self._share()
        self._changed = emitter.changed(changes, self._shared, {})
        bins = len(layers)
        self.logit = emitter.logit(self.place("active", bins, config.variant_bin))

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
            source, first, done = self._arrays["active", level], NOWHERE, layer.kernel
            for left_out in (*self._changes.partial_sums(layer), 0):
                kind = _without(left_out) if left_out else "convolved"
                taps = [
                    (tap, (tap - layer.kernel // 2) * layer.dilation * step) for tap in range(left_out, done)
                ]
                first = emitter.emit(
                    Kind.MULTIPLY,
                    channels,
                    self._array(kind, level, channels).at(convolved.first),
                    first=first,
                    taps=tuple(
                        (source.at(convolved.first + offset), weights.kernels[level][tap])
                        for tap, offset in reversed(taps)
                    ),
                    inputs=layer.inputs,
                    extent=convolved.last - convolved.first,
                    constants=weights.biases[level],
                )
                done = left_out
            mixed = self._spans["mixed" if layer.pooled else "active", level + (not layer.pooled)]
            if mixed is None:
                continue
            here = self._arrays["convolved", level].at(mixed.first)
            if layer.pooled:
                out, residual = self._array("mixed", level, channels), here
            else:
                out = self._array("raw", level + 1, channels, "active")
                residual = self._arrays["raw", level].at(mixed.first)
            emitter.mixed(layer, here, residual, out.at(mixed.first), mixed.last - mixed.first)
            wanted = self._spans["active", level + 1]
            if wanted is None:
                continue
            extent = wanted.last - wanted.first
            if layer.pooled:
                pair = [out.at(wanted.first + half * step) for half in (0, 1)]
                keeps_raw = self._spans["raw", level + 1] is not None
                raw = (
                    self._array("raw", level + 1, channels).at(wanted.first)
                    if keeps_raw
                    else emitter.scratch()
                )
                emitter.emit(Kind.MAXIMUM, channels, raw, first=pair[0], second=pair[1], extent=extent)
            else:
                raw = out.at(wanted.first)
            active = self._array("active", level + 1, channels)
            emitter.activated(level + 1, raw, active.at(wanted.first), extent)

    def _array(self, kind: str, level: int, channels: int, like: str | None = None) -> _Array:
        span = self._spans[like or kind, level]
        assert span is not None
        array = self._arrays[kind, level] = self._emitter.array(channels, span.first)
        return array

    def _shared(self, kind: str, level: int, index: int) -> int:
        step = self._layers[level].step if level < len(self._layers) else None
        if step is None:
            last = self._layers[-1]
            step = last.step * (2 if last.pooled else 1)
        return self._arrays[kind, level].at(index * step)

    def place(self, kind: str, level: int, index: int) -> int:
        """Where the value that window 0 has at an index lies, whether shared or not."""
        place = self._changed.get((kind, level, index))
        return self._shared(kind, level, index) if place is None else place

    def program(self) -> Program:
        span = self._spans["active", 0]
        assert span is not None
        emitter = self._emitter
        return Program(
            tuple(emitter.operations),
            self._windows,
            emitter.rows,
            emitter.stride,
            self._arrays["active", 0].at(span.first),
            span.first,
            span.last + 1,
            self.logit,
        )


def _substitution(
    config: MIFMConfig, layers: list[_Layer], weights: _Weights, reference: _Reference, windows: int
) -> Program:
    emitter = _Emitter(layers, weights, windows + SLACK)
    one_hot = emitter.array(config.channels, 0).at(0)
    gathered: dict[tuple[str, int, int], int] = {}

    def given(kind: str, level: int, index: int) -> int:
        key = kind, level, index
        if key not in gathered:
            by_input = level > 0 and kind in ("active", "raw")
            channels = layers[level - by_input].channels if level or not by_input else config.channels
            if kind == "active" and level == 0:
                channels = config.channels
            gathered[key] = emitter.emit(Kind.GATHER, channels, first=reference.place(*key))
        return gathered[key]

    index = config.variant_index
    changes = _Changes.spread(layers, {index}, padding=False)
    places = emitter.changed(changes, given, {index: one_hot})
    logit = emitter.logit(places["active", len(layers), config.variant_bin])
    return Program(
        tuple(emitter.operations), windows, emitter.rows, emitter.stride, one_hot, index, index + 1, logit
    )
