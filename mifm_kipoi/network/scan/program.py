"""What a scan computes: operations on arrays of activations, derived from the network's configuration.

The convolutions of a window read the same numbers as those of the window one position further, so nearly
all activations are computed once a position (the algorithme a trous: a level that has an index every
``2 ** k`` positions of a window is computed at every position of the sequence, and read at that step).
A few indices of each window are not shared, because padding reaches them: there a convolution reads zeros
where the sequence goes on. They are computed for each window: the sum over those taps of the kernel that
read what is shared, to which the other taps are added. Sums begin with the last tap, so that those without
the first taps come by the way. Nothing outside a window enters into its numbers, not even by rounding.

The indices that a substituted base reaches are computed again: the value before plus differences times taps.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from mifm_kipoi.network.layers import Affine, dilated_weights, read_out_of, stages_of
from mifm_kipoi.network.model import MIFM, MIFMConfig
from mifm_kipoi.network.scan.dependencies import Changes, Layer, Span, layers_of
from mifm_kipoi.network.scan.operations import Kind, ScanPrograms
from mifm_kipoi.network.scan.places import Array, Draft, Rooms, Spot, Step


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
    layers = layers_of(model.config)
    weights = _Weights(model)
    reference = _Reference(model.config, layers, weights)
    substitution = _Substitution(model.config, layers, weights, reference)
    span = reference.bases
    first, second = reference.draft, substitution.draft
    rooms = Rooms(first, second, windows, at_hand)
    return ScanPrograms(
        rooms.program(first),
        rooms.program(second),
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

    def __init__(self, layers: list[Layer], weights: _Weights) -> None:
        self.layers, self.weights = layers, weights
        self.steps: list[Step] = []

    def emit(self, kind: Kind, channels: int, **values: Any) -> None:
        """Write an operation."""
        self.steps.append(Step(kind, channels, **values))

    def mixed(self, layer: Layer, out: Spot, gate: Spot, residual: Spot, **values: Any) -> None:
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

    def logit(self, active: Spot) -> Spot:
        """The read-out of a bin."""
        out = Array(1, is_shared=True).at()
        taps = ((active, self.weights.read_out, None),)
        inputs, bias = self.layers[-1].channels, self.weights.read_out_bias
        self.emit(Kind.MULTIPLY, 1, out=out, taps=taps, inputs=inputs, bias=bias)
        return out

    def changed(
        self, changes: Changes, given: Callable[[str, int, int], Spot], start: dict[int, Spot]
    ) -> dict[tuple[str, int, int], Spot]:
        """Compute what differs in each window.

        Parameters
        ----------
        changes : Changes
            What does.
        given : callable
            The place of what is given: ``active`` or ``raw`` of a level, or ``convolved`` or ``mixed`` of a
            layer's outputs, by level and index.
        start : dict of int to Spot
            Place of each index of the input that differs.

        Returns
        -------
        dict of (str, int, int) to Spot
            The places of what was computed, under the same names.
        """
        places = {("active", 0, index): place for index, place in start.items()}
        differences: dict[tuple[int, int], Spot] = {}

        def now(kind: str, level: int, index: int) -> Spot:
            place = places.get((kind, level, index))
            return given(kind, level, index) if place is None else place

        def difference(layer: Layer, index: int) -> Spot:
            key = layer.level, index
            if key not in differences:
                first, second = places["active", *key], given("active", *key)
                differences[key] = Array(layer.inputs).at()
                self.emit(Kind.SUBTRACT, layer.inputs, out=differences[key], first=first, second=second)
            return differences[key]

        for layer, outputs in zip(self.layers, changes.outputs, strict=True):
            level, kernels = layer.level, self.weights.kernels[layer.level]
            for output in outputs:
                first: Spot | None
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
                convolved = Array(layer.channels).at() if is_new or first is None else first
                gate = Array(layer.channels).at()
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
                out = Array(layer.channels).at()
                if layer.pooled:
                    self.mixed(layer, out, gate, convolved)
                    places["mixed", level, output] = out
                    continue
                residual, active = now("raw", level, output), Array(layer.channels).at()
                affine = self.weights.affines[level + 1]
                self.mixed(layer, out, gate, residual, active=active, affine=affine)
                places["raw", level + 1, output], places["active", level + 1, output] = out, active
            for index in sorted(changes.levels[level + 1]) if layer.pooled else ():
                out, active = Array(layer.channels).at(), Array(layer.channels).at()
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

    def __init__(self, config: MIFMConfig, layers: list[Layer], weights: _Weights) -> None:
        self._layers = layers
        self._changes = changes = Changes.spread(layers, set(), padding=True)
        self._span()
        bases = self._spans["active", 0]
        assert bases is not None
        self.bases = bases
        self._emitter = emitter = _Emitter(layers, weights)
        self._arrays: dict[tuple[str, int], Array] = {}
        self._scratch = Array(max(layer.channels for layer in layers), is_shared=True)
        self._share()
        self._changed = emitter.changed(changes, self._shared, {})
        self.one_hot = self._arrays["active", 0].at(bases.first)
        self.logit = emitter.logit(self.place("active", len(layers), config.variant_bin))
        self.steps = emitter.steps

    def _span(self) -> None:
        """Which offsets of a window are read of each shared array, from the read-out backwards."""
        self._spans: dict[tuple[str, int], Span | None] = {}
        bins = len(self._layers)
        (read_out,) = self._layers[-1].next_level(self._layers[-1].outputs)
        is_shared = read_out not in self._changes.levels[bins]
        last = self._layers[-1]
        offset = read_out * last.step * (2 if last.pooled else 1)
        wanted = Span(offset, offset) if is_shared else None
        self._spans["raw", bins] = self._spans["active", bins] = wanted
        for layer in reversed(self._layers):
            level, step = layer.level, layer.step
            changed = self._changes.outputs[level]
            if layer.pooled:
                partners = {output ^ 1 for output in changed} - set(changed)
                mixed = Span.around(wanted and wanted.widened(0, step), *(index * step for index in partners))
                self._spans["mixed", level] = mixed
            else:
                mixed = wanted
            anew = [output for output in changed if self._changes.anew(layer, output)]
            starts = [output * step for output in changed if output not in anew]
            convolved = Span.around(mixed, *starts)
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
            wanted = Span.around(
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
    def draft(self) -> Draft:
        """The program, whose arrays have no room yet."""
        widest = max(span.last - span.first for span in self._spans.values() if span is not None)
        return Draft(self.steps, self.one_hot, self.logit, widest)

    def _array(self, kind: str, level: int, channels: int, like: str | None = None) -> Array:
        span = self._spans[like or kind, level]
        assert span is not None
        array = self._arrays[kind, level] = Array(channels, span.first, is_shared=True)
        return array

    def _shared(self, kind: str, level: int, index: int) -> Spot:
        step = self._layers[level].step if level < len(self._layers) else None
        if step is None:
            last = self._layers[-1]
            step = last.step * (2 if last.pooled else 1)
        return self._arrays[kind, level].at(index * step)

    def place(self, kind: str, level: int, index: int) -> Spot:
        """Where the value that window 0 has at an index lies, whether shared or not."""
        place = self._changed.get((kind, level, index))
        return self._shared(kind, level, index) if place is None else place


class _Substitution:
    """The program for windows with another base."""

    def __init__(
        self, config: MIFMConfig, layers: list[Layer], weights: _Weights, reference: _Reference
    ) -> None:
        emitter = _Emitter(layers, weights)
        gathered: dict[Spot, Spot] = {}

        def given(kind: str, level: int, index: int) -> Spot:
            spot = reference.place(kind, level, index)
            if spot not in gathered:
                channels = spot.array.channels
                gathered[spot] = Array(channels).at()
                emitter.emit(Kind.GATHER, channels, out=gathered[spot], first=spot)
            return gathered[spot]

        index = config.variant_index
        changes = Changes.spread(layers, {index}, padding=False)
        self.one_hot = Array(config.channels, is_shared=True).at()
        spots = emitter.changed(changes, given, {index: self.one_hot})
        self.logit = emitter.logit(spots["active", len(layers), config.variant_bin])
        self.steps = emitter.steps

    @property
    def draft(self) -> Draft:
        """The program, whose arrays have no room yet."""
        return Draft(self.steps, self.one_hot, self.logit)
