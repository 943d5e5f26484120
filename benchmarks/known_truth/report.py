"""The report of the benchmark: how often the causal variant is found, by which model, and why.

Its words are in ``report.md.jinja``; here are the values, tables and figures that it names.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from benchmarks.known_truth import plots
from benchmarks.known_truth.results import Results, read, read_settings
from mifm_kipoi.reports import page, prose
from mifm_kipoi.reports.drawing import png
from mifm_kipoi.reports.page import Table
from mifm_kipoi.support.files import made_folder

_TEMPLATE = Path(__file__).with_name("report.md.jinja")


def write_report(results: Path, out: Path) -> None:
    """Write ``report.md``, ``report.html`` and ``figures/*.png``, the same in content.

    Parameters
    ----------
    results : Path
        Folder of the tables of :data:`benchmarks.known_truth.results.COLUMNS` and of ``settings.json``.
        What has no rows, or is absent, is left out of the report; the tables of arms and metrics are needed.
    out : Path
        Folder to write to; it is made where it is absent.

    Raises
    ------
    ValueError
        When a table lacks columns, or has arms that the table of arms lacks.
    """
    found = Results(read(results), read_settings(results))
    title, sections = prose.rendered(_TEMPLATE, _values(found), _figures(found))
    page.write_page(made_folder(out), title, sections)


def _figures(results: Results) -> prose.Figures:
    tables, arms = results.tables, results.arms
    return {
        "overview": lambda: png(plots.overview(arms, tables["metrics"], tables.get("seeds"))),
        "top_1_by_size": lambda: png(plots.by_size(arms, tables["top_1_by_size"])),
        "precision_recall": lambda: png(
            plots.precision_recall(arms, tables["precision_recall"], results.values("auprc"))
        ),
        "power": lambda: png(plots.power(arms, tables["power"])),
        "decoys": lambda: png(plots.decoys(arms, tables["kinds"])),
        "attribution": lambda: png(
            plots.attribution(arms, tables["attribution"], _attributed(results) or "")
        ),
        "calibration": lambda: png(plots.calibration(arms, tables["calibration"])),
        "learning_curves": lambda: png(plots.learning_curves(arms, tables["learning_curves"])),
    }


def _values(results: Results) -> dict[str, Any]:
    """What the template names; tables that are absent are None."""
    arms, tables = results.arms, results.tables
    metrics = set(tables["metrics"]["arm"])
    prior = arms.best_prior
    held = (results.settings.get("held out") or {}).get("test") or {}
    return {
        "results": results,
        "arms": arms,
        "tables": tables,
        "label": lambda arm: arms.labels[arm],
        "real": (results.settings.get("simulation") or {}).get("design") == "real",
        "best": arms.best,
        "prior": prior if "abf" in metrics else None,
        "gain": "" if prior is None else _gain(results, prior),
        "chosen_from": len(results.in_groups("pooling", "setting", "combination")),
        "baselines": results.in_groups("baseline"),
        "controls": results.in_groups("control"),
        "poolings": list(arms.poolings),
        "masked": {"masked_optimal", "masked_centre"} <= metrics,
        "seeds": "seeds" in tables,
        "drawn": lambda name: [arm for arm in arms.lines if arm in set(tables[name]["arm"])],
        "all_arms": _all_arms(results),
        "ratios": _ratios(results),
        "in_largest": _in_largest(results),
        "by_studies": _by_studies(results),
        "wrong": _wrong(results),
        "highest_bins": _highest_bins(results),
        "pips": _pips(results),
        "ceiling": held.get("highest top-1 of the evidence"),
        "credible_sets": _credible_sets(results),
        "spreads": _spreads(results),
        "monitors": _monitors(results),
        "descriptions": _descriptions(results),
        "settings": page.settings_table(results.settings) if results.settings else None,
        **_attribution(results),
    }


def _gain(results: Results, prior: str) -> str:
    top_1 = results.values("top_1")
    return results.difference(prior, "abf") or page.points(top_1[prior] - top_1.get("abf", float("nan")))


def _all_arms(results: Results) -> Table:
    details = results.tables["arms"].set_index("arm")
    rows: list[tuple[str, ...]] = []
    for group, arms in results.arms.by_group():
        rows.append((group,))
        rows += [
            (
                results.arms.labels[arm],
                *(results.text(arm, metric) for metric in ("top_1", "top_5", "auprc")),
                results.difference(arm, "lowest_p"),
                *(page.count(details.loc[arm, column]) for column in ("members", "windows")),
                f"{seconds / 60:.1f}" if (seconds := details.loc[arm, "seconds"]) > 0 else "",
            )
            for arm in arms
        ]
    header = (
        "arm", "top-1, %", "top-5, %", "AUPRC", "top-1 less lowest p, points", "networks",
        "training windows", "training, minutes",
    )  # fmt: skip
    return Table(header, tuple(rows))


def _ratios(results: Results) -> Table | None:
    """Of priors, and of what the best scorers of windows are as priors."""
    if "ratios" not in results.tables:
        return None
    present = set(results.tables["ratios"]["arm"])
    shown = [arm for arm in results.in_groups("prior") if arm in present]
    validation = results.tables["arms"].set_index("arm")
    rows = tuple(
        (
            results.arms.labels[arm],
            *(results.ratio(arm, metric) for metric in ("top_1", "top_1_all", "auprc")),
            *(
                "" if pd.isna(validation.loc[arm, name]) else f"{validation.loc[arm, name]:.3f}"
                for name in ("validation_auprc", "validation_gain")
            ),
        )
        for arm in shown
    )
    header = (
        "arm", "top-1 over ABF's", "top-1 of all bags over ABF's", "AUPRC over ABF's",
        "AUPRC, validation", "likelihood, validation, nats",
    )  # fmt: skip
    return Table(header, rows) if rows else None


def _pips(results: Results) -> Table | None:
    """How far PIPs are from the truth."""
    columns = {
        name: results.values(name)
        for name in (
            "pips_per_bag", "causal_per_bag", "calibration_error_above_0.1", "calibration_error",
        )
    }  # fmt: skip
    rows = tuple(
        (results.arms.labels[arm], *(f"{values[arm]:.3f}" for values in columns.values()))
        for arm in results.arms.labels
        if all(arm in values for values in columns.values())
    )
    header = ("arm", "PIPs a bag", "causal variants a bag", "error of PIPs above 0.1", "error of all PIPs")
    return Table(header, rows) if rows else None


def _in_largest(results: Results) -> list[str]:
    table = results.tables.get("top_1_by_size")
    if table is None:
        return []
    largest = table[table["size_low"] == table["size_low"].max()].set_index("arm")
    return [
        f"{results.arms.labels[arm]} {page.percent(largest.loc[arm, 'value'])} %"
        for arm in results.arms.lines
        if arm in largest.index and arm != results.arms.best_prior
    ]


def _by_studies(results: Results) -> Table | None:
    table = results.tables.get("top_1_by_studies")
    if table is None:
        return None
    ranges = table[["studies_low", "studies_high", "bags"]].drop_duplicates("studies_low")
    header = ["arm"]
    for low, high, bags in ranges.itertuples(index=False, name=None):
        of = "1 study" if high == 1 else f"{low:.0f}-{high:.0f} studies"
        header.append(f"{of} ({page.count(bags)} bags)")
    rows = []
    for arm in results.arms.of(table):
        own = table[table["arm"] == arm].set_index("studies_low").reindex(ranges["studies_low"])
        cells = own[["value", "low", "high"]].itertuples(index=False, name=None)
        rows.append((results.arms.labels[arm], *(page.with_interval(page.percent, *cell) for cell in cells)))
    return Table(tuple(header), tuple(rows))


def _wrong(results: Results) -> list[str]:
    """The kind that an arm takes for causal most often."""
    table = results.tables.get("kinds")
    sentences: list[str] = []
    for arm in dict.fromkeys((results.arms.best, "max", "lowest_p")):
        if table is None or arm is None:
            continue
        others = table[(table["arm"] == arm) & (table["kind"] != "causal")].set_index("kind")["first_share"]
        if others.sum() > 0:
            percentage = f"{page.percent(others.max())} % of bags"
            sentences.append(f"{results.arms.labels[arm]}: {plots.KINDS[others.idxmax()]} ({percentage}).")
    return sentences


def _attributed(results: Results) -> str | None:
    """The arm whose attribution is drawn."""
    if "attribution" not in results.tables:
        return None
    present = results.arms.of(results.tables["attribution"])
    wished: Sequence[str | None] = (results.arms.best, *results.arms.poolings)
    return next((arm for arm in wished if arm in present), present[0])


def _attribution(results: Results) -> dict[str, Any]:
    arm = _attributed(results)
    if arm is None:
        return {"attributed": None, "mean_change": "", "attribution": None}
    table = results.tables["attribution"]
    rows = {}
    for name in results.arms.of(table):
        its = table[table["arm"] == name]
        informative, free = (its.loc[its["informative"] == flag, "effect"].mean() for flag in (1, 0))
        rows[name] = (informative, free, its["background"].mean())
    informative, free, background = rows[arm]
    header = ("arm", "informative bases", "free bases", "elsewhere")
    cells = tuple(
        (results.arms.labels[name], *(f"{value:.2f}" for value in its)) for name, its in rows.items()
    )
    return {
        "attributed": arm,
        "mean_change": (
            f"{informative:.2f} at informative bases, {free:.2f} at free ones, {background:.2f} elsewhere"
        ),
        "attribution": Table(header, cells) if len(rows) > 1 else None,
    }


def _highest_bins(results: Results) -> list[str]:
    table = results.tables.get("calibration")
    sentences: list[str] = []
    for arm in () if table is None else results.arms.of(table):
        rows = table[(table["arm"] == arm) & (table["count"] > 0)].sort_values("bin_low")
        if len(rows):
            last = rows.iloc[-1]
            sentences.append(
                f"{results.arms.labels[arm]}: of {last['count']:,.0f} variants with a PIP from "
                f"{last['bin_low']:g} on, {page.percent(last['observed'])} % are causal; their mean PIP "
                f"is {last['predicted']:.2f}."
            )
    return sentences


def _credible_sets(results: Results) -> Table | None:
    table = results.tables.get("credible_sets")
    if table is None:
        return None
    rows = table.set_index("arm").loc[results.arms.of(table)]
    cells = tuple(
        (
            results.arms.labels[str(arm)],
            page.count(row["sets"]),
            page.with_interval(page.percent, row["coverage"], row["low"], row["high"]),
            f"{row['mean_size']:.1f}",
            f"{row['median_size']:g}",
            f"{row['purity']:.2f}",
        )
        for arm, row in rows.iterrows()
    )
    return Table(("arm", "sets", "coverage, %", "mean size", "median size", "purity"), cells)


def _spreads(results: Results) -> list[str]:
    """Top-1 of validation bags after the last epoch, lowest to highest network."""
    table = results.tables.get("learning_curves")
    if table is None:
        return []
    last = table.sort_values("epoch").groupby(["arm", "seed"], sort=False)["validation_top_1"].last()
    spread = last.groupby("arm").agg(["min", "max"])
    poolings = results.arms.poolings
    return [
        f"{results.arms.labels[arm]} {page.percent(low)}-{page.percent(high)} %"
        for arm in dict.fromkeys((*poolings[:3], *poolings[-1:]))
        if arm in spread.index
        for low, high in (spread.loc[arm],)
    ]


def _monitors(results: Results) -> Table | None:
    """What the epoch of each monitor is worth, over the networks of poolings."""
    table = results.tables.get("monitors")
    if table is None:
        return None
    own = table[table["arm"].isin(results.in_groups("pooling"))]
    means = own.groupby("monitor", sort=False)[["epoch", "top_1", "auprc"]].agg(["mean", "size"])
    rows = tuple(
        (
            str(monitor), page.count(row["top_1", "size"]), f"{row['epoch', 'mean']:.1f}",
            page.percent(row["top_1", "mean"]), page.decimal(row["auprc", "mean"]),
        )
        for monitor, row in means.iterrows()
    )  # fmt: skip
    return Table(("monitor", "networks", "mean epoch", "mean top-1, %", "mean AUPRC"), rows) if rows else None


def _descriptions(results: Results) -> Table:
    """What the arms are."""
    descriptions = results.tables["arms"][["label", "description"]].fillna("")
    described = tuple(descriptions.itertuples(index=False, name=None))
    return Table(("arm", "what it is"), described, numbers=False)
