"""Silencers in SilencerDB's format that hold causal variants more often, at a known odds ratio."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.known_truth.states import alone
from benchmarks.known_truth.streams import Stream, seeds

COLUMNS = (
    "chr", "start", "end", "silencerID", "size", "strand", "Celtype", "Tissue", "TissueGeneral", "Method",
)  # fmt: skip
"""Of SilencerDB's ``Homo_sapiens.bed``, which has no header; start and end are 0-based, half-open."""

ODDS_RATIO = 2.5
"""Odds that a causal variant is in a silencer, over those of another variant."""

FREQUENCY = 0.05
"""Of variants in silencers, among those that are not causal."""

SOURCES = (
    ("K562", "Bone marrow", "Blood", "ReSE"), ("HepG2", "Liver", "Liver", "ReSE"),
    ("GM12878", "Blood", "Blood", "MPRA"), ("HeLa", "Cervix", "Uterus", "Silencer-STARR-seq"),
)  # fmt: skip
"""Cell type, tissue, general tissue and method of which each silencer has one."""

_LARGEST = 400


def write_silencers(truth: pd.DataFrame, path: Path, seed: int, length: int) -> None:
    """Write silencers as a BED of ten columns without a header, each around one variant.

    Parameters
    ----------
    truth : pandas.DataFrame
        With ``chrom``, ``pos`` (1-based) and ``causal``, in the order of the genome.
    path : Path
        File; its folder is made where missing.
    seed : int
        Of all draws.
    length : int
        Of every contig, in base pairs.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    generator = np.random.default_rng(seeds(seed, Stream.SILENCERS))
    odds = FREQUENCY / (1 - FREQUENCY) * np.where(truth["causal"], ODDS_RATIO, 1.0)
    inside = generator.random(len(truth)) < odds / (1 + odds)
    parts = []
    for chrom, rows in truth.groupby("chrom", sort=False):
        start, end = alone(rows["pos"].to_numpy(np.int64) - 1, length, _LARGEST)
        parts.append(
            pd.DataFrame({"chr": f"chr{str(chrom).removeprefix('chr')}", "start": start, "end": end})
        )
    table = pd.concat(parts, ignore_index=True)[inside].reset_index(drop=True)
    source = [SOURCES[number] for number in generator.integers(0, len(SOURCES), len(table))]
    table["silencerID"] = [f"S{number:07d}" for number in range(1, len(table) + 1)]
    table["size"] = table["end"] - table["start"]
    table["strand"] = "."
    for number, column in enumerate(COLUMNS[6:]):
        table[column] = [each[number] for each in source]
    table[list(COLUMNS)].to_csv(path, sep="\t", header=False, index=False)
