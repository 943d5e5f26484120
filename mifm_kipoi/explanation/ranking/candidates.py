"""The variants that are ranked, their MIFM scores, and what a study says of them, from any input.

A VCF or BCF file, a list of variants, a table of a GWAS or of fine-mapping, or an output of ``mifm score``:
each is read by the readers of :mod:`mifm_kipoi.genetics`. Where the input has scores, they count and nothing
is computed; where it has none, they are those of ``mifm score``. Rows of a table keep their own numbers, so
that a variant may have several rows, one for each study.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from mifm_kipoi.baselines.protocol import ComputeOptions
from mifm_kipoi.baselines.specs import with_options
from mifm_kipoi.baselines.tables.associations import (
    SECONDARY,
    SIGNAL,
    STUDY,
    log_abf,
    open_associations,
    open_pips,
)
from mifm_kipoi.baselines.tables.looked_up import LookedUp
from mifm_kipoi.conventions import CHUNK, MAX_MISMATCH_FRACTION, MAX_N_FRACTION, Status
from mifm_kipoi.errors import InputError, OptionError
from mifm_kipoi.genetics.associations import AssociationRows, AssociationTable
from mifm_kipoi.genetics.row_counts import RowCounts
from mifm_kipoi.genetics.row_variants import texts_of
from mifm_kipoi.genetics.variant_lists import VariantList, is_list, open_variants, understood
from mifm_kipoi.genomics.columns import EFFECTS, P_VALUES, column_named, columns_named
from mifm_kipoi.genomics.genome import Genome
from mifm_kipoi.genomics.tables import TableFile
from mifm_kipoi.genomics.variants import MISSING, Record, Variant, VariantFile
from mifm_kipoi.genomics.vcf_text import split_record
from mifm_kipoi.network.weights import Weights
from mifm_kipoi.scoring.scorer import Scorer, ScoringOptions, find_rule
from mifm_kipoi.scoring.scores import AVERAGED
from mifm_kipoi.sequence.windows import ReferenceCheck
from mifm_kipoi.support.text import as_unicode

SCORE = "mifm_ref"
"""The MIFM score, by which variants are ranked."""

NUMBERS = (SCORE, "mifm_logit_ref", "mifm_percentile", "mifm_phred")
"""Columns of a score that are shown; all but the first may be missing."""

EVIDENCE = ("p_value", "neg_log10_p", "log_abf")
"""Columns of what an association study says of a variant: always all of one study."""

STATISTICS = (*EVIDENCE, "pip")
"""Columns of what a study says."""

NO_SCORE = "no_score"
"""The status of a row of a table of scores that has none, where the table does not say why."""

_STATUS = "status"
_STATUS_TAG = "MIFM_STATUS"
_FEATURES = (*P_VALUES, *EFFECTS, "z", "pip", "block", "phenotype")
"""Fields of which a table has one where it is more than a list of variants."""

Values = npt.NDArray[np.float64]


@dataclasses.dataclass(frozen=True)
class TableOptions:
    """How a table is read; see :class:`mifm_kipoi.genetics.associations.AssociationTable`.

    Parameters
    ----------
    format, phenotype, population : str
        Of the table.
    columns : mapping of str to str
        From fields to columns.
    sample_size : float, optional
        Of all rows.
    trait : str
        ``quantitative``, ``case_control``, or empty where it is not known.
    case_fraction, prior_variance : float, optional
        What Bayes factors expect.
    allow_implausible : bool
        Warn, and go on, where numbers contradict each other.
    """

    format: str = "auto"
    phenotype: str = ""
    population: str = ""
    columns: Mapping[str, str] = dataclasses.field(default_factory=dict)
    sample_size: float | None = None
    trait: str = ""
    case_fraction: float | None = None
    prior_variance: float | None = None
    allow_implausible: bool = False

    def table(self, path: Path, pip: str = "") -> AssociationTable:
        """A table read so.

        Parameters
        ----------
        path : Path
            The table.
        pip : str
            Its column of PIPs, where it is named.

        Raises
        ------
        OptionError
            When an option is impossible.
        """
        options = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        options["columns"] = {**self.columns, **({"pip": pip} if pip else {})}
        try:
            table = AssociationTable(str(path), directed=False, **options)
        except ValueError as error:
            raise OptionError(str(error)) from error
        study = tuple(columns_named(table.file.columns, STUDY))
        return dataclasses.replace(table, study_columns=study)


@dataclasses.dataclass(frozen=True)
class Candidates:
    """Variants that are ranked.

    Parameters
    ----------
    table : pandas.DataFrame
        A row for each row and ALT of the input: ``chrom``, ``pos`` (1-based, 0 where unknown), ``id``,
        ``ref``, ``alt``, :data:`NUMBERS` and :data:`STATISTICS` as float64 with NaN where there is none,
        ``status``, and the columns :attr:`keys`.
    keys : tuple of str
        Columns of the input that divide it into loci together with the contig, and those that name studies.
    studies : tuple of str
        Those of the keys that name studies.
    has_loci : bool
        Whether the keys name loci, and not only studies.
    scored : bool
        Whether the scores were computed here, and not read.
    notes : tuple of str
        What a reader must know of how the input was understood, a sentence each without its full stop.
    provenance : dict of plain JSON types
        How the input was understood.
    """

    table: pd.DataFrame
    keys: tuple[str, ...]
    studies: tuple[str, ...]
    has_loci: bool
    scored: bool
    notes: tuple[str, ...]
    provenance: dict[str, Any]

    def has(self, statistic: str) -> bool:
        """Whether any variant has a number of a column."""
        return bool(self.table[statistic].notna().any())


@dataclasses.dataclass(frozen=True)
class Source:
    """Where candidates come from.

    Parameters
    ----------
    path : Path
        VCF, BCF or table.
    options : TableOptions
        How a table is read.
    by : tuple of str
        Columns of the table that divide it into loci; by default its LD blocks and signals, if any.
    score : str
        Column, or INFO tag, of scores in the input; by default ``mifm_ref``, or the only one that begins or
        ends so.
    pip, gwas : str
        ``COLUMN`` of the table, or ``FILE[:NAME=VALUE...]`` of another; ``FILE[:NAME=VALUE...]``.
    positions : Path, optional
        VCF or .bim file that knows the names of a list.
    """

    path: Path
    options: TableOptions = TableOptions()
    by: tuple[str, ...] = ()
    score: str = ""
    pip: str = ""
    gwas: str = ""
    positions: Path | None = None

    def read(self, genome: Genome | None, scoring: Scoring | None) -> Candidates:
        """Read, score where that is needed, and look up.

        Parameters
        ----------
        genome : Genome, optional
            The reference genome.
        scoring : Scoring, optional
            How scores are computed; needed like the genome where the input has no scores.

        Raises
        ------
        MIFMError
            When the input cannot be read, or has no scores and there is no genome, or an option does not fit
            it.
        """
        found = self._from_table(genome, scoring) if is_list(self.path) else self._from_vcf(genome, scoring)
        table, notes = found.table, [*found.notes]
        provenance = dict(found.provenance)
        pip_file = self._pip_file()
        # PIPs that the input has, or that are named, are not those of a table of associations.
        takes_pips = not self.pip and not found.has("pip")
        of_study = STATISTICS if takes_pips else EVIDENCE
        for name, argument, opener, taken in (
            ("gwas", self.gwas, open_associations, of_study),
            ("pip", pip_file, open_pips, ("pip",)),
        ):
            if argument:
                looked_up = opener(argument, ComputeOptions())
                notes += _look_up(table, looked_up, genome, taken)
                provenance[name] = looked_up.declaration.to_dict()
        return dataclasses.replace(found, table=table, notes=tuple(notes), provenance=provenance)

    def files(self) -> list[Path]:
        """All files that are read, but for the genome."""
        arguments = (with_options(argument)[0] for argument in (self.gwas, self._pip_file()) if argument)
        return [self.path, *map(Path, arguments), *filter(None, [self.positions])]

    def _pip_file(self) -> str:
        """The table of PIPs, where one is named and it is not a column."""
        if not self.pip or self._pip_column():
            return ""
        if Path(with_options(self.pip)[0]).is_file():
            return self.pip
        raise OptionError(
            f"{self.pip!r} is neither a column of {self.path} nor a file; expected a column of PIPs, or a "
            "table of fine-mapping"
        )

    def _pip_column(self) -> str:
        if not self.pip or not is_list(self.path):
            return ""
        return column_named(TableFile.of(self.path, min_columns=1).columns, self.pip)

    def _from_vcf(self, genome: Genome | None, scoring: Scoring | None) -> Candidates:
        for option, given in (("--by", self.by), ("--columns", self.options.columns)):
            if given:
                raise OptionError(
                    f"{self.path} is not a table, and has no columns for {option}; leave it out"
                )
        with VariantFile(self.path, lines=True) as file:
            tag = self._tag(file.header)
            if tag:
                return self._scored_vcf(file, tag)
        if genome is None or scoring is None:
            raise _no_scores(self.path, "the INFO tag MIFM_REF")
        return self._scored(genome, scoring)

    def _scored(self, genome: Genome, scoring: Scoring) -> Candidates:
        """All variants of a file without numbers of its own."""
        open_file = functools.partial(open_variants, self.path, genome, positions=self.positions)
        with open_file() as file:
            variants = [variant for record in file for variant in record.variants]
        table = scoring.score(variants, genome, open_file)
        return Candidates(_with_statistics(table), (), (), False, True, (), {})

    def _tag(self, header: Sequence[bytes]) -> str:
        """The INFO tag of the scores, empty where there is none."""
        beginning = b"##INFO=<ID="
        tags = [
            as_unicode(line[len(beginning) :].partition(b",")[0].decode(errors="replace"))
            for line in header
            if line.startswith(beginning)
        ]
        return _chosen_score(self.path, tags, self.score)

    def _scored_vcf(self, file: VariantFile, tag: str) -> Candidates:
        names = {_beside(tag, name): name for name in NUMBERS}
        variants: list[Variant] = []
        columns: dict[str, list[str]] = {name: [] for name in (*NUMBERS, _STATUS)}
        for record in file:
            entries = _info_of(record)
            for number, variant in enumerate(record.variants):
                variants.append(variant)
                for own, name in names.items():
                    columns[name].append(_entry(entries.get(own, ""), number))
                columns[_STATUS].append(_entry(entries.get(_STATUS_TAG, ""), number))
        numbers = {
            name: pd.to_numeric(pd.Series(columns[name], dtype="str"), errors="coerce").to_numpy(np.float64)
            for name in NUMBERS
        }
        table = _frame(variants).assign(**numbers, status=columns[_STATUS])
        return Candidates(_with_statistics(_completed(table)), (), (), False, False, (), {"scores": tag})

    def _from_table(self, genome: Genome | None, scoring: Scoring | None) -> Candidates:
        columns = TableFile.of(self.path, min_columns=1).columns
        score = _chosen_score(self.path, columns, self.score)
        if not score and (genome is None or scoring is None):
            raise _no_scores(self.path, "a column mifm_ref")
        names_only = not score and not self._has_features()
        if names_only:
            assert genome is not None
            assert scoring is not None
            return self._scored(genome, scoring)
        return _TableReader(self, score).read(genome, scoring)

    def _has_features(self) -> bool:
        """Whether a list of variants has more than their names."""
        if self.by or self.pip or self.options.columns:
            return True
        _, layout = understood(self.path, named=self.positions is not None)
        return any(field in layout.columns for field in _FEATURES)


@dataclasses.dataclass(frozen=True)
class Scoring:
    """How scores are computed.

    Parameters
    ----------
    weights : Weights
        Of the network.
    device : str
        A PyTorch device; ``auto`` takes a GPU where there is one.
    batch_size : int, optional
        Windows that the network reads together.
    max_n_fraction, max_mismatch_fraction : float
        See :func:`mifm_kipoi.stream_windows`.
    """

    weights: Weights
    device: str = "auto"
    batch_size: int | None = None
    max_n_fraction: float = MAX_N_FRACTION
    max_mismatch_fraction: float = MAX_MISMATCH_FRACTION

    def score(
        self,
        variants: Sequence[Variant],
        genome: Genome,
        open_file: Callable[[], VariantFile | VariantList] | None = None,
    ) -> pd.DataFrame:
        """Score variants, each once however often it comes.

        Parameters
        ----------
        variants : sequence of Variant, length n
            In any order.
        genome : Genome
            Reference genome.
        open_file : callable, optional
            Opens the file that they are of, by which it is decided whether dense ones are scanned
            (:func:`mifm_kipoi.scoring.scorer.find_rule`).

        Returns
        -------
        pandas.DataFrame
            A row for each variant: ``chrom, pos, id, ref, alt``, :data:`NUMBERS`, ``status``.

        Raises
        ------
        ReferenceMismatchError
            When too many REF alleles differ from the FASTA.
        """
        options = ScoringOptions(
            (self.weights.name,), max_n_fraction=self.max_n_fraction,
            max_mismatch_fraction=self.max_mismatch_fraction,
        )  # fmt: skip
        rule = find_rule(options, [self.weights], self.device, open_file)
        scorer = Scorer(genome, options, self.device, self.batch_size, [self.weights], rule)
        check = ReferenceCheck(genome, self.max_mismatch_fraction)
        index: dict[str, int] = {}
        row = np.array([index.setdefault(variant.key, len(index)) for variant in variants], dtype=np.int64)
        _, first = np.unique(row, return_index=True)
        different = [variants[number] for number in first.tolist()]
        parts = []
        for start in range(0, len(different), CHUNK):
            scored = scorer(different[start : start + CHUNK])
            check.add(scored.variants, scored.status)
            own = {name: scored.columns[name] for name in NUMBERS if name in scored.columns}
            parts.append(pd.DataFrame({**own, _STATUS: [str(status) for status in scored.status]}))
        columns = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame({_STATUS: []}, dtype="str")
        return _completed(pd.concat([_frame(variants), columns.iloc[row].reset_index(drop=True)], axis=1))


class _TableReader:
    """Reads a table row by row: variants, statistics, keys of loci and, where it has them, scores."""

    def __init__(self, source: Source, score: str) -> None:
        self._source, self._score = source, score
        self._table = source.options.table(source.path, source._pip_column())
        if source.positions is not None:
            self._table = dataclasses.replace(self._table, positions=str(source.positions))
        self._columns = self._table.file.columns
        self._counts = RowCounts()
        self._keys, self._studies, self._has_loci = self._find_keys()

    def read(self, genome: Genome | None, scoring: Scoring | None) -> Candidates:
        """The candidates."""
        table = self._table
        fields = [
            name
            for name, there in (
                ("p_value", table.has_p_values), ("z", table.has_bayes_factors), ("pip", table.has("pip")),
            )
            if there
        ]  # fmt: skip
        secondary = SECONDARY if set(SECONDARY) <= set(self._columns) and "z" in fields else ()
        own = self._own_columns()
        extra = dict.fromkeys((*self._keys, *secondary, *own.values()))
        parts = [
            self._frame_of(rows, fields, secondary, own)
            for rows in table.batches(
                fields, counts=self._counts, extra=list(extra), may_lack_p_value=True, all_phenotypes=True
            )
        ]
        frame = pd.concat([part for part in parts if len(part)] or parts[:1], ignore_index=True)
        if not len(frame):
            raise InputError(f"{self._source.path} has no row of a variant to rank")
        if self._score:
            frame = _completed(frame.drop(columns="line"))
        else:
            assert genome is not None
            assert scoring is not None
            frame = self._scored(frame, genome, scoring)
        layout = table.layout
        provenance = {
            "format": layout.format,
            "columns": dict(layout.columns),
            "rows": self._counts.to_dict(),
            **({"scores": self._score} if self._score else {}),
        }
        return Candidates(
            frame,
            self._keys,
            self._studies,
            self._has_loci,
            not self._score,
            tuple(self._notes()),
            provenance,
        )

    def _find_keys(self) -> tuple[tuple[str, ...], tuple[str, ...], bool]:
        """Columns that divide the rows, those of studies, and whether loci are among them."""
        columns, by = self._columns, []
        for name in self._source.by:
            spelt = column_named(columns, name)
            if not spelt:
                raise OptionError(
                    f"{self._source.path} has no column {name!r} to divide it into loci; its columns are "
                    f"{', '.join(columns)}"
                )
            by.append(spelt)
        studies = tuple(columns_named(columns, STUDY))
        if not by and (block := self._table.layout.columns.get("block", "")):
            by = [block, *columns_named(columns, SIGNAL)]
        keys = dict.fromkeys((*studies, *by))
        return tuple(keys), studies, bool(by)

    def _own_columns(self) -> dict[str, str]:
        """The columns of scores and of their status, by the names that they have here."""
        if not self._score:
            return {}
        own = {name: _beside(self._score, name) for name in NUMBERS}
        status = self._score.rpartition(".")[0]
        own[_STATUS] = f"{status}.{_STATUS}" if status else _STATUS
        return {name: column for name, column in own.items() if column in self._columns}

    def _frame_of(
        self, rows: AssociationRows, fields: Sequence[str], secondary: tuple[str, ...], own: Mapping[str, str]
    ) -> pd.DataFrame:
        batch, good = rows.batch, rows.reason == ""
        place = self._table.layout.columns.get("chrom", "")
        named = texts_of(batch, place) if place else rows.chrom
        swapped = (rows.ref != "") & (rows.ref == rows.effect_allele)
        columns: dict[str, Any] = {
            "line": rows.lines,
            "chrom": np.where(named == "", MISSING, named),
            "pos": rows.pos,
            "id": rows.id,
            "ref": _known(np.where(swapped, rows.effect_allele, rows.other_allele)),
            "alt": _known(np.where(swapped, rows.other_allele, rows.effect_allele)),
        }
        numbers = {
            "p_value": rows.p_value if "p_value" in fields else None,
            "neg_log10_p": rows.neg_log_10_p if "p_value" in fields else None,
            "log_abf": log_abf(rows, secondary) if "z" in fields else None,
            "pip": rows.pip if "pip" in fields else None,
        }
        for name, values in numbers.items():
            columns[name] = np.nan if values is None else np.where(good, values, np.nan)
        for name in self._keys:
            columns[key_column(name)] = texts_of(batch, name)
        for name, column in own.items():
            columns[name] = texts_of(batch, column) if name == _STATUS else batch.numbers(column)
        return pd.DataFrame(columns)

    def _scored(self, frame: pd.DataFrame, genome: Genome, scoring: Scoring) -> pd.DataFrame:
        """The rows with the scores of their variants, whose REF the FASTA decides; one for each ALT."""
        source, file = self._source, self._table.file
        open_file = functools.partial(open_variants, source.path, genome, positions=source.positions)
        with open_file() as records:
            variants = [record.variants for record in records]
        lines = np.concatenate(
            [batch.lines for batch in file.batches(file.columns[:1]) if batch.lines is not None]
        )
        assert len(lines) == len(variants), "both read the same rows"
        of_rows = [variants[number] for number in np.searchsorted(lines, frame["line"]).tolist()]
        row = np.repeat(np.arange(len(frame)), [len(alts) for alts in of_rows])
        scored = scoring.score([variant for alts in of_rows for variant in alts], genome, open_file)
        places = ["line", "chrom", "pos", "id", "ref", "alt"]
        rest = frame.drop(columns=places).iloc[row].reset_index(drop=True)
        return pd.concat([scored, rest], axis=1)

    def _notes(self) -> list[str]:
        notes = [*(note.rstrip(".") for note in self._counts.notes)]
        if self._counts.refused:
            notes.append(
                f"{self._counts.refused.total():,} rows of {self._source.path.name} keep their place without "
                f"numbers of the study: {self._counts.reasons_in_words()}"
            )
        if len(self._source.options.phenotype) and self._counts.other_phenotypes:
            notes.append(f"only rows of {self._source.options.phenotype} are ranked")
        return notes


def key_column(name: str) -> str:
    """The column of :attr:`Candidates.table` that holds a column of the input."""
    return f"key:{name}"


def _chosen_score(path: Path, columns: Sequence[str], wanted: str) -> str:
    """The column of scores; empty where the input has none.

    Raises
    ------
    OptionError
        When the one that is wanted is not there, is not of MIFM, or there are several.
    """
    if wanted:
        spelt = column_named(list(columns), wanted)
        if not spelt or SCORE not in spelt.lower():
            scores = [name for name in columns if SCORE in name.lower()]
            raise OptionError(
                f"{path} has no MIFM score {wanted!r}; those that it has are {', '.join(scores) or 'none'}"
            )
        return spelt
    exact = [name for name in columns if name.lower() == SCORE]
    if exact:
        return exact[0]
    similar = [
        name for name in columns if name.lower().startswith(f"{SCORE}_") or name.lower().endswith(f".{SCORE}")
    ]
    similar = [name for name in similar if not name.lower().startswith(f"{SCORE}_{AVERAGED}")]
    if len(similar) > 1:
        raise OptionError(f"{path} has several MIFM scores: {', '.join(similar)}; name one with --score")
    return similar[0] if similar else ""


def _beside(score: str, name: str) -> str:
    """The column of another number of the same weights: ``mifm_ref_a`` -> ``mifm_logit_ref_a``."""
    if SCORE in score:
        return score.replace(SCORE, name)
    return score.replace(SCORE.upper(), name.upper())


def _no_scores(path: Path, what: str) -> InputError:
    return InputError(
        f"{path} has no MIFM scores ({what}), and no FASTA is given to compute them from; name the reference "
        "genome behind it, or rank an output of 'mifm score'"
    )


def _info_of(record: Record) -> dict[str, str]:
    info = split_record(record.line)[7].decode(errors="replace")
    return dict(entry.partition("=")[::2] for entry in info.split(";"))


def _entry(values: str, number: int) -> str:
    """One of the values of an INFO entry, empty where it is missing."""
    each = values.split(",")
    value = each[number] if number < len(each) else ""
    return "" if value == MISSING else value


def _frame(variants: Sequence[Variant]) -> pd.DataFrame:
    texts = {
        name: pd.Series([as_unicode(getattr(variant, name)) for variant in variants], dtype="str")
        for name in ("chrom", "id", "ref", "alt")
    }
    table = pd.DataFrame(texts)
    table.insert(1, "pos", pd.Series([variant.pos for variant in variants], dtype="int64"))
    return table


def _completed(table: pd.DataFrame) -> pd.DataFrame:
    """With all of :data:`NUMBERS`, those that follow from others, and a status in every row."""
    numbers = {
        name: table[name].to_numpy(np.float64) if name in table else np.full(len(table), np.nan)
        for name in NUMBERS
    }
    score, logit = numbers[SCORE], numbers["mifm_logit_ref"]
    with np.errstate(divide="ignore", invalid="ignore"):
        # Formats that keep no logits have scores of seven digits.
        numbers["mifm_logit_ref"] = np.where(np.isnan(logit), np.log(score) - np.log1p(-score), logit)
    known = ~np.isnan(score)
    own = table[_STATUS].to_numpy(object) if _STATUS in table else np.full(len(table), "", dtype=object)
    status = np.where(known, str(Status.OK), np.where((own == "") | (own == Status.OK), NO_SCORE, own))
    return table.assign(**numbers, status=status)


def _with_statistics(table: pd.DataFrame) -> pd.DataFrame:
    return table.assign(**dict.fromkeys(STATISTICS, np.nan))


def _known(alleles: npt.NDArray[np.object_]) -> npt.NDArray[np.object_]:
    return np.where(alleles == "", MISSING, alleles)


def _look_up(
    table: pd.DataFrame, looked_up: LookedUp, genome: Genome | None, taken: Sequence[str]
) -> list[str]:
    """Put columns of another table in the place of those of the candidates; gives what to know of it."""
    columns = (table[name].tolist() for name in ("chrom", "pos", "id", "ref", "alt"))
    variants = [Variant(*row) for row in zip(*columns, strict=True)]
    scored = looked_up.score(variants, genome)
    notes = [] if genome is None else looked_up.warnings(genome)
    if not set(EVIDENCE).intersection(scored.columns):
        taken = [name for name in taken if name in scored.columns]
    replaced = [name for name in taken if table[name].notna().any()]
    for name in taken:
        table[name] = scored.columns.get(name, np.nan)
    if "neg_log10_p" in taken:
        with np.errstate(under="ignore"):
            table["p_value"] = 10.0 ** -table["neg_log10_p"].to_numpy(np.float64)
    found = sum(status == Status.OK for status in scored.status)
    named = looked_up.declaration.name
    notes.append(f"{named}: {found:,} of {len(variants):,} variants have a row")
    if replaced:
        what = "PIPs" if "pip" in replaced else "p-values and effects"
        notes.append(f"{what} are those of {named}, and those of the ranked table are left out")
    return notes
