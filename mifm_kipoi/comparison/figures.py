"""Figures of a comparison: all pairs of models, ranks, correlations."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from mifm_kipoi.comparison.records import Comparison, Numbers
from mifm_kipoi.reports.drawing import SLATE, WIDTH, short_count, styled, wrapped
from mifm_kipoi.reports.page import signed
from mifm_kipoi.reports.scale import Scale

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colors import Colormap
    from matplotlib.figure import Figure

MOST_MODELS = 10
"""Models that a scatter matrix has room for."""

_BINS = 40
"""Bins of a cell of the scatter matrix, along either side."""

_MARGIN = 0.06
"""Fraction of a cell that is left free at either side."""

_MOST_RANK_BINS = 30
_VARIANTS_PER_BIN = 40
"""Mean number of variants in a bin of two unrelated scores: with fewer, chance would colour it."""

_MOST_OCTAVES = 3

_LEAST_CELL, _MOST_CELL = 0.54, 1.0
"""Inches of a cell of the matrix of correlations: its interval must be readable."""

_CORRELATIONS = "RdBu_r"

Pairs = Mapping[tuple[str, str], pd.Series]
"""Rows of the table of correlations by their two columns."""


def by_pair(correlations: pd.DataFrame) -> Pairs:
    """The rows of the table of correlations, by both orders of their columns."""
    rows = {(row["model_a"], row["model_b"]): row for _, row in correlations.iterrows()}
    return {**rows, **{(b, a): row for (a, b), row in rows.items()}}


def scatter_matrix(comparison: Comparison, correlations: pd.DataFrame) -> Figure:
    """All pairs of the scores that stand for the models.

    Densities below the diagonal, histograms on it, Spearman correlations above.

    Parameters
    ----------
    comparison : Comparison
        Of more than :data:`MOST_MODELS` models the first are shown.
    correlations : pandas.DataFrame
        :func:`mifm_kipoi.comparison.agreement.correlations`.
    """
    from matplotlib.colors import LogNorm
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    names = comparison.primary_scores[:MOST_MODELS]
    labels = [model.label for model in comparison.models[:MOST_MODELS]]
    scales = [Scale.of(_values(comparison, name)) for name in names]
    positions = [
        _inside(scale.positions(_values(comparison, name))) for scale, name in zip(scales, names, strict=True)
    ]
    densities = {
        (row, column): _density(positions[column], positions[row])
        for row, column in itertools.combinations(reversed(range(len(names))), 2)
    }
    most = max((density.max() for density in densities.values()), default=1.0)
    pairs = by_pair(correlations)
    with styled():
        # Square cells make the layout inexact by a few pixels, which the margins absorb.
        figure = Figure(figsize=(WIDTH, WIDTH), layout=ConstrainedLayoutEngine(w_pad=0.1, h_pad=0.1))
        axes = figure.subplots()
        norm = LogNorm(1, max(most, 10))
        image = None
        for (row, column), density in densities.items():
            image = axes.imshow(
                np.ma.masked_less(density, 1), cmap=_density_colours(), norm=norm, origin="lower",
                extent=(column, column + 1, row + 1, row), interpolation="nearest", zorder=1,
            )  # fmt: skip
            _spearman_cell(axes, column, row, pairs[names[row], names[column]], len(names))
        for index, values in enumerate(positions):
            _histogram_cell(axes, index, values)
        _frame(axes, len(names))
        _name_cells(axes, labels, scales)
        if image is not None:
            bar = figure.colorbar(
                image, ax=axes, location="bottom", shrink=0.35, aspect=28, pad=0.01, format="{x:,.0f}"
            )
            bar.set_label("variants per bin (log scale)")
            bar.outline.set_visible(False)
    return figure


def _values(comparison: Comparison, name: str) -> Numbers:
    return comparison.table[name].to_numpy(dtype=np.float64)


def _density_colours() -> Colormap:
    import matplotlib
    from matplotlib.colors import ListedColormap

    return ListedColormap(matplotlib.colormaps["Blues"](np.linspace(0.3, 1, 256)))


def _inside(positions: Numbers) -> Numbers:
    """Positions in a cell with margins."""
    return (positions + _MARGIN) / (1 + 2 * _MARGIN)


def _density(x: Numbers, y: Numbers) -> Numbers:
    """Counts of the variants with both scores; rows are y."""
    both = np.isfinite(x) & np.isfinite(y)
    return np.histogram2d(y[both], x[both], bins=_BINS, range=((0, 1), (0, 1)))[0]


def _spearman_cell(axes: Axes, row: int, column: int, pair: pd.Series, count: int) -> None:
    from matplotlib.patches import Rectangle

    value = pair["spearman"]
    colour, ink = _correlation_colours(value)
    axes.add_patch(Rectangle((column, row), 1, 1, facecolor=colour, linewidth=0))
    size = min(13.0, 78 / count)
    axes.text(column + 0.5, row + 0.46, signed(value), ha="center", va="center", fontsize=size, color=ink)
    axes.text(
        column + 0.5, row + 0.82, f"n {short_count(pair['n'])}", ha="center", va="center",
        fontsize=max(5.0, 0.6 * size), color=ink,
    )  # fmt: skip


def _correlation_colours(value: float) -> tuple[object, str]:
    """The colours of a cell and of the text on it."""
    import matplotlib

    if not math.isfinite(value):
        return "0.93", "0.35"
    return matplotlib.colormaps[_CORRELATIONS](0.5 + value / 2), "white" if abs(value) > 0.65 else "0.1"


def _histogram_cell(axes: Axes, index: int, values: Numbers) -> None:
    counts, edges = np.histogram(values[np.isfinite(values)], bins=_BINS, range=(0, 1))
    tops = index + 1 - 0.9 * counts / max(counts.max(), 1)
    axes.stairs(tops, index + edges, baseline=index + 1, fill=True, color=SLATE, linewidth=0)


def _frame(axes: Axes, count: int) -> None:
    lines = range(count + 1)
    axes.hlines(lines, 0, count, color="0.75", linewidth=0.6, zorder=3, clip_on=False)
    axes.vlines(lines, 0, count, color="0.75", linewidth=0.6, zorder=3, clip_on=False)
    axes.set(xlim=(0, count), ylim=(count, 0), aspect="equal")
    axes.spines[:].set_visible(False)


def _name_cells(axes: Axes, labels: Sequence[str], scales: Sequence[Scale]) -> None:
    """Models above and on the right, values of their scores below and on the left."""
    count = len(labels)
    size = 8.5 if count <= 7 else 7.5
    for index, (label, scale) in enumerate(zip(labels, scales, strict=True)):
        kind = "\n(log)" if scale.logarithmic else ""
        axes.text(
            index + 0.5, -0.05, wrapped(label, max(9, 76 // count)) + kind, ha="center", va="bottom",
            fontsize=size, fontweight="bold",
        )  # fmt: skip
        # At a distance in points: the layout shrinks the cells, and would shrink one in cells with them.
        axes.annotate(
            wrapped(label, 14) + kind, (1, 1 - (index + 0.5) / count), (6, 0), xycoords="axes fraction",
            textcoords="offset points", va="center", fontsize=size, fontweight="bold",
        )  # fmt: skip
    x, y = [], []
    for index, scale in enumerate(scales):
        for value in scale.ticks(3 if count <= 7 else 2):
            at = float(_inside(scale.positions(np.array(value))))
            text = scale.tick(value)
            x.append((index + at, text))
            if index:
                y.append((index + 1 - at, text))
    axes.set_xticks([at for at, _ in x], [text for _, text in x], rotation=90, fontsize=6.5)
    axes.set_yticks([at for at, _ in y], [text for _, text in y], fontsize=6.5)
    axes.tick_params(length=2.5, pad=2)


def rank_densities(comparison: Comparison) -> Figure:
    """Ranks by the first model and by each other one: density of variants, relative to unrelated ranks."""
    from matplotlib.figure import Figure

    first, *others = comparison.primary_scores
    labels = [model.label for model in comparison.models]
    columns = min(max(len(others), 3), 4)
    lines = math.ceil(len(others) / columns)
    side = (WIDTH - 1.4) / columns
    with styled():
        figure = Figure(figsize=(WIDTH, (side + 0.4) * lines + 0.3), layout="constrained")
        grid = figure.subplots(lines, columns, squeeze=False, sharex=True, sharey=True)
        for axes in grid.flat[len(others) :]:
            axes.set_axis_off()
        image = None
        for axes, label, other in zip(grid.flat, labels[1:], others, strict=False):
            ratio, count = _rank_ratio(_values(comparison, first), _values(comparison, other))
            axes.set_title(f"{wrapped(label, 24)}\nn {short_count(count)}", fontsize=8)
            with np.errstate(divide="ignore"):
                octaves = np.clip(np.log2(ratio), -_MOST_OCTAVES, _MOST_OCTAVES)
            image = axes.imshow(
                octaves, cmap=_CORRELATIONS, vmin=-_MOST_OCTAVES, vmax=_MOST_OCTAVES, origin="lower",
                extent=(0, 1, 0, 1), interpolation="nearest",
            )  # fmt: skip
            axes.set(xticks=[], yticks=[])
        figure.supxlabel(f"rank by {labels[0]}: last to first", fontsize=8.5)
        figure.supylabel("rank by the model above: last to first", fontsize=8.5)
        assert image is not None
        shown = list(range(-_MOST_OCTAVES, _MOST_OCTAVES + 1))
        bar = figure.colorbar(image, ax=grid, location="right", shrink=0.9, aspect=25, ticks=shown)
        bar.ax.set_yticklabels([f"{2**octave}" if octave >= 0 else f"1/{2**-octave}" for octave in shown])
        bar.set_label("variants / expected if unrelated")
        bar.outline.set_visible(False)
    return figure


def _rank_ratio(x: Numbers, y: Numbers) -> tuple[Numbers, int]:
    """Variants in bins of both ranks, over those expected of unrelated scores; rows are y.

    Ties have a random order, so that they colour nothing by themselves.
    """
    both = ~(np.isnan(x) | np.isnan(y))
    count = int(both.sum())
    bins = int(np.clip(math.sqrt(count / _VARIANTS_PER_BIN), 2, _MOST_RANK_BINS))
    generator = np.random.default_rng(0)
    rank_y, rank_x = (_ranks_without_ties(values[both], generator) for values in (y, x))
    counts = np.histogram2d(rank_y, rank_x, bins=bins, range=((0, 1), (0, 1)))[0]
    expected = np.outer(counts.sum(axis=1), counts.sum(axis=0)) / max(count, 1)
    return np.divide(counts, expected, out=np.ones_like(counts), where=expected > 0), count


def _ranks_without_ties(values: Numbers, generator: np.random.Generator) -> Numbers:
    """Ranks as fractions, from 0 for the lowest to 1 for the highest; ties in random order."""
    ranks = np.empty(len(values))
    ranks[np.lexsort((generator.random(len(values)), values))] = (np.arange(len(values)) + 0.5) / len(values)
    return ranks


def correlation_matrix(comparison: Comparison, correlations: pd.DataFrame) -> Figure:
    """All scores that rank: Spearman correlations below the diagonal, Pearson above, with intervals.

    Parameters
    ----------
    comparison : Comparison
        The compared scores.
    correlations : pandas.DataFrame
        :func:`mifm_kipoi.comparison.agreement.correlations`.
    """
    from matplotlib.figure import Figure
    from matplotlib.patches import Rectangle

    names = comparison.ranking
    count = len(names)
    pairs = by_pair(correlations)
    longest = max(len(name) for name in names)
    margin = 0.5 + 0.062 * min(longest, 30)
    cell = min(max((WIDTH - margin) / count, _LEAST_CELL), _MOST_CELL)
    with styled():
        figure = Figure(
            figsize=(max(WIDTH, margin + cell * count), 0.75 * cell * count + 0.72 * margin),
            layout="constrained",
        )
        axes = figure.subplots()
        for row, column in itertools.permutations(range(count), 2):
            kind = "spearman" if row > column else "pearson"
            pair = pairs[names[row], names[column]]
            colour, ink = _correlation_colours(pair[kind])
            axes.add_patch(Rectangle((column, row), 1, 1, facecolor=colour, edgecolor="white", linewidth=0.8))
            _correlation_text(axes, column, row, [pair[kind + end] for end in ("", "_low", "_high")], ink)
        axes.set(xlim=(0, count), ylim=(count, 0))
        centres = np.arange(count) + 0.5
        axes.set_xticks(centres, names, rotation=45, ha="right", rotation_mode="anchor", fontsize=7.5)
        axes.set_yticks(centres, names, fontsize=7.5)
        axes.tick_params(length=0)
        axes.spines[:].set_visible(False)
        axes.set_title("below the diagonal: Spearman; above: Pearson", loc="right", fontsize=8)
    return figure


def _correlation_text(axes: Axes, column: int, row: int, values: Sequence[float], ink: str) -> None:
    value, low, high = values
    known = math.isfinite(low) and math.isfinite(high)
    axes.text(
        column + 0.5,
        row + (0.36 if known else 0.5),
        signed(value),
        ha="center",
        va="center",
        fontsize=7.5,
        color=ink,
    )
    if known:
        axes.text(
            column + 0.5, row + 0.73, f"{signed(low)}, {signed(high)}", ha="center", va="center",
            fontsize=5.2, color=ink,
        )  # fmt: skip
