"""Chromatin-state tracks that hold causal variants more or less often than others, at known odds ratios."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from benchmarks.known_truth.streams import Stream, seeds

ODDS_RATIOS = {"enhancer": 4.0, "promoter": 2.0, "low": 1.0, "repressed": 0.5}
"""Of each track: odds that a causal variant is in it, over those of another variant."""

SHARE = 0.2
"""Of the variants that are not causal, those in each track."""

_LARGEST = 200


def write_tracks(truth: pd.DataFrame, folder: Path, seed: int, length: int) -> None:
    """Write ``NAME.bed`` for each track: intervals, each with one variant.

    Parameters
    ----------
    truth : pandas.DataFrame
        With ``chrom``, ``pos`` (1-based) and ``causal``, in the order of the genome.
    folder : Path
        Made where missing.
    seed : int
        Of the draw of variants for each track.
    length : int
        Of every contig, in base pairs.
    """
    folder.mkdir(exist_ok=True)
    starts, ends = _around(truth)
    ends = np.minimum(ends, length)
    for number, (name, odds_ratio) in enumerate(ODDS_RATIOS.items()):
        generator = np.random.default_rng(seeds(seed, Stream.TRACK, number))
        odds = SHARE / (1 - SHARE) * np.where(truth["causal"], odds_ratio, 1.0)
        inside = generator.random(len(truth)) < odds / (1 + odds)
        table = pd.DataFrame({"chrom": truth["chrom"], "start": starts, "end": ends, "name": name})
        table[inside].to_csv(folder / f"{name}.bed", sep="\t", header=False, index=False)


def _around(truth: pd.DataFrame) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Intervals around variants, 0-based half-open, that hold no other."""
    pos0 = truth["pos"].to_numpy(np.int64) - 1
    new = truth["chrom"].to_numpy()[1:] != truth["chrom"].to_numpy()[:-1]
    middle = np.where(new, -1, (pos0[1:] + pos0[:-1] + 1) // 2)
    before, after = np.concatenate([[-1], middle]), np.concatenate([middle, [-1]])
    starts = np.where(before < 0, 0, before)
    starts = np.maximum(starts, pos0 - _LARGEST // 2)
    ends = np.where(after < 0, pos0 + _LARGEST // 2, np.minimum(after, pos0 + _LARGEST // 2))
    return starts, np.maximum(ends, pos0 + 1)
