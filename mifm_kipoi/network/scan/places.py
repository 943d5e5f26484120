"""Where the arrays of programs lie in the buffer: those of all positions, those of the windows at hand."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from mifm_kipoi.network.scan.operations import SLACK, Kind, Operation, Place, Program, Tap


@dataclasses.dataclass(frozen=True, eq=False)
class Array:
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

    def at(self, offset: int = 0) -> Spot:
        """What belongs to window 0 at an offset from its start."""
        return Spot(self, offset - self.first)


@dataclasses.dataclass(frozen=True)
class Spot:
    """A place in an array that has no room yet."""

    array: Array
    offset: int

    def moved(self, positions: int) -> Spot:
        """The place some positions further."""
        return Spot(self.array, self.offset + positions)


@dataclasses.dataclass(frozen=True)
class Step:
    """An :class:`Operation` whose arrays have no room yet."""

    kind: Kind
    channels: int
    extent: int = 0
    out: Spot | None = None
    active: Spot | None = None
    affine: int = 0
    first: Spot | None = None
    second: Spot | None = None
    taps: tuple[tuple[Spot, int, Spot | None], ...] = ()
    inputs: int = 0
    bias: int = 0

    @property
    def written(self) -> list[Array]:
        """Arrays that it writes to."""
        spots = [self.out, self.active, *(kept for *_, kept in self.taps)]
        return [spot.array for spot in spots if spot is not None]

    @property
    def read(self) -> list[Array]:
        """Arrays that it reads."""
        spots = [self.first, self.second, *(spot for spot, *_ in self.taps)]
        return [spot.array for spot in spots if spot is not None]


@dataclasses.dataclass(frozen=True)
class Draft:
    """A :class:`Program` whose arrays have no room yet.

    Parameters
    ----------
    steps : sequence of Step
        Its operations.
    one_hot, logit : Spot
        The input and the result.
    widest : int
        How many positions more than there are windows an array has at most.
    """

    steps: Sequence[Step]
    one_hot: Spot
    logit: Spot
    widest: int = 0


class Rooms:
    """Where in the buffer all arrays lie.

    Parameters
    ----------
    reference, substitution : Draft
        The programs; the second gathers what the first has left.
    windows, at_hand : int
        As for :func:`mifm_kipoi.network.scan.program.programs_of`.
    """

    def __init__(self, reference: Draft, substitution: Draft, windows: int, at_hand: int) -> None:
        # An odd multiple of a cache line's floats: the rows of an array begin in different cache sets.
        self.stride = _odd_multiple_of_16(windows + reference.widest + SLACK)
        self.local_stride = _odd_multiple_of_16(at_hand)
        self._rows: dict[Array, int] = {}
        read_later = {
            step.first.array for step in substitution.steps if step.kind == Kind.GATHER and step.first
        }
        self._shared: set[Array] = set()
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

    def _place_local(self, steps: Sequence[Step]) -> int:
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

    def _place(self, spot: Spot) -> Place:
        row = self._rows[spot.array]
        if spot.array in self._shared:
            return Place(row * self.stride + spot.offset)
        return Place(self._local_start + row * self.local_stride + spot.offset, is_local=True)

    def program(self, draft: Draft) -> Program:
        """The program with all arrays in their places."""

        def placed(spot: Spot | None) -> Place | None:
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
            for step in draft.steps
        ]
        return Program(tuple(operations), self._place(draft.one_hot), self._place(draft.logit))


def _odd_multiple_of_16(count: int) -> int:
    """The smallest that is not less."""
    return 16 * ((count + 15) // 16 | 1)
