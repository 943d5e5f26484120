"""The report of an evaluation of rankings, and the cautions that it bears; the words are in templates."""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mifm_kipoi.baselines.protocol import Evidence
from mifm_kipoi.evaluation.ranking import plots
from mifm_kipoi.evaluation.ranking.labels import Labels
from mifm_kipoi.evaluation.ranking.records import (
    ALL,
    BLOCK_BP,
    COMMON,
    METRICS,
    OWN,
    STRATA,
    TOPS,
    Difference,
    Evaluation,
    Measure,
    by_metric,
    strata_of,
)
from mifm_kipoi.evaluation.ranking.score_tables import Chosen, Scores, Source
from mifm_kipoi.reports import prose
from mifm_kipoi.reports.drawing import COLOURS, png
from mifm_kipoi.reports.page import (
    Table,
    decimal,
    listed,
    percent,
    settings_table,
    with_interval,
    write_page,
)
from mifm_kipoi.statistics.estimates import MIN_CLUSTERS

FEW = 20
"""Positive variants, or clusters, below which intervals are rough."""

_LITTLE = 0.8
"""Fraction of the labelled variants that all scores have, below which the score with the fewest is named."""

_REPORT = Path(__file__).with_name("report.md.jinja")
_CAUTIONS = Path(__file__).with_name("cautions.md.jinja")


@dataclasses.dataclass(frozen=True)
class Result:
    """An evaluation, its inputs and options.

    Parameters
    ----------
    labels : Labels
        The labelled variants.
    chosen : Chosen
        The columns that were evaluated.
    scores : Scores
        Their values for the labelled variants.
    evaluation : Evaluation
        What was measured.
    held_out : tuple of str
        Chromosomes that were evaluated separately.
    held_out_was_asked_for : bool
        Whether they were named by the user, and not by the models.
    provenance : dict of plain JSON types
        Inputs and options.
    """

    labels: Labels
    chosen: Chosen
    scores: Scores
    evaluation: Evaluation
    held_out: tuple[str, ...]
    held_out_was_asked_for: bool
    provenance: dict[str, Any]

    @property
    def associations(self) -> tuple[str, ...]:
        """Scores that are made of associations or PIPs."""
        return tuple(name for name in self.chosen.columns if self._of_associations(name))

    def _of_associations(self, column: str) -> bool:
        evidence = self.chosen.evidence(column)
        source = self.chosen.source(column)
        name = column.removeprefix(f"{source.label}.") if source else column
        of_labels = name.lower() == self.labels.columns.get("pip", "").lower()
        return evidence in (Evidence.PIP, Evidence.ASSOCIATION) or (
            of_labels and evidence is not Evidence.SEQUENCE
        )

    @property
    def circular(self) -> tuple[str, ...]:
        """Scores that are made of the same kind of evidence as the labels."""
        return self.associations if self.labels.made_of_pips else ()

    @functools.cached_property
    def cautions(self) -> list[str]:
        """What a reader must know before trusting the numbers, the gravest first; without full stops."""
        evaluation, labels = self.evaluation, self.labels
        common = evaluation.count(None)
        counts = [evaluation.count(name) for name in self.chosen.columns]
        little = common.scored < _LITTLE * common.labelled
        units = {one.metric: one.units for one in evaluation.of(COMMON, ALL) if one.metric in TOPS.values()}
        declared = [source for source in self.chosen.sources if source.held_out]
        held_out = self.held_out_was_asked_for or self.held_out
        values = {
            "circular": self.circular,
            "same_table": self._of_the_same_table(),
            "trained_on_labels": self._trained_on_labels(),
            "may_have_trained": self._may_have_trained(),
            "common": [one for one in evaluation.counts if one.score is None],
            "few": FEW,
            "fewest": min(counts, key=lambda one: one.scored) if little else None,
            "scored_by_all": common.scored,
            "labelled": len(labels.table),
            "few_units": [(METRICS[metric], count) for metric, count in units.items() if count < FEW],
            "clusters": evaluation.clusters,
            "min_clusters": MIN_CLUSTERS,
            "resampled": evaluation.resampled,
            "not_found": self.scores.not_found,
            "swapped": self.scores.swapped,
            "repeated_scores": self.scores.repeated,
            "strange_contigs": self.scores.strange_contigs,
            "lost": labels.counts.get("lost", 0),
            "ambiguous": labels.counts.get("ambiguous", 0),
            "made_of_pips": labels.made_of_pips,
            "repeated_pips": labels.counts["repeated"] if labels.made_of_pips else 0,
            "blocks_with_losses": labels.counts.get("blocks_with_losses", 0),
            "label_blocks": labels.counts.get("blocks", 0),
            "nothing_held_out_by_all": []
            if held_out
            else [f"{one.label} {', '.join(one.held_out)}" for one in declared],
            "undeclared": self.chosen.undeclared,
        }
        return prose.paragraphs(_CAUTIONS, values)

    def _of_the_same_table(self) -> tuple[str, ...]:
        """Scores, else not circular, of the very table that the labels were made of."""
        same = self.provenance["scores"]["sha256"] == self.provenance["labels"]["sha256"]
        if not (same and self.labels.made_of_pips):
            return ()
        return tuple(name for name in self.chosen.columns if name not in self.associations)

    def _trained_on_labels(self) -> list[Source]:
        """Models that were trained on the very table of the labels."""
        return [one for one in self.chosen.sources if self.provenance["labels"]["sha256"] in one.trained_on]

    def _may_have_trained(self) -> list[Source]:
        """MIFM with weights of the user's own, whose training bags may hold the labelled variants.

        Other networks were trained on no variants; what they declare of it stands in the table of models.
        """
        known = self._trained_on_labels()
        return [
            source
            for source in self.chosen.sources
            if source.kind == "mifm" and not source.held_out and source not in known
        ]


def write_report(result: Result, folder: Path) -> list[Path]:
    """Write ``report.html``, which holds its figures, ``report.md`` and ``figures/``.

    Parameters
    ----------
    result : Result
        The evaluation.
    folder : Path
        Must exist.

    Returns
    -------
    list of Path
        The files.

    Raises
    ------
    MissingPackageError
        When matplotlib is not installed.
    OutputError
        When a file cannot be written.
    """
    order = _order(result)
    title, sections = prose.rendered(_REPORT, _values(result, order), _figures(result, order))
    return write_page(folder, title, sections)


def _order(result: Result) -> list[str]:
    """The scores, that with the highest AUPRC first."""
    areas = {one.score: one.value for one in result.evaluation.of(COMMON, ALL) if one.metric == "auprc"}
    return sorted(result.chosen.columns, key=lambda name: -areas.get(name, 0.0))


def _values(result: Result, order: Sequence[str]) -> dict[str, Any]:
    evaluation, provenance = result.evaluation, result.provenance
    common, own = evaluation.of(COMMON), evaluation.of(OWN)
    by_chromosome = by_metric(evaluation.of(COMMON, ALL)).get("auprc_by_chromosome", [])
    counted = max((one.units for one in by_chromosome), default=0)
    region = f"{BLOCK_BP // 1_000_000} Mb"
    return {
        "labelled": len(result.labels.table),
        "counts": result.labels.counts,
        "scores": order,
        "circular": result.circular,
        "best": _best(result),
        "cautions": result.cautions,
        "metrics": _metrics_table(result, common, order) if common else None,
        "shown": min(len(order), len(COLOURS)),
        "differences": _differences(evaluation, order),
        "lowest_p": 2 / (provenance["resamples"] + 1),
        "not_found": result.scores.not_found,
        "score_rows": result.scores.rows,
        "coverage": _coverage(result),
        "own": _metrics_table(result, own, order) if own else None,
        "sources": _sources(result.chosen.sources) if result.chosen.sources else None,
        "silent": [name for name in result.chosen.columns if result.chosen.source(name) is None],
        "held_out": result.held_out,
        "held_out_was_asked_for": result.held_out_was_asked_for,
        "chromosomes": evaluation.chromosomes,
        "chromosomes_left_out": evaluation.chromosomes - counted,
        "resamples": provenance["resamples"],
        "resampled": evaluation.resampled,
        "clusters": evaluation.clusters,
        "regions": "" if evaluation.resampled.endswith(region) else region,
        "settings": settings_table(_settings(result)),
    }


def _figures(result: Result, order: Sequence[str]) -> prose.Figures:
    measures, curves = result.evaluation.of(COMMON), result.evaluation.curves
    shown = order[: len(COLOURS)]
    return {
        "overview": lambda: png(plots.overview(measures, order)),
        "precision_recall": lambda: png(plots.precision_recall(curves, measures, shown)),
        "roc": lambda: png(plots.roc(curves, measures, shown)),
    }


def _best(result: Result) -> list[dict[str, str]]:
    """Of each metric the best score that is not circular."""
    best = []
    for metric, group in by_metric(result.evaluation.of(COMMON, ALL)).items():
        others = [one for one in group if one.score not in result.circular]
        if others:
            one = max(others, key=lambda one: one.value)
            best.append(
                {
                    "metric": METRICS[metric],
                    "score": one.score,
                    "number": _number(one),
                    "chance": decimal(one.chance),
                }
            )
    return best


def _number(one: Measure) -> str:
    return with_interval(decimal, one.value, one.low, one.high)


def _metrics_table(result: Result, measures: Sequence[Measure], order: Sequence[str]) -> Table:
    shown, strata = by_metric(measures), strata_of(measures)
    cells = {(one.stratum, one.score, one.metric): one for one in measures}
    rows: list[tuple[str, ...]] = []
    for stratum in strata:
        if len(strata) > 1:
            rows.append((STRATA[stratum].capitalize(),))
        for name in order:
            ones = [cells.get((stratum, name, metric)) for metric in shown]
            if any(ones):
                first = next(one for one in ones if one)
                numbers = (_number(one) if one else "" for one in ones)
                marked = f"{name} (circular)" if name in result.circular else name
                rows.append((marked, f"{first.variants:,}", f"{first.positives:,}", *numbers))
        if measures[0].rows == COMMON:
            ones = [cells.get((stratum, order[0], metric)) for metric in shown]
            rows.append(("chance", "", "", *(decimal(one.chance) if one else "" for one in ones)))
    return Table(("score", "variants", "positive", *(METRICS[metric] for metric in shown)), tuple(rows))


def _differences(evaluation: Evaluation, order: Sequence[str]) -> Table:
    """Each pair once, the score with the higher AUPRC first."""
    pairs: dict[tuple[str, str], dict[str, str]] = {}
    for one in evaluation.differences:
        if one.stratum == ALL:
            turned = order.index(one.first) > order.index(one.second)
            pair = (one.second, one.first) if turned else (one.first, one.second)
            pairs.setdefault(pair, {})[one.metric] = _difference(one, turned)
    shown = [metric for metric in METRICS if any(metric in cells for cells in pairs.values())]
    rows = tuple(
        (f"{pair[0]} less {pair[1]}", *(pairs[pair].get(metric, "") for metric in shown))
        for pair in sorted(pairs, key=lambda pair: [order.index(name) for name in pair])
    )
    return Table(("difference", *(METRICS[metric] for metric in shown)), rows)


def _difference(one: Difference, turned: bool) -> str:
    value, low, high = one.difference, one.low, one.high
    if turned:
        value, low, high = -value, -high, -low
    p = f", p = {one.p_value:.2g}" if math.isfinite(one.p_value) else ""
    return with_interval(lambda number: f"{number:+.3f}", value, low, high) + p


def _coverage(result: Result) -> Table:
    rows = []
    for name in (*result.chosen.columns, None):
        one = result.evaluation.count(name)
        absent = result.scores.absent[name] if name is not None else {}
        rows.append(
            (
                "all scores" if name is None else name,
                f"{one.scored:,} ({percent(one.scored / one.labelled)} %)",
                f"{one.scored_positives:,} ({percent(one.scored_positives / one.positives)} %)",
                listed(f"{count:,} {reason}" for reason, count in absent.items()),
            )
        )
    header = ("score", "labelled variants", "positive ones", "why others have none")
    return Table(header, tuple(rows), numbers=False)


def _sources(sources: Sequence[Source]) -> Table:
    rows = tuple(
        (one.label, one.name, ", ".join(one.held_out) or "not declared", one.leakage or "not declared")
        for one in sources
    )
    return Table(("model", "what it is", "held out", "what it may have seen"), rows, numbers=False)


def _settings(result: Result) -> dict[str, object]:
    kept = (
        "mifm_kipoi",
        "scores",
        "comparison",
        "labels",
        "lift_over",
        "columns",
        "pip_limits",
        "lower_is_better",
    )
    more = ("held_out", "resampled", "clusters", "resamples", "seed")
    return {name: result.provenance[name] for name in (*kept, *more) if result.provenance[name]}
