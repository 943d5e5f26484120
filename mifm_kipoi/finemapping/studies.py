"""Rows of studies for fine-mapping: z, Bayes factors and alleles, of a whole table or of some loci."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from mifm_kipoi.errors import InputError
from mifm_kipoi.finemapping.loci import LocusRule, numbered, own_loci
from mifm_kipoi.finemapping.matrices import MatrixSource
from mifm_kipoi.genetics.associations import AssociationRows, order_of
from mifm_kipoi.genetics.conditional import given_primary
from mifm_kipoi.genetics.row_counts import RowCounts
from mifm_kipoi.genetics.row_variants import texts_of
from mifm_kipoi.genetics.study_sources import StudySource
from mifm_kipoi.genomics.tables import OnProgress
from mifm_kipoi.support.checksums import remembered_sha256

LOWEST_LOG_P = math.log(5e-324)
"""For a p-value of 0 of which nothing says more."""

ROWS: dict[str, str] = {
    "study": "str",
    "chrom": "str",
    "pos": "int64",
    "id": "str",
    "ref": "str",
    "alt": "str",
    "beta": "float64",
    "standard_error": "float64",
    "z": "float64",
    "log_p": "float64",
    "frequency": "float64",
    "folded": "bool",
    "sample_size": "float64",
    "log_bf": "float64",
    "prior_variance": "float64",
    "block": "str",
}
"""Columns of rows of studies. Effects, z and frequency are of ``alt``; ``folded`` says
that frequency is that of either allele; ``log_p`` is finite or NaN, ``log_bf``
the natural logarithm of Wakefield's Bayes factor; ``block`` names the locus of a table that has its own."""

Choose = Callable[[pd.DataFrame], pd.DataFrame]
"""Is given rows and returns those that are kept, with further columns."""

_SECONDARY = ("primary", "secondary_beta", "secondary_standard_error", "secondary_p_value")

Flags = npt.NDArray[np.bool_]


class StudyReader:
    """Reads a table of one study or of several.

    Parameters
    ----------
    source : StudySource
        The table.
    directed : bool
        Whether it must be known which allele has the effect, as where z meets LD.
    own_loci : bool
        Whether the blocks count that the table may name.

    Attributes
    ----------
    counts : RowCounts
        What became of the rows in the last pass.
    studies : list of str
        Whose rows were handed on.
    has_own_loci : bool
        Whether the table says which block each row is of.

    Raises
    ------
    InputError
        When the table cannot be read, or lacks columns.
    """

    def __init__(self, source: StudySource, directed: bool, own_loci: bool = True) -> None:
        self._source = source
        self._table = source.table(directed=directed)
        self._columns = self._table.layout.columns
        self.counts = RowCounts()
        self.studies: list[str] = []
        self.has_own_loci = own_loci and "block" in self._columns
        own = ("block", "primary", "signal") if self.has_own_loci else ()
        self._keys = [self._columns[name] for name in own if name in self._columns]
        secondary = _SECONDARY if self.has_own_loci else ()
        self._secondary = tuple(self._columns[name] for name in secondary if name in self._columns)
        columns = f"its columns are {', '.join(self._table.file.columns)}"
        if directed and not (self._table.has_z or self._table.has_effects):
            raise InputError(
                f"{source.path} has neither z-scores nor effects, without which LD is of no use: {columns}. "
                "Name the column (z=COLUMN, beta=COLUMN), or fine-map without LD"
            )
        if not directed and not (self._table.has_bayes_factors or self._table.has_z):
            raise InputError(
                f"{source.path} has no numbers that Bayes factors could follow from (effects with standard "
                f"errors or p-values, or z with sample sizes and frequencies): {columns}"
            )

    @property
    def path(self) -> Path:
        """Of the table."""
        return self._source.path

    @property
    def build(self) -> str:
        """The genome build that the table is known to be of; empty where it is not."""
        return "GRCh37" if self._table.layout.format == "causaldb" and not self._source.lift_over else ""

    def leads(self, max_p_value: float, on_progress: OnProgress | None = None) -> pd.DataFrame:
        """Variants with p-values up to a limit: study, chrom, pos, log_p.

        Raises
        ------
        InputError
            When the table cannot be read, or has no p-values.
        """
        if not self._table.has_p_values:
            raise InputError(
                f"{self.path} has no p-values, by which loci could be found: name loci (--regions), or the "
                "column (p_value=COLUMN)"
            )
        parts = [
            rows.loc[rows["log_p"] <= math.log(max_p_value), ["study", "chrom", "pos", "log_p"]]
            for rows in self._rows(max_p_value, on_progress)
        ]
        return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=["study"])

    def rows(self, choose: Choose, on_progress: OnProgress | None = None) -> pd.DataFrame:
        """Rows with :data:`ROWS` that are chosen, and whatever columns the choice adds.

        Raises
        ------
        InputError
            When the table cannot be read.
        """
        parts = [choose(rows) for rows in self._rows(None, on_progress)]
        self.studies = list(dict.fromkeys(study for part in parts for study in part["study"].unique()))
        if not parts:
            raise InputError(f"{self.path} has a header and no rows; expected rows of variants")
        return pd.concat([part for part in parts if len(part)] or parts[:1], ignore_index=True)

    def _rows(self, max_p_value: float | None, on_progress: OnProgress | None) -> Iterator[pd.DataFrame]:
        self.counts = RowCounts()
        fields = ("p_value", "z") if self._table.has_p_values else ("z",)
        for rows in self._table.batches(
            fields, max_p_value, self.counts, on_progress, extra=(*self._keys, *self._secondary),
            may_lack_p_value=self.has_own_loci, all_phenotypes=True,
        ):  # fmt: skip
            yield self._frame(rows)

    def _frame(self, rows: AssociationRows) -> pd.DataFrame:
        beta, error, z, log_p, log_bf = rows.beta, rows.standard_error, rows.z, rows.log_p, rows.log_bf
        if len(self._secondary) == len(_SECONDARY):
            primary, own, own_error, own_p = (rows.batch.parsed(name)[0] for name in self._secondary)
            given = given_primary(primary, own, own_error, rows.prior_variance, own_p)
            beta, error = np.where(given.used, own, beta), np.where(given.used, own_error, error)
            z, log_p = np.where(given.used, given.z, z), np.where(given.used, given.log_p, log_p)
            log_bf = np.where(given.used, given.log_bf, log_bf)
        ref, alt, sign = _by_reference(rows)
        frame = pd.DataFrame(
            {
                "study": self._studies(rows),
                "chrom": rows.chrom,
                "pos": rows.pos,
                "id": np.where(rows.id == ".", "", rows.id),
                "ref": ref,
                "alt": alt,
                "beta": sign * beta,
                "standard_error": error,
                "z": sign * z,
                "log_p": np.where(np.isneginf(log_p), LOWEST_LOG_P, log_p),
                "frequency": np.where(sign < 0, 1 - rows.frequency, rows.frequency)
                if "effect_allele_frequency" in self._columns
                else rows.frequency,
                "folded": "effect_allele_frequency" not in self._columns,
                "sample_size": rows.sample_size,
                "log_bf": log_bf,
                "prior_variance": rows.prior_variance,
                "block": self._blocks(rows),
            }
        )
        return self._left_out(frame[rows.reason == ""])

    def _left_out(self, frame: pd.DataFrame) -> pd.DataFrame:
        for bad, reason in (
            (frame["study"] == "", "study missing"),
            (frame["block"] == "" if self.has_own_loci else frame["study"] == "", "block missing"),
        ):
            wrong = bad.reindex(frame.index, fill_value=False)
            self.counts.leave_out(reason, int(wrong.sum()))
            frame = frame[~wrong]
        return frame

    def _studies(self, rows: AssociationRows) -> npt.NDArray[np.object_]:
        column = self._columns.get("phenotype", "") if not self._source.phenotype else ""
        if column and not self._source.name:
            return texts_of(rows.batch, column)
        return np.full(len(rows), self._source.default_name, dtype=object)

    def _blocks(self, rows: AssociationRows) -> npt.NDArray[np.object_]:
        """Names of a table's own loci: block, then primary or secondary, then the signal's name."""
        names = np.full(len(rows), "", dtype=object)
        for column in self._keys:
            texts = texts_of(rows.batch, column)
            if column == self._columns.get("primary", ""):
                number = rows.batch.parsed(column)[0]
                texts = np.select([number == 1, number == 0], ["primary", "secondary"], texts).astype(object)
            joined = np.where((names == "") | (texts == ""), "", " ")
            names = names + joined + texts
        return names


def once(rows: pd.DataFrame, by: Sequence[str]) -> tuple[pd.DataFrame, int]:
    """Each variant of a locus once, in the order of the genome.

    Parameters
    ----------
    rows : pandas.DataFrame
        :data:`ROWS`.
    by : sequence of str
        Columns that name the locus.

    Returns
    -------
    rows : pandas.DataFrame
        Those of the lowest p of each variant, sorted by ``by``, position and alleles.
    repeated : int
        Others.
    """
    ordered = (rows["ref"] <= rows["alt"]).to_numpy(bool)
    keys = rows[[*by, "chrom", "pos"]].assign(
        first=rows["ref"].where(ordered, rows["alt"]), second=rows["alt"].where(ordered, rows["ref"])
    )
    order = order_of(rows["log_p"].fillna(0.0), rows["z"])
    repeated = keys.iloc[order].duplicated().to_numpy(bool)
    kept = rows.iloc[np.sort(order[~repeated])]
    kept = kept.sort_values([*by, "pos", "ref", "alt"], kind="stable").reset_index(drop=True)
    return kept, int(repeated.sum())


def _by_reference(
    rows: AssociationRows,
) -> tuple[npt.NDArray[np.object_], npt.NDArray[np.object_], npt.NDArray[np.float64]]:
    """Alleles as REF and ALT, and -1 where the effect allele is REF; else it is ALT."""
    swapped = (rows.ref == rows.effect_allele) & (rows.ref != "")
    ref = np.where(swapped, rows.effect_allele, rows.other_allele)
    alt = np.where(swapped, rows.other_allele, rows.effect_allele)
    return ref, alt, np.where(swapped, -1.0, 1.0)


@dataclasses.dataclass(frozen=True)
class StudyRows:
    """The loci of studies, and the rows of variants in them.

    Parameters
    ----------
    loci : pandas.DataFrame
        Columns of :data:`mifm_kipoi.finemapping.loci.LOCI`.
    rows : pandas.DataFrame
        Of all loci, with the ``number`` of each, its row among ``loci``.
    loci_are : str
        In words, where loci come from.
    notes : list of str
        What became of the rows of the tables.
    checksums : dict of str to str
        sha256 of the table of each study.
    """

    loci: pd.DataFrame
    rows: pd.DataFrame
    loci_are: str
    notes: list[str]
    checksums: dict[str, str]


def read_studies(
    sources: Sequence[StudySource],
    directed: bool,
    rule: LocusRule | None,
    matrices: Sequence[MatrixSource] = (),
) -> StudyRows:
    """Read the loci of studies, and their rows.

    Parameters
    ----------
    sources : sequence of StudySource
    directed : bool
        Whether the direction of effects is needed, as with LD.
    rule : LocusRule, optional
        By default the loci that tables name; else, of matrices, what each has; else what is near
        associated variants.
    matrices : sequence of MatrixSource
        LD as matrices.

    Raises
    ------
    InputError
        When a table cannot be read, some tables name loci and others do not, or two have the same study.
    """
    readers = [StudyReader(source, directed, rule is None) for source in sources]
    own = [reader for reader in readers if reader.has_own_loci]
    if rule is None and own:
        if len(own) < len(readers):
            lacking = next(reader.path for reader in readers if not reader.has_own_loci)
            raise InputError(
                f"{own[0].path} names loci and {lacking} does not; name loci for both (--blocks, --regions)"
            )
        rows = pd.concat([reader.rows(lambda rows: rows) for reader in readers], ignore_index=True)
        notes, checksums = _counted(readers)
        loci = own_loci(rows)
        key = pd.MultiIndex.from_frame(loci[["study", "block", "chrom"]])
        number = key.get_indexer(pd.MultiIndex.from_frame(rows[["study", "block", "chrom"]]))
        named = "those that the tables name"
        return StudyRows(loci.drop(columns="block"), rows.assign(number=number), named, notes, checksums)
    if rule is None:
        rule = LocusRule(regions=tuple(one.region() for one in matrices))

    def leads(max_p_value: float) -> pd.DataFrame:
        parts = [reader.leads(max_p_value) for reader in readers]
        return pd.concat(parts, ignore_index=True)

    loci = rule.loci((), leads)
    rows = pd.concat([reader.rows(numbered(loci)) for reader in readers], ignore_index=True)
    notes, checksums = _counted(readers)
    return StudyRows(loci, rows, rule.in_words(), notes, checksums)


def _counted(readers: Iterable[StudyReader]) -> tuple[list[str], dict[str, str]]:
    """What became of the rows that were read, and the checksum of each study's table."""
    notes: list[str] = []
    seen: dict[str, Path] = {}
    for reader in readers:
        notes.append(f"{reader.path.name}: {reader.counts.in_words()}")
        notes += reader.counts.notes
        for study in reader.studies:
            if study in seen:
                raise InputError(
                    f"{seen[study]} and {reader.path} both have the study {study}; give each a name of "
                    "its own (NAME=FILE)"
                )
            seen[study] = reader.path
    return notes, {study: remembered_sha256(path) for study, path in seen.items()}
