"""Chromatin states of cell lines, of which some hold causal variants more often, at known odds ratios.

The files are those of GenoSTAN's 20 states in 127 epigenomes: four columns between tabs without a header, the
contig with ``chr``, start and end (0-based, half-open), state. A cell line's segments cover every contig.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
from scipy import stats

from benchmarks.known_truth.streams import Stream, seeds
from mifm_kipoi.support.rows import table_rows

CELL_LINES = tuple(f"E{number:03d}" for number in range(1, 130) if number not in (60, 64))
"""The 127 epigenomes of the Roadmap project."""

FILE_NAME = "{cell_line}_GenoSTAN_nb_20_states.bed.gz"

FREQUENCIES = {
    "Prom.1": 0.02, "Prom.19": 0.02, "Enh.6": 0.03, "EnhW.8": 0.04, "EnhWF.9": 0.03, "ReprEnh.11": 0.02,
    "Gen5'.16": 0.02, "Elon.7": 0.05, "ElonW.13": 0.05, "ElonW.15": 0.05, "Repr.14": 0.03, "Repr.2": 0.04,
    "ReprW.10": 0.05, "Low.12": 0.05, "Low.17": 0.05, "Low.18": 0.05, "Low.20": 0.05, "Low.4": 0.05,
    "Low.5": 0.05, "Low.3": 0.25,
}  # fmt: skip
"""The states, and the fraction of variants that are not causal in each."""

ODDS_RATIOS = {"Enh.6": 4.0, "Prom.1": 2.5, "EnhW.8": 2.0, "ReprEnh.11": 1.5, "Repr.2": 0.5}
"""Of a state against all others: odds that a causal variant is in it, over those of another variant."""

BALANCE = "Low.3"
"""The state of which causal variants have as many fewer as the enriched states have more, so that the odds
ratio of every state that is not in :data:`ODDS_RATIOS` is 1."""

SHARED = 0.6
"""Probability that a cell line has the state that is common to all of them; else it draws its own."""

AT_LEAST = (1, 5)
"""Numbers of cell lines for which the manifest has the odds ratio of "in this state in at least so many"."""

_MEAN_RUN_BP = 1_000
"""Of segments, before they are cut at causal variants."""

_STEP = 200
"""Segments begin and end at multiples of this, but for those at causal variants."""

_LARGEST_AT_CAUSAL = 200

Integers = npt.NDArray[np.int64]


def probabilities() -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Probabilities of the states for variants that are not causal, and for those that are: (20,) each."""
    others = np.array(list(FREQUENCIES.values()))
    ratio = np.array([ODDS_RATIOS.get(state, 1.0) for state in FREQUENCIES])
    odds = ratio * others / (1 - others)
    causal = odds / (1 + odds)
    balance = list(FREQUENCIES).index(BALANCE)
    causal[balance] += 1 - causal.sum()
    return others, causal


def odds_ratios(cell_lines: int) -> dict[str, dict[str, float]]:
    """The true odds ratios of each state.

    Parameters
    ----------
    cell_lines : int
        How many there are.

    Returns
    -------
    dict
        Of each state, ``each``: in any one cell line; ``at_least_K``: in K of the cell lines or more.
    """
    found = {}
    for state, *chances in zip(FREQUENCIES, *probabilities(), strict=True):
        others, causal = chances
        ratios = {"each": _odds_ratio(causal, others)}
        for least in AT_LEAST:
            if least <= cell_lines:
                many = [_in_at_least(least, cell_lines, chance) for chance in (causal, others)]
                ratios[f"at_least_{least}"] = _odds_ratio(*many)
        found[state] = ratios
    return found


def write_states(
    truth: pd.DataFrame, folder: Path, seed: int, lengths: Mapping[str, int], cell_lines: int
) -> dict[str, Any]:
    """Write a file for each cell line, and ``manifest.json`` with the true odds ratios.

    Whether a variant is causal changes the state of its own segment alone. That segment, at most 200 bp
    around the variant, holds no other variant.

    Parameters
    ----------
    truth : pandas.DataFrame
        With ``chrom``, ``pos`` (1-based) and ``causal``, in the order of the genome.
    folder : Path
        Made where missing.
    seed : int
        Of all draws.
    lengths : mapping of str to int
        Of every contig, in base pairs.
    cell_lines : int
        How many of :data:`CELL_LINES`, from the first on; 127 at most.

    Returns
    -------
    dict
        The manifest.

    Raises
    ------
    ValueError
        More cell lines than there are, or none.
    """
    if not 0 < cell_lines <= len(CELL_LINES):
        raise ValueError(
            f"{cell_lines} cell lines; GenoSTAN has {len(CELL_LINES)}: give 1 to {len(CELL_LINES)}"
        )
    folder.mkdir(parents=True, exist_ok=True)
    generator = np.random.default_rng(seeds(seed, Stream.STATES))
    of_contig = dict(iter(truth.groupby("chrom")))
    segments = [
        _segments(of_contig.get(chrom, truth.iloc[:0]), length, generator)
        for chrom, length in lengths.items()
    ]
    chrom = np.repeat(list(lengths), [len(part) for part in segments])
    table = pd.concat(segments, ignore_index=True)
    causal = table["causal"].to_numpy()
    common = _draw(causal, generator)
    names = pa.array(list(FREQUENCIES))
    contigs = pa.array([f"chr{name.removeprefix('chr')}" for name in chrom.tolist()])
    for cell_line in CELL_LINES[:cell_lines]:
        states = np.where(generator.random(causal.size) < SHARED, common, _draw(causal, generator))
        # Neighbours of one state are one segment.
        first = np.ones(causal.size, dtype=bool)
        first[1:] = (states[1:] != states[:-1]) | (chrom[1:] != chrom[:-1])
        last = np.append(first[1:], True)
        rows = pa.table(
            {
                "chrom": contigs.filter(pa.array(first)),
                "start": table["start"].to_numpy()[first],
                "end": table["end"].to_numpy()[last],
                "state": names.take(pa.array(states[first])),
            }
        )
        path = folder / FILE_NAME.format(cell_line=cell_line)
        path.write_bytes(gzip.compress(table_rows(rows), compresslevel=4, mtime=0))
    _, of_causal = probabilities()
    manifest = {
        "cell_lines": list(CELL_LINES[:cell_lines]),
        "frequencies": FREQUENCIES,
        "frequencies_of_causal_variants": dict(zip(FREQUENCIES, of_causal.tolist(), strict=True)),
        "odds_ratios": odds_ratios(cell_lines),
        "shared_between_cell_lines": SHARED,
    }
    (folder / "manifest.json").write_text(json.dumps(manifest, indent=1) + "\n")
    return manifest


def alone(pos0: Integers, length: int, largest: int) -> tuple[Integers, Integers]:
    """Intervals around variants of one contig that hold no other variant.

    Parameters
    ----------
    pos0 : numpy.ndarray of int64, shape (n,)
        0-based positions, rising.
    length : int
        Of the contig, in base pairs.
    largest : int
        Of the intervals, in base pairs.

    Returns
    -------
    start, end : numpy.ndarray of int64, shape (n,)
        0-based, half-open; two never overlap.
    """
    middle = (pos0[1:] + pos0[:-1] + 1) // 2
    start = np.maximum(np.concatenate([[0], middle]), pos0 - largest // 2)
    end = np.minimum(np.concatenate([middle, [length]]), pos0 + largest // 2)
    return start, np.maximum(end, pos0 + 1)


def _segments(own: pd.DataFrame, length: int, generator: np.random.Generator) -> pd.DataFrame:
    """Segments that cover a contig: ``start, end``, and whether it is that of a causal variant."""
    steps = np.flatnonzero(generator.random(-(-length // _STEP)) < _STEP / _MEAN_RUN_BP) * _STEP
    start, end = alone(own["pos"].to_numpy(np.int64) - 1, length, _LARGEST_AT_CAUSAL)
    causal = own["causal"].to_numpy(bool)
    start, end = start[causal], end[causal]
    # Cuts within the segment of a causal variant would divide it.
    held = np.searchsorted(start, steps, side="right") - 1
    free = (held < 0) | (steps >= end[held]) if start.size else np.ones(steps.size, dtype=bool)
    cuts = np.unique(np.concatenate([[0], steps[free], start, end]))
    cuts = cuts[cuts < length]
    return pd.DataFrame({"start": cuts, "end": np.append(cuts[1:], length), "causal": np.isin(cuts, start)})


def _draw(causal: npt.NDArray[np.bool_], generator: np.random.Generator) -> Integers:
    """A state for each segment: (n,) numbers in the order of :data:`FREQUENCIES`."""
    drawn = generator.random(causal.size)
    of_others, of_causal = (np.cumsum(chances)[:-1] for chances in probabilities())
    return np.where(causal, np.searchsorted(of_causal, drawn), np.searchsorted(of_others, drawn))


def _in_at_least(least: int, cell_lines: int, chance: float) -> float:
    """Probability of a state of the given frequency in at least so many cell lines."""
    own = (1 - SHARED) * chance
    many = [stats.binom.sf(least - 1, cell_lines, each) for each in (SHARED + own, own)]
    return float(chance * many[0] + (1 - chance) * many[1])


def _odds_ratio(one: float, other: float) -> float:
    return float(one / (1 - one) * (1 - other) / other)
