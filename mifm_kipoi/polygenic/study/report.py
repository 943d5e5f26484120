"""One report of all steps of a study."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from mifm_kipoi.genetics.matching import OUTCOMES, Outcome
from mifm_kipoi.polygenic.application.decisions import LOW_OVERLAP, OK
from mifm_kipoi.polygenic.evaluation.run import PgsEvaluateResult
from mifm_kipoi.reports.page import Link, Section, Table, count, write_page
from mifm_kipoi.reports.prose import rendered

_TEMPLATE = Path(__file__).with_name("report.md.jinja")

_MOST_OTHERS = 20
"""Scores of others that have rows of their own, at most."""


@dataclasses.dataclass(frozen=True)
class Steps:
    """What the steps wrote, as the report shows it.

    Parameters
    ----------
    built : pandas.DataFrame, optional
        A row for each score that was built; without it, none was.
    matching : pandas.DataFrame
        A row for each score that was applied.
    pages : dict of str to str
        Pages of the steps, by what they are about: their place in the folder of the study.
    """

    built: pd.DataFrame | None
    matching: pd.DataFrame
    pages: dict[str, str]


def write_report(folder: Path, steps: Steps, evaluation: PgsEvaluateResult | None) -> list[Path]:
    """Write ``report.html``, ``report.md`` and ``figures/``.

    Parameters
    ----------
    folder : Path
        Of the study.
    steps : Steps
        All but the last.
    evaluation : PgsEvaluateResult, optional
        The last step, whose title and sections come first.
    """
    title, sections = sections_of(steps)
    if evaluation is not None:
        title, sections = evaluation.title, [*evaluation.sections, *sections[1:]]
    return write_page(folder, title, sections)


def sections_of(steps: Steps) -> tuple[str, list[Section]]:
    """The title and the sections about all steps but the last; the first is the summary."""
    matching, built = steps.matching, steps.built
    values: dict[str, Any] = {
        "scores": len(matching),
        "others": len(matching) - (0 if built is None else int(matching["score"].isin(built["name"]).sum())),
        "studies": 0 if built is None else built["study"].nunique(),
        "rows": int(matching["rows"].sum()),
        "matched": int(matching["matched"].sum()),
        "built": None if built is None else _built(built),
        "matches": _matches(matching, built),
        "reasons": _reasons(matching),
        "refused": _listed(matching.loc[~_computed(matching), "score"]),
        "pages": Table(
            ("step", "page"),
            tuple((name, Link(path, path)) for name, path in steps.pages.items()),
            numbers=False,
        ),
    }
    return rendered(_TEMPLATE, values)


def _built(built: pd.DataFrame) -> Table:
    """A row for each method: how many scores, and of how many variants and signals."""
    rows = []
    for method, own in built.groupby("method", sort=False):
        rows.append(
            (
                str(method), f"{len(own):,}", own["study"].nunique(), _span(own["variants"]),
                _span(own["signals"]), _span(own["signals_without"]), count(own["ambiguous"].max()),
            )
        )  # fmt: skip
    header = (
        "method", "scores", "studies", "variants", "signals", "signals without a variant",
        "A/T or C/G, at most",
    )  # fmt: skip
    return Table(header, tuple(tuple(map(str, row)) for row in rows))


def _matches(matching: pd.DataFrame, built: pd.DataFrame | None) -> Table:
    """A row for each method: how many of its rows fit the genotypes."""
    method = {} if built is None else dict(zip(built["name"], built["method"], strict=True))
    others = matching.loc[~matching["score"].isin(list(method)), "score"]
    one = "of others" if len(others) > _MOST_OTHERS else ""
    groups = matching["score"].map(lambda name: method.get(name, one or name))
    rows = []
    for name, own in matching.groupby(groups, sort=False):
        rows.append(
            (
                str(name), f"{len(own):,}", f"{int(own['rows'].sum()):,}", f"{int(own['matched'].sum()):,}",
                f"{100 * own['fraction'].min():.1f} %", count((~_computed(own)).sum()),
            )
        )  # fmt: skip
    header = ("score", "scores", "rows", "matched", "matched, lowest of its scores", "not computed")
    return Table(header, tuple(rows))


def _reasons(matching: pd.DataFrame) -> str:
    """The reasons why rows have no variant, with their numbers, in words."""
    others = [outcome.value for outcome in OUTCOMES if outcome is not Outcome.MATCHED]
    totals = {name.replace("_", " "): int(matching[name].sum()) for name in others}
    return "; ".join(f"{name} {total:,}" for name, total in totals.items() if total)


def _computed(matching: pd.DataFrame) -> pd.Series[bool]:
    return matching["status"].isin([OK, LOW_OVERLAP])


def _span(values: pd.Series[Any]) -> str:
    low, high = int(values.min()), int(values.max())
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"


def _listed(names: Sequence[str] | pd.Series[str], most: int = 10) -> str:
    listed = list(names)
    more = f" and {len(listed) - most:,} more" if len(listed) > most else ""
    return ", ".join(listed[:most]) + more
