"""Variants that are associated in the people who select: from tables of a GWAS, or by own regressions."""

from __future__ import annotations

import dataclasses
import logging
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from mifm_kipoi.association.models import NullModel
from mifm_kipoi.association.scan import Scan
from mifm_kipoi.errors import InputError
from mifm_kipoi.genetics.associations import AssociationTable
from mifm_kipoi.genetics.genotypes import Genotypes
from mifm_kipoi.genetics.row_counts import RowCounts

_log = logging.getLogger(__name__)

Values = npt.NDArray[np.float64]
Rows = npt.NDArray[np.int64]

VARIANT = ["row", "chrom", "pos", "id", "counted", "other", "ref"]
"""Columns of variants, as :meth:`mifm_kipoi.genetics.genotypes.Genotypes.variants` has them."""

LOWEST_LOG_P = math.log(5e-324)
"""For a p-value of 0 in a table, where no effect with its error says more: that of the smallest number above
0, as which a program could have written it."""

EFFECTS = ("beta", "standard_error", "z", "log_p", "frequency", "sample_size", "info")
"""Numbers of a variant in a study; effects and frequencies are those of the counted allele."""


@dataclasses.dataclass(frozen=True)
class Candidates:
    """Variants that are associated with at least one of the traits.

    Parameters
    ----------
    variants : pandas.DataFrame, n rows
        :data:`VARIANT`, in the order of the genotypes.
    effects : dict of str to dict of str to numpy.ndarray of float64, shape (n,)
        By trait and by :data:`EFFECTS`; NaN where a variant is not associated with the trait, and where a
        number is unknown.
    notes : list of str
        What became of rows, in words.
    """

    variants: pd.DataFrame
    effects: dict[str, dict[str, Values]]
    notes: list[str]

    def __len__(self) -> int:
        return len(self.variants)

    def take(self, rows: Rows) -> Candidates:
        """Some of the variants."""
        return dataclasses.replace(
            self,
            variants=self.variants.iloc[rows].reset_index(drop=True),
            effects={
                trait: {name: values[rows] for name, values in own.items()}
                for trait, own in self.effects.items()
            },
        )


def keys_of(chrom: pd.Series, pos: pd.Series, one: pd.Series, other: pd.Series) -> pd.Series:
    """Chromosome, position and both alleles in alphabetical order, by which tables are joined."""
    ordered = (one <= other).to_numpy()
    first, second = one.where(ordered, other), other.where(ordered, one)
    return chrom.astype(str) + ":" + pos.astype(str) + ":" + first + ":" + second


def variant_keys(variants: pd.DataFrame) -> pd.Series:
    """:func:`keys_of` of variants of genotypes."""
    return keys_of(variants["chrom"], variants["pos"], variants["counted"], variants["other"])


def read_study(
    path: Path,
    options: Mapping[str, Any],
    max_p_value: float | None = None,
    wanted: pd.Index | None = None,
) -> tuple[pd.DataFrame, RowCounts]:
    """Rows of a GWAS by variant.

    Parameters
    ----------
    path : Path
    options : mapping
        Of :class:`mifm_kipoi.genetics.associations.AssociationTable`.
    max_p_value : float, optional
        Rows with higher p-values are left out.
    wanted : pandas.Index, optional
        Variants (:func:`keys_of`); others are left out.

    Returns
    -------
    rows : pandas.DataFrame
        Indexed by variant: ``effect_allele`` and :data:`EFFECTS`.
    counts : RowCounts
        What became of the rows.

    Raises
    ------
    InputError
        When the table cannot be read or has a variant twice.
    """
    table = AssociationTable(str(path), **options)
    info = table.layout.columns.get("info", "")
    counts = RowCounts()
    parts = [pd.DataFrame(columns=["effect_allele", *EFFECTS])]
    for rows in table.batches(
        ("p_value", "z"), max_p_value=max_p_value, counts=counts, extra=(info,) if info else ()
    ):
        frame = pd.DataFrame(
            {name: getattr(rows, name) for name in ("chrom", "pos", "effect_allele", "other_allele")}
        )
        frame = frame.assign(**{name: getattr(rows, name) for name in EFFECTS if name != "info"})
        frame["info"] = rows.batch.numbers(info) if info else np.nan
        frame = frame[rows.reason == ""]
        frame["log_p"] = frame["log_p"].replace(-np.inf, LOWEST_LOG_P)
        if max_p_value is not None:
            frame = frame[frame["log_p"] < math.log(max_p_value)]
        key = keys_of(*(frame[name] for name in ("chrom", "pos", "effect_allele", "other_allele")))
        frame = frame.set_index(pd.Index(key, name="variant"))
        if wanted is not None:
            frame = frame[frame.index.isin(wanted)]
        parts.append(frame[["effect_allele", *EFFECTS]])
    rows_of_all = pd.concat([part for part in parts if len(part)] or parts[:1])
    if rows_of_all.index.has_duplicates:
        twice = rows_of_all.index[rows_of_all.index.duplicated()][0]
        raise InputError(f"{path} has {twice} more than once; keep one row of it")
    return rows_of_all, counts


def candidates_of_tables(
    genotypes: Genotypes, tables: Mapping[str, Path], options: Mapping[str, Any], p2: float
) -> Candidates:
    """Variants whose p-values in tables are below a limit, and which have genotypes.

    Parameters
    ----------
    genotypes : Genotypes
    tables : mapping of str to Path
        The study of each trait.
    options : mapping
        See :func:`read_study`.
    p2 : float
        The limit.

    Raises
    ------
    InputError
        When a table or genotypes cannot be read, or a variant occurs twice in the genotypes.
    """
    studies = {trait: read_study(path, options, p2)[0] for trait, path in tables.items()}
    wanted = pd.Index([])
    for study in studies.values():
        wanted = wanted.union(study.index)
    variants = genotyped(genotypes, wanted)
    key = pd.Index(variant_keys(variants))
    notes = []
    for trait, study in studies.items():
        absent = int((~study.index.isin(key)).sum())
        if absent:
            notes.append(
                f"{absent:,} of {len(study):,} variants that {tables[trait].name} associates with {trait} "
                "have no "
                "genotypes"
            )
    return Candidates(
        variants, {trait: effects_of(study, key, variants) for trait, study in studies.items()}, notes
    )


def genotyped(genotypes: Genotypes, wanted: pd.Index) -> pd.DataFrame:
    """The variants of genotypes that are wanted (:func:`keys_of`), without their genotypes."""
    parts = [pd.DataFrame(columns=VARIANT)]
    for chunk in genotypes.variants():
        own = chunk[variant_keys(chunk).isin(wanted)]
        if len(own):
            parts.append(own)
    variants = pd.concat(parts[1:] or parts, ignore_index=True)[VARIANT]
    key = variant_keys(variants)
    if key.duplicated().any():
        raise InputError(
            f"{', '.join(genotypes.paths)} has {key[key.duplicated()].iloc[0]} more than once; keep one of "
            "them"
        )
    return variants


def effects_of(study: pd.DataFrame, key: pd.Index, variants: pd.DataFrame) -> dict[str, Values]:
    """:data:`EFFECTS` of variants in a study, of the alleles that their genotypes count."""
    own = study.reindex(key)
    counted = (own["effect_allele"].to_numpy() == variants["counted"].to_numpy()) | own[
        "effect_allele"
    ].isna()
    sign = np.where(counted, 1.0, -1.0)
    numbers = {name: own[name].to_numpy(dtype=np.float64) for name in EFFECTS}
    numbers["beta"], numbers["z"] = sign * numbers["beta"], sign * numbers["z"]
    numbers["frequency"] = np.where(counted, numbers["frequency"], 1 - numbers["frequency"])
    return numbers


def candidates_of_scan(
    genotypes: Genotypes,
    samples: Rows,
    models: Sequence[NullModel],
    p2: float,
    on_progress: Callable[[str], None],
) -> Candidates:
    """Variants with a p-value below a limit in regressions of our own, one pass over all genotypes.

    Parameters
    ----------
    genotypes : Genotypes
    samples : numpy.ndarray of int64
        People who select.
    models : sequence of NullModel
        Of the traits, over these people.
    p2 : float
        The limit.
    on_progress : callable
        Gets a line of text at the end.
    """
    scan = Scan(models)
    limit = math.log(p2)
    parts: list[pd.DataFrame] = []
    numbers: list[list[Values]] = []
    tested = 0
    for block in genotypes.blocks(samples=samples):
        _, associations = scan.test(block.dosages)
        tested += len(block.variants)
        log_p = np.array([one.log_p for one in associations])
        low = log_p < limit
        some = np.flatnonzero(low.any(axis=0))
        if not len(some):
            continue
        parts.append(block.variants.iloc[some][VARIANT])
        numbers.append(
            [
                np.where(low[number, some], values[some], np.nan)
                for number, one in enumerate(associations)
                for values in (
                    one.beta, one.standard_error, one.statistic, one.log_p, one.frequency,
                    one.observed.astype(np.float64), np.full(len(one), np.nan),
                )
            ]
        )  # fmt: skip
    on_progress(f"regressions of {tested:,} variants in {len(samples):,} people who select")
    variants = pd.concat(parts or [pd.DataFrame(columns=VARIANT)], ignore_index=True)
    columns = [np.concatenate(each) for each in zip(*numbers, strict=True)]
    effects = {}
    for number, model in enumerate(models):
        own = columns[number * len(EFFECTS) : (number + 1) * len(EFFECTS)]
        effects[model.name] = dict(zip(EFFECTS, own or [np.empty(0)] * len(EFFECTS), strict=True))
    key = variant_keys(variants)
    repeated = key.duplicated(keep=False).to_numpy(dtype=bool)
    notes = []
    if repeated.any():
        notes.append(f"{int(repeated.sum())} variants occur more than once in the genotypes and are left out")
    return Candidates(variants, effects, notes).take(np.flatnonzero(~repeated))
