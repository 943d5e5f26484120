"""The signals of studies and their members: the variants among which a score picks.

A table of credible sets names its blocks and signals. Summary statistics get blocks from a table of LD
blocks, or clumps on genotypes. Rows are read, and refused, by
:class:`mifm_kipoi.genetics.associations.AssociationTable`.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from mifm_kipoi.errors import InputError, OptionError
from mifm_kipoi.finemapping.credible_sets import in_credible_set
from mifm_kipoi.finemapping.prior import uniform_pips
from mifm_kipoi.genetics.associations import AssociationRows, order_of
from mifm_kipoi.genetics.clumping import clump
from mifm_kipoi.genetics.conditional import given_primary
from mifm_kipoi.genetics.ld_blocks import LDBlocks
from mifm_kipoi.genetics.row_counts import EXAMPLES, Example, RowCounts
from mifm_kipoi.genetics.row_numbers import read_pips
from mifm_kipoi.genetics.row_variants import texts_of
from mifm_kipoi.genetics.study_sources import StudySource
from mifm_kipoi.genomics.columns import column_named
from mifm_kipoi.genomics.tables import OnProgress, TableFile
from mifm_kipoi.statistics.bayes_factors import Trait, sampling_variance

FINE_MAPPERS = ("abf", "finemap", "paintor", "caviarbf", "susie", "polyfun_finemap", "polyfun_susie")
"""CAUSALdb2's columns of posterior inclusion probabilities, one for each tool."""

ABF = "abf"
"""The method of approximate Bayes factors, which are computed where the table has no such column."""

GENOME_WIDE = 5e-8
"""The usual limit of p-values of associations."""

_ROUNDING = 1e-12
_SECONDARY = ("secondary_beta", "secondary_standard_error", "secondary_p_value")

Values = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]


@dataclasses.dataclass(frozen=True)
class Clumps:
    """Clumps on genotypes, as of ``plink --clump``.

    Parameters
    ----------
    genotypes : tuple of str
        PLINK filesets, with or without ``.bed``; each chromosome is in one of them.
    r2, kb : float
        Members have a higher squared correlation with the lead variant than this, and are nearer than this,
        in thousands of base pairs.
    """

    genotypes: tuple[str, ...]
    r2: float = 0.1
    kb: float = 250.0

    def __post_init__(self) -> None:
        if not 0 <= self.r2 < 1:
            raise OptionError(f"r2 of clumps is {self.r2}; expected at least 0 and less than 1")
        if not (self.kb > 0 and math.isfinite(self.kb)):
            raise OptionError(f"kb of clumps is {self.kb}; expected more than 0")


@dataclasses.dataclass(frozen=True)
class SignalOptions:
    """What signals and their members are.

    Parameters
    ----------
    ld_blocks : Path, optional
        Table with the columns chr, start, stop and pop, for summary statistics.
    ld_population : str
        Whose blocks of it.
    clumps : Clumps, optional
        Clumps in the place of blocks.
    lead_p_value : float, optional
        A signal counts if one of its variants has a p-value up to this; None keeps all, also those that have
        no p-values.
    member_p_value : float
        Highest p-value of the members of signals that are made from summary statistics.
    credible_level : float, optional
        Members are those of the credible set of approximate Bayes factors that holds this probability, of
        those that the table has; None keeps all.
    pip : str
        Column of the tables with the posterior inclusion probabilities that weights use; by default what the
        table has as such, in CAUSALdb2 ``susie``. ``abf`` computes them from Bayes factors where there is no
        such column.
    study_scores : tuple of str, optional
        Columns of the tables in which higher is chosen; by default those of :data:`FINE_MAPPERS` that a table
        of CAUSALdb2 has, and the column of posterior inclusion probabilities of any other.
    as_in_paper : bool
        As published: all secondary signals of a block are one, effects are marginal in secondary signals,
        too, and no signal is left out for its p-value.
    """

    ld_blocks: Path | None = None
    ld_population: str = "EUR"
    clumps: Clumps | None = None
    lead_p_value: float | None = GENOME_WIDE
    member_p_value: float = 1e-5
    credible_level: float | None = None
    pip: str = ""
    study_scores: tuple[str, ...] | None = None
    as_in_paper: bool = False

    def __post_init__(self) -> None:
        if self.ld_blocks is not None and self.clumps is not None:
            raise OptionError("signals are LD blocks or clumps; leave out one of them")
        for name in ("lead_p_value", "member_p_value", "credible_level"):
            value = getattr(self, name)
            if value is not None and not 0 < value <= 1:
                raise OptionError(f"{name} is {value}; expected above 0 and at most 1")

    @property
    def highest_lead(self) -> float | None:
        """The p-value that a signal must reach; none as published."""
        return None if self.as_in_paper else self.lead_p_value


MEMBER_COLUMNS = (
    "chrom", "pos", "effect_allele", "other_allele", "id", "effect", "variance", "z", "log_p", "log_bf",
    "pip", "marginal_effect", "marginal_variance", "prior_variance", "frequency", "signal", "lead",
)  # fmt: skip
"""Columns of :attr:`Members.table`. ``effect`` is per copy of the effect allele, ``variance`` its squared
standard error; with ``z``, ``log_p`` and ``log_bf`` they are given the primary signal in secondary ones,
where the table has that. ``marginal_effect`` and ``marginal_variance`` never are. ``frequency`` is that of
the effect allele. ``signal`` is the row of :attr:`Members.signals`; ``lead`` marks one variant of each."""


@dataclasses.dataclass(frozen=True)
class Members:
    """The members of all signals of all studies.

    Parameters
    ----------
    table : pandas.DataFrame
        A row for each variant and signal: :data:`MEMBER_COLUMNS`, numbers as float64 with NaN where unknown,
        and a column ``score:NAME`` for each of the studies' own scores.
    signals : pandas.DataFrame
        A row for each: study, trait, kind, weight_type (``beta``, ``log(OR)`` or ``log(HR)``), block, signal,
        chrom, start, end (1-based, both inside), members, lead.
    scores : tuple of str
        Names of the studies' own scores.
    pips : frozenset of str
        Those of them that are posterior inclusion probabilities.
    counts : dict of str to RowCounts
        What became of the rows of each table.
    left_out : dict of str to int
        Signals that are left out, by reason.
    without_pip : int
        Signals without PIPs of the table, whose PIPs follow from Bayes factors.
    build : str
        Genome build that the tables are known to be of; empty where unknown.
    """

    table: pd.DataFrame
    signals: pd.DataFrame
    scores: tuple[str, ...]
    pips: frozenset[str]
    counts: dict[str, RowCounts]
    left_out: dict[str, int]
    without_pip: int
    build: str


def read_members(
    sources: Sequence[StudySource], options: SignalOptions, on_progress: OnProgress | None = None
) -> Members:
    """Read the studies, find their signals, and choose members.

    Parameters
    ----------
    sources : sequence of StudySource
        The tables.
    options : SignalOptions
        What signals are.
    on_progress : callable, optional
        See :meth:`mifm_kipoi.genomics.tables.TableFile.batches`.

    Raises
    ------
    MIFMError
        When a table cannot be read or has no signals or effects, or two tables have the same study.
    """
    parts: list[pd.DataFrame] = []
    counts: dict[str, RowCounts] = {}
    builds: set[str] = set()
    left_out: dict[str, int] = {}
    for source in sources:
        reader = _StudyReader(source, options)
        rows = reader.read(on_progress)
        key = str(source.path)
        counts[key if key not in counts else f"{key} ({source.name or len(counts) + 1})"] = reader.counts
        builds.add(reader.build)
        parts.append(rows)
        for reason, number in reader.left_out.items():
            left_out[reason] = left_out.get(reason, 0) + number
    twice = _studies_of_several(parts)
    if twice:
        raise InputError(
            f"several tables have the study {', '.join(twice)}; expected each study in one. Give each table "
            "a name of its own (NAME=FILE)"
        )
    table = pd.concat(parts, ignore_index=True)
    if not len(table):
        words = "; ".join(f"{name}: {one.in_words()}" for name, one in counts.items())
        raise InputError(f"no signal is left of which a score could be built ({words}; {_listed(left_out)})")
    names = tuple(name.partition(":")[2] for name in table.columns if name.startswith("score:"))
    table, signals = _with_signals(table)
    without_pip = _fill_pips(table)
    return Members(
        table[[*MEMBER_COLUMNS, *(f"score:{name}" for name in names)]],
        signals,
        names,
        frozenset(name for name in names if _all_are_pips(table[f"score:{name}"])),
        counts,
        left_out,
        without_pip,
        builds.pop() if len(builds) == 1 else "",
    )


class _StudyReader:
    """Reads one table: rows in, members of its signals out."""

    def __init__(self, source: StudySource, options: SignalOptions) -> None:
        self._source, self._options = source, options
        self.counts = RowCounts()
        self.left_out: dict[str, int] = {}
        self._table = source.table(options.pip)
        self._columns = self._table.layout.columns
        self._own_signals = "block" in self._columns and options.ld_blocks is None and options.clumps is None
        if not (self._table.has_effects or self._table.has("z")):
            raise InputError(
                f"{source.path} has neither effects nor z-scores, from which weights could follow: its "
                f"columns are {', '.join(self._table.file.columns)}. Name the column (beta=COLUMN)"
            )
        if not self._own_signals and options.ld_blocks is None and options.clumps is None:
            raise InputError(
                f"{source.path} has no column of blocks: its columns are "
                f"{', '.join(self._table.file.columns)}. Give LD blocks (--ld-blocks), or genotypes to clump "
                "on (--clump), or name the column (block=COLUMN)"
            )
        self._keys = [
            self._columns[field]
            for field in (("block", "primary") if options.as_in_paper else ("block", "primary", "signal"))
            if field in self._columns
        ]
        self._secondary = () if options.as_in_paper else tuple(
            self._columns[field] for field in ("primary", *_SECONDARY) if field in self._columns
        )  # fmt: skip
        if len(self._secondary) != 1 + len(_SECONDARY):
            self._secondary = ()
        self._scores = self._find_scores()
        self._traits = _traits_of(source.meta) if source.meta else {}

    @property
    def build(self) -> str:
        """The genome build that the table is known to be of."""
        return "GRCh37" if self._table.layout.format == "causaldb" and not self._source.lift_over else ""

    def read(self, on_progress: OnProgress | None) -> pd.DataFrame:
        """The members of all signals, with texts that name study, block and signal."""
        options = self._options
        extra = [*self._keys, *self._secondary, *self._scores.values()]
        if "signal" in self._columns:
            extra.append(self._columns["signal"])
        highest = None if self._own_signals else options.member_p_value
        parts = [
            self._frame(rows)
            for rows in self._table.batches(
                None, highest, self.counts, on_progress, extra=list(dict.fromkeys(extra)),
                may_lack_p_value=self._own_signals, all_phenotypes=True,
            )
        ]  # fmt: skip
        if not self.counts.read:
            raise InputError(f"{self._source.path} has a header and no rows; expected rows of variants")
        table = pd.concat([part for part in parts if len(part)] or parts[:1], ignore_index=True)
        table = self._leave_out(table, table["effect"].isna(), "effect unknown")
        if highest is not None:
            above = table["log_p"] > math.log(highest) + _ROUNDING
            table = self._leave_out(table, above, "p-value above that of members")
        if options.ld_blocks is not None:
            table = self._in_ld_blocks(table)
        elif options.clumps is not None:
            table = self._in_clumps(table)
        table = self._once(table)
        return self._with_leads(self._in_credible_sets(table))

    def _find_scores(self) -> dict[str, str]:
        """Names and columns of the study's own scores."""
        columns, wanted = self._table.file.columns, self._options.study_scores
        if wanted is not None:
            return {name: own for name in wanted if (own := column_named(columns, name))}
        if self._table.layout.format == "causaldb":
            return {name: own for name in FINE_MAPPERS if (own := column_named(columns, name))}
        own = self._columns.get("pip", "")
        return {"pip": own} if own else {}

    def _frame(self, rows: AssociationRows) -> pd.DataFrame:
        good = rows.reason == ""
        size, batch = len(rows), rows.batch
        beta, variance, z = rows.beta, rows.standard_error**2, rows.z
        with np.errstate(divide="ignore", invalid="ignore"):
            variance = np.where(np.isnan(variance), (beta / z) ** 2, variance)
            by_size = sampling_variance(
                rows.trait, rows.sample_size, rows.frequency,
                np.full(size, self._source.case_fraction or np.nan), rows.trait_variance,
            )  # fmt: skip
            # z-scores without effects: what sample size and frequency make of them.
            derived = np.isnan(beta) & np.isfinite(by_size) & (by_size > 0)
            beta = np.where(derived, z * np.sqrt(by_size), beta)
            variance = np.where(derived | ~((variance > 0) & np.isfinite(variance)), by_size, variance)
        variance = np.where((variance > 0) & np.isfinite(variance), variance, np.nan)
        columns: dict[str, Any] = {
            "line": rows.lines, "chrom": rows.chrom, "pos": rows.pos, "effect_allele": rows.effect_allele,
            "other_allele": rows.other_allele, "id": rows.id, "effect": beta, "variance": variance, "z": z,
            "log_p": rows.log_p, "log_bf": rows.log_bf, "pip": rows.pip, "marginal_effect": beta,
            "marginal_variance": variance, "prior_variance": rows.prior_variance,
            "frequency": rows.frequency if "effect_allele_frequency" in self._columns else np.nan,
            "kind": rows.trait, "weight_type": self._weight_types(rows),
        }  # fmt: skip
        if self._secondary:
            columns |= self._given_primary(rows, columns)
        for name, column in self._scores.items():
            numbers = batch.numbers(column)
            columns[f"score:{name}"] = read_pips(numbers)[0] if self._of_pips(name) else numbers
        lead = self._columns.get("signal", "")
        columns["named_lead"] = (texts_of(batch, lead) == rows.id) & (rows.id != ".") if lead else False
        study = self._columns.get("phenotype", "") if not self._source.phenotype else ""
        default = np.full(size, self._source.default_name, dtype=object)
        columns["study"] = texts_of(batch, study) if study else default
        if self._own_signals:
            columns["block"] = texts_of(batch, self._keys[0])
            columns["signal_name"] = self._signal_names(rows)
        frame = pd.DataFrame(columns)
        frame["trait"] = (
            frame["study"].map(self._traits).fillna(frame["study"]) if self._traits else frame["study"]
        )
        if self._source.trait:
            frame["trait"] = self._source.trait
        frame = frame[good]
        if self._own_signals:
            frame = self._leave_out(frame, frame["block"] == "", "block missing")
        if study:
            frame = self._leave_out(frame, frame["study"] == "", "study missing")
        return frame

    def _weight_types(self, rows: AssociationRows) -> npt.NDArray[np.object_]:
        """Whether effects are logarithms of ratios, as far as the table and the kind of trait say."""
        if "beta" not in self._columns and "odds_ratio" in self._columns:
            return np.full(len(rows), "log(OR)", dtype=object)
        if "beta" not in self._columns and "hazard_ratio" in self._columns:
            return np.full(len(rows), "log(HR)", dtype=object)
        # A linear model of cases and controls has effects on a trait of variance below 1.
        logistic = (rows.trait == Trait.CASE_CONTROL) & ~(rows.trait_variance < 1)
        return np.where(logistic, "log(OR)", "beta").astype(object)

    def _of_pips(self, name: str) -> bool:
        return name in FINE_MAPPERS or self._scores[name] == self._columns.get("pip", "")

    def _signal_names(self, rows: AssociationRows) -> npt.NDArray[np.object_]:
        """What tells the signals of a block apart, in words; empty where nothing does."""
        names = np.full(len(rows), "", dtype=object)
        primary = self._columns.get("primary", "")
        for column in self._keys[1:]:
            texts = texts_of(rows.batch, column)
            if column == primary:
                number = rows.batch.parsed(column)[0]
                names = np.select([number == 1, number == 0], ["primary", "secondary"], texts).astype(object)
            else:
                joined = np.where((names == "") | (texts == ""), "", " ")
                names = names + joined + texts
        return names

    def _given_primary(self, rows: AssociationRows, own: Mapping[str, Any]) -> dict[str, Values]:
        """Statistics given the primary signal in rows of secondary ones that have them, else their own."""
        primary, beta, error, p_value = (rows.batch.parsed(name)[0] for name in self._secondary)
        given = given_primary(primary, beta, error, rows.prior_variance, p_value)
        values = {
            "effect": beta, "variance": error**2, "z": given.z, "log_p": given.log_p, "log_bf": given.log_bf,
        }  # fmt: skip
        return {name: np.where(given.used, value, own[name]) for name, value in values.items()}

    def _in_ld_blocks(self, table: pd.DataFrame) -> pd.DataFrame:
        assert self._options.ld_blocks is not None
        blocks = LDBlocks(str(self._options.ld_blocks), self._options.ld_population)
        if strange := self.counts.contigs.unmatched(blocks.contigs, str(self._options.ld_blocks)):
            self.counts.note(strange)
        number = blocks.of(table["chrom"], table["pos"])
        table = table.assign(block=number.astype(str), signal_name="")
        return self._leave_out(table, number == 0, "outside the LD blocks")

    def _in_clumps(self, table: pd.DataFrame) -> pd.DataFrame:
        clumps = self._options.clumps
        assert clumps is not None
        lead = self._options.highest_lead
        highest = self._options.member_p_value if lead is None else lead
        parts = []
        for _, of_study in self._once(table.assign(block="", signal_name="")).groupby("study", sort=False):
            rows = of_study.reset_index(drop=True)
            absent: list[int] = []
            members = clump(
                rows, [prefix.removesuffix(".bed") for prefix in clumps.genotypes], p1=highest,
                p2=max(self._options.member_p_value, highest), r2=clumps.r2, kb=clumps.kb, absent=absent,
            )  # fmt: skip
            without = rows.index.isin(absent)
            self._leave_out(rows, without, "not in the genotypes")
            self._leave_out(rows, ~without & ~rows.index.isin(members["row"]), "in no clump")
            leads = rows.loc[members["row"][members["lead"]]]
            names = _variant_names(leads).to_numpy()[members["clump"].to_numpy() - 1]
            chosen = rows.loc[members["row"]].assign(block=names, signal_name="")
            parts.append(chosen.assign(named_lead=members["lead"].to_numpy()))
        if not parts:
            return table.assign(block="", signal_name="")
        return pd.concat(parts, ignore_index=True)

    def _once(self, table: pd.DataFrame) -> pd.DataFrame:
        """Each variant of a signal once, with its lowest p-value."""
        one, two = table["effect_allele"], table["other_allele"]
        keys = table.assign(first=one.where(one <= two, two), second=two.where(one <= two, one))
        keys = keys.iloc[order_of(table["log_p"].fillna(0), table["z"])]
        repeated = keys.duplicated(["study", "block", "signal_name", "chrom", "pos", "first", "second"])
        return self._leave_out(table, repeated.reindex(table.index), "repeated variant").reset_index(
            drop=True
        )

    def _in_credible_sets(self, table: pd.DataFrame) -> pd.DataFrame:
        """Without signals that lack a significant variant, and without what is outside credible sets."""
        signal = _codes(table)
        limit = self._options.highest_lead
        if limit is not None and len(table):
            lowest = table["log_p"].groupby(signal).transform("min")
            weak = (lowest > math.log(limit) + _ROUNDING).to_numpy()
            if number := len(np.unique(signal[weak])):
                reason = f"no p-value up to {limit:g}"
                self.left_out[reason] = self.left_out.get(reason, 0) + number
            table = self._leave_out(table, weak, "signal without a lead variant").reset_index(drop=True)
            signal = _codes(table)
        level = self._options.credible_level
        if level is not None and len(table):
            known = table["log_bf"].notna().to_numpy()
            table = self._leave_out(table, ~known, "Bayes factor unknown").reset_index(drop=True)
            signal = _codes(table)
            pip = uniform_pips(table["log_bf"].to_numpy(np.float64), signal)
            inside = in_credible_set(pip, signal, level)
            table = self._leave_out(table, ~inside, "outside the credible set").reset_index(drop=True)
        return table

    def _with_leads(self, table: pd.DataFrame) -> pd.DataFrame:
        """One variant of each signal is its lead: the one that the table names, else the lowest p-value."""
        signal = _codes(table)
        order = order_of(table["log_p"].fillna(0), table["z"])
        order = order[np.argsort(~table["named_lead"].to_numpy(bool)[order], kind="stable")]
        first = ~pd.Series(signal[order]).duplicated().to_numpy()
        lead = np.zeros(len(table), dtype=bool)
        lead[order[first]] = True
        return table.assign(lead=lead)

    def _leave_out(self, table: pd.DataFrame, bad: pd.Series[bool] | Flags, reason: str) -> pd.DataFrame:
        bad = np.asarray(bad, dtype=bool)
        some = table[bad].head(EXAMPLES)
        lines, names = some["line"].tolist(), _variant_names(some).tolist()
        examples = [Example(line, "the variant", name) for line, name in zip(lines, names, strict=True)]
        self.counts.leave_out(reason, int(bad.sum()), examples)
        return table[~bad]


def _codes(table: pd.DataFrame) -> Integers:
    """The number of each row's signal, in the order of the rows."""
    keys = [table[name] for name in ("study", "block", "signal_name", "chrom")]
    if not len(table):
        return np.empty(0, np.int64)
    return np.asarray(pd.factorize(pd.MultiIndex.from_arrays(keys))[0], dtype=np.int64)


def _with_signals(table: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Rows by signal, and what each signal is."""
    signal = _codes(table)
    table = table.assign(signal=signal)
    groups = table.groupby("signal", sort=True)
    signals = groups.agg(
        study=("study", "first"), trait=("trait", "first"), kind=("kind", "first"),
        weight_type=("weight_type", "first"), block=("block", "first"), signal=("signal_name", "first"),
        chrom=("chrom", "first"), start=("pos", "min"), end=("pos", "max"), members=("pos", "size"),
    )  # fmt: skip
    kinds = {int(kind): "" if kind is Trait.UNKNOWN else kind.name.lower() for kind in Trait}
    leads = table[table["lead"]].set_index("signal")
    signals = signals.assign(kind=signals["kind"].map(kinds), lead=_variant_names(leads))
    return table, signals


def _fill_pips(table: pd.DataFrame) -> int:
    """Give signals that lack PIPs those of Bayes factors, else even ones; how many they are."""
    signal = table["signal"].to_numpy(np.int64)
    pip = table["pip"].to_numpy(np.float64).copy()
    lacking = np.zeros(int(signal.max()) + 1, dtype=bool)
    lacking[signal[np.isnan(pip)]] = True
    if lacking.any():
        rows = np.flatnonzero(lacking[signal])
        log_bf = table["log_bf"].to_numpy(np.float64)[rows]
        unknown = np.zeros(len(lacking), dtype=bool)
        unknown[signal[rows][np.isnan(log_bf)]] = True
        log_bf = np.where(unknown[signal[rows]], 0.0, log_bf)
        pip[rows] = uniform_pips(log_bf, signal[rows])
        table["pip"] = pip
    return int(lacking.sum())


def _all_are_pips(scores: pd.Series[float]) -> bool:
    known = scores[scores.notna()]
    return bool(len(known)) and bool(known.between(0, 1).all())


def _variant_names(table: pd.DataFrame) -> pd.Series[str]:
    names = table["chrom"].astype(str) + ":" + table["pos"].astype(str)
    return names + ":" + table["other_allele"].astype(str) + ":" + table["effect_allele"].astype(str)


def _studies_of_several(parts: Sequence[pd.DataFrame]) -> list[str]:
    seen: set[str] = set()
    twice: set[str] = set()
    for part in parts:
        own = set(part["study"].unique())
        twice |= own & seen
        seen |= own
    return sorted(twice)


def _traits_of(meta: Path) -> dict[str, str]:
    """The trait of each study, as CAUSALdb's meta.txt names it."""
    file = TableFile.of(meta)
    identifier, trait = column_named(file.columns, "meta_id"), column_named(file.columns, "trait")
    if not (identifier and trait):
        raise InputError(
            f"{meta} has no column meta_id or no column trait; its columns are {', '.join(file.columns)}. "
            "Expected those of CAUSALdb's meta.txt"
        )
    traits: dict[str, str] = {}
    for batch in file.batches((identifier, trait)):
        names = texts_of(batch, trait)
        traits |= {
            study: name
            for study, name in zip(texts_of(batch, identifier), names, strict=True)
            if study and name
        }
    return traits


def _listed(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{number:,} signals left out: {reason}" for reason, number in counts.items())
