"""Which variants are known to be causal, and which not."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from mifm_kipoi.errors import InputError, OptionError
from mifm_kipoi.evaluation.ranking.variant_tables import (
    VARIANT,
    column_names,
    numbers,
    place,
    read_parts,
    variant_keys,
)

LABELS = ("label", "causal")
"""Columns of labels by default, the first that there is."""

GROUPS = ("match_group",)
"""Columns of matched groups by default."""

BLOCKS = ("block", "locus")
"""Columns of blocks by default."""

POSITIVE, NEGATIVE = 0.9, 0.01
"""Posterior inclusion probabilities above which a variant is positive, below which it is negative."""

ROUNDING = 1e-6
"""By how much a PIP may be above 1, as sums of probabilities in single precision are."""

FAILED_PIP = -1
"""Of a variant for which fine-mapping failed, as in CAUSALdb2: no value."""

_TEXTS = {"true": 1.0, "1": 1.0, "1.0": 1.0, "false": 0.0, "0": 0.0, "0.0": 0.0}


@dataclasses.dataclass(frozen=True)
class LabelOptions:
    """Where the labels are in a table.

    Parameters
    ----------
    label : str, optional
        Column of true/false or 1/0; by default the first of :data:`LABELS` that there is.
    pip : str, optional
        Column of posterior inclusion probabilities (PIPs) that labels are made of, instead.
    positive, negative : float, optional
        Of PIPs: positive above, negative below (:data:`POSITIVE`, :data:`NEGATIVE`).
    group, block : str, optional
        Columns of matched groups and of blocks; by default the first of :data:`GROUPS` and :data:`BLOCKS`
        that there is.

    Raises
    ------
    OptionError
        When they exclude each other.
    """

    label: str | None = None
    pip: str | None = None
    positive: float | None = None
    negative: float | None = None
    group: str | None = None
    block: str | None = None

    def __post_init__(self) -> None:
        if self.pip is None and (self.positive is not None or self.negative is not None):
            raise OptionError("--positive and --negative are limits of PIPs; name their column with --pip")
        if self.pip is not None and self.label is not None:
            raise OptionError("--label-column and --pip are two ways to say the labels; name one of them")
        low, high = self.limits
        if low > high:
            raise OptionError(
                f"--negative {low:g} is above --positive {high:g}; expected PIPs of negatives below those of "
                "positives"
            )

    @property
    def limits(self) -> tuple[float, float]:
        """PIPs: negative below the first, positive above the second."""
        negative = NEGATIVE if self.negative is None else self.negative
        return negative, POSITIVE if self.positive is None else self.positive


@dataclasses.dataclass(frozen=True)
class Labels:
    """Labelled variants, each once.

    Parameters
    ----------
    table : pandas.DataFrame
        ``chrom, pos, ref, alt`` and ``row`` (of the file), as of
        :func:`mifm_kipoi.evaluation.ranking.variant_tables.read_parts`; ``positive`` (bool); ``group`` and
        ``block``
        (str or missing), where the file has them. The index is ``chrom:pos:ref:alt``.
    columns : dict of str to str
        Which column of the file each of ``label`` or ``pip``, ``group`` and ``block`` is.
    counts : dict of str to int
        Rows of the file, and what became of them. Where there are blocks, ``blocks`` of the file, and
        ``blocks_with_losses``: those with a variant that counts in another block.
    """

    table: pd.DataFrame
    columns: dict[str, str]
    counts: dict[str, int]

    @property
    def made_of_pips(self) -> bool:
        """Whether the labels are those of fine-mapping."""
        return "pip" in self.columns


def read_labels(path: Path, options: LabelOptions) -> Labels:
    """Read labels.

    Rows without a label, or with a PIP between the limits, are left out and counted. A variant may have
    several rows: with equal labels, of which the first is kept; or with different PIPs, as of several traits
    or studies, of which the row with the highest is kept. It then counts in the block of that row alone, and
    the blocks of its other rows are counted.

    Parameters
    ----------
    path : Path
        See :func:`mifm_kipoi.evaluation.ranking.variant_tables.read_parts`.
    options : LabelOptions

    Raises
    ------
    InputError
        When the file cannot be read, a label or PIP is none, labels of a variant differ, or there is not at
        least one positive and one negative variant.
    OptionError
        When a column that is named is not there.
    """
    columns = _columns(path, options)
    rows = pd.concat(list(read_parts(path, set(columns.values()))))
    made_of_pips = "pip" in columns
    value = (_pips if made_of_pips else _labels)(rows[columns["pip" if made_of_pips else "label"]], path)
    counts = {"rows": len(rows), "without_label": int(value.isna().sum())}
    table = rows[list(VARIANT)].assign(
        row=rows.index,
        value=value,
        **{name: _names(rows[columns[name]]) for name in ("group", "block") if name in columns},
    )
    table = table[value.notna()]
    key = variant_keys(table)
    if not made_of_pips:
        _check_agreement(table["value"], key, path)
    highest_first = np.argsort(-table["value"].to_numpy(), kind="stable")
    kept = np.sort(highest_first[~key.iloc[highest_first].duplicated().to_numpy()])
    counts["repeated"] = len(table) - len(kept)
    if "block" in table:
        counts |= _losses(table["chrom"] + " " + table["block"], key, kept)
    table = table.iloc[kept].set_index(pd.Index(key.iloc[kept], name="variant"))
    negative, positive = options.limits if made_of_pips else (0.5, 0.5)
    labelled = table["value"].lt(negative) | table["value"].gt(positive)
    counts["between_limits"] = int((~labelled).sum())
    table = table[labelled]
    table = table.assign(positive=table["value"].gt(positive)).drop(columns="value")
    counts["positive"] = int(table["positive"].sum())
    counts["negative"] = len(table) - counts["positive"]
    _check_classes(counts, path, columns, options)
    return Labels(table, columns, counts)


def _columns(path: Path, options: LabelOptions) -> dict[str, str]:
    """The columns that are read: of ``label`` or ``pip``, and of ``group`` and ``block`` where there are."""
    names = column_names(path)
    asked = {"pip": options.pip, "label": options.label, "group": options.group, "block": options.block}
    for name in asked.values():
        if name is not None and name not in names:
            raise OptionError(f"{path} has no column {name!r}; it has {', '.join(names)}")
    usual = {"group": GROUPS, "block": BLOCKS} | ({} if options.pip else {"label": LABELS})
    found = {what: next((name for name in usual[what] if name in names), None) for what in usual}
    columns = {what: name for what in asked if (name := asked[what] or found.get(what))}
    if "pip" not in columns and "label" not in columns:
        raise OptionError(
            f"{path} has none of the columns {', '.join(LABELS)}; it has {', '.join(names)}: name that of "
            "the labels with --label-column, or that of posterior inclusion probabilities with --pip"
        )
    return columns


def _labels(column: pd.Series, path: Path) -> pd.Series[float]:
    """1, 0 or, where there is no label, NaN."""
    text = column.astype(str).str.strip().str.lower()
    found = text.map(_TEXTS).astype(np.float64)
    wrong = found.isna() & column.notna()
    if wrong.any():
        raise InputError(
            f"{place(path, wrong)} has the label {column[wrong].iloc[0]!r} in {column.name!r}; expected "
            "true, false, 1 or 0"
        )
    return found


def _pips(column: pd.Series, path: Path) -> pd.Series[float]:
    """0 to 1 or, where there is none, NaN."""
    found = numbers(column, path)
    found = found.mask(found == FAILED_PIP)
    wrong = found.lt(0) | found.gt(1 + ROUNDING)
    if wrong.any():
        raise InputError(
            f"{place(path, wrong)} has {column[wrong].iloc[0]!r} in {column.name!r}; expected a probability "
            f"from 0 to 1, or {FAILED_PIP} where there is none"
        )
    return found.clip(upper=1)


def _losses(block: pd.Series[str], key: pd.Series[str], kept: npt.NDArray[np.int64]) -> dict[str, int]:
    """How many blocks there are, and how many have a row of a variant of which a row elsewhere is kept."""
    counts_in = pd.Series(block.to_numpy()[kept], key.to_numpy()[kept])
    elsewhere = key.map(counts_in).to_numpy() != block.to_numpy()
    return {"blocks": block.nunique(), "blocks_with_losses": block[elsewhere].nunique()}


def _names(column: pd.Series) -> pd.Series:
    """Names of groups or blocks as text, missing ones left so."""
    return column.astype(str).where(column.notna(), None)


def _check_agreement(value: pd.Series[float], key: pd.Series[str], path: Path) -> None:
    """No variant has two labels."""
    differs = value.ne(value.groupby(key.to_numpy()).transform("first")).to_numpy()
    if differs.any():
        variant = key[differs].iloc[0]
        lines = ", ".join(str(row) for row in key.index[(key == variant).to_numpy()][:5])
        raise InputError(
            f"{path} labels {variant} both as positive and as negative (rows {lines}; {int(differs.sum())} "
            "such in all); expected one label for each variant"
        )


def _check_classes(
    counts: dict[str, int], path: Path, columns: dict[str, str], options: LabelOptions
) -> None:
    if counts["positive"] and counts["negative"]:
        return
    low, high = options.limits
    how = (
        f"of the PIPs in {columns['pip']!r}, above {high:g} and below {low:g}"
        if "pip" in columns
        else f"in {columns['label']!r}"
    )
    raise InputError(
        f"{path} has {counts['positive']} positive and {counts['negative']} negative variants {how}; "
        "expected some of each"
    )
