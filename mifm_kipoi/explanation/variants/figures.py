"""Figures of a variant: its sequence in both alleles with motifs and substitutions, small and large."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from mifm_kipoi.explanation.variants.motif_hits import Hit
from mifm_kipoi.explanation.variants.readings import Allele, Reading
from mifm_kipoi.reports.drawing import ACCENT, COLOURS, SLATE, WIDTH, plain, shortened, styled
from mifm_kipoi.reports.logos import draw_letters
from mifm_kipoi.sequence import encoding

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.image import AxesImage
    from matplotlib.ticker import MaxNLocator

SMALL_FLANK = 15
"""Columns on either side of the alleles in a small figure, at most."""

MOST_LANES = 4
"""Lanes of motif hits."""

LOST, GAINED = COLOURS[0], ACCENT
"""Colours of hits in REF alone and in ALT alone."""

# Inches.
_LEFT, _RIGHT, _TOP, _BOTTOM = 1.12, 0.8, 0.26, 0.42
_LANE, _LOGO, _DIFFERENCE, _HEAT, _GAP = 0.2, 0.82, 0.42, 0.56, 0.09

_LETTERS = 0.0105
"""Of the width of the axes, what a letter of a motif's name takes."""

_LONGEST_NAME, _LONGEST_ALLELE = 12, 6

_METHODS = {"deeplift": "contribution", "ism": "contribution\n(mutagenesis)"}


@dataclasses.dataclass(frozen=True)
class _Lanes:
    """Hits that are drawn, each with its lane from the top."""

    hits: tuple[tuple[Hit, int], ...]
    count: int


@styled(7.5)
def sequence_figure(reading: Reading, hits: Sequence[Hit] | None = None) -> Figure:
    """The figure of the sequence around a variant.

    From the top: motif hits; the logos of REF and ALT, letters as high as their contributions to the logit;
    ALT less REF; the change of the logit by each substitution of REF.

    Parameters
    ----------
    reading : Reading
        The variant.
    hits : sequence of Hit, optional
        Those over the variant first; None where motifs were not looked for.

    Returns
    -------
    matplotlib.figure.Figure
        Axes: hits (where they are given), REF, ALT, difference, substitutions, colour bar.
    """
    from matplotlib.figure import Figure

    span, (first, last) = reading.alignment.span, reading.alignment.allele
    lanes = None if hits is None else _in_lanes(hits, span)
    heights = [_LOGO, _LOGO, _DIFFERENCE, _HEAT]
    if lanes is not None:
        heights.insert(0, _LANE * max(lanes.count, 1))
    height = _TOP + sum(heights) + _GAP * (len(heights) - 1) + _BOTTOM
    figure = Figure(figsize=(WIDTH, height))
    width = WIDTH - _LEFT - _RIGHT
    axes, top = [], height - _TOP
    for own in heights:
        axes.append(figure.add_axes((_LEFT / WIDTH, (top - own) / height, width / WIDTH, own / height)))
        top -= own + _GAP
    rest = list(axes)
    for each in axes:
        each.axvspan(first - 0.5, last - 0.5, color=ACCENT, alpha=0.11, linewidth=0, zorder=0)
        each.set_xlim(-0.5, span - 0.5)
    if lanes is not None:
        _draw_hits(rest.pop(0), lanes, span)
    _draw_alleles(rest[0], rest[1], reading)
    _draw_difference(rest[2], reading)
    image = _draw_substitutions(rest[3], reading)
    for each in axes[:-1]:
        each.tick_params(axis="x", bottom=False, labelbottom=False)
    _set_positions(rest[3], reading)
    bar_height = _HEAT / height
    bar = figure.colorbar(
        image,
        cax=figure.add_axes(((_LEFT + width + 0.1) / WIDTH, _BOTTOM / height, 0.09 / WIDTH, bar_height)),
    )
    bar.ax.tick_params(length=2)
    bar.locator = _few_ticks(3)
    bar.update_ticks()
    bar.outline.set_linewidth(0.6)
    variant = reading.variant
    ref, alt = (shortened(text, _LONGEST_ALLELE) for text in (variant.ref, variant.alt))
    axes[0].annotate(
        f"{ref} > {alt}", ((first + last - 1) / 2, 1), (0, 3), xycoords=axes[0].get_xaxis_transform(),
        textcoords="offset points", ha="center", va="bottom", fontsize=8, fontweight="bold", color=ACCENT,
    )  # fmt: skip
    return figure


@styled(7.5)
def small_figure(reading: Reading) -> Figure:
    """The logos of both alleles a few bases around a variant, without numbers.

    Parameters
    ----------
    reading : Reading
        The variant.

    Returns
    -------
    matplotlib.figure.Figure
        Axes: REF, ALT.
    """
    from matplotlib.figure import Figure

    first, last = reading.alignment.allele
    start = max(0, first - SMALL_FLANK)
    end = min(reading.alignment.span, max(first + SMALL_FLANK + 1, min(last, first + SMALL_FLANK) + 1))
    figure = Figure(figsize=(4.0, 1.35))
    above, below = both = figure.subplots(2, 1)
    figure.subplots_adjust(0.075, 0.02, 0.995, 0.98, hspace=0.06)
    for each in both:
        each.axvspan(first - 0.5, last - 0.5, color=ACCENT, alpha=0.13, linewidth=0, zorder=0)
    _draw_alleles(above, below, reading, slice(start, end))
    for each, name in zip(both, ("REF", "ALT"), strict=True):
        each.set_xlim(start - 0.5, end - 0.5)
        each.set_axis_off()
        each.text(
            -0.01, 0.5, name, transform=each.transAxes, ha="right", va="center", fontsize=7, color="0.35",
            rotation=90,
        )  # fmt: skip
    return figure


def _draw_alleles(above: Axes, below: Axes, reading: Reading, shown: slice | None = None) -> None:
    """Both logos, on one scale."""
    part = shown or slice(None)
    values = np.concatenate([reading.ref.contributions[part], reading.alt.contributions[part]])
    low, high = _limits(values)
    for axes, allele, name in ((above, reading.ref, "REF"), (below, reading.alt, "ALT")):
        hidden = np.ones(len(allele.bases), dtype=bool)
        hidden[part] = False
        draw_letters(axes, allele.bases, np.where(hidden, np.nan, allele.contributions))
        _mark_open(axes, allele)
        axes.axhline(0, color="black", linewidth=0.5)
        axes.set_ylim(low, high)
        if shown is None:
            _name(axes, name, _METHODS[allele.method])
        axes.yaxis.set_major_locator(_few_ticks(3))
        axes.tick_params(axis="y", length=2)
        axes.spines["bottom"].set_visible(False)


def _mark_open(axes: Axes, allele: Allele) -> None:
    """A short line in columns that the allele leaves open."""
    places = [column for column, letter in enumerate(allele.bases) if letter == "-"]
    axes.hlines(
        [0] * len(places),
        np.array(places) - 0.3,
        np.array(places) + 0.3,
        color="0.45",
        linewidth=1.6,
        zorder=3,
    )


def _limits(values: npt.NDArray[np.float32]) -> tuple[float, float]:
    """From the lowest to the highest letter, the line at 0 included."""
    low, high = float(np.nanmin(values, initial=0)), float(np.nanmax(values, initial=0))
    room = 0.05 * (high - low) or 1.0
    return low - room, high + room


def _draw_difference(axes: Axes, reading: Reading) -> None:
    """What the bases of ALT contribute more, or less, than those of REF in their columns."""
    ref, alt = (np.nan_to_num(allele.contributions) for allele in (reading.ref, reading.alt))
    values = alt - ref
    axes.bar(
        np.arange(len(values)), values, width=0.9, linewidth=0,
        color=np.where(values >= 0, ACCENT, COLOURS[0]).tolist(),
    )  # fmt: skip
    axes.axhline(0, color="black", linewidth=0.5)
    axes.set_ylim(_limits(values))
    _name(axes, "ALT \N{MINUS SIGN} REF", "difference")
    axes.yaxis.set_major_locator(_few_ticks(3))
    axes.tick_params(axis="y", length=2)
    axes.spines["bottom"].set_visible(False)


def _draw_substitutions(axes: Axes, reading: Reading) -> AxesImage:
    """Cells of the substitutions of REF; dots at its bases, a frame around the ALT of an SNV."""
    import matplotlib
    from matplotlib.patches import Rectangle

    effects = reading.effects
    bound = float(np.nanmax(np.abs(effects), initial=0)) or 1.0
    colours = matplotlib.colormaps["RdBu_r"].with_extremes(bad="0.88")
    image = axes.imshow(
        effects.T, cmap=colours, vmin=-bound, vmax=bound, aspect="auto", interpolation="nearest", zorder=1
    )
    known = [
        (column, encoding.BASES.index(letter))
        for column, letter in enumerate(reading.ref.bases)
        if letter in encoding.BASES
    ]
    axes.plot(*zip(*known, strict=True), ".", color="0.25", markersize=1.6, markeredgewidth=0)
    if reading.variant.is_snv:
        column, row = reading.alignment.allele[0], encoding.BASES.index(reading.variant.alt)
        axes.add_patch(
            Rectangle((column - 0.5, row - 0.5), 1, 1, fill=False, edgecolor="black", linewidth=0.9, zorder=4)
        )
    axes.set_xlim(-0.5, len(effects) - 0.5)
    axes.set_ylim(encoding.NO_BASE - 0.5, -0.5)
    axes.set_yticks(range(encoding.NO_BASE), list(encoding.BASES))
    _name(axes, "SNVs of REF", "change of logit")
    axes.tick_params(axis="y", length=0, pad=2)
    axes.spines[:].set_visible(True)
    return image


def _name(axes: Axes, name: str, unit: str) -> None:
    """What a panel shows, to its left, upright."""
    lines: list[tuple[str, float, dict[str, Any]]] = [
        (name, 5 if unit else 0, {"fontweight": "bold", "fontsize": 8}),
        (unit, -5, {"color": "0.35", "fontsize": 6.5}),
    ]
    for text, offset, style in lines[: 2 if unit else 1]:
        axes.annotate(
            text, (0, 0.5), (-6 - 72 * (_LEFT - 0.16), offset), xycoords="axes fraction",
            textcoords="offset points", ha="left", va="center", linespacing=0.95, **style,
        )  # fmt: skip


def _few_ticks(count: int) -> MaxNLocator:
    from matplotlib.ticker import MaxNLocator

    return MaxNLocator(count, steps=[1, 2, 5, 10], min_n_ticks=2)


def _set_positions(axes: Axes, reading: Reading) -> None:
    """Ticks at round 1-based positions of the reference."""
    positions = reading.alignment.positions
    covered = positions[positions > 0]
    steps = (factor * 10**power for power in range(9) for factor in (1, 2, 5))
    step = next(step for step in steps if len(covered) <= 8 * step)
    columns = [column for column, pos in enumerate(positions.tolist()) if pos > 0 and pos % step == 0]
    axes.set_xticks(columns, [f"{positions[column]:,}" for column in columns])
    axes.tick_params(axis="x", length=2)
    axes.set_xlabel(f"position on {plain(reading.variant.chrom)}")


def _in_lanes(hits: Sequence[Hit], span: int) -> _Lanes:
    """Hits side by side where they do not overlap, those that come first on top; the rest is left out."""
    lanes: list[list[tuple[float, float]]] = []
    drawn: list[tuple[Hit, int]] = []
    for hit in hits:
        if any(_same(hit, other) for other, _ in drawn):
            continue
        middle = (hit.columns[0] + hit.columns[1] - 1) / 2
        half = max((hit.columns[1] - hit.columns[0]) / 2, len(_label(hit)) * _LETTERS * span / 2)
        low, high = middle - half - 0.5, middle + half + 0.5
        lane = next(
            (
                number
                for number, taken in enumerate(lanes)
                if all(high <= start or low >= end for start, end in taken)
            ),
            len(lanes),
        )
        if lane == MOST_LANES:
            continue
        if lane == len(lanes):
            lanes.append([])
        lanes[lane].append((low, high))
        drawn.append((hit, lane))
    return _Lanes(tuple(drawn), len(lanes))


def _same(hit: Hit, other: Hit) -> bool:
    """Whether the place of a hit is, by half, that of another of the same factor and kind."""
    shared = min(hit.columns[1], other.columns[1]) - max(hit.columns[0], other.columns[0])
    width = min(hit.columns[1] - hit.columns[0], other.columns[1] - other.columns[0])
    return hit.motif.factor == other.motif.factor and hit.kind == other.kind and 2 * shared >= width


def _label(hit: Hit) -> str:
    arrow = "\N{RIGHTWARDS ARROW}" if hit.strand == "+" else "\N{LEFTWARDS ARROW}"
    return f"{shortened(hit.motif.factor, _LONGEST_NAME)} {arrow}"


def _draw_hits(axes: Axes, lanes: _Lanes, span: int) -> None:
    from matplotlib.patches import FancyBboxPatch

    axes.set_axis_off()
    axes.set_ylim(max(lanes.count, 1), 0)
    _name(axes, "motifs", "")
    if not lanes.hits:
        axes.text(
            0.5,
            0.5,
            "no motif fits",
            transform=axes.transAxes,
            ha="center",
            va="center",
            fontsize=7,
            color="0.5",
        )
    colours = {"lost": LOST, "gained": GAINED, "both": SLATE}
    for hit, lane in lanes.hits:
        start, end = hit.columns
        axes.add_patch(
            FancyBboxPatch(
                (start - 0.4, lane + 0.08), end - start - 0.2, 0.84,
                boxstyle="round,pad=0,rounding_size=0.25",
                facecolor=colours[hit.kind], alpha=0.9 if hit.over_variant else 0.35, linewidth=0,
            )
        )  # fmt: skip
        inside = len(_label(hit)) * _LETTERS * span <= end - start
        middle = min(max((start + end - 1) / 2, len(_label(hit)) * _LETTERS * span / 2), span)
        axes.text(
            middle, lane + 0.52, plain(_label(hit)), ha="center", va="center", fontsize=6.2,
            color="white" if inside and hit.over_variant and hit.kind != "both" else "0.1",
        )  # fmt: skip
