"""The sections of the report of a comparison."""

from __future__ import annotations

import math
from collections.abc import Iterator

import pandas as pd

from mifm_kipoi.comparison.comparison import Model
from mifm_kipoi.comparison.figures import MOST_MODELS, correlation_matrix, rank_densities, scatter_matrix
from mifm_kipoi.comparison.locus import Locus, locus_name
from mifm_kipoi.comparison.locus_figure import locus_view
from mifm_kipoi.comparison.resampling import MIN_BLOCKS
from mifm_kipoi.comparison.results import Results
from mifm_kipoi.comparison.summary import (
    NO_ACCURACY,
    STAR,
    correlation,
    duration,
    memory,
    overlap_cell,
    summary,
)
from mifm_kipoi.comparison.within_blocks import MIN_IN_BLOCK, MIN_RANKED_IN_BLOCK
from mifm_kipoi.reports import page
from mifm_kipoi.reports.drawing import png
from mifm_kipoi.reports.page import Picture, Section, Table


def sections(results: Results, locus: Locus) -> Iterator[Section]:
    """All sections, in their order; those of pairs are left out where there are none.

    Parameters
    ----------
    results : Results
    locus : Locus
        Of the regional view.

    Raises
    ------
    OptionError
        When no variant lies in the locus.
    """
    yield Section("Summary", tuple(summary(results)))
    yield Section("Coverage", (_coverage(results.coverage),))
    if len(results.correlations):
        yield _agreement(results)
    if len(results.comparison.models) > 1:
        yield _pictures_of_pairs(results)
        yield _overlap(results)
        yield _blocks(results)
    yield _locus(results, locus)
    yield Section("Time and memory", (_resources(results.resources),))
    yield Section("The models", tuple(_models(results)))
    yield Section("How to read this report", tuple(_how_to_read(results)))
    yield Section("How it was made", (page.settings_table(results.comparison.provenance),))


def _coverage(table: pd.DataFrame) -> Table:
    reasons = list(table.columns[4:])
    rows = tuple(
        (
            row["model"], f"{row['scored']:,}", page.percent(row["share"]),
            *(page.count(row[reason]) for reason in reasons),
        )
        for _, row in table.iterrows()
    )  # fmt: skip
    return Table(("model", "with a score", "%", *(reason.replace("_", " ") for reason in reasons)), rows)


def _pair(row: pd.Series) -> str:
    return f"{row['model_a']}, {row['model_b']}"


def _agreement(results: Results) -> Section:
    picture = Picture(
        "correlations",
        png(correlation_matrix(results.comparison, results.correlations)),
        "Correlations of all scores that rank variants, over the variants that both score: Spearman below "
        "the diagonal, Pearson above, each with its 95 % interval where there is one. Red is agreement, "
        "blue is opposite order.",
    )
    table = results.of_headlines(results.correlations)
    rows = tuple(
        (
            _pair(row), f"{row['n']:,}", f"{row['blocks']:,}", correlation(row, "pearson", 3),
            correlation(row, "spearman", 3) + (f", {row['note']}" if row["note"] else ""),
        )
        for _, row in table.iterrows()
    )  # fmt: skip
    shown = Table(("models", "variants", "blocks", "Pearson (95 %)", "Spearman (95 %)"), rows)
    return Section("Agreement", (picture, shown) if rows else (picture,))


def _pictures_of_pairs(results: Results) -> Section:
    comparison = results.comparison
    some = f" Of {len(comparison.models)} models the first {MOST_MODELS} are shown." * (
        len(comparison.models) > MOST_MODELS
    )
    first = comparison.models[0].label
    return Section(
        "All pairs of models",
        (
            Picture(
                "scatter_matrix",
                png(scatter_matrix(comparison, results.correlations)),
                "The score that stands for each model. Below the diagonal the density of variants, each "
                "model's score to the right or up; on it, histograms; above, Spearman correlations and "
                "the variants that have both scores. Skewed scores have a logarithmic axis (log), at "
                f"whose lower end stand zeros too.{some}",
            ),
            Picture(
                "ranks",
                png(rank_densities(comparison)),
                f"Ranks by {first} from left to right, by each other model upwards: variants in a bin, "
                "over those expected if the ranks were unrelated. Red in the upper right corner: both put "
                "the same variants first. Ties have a random order.",
            ),
        ),
    )


def _overlap(results: Results) -> Section:
    table = results.of_headlines(results.overlap)
    tops = list(dict.fromkeys(table["top"]))
    if not tops:
        return Section("The same variants on top", ("Too few variants have the scores of two models.",))
    rows = []
    for _, pair in table.groupby(["model_a", "model_b"], sort=False):
        cells = {row["top"]: overlap_cell(row) for _, row in pair.iterrows()}
        rows.append((_pair(pair.iloc[0]), f"{pair['n'].iloc[0]:,}", *(cells.get(top, "") for top in tops)))
    caption = (
        "How much of the top of one model is in the top of the other, in percent; in brackets what chance "
        f"gives. {STAR}"
    )
    return Section(
        "The same variants on top",
        (caption, Table(("models", "variants", *(f"top {top}" for top in tops)), tuple(rows))),
    )


def _blocks(results: Results) -> Section:
    table = results.of_headlines(results.blocks)
    title = "Agreement within blocks"
    if not (table["blocks"] > 0).any():
        return Section(title, (f"No block has {MIN_IN_BLOCK} variants with the scores of two models.",))
    rows = tuple(
        (
            _pair(row), f"{row['blocks']:,}", _share(row), page.digits(100 * row["chance"], 2),
            f"{row['spearman_blocks']:,}", _mean_spearman(row), page.count(row["constant_blocks"]),
        )
        for _, row in table[table["blocks"] > 0].iterrows()
    )  # fmt: skip
    caption = (
        f"Blocks are {results.comparison.blocks_are}. The same first: percent of the blocks with at least "
        f"{MIN_IN_BLOCK} variants in which both models rank the same variant first. Mean Spearman: over "
        f"blocks with at least {MIN_RANKED_IN_BLOCK} variants; those in which a score is constant are left "
        "out."
    )
    header = (
        "models", "blocks", "same first, % (95 %)", "chance, %", "ranked blocks", "mean Spearman (95 %)",
        "left out",
    )  # fmt: skip
    return Section(title, (caption, Table(header, rows)))


def _share(row: pd.Series) -> str:
    return page.with_interval(page.percent, row["same_best"], row["same_best_low"], row["same_best_high"])


def _mean_spearman(row: pd.Series) -> str:
    return correlation(row, "mean_spearman", 3) if math.isfinite(row["mean_spearman"]) else ""


def _locus(results: Results, locus: Locus) -> Section:
    first = results.comparison.models[0].label
    caption = (
        f"All scores of the variants of {locus_name(locus)} (1-based, both ends inside). Letters mark the "
        f"same variants in all panels: the three positions that {first} ranks top here, and where there "
        "are such scores the highest PIP and the lowest p-value; a grey letter: no score in that panel. "
        "The dashed line is p = 5e-8. (log): a logarithmic axis, at whose lower end stand zeros too; n: "
        "variants with a score."
    )
    return Section("A locus", (Picture("locus", png(locus_view(results.comparison, locus)), caption),))


def _resources(table: pd.DataFrame) -> Table:
    rows = tuple(
        (
            row["model"], f"{row['scored']:,}", duration(row["seconds"]),
            page.digits(row["variants_per_second"]) if math.isfinite(row["variants_per_second"]) else "",
            memory(row["peak_bytes"]) if math.isfinite(row["peak_bytes"]) else "", row["device"],
        )
        for _, row in table.iterrows()
    )  # fmt: skip
    return Table(("model", "scored", "time", "variants/s", "peak memory", "device"), rows)


def _models(results: Results) -> Iterator[str | Table]:
    yield "What each model says of itself, and what its scores depend on."
    rows: list[tuple[str, ...]] = []
    for model in results.comparison.models:
        rows.append((model.label,))
        rows += [(name, value) for name, value in _said(model) if value]
    yield Table(("of the model", "is"), tuple(rows), numbers=False)


def _said(model: Model) -> Iterator[tuple[str, str]]:
    """What a model declares, as names and values."""
    declaration = model.declaration
    yield "is", declaration.name
    yield "asked for as", model.spec
    headline = model.ranking[0]
    for score in declaration.scores:
        column = model.column(score.name)
        kind = ("stands for the model" if column == headline else "ranks") if score.ranks else "does not rank"
        yield column, f"{score.meaning} ({kind}{', has a direction' if score.signed else ''})"
    if declaration.window is not None:
        at = (
            ""
            if declaration.variant_index is None
            else f", the allele from 0-based index {declaration.variant_index:,} on"
        )
        yield "window", f"{declaration.window:,} bp{at}"
    yield "alleles", declaration.alleles
    yield "formula", declaration.formula
    yield "outputs", "" if declaration.tracks is None else f"{declaration.tracks:,}"
    yield "citation", declaration.citation
    yield "held-out chromosomes", ", ".join(declaration.held_out)
    yield "labels it may know", declaration.leakage
    yield from page.settings_rows(declaration.provenance)


def _how_to_read(results: Results) -> Iterator[str]:
    yield (
        "**Coverage.** Every table of pairs is over the variants that both models score, so that different "
        "rows are of different variants; a model that scores only easy or studied variants is compared on "
        "these alone. The columns after the share count the variants without a score by the reason; other "
        "scores only: the model has another score of the variant, not that which stands for it."
    )
    yield (
        "**Correlations.** Pearson looks at the values and is ruled by a few large ones where scores are "
        "skewed; Spearman looks at the order alone. Neither says much of the top, where the candidates "
        f"are. A score that is constant has none. {NO_ACCURACY} Where scores are the same for all alleles "
        "of a position, as mifm_ref is, several rows count that position."
    )
    yield (
        f"**Intervals** are from {results.resamples:,} resamples of whole blocks, for neighbouring "
        f"variants are not independent: blocks are {results.comparison.blocks_are}; a variant outside all "
        "blocks is in one of the stretches of 100 kb of its contig. Spearman of a resample is of the ranks "
        f"among all variants of the pair. There is no interval with fewer than {MIN_BLOCKS} blocks, where "
        "more than 5 % of the resamples have no value, and where all resamples give the same. Intervals "
        "say how far the number depends on the blocks of this file, not how it would be in other "
        "populations or studies. Linkage reaches over the ends of blocks, which makes them a little too "
        "narrow."
    )
    yield (
        "**Tops and ties.** Variants with equal scores at the edge of a top are in it with the probability "
        "that a random order gives them, for each model independently. Many PIPs and p-values are tied; "
        "overlaps of their tops come near to what chance gives for that reason alone."
    )
    yield (
        "**Blocks.** The model that is right more often puts the causal variant first; that two models put "
        "the same one first does not say that it is causal. Chance is the mean of 1 / variants of a block, "
        "so it is high where blocks are small."
    )
    yield (
        "**Time and memory.** Time is with reading weights, tables and sequence; the speed counts variants "
        "with a score. Memory is that of the whole process on the machine's side, not that of a GPU. "
        "Scores that were looked up in tables cost nothing here, which says nothing of what it took to "
        "make them."
    )
    yield (
        "**All numbers** are in the tables beside this report: coverage.tsv, correlations.tsv, overlap.tsv, "
        "blocks.tsv, resources.tsv, with all scores that rank, not only those that stand for the models."
    )
