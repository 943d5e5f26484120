"""Scores of the members of clumps, and which of them are causal where that is known."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from mifm_kipoi.errors import InputError
from mifm_kipoi.evaluation.joint.candidates import keys_of, variant_keys
from mifm_kipoi.evaluation.joint.models import JointTests
from mifm_kipoi.evaluation.ranking.score_tables import Chosen
from mifm_kipoi.evaluation.ranking.variant_tables import VariantTable

Values = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]


@dataclasses.dataclass(frozen=True)
class MemberScores:
    """Scores of the members of clumps.

    Parameters
    ----------
    values : dict of str to numpy.ndarray of float64, shape (n,)
        By column, of all candidates; higher is chosen, NaN where there is none.
    absent : dict of str to int
        By column, how many candidates have none.
    """

    values: dict[str, Values]
    absent: dict[str, int]


def read_member_scores(path: Path, chosen: Chosen, variants: pd.DataFrame) -> MemberScores:
    """Find the scores of variants by position and both alleles, in either order.

    Parameters
    ----------
    path : Path
        The table of scores.
    chosen : Chosen
        Its columns.
    variants : pandas.DataFrame, n rows
        The candidates.

    Raises
    ------
    InputError
        When the table cannot be read, has none of the variants, or has different scores for one.
    """
    key = pd.Index(variant_keys(variants))
    rows = _rows_of(path, chosen.columns, key)
    if not len(rows):
        raise InputError(
            f"{path} has none of the {len(key):,} variants of the clumps, such as {key[0]}; both must be of "
            "one "
            "genome build"
        )
    rows = rows[~rows.reset_index().duplicated().to_numpy()]
    if rows.index.has_duplicates:
        twice = rows.index[rows.index.duplicated()][0]
        raise InputError(f"{path} has several rows of {twice} with different scores; expected one score")
    own = rows.reindex(key)
    sign = {name: -1.0 if name in chosen.lower else 1.0 for name in chosen.columns}
    # Percentiles interpolate, which infinite scores do not let them.
    values = {
        name: np.clip(sign[name] * own[name].to_numpy(np.float64), -1e300, 1e300) for name in chosen.columns
    }
    return MemberScores(values, {name: int(np.isnan(each).sum()) for name, each in values.items()})


def read_causal(path: Path, variants: pd.DataFrame, traits: Sequence[str]) -> dict[str, Flags]:
    """Which variants are causal for which trait.

    Parameters
    ----------
    path : Path
        Table with ``chrom, pos, ref, alt`` and a column for each trait: its effect, 0 or empty for none.
    variants : pandas.DataFrame, n rows
        The candidates.
    traits : sequence of str

    Returns
    -------
    dict of str to numpy.ndarray of bool, shape (n,)
        By trait.

    Raises
    ------
    InputError
        When the table cannot be read or lacks a trait.
    """
    lacking = [trait for trait in traits if trait not in VariantTable.of(path).columns]
    if lacking:
        raise InputError(f"{path} has no column {', '.join(lacking)}; expected the effects of each trait")
    effects = _rows_of(path, traits, pd.Index(variant_keys(variants)))
    effects = effects[~effects.index.duplicated()].reindex(variant_keys(variants))
    return {trait: np.nan_to_num(effects[trait].to_numpy(np.float64)) != 0 for trait in traits}


def causal_of(tested: Sequence[JointTests], causal: Mapping[str, Flags]) -> list[Flags]:
    """Of each clump, which kept variants are causal for its trait or stand for one that is."""
    flags = []
    for one in tested:
        own = np.zeros(len(one.clump), dtype=bool)
        np.logical_or.at(own, one.stands_for, causal[one.clump.trait][one.clump.members])
        flags.append(own[one.kept])
    return flags


def _rows_of(path: Path, columns: Sequence[str], wanted: pd.Index) -> pd.DataFrame:
    """Numbers of wanted variants, by variant."""
    parts = [pd.DataFrame(columns=list(columns), dtype=np.float64)]
    for variants, batch in VariantTable.of(path).batches(columns):
        key = keys_of(*(variants[name] for name in ("chrom", "pos", "ref", "alt")))
        some = key.isin(wanted).to_numpy()
        if some.any():
            own = batch.filter(some)
            index = pd.Index(key[some].to_numpy(object), name="variant")
            parts.append(pd.DataFrame({name: own.numbers(name) for name in columns}, index=index))
    return pd.concat(parts[1:] or parts)
