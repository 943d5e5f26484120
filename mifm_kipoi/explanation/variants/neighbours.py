"""The other variants of a variant's locus: their figure and their table."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from mifm_kipoi.explanation.ranking.candidates import SCORE
from mifm_kipoi.explanation.ranking.figures import panels
from mifm_kipoi.explanation.ranking.ranked import WITHOUT, Ranked
from mifm_kipoi.genomics.loci import Locus
from mifm_kipoi.reports.page import Link, Table
from mifm_kipoi.reports.regional import Mark, Track, regional_view
from mifm_kipoi.reports.wording import (
    described,
    p_text,
    percentile_text,
    pip_text,
    score_text,
    whole_text,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure

REACH = 50_000
"""Base pairs to either side of a variant that its figure shows of the locus, at most."""

LEAST_FLANK = 250
"""Base pairs that are shown to either side of the first and last variant."""

BY_SCORE, BY_STUDY = 5, 5
"""Neighbours in the table: those of the highest scores, and those that come first by the study."""

_REASONS = {
    SCORE: "highest MIFM", "pip": "highest PIP", "neg_log10_p": "lowest p", WITHOUT: "highest ABF posterior",
}  # fmt: skip


def region_of(ranked: Ranked, row: int, length: int) -> Locus:
    """The region of a variant's figure: its locus within :data:`REACH`.

    Parameters
    ----------
    ranked : Ranked
        All variants.
    row : int
        Of the table of ranked variants.
    length : int
        Of the contig.
    """
    variant = ranked.table.iloc[row]
    chrom, start, end = ranked.loci.places[int(variant["locus"]) - 1]
    pos = int(variant["pos"])
    start = max(start - LEAST_FLANK, pos - REACH, 1)
    return chrom, start, max(min(end + LEAST_FLANK, pos + REACH, length), pos)


def neighbours_of(ranked: Ranked, row: int) -> pd.DataFrame:
    """The rows of a variant's locus, itself included, by rank; the index is that of the table."""
    return ranked.of_locus(int(ranked.table.iloc[row]["locus"]) - 1)


def locus_figure(
    ranked: Ranked,
    row: int,
    region: Locus,
    track: Track | None,
    lines: tuple[tuple[float, str], ...] = (),
) -> Figure:
    """The figure of a variant among its neighbours.

    Parameters
    ----------
    ranked : Ranked
        All variants.
    row : int
        Of the table of ranked variants.
    region : Locus
        What is shown (:func:`region_of`).
    track : Track, optional
        The score of every position of it.
    lines : tuple of (float, str)
        Scores at which dashed lines go, and what stands at them.
    """
    locus = neighbours_of(ranked, row)
    reasons: dict[int, list[str]] = {row: ["this variant"]}
    for column in (SCORE, "pip", "neg_log10_p", *(() if locus["pip"].notna().any() else (WITHOUT,))):
        values = locus[column].fillna(0)
        if (values > 0).any():
            highest = values.index[values == values.max()]
            reasons.setdefault(row if row in highest else int(highest[0]), []).append(_REASONS[column])
    part = locus[locus["pos"].between(*region[1:])].sort_values("pos", kind="stable")
    # What stands out in the locus may lie outside the region.
    marks = [
        Mark(number, tuple(reasons[index])) for number, index in enumerate(part.index) if index in reasons
    ]
    values = [part[SCORE].to_numpy(np.float64), *([] if track is None else [np.asarray(track.values)])]
    high = max(float(np.max(each, where=np.isfinite(each), initial=0.0)) for each in values)
    shown = [
        dataclasses.replace(panel, high=high, lines=lines)
        if any(column == SCORE for _, column in panel.series)
        else panel
        for panel in panels(ranked)
        if any(part[column].notna().any() for _, column in panel.series)
    ]
    tracks = [] if track is None else [dataclasses.replace(track, high=high, lines=lines)]
    return regional_view(part.reset_index(drop=True), region, shown, marks, tracks)


def neighbours_table(ranked: Ranked, row: int, pages: Mapping[int, str]) -> Table:
    """The variant, and those of its locus that come first by score and by the study.

    Parameters
    ----------
    ranked : Ranked
        All variants.
    row : int
        Of the table of ranked variants.
    pages : mapping of int to str
        The pages of rows that have one, from the page of this one.
    """
    part = neighbours_of(ranked, row)
    kept = {row, *part.index[part["rank"].notna()][:BY_SCORE]}
    for column in ("pip", "neg_log10_p", WITHOUT):
        values = part[column].dropna()
        if len(values):
            kept |= set(values.sort_values(ascending=False, kind="stable").index[:BY_STUDY])
            break
    here = int(part["pos"].loc[row])
    columns: list[tuple[str, str, Callable[[pd.Series[Any]], str]]] = [
        ("distance, bp", "", lambda one: f"{int(one['pos']) - here:+,}".replace("-", "\N{MINUS SIGN}")),
        ("rank", "", lambda one: whole_text(one["rank"])),
        ("MIFM", SCORE, lambda one: score_text(one[SCORE])),
        ("percentile", "mifm_percentile", lambda one: percentile_text(one["mifm_percentile"])),
        ("PIP", "pip", lambda one: pip_text(one["pip"])),
        ("p", "neg_log10_p", lambda one: p_text(one["p_value"])),
        ("ABF", WITHOUT, lambda one: pip_text(one[WITHOUT])),
    ]
    columns = [column for column in columns if not column[1] or part[column[1]].notna().any()]
    rows = []
    for number in sorted(kept):
        one = part.loc[number]
        name = described(one)
        if number == row:
            name = f"**{name}**"
        elif number in pages:
            name = Link(name, pages[number])
        rows.append(
            (
                name,
                *(
                    "\N{EN DASH}" if number == row and not at else write(one)
                    for at, (_, _, write) in enumerate(columns)
                ),
            )
        )
    return Table(("variant", *(name for name, _, _ in columns)), tuple(rows))


def rank_note(ranked: Ranked, row: int) -> tuple[str, str]:
    """The rank of a variant by score in its locus, as ``3 of 51``, and the locus in words; may be empty."""
    one = ranked.table.iloc[row]
    if math.isnan(one["rank"]):
        return "", ""
    scored = int(neighbours_of(ranked, row)["rank"].notna().sum())
    return f"{one['rank']:.0f} of {scored:,}", ranked.loci.name(int(one["locus"]) - 1)
