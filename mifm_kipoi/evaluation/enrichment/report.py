"""The report of an evaluation of enrichment, and the cautions that it bears; the words are in templates."""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Hashable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from mifm_kipoi.evaluation.enrichment import plots
from mifm_kipoi.evaluation.enrichment.annotations import GROUP, REGION, STATE, Annotated, Label
from mifm_kipoi.evaluation.enrichment.measure import Measured
from mifm_kipoi.evaluation.enrichment.variants import Variants
from mifm_kipoi.evaluation.ranking.score_tables import Chosen
from mifm_kipoi.reports import prose
from mifm_kipoi.reports.drawing import COLOURS, png
from mifm_kipoi.reports.page import Table, listed, settings_table, with_interval, write_page
from mifm_kipoi.statistics.shifts import ROTATIONS

ENOUGH_BLOCKS = 200
"""Blocks below which intervals are rough."""

ENOUGH_EXPECTED = 20
"""Expected variants with a label, among the selected ones or the rest, below which p-values are conservative:
of what occurs less often than expected there is hardly one, and none where it does not occur."""

REPORTED = 0.9
"""The quantile of tables and of the figure of all labels; the next lower one where it is not measured."""

_MOST_PANELS = 12

_REPORT = Path(__file__).with_name("report.md.jinja")
_CAUTIONS = Path(__file__).with_name("cautions.md.jinja")

Row = Mapping[Hashable, Any]


@dataclasses.dataclass(frozen=True)
class Result:
    """What was measured, its inputs and options.

    Parameters
    ----------
    chosen : Chosen
        The scores.
    variants : Variants
        The universe.
    annotated : sequence of Annotated
        Annotations.
    lifted : mapping of str to mapping
        Of annotations in another build: variants that the lift-over lost, or that have several places.
    measured : Measured
        Odds ratios and trends.
    as_in_paper : bool
        Whether intervals and silencers are as published.
    outside : int
        Variants outside all LD blocks.
    provenance : dict of plain JSON types
        Inputs and options.
    """

    chosen: Chosen
    variants: Variants
    annotated: Sequence[Annotated]
    lifted: Mapping[str, Mapping[str, int]]
    measured: Measured
    as_in_paper: bool
    outside: int
    provenance: dict[str, Any]

    @functools.cached_property
    def labels(self) -> list[Label]:
        """All labels: groups, regions, and states in the order of their groups."""
        every = [label for one in self.annotated for label in one.labels]
        groups = [label for label in every if label.kind == GROUP]
        order = {
            state: number
            for one in self.annotated
            for number, (_, states) in enumerate(one.annotation.groups.items())
            for state in states
        }
        states = [label for label in every if label.kind == STATE]
        states.sort(key=lambda label: order.get(label.name.split(": ")[-1], len(order)))
        return [*groups, *(label for label in every if label.kind == REGION), *states]

    @property
    def coarse(self) -> list[str]:
        """Names of the labels that have panels: groups and regions, else the first states."""
        names = [label.name for label in self.labels if label.kind != STATE]
        return (names or [label.name for label in self.labels])[:_MOST_PANELS]

    @property
    def scores(self) -> tuple[str, ...]:
        """The scores."""
        return self.chosen.columns

    @functools.cached_property
    def quantiles(self) -> dict[str, float]:
        """The quantile that tables report, of each score."""
        quantiles = {}
        for score, rows in self.measured.enrichment.groupby("score", sort=False):
            present = sorted(set(rows["quantile"]))
            quantiles[str(score)] = max((one for one in present if one <= REPORTED), default=present[0])
        return quantiles

    def at_quantile(self, within: bool = False) -> pd.DataFrame:
        """The rows of ``enrichment.tsv`` at the quantile that is reported."""
        table = self.measured.enrichment
        wanted = table["score"].map(self.quantiles)
        return table[(table["quantile"] == wanted) & ((table["within"] != "") == within)]

    @property
    def few(self) -> list[str]:
        """Labels with fewer expected variants than :data:`ENOUGH_EXPECTED` at some quantile."""
        rows = self.measured.enrichment
        expected = rows["expected_inside"]
        rows = rows[np.minimum(expected, rows["inside"] - expected) < ENOUGH_EXPECTED]
        return list(
            dict.fromkeys(rows["label"] + rows["within"].map(lambda name: name and f" within {name}"))
        )

    @functools.cached_property
    def cautions(self) -> list[str]:
        """What a reader must know before trusting the numbers, the gravest first; without full stops."""
        counts = self.provenance["counts"]
        values = {
            "blocks": self.measured.blocks,
            "enough": ENOUGH_BLOCKS,
            "few": self.few,
            "enough_expected": ENOUGH_EXPECTED,
            "covariates": list(self.provenance["covariates"]),
            "missing": {
                name: one["missing"] for name, one in self.provenance["covariates"].items() if one["missing"]
            },
            "variants": len(self.variants),
            "lifted": {
                name: (one.get("lost", 0), one.get("ambiguous", 0))
                for name, one in self.lifted.items()
                if one.get("lost", 0) or one.get("ambiguous", 0)
            },
            "elsewhere": {
                one.annotation.name: len(self.variants) - int(one.known.sum())
                - sum(self.lifted.get(one.annotation.name, {}).values())
                for one in self.annotated
            },
            "as_in_paper": self.as_in_paper,
            "without_score": counts["without_score"],
            "repeated": counts["repeated"],
            "outside": self.outside,
            "unused": {
                one.annotation.name: list(one.unused_groups) for one in self.annotated if one.unused_groups
                and any(label.kind == GROUP for label in one.labels)
            },
        }  # fmt: skip
        return prose.paragraphs(_CAUTIONS, values)


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
    title, sections = prose.rendered(_REPORT, _values(result), _figures(result))
    return write_page(folder, title, sections)


def _values(result: Result) -> dict[str, Any]:
    measured, provenance = result.measured, result.provenance
    subsets = result.at_quantile(within=True)
    adjusted = bool(provenance["covariates"])
    one_quantile = set(result.quantiles.values())
    return {
        "scores": result.scores,
        "variants": len(result.variants),
        "blocks": measured.blocks,
        "ld_blocks": provenance["blocks"]["table"] is not None,
        "population": provenance["blocks"]["population"],
        "block_kb": provenance["blocks"]["physical_bp"] / 1000,
        "findings": _findings(result),
        "cautions": result.cautions,
        "as_in_paper": result.as_in_paper,
        "quantile": f"{one_quantile.pop():g}" if len(one_quantile) == 1 else "",
        "groups": _table(result, result.at_quantile(), (GROUP, REGION)),
        "states": _table(result, result.at_quantile(), (STATE,)),
        "trends": _trends(result),
        "subsets": _subsets(subsets, result.scores) if len(subsets) else None,
        "adjusted": _adjusted(result) if adjusted else None,
        "covariates": list(provenance["covariates"]),
        "shifts": provenance["shifts"],
        "shifted": _shifted(result) if provenance["shifts"] else None,
        "draws": ROTATIONS,
        "shown": result.scores[: len(COLOURS)],
        "universe": _universe(result),
        "counts": provenance["counts"],
        "settings": settings_table(_settings(provenance)),
    }


def _figures(result: Result) -> prose.Figures:
    table, trends = result.measured.enrichment, result.measured.trends
    whole = table[table["within"] == ""]
    shown = result.scores[: len(COLOURS)]
    panels = _ordered(whole[whole["label"].isin(result.coarse)], result.coarse)
    names = [label.name for label in result.labels]
    coarse = sum(label.kind != STATE for label in result.labels)
    gaps = [*names[:coarse], *([""] if 0 < coarse < len(names) else []), *names[coarse:]]
    subsets = table[table["within"] != ""]
    subsets = subsets.assign(title=subsets["label"] + " within " + subsets["within"])
    return {
        "groups": lambda: png(plots.by_quantile(panels, shown)),
        "published": lambda: png(plots.published(panels, result.coarse[: len(COLOURS)], shown)),
        "labels": lambda: png(
            plots.forest(result.at_quantile(), trends[trends["within"] == ""], gaps, shown)
        ),
        "subsets": lambda: png(plots.by_quantile(subsets, shown, "title")),
    }


def _ordered(rows: pd.DataFrame, labels: Sequence[str]) -> pd.DataFrame:
    return rows.assign(order=rows["label"].map({name: i for i, name in enumerate(labels)})).sort_values(
        "order", kind="stable"
    )


def _findings(result: Result) -> list[dict[str, Any]]:
    """Of each score: the groups and regions whose trend holds after the correction, up and down."""
    trends = result.measured.trends
    kinds = (GROUP, REGION) if any(label.kind != STATE for label in result.labels) else (STATE,)
    whole = trends[(trends["within"] == "") & trends["kind"].isin(kinds)]
    findings = []
    for score in result.scores:
        own = whole[whole["score"] == score]
        sure = own[own["p_value_family"] < plots.SIGNIFICANT]
        findings.append(
            {
                "score": score,
                "tested": len(own),
                "more": [_named(row) for row in sure[sure["odds_ratio"] > 1].to_dict("records")],
                "less": [_named(row) for row in sure[sure["odds_ratio"] < 1].to_dict("records")],
            }
        )
    return findings


def _named(row: Row) -> str:
    return f"{row['label']} {_ratio(row)}"


def _ratio(row: Row, before: str = "") -> str:
    value = float(row[f"{before}odds_ratio"])
    if not math.isfinite(value):
        return "none" if math.isnan(value) else "infinite"
    return with_interval(lambda number: f"{number:.3f}", value, row[f"{before}low"], row[f"{before}high"])


def _p(value: float) -> str:
    return f"{value:.2g}" if math.isfinite(value) else ""


def _table(result: Result, rows: pd.DataFrame, kinds: Sequence[str]) -> Table | None:
    order = [label.name for label in result.labels]
    rows = _ordered(rows[rows["kind"].isin(kinds)], order)
    if not len(rows):
        return None
    cells: list[tuple[str, ...]] = []
    for score in result.scores:
        if len(result.scores) > 1:
            cells.append((score,))
        cells += [
            (
                str(row["label"]),
                f"{row['inside']:,}",
                f"{row['selected_inside']:,}",
                f"{row['expected_inside']:,.1f}",
                _ratio(row),
                _p(row["p_value"]),
                _p(row["p_value_family"]),
                f"{row['odds_ratio_all']:.3f}",
                _p(row["fisher_p_all"]),
            )
            for row in rows[rows["score"] == score].to_dict("records")
        ]
    header = (
        "label", "variants", "selected", "expected", "odds ratio", "p", "p of the family", "against all",
        "Fisher's p, against all",
    )  # fmt: skip
    return Table(header, tuple(cells))


def _trends(result: Result) -> Table:
    order = [label.name for label in result.labels]
    trends = result.measured.trends
    rows = _ordered(trends[trends["within"] == ""], order)
    cells: list[tuple[str, ...]] = []
    for score in result.scores:
        if len(result.scores) > 1:
            cells.append((score,))
        cells += [
            (
                str(row["label"]), _ratio(row), _p(row["p_value"]), _p(row["p_value_family"]),
                f"{row['effective_blocks']:,.0f}",
            )
            for row in rows[rows["score"] == score].to_dict("records")
        ]  # fmt: skip
    header = ("label", "odds ratio for each SD", "p", "p of the family", "effective blocks")
    return Table(header, tuple(cells))


def _subsets(rows: pd.DataFrame, scores: Sequence[str]) -> Table:
    cells: list[tuple[str, ...]] = []
    for score in scores:
        if len(scores) > 1:
            cells.append((score,))
        cells += [
            (
                f"{row['label']} within {row['within']}", f"{row['variants']:,}", f"{row['selected']:,}",
                f"{row['selected_inside']:,}", f"{row['expected_inside']:,.1f}", _ratio(row),
                _p(row["p_value_family"]),
                f"{row['odds_ratio_all']:.3f}", _p(row["fisher_p_all"]),
            )
            for row in rows[rows["score"] == score].to_dict("records")
        ]  # fmt: skip
    header = (
        "label", "variants", "selected", "with the label", "expected", "odds ratio", "p of the family",
        "against all", "Fisher's p, against all",
    )  # fmt: skip
    return Table(header, tuple(cells))


def _adjusted(result: Result) -> Table:
    order = [label.name for label in result.labels]
    rows = _ordered(result.at_quantile(), order)
    trends = result.measured.trends
    slopes = {
        (row["score"], row["annotation"], row["label"]): row
        for row in trends[trends["within"] == ""].to_dict("records")
    }
    cells: list[tuple[str, ...]] = []
    for score in result.scores:
        if len(result.scores) > 1:
            cells.append((score,))
        cells += [
            (
                str(row["label"]), _ratio(row), _ratio(row, "matched_"), _ratio(row, "adjusted_"),
                _p(row["adjusted_p"]),
                _ratio(slopes[row["score"], row["annotation"], row["label"]], "adjusted_"),
            )
            for row in rows[rows["score"] == score].to_dict("records")
        ]  # fmt: skip
    header = ("label", "odds ratio", "matched", "adjusted", "p, adjusted", "adjusted, for each SD")
    return Table(header, tuple(cells))


def _shifted(result: Result) -> Table:
    rows = _ordered(result.at_quantile(), [label.name for label in result.labels])
    cells: list[tuple[str, ...]] = []
    for score in result.scores:
        if len(result.scores) > 1:
            cells.append((score,))
        cells += [
            (str(row["label"]), _p(row["p_value"]), _p(row["shift_p"]), _p(row["shift_p_family"]))
            for row in rows[rows["score"] == score].to_dict("records")
        ]
    return Table(("label", "p, jackknife", "p, shifts", "p of the family, shifts"), tuple(cells))


def _universe(result: Result) -> Table:
    rows = []
    for one in result.annotated:
        annotation = one.annotation
        lost = result.lifted.get(annotation.name, {})
        rows.append(
            (
                annotation.name,
                f"{len(annotation.paths):,}",
                f"{one.intervals:,}",
                f"{annotation.min_tracks:,}",
                f"{int(one.known.sum()):,}",
                listed(f"{count:,} {status}" for status, count in lost.items() if count) or "none",
            )
        )
    header = (
        "annotation",
        "files",
        "intervals",
        "files that must agree",
        "variants",
        "lost in the lift-over",
    )
    return Table(header, tuple(rows), numbers=False)


def _settings(provenance: Mapping[str, Any]) -> dict[str, object]:
    kept = (
        "mifm_kipoi",
        "scores",
        "evaluated",
        "lower_is_better",
        "quantiles",
        "as_in_paper",
        "shifts",
        "seed",
    )
    settings: dict[str, object] = {
        name: provenance[name] for name in kept if provenance[name] not in (None, [])
    }
    settings["blocks"] = {key: value for key, value in provenance["blocks"].items() if value is not None}
    for name, one in provenance["annotations"].items():
        settings[f"annotation {name}"] = {
            "files": listed(file["name"] for file in one["files"]),
            "min_tracks": one["min_tracks"],
            **({"lift_over": one["lift_over"]["name"]} if one["lift_over"] else {}),
            **(
                {"groups": {key: ", ".join(states) for key, states in one["groups"].items()}}
                if one["groups"]
                else {}
            ),
        }
    return settings
