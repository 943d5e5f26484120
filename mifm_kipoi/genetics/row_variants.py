"""Where the rows of a table of a GWAS lie, and with which alleles.

What counts of its columns, of identifiers and of a file of positions; and the places in another genome build.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt

from mifm_kipoi.conventions import LARGEST_POS
from mifm_kipoi.genetics.positions import Located, Positions
from mifm_kipoi.genetics.row_counts import RefusedRows
from mifm_kipoi.genetics.row_numbers import RowNumbers
from mifm_kipoi.genomics.columns import Layout
from mifm_kipoi.genomics.contigs import UNDECIDED, ContigNames, contig_key
from mifm_kipoi.genomics.identifiers import split_identifiers
from mifm_kipoi.genomics.liftover import LiftOver, LiftStatus
from mifm_kipoi.genomics.tables import Batch

if TYPE_CHECKING:
    import pyarrow as pa

UNDECIDED_CHROMOSOME = "chromosome 25 or 26, of which the format does not say what it is"
"""The reason of rows on them in a table whose format does not say what they are."""

Flags = npt.NDArray[np.bool_]
Texts = npt.NDArray[np.object_]
Integers = npt.NDArray[np.int64]


class RowVariants(NamedTuple):
    """Places and alleles of rows, as :class:`mifm_kipoi.genetics.associations.AssociationRows` has them."""

    chrom: Texts
    pos: Integers
    effect_allele: Texts
    other_allele: Texts
    ref: Texts


class VariantReader:
    """Reads the places and alleles of rows.

    Parameters
    ----------
    layout : Layout
        What the columns of the table are.
    contigs : ContigNames
        Counts the names of contigs; an error where they state several builds.
    positions : Positions, optional
        Where positions and alleles are that the table lacks.
    lift_over : LiftOver, optional
        Takes them to another genome build.
    """

    def __init__(
        self, layout: Layout, contigs: ContigNames, positions: Positions | None, lift_over: LiftOver | None
    ) -> None:
        self._layout, self._columns, self._contigs = layout, layout.columns, contigs
        self._positions, self._lift_over = positions, lift_over

    def read(self, batch: Batch, numbers: RowNumbers, refused: RefusedRows) -> RowVariants:
        """Places and alleles, of the table and, where it lacks some, of the file of positions.

        Parameters
        ----------
        batch : Batch
            The rows.
        numbers : RowNumbers
            Their numbers.
        refused : RefusedRows
            Receives the rows without a place or without alleles of bases, with the reason.
        """
        located = None
        parts = self._parts(batch)
        effect, other, ref = self._alleles(batch, parts)
        if self._positions is not None:
            names = texts_of(batch, self._columns["id"])
            located = self._positions.find(names, effect, other)
            effect, other, ref = self._located_alleles(located, effect, other, ref)
        chrom, pos = self._places(batch, numbers, parts, located, refused)
        if located is not None:
            for reason in dict.fromkeys(located.reason[located.reason != ""].tolist()):
                refused.where(located.reason == reason, reason, "id")
            elsewhere = (located.pos > 0) & ((located.chrom != chrom) | (located.pos != pos))
            refused.where(elsewhere, "place differs from that of the file of positions", "id")
        if "ref" in self._columns and "other_allele" not in self._columns:
            strange = (effect != "") & (ref != "") & (other == "")
            refused.where(strange, "effect allele is neither REF nor ALT", self._shown("effect_allele"))
        self._refuse_alleles(effect, other, refused)
        known = (ref != "") & ((ref == effect) | (ref == other))
        variants = RowVariants(chrom, pos, effect, other, np.where(known, ref, "").astype(object))
        return variants if self._lift_over is None else self._lifted(variants, self._lift_over, refused)

    def _places(
        self, batch: Batch, numbers: RowNumbers, parts: Mapping[str, Texts], located: Located | None,
        refused: RefusedRows,
    ) -> tuple[Texts, Integers]:  # fmt: skip
        nothing = np.full(len(batch), "", dtype=object)
        if "chrom" in self._columns:
            names = texts_of(batch, self._columns["chrom"])
        elif located is not None:
            names = located.chrom
        else:
            names = parts.get("chrom", nothing)
        chrom = self._contig_keys(names)
        undecided = np.isin(chrom, UNDECIDED)
        if undecided.any():
            refused.where(undecided, UNDECIDED_CHROMOSOME, self._shown("chrom"))
        if "pos" in self._columns:
            pos = numbers.of("pos")
        elif located is not None:
            pos = np.where(located.pos > 0, located.pos, np.nan)
        else:
            texts = parts.get("pos", nothing)
            pos = np.array([float(text or "nan") for text in texts.tolist()], dtype=np.float64)
        whole = (pos >= 1) & (pos <= LARGEST_POS) & (pos % 1 == 0)
        # Where the file of positions does not have the name, this is the reason.
        if located is None or "pos" in self._columns:
            refused.unless_numbers(numbers, "pos")
            place = self._shown("pos")
            refused.where(chrom == "", "place missing", self._shown("chrom"))
            refused.where(np.isnan(pos), "place missing", place)
            refused.where(~whole, "position out of range", place)
        return chrom, np.where(whole, pos, 0).astype(np.int64)

    def _contig_keys(self, names: Texts) -> Texts:
        """Keys of contigs, of which each name is counted; an error where they state several builds."""
        import pandas as pd

        series = pd.Series(names, dtype="str")
        keys = self._contigs.keys(series[series != ""]).reindex(series.index)
        return keys.fillna("").to_numpy(dtype=object)

    def _shown(self, field: str) -> str:
        """The field whose column is shown in an example: this one, or the one from which it comes."""
        return next(one for one in (field, "variant", "ref", "id", "pos") if one in self._columns)

    def _alleles(self, batch: Batch, parts: Mapping[str, Texts]) -> tuple[Texts, Texts, Texts]:
        """The effect allele, the other allele, and which of them is REF; empty where the table lacks them."""
        nothing = np.full(len(batch), "", dtype=object)
        ref, alt = (_alleles(batch, self._columns.get(field, "")) for field in ("ref", "alt"))
        if "effect_allele" in self._columns:
            effect = _alleles(batch, self._columns["effect_allele"])
        else:
            effect = parts.get("effect_allele", alt)
        if "other_allele" in self._columns:
            other = _alleles(batch, self._columns["other_allele"])
        elif "other_allele" in parts:
            other = parts["other_allele"]
        else:
            other = np.where(effect == ref, alt, np.where(_is_one_of(effect, alt), ref, nothing))
        return effect, other, other if self._layout.ordered else ref

    def _located_alleles(
        self, located: Located, effect: Texts, other: Texts, ref: Texts
    ) -> tuple[Texts, Texts, Texts]:
        """The alleles, those that the table lacks from the file of positions."""
        lacking = set(self._layout.missing)
        if {"effect_allele", "other_allele"} <= lacking:
            ordered = self._positions is not None and self._positions.ordered
            return located.second, located.first, located.first if ordered else ref
        if "other_allele" in lacking:
            other = np.where(effect == located.first, located.second, located.first).astype(object)
        return effect, other, ref

    def _refuse_alleles(self, effect: Texts, other: Texts, refused: RefusedRows) -> None:
        pairs = ((effect, self._shown("effect_allele")), (other, self._shown("other_allele")))
        for alleles, shown in pairs:
            refused.where(alleles == "", "allele missing", shown)
        for alleles, shown in pairs:
            of_bases = np.array([not one.strip("ACGT") for one in alleles.tolist()], dtype=bool)
            refused.where(~of_bases, "allele is not of A, C, G and T", shown)
        refused.where(effect == other, "alleles are the same", self._shown("effect_allele"))

    def _lifted(self, variants: RowVariants, lift_over: LiftOver, refused: RefusedRows) -> RowVariants:
        """The variants in the other build; one that is lost keeps the place of its first base, if any."""
        chrom, pos, effect, other, ref = variants
        lifted, effect, other = lift_over.lift_variants(chrom, pos, effect, other)
        placed, place = pos > 0, self._shown("pos")
        refused.where(placed & (lifted.status == LiftStatus.LOST), "lost in the lift-over", place)
        ambiguous = placed & (lifted.status == LiftStatus.AMBIGUOUS)
        refused.where(ambiguous, "ambiguous in the lift-over", place)
        names, places = lifted.chrom.copy(), lifted.pos.copy()
        jumped = lifted.known & (_keys_of(names) != chrom)
        refused.where(jumped, "on another chromosome after the lift-over", place)
        lost = np.flatnonzero(placed & ~lifted.known)
        if lost.size:
            single = lift_over.lift(chrom[lost], pos[lost])
            names[lost], places[lost] = single.chrom, single.pos
        return RowVariants(_keys_of(names), places, effect, other, np.full(len(ref), "", dtype=object))

    def _parts(self, batch: Batch) -> dict[str, Texts]:
        """What the column of variants says of a row, by field; empty where it has another form."""
        if not self._layout.variant:
            return {}
        text, pattern = batch.text(self._columns["variant"]), self._layout.variant
        parts = {field: objects_of(part) for field, part in self._layout.parse_variant(text).items()}
        place, pos, _ = pattern.partition("{pos}")
        if pos and "pos" in parts and (parts["pos"] == "").any():
            # The place stays known where the alleles cannot be read.
            for field, part in split_identifiers(text, place + pos).items():
                parts[field] = np.where(parts["pos"] == "", objects_of(part), parts[field])
        return parts


def objects_of(text: pa.StringArray, missing: str = "") -> Texts:
    """Texts as objects, equal ones shared."""
    import pyarrow.compute as pc

    coded = pc.dictionary_encode(pc.fill_null(text, missing))
    shared: Texts = np.array(coded.dictionary.to_pylist(), dtype=object)
    return np.asarray(shared[coded.indices.to_numpy()])


def texts_of(batch: Batch, column: str, missing: str = "") -> Texts:
    """A column as objects of shape (n,), with ``missing`` where it has no value, or there is no column."""
    if not column:
        return np.full(len(batch), missing, dtype=object)
    return objects_of(batch.optional_text(column), missing)


def _alleles(batch: Batch, column: str) -> Texts:
    return objects_of(batch.alleles(column)) if column else np.full(len(batch), "", dtype=object)


def _keys_of(names: Texts) -> Texts:
    keys = {name: contig_key(name) if name else "" for name in dict.fromkeys(names.tolist())}
    return np.array([keys[name] for name in names.tolist()], dtype=object)


def _is_one_of(alleles: Texts, lists: Texts) -> Flags:
    """Whether an allele is one of those with commas between them."""
    pairs = zip(alleles.tolist(), lists.tolist(), strict=True)
    return np.array([bool(one) and one in some.split(",") for one, some in pairs], dtype=bool)
