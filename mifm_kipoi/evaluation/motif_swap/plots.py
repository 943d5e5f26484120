"""Figures of motif swaps: densities of scores before and after, mean changes of logits beside controls."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from mifm_kipoi.evaluation.motif_swap.swaps import CHANGES, EDITS, POOLED, Swap
from mifm_kipoi.evaluation.motifs.patterns import SIGNS, Pattern, Values
from mifm_kipoi.reports.drawing import ACCENT, COLOURS, GREY, MARKERS, WIDTH, shortened, styled
from mifm_kipoi.support.packages import needed

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST = 4
"""Patterns of either sign that are drawn."""

_COLOUR = dict(zip(SIGNS, (ACCENT, COLOURS[0]), strict=True))
"""Of windows with a pattern of this sign."""

_POINTS = 200
"""Scores at which a density is drawn."""

EDIT_COLOURS = dict(zip(EDITS, (ACCENT, GREY, COLOURS[1], COLOURS[2]), strict=True))

EDIT_LABELS = {
    "swapped": "other pattern",
    "random": "random substitutions, same positions",
    "unrelated": "unrelated pattern",
    "consensus": "its own consensus",
}


def densities(swaps: Sequence[Swap], patterns: Sequence[Pattern]) -> Figure:
    """A row a positive and a column a negative pattern: scores of the windows of both, before and after.

    Parameters
    ----------
    swaps : sequence of Swap
        Of one group; those of a sign together are not drawn.
    patterns : sequence of Pattern
        Of the search.
    """
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

    pairs = {(swap.replaced, swap.inserted): swap for swap in swaps if swap.inserted != POOLED}
    positive = list(dict.fromkeys(swap.replaced for swap in pairs.values() if swap.sign == SIGNS[0]))[:MOST]
    negative = list(dict.fromkeys(swap.replaced for swap in pairs.values() if swap.sign == SIGNS[1]))[:MOST]
    labels = {each.name: f"{each.name}\n{shortened(each.consensus, 18)}" for each in patterns}
    size = (WIDTH, 1.15 + (2.6 if len(positive) == 1 else 1.6) * len(positive))
    with styled():
        figure = Figure(figsize=size, layout="constrained")
        grid = figure.subplots(len(positive), len(negative), squeeze=False, sharex=True)
        for row, one in enumerate(positive):
            for column, other in enumerate(negative):
                axes = grid[row, column]
                for swap in (pairs[one, other], pairs[other, one]):
                    _draw(axes, swap.scores("original"), _COLOUR[swap.sign], True)
                    _draw(axes, swap.scores("swapped"), _COLOUR[swap.sign], False)
                axes.set_ylim(bottom=0)
                axes.set_yticks([])
                axes.spines["left"].set_visible(False)
                if row == 0:
                    axes.set_title(labels[other])
                if column == 0:
                    axes.set_ylabel(labels[one], rotation=0, ha="right", va="center")
        figure.supxlabel("score")
        figure.legend(
            handles=[
                Line2D(
                    [], [], color=_COLOUR[sign], linewidth=width, alpha=alpha,
                    label=f"{sign} pattern, {what}",
                )
                for sign in SIGNS
                for what, width, alpha in (("as it is", 5, 0.35), ("the other in its place", 1.6, 1))
            ],
            loc="outside upper center", ncols=2, frameon=False,
        )  # fmt: skip
        return figure


def _draw(axes: Axes, scores: Values, colour: str, filled: bool) -> None:
    """A density; scores that are all the same are a line."""
    low, high = float(scores.min()), float(scores.max())
    if len(scores) < 3 or high - low < 1e-9:
        axes.axvline(float(scores.mean()), color=colour, alpha=0.35 if filled else 1)
        return
    kernel = needed("scipy.stats", "evaluation").gaussian_kde(scores)
    room = 3 * float(np.sqrt(kernel.covariance[0, 0]))
    at = np.linspace(max(low - room, 0), min(high + room, 1), _POINTS)
    density = kernel(at)
    if filled:
        axes.fill_between(at, density, color=colour, alpha=0.3, linewidth=0)
    else:
        axes.plot(at, density, color=colour)


def changes(table: pd.DataFrame) -> Figure:
    """A row a swap: mean change of the logit by each edit, with intervals.

    Parameters
    ----------
    table : pandas.DataFrame
        Rows of one group from :func:`mifm_kipoi.evaluation.motif_swap.swaps.difference_table`.
    """
    from matplotlib.figure import Figure

    directions = list(dict.fromkeys(zip(table["replaced"], table["inserted"], strict=True)))
    indexed: Any = table.set_index(["replaced", "inserted", "difference"])
    with styled():
        figure = Figure(figsize=(WIDTH, 0.42 * len(directions) + 1.1), layout="constrained")
        axes = figure.subplots()
        for number, (edit, marker) in enumerate(zip(EDITS, MARKERS, strict=False)):
            rows = [indexed.loc[(*direction, name)] for direction in directions for name in CHANGES
                    if CHANGES[name][0] == edit]  # fmt: skip
            mean, low, high = (np.array([row[key] for row in rows], float) for key in ("mean", "low", "high"))
            y = np.arange(len(directions)) + 0.17 * (number - 1.5)
            axes.hlines(y, low, high, color=EDIT_COLOURS[edit], linewidth=1.2)
            axes.plot(
                mean, y, marker, color=EDIT_COLOURS[edit], markersize=5, label=EDIT_LABELS[edit],
                markeredgewidth=0,
            )  # fmt: skip
        axes.axvline(0, color="black", linewidth=0.6)
        axes.set_yticks(
            range(len(directions)),
            [
                f"{one}, by any of the other sign" if other == POOLED else f"{one} by {other}"
                for one, other in directions
            ],
        )
        axes.invert_yaxis()
        axes.tick_params(axis="y", length=0)
        axes.set_xlabel("mean change of the logit")
        figure.legend(loc="outside upper center", ncols=4, frameon=False)
        return figure
