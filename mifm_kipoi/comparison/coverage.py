"""How many variants each model scores, why the others have no score, and time and memory of each model."""

from __future__ import annotations

import numpy as np
import pandas as pd

from mifm_kipoi.baselines.protocol import LookupStatus
from mifm_kipoi.comparison.records import Comparison, Model
from mifm_kipoi.conventions import Status

OTHER_SCORES_ONLY = "other_scores_only"
"""Reason of variants that have a score of the model, but not its primary score."""

_REASONS = (*map(str, Status), *map(str, LookupStatus), OTHER_SCORES_ONLY)


def coverage(comparison: Comparison) -> pd.DataFrame:
    """Variants with the primary score of each model, and why the others have no score.

    Parameters
    ----------
    comparison : Comparison
        The scores.

    Returns
    -------
    pandas.DataFrame
        A row for each model: ``model, variants, scored, share`` (scored / variants), then a column for
        each reason that occurs, with the variants that have no score for it. ``scored`` and the reasons sum
        to ``variants``.
    """
    counts = [_reasons(comparison, model) for model in comparison.models]
    occurring = {reason for each in counts for reason in each}
    ordered = sorted(
        occurring,
        key=lambda reason: (_REASONS.index(reason) if reason in _REASONS else len(_REASONS), reason),
    )
    total = len(comparison.table)
    rows = []
    for model, each in zip(comparison.models, counts, strict=True):
        scored = total - sum(each.values())
        fraction = scored / total if total else np.nan
        rows.append((model.label, total, scored, fraction, *(each.get(reason, 0) for reason in ordered)))
    return pd.DataFrame(rows, columns=["model", "variants", "scored", "share", *ordered])


def _reasons(comparison: Comparison, model: Model) -> dict[str, int]:
    absent = comparison.table[model.ranking[0]].isna()
    reasons = comparison.table.loc[absent, model.status].replace(str(Status.OK), OTHER_SCORES_ONLY)
    return {str(reason): int(count) for reason, count in reasons.value_counts().items()}


def scored_by_all(comparison: Comparison) -> int:
    """How many variants have the primary score of each model.

    Parameters
    ----------
    comparison : Comparison
        The scores.
    """
    return int(comparison.table[list(comparison.primary_scores)].notna().all(axis=1).sum())


def resources(comparison: Comparison) -> pd.DataFrame:
    """Time, speed and memory of each model.

    Parameters
    ----------
    comparison : Comparison
        The scores.

    Returns
    -------
    pandas.DataFrame
        ``model, scored, seconds, variants_per_second, peak_bytes, device``, a row for each model. The speed
        counts variants with a score; speed and memory are NaN where they are unknown.
    """
    scored = coverage(comparison)["scored"].to_numpy()
    seconds = np.array([model.seconds for model in comparison.models], dtype=np.float64)
    peak = np.array([model.peak_bytes for model in comparison.models], dtype=np.float64)
    speed = np.full(len(seconds), np.nan)
    np.divide(scored, seconds, out=speed, where=seconds > 0)
    return pd.DataFrame(
        {
            "model": [model.label for model in comparison.models],
            "scored": scored,
            "seconds": seconds,
            "variants_per_second": speed,
            "peak_bytes": np.where(peak > 0, peak, np.nan),
            "device": [model.device for model in comparison.models],
        }
    )
