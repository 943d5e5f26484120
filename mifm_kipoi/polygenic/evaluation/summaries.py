"""What all comparisons together say: corrected p-values, wins and losses, means over traits."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from typing import Literal

import numpy as np
import pandas as pd

from mifm_kipoi.statistics.means import mean_of_clusters
from mifm_kipoi.statistics.multiple_testing import benjamini_hochberg, holm
from mifm_kipoi.statistics.sign_flip import sign_flip

Correction = Literal["bh", "holm"]


class Verdict(enum.StrEnum):
    """What became of a comparison of a method with a baseline."""

    WIN = "win"
    LOSS = "loss"
    NOT_SIGNIFICANT = "not significant"
    NOT_TESTED = "not tested"


BY = (
    (), ("baseline",), ("ancestry",), ("setting",), ("kind",), ("trait",), ("baseline", "ancestry"),
    ("setting", "baseline"),
)  # fmt: skip
"""Columns of comparisons, over each combination of whose values a row of the summary counts."""


def with_verdicts(comparisons: pd.DataFrame, correction: Correction, level: float) -> pd.DataFrame:
    """Comparisons with corrected p-values and verdicts.

    Parameters
    ----------
    comparisons : pandas.DataFrame
        ``difference`` and ``p_value``, NaN where there was no test.
    correction : {"bh", "holm"}
        By which p-values a verdict is given: those of Benjamini and Hochberg, or of Holm. All tests of the
        run are one family, and only these.
    level : float
        A corrected p-value below this is significant.

    Returns
    -------
    pandas.DataFrame
        With ``p_bh``, ``p_holm`` and ``verdict``.
    """
    p_values = comparisons["p_value"].to_numpy(np.float64)
    corrected = {"p_bh": benjamini_hochberg(p_values), "p_holm": holm(p_values)}
    p_value, difference = corrected[f"p_{correction}"], comparisons["difference"].to_numpy(np.float64)
    verdict = np.full(len(comparisons), str(Verdict.NOT_SIGNIFICANT), dtype=object)
    verdict[np.isnan(p_values)] = str(Verdict.NOT_TESTED)
    with np.errstate(invalid="ignore"):
        verdict[(p_value < level) & (difference > 0)] = str(Verdict.WIN)
        verdict[(p_value < level) & (difference < 0)] = str(Verdict.LOSS)
    return comparisons.assign(**corrected, verdict=verdict)


def summarised(comparisons: pd.DataFrame) -> pd.DataFrame:
    """Counts of verdicts and mean differences, overall and by baseline, ancestry, setting, kind and trait.

    Parameters
    ----------
    comparisons : pandas.DataFrame
        Of :func:`with_verdicts`.

    Returns
    -------
    pandas.DataFrame
        A row for each group of :data:`BY`: ``by``, the columns of the group (empty where the row is of all),
        ``comparisons`` that were tested, ``wins``, ``losses``, ``not_significant``, ``win_fraction``,
        ``loss_fraction``, ``traits``, ``mean_difference`` with ``low`` and ``high``, and ``p_value``. A mean
        is over traits, each of which counts once, whatever the number of its comparisons: those of a trait
        share people and outcome. Its interval is Student's over traits, and none where there are fewer than
        5; its p-value is by sign flips of whole traits.
    """
    tested = comparisons[comparisons["verdict"] != Verdict.NOT_TESTED]
    names = list(dict.fromkeys(name for by in BY for name in by))
    rows = []
    for by in BY:
        groups = tested.groupby(list(by), sort=False) if by else [((), tested)]
        for values, group in groups:
            if not len(group):
                continue
            counts = group["verdict"].value_counts()
            wins, losses = int(counts.get(Verdict.WIN, 0)), int(counts.get(Verdict.LOSS, 0))
            means = group.groupby("trait", sort=False)["difference"].mean()
            mean = mean_of_clusters(means.to_numpy(np.float64), np.arange(len(means)))
            rows.append(
                {
                    "by": " and ".join(by) or "all",
                    **dict.fromkeys(names, ""),
                    **dict(zip(by, values, strict=True)),
                    "comparisons": len(group),
                    "wins": wins,
                    "losses": losses,
                    "not_significant": len(group) - wins - losses,
                    "win_fraction": wins / len(group),
                    "loss_fraction": losses / len(group),
                    "traits": len(means),
                    "mean_difference": mean.estimate.value,
                    "low": mean.estimate.low,
                    "high": mean.estimate.high,
                    "p_value": sign_flip(means.to_numpy(np.float64)).p_value,
                }
            )
    columns = [
        "by", *names, "comparisons", "wins", "losses", "not_significant", "win_fraction", "loss_fraction",
        "traits", "mean_difference", "low", "high", "p_value",
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=columns)


def means_of_methods(
    performance: pd.DataFrame, groups: Sequence[str] = ("ancestry", "setting")
) -> pd.DataFrame:
    """Mean R2 of each method over traits.

    Parameters
    ----------
    performance : pandas.DataFrame
        A row for each score and ancestry, with ``r2``.
    groups : sequence of str
        Columns that methods are not averaged over.

    Returns
    -------
    pandas.DataFrame
        ``groups``, ``method``, ``traits``, ``mean``, ``low``, ``high`` (Student's interval over traits), in
        the order of the rows.
    """
    rows = []
    known = performance[np.isfinite(performance["r2"])]
    for values, group in known.groupby([*groups, "method"], sort=False):
        means = group.groupby("trait", sort=False)["r2"].mean().to_numpy(np.float64)
        mean = mean_of_clusters(means, np.arange(len(means))).estimate
        rows.append(
            {
                **dict(zip((*groups, "method"), values, strict=True)),
                "traits": len(means),
                "mean": mean.value,
                "low": mean.low,
                "high": mean.high,
            }
        )
    return pd.DataFrame(rows, columns=[*groups, "method", "traits", "mean", "low", "high"])
