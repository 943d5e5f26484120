"""Whether the numbers of a table of a GWAS can be what its columns say: found out before they are used.

:class:`Examination` takes some rows of a table that is read, and judges them before the rows are handed on:
numbers that contradict each other are an error. What is known only in the end is judged then: p-values out of
range, and more refused rows than others.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from mifm_kipoi.errors import InputError
from mifm_kipoi.genetics.row_counts import RowCounts, lines_of
from mifm_kipoi.genetics.row_numbers import ERRORS, FREQUENCIES, FREQUENCY_ROUNDING, RATIOS, RowNumbers
from mifm_kipoi.genomics.columns import EFFECTS, P_VALUES, Layout
from mifm_kipoi.genomics.tables import Batch
from mifm_kipoi.statistics.normal import log_p_of_z

Values = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]

ENOUGH_ROWS = 100
"""Rows with which p-values and z-scores are compared, at least."""

COMPARED_P_VALUES = (1e-3, 0.5)
"""The p-values that are compared with z. In the tails BOLT-LMM, SAIGE and Firth's test differ from Wald's."""

MAX_LOG10_DIFFERENCE = 0.3
"""The median of |log10 p - log10 p(z)| beyond which p-values and z-scores contradict each other."""

MAX_IMPOSSIBLE_FRACTION = 0.01
"""Fraction of ratios below 0, or of frequencies above 1, beyond which the column is something else."""

CLEAR_Z = 1.0
"""|z| from which its sign is compared with that of the effect. About 0 the two may differ: a meta-analysis
may weight z-scores by sample size and effects by precision."""

ENOUGH_OPPOSITE_SIGNS = 3
"""So many rows must have effects and z-scores of opposite signs, and more than
:data:`MAX_IMPOSSIBLE_FRACTION` of those that are compared, or more than half."""

MAX_P_OUT_OF_RANGE_FRACTION = 0.05
"""Fraction of p-values outside 0 to 1 beyond which the column is something else: of -log10 p, without any
association, one in ten lies above 1."""

ENOUGH_P_OUT_OF_RANGE = 3
"""So many of them must lie on one side, or be more than half."""

SAMPLE_OF_BLOCK, SAMPLE = 5_000, 20_000
"""Rows that are examined of each block of a table, evenly over it, and in all. Larger tables are judged by
their first rows; how many rows are refused is counted over all of them."""

MAX_REFUSED_FRACTION = 0.5
"""More refused rows mean that the columns are not what their names say."""

_ENOUGH_LOW_P_VALUES = 20

_CLEAR_RATIO = 0.05
"""|log(ratio)| from which the standard error of a ratio can be told from that of its logarithm."""


@dataclasses.dataclass(frozen=True)
class Sample:
    """Numbers of some rows, as the table has them, NaN where it has none; all of shape (n,).

    Parameters
    ----------
    lines : numpy.ndarray of int64
        Where they stand.
    log_p : numpy.ndarray of float64
        Natural logarithms of the p-values.
    beta, ratio : numpy.ndarray of float64
        The effect or, in rows without it, the odds or hazard ratio.
    standard_error, z, frequency : numpy.ndarray of float64
        As they stand.
    """

    lines: npt.NDArray[np.int64]
    log_p: Values
    beta: Values
    ratio: Values
    standard_error: Values
    z: Values
    frequency: Values

    def __len__(self) -> int:
        return len(self.lines)

    def plus(self, other: Sample) -> Sample:
        """Both together."""
        fields = [field.name for field in dataclasses.fields(self)]
        return Sample(*(np.concatenate([getattr(self, name), getattr(other, name)]) for name in fields))

    @property
    def effect(self) -> Values:
        """The effect, or the logarithm of the ratio in rows without it."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(np.isnan(self.beta), np.log(self.ratio), self.beta)

    def wald_z(self, error_of_ratio: bool) -> Values:
        """Effects over their standard errors; that of a ratio is the error of its logarithm, or its own."""
        with np.errstate(divide="ignore", invalid="ignore"):
            of_ratio = np.isnan(self.beta) & error_of_ratio
            z = self.effect / np.where(of_ratio, self.standard_error / self.ratio, self.standard_error)
        return np.where(np.isfinite(z) & (self.standard_error > 0), z, np.nan)


class Examination:
    """The examination of a table that is read once.

    Parameters
    ----------
    path : str
        The table, for messages.
    layout : Layout
        What its columns are.
    effects_matter : bool
        Whether effects are used: contradictions are an error then, else a note. Those of a table whose
        p-values are logarithms always are, since effects show which logarithms these are.
    allow_implausible : bool
        Warn, and go on, where the numbers cannot be what the columns say.
    counts : RowCounts
        What became of the rows; receives notes and allowed contradictions.
    """

    def __init__(
        self, path: str, layout: Layout, *, effects_matter: bool, allow_implausible: bool, counts: RowCounts
    ) -> None:
        self._path, self._columns, self._counts = path, layout.columns, counts
        self._allow_implausible = allow_implausible
        self._p_field = next((field for field in P_VALUES if field in self._columns), "")
        self._matters = effects_matter or self._p_field != "p_value"
        self._sample: Sample | None = None
        self._judged = 0
        self._p_above, self._p_below, self._p_known = 0, 0, 0
        self.error_of_ratio = layout.error_of_ratio
        """Whether the standard error beside a ratio is its own, as far as it is known."""

    @property
    def is_full(self) -> bool:
        """Whether enough rows were taken."""
        return self._sample is not None and len(self._sample) >= SAMPLE

    def take(self, batch: Batch) -> None:
        """Take some rows into the sample, evenly over the batch, unless it is full."""
        if self.is_full or not len(batch):
            return
        kept = np.zeros(len(batch), dtype=bool)
        evenly = np.linspace(0, len(batch) - 1, min(len(batch), SAMPLE_OF_BLOCK))
        kept[evenly.astype(np.int64)] = True
        some = batch.filter(kept)
        numbers = RowNumbers(some, self._columns)
        sample = Sample(
            lines_of(some),
            numbers.written_log_p[0],
            numbers.of("beta"),
            numbers.first_of(RATIOS),
            numbers.first_of(ERRORS),
            numbers.of("z"),
            numbers.first_of(FREQUENCIES),
        )
        self._sample = sample if self._sample is None else self._sample.plus(sample)

    def judge(self) -> None:
        """Find the kind of standard error, and end where the numbers contradict each other.

        Raises
        ------
        InputError
            When they do.
        """
        if self._sample is None:
            return
        self._judged = len(self._sample)
        if any(field in self._columns for field in RATIOS) and any(
            field in self._columns for field in ERRORS
        ):
            of_ratio = error_is_of_ratio(self._sample)
            if of_ratio is not None and of_ratio != self.error_of_ratio:
                self.error_of_ratio = of_ratio
                what = "the ratio itself, not of its logarithm" if of_ratio else "the logarithm of the ratio"
                self._counts.note(
                    f"{self._path}: {self._name_of(ERRORS)} is taken for the standard error "
                    f"of {what}: this explains the p-values, the other does not"
                )
        names = {
            "p": self._name_of(P_VALUES), "effect": self._name_of(EFFECTS), "ratio": self._name_of(RATIOS),
            "error": self._name_of(ERRORS), "z": self._name_of(("z",)),
            "frequency": self._name_of(FREQUENCIES),
        }  # fmt: skip
        for what in contradictions(self._sample, names, self.error_of_ratio):
            if self._matters:
                self._implausible(what)
            else:
                self._counts.note(f"{self._path}: {what}")

    def count_p_values(self, numbers: RowNumbers) -> None:
        """Count the p-values, or their logarithms, that are out of range."""
        if not self._p_field:
            return
        written = numbers.of(self._p_field)
        lowest, highest = {
            "p_value": (0, 1 + 1e-6), "neg_log_10_p_value": (-1e-6, np.inf)
        }.get(self._p_field, (-np.inf, 1e-6))  # fmt: skip
        self._p_above += int((written > highest).sum())
        self._p_below += int((written < lowest).sum())
        self._p_known += int((~np.isnan(written)).sum())

    def judge_anew(self) -> None:
        """Judge again if rows were taken since."""
        if self._sample is not None and len(self._sample) > self._judged:
            self.judge()

    def finish(self, only_low_p_values: bool) -> None:
        """Judge what is known only when all rows were read.

        Parameters
        ----------
        only_low_p_values : bool
            Whether rows with high p-values were not read any further.

        Raises
        ------
        InputError
            When too many p-values are out of range, or too many rows were refused.
        """
        counts = self._counts
        refused = counts.refused.total()
        hint = out_of_range_p_values(self._p_field, self._p_above, self._p_below, self._p_known)
        if hint:
            self._implausible(
                f"{self._p_above + self._p_below:,} of {self._p_known:,} values of "
                f"{self._columns[self._p_field]} {hint}. {counts.in_words()}"
            )
        elif refused > MAX_REFUSED_FRACTION * counts.of_the_test:
            self._implausible(
                f"{refused:,} of {counts.of_the_test:,} rows cannot be used: {counts.reasons_in_words()}"
            )
        elif only_low_p_values:
            self._judge_low_p_values()

    def _judge_low_p_values(self) -> None:
        """End where most of the rows with low p-values are refused, which are few of all."""
        counts = self._counts
        refused = sum(number for reason, number in counts.refused.items() if "p-value" not in reason)
        examined = counts.kept + refused
        if examined >= _ENOUGH_LOW_P_VALUES and refused > MAX_REFUSED_FRACTION * examined:
            self._implausible(
                f"{refused:,} of the {examined:,} rows with low p-values cannot be used: "
                f"{counts.reasons_in_words()}"
            )

    def _name_of(self, fields: Sequence[str]) -> str:
        """The column of the first of some fields that the table has."""
        return next((self._columns[field] for field in fields if field in self._columns), "")

    def _implausible(self, what: str) -> None:
        """Raise an error, or warn where the user insists."""
        if self._allow_implausible:
            if what not in self._counts.contradictions:
                self._counts.contradictions.append(what)
            self._counts.note(f"{self._path}: {what}")
            return
        raise InputError(
            f"{self._path}: {what}. Name the columns, or mend the table; if it is right as it is, "
            "insist with --allow-implausible (allow_implausible: true)"
        )


def error_is_of_ratio(sample: Sample) -> bool | None:
    """Whether the standard errors beside ratios are those of the ratios themselves.

    Where the one or the other explains the p-values: the median of |log10 p - log10 p(z)| is less than
    half as large, over at least :data:`ENOUGH_ROWS` rows whose ratios differ from 1.

    Returns
    -------
    bool or None
        None where the rows do not tell.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        clear = np.isnan(sample.beta) & (np.abs(np.log(sample.ratio)) > _CLEAR_RATIO)
    differences = [_differences(sample, sample.wald_z(of_ratio), clear) for of_ratio in (False, True)]
    if min(map(len, differences)) < ENOUGH_ROWS:
        return None
    of_logarithm, of_ratio = (float(np.median(each)) for each in differences)
    if min(of_logarithm, of_ratio) > MAX_LOG10_DIFFERENCE:
        return None
    if of_ratio < 0.5 * of_logarithm:
        return True
    return False if of_logarithm < 0.5 * of_ratio else None


def contradictions(sample: Sample, names: Mapping[str, str], error_of_ratio: bool) -> Iterator[str]:
    """What cannot be, in words.

    Parameters
    ----------
    sample : Sample
        Some rows.
    names : mapping of str to str
        The columns of ``p``, ``effect``, ``ratio``, ``error``, ``z`` and ``frequency``, for the words.
    error_of_ratio : bool
        Whether the standard error of a ratio is its own, not that of its logarithm.
    """
    yield from _impossible(
        sample, sample.ratio, sample.ratio < 0, names["ratio"],
        "is below 0, which a ratio cannot be; is it its logarithm? Then name the column beta",
    )  # fmt: skip
    yield from _impossible(
        sample, sample.frequency, sample.frequency > 1 + FREQUENCY_ROUNDING, names["frequency"],
        "is above 1, which a frequency cannot be; is it in percent? Then divide it by 100",
    )  # fmt: skip
    yield from _opposite_signs(sample, names)
    for z, source in (
        (sample.wald_z(error_of_ratio), f"{names['effect']} and {names['error']}"),
        (sample.z, names["z"]),
    ):
        rows = _compared(sample, z)
        if rows.sum() < ENOUGH_ROWS:
            continue
        difference = _differences(sample, z)
        if np.median(difference) > MAX_LOG10_DIFFERENCE:
            examples = "; ".join(
                f"line {sample.lines[row]}: p {math.exp(sample.log_p[row]):.3g}, "
                f"from z {z[row]:.3g} {math.exp(log_p_of_z(z[row])[0]):.3g}"
                for row in np.flatnonzero(rows)[:3]
            )
            yield (
                f"{names['p']} and {source} contradict each other: over {int(rows.sum()):,} rows with p from "
                f"{COMPARED_P_VALUES[0]:g} to {COMPARED_P_VALUES[1]:g}, log10 p differs from that of z by "
                f"{np.median(difference):.2f} in the median, and more than {MAX_LOG10_DIFFERENCE} cannot be "
                f"({examples}). One of the columns is not what its name says, or has too few digits"
            )


def _opposite_signs(sample: Sample, names: Mapping[str, str]) -> Iterator[str]:
    """Effects and z-scores of which the one is above 0 and the other below, in more than a few rows."""
    effect = sample.effect
    with np.errstate(invalid="ignore"):
        compared = np.isfinite(effect) & (effect != 0) & (np.abs(sample.z) >= CLEAR_Z)
        opposite = compared & ((effect > 0) != (sample.z > 0))
    count, known = int(opposite.sum()), int(compared.sum())
    several = count >= ENOUGH_OPPOSITE_SIGNS and count > MAX_IMPOSSIBLE_FRACTION * known
    if count * 2 <= known and not several:
        return
    examples = []
    for row in np.flatnonzero(opposite)[:3]:
        name, value = names["effect"], sample.beta[row]
        if np.isnan(value):
            name, value = names["ratio"], sample.ratio[row]
        examples.append(f"line {sample.lines[row]}: {name} {value:.3g}, {names['z']} {sample.z[row]:.3g}")
    why = "One of the columns is of the other allele there"
    if (sample.z[compared] > 0).all() and (effect[compared] > 0).any():
        why = f"{names['z']} is never below 0, so it may lack its sign"
    yield (
        f"{names['effect']} and {names['z']} contradict each other: {count:,} of {known:,} rows with |z| of "
        f"{CLEAR_Z:g} or more point in opposite directions ({'; '.join(examples)}). {why}"
    )


def out_of_range_p_values(field: str, above: int, below: int, known: int) -> str:
    """What a column of p-values, or of their logarithms, may be of which too many are impossible, or nothing.

    Parameters
    ----------
    field : str
        What it is taken for, a field of :data:`mifm_kipoi.genomics.columns.P_VALUES`.
    above, below : int
        Numbers above and below what is possible.
    known : int
        All numbers of the column.
    """
    bad = above + below
    several = max(above, below) >= ENOUGH_P_OUT_OF_RANGE and bad > MAX_P_OUT_OF_RANGE_FRACTION * known
    if bad * 2 <= known and not several:
        return ""
    what = "are not between 0 and 1, as p-values are"
    if field != "p_value":
        what = "are below 0, as no -log10 p is" if below else "are above 0, as no logarithm of a p-value is"
    if above >= below:
        return f"{what}; it looks like -log10 p: name the column neg_log_10_p_value"
    return f"{what}; it looks like ln p or log10 p: name the column ln_p_value or log_10_p_value"


def _impossible(sample: Sample, values: Values, bad: Flags, name: str, what: str) -> Iterator[str]:
    known = int((~np.isnan(values)).sum())
    count = int(bad.sum())
    if count > MAX_IMPOSSIBLE_FRACTION * known:
        examples = "; ".join(
            f"line {sample.lines[row]}: {name} is {values[row]:g}" for row in np.flatnonzero(bad)[:3]
        )
        yield f"{name} {what} ({count:,} of {known:,} rows: {examples})"


def _compared(sample: Sample, z: Values, clear: Flags | None = None) -> Flags:
    low, high = map(math.log, COMPARED_P_VALUES)
    with np.errstate(invalid="ignore"):
        rows = (sample.log_p >= low) & (sample.log_p <= high) & np.isfinite(z)
    return rows if clear is None else rows & clear


def _differences(sample: Sample, z: Values, clear: Flags | None = None) -> Values:
    """|log10 p - log10 p(z)| of the rows that are compared."""
    rows = _compared(sample, z, clear)
    return np.asarray(np.abs(sample.log_p[rows] - log_p_of_z(z[rows])) / math.log(10))
