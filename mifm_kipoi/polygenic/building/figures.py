"""Figures of built scores: sizes of signals, and how often methods pick the same variant."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from mifm_kipoi.reports.drawing import COLOURS, WIDTH, png, shortened, styled, svg
from mifm_kipoi.reports.page import Image

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_BINS = (1, 2, 3, 6, 11, 21, 51, 101)
"""Least members of a signal in each bar."""


def image(figure: Figure) -> Image:
    """A figure as PNG and SVG."""
    return Image(png(figure), svg(figure))


def same_pick(first: Mapping[str, npt.NDArray[np.int64]]) -> tuple[list[str], npt.NDArray[np.float64]]:
    """The fraction of signals in which two methods pick the same variant first.

    Parameters
    ----------
    first : mapping of str to numpy.ndarray of int64, shape (signals,)
        By method, the row that comes first; -1 where there is none.

    Returns
    -------
    names : list of str
    fractions : numpy.ndarray of float64, shape (methods, methods)
        Of signals in which both pick one; NaN where there are none.
    """
    names = list(first)
    fractions = np.full((len(names), len(names)), np.nan)
    for row, one in enumerate(names):
        for column, other in enumerate(names):
            both = (first[one] >= 0) & (first[other] >= 0)
            if both.any():
                fractions[row, column] = float((first[one] == first[other])[both].mean())
    return names, fractions


def agreement_figure(first: Mapping[str, npt.NDArray[np.int64]]) -> Figure:
    """How often two methods pick the same variant first, in percent of signals.

    Parameters
    ----------
    first : mapping of str to numpy.ndarray of int64, shape (signals,)
        See :func:`same_pick`.
    """
    from matplotlib.figure import Figure

    names, fractions = same_pick(first)
    number = len(names)
    size = min(max(0.42 * number + 1.4, 3.2), WIDTH)
    with styled():
        figure = Figure(figsize=(size + 0.8, size), layout="constrained")
        axes = figure.subplots()
        shown = axes.imshow(100 * fractions, cmap="Blues", vmin=0, vmax=100)
        labels = [shortened(name, 18) for name in names]
        axes.set_xticks(range(number), labels, rotation=90 if number > 6 else 0)
        axes.set_yticks(range(number), labels)
        axes.tick_params(length=0)
        for row, column in np.ndindex(number, number):
            value = 100 * fractions[row, column]
            if np.isfinite(value) and number <= 20:
                axes.text(
                    column, row, f"{value:.0f}", ha="center", va="center", fontsize=6.5,
                    color="white" if value > 60 else "black",
                )  # fmt: skip
        figure.colorbar(shown, ax=axes, shrink=0.8, label="same first variant (% of signals)")
    return figure


def sizes_figure(members: npt.NDArray[np.int64]) -> Figure:
    """How many members signals have.

    Parameters
    ----------
    members : numpy.ndarray of int64, shape (signals,)
        Of each signal.
    """
    from matplotlib.figure import Figure

    edges = [*_BINS, np.iinfo(np.int64).max]
    counts = [int(((members >= low) & (members < high)).sum()) for low, high in itertools.pairwise(edges)]
    last = max((place for place, count in enumerate(counts) if count), default=0)
    labels = [
        str(low)
        if high == low + 1
        else f"{low} or more"
        if place == len(_BINS) - 1
        else f"{low} to {high - 1}"
        for place, (low, high) in enumerate(itertools.pairwise(edges))
    ]
    with styled():
        figure = Figure(figsize=(WIDTH * 0.7, 2.4), layout="constrained")
        axes = figure.subplots()
        bars = axes.bar(range(last + 1), counts[: last + 1], color=COLOURS[0], width=0.75)
        axes.bar_label(bars, fmt="{:,.0f}", fontsize=7)
        axes.set_xticks(range(last + 1), labels[: last + 1])
        axes.set_xlabel("members")
        axes.set_ylabel("signals")
    return figure
