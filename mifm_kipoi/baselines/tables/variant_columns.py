"""Where the rows of a table lie, and with which alleles: the columns, by their names, and what they hold."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from mifm_kipoi.errors import InputError
from mifm_kipoi.genomics.columns import ALIASES, columns_named, first_identifiers
from mifm_kipoi.genomics.identifiers import split_identifiers
from mifm_kipoi.genomics.tables import Batch, TableFile

if TYPE_CHECKING:
    import pyarrow as pa

OTHER = (*ALIASES["other_allele"], "allele2")
"""Of the second allele of a pair without an order, where it does not matter which one has the effect."""


@dataclasses.dataclass(frozen=True)
class VariantColumns:
    """The columns that say where a row lies.

    Parameters
    ----------
    ordered : bool
        Whether the first allele is the reference; see :func:`mifm_kipoi.genetics.alleles.allele_fit`.
    chrom, pos : str
        Empty where only ``name`` says it. ``pos`` is 1-based.
    first, second : str
        Of the alleles; empty where ``name`` holds them.
    name : str
        Holds the variant (:mod:`mifm_kipoi.genomics.identifiers`), the reference allele first; empty where it
        is not needed.
    """

    ordered: bool
    chrom: str = ""
    pos: str = ""
    first: str = ""
    second: str = ""
    name: str = ""

    @property
    def columns(self) -> tuple[str, ...]:
        """All that are needed."""
        return tuple(filter(None, (self.chrom, self.pos, self.first, self.second, self.name)))

    def rows(self, batch: Batch) -> TableVariants:
        """The variants of some rows.

        Raises
        ------
        InputError
            When a position is not a whole number, or a name has another form or contradicts the columns.
        """
        import pyarrow.compute as pc

        if not self.name:
            chrom, first, second = (batch.text(name) for name in (self.chrom, self.first, self.second))
            pos, there = batch.positions(self.pos)
        else:
            parts = split_identifiers(batch.text(self.name))
            chrom, first, second = (parts[part] for part in ("chrom", "other_allele", "effect_allele"))
            unreadable = chrom.is_null().to_numpy(zero_copy_only=False)
            batch.refuse(unreadable, self.name, "chrom:pos_ref_alt, as no other columns hold the alleles")
            pos, there = parts["pos"].cast("int64").to_numpy(), np.ones(len(batch), dtype=bool)
            if self.pos:
                chrom = batch.text(self.chrom)
                own, there = batch.positions(self.pos)
                batch.refuse(there & (own != pos), self.name, f"the position in the column {self.pos}")
        there &= pc.not_equal(chrom, "").to_numpy(zero_copy_only=False)
        return TableVariants(chrom, pos, first, second, there)


@dataclasses.dataclass(frozen=True)
class TableVariants:
    """Positions and alleles of rows.

    Parameters
    ----------
    chrom, first, second : pyarrow.StringArray, length n
        Contig and the two alleles of each row, as the table has them.
    pos : numpy.ndarray of int64, shape (n,)
        1-based.
    known : numpy.ndarray of bool, shape (n,)
        Whether the row has a contig and a position.
    """

    chrom: pa.StringArray
    pos: npt.NDArray[np.int64]
    first: pa.StringArray
    second: pa.StringArray
    known: npt.NDArray[np.bool_]


def find_variant_columns(table: TableFile) -> VariantColumns:
    """The columns that say where the rows of a table lie, by their names in any case.

    Names are those of :data:`mifm_kipoi.genomics.columns.ALIASES`. The alleles are, of these the first that
    the table has, an ordered pair (``ref``, ``alt``), one without order (``effect_allele`` and
    :data:`OTHER`), or the ordered pair in an identifier (:mod:`mifm_kipoi.genomics.identifiers`).

    Raises
    ------
    InputError
        When there are no such columns, or several could be one of them.
    """
    ref, alt, chrom, pos = (
        one_column(table, field, ALIASES[field]) for field in ("ref", "alt", "chrom", "pos")
    )
    if ref and alt and chrom and pos:
        return VariantColumns(True, chrom, pos, ref, alt)
    effect, other = (
        one_column(table, "effect_allele", ALIASES["effect_allele"]),
        one_column(table, "other_allele", OTHER),
    )
    if effect and other and chrom and pos:
        return VariantColumns(False, chrom, pos, effect, other)
    name = first_identifiers(table, columns_named(table.columns, ALIASES["id"]))
    if name:
        return VariantColumns(True, chrom if pos else "", pos if chrom else "", name=name)
    if chrom and pos and ref:
        raise InputError(
            f"{table.path} has positions and no alternative alleles: its columns are "
            f"{', '.join(table.columns)}. If it is a table of 'mifm genome', look the variants up in it with "
            "'mifm score --scores' and compare what that gives, or scan with --snvs and name that table as "
            "cadd:"
        )
    raise InputError(
        f"{table.path} does not name its variants: its columns are {', '.join(table.columns)}; expected "
        "chrom, pos, ref, alt, or chrom, pos, effect_allele, other_allele (or other common names of these), "
        f"or identifiers of the form chrom:pos_ref_alt in one of {', '.join(ALIASES['id'])}"
    )


def one_column(table: TableFile, field: str, aliases: Sequence[str]) -> str:
    """The column of a table that has one of the names, empty where there is none.

    Raises
    ------
    InputError
        When several could be it.
    """
    columns = columns_named(table.columns, aliases)
    if len(columns) > 1:
        raise InputError(
            f"{table.path}: each of the columns {', '.join(columns)} could be {field}; rename or remove all "
            "but one"
        )
    return columns[0] if columns else ""
