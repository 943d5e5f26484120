"""What patterns and their matches amount to: a row a pattern, a row a factor, and counts of a network."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
import pandas as pd

from mifm_kipoi.evaluation.motifs.discovery import Discovery
from mifm_kipoi.evaluation.motifs.patterns import SIGNS, Pattern, distinct_sites

Tables = tuple[pd.DataFrame, pd.DataFrame]

MAX_Q = 0.05
"""A pattern resembles a motif when TOMTOM's q-value is below this."""


def hits_of(discovery: Discovery) -> pd.DataFrame:
    """Where patterns were found on the genome.

    Parameters
    ----------
    discovery : Discovery
        Patterns of windows.

    Returns
    -------
    pandas.DataFrame
        One row a seqlet, by position: ``chrom, start, end`` (0-based half-open, of the pattern's span),
        ``pattern``, ``strand`` (``+`` where the pattern reads along the genome), ``row`` (of the window) and
        ``distance``: base pairs from the position at the window's centre to the middle of the span.
    """
    attributions = discovery.attributions
    chroms = np.array(attributions.chroms, dtype=object)
    parts = []
    for pattern in discovery.patterns:
        rows = pattern.seqlets.rows
        starts, ends = pattern.spans()
        # The base at the centre is 1-based, windows are 0-based.
        first = attributions.pos[rows] - 1 - attributions.centre
        parts.append(
            pd.DataFrame(
                {
                    "chrom": chroms[rows],
                    "start": first + starts,
                    "end": first + ends,
                    "pattern": pattern.name,
                    "strand": np.where(pattern.seqlets.reverse, "-", "+"),
                    "row": rows,
                    "distance": (starts + ends - 1) / 2 - attributions.centre,
                }
            )
        )
    if not parts:
        columns = ("chrom", "start", "end", "pattern", "strand", "row", "distance")
        return pd.DataFrame({name: [] for name in columns})
    table = pd.concat(parts, ignore_index=True)
    return table.sort_values(["chrom", "start", "end", "pattern"], kind="stable", ignore_index=True)


def pattern_table(discovery: Discovery, hits: pd.DataFrame, matches: pd.DataFrame) -> pd.DataFrame:
    """A row a pattern.

    Parameters
    ----------
    discovery : Discovery
        The patterns.
    hits : pandas.DataFrame
        From :func:`hits_of`.
    matches : pandas.DataFrame
        From :func:`mifm_kipoi.evaluation.motifs.known.compare`.

    Returns
    -------
    pandas.DataFrame
        ``pattern, sign, seqlets``; ``sites``, places of the genome that do not overlap; ``forward``, the
        fraction of seqlets on the forward strand; ``distance``, the median distance to the window's centre,
        in base pairs; ``start, end`` of the span in the pattern; ``consensus``; ``bits``, its information;
        ``contribution``, the mean sum of the contributions of its bases; ``flat``; the best ``motif`` with
        ``factor, p_value, q_value, strand`` and ``matched`` (q below :data:`MAX_Q`). Of a flat pattern these
        are empty.
    """
    rows = []
    best = matches.sort_values("p_value", kind="stable").groupby("pattern", sort=False).first()
    by_pattern = dict(tuple(hits.groupby("pattern", sort=False))) if len(hits) else {}
    for pattern in discovery.patterns:
        own = by_pattern[pattern.name]
        places = (own[name].to_numpy() for name in ("chrom", "start", "end"))
        row = {
            "pattern": pattern.name,
            "sign": pattern.sign,
            "seqlets": len(pattern.seqlets),
            "sites": distinct_sites(*places),
            "forward": float((own["strand"] == "+").mean()),
            "distance": float(own["distance"].abs().median()),
            "start": pattern.span[0],
            "end": pattern.span[1],
            "consensus": pattern.consensus,
            "bits": pattern.information,
            "contribution": float(pattern.contributions[slice(*pattern.span)].sum()),
            "flat": pattern.flat,
        }
        known = best.loc[pattern.name] if pattern.name in best.index else None
        for name in ("motif", "factor", "p_value", "q_value", "strand", "offset"):
            row[name] = None if known is None else known[name]
        row["matched"] = known is not None and bool(known["q_value"] < MAX_Q)
        rows.append(row)
    return pd.DataFrame(rows, columns=_PATTERN_COLUMNS)


_PATTERN_COLUMNS = [
    "pattern", "sign", "seqlets", "sites", "forward", "distance", "start", "end", "consensus", "bits",
    "contribution", "flat", "motif", "factor", "p_value", "q_value", "strand", "offset", "matched",
]  # fmt: skip


def factor_table(patterns: pd.DataFrame) -> pd.DataFrame:
    """The table of the paper: a row a sign and factor that a pattern resembles best.

    Parameters
    ----------
    patterns : pandas.DataFrame
        From :func:`pattern_table`.

    Returns
    -------
    pandas.DataFrame
        ``sign, factor, patterns, seqlets, sites, q_value`` (the lowest), ``names`` of the patterns, those of
        most seqlets first.
    """
    matched = patterns[patterns["matched"].astype(bool)]
    rows = [
        {
            "sign": sign,
            "factor": factor,
            "patterns": len(ones),
            "seqlets": int(ones["seqlets"].sum()),
            "sites": int(ones["sites"].sum()),
            "q_value": float(ones["q_value"].min()),
            "names": ",".join(ones["pattern"]),
        }
        for (sign, factor), ones in matched.groupby(["sign", "factor"], sort=False)
    ]
    columns = ["sign", "factor", "patterns", "seqlets", "sites", "q_value", "names"]
    table = pd.DataFrame(rows, columns=columns)
    order = {sign: number for number, sign in enumerate(SIGNS)}
    return table.sort_values(
        ["sign", "seqlets"], key=lambda column: column.map(order) if column.name == "sign" else -column,
        kind="stable", ignore_index=True,
    )  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Counts:
    """What a network has of one sign.

    Parameters
    ----------
    sign : str
        Of :data:`mifm_kipoi.evaluation.motifs.patterns.SIGNS`.
    patterns, flat, matched : int
        All, those that are flat, and those that resemble a motif.
    factors : int
        Different factors that they resemble best.
    seqlets : int
        Of all patterns.
    median_seqlets, median_sites : float
        Of a pattern; NaN where there are none.
    """

    sign: str
    patterns: int
    flat: int
    matched: int
    factors: int
    seqlets: int
    median_seqlets: float
    median_sites: float


def counts_of(patterns: pd.DataFrame) -> list[Counts]:
    """Counts of each sign, from the table of patterns."""
    counts = []
    for sign in SIGNS:
        ones = patterns[patterns["sign"] == sign]
        matched = ones[ones["matched"].astype(bool)]
        counts.append(
            Counts(
                sign,
                len(ones),
                int(ones["flat"].astype(bool).sum()),
                len(matched),
                matched["factor"].nunique(),
                int(ones["seqlets"].sum()),
                float(ones["seqlets"].median()) if len(ones) else float("nan"),
                float(ones["sites"].median()) if len(ones) else float("nan"),
            )
        )
    return counts


@dataclasses.dataclass(frozen=True)
class Agreement:
    """How far two runs find the same.

    Parameters
    ----------
    sign : str
        Of the patterns.
    ones, others, pairs : int
        Patterns of either run, and how many of them are alike, one to one.
    patterns : float
        Jaccard index of the patterns: pairs over all that are different; NaN where there are none.
    factors : float
        Jaccard index of the factors that matched patterns resemble best; NaN where there are none.
    same_seqlets : bool
        Whether both runs had the same seqlets, so that nothing else could come out.
    """

    sign: str
    ones: int
    others: int
    pairs: int
    patterns: float
    factors: float
    same_seqlets: bool


def agreement(sign: str, pairs: int, ones: Tables, others: Tables) -> Agreement:
    """Jaccard indices of two runs.

    Parameters
    ----------
    sign : str
        The patterns that count.
    pairs : int
        How many patterns of this sign are alike.
    ones, others : tuple of two pandas.DataFrame
        Tables of patterns, and of hits.
    """
    both = [patterns[patterns["sign"] == sign] for patterns, _ in (ones, others)]
    places = [
        {*zip(hits["row"], hits["start"], strict=True)}
        for hits in (table[table["pattern"].str.startswith(sign)] for _, table in (ones, others))
    ]
    factors = [set(table.loc[table["matched"].astype(bool), "factor"]) for table in both]
    different = len(both[0]) + len(both[1]) - pairs
    union = factors[0] | factors[1]
    return Agreement(
        sign,
        len(both[0]),
        len(both[1]),
        pairs,
        pairs / different if different else float("nan"),
        len(factors[0] & factors[1]) / len(union) if union else float("nan"),
        bool(places[0]) and places[0] == places[1],
    )


def order_of(patterns: Sequence[Pattern], table: pd.DataFrame) -> list[Pattern]:
    """Patterns for figures: those that resemble a motif first, then by the number of seqlets."""
    matched = dict(zip(table["pattern"], table["matched"].astype(bool), strict=True))
    return sorted(patterns, key=lambda pattern: (not matched[pattern.name], -len(pattern.seqlets)))
