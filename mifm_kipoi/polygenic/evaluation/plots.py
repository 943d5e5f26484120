"""Figures of the evaluation of polygenic scores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from mifm_kipoi.polygenic.evaluation.summaries import Verdict
from mifm_kipoi.reports.drawing import ACCENT, COLOURS, GREY, SLATE, WIDTH, styled, without_middle

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

ACROSS = 3
"""Panels in a row."""

_VERDICTS: Mapping[str, str] = {
    Verdict.WIN: COLOURS[0], Verdict.NOT_SIGNIFICANT: "#DDE2E7", Verdict.LOSS: ACCENT,
}  # fmt: skip


def by_method(
    performance: pd.DataFrame, means: pd.DataFrame, ancestries: Sequence[str], method: str, bound: str
) -> Figure:
    """R2 of every method, a panel for each ancestry: means over traits, and the traits.

    Parameters
    ----------
    performance : pandas.DataFrame
        ``ancestry``, ``method``, ``trait``, ``r2``, of one setting.
    means : pandas.DataFrame
        Of :func:`mifm_kipoi.polygenic.evaluation.summaries.means_of_methods`, of the same rows.
    ancestries : sequence of str
        In the order of the panels.
    method, bound : str
        The method in question, and the one that bounds from above; they have colours of their own.
    """
    from matplotlib.figure import Figure

    overall = means.groupby("method", sort=False)["mean"].mean().sort_values(ascending=False)
    methods = [str(name) for name in overall.index]
    place = {name: number for number, name in enumerate(methods)}
    across = min(ACROSS, max(len(ancestries), 1))
    down = -(-len(ancestries) // across)
    with styled():
        height = (0.19 * len(methods) + 0.75) * down + 0.2
        figure = Figure(figsize=(WIDTH, height), layout="constrained")
        panels = figure.subplots(down, across, sharex=True, sharey=True, squeeze=False).ravel()
        for axes, ancestry in zip(panels, ancestries, strict=False):
            own = performance[(performance["ancestry"] == ancestry) & np.isfinite(performance["r2"])]
            # Of random draws, their mean.
            own = own.groupby(["method", "trait"], as_index=False)["r2"].mean()
            y = own["method"].map(place).to_numpy(np.float64)
            axes.plot(100 * own["r2"], y, "o", color=SLATE, alpha=0.55, markersize=2.6, markeredgewidth=0)
            for row in means[means["ancestry"] == ancestry].to_dict("records"):
                colour = _colour(str(row["method"]), method, bound)
                at = place[str(row["method"])]
                axes.plot(
                    [100 * row["low"], 100 * row["high"]], [at, at], color=colour, linewidth=1.5,
                    solid_capstyle="butt",
                )  # fmt: skip
                axes.plot([100 * row["mean"]], [at], "D", color=colour, markersize=4.5)
            axes.axvline(0, color="0.45", linewidth=0.7, zorder=0)
            axes.set_title(without_middle(ancestry, 30))
            _grid(axes)
        for axes in panels[len(ancestries) :]:
            axes.set_axis_off()
        panels[0].set_yticks(range(len(methods)), [without_middle(name, 24) for name in methods])
        panels[0].set_ylim(len(methods) - 0.4, -0.6)
        figure.supxlabel("incremental R2 of the score, in %")
    return figure


def verdicts(counts: Mapping[str, pd.DataFrame]) -> Figure:
    """Fractions of comparisons that the method wins and loses, a panel for each grouping.

    Parameters
    ----------
    counts : mapping of str to pandas.DataFrame
        By the title of the panel: ``name``, ``wins``, ``not_significant``, ``losses``, a row for each bar.
    """
    from matplotlib.figure import Figure
    from matplotlib.patches import Patch

    tallest = max(map(len, counts.values()))
    with styled():
        figure = Figure(figsize=(WIDTH, 0.23 * tallest + 1.0), layout="constrained")
        panels = figure.subplots(1, len(counts), squeeze=False)[0]
        for axes, (title, rows) in zip(panels, counts.items(), strict=True):
            total = rows[["wins", "not_significant", "losses"]].sum(axis=1).to_numpy(np.float64)
            left = np.zeros(len(rows))
            for column, verdict in (
                ("wins", Verdict.WIN),
                ("not_significant", Verdict.NOT_SIGNIFICANT),
                ("losses", Verdict.LOSS),
            ):
                width = 100 * rows[column].to_numpy(np.float64) / total
                axes.barh(range(len(rows)), width, left=left, color=_VERDICTS[verdict], height=0.72)
                for number, (start, size) in enumerate(zip(left, width, strict=True)):
                    if size > 7:
                        colour = "0.25" if verdict == Verdict.NOT_SIGNIFICANT else "white"
                        axes.text(
                            start + size / 2, number, f"{rows[column].iloc[number]}", ha="center",
                            va="center", color=colour, fontsize=7,
                        )  # fmt: skip
                left += width
            axes.set_yticks(range(len(rows)), [without_middle(str(name), 24) for name in rows["name"]])
            axes.set_ylim(len(rows) - 0.4, -0.6)
            axes.set_xlim(0, 100)
            axes.set_title(title)
            axes.set_xlabel("% of comparisons")
            axes.tick_params(axis="y", length=0)
        keys = [Patch(color=colour, label=str(verdict)) for verdict, colour in _VERDICTS.items()]
        figure.legend(handles=keys, loc="outside lower center", ncols=3, frameon=False)
    return figure


def tiles(comparisons: pd.DataFrame, ancestries: Sequence[str], baselines: Sequence[str]) -> Figure:
    """Differences of R2 of every trait against every baseline, a panel for each ancestry.

    Parameters
    ----------
    comparisons : pandas.DataFrame
        ``ancestry``, ``trait``, ``baseline``, ``difference``, ``verdict``, of one setting.
    ancestries, baselines : sequence of str
        In the order of panels and columns.
    """
    from matplotlib.colors import LinearSegmentedColormap
    from matplotlib.figure import Figure

    traits = list(dict.fromkeys(comparisons["trait"]))
    across = min(ACROSS, max(len(ancestries), 1))
    down = -(-len(ancestries) // across)
    colours = LinearSegmentedColormap.from_list("verdicts", [ACCENT, "#F7F7F7", COLOURS[0]])
    most = 100 * float(comparisons["difference"].abs().max())
    most = most if np.isfinite(most) and most > 0 else 1.0
    with styled():
        figure = Figure(
            figsize=(WIDTH, (0.2 * len(traits) + 1.15) * down + 0.3), layout="constrained"
        )  # fmt: skip
        panels = figure.subplots(down, across, sharex=True, sharey=True, squeeze=False).ravel()
        image = None
        for axes, ancestry in zip(panels, ancestries, strict=False):
            own = comparisons[comparisons["ancestry"] == ancestry]
            grid = np.full((len(traits), len(baselines)), np.nan)
            for row in own.to_dict("records"):
                at = traits.index(row["trait"]), baselines.index(row["baseline"])
                grid[at] = 100 * row["difference"]
                mark = {Verdict.WIN: "+", Verdict.LOSS: "\N{MINUS SIGN}"}.get(row["verdict"], "")
                strong = abs(grid[at]) > 0.6 * most
                axes.text(
                    at[1], at[0], mark, ha="center", va="center", fontsize=8,
                    color="white" if strong else "black",
                )  # fmt: skip
            image = axes.imshow(grid, cmap=colours, vmin=-most, vmax=most, aspect="auto")
            axes.set_title(without_middle(ancestry, 30))
            axes.set_xticks(
                range(len(baselines)), [without_middle(name, 18) for name in baselines], rotation=60,
                ha="right", rotation_mode="anchor",
            )  # fmt: skip
            axes.set_yticks(range(len(traits)), [without_middle(name, 20) for name in traits])
            axes.tick_params(length=0)
            for side in ("left", "bottom"):
                axes.spines[side].set_visible(False)
        for axes in panels[len(ancestries) :]:
            axes.set_axis_off()
        for axes in panels[max(0, len(ancestries) - across) : len(ancestries)]:
            axes.tick_params(labelbottom=True)
        if image is not None:
            bar = figure.colorbar(image, ax=list(panels), shrink=0.8, pad=0.01)
            bar.set_label("difference, in %")
            bar.outline.set_visible(False)
    return figure


def draws(random: pd.DataFrame, ancestries: Sequence[str]) -> Figure:
    """The method beside scores of random members, a panel for each ancestry, less the mean of the draws.

    Parameters
    ----------
    random : pandas.DataFrame
        ``ancestry``, ``trait``, ``mean``, ``low``, ``high`` of the draws and ``r2`` of the method, of one
        setting.
    ancestries : sequence of str
        In the order of the panels.
    """
    from matplotlib.figure import Figure

    traits = list(dict.fromkeys(random["trait"]))
    across = min(ACROSS, max(len(ancestries), 1))
    down = -(-len(ancestries) // across)
    with styled():
        figure = Figure(figsize=(WIDTH, (0.2 * len(traits) + 0.8) * down + 0.2), layout="constrained")
        panels = figure.subplots(down, across, sharex=True, sharey=True, squeeze=False).ravel()
        for axes, ancestry in zip(panels, ancestries, strict=False):
            for row in random[random["ancestry"] == ancestry].to_dict("records"):
                at, mean = traits.index(row["trait"]), row["mean"]
                axes.plot(
                    [100 * (row["low"] - mean), 100 * (row["high"] - mean)], [at, at], color=SLATE,
                    linewidth=4, solid_capstyle="butt",
                )  # fmt: skip
                axes.plot([100 * (row["r2"] - mean)], [at], "D", color=COLOURS[0], markersize=4.5)
            axes.axvline(0, color="0.45", linewidth=0.7)
            axes.set_title(without_middle(ancestry, 30))
            _grid(axes)
        for axes in panels[len(ancestries) :]:
            axes.set_axis_off()
        panels[0].set_yticks(range(len(traits)), [without_middle(name, 24) for name in traits])
        panels[0].set_ylim(len(traits) - 0.4, -0.6)
        figure.supxlabel("incremental R2 less the mean of the draws, in %")
    return figure


def _colour(name: str, method: str, bound: str) -> str:
    return COLOURS[0] if name == method else ACCENT if name == bound else GREY


def _grid(axes: Axes) -> None:
    axes.grid(axis="x", color="0.92", linewidth=0.6)
    axes.tick_params(axis="y", length=0)
    axes.set_axisbelow(True)
