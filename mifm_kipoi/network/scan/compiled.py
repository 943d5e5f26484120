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
from mifm_kipoi.network.scan.operations import SYMBOLS, Kind, Program, ScanPrograms

AT_HAND = 256
"""Windows that go through all operations before the next do, while their activations are in the cache."""

_NOWHERE = -1

_VECTORS = 2
"""Vectors of positions that are computed together."""

_ABREAST = 4
"""Vectors that go through the steps of an activation side by side."""

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


_DEGREES = {32: 5, 64: 13}
"""Of the polynomial for powers of two, by the bits of the format: what it is off is lost in rounding."""

_MANTISSA = {32: 23, 64: 52}

_LARGEST_EXPONENT = 60.0
"""Of the denominator of a sigmoid; one of 2 ** -60 is as good as 0."""

_CONSTANTS = ("one", "linear", "cubic", "most", "least", "rounder", "guess", "power")


def _constants(dtype: np.dtype[np.floating]) -> npt.NDArray[np.floating]:
    """The numbers of an activation under their names, the coefficients from ``power`` on.

    The code reads them from memory: as operands of its instructions they cost nothing, as constants of the
    code more instructions than they serve.
    """
    bits = 8 * dtype.itemsize
    # The polynomial that interpolates 2 ** x at the Chebyshev points of -0.5 to 0.5.
    series = np.polynomial.Chebyshev.interpolate(np.exp2, _DEGREES[bits], domain=(-0.5, 0.5))
    coefficients = series.convert(kind=np.polynomial.Polynomial).coef
    linear, cubic = (-each / np.log(2) for each in (GELU_LINEAR, GELU_CUBIC))
    # A number and its reciprocal have bits that add up to nearly the same, which is this, to a twentieth.
    guess = np.array(0x7EF31000, dtype=np.uint32).view(np.float32)
    rounder = 1.5 * 2.0 ** _MANTISSA[bits]
    numbers = [1.0, linear, cubic, _LARGEST_EXPONENT, -_LARGEST_EXPONENT, rounder, guess, *coefficients]
    return np.array(numbers, dtype=dtype)


class _Vectors:
    """Instructions on vectors of the format of an array, in a function that is being compiled."""

    def __init__(
        self, context: Any, builder: Any, array_type: Any, array: Any, constants: Any = None
    ) -> None:
        self.builder = builder
        self.bits = array_type.dtype.bitwidth
        self.lanes = _VECTOR_BYTES * 8 // self.bits
        self.real = context.get_data_type(array_type.dtype)
        self.type = ir.VectorType(self.real, self.lanes)
        make = context.make_array(array_type)
        self.data = make(context, builder, array).data
        self._constants = None if constants is None else make(context, builder, constants).data

    def constant(self, name: str, number: int = 0) -> Any:
        index = _WORD(_CONSTANTS.index(name) + number)
        return self.splat(self.builder.load(self.builder.gep(self._constants, [index])))

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
    def positions(self, low: Any, high: Any, vectors: int = _VECTORS) -> Iterator[Any]:
        """A loop over positions, as many at a time as some vectors hold."""
        step = _WORD(vectors * self.lanes)
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

    def multiply_add_all(self, a: list[Any], b: list[Any], c: list[Any]) -> list[Any]:
        return [self.multiply_add(*each) for each in zip(a, b, c, strict=True)]

    def powers_of_two(self, x: list[Any]) -> list[Any]:
        """``2 ** x`` for x of -126 to 126.

        A polynomial of the fraction; the whole number is added to the exponent. To add 1.5 * 2 ** 23 rounds
        to a whole number, which then stands in the last bits of the sum.
        """
        builder, count = self.builder, len(x)
        integers = ir.VectorType(ir.IntType(self.bits), self.lanes)
        rounder = self.constant("rounder")
        rounded = [builder.fadd(each, rounder) for each in x]
        whole = [builder.fsub(each, rounder) for each in rounded]
        fractions = [builder.fsub(*each) for each in zip(x, whole, strict=True)]
        degree = _DEGREES[self.bits]
        powers = [self.constant("power", degree)] * count
        for number in reversed(range(degree)):
            powers = self.multiply_add_all(powers, fractions, [self.constant("power", number)] * count)
        places = ir.Constant(integers, [ir.Constant(integers.element, _MANTISSA[self.bits])] * self.lanes)
        exponents = [builder.shl(builder.bitcast(each, integers), places) for each in rounded]
        sums = [
            builder.add(builder.bitcast(power, integers), exponent)
            for power, exponent in zip(powers, exponents, strict=True)
        ]
        return [builder.bitcast(each, self.type) for each in sums]

    def reciprocals(self, x: list[Any]) -> list[Any]:
        """``1 / x`` for x of 1 to 2 ** 126, to the rounding of the format or one more.

        A division takes longer than all else of an activation. In single precision a guess from the bits is
        better: of its error, which is a twentieth, remains the third power, and of that the second.
        """
        builder, one = self.builder, self.constant("one")
        if self.bits == 64:
            return [builder.fdiv(one, each) for each in x]
        ones = [one] * len(x)
        integers = ir.VectorType(ir.IntType(32), self.lanes)
        number = builder.bitcast(self.constant("guess"), integers)
        guesses = [builder.sub(number, builder.bitcast(each, integers)) for each in x]
        guesses = [builder.bitcast(each, self.type) for each in guesses]
        negative = [builder.fneg(each) for each in x]
        errors = self.multiply_add_all(negative, guesses, ones)
        factors = self.multiply_add_all(errors, errors, errors)
        better = self.multiply_add_all(guesses, factors, guesses)
        errors = self.multiply_add_all(negative, better, ones)
        return self.multiply_add_all(better, errors, better)

    def gelu(self, x: list[Any]) -> list[Any]:
        """``x * sigmoid(...)`` of several vectors.

        Step by step for all of them: each step waits for the one before, and the processor does not look far
        enough ahead to find the next vector's.
        """
        builder, count = self.builder, len(x)
        squares = [builder.fmul(each, each) for each in x]
        cubic, linear = [self.constant("cubic")] * count, [self.constant("linear")] * count
        exponents = self.multiply_add_all(squares, cubic, linear)
        exponents = [builder.fmul(*each) for each in zip(x, exponents, strict=True)]
        exponents = [self.chosen("<", each, self.constant("most")) for each in exponents]
        exponents = [self.chosen(">", each, self.constant("least")) for each in exponents]
        denominators = [builder.fadd(self.constant("one"), each) for each in self.powers_of_two(exponents)]
        sigmoids = self.reciprocals(denominators)
        return [builder.fmul(*each) for each in zip(x, sigmoids, strict=True)]


@intrinsic
def _product(
    typing_context,
    count,
    buffer,
    constants,
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
    signature = types.void(types.int64, buffer, constants, weights, taps, *([types.int64] * 18))

    def generate(context, builder, signature, args):
        vectors = _Vectors(context, builder, signature.args[1], args[1], args[2])
        kernel = context.make_array(signature.args[3])(context, builder, args[3]).data
        table = context.make_array(signature.args[4])(context, builder, args[4]).data
        count, (out, first, bias, channel, start, stop, low, high) = args[0], args[5:13]
        inputs, channels, active, affine, out_stride, first_stride, active_stride = args[13:20]
        begin, stride, local_stride = args[20:]

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
                    # A small sum loses less to rounding by itself than added to a number term by term.
                    for _, _, total in sums:
                        builder.store(ir.Constant(vectors.type, None), total)
            with cgutils.for_range(builder, stop, start=start) as tap:
                entry = builder.mul(tap.index, _WORD(4))
                place, matrix, is_local, kept = (
                    builder.load(builder.gep(table, [builder.add(entry, _WORD(column))]))
                    for column in range(4)
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
                with vectors.where(kept):
                    kept = builder.add(kept, builder.mul(channel, stride))
                    for number, half, total in sums:
                        vectors.store(builder.load(total), row(kept, stride, number), half)
            with vectors.where(first):
                for number, half, total in sums:
                    before = vectors.load(row(first, first_stride, number), half)
                    builder.store(builder.fadd(builder.load(total), before), total)
            with vectors.where(out):
                for number, half, total in sums:
                    vectors.store(builder.load(total), row(out, out_stride, number), half)
            with vectors.where(active):
                scales = builder.add(affine, channel)
                shifts = builder.add(scales, channels)
                for first_sum in range(0, len(sums), _ABREAST):
                    some = sums[first_sum : first_sum + _ABREAST]
                    x = [
                        vectors.multiply_add(
                            builder.load(total), factor(scales, number), factor(shifts, number)
                        )
                        for number, _, total in some
                    ]
                    for (number, half, _), value in zip(some, vectors.gelu(x), strict=True):
                        vectors.store(value, row(active, active_stride, number), half)

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
    constants,
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
    signature = types.void(buffer, constants, weights, *([types.int64] * 12))

    def generate(context, builder, signature, args):
        vectors = _Vectors(context, builder, signature.args[0], args[0], args[1])
        numbers = context.make_array(signature.args[2])(context, builder, args[2]).data
        channels, low, high, out, out_stride, first, first_stride = args[3:10]
        second, second_stride, active, active_stride, affine = args[10:]
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
            with vectors.positions(low, high, _ABREAST) as position:
                largest = []
                for number in range(_ABREAST):
                    x, y = (vectors.load(builder.add(each, position), number) for each in (left, right))
                    largest.append(vectors.chosen(">", x, y))
                with vectors.where(out):
                    for number, each in enumerate(largest):
                        vectors.store(each, builder.add(target, position), number)
                scaled = [vectors.multiply_add(each, scale, shift) for each in largest]
                for number, value in enumerate(vectors.gelu(scaled)):
                    vectors.store(value, builder.add(gate, position), number)
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


def _run(
    operations, taps, constants, weights, buffer, stride, local_stride, windows, at_hand, group, rows, gaps
):
    """Carry out a program for its first windows.

    Parameters
    ----------
    operations, taps : numpy.ndarray of int64, shapes (n, 16) and (m, 4)
        From :func:`_table`.
    constants, weights, buffer : numpy.ndarray, one dimension
        From :func:`_constants`, what is read, and what is read and written.
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
                        constants,
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
                    constants,
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
    taps: list[tuple[int, int, int, int]] = []
    for each in program.operations:
        start = len(taps)
        taps += [
            (
                tap.source.start,
                tap.matrix,
                tap.source.is_local,
                _NOWHERE if tap.kept is None else tap.kept.start,
            )
            for tap in each.taps
        ]
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
    return np.array(operations, dtype=np.int64), np.array(taps, dtype=np.int64).reshape(-1, 4)


class CompiledWorkspace:
    """The buffer in which one thread computes one sequence after the other."""

    def __init__(self, programs: ScanPrograms, reference: _Table, substitution: _Table) -> None:
        self._programs, self._reference, self._substitution = programs, reference, substitution
        self._group = _VECTORS * _VECTOR_BYTES // programs.weights.itemsize
        self._constants = _constants(programs.weights.dtype)
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
            self._constants,
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
