"""Which bases the score of causal variants depends on: substitutions around their motifs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.known_truth.rule import CAUSAL_MOTIFS, COFACTOR, FREE, REACH, Motif
from mifm_kipoi.genomics.genome import Genome
from mifm_kipoi.sequence.encoding import codes

FAR = 20
"""Base pairs between a position of the background and every motif that counts, at least."""


def effects_by_motif(mutagenesis: Path, fasta: Path) -> pd.DataFrame:
    """Mean absolute change of the logit at each position of a motif.

    Parameters
    ----------
    mutagenesis : Path
        Table of ``mifm mutagenesis --centre variant`` for causal variants.
    fasta : Path
        Genome of the variants.

    Returns
    -------
    pandas.DataFrame
        ``motif, offset`` (in the motif, from 0), ``base`` (N where it is free), ``informative`` (1 or 0),
        ``effect``: the mean of ``|mifm_logit_delta|`` over variants and substitutions, and ``background``:
        the same over positions with at least :data:`FAR` bases between them and the variant's motif and its
        co-factors. A variant counts for the motif that it lies in; the co-factor is that within reach. The
        variant's own position is left out.
    """
    table = pd.read_parquet(mutagenesis)
    # At the centre a network with the variant token sees no base.
    table = table[(table["status"] == "ok") & table["alt"].notna() & (table["pos"] != table["centre"])]
    table = table.assign(effect=table["mifm_logit_delta"].abs())
    by_position = table.groupby(["chrom", "centre", "pos"], sort=False)["effect"].mean().reset_index()
    genome = Genome(fasta)
    parts = []
    for (chrom, centre), rows in by_position.groupby(["chrom", "centre"], sort=False):
        position, effect = rows["pos"].to_numpy(np.int64), rows["effect"].to_numpy(np.float64)
        known = dict(zip(position.tolist(), effect.tolist(), strict=True))
        near = np.zeros(len(rows), dtype=bool)
        for motif, start in _motifs_of(genome, str(chrom), int(centre)):
            width = len(motif.bases)
            near |= (position >= start - FAR) & (position < start + width + FAR)
            parts += [
                (motif.name, offset, base, int(base != FREE), known.get(start + offset, np.nan))
                for offset, base in enumerate(motif.bases)
            ]
        parts += [("", 0, "", 0, value) for value in effect[~near].tolist()]
    effects = pd.DataFrame(parts, columns=["motif", "offset", "base", "informative", "effect"])
    background = effects.loc[effects["motif"] == "", "effect"].mean()
    keys = ["motif", "offset", "base", "informative"]
    means = effects[effects["motif"] != ""].groupby(keys, as_index=False)["effect"].mean()
    return means.assign(background=background)


def _motifs_of(genome: Genome, chrom: str, centre: int) -> Iterator[tuple[Motif, int]]:
    """The causal motifs over a variant and the co-factors within reach, with their 1-based starts."""
    first = centre - 1 - REACH
    sequence = codes(genome.fetch(chrom, first, centre + REACH))
    for motif in CAUSAL_MOTIFS:
        for start in np.flatnonzero(motif.find(sequence)).tolist():
            if REACH - start in motif.informative:
                yield motif, first + start + 1
    for start in np.flatnonzero(COFACTOR.find(sequence)).tolist():
        yield COFACTOR, first + start + 1
