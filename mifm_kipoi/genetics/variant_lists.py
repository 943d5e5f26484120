"""Variants as a list: any table with a variant in each row, read as the records of a variant file.

The columns are found as in the tables of a GWAS (:mod:`mifm_kipoi.genomics.columns`): contig, position and
two alleles in either order, or identifiers that hold them, such as ``1:24722451_C_T``. The FASTA says which
allele is REF:

- REF is the allele that the FASTA has at the position, whatever its column is called, ALT the other;
- where the FASTA has neither, the row keeps its order, and its status is ``ref_mismatch``;
- where the FASTA has both, as it always has of a deletion (``GAT`` and ``G``) and often of an insertion, the
  order decides: REF is the column of reference alleles, else ``other_allele``, else the first allele of the
  identifier. A warning counts these rows where no column is that of reference alleles. The score of the
  reference window is the same either way.

A row without a contig or a position is a record too, whose status is ``position_unknown``.
"""

from __future__ import annotations

import collections
import logging
import os
import re
import zlib
from collections.abc import Generator, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from mifm_kipoi.conventions import CHUNK, Status
from mifm_kipoi.errors import InputError, OptionError, VariantFileError
from mifm_kipoi.genetics.positions import Positions
from mifm_kipoi.genetics.row_variants import objects_of, texts_of
from mifm_kipoi.genomics import bcf
from mifm_kipoi.genomics.columns import ALIASES, Layout, columns_named, find_layout
from mifm_kipoi.genomics.contigs import ContigNames, contig_key
from mifm_kipoi.genomics.genome import Genome
from mifm_kipoi.genomics.gwas_formats import PLINK_NUMBERS
from mifm_kipoi.genomics.identifiers import IDENTIFIER, hold_variants
from mifm_kipoi.genomics.intervals import Regions
from mifm_kipoi.genomics.reference import has_alleles
from mifm_kipoi.genomics.tables import Batch, TableFile
from mifm_kipoi.genomics.variants import (
    MISSING,
    STANDARD_INPUT,
    Record,
    Variant,
    VariantFile,
    in_regions,
)

if TYPE_CHECKING:
    pass

_BIM = (".bim", ".bim.gz")
_VARIANT_FILES = (".vcf", ".vcf.gz", ".vcf.bgz", ".bcf", ".bcf.gz")

_HEADER = [b"##fileformat=VCFv4.2", b"#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO"]
"""The header of a list's records as VCF."""

_PLACE_AND_ALLELES = ("chrom", "pos", "effect_allele", "other_allele")

_EXPECTED = (
    "Expected contig, position and two alleles, or identifiers that hold them, such as 1:24722451_C_T, in "
    "columns of the usual names, such as chrom, pos, ref, alt; rename the columns"
)

_HEADERS = (*ALIASES["id"], "variants", "snps", "ids", "name", "marker", "identifier")
"""What the first line of a file with one word in each is, where it is not a name."""

_NUMBER = re.compile(r"[-+]?[0-9.]+(?:[eE][-+]?[0-9]+)?")
_RSID = re.compile("rs[0-9]+", re.IGNORECASE)
_HEAD = 1 << 16
"""Bytes by which a file is understood."""

_FIRST_LINES = 100
"""Lines by which a file with one word in each is understood."""

_log = logging.getLogger(__name__)

Texts = npt.NDArray[np.object_]


def is_list(path: str | os.PathLike[str]) -> bool:
    """Whether a file is a list of variants: a file that is not VCF or BCF, by its name and its content."""
    path = Path(path)
    if str(path) == STANDARD_INPUT or not path.is_file() or path.name.lower().endswith(_VARIANT_FILES):
        return False
    head = _beginning(path)
    # A spreadsheet may have written it in UTF-16, or quoted its lines.
    return bool(head) and not (head.startswith(bcf.MAGIC) or b"##fileformat=VCF" in head.replace(b"\0", b""))


def open_variants(
    path: str | os.PathLike[str],
    genome: Genome,
    lines: bool = False,
    positions: str | os.PathLike[str] | None = None,
) -> VariantFile | VariantList:
    """Open variants: VCF, BCF, or a table as a list.

    Parameters
    ----------
    path : path-like
        The file; ``-`` is standard input, for VCF and BCF alone.
    genome : Genome
        Says which allele of a list is REF.
    lines : bool
        Keep the text of the records; those of a list are made for it.
    positions : path-like, optional
        VCF or .bim file that knows the identifiers of a list which holds no positions.

    Raises
    ------
    MIFMError
        When the file cannot be read; InputError when it is a table that does not name its variants.
    """
    if is_list(path):
        return VariantList(path, genome, lines, positions)
    if positions is not None:
        raise OptionError(
            f"{path} is not a table of variants, and only those take positions from another file; leave out "
            "--positions"
        )
    try:
        return VariantFile(path, lines)
    except VariantFileError as error:
        if str(path) != STANDARD_INPUT and (Path(path).is_file() or not Path(path).exists()):
            raise
        raise VariantFileError(
            f"{error}. A table of variants must be a file that can be read again"
        ) from error


def iter_variants(
    path: str | os.PathLike[str],
    genome: Genome,
    regions: Regions | None = None,
    positions: str | os.PathLike[str] | None = None,
) -> Iterator[Variant]:
    """Stream the variants of a VCF or BCF file or a list, one for each ALT; see :func:`open_variants`.

    Parameters
    ----------
    path, genome, positions
        See :func:`open_variants`.
    regions : Regions, optional
        Keep only variants whose reference allele overlaps one of these.
    """
    with open_variants(path, genome, positions=positions) as file:
        for record in file:
            if regions is None or in_regions(record, regions):
                yield from record.variants


class VariantList:
    """The rows of a table as records of variants, read once from start to end; like :class:`VariantFile`.

    Parameters
    ----------
    path : path-like
        A table, a file with an identifier in each line, with or without a header, or PLINK's ``.bim``.
    genome : Genome
        Says which allele is REF, and how its contigs are called: a name that it does not have, such as 23,
        becomes its own name of the same contig.
    lines : bool
        Give each record a line of VCF.
    positions : path-like, optional
        VCF or .bim file that knows the identifiers of a table without positions.

    Raises
    ------
    InputError
        When the table cannot be read, or does not name its variants; while reading, also when a position is
        not a number: the message names the line.
    """

    sha256 = None
    """A list is a file, which can be read again."""

    def __init__(
        self,
        path: str | os.PathLike[str],
        genome: Genome,
        lines: bool = False,
        positions: str | os.PathLike[str] | None = None,
    ) -> None:
        self.path = Path(path)
        self.header = list(_HEADER) if lines else []
        self.fraction_read = 0.0
        self.text_bytes = 0
        """Not counted: the rows of a list are short."""
        self._genome, self._keep_lines = genome, lines
        self._table, self._layout = understood(self.path, named=positions is not None)
        self._positions = self._read_positions(positions)
        keys = collections.Counter(map(contig_key, genome.contigs))
        # Of several, such as chrM and MT, which are not the same, none is meant.
        self._contigs = {key: name for name in genome.contigs if keys[key := contig_key(name)] == 1}
        self._names: dict[str, str] = {}
        self._builds = ContigNames(str(self.path), self._layout.numbers)
        self._batches = self._table.batches(self._columns, on_progress=self._read)
        self._left: Batch | None = None
        self._undecided, self._unplaced = 0, 0

    def __enter__(self) -> VariantList:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close what was opened."""
        if isinstance(self._batches, Generator):
            self._batches.close()

    def __iter__(self) -> Iterator[Record]:
        while (batch := self._next()) is not None:
            for start in range(0, len(batch), CHUNK):
                yield from self._records(_part(batch, start, start + CHUNK))
        if self._undecided:
            _log.warning(
                "%s: the FASTA has both alleles of %d insertions and deletions, so that their order decided: "
                "REF is taken to be %s. The scores of the reference windows are the same either way",
                self.path,
                self._undecided,
                self._layout.columns.get("other_allele", "the first allele of the identifier"),
            )

        if self._unplaced:
            _log.warning(
                "%s: %d rows have names that the file of positions does not have, or has at several places; "
                "their status is %s",
                self.path,
                self._unplaced,
                Status.POSITION_UNKNOWN,
            )

    def skip(self, records: int | None = None) -> int:
        """Pass over the next rows, which are not looked at; see :meth:`VariantFile.skip`."""
        count = 0
        while (records is None or count < records) and (batch := self._next()) is not None:
            passed = len(batch) if records is None else min(len(batch), records - count)
            count += passed
            if passed < len(batch):
                self._left = _part(batch, passed, len(batch))
        return count

    def _next(self) -> Batch | None:
        batch, self._left = self._left or next(self._batches, None), None
        return batch

    def _read(self, _: int, fraction: float) -> None:
        self.fraction_read = fraction

    @property
    def _columns(self) -> list[str]:
        wanted = ("chrom", "pos", "ref", "alt", "other_allele", "effect_allele", "variant", "id")
        return list(
            dict.fromkeys(self._layout.columns[field] for field in wanted if field in self._layout.columns)
        )

    def _records(self, batch: Batch) -> Iterator[Record]:
        names = self._ids(batch)
        chrom, pos, first, second, ordered = self._variants(batch)
        order, both = _reference_first(chrom, pos, first, second, self._genome)
        if not ordered:
            self._undecided += int(both.sum())
        unknown = (chrom == MISSING) | (pos < 1)
        chrom[unknown], pos[unknown] = MISSING, 0
        for row, (contig, place, name) in enumerate(zip(chrom, pos.tolist(), names, strict=True)):
            ref, alts = (first[row], second[row]) if order[row] else (second[row], first[row])
            line = b""
            if self._keep_lines:
                text = "\t".join((contig, str(place), name, ref, alts, ".", ".", "."))
                line = text.encode(errors="surrogateescape")
            yield Record(tuple(Variant(contig, place, name, ref, alt) for alt in alts.split(",")), line)

    def _ids(self, batch: Batch) -> list[str]:
        """The name of each row."""
        columns = self._layout.columns
        column = columns.get("id") or columns.get("variant")
        if not column:
            return [MISSING] * len(batch)
        return [_one_word(text) for text in batch.optional_text(column).to_pylist()]

    def _variants(self, batch: Batch) -> tuple[Texts, npt.NDArray[np.int64], Texts, Texts, bool]:
        """Contigs, positions and alleles, and whether the first allele is said to be the reference."""
        layout = self._layout
        parts = layout.parse_variant(batch.text(layout.columns["variant"])) if layout.variant else {}
        texts = {field: objects_of(values, MISSING) for field, values in parts.items()}
        pos = np.zeros(len(batch), dtype=np.int64)
        if "pos" in layout.columns:
            pos, _ = batch.positions(layout.columns["pos"])
        elif "pos" in texts:
            pos = np.array([int(text) if text.isdigit() else 0 for text in texts["pos"]], dtype=np.int64)
        if "chrom" in layout.columns:
            texts["chrom"] = texts_of(batch, layout.columns["chrom"], MISSING)
        for field in ("ref", "alt", "other_allele", "effect_allele"):
            if field in layout.columns:
                texts[field] = objects_of(batch.alleles(layout.columns[field]), MISSING)
        one, other = ("ref", "alt") if {"ref", "alt"} <= set(texts) else ("other_allele", "effect_allele")
        if self._positions is not None:
            pos = self._fill(batch, self._positions, texts, pos, (one, other))
        nothing = np.full(len(batch), MISSING, dtype=object)
        chrom, first, second = (texts.get(field, nothing) for field in ("chrom", one, other))
        ordered = self._positions.ordered if layout.missing and self._positions else layout.ordered
        return self._own_names(chrom), pos, first, second, ordered or one == "ref"

    def _read_positions(self, path: str | os.PathLike[str] | None) -> Positions | None:
        """The places of the names of the list."""
        layout = self._layout
        if layout.missing and (path is None or "id" not in layout.columns):
            lacking = " and ".join(field.replace("_", " ") for field in layout.missing)
            if "id" not in layout.columns:
                columns = ", ".join(self._table.columns)
                raise InputError(f"{self.path} has no {lacking}; its columns are {columns}. {_EXPECTED}")
            raise InputError(
                f"{self.path} has no {lacking}: its variants are known by {layout.columns['id']} alone. "
                "Name a PLINK .bim file, a VCF or a BCF that has these names with --positions"
            )
        column = layout.columns.get("id") or layout.columns.get("variant")
        if path is None or not column:
            return None
        return Positions.of(path, (batch.optional_text(column) for batch in self._table.batches([column])))

    def _fill(
        self,
        batch: Batch,
        positions: Positions,
        texts: dict[str, Texts],
        pos: npt.NDArray[np.int64],
        pair: tuple[str, str],
    ) -> npt.NDArray[np.int64]:
        """Give the rows that lack them the places and alleles of their names."""
        column = self._layout.columns.get("id") or self._layout.columns["variant"]
        names = texts_of(batch, column, MISSING)
        chrom, first, second = (
            texts.get(field, np.full(len(batch), MISSING, dtype=object)) for field in ("chrom", *pair)
        )
        known = [np.where(alleles == MISSING, "", alleles) for alleles in (second, first)]
        located = positions.find(names, *known)
        no_place = (chrom == MISSING) | (pos < 1)
        chrom = np.where(no_place, np.where(located.chrom == "", MISSING, located.chrom), chrom)
        self._unplaced += int((no_place & (located.pos < 1)).sum())
        for row in np.flatnonzero((first == MISSING) | (second == MISSING)):
            one, two = located.first[row], located.second[row]
            if first[row] == MISSING == second[row]:
                first[row], second[row] = one or MISSING, two or MISSING
            elif second[row] != MISSING and one:
                first[row] = one if two == second[row] else two
        texts.update({"chrom": chrom, pair[0]: first, pair[1]: second})
        return np.where(no_place, located.pos, pos)

    def _own_names(self, chrom: Texts) -> Texts:
        """Contigs as the FASTA can be asked for them."""
        import pandas as pd

        for name in dict.fromkeys(chrom.tolist()):
            if name in self._names:
                continue
            # An accession of another build than the FASTA's ends it here.
            self._builds.keys(pd.Series([name]))
            self._builds.check(self._genome.contigs, self._genome.path)
            known = name == MISSING or self._genome.find_contig(name) is not None
            key = contig_key(name, self._layout.numbers)
            self._names[name] = name if known else self._contigs.get(key, _one_word(name))
        return np.array([self._names[name] for name in chrom], dtype=object)


def _reference_first(
    chrom: Texts, pos: npt.NDArray[np.int64], first: Texts, second: Texts, genome: Genome
) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
    """Where the first allele is REF or neither is, and where the FASTA has both; both of shape (n,)."""
    has_first, has_second = (np.zeros(len(pos), dtype=bool) for _ in range(2))
    rows_of: dict[str, list[int]] = {}
    for row, name in enumerate(chrom):
        rows_of.setdefault(name, []).append(row)
    for name, members in rows_of.items():
        contig = genome.find_contig(name)
        if contig is not None:
            rows = np.array(members)
            # Of several ALTs, which have commas between them, none is the allele of the FASTA.
            has_first[rows], has_second[rows] = has_alleles(
                genome, contig, pos[rows], first[rows], second[rows]
            )
    return has_first | ~has_second, has_first & has_second & (first != second)


def understood(path: Path, named: bool = False) -> tuple[TableFile, Layout]:
    """A list of variants as a table, and what its columns are.

    Parameters
    ----------
    path : Path
        The list.
    named : bool
        Whether a file of positions is named that knows its names.

    Raises
    ------
    InputError
        When it cannot be read, or does not name its variants.
    """
    if path.name.lower().endswith(_BIM):
        columns = {"chrom": "chrom", "pos": "pos", "effect_allele": "a1", "other_allele": "a2", "id": "id"}
        table = TableFile.of(path, ("chrom", "id", "morgans", "pos", "a1", "a2"))
        return table, Layout("table", "is PLINK's .bim", columns, numbers=PLINK_NUMBERS)
    only = _only_column(path, named)
    if only is not None:
        return only
    # Parquet says itself what its columns are, also where there is one.
    table = TableFile.of(path, min_columns=1 if _beginning(path).startswith(b"PAR1") else 2)
    try:
        return table, find_layout(table, needs=(), options=False)
    except InputError as error:
        if any(_is_value(name) for name in table.columns):
            raise InputError(
                f"{path} has no header: its first line is {', '.join(table.columns[:6])}. Put a line "
                "with the names of the columns before it, such as chrom, pos, ref, alt"
            ) from error
        if str(error).startswith(f"{path} has no column for"):
            raise InputError(
                f"{path} does not name its variants: its columns are {', '.join(table.columns)}. {_EXPECTED}"
            ) from error
        raise


def _is_value(name: str) -> bool:
    """Whether the name of a column is a value of a table without a header."""
    return (
        _NUMBER.fullmatch(name) is not None or _RSID.fullmatch(name) is not None or _hold_variants([name])[0]
    )


def _only_column(path: Path, named: bool) -> tuple[TableFile, Layout] | None:
    """A file with one word in each line, and what the words are; None for any other.

    Any words are names where a file of positions is named that has them, else rsids alone.
    """
    beginning = _beginning(path)
    if beginning.startswith(b"PAR1"):
        return None
    lines = beginning.removeprefix(b"\xef\xbb\xbf").decode(errors="replace").splitlines()
    words = [line.split() for line in lines if line.strip() and not line.startswith("##")][:_FIRST_LINES]
    if not words or len(words[0]) != 1 or "," in words[0][0] or ";" in words[0][0]:
        return None
    names = [line[0].strip('"') for line in words]
    holds, has_rsid = _hold_variants(names), [_RSID.fullmatch(name) is not None for name in names]
    if not (any(holds) or any(has_rsid) or named):
        return None
    has_header = bool(columns_named(names[:1], _HEADERS))
    table = TableFile.of(path, None if has_header else ("variant",), min_columns=1)
    (column,) = table.columns
    if any(holds):
        return table, Layout("table", "has identifiers of variants", {"variant": column}, IDENTIFIER)
    return table, Layout("table", "has names of variants", {"id": column}, missing=_PLACE_AND_ALLELES)


def _hold_variants(names: Sequence[str]) -> list[bool]:
    import pyarrow as pa

    return list(hold_variants(pa.array(names, pa.string())))


def _one_word(text: str | None) -> str:
    """A name that a field of a table or a VCF can hold."""
    return MISSING if text is None else "_".join(text.split())


def _part(batch: Batch, start: int, end: int) -> Batch:
    """Some consecutive rows of a batch."""
    lines = None if batch.lines is None else batch.lines[start:end]
    return Batch(batch.table, batch.rows.slice(start, end - start), lines)


def _beginning(path: Path) -> bytes:
    """The first bytes of a file, decompressed; nothing where it cannot be read, which its reader will say."""
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD)
        # What is cut short begins as if it were whole.
        packed = head.startswith(b"\x1f\x8b")
        return zlib.decompressobj(wbits=31).decompress(head, _HEAD) if packed else head
    except (OSError, zlib.error):
        return b""
