"""Figures of the evaluation on saturation mutagenesis."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mifm_kipoi.evaluation.mpra.elements import Element
from mifm_kipoi.reports.drawing import ACCENT, COLOURS, GREY, WIDTH, styled

UP, DOWN = ACCENT, COLOURS[0]
"""Colours of values above and below 0."""

MEAN = "mean of elements"

_LINE = COLOURS[5]


def named(chrom: str) -> str:
    """A contig as it stands in a sentence: ``chromosome 1``, and ``chr1`` as it is."""
    return f"chromosome {chrom}" if chrom.isdigit() or chrom in ("X", "Y") else chrom


@styled()
def correlations(by_element: pd.DataFrame, summary: pd.DataFrame, controls: str) -> Figure:
    """Spearman's correlation of each element and the mean, a panel for each score.

    Parameters
    ----------
    by_element, summary : pandas.DataFrame
        Rows of one kind, stratum and question; of the summary those of all elements.
    controls : str
        Label of the scores that are drawn in grey.
    """
    scores = list(dict.fromkeys(by_element["score"]))
    names = list(dict.fromkeys(by_element["element"]))
    heights = {name: float(number) for number, name in enumerate(names)} | {MEAN: len(names) + 0.6}
    columns = min(len(scores), 4)
    lines = math.ceil(len(scores) / columns)
    figure = Figure(figsize=(WIDTH, lines * (0.185 * len(heights) + 0.75) + 0.2), layout="constrained")
    grid = figure.subplots(lines, columns, squeeze=False, sharex=True, sharey=True)
    for axes, score in zip(grid.flat, scores, strict=False):
        rows = by_element[by_element["score"] == score]
        colour = GREY if (rows["label"] == controls).all() else _LINE
        axes.axvline(0, color="0.6", linewidth=0.8)
        for row in rows.to_dict("records"):
            _dot(axes, row, heights[row["element"]], colour, "D" if row["held_out"] else "o")
        for row in summary[summary["score"] == score].to_dict("records"):
            _dot(axes, row, heights[MEAN], "black", "s")
        axes.set_title(_broken(score))
        axes.grid(axis="x", color="0.9", linewidth=0.6)
        axes.set_axisbelow(True)
        axes.tick_params(axis="y", length=0)
    for axes in list(grid.flat)[len(scores) :]:
        axes.set_axis_off()
    grid[0, 0].set_yticks(list(heights.values()), list(heights))
    grid[0, 0].set_ylim(max(heights.values()) + 0.6, -0.6)
    figure.supxlabel("Spearman's correlation", fontsize=8.5)
    return figure


def _dot(axes: Axes, row: Mapping[str, float], height: float, colour: str, marker: str) -> None:
    axes.plot([row["spearman_low"], row["spearman_high"]], [height, height], color=colour, linewidth=1.3)
    axes.plot(row["spearman"], height, marker, color=colour, markersize=4.5, markeredgewidth=0)


def _broken(score: str) -> str:
    """The name of a score in two lines, the model's above."""
    return score if len(score) < 20 else score.replace(".", ".\n", 1)


def by_position(
    pos: npt.NDArray[np.int64],
    values: npt.NDArray[np.float64],
    positions: npt.NDArray[np.int64],
    signed: bool,
) -> npt.NDArray[np.float64]:
    """One value for each position.

    Parameters
    ----------
    pos, values : numpy.ndarray, shape (n,)
        Position of each substitution, and its value or NaN.
    positions : numpy.ndarray of int64, shape (m,)
        Positions that get a value.
    signed : bool
        Whether it is the value of the largest size, with its sign, or the mean.

    Returns
    -------
    numpy.ndarray of float64, shape (m,)
        NaN where there is none.
    """
    table = pd.DataFrame({"pos": pos, "value": values}).dropna()
    if signed:
        order = table["value"].abs().sort_values(kind="stable").index
        by_pos = table.loc[order].groupby("pos")["value"].last()
    else:
        by_pos = table.groupby("pos")["value"].mean()
    return by_pos.reindex(positions).to_numpy(dtype=float)


@styled()
def profile(
    element: Element,
    positions: npt.NDArray[np.int64],
    panels: Sequence[tuple[str, npt.NDArray[np.float64], bool]],
) -> Figure:
    """Values over the positions of an element, a panel for each kind of values.

    Parameters
    ----------
    element : Element
        The element that is drawn.
    positions : numpy.ndarray of int64, shape (n,)
        1-based.
    panels : sequence of (str, numpy.ndarray of float64 of shape (n,), bool)
        Title, values, and whether they have a sign: then they are stems from 0, red above and blue below,
        else steps.
    """
    figure = Figure(figsize=(WIDTH, 0.95 * len(panels) + 0.5), layout="constrained")
    axes: Axes
    for axes, (title, values, signed) in zip(
        figure.subplots(len(panels), 1, squeeze=False, sharex=True).flat, panels, strict=True
    ):
        if signed:
            axes.axhline(0, color="0.6", linewidth=0.6)
            for colour, chosen in ((UP, values > 0), (DOWN, values < 0)):
                axes.vlines(positions[chosen], 0, values[chosen], color=colour, linewidth=0.8)
        else:
            axes.plot(positions, values, color=_LINE, drawstyle="steps-mid", linewidth=1)
        axes.set_title(title)
        axes.locator_params(axis="y", nbins=3)
        axes.ticklabel_format(axis="x", style="plain", useOffset=False)
        axes.margins(x=0.01)
    axes.set_xlabel(f"position on {named(element.chrom)}")
    axes.locator_params(axis="x", nbins=6)
    return figure
