"""LD as matrices in files, each with a table of its variants, such as PolyFun's or LDstore's."""

from __future__ import annotations

import dataclasses
import gzip
from collections.abc import Hashable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from mifm_kipoi.errors import InputError
from mifm_kipoi.finemapping.diagnostics import correlation_fault
from mifm_kipoi.finemapping.linkage import LocusLD, Texts
from mifm_kipoi.genetics.matching import OUTCOMES, match, resolve
from mifm_kipoi.genetics.row_variants import texts_of
from mifm_kipoi.genomics.columns import column_named, find_layout
from mifm_kipoi.genomics.contigs import contig_key
from mifm_kipoi.genomics.tables import TableFile
from mifm_kipoi.support.packages import needed

Values = npt.NDArray[np.float64]
Numbers = npt.NDArray[np.int64]

_ENDINGS = (".npz", ".npy", ".txt.gz", ".txt", ".tsv.gz", ".tsv", ".csv.gz", ".csv", ".ld.gz", ".ld", ".gz")
_OF_VARIANTS = (
    ".variants.tsv", ".variants.tsv.gz", ".variants.txt", ".variants.csv", ".gz", ".z", ".tsv", ".tsv.gz",
    ".bim.tsv",
)  # fmt: skip

_PAIRS = (("allele1", "allele2"), ("A1", "A2"), ("alt", "ref"), ("counted", "other"))
"""Columns of alleles, the one whose copies the matrix is of first."""


@dataclasses.dataclass(frozen=True)
class MatrixSource:
    """A matrix of correlations and the table of its variants.

    Parameters
    ----------
    path : Path
        ``.npz`` of scipy (sparse; half of it may be there, as PolyFun's) or of numpy, ``.npy``, or text with
        a row of the matrix a line, without names.
    variants : Path, optional
        Table with a row for each row of the matrix, in its order: chromosome, position and both alleles. By
        default the file of the matrix' name with another ending.
    columns : mapping of str to str
        Fields of the table, such as effect_allele, the allele whose copies the correlations are of, and its
        columns, where they are not known by their names.

    Raises
    ------
    InputError
        When there is no such table.
    """

    path: Path
    variants: Path | None = None
    columns: Mapping[str, str] = dataclasses.field(default_factory=dict)

    @property
    def table(self) -> Path:
        """The table of variants."""
        if self.variants is not None:
            return self.variants
        name = self.path.name
        stem = next((name.removesuffix(one) for one in _ENDINGS if name.endswith(one)), name)
        for ending in _OF_VARIANTS:
            path = self.path.with_name(stem + ending)
            if path != self.path and path.is_file():
                return path
        raise InputError(
            f"{self.path} has no table of its variants beside it (looked for {stem}.variants.tsv, {stem}.gz, "
            f"{stem}.z and the like); name it (MATRIX:variants=TABLE)"
        )

    def files(self) -> list[Path]:
        """Both files."""
        return [self.path, self.table]

    def read_variants(self) -> pd.DataFrame:
        """Its variants: row, chrom, pos, id, counted, other.

        Raises
        ------
        InputError
            When the table cannot be read, lacks a column, or has a variant without a place.
        """
        file = TableFile.of(self.table)
        columns = dict(self.columns)
        if "effect_allele" not in columns:
            for counted, other in _PAIRS:
                one, two = column_named(file.columns, counted), column_named(file.columns, other)
                if one and two:
                    columns |= {"effect_allele": one, "other_allele": two}
                    break
        layout = find_layout(file, "auto", columns, needs=("chrom", "pos", "effect_allele", "other_allele"))
        named = layout.columns
        parts = []
        for batch in file.batches(list(dict.fromkeys(named.values()))):
            pos, known = batch.positions(named["pos"], 1)
            batch.refuse(~known, named["pos"], "a position")
            chrom = texts_of(batch, named["chrom"])
            parts.append(
                pd.DataFrame(
                    {
                        "chrom": [contig_key(one) for one in chrom],
                        "pos": pos,
                        "id": texts_of(batch, named.get("id", ""), "."),
                        "counted": [one.upper() for one in texts_of(batch, named["effect_allele"])],
                        "other": [one.upper() for one in texts_of(batch, named["other_allele"])],
                    }
                )
            )
        if not parts:
            raise InputError(f"{self.table} has no variants; expected a row for each row of {self.path}")
        table = pd.concat(parts, ignore_index=True)
        return table.assign(row=np.arange(len(table), dtype=np.int64))

    def region(self) -> str:
        """From its first to its last variant: ``chrom:start-end``.

        Raises
        ------
        InputError
            When the table cannot be read, or is of several contigs.
        """
        table = self.read_variants()
        if table["chrom"].nunique() > 1:
            raise InputError(
                f"{self.table} has variants of {', '.join(table['chrom'].unique()[:5])}; expected one contig "
                "a matrix, or named loci (--blocks, --regions)"
            )
        return f"{table['chrom'].iloc[0]}:{table['pos'].min()}-{table['pos'].max()}"

    def read(self, size: int) -> Values:
        """The matrix, shape (size, size).

        Parameters
        ----------
        size : int
            Variants of its table.

        Raises
        ------
        InputError
            When it cannot be read, has another size, or is not one of correlations.
        """
        try:
            matrix = _read(self.path)
        except (OSError, ValueError, KeyError, EOFError) as error:
            raise InputError(f"{self.path} cannot be read as a matrix: {error}") from error
        if matrix.shape != (size, size):
            raise InputError(
                f"{self.path} has the shape {matrix.shape}, and {self.table} {size:,} variants; expected a "
                "row and a column for each"
            )
        matrix = _whole(matrix)
        known = ~np.isnan(np.diag(matrix))
        fault = correlation_fault(matrix[np.ix_(known, known)])
        if fault:
            raise InputError(f"{self.path} is not a matrix of correlations: {fault}")
        return matrix


class MatrixLinkage:
    """LD of matrices; a locus has that of the matrix with most of its variants.

    Parameters
    ----------
    sources : sequence of MatrixSource
        The matrices.
    """

    def __init__(self, sources: Sequence[MatrixSource]) -> None:
        self._sources = list(sources)
        self._tables = [source.read_variants() for source in sources]

    def attach(self, rows: pd.DataFrame, loci: Sequence[Numbers], places: Sequence[Hashable]) -> list[str]:
        """See :meth:`mifm_kipoi.finemapping.linkage.Linkage.attach`.

        Raises
        ------
        InputError
            When no matrix has any of the variants.
        """
        del places
        self._loci = loci
        variants = rows[["chrom", "pos", "id", "alt", "ref"]].rename(
            columns={"alt": "effect_allele", "ref": "other_allele"}
        )
        self._found: dict[int, tuple[int, Numbers, Values, Texts]] = {}
        words = np.array([str(one).replace("_", " ") for one in OUTCOMES], dtype=object)
        for number, own in enumerate(loci):
            best: tuple[int, int, Any, Any] = (-1, -1, None, None)
            wanted = variants.iloc[own].reset_index(drop=True)
            for source, table in enumerate(self._tables):
                near = table[table["chrom"].isin(wanted["chrom"].unique())]
                near = near[near["pos"].between(wanted["pos"].min(), wanted["pos"].max())]
                if len(near):
                    matches = match(wanted, near)
                    outcome, _ = resolve(matches, None)
                    count = int((outcome == 0).sum())
                    best = max(best, (count, -source, matches, outcome), key=lambda one: one[:2])
            count, source, matches, outcome = best
            if matches is None:
                reason = np.full(len(own), "not in the matrices", dtype=object)
                self._found[number] = (-1, np.full(len(own), -1), np.ones(len(own)), reason)
                continue
            reason = np.where(outcome == 0, "", words[outcome]).astype(object)
            sign = np.where(matches.counted, 1.0, -1.0)
            self._found[number] = (-source, matches.row, sign, reason)
        if not any((one[3] == "").any() for one in self._found.values()):
            raise InputError(
                f"{self._sources[0].table} has none of the variants of the loci, nor has another table of a "
                "matrix; expected those of the studies' genome build, with the same alleles"
            )
        absent = pd.Series(np.concatenate([one[3] for one in self._found.values()]))
        return [
            f"{number:,} rows have no LD: {reason}"
            for reason, number in absent[absent != ""].value_counts().items()
        ]

    def loci(self, wanted: frozenset[int]) -> Iterator[LocusLD]:
        """See :meth:`mifm_kipoi.finemapping.linkage.Linkage.loci`."""
        for number in sorted(number for number in wanted if self._found[number][0] < 0):
            yield LocusLD(number, self._found[number][3], np.empty((0, 0)))
        for source, one in enumerate(self._sources):
            own = sorted(number for number in wanted if self._found[number][0] == source)
            if not own:
                continue
            matrix = one.read(len(self._tables[source]))
            for number in own:
                _, row, sign, reason = self._found[number]
                reason = reason.copy()
                there = np.flatnonzero(reason == "")
                unknown = np.isnan(np.diag(matrix))[row[there]]
                reason[there[unknown]] = "not a number in the matrix"
                kept = np.flatnonzero(reason == "")
                r = matrix[np.ix_(row[kept], row[kept])] * np.outer(sign[kept], sign[kept])
                yield LocusLD(number, reason, r)


def _read(path: Path) -> Values:
    if path.suffix == ".npz":
        with np.load(path, allow_pickle=False) as stored:
            names = list(stored.files)
            if "format" not in names:
                if len(names) != 1 and "R" not in names:
                    raise ValueError(
                        f"it has the arrays {', '.join(names)}; expected one, or one of the name R"
                    )
                return np.asarray(stored["R" if "R" in names else names[0]], dtype=np.float64)
        sparse = needed("scipy.sparse", "finemapping")
        return np.asarray(sparse.load_npz(path).toarray(), dtype=np.float64)
    if path.suffix == ".npy":
        return np.asarray(np.load(path, allow_pickle=False), dtype=np.float64)
    with gzip.open(path, "rt") if path.suffix == ".gz" else path.open() as file:
        first = file.readline()
        separator = "," if "," in first else None
        file.seek(0)
        return np.atleast_2d(np.loadtxt(file, delimiter=separator, dtype=np.float64))


def _whole(matrix: Values) -> Values:
    """Both halves of a matrix of which one may be 0, as PolyFun's, whose diagonal may be halved."""
    upper, lower = np.triu(matrix, 1), np.tril(matrix, -1)
    if len(matrix) > 1 and upper.any() != lower.any():
        diagonal = np.diag(matrix).copy()
        if np.allclose(diagonal, 0.5):
            diagonal *= 2
        matrix = upper + upper.T + lower + lower.T + np.diag(diagonal)
    return matrix
