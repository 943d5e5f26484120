"""The figure of people on the axes of a reference panel."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from mifm_kipoi.genetics.ancestry import Assigned, Panel, Placed
from mifm_kipoi.reports.drawing import COLOURS, GREY, MARKERS, WIDTH, styled

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_WITHOUT = "without a label"

_KEYS = 7
"""Names of groups side by side."""

_MOST_POINTS = 3000
"""People of each kind that are drawn; more are a sample."""


@styled()
def axes_figure(panel: Panel, placed: Placed, assigned: Assigned) -> Figure:
    """The panel's people, and beside them those with genotypes, on the first four axes.

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
    groups = [*panel.groups, _WITHOUT]
    height = 4.1 * len(pairs) + 0.2 * -(-len(groups) // _KEYS)
    figure = Figure(figsize=(WIDTH, height), layout="constrained")
    grid = figure.subplots(len(pairs), 2, squeeze=False)
    shown_panel, shown = _sample(len(panel.codes)), _sample(len(assigned.label))
    share = panel.components.singular**2 / np.trace(panel.cross)
    names = np.where(assigned.label == "", _WITHOUT, assigned.label)
    for row, (x, y) in enumerate(pairs):
        left, right = grid[row]
        # People without a label lie beneath the others.
        for code, group in reversed(list(enumerate(groups))):
            look = {"s": 7, "linewidths": 0, "alpha": 0.7, "color": COLOURS[code % len(COLOURS)]}
            look["marker"] = MARKERS[code // len(COLOURS) % len(MARKERS)]
            if group == _WITHOUT:
                look |= {"s": 8, "marker": "x", "color": GREY, "linewidths": 0.7}
            for axes, points, mine in (
                (left, panel.points, shown_panel[panel.codes[shown_panel] == code]),
                (right, placed.points, shown[names[shown] == group]),
            ):
                axes.scatter(points[mine, x], points[mine, y], label=group, rasterized=True, **look)
        right.sharex(left)
        right.sharey(left)
        for axes, title in ((left, "Reference panel"), (right, "Genotypes, by their label")):
            axes.set_xlabel(f"PC{x + 1} ({100 * share[x]:.1f} % of the variance)")
            axes.set_ylabel(f"PC{y + 1} ({100 * share[y]:.1f} %)")
            axes.set_title(title if row == 0 else "")
    handles, labels = grid[0][1].get_legend_handles_labels()
    figure.legend(
        handles[::-1], labels[::-1], loc="outside lower center", ncols=min(_KEYS, len(labels)), frameon=False,
        markerscale=1.6, handletextpad=0.2,
    )  # fmt: skip
    return figure


def _sample(people: int) -> np.ndarray:
    """Rows that are drawn."""
    if people <= _MOST_POINTS:
        return np.arange(people)
    return np.sort(np.random.default_rng(1).choice(people, _MOST_POINTS, replace=False))
