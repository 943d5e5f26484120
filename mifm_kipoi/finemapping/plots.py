"""Figures of fine-mapping: a locus, and what the prior changes over all of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from mifm_kipoi.finemapping.records import FLAT, SCORE
from mifm_kipoi.genomics.genes import Genes
from mifm_kipoi.genomics.loci import Locus
from mifm_kipoi.reports.drawing import COLOURS, SLATE, WIDTH, short_count, styled
from mifm_kipoi.reports.regional import SIGNIFICANT, Mark, Panel, Span, Spans, regional_view

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

PRIOR_RATIO = "prior_ratio"
"""Column that is made for figures: the prior over that of a flat one."""

_R2_CLASSES = (
    ("r\N{SUPERSCRIPT TWO} 0.8 to 1", 0.8, "#5B1A8B"),
    ("0.6 to 0.8", 0.6, "#B4367A"),
    ("0.4 to 0.6", 0.4, "#F2765A"),
    ("0.2 to 0.4", 0.2, "#FDB97D"),
    ("0 to 0.2", 0.0, "#AEB9C2"),
)
_OTHER = "#AEB9C2"
_MOST_SETS = 6
"""Sets of a locus that have a colour of their own."""

_SIZES = ((1, "1"), (2, "2-5"), (6, "6-10"), (11, "11-25"), (26, "26-50"), (51, "> 50"))
"""Smallest size of a bin of credible sets, and its name."""

_THRESHOLDS = (0.5, 0.9, 0.95)
"""PIPs above which variants are counted."""

_PRIOR = Panel("prior / flat prior", ((PRIOR_RATIO, PRIOR_RATIO),), lines=((1.0, "flat"),))

_FLANK, _LEAST_FLANK = 0.03, 500
_PANEL_INCHES = 1.0


def region_of(variants: pd.DataFrame) -> Locus:
    """What a figure shows: from the first to the last variant of a locus, and a little more.

    Parameters
    ----------
    variants : pandas.DataFrame
        Rows of ``variants.tsv.gz``, one or more.
    """
    first, last = int(variants["pos"].min()), int(variants["pos"].max())
    flank = max(_LEAST_FLANK, round(_FLANK * (last - first)))
    return str(variants["chrom"].iloc[0]), max(1, first - flank), last + flank


def locus_figure(
    variants: pd.DataFrame, with_prior: bool, genes: Genes | None = None, most_marks: int = 6
) -> Figure:
    """A locus: p-values by their r2 to the lead variant, prior, PIPs without and with it, and genes.

    Parameters
    ----------
    variants : pandas.DataFrame
        Rows of ``variants.tsv.gz`` of one locus.
    with_prior : bool
        Whether there is a prior other than the flat one, which then has panels.
    genes : Genes, optional
        For the lowest panel.
    most_marks : int
        Variants that get a letter, at most.
    """
    rows = variants.sort_values("pos", kind="stable").reset_index(drop=True)
    rows = rows.assign(**{PRIOR_RATIO: rows["prior"] * len(rows)})
    rows, association = _by_r2(rows)
    panels = [association]
    if with_prior:
        rows, flat = _by_set(rows, "pip_flat", "set_flat", "PIP, flat prior")
        rows, informed = _by_set(rows, "pip", "set", "PIP, prior by scores")
        panels += [flat, _PRIOR, informed]
    else:
        rows, flat = _by_set(rows, "pip", "set", "PIP")
        panels.append(flat)
        if rows["score"].notna().any():
            panels.append(Panel("score", (("score", "score"),)))
    region = region_of(rows)
    spans = None if genes is None else gene_spans(genes, region)
    return regional_view(
        rows, region, panels, marks_of(rows, with_prior, most_marks), panel_inches=_PANEL_INCHES, spans=spans
    )


def marks_of(rows: pd.DataFrame, with_prior: bool, most: int) -> list[Mark]:
    """The variants that stand out: by p, by PIP, and the first of each set.

    Parameters
    ----------
    rows : pandas.DataFrame
        Rows of ``variants.tsv.gz`` of one locus, by position.
    with_prior : bool
        Whether there is a prior other than the flat one.
    most : int
        How many variants at most, those of most interest.
    """
    reasons: dict[int, list[str]] = {}

    def note(column: str, reason: str, of: pd.DataFrame = rows) -> None:
        values = of[column].fillna(0).to_numpy(np.float64)
        if values.max(initial=0) > 0:
            reasons.setdefault(int(of.index.to_numpy()[values.argmax()]), []).append(reason)

    note("pip", "highest PIP")
    if with_prior:
        note("pip_flat", "highest with the flat prior")
    note("neg_log10_p", "lowest p")
    for number in sorted(set(rows["set"]) - {0}):
        note("pip", f"highest of set {number}", rows[rows["set"] == number])
    chosen = sorted(list(reasons)[:most])
    return [Mark(row, tuple(reasons[row])) for row in chosen]


def gene_spans(genes: Genes, region: Locus) -> Spans:
    """The genes of a region, those that code for proteins first, then the longest.

    Parameters
    ----------
    genes : Genes
        Of the genome.
    region : Locus
        1-based, both ends inside.
    """
    chrom, start, end = region
    found = sorted(
        genes.of_region(chrom, start, end), key=lambda gene: (not gene.coding, gene.start - gene.end)
    )
    spans = [
        Span(g.name, g.start, g.end, g.strand, g.exons or ((g.start, g.end),), not g.coding) for g in found
    ]
    return Spans("genes", tuple(spans))


def _by_r2(rows: pd.DataFrame) -> tuple[pd.DataFrame, Panel]:
    """The panel of p-values, in a colour for each class of r2, and the columns that it needs."""
    title, lines = "\N{MINUS SIGN}log10 p", ((SIGNIFICANT, ""),)
    if rows["r2"].isna().all():
        return rows, Panel(title, (("p", "neg_log10_p"),), from_zero=True, lines=lines)
    r2 = rows["r2"].to_numpy(np.float64)
    classes: list[tuple[str, npt.NDArray[np.bool_], str]] = []
    top = np.inf
    for name, low, colour in _R2_CLASSES:
        classes.append((name, (r2 >= low) & (r2 < top), colour))
        top = low
    classes.append(("no r\N{SUPERSCRIPT TWO}", np.isnan(r2), "#E3E7EA"))
    return _classed(rows, "neg_log10_p", classes, title, lines)


def _by_set(rows: pd.DataFrame, pip: str, sets: str, title: str) -> tuple[pd.DataFrame, Panel]:
    """A panel of PIPs, in a colour for each credible set, and the columns that it needs."""
    number = rows[sets].to_numpy(np.int64)
    first = sorted(set(number.tolist()) - {0})[:_MOST_SETS]
    colours = [colour for colour in COLOURS if colour != "#000000"]
    classes = [
        (f"set {one}", number == one, colours[place % len(colours)]) for place, one in enumerate(first)
    ]
    classes.append(("other sets", ~np.isin(number, [0, *first]), "#000000"))
    classes.append(("in no set", number == 0, _OTHER))
    # PIPs are probabilities, so panels of different priors have one axis.
    rows, panel = _classed(rows, pip, classes, title, ())
    return rows, Panel(panel.title, panel.series, True, panel.lines, 1.0, panel.colours)


def _classed(
    rows: pd.DataFrame,
    column: str,
    classes: Iterable[tuple[str, npt.NDArray[np.bool_], str]],
    title: str,
    lines: tuple[tuple[float, str], ...],
) -> tuple[pd.DataFrame, Panel]:
    made: dict[str, Any] = {}
    series, colours = [], []
    for number, (name, chosen, colour) in enumerate(classes):
        if chosen.any():
            made[f"{column}:{number}"] = rows[column].where(chosen)
            series.append((name, f"{column}:{number}"))
            colours.append(colour)
    return rows.assign(**made), Panel(
        title, tuple(series), from_zero=True, lines=lines, colours=tuple(colours)
    )


def summary_figure(
    pips: npt.NDArray[np.float64], sizes: Mapping[str, npt.NDArray[np.int64]], with_prior: bool
) -> Figure:
    """What the prior changes over all loci: PIPs, sizes of credible sets, and variants above some PIPs.

    Parameters
    ----------
    pips : numpy.ndarray of float64, shape (n, 2)
        PIPs of variants with the flat prior and with that by scores; those near 0 may be left out.
    sizes : mapping of str to numpy.ndarray of int64
        Sizes of the credible sets of each prior, by :data:`mifm_kipoi.finemapping.records.FLAT` and
        :data:`mifm_kipoi.finemapping.records.SCORE`.
    with_prior : bool
        Whether there is a prior other than the flat one; without, only that is drawn.
    """
    from matplotlib.figure import Figure

    priors = [("flat prior", FLAT, SLATE, 0)]
    if with_prior:
        priors.append(("prior by scores", SCORE, COLOURS[0], 1))
    with styled():
        figure = Figure(figsize=(WIDTH, 2.7), layout="constrained")
        *scatter, middle, right = figure.subplots(1, 3 if with_prior else 2)
        for axes in scatter:
            axes.plot([0, 1], [0, 1], color="0.7", linewidth=0.8, zorder=0)
            axes.scatter(pips[:, 0], pips[:, 1], s=7, color=COLOURS[0], alpha=0.5, linewidths=0)
            axes.set_xlabel("PIP, flat prior")
            axes.set_ylabel("PIP, prior by scores")
            axes.set_title("variants")
        edges = np.array([low for low, _ in _SIZES])
        in_bins = {
            kind: np.bincount(np.searchsorted(edges, sizes[kind], side="right") - 1, minlength=len(edges))
            for _, kind, _, _ in priors
        }
        _pairs(middle, [name for _, name in _SIZES], [(n, in_bins[k], c) for n, k, c, _ in priors])
        middle.set_xlabel("variants of a credible set")
        middle.set_title("credible sets")
        above = {
            kind: np.array([int((pips[:, column] > least).sum()) for least in _THRESHOLDS])
            for _, kind, _, column in priors
        }
        _pairs(right, [f"> {least:g}" for least in _THRESHOLDS], [(n, above[k], c) for n, k, c, _ in priors])
        right.set_xlabel("PIP")
        right.set_title("variants")
        if with_prior:
            handles, labels = right.get_legend_handles_labels()
            figure.legend(handles, labels, loc="outside lower center", ncols=2, frameon=False)
    return figure


def _pairs(axes: Axes, labels: Sequence[str], bars: Sequence[tuple[str, npt.NDArray[np.int64], str]]) -> None:
    """Counts side by side, with the number above each bar."""
    from matplotlib.ticker import MaxNLocator

    width = 0.8 / len(bars)
    highest = max(int(counts.max(initial=0)) for _, counts, _ in bars)
    for place, (name, counts, colour) in enumerate(bars):
        x = np.arange(len(labels)) + (place - (len(bars) - 1) / 2) * width
        axes.bar(x, counts, width * 0.92, color=colour, label=name)
        for at, value in zip(x, counts, strict=True):
            axes.annotate(
                short_count(int(value)), (at, value), (0, 1.5), textcoords="offset points", ha="center",
                va="bottom", fontsize=6,
            )  # fmt: skip
    axes.set_xticks(range(len(labels)), labels)
    axes.set_ylim(0, max(highest, 1) * 1.12)
    axes.yaxis.set_major_locator(MaxNLocator(5, integer=True))
