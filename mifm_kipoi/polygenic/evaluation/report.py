"""The report of an evaluation of polygenic scores, and its cautions; the words are in templates."""

from __future__ import annotations

import dataclasses
import functools
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from mifm_kipoi.polygenic.evaluation import plots
from mifm_kipoi.polygenic.evaluation.measure import (
    EVALUATED,
    PAPER_SPLITS,
    PAPER_TEST_FRACTION,
    SAME,
    UNKNOWN_VALUES,
    Options,
)
from mifm_kipoi.polygenic.evaluation.methods import RANDOM
from mifm_kipoi.polygenic.evaluation.summaries import Correction, Verdict, means_of_methods
from mifm_kipoi.reports import prose
from mifm_kipoi.reports.drawing import png
from mifm_kipoi.reports.page import Fact, Facts, Section, Table, listed, settings_table, with_interval
from mifm_kipoi.statistics.estimates import MIN_CLUSTERS
from mifm_kipoi.statistics.linear import FitStatus
from mifm_kipoi.statistics.means import mean_of_clusters
from mifm_kipoi.statistics.sign_flip import sign_flip

MOST_SETTINGS = 6
"""Settings that have figures; tables have all."""

_MOST_NAMES = 4
"""Groups of people that a caution names."""

_MOST_ROWS = 60
"""Rows of a table of the report; the TSV files have all."""

_REPORT = Path(__file__).with_name("report.md.jinja")
_CAUTIONS = Path(__file__).with_name("cautions.md.jinja")


class Setting(NamedTuple):
    """A setting that has figures: a part of file names, the setting, and how captions begin."""

    key: str
    setting: str
    caption: str


@dataclasses.dataclass(frozen=True)
class Result:
    """What was measured, its inputs and options.

    Parameters
    ----------
    scenarios, performance, comparisons, summary, random : pandas.DataFrame
        The tables of the run.
    ancestries : tuple of str
        In their order.
    options : Options
        Method, baselines, folds.
    correction : {"bh", "holm"}
    level : float
        Of significance.
    cluster : str
        The label of clusters; may be empty.
    notes : tuple of str
        What was found on reading, in words.
    provenance : dict of plain JSON types
        Inputs and options.
    """

    scenarios: pd.DataFrame
    performance: pd.DataFrame
    comparisons: pd.DataFrame
    summary: pd.DataFrame
    random: pd.DataFrame
    ancestries: tuple[str, ...]
    options: Options
    correction: Correction
    level: float
    cluster: str
    notes: tuple[str, ...]
    provenance: dict[str, Any]

    @functools.cached_property
    def evaluated(self) -> pd.DataFrame:
        """The groups in which scores were evaluated."""
        return self.scenarios[self.scenarios["status"] == EVALUATED]

    @functools.cached_property
    def shown(self) -> list[str]:
        """Ancestries in which something was evaluated."""
        present = set(self.evaluated["ancestry"])
        return [name for name in self.ancestries if name in present]

    @functools.cached_property
    def settings(self) -> list[Setting]:
        """Settings that have figures: those of the method, else of any."""
        own = self.performance[self.performance["method"] == self.options.method]
        names = _in_order((own if len(own) else self.performance)["setting"])
        return [
            Setting(re.sub(r"[^A-Za-z0-9]+", "_", name) or "scores", name, _caption(name))
            for name in names[:MOST_SETTINGS]
        ]

    def at_setting(self, setting: str) -> pd.DataFrame:
        """Performance with a setting: that of each method, or of its only one beside the method's."""
        table = self.performance[np.isfinite(self.performance["r2"])]
        pairs = self.comparisons[self.comparisons["setting"] == setting]
        used = set(pairs["baseline_score"]) | set(table.loc[table["setting"] == setting, "score"])
        only = table.groupby("method")["setting"].nunique() == 1
        alone = table["method"].map(only).fillna(False).to_numpy(bool)
        shown: pd.DataFrame = table[table["score"].isin(used) | alone]
        return shown

    @functools.cached_property
    def cautions(self) -> list[str]:
        """What a reader must know before trusting the numbers, the gravest first; without full stops."""
        left_out = self.scenarios[self.scenarios["status"] != EVALUATED]
        unfitted = self.performance[self.performance["status"] != FitStatus.FITTED]
        compared = {self.options.method, self.options.bound, RANDOM, *self.comparisons["baseline"]}
        methods = list(dict.fromkeys(self.performance["method"]))
        dropped = self.evaluated[self.evaluated["dropped"] != ""]
        binary = self.evaluated[self.evaluated["kind"] == "binary"]
        values = {
            "as_in_paper": self.options.as_in_paper,
            "method": self.options.method,
            "method_present": self.options.method in methods or not methods,
            "left_out": [
                (f"{row['trait']} in {row['ancestry']}", row["status"]) for row in left_out.to_dict("records")
            ],
            "unfitted": [
                (f"{row['score']} in {row['ancestry']}", _status(row["status"]))
                for row in unfitted.drop_duplicates("score").to_dict("records")
            ],
            "same": int((self.comparisons["status"] == SAME).sum()),
            "not_compared": []
            if self.options.baselines or self.options.method not in methods
            else [name for name in methods if name not in compared],
            "traits": self.evaluated["trait"].nunique(),
            "enough_traits": MIN_CLUSTERS,
            "sample_prevalence": [
                name for name in dict.fromkeys(binary["trait"]) if name not in self.options.prevalence
            ],
            "backwards": [
                f"{row['score']} in {row['ancestry']}"
                for row in self.performance[
                    (self.performance["slope"] < 0) & (self.performance["r2_low"] > 0)
                ].to_dict("records")
            ],
            "unseen": int(np.nansum(self.evaluated["unseen"].to_numpy(np.float64))),
            "dropped": _grouped(dropped, "dropped"),
            "notes": self.notes,
        }
        return prose.paragraphs(_CAUTIONS, values)


def sections(result: Result) -> tuple[str, list[Section]]:
    """The report.

    Parameters
    ----------
    result : Result
        The evaluation.

    Returns
    -------
    title : str
    sections : list of Section

    Raises
    ------
    MissingPackageError
        When matplotlib is not installed.
    """
    return prose.rendered(_REPORT, _values(result), _figures(result))


def _grouped(scenarios: pd.DataFrame, column: str) -> list[tuple[str, str]]:
    """Groups of people with the same words in a column, by name, and the words."""
    grouped = []
    for words, rows in scenarios.groupby(column, sort=False):
        names = (rows["trait"] + " in " + rows["ancestry"]).tolist()
        more = f" and {len(names) - _MOST_NAMES:,} more" if len(names) > _MOST_NAMES else ""
        grouped.append((", ".join(names[:_MOST_NAMES]) + more, str(words)))
    return grouped


def _figures(result: Result) -> prose.Figures:
    method, bound, shown = result.options.method, result.options.bound, result.shown
    figures: dict[str, Any] = {}
    for one in result.settings:
        figures[f"r2_{one.key}"] = functools.partial(_draw_methods, result, one.setting, shown, method, bound)
        figures[f"traits_{one.key}"] = functools.partial(_draw_tiles, result, one.setting, shown)
        figures[f"random_{one.key}"] = functools.partial(
            _draw_random, result.random[result.random["setting"] == one.setting], shown
        )
    figures["verdicts"] = lambda: png(plots.verdicts(_counts(result)))
    figures["paper_verdicts"] = lambda: png(plots.verdicts(_paper_counts(result)))
    return figures


def _draw_methods(result: Result, setting: str, shown: Sequence[str], method: str, bound: str) -> bytes:
    rows = result.at_setting(setting)
    return png(plots.by_method(rows, means_of_methods(rows, ("ancestry",)), shown, method, bound))


def _draw_tiles(result: Result, setting: str, shown: Sequence[str]) -> bytes:
    rows = result.comparisons[result.comparisons["setting"] == setting]
    return png(plots.tiles(rows, shown, list(dict.fromkeys(rows["baseline"]))))


def _draw_random(random: pd.DataFrame, shown: Sequence[str]) -> bytes:
    return png(plots.draws(random, shown))


def _counts(result: Result) -> dict[str, pd.DataFrame]:
    """Bars of the figure of verdicts, by the title of the panel."""
    counts = {}
    for by, title in (("baseline", "by baseline"), ("ancestry", "by ancestry"), ("trait", "by trait")):
        rows = result.summary[result.summary["by"] == by]
        if by != "ancestry" or len(rows) > 1:
            counts[title] = rows.assign(name=rows[by])
    return counts


def _values(result: Result) -> dict[str, Any]:
    options, performance, comparisons = result.options, result.performance, result.comparisons
    tested = comparisons[comparisons["verdict"] != Verdict.NOT_TESTED]
    settings = result.settings
    known = performance[performance["draw"] == 0]
    return {
        "scores": known["score"].nunique() + int((performance["draw"] > 0).sum() > 0),
        "methods": performance["method"].nunique(),
        "traits": result.evaluated["trait"].nunique(),
        "ancestries": result.shown or list(result.ancestries),
        "facts": _facts(result),
        "findings": _findings(result),
        "cautions": result.cautions,
        "method": options.method,
        "bound": result.options.bound,
        "settings": settings if len(result.evaluated) else [],
        "tile_settings": [one for one in settings if (tested["setting"] == one.setting).any()],
        "draw_settings": [one for one in settings if (result.random["setting"] == one.setting).any()],
        "first_setting": _title(settings[0].setting) if settings else "",
        "setting_count": performance["setting"].nunique(),
        "more_settings": performance["setting"].nunique() > 1,
        "means": _means(result),
        "verdicts": _verdicts(result) if len(tested) else None,
        "tested": len(tested),
        "correction": {"bh": "Benjamini and Hochberg", "holm": "Holm"}[result.correction],
        "level": f"{result.level:g}",
        "resolution": _resolution(tested),
        "single": list(
            dict.fromkeys(tested.loc[tested["baseline_setting"] != tested["setting"], "baseline"])
        ),
        "random": _random(result.random) if len(result.random) else None,
        "paper": _paper(result) if options.as_in_paper and len(known) else None,
        "paper_verdicts": _paper_verdicts(result) if options.as_in_paper else None,
        "paper_splits": PAPER_SPLITS,
        "paper_test": round(100 * PAPER_TEST_FRACTION),
        "groups": _groups(result),
        "folds": options.folds,
        "stratified": bool((result.scenarios["kind"] == "binary").any()),
        "cluster": result.cluster,
        "settings_table": settings_table(_settings(result.provenance)),
    }


def _facts(result: Result) -> Facts | None:
    total = result.summary[result.summary["by"] == "all"]
    if not len(total):
        return None
    row = total.iloc[0]
    return Facts(
        (
            Fact("wins", f"{100 * row['win_fraction']:.0f} %", f"{row['wins']:,} of {row['comparisons']:,}"),
            Fact(
                "losses",
                f"{100 * row['loss_fraction']:.0f} %",
                f"{row['losses']:,} of {row['comparisons']:,}",
            ),
            Fact(
                "mean difference of R2",
                _percent(row["mean_difference"]),
                _interval_note(row["low"], row["high"]),
            ),
        )
    )


def _findings(result: Result) -> list[str]:
    """Sentences without full stops: the best methods, and what can be told of them."""
    method = result.options.method
    found = []
    for one in result.settings[:1]:
        means = means_of_methods(result.at_setting(one.setting), ("ancestry",))
        for ancestry in result.shown:
            own = means[means["ancestry"] == ancestry].sort_values("mean", ascending=False)
            bound = own[own["method"] == result.options.bound]
            own = own[own["method"] != result.options.bound]
            first = own.head(3).to_dict("records")
            names = own["method"].tolist()
            if method in names[3:]:
                first.append(own[own["method"] == method].iloc[0].to_dict())
            ranked = ", ".join(f"{row['method']} {_percent(row['mean'])} %" for row in first)
            place = f"; {method} is {names.index(method) + 1} of {len(names)}" if method in names else ""
            most = "".join(
                f"; {row['method']}, the bound, {_percent(row['mean'])} %" for row in bound.to_dict("records")
            )
            where = ", ".join(filter(None, (f"**{ancestry}**", _title(one.setting))))
            found.append(f"{where}: mean R2 {ranked}{place}{most}")
        rows = result.summary[result.summary["by"] == "setting and baseline"]
        rows = rows[(rows["setting"] == one.setting) & (rows["traits"] >= MIN_CLUSTERS)]
        better = rows[(rows["p_value"] < result.level) & (rows["mean_difference"] > 0)]
        worse = rows[(rows["p_value"] < result.level) & (rows["mean_difference"] < 0)]
        if len(rows):
            parts = [f"more than {listed(better['baseline'])}"] if len(better) else []
            parts += [f"less than {listed(worse['baseline'])}"] if len(worse) else []
            told = (
                f"explains {' and '.join(parts)} (p below {result.level:g}, each test alone)"
                if parts
                else f"cannot be told from any of the others (p at least {result.level:g} against each)"
            )
            where = ", ".join(filter(None, ("Over traits", _title(one.setting))))
            found.append(f"{where}: {method} {told}")
    return found


def _means(result: Result) -> Table:
    """Mean R2 of each method by ancestry, of the first setting."""
    if not result.settings:
        return Table(("method",), ())
    rows = result.at_setting(result.settings[0].setting)
    means = means_of_methods(rows, ("ancestry",))
    bound = result.options.bound
    bounds = means[means["method"] == bound].set_index("ancestry")["mean"]
    order = means.groupby("method")["mean"].mean().sort_values(ascending=False).index
    cells = []
    for method in order:
        line = [str(method)]
        for ancestry in result.shown:
            own = means[(means["method"] == method) & (means["ancestry"] == ancestry)]
            line.append(_with_interval(*own.iloc[0][["mean", "low", "high"]]) if len(own) else "")
        if bound:
            own = means[means["method"] == method].set_index("ancestry")["mean"]
            both = own.index.intersection(bounds.index)
            line.append(f"{100 * own[both].mean() / bounds[both].mean():.0f} %" if len(both) else "")
        cells.append(tuple(line))
    more = (f"of {bound}",) if bound else ()
    return Table(("mean R2, in %", *result.shown, *more), tuple(cells))


def _verdicts(result: Result) -> Table:
    cells: list[tuple[str, ...]] = []
    titles = {
        "all": "all", "baseline": "by baseline", "ancestry": "by ancestry", "setting": "by setting",
        "kind": "by kind of trait",
    }  # fmt: skip
    for by, title in titles.items():
        rows = result.summary[result.summary["by"] == by]
        if by == "setting":
            rows = rows.set_index("setting").loc[_in_order(rows["setting"])].reset_index()
        if by != "all":
            if len(rows) < 2 and by != "baseline":
                continue
            cells.append((title,))
        cells += [
            (
                "all comparisons"
                if by == "all"
                else _title(row[by]) or "no setting"
                if by == "setting"
                else str(row[by]),
                f"{row['comparisons']:,}",
                f"{row['wins']:,} ({100 * row['win_fraction']:.0f} %)",
                f"{row['losses']:,} ({100 * row['loss_fraction']:.0f} %)",
                _with_interval(row["mean_difference"], row["low"], row["high"], signed=True),
                _p(row["p_value"]),
            )
            for row in rows.to_dict("records")
        ]
    header = ("", "tests", "wins", "losses", "mean difference of R2, in %", "p, over traits")
    return Table(header, tuple(cells))


def _resolution(tested: pd.DataFrame) -> Table:
    cells = []
    for (kind, ancestry), rows in tested.groupby(["kind", "ancestry"], sort=False):
        errors = 100 * rows["difference_se"].to_numpy(np.float64)
        low, median, high = np.nanquantile(errors, (0.1, 0.5, 0.9))
        cells.append(
            (
                f"{kind} traits, {ancestry}", f"{len(rows):,}", f"{median:.3f}", f"{low:.3f} to {high:.3f}",
                f"{np.nanmedian(100 * rows['difference'].abs()):.3f}",
            )
        )  # fmt: skip
    header = ("", "tests", "standard error of a difference, in %", "80 % of them", "median difference, in %")
    return Table(header, tuple(cells))


def _random(random: pd.DataFrame) -> Table:
    """The method beside the draws, a row for each setting and ancestry: means over traits."""
    cells = []
    known = random[np.isfinite(random["r2"])]
    for (setting, ancestry), rows in known.groupby(["setting", "ancestry"], sort=False):
        gains = (rows["r2"] - rows["mean"]).groupby(rows["trait"]).mean().to_numpy(np.float64)
        mean = mean_of_clusters(gains, np.arange(len(gains))).estimate
        cells.append(
            (
                ", ".join(filter(None, (_title(setting), ancestry))), f"{len(gains):,}",
                f"{rows['draws'].min():,}",
                _percent(rows["mean"].mean()), _percent(rows["r2"].mean()),
                _with_interval(mean.value, mean.low, mean.high, signed=True), _p(sign_flip(gains).p_value),
                f"{100 * rows['above'].median():.0f} %",
            )
        )  # fmt: skip
    header = (
        "", "traits", "draws", "R2 of draws, in %", "of the method", "difference", "p, over traits",
        "draws below, median",
    )  # fmt: skip
    return Table(header, tuple(cells))


def _paper(result: Result) -> Table:
    table = result.performance[np.isfinite(result.performance["paper_r2"])]
    means = (
        table.groupby(["method", "setting", "ancestry"], sort=False)["paper_r2"].mean().unstack("ancestry")
    )  # fmt: skip
    cells = [
        (
            ", ".join(filter(None, (str(method), _title(setting)))),
            *(_percent(row.get(name, np.nan)) for name in result.shown),
        )
        for (method, setting), row in means.head(_MOST_ROWS).iterrows()
    ]
    return Table(("mean R2 of the whole model, in %", *result.shown), tuple(cells))


def _paper_counts(result: Result) -> dict[str, pd.DataFrame]:
    """Wins and losses by the authors' p-values, by the title of the panel of the figure."""
    known = result.comparisons[np.isfinite(result.comparisons["paper_p"])]
    significant = known["paper_p"] < result.level
    wins, losses = (
        significant & (known["paper_difference"] > 0),
        significant & (known["paper_difference"] < 0),
    )
    counts = {}
    for by, title in (("baseline", "by baseline"), ("ancestry", "by ancestry"), ("trait", "by trait")):
        rows = pd.DataFrame({"wins": wins, "losses": losses, "not_significant": ~wins & ~losses})
        summed = rows.groupby(known[by], sort=False).sum()
        if by != "ancestry" or len(summed) > 1:
            counts[title] = summed.assign(name=summed.index)
    return counts


def _paper_verdicts(result: Result) -> Table:
    """Verdicts by the authors' p-values and by sign flips, side by side, for each baseline."""
    authors = _paper_counts(result)["by baseline"].set_index("name")
    sound = result.summary[result.summary["by"] == "baseline"].set_index("baseline")
    cells = []
    for row in authors.reset_index().to_dict("records"):
        own = sound.loc[row["name"]] if row["name"] in sound.index else None
        cells.append(
            (
                str(row["name"]), f"{row['wins'] + row['losses'] + row['not_significant']:,}",
                f"{row['wins']:,}", f"{row['losses']:,}",
                "" if own is None else f"{own['wins']:,}", "" if own is None else f"{own['losses']:,}",
            )
        )  # fmt: skip
    header = ("", "comparisons", "wins, authors' test", "losses", "wins, sign flips", "losses")
    return Table(header, tuple(cells))


def _groups(result: Result) -> Table:
    cells = [
        (
            f"{row['trait']}, {row['ancestry']}", f"{row['people']:,}",
            "" if math.isnan(row["cases"]) else f"{row['cases']:,.0f}",
            f"{row['without_trait']:,}", f"{row['without_covariates']:,}",
            _percent(row["covariates_r2"]), _decimal(row["covariates_auc"]),
            f"{row['scores']:,}", row["status"],
        )
        for row in result.scenarios.to_dict("records")
    ]  # fmt: skip
    header = (
        "", "people", "cases", "trait unknown", "covariates unknown", "R2 of covariates, in %",
        "their AUC", "scores", "status",
    )  # fmt: skip
    return Table(header, tuple(cells))


def _settings(provenance: Mapping[str, Any]) -> dict[str, Any]:
    """Inputs and options as the report shows them: files by their names."""
    return {
        name: {key: _shown(one) for key, one in value.items()}
        if isinstance(value, Mapping) and "sha256" not in value
        else _shown(value)
        for name, value in provenance.items()
    }


def _shown(value: Any) -> Any:
    if isinstance(value, Mapping) and "sha256" in value:
        return value["name"]
    if isinstance(value, list):
        return ", ".join(str(_shown(one)) for one in value) or None
    return value


def _in_order(settings: Iterable[str]) -> list[str]:
    """Settings by weighting, as they come, and within one by the number of variants."""
    names = list(dict.fromkeys(settings))
    weightings = list(dict.fromkeys(name.partition(".")[2] for name in names))

    def place(name: str) -> tuple[int, float]:
        top, _, weighting = name.partition(".")
        number = re.fullmatch(r"top(\d+)", top)
        return weightings.index(weighting), float(number[1]) if number else math.inf

    return sorted(names, key=place)


def _title(setting: str) -> str:
    """A setting in words: ``top 5, mean`` of ``top5.mean``."""
    top, _, weighting = setting.partition(".")
    top = re.sub(r"^top(\d+)$", r"top \1", top)
    return ", ".join(filter(None, (top, weighting)))


def _caption(setting: str) -> str:
    """A setting as the beginning of a caption, with its full stop; empty where there is none."""
    title = _title(setting)
    return f"{title[:1].upper()}{title[1:]}." if title else ""


def _status(status: str) -> str:
    return {str(FitStatus.CONSTANT): "the same for all", UNKNOWN_VALUES: UNKNOWN_VALUES}.get(status, status)


def _percent(value: float) -> str:
    # Adding 0 leaves no minus zero.
    shown = f"{round(100 * value, 2) + 0.0:.2f}" if math.isfinite(value) else ""
    return shown.replace("-", "\N{MINUS SIGN}")


def _decimal(value: float) -> str:
    return f"{value:.3f}" if math.isfinite(value) else ""


def _with_interval(value: float, low: float, high: float, signed: bool = False) -> str:
    if not math.isfinite(value):
        return ""

    def write(number: float) -> str:
        hundredths = round(100 * number, 2) + 0.0
        shown = f"{hundredths:+.2f}" if signed and hundredths else f"{hundredths:.2f}"
        return shown.replace("-", "\N{MINUS SIGN}")

    return with_interval(write, value, low, high)


def _interval_note(low: float, high: float) -> str:
    if not (math.isfinite(low) and math.isfinite(high)):
        return "in % of the variance"
    return f"in %; {_percent(low)} to {_percent(high)}"


def _p(value: float) -> str:
    return f"{value:.2g}" if math.isfinite(value) else ""
