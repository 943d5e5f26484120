"""The programs of a scan, compiled by numba.

The compiler's own vectorisation uses half of the processor's widest vectors, and does not keep the sums of a
product in registers. So the inner loops are written as vectors. What a position gets is the same sequence of
operations wherever it stands in a vector: its numbers do not depend on what is computed beside it.
"""

# The functions that numba compiles have no types.
# mypy: disable-error-code="no-untyped-def,no-untyped-call,untyped-decorator"

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import llvmlite.binding
import numba
import numpy as np
import numpy.typing as npt
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from mifm_kipoi.network.layers import GELU_CUBIC, GELU_LINEAR
from mifm_kipoi.network.scan.program import SYMBOLS, Kind, Program, ScanPrograms

AT_HAND = 128
"""Windows that go through all operations before the next do, while their activations are in the cache."""

_NOWHERE = -1

_VECTORS = 2
"""Vectors of positions that are computed together."""

_WORD = ir.IntType(64)


def _processor() -> tuple[int, int]:
    """Bytes of a vector, and how many channels' sums find room in the registers."""
    features = llvmlite.binding.get_host_cpu_features()
    if features.get("avx512f"):
        return 64, 13
    if features.get("avx"):
        return 32, 6
    return 16, 13 if features.get("neon") else 6


_VECTOR_BYTES, _MOST_CHANNELS = _processor()


def _power_coefficients(degree: int) -> list[float]:
    """Of the polynomial that interpolates ``2 ** x`` at the Chebyshev points of -0.5 to 0.5."""
    series = np.polynomial.Chebyshev.interpolate(np.exp2, degree, domain=(-0.5, 0.5))
    return [float(each) for each in series.convert(kind=np.polynomial.Polynomial).coef]


_POWER_COEFFICIENTS = {32: _power_coefficients(6), 64: _power_coefficients(13)}
"""To the rounding of single and of double precision."""

_LARGEST_EXPONENT = 60.0
"""Of the denominator of a sigmoid; one of 2 ** -60 is as good as 0."""


class _Vectors:
    """Instructions on vectors of the format of an array, in a function that is being compiled."""

    def __init__(self, context: Any, builder: Any, array_type: Any, array: Any) -> None:
        self.builder = builder
        self.bits = array_type.dtype.bitwidth
        self.lanes = _VECTOR_BYTES * 8 // self.bits
        self.real = context.get_data_type(array_type.dtype)
        self.type = ir.VectorType(self.real, self.lanes)
        self.data = context.make_array(array_type)(context, builder, array).data

    def constant(self, value: float) -> Any:
        return ir.Constant(self.type, [ir.Constant(self.real, value)] * self.lanes)

    def splat(self, scalar: Any) -> Any:
        undefined = ir.Constant(self.type, ir.Undefined)
        single = self.builder.insert_element(undefined, scalar, ir.Constant(ir.IntType(32), 0))
        zeros = ir.Constant(
            ir.VectorType(ir.IntType(32), self.lanes), [ir.Constant(ir.IntType(32), 0)] * self.lanes
        )
        return self.builder.shuffle_vector(single, undefined, zeros)

    def _address(self, index: Any, number: int) -> Any:
        index = self.builder.add(index, _WORD(number * self.lanes))
        return self.builder.bitcast(self.builder.gep(self.data, [index]), self.type.as_pointer())

    def load(self, index: Any, number: int = 0) -> Any:
        """The vector ``number`` of those that begin at an index of the array."""
        return self.builder.load(self._address(index, number), align=self.bits // 8)

    def store(self, value: Any, index: Any, number: int = 0) -> None:
        self.builder.store(value, self._address(index, number), align=self.bits // 8)

    @contextlib.contextmanager
    def positions(self, low: Any, high: Any) -> Iterator[Any]:
        """A loop over positions, as many at a time as two vectors hold."""
        step = _WORD(_VECTORS * self.lanes)
        with cgutils.for_range_slice(self.builder, low, high, step, intp=_WORD) as (position, _):
            yield position

    @contextlib.contextmanager
    def where(self, place: Any) -> Iterator[None]:
        """What is done only where an array has a place."""
        with self.builder.if_then(self.builder.icmp_signed(">=", place, _WORD(0))):
            yield

    def multiply_add(self, a: Any, b: Any, c: Any) -> Any:
        """``a * b + c``, by one instruction where there is one."""
        name = f"llvm.fmuladd.v{self.lanes}f{self.bits}"
        signature = ir.FunctionType(self.type, [self.type] * 3)
        function = cgutils.get_or_insert_function(self.builder.module, signature, name)
        return self.builder.call(function, [a, b, c])

    def chosen(self, comparison: str, x: Any, y: Any) -> Any:
        """Whichever of the two is in this order to the other; y when neither is."""
        return self.builder.select(self.builder.fcmp_ordered(comparison, x, y), x, y)

    def power_of_two(self, x: Any) -> Any:
        """``2 ** x`` for x of -126 to 126.

        A polynomial of the fraction; the whole number is added to the exponent. To add 1.5 * 2 ** 23 rounds
        to a whole number, which then stands in the last bits of the sum.
        """
        builder = self.builder
        mantissa = 52 if self.bits == 64 else 23
        integers = ir.VectorType(ir.IntType(self.bits), self.lanes)
        rounder = self.constant(1.5 * 2.0**mantissa)
        rounded = builder.fadd(x, rounder)
        fraction = builder.fsub(x, builder.fsub(rounded, rounder))
        *lower, power = (self.constant(each) for each in _POWER_COEFFICIENTS[self.bits])
        for coefficient in reversed(lower):
            power = self.multiply_add(power, fraction, coefficient)
        places = ir.Constant(integers, [ir.Constant(integers.element, mantissa)] * self.lanes)
        exponent = builder.shl(builder.bitcast(rounded, integers), places)
        return builder.bitcast(builder.add(builder.bitcast(power, integers), exponent), self.type)

    def reciprocal(self, x: Any) -> Any:
        """``1 / x`` for x of 1 to 2 ** 126, to the rounding of the format or one more.

        A division takes longer than all else of an activation. In single precision the difference of the bits
        of a number and a constant is the reciprocal to an eighth, and each step takes the third power of the
        error.
        """
        builder, one = self.builder, self.constant(1.0)
        if self.bits == 64:
            return builder.fdiv(one, x)
        integers = ir.VectorType(ir.IntType(32), self.lanes)
        guess = ir.Constant(integers, [ir.Constant(integers.element, 0x7EF311C3)] * self.lanes)
        found = builder.bitcast(builder.sub(guess, builder.bitcast(x, integers)), self.type)
        for _ in range(2):
            error = self.multiply_add(builder.fneg(x), found, one)
            found = self.multiply_add(found, self.multiply_add(error, error, error), found)
        return found

    def gelu(self, x: Any) -> Any:
        """``x * sigmoid(...)``."""
        builder = self.builder
        linear, cubic = (self.constant(-each / np.log(2)) for each in (GELU_LINEAR, GELU_CUBIC))
        exponent = builder.fmul(x, self.multiply_add(builder.fmul(x, x), cubic, linear))
        exponent = self.chosen("<", exponent, self.constant(_LARGEST_EXPONENT))
        exponent = self.chosen(">", exponent, self.constant(-_LARGEST_EXPONENT))
        denominator = builder.fadd(self.constant(1.0), self.power_of_two(exponent))
        return builder.fmul(x, self.reciprocal(denominator))


@intrinsic
def _product(
    typing_context,
    count,
    buffer,
    weights,
    taps,
    out,
    first,
    bias,
    channel,
    start,
    stop,
    low,
    high,
    inputs,
    channels,
    active,
    affine,
    out_stride,
    first_stride,
    active_stride,
    begin,
    stride,
    local_stride,
):
    """``count`` channels of a product at the positions from ``low`` to ``high``.

    ``out``, ``first`` and ``active`` are places of the first of these channels, or nowhere; ``bias``,
    ``affine`` and the matrix of each tap, from ``start`` to ``stop``, begin with channel 0. The places of
    taps are as the program has them: local ones for the windows from ``begin`` on.
    """
    signature = types.void(types.int64, buffer, weights, taps, *([types.int64] * 18))

    def generate(context, builder, signature, args):
        vectors = _Vectors(context, builder, signature.args[1], args[1])
        kernel = context.make_array(signature.args[2])(context, builder, args[2]).data
        table = context.make_array(signature.args[3])(context, builder, args[3]).data
        count, (out, first, bias, channel, start, stop, low, high) = args[0], args[4:12]
        inputs, channels, active, affine, out_stride, first_stride, active_stride = args[12:19]
        begin, stride, local_stride = args[19:]

        def factor(index, number):
            return vectors.splat(builder.load(builder.gep(kernel, [builder.add(index, _WORD(number))])))

        def compute(channels_here, position):
            sums = [
                (number, half, cgutils.alloca_once(builder, vectors.type))
                for number in range(channels_here)
                for half in range(_VECTORS)
            ]

            def row(place, stride, number):
                offset = builder.mul(stride, _WORD(number))
                return builder.add(builder.add(place, offset), position)

            with builder.if_else(builder.icmp_signed("<", first, _WORD(0))) as (alone, added):
                with alone:
                    for number, _, total in sums:
                        builder.store(factor(builder.add(bias, channel), number), total)
                with added:
                    for number, half, total in sums:
                        builder.store(vectors.load(row(first, first_stride, number), half), total)
            with cgutils.for_range(builder, stop, start=start) as tap:
                entry = builder.mul(tap.index, _WORD(3))
                place, matrix, is_local = (
                    builder.load(builder.gep(table, [builder.add(entry, _WORD(column))]))
                    for column in range(3)
                )
                is_local = builder.icmp_signed("!=", is_local, _WORD(0))
                place = builder.sub(place, builder.select(is_local, begin, _WORD(0)))
                place = builder.add(place, position)
                source_stride = builder.select(is_local, local_stride, stride)
                matrix = builder.add(matrix, channel)
                with cgutils.for_range(builder, inputs) as source:
                    index = builder.add(place, builder.mul(source.index, source_stride))
                    weight = builder.add(matrix, builder.mul(source.index, channels))
                    values = [vectors.load(index, half) for half in range(_VECTORS)]
                    factors = [factor(weight, number) for number in range(channels_here)]
                    for number, half, total in sums:
                        value = vectors.multiply_add(factors[number], values[half], builder.load(total))
                        builder.store(value, total)
            with vectors.where(out):
                for number, half, total in sums:
                    vectors.store(builder.load(total), row(out, out_stride, number), half)
            with vectors.where(active):
                scales = builder.add(affine, channel)
                shifts = builder.add(scales, channels)
                for number, half, total in sums:
                    x = vectors.multiply_add(
                        builder.load(total), factor(scales, number), factor(shifts, number)
                    )
                    vectors.store(vectors.gelu(x), row(active, active_stride, number), half)

        done = builder.append_basic_block("done")
        choice = builder.switch(count, done)
        for channels_here in range(1, _MOST_CHANNELS + 1):
            block = builder.append_basic_block(f"product.{channels_here}")
            choice.add_case(_WORD(channels_here), block)
            builder.position_at_end(block)
            with vectors.positions(low, high) as position:
                compute(channels_here, position)
            builder.branch(done)
        builder.position_at_end(done)
        return context.get_dummy_value()

    return signature, generate


@intrinsic
def _maximum(
    typing_context,
    buffer,
    weights,
    channels,
    low,
    high,
    out,
    out_stride,
    first,
    first_stride,
    second,
    second_stride,
    active,
    active_stride,
    affine,
):
    """``maximum(first, second)``, and its activation."""
    signature = types.void(buffer, weights, *([types.int64] * 12))

    def generate(context, builder, signature, args):
        vectors = _Vectors(context, builder, signature.args[0], args[0])
        numbers = context.make_array(signature.args[1])(context, builder, args[1]).data
        channels, low, high, out, out_stride, first, first_stride = args[2:9]
        second, second_stride, active, active_stride, affine = args[9:]
        with cgutils.for_range(builder, channels) as channel:
            index = builder.add(affine, channel.index)
            scale, shift = (
                vectors.splat(builder.load(builder.gep(numbers, [each])))
                for each in (index, builder.add(index, channels))
            )
            left, right, target, gate = (
                builder.add(place, builder.mul(channel.index, stride))
                for place, stride in (
                    (first, first_stride),
                    (second, second_stride),
                    (out, out_stride),
                    (active, active_stride),
                )
            )
            with vectors.positions(low, high) as position:
                for half in range(_VECTORS):
                    x, y = (vectors.load(builder.add(each, position), half) for each in (left, right))
                    largest = vectors.chosen(">", x, y)
                    with vectors.where(out):
                        vectors.store(largest, builder.add(target, position), half)
                    value = vectors.gelu(vectors.multiply_add(largest, scale, shift))
                    vectors.store(value, builder.add(gate, position), half)
        return context.get_dummy_value()

    return signature, generate


@intrinsic
def _subtract(
    typing_context, buffer, channels, low, high, out, out_stride, first, first_stride, second, second_stride
):
    """``first - second``."""
    signature = types.void(buffer, *([types.int64] * 9))

    def generate(context, builder, signature, args):
        vectors = _Vectors(context, builder, signature.args[0], args[0])
        channels, low, high, out, out_stride, first, first_stride, second, second_stride = args[1:]
        with cgutils.for_range(builder, channels) as channel:
            target, left, right = (
                builder.add(place, builder.mul(channel.index, stride))
                for place, stride in ((out, out_stride), (first, first_stride), (second, second_stride))
            )
            with vectors.positions(low, high) as position:
                for half in range(_VECTORS):
                    x, y = (vectors.load(builder.add(each, position), half) for each in (left, right))
                    vectors.store(builder.fsub(x, y), builder.add(target, position), half)
        return context.get_dummy_value()

    return signature, generate


@intrinsic
def _copy(typing_context, buffer, channels, out, out_stride, first, first_stride):
    """Two vectors of positions of each channel."""
    signature = types.void(buffer, *([types.int64] * 5))

    def generate(context, builder, signature, args):
        vectors = _Vectors(context, builder, signature.args[0], args[0])
        channels, out, out_stride, first, first_stride = args[1:]
        with cgutils.for_range(builder, channels) as channel:
            target = builder.add(out, builder.mul(channel.index, out_stride))
            source = builder.add(first, builder.mul(channel.index, first_stride))
            for half in range(_VECTORS):
                vectors.store(vectors.load(source, half), target, half)
        return context.get_dummy_value()

    return signature, generate


_MULTIPLY, _MAXIMUM, _SUBTRACT, _GATHER = (int(kind) for kind in Kind)


def _run(operations, taps, weights, buffer, stride, local_stride, windows, at_hand, group, rows, gaps):
    """Carry out a program for its first windows.

    Parameters
    ----------
    operations, taps : numpy.ndarray of int64, shapes (n, 16) and (m, 3)
        From :func:`_table`.
    weights, buffer : numpy.ndarray, one dimension
        What is read, and what is read and written.
    stride, local_stride : int
        Of the buffer's rows.
    windows, at_hand, group : int
        How many windows; how many go through all operations together; how many positions two vectors hold.
    rows : numpy.ndarray of int64, shape (windows + group,)
        Of substitutions, the window of each.
    gaps : numpy.ndarray of int64, the same shape
        Before each, how many do not lie right behind the one before: equal between neighbours.
    """
    for begin in range(0, windows, at_hand):
        end = min(begin + at_hand, windows)
        for number in range(len(operations)):
            kind, channels, extent, affine, start, stop, inputs, bias = operations[number, :8]
            out, first, second, active = operations[number, 8:12]
            out_local, first_local, second_local, active_local = operations[number, 12:]
            # Local places are those of the first window at hand, positions those of all windows.
            out -= begin * out_local
            first -= begin * first_local
            second -= begin * second_local
            active -= begin * active_local
            out_stride = local_stride if out_local else stride
            first_stride = local_stride if first_local else stride
            second_stride = local_stride if second_local else stride
            active_stride = local_stride if active_local else stride
            low, high = (0 if begin == 0 else begin + extent), end + extent
            if kind == _MULTIPLY:
                parts = (channels + _MOST_CHANNELS - 1) // _MOST_CHANNELS
                channel = 0
                for part in range(parts):
                    count = (channels - channel) // (parts - part)
                    _product(
                        count,
                        buffer,
                        weights,
                        taps,
                        out + channel * out_stride if operations[number, 8] >= 0 else _NOWHERE,
                        first + channel * first_stride if operations[number, 9] >= 0 else _NOWHERE,
                        bias,
                        channel,
                        start,
                        stop,
                        low,
                        high,
                        inputs,
                        channels,
                        active + channel * active_stride if operations[number, 11] >= 0 else _NOWHERE,
                        affine,
                        out_stride,
                        first_stride,
                        active_stride,
                        begin,
                        stride,
                        local_stride,
                    )
                    channel += count
            elif kind == _MAXIMUM:
                _maximum(
                    buffer,
                    weights,
                    channels,
                    low,
                    high,
                    out if operations[number, 8] >= 0 else _NOWHERE,
                    out_stride,
                    first,
                    first_stride,
                    second,
                    second_stride,
                    active,
                    active_stride,
                    affine,
                )
            elif kind == _SUBTRACT:
                _subtract(
                    buffer,
                    channels,
                    low,
                    high,
                    out,
                    out_stride,
                    first,
                    first_stride,
                    second,
                    second_stride,
                )
            elif kind == _GATHER:
                for position in range(low, high, group):
                    target = out + position
                    if gaps[position + group - 1] == gaps[position]:
                        _copy(buffer, channels, target, out_stride, first + rows[position], first_stride)
                        continue
                    for channel in range(channels):
                        row, place = target + channel * out_stride, first + channel * first_stride
                        for each in range(group):
                            buffer[row + each] = buffer[place + rows[position + each]]


def _compiled(function: Any) -> Any:
    """Compiled when it is first called, and kept for the next process where a folder can be written to."""
    try:
        return numba.njit(nogil=True, cache=True)(function)
    except RuntimeError:
        return numba.njit(nogil=True)(function)


_run_compiled = _compiled(_run)


class CompiledEngine:
    """Runs programs in one compiled function.

    Parameters
    ----------
    programs : ScanPrograms
        What is computed.
    """

    def __init__(self, programs: ScanPrograms) -> None:
        self._programs = programs
        self._tables = [_table(program) for program in (programs.reference, programs.substitution)]

    def workspace(self) -> CompiledWorkspace:
        """Buffers for one thread."""
        return CompiledWorkspace(self._programs, *self._tables)


_Table = tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]


def _table(program: Program) -> _Table:
    """The operations as numbers, with where their taps begin and end in those of all."""
    operations: list[tuple[int, ...]] = []
    taps: list[tuple[int, int, int]] = []
    for each in program.operations:
        start = len(taps)
        taps += [(place.start, matrix, place.is_local) for place, matrix in each.taps]
        places = each.out, each.first, each.second, each.active
        operations.append(
            (
                *(
                    each.kind,
                    each.channels,
                    each.extent,
                    each.affine,
                    start,
                    len(taps),
                    each.inputs,
                    each.bias,
                ),
                *(_NOWHERE if place is None else place.start for place in places),
                *(place is not None and place.is_local for place in places),
            )
        )
    return np.array(operations, dtype=np.int64), np.array(taps, dtype=np.int64).reshape(-1, 3)


class CompiledWorkspace:
    """The buffer in which one thread computes one sequence after the other."""

    def __init__(self, programs: ScanPrograms, reference: _Table, substitution: _Table) -> None:
        self._programs, self._reference, self._substitution = programs, reference, substitution
        self._group = _VECTORS * _VECTOR_BYTES // programs.weights.itemsize
        # Filled, not only set aside: NumPy asks for large pages then.
        self._buffer = np.empty(programs.size, dtype=programs.weights.dtype)
        self._buffer.fill(0)

    def logits(self, codes: npt.NDArray[np.uint8], windows: int) -> npt.NDArray[np.floating]:
        """Logits of windows, from the bases ``[programs.start, programs.end + windows - 1)``."""
        none = np.empty(0, dtype=np.int64)
        return self._run(self._programs.reference, self._reference, codes, windows, none, none)

    def substituted(
        self, rows: npt.NDArray[np.int64], symbols: npt.NDArray[np.uint8]
    ) -> npt.NDArray[np.floating]:
        """Logits of windows of the last sequence with another base."""
        # The first substitution of each window, then the second of each: neighbours are read together.
        order = np.argsort(np.arange(len(rows)) - np.searchsorted(rows, rows), kind="stable")
        sources = np.concatenate([rows[order], rows[order[-1]] + np.arange(1, self._group + 1)])
        gaps = np.cumsum(np.diff(sources, prepend=sources[0]) != 1)
        logits = np.empty(len(rows), dtype=self._programs.weights.dtype)
        logits[order] = self._run(
            self._programs.substitution, self._substitution, symbols[order], len(rows), sources, gaps
        )
        return logits

    def _run(
        self,
        program: Program,
        table: _Table,
        symbols: npt.NDArray[np.uint8],
        windows: int,
        rows: npt.NDArray[np.int64],
        gaps: npt.NDArray[np.int64],
    ) -> npt.NDArray[np.floating]:
        programs, buffer = self._programs, self._buffer
        for channel, symbol in enumerate(SYMBOLS[: programs.channels]):
            start = program.one_hot.start + channel * programs.stride
            buffer[start : start + len(symbols)] = symbols == symbol
        _run_compiled(
            *table,
            programs.weights,
            buffer,
            programs.stride,
            programs.local_stride,
            windows,
            programs.at_hand,
            self._group,
            rows,
            gaps,
        )
        return buffer[program.logit.start : program.logit.start + windows].copy()
