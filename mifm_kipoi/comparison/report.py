"""The report of a comparison: its tables, figures and numbers; the words are in ``report.md.jinja``."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from mifm_kipoi.baselines.protocol import LookupStatus
from mifm_kipoi.comparison.agreement import MIN_IN_BLOCK, MIN_RANKED_IN_BLOCK, ONE_PERCENT
from mifm_kipoi.comparison.coverage import scored_by_all
from mifm_kipoi.comparison.figures import MOST_MODELS, correlation_matrix, rank_densities, scatter_matrix
from mifm_kipoi.comparison.locus import default_locus, in_locus
from mifm_kipoi.comparison.locus_figure import has_association, has_pip, locus_view
from mifm_kipoi.comparison.records import Comparison, Model, Results
from mifm_kipoi.comparison.results import measure, write_tables
from mifm_kipoi.genomics.loci import Locus, locus_name, parse_locus
from mifm_kipoi.genomics.variants import MISSING
from mifm_kipoi.reports import page, prose
from mifm_kipoi.reports.drawing import png, shortened
from mifm_kipoi.reports.page import Section, Table, signed
from mifm_kipoi.statistics.estimates import FEW_CLUSTERS, MIN_CLUSTERS
from mifm_kipoi.support.files import made_folder

_TEMPLATE = Path(__file__).with_name("report.md.jinja")

_MOSTLY_TIED = 0.5
"""Fraction of a top above which a star points out that ties decide it."""

_FEWEST_IN_TOP = 20
"""Variants below which 1 % of them is too few for the summary to begin with."""

_TOP_VARIANTS = 10
"""Variants of each model in the table of top variants."""

_MOST_COLUMNS = 6
"""Models of the table of top variants."""

_LONGEST_ALLELE = 12


def write_report(
    comparison: Comparison,
    folder: str | os.PathLike[str],
    locus: str | None = None,
    seed: int = 1,
    resamples: int = 1000,
) -> list[Path]:
    """Write the tables, ``figures/*.png``, ``report.md`` and ``report.html``, which opens without a network.

    Parameters
    ----------
    comparison : Comparison
        The scores.
    folder : path-like
        Made where it is missing; files of these names are replaced.
    locus : str, optional
        ``chrom:start-end`` of the regional view, 1-based with both ends inside; by default
        :func:`mifm_kipoi.comparison.locus.default_locus`.
    seed, resamples : int
        Of the intervals; the same give the same files.

    Returns
    -------
    list of Path
        The files, in the order in which they were written.

    Raises
    ------
    OptionError
        When the locus is not understood, or no variant lies in it; nothing is written.
    MissingPackageError
        When matplotlib is not installed; nothing is written.
    OutputError
        When a file cannot be written.
    """
    shown = parse_locus(locus) if locus else default_locus(comparison)
    # Before what takes long.
    in_locus(comparison, shown)
    results = measure(comparison, resamples, seed)
    title, sections = report(results, shown, _figures(results, shown))
    folder = made_folder(folder)
    return [*write_tables(results, folder), *page.write_page(folder, title, sections)]


def report(results: Results, locus: Locus, figures: prose.Figures) -> tuple[str, list[Section]]:
    """The title and the sections; those of pairs are left out where there are none.

    Parameters
    ----------
    results : Results
        What was measured.
    locus : Locus
        Of the regional view.
    figures : mapping of str to callable
        What draws ``correlations``, ``scatter_matrix``, ``ranks`` and ``locus``.
    """
    return prose.rendered(_TEMPLATE, {**_summary(results), **_parts(results, locus)}, figures)


def _figures(results: Results, locus: Locus) -> prose.Figures:
    comparison, correlations = results.comparison, results.correlations
    return {
        "correlations": lambda: png(correlation_matrix(comparison, correlations)),
        "scatter_matrix": lambda: png(scatter_matrix(comparison, correlations)),
        "ranks": lambda: png(rank_densities(comparison)),
        "locus": lambda: png(locus_view(comparison, locus)),
    }


def _summary(results: Results) -> dict[str, Any]:
    """Values of the first section."""
    table, resources = results.coverage, results.resources
    pairs = results.of_primary_scores(results.correlations)
    known = pairs.dropna(subset="spearman").sort_values("spearman", ascending=False, kind="stable")
    with_peak = resources.dropna(subset="peak_bytes")
    highest = with_peak.sort_values("peak_bytes", ascending=False, kind="stable").head(1)
    return {
        "labels": list(table["model"]),
        "variants": len(results.comparison.table),
        "repeated": results.comparison.provenance.get("repeated_rows", 0),
        "common": scored_by_all(results.comparison),
        "scored": [f"{row['model']} {page.percent(row['share'])} %" for _, row in table.iterrows()],
        "without": list(_without_scores(table)),
        "pairs": len(pairs),
        "one_pair": len(known) == 1,
        "most": _pair_of(known.iloc[0]) if len(known) else None,
        "least": _pair_of(known.iloc[-1]) if len(known) else None,
        "with_first": list(_with_first(known, results.comparison.models[0].label)),
        "top": _top(results),
        "one_percent": ONE_PERCENT,
        "times": [
            f"{row['model']} {duration(row['seconds'])}{_speed(row['variants_per_second'])}"
            for _, row in resources.iterrows()
        ],
        "most_memory": next(
            (f"{row['model']}, {memory(row['peak_bytes'])}" for _, row in highest.iterrows()), ""
        ),
        "blocks": int(results.correlations["blocks"].max()) if len(results.correlations) else 0,
        "min_blocks": MIN_CLUSTERS,
        "few_blocks": FEW_CLUSTERS,
    }


def _parts(results: Results, locus: Locus) -> dict[str, Any]:
    """Values of the sections after the first."""
    comparison = results.comparison
    return {
        "skipped": Table(
            ("model", "asked for as", "reason"),
            tuple((model.label, model.spec, model.reason) for model in comparison.skipped),
            numbers=False,
        ),
        "top_variants": _top_variants(comparison),
        "top_variants_shown": _TOP_VARIANTS,
        "top_models_shown": _MOST_COLUMNS,
        "coverage": _coverage(results.coverage),
        "conflicting": LookupStatus.CONFLICTING_ROWS in results.coverage,
        "correlated": len(results.correlations) > 0,
        "agreement": _agreement(results),
        "most_models": MOST_MODELS,
        "overlap": _overlap(results),
        "within_blocks": _within_blocks(results),
        "blocks_are": comparison.blocks_are,
        "min_in_block": MIN_IN_BLOCK,
        "min_ranked_in_block": MIN_RANKED_IN_BLOCK,
        "locus": locus_name(locus),
        "locus_has_pips": has_pip(comparison),
        "locus_has_p_values": has_association(comparison),
        "resources": _resources(results.resources),
        "models": _models(comparison.models),
        "resamples": results.resamples,
        "settings": page.settings_table(
            {name: value for name, value in comparison.provenance.items() if name != "skipped"}
        ),
    }


def _without_scores(table: pd.DataFrame) -> Iterator[str]:
    """Models that score no variant, and why: the most frequent reason."""
    for _, row in table[table["scored"] == 0].iterrows():
        reasons = row[table.columns[4:]].astype(int)
        reason = str(reasons.idxmax()).replace("_", " ")
        yield f"{row['model']} ({reason}: {reasons.max():,} variants)"


def correlation(row: Mapping[str, Any] | pd.Series, kind: str, decimals: int = 2) -> str:
    """A correlation with its interval, which is left out when it is not known."""
    low, high = row[f"{kind}_low"], row[f"{kind}_high"]
    return page.with_interval(lambda value: signed(value, decimals), row[kind], low, high)


def _pair_of(row: pd.Series) -> dict[str, Any]:
    return {
        "models": [row["model_a"], row["model_b"]],
        "spearman": correlation(row, "spearman"),
        "n": int(row["n"]),
    }


def _with_first(known: pd.DataFrame, first: str) -> Iterator[str]:
    """The correlations with the first model."""
    for _, row in known.iterrows():
        pair = [row["model_a"], row["model_b"]]
        if first in pair:
            pair.remove(first)
            yield f"{pair[0]} {signed(row['spearman'])}"


def _top(results: Results) -> dict[str, Any] | None:
    """How much of the first model's top is in that of the others.

    The top is 1 % of the variants, or where that is a handful of them, the 100 or 10 that are ranked highest.
    """
    table = results.of_primary_scores(results.overlap)
    table = table[table["model_a"] == results.comparison.models[0].label]
    percents = table[table["top"] == ONE_PERCENT]
    enough = len(percents) > 0 and bool((percents["k"] >= _FEWEST_IN_TOP).all())
    pairs = table["model_b"].nunique()
    names = [ONE_PERCENT] if enough else ["100", "10"]
    tops = (table[table["top"] == name] for name in names)
    rows = next((rows for rows in tops if len(rows) == pairs), table[table["top"] == names[-1]])
    if rows.empty:
        return None
    return {
        "name": rows["top"].iloc[0],
        "overlaps": [f"{row['model_b']} {overlap_cell(row)}" for _, row in rows.iterrows()],
        "tied": any(_mostly_tied(row) for _, row in rows.iterrows()),
    }


def overlap_cell(row: pd.Series) -> str:
    """An overlap in percent, a star where ties mostly decide it, and in brackets what chance gives."""
    star = "*" if _mostly_tied(row) else ""
    return f"{page.percent(row['overlap'])}{star} ({page.digits(100 * row['chance'], 2)})"


def _mostly_tied(row: pd.Series) -> bool:
    return bool(max(row["tied_a"], row["tied_b"]) > _MOSTLY_TIED)


def _top_variants(comparison: Comparison) -> Table:
    """The variants that each model ranks highest: the primary scores of all models, and their ranks."""
    models = comparison.models[:_MOST_COLUMNS]
    scores = comparison.table[[model.ranking[0] for model in models]]
    ranks = scores.rank(ascending=False, method="min")
    rows: list[tuple[str, ...]] = []
    for label in scores.columns:
        order = np.argsort(-scores[label].to_numpy(dtype=np.float64), kind="stable")[:_TOP_VARIANTS]
        top = [int(row) for row in order if math.isfinite(ranks[label].iloc[row])]
        if top:
            rows.append((f"highest by {label}",))
        for row in top:
            cells = (_score(scores[other].iloc[row], ranks[other].iloc[row]) for other in scores.columns)
            rows.append((_variant(comparison.table.iloc[row]), *cells))
    return Table(("variant", *scores.columns), tuple(rows))


def _score(value: float, rank: float) -> str:
    if not math.isfinite(rank):
        return ""
    number = f"{value:.4g}" if math.isfinite(value) else ("infinite" if value > 0 else "-infinite")
    return f"{number} ({rank:,.0f})"


def _variant(row: pd.Series) -> str:
    alleles = ">".join(shortened(str(row[name]), _LONGEST_ALLELE) for name in ("ref", "alt"))
    text = f"{row['chrom']}:{row['pos']:,} {alleles}"
    return text if row["id"] == MISSING else f"{text} {row['id']}"


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


def _agreement(results: Results) -> Table:
    rows = tuple(
        (
            _pair(row), f"{row['n']:,}", f"{row['blocks']:,}", correlation(row, "pearson", 3),
            correlation(row, "spearman", 3) + (f", {row['note']}" if row["note"] else ""),
        )
        for _, row in results.of_primary_scores(results.correlations).iterrows()
    )  # fmt: skip
    return Table(("models", "variants", "blocks", "Pearson (95 %)", "Spearman (95 %)"), rows)


def _overlap(results: Results) -> Table:
    table = results.of_primary_scores(results.overlap)
    tops = list(dict.fromkeys(table["top"]))
    rows = []
    for _, pair in table.groupby(["model_a", "model_b"], sort=False):
        cells = {row["top"]: overlap_cell(row) for _, row in pair.iterrows()}
        rows.append((_pair(pair.iloc[0]), f"{pair['n'].iloc[0]:,}", *(cells.get(top, "") for top in tops)))
    return Table(("models", "variants", *(f"top {top}" for top in tops)), tuple(rows))


def _within_blocks(results: Results) -> Table:
    table = results.of_primary_scores(results.blocks)
    rows = tuple(
        (
            _pair(row), f"{row['blocks']:,}",
            page.with_interval(page.percent, row["same_best"], row["same_best_low"], row["same_best_high"]),
            page.digits(100 * row["chance"], 2), f"{row['spearman_blocks']:,}",
            correlation(row, "mean_spearman", 3) if math.isfinite(row["mean_spearman"]) else "",
            page.count(row["constant_blocks"]),
        )
        for _, row in table[table["blocks"] > 0].iterrows()
    )  # fmt: skip
    header = (
        "models", "blocks", "same first, % (95 %)", "chance, %", "ranked blocks", "mean Spearman (95 %)",
        "left out",
    )  # fmt: skip
    return Table(header, rows)


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


def _models(models: tuple[Model, ...]) -> Table:
    rows: list[tuple[str, ...]] = []
    for model in models:
        rows.append((model.label,))
        rows += [(name, value) for name, value in _declared(model) if value]
    return Table(("declaration", "value"), tuple(rows), numbers=False)


def _declared(model: Model) -> Iterator[tuple[str, str]]:
    """What a model declares, as names and values."""
    declaration = model.declaration
    yield "name", declaration.name
    yield "asked for as", model.spec
    primary = model.ranking[0]
    for score in declaration.scores:
        column = model.column(score.name)
        kind = ("primary score" if column == primary else "ranks") if score.ranks else "does not rank"
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
    yield "labels it may have seen", declaration.leakage
    yield from page.settings_rows(declaration.provenance)


def _speed(per_second: float) -> str:
    return f" ({page.digits(per_second)} variants/s)" if math.isfinite(per_second) else ""


def duration(seconds: float) -> str:
    """A time in seconds as text, in the units in which one would say it."""
    if seconds < 60:
        return f"{page.digits(seconds)} s"
    minutes = round(seconds / 60)
    if minutes < 60:
        whole = round(seconds)
        return f"{whole // 60} min {whole % 60} s"
    return f"{minutes // 60} h {minutes % 60} min"


def memory(size: float) -> str:
    """A number of bytes in GB (1e9), or below one of them in MB."""
    return f"{size / 1e9:.2f} GB" if size >= 1e9 else f"{size / 1e6:.0f} MB"
