"""Small data sets of bags for tests of the training code."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from mifm_kipoi.genomics.genome import Genome
from tests.builders import write_fasta
from training.data.dataset import BAG_COLUMNS, INSTANCE_COLUMNS, DataSet, Split

Variant = tuple[str, int, str, str]
"""chrom, pos (1-based), ref, alt"""


def make_dataset(bags: Sequence[tuple[int, str, Sequence[Variant]]]) -> DataSet:
    """A data set of bags, each (label, split, variants), the variants by rising p-value."""
    rows = [
        (number, chrom, pos, ref, alt, ".", 10.0 ** -(20 - rank), float(20 - rank), 0.5, 3.0 - rank)
        for number, (_, _, variants) in enumerate(bags)
        for rank, (chrom, pos, ref, alt) in enumerate(variants)
    ]
    instances = pd.DataFrame(rows, columns=list(INSTANCE_COLUMNS)).astype(
        {name: kind for name, kind in INSTANCE_COLUMNS.items() if kind != "str"}
    )
    table = pd.DataFrame(
        [
            (number, f"block{number}", "all", label, split, variants[0][0], len(variants), 1)
            for number, (label, split, variants) in enumerate(bags)
        ],
        columns=list(BAG_COLUMNS),
    ).astype({name: kind for name, kind in BAG_COLUMNS.items() if kind != "str"})
    return DataSet.of_united(table, instances, {"made by": "a test"})


MOTIF = "TGACTCA"

PLANTED_SPACING = 70
"""Base pairs between the variants of :func:`plant`: no window of 64 holds two."""


@dataclasses.dataclass(frozen=True)
class Planted:
    """A genome and bags of which the label alone says that one of the variants matters.

    Parameters
    ----------
    genome : Genome
    dataset : DataSet
    motif_rows : numpy.ndarray of int64
        The row of the instance in the motif, for each positive bag of validation, in its part.
    """

    genome: Genome
    dataset: DataSet
    motif_rows: npt.NDArray[np.int64]


def plant(folder: Path, bags: int = 240, size: int = 6, negatives: int = 2, seed: int = 0) -> Planted:
    """Positive bags in which one variant, at any rank of p-value, lies in the middle of a motif.

    The last quarter of the bags is for validation. With each come ``negatives`` negative ones, of random
    sequence.
    """
    generator = np.random.default_rng(seed)
    sites = np.arange(1, bags * (size + negatives) + 1) * PLANTED_SPACING
    sequence = generator.choice(list("ACGT"), sites[-1] + PLANTED_SPACING)
    made: list[tuple[int, str, list[int]]] = []
    motifs = []
    for number, own in enumerate(sites.reshape(bags, size + negatives)):
        split = "train" if number < 0.75 * bags else "validation"
        chosen = int(generator.integers(size))
        motifs.append(chosen)
        middle = own[chosen] - 1
        sequence[middle - 3 : middle + 4] = list(MOTIF)
        made.append((1, split, own[:size].tolist()))
        made += [(0, split, [site]) for site in own[size:].tolist()]
    dataset = make_dataset(
        [
            (label, split, [("1", site, sequence[site - 1], _other(sequence[site - 1])) for site in own])
            for label, split, own in made
        ]
    )
    part = dataset.part(Split.VALIDATION)
    starts = (part.bags["size"].cumsum() - part.bags["size"])[part.bags["label"] == 1]
    genome = Genome(write_fasta(folder / "genome.fa", {"1": "".join(sequence)}))
    return Planted(genome, dataset, starts.to_numpy() + motifs[-len(starts) :])


def _other(base: str) -> str:
    return "A" if base != "A" else "C"
