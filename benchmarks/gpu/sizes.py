"""How much is measured: on a GPU, and in a rehearsal."""

from __future__ import annotations

import dataclasses

from benchmarks.speed.synthetic import SHAPES, Shape


@dataclasses.dataclass(frozen=True)
class Sizes:
    """How much is measured.

    Parameters
    ----------
    equality_windows, mutated_windows : int
        Windows whose scores, and whose substitutions, are compared with the CPU's.
    scoring_windows : int
        Windows of a pass of scoring.
    batch_sizes : tuple of int
        Windows that the network reads together.
    scan_positions : tuple of int
        Windows of the sequences that are scanned.
    measured_seconds : float
        How long each way is repeated.
    shape : Shape
        Of the random data set that training is measured on.
    genome_block : int
        Bases that are drawn; the random genome repeats them, since drawing billions takes minutes.
    measured_bags : int
        Positive bags of an epoch that is measured.
    member_epochs : int
        Of a member of the paper's size.
    members : int
        Of the ensemble.
    member_shape : Shape
        Of the random data set of each member that is fitted in a process of its own.
    member_windows : tuple of int
        Windows of a step of each member.
    arm_windows : int
        Training windows of an arm.
    """

    equality_windows: int
    mutated_windows: int
    scoring_windows: int
    batch_sizes: tuple[int, ...]
    scan_positions: tuple[int, ...]
    measured_seconds: float
    shape: Shape
    genome_block: int
    measured_bags: int
    member_epochs: int
    members: int
    member_shape: Shape
    member_windows: tuple[int, ...]
    arm_windows: int


FULL = Sizes(
    equality_windows=1_024, mutated_windows=8, scoring_windows=1 << 17,
    batch_sizes=(256, 2_048, 16_384), scan_positions=(4_096, 1 << 16, 1 << 20),
    measured_seconds=2.0, shape=SHAPES["paper"], genome_block=1 << 26,
    measured_bags=1_600, member_epochs=100, members=5, member_shape=SHAPES["small"],
    member_windows=(1_024, 4_096), arm_windows=15_000_000,
)  # fmt: skip

TINY = Sizes(
    equality_windows=32, mutated_windows=1, scoring_windows=64, batch_sizes=(16, 64), scan_positions=(16, 64),
    measured_seconds=0.1,
    shape=SHAPES["tiny"], genome_block=1 << 16, measured_bags=4, member_epochs=2, members=2,
    member_shape=SHAPES["tiny"], member_windows=(8,), arm_windows=200,
)  # fmt: skip
"""For a rehearsal on a CPU, in seconds."""
