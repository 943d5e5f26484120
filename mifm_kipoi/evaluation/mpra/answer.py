"""The answer of the evaluation on saturation mutagenesis, in words."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from mifm_kipoi.evaluation.mpra.correlations import FEWEST_POSITIONS
from mifm_kipoi.evaluation.mpra.records import ALL, CONTROL, Question
from mifm_kipoi.evaluation.mpra.table import Kind
from mifm_kipoi.reports import page

FEWEST_ELEMENTS = 3
"""Elements below which nothing is said of a score: intervals of single elements are too narrow."""


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
    elements = _of_interest(by_element)
    means = _of_interest(summary[summary["group"] == ALL])
    of_models, controls = means[means["label"] != CONTROL], means[means["label"] == CONTROL]
    enough = (of_models["elements"] >= FEWEST_ELEMENTS) & np.isfinite(of_models["difference_low"])
    judged, rest = of_models[enough], of_models[~enough]
    sentences = [_verdict(judged, all_of_them=rest.empty)] if len(judged) else []
    if len(rest):
        reasons = page.listed(
            f"{name}: {_lacking(elements[elements['score'] == name])}" for name in rest["score"]
        )
        sentences.append(f"{'Not judged' if len(judged) else 'There is no verdict'}. {reasons}.")
    numbers = set(means["elements"])
    same = f", n = {numbers.pop()}" if len(numbers) == 1 else ""
    sentences.append(
        f"Means of Spearman's correlation over elements{same}: {_said(of_models, not same)}. Controls, which "
        f"know nothing of the sequence: {_said(controls, not same)}."
    )
    if len(judged):
        above = page.listed(judged.loc[judged["spearman_low"] > 0, "score"]) or "none"
        given = page.listed(judged.loc[judged["partial_low"] > 0, "score"]) or "none"
        sentences.append(f"With an interval above 0: {above}; given the distance: {given}.")
    return " ".join(sentences)


def _of_interest(table: pd.DataFrame) -> pd.DataFrame:
    chosen = (table["kind"] == Kind.SNV) & (table["stratum"] == ALL) & (table["question"] == Question.SIZE)
    return table[chosen]


def _verdict(judged: pd.DataFrame, all_of_them: bool) -> str:
    better = list(judged.loc[judged["difference_low"] > 0, "score"])
    if better:
        return (
            f"**{', '.join(better)}: the correlation with the size of measured effects is above that of the "
            "distance to the centre of the element, by the 95 % interval of the paired difference.**"
        )
    who = "No score" if all_of_them else f"Of {', '.join(judged['score'])}, none"
    return (
        f"**{who} correlates with the size of measured effects more than the distance to the centre of the "
        "element does, by the 95 % intervals of paired differences.**"
    )


def _lacking(rows: pd.DataFrame) -> str:
    """What a score needs for a verdict and does not have; ``rows`` has one for each element."""
    if not (rows["rows"] + rows["unscored"]).sum():
        return "no effect of an exchange is evaluated"
    if not rows["rows"].sum():
        return "no exchange that is evaluated has the score"
    long = rows[rows["positions"] >= FEWEST_POSITIONS]
    if long.empty:
        return f"no element has {FEWEST_POSITIONS} positions with effects and scores"
    known = int(long["spearman"].notna().sum())
    if not known:
        return "scores, or sizes of effects, are the same throughout each element"
    if known < FEWEST_ELEMENTS:
        return f"elements are too few, {known} of at least {FEWEST_ELEMENTS}"
    return "the distance to the centre has no correlation to compare with"


def _said(rows: pd.DataFrame, each: bool) -> str:
    """Scores with their means, and with ``each`` the number of elements of every one."""
    return page.listed(
        f"{row['score']} {estimate(row, 'spearman')}" + (f" (n = {row['elements']})" if each else "")
        if row["elements"]
        else f"{row['score']} is absent"
        for row in rows.to_dict("records")
    )


def estimate(row: pd.Series | Mapping[Hashable, Any], name: str) -> str:
    """A measure of a row with its interval; empty where it is not known."""
    value, low, high = (float(row[f"{name}{end}"]) for end in ("", "_low", "_high"))
    return page.with_interval(_signed, value, low, high)


def _signed(value: float) -> str:
    # Adding 0 takes the sign off what rounds to 0.
    return f"{round(value, 3) + 0:+.3f}" if np.isfinite(value) else ""
