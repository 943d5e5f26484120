"""The regional view: all scores of a locus over the position, the same variants marked in all panels."""

from __future__ import annotations

import dataclasses
import itertools
import math
import re
import string
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pandas as pd

from mifm_kipoi.baselines.protocol import Evidence, Score
from mifm_kipoi.comparison.locus import ASSOCIATION, Locus, in_locus
from mifm_kipoi.comparison.records import VARIANT_COLUMNS, Comparison, Model, Numbers
from mifm_kipoi.comparison.scale import Scale
from mifm_kipoi.genomics.variants import MISSING
from mifm_kipoi.reports.drawing import (
    ACCENT,
    COLOURS,
    MARKERS,
    WIDTH,
    plain,
    short_count,
    shortened,
    styled,
    wrapped,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_FIRST_MARKED = 3
"""Positions that the first model ranks top and that are marked."""

_PIP_NAME = re.compile(r"(?<![a-z])(pips?|pp)(?![a-z0-9])", re.IGNORECASE)
"""Usual names of columns of PIPs; ``PP4`` of colocalisation is another thing."""

_MIFM = "mifm_ref"

SIGNIFICANT = -math.log10(5e-8)
"""Genome-wide, as -log10 p."""

_LONGEST_NAME = 24
_LONGEST_ALLELE = 8

_SERIES = tuple(zip(COLOURS, MARKERS, strict=True))

_PANEL, _HEAD, _LINE = 1.05, 0.75, 0.16
"""Inches of a panel, of what is above and below all, and of a line of the key."""

_PARTS = 6
"""The points of a series are drawn in as many parts."""

_ROOM = 0.06
"""Fraction of an axis that is left free at either end."""

_MOST_PIPS = 8
"""PIPs in one panel: CAUSALdb2 has seven tools."""

_LETTER_WIDTH = 0.018
"""Of the panel's width, the fraction that a letter takes."""


@dataclasses.dataclass(frozen=True)
class Panel:
    """One panel: scores that share an axis.

    Parameters
    ----------
    title : str
        Title, with the unit of the axis.
    series : tuple of (str, str)
        Names for the key, and columns of the joined table.
    from_zero : bool
        Whether the axis is linear and begins at 0; by default it is as the scores need it.
    line : float, optional
        Where a dashed line goes.
    """

    title: str
    series: tuple[tuple[str, str], ...]
    from_zero: bool = False
    line: float | None = None

    def scale(self, rows: pd.DataFrame) -> Scale:
        """The axis for the scores of some variants."""
        values = rows[[column for _, column in self.series]].to_numpy(dtype=np.float64).ravel()
        return Scale.from_zero(values) if self.from_zero else Scale.of(values)


@dataclasses.dataclass(frozen=True)
class Mark:
    """A variant that stands out.

    Parameters
    ----------
    row : int
        Of the joined table.
    reasons : tuple of str
        Why, in words.
    """

    row: int
    reasons: tuple[str, ...]


def panels_of(comparison: Comparison) -> list[Panel]:
    """Panels of a regional view, from the top: associations, PIPs, MIFM, then every other model.

    A model whose associations or PIPs are shown has no panel of its own. Of many PIPs the first of each model
    come first, and no more are shown than the key has room for.
    """
    models = comparison.models
    associations = [(model.label, model.column(ASSOCIATION)) for model in models if _has(model, ASSOCIATION)]
    pips = [
        (f"{model.label} {_tool(score.name)}".strip(), model.column(score.name))
        for model in models
        for score in model.declaration.scores
        if is_pip(model, score)
    ]
    of_models = {column for _, column in pips}
    primary = {model.ranking[0] for model in models}
    if len(pips) > _MOST_PIPS:
        pips.sort(key=lambda pip: pip[1] not in primary)
    mifm = [(model.label, model.column(_MIFM)) for model in models if _has(model, _MIFM)]
    shared = [
        Panel("\N{MINUS SIGN}log10 p", tuple(associations), from_zero=True, line=SIGNIFICANT),
        Panel("PIP", tuple(pips[:_MOST_PIPS]), from_zero=True),
        Panel("MIFM", tuple(mifm)),
    ]
    shown = {column for panel in shared for _, column in panel.series} | of_models
    others = [
        Panel(model.label, ((model.label, model.ranking[0]),))
        for model in models
        if shown.isdisjoint(model.column(name) for name in model.declaration.columns)
    ]
    return [panel for panel in (*shared, *others) if panel.series]


def _has(model: Model, name: str) -> bool:
    return name in model.declaration.columns


def is_pip(model: Model, score: Score) -> bool:
    """Whether a score is a posterior inclusion probability: as declared, or by the name of its column.

    Other columns of fine-mapping, such as log Bayes factors and effects, are not.
    """
    if score.evidence is Evidence.ANNOTATION:
        # Of a column that declares nothing, the label may say what it is.
        return bool(_PIP_NAME.search(model.column(score.name)))
    return score.evidence is Evidence.PIP


def has_pip(comparison: Comparison) -> bool:
    """Whether any score is a posterior inclusion probability, so that the highest is marked."""
    return any(is_pip(model, score) for model in comparison.models for score in model.declaration.scores)


def has_association(comparison: Comparison) -> bool:
    """Whether any model has -log10 of p-values, so that the lowest p-value is marked."""
    return any(_has(model, ASSOCIATION) for model in comparison.models)


def _tool(name: str) -> str:
    return name.removeprefix("pip").removesuffix("pip").strip("_")


def marks_of(comparison: Comparison, locus: Locus) -> list[Mark]:
    """The variants that stand out in a locus, by position.

    They are the first variant of each of the three positions that the first model ranks highest, the variant
    with the highest PIP, and that with the lowest p-value; of ties, the first in the file.
    """
    rows = np.flatnonzero(in_locus(comparison, locus))
    reasons: dict[int, list[str]] = {}
    first = comparison.models[0]
    scores = comparison.table[first.ranking[0]].to_numpy()[rows]
    by_score = rows[np.argsort(-scores, kind="stable")][: int(np.sum(~np.isnan(scores)))]
    positions: set[int] = set()
    for row in by_score:
        if len(positions) == _FIRST_MARKED:
            break
        pos = int(comparison.table["pos"].iloc[row])
        if pos not in positions:
            positions.add(pos)
            reasons.setdefault(int(row), []).append(f"{first.label} no. {len(positions)}")
    for panel in panels_of(comparison):
        if panel.title == "PIP" or panel.series[0][1].endswith(f".{ASSOCIATION}"):
            best = _highest(comparison, [column for _, column in panel.series], rows)
            if best is not None:
                what = "highest PIP" if panel.title == "PIP" else "lowest p"
                reasons.setdefault(best, []).append(what)
    ordered = sorted(reasons, key=lambda row: (int(comparison.table["pos"].iloc[row]), row))
    return [Mark(row, tuple(reasons[row])) for row in ordered]


def _highest(comparison: Comparison, columns: Sequence[str], rows: npt.NDArray[np.int64]) -> int | None:
    """The row with the highest score of any column; None where none is above 0."""
    scores = comparison.table[columns].max(axis=1).to_numpy(dtype=np.float64)[rows]
    if not np.any(scores > 0):
        return None
    return int(rows[np.nanargmax(scores)])


def locus_view(comparison: Comparison, locus: Locus) -> Figure:
    """The regional view.

    Parameters
    ----------
    comparison : Comparison
        The compared scores.
    locus : Locus
        The region that is drawn.

    Raises
    ------
    OptionError
        When no variant lies in it.
    """
    from matplotlib.figure import Figure

    rows = comparison.table[in_locus(comparison, locus)]
    panels = panels_of(comparison)
    marks = marks_of(comparison, locus)
    marked = comparison.table.iloc[[mark.row for mark in marks]]
    chrom, start, end = locus
    # POS 0 lies before a contig's first base.
    start = min(start, int(rows["pos"].min()))
    # A locus of one base has a width, too.
    room = 0.5 + 0.01 * (end - start)
    left, right = (start - room) / 1e6, (end + room) / 1e6
    letters = _letter_positions((marked["pos"].to_numpy() / 1e6 - left) / (right - left))
    key = _LINE * len(marks)
    with styled():
        figure = Figure(figsize=(WIDTH, _PANEL * len(panels) + _HEAD + key), layout="constrained")
        head, *grid = figure.subplots(
            len(panels) + 1, 1, height_ratios=[max(key, 0.05), *[_PANEL] * len(panels)]
        )
        _draw_key(head, marked, marks)
        for axes, panel in zip(grid, panels, strict=True):
            _draw_panel(axes, panel, rows, marked)
            for x, letter, absent in zip(
                letters, string.ascii_uppercase, _absent(panel, marked), strict=False
            ):
                axes.text(
                    x, 1.0, letter, transform=axes.transAxes, ha="center", va="bottom", fontsize=7.5,
                    fontweight="bold", color="0.7" if absent else ACCENT,
                )  # fmt: skip
            axes.set_xlim(left, right)
            axes.tick_params(axis="x", labelbottom=axes is grid[-1])
            _tick_positions(axes, left, right)
        grid[-1].set_xlabel(f"position on {chrom}, Mb")
    return figure


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
    if panel.line is not None and panel.line < scale.high:
        axes.axhline(panel.line, color="0.5", linewidth=0.7, linestyle="--", zorder=1)
    series = list(zip(panel.series, itertools.cycle(_SERIES), strict=False))
    # In turns, so that the last series does not hide the others.
    for part, ((label, column), (colour, marker)) in itertools.product(range(_PARTS), series):
        present = rows[rows[column].notna()]
        name = f"{wrapped(plain(label), 16)}\n" if len(series) > 1 else ""
        shown = present.iloc[part::_PARTS]
        axes.scatter(
            shown["pos"] / 1e6, scale.limited(shown[column].to_numpy()), s=size, c=colour, marker=marker,
            linewidths=0, alpha=0.55, zorder=2,
            label=None if part else f"{name}n {short_count(len(present))}",
        )  # fmt: skip
    for (_, column), (colour, marker) in series:
        ringed = marked[marked[column].notna()]
        axes.scatter(
            ringed["pos"] / 1e6, scale.limited(ringed[column].to_numpy()), s=size + 14, c=colour,
            marker=marker, edgecolors=ACCENT, linewidths=1.1, zorder=3, clip_on=False,
        )  # fmt: skip
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
    axes.set_ylabel(wrapped(panel.title, 14) + ("\n(log)" if scale.logarithmic else ""))
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
