"""Credible sets of fine-mapping: CAUSALdb2's table, or any other by a map of columns."""

from __future__ import annotations

import collections
import dataclasses
import logging
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from mifm_kipoi.errors import InputError
from mifm_kipoi.genetics.associations import ASSOCIATION_COLUMNS
from mifm_kipoi.genomics.contigs import contig_keys
from mifm_kipoi.genomics.tables import Batch, OnProgress, TableFile
from mifm_kipoi.statistics.bayes_factors import log_bayes_factor
from training.data.associated import AssociatedPositions
from training.data.report import counts_in_words

log = logging.getLogger(__name__)

FIELDS = (
    "chrom", "pos", "effect_allele", "other_allele", "variant", "id", "block", "study", "primary",
    "p_value", "z", "beta", "standard_error", "maf", "sample_size", "pip",
    "secondary_p_value", "secondary_beta", "secondary_standard_error",
)  # fmt: skip
"""The fields that columns can be named for; :class:`CredibleSetsConfig` describes them."""

CAUSALDB2 = {
    "chrom": "chr", "pos": "bp", "effect_allele": "ea", "other_allele": "nea", "id": "rsid",
    "block": "block_id", "study": "meta_id", "primary": "primary",
    "p_value": "p", "z": "zscore", "beta": "beta", "standard_error": "se", "pip": "susie",
    "secondary_p_value": "cojo_p", "secondary_beta": "cojo_beta", "secondary_standard_error": "cojo_se",
}  # fmt: skip
"""The columns of CAUSALdb2's ``credible_set.txt.gz``. The PIP is that of SuSiE; those of the other tools are
abf, finemap, paintor, caviarbf, polyfun_finemap and polyfun_susie."""

READ, KEPT = "read", "kept"
NO_PIP, NO_BAYES_FACTOR, UNDERFLOW = "kept_without_pip", "kept_without_log_bf", "kept_with_p_value_0"
"""Names in the counts; every other name is a reason for which rows were refused."""

FAILED_PIP = -1.0
"""The PIP that CAUSALdb2 writes where a tool failed."""

MAX_REFUSED_FRACTION = 0.5
"""A larger fraction of refused rows means that the columns are not what the configuration says."""

_ROUNDING = 1e-4
"""A PIP may exceed 1 by this much, through rounding."""

_NUMBERS = (
    "pos", "primary", "p_value", "z", "beta", "standard_error", "maf", "sample_size", "pip",
    "secondary_p_value", "secondary_beta", "secondary_standard_error",
)  # fmt: skip
_VARIANT = ("chrom", "pos", "effect_allele", "other_allele")

Values = npt.NDArray[np.float64]


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
        - ``p_value``, ``z``, ``beta``, ``standard_error``, ``pip`` (-1 where missing), ``id``;
        - ``secondary_p_value``, ``secondary_beta``, ``secondary_standard_error``: statistics of secondary
          signals conditional on the primary one; used in rows where ``primary`` is 0 and all three are known;
        - ``maf`` (or the frequency of either allele) and ``sample_size``: stand in for a missing standard
          error, whose square is ``1 / (2 n maf (1 - maf))`` for a standardised trait.
    variant : str
        Pattern of the text in the column ``variant``, with fields in braces.
    study : str
        The study of all rows of a table without a column for it; empty for the name of the file.
    sample_size : float, optional
        The sample size of all rows of a table without a column for it.
    """

    path: str
    format: Literal["causaldb2", "table"] = "causaldb2"
    columns: Mapping[str, str] = dataclasses.field(default_factory=dict)
    variant: str = "{chrom}:{pos}_{other_allele}_{effect_allele}"
    study: str = ""
    sample_size: float | None = None

    def __post_init__(self) -> None:
        unknown = sorted(set(self.columns) - set(FIELDS))
        if unknown:
            raise ValueError(f"columns has {', '.join(unknown)}; known are {', '.join(FIELDS)}")
        if self.sample_size is not None and not self.sample_size > 0:
            raise ValueError(f"sample_size is {self.sample_size}; expected a number above 0")
        named = self.named()
        fields = set(_pattern(self.variant).groupindex) if "variant" in named else set()
        missing = [field for field in (*_VARIANT, "block") if field not in {*named, *fields}]
        if missing:
            raise ValueError(
                f"columns names no column for {', '.join(missing)}; expected all of "
                f"{', '.join(_VARIANT)} (or variant, a column that holds them) and block"
            )

    def named(self) -> dict[str, tuple[str, ...]]:
        """The table's columns of each field that it has; several for a field that is joined from columns."""
        columns = {**(CAUSALDB2 if self.format == "causaldb2" else {}), **self.columns}
        return {
            field: tuple(part.strip() for part in text.split(",")) if field in ("block", "study") else (text,)
            for field, text in columns.items()
            if text
        }


def read_credible_sets(
    config: CredibleSetsConfig,
    counts: collections.Counter[str] | None = None,
    on_progress: OnProgress | None = None,
    block_bytes: int | None = None,
    associated: AssociatedPositions | None = None,
) -> Iterator[pd.DataFrame]:
    """Associations of a table of credible sets, a batch of rows at a time.

    Rows with impossible values are refused and counted; the first of each kind is named in the log.

    Parameters
    ----------
    config : CredibleSetsConfig
        The table and its columns.
    counts : collections.Counter, optional
        Receives the numbers of rows ``read`` and ``kept``, and of the others under the first reason that
        applies: ``unreadable_variant``, ``not_a_number``, ``missing_chromosome``, ``missing_block``,
        ``missing_study``, ``impossible_position``, ``impossible_allele`` (other than A, C, G, T),
        ``same_alleles``, ``impossible_signal``, ``impossible_p_value``, ``impossible_pip``,
        ``impossible_standard_error``. Among those kept: ``kept_without_pip``, ``kept_without_log_bf``,
        ``kept_with_p_value_0`` (too small for a float).
    on_progress : callable, optional
        Called after each batch, see :meth:`mifm_kipoi.genomics.tables.TableFile.batches`.
    block_bytes : int, optional
        Size of a batch in bytes of text; by default that of the reader.
    associated : AssociatedPositions, optional
        Receives the positions of all rows, those of refused rows too.

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
    counts = collections.Counter() if counts is None else counts
    associated = AssociatedPositions() if associated is None else associated
    named = config.named()
    table = TableFile.of(config.path)
    wanted = list(dict.fromkeys(name for names in named.values() for name in names))
    absent = [name for name in wanted if name not in table.columns]
    if absent:
        raise InputError(
            f"{config.path} has no column {', '.join(absent)}; it has {', '.join(table.columns)}. Name its "
            "columns in data.credible_sets.columns"
        )
    for batch in table.batches(wanted, block_bytes, on_progress):
        yield _Rows(config, named, batch, counts, associated).associations()
    if not counts[READ]:
        raise InputError(f"{config.path} has a header and no rows; expected rows of credible sets")
    refused = counts[READ] - counts[KEPT]
    if not counts[KEPT] or refused > MAX_REFUSED_FRACTION * counts[READ]:
        reasons = {name: number for name, number in counts.items() if not name.startswith((READ, KEPT))}
        raise InputError(
            f"{refused:,} of {counts[READ]:,} rows of {config.path} cannot be used: "
            f"{counts_in_words(reasons)}. Most likely data.credible_sets.columns names wrong columns"
        )


class _Rows:
    """Some rows of a table on their way to associations."""

    def __init__(
        self,
        config: CredibleSetsConfig,
        named: Mapping[str, tuple[str, ...]],
        batch: Batch,
        counts: collections.Counter[str],
        associated: AssociatedPositions,
    ) -> None:
        self._config, self._named, self._batch, self._counts = config, named, batch, counts
        self._associated = associated
        self._good = np.ones(len(batch), dtype=bool)

    def associations(self) -> pd.DataFrame:
        text = self._texts()
        number = self._numbers(text)
        self._associated.add(text["chrom"], number["pos"], text["effect_allele"], text["other_allele"])
        self._check(text, number)
        self._counts[READ] += len(self._good)
        self._counts[KEPT] += int(self._good.sum())
        primary = number.get("primary")
        statistics = self._statistics(number)
        signal = "all" if primary is None else np.where(primary == 1, "primary", "secondary")
        table = pd.DataFrame(
            {
                "chrom": text["chrom"],
                "pos": number["pos"],
                "effect_allele": text["effect_allele"],
                "other_allele": text["other_allele"],
                "id": text["id"].fillna(".") if "id" in text else ".",
                **statistics,
                "block": text["block"],
                "signal": signal,
                "study": text["study"] if "study" in text else self._config.study or self._file_name(),
            }
        )
        table = table[self._good].astype(ASSOCIATION_COLUMNS)[list(ASSOCIATION_COLUMNS)]
        self._counts[NO_PIP] += int(table["pip"].isna().sum())
        self._counts[NO_BAYES_FACTOR] += int(table["log_bf"].isna().sum())
        self._counts[UNDERFLOW] += int((table["p_value"] == 0).sum())
        return table.reset_index(drop=True)

    def _file_name(self) -> str:
        return Path(self._config.path).name

    def _texts(self) -> dict[str, pd.Series[str]]:
        """The fields that are text, and the position where it is part of a variant's name."""
        text = {
            field: _joined([self._text(name) for name in names])
            for field, names in self._named.items()
            if field not in _NUMBERS
        }
        if "variant" in text:
            pattern, names = _pattern(self._config.variant).pattern, text.pop("variant")
            parts = names.str.extract(f"^{pattern}$")
            unreadable = parts.isna().any(axis=1)
            self._refuse("unreadable_variant", unreadable, self._named["variant"][0])
            if unreadable.any():
                # The place may be readable where the alleles are not.
                parts = parts.fillna(names.where(unreadable).str.extract(_place_pattern(pattern)))
            text |= {str(field): parts[field] for field in parts if field not in self._named}
        text["chrom"] = contig_keys(text["chrom"])
        for field in ("effect_allele", "other_allele"):
            text[field] = text[field].str.upper()
        return text

    def _numbers(self, text: dict[str, pd.Series[str]]) -> dict[str, Values]:
        """The fields that are numbers, NaN where missing; the position is taken out of ``text``."""
        number = {}
        for field in self._named:
            if field in _NUMBERS:
                number[field], unreadable = self._batch.parsed(self._named[field][0])
                self._refuse("not_a_number", unreadable, field)
        if "pos" in text:
            number["pos"] = pd.to_numeric(text.pop("pos"), errors="coerce").to_numpy(np.float64)
        if "sample_size" not in number and self._config.sample_size is not None:
            number["sample_size"] = np.full(len(self._good), self._config.sample_size)
        return number

    def _check(self, text: dict[str, pd.Series[str]], number: dict[str, Values]) -> None:
        """Refuse rows with impossible values; an unknown number is not one."""
        for field, reason in (
            ("chrom", "missing_chromosome"),
            ("block", "missing_block"),
            ("study", "missing_study"),
        ):
            if field in text:
                self._refuse(reason, text[field].isna(), field)
        pos = number["pos"]
        self._refuse("impossible_position", ~((pos >= 1) & (pos < 2**31) & (pos % 1 == 0)), "pos")
        for field in ("effect_allele", "other_allele"):
            possible = text[field].str.fullmatch("[ACGT]+").fillna(value=False).astype(bool)
            self._refuse("impossible_allele", ~possible, field)
        self._refuse("same_alleles", text["effect_allele"] == text["other_allele"], "effect_allele")
        if "primary" in number:
            self._refuse("impossible_signal", ~np.isin(number["primary"], (0, 1)), "primary")
        for field in ("p_value", "secondary_p_value"):
            if field in number:
                self._refuse("impossible_p_value", (number[field] < 0) | (number[field] > 1), field)
        if "pip" in number:
            pip = number["pip"]
            bad = ((pip < 0) & (pip != FAILED_PIP)) | (pip > 1 + _ROUNDING)
            self._refuse("impossible_pip", bad, "pip")
            number["pip"] = np.where(pip == FAILED_PIP, np.nan, np.minimum(pip, 1))
        for field in ("standard_error", "secondary_standard_error"):
            if field in number:
                bad = (number[field] <= 0) | np.isinf(number[field])
                self._refuse("impossible_standard_error", bad, field)

    def _statistics(self, number: Mapping[str, Values]) -> dict[str, Values]:
        """p_value, z, pip and log_bf; of secondary signals conditional on the primary one, where known."""
        unknown = np.full(len(self._good), np.nan)
        p_value, z, beta, error, maf, size = (
            number.get(field, unknown)
            for field in ("p_value", "z", "beta", "standard_error", "maf", "sample_size")
        )
        with np.errstate(divide="ignore", invalid="ignore"):
            z = np.where(np.isfinite(z), z, beta / error)
            if "primary" in number:
                conditional = tuple(
                    number.get(f"secondary_{field}", unknown)
                    for field in ("p_value", "beta", "standard_error")
                )
                secondary = (number["primary"] == 0) & ~np.isnan(conditional).any(axis=0)
                p_value, beta, error = (
                    np.where(secondary, one, other)
                    for one, other in zip(conditional, (p_value, beta, error), strict=True)
                )
                z = np.where(secondary, beta / error, z)
            z = np.where(np.isfinite(z), z, np.nan)
            variance = np.where(np.isnan(error), 1 / (2 * size * maf * (1 - maf)), error**2)
            exact = np.where(np.isnan(beta) | np.isnan(error), z, beta / error)
            log_bf = log_bayes_factor(exact, np.where(variance > 0, variance, np.nan))
        return {
            "p_value": p_value,
            "z": z,
            "pip": number.get("pip", unknown),
            "log_bf": np.where(np.isfinite(log_bf), log_bf, np.nan),
        }

    def _refuse(self, reason: str, bad: pd.Series[bool] | npt.NDArray[np.bool_], field: str) -> None:
        """Count and refuse those rows that were good so far; log the first of the table."""
        newly = np.asarray(bad, dtype=bool) & self._good
        if not newly.any():
            return
        if not self._counts[reason]:
            row = int(newly.argmax())
            names = self._named.get(field) or self._named.get("variant") or (field,)
            values = ", ".join(
                f"{name} is {self._batch.rows.column(name)[row].as_py()!r}"
                for name in names
                if name in self._batch.rows.schema.names
            )
            log.warning(
                "%s is refused as %s: %s; more such rows are only counted, in the report",
                self._batch.where(row), reason, values or field,
            )  # fmt: skip
        self._counts[reason] += int(newly.sum())
        self._good &= ~newly

    def _text(self, name: str) -> pd.Series[str]:
        text: pd.Series[str] = self._batch.optional_text(name).to_pandas().astype("str")
        return text


def _joined(parts: list[pd.Series[str]]) -> pd.Series[str]:
    """Columns joined by colons, missing where one of them is."""
    whole = parts[0]
    for part in parts[1:]:
        whole = whole + ":" + part
    return whole


def _place_pattern(pattern: str) -> str:
    """The beginning of a pattern with the groups of the place, whatever comes after it in the text."""
    ends = [match.end() for match in re.finditer(r"\(\?P<(?:chrom|pos)>.*?\)", pattern)]
    return rf"^{pattern[: max(ends, default=0)]}(?![^\W_])" if ends else "(?P<pos>(?!))"


def _pattern(text: str) -> re.Pattern[str]:
    """The regular expression of :attr:`CredibleSetsConfig.variant`, with a group for each field.

    Raises
    ------
    ValueError
        When a field is unknown or occurs twice.
    """
    pieces = []
    for number, piece in enumerate(re.split(r"{(.*?)}", text)):
        if number % 2 == 0:
            pieces.append(re.escape(piece))
        elif piece not in _VARIANT or f"(?P<{piece}>" in "".join(pieces):
            raise ValueError(
                f"variant is {text!r}; expected each of {', '.join(_VARIANT)} in braces at most once"
            )
        else:
            pieces.append(f"(?P<{piece}>{'[0-9]+' if piece == 'pos' else '.+?'})")
    return re.compile("".join(pieces))
