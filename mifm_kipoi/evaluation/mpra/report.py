"""The report of an evaluation on saturation mutagenesis: its numbers; the words are in templates."""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Hashable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from mifm_kipoi.evaluation.mpra import plots
from mifm_kipoi.evaluation.mpra.correlations import BLOCK_BP, FEWEST_POSITIONS
from mifm_kipoi.evaluation.mpra.elements import Element
from mifm_kipoi.evaluation.mpra.records import (
    ALL,
    CONTROL,
    HELD_OUT,
    SEEN,
    Evaluated,
    Question,
    Source,
)
from mifm_kipoi.evaluation.mpra.table import Kind, Measured
from mifm_kipoi.genomics.contigs import contig_key
from mifm_kipoi.reports import page, prose
from mifm_kipoi.reports.drawing import png
from mifm_kipoi.reports.page import Table
from mifm_kipoi.statistics.estimates import MIN_CLUSTERS

FEWEST_ELEMENTS = 3
"""Elements below which there is no verdict on a score: intervals of single elements are too narrow."""

_HEADINGS = {
    Question.SIZE: "Size of the measured effect",
    Question.DIRECTION: "Measured effect with its sign",
}

_REPORT = Path(__file__).with_name("report.md.jinja")
_ANSWER = Path(__file__).with_name("answer.md.jinja")


def write_report(evaluated: Evaluated, folder: Path) -> list[Path]:
    """Write ``report.html``, ``report.md`` and ``figures/*.png``, the same in content.

    Parameters
    ----------
    evaluated : Evaluated
        What was found.
    folder : Path
        Must exist.

    Returns
    -------
    list of Path
        The figures and the two reports.

    Raises
    ------
    OutputError
        When a file cannot be written.
    """
    return page.write_page(folder, *prose.rendered(_REPORT, _values(evaluated), _figures(evaluated)))


def answer(by_element: pd.DataFrame, summary: pd.DataFrame) -> str:
    """Whether scores correlate with the size of effects more than the distance to the centre does.

    Parameters
    ----------
    by_element, summary : pandas.DataFrame
        From :func:`mifm_kipoi.evaluation.mpra.correlations.correlate` and ``summarise``.

    Returns
    -------
    str
        One paragraph; without a verdict where no score has an interval of the difference over at least
        :data:`FEWEST_ELEMENTS` elements, and then with what is missing.
    """
    chosen = {"kind": Kind.SNV, "stratum": ALL, "question": Question.SIZE}
    elements, means = _pick(by_element, **chosen), _pick(summary, **chosen, group=ALL)
    of_models, controls = means[means["label"] != CONTROL], means[means["label"] == CONTROL]
    enough = (of_models["elements"] >= FEWEST_ELEMENTS) & np.isfinite(of_models["difference_low"])
    judged, rest = of_models[enough], of_models[~enough]
    numbers = set(means["elements"])
    values = {
        "better": _above_0(judged, "difference"),
        "judged": list(judged["score"]),
        "lacking": [f"{name}: {_lacking(elements[elements['score'] == name])}" for name in rest["score"]],
        "n": numbers.pop() if len(numbers) == 1 else 0,
        "models": _means(of_models),
        "controls": _means(controls),
        "above": _above_0(judged, "spearman"),
        "given": _above_0(judged, "partial"),
    }
    return " ".join(prose.paragraphs(_ANSWER, values))


def _above_0(rows: pd.DataFrame, measure: str) -> list[str]:
    """Scores whose interval of a measure is above 0."""
    return list(rows.loc[rows[f"{measure}_low"] > 0, "score"])


def _means(rows: pd.DataFrame) -> list[dict[str, Any]]:
    return [
        {"score": row["score"], "elements": row["elements"], "spearman": estimate(row, "spearman")}
        for row in rows.to_dict("records")
    ]


def _lacking(rows: pd.DataFrame) -> str:
    """What a score needs for a verdict and does not have; ``rows`` has one for each element."""
    if not (rows["rows"] + rows["unscored"]).sum():
        return "no effect of a substitution is evaluated"
    if not rows["rows"].sum():
        return "no substitution that is evaluated has the score"
    long = rows[rows["positions"] >= FEWEST_POSITIONS]
    if long.empty:
        return f"no element has {FEWEST_POSITIONS} positions with effects and scores"
    known = int(long["spearman"].notna().sum())
    if not known:
        return "scores, or sizes of effects, are the same throughout each element"
    if known < FEWEST_ELEMENTS:
        return f"elements are too few, {known} of at least {FEWEST_ELEMENTS}"
    return "the distance to the centre has no correlation to compare with"


def estimate(row: pd.Series | Mapping[Hashable, Any], name: str) -> str:
    """A measure of a row with its interval, signs included; empty where it is not known."""
    value, low, high = (float(row[f"{name}{end}"]) for end in ("", "_low", "_high"))
    return page.with_interval(_signed, value, low, high)


def _signed(value: float) -> str:
    # Adding 0 takes the sign off what rounds to 0.
    return f"{round(value, 3) + 0:+.3f}" if np.isfinite(value) else ""


def _pick(table: pd.DataFrame, **values: object) -> pd.DataFrame:
    """Rows with these values."""
    chosen = np.ones(len(table), dtype=bool)
    for name, value in values.items():
        chosen &= (table[name] == value).to_numpy()
    return table[chosen]


def _values(evaluated: Evaluated) -> dict[str, Any]:
    by_element, summary, made_by = evaluated.by_element, evaluated.summary, evaluated.made_by
    stratum = next((name for name in summary["stratum"].unique() if name != ALL), None)
    deleted = (by_element["rows"][by_element["kind"] == Kind.DELETION] > 0).any()
    n_fractions = evaluated.unknown
    return {
        "answer": answer(by_element, summary),
        "n_percent": None
        if n_fractions is None
        else [page.percent(float(np.quantile(n_fractions, at))) for at in (0, 0.5, 1)],
        "overlapping": list(_overlapping(evaluated.elements)),
        "means": _table(summary, Kind.SNV, ALL),
        "questions": [
            {"name": str(question), "heading": heading}
            for question, heading in _HEADINGS.items()
            if len(_pick(by_element, kind=Kind.SNV, stratum=ALL, question=question))
        ],
        "block_bp": BLOCK_BP,
        "min_clusters": MIN_CLUSTERS,
        "fewest_positions": FEWEST_POSITIONS,
        "held_out": _held_out(evaluated) if by_element["held_out"].any() else None,
        "held_out_elements": _held_out_elements(by_element),
        "significant": _table(summary, Kind.SNV, stratum) if stratum else None,
        "max_p": f"{made_by['max_p']:g}" if stratum else "",
        "deletions": _table(summary, Kind.DELETION, ALL) if deleted else None,
        "profiles": [
            {
                "figure": f"element_{number}",
                "element": element.name,
                "interval": f"{element.chrom}:{element.start + 1:,}-{element.end:,}",
                "length": len(element),
                "evaluated": _evaluated_count(evaluated, element),
            }
            for number, element in enumerate(evaluated.elements, start=1)
        ],
        "rows": len(evaluated.measurements.rows),
        "min_barcodes": made_by["min_barcodes"],
        "statuses": _statuses(evaluated),
        "models": _models(evaluated),
        "settings": page.settings_table(
            {name: value for name, value in made_by.items() if name != "declarations"}
        ),
    }


def _figures(evaluated: Evaluated) -> prose.Figures:
    questions = {
        f"correlations_{question}": functools.partial(_correlations, evaluated, question)
        for question in _HEADINGS
    }
    profiles = {
        f"element_{number}": functools.partial(_profile, evaluated, element)
        for number, element in enumerate(evaluated.elements, start=1)
    }
    return questions | profiles


def _correlations(evaluated: Evaluated, question: Question) -> bytes:
    chosen = {"kind": Kind.SNV, "stratum": ALL, "question": question}
    rows, means = _pick(evaluated.by_element, **chosen), _pick(evaluated.summary, **chosen, group=ALL)
    return png(plots.correlations(rows, means, CONTROL))


def _overlapping(elements: list[Element]) -> Iterator[str]:
    for index, one in enumerate(elements):
        for other in elements[index + 1 :]:
            same = contig_key(one.chrom) == contig_key(other.chrom)
            if same and one.start < other.end and other.start < one.end:
                yield f"{one.name} and {other.name}"


def _table(summary: pd.DataFrame, kind: Kind, stratum: str) -> Table:
    chosen = _pick(summary, kind=kind, stratum=stratum, group=ALL)
    chosen = chosen[chosen["elements"] > 0]
    rows: list[tuple[str, ...]] = []
    for question, heading in _HEADINGS.items():
        part = chosen[chosen["question"] == question]
        if len(part):
            rows.append((heading,))
        rows += [
            (
                str(row["score"]),
                page.count(row["elements"]),
                *(estimate(row, name) for name in ("spearman", "partial", "difference")),
            )
            for _, row in part.iterrows()
        ]
    header = ("score", "n", "Spearman", "given the distance", "less that of the distance")
    return Table(header, tuple(rows))


def _held_out(evaluated: Evaluated) -> Table:
    by_element = _pick(evaluated.by_element, kind=Kind.SNV, stratum=ALL)
    chosen = _pick(evaluated.summary, kind=Kind.SNV, stratum=ALL)
    rows: list[tuple[str, ...]] = []
    for question, heading in _HEADINGS.items():
        groups = chosen[(chosen["question"] == question) & (chosen["group"] != ALL)]
        if len(groups):
            rows.append((heading,))
        for score in dict.fromkeys(groups["score"]):
            cells: list[str] = [str(score)]
            for group, held_out in ((HELD_OUT, True), (SEEN, False)):
                row = _pick(groups, score=score, group=group)
                number = int(row["elements"].sum())
                if number == 1:
                    row = _pick(by_element, question=question, score=score, held_out=held_out)
                    row = row[row["spearman"].notna()]
                cells += [page.count(number), estimate(row.iloc[0], "spearman") if number else ""]
            rows.append(tuple(cells))
    return Table(("score", "held out, n", "Spearman", "others, n", "Spearman"), tuple(rows))


def _held_out_elements(by_element: pd.DataFrame) -> list[str]:
    held_out = _pick(by_element, kind=Kind.SNV, stratum=ALL, held_out=True).drop_duplicates("element")
    return [
        f"{name} ({plots.named(chrom)})"
        for name, chrom in zip(held_out["element"], held_out["chrom"], strict=True)
    ]


def _inside(evaluated: Evaluated, element: Element) -> npt.NDArray[np.bool_]:
    """The rows of the substitutions of an element."""
    rows = evaluated.measurements.rows
    return ((rows["element"] == element.name) & (rows["kind"] == Kind.SNV)).to_numpy()


def _evaluated_count(evaluated: Evaluated, element: Element) -> int:
    measured = (evaluated.measurements.rows["measured"] == Measured.OK).to_numpy()
    return int((_inside(evaluated, element) & measured).sum())


def _profile(evaluated: Evaluated, element: Element) -> bytes:
    rows, inside = evaluated.measurements.rows, _inside(evaluated, element)
    positions = np.arange(element.start + 1, element.end + 1)
    effects = rows["coefficient"].where(rows["measured"] == Measured.OK).to_numpy(dtype=float)

    def over(values: npt.NDArray[np.float64], signed: bool) -> npt.NDArray[np.float64]:
        return plots.by_position(rows["pos"].to_numpy()[inside], values[inside], positions, signed)

    by_name = _pick(evaluated.by_element, element=element.name, kind=Kind.SNV, stratum=ALL)
    by_name = _pick(by_name, question=Question.SIZE)
    panels = [("measured effect, log2", over(effects, True), True)]
    for source in evaluated.sources:
        shown = _shown(source)
        if source.label == CONTROL or shown is None:
            continue
        column, name, signed = shown
        row = _pick(by_name, score=name).iloc[0]
        title = f"{source.column(column)}   (Spearman {estimate(row, 'spearman') or 'none'})"
        panels.append((title, over(source.columns[column], signed), signed))
    return png(plots.profile(element, positions, panels), 110)


def _shown(source: Source) -> tuple[str, str, bool] | None:
    """The score that a figure shows, if any, the name of its series, and whether it has a sign."""
    for score in source.scores:
        if score.ranks and not score.signed:
            return score.name, source.column(score.name), False
    signed = (score.name for score in source.scores if score.signed)
    return next(((name, f"|{source.column(name)}|", True) for name in signed), None)


def _statuses(evaluated: Evaluated) -> Table:
    measured = Counter(evaluated.measurements.rows["measured"])
    lines: list[tuple[str, ...]] = [("Measured",)]
    lines += [(str(reason), page.count(number)) for reason, number in measured.most_common()]
    for source in evaluated.sources:
        lines.append((f"{source.status_column}",))
        lines += [(reason, page.count(number)) for reason, number in Counter(source.status).most_common()]
    return Table(("reason", "rows"), tuple(lines))


def _models(evaluated: Evaluated) -> Table:
    lines: list[tuple[str, ...]] = []
    for source in evaluated.sources:
        declared = source.declaration
        if declared is None:
            lines.append(("Controls",))
        elif source.status_column == f"{source.label}.status":
            lines.append((f"{source.label}: {declared.name}",))
            lines += [
                ("held out", "chromosomes " + ", ".join(declared.held_out) if declared.held_out else "none"),
                ("leakage", declared.leakage or "nothing is known"),
                (
                    "windows",
                    f"{declared.window:,} bp; {declared.alleles}" if declared.window else "no sequence",
                ),
                ("source", declared.citation),
            ]
        lines += [(source.column(score.name), score.meaning) for score in source.scores]
    return Table(("", ""), tuple(lines), numbers=False)
