"""The programs of a scan, compiled by numba.

The compiler's own vectorisation uses half of the processor's widest vectors, and does not keep the sums of a
product in registers. So the inner loops are written as vectors. What a position gets is the same sequence of
operations wherever it stands in a vector: its numbers do not depend on what is computed beside it.
"""

# The functions that numba compiles have no types.
# mypy: disable-error-code="no-untyped-def,no-untyped-call,untyped-decorator"

from __future__ import annotations

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
from mifm_kipoi.network.scan.program import NOWHERE, SYMBOLS, Kind, Program, ScanPrograms

SUBSTITUTIONS = 64
"""Substitutions that go through all operations before the next do."""

_TILE = 512
"""Windows that do, so that their activations are still in the cache."""

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
    lane,
    inputs,
    channels,
    stride,
):
    """``count`` channels of a product for two vectors of positions.

    ``out`` and ``first`` are places of the first of these channels and positions; ``bias`` and the matrix of
    each tap, from ``start`` to ``stop``, begin with channel 0, and the taps' places with position 0.
    """
    signature = types.void(types.int64, buffer, weights, taps, *([types.int64] * 10))

    def generate(context, builder, signature, args):
        vectors = _Vectors(context, builder, signature.args[1], args[1])
        kernel = context.make_array(signature.args[2])(context, builder, args[2]).data
        table = context.make_array(signature.args[3])(context, builder, args[3]).data
        count, (out, first, bias, channel, start, stop, lane, inputs, channels, stride) = args[0], args[4:]

        def factor(index, number):
            return vectors.splat(builder.load(builder.gep(kernel, [builder.add(index, _WORD(number))])))

        def row(index, number):
            return builder.add(index, builder.mul(stride, _WORD(number)))

        def compute(channels_here):
            sums = [
                (number, half, cgutils.alloca_once(builder, vectors.type))
                for number in range(channels_here)
                for half in range(_VECTORS)
            ]
            with builder.if_else(builder.icmp_signed("<", first, _WORD(0))) as (alone, added):
                with alone:
                    for number, _, total in sums:
                        builder.store(factor(builder.add(bias, channel), number), total)
                with added:
                    for number, half, total in sums:
                        builder.store(vectors.load(row(first, number), half), total)
            with cgutils.for_range(builder, stop, start=start) as tap:
                entry = builder.mul(tap.index, _WORD(2))
                place = builder.add(builder.load(builder.gep(table, [entry])), lane)
                matrix = builder.load(builder.gep(table, [builder.add(entry, _WORD(1))]))
                matrix = builder.add(matrix, channel)
                with cgutils.for_range(builder, inputs) as source:
                    index = builder.add(place, builder.mul(source.index, stride))
                    weight = builder.add(matrix, builder.mul(source.index, channels))
                    values = [vectors.load(index, half) for half in range(_VECTORS)]
                    factors = [factor(weight, number) for number in range(channels_here)]
                    for number, half, total in sums:
                        value = vectors.multiply_add(factors[number], values[half], builder.load(total))
                        builder.store(value, total)
            for number, half, total in sums:
                vectors.store(builder.load(total), row(out, number), half)

        done = builder.append_basic_block("done")
        choice = builder.switch(count, done)
        for channels_here in range(1, _MOST_CHANNELS + 1):
            block = builder.append_basic_block(f"product.{channels_here}")
            choice.add_case(_WORD(channels_here), block)
            builder.position_at_end(block)
            compute(channels_here)
            builder.branch(done)
        builder.position_at_end(done)
        return context.get_dummy_value()

    return signature, generate


@intrinsic
def _activate(typing_context, buffer, out, first, scale, shift):
    """``out = GELU(scale * first + shift)`` of two vectors of positions."""
    signature = types.void(buffer, types.int64, types.int64, buffer.dtype, buffer.dtype)

    def generate(context, builder, signature, args):
        vectors = _Vectors(context, builder, signature.args[0], args[0])
        _, out, first, scale, shift = args
        scale, shift = vectors.splat(scale), vectors.splat(shift)
        for half in range(_VECTORS):
            x = vectors.multiply_add(vectors.load(first, half), scale, shift)
            vectors.store(vectors.gelu(x), out, half)
        return context.get_dummy_value()

    return signature, generate


@intrinsic
def _maximum(typing_context, buffer, out, first, second):
    """``out = maximum(first, second)`` of two vectors of positions."""
    signature = types.void(buffer, *([types.int64] * 3))

    def generate(context, builder, signature, args):
        vectors = _Vectors(context, builder, signature.args[0], args[0])
        for half in range(_VECTORS):
            first, second = (vectors.load(each, half) for each in args[2:])
            vectors.store(vectors.chosen(">", first, second), args[1], half)
        return context.get_dummy_value()

    return signature, generate


@intrinsic
def _subtract(typing_context, buffer, out, first, second):
    """``out = first - second`` of two vectors of positions."""
    signature = types.void(buffer, *([types.int64] * 3))

    def generate(context, builder, signature, args):
        vectors = _Vectors(context, builder, signature.args[0], args[0])
        for half in range(_VECTORS):
            first, second = (vectors.load(each, half) for each in args[2:])
            vectors.store(builder.fsub(first, second), args[1], half)
        return context.get_dummy_value()

    return signature, generate


@intrinsic
def _copy(typing_context, buffer, source, out, first):
    """Two vectors of positions from one buffer to another."""
    signature = types.void(buffer, source, types.int64, types.int64)

    def generate(context, builder, signature, args):
        vectors = _Vectors(context, builder, signature.args[0], args[0])
        sources = _Vectors(context, builder, signature.args[1], args[1])
        for half in range(_VECTORS):
            vectors.store(sources.load(args[3], half), args[2], half)
        return context.get_dummy_value()

    return signature, generate


_MULTIPLY, _ACTIVATE, _MAXIMUM, _SUBTRACT, _GATHER = (int(kind) for kind in Kind)


def _run(operations, taps, weights, buffer, stride, windows, tile, group, source, source_stride, rows, gaps):  # noqa: PLR0912 - one loop, or it is not compiled as one
    """Carry out a program for its first windows.

    Parameters
    ----------
    operations, taps : numpy.ndarray of int64, shapes (n, 10) and (m, 2)
        From :func:`_table`.
    weights, buffer : numpy.ndarray, one dimension
        What is read, and what is read and written.
    stride, windows, tile, group : int
        Of the buffer's rows; how many windows; how many go through all operations together; and how many
        positions two vectors hold.
    source, source_stride
        The buffer that is gathered from.
    rows : numpy.ndarray of int64, shape (windows + group,)
        Where in it the windows lie.
    gaps : numpy.ndarray of int64, the same shape
        Before each, how many do not lie right behind the one before: equal between neighbours.
    """
    for begin in range(0, windows, tile):
        end = min(begin + tile, windows)
        for number in range(len(operations)):
            kind, out, channels, extent, first, second, start, stop, inputs, constants = operations[number]
            low, high = (0 if begin == 0 else begin + extent), end + extent
            if kind == _MULTIPLY:
                parts = (channels + _MOST_CHANNELS - 1) // _MOST_CHANNELS
                for lane in range(low, high, group):
                    channel = 0
                    for part in range(parts):
                        count = (channels - channel) // (parts - part)
                        row = channel * stride + lane
                        _product(
                            count,
                            buffer,
                            weights,
                            taps,
                            out + row,
                            first + row if first >= 0 else NOWHERE,
                            constants,
                            channel,
                            start,
                            stop,
                            lane,
                            inputs,
                            channels,
                            stride,
                        )
                        channel += count
                continue
            for channel in range(channels):
                row = channel * stride
                if kind == _ACTIVATE:
                    scale, shift = weights[constants + channel], weights[constants + channels + channel]
                    for lane in range(row + low, row + high, group):
                        _activate(buffer, out + lane, first + lane, scale, shift)
                elif kind == _MAXIMUM:
                    for lane in range(row + low, row + high, group):
                        _maximum(buffer, out + lane, first + lane, second + lane)
                elif kind == _SUBTRACT:
                    for lane in range(row + low, row + high, group):
                        _subtract(buffer, out + lane, first + lane, second + lane)
                elif kind == _GATHER:
                    place = first + channel * source_stride
                    for lane in range(low, high, group):
                        if gaps[lane + group - 1] == gaps[lane]:
                            _copy(buffer, source, out + row + lane, place + rows[lane])
                        else:
                            for each in range(lane, lane + group):
                                buffer[out + row + each] = source[place + rows[each]]


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
        return CompiledWorkspace(self._programs, self._tables)


_Table = tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]


def _table(program: Program) -> _Table:
    """The operations as numbers, with where their taps begin and end in those of all."""
    operations: list[tuple[int, ...]] = []
    taps: list[tuple[int, int]] = []
    for each in program.operations:
        start = len(taps)
        taps += each.taps
        places = each.out, each.channels, each.extent, each.first, each.second
        operations.append((each.kind, *places, start, len(taps), each.inputs, each.constants))
    return np.array(operations, dtype=np.int64), np.array(taps, dtype=np.int64).reshape(-1, 2)


class CompiledWorkspace:
    """The buffers in which one thread computes one sequence after the other."""

    def __init__(self, programs: ScanPrograms, tables: list[_Table]) -> None:
        self._programs, self._tables = programs, tables
        weights = programs.weights
        self._group = _VECTORS * _VECTOR_BYTES // weights.itemsize
        self._buffers = [
            np.zeros(program.rows * program.stride, dtype=weights.dtype)
            for program in (programs.reference, programs.substitution)
        ]

    def logits(self, codes: npt.NDArray[np.uint8], windows: int) -> npt.NDArray[np.floating]:
        """Logits of windows, from the bases ``[program.start, program.end + windows - 1)``."""
        self._encode(0, codes)
        none = np.empty(0, dtype=np.int64)
        return self._run(0, windows, none, none)

    def substituted(
        self, rows: npt.NDArray[np.int64], symbols: npt.NDArray[np.uint8]
    ) -> npt.NDArray[np.floating]:
        """Logits of windows of the last sequence with another base."""
        step = self._programs.substitution.windows
        logits = np.empty(len(rows), dtype=self._programs.weights.dtype)
        # The first substitution of each window, then the second of each: neighbours are read together.
        order = np.argsort(np.arange(len(rows)) - np.searchsorted(rows, rows), kind="stable")
        sources = np.concatenate([rows[order], rows[order[-1]] + np.arange(1, self._group + 1)])
        gaps = np.cumsum(np.diff(sources, prepend=sources[0]) != 1)
        for start in range(0, len(rows), step):
            part = order[start : start + step]
            self._encode(1, symbols[part])
            logits[part] = self._run(1, len(part), sources[start:], gaps[start:])
        return logits

    def _program(self, number: int) -> Program:
        return (self._programs.reference, self._programs.substitution)[number]

    def _encode(self, number: int, symbols: npt.NDArray[np.uint8]) -> None:
        program, buffer = self._program(number), self._buffers[number]
        for channel, symbol in enumerate(SYMBOLS[: self._programs.channels]):
            start = program.one_hot + channel * program.stride
            buffer[start : start + len(symbols)] = symbols == symbol

    def _run(
        self, number: int, windows: int, rows: npt.NDArray[np.int64], gaps: npt.NDArray[np.int64]
    ) -> npt.NDArray[np.floating]:
        program, buffer = self._program(number), self._buffers[number]
        _run_compiled(
            *self._tables[number],
            self._programs.weights,
            buffer,
            program.stride,
            windows,
            _TILE,
            self._group,
            self._buffers[0],
            self._programs.reference.stride,
            rows,
            gaps,
        )
        return buffer[program.logit : program.logit + windows].copy()
