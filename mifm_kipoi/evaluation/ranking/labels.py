"""Which variants are known to be causal, and which not."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from mifm_kipoi.errors import InputError, OptionError
from mifm_kipoi.evaluation.ranking.variant_tables import VARIANT, VariantTable, variant_keys
from mifm_kipoi.genetics.row_numbers import PIP_ROUNDING
from mifm_kipoi.genomics.columns import column_named, columns_named
from mifm_kipoi.genomics.contigs import DECIDED, UNDECIDED, contig_keys
from mifm_kipoi.genomics.liftover import LiftOver, LiftStatus
from mifm_kipoi.genomics.tables import Batch, Values
from mifm_kipoi.support.text import did_you_mean

LABELS = ("label", "causal")
"""Columns of labels by default, the first that there is."""

GROUPS = ("match_group",)
"""Columns of matched groups by default, the first that there is."""

BLOCKS = ("block", "locus")
"""Columns of blocks by default, the first that there is."""

POSITIVE, NEGATIVE = 0.9, 0.01
"""Posterior inclusion probabilities above which a variant is positive, below which it is negative."""

FAILED_PIP = -1
"""The PIP of a variant for which fine-mapping failed, as in CAUSALdb2: not a value."""

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
    lift_over : Path, optional
        A chain file that takes the variants to the build of the scores.

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
    lift_over: Path | None = None

    def __post_init__(self) -> None:
        if self.pip is None and (self.positive is not None or self.negative is not None):
            raise OptionError("--positive and --negative are limits of PIPs; name their column with --pip")
        if self.pip is not None and self.label is not None:
            raise OptionError("--label-column and --pip are two ways to define the labels; name one of them")
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
        ``chrom, pos, ref, alt`` and ``row`` (the line of the file), as of
        :class:`mifm_kipoi.evaluation.ranking.variant_tables.VariantTable`; ``positive`` (bool); ``group`` and
        ``block`` (str or missing), where the file has them. The index is ``chrom:pos:ref:alt``.
    columns : dict of str to str
        Which column of the file each of ``label`` or ``pip``, ``group`` and ``block`` is.
    counts : dict of str to int
        Rows of the file, and what became of them; with a lift-over ``lost`` and ``ambiguous``, too. Where
        there are blocks, ``blocks`` of the file, and ``blocks_with_losses``: those with a variant that counts
        in another block.
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

    Rows without a label, rows that the lift-over loses, and rows with a PIP between the limits are left out
    and counted. A variant may have several rows: with equal labels, of which the first is kept; or with
    different PIPs, as of several traits or studies, of which the row with the highest is kept. It then counts
    in the block of that row alone, and the blocks of its other rows are counted.

    Parameters
    ----------
    path : Path
        See :class:`mifm_kipoi.evaluation.ranking.variant_tables.VariantTable`.
    options : LabelOptions
        Where the labels are in it.

    Raises
    ------
    InputError
        When the file cannot be read, a label or PIP is not one, labels of a variant differ, or there is not
        at least one positive and one negative variant.
    OptionError
        When a column that is named is not there.
    """
    variants = VariantTable.of(path)
    columns = _columns(variants, options)
    made_of_pips = "pip" in columns
    others = [name for name in columns.values() if name not in VARIANT]
    table = pd.concat(
        [_rows(rows, batch, columns, variants.names["chrom"]) for rows, batch in variants.batches(others)]
    )
    counts = {"rows": len(table), "without_label": int(table["value"].isna().sum())}
    table = table[table["value"].notna()]
    if options.lift_over is not None:
        table, lost = _lifted(table, LiftOver(options.lift_over))
        counts |= lost
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


def _columns(table: VariantTable, options: LabelOptions) -> dict[str, str]:
    """The columns that are read: of ``label`` or ``pip``, and of ``group`` and ``block`` where there are."""
    path, names = table.file.path, table.columns
    asked = {"pip": options.pip, "label": options.label, "group": options.group, "block": options.block}
    for what, name in asked.items():
        if name is not None and not column_named(names, name):
            raise OptionError(
                f"{path} has no column {name!r}; it has {', '.join(names)}{did_you_mean(name, names)}"
            )
        asked[what] = column_named(names, name) if name is not None else None
    usual = {"group": GROUPS, "block": BLOCKS} | ({} if options.pip else {"label": LABELS})
    present = {what: next(iter(columns_named(names, usual[what])), None) for what in usual}
    columns = {what: name for what in asked if (name := asked[what] or present.get(what))}
    if "pip" not in columns and "label" not in columns:
        raise OptionError(
            f"{path} has none of the columns {', '.join(LABELS)}; it has {', '.join(names)}: name that of "
            "the labels with --label-column, or that of posterior inclusion probabilities with --pip"
        )
    return columns


def _rows(variants: pd.DataFrame, batch: Batch, columns: dict[str, str], contigs: str) -> pd.DataFrame:
    """Variants with their rows, labels or PIPs, and groups and blocks."""
    batch.refuse(variants["chrom"].isin(UNDECIDED).to_numpy(), contigs, DECIDED)
    value = _pips(batch, columns["pip"]) if "pip" in columns else _labels(batch, columns["label"])
    units = {
        name: variants[column].astype(str) if column in VARIANT else batch.frame([column]).iloc[:, 0]
        for name in ("group", "block")
        if (column := columns.get(name))
    }
    return variants.assign(
        row=variants.index, value=value, **{name: unit.to_numpy() for name, unit in units.items()}
    )


def _labels(batch: Batch, column: str) -> Values:
    """1, 0 or, where there is no label, NaN."""
    text = batch.frame([column])[column]
    values = np.asarray(text.str.strip().str.lower().map(_TEXTS), dtype=np.float64)
    batch.refuse(np.isnan(values) & text.notna().to_numpy(), column, "true, false, 1 or 0")
    return values


def _pips(batch: Batch, column: str) -> Values:
    """0 to 1 or, where there is none, NaN."""
    values = batch.numbers(column)
    values[values == FAILED_PIP] = np.nan
    bad = (values < 0) | (values > 1 + PIP_ROUNDING)
    batch.refuse(bad, column, f"a probability from 0 to 1, or {FAILED_PIP} where fine-mapping failed")
    capped: Values = np.minimum(values, 1)
    return capped


def _lifted(table: pd.DataFrame, lift_over: LiftOver) -> tuple[pd.DataFrame, dict[str, int]]:
    """The rows whose variants the other build has, there, and how many it does not have."""
    columns = (table[name].to_numpy() for name in VARIANT)
    lifted, ref, alt = lift_over.lift_variants(*columns)
    moved = table.assign(chrom=lifted.chrom, pos=lifted.pos, ref=ref, alt=alt)[lifted.known]
    moved["chrom"] = contig_keys(moved["chrom"].astype("str"))
    counts = lifted.counts()
    return moved, {status.value: counts[status] for status in (LiftStatus.LOST, LiftStatus.AMBIGUOUS)}


def _losses(block: pd.Series[str], key: pd.Series[str], kept: npt.NDArray[np.int64]) -> dict[str, int]:
    """How many blocks there are, and how many have a row of a variant of which a row elsewhere is kept."""
    counts_in = pd.Series(block.to_numpy()[kept], key.to_numpy()[kept])
    elsewhere = key.map(counts_in).to_numpy() != block.to_numpy()
    return {"blocks": block.nunique(), "blocks_with_losses": block[elsewhere].nunique()}


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
    after = (
        f" after the lift-over, which lost {counts['lost']} rows and has several places for "
        f"{counts['ambiguous']}"
        if "lost" in counts
        else ""
    )
    raise InputError(
        f"{path} has {counts['positive']} positive and {counts['negative']} negative variants {how}"
        f"{after}; expected some of each"
    )
