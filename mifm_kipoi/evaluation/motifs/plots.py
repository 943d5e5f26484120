"""Figures of patterns: what the network reads, which bases are there, and the motif that resembles it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from mifm_kipoi.evaluation.motifs.findings import MAX_Q, Counts
from mifm_kipoi.evaluation.motifs.known import Motif
from mifm_kipoi.evaluation.motifs.patterns import SIGNS, Pattern, Values, bits
from mifm_kipoi.reports.drawing import COLOURS, GREY, SLATE, WIDTH, shortened, styled
from mifm_kipoi.reports.logos import draw_stacks

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST = 12
"""Patterns of a figure."""

_FLANK = 4
"""Positions of a pattern that are drawn on either side of its span."""

_ROW = 0.82
"""Inches of a pattern."""


def logos(patterns: Sequence[Pattern], table: pd.DataFrame, motifs: Mapping[str, Motif]) -> Figure:
    """A row a pattern: contributions, information, and the best motif at its offset.

    Parameters
    ----------
    patterns : sequence of Pattern
        Of one sign.
    table : pandas.DataFrame
        Of patterns (:func:`mifm_kipoi.evaluation.motifs.findings.pattern_table`).
    motifs : mapping of str to Motif
        By name.
    """
    from matplotlib.figure import Figure

    rows = table.set_index("pattern")
    with styled():
        figure = Figure(figsize=(WIDTH, _ROW * len(patterns) + 0.45), layout="constrained")
        panels = figure.subplots(len(patterns), 3, squeeze=False, sharex="row")
        for number, (pattern, axes) in enumerate(zip(patterns, panels, strict=True)):
            row = rows.loc[pattern.name]
            first, last = _shown(pattern)
            heights = pattern.contributions[first:last]
            draw_stacks(axes[0], heights, first)
            axes[0].set_ylim(*_limits(heights))
            axes[0].set_ylabel(
                f"{pattern.name}\n{len(pattern.seqlets):,} seqlets\n{row['sites']:,} sites",
                rotation=0, ha="right", va="center",
            )  # fmt: skip
            draw_stacks(axes[1], _information(pattern.frequencies[first:last]), first)
            axes[1].set_ylim(0, 2)
            for panel in axes[:2]:
                _mark_span(panel, pattern)
            _draw_motif(axes[2], pattern, row, motifs)
            for column, panel in enumerate(axes):
                panel.set_xlim(first - 0.5, last - 0.5)
                panel.set_xticks([])
                panel.tick_params(axis="y", length=2)
                panel.locator_params(axis="y", nbins=3)
                if number == 0:
                    panel.set_title(
                        ("contribution (logits)", "information (bits)", "best motif (bits)")[column]
                    )
        return figure


def _shown(pattern: Pattern) -> tuple[int, int]:
    start, end = pattern.span
    return max(start - _FLANK, 0), min(end + _FLANK, len(pattern.frequencies))


def _limits(heights: Values) -> tuple[float, float]:
    low = float(np.minimum(heights, 0).sum(axis=1).min())
    high = float(np.maximum(heights, 0).sum(axis=1).max())
    room = 0.06 * (high - low) or 1.0
    return low - (room if low < 0 else 0), high + (room if high > 0 else 0)


def _information(frequencies: Values) -> Values:
    return frequencies * bits(frequencies)[:, None]


def _mark_span(axes: Axes, pattern: Pattern) -> None:
    """The part that is compared with motifs stands on a band."""
    start, end = pattern.span
    axes.axvspan(start - 0.5, end - 0.5, color="0.95", zorder=0, linewidth=0)
    axes.axhline(0, color="black", linewidth=0.5)


def _draw_motif(axes: Axes, pattern: Pattern, row: Any, motifs: Mapping[str, Motif]) -> None:
    axes.set_ylim(0, 2)
    if row["motif"] is None or pd.isna(row["motif"]):
        axes.axis("off")
        axes.text(
            0.5, 0.5, "flat: not compared", transform=axes.transAxes, ha="center", va="center", color=GREY
        )
        return
    matrix = motifs[row["motif"]].matrix
    if row["strand"] == "-":
        matrix = matrix[::-1, ::-1]
    start = pattern.span[0] + int(row["offset"])
    first, last = _shown(pattern)
    # What lies beside the pattern is not drawn: it would make the letters of the row smaller.
    low, high = max(start, first), min(start + len(matrix), last)
    if low < high:
        matched = row["q_value"] < MAX_Q
        draw_stacks(
            axes, _information(matrix[low - start : high - start]), low, alpha=1.0 if matched else 0.35
        )
    axes.axhline(0, color="black", linewidth=0.5)
    label = f"{shortened(str(row['factor']), 18)}  q = {row['q_value']:.2g}"
    axes.text(
        0.0, 0.98, label, transform=axes.transAxes, ha="left", va="top", fontsize=7.5,
        bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.8, "alpha": 0.8},
    )  # fmt: skip


def beside_null(counts: Mapping[str, Sequence[Counts]]) -> Figure:
    """Patterns of networks side by side, and how many of them resemble a motif.

    Parameters
    ----------
    counts : mapping of str to sequence of Counts
        By the name of a network, that which is evaluated first.
    """
    from matplotlib.figure import Figure
    from matplotlib.patches import Patch

    names = list(counts)
    with styled():
        figure = Figure(figsize=(WIDTH, 0.32 * len(names) * len(SIGNS) + 1.0), layout="constrained")
        axes = figure.subplots()
        labels, y = [], 0.0
        for number, sign in enumerate(SIGNS):
            for name in names:
                one = counts[name][number]
                axes.barh(y, one.patterns, color=SLATE if name == names[0] else "0.85", height=0.7)
                axes.barh(y, one.matched, color=COLOURS[0] if name == names[0] else GREY, height=0.7)
                axes.text(
                    one.patterns, y, f"  {one.matched} of {one.patterns} match", va="center", fontsize=8
                )
                labels.append((y, f"{sign}, {name}"))
                y += 1
            y += 0.5
        axes.set_yticks([at for at, _ in labels], [shortened(label, 44) for _, label in labels])
        axes.invert_yaxis()
        axes.tick_params(axis="y", length=0)
        axes.set_xlabel("patterns")
        axes.margins(x=0.2)
        figure.legend(
            handles=[Patch(color=COLOURS[0], label="resemble a motif"), Patch(color=SLATE, label="others")],
            frameon=False, loc="outside upper right", ncols=2,
        )  # fmt: skip
        return figure
