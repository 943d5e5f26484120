"""Random data sets of a stated shape, with their genome, for measurements without reference data.

Their p-values and Bayes factors are random numbers.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch

from mifm_kipoi.sequence.encoding import NO_BASE
from training.data.dataset import BAG_COLUMNS, INSTANCE_COLUMNS, DataSet, Split
from training.mil.genome_tensor import GenomeTensor

_BASES = np.frombuffer(b"ACGT", dtype=np.uint8)

_LINE = 1 << 16
"""Bases per line of the FASTA file: few lines are soon indexed."""

_LOCUS = 100_000
"""Base pairs over which the variants of a positive bag lie."""

_NEAR = 128
"""Largest distance of a negative from a positive."""


@dataclasses.dataclass(frozen=True)
class Shape:
    """How large a random data set is.

    Parameters
    ----------
    contigs : int
        The last one is for validation, the others are for training.
    contig_length : int
        In base pairs.
    bags, validation_bags : int
        Positive bags.
    bag_sizes : tuple of int
        Smallest and largest size of a positive bag; every size between is as likely.
    negatives, validation_negatives : int
        Negative bags of training and of validation, each of one variant.
    """

    contigs: int
    contig_length: int
    bags: int
    validation_bags: int
    bag_sizes: tuple[int, int]
    negatives: int
    validation_negatives: int


SHAPES = {
    "tiny": Shape(2, 200_000, 8, 2, (2, 5), 16, 2),
    "small": Shape(3, 5_000_000, 256, 8, (10, 127), 5_000, 8),
    # Most of the paper's blocks have more variants than the 127 that are used.
    "paper": Shape(24, 129_000_000, 4_790, 200, (100, 127), 1_000_000, 2_000),
}
"""By name; ``paper`` has the number of bags and negatives, and the genome's size, of the paper."""


def make(shape: Shape, fasta: Path, seed: int = 1) -> DataSet:
    """Write a random genome, and draw SNVs on it.

    The variants of a positive bag lie within 100 kb, a negative within 128 bp of a variant of a positive
    bag. ``fasta`` is overwritten.
    """
    with fasta.open("wb") as file:

        def write(number: int, generator: np.random.Generator) -> npt.NDArray[np.uint8]:
            codes = generator.integers(0, 4, shape.contig_length, dtype=np.uint8)
            _write_contig(file, number, codes)
            return codes

        return _drawn(shape, write, seed)


def make_in_memory(shape: Shape, margin: int, block: int, seed: int = 1) -> tuple[DataSet, GenomeTensor]:
    """The same without a file, on a genome that repeats itself: drawing billions of bases takes a minute.

    Parameters
    ----------
    shape : Shape
        How large.
    margin : int
        As of :class:`training.mil.genome_tensor.GenomeTensor`.
    block : int
        Bases that are drawn and repeated.
    seed : int
        Of all draws.
    """
    drawn = np.random.default_rng([seed, 1]).integers(0, 4, block, dtype=np.uint8)
    starts = {
        str(number): margin + (number - 1) * (shape.contig_length + margin)
        for number in range(1, shape.contigs + 1)
    }
    whole = np.full(margin + shape.contigs * (shape.contig_length + margin), NO_BASE, dtype=np.uint8)

    def repeat(number: int, _: np.random.Generator) -> npt.NDArray[np.uint8]:
        codes = whole[starts[str(number)] :][: shape.contig_length]
        for start in range(0, shape.contig_length, block):
            codes[start : start + block] = drawn[: shape.contig_length - start]
        return codes

    dataset = _drawn(shape, repeat, seed)
    lengths = dict.fromkeys(starts, shape.contig_length)
    return dataset, GenomeTensor(torch.from_numpy(whole), starts, lengths, margin)


def _drawn(
    shape: Shape, contig: Callable[[int, np.random.Generator], npt.NDArray[np.uint8]], seed: int
) -> DataSet:
    """A data set on contigs, which a function gives by their number, counted from 1."""
    generator = np.random.default_rng(seed)
    tables = []
    for number in range(1, shape.contigs + 1):
        codes = contig(number, generator)
        last = number == shape.contigs
        count, negatives = (
            (shape.validation_bags, shape.validation_negatives)
            if last
            else (
                _part_size(shape.bags, number, shape.contigs - 1),
                _part_size(shape.negatives, number, shape.contigs - 1),
            )
        )
        split = Split.VALIDATION if last else Split.TRAIN
        tables.append(
            _variants(codes, count, negatives, shape, generator).assign(contig=number, split=split.value)
        )
    return _dataset(pd.concat(tables, ignore_index=True), generator)


def _part_size(total: int, number: int, parts: int) -> int:
    """How much of a total is in part ``number``, counted from 1."""
    return total * number // parts - total * (number - 1) // parts


def _write_contig(file, number: int, codes: npt.NDArray[np.uint8]) -> None:
    file.write(b">%d\n" % number)
    for start in range(0, codes.size, _LINE):
        file.write(_BASES[codes[start : start + _LINE]].tobytes() + b"\n")


def _variants(
    codes: npt.NDArray[np.uint8], bags: int, negatives: int, shape: Shape, generator: np.random.Generator
) -> pd.DataFrame:
    """Position, alleles, label and bag, numbered from 0, of the SNVs of a contig."""
    low, high = shape.bag_sizes
    sizes = generator.integers(low, high, bags, endpoint=True)
    room = min(_LOCUS, codes.size // 2)
    starts = np.repeat(generator.integers(_NEAR, codes.size - room - _NEAR, bags), sizes)
    pos = starts + generator.integers(1, room, sizes.sum())
    around = generator.choice(pos, negatives)
    away = generator.integers(1, _NEAR, negatives, endpoint=True) * generator.choice([-1, 1], negatives)
    pos = np.concatenate([pos, around + away])
    ref = codes[pos - 1]
    alt = (ref + generator.integers(1, 4, pos.size, dtype=np.uint8)) % 4
    return pd.DataFrame(
        {
            "pos": pos,
            "ref": _letters(ref),
            "alt": _letters(alt),
            "label": np.repeat([1, 0], [sizes.sum(), negatives]),
            "bag": np.concatenate([np.repeat(np.arange(bags), sizes), np.arange(bags, bags + negatives)]),
        }
    )


def _letters(codes: npt.NDArray[np.uint8]) -> npt.NDArray[np.object_]:
    return np.array(list("ACGT"), dtype=object)[codes]


def _dataset(variants: pd.DataFrame, generator: np.random.Generator) -> DataSet:
    """Tables as :mod:`training.data.dataset` has them."""
    number = variants.groupby(["contig", "bag"], sort=False).ngroup()
    variants = variants.assign(
        bag=number,
        chrom=variants["contig"].astype(str),
        id=".",
        p_value=np.where(variants["label"] == 1, generator.random(len(variants)) * 1e-6, np.nan),
        z=np.nan,
        pip=np.nan,
        log_bf=np.where(variants["label"] == 1, generator.normal(0, 3, len(variants)), np.nan),
    )
    instances = variants.sort_values(["bag", "p_value"], kind="stable", ignore_index=True)
    first = instances.drop_duplicates("bag").reset_index(drop=True)
    bags = first.assign(
        block=first["bag"].astype(str), signal="all", size=instances.groupby("bag").size(), studies=1
    )
    return DataSet.of_united(
        bags[list(BAG_COLUMNS)].astype(BAG_COLUMNS),
        instances[list(INSTANCE_COLUMNS)].astype(INSTANCE_COLUMNS),
        {"provenance": "benchmarks.speed.synthetic"},
    )
