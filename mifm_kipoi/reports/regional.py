"""The figure of a region: scores of variants over the position, tracks beneath, the same variants marked."""

from __future__ import annotations

import dataclasses
import itertools
import math
import string
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pandas as pd

from mifm_kipoi.genomics.loci import Locus
from mifm_kipoi.genomics.variants import MISSING
from mifm_kipoi.network.background import Background
from mifm_kipoi.reports.drawing import (
    ACCENT,
    COLOURS,
    GREY,
    MARKERS,
    SLATE,
    WIDTH,
    plain,
    short_count,
    shortened,
    styled,
    wrapped,
)
from mifm_kipoi.reports.scale import Scale

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SIGNIFICANT = -math.log10(5e-8)
"""Genome-wide, as -log10 p."""

VARIANT_COLUMNS = ("chrom", "pos", "id", "ref", "alt")
"""Columns of a table of variants that the figure names them by."""

_LONGEST_NAME = 24
_LONGEST_ALLELE = 8

_SERIES = tuple(zip(COLOURS, MARKERS, strict=True))

_PANEL, _HEAD, _LINE = 1.05, 0.75, 0.16
"""Inches of a panel, of what is above and below all, and of a line of the key."""

_PARTS = 6
"""The points of a series are drawn in as many parts."""

_ROOM = 0.06
"""Fraction of an axis that is left free at either end."""

_SPAN_ROW, _MOST_SPAN_ROWS = 0.24, 7
"""Inches of a row of spans with their names, and the most rows."""

_LETTER_OF_NAME = 0.0095
"""Of the panel's width, the fraction that a letter of a span's name takes."""

_ARROWS = {"+": " \N{RIGHTWARDS ARROW}", "-": " \N{LEFTWARDS ARROW}"}

_LETTER_WIDTH = 0.018
"""Of the panel's width, the fraction that a letter takes."""

_BINS = 500
"""Bins of a track; what has no more than twice as many positions is drawn as it is."""

Numbers = npt.NDArray[np.float64]


@dataclasses.dataclass(frozen=True)
class Panel:
    """One panel: scores of variants that share an axis.

    Parameters
    ----------
    title : str
        Title, with the unit of the axis.
    series : tuple of (str, str)
        Names for the key, and columns of the table.
    from_zero : bool
        Whether the axis is linear and begins at 0; by default it is as the scores need it.
    lines : tuple of (float, str)
        Where dashed lines go, and what stands at them, if anything.
    high : float
        The axis ends there at least, so that panels and tracks can have the same one.
    colours : tuple of str
        Of the series, in their order, where they are classes of one score; by default each is a score of its
        own, with its colour and marker.
    """

    title: str
    series: tuple[tuple[str, str], ...]
    from_zero: bool = False
    lines: tuple[tuple[float, str], ...] = ()
    high: float = -math.inf
    colours: tuple[str, ...] = ()

    def scale(self, rows: pd.DataFrame) -> Scale:
        """The axis for the scores of some variants."""
        values = rows[[column for _, column in self.series]].to_numpy(dtype=np.float64).ravel()
        scale = Scale.from_zero(values) if self.from_zero else Scale.of(values)
        return dataclasses.replace(scale, high=max(scale.high, self.high))


@dataclasses.dataclass(frozen=True)
class Track:
    """A number at every position of a region.

    Parameters
    ----------
    title : str
        Title, with the unit of the axis.
    start : int
        Of the first position, 0-based.
    values : numpy.ndarray of floating point, shape (n,)
        Of consecutive positions; NaN where there is none.
    lines : tuple of (float, str)
        As of a :class:`Panel`.
    high : float
        As of a :class:`Panel`.
    """

    title: str
    start: int
    values: npt.NDArray[np.floating]
    lines: tuple[tuple[float, str], ...] = ()
    high: float = -math.inf

    def scale(self) -> Scale:
        """The axis for the values."""
        scale = Scale.from_zero(np.asarray(self.values, dtype=np.float64))
        return dataclasses.replace(scale, high=max(scale.high, self.high))

    def at(self, pos: npt.NDArray[np.int64]) -> Numbers:
        """The values at 1-based positions, shape (n,) each; NaN outside."""
        index = pos - 1 - self.start
        inside = (index >= 0) & (index < len(self.values))
        found = np.full(len(pos), np.nan)
        found[inside] = self.values[index[inside]]
        return found


@dataclasses.dataclass(frozen=True)
class Span:
    """What lies between two positions, such as a gene.

    Parameters
    ----------
    name : str
        Stands beneath it.
    start, end : int
        0-based half-open.
    strand : str
        ``+`` and ``-`` give an arrow behind the name.
    blocks : tuple of (int, int)
        Parts that are drawn high, such as exons, 0-based half-open.
    faded : bool
        Whether it is drawn in grey.
    """

    name: str
    start: int
    end: int
    strand: str = "."
    blocks: tuple[tuple[int, int], ...] = ()
    faded: bool = False


@dataclasses.dataclass(frozen=True)
class Spans:
    """What lies in a region, in as many rows as are needed, so that no two overlap.

    Parameters
    ----------
    title : str
        What they are.
    spans : tuple of Span
        Those that count most first: those for which no row is left are counted in the title.
    """

    title: str
    spans: tuple[Span, ...]


@dataclasses.dataclass(frozen=True)
class Mark:
    """A variant that stands out.

    Parameters
    ----------
    row : int
        Of the table, from 0.
    reasons : tuple of str
        Why, in words.
    """

    row: int
    reasons: tuple[str, ...]


def percentile_lines(
    background: Background | None, percentiles: Iterable[float]
) -> tuple[tuple[float, str], ...]:
    """Lines of a :class:`Panel` of scores at percentiles of real sequence.

    Parameters
    ----------
    background : Background or None
        Of the weights that gave the scores; without one there are no lines.
    percentiles : iterable of float
        From 0 to below 100.

    Returns
    -------
    tuple of (float, str)
        The score from 0 to 1, and the percentile in words.
    """
    if background is None:
        return ()
    logits = ((background.logit(percentile), percentile) for percentile in percentiles)
    return tuple((1 / (1 + math.exp(-logit)), f"{percentile:g} %") for logit, percentile in logits)


def regional_view(
    table: pd.DataFrame,
    locus: Locus,
    panels: Sequence[Panel],
    marks: Sequence[Mark] = (),
    tracks: Sequence[Track] = (),
    panel_inches: float = _PANEL,
    spans: Spans | None = None,
) -> Figure:
    """The figure of a region.

    Parameters
    ----------
    table : pandas.DataFrame
        A row for each variant of the region, one or more: :data:`VARIANT_COLUMNS`, ``pos`` 1-based, and the
        columns of the panels, NaN where a variant has no score.
    locus : Locus
        The region, 1-based with both ends inside.
    panels : sequence of Panel
        From the top.
    marks : sequence of Mark
        By position; each gets a letter, and a line above the panels that says why.
    tracks : sequence of Track
        Beneath the panels.
    panel_inches : float
        Height of a panel and of a track.
    spans : Spans, optional
        Beneath all else.

    Returns
    -------
    matplotlib.figure.Figure
        Axes: the key of the marks, the panels, the tracks, the spans.
    """
    from matplotlib.figure import Figure

    marked = table.iloc[[mark.row for mark in marks]]
    chrom, start, end = locus
    # POS 0 lies before a contig's first base.
    start = min(start, int(table["pos"].min()))
    # A locus of one base has a width, too.
    room = 0.5 + 0.01 * (end - start)
    left, right = (start - room) / 1e6, (end + room) / 1e6
    letters = _letter_positions((marked["pos"].to_numpy() / 1e6 - left) / (right - left))
    key, count = _LINE * len(marks), len(panels) + len(tracks)
    placed = _rows_of(spans, left, right) if spans is not None else []
    heights = [panel_inches] * count
    if spans is not None:
        heights.append(_SPAN_ROW * max(len(placed), 1) + 0.1)
    with styled():
        figure = Figure(figsize=(WIDTH, sum(heights) + _HEAD + key), layout="constrained")
        head, *grid = figure.subplots(len(heights) + 1, 1, height_ratios=[max(key, 0.05), *heights])
        _draw_key(head, marked, marks)
        for axes, panel in zip(grid, panels, strict=False):
            _draw_panel(axes, panel, table, marked)
            _draw_letters(axes, letters, _absent(panel, marked))
        for axes, track in zip(grid[len(panels) :], tracks, strict=False):
            values = _draw_track(axes, track, marked)
            _draw_letters(axes, letters, np.isnan(values).tolist())
        if spans is not None:
            _draw_spans(grid[-1], spans, placed, marked)
        for axes in grid:
            axes.set_xlim(left, right)
            axes.tick_params(axis="x", labelbottom=axes is grid[-1])
            _tick_positions(axes, left, right)
        grid[-1].set_xlabel(f"position on {chrom}, Mb")
    return figure


def _draw_letters(axes: Axes, letters: Sequence[float], absent: Iterable[bool]) -> None:
    """The letters of the marked variants above a panel, grey where it has no score of theirs."""
    for x, letter, without in zip(letters, string.ascii_uppercase, absent, strict=False):
        axes.text(
            x, 1.0, letter, transform=axes.transAxes, ha="center", va="bottom", fontsize=7.5,
            fontweight="bold", color="0.7" if without else ACCENT,
        )  # fmt: skip


def _tick_positions(axes: Axes, left: float, right: float) -> None:
    """Ticks at whole bases, with as many decimals as distinguish them."""
    from matplotlib.ticker import MaxNLocator

    step = max(float(np.diff(MaxNLocator(8, steps=[1, 2, 5, 10]).tick_values(left, right))[0]), 1e-6)
    decimals = max(0, math.ceil(-math.log10(step) - 1e-6))
    ticks = step * np.arange(math.ceil(left / step), math.floor(right / step) + 1)
    axes.set_xticks(ticks, [f"{tick:.{decimals}f}" for tick in ticks])


def _draw_key(axes: Axes, marked: pd.DataFrame, marks: Sequence[Mark]) -> None:
    """A line for each marked variant: letter, name, position, alleles, why."""
    axes.set_axis_off()
    for number, (mark, letter) in enumerate(zip(marks, string.ascii_uppercase, strict=False)):
        chrom, pos, name, ref, alt = marked.iloc[number][list(VARIANT_COLUMNS)]
        alleles = f"{shortened(ref, _LONGEST_ALLELE)}>{shortened(alt, _LONGEST_ALLELE)}"
        text = f"{chrom}:{pos:,} {alleles}  ({', '.join(mark.reasons)})"
        if name != MISSING:
            text = f"{shortened(name, _LONGEST_NAME)}  {text}"
        height = 1 - (number + 0.5) / len(marks)
        axes.text(
            0, height, letter, transform=axes.transAxes, va="center", fontsize=8, fontweight="bold",
            color=ACCENT,
        )  # fmt: skip
        axes.text(0.03, height, text, transform=axes.transAxes, va="center", fontsize=8)


def _draw_panel(axes: Axes, panel: Panel, rows: pd.DataFrame, marked: pd.DataFrame) -> None:
    scale = panel.scale(rows)
    size = float(np.clip(9000 / len(rows), 3, 18))
    for pos in marked["pos"]:
        axes.axvline(pos / 1e6, color=ACCENT, linewidth=0.5, alpha=0.5, zorder=1)
    _draw_lines(axes, panel.lines, scale)
    drawn = tuple((colour, MARKERS[0]) for colour in panel.colours) or _SERIES
    series = list(zip(panel.series, itertools.cycle(drawn), strict=False))
    # In turns, so that the last series does not hide the others.
    classes = bool(panel.colours)
    for part, (number, ((label, column), (colour, marker))) in itertools.product(
        range(_PARTS), enumerate(series)
    ):
        present = rows[rows[column].notna()]
        name = ""
        if classes:
            name = f"{plain(label)}, "
        elif len(series) > 1:
            name = f"{wrapped(plain(label), 16)}\n"
        shown = present.iloc[part::_PARTS]
        axes.scatter(
            shown["pos"] / 1e6, scale.limited(shown[column].to_numpy()), s=size, c=colour, marker=marker,
            linewidths=0, alpha=0.85 if classes else 0.55,
            # Of classes the first counts most.
            zorder=2 + 0.5 * (1 - number / len(series)) * classes,
            label=None if part else f"{name}n {short_count(len(present))}",
        )  # fmt: skip
    for (_, column), (colour, marker) in series:
        ringed = marked[marked[column].notna()]
        axes.scatter(
            ringed["pos"] / 1e6, scale.limited(ringed[column].to_numpy()), s=size + 14, c=colour,
            marker=marker, edgecolors=ACCENT, linewidths=1.1, zorder=3, clip_on=False,
        )  # fmt: skip
    _set_scale(axes, scale, panel.title)
    _add_legend(axes)


def _draw_track(axes: Axes, track: Track, marked: pd.DataFrame) -> Numbers:
    """A track, of many positions as the range and the mean of bins; gives its values at the marks."""
    values = np.asarray(track.values, dtype=np.float64)
    scale = track.scale()
    for pos in marked["pos"]:
        axes.axvline(pos / 1e6, color=ACCENT, linewidth=0.5, alpha=0.5, zorder=1)
    count = f"n {short_count(int(np.isfinite(values).sum()))}"
    if len(values) <= 2 * _BINS:
        positions = (track.start + 1 + np.arange(len(values))) / 1e6
        axes.plot(positions, values, color=COLOURS[0], linewidth=0.8, label=count)
    else:
        edges = np.linspace(0, len(values), _BINS + 1).astype(np.int64)
        low, mean, high = _binned(values, edges)
        positions = (track.start + 0.5 + (edges[:-1] + edges[1:]) / 2) / 1e6
        axes.fill_between(
            positions, low, high, color=SLATE, alpha=0.55, linewidth=0,
            label=f"lowest to highest\nof {len(values) / _BINS:,.0f} bp",
        )  # fmt: skip
        axes.plot(positions, mean, color=COLOURS[0], linewidth=0.8, label=f"mean; {count}")
    _draw_lines(axes, track.lines, scale)
    at_marks = track.at(marked["pos"].to_numpy(np.int64))
    axes.scatter(
        marked["pos"] / 1e6, at_marks, s=22, c=COLOURS[0], edgecolors=ACCENT, linewidths=1.1, zorder=3,
        clip_on=False,
    )  # fmt: skip
    _set_scale(axes, scale, track.title)
    _add_legend(axes)
    return at_marks


@dataclasses.dataclass(frozen=True)
class _Placed:
    """A span, the Mb that it takes up with its name, and where the middle of the name is."""

    span: Span
    low: float
    high: float
    middle: float


def _rows_of(spans: Spans, left: float, right: float) -> list[list[_Placed]]:
    """The spans of each row, from ``left`` to ``right`` in Mb."""
    rows: list[list[_Placed]] = []
    room = 0.01 * (right - left)
    for span in spans.spans:
        start, end = max(span.start / 1e6, left), min(span.end / 1e6, right)
        half = _LETTER_OF_NAME * (right - left) * (len(span.name) + 2) / 2
        # The name stays inside of the panel.
        middle = min(max((start + end) / 2, left + half), right - half)
        one = _Placed(span, min(start, middle - half), max(end, middle + half), middle)
        for row in rows:
            if all(one.low > other.high + room or one.high < other.low - room for other in row):
                row.append(one)
                break
        else:
            if len(rows) < _MOST_SPAN_ROWS:
                rows.append([one])
    return rows


def _draw_spans(axes: Axes, spans: Spans, rows: Sequence[Sequence[_Placed]], marked: pd.DataFrame) -> None:
    """Lines with their blocks, and names beneath."""
    for pos in marked["pos"]:
        axes.axvline(pos / 1e6, color=ACCENT, linewidth=0.5, alpha=0.5, zorder=1)
    for number, row in enumerate(rows):
        for one in row:
            colour = GREY if one.span.faded else COLOURS[0]
            for (start, end), width in (
                ((one.span.start, one.span.end), 1.0), *((block, 5.0) for block in one.span.blocks),
            ):  # fmt: skip
                axes.plot(
                    [start / 1e6, end / 1e6], [number, number], color=colour, linewidth=width, zorder=2,
                    solid_capstyle="butt",
                )  # fmt: skip
            axes.text(
                one.middle, number + 0.2, one.span.name + _ARROWS.get(one.span.strand, ""), ha="center",
                va="top", fontsize=6.5, color="0.35" if one.span.faded else "0.1", zorder=4,
            )  # fmt: skip
    drawn = sum(map(len, rows))
    more = f"\n({len(spans.spans) - drawn} more)" if drawn < len(spans.spans) else ""
    axes.set_ylim(max(len(rows), 1) - 0.15, -0.4)
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    axes.set_ylabel(f"{wrapped(spans.title, 14)}{more}")
    if not rows:
        axes.text(
            0.5, 0.5, "none in the region", transform=axes.transAxes, ha="center", va="center", color="0.4"
        )


def _draw_lines(axes: Axes, lines: Iterable[tuple[float, str]], scale: Scale) -> None:
    """Dashed lines inside the axis, each with its text at the right end."""
    for value, text in lines:
        if scale.low < value < scale.high:
            axes.axhline(value, color="0.5", linewidth=0.7, linestyle="--", zorder=1)
            if not text:
                continue
            axes.annotate(
                text, (1, value), (-2, 1), xycoords=axes.get_yaxis_transform(), textcoords="offset points",
                ha="right", va="bottom", fontsize=6.5, color="0.25", zorder=4,
                bbox={"facecolor": "white", "alpha": 0.7, "linewidth": 0, "pad": 0.4},
            )  # fmt: skip


def _binned(values: Numbers, edges: npt.NDArray[np.int64]) -> tuple[Numbers, Numbers, Numbers]:
    """The lowest, mean and highest value of each bin; NaN where it has none."""
    there = np.isfinite(values)
    starts = edges[:-1]
    low = np.minimum.reduceat(np.where(there, values, np.inf), starts)
    high = np.maximum.reduceat(np.where(there, values, -np.inf), starts)
    count = np.add.reduceat(there.astype(np.float64), starts)
    with np.errstate(invalid="ignore"):
        mean = np.add.reduceat(np.where(there, values, 0), starts) / count
    return np.where(count > 0, low, np.nan), mean, np.where(count > 0, high, np.nan)


def _set_scale(axes: Axes, scale: Scale, title: str) -> None:
    """The axis of a panel, with its ticks and its title."""
    if scale.logarithmic:
        axes.set_yscale("log")
        axes.set_yticks(scale.ticks(3), [scale.tick(value) for value in scale.ticks(3)])
        axes.minorticks_off()
        margin = (scale.high / scale.low) ** _ROOM
        axes.set_ylim(scale.low / margin, scale.high * margin)
    else:
        room = _ROOM * (scale.high - scale.low)
        axes.set_ylim(scale.low - room, scale.high + room)
        axes.set_yticks(scale.ticks(3))
    axes.set_ylabel(wrapped(title, 14) + ("\n(log)" if scale.logarithmic else ""))


def _add_legend(axes: Axes) -> None:
    """The key of a panel, to its right."""
    axes.legend(
        loc="upper left", bbox_to_anchor=(1.0, 1.05), frameon=False, fontsize=7, handletextpad=0.2,
        labelspacing=0.35, borderaxespad=0.2, markerscale=1.6, alignment="left",
    )  # fmt: skip


def _absent(panel: Panel, marked: pd.DataFrame) -> Iterator[bool]:
    """Whether each marked variant has no score of the panel."""
    yield from marked[[column for _, column in panel.series]].isna().all(axis=1)


def _letter_positions(positions: Numbers) -> list[float]:
    """Fractions of the width at which letters stand, moved apart where they would overlap."""
    moved = [float(position) for position in positions]
    for index in range(1, len(moved)):
        moved[index] = max(moved[index], moved[index - 1] + _LETTER_WIDTH)
    most = 1.0
    for index in reversed(range(len(moved))):
        moved[index] = min(moved[index], most)
        most = moved[index] - _LETTER_WIDTH
    return moved
