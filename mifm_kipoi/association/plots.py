"""Figures of a GWAS: Manhattan and quantile-quantile plots."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from mifm_kipoi.association.results import GENOME_WIDE, Tested, TraitResult
from mifm_kipoi.reports.drawing import ACCENT, COLOURS, SLATE, WIDTH, shortened, styled
from mifm_kipoi.support.packages import needed

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_GRID = (2400, 900)
"""Points that fall on the same of so many places of the figure are drawn once."""

_NAMED = 12
"""Lead variants that have their names in the figure."""

_GAP = 0.008
"""Between two contigs, as a fraction of all of them."""

_LABEL_WIDTH = 0.022
"""Room that the name of a contig takes, as a fraction of all of them."""

_BAND_POINTS = 400

_BAND = (0.025, 0.975)


def manhattan(tested: Tested, trait: TraitResult) -> Figure:
    """Each variant's -log10 p along the genome; lead variants of loci are marked and, at most 12, named.

    Parameters
    ----------
    tested : Tested
        Where variants lie.
    trait : TraitResult
        The p-values.
    """
    from matplotlib.figure import Figure

    with styled():
        figure = Figure(figsize=(WIDTH, 3.1), layout="constrained")
        _draw_manhattan(figure.subplots(), tested, trait)
    return figure


def _draw_manhattan(axes: Axes, tested: Tested, trait: TraitResult) -> None:
    known = np.flatnonzero(~np.isnan(trait.neg_log_10_p))
    height = trait.neg_log_10_p[known].astype(np.float64)
    starts, order, total = _layout(tested)
    x = starts[tested.chrom[known]] + tested.pos[known]
    shown = _once(x, height, total)
    for number, code in enumerate(order):
        some = shown[tested.chrom[known[shown]] == code]
        axes.plot(
            x[some], height[some], ".", markersize=2.6, markeredgewidth=0,
            color=COLOURS[0] if number % 2 == 0 else SLATE, rasterized=True,
        )  # fmt: skip
    axes.axhline(-math.log10(GENOME_WIDE), color="0.45", linewidth=0.7, linestyle="--")
    _mark_leads(axes, tested, trait, starts)
    middles = [starts[code] + np.mean(_span(tested, code)) for code in order]
    names = [tested.chroms[code] for code in order]
    named = _apart(middles, _LABEL_WIDTH * total)
    axes.set_xticks(middles, [name if show else "" for name, show in zip(names, named, strict=True)])
    axes.tick_params(axis="x", length=0)
    axes.set_xlim(-0.01 * total, 1.01 * total)
    axes.set_ylim(0, max(float(height.max(initial=0)) * 1.12, 8.5))
    axes.set_xlabel("chromosome")
    axes.set_ylabel("\N{MINUS SIGN}log10 p")


def quantiles(traits: Sequence[TraitResult]) -> Figure:
    """Observed against expected -log10 p, a panel for each trait, with the 95 % band of independent tests.

    Parameters
    ----------
    traits : sequence of TraitResult
        In their order.
    """
    from matplotlib.figure import Figure

    columns = 3 if len(traits) <= 3 else 4
    lines = math.ceil(len(traits) / columns)
    with styled():
        figure = Figure(figsize=(WIDTH, lines * (WIDTH / columns + 0.1)), layout="constrained")
        # The size of a panel is the same whatever their number.
        grid = figure.subplots(lines, columns, squeeze=False)
        for axes, trait in zip(grid.flat, traits, strict=False):
            _quantile_panel(axes, trait)
        for axes in list(grid.flat)[len(traits) :]:
            axes.set_visible(False)
        for number, axes in enumerate(grid.flat):
            if number + columns >= len(traits):
                axes.set_xlabel("expected \N{MINUS SIGN}log10 p")
            if number % columns == 0:
                axes.set_ylabel("observed \N{MINUS SIGN}log10 p")
    return figure


def _quantile_panel(axes: Axes, trait: TraitResult) -> None:
    observed = np.sort(trait.neg_log_10_p[~np.isnan(trait.neg_log_10_p)])[::-1].astype(np.float64)
    axes.set_title(shortened(trait.name, 24))
    if not len(observed):
        return
    number = len(observed)
    ranks = np.unique(np.geomspace(1, number, _BAND_POINTS).astype(np.int64))
    expected = -np.log10((ranks - 0.5) / number)
    beta = needed("scipy.stats", "genotypes").beta
    low, high = (-np.log10(beta.ppf(q, ranks, number - ranks + 1)) for q in _BAND)
    axes.fill_between(expected, low, high, color="0.88", linewidth=0)
    most = float(expected.max())
    axes.plot([0, most], [0, most], color="0.45", linewidth=0.7)
    axes.plot(expected, observed[ranks - 1], "o", markersize=2.2, markeredgewidth=0, color=COLOURS[0])
    axes.set_ylim(0, max(float(observed[0]) * 1.05, most * 1.05))
    axes.set_xlim(0, most * 1.03)
    if not math.isnan(trait.lambda_gc):
        axes.text(0.04, 0.93, f"\N{GREEK SMALL LETTER LAMDA} {trait.lambda_gc:.3f}", transform=axes.transAxes)


def _mark_leads(axes: Axes, tested: Tested, trait: TraitResult, starts: npt.NDArray[np.float64]) -> None:
    codes = {name: code for code, name in enumerate(tested.chroms)}
    for number, row in enumerate(trait.loci.to_dict("records")):
        x = starts[codes[row["chrom"]]] + row["pos"]
        y = -row["log_p"] / math.log(10)
        axes.plot([x], [y], "o", markersize=3.4, color=ACCENT)
        if number < _NAMED:
            axes.annotate(
                shortened(str(row["id"]), 16), (x, y), xytext=(0, 3), textcoords="offset points",
                ha="center", va="bottom", fontsize=6,
            )  # fmt: skip


def _layout(tested: Tested) -> tuple[npt.NDArray[np.float64], list[int], float]:
    """What is added to positions of each contig, the contigs from left to right, and the whole length."""
    order = sorted(range(len(tested.chroms)), key=lambda code: _natural(tested.chroms[code]))
    spans = {code: _span(tested, code) for code in order}
    length = sum(float(last - first + 1) for first, last in spans.values())
    starts = np.zeros(max(len(order), 1))
    at = 0.0
    for code in order:
        first, last = spans[code]
        starts[code] = at - first
        at += last - first + 1 + _GAP * length
    return starts, order, max(at - _GAP * length, 1.0)


def _span(tested: Tested, code: int) -> tuple[int, int]:
    own = tested.pos[tested.chrom == code]
    return int(own.min()), int(own.max())


def _apart(places: Sequence[float], width: float) -> list[bool]:
    """Which of ascending places have room for a name."""
    shown, last = [], -math.inf
    for place in places:
        shown.append(place - last >= width)
        last = place if shown[-1] else last
    return shown


def _natural(name: str) -> tuple[int, str]:
    return (int(name), "") if name.isdecimal() else (1000, name)


def _once(x: npt.NDArray[np.float64], y: npt.NDArray[np.float64], total: float) -> npt.NDArray[np.int64]:
    """Points, of those that fall on one place of the figure one."""
    across, up = _GRID
    top = float(y.max(initial=1.0))
    place = (x / total * across).astype(np.int64) * (up + 1) + (y / top * up).astype(np.int64)
    return np.unique(place, return_index=True)[1].astype(np.int64)
