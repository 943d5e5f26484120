"""Figures of the page: what was found, what the paper reports, and controls."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from mifm_kipoi.evaluation.paper import published
from mifm_kipoi.reports.drawing import (
    ACCENT,
    COLOURS,
    GREY,
    MARKERS,
    SLATE,
    WIDTH,
    styled,
    without_middle,
    wrapped,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

PAPER = "the paper"

_ACROSS = 4


def enrichment(rows: pd.DataFrame, score: str, control: str) -> Figure:
    """Odds ratios over quantiles of the score, a panel for each label of which the paper has one.

    Parameters
    ----------
    rows : pandas.DataFrame
        Of ``enrichment.tsv``.
    score : str
        Of the network.
    control : str
        Of an untrained one; empty where there is none.
    """
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

    some = rows[(rows["score"] == score) & np.isfinite(rows["odds_ratio"])]
    known = set(zip(some["label"], some["within"], strict=True))
    shown = [one for one in published.ODDS_RATIOS if (one.label, one.within) in known]
    across = min(_ACROSS, len(shown))
    down = -(-len(shown) // across)
    with styled():
        figure = Figure(figsize=(WIDTH, 2.05 * down + 0.6), layout="constrained")
        panels = figure.subplots(down, across, sharex=True, squeeze=False).ravel()
        for axes, one in zip(panels, shown, strict=False):
            own = rows[(rows["label"] == one.label) & (rows["within"] == one.within)]
            if control:
                _ratios(axes, own[own["score"] == control], GREY, published_form=False)
            mine = own[own["score"] == score]
            _ratios(axes, mine, COLOURS[0], published_form=True)
            ends = mine["quantile"].iloc[[0, -1]].tolist()
            reported = [(x, y) for x, y in zip(ends, (one.first, one.last), strict=True) if y is not None]
            axes.plot(*zip(*reported, strict=True), "D:", color=ACCENT, markersize=5) if reported else None
            axes.axhline(1, color="0.45", linewidth=0.7, zorder=0)
            axes.set_title(wrapped(f"{one.label} within {one.within}" if one.within else one.label, 22))
            # Intervals of rare labels are cut, odds ratios are not.
            points = [1.0, *(y for _, y in reported), *own["odds_ratio"], *mine["odds_ratio_all"]]
            points = [one for one in points if np.isfinite(one)]
            around = 0.6 * (max(points) - min(points)) + 0.01
            axes.set_ylim(max(min(points) - around, 0), max(points) + around)
            _grid(axes)
        for axes in panels[len(shown) :]:
            axes.set_axis_off()
        for axes in panels[max(0, len(shown) - across) : len(shown)]:
            axes.tick_params(labelbottom=True)
            axes.set_xlabel("quantile of the score")
        figure.supylabel("odds ratio")
        keys = [
            Line2D([], [], color=COLOURS[0], label="here, against the rest, 95 % interval"),
            Line2D([], [], color=COLOURS[0], linestyle="--", label="here, against all, as published"),
            *([Line2D([], [], color=GREY, label="untrained network, against the rest")] if control else []),
            Line2D(
                [], [], color=ACCENT, marker="D", linestyle=":", markersize=5, label=f"{PAPER}, against all"
            ),
        ]
        figure.legend(handles=keys, loc="outside lower center", ncols=2, frameon=False)
    return figure


def _ratios(axes: Axes, own: pd.DataFrame, colour: str, published_form: bool) -> None:
    axes.fill_between(own["quantile"], own["low"], own["high"], color=colour, alpha=0.18, linewidth=0)
    axes.plot(own["quantile"], own["odds_ratio"], color=colour)
    if published_form:
        axes.plot(own["quantile"], own["odds_ratio_all"], color=colour, linestyle="--", linewidth=1)


EDITS = {
    "swapped": "the other sign's pattern",
    "random": "as many random bases",
    "unrelated": "an unrelated pattern",
    "consensus": "its own consensus",
}
"""Columns of ``swaps.tsv``, and what they put in the place of a pattern."""


def swaps(here: Mapping[str, Mapping[Hashable, Any]]) -> Figure:
    """Mean scores before and after patterns are replaced, a panel for each sign.

    Parameters
    ----------
    here : mapping of str to mapping
        By the sign of the patterns that are replaced: a row of ``swaps.tsv``.
    """
    from matplotlib.figure import Figure

    with styled():
        figure = Figure(figsize=(WIDTH, 2.5), layout="constrained")
        panels = figure.subplots(1, len(here), squeeze=False, sharey=True)[0]
        for axes, (sign, row) in zip(panels, here.items(), strict=True):
            reported = published.SWAPS[sign]
            lines = [
                (f"{PAPER}: the other sign's pattern", reported.before, reported.after, reported.after_sd)
            ]
            lines += [
                (f"here: {what}", row["score_original"], row[f"score_{kind}"], row[f"sd_{kind}"])
                for kind, what in EDITS.items()
            ]
            for line, (_, before, after, sd) in enumerate(lines):
                colour = ACCENT if line == 0 else COLOURS[0] if line == 1 else GREY
                axes.plot([after - sd, after + sd], [line, line], color=colour, linewidth=5, alpha=0.25)
                axes.annotate(
                    "", (after, line), (before, line),
                    arrowprops={"arrowstyle": "->", "color": colour, "linewidth": 1.2},
                )  # fmt: skip
                axes.plot([before], [line], "o", color=colour, markersize=4, markerfacecolor="white")
                axes.plot([after], [line], "o", color=colour, markersize=5)
            axes.set_title(f"{sign} patterns are replaced by")
            axes.set_xlabel("mean score")
            axes.set_xlim(0, None)
            _grid(axes, "x")
            axes.tick_params(axis="y", length=0)
        panels[0].set_yticks(range(len(lines)), [name for name, *_ in lines])
        panels[0].set_ylim(len(lines) - 0.5, -0.5)
    return figure


def verdicts(rows: Sequence[tuple[str, float, float, bool]]) -> Figure:
    """Fractions of comparisons of polygenic scores that were won and lost.

    Parameters
    ----------
    rows : sequence of (name, wins, losses, of_the_paper)
        From top to bottom.
    """
    from matplotlib.figure import Figure
    from matplotlib.patches import Patch

    with styled():
        figure = Figure(figsize=(WIDTH * 0.75, 0.24 * len(rows) + 0.9), layout="constrained")
        axes = figure.subplots()
        for line, (_, wins, losses, of_the_paper) in enumerate(rows):
            axes.barh(line, wins, color=ACCENT if of_the_paper else COLOURS[0], height=0.7)
            axes.barh(line, -losses, color=SLATE, height=0.7)
        axes.axvline(0, color="0.3", linewidth=0.8)
        axes.set_yticks(range(len(rows)), [name for name, *_ in rows])
        axes.set_ylim(len(rows) - 0.4, -0.6)
        axes.xaxis.set_major_formatter(lambda value, _: f"{100 * abs(value):g} %")
        axes.set_xlabel("lost | won, of all comparisons")
        _grid(axes, "x")
        axes.tick_params(axis="y", length=0)
        keys = [
            Patch(color=ACCENT, label=f"won, {PAPER}"),
            Patch(color=COLOURS[0], label="won, here"),
            Patch(color=SLATE, label="lost"),
        ]
        axes.legend(handles=keys, loc="upper left", bbox_to_anchor=(1.01, 1), frameon=False)
    return figure


def explained(means: pd.DataFrame, methods: Sequence[str], method: str, bound: str) -> Figure:
    """Mean R2 of polygenic scores by what picks their variants, a marker for each ancestry.

    Parameters
    ----------
    means : pandas.DataFrame
        ``method, ancestry, r2``.
    methods : sequence of str
        From top to bottom.
    method, bound : str
        The one that is compared, and the one that bounds from above, which may be empty.
    """
    from matplotlib.figure import Figure

    with styled():
        figure = Figure(figsize=(WIDTH * 0.75, 0.24 * len(methods) + 0.9), layout="constrained")
        axes = figure.subplots()
        for number, (ancestry, own) in enumerate(means.groupby("ancestry", sort=True)):
            values = own.set_index("method")["r2"].reindex(list(methods))
            colour = COLOURS[number] if number < len(COLOURS) else GREY
            axes.plot(
                100 * values, range(len(methods)), MARKERS[number % len(MARKERS)], color=colour, linestyle="",
                markersize=5, label=str(ancestry),
            )  # fmt: skip
        axes.set_yticks(range(len(methods)), [without_middle(name, 24) for name in methods])
        for label, name in zip(axes.get_yticklabels(), methods, strict=True):
            label.set_color(COLOURS[0] if name == method else "0.5" if name == bound else "black")
        axes.set_ylim(len(methods) - 0.4, -0.6)
        axes.set_xlabel("mean R2 over that of the covariates, %")
        _grid(axes, "x")
        axes.tick_params(axis="y", length=0)
        axes.legend(loc="upper left", bbox_to_anchor=(1.01, 1), frameon=False)
    return figure


def joint(forms: Mapping[str, pd.DataFrame]) -> Figure:
    """Significant variants of each filter over those of models of all variants, beside random filters.

    Parameters
    ----------
    forms : mapping of str to pandas.DataFrame
        By title: rows of ``filters.tsv`` over all clumps at the nominal level.
    """
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    longest = max(len(rows) for rows in forms.values())
    with styled():
        figure = Figure(figsize=(WIDTH, 0.27 * (longest + 1) + 1.1), layout="constrained")
        panels = figure.subplots(1, len(forms), squeeze=False)[0]
        for axes, (title, rows) in zip(panels, forms.items(), strict=True):
            every = float(rows.loc[rows["model"] == "all", "significant"].iloc[0])
            names = [PAPER]
            counts = published.SIGNIFICANT
            axes.plot([counts["filtered"] / counts["before"]], [0], "D", color=ACCENT, markersize=6)
            for row in rows[rows["model"] != "all"].to_dict("records"):
                line = len(names)
                names.append(without_middle(str(row["model"]), 22))
                if every:
                    ends = [row["significant_matched_low"] / every, row["significant_matched_high"] / every]
                    axes.plot(ends, [line, line], color=SLATE, linewidth=7, alpha=0.7, solid_capstyle="butt")
                    axes.plot([row["significant"] / every], [line], "o", color=COLOURS[0], markersize=5)
            axes.axvline(1, color="0.3", linewidth=1, linestyle="--")
            axes.set_title(title)
            axes.set_xlabel("significant variants, times those of all")
            axes.set_yticks(range(len(names)), names)
            axes.set_ylim(len(names) - 0.5, -0.6)
            _grid(axes, "x")
            axes.tick_params(axis="y", length=0)
        keys = [
            Line2D([], [], color=ACCENT, marker="D", linestyle="", label=PAPER),
            Line2D([], [], color=COLOURS[0], marker="o", linestyle="", label="here"),
            Patch(color=SLATE, alpha=0.7, label="random filters of the same size, middle 95 %"),
        ]
        figure.legend(handles=keys, loc="outside lower center", ncols=3, frameon=False)
    return figure


def _grid(axes: Axes, axis: str = "both") -> None:
    axes.grid(axis=axis, color="0.92", linewidth=0.6)  # type: ignore[arg-type] # one of three words
    axes.set_axisbelow(True)
