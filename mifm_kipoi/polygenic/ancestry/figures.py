"""The figure of people on the axes of a reference panel."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from mifm_kipoi.genetics.ancestry import Assigned, Panel, Placed
from mifm_kipoi.reports.drawing import COLOURS, GREY, MARKERS, WIDTH, styled

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_MOST_POINTS = 3000
"""People of each kind that are drawn; more are a sample."""


@styled()
def axes_figure(panel: Panel, placed: Placed, assigned: Assigned) -> Figure:
    """The panel's people, pale, and the labelled ones, on the first four axes.

    Parameters
    ----------
    panel : Panel
        The panel.
    placed : Placed
        Where people lie.
    assigned : Assigned
        Their labels.
    """
    from matplotlib.figure import Figure

    pairs = [(0, 1), (2, 3)] if panel.used >= 4 else [(0, min(1, panel.used - 1))]
    figure = Figure(figsize=(WIDTH, 8.6 if len(pairs) > 1 else 4.6), layout="constrained")
    grid = figure.subplots(len(pairs), 2, squeeze=False)
    shown_panel, shown = _sample(len(panel.codes)), _sample(len(assigned.label))
    share = panel.components.singular**2 / np.trace(panel.cross)
    for row, (x, y) in enumerate(pairs):
        left, right = grid[row]
        for code, group in enumerate(panel.groups):
            colour = COLOURS[code % len(COLOURS)]
            marker = MARKERS[code // len(COLOURS) % len(MARKERS)]
            mine = shown_panel[panel.codes[shown_panel] == code]
            left.scatter(
                panel.points[mine, x], panel.points[mine, y], s=7, color=colour, marker=marker, linewidths=0,
                alpha=0.7, label=f"{group} ({(panel.codes == code).sum():,})", rasterized=True,
            )  # fmt: skip
            mine = shown[assigned.label[shown] == group]
            right.scatter(
                placed.points[mine, x], placed.points[mine, y], s=7, color=colour, marker=marker,
                linewidths=0, alpha=0.7, label=f"{group} ({(assigned.label == group).sum():,})",
                rasterized=True,
            )  # fmt: skip
        mine = shown[assigned.label[shown] == ""]
        right.scatter(
            placed.points[mine, x], placed.points[mine, y], s=10, color=GREY, marker="x", linewidths=0.8,
            label=f"without a label ({(assigned.label == '').sum():,})", rasterized=True,
        )  # fmt: skip
        right.sharex(left)
        right.sharey(left)
        for axes, title in ((left, "Reference panel"), (right, "Genotypes, by their label")):
            axes.set_xlabel(f"PC{x + 1} ({100 * share[x]:.1f} % of the variance)")
            axes.set_ylabel(f"PC{y + 1} ({100 * share[y]:.1f} %)")
            axes.set_title(title if row == 0 else "")
            if row == 0:
                axes.legend(frameon=False, markerscale=1.6, handletextpad=0.2)
    return figure


def _sample(people: int) -> np.ndarray:
    """Rows that are drawn."""
    if people <= _MOST_POINTS:
        return np.arange(people)
    return np.sort(np.random.default_rng(1).choice(people, _MOST_POINTS, replace=False))
