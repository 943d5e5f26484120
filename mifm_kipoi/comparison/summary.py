"""The main numbers of a comparison in plain words."""

from __future__ import annotations

import math
from collections.abc import Iterator

import pandas as pd

from mifm_kipoi.comparison.coverage import scored_by_all
from mifm_kipoi.comparison.overlap import ONE_PERCENT
from mifm_kipoi.comparison.resampling import FEW_BLOCKS, MIN_BLOCKS
from mifm_kipoi.comparison.results import Results
from mifm_kipoi.reports import page
from mifm_kipoi.reports.page import signed

_MOSTLY_TIED = 0.5
"""Share of the places of a top from which on ties are pointed out."""

STAR = (
    "A star: ties decide more than half of the places of one of the two tops, so that the share says little."
)

NO_ACCURACY = (
    "Agreement is no accuracy: models can share what they get wrong, and a model that differs from all "
    "others can be the one that is right. Which of them finds causal variants, only known causal variants "
    "can tell."
)


def summary(results: Results) -> Iterator[str]:
    """Paragraphs: variants and coverage, agreement, the top, time and memory, and what that does not say."""
    yield _coverage(results)
    if without := _without_scores(results):
        yield without
    pairs = results.of_headlines(results.correlations)
    if len(known := pairs.dropna(subset="spearman")):
        yield _agreement(results, known)
    elif len(pairs):
        yield "**No two models have a correlation;** the table of their agreement says why."
    if top := _top(results):
        yield top
    yield _resources(results.resources)
    if len(pairs):
        yield _blocks(results) + NO_ACCURACY


def _coverage(results: Results) -> str:
    table = results.coverage
    models = len(table)
    variants = len(results.comparison.table)
    shares = page.listed(f"{row['model']} {page.percent(row['share'])} %" for _, row in table.iterrows())
    if models == 1:
        return f"**Variants: {variants:,}; one model.** Share of variants with a score: {shares}."
    common = scored_by_all(results.comparison)
    return (
        f"**{variants:,} variants, {models} models; {common:,} variants ({page.percent(common / variants)} "
        f"%) have a score of each model.** Share of variants with a score: {shares}."
    )


def _without_scores(results: Results) -> str:
    """Models that score no variant, and why: the most frequent reason."""
    table = results.coverage
    sentences = []
    for _, row in table[table["scored"] == 0].iterrows():
        reasons = row[table.columns[4:]].astype(int)
        reason = str(reasons.idxmax()).replace("_", " ")
        sentences.append(f"{row['model']} ({reason}: {reasons.max():,} variants)")
    return f"**No variant has a score of {page.listed(sentences)}.**" if sentences else ""


def correlation(row: pd.Series, kind: str, digits: int = 2) -> str:
    """A correlation with its interval, which is left out when it is not known."""
    low, high = row[f"{kind}_low"], row[f"{kind}_high"]
    return page.with_interval(lambda value: signed(value, digits), row[kind], low, high)


def _agreement(results: Results, known: pd.DataFrame) -> str:
    ordered = known.sort_values("spearman", ascending=False, kind="stable")
    most, least = ordered.iloc[0], ordered.iloc[-1]

    def sentences(row: pd.Series) -> str:
        return f"Spearman {correlation(row, 'spearman')} over {row['n']:,} variants"

    if len(ordered) == 1:
        return f"**{most['model_a']} and {most['model_b']}: {sentences(most)}.**"
    first = results.comparison.models[0].label
    with_first = ordered[(ordered["model_a"] == first) | (ordered["model_b"] == first)]
    others = page.listed(
        f"{row['model_b'] if row['model_a'] == first else row['model_a']} {signed(row['spearman'])}"
        for _, row in with_first.iterrows()
    )
    return (
        f"**{most['model_a']} and {most['model_b']} agree most: {sentences(most)}; {least['model_a']} and "
        f"{least['model_b']} least: {sentences(least)}.**"
        + (f" Spearman with {first}: {others}." if others else "")
    )


def _top(results: Results) -> str:
    """How much of the first model's top is in that of the others."""
    table = results.of_headlines(results.overlap)
    first = results.comparison.models[0].label
    rows = table[(table["model_a"] == first) & (table["top"] == ONE_PERCENT)]
    if rows.empty:
        return ""
    shares = page.listed(f"{row['model_b']} {overlap_cell(row)}" for _, row in rows.iterrows())
    star = f" {STAR}" if rows.apply(_mostly_tied, axis=1).any() else ""
    return (
        f"Of the 1 % of variants that {first} ranks top, among those that both score, so many percent are in "
        f"the top 1 % of the others, in brackets what chance gives: {shares}.{star}"
    )


def overlap_cell(row: pd.Series) -> str:
    """An overlap in percent, a star where ties mostly decide it, and in brackets what chance gives."""
    star = "*" if _mostly_tied(row) else ""
    return f"{page.percent(row['overlap'])}{star} ({page.digits(100 * row['chance'], 2)})"


def _mostly_tied(row: pd.Series) -> bool:
    return bool(max(row["tied_a"], row["tied_b"]) > _MOSTLY_TIED)


def _resources(table: pd.DataFrame) -> str:
    times = page.listed(
        f"{row['model']} {duration(row['seconds'])}{_speed(row['variants_per_second'])}"
        for _, row in table.iterrows()
    )
    text = f"Time: {times}."
    if table["peak_bytes"].notna().any():
        highest = table.sort_values("peak_bytes", ascending=False, kind="stable").iloc[0]
        text += f" Most memory: {highest['model']}, {memory(highest['peak_bytes'])}."
    return text


def _speed(per_second: float) -> str:
    return f" ({page.digits(per_second)} variants/s)" if math.isfinite(per_second) else ""


def _blocks(results: Results) -> str:
    """What is to be said of the intervals where blocks are few."""
    blocks = int(results.correlations["blocks"].max())
    if blocks < MIN_BLOCKS:
        return (
            f"There are no intervals, for the variants that two models score lie in fewer than {MIN_BLOCKS} "
            "blocks. "
        )
    if blocks < FEW_BLOCKS:
        return f"Intervals are over {blocks} blocks at most; with so few they are too narrow. "
    return ""


def duration(seconds: float) -> str:
    """A time in the units in which one would say it."""
    if seconds < 60:
        return f"{page.digits(seconds)} s"
    minutes = round(seconds / 60)
    if minutes < 60:
        whole = round(seconds)
        return f"{whole // 60} min {whole % 60} s"
    return f"{minutes // 60} h {minutes % 60} min"


def memory(size: float) -> str:
    """Bytes in a unit of a thousand million, or where that is little of a million."""
    return f"{size / 1e9:.2f} GB" if size >= 1e9 else f"{size / 1e6:.0f} MB"
