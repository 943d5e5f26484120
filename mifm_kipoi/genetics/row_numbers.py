"""The numbers of the rows of a GWAS: which of the alternatives of a row counts, and what follows from it."""

from __future__ import annotations

import functools
import math
import re
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from mifm_kipoi.genomics.columns import EFFECTS, P_VALUES
from mifm_kipoi.genomics.tables import Batch
from mifm_kipoi.statistics.normal import log_p_of_z

RATIOS = EFFECTS[1:]
ERRORS = ("standard_error", "standard_error_of_ratio")
FREQUENCIES = ("effect_allele_frequency", "maf")
"""Fields of which a row has its ratio, where it has no beta, its standard error and its frequency: the first
that it has a number of."""

FREQUENCY_ROUNDING = 1e-3
"""By so much a frequency may be above 1, to which it is cut."""

FAILED_PIP = -1.0
"""The PIP that CAUSALdb2 writes where a tool failed."""

PIP_ROUNDING = 1e-3
"""By so much a PIP may be above 1, to which it is cut."""

_LN10 = math.log(10)
_LOGARITHMS = {"neg_log_10_p_value": -_LN10, "log_10_p_value": _LN10, "ln_p_value": 1.0}
"""Fields that hold a logarithm of p, each with the factor that makes it a natural one."""

_LEAST_LOG_P = math.log(1e-37)
"""Numbers of single precision end about here. Beside a p-value of 0 only a logarithm below it counts: some
programs write -log10(0) as 0."""

_DECIMAL = re.compile(r"\s*\+?([0-9]*)\.?([0-9]*)(?:[eE]([+-]?[0-9]+))?\s*")

Values = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]


class RowNumbers:
    """The numbers of some rows, each column parsed once; all have shape (n,), and nothing here is an error.

    Parameters
    ----------
    batch : Batch
        The rows.
    columns : mapping of str to str
        From fields of :data:`mifm_kipoi.genomics.columns.FIELDS` to columns of the table.
    error_of_ratio : bool
        Whether the standard error beside a ratio is its own, not that of its logarithm.
    """

    def __init__(self, batch: Batch, columns: Mapping[str, str], error_of_ratio: bool = False) -> None:
        self._batch, self._columns, self._error_of_ratio = batch, columns, error_of_ratio
        self._parsed: dict[str, tuple[Values, Flags]] = {}

    def _parse(self, field: str) -> tuple[Values, Flags]:
        if field not in self._parsed:
            name = self._columns.get(field, "")
            count = len(self._batch)
            self._parsed[field] = (
                self._batch.parsed(name) if name else (np.full(count, np.nan), np.zeros(count, dtype=bool))
            )
        return self._parsed[field]

    def of(self, field: str) -> Values:
        """A field, NaN where it has no column, no value, or something other than a number."""
        return self._parse(field)[0]

    def first_of(self, fields: Sequence[str]) -> Values:
        """In each row the first of some fields that has a number."""
        values = self.of(fields[0])
        for field in fields[1:]:
            values = np.where(np.isnan(values), self.of(field), values)
        return values

    def unreadable(self, field: str) -> Flags:
        """Where something other than a number stands."""
        return self._parse(field)[1]

    @functools.cached_property
    def written_log_p(self) -> tuple[Values, Flags]:
        """Log p as it is written, NaN where unknown or impossible, and where it is impossible."""
        p_value = self.of("p_value")
        with np.errstate(divide="ignore", invalid="ignore"):
            log_p = np.log(p_value)
            impossible = (p_value < 0) | (p_value > 1 + 1e-6)
            zeros = np.flatnonzero(p_value == 0)
            if zeros.size:
                texts = self._batch.text(self._columns["p_value"])
                log_p[zeros] = [_log_of_text(texts[row].as_py()) for row in zeros.tolist()]
            for other in (self.of(field) * scale for field, scale in _LOGARITHMS.items()):
                unknown = np.isnan(p_value) & np.isnan(log_p)
                impossible |= unknown & (other > 1e-6)
                log_p = np.where(unknown | ((log_p == -np.inf) & (other < _LEAST_LOG_P)), other, log_p)
        return np.where(impossible, np.nan, np.minimum(log_p, 0)), impossible

    @property
    def p_is_impossible(self) -> Flags:
        """Where p lies outside 0 to 1."""
        return self.written_log_p[1]

    @property
    def p_is_0(self) -> Flags:
        """Where p is written as 0, or as its logarithm is."""
        return np.asarray(self.written_log_p[0] == -np.inf)

    @functools.cached_property
    def log_p(self) -> Values:
        """Log p; that of z where p is written as 0, or the table has none."""
        log_p = self.written_log_p[0]
        has_p = any(field in self._columns for field in P_VALUES)
        unknown = self.p_is_0 if has_p else np.ones(len(log_p), dtype=bool)
        # Without such rows z, of a block with high p-values, need not be parsed.
        if unknown.any():
            unknown &= ~np.isnan(self.z)
            log_p = log_p.copy()
            log_p[unknown] = log_p_of_z(self.z[unknown])
        return log_p

    def is_above(self, max_log_p: float) -> Flags:
        """Where p is known to be above a limit: no column of p is unreadable, or says that it is not.

        Parameters
        ----------
        max_log_p : float
            Natural logarithm of the limit.
        """
        above = (self.log_p > max_log_p) & ~self.p_is_0
        for field in P_VALUES:
            if field not in self._columns:
                continue
            values = self.of(field)
            with np.errstate(divide="ignore", invalid="ignore"):
                own = np.log(values) if field == "p_value" else values * _LOGARITHMS[field]
            above &= ~self.unreadable(field) & ~(own <= max_log_p)
        return np.asarray(above)

    @property
    def neg_log_10_p(self) -> Values:
        """-log10 p, without the rounding of another logarithm where it is written so, or p is."""
        p_value, written = self.of("p_value"), self.of("neg_log_10_p_value")
        with np.errstate(divide="ignore", invalid="ignore"):
            own = np.where(p_value > 0, -np.log10(p_value), written)
            # A p-value whose text is too small for a number counts before its logarithm.
            differs = np.abs(own * _LN10 + self.log_p) > 1e-9 * (1 + np.abs(self.log_p))
        exact = np.isfinite(own) & np.isfinite(self.log_p) & ~differs
        return np.where(exact, np.maximum(own, 0), 0 - self.log_p / _LN10)

    @property
    def p_value(self) -> Values:
        """The p-value as it is written, or else as its logarithm gives it."""
        with np.errstate(under="ignore"):
            derived = np.where(self.p_is_0, 0, np.exp(self.log_p))
        own = self.of("p_value")
        return np.where(np.isnan(own) | self.p_is_impossible, derived, np.minimum(own, 1))

    @functools.cached_property
    def _effect(self) -> tuple[Values, Values]:
        """The effect, and the ratio of which it is the logarithm, NaN where it is not."""
        beta = self.of("beta")
        ratio = np.where(np.isnan(beta), self.first_of(RATIOS), np.nan)
        with np.errstate(divide="ignore", invalid="ignore"):
            effect = np.where(np.isnan(beta), np.log(ratio), beta)
        return np.where(np.isfinite(effect), effect, np.nan), ratio

    @property
    def beta(self) -> Values:
        """The effect, NaN where it is not a finite number."""
        return self._effect[0]

    def effect_is_impossible(self, field: str) -> Flags:
        """Where an effect that counts is infinite, or a ratio is not above 0."""
        values = self.of(field)
        if field == "beta":
            return np.asarray(np.isinf(values))
        counts = np.isnan(self.of("beta")) & ~np.isnan(values) & (self.first_of(RATIOS) == values)
        return np.asarray(counts & ~((values > 0) & np.isfinite(values)))

    @property
    def error(self) -> Values:
        """The standard error of beta, NaN where it is not above 0 or infinite."""
        error, of_ratio = map(self.of, ERRORS)
        ratio = self._effect[1]
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            if self._error_of_ratio and "standard_error_of_ratio" not in self._columns:
                error = np.where(np.isnan(ratio), error, error / ratio)
            elif self._error_of_ratio:
                error = np.where(np.isnan(error), of_ratio / ratio, error)
            else:
                error = np.where(np.isnan(error), of_ratio, error)
        return np.where((error > 0) & np.isfinite(error), error, np.nan)

    @functools.cached_property
    def z(self) -> Values:
        """Beta over its error, else the z of the table."""
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            own = self.beta / self.error
        z = np.where(np.isfinite(own), own, self.of("z"))
        return np.where(np.isfinite(z), z, np.nan)

    @property
    def frequency(self) -> Values:
        """Frequencies from 0 to 1, else NaN."""
        frequency = self.first_of(FREQUENCIES)
        possible = (frequency >= 0) & (frequency <= 1 + FREQUENCY_ROUNDING)
        return np.where(possible, np.minimum(frequency, 1), np.nan)


def read_pips(values: Values) -> tuple[Values, Flags]:
    """Posterior inclusion probabilities as tables write them.

    Parameters
    ----------
    values : numpy.ndarray of float64, shape (n,)
        Numbers of a column; :data:`FAILED_PIP` is one that is not known.

    Returns
    -------
    pips : numpy.ndarray of float64, shape (n,)
        NaN where unknown or impossible; at most 1.
    impossible : numpy.ndarray of bool, shape (n,)
        Below 0, or above 1 by more than :data:`PIP_ROUNDING`.
    """
    with np.errstate(invalid="ignore"):
        known = np.where(values == FAILED_PIP, np.nan, values)
        impossible = (known < 0) | (known > 1 + PIP_ROUNDING)
    return np.where(impossible, np.nan, np.minimum(known, 1)), impossible


def _log_of_text(text: str) -> float:
    """Log of a number that is too small for a float, minus infinity where it is 0."""
    match = _DECIMAL.fullmatch(text)
    if not match:
        return -math.inf
    digits = (match[1] + match[2]).lstrip("0")
    if not digits:
        return -math.inf
    leading = len(match[1] + match[2]) - len(digits)
    exponent = int(match[3] or 0) + len(match[1]) - leading
    return math.log(float(f"0.{digits}")) + exponent * _LN10
