"""The tables of results as the report reads them: checked, and as numbers and words of them."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from benchmarks.known_truth import plots
from mifm_kipoi.reports import page

COLUMNS = {
    "arms": (
        "arm", "group", "label", "description", "members", "windows", "seconds", "validation_auprc",
        "validation_gain",
    ),
    "metrics": ("arm", "metric", "value", "low", "high"),
    "seeds": ("arm", "seed", "metric", "value"),
    "top_1_by_size": ("arm", "size_low", "size_high", "bags", "value", "low", "high"),
    "top_1_by_studies": ("arm", "studies_low", "studies_high", "bags", "value", "low", "high"),
    "precision_recall": ("arm", "recall", "precision"),
    "calibration": ("arm", "bin_low", "bin_high", "count", "predicted", "observed", "low", "high"),
    "power": ("arm", "fdr", "power"),
    "learning_curves": (
        "arm", "seed", "epoch", "windows", "train_loss", "validation_loss", "validation_likelihood",
        "validation_top_1", "validation_auprc",
    ),
    "monitors": ("arm", "seed", "monitor", "epoch", "top_1", "auprc"),
    "kinds": ("arm", "kind", "count", "first_share", "median_logit", "q25", "q75"),
    "attribution": ("arm", "motif", "offset", "base", "informative", "effect", "background"),
    "differences": ("arm", "against", "metric", "value", "low", "high"),
    "ratios": ("arm", "against", "metric", "value", "low", "high"),
    "credible_sets": ("arm", "sets", "coverage", "low", "high", "mean_size", "median_size", "purity"),
}  # fmt: skip
"""Tables of results, each a file of this name with the suffix .tsv, and their columns."""

_TEXT = ("arm", "against", "group", "label", "description", "metric", "kind", "motif", "base", "monitor")


def read(results: Path) -> dict[str, pd.DataFrame]:
    """The tables of a folder that have rows, their columns and arms checked."""
    tables = {}
    for name, columns in COLUMNS.items():
        path = results / f"{name}.tsv"
        if not path.is_file() or not path.stat().st_size:
            continue
        table = pd.read_csv(path, sep="\t", dtype=dict.fromkeys(_TEXT, str))
        if missing := [column for column in columns if column not in table]:
            raise ValueError(f"{path} has no columns {', '.join(missing)}; expected {', '.join(columns)}")
        if len(table):
            tables[name] = table
    if missing := [name for name in ("arms", "metrics") if name not in tables]:
        raise ValueError(f"{results} has no rows in {missing[0]}.tsv, without which there is no report")
    known = set(tables["arms"]["arm"])
    for name, table in tables.items():
        if unknown := sorted(set(table["arm"]) - known):
            raise ValueError(f"{name}.tsv has arms that arms.tsv lacks: {', '.join(unknown)}")
    if unknown := sorted(set(tables["arms"]["group"]) - set(plots.GROUPS)):
        raise ValueError(f"arms.tsv has the groups {', '.join(unknown)}; expected {', '.join(plots.GROUPS)}")
    return tables


def read_settings(results: Path) -> Mapping[str, Any]:
    """What made the tables, as plain JSON types; empty where nothing says it."""
    path = results / "settings.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() and path.stat().st_size else {}


@dataclasses.dataclass(frozen=True)
class Results:
    """Tables of results, and numbers and words of them."""

    tables: Mapping[str, pd.DataFrame]
    settings: Mapping[str, Any]
    arms: plots.Arms = dataclasses.field(init=False)

    def __post_init__(self) -> None:
        table = self.tables["arms"]
        groups = dict(zip(table["arm"], table["group"], strict=True))
        areas = table.set_index("arm")["validation_auprc"].dropna().to_dict()

        def ranked(*wanted: str) -> list[str]:
            """By AUPRC as prior on validation genealogies, so that nothing is chosen on the test bags."""
            arms = [arm for arm in groups if groups[arm] in wanted and arm in areas]
            return sorted(arms, key=lambda arm: -areas[arm])

        arms = plots.Arms(
            labels=dict(zip(table["arm"], table["label"], strict=True)),
            groups=groups,
            poolings=tuple(ranked("pooling")),
            best=(best := next(iter(ranked("pooling", "setting", "combination")), None)),
            best_prior=prior if (prior := f"{best}+abf") in groups else None,
        )
        object.__setattr__(self, "arms", arms)

    def values(self, metric: str) -> dict[str, float]:
        """A metric of every arm that has it."""
        rows = self.tables["metrics"]
        rows = rows[(rows["metric"] == metric) & rows["value"].notna()]
        return dict(zip(rows["arm"], rows["value"], strict=True))

    def text(self, arm: str | None, metric: str, *, interval: bool = True) -> str:
        """A metric as it stands in tables, all but AUPRC in percent; empty where there is none."""
        rows = self.tables["metrics"]
        rows = rows[(rows["metric"] == metric) & (rows["arm"] == arm) & rows["value"].notna()]
        if not len(rows):
            return ""
        value, low, high = rows[["value", "low", "high"]].iloc[0]
        write = page.decimal if metric == "auprc" else page.percent
        return page.with_interval(write, value, low, high) if interval else write(value)

    def phrase(self, arm: str | None, metric: str) -> str:
        """A metric as it stands in sentences, with its unit; empty where there is none."""
        value, _, interval = self.text(arm, metric).partition(" (")
        unit = " %" if value and metric != "auprc" else ""
        return f"{value}{unit}" + (f" (95 % interval {interval}" if interval else "")

    def ratio(self, arm: str | None, metric: str) -> str:
        """A metric of an arm over that of ABF on the same bags; empty where there is none."""
        rows = self.tables.get("ratios")
        if rows is None:
            return ""
        rows = rows[(rows["arm"] == arm) & (rows["metric"] == metric)]
        return page.with_interval(_times, *rows[["value", "low", "high"]].iloc[0]) if len(rows) else ""

    def difference(self, arm: str, against: str) -> str:
        """Top-1 of an arm less that of another on the same bags, in points; empty where there is none."""
        rows = self.tables.get("differences")
        if rows is None:
            return ""
        rows = rows[(rows["arm"] == arm) & (rows["against"] == against) & (rows["metric"] == "top_1")]
        return page.with_interval(page.points, *rows[["value", "low", "high"]].iloc[0]) if len(rows) else ""

    def listed(self, arms: Sequence[str | None], metric: str) -> str:
        """Arms that have a metric, each with it, without intervals."""
        unit = "" if metric == "auprc" else " %"
        texts = {arm: self.text(arm, metric, interval=False) for arm in arms if arm is not None}
        labels = self.arms.labels
        return page.listed([f"{labels[arm]} {text}{unit}" for arm, text in texts.items() if text])

    def in_groups(self, *groups: str) -> list[str]:
        """Arms of some groups."""
        return [arm for arm, group in self.arms.groups.items() if group in groups]


def _times(value: float) -> str:
    return f"{value:.2f}"
