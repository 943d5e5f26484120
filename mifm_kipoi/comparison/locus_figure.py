"""The regional view: all scores of a locus over the position, the same variants marked in all panels."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from mifm_kipoi.baselines.protocol import Evidence, Score
from mifm_kipoi.comparison.locus import ASSOCIATION, in_locus
from mifm_kipoi.comparison.records import Comparison, Model
from mifm_kipoi.genomics.loci import Locus
from mifm_kipoi.reports.regional import SIGNIFICANT, Mark, Panel, regional_view

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_FIRST_MARKED = 3
"""Positions that the first model ranks top and that are marked."""

_PIP_NAME = re.compile(r"(?<![a-z])(pips?|pp)(?![a-z0-9])", re.IGNORECASE)
"""Usual names of columns of PIPs; ``PP4`` of colocalisation is another thing."""

_MIFM = "mifm_ref"

_MOST_PIPS = 8
"""PIPs in one panel: CAUSALdb2 has seven tools."""


def panels_of(comparison: Comparison) -> list[Panel]:
    """Panels of a regional view, from the top: associations, PIPs, MIFM, then every other model.

    A model whose associations or PIPs are shown has no panel of its own. Of many PIPs the first of each model
    come first, and no more are shown than the key has room for.
    """
    models = comparison.models
    associations = [(model.label, model.column(ASSOCIATION)) for model in models if _has(model, ASSOCIATION)]
    pips = [
        (f"{model.label} {_tool(score.name)}".strip(), model.column(score.name))
        for model in models
        for score in model.declaration.scores
        if is_pip(model, score)
    ]
    of_models = {column for _, column in pips}
    primary = {model.ranking[0] for model in models}
    if len(pips) > _MOST_PIPS:
        pips.sort(key=lambda pip: pip[1] not in primary)
    mifm = [(model.label, model.column(_MIFM)) for model in models if _has(model, _MIFM)]
    shared = [
        Panel("\N{MINUS SIGN}log10 p", tuple(associations), from_zero=True, lines=((SIGNIFICANT, ""),)),
        Panel("PIP", tuple(pips[:_MOST_PIPS]), from_zero=True),
        Panel("MIFM", tuple(mifm)),
    ]
    shown = {column for panel in shared for _, column in panel.series} | of_models
    others = [
        Panel(model.label, ((model.label, model.ranking[0]),))
        for model in models
        if shown.isdisjoint(model.column(name) for name in model.declaration.columns)
    ]
    return [panel for panel in (*shared, *others) if panel.series]


def _has(model: Model, name: str) -> bool:
    return name in model.declaration.columns


def is_pip(model: Model, score: Score) -> bool:
    """Whether a score is a posterior inclusion probability: as declared, or by the name of its column.

    Other columns of fine-mapping, such as log Bayes factors and effects, are not.
    """
    if score.evidence is Evidence.ANNOTATION:
        # Of a column that declares nothing, the label may say what it is.
        return bool(_PIP_NAME.search(model.column(score.name)))
    return score.evidence is Evidence.PIP


def has_pip(comparison: Comparison) -> bool:
    """Whether any score is a posterior inclusion probability, so that the highest is marked."""
    return any(is_pip(model, score) for model in comparison.models for score in model.declaration.scores)


def has_association(comparison: Comparison) -> bool:
    """Whether any model has -log10 of p-values, so that the lowest p-value is marked."""
    return any(_has(model, ASSOCIATION) for model in comparison.models)


def _tool(name: str) -> str:
    return name.removeprefix("pip").removesuffix("pip").strip("_")


def marks_of(comparison: Comparison, locus: Locus) -> list[Mark]:
    """The variants that stand out in a locus, by position.

    They are the first variant of each of the three positions that the first model ranks highest, the variant
    with the highest PIP, and that with the lowest p-value; of ties, the first in the file.
    """
    rows = np.flatnonzero(in_locus(comparison, locus))
    reasons: dict[int, list[str]] = {}
    first = comparison.models[0]
    scores = comparison.table[first.ranking[0]].to_numpy()[rows]
    by_score = rows[np.argsort(-scores, kind="stable")][: int(np.sum(~np.isnan(scores)))]
    positions: set[int] = set()
    for row in by_score:
        if len(positions) == _FIRST_MARKED:
            break
        pos = int(comparison.table["pos"].iloc[row])
        if pos not in positions:
            positions.add(pos)
            reasons.setdefault(int(row), []).append(f"{first.label} no. {len(positions)}")
    for panel in panels_of(comparison):
        if panel.title == "PIP" or panel.series[0][1].endswith(f".{ASSOCIATION}"):
            best = _highest(comparison, [column for _, column in panel.series], rows)
            if best is not None:
                what = "highest PIP" if panel.title == "PIP" else "lowest p"
                reasons.setdefault(best, []).append(what)
    ordered = sorted(reasons, key=lambda row: (int(comparison.table["pos"].iloc[row]), row))
    return [Mark(row, tuple(reasons[row])) for row in ordered]


def _highest(comparison: Comparison, columns: Sequence[str], rows: npt.NDArray[np.int64]) -> int | None:
    """The row with the highest score of any column; None where none is above 0."""
    scores = comparison.table[columns].max(axis=1).to_numpy(dtype=np.float64)[rows]
    if not np.any(scores > 0):
        return None
    return int(rows[np.nanargmax(scores)])


def locus_view(comparison: Comparison, locus: Locus) -> Figure:
    """The regional view.

    Parameters
    ----------
    comparison : Comparison
        The compared scores.
    locus : Locus
        The region that is drawn.

    Raises
    ------
    OptionError
        When no variant lies in it.
    """
    rows = np.flatnonzero(in_locus(comparison, locus))
    marks = [Mark(int(np.searchsorted(rows, mark.row)), mark.reasons) for mark in marks_of(comparison, locus)]
    return regional_view(comparison.table.iloc[rows], locus, panels_of(comparison), marks)
