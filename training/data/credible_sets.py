"""Credible sets of fine-mapping: CAUSALdb2's table, or any other by a map of columns.

Variants, statistics and PIPs are read, and refused, by
:class:`mifm_kipoi.genetics.associations.AssociationTable`; what a set is, and which signal it is of, here.
"""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from mifm_kipoi.errors import InputError, OptionError
from mifm_kipoi.genetics.associations import ASSOCIATION_COLUMNS, AssociationRows, AssociationTable
from mifm_kipoi.genetics.conditional import given_primary
from mifm_kipoi.genetics.row_counts import EXAMPLES, Example, RowCounts
from mifm_kipoi.genetics.study_traits import StudyTraits
from mifm_kipoi.genomics import columns as gwas_columns
from mifm_kipoi.genomics.gwas_formats import GWAS_FORMATS
from mifm_kipoi.genomics.identifiers import expression, fields_of
from mifm_kipoi.genomics.tables import OnProgress
from training.data.associated import AssociatedPositions
from training.data.effects import EffectCounts

log = logging.getLogger(__name__)

_OF_SETS = ("block", "study", "primary")
"""Fields that are read here, not with the rows of the GWAS."""

FIELDS = (
    *(field for field in gwas_columns.FIELDS if field not in ("phenotype", "signal", *_OF_SETS)),
    *_OF_SETS,
)
"""The fields that columns can be named for; :class:`CredibleSetsConfig` describes those of credible sets, and
:data:`mifm_kipoi.genomics.columns.FIELDS` all others."""

CAUSALDB2 = {
    **{
        field: name
        for field, name in GWAS_FORMATS["causaldb"].columns.items()
        if field not in ("phenotype", "signal")
    },
    "study": "meta_id",
}
"""The columns of CAUSALdb2's ``credible_set.txt.gz``. The PIP is that of SuSiE; those of the other tools are
abf, finemap, paintor, caviarbf, polyfun_finemap and polyfun_susie."""

_VARIANT = ("chrom", "pos", "effect_allele", "other_allele")

Values = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]


@dataclasses.dataclass(frozen=True)
class CredibleSetsConfig:
    """A table of credible sets: one row per variant, set, study and block.

    Parameters
    ----------
    path : str
        The table, with a header: text (plain, gzip or bgzip) or Parquet.
    format : str
        ``causaldb2`` if the columns are those of CAUSALdb2, ``table`` if ``columns`` names them all.
    columns : mapping of str to str
        From fields to columns of the table; overrides those of the format. Empty for a field that the table
        does not have. The fields are

        - ``chrom``, ``pos`` (1-based), ``effect_allele``, ``other_allele``; or ``variant``, a column whose
          text holds those of them that have no column;
        - ``block``, the LD block or locus, and ``study``: several columns may be named, separated by commas;
        - ``primary``: 1 for the primary signal of a block, 0 for the secondary ones; without it there is
          one signal, ``all``;
        - ``p_value`` (or ``neg_log_10_p_value``), ``z``, ``beta`` (or ``odds_ratio``), ``standard_error``,
          ``pip`` (-1 where missing), ``id``;
        - ``secondary_p_value``, ``secondary_beta``, ``secondary_standard_error``: statistics of secondary
          signals conditional on the primary one; used in rows where ``primary`` is 0 and all three are known;
        - ``maf`` (or the frequency of either allele) and ``sample_size``: stand in for a missing standard
          error, whose square is ``1 / (2 n maf (1 - maf))`` for a standardised trait, and in the units of
          the study's effects where other rows show these.
    variant : str
        Pattern of the text in the column ``variant``, with fields in braces.
    where : mapping of str to str or tuple of str
        Columns of the table, and the values, one or several, of the rows that are used, such as
        ``{trait: MPV}``. Other rows make no bags, but no negatives either.
    lift_over : str
        A chain file that takes the table to the genome build of ``fasta``.
    allow_implausible : bool
        Whether to go on, with a warning, where numbers contradict each other or most rows are refused.
    study : str
        The study of all rows of a table without a column for it; empty for the name of the file.
    sample_size : float, optional
        The sample size of all rows of a table without a column for it.
    lead_p_value : float, optional
        A study is left out of a block and signal where its lowest p-value there is above this: 5e-8 is
        genome-wide significance. None keeps all studies, of which some of CAUSALdb2 have no association.
        Studies without p-values stay.
    meta : str
        CAUSALdb's ``meta.txt``: sample size, cases and controls of each study, from which the kind of its
        trait follows (:class:`mifm_kipoi.genetics.study_traits.StudyTraits`).
    trait : str
        ``quantitative`` or ``case_control``, of studies that ``meta`` does not tell; empty where it is not
        known. Bayes factors expect effects of a standard deviation of 0.15 of that of a quantitative trait,
        and of 0.2 of log odds ratios; where the trait is not known of 0.2 in the units of beta.
    case_fraction : float, optional
        Cases over individuals, of case-control studies that ``meta`` does not tell.
    prior_variance : float, optional
        The variance of effects that Bayes factors expect, in squared units of beta, whatever the trait.
    """

    path: str
    format: Literal["causaldb2", "table"] = "causaldb2"
    columns: Mapping[str, str] = dataclasses.field(default_factory=dict)
    variant: str = "{chrom}:{pos}_{other_allele}_{effect_allele}"
    where: Mapping[str, str | tuple[str, ...]] = dataclasses.field(default_factory=dict)
    lift_over: str = ""
    allow_implausible: bool = False
    study: str = ""
    sample_size: float | None = None
    lead_p_value: float | None = 5e-8
    meta: str = ""
    trait: str = ""
    case_fraction: float | None = None
    prior_variance: float | None = None

    def __post_init__(self) -> None:
        if self.lead_p_value is not None and not 0 < self.lead_p_value <= 1:
            raise ValueError(f"lead_p_value is {self.lead_p_value}; expected above 0 and at most 1, or null")
        unknown = sorted(set(self.columns) - set(FIELDS))
        if unknown:
            raise ValueError(f"columns has {', '.join(unknown)}; known are {', '.join(FIELDS)}")
        if self.sample_size is not None and not self.sample_size > 0:
            raise ValueError(f"sample_size is {self.sample_size}; expected a number above 0")
        try:
            expression(self.variant)
        except OptionError as error:
            raise ValueError(f"variant: {error}") from error
        named = self.named()
        fields = set(fields_of(self.variant)) if "variant" in named else set()
        missing = [field for field in (*_VARIANT, "block") if field not in {*named, *fields}]
        if missing:
            raise ValueError(
                f"columns names no column for {', '.join(missing)}; expected all of "
                f"{', '.join(_VARIANT)} (or variant, a column that holds them) and block"
            )
        if self.meta and "study" not in named:
            raise ValueError("meta is given and columns names no column for study; expected one")
        self.table()

    def named(self) -> dict[str, tuple[str, ...]]:
        """The table's columns of each field that it has; several for a field that is joined from columns."""
        columns = {**(CAUSALDB2 if self.format == "causaldb2" else {}), **self.columns}
        return {
            field: tuple(part.strip() for part in text.split(",")) if field in ("block", "study") else (text,)
            for field, text in columns.items()
            if text
        }

    def table(self) -> AssociationTable:
        """The table and how it is read; columns that are not named are not looked for."""
        named = {field: names[0] for field, names in self.named().items() if field not in _OF_SETS}
        return AssociationTable(
            self.path,
            format="causaldb" if self.format == "causaldb2" else "table",
            columns={**dict.fromkeys(gwas_columns.FIELDS, ""), **named},
            variant=self.variant if "variant" in named else "",
            where=self.where,
            lift_over=self.lift_over,
            sample_size=self.sample_size,
            allow_implausible=self.allow_implausible,
            trait=self.trait,
            case_fraction=self.case_fraction,
            prior_variance=self.prior_variance,
            study_columns=self.named().get("study", ()),
            studies=StudyTraits(self.meta) if self.meta else None,
        )


def read_credible_sets(
    config: CredibleSetsConfig,
    counts: RowCounts | None = None,
    on_progress: OnProgress | None = None,
    block_bytes: int | None = None,
    associated: AssociatedPositions | None = None,
    effects: EffectCounts | None = None,
) -> Iterator[pd.DataFrame]:
    """Associations of a table of credible sets, a batch of rows at a time.

    Parameters
    ----------
    config : CredibleSetsConfig
        The table and its columns.
    counts : RowCounts, optional
        Receives what became of the rows, each that is refused under the first reason that applies.
    on_progress : callable, optional
        Called after each batch, see :meth:`mifm_kipoi.genomics.tables.TableFile.batches`.
    block_bytes : int, optional
        Size of a batch in bytes of text; by default that of the reader.
    associated : AssociatedPositions, optional
        Receives the positions of all rows, those of refused rows too.
    effects : EffectCounts, optional
        Receives which effects Bayes factors assume.

    Yields
    ------
    pandas.DataFrame
        Columns of :data:`mifm_kipoi.genetics.associations.ASSOCIATION_COLUMNS`; ``signal`` is ``all`` where
        the table has no column ``primary``.

    Raises
    ------
    InputError
        When a column is missing, a line is malformed, or more than half of the rows are refused.
    """
    counts = RowCounts() if counts is None else counts
    associated = AssociatedPositions() if associated is None else associated
    effects = EffectCounts() if effects is None else effects
    table = config.table()
    names = {field: names for field, names in config.named().items() if field in _OF_SETS}
    absent = [name for each in names.values() for name in each if name not in table.file.columns]
    if absent:
        raise InputError(
            f"{config.path} has no column {', '.join(absent)}; it has {', '.join(table.file.columns)}. Name "
            "its columns in data.credible_sets.columns"
        )
    extra = [name for each in names.values() for name in each]
    without_log_bf = without_pip = too_small = 0
    for rows in table.batches(
        None, None, counts, on_progress, block_bytes, extra, may_lack_p_value=True, others=True
    ):
        associated.add(rows.chrom, rows.pos, rows.effect_allele, rows.other_allele)
        some = _Sets(config, names, table, rows, counts)
        sets = some.associations()
        effects.add(rows.trait[some.good], rows.prior_variance[some.good])
        if config.prior_variance is None:
            known = sets["log_bf"].notna().to_numpy()
            study = np.full(len(rows), "", dtype=object)
            study[np.flatnonzero(some.good)[known]] = sets["study"].to_numpy(object)[known]
            effects.add_units(study, rows)
        without_log_bf += int(sets["log_bf"].isna().sum())
        without_pip += int(sets["pip"].isna().sum())
        too_small += int((sets["p_value"] == 0).sum())
        # Of the statistics that are used, which may be those given the primary signal.
        counts.without_log_bf, counts.without_pip, counts.too_small = without_log_bf, without_pip, too_small
        yield sets
    if table.studies is not None:
        effects.add_unknown(table.studies)
    if not counts.read:
        raise InputError(f"{config.path} has a header and no rows; expected rows of credible sets")


class _Sets:
    """Some rows of a table on their way to associations of credible sets."""

    def __init__(
        self,
        config: CredibleSetsConfig,
        names: Mapping[str, tuple[str, ...]],
        table: AssociationTable,
        rows: AssociationRows,
        counts: RowCounts,
    ) -> None:
        self._config, self._names, self._rows, self._counts = config, names, rows, counts
        self._columns = table.layout.columns
        self.good = rows.reason == ""

    def associations(self) -> pd.DataFrame:
        rows = self._rows
        block = self._joined("block")
        study = self._joined("study") if "study" in self._names else None
        signal: str | npt.NDArray[np.object_] = "all"
        statistics = {"p_value": rows.p_value, "log_p": rows.log_p, "z": rows.z, "log_bf": rows.log_bf}
        if "primary" in self._names:
            name = self._names["primary"][0]
            primary, _ = rows.batch.parsed(name)
            self._refuse(~np.isin(primary, (0, 1)), "primary is neither 1 nor 0", name)
            signal = np.where(primary == 1, "primary", "secondary").astype(object)
            statistics = self._conditional(primary == 0, statistics)
        if study is None:
            study = pd.Series(self._config.study or Path(self._config.path).name, index=range(len(rows)))
        table = pd.DataFrame(
            {
                "chrom": rows.chrom,
                "pos": rows.pos,
                "effect_allele": rows.effect_allele,
                "other_allele": rows.other_allele,
                "id": rows.id,
                **statistics,
                "pip": rows.pip,
                "block": block,
                "signal": signal,
                "study": study,
            }
        )
        table = table[self.good].astype(ASSOCIATION_COLUMNS)[list(ASSOCIATION_COLUMNS)]
        kept: pd.DataFrame = table.reset_index(drop=True)
        return kept

    def _joined(self, field: str) -> pd.Series[str]:
        """The columns of a field, joined by colons; rows in which one is missing are refused."""
        whole: pd.Series[str] | None = None
        for name in self._names[field]:
            part: pd.Series[str] = self._rows.batch.optional_text(name).to_pandas().astype("str")
            self._refuse(part.isna().to_numpy(), f"{field} missing", name)
            whole = part if whole is None else whole + ":" + part
        assert whole is not None
        return whole

    def _conditional(self, secondary: Flags, marginal: dict[str, Values]) -> dict[str, Values]:
        """Statistics given the primary signal in secondary rows that have all of them, else marginal ones."""
        names = [f"secondary_{field}" for field in ("p_value", "beta", "standard_error")]
        if not all(name in self._columns for name in names):
            return marginal
        values = []
        for name in names:
            numbers, unreadable = self._rows.batch.parsed(self._columns[name])
            self._refuse(secondary & unreadable, f"{name} is not a number", self._columns[name])
            values.append(numbers)
        p_value, beta, error = values
        impossible = (p_value < 0) | (p_value > 1)
        self._refuse(secondary & impossible, "secondary_p_value out of range", self._columns[names[0]])
        impossible = (error <= 0) | np.isinf(error)
        self._refuse(secondary & impossible, "secondary_standard_error out of range", self._columns[names[2]])
        given = given_primary(np.where(secondary, 0.0, 1.0), beta, error, self._rows.prior_variance, p_value)
        own = {"p_value": p_value, "log_p": given.log_p, "z": given.z, "log_bf": given.log_bf}
        return {name: np.where(given.used, own[name], marginal[name]) for name in marginal}

    def _refuse(self, bad: Flags, reason: str, column: str) -> None:
        newly = np.flatnonzero(bad & self.good)
        self.good[newly] = False
        examples = [
            Example(
                int(self._rows.lines[row]), column, str(self._rows.batch.rows.column(column)[row].as_py())
            )
            for row in newly[:EXAMPLES].tolist()
        ]
        self._counts.kept -= len(newly)
        self._counts.refuse(reason, len(newly), examples)
