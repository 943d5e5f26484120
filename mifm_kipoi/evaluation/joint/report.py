"""The report of an evaluation of joint tests, and the cautions that it bears; the words are in templates."""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Callable, Hashable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from mifm_kipoi.baselines.protocol import Evidence
from mifm_kipoi.evaluation.joint import plots
from mifm_kipoi.evaluation.joint.controls import CORRECTED, NOMINAL
from mifm_kipoi.evaluation.joint.models import ALL, BY_P
from mifm_kipoi.evaluation.joint.records import Evaluation
from mifm_kipoi.evaluation.joint.scores import MemberScores
from mifm_kipoi.evaluation.ranking.score_tables import Chosen
from mifm_kipoi.reports import prose
from mifm_kipoi.reports.drawing import png
from mifm_kipoi.reports.page import Table, settings_table, write_page
from mifm_kipoi.statistics.normal import log_p_of_z

ENOUGH_CLUMPS = 200
"""Clumps below which counts are small and what filters differ in is seldom seen."""

SIGNIFICANT = 0.05
"""Of the p-value against random filters, in the summary."""

_REPORT = Path(__file__).with_name("report.md.jinja")
_CAUTIONS = Path(__file__).with_name("cautions.md.jinja")

Row = Mapping[Hashable, Any]


@dataclasses.dataclass(frozen=True)
class Result:
    """What was measured, its inputs and options.

    Parameters
    ----------
    selection : str
        Who selects: ``halves``, ``others`` or ``same``; empty for summary statistics.
    evaluation : Evaluation
    tables : dict of str to pandas.DataFrame
        The tables that are written, by name.
    scores : MemberScores
    chosen : Chosen
        The columns of scores.
    notes : sequence of str
        What became of people, covariates and rows.
    doubts : sequence of str
        What makes the studies doubtful, in words: signs that are not those of the people, p-values of 0.
    provenance : dict of plain JSON types
        Inputs and options.
    """

    selection: str
    evaluation: Evaluation
    tables: dict[str, pd.DataFrame]
    scores: MemberScores
    chosen: Chosen
    notes: Sequence[str]
    doubts: Sequence[str]
    provenance: dict[str, Any]

    @property
    def filters(self) -> tuple[str, ...]:
        """All filters, that by p first."""
        return self.evaluation.filters

    @property
    def whole(self) -> pd.DataFrame:
        """The rows of ``filters.tsv`` over all clumps."""
        table = self.tables["filters"]
        return table[table["scope"] == "all"]

    def row(self, model: str, level: str) -> Row:
        """That of a model over all clumps at a level."""
        own = self.whole[(self.whole["model"] == model) & (self.whole["level"] == level)]
        return own.to_dict("records")[0]

    @functools.cached_property
    def saw_the_study(self) -> list[dict[str, str]]:
        """Scores that were made from associations, or whose model says what it may have seen."""
        seen = []
        for name in self.chosen.columns:
            evidence, source = self.chosen.evidence(name), self.chosen.source(name)
            if evidence in (Evidence.ASSOCIATION, Evidence.PIP):
                seen.append({"name": name, "why": "is made from associations or fine-mapping"})
            elif source is not None and source.leakage:
                seen.append(
                    {"name": name, "why": f"may have seen, as {source.name} declares: {source.leakage}"}
                )
        return seen

    @functools.cached_property
    def cautions(self) -> list[str]:
        """What a reader must know before trusting the numbers, the gravest first; without full stops."""
        evaluation = self.evaluation
        binary = sorted({one.clump.trait for one in evaluation.tested if one.exact})
        values = {
            "selection": self.selection,
            "summary": self.selection == "",
            "doubts": list(self.doubts),
            "clumps": len(evaluation.tested),
            "enough": ENOUGH_CLUMPS,
            "saw": self.saw_the_study,
            "held_out": self.provenance["held_out"],
            "has_second": evaluation.second is not None,
            "absent": {name: count for name, count in self.scores.absent.items() if count},
            "candidates": len(self.tables["variants"]["id"].unique()),
            "binary": binary,
            "not_fitted": sum(
                fit.status != "fitted" for one in evaluation.tested for fit in one.exact.values()
            ),
            "draws": self.provenance["draws"],
            "covariates": self.provenance["covariates"],
            "scores": self.chosen.columns,
        }
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
    evaluation, provenance = result.evaluation, result.provenance
    table = result.tables["filters"]
    nominal = table[table["level"] == NOMINAL]
    traits = nominal[nominal["scope"] == "trait"]
    parts = nominal[nominal["scope"].isin(["held out", "not held out"])]
    options = provenance["filters"]
    percentiles = {name: f"{options[name]:g}" for name in ("p_percentile", "score_percentile")}
    return {
        "selection": result.selection,
        "chosen_by": provenance["selection"],
        "traits": provenance["traits"],
        "people": provenance["people"]["tested"],
        "clumps": len(evaluation.tested),
        "single": len(evaluation.clumps) - len(evaluation.tested),
        "threshold": f"{evaluation.thresholds[CORRECTED]:.2g}",
        "tests": evaluation.tests,
        "alpha": provenance["tests"]["alpha"],
        "factor": f"{provenance['tests']['factor']:g}",
        "findings": [_finding(result, name) for name in result.filters],
        "varies": any(
            result.row(name, CORRECTED)["significant_matched_low"]
            < result.row(name, CORRECTED)["significant_matched_high"]
            for name in result.filters
        ),
        "every": {level: int(result.row(ALL, level)["significant"]) for level in evaluation.thresholds},
        "cautions": result.cautions,
        "notes": list(result.notes),
        "significant": _significant(result),
        "secondary": _secondary(result),
        "second": _second(result) if evaluation.second is not None else None,
        "truth": _truth(result) if evaluation.causal is not None else None,
        "by_trait": _by_scope(traits, result) if len(traits) else None,
        "by_chromosome": _by_scope(parts, result) if len(parts) else None,
        "sizes": _sizes(result),
        "dependent": int((result.tables["clumps"]["dependent"] != "").sum()),
        "binary": sorted({one.clump.trait for one in evaluation.tested if one.exact}),
        "exact": _exact(result),
        "clumping": provenance["clumping"],
        "options": options | percentiles,
        "draws": provenance["draws"],
        "removed": provenance["removed_by_quality"],
        "by_p": BY_P,
        "scores": result.chosen.columns,
        "settings": settings_table(_settings(provenance)),
    }


def _figures(result: Result) -> prose.Figures:
    measures = ["significant", "secondary"]
    if result.evaluation.second is not None:
        measures.append("replicated")
    draws = result.tables["draws"]
    effects = result.tables["effects"]
    vif = result.tables["models"]
    full = vif[vif["model"] == ALL].set_index(["trait", "clump"])["largest_vif"]
    clumps = result.tables["clumps"]
    sizes = [
        (float(full[row["trait"], row["clump"]]), int(row["members"]), int(row["kept"]))
        for row in clumps.to_dict("records")
    ]

    def nulls(level: str, measures: Sequence[str]) -> bytes:
        whole = result.whole[result.whole["level"] == level]
        return png(plots.nulls(draws[draws["level"] == level], whole, result.filters, measures))

    return {
        **{
            f"nulls_{level}": functools.partial(nulls, level, measures)
            for level in result.evaluation.thresholds
        },
        "truth": lambda: nulls(NOMINAL, ["true", "false"]),
        "replication": lambda: png(plots.replication(effects, result.evaluation.models, NOMINAL)),
        "sizes": lambda: png(plots.sizes(sizes, ("members, and what pruning keeps", "the model of all"))),
    }


def _finding(result: Result, name: str) -> dict[str, Any]:
    """What a filter finds at each level, and what random filters do."""
    rows = {level: result.row(name, level) for level in result.evaluation.thresholds}
    return {"name": name, "variants": rows[NOMINAL]["variants"]} | {
        level: {
            "significant": row["significant"],
            "mean": f"{row['significant_matched']:,.1f}",
            "low": f"{row['significant_matched_low']:,.0f}",
            "high": f"{row['significant_matched_high']:,.0f}",
            "p": _p(row["significant_matched_p"]),
            "verdict": _verdict(row),
        }
        for level, row in rows.items()
    }


def _verdict(row: Row) -> str:
    """``more`` or ``fewer`` than random filters, ``same`` where all of them find as many, else ``alike``."""
    low, high = row["significant_matched_low"], row["significant_matched_high"]
    if low == high == row["significant"] == row["significant_matched"]:
        return "same"
    if row["significant_matched_p"] < SIGNIFICANT:
        return "more"
    return "fewer" if row["significant"] < low else "alike"


def _p(value: float) -> str:
    return f"{value:.2g}" if math.isfinite(value) else ""


def _drawn(row: Row, measure: str, control: str) -> tuple[str, str]:
    """The mean and interval of a control, and the p-value against it."""
    if f"{measure}_{control}" not in row or not math.isfinite(row[f"{measure}_{control}"]):
        return "", ""
    mean, low, high = (row[f"{measure}_{control}{end}"] for end in ("", "_low", "_high"))
    return f"{mean:,.1f} ({low:,.0f} to {high:,.0f})", _p(row[f"{measure}_{control}_p"])


def _by_level(
    header: Sequence[str], rows: pd.DataFrame, result: Result, cells_of: Callable[[Row], tuple[str, ...]]
) -> Table:
    """A table with the models of each level below a heading."""
    cells: list[tuple[str, ...]] = []
    for level, threshold in result.evaluation.thresholds.items():
        words = "not corrected" if level == NOMINAL else f"corrected over {result.evaluation.tests:,} effects"
        cells.append((f"p below {threshold:.2g}, {words}",))
        cells += map(cells_of, rows[rows["level"] == level].to_dict("records"))
    return Table(tuple(header), tuple(cells))


def _significant(result: Result) -> Table:
    with_second = result.evaluation.second is not None
    header = [
        "model", "clumps with secondary", "variants", "significant", "matched on r", "p", "at random", "p",
        "not significant alone",
    ]  # fmt: skip
    if with_second:
        header += ["replicated", "matched on r", "p"]

    def cells(row: Row) -> tuple[str, ...]:
        own = (
            str(row["model"]), f"{row['clumps_with_secondary']:,}", f"{row['variants']:,}",
            f"{row['significant']:,}", *_drawn(row, "significant", "matched"),
            *_drawn(row, "significant", "permuted"), f"{row['not_significant_alone']:,}",
        )  # fmt: skip
        if not with_second:
            return own
        return (*own, f"{row['replicated']:,}", *_drawn(row, "replicated", "matched"))

    return _by_level(header, result.whole, result, cells)


def _secondary(result: Result) -> Table:
    header = (
        "model", "clumps with a significant variant", "matched on r", "significant secondary variants",
        "matched on r", "p", "at random", "p", "clumps in which they add (F)", "median VIF",
    )  # fmt: skip

    def cells(row: Row) -> tuple[str, ...]:
        vif = row["median_vif"]
        return (
            str(row["model"]), f"{row['clumps']:,}", _drawn(row, "clumps", "matched")[0],
            f"{row['secondary']:,}", *_drawn(row, "secondary", "matched"),
            *_drawn(row, "secondary", "permuted"), f"{row['added_signals']:,}",
            f"{vif:.1f}" if math.isfinite(vif) else "",
        )  # fmt: skip

    return _by_level(header, result.whole, result, cells)


def _second(result: Result) -> Table:
    header = (
        "model", "significant", "replicated", "expected by power", "differ", "differ from all of the clump",
        "shown equal",
    )  # fmt: skip

    def cells(row: Row) -> tuple[str, ...]:
        return (
            str(row["model"]), f"{row['significant']:,}", f"{row['replicated']:,}",
            f"{row['expected_to_replicate']:.1f}", f"{row['differ']:,}", f"{row['differ_from_full']:,}",
            f"{row['equal']:,}",
        )  # fmt: skip

    return _by_level(header, result.whole, result, cells)


def _truth(result: Result) -> Table:
    header = ("model", "true", "matched on r", "p", "at random", "p", "false", "matched on r", "at random")

    def cells(row: Row) -> tuple[str, ...]:
        return (
            str(row["model"]), f"{row['true']:,}", *_drawn(row, "true", "matched"),
            *_drawn(row, "true", "permuted"), f"{row['false']:,}", _drawn(row, "false", "matched")[0],
            _drawn(row, "false", "permuted")[0],
        )  # fmt: skip

    return _by_level(header, result.whole, result, cells)


def _by_scope(rows: pd.DataFrame, result: Result) -> Table:
    with_second = result.evaluation.second is not None
    header = ["model", "variants", "significant", "matched on r", "p", "secondary", "matched on r"]
    if with_second:
        header.append("replicated")
    cells: list[tuple[str, ...]] = []
    for (scope, which), own in rows.groupby(["scope", "which"], sort=False):
        clumps = int(own["clumps_tested"].iloc[0])
        label = str(which)
        if scope != "trait":
            label = f"chromosomes {which}, held out" if scope == "held out" else "the others"
        cells.append((f"{label}: {clumps:,} clumps",))
        for row in own.to_dict("records"):
            line = [
                str(row["model"]), f"{row['variants']:,}", f"{row['significant']:,}",
                *_drawn(row, "significant", "matched"), f"{row['secondary']:,}",
                _drawn(row, "secondary", "matched")[0],
            ]  # fmt: skip
            if with_second:
                line.append(f"{row['replicated']:,}")
            cells.append(tuple(line))
    return Table(tuple(header), tuple(cells))


def _sizes(result: Result) -> dict[str, Any]:
    clumps = result.tables["clumps"]
    models = result.tables["models"]
    full = models[models["model"] == ALL]
    return {
        "members": f"{clumps['members'].median():g}",
        "largest": int(clumps["members"].max()),
        "pruned": int((clumps["members"] - clumps["kept"]).sum()),
        "over_ten": int((full["largest_vif"] > 10).sum()),
        "deficient": int((full["rank"] < full["variants"]).sum()),
    }


def _exact(result: Result) -> dict[str, int]:
    """Of binary traits: significant variants by one step, by maximum likelihood, and by both."""
    effects = result.tables["effects"]
    if "exact_beta" not in effects:
        return {}
    own = effects[effects["exact_beta"].notna()]
    log_p = log_p_of_z(own["exact_beta"] / own["exact_standard_error"])
    exact = log_p < math.log(result.evaluation.thresholds[NOMINAL])
    step = own[NOMINAL].to_numpy(dtype=bool)
    return {
        "step": int(step.sum()), "likelihood": int(exact.sum()), "both": int(np.sum(step & exact)),
        "tested": len(own),
    }  # fmt: skip


def _settings(provenance: Mapping[str, Any]) -> dict[str, Any]:
    kept = (
        "mifm_kipoi", "scores", "evaluated", "lower_is_better", "traits", "selection", "covariates",
        "clumping", "filters", "tests", "held_out", "draws", "seed", "removed_by_quality",
    )  # fmt: skip
    shown = {name: provenance[name] for name in kept if provenance[name] not in (None, {}, [])}
    shown["scores"] = provenance["scores"] and provenance["scores"]["name"]
    thresholds = {level: f"{value:.3g}" for level, value in provenance["tests"]["thresholds"].items()}
    shown["tests"] = provenance["tests"] | {"thresholds": thresholds}
    for name in ("people", "second_sample"):
        own = provenance[name]
        if own is not None:
            shown[name] = {
                "genotypes": own["genotypes"],
                "tables": [table["name"] for table in own["tables"]],
                **({"keep": own["keep"]["name"]} if own["keep"] else {}),
                **({"tested": own["tested"]} if "tested" in own else {}),
            }
    for name in ("studies", "second_studies"):
        if provenance[name]:
            shown[name] = {trait: one["name"] for trait, one in provenance[name].items()}
    return shown
