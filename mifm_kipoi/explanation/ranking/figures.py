"""The figure of a locus: what the study says, posteriors, scores, and the score of every position beneath."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from mifm_kipoi.explanation.ranking.candidates import SCORE
from mifm_kipoi.explanation.ranking.ranked import WITH, WITHOUT, Ranked
from mifm_kipoi.genomics.loci import Locus
from mifm_kipoi.reports.regional import SIGNIFICANT, Mark, Panel, Track, regional_view

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FLANK = 0.03
"""Fraction of a locus that is shown to either side of its variants."""

LEAST_FLANK = 250
"""Base pairs that are shown to either side at least."""

_PANEL_INCHES = 0.85
"""So that two figures with their captions fit on a page of paper."""

_SCORES = "MIFM"
"""Title of the panel of scores."""

_REASONS = {
    SCORE: "highest MIFM", "pip": "highest PIP", "neg_log10_p": "lowest p", WITHOUT: "highest ABF posterior",
}  # fmt: skip


def shown_region(place: Locus, length: int | None = None) -> Locus:
    """The region of the figure of a locus.

    Parameters
    ----------
    place : Locus
        From its first to its last variant.
    length : int, optional
        Of the contig, where it is known.
    """
    chrom, start, end = place
    flank = max(LEAST_FLANK, round(FLANK * (end - start)))
    return chrom, max(1, start - flank), end + flank if length is None else max(end, min(length, end + flank))


def locus_figure(
    ranked: Ranked,
    number: int,
    region: Locus,
    tracks: Sequence[Track] = (),
    lines: tuple[tuple[float, str], ...] = (),
) -> Figure:
    """The figure of a locus.

    Parameters
    ----------
    ranked : Ranked
        The variants.
    number : int
        Of the locus, from 0.
    region : Locus
        What is shown (:func:`shown_region`).
    tracks : sequence of Track
        Beneath the panels.
    lines : tuple of (float, str)
        Scores at which dashed lines go, such as those of percentiles, and what stands at them.
    """
    rows = ranked.of_locus(number).sort_values("pos", kind="stable").reset_index(drop=True)
    reasons: dict[int, list[str]] = {}
    for column in (SCORE, "pip", "neg_log10_p", *(() if rows["pip"].notna().any() else (WITHOUT,))):
        # Of equal ones the best by rank.
        by_rank = rows.sort_values(["rank", "pip_rank", "p_rank"], kind="stable")
        values = by_rank[column].to_numpy(np.float64)
        if np.any(values > 0):
            reasons.setdefault(int(by_rank.index[int(np.nanargmax(values))]), []).append(_REASONS[column])
    marks = [Mark(row, tuple(reasons[row])) for row in sorted(reasons)]
    # Variants and all positions have one axis.
    high = max(_highest(values) for values in (rows[SCORE].to_numpy(), *(track.values for track in tracks)))
    shown = [
        dataclasses.replace(panel, high=high, lines=lines) if panel.title == _SCORES else panel
        for panel in panels(ranked)
    ]
    beneath = [dataclasses.replace(track, high=high, lines=lines) for track in tracks]
    return regional_view(rows, region, shown, marks, beneath, _PANEL_INCHES)


def _highest(values: npt.NDArray[np.floating]) -> float:
    return float(np.max(values, where=np.isfinite(values), initial=0.0))


def panels(ranked: Ranked) -> list[Panel]:
    """The panels, from the top: associations, PIPs and posteriors, scores."""
    pips = [("PIP", "pip"), ("ABF", WITHOUT)]
    if ranked.posteriors is not None and any(ranked.posteriors.slopes):
        pips.append(("ABF with score", WITH))
    shown = tuple((name, column) for name, column in pips if ranked.has(column))
    every = [
        Panel("\N{MINUS SIGN}log10 p", (("p", "neg_log10_p"),), from_zero=True, lines=((SIGNIFICANT, ""),)),
        Panel("PIP" if ranked.has("pip") else "posterior", shown, from_zero=True),
        Panel(_SCORES, (("variants", SCORE),), from_zero=True),
    ]
    return [panel for panel in every if any(ranked.has(column) for _, column in panel.series)]
