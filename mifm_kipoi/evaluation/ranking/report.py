"""The report of the evaluation of rankings."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

from mifm_kipoi.evaluation.ranking import plots
from mifm_kipoi.evaluation.ranking.notes import Result
from mifm_kipoi.evaluation.ranking.records import (
    ALL,
    BLOCK_BP,
    COMMON,
    METRICS,
    OWN,
    STRATA,
    Difference,
    Measure,
    by_metric,
    strata_of,
)
from mifm_kipoi.reports.drawing import COLOURS, png
from mifm_kipoi.reports.page import (
    Block,
    Picture,
    Section,
    Table,
    decimal,
    listed,
    percent,
    settings_table,
    with_interval,
    write_page,
)

TITLE = "How well scores rank labelled variants"


def write_report(result: Result, folder: Path) -> list[Path]:
    """Write ``report.html``, which holds its figures, ``report.md`` and ``figures/``.

    Parameters
    ----------
    result : Result
    folder : Path

    Returns
    -------
    list of Path
        The files.

    Raises
    ------
    OutputError
        When one cannot be written.
    """
    return write_page(folder, TITLE, list(_sections(result)))


def _sections(result: Result) -> Iterator[Section]:
    common, own = result.found.of(COMMON), result.found.of(OWN)
    order = _order(result)
    yield _summary(result, order)
    if common:
        blocks: tuple[Block, ...] = (_COMPARED, _metrics_table(common, order), *_pictures(result, order))
        yield Section("Scores compared", blocks)
    if any(one.stratum == ALL for one in result.found.differences):
        yield _differences(result, order)
    yield _coverage(result)
    if own:
        yield Section("Each score on all variants that it has", (_APART, _metrics_table(own, order)))
    yield _knowledge(result)
    yield _method(result)
    yield Section("Inputs and options", (settings_table(_settings(result)),))


_COMPARED = (
    "On the variants that all scores have, so that the numbers of a table can be compared with each other. "
    "In brackets 95 % intervals; chance is what a random order of the variants gives on average."
)
_APART = (
    "Each score on the labelled variants that it has, whatever the others have. The variants differ from "
    "score to score: these numbers say how a score does where it can be had, and **are not to be compared**."
)


def _order(result: Result) -> list[str]:
    """The scores, that with the highest AUPRC first."""
    areas = {one.score: one.value for one in result.found.of(COMMON, ALL) if one.metric == "auprc"}
    return sorted(result.chosen.columns, key=lambda name: -areas.get(name, 0.0))


def _summary(result: Result, order: list[str]) -> Section:
    counts = result.labels.counts
    blocks = [
        f"{len(result.labels.table):,} labelled variants, {counts['positive']:,} of them positive, and "
        f"{len(order):,} {'score' if len(order) == 1 else 'scores'}."
    ]
    for metric, group in by_metric(result.found.of(COMMON, ALL)).items():
        best = max(group, key=lambda one: one.value)
        blocks.append(
            f"Highest {METRICS[metric]}: **{best.score}**, {_number(best)}; chance gives "
            f"{decimal(best.chance)}."
        )
    blocks += [f"**Mind:** {note}." for note in result.notes]
    return Section("In short", tuple(blocks))


def _number(one: Measure) -> str:
    return with_interval(decimal, one.value, one.low, one.high)


def _metrics_table(measures: tuple[Measure, ...], order: list[str]) -> Table:
    shown, strata = by_metric(measures), strata_of(measures)
    found = {(one.stratum, one.score, one.metric): one for one in measures}
    rows: list[tuple[str, ...]] = []
    for stratum in strata:
        if len(strata) > 1:
            rows.append((STRATA[stratum].capitalize(),))
        for name in order:
            ones = [found.get((stratum, name, metric)) for metric in shown]
            if any(ones):
                first = next(one for one in ones if one)
                numbers = (_number(one) if one else "" for one in ones)
                rows.append((name, f"{first.variants:,}", f"{first.positives:,}", *numbers))
        if measures[0].rows == COMMON:
            ones = [found.get((stratum, order[0], metric)) for metric in shown]
            rows.append(("chance", "", "", *(decimal(one.chance) if one else "" for one in ones)))
    return Table(("score", "variants", "positive", *(METRICS[metric] for metric in shown)), tuple(rows))


def _pictures(result: Result, order: list[str]) -> Iterator[Picture]:
    measures, curves = result.found.of(COMMON), result.found.curves
    caption = (
        "All metrics with their 95 % intervals, on the variants that all scores have. A grey stroke is what "
        "a random order gives on average."
    )
    yield Picture("overview", png(plots.overview(measures, order)), caption)
    shown = order[: len(COLOURS)]
    fewer = f" The {len(shown)} scores with the highest AUPRC are shown." if len(shown) < len(order) else ""
    caption = f"Precision over recall. Dotted: the share of positives.{fewer}"
    yield Picture("precision_recall", png(plots.precision_recall(curves, measures, shown)), caption)
    caption = f"Recall over the false positive rate. Dotted: chance.{fewer}"
    yield Picture("roc", png(plots.roc(curves, measures, shown)), caption)


def _differences(result: Result, order: list[str]) -> Section:
    """Each pair once, that with the higher AUPRC first."""
    found: dict[tuple[str, str], dict[str, str]] = {}
    for one in result.found.differences:
        if one.stratum == ALL:
            turned = order.index(one.first) > order.index(one.second)
            pair = (one.second, one.first) if turned else (one.first, one.second)
            found.setdefault(pair, {})[one.metric] = _difference(one, turned)
    shown = [metric for metric in METRICS if any(metric in cells for cells in found.values())]
    rows = tuple(
        (f"{pair[0]} less {pair[1]}", *(found[pair].get(metric, "") for metric in shown))
        for pair in sorted(found, key=lambda pair: [order.index(name) for name in pair])
    )
    text = (
        "On the variants that all scores have, all chromosomes, under the same resamples for both scores: "
        "the difference, its 95 % interval and the two-sided bootstrap p-value, which is not corrected for "
        f"the number of pairs, {len(rows):,}, and never below {2 / (result.made_by['resamples'] + 1):.2g}. "
        "paired.tsv has the other strata too."
    )
    table = Table(("difference", *(METRICS[metric] for metric in shown)), rows)
    return Section("Differences between scores", (text, table))


def _difference(one: Difference, turned: bool) -> str:
    value, low, high = one.difference, one.low, one.high
    if turned:
        value, low, high = -value, -high, -low
    p = f", p = {one.p_value:.2g}" if math.isfinite(one.p_value) else ""
    return with_interval(lambda number: f"{number:+.3f}", value, low, high) + p


def _coverage(result: Result) -> Section:
    rows = []
    for name in (*result.chosen.columns, None):
        one = result.found.count(name)
        absent = result.scores.absent[name] if name is not None else {}
        rows.append(
            (
                "all scores" if name is None else name,
                f"{one.scored:,} ({percent(one.scored / one.labelled)} %)",
                f"{one.scored_positives:,} ({percent(one.scored_positives / one.positives)} %)",
                listed(f"{count:,} {reason}" for reason, count in absent.items()),
            )
        )
    counts = result.labels.counts
    text = (
        f"Labels: {counts['rows']:,} rows; {counts['without_label']:,} without a label, "
        f"{counts['repeated']:,} of a variant that has another row, {counts['between_limits']:,} neither "
        f"positive nor negative; {counts['positive']:,} positive and {counts['negative']:,} negative "
        f"variants. {result.scores.not_found:,} of them have no row in the table of scores, which has "
        f"{result.scores.rows:,} rows."
    )
    table = Table(
        ("score", "labelled variants", "positive ones", "why others have none"), tuple(rows), numbers=False
    )
    return Section("Coverage", (text, table))


def _knowledge(result: Result) -> Section:
    """What the models may have known of the labels."""
    blocks: list[str | Table] = []
    if result.chosen.sources:
        rows = tuple(
            (one.label, one.name, ", ".join(one.held_out) or "not said", one.leakage or "not said")
            for one in result.chosen.sources
        )
        header = ("model", "what it is", "held out", "what it may have seen")
        blocks += ["As the models declare themselves:", Table(header, rows, numbers=False)]
    silent = [name for name in result.chosen.columns if result.chosen.source(name) is None]
    if silent:
        blocks.append(
            f"Nothing is declared of {', '.join(silent)}: find out on which variants and labels they were "
            "fitted."
        )
    if result.held_out:
        who = (
            "as was asked for"
            if result.held_out_was_asked_for
            else "which each model held out that says what it held out"
        )
        blocks.append(
            f"Looked at apart are the chromosomes {', '.join(result.held_out)}, {who}. A model that held out "
            "others, or says nothing, may have been fitted on them."
        )
    blocks.append(_CIRCLES)
    return Section("What the models may have known", tuple(blocks))


_CIRCLES = (
    "Labels from fine-mapping are circular for scores from fine-mapping and associations, such as PIPs, "
    "Bayes factors and p-values, and for models that were trained on PIPs of the same loci. Where variants "
    "were picked near known genes or marks, scores that were trained on these are favoured."
)


def _method(result: Result) -> Section:
    made_by = result.made_by
    apart = (
        f"; variants outside of them go by regions of {BLOCK_BP // 1_000_000} Mb"
        if result.found.resampled != "regions of 1 Mb"
        else ""
    )
    left = result.found.chromosomes - max(
        (one.units for one in result.found.of(COMMON, ALL) if one.metric == "auprc_by_chromosome"), default=0
    )
    return Section(
        "How it was measured",
        (
            "**AUPRC** is average precision as scikit-learn defines it; **AUROC** counts ties half. "
            "Chance is what a random order gives on average: of AUROC 0.5; of AUPRC more than the share of "
            "positives, which a constant score has, and the more so the fewer variants there are.",
            "**AUPRC by chromosome**, the metric of TraitGym, is the mean of the chromosomes' average "
            "precisions, weighted by their numbers of variants. Chromosomes without a positive or without a "
            "negative variant, for which it would be 0 or 1 whatever the score, are left out "
            f"({left} of {result.found.chromosomes}).",
            "**Top-1** is the share of blocks, or matched groups, in which a positive variant comes first. "
            "Those count that have both classes; ties are in random order, by expectation.",
            f"**Intervals** are 2.5 % and 97.5 % quantiles of {made_by['resamples']:,} resamples of whole "
            f"{result.found.resampled} ({result.found.clusters:,}), for variants of one are not independent"
            f"{apart}. metrics.tsv also has standard errors as TraitGym has them: of single variants drawn "
            "within each class, and, for AUPRC by chromosome, of whole chromosomes.",
        ),
    )


def _settings(result: Result) -> dict[str, object]:
    kept = ("mifm_kipoi", "scores", "comparison", "labels", "columns", "pip_limits", "lower_is_better")
    more = ("held_out", "resampled", "clusters", "resamples", "seed")
    return {name: result.made_by[name] for name in (*kept, *more) if result.made_by[name]}
