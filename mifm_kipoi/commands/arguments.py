"""Types of arguments, and the voice of the commands."""

from __future__ import annotations

import argparse


def not_negative(text: str) -> int:
    """0, 1, 2 ..."""
    value = int(text)
    if value < 0:
        raise argparse.ArgumentTypeError(f"{text} is negative")
    return value


def fraction(text: str) -> float:
    """0 to 1."""
    value = float(text)
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"{text} is not a share from 0 to 1")
    return value


def positive(text: str) -> int:
    """1, 2, 3 ..."""
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a positive number")
    return value


def shard(text: str) -> tuple[int, int]:
    """I/N."""
    part, slash, parts = text.partition("/")
    if not (slash and part.isdecimal() and parts.isdecimal() and 1 <= int(part) <= int(parts)):
        raise argparse.ArgumentTypeError(f"{text!r} is not I/N with I from 1 to N, such as 2/8")
    return int(part), int(parts)


def add_limits(group: argparse._ActionsContainer) -> None:
    """``--max-n-fraction`` and ``--max-mismatch-fraction``."""
    # The numbers of mifm_kipoi.sequence.windows, which takes long to import.
    group.add_argument(
        "--max-n-fraction", type=fraction, default=0.1, metavar="FRACTION",
        help="largest share of N in a window that is scored (default: 0.1)",
    )  # fmt: skip
    group.add_argument(
        "--max-mismatch-fraction", type=fraction, default=0.01, metavar="FRACTION",
        help="largest share of REF alleles that may differ from the FASTA (default: 0.01; 1: any)",
    )  # fmt: skip


def add_machine(group: argparse._ActionsContainer, threads: str) -> None:
    """``--device``, ``--threads`` and ``--progress``; ``threads`` says what the second is by default."""
    group.add_argument(
        "--device", default="auto", help="cpu, cuda, cuda:1 ... (default: a GPU where there is one)"
    )
    group.add_argument("--threads", type=positive, metavar="N", help=threads)
    group.add_argument(
        "--progress", action=argparse.BooleanOptionalAction, help="show progress (default: on a terminal)"
    )


def say(*lines: str) -> None:
    """Print lines."""
    for line in lines:
        print(line)
