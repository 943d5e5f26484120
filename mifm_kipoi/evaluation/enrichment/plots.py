"""Figures of the evaluation of enrichment."""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from mifm_kipoi.reports.drawing import COLOURS, GREY, MARKERS, WIDTH, styled, without_middle, wrapped

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

PANELS = 4
"""Panels in a row."""

SIGNIFICANT = 0.05
"""P-values below this have a filled marker."""


def by_quantile(rows: pd.DataFrame, scores: Sequence[str], title: str = "label") -> Figure:
    """Odds ratios over the quantile of the score, a panel for each label, the published form beside it.

    Parameters
    ----------
    rows : pandas.DataFrame
        Of ``enrichment.tsv``, in the order of the panels.
    scores : sequence of str
        In their order.
    title : str
        Column that names the panels; ``label``, or ``title`` where the rows have one.
    """
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

    names = list(dict.fromkeys(rows[title]))
    across = min(PANELS, max(len(names), 2))
    down = -(-len(names) // across)
    with styled():
        figure = Figure(figsize=(WIDTH, 2.05 * down + 0.55), layout="constrained")
        panels = figure.subplots(down, across, sharex=True, sharey=True, squeeze=False).ravel()
        for axes, name in zip(panels, names, strict=False):
            own = rows[rows[title] == name]
            for number, score in enumerate(scores):
                _line(axes, own[own["score"] == score], _colour(number))
            axes.axhline(1, color="0.45", linewidth=0.7, zorder=0)
            axes.set_title(wrapped(name, 24))
            _grid(axes)
        for axes in panels[len(names) :]:
            axes.set_axis_off()
        # The panels share the axis of the odds ratio, which is a logarithm.
        _ratio_axis(panels[0], "y", *_range(rows))
        for axes in panels[: len(names)]:
            axes.set_xlim(-0.02, 1.02)
            axes.set_xticks([0, 0.25, 0.5, 0.75, 1], ["0", "", "0.5", "", "1"])
        for axes in panels[max(0, len(names) - across) : len(names)]:
            axes.tick_params(labelbottom=True)
            axes.set_xlabel("quantile of the score")
        figure.supylabel("odds ratio")
        keys = [
            Line2D([], [], color=_colour(number), marker="o", markersize=4, label=without_middle(score, 40))
            for number, score in enumerate(scores)
        ]
        keys.append(
            Line2D([], [], color="0.45", linestyle="--", label="against all variants, the published form")
        )
        figure.legend(handles=keys, loc="outside lower center", ncols=min(len(keys), 4), frameon=False)
    return figure


def _line(axes: Axes, own: pd.DataFrame, colour: str) -> None:
    own = own[np.isfinite(own["odds_ratio"]) & (own["odds_ratio"] > 0)]
    x = own["quantile"].to_numpy()
    axes.fill_between(x, own["low"], own["high"], color=colour, alpha=0.18, linewidth=0)
    axes.plot(x, own["odds_ratio_all"], color=colour, linestyle="--", linewidth=1, alpha=0.75)
    axes.plot(x, own["odds_ratio"], color=colour, linewidth=1.4)
    known = (own["p_value_family"] < SIGNIFICANT).to_numpy()
    for filled in (True, False):
        some = own[known == filled]
        face = colour if filled else "white"
        axes.plot(
            some["quantile"], some["odds_ratio"], "o", markersize=4, color=colour, markerfacecolor=face,
            markeredgewidth=1,
        )  # fmt: skip


def published(rows: pd.DataFrame, labels: Sequence[str], scores: Sequence[str]) -> Figure:
    """The published figure: odds ratios against all variants, a line for each label, a panel for each score.

    Parameters
    ----------
    rows : pandas.DataFrame
        Of ``enrichment.tsv``.
    labels : sequence of str
        In the order of the colours.
    scores : sequence of str
        In the order of the panels.
    """
    from matplotlib.figure import Figure

    with styled():
        height = 3.4 * len(scores) + 0.2
        figure = Figure(figsize=(WIDTH, height), layout="constrained")
        panels = figure.subplots(len(scores), 1, sharex=True, squeeze=False)[:, 0]
        for axes, score in zip(panels, scores, strict=True):
            of_score = rows[rows["score"] == score]
            for number, label in enumerate(labels):
                own = of_score[of_score["label"] == label]
                colour, marker = _colour(number), MARKERS[number % len(MARKERS)]
                axes.plot(own["quantile"], own["odds_ratio_all"], color=colour, linewidth=1.2)
                for filled in (True, False):
                    some = own[(own["fisher_p_all"] < SIGNIFICANT) == filled]
                    axes.plot(
                        some["quantile"], some["odds_ratio_all"], marker, color=colour, markersize=5,
                        markerfacecolor=colour if filled else "white", linestyle="",
                    )  # fmt: skip
                axes.plot([], [], color=colour, marker=marker, markersize=5, label=label)
            axes.axhline(1, color="0.45", linewidth=0.7, zorder=0)
            axes.set_title(without_middle(score, 70))
            _ratio_axis(axes, "y", *_finite_range([of_score["odds_ratio_all"]]))
            _grid(axes)
            axes.legend(loc="upper left", bbox_to_anchor=(1.02, 1), frameon=False, borderaxespad=0)
        panels[-1].set_xlabel("quantile of the score above which variants are selected")
        figure.supylabel("odds ratio against all variants")
    return figure


def forest(rows: pd.DataFrame, trends: pd.DataFrame, labels: Sequence[str], scores: Sequence[str]) -> Figure:
    """Odds ratios of every label at one quantile, and for each standard deviation of the score.

    Parameters
    ----------
    rows, trends : pandas.DataFrame
        Of ``enrichment.tsv``, at one quantile, and of ``trends.tsv``.
    labels : sequence of str
        From top to bottom; an empty one is a gap.
    scores : sequence of str
        In the order of the colours.
    """
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

    step = 0.7 / max(len(scores), 1)
    with styled():
        figure = Figure(figsize=(WIDTH, 0.2 * len(labels) + 0.1 * len(scores) + 1.1), layout="constrained")
        panels = figure.subplots(1, 2, sharey=True, squeeze=False)[0]
        titles = ("selected variants against the rest", "for each standard deviation of the score")
        for axes, table, title in zip(panels, (rows, trends), titles, strict=True):
            for number, score in enumerate(scores):
                of_score = table[table["score"] == score].to_dict("records")
                for row in (row for row in of_score if row["label"] in labels):
                    y = labels.index(row["label"]) + step * (number - (len(scores) - 1) / 2)
                    _estimate(axes, row, y, _colour(number))
            axes.axvline(1, color="0.45", linewidth=0.7, zorder=0)
            axes.set_title(title)
            axes.set_xlabel("odds ratio")
            _ratio_axis(axes, "x", *_finite_range([table["odds_ratio"], table["low"], table["high"]]))
            _grid(axes, "x")
            axes.tick_params(axis="y", length=0)
        panels[0].set_yticks(
            [place for place, label in enumerate(labels) if label],
            [without_middle(label, 30) for label in labels if label],
        )
        panels[0].set_ylim(len(labels) - 0.3, -0.7)
        keys = [
            Line2D([], [], color=_colour(number), marker="o", markersize=4.5, label=without_middle(score, 40))
            for number, score in enumerate(scores)
        ]
        if len(scores) > 1:
            figure.legend(handles=keys, loc="outside lower center", ncols=min(len(keys), 3), frameon=False)
    return figure


def _estimate(axes: Axes, row: Mapping[Hashable, Any], y: float, colour: str) -> None:
    if not (math.isfinite(row["odds_ratio"]) and row["odds_ratio"] > 0):
        return
    axes.plot([row["low"], row["high"]], [y, y], color=colour, linewidth=1.5, solid_capstyle="butt")
    face = colour if row["p_value_family"] < SIGNIFICANT else "white"
    axes.plot([row["odds_ratio"]], [y], "o", color=colour, markersize=4.5, markerfacecolor=face)


def _grid(axes: Axes, axis: str = "both") -> None:
    axes.grid(axis=axis, color="0.92", linewidth=0.6)  # type: ignore[arg-type] # one of three words
    axes.set_axisbelow(True)


def _range(rows: pd.DataFrame) -> tuple[float, float]:
    # Intervals of rare labels may be wide: they are cut, the odds ratios are not.
    low, high = _finite_range([rows["odds_ratio"], rows["odds_ratio_all"]])
    ends = _finite_range([rows["low"], rows["high"]])
    return max(ends[0], low / 1.5), min(ends[1], high * 1.5)


def _finite_range(columns: Sequence[pd.Series]) -> tuple[float, float]:
    values = np.concatenate([column.to_numpy(np.float64) for column in columns])
    values = values[np.isfinite(values) & (values > 0)]
    return float(values.min(initial=0.95)), float(values.max(initial=1.05))


def _ratio_axis(axes: Axes, which: str, low: float, high: float) -> None:
    """A logarithmic axis of odds ratios with a few round ticks."""
    from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

    low, high = low / 1.02, high * 1.02
    steps = next((ticks for ticks in _TICKS if sum(low <= tick <= high for tick in ticks) >= 3), _TICKS[-1])
    axis = axes.yaxis if which == "y" else axes.xaxis
    (axes.set_yscale if which == "y" else axes.set_xscale)("log")
    axis.set_major_locator(FixedLocator([tick for tick in steps if low <= tick <= high]))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.4g}"))
    (axes.set_ylim if which == "y" else axes.set_xlim)(low, high)


_TICKS = (
    (0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50),
    (0.1, 0.2, 0.33, 0.5, 0.7, 1, 1.4, 2, 3, 5, 10),
    (0.5, 0.6, 0.7, 0.8, 0.9, 1, 1.1, 1.2, 1.4, 1.6, 2),
    (0.8, 0.85, 0.9, 0.95, 1, 1.05, 1.1, 1.15, 1.2),
    (0.96, 0.98, 0.99, 1, 1.01, 1.02, 1.04),
)
"""Of odds ratios, from coarse to fine; the first with three inside is taken."""


def _colour(number: int) -> str:
    return COLOURS[number] if number < len(COLOURS) else GREY
