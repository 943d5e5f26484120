"""Positions and alleles of variants that a table knows by name: from PLINK's .bim, or VCF or BCF.

Only the variants whose names are asked for are held, so that memory does not grow with the file: it may be
dbSNP.
"""

from __future__ import annotations

import dataclasses
import functools
import gzip
import itertools
import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from mifm_kipoi.errors import InputError
from mifm_kipoi.genetics.alleles import Fit, allele_fit
from mifm_kipoi.genomics.contigs import contig_key
from mifm_kipoi.genomics.gwas_formats import PLINK_NUMBERS
from mifm_kipoi.genomics.tables import OnProgress, TableFile
from mifm_kipoi.genomics.text_files import is_gzip
from mifm_kipoi.genomics.variants import VariantFile

if TYPE_CHECKING:
    import pyarrow as pa

Text = npt.NDArray[np.object_]
Integers = npt.NDArray[np.int64]

UNKNOWN_NAME = "name not in the file of positions"
SEVERAL_PLACES = "name at several places in the file of positions"
OTHER_ALLELES = "alleles differ from those of the file of positions"
SEVERAL_PAIRS = "name with several pairs of alleles in the file of positions"
"""Why a row has no position, or no alleles."""

_BIM = ("chrom", "id", "morgans", "pos", "first", "second")
_FIELDS = ("chrom", "id", "pos", "first", "second")
_VCF = ("#CHROM", "ID", "POS", "REF", "ALT")

_RECORDS = 1 << 15
"""Records of BCF that are looked up together."""

_PARTS = 64
"""Batches of names after which those that are the same are first made one."""


@dataclasses.dataclass(frozen=True)
class Located:
    """What a file of positions says of some names.

    Parameters
    ----------
    chrom : numpy.ndarray of object, shape (n,)
        Keys of contigs (:func:`mifm_kipoi.genomics.contigs.contig_key`), empty where not known.
    pos : numpy.ndarray of int64, shape (n,)
        1-based; 0 where not known.
    first, second : numpy.ndarray of object, shape (n,)
        The pair of alleles that was found, in upper case, empty where there is not one: REF and ALT, or the
        two of .bim.
    reason : numpy.ndarray of object, shape (n,)
        Why the place or the alleles are not known; else empty. Where only the alleles are not known the
        place is there.
    """

    chrom: Text
    pos: Integers
    first: Text
    second: Text
    reason: Text


@dataclasses.dataclass(frozen=True)
class Positions:
    """The variants of a file that have some of the names asked for; :meth:`of` reads them.

    Parameters
    ----------
    path : Path
        The file.
    ordered : bool
        Whether the first allele of each pair is the reference, as in VCF.
    names : numpy.ndarray of object, shape (k,)
        The different names, sorted.
    starts : numpy.ndarray of int64, shape (k + 1,)
        Where the variants of each name begin in what follows.
    chrom, pos, first, second : numpy.ndarray, shape (variants,)
        Numbers of contigs, 1-based positions, numbers of alleles.
    contigs, alleles : tuple of str
        By their numbers; alleles are in upper case.
    """

    path: Path
    ordered: bool
    names: Text
    starts: Integers
    chrom: Integers
    pos: Integers
    first: Integers
    second: Integers
    contigs: tuple[str, ...]
    alleles: tuple[str, ...]

    @classmethod
    def of(
        cls,
        path: str | os.PathLike[str],
        names: Iterable[pa.StringArray],
        on_progress: OnProgress | None = None,
    ) -> Positions:
        """Read a file.

        Parameters
        ----------
        path : path-like
            PLINK's .bim, or VCF, BCF or .pvar; plain, gzip or bgzip, recognised by its content.
        names : iterable of pyarrow.StringArray
            The names that are asked for, each as often as one likes; null is not one.
        on_progress : callable, optional
            As of :meth:`mifm_kipoi.genomics.tables.TableFile.batches`.

        Raises
        ------
        InputError
            When the file cannot be read, or a position is not a number.
        """
        path = Path(path)
        wanted = _Names(names)
        of_name: list[Integers] = []
        columns: dict[str, list[Integers]] = {"chrom": [], "pos": [], "first": [], "second": []}
        contigs: dict[str, int] = {}
        alleles: dict[str, int] = {}
        ordered, batches = _variants(path, on_progress)
        numbers = {} if ordered else PLINK_NUMBERS
        for batch in batches:
            number = wanted.find(batch["id"])
            chosen = np.flatnonzero(number >= 0)
            if not len(chosen):
                continue
            number, some = _each_pair(number[chosen], {name: batch[name][chosen] for name in columns})
            of_name.append(number)
            columns["pos"].append(some["pos"].astype(np.int64))
            columns["chrom"].append(_numbered(some["chrom"], contigs, lambda name: contig_key(name, numbers)))
            for column in ("first", "second"):
                columns[column].append(_numbered(some[column], alleles, str.upper))
        nothing = [np.empty(0, np.int64)]
        keys = [np.concatenate(parts or nothing) for parts in (of_name, *columns.values())]
        # Records that are there twice count once.
        order = np.lexsort(keys[::-1])
        keys = [key[order] for key in keys]
        new = np.ones(len(order), dtype=bool)
        new[1:] = np.any([np.diff(key) != 0 for key in keys], axis=0)
        named, chrom, pos, first, second = (key[new] for key in keys)
        starts = np.searchsorted(named, np.arange(len(wanted.names) + 1))
        return cls(
            path, ordered, wanted.names, starts, chrom, pos, first, second, tuple(contigs), tuple(alleles)
        )

    def find(
        self,
        names: Text,
        effect_allele: Text | None = None,
        other_allele: Text | None = None,
    ) -> Located:
        """The places and alleles of some names.

        Parameters
        ----------
        names : numpy.ndarray of object, shape (n,)
            Names among those that were asked for.
        effect_allele, other_allele : numpy.ndarray of object, shape (n,), optional
            Alleles in upper case that the table has, empty where it has none. They choose among several
            variants of a name; one that has neither order of them, on either strand, does not count. Of the
            effect allele alone, the other one is that of the pair which has it. Without alleles, the
            alternative alleles that a VCF has at the place are all in ``second``, with commas between.
        """
        number = self._index.find(names)
        known = number >= 0
        start, end = (np.where(known, self.starts[number + one], 0) for one in (0, 1))
        count = len(names)
        nothing = np.full(count, "", dtype=object)
        effect = nothing if effect_allele is None else effect_allele
        other = nothing if other_allele is None else other_allele
        found = Located(
            nothing.copy(), np.zeros(count, np.int64), nothing.copy(), nothing.copy(), nothing.copy()
        )
        found.reason[start == end] = UNKNOWN_NAME
        single = np.flatnonzero(end - start == 1)
        contigs, alleles = (
            np.array([*self.contigs, ""], dtype=object),
            np.array([*self.alleles, ""], dtype=object),
        )
        first, second = (alleles[pairs[start[single]]] for pairs in (self.first, self.second))
        one, two = effect[single], other[single]
        same = (one == first) & ((two == second) | (two == ""))
        same |= (one == second) & ((two == first) | (two == ""))
        same |= (one == "") & (two == "")
        simple = single[same]
        found.chrom[simple], found.pos[simple] = contigs[self.chrom[start[simple]]], self.pos[start[simple]]
        found.first[simple], found.second[simple] = first[same], second[same]
        for row in np.setdiff1d(np.flatnonzero(end > start), simple):
            self._find_one(found, row, range(start[row], end[row]), effect[row], other[row])
        return found

    @functools.cached_property
    def _index(self) -> _Names:
        return _Names.of(self.names)

    def _find_one(self, found: Located, row: int, variants: range, effect: str, other: str) -> None:
        """Fill one row of what is found, of a name with several variants or with other alleles."""
        fitting = [variant for variant in variants if self._fits(variant, effect, other)]
        places = {(self.chrom[variant], self.pos[variant]) for variant in fitting or variants}
        if len(places) > 1:
            found.reason[row] = SEVERAL_PLACES
            return
        ((contig, found.pos[row]),) = places
        found.chrom[row] = self.contigs[contig]
        pairs = [(self.alleles[self.first[one]], self.alleles[self.second[one]]) for one in fitting]
        if not pairs:
            found.reason[row] = OTHER_ALLELES
        elif len(pairs) > 1 and self.ordered and not effect and len({first for first, _ in pairs}) == 1:
            found.first[row], found.second[row] = pairs[0][0], ",".join(second for _, second in pairs)
        elif len(pairs) > 1 and not (effect and other):
            found.reason[row] = SEVERAL_PAIRS
        else:
            found.first[row], found.second[row] = pairs[0]

    def _fits(self, variant: int, effect: str, other: str) -> bool:
        """Whether a variant has the alleles of a row."""
        first, second = self.alleles[self.first[variant]], self.alleles[self.second[variant]]
        if effect and other:
            return allele_fit(first, second, effect, other, ordered=False) <= Fit.FLIPPED
        return not effect or effect in (first, second)


class _Names:
    """Different names, and their numbers in the order of the alphabet."""

    def __init__(self, names: Iterable[pa.StringArray]) -> None:
        import pyarrow as pa
        import pyarrow.compute as pc

        parts: list[pa.StringArray] = []
        for part in names:
            parts.append(pc.unique(part.drop_null()))
            # In tables with rows of many traits they are the same again.
            if len(parts) > _PARTS:
                parts = [pc.unique(pa.concat_arrays(parts))]
        whole = pc.unique(pa.concat_arrays(parts)) if parts else pa.array([], pa.string())
        self._set(np.sort(whole.to_numpy(zero_copy_only=False).astype(object)))

    @classmethod
    def of(cls, names: Text) -> _Names:
        """Names that are different, and sorted."""
        made = cls(())
        made._set(names)
        return made

    def _set(self, names: Text) -> None:
        import pandas as pd

        self.names, self._index = names, pd.Index(names, dtype=object)

    def find(self, names: Text) -> Integers:
        """Numbers of names, -1 where they are none of these; shape (n,)."""
        import pandas as pd

        return np.asarray(self._index.get_indexer(pd.Index(names, dtype=object)), dtype=np.int64)


def _numbered(texts: Text, known: dict[str, int], name: Callable[[str], str]) -> Integers:
    """Numbers for texts, in the order in which they first came; new ones are added to ``known``."""
    import pandas as pd

    codes, different = pd.factorize(texts)
    numbers = [known.setdefault(name(text), len(known)) for text in different]
    return np.array(numbers, dtype=np.int64)[codes]


def _each_pair(number: Integers, some: dict[str, Any]) -> tuple[Integers, dict[str, Any]]:
    """A row for each alternative allele, where several stand with commas between."""
    several = np.array(["," in text for text in some["second"]], dtype=bool)
    if not several.any():
        return number, some
    counts = np.array([text.count(",") + 1 for text in some["second"]])
    alts = [alt for text in some["second"] for alt in text.split(",")]
    repeated = {name: np.repeat(column, counts) for name, column in some.items()}
    return np.repeat(number, counts), {**repeated, "second": np.array(alts, dtype=object)}


def _variants(path: Path, on_progress: OnProgress | None) -> tuple[bool, Iterator[dict[str, Any]]]:
    """Whether the first alleles are those of the reference; id, chrom, pos, first, second of the variants."""
    try:
        with gzip.open(path) if path.is_file() and is_gzip(path) else path.open("rb") as file:
            head = file.read(6)
    except (OSError, EOFError) as error:
        raise InputError(
            f"cannot read the file of positions {path}: {getattr(error, 'strerror', None) or error}; "
            "expected PLINK's .bim, or VCF or BCF"
        ) from error
    if head.startswith(b"BCF"):
        return True, _of_bcf(path, on_progress)
    if head.startswith(b"#"):
        table = TableFile.of(path)
        missing = [name for name in _VCF if name not in table.columns]
        if missing:
            raise InputError(
                f"the file of positions {path} has no column {', '.join(missing)}; expected PLINK's .bim, or "
                "VCF or BCF"
            )
        return True, _of_table(table, dict(zip(_FIELDS, _VCF, strict=True)), on_progress)
    table = TableFile.of(path, names=_BIM)
    return False, _of_table(table, {field: field for field in _FIELDS}, on_progress)


def _of_table(
    table: TableFile, columns: dict[str, str], on_progress: OnProgress | None
) -> Iterator[dict[str, Any]]:
    for batch in table.batches(list(columns.values()), on_progress=on_progress):
        pos = batch.numbers(columns["pos"])
        batch.refuse(~(pos % 1 == 0), columns["pos"], "a position in base pairs, a whole number")
        texts = {
            field: batch.text(columns[field]).to_numpy(zero_copy_only=False)
            for field in ("chrom", "id", "first", "second")
        }
        # PLINK passes over variants with a negative position, and 0 is none.
        rows = np.flatnonzero(pos > 0)
        # In VCF a record may have several names.
        named = (
            [(row, name) for row in rows for name in texts["id"][row].split(";")]
            if any(";" in name for name in texts["id"])
            else None
        )
        if named is not None:
            rows = np.array([row for row, _ in named], dtype=np.int64)
        some: dict[str, Any] = {field: text[rows] for field, text in texts.items()}
        if named is not None:
            some["id"] = np.array([name for _, name in named], dtype=object)
        yield {**some, "pos": pos[rows]}


def _of_bcf(path: Path, on_progress: OnProgress | None) -> Iterator[dict[str, Any]]:
    read = 0
    with VariantFile(path) as file:
        while records := list(itertools.islice(file, _RECORDS)):
            rows = [
                (one.chrom, name, one.pos, one.ref, one.alt)
                for record in records
                for one in record.variants
                for name in one.id.split(";")
            ]
            chrom, names, pos, first, second = zip(*rows, strict=True)
            texts = (("chrom", chrom), ("id", names), ("first", first), ("second", second))
            some: dict[str, Any] = {field: np.array(text, dtype=object) for field, text in texts}
            yield {**some, "pos": np.array(pos, dtype=np.int64)}
            read += len(records)
            if on_progress is not None:
                on_progress(read, file.fraction_read)
