"""Figures of the evaluation of rankings."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from mifm_kipoi.evaluation.ranking.records import (
    ALL,
    HELD_OUT,
    METRICS,
    OTHERS,
    STRATA,
    Measure,
    by_metric,
    strata_of,
)
from mifm_kipoi.reports.drawing import COLOURS, GREY, WIDTH, styled, without_middle
from mifm_kipoi.statistics.ranking import Curve

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_MARKERS = {ALL: "o", HELD_OUT: "D", OTHERS: "s"}
_DASHES = ("-", "-", "-", "-", "--", "--", "--", "--")


def overview(measures: Sequence[Measure], order: Sequence[str]) -> Figure:
    """Every metric of every score with its interval, and what chance gives.

    Parameters
    ----------
    measures : sequence of Measure
        Of one set of rows.
    order : sequence of str
        The scores, from top to bottom.
    """
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

    shown, strata = by_metric(measures), strata_of(measures)
    step = 0.8 / max(len(strata), 1)
    with styled():
        height = (0.2 + 0.16 * len(strata)) * len(order) + 1.2
        figure = Figure(figsize=(WIDTH, height), layout="constrained")
        panels = figure.subplots(1, len(shown), sharey=True, squeeze=False)[0]
        for axes, (metric, group) in zip(panels, shown.items(), strict=True):
            for one in group:
                number = order.index(one.score)
                y = number + step * (strata.index(one.stratum) - (len(strata) - 1) / 2)
                _estimate(axes, one, y, colour(number))
            axes.set_title(textwrap.fill(METRICS[metric], 17))
            axes.grid(axis="x", color="0.9", linewidth=0.6)
            axes.set_axisbelow(True)
            axes.tick_params(axis="y", length=0)
            axes.locator_params(axis="x", nbins=4)
        panels[0].set_yticks(range(len(order)), [without_middle(name, 34) for name in order])
        panels[0].set_ylim(len(order) - 0.4, -0.6)
        keys = [
            Line2D([], [], color="0.3", marker=_MARKERS[one], markersize=4.5, label=STRATA[one])
            for one in strata
        ]
        keys.append(Line2D([], [], color="0.45", marker="|", markersize=7, linestyle="", label="chance"))
        figure.legend(handles=keys, loc="outside lower center", ncols=len(keys), frameon=False)
    return figure


def _estimate(axes: Axes, one: Measure, y: float, colour: str) -> None:
    axes.plot([one.chance], [y], "|", color="0.45", markersize=7, markeredgewidth=1)
    axes.plot([one.low, one.high], [y, y], color=colour, linewidth=1.5, solid_capstyle="butt")
    marker = _MARKERS[one.stratum]
    axes.plot([one.value], [y], marker, color=colour, markersize=4.5, markeredgewidth=0)


def precision_recall(
    curves: Mapping[tuple[str, str], Curve], measures: Sequence[Measure], order: Sequence[str]
) -> Figure:
    """Precision over recall; a panel for each stratum.

    Parameters
    ----------
    curves : mapping of (str, str) to Curve
        By stratum and score.
    measures : sequence of Measure
        Of the same rows: for the areas in the key, and the fraction of positives.
    order : sequence of str
        The scores that are shown, at most as many as :data:`COLOURS`.
    """

    def draw(axes: Axes, curve: Curve, style: dict[str, Any]) -> None:
        recall, precision = curve.points()
        axes.step(np.append(0, recall), np.append(precision[0], precision), where="pre", **style)

    def chance(axes: Axes, fraction: float) -> None:
        axes.axhline(fraction, color="0.45", linestyle=":", linewidth=1)

    return _curves(curves, measures, order, "auprc", ("recall", "precision"), draw, chance)


def roc(curves: Mapping[tuple[str, str], Curve], measures: Sequence[Measure], order: Sequence[str]) -> Figure:
    """Recall over the false positive rate; as :func:`precision_recall`."""

    def draw(axes: Axes, curve: Curve, style: dict[str, Any]) -> None:
        axes.plot(*curve.roc(), **style)

    def chance(axes: Axes, _: float) -> None:
        axes.plot([0, 1], [0, 1], color="0.45", linestyle=":", linewidth=1)

    return _curves(curves, measures, order, "auroc", ("false positive rate", "recall"), draw, chance)


def _curves(
    curves: Mapping[tuple[str, str], Curve],
    measures: Sequence[Measure],
    order: Sequence[str],
    metric: str,
    labels: tuple[str, str],
    draw: Callable[[Axes, Curve, dict[str, Any]], None],
    chance: Callable[[Axes, float], None],
) -> Figure:
    from matplotlib.figure import Figure

    areas = {(one.stratum, one.score): one for one in by_metric(measures)[metric]}
    strata = strata_of(measures)
    alone = len(strata) == 1
    with styled():
        height = 3.6 if alone else 3.0 + 0.17 * len(order)
        figure = Figure(figsize=(WIDTH, height), layout="constrained")
        panels = figure.subplots(1, len(strata), sharey=True, squeeze=False)[0]
        for axes, stratum in zip(panels, strata, strict=True):
            for number, name in enumerate(order):
                label = f"{areas[stratum, name].value:.3f}  {without_middle(name, 40 if alone else 24)}"
                style: dict[str, Any] = {
                    "color": colour(number),
                    "linestyle": _DASHES[number],
                    "label": label,
                }
                draw(axes, curves[stratum, name], style)
            first = areas[stratum, order[0]]
            chance(axes, first.positives / first.variants)
            axes.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.02), xlabel=labels[0], title=STRATA[stratum])
            axes.set_xticks([0, 0.2, 0.4, 0.6, 0.8, 1], ["0", "0.2", "0.4", "0.6", "0.8", "1"])
            axes.grid(color="0.92", linewidth=0.6)
            axes.set_axisbelow(True)
            axes.legend(
                loc="upper left", bbox_to_anchor=(1.02, 1) if alone else (-0.03, -0.2), frameon=False,
                title=METRICS[metric], alignment="left", borderaxespad=0, handlelength=1.6,
            )  # fmt: skip
        panels[0].set_ylabel(labels[1])
    return figure


def colour(number: int) -> str:
    """The colour of the score at an index of the order, the same in every figure."""
    return COLOURS[number] if number < len(COLOURS) else GREY
