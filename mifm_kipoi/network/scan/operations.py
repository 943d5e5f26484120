"""What engines carry out: operations on arrays of activations that lie in one buffer.

An array has a row for each channel, in which positions lie side by side. The rows of most arrays are at one
stride, with room for all positions. What only the windows at hand need has rows at a smaller stride, which
are used again: they stay in the processor's cache.
"""

from __future__ import annotations

import dataclasses
import enum

import numpy as np
import numpy.typing as npt

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
