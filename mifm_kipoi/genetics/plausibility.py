"""Whether the numbers of a table of a GWAS can be what its columns say: found out before they are used."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Mapping

import numpy as np
import numpy.typing as npt

from mifm_kipoi.genetics.row_numbers import FREQUENCY_ROUNDING
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

MAX_P_OUT_OF_RANGE_FRACTION = 0.05
"""Fraction of p-values outside 0 to 1 beyond which the column is something else: of -log10 p, without any
association, one in ten lies above 1."""

ENOUGH_P_OUT_OF_RANGE = 3
"""So many of them must lie on one side, or be more than half."""

SAMPLE_OF_BLOCK, SAMPLE = 5_000, 20_000
"""Rows that are examined of each block of a table, evenly over it, and in all. Larger tables are judged by
their first rows; how many rows are refused is counted over all of them."""

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

    def wald_z(self, error_of_ratio: bool) -> Values:
        """Effects over their standard errors; that of a ratio is the error of its logarithm, or its own."""
        with np.errstate(divide="ignore", invalid="ignore"):
            effect = np.where(np.isnan(self.beta), np.log(self.ratio), self.beta)
            of_ratio = np.isnan(self.beta) & error_of_ratio
            z = effect / np.where(of_ratio, self.standard_error / self.ratio, self.standard_error)
        return np.where(np.isfinite(z) & (self.standard_error > 0), z, np.nan)


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
