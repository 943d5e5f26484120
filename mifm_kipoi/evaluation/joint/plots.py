"""Figures of the evaluation of joint tests."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pandas as pd

from mifm_kipoi.evaluation.joint.controls import MATCHED, PERMUTED
from mifm_kipoi.evaluation.joint.models import ALL
from mifm_kipoi.reports.drawing import ACCENT, COLOURS, GREY, SLATE, WIDTH, styled, without_middle

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

TITLES = {
    "significant": "significant variants",
    "secondary": "of them secondary",
    "replicated": "significant and replicated",
    "true": "true discoveries",
    "false": "false discoveries",
}
"""Of the panels, by measure."""

_HEIGHT = 0.72
"""Of the highest bar of a distribution, in distances between lines."""

_MOST_POINTS = 2000


def nulls(
    draws: pd.DataFrame, filters: pd.DataFrame, names: Sequence[str], measures: Sequence[str]
) -> Figure:
    """What each filter finds, on the distribution of random filters: a panel a measure, a line a filter.

    Parameters
    ----------
    draws : pandas.DataFrame
        Of ``draws.tsv``, at one level.
    filters : pandas.DataFrame
        Of ``filters.tsv``, over all clumps, at the same level.
    names : sequence of str
        Filters from top to bottom.
    measures : sequence of str
        Of :data:`TITLES`.
    """
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    found = filters.set_index("model")
    with styled():
        figure = Figure(figsize=(WIDTH, 0.62 * len(names) + 1.35), layout="constrained")
        panels = figure.subplots(1, len(measures), sharey=True, squeeze=False)[0]
        for axes, measure in zip(panels, measures, strict=True):
            every = found.loc[ALL, measure]
            axes.axvline(every, color="0.3", linewidth=1, linestyle="--", zorder=1)
            for line, name in enumerate(names):
                for control in (MATCHED, PERMUTED):
                    own = draws[(draws["model"] == name) & (draws["control"] == control)]
                    if len(own):
                        _distribution(axes, own[measure].to_numpy(), line, control)
                axes.plot(
                    [found.loc[name, measure]], [line - 0.08], "o", color=ACCENT, markersize=6, zorder=5
                )
            axes.set_title(TITLES[measure])
            axes.set_xlabel("count")
            axes.grid(axis="x", color="0.92", linewidth=0.6)
            axes.set_axisbelow(True)
            axes.xaxis.get_major_locator().set_params(integer=True)
            axes.tick_params(axis="y", length=0)
        panels[0].set_yticks(range(len(names)), [without_middle(name, 28) for name in names])
        panels[0].set_ylim(len(names) - 0.65, -0.95)
        keys = [
            Line2D([], [], color=ACCENT, marker="o", linestyle="", markersize=6, label="the filter"),
            Patch(color=SLATE, label="as many at random, matched on r"),
            Line2D([], [], color="0.25", linewidth=0.7, label="as many at random"),
            Line2D([], [], color="0.3", linewidth=1, linestyle="--", label="all of each clump"),
        ]
        figure.legend(handles=keys, loc="outside lower center", ncols=4, frameon=False)
    return figure


def _distribution(axes: Axes, counts: npt.NDArray[np.int64], line: int, control: str) -> None:
    """Frequencies of counts as bars on a base line, or as their outline."""
    low, high = int(counts.min()), int(counts.max())
    width = max(1, -(-(high - low + 1) // 40))
    edges = np.arange(low, high + width + 1, width)
    frequency, _ = np.histogram(counts, edges - 0.5)
    scaled = frequency / frequency.max() * _HEIGHT
    x, y = np.repeat(edges, 2)[1:-1] - 0.5, line - np.repeat(scaled, 2)
    if control == MATCHED:
        axes.fill_between(x, np.full(len(x), line), y, color=SLATE, linewidth=0, zorder=2)
    else:
        x, y = np.concatenate([x[:1], x, x[-1:]]), np.concatenate([[line], y, [line]])
        axes.plot(x, y, color="0.25", linewidth=0.7, zorder=3)


def replication(effects: pd.DataFrame, names: Sequence[str], level: str) -> Figure:
    """Effects of significant variants in both samples, a panel for each model.

    Parameters
    ----------
    effects : pandas.DataFrame
        Of ``effects.tsv``.
    names : sequence of str
        Models.
    level : str
        At which variants are significant, a column of ``effects``.
    """
    from matplotlib.figure import Figure

    with styled():
        across = min(len(names), 4)
        down = -(-len(names) // across)
        figure = Figure(figsize=(WIDTH, 2.15 * down + 0.5), layout="constrained")
        panels = figure.subplots(down, across, sharex=True, sharey=True, squeeze=False).ravel()
        sure = effects[effects[level]]
        shown = sure[["beta", "second_beta"]].abs().to_numpy()
        limit = float(np.nanmax(shown, initial=0.01)) * 1.08
        for axes, name in zip(panels, names, strict=False):
            own = sure[sure["model"] == name][:_MOST_POINTS]
            axes.plot([-limit, limit], [-limit, limit], color="0.6", linewidth=0.8, zorder=0)
            axes.axhline(0, color="0.85", linewidth=0.6, zorder=0)
            axes.axvline(0, color="0.85", linewidth=0.6, zorder=0)
            replicated = own[f"replicates_{level}"].to_numpy(dtype=bool)
            for some, colour in ((~replicated, GREY), (replicated, COLOURS[0])):
                rows = own[some]
                axes.errorbar(
                    rows["beta"], rows["second_beta"], xerr=rows["standard_error"],
                    yerr=rows["second_standard_error"], fmt="o", markersize=3, color=colour, elinewidth=0.6,
                    alpha=0.8,
                )  # fmt: skip
            axes.set_title(f"{without_middle(name, 24)}: {int(replicated.sum())} of {len(own)}")
            axes.set_xlim(-limit, limit)
            axes.set_ylim(-limit, limit)
        for axes in panels[len(names) :]:
            axes.set_axis_off()
        figure.supxlabel("effect in the people who are tested")
        figure.supylabel("in the second sample")
    return figure


def sizes(tested: Sequence[tuple[float, int, int]], names: Sequence[str]) -> Figure:
    """How large clumps are, and how alike their variants.

    Parameters
    ----------
    tested : sequence of tuple
        Of each clump: the largest variance inflation factor of its full model, its members, and those kept.
    names : sequence of str
        Titles of the panels.
    """
    from matplotlib.figure import Figure

    vif, members, kept = (np.array(each, dtype=np.float64) for each in zip(*tested, strict=True))
    with styled():
        figure = Figure(figsize=(WIDTH, 2.3), layout="constrained")
        left, right = figure.subplots(1, 2)
        top = int(members.max())
        bins = np.arange(1, top + 2, max(1, top // 30)) - 0.5
        left.hist(members, bins, color=SLATE, label="members")
        left.hist(kept, bins, histtype="step", color=COLOURS[0], linewidth=1.3, label="kept")
        left.set_xlabel("variants of a clump")
        left.set_ylabel("clumps")
        left.legend(frameon=False)
        left.set_title(names[0])
        finite = vif[np.isfinite(vif)]
        if len(finite):
            right.hist(np.log10(finite), 25, color=SLATE)
        right.axvline(1, color="0.3", linestyle="--", linewidth=1)
        right.xaxis.set_major_formatter(lambda value, _: f"{10**value:,.0f}")
        right.xaxis.set_major_locator(_whole())
        right.set_xlabel("largest variance inflation factor")
        right.set_title(names[1])
    return figure


def _whole() -> object:
    from matplotlib.ticker import MultipleLocator

    return MultipleLocator(1)
