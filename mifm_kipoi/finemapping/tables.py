"""What was fitted as rows of the tables, as arrays: there may be many thousand loci."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from mifm_kipoi.finemapping.fitting import LocusFit
from mifm_kipoi.finemapping.records import (
    ANNOTATION,
    EMPTY,
    FINE_MAPPED,
    FLAT,
    LOCUS_TYPES,
    SCORE,
    SET_TYPES,
    VARIANT_TYPES,
    empty,
    typed,
)
from mifm_kipoi.finemapping.susie import CredibleSet
from mifm_kipoi.statistics.estimates import Values

Flags = npt.NDArray[np.bool_]
Columns = Mapping[str, npt.NDArray[Any]]
"""A table as arrays of the same length by the names of its columns."""


LEAD_LEFT_OUT = "is left out"
"""Of what is suspicious: a variant of the lowest p-values is not fine-mapped."""

_NEARLY = np.log(10)
"""By how much ln p of a variant that is left out may be above the lowest one."""


@dataclasses.dataclass(frozen=True)
class LocusRows:
    """What the tables have of a locus.

    Parameters
    ----------
    record : dict of str to object
        Its row of ``loci.tsv``.
    variants : mapping of str to numpy.ndarray
        Its rows of ``variants.tsv.gz`` but for study and locus; empty where it is not fine-mapped.
    sets : list of dict of str to object
        Its rows of ``credible_sets.tsv``.
    """

    record: dict[str, object]
    variants: Columns
    sets: list[dict[str, object]]


@dataclasses.dataclass(frozen=True)
class Fitted:
    """A locus with all that was fitted of it.

    Parameters
    ----------
    locus : mapping
        Study, locus, chrom, start, end.
    rows : mapping of str to numpy.ndarray, shape (p,)
        Those of the study (:data:`mifm_kipoi.finemapping.studies.ROWS`), by position.
    usable : numpy.ndarray of bool, shape (p,)
        Which of them are fine-mapped.
    method : str
        How.
    n : float
        People; NaN where not known.
    flat : LocusFit
        With the flat prior.
    final : LocusFit, optional
        With prior weights; none where there is no prior.
    weights : numpy.ndarray of float64, shape (k,)
        Prior weights of the k usable rows.
    score : numpy.ndarray of float64, shape (k,)
        As in its table.
    annotations : mapping of str to numpy.ndarray of float64, shape (k,)
    seen : str
        What the scores know of the locus.
    """

    locus: Mapping[str, object]
    rows: Columns
    usable: Flags
    method: str
    n: float
    flat: LocusFit
    final: LocusFit | None
    weights: Values
    score: Values
    annotations: Mapping[str, Values]
    seen: str

    def in_tables(self) -> LocusRows:
        """Its rows of the tables."""
        last = self.final or self.flat
        for fit in (self.flat, last):
            if fit.status != FINE_MAPPED:
                return LocusRows(self._record(fit), {}, [])
        sets = self._sets(self.flat, FLAT)
        if self.final is not None:
            sets += self._sets(self.final, SCORE)
        return LocusRows(self._record(last), self._variants(last), sets)

    def _variants(self, last: LocusFit) -> Columns:
        rows = {name: values[self.usable] for name, values in self.rows.items()}
        size = len(last.pip)
        return {
            **{name: rows[name] for name in VARIANT_TYPES if name in rows},
            # A p-value that is too small for a number is 0, and its logarithm is not.
            "p_value": np.exp(rows["log_p"]),
            "neg_log10_p": -rows["log_p"] / np.log(10),
            "r2": self.flat.r2,
            "outlier": self.flat.outlier,
            "score": self.score,
            "prior": self.weights,
            "pip_flat": self.flat.pip,
            "pip": last.pip,
            "set_flat": _numbers(size, self.flat.sets),
            "set": _numbers(size, last.sets),
            **{f"{ANNOTATION}{name}": values for name, values in self.annotations.items()},
        }

    def _record(self, fit: LocusFit) -> dict[str, object]:
        log_p = self.rows["log_p"]
        record: dict[str, object] = {
            **{name: self.locus[name] for name in ("study", "locus", "chrom", "start", "end")},
            "status": fit.status, "reason": fit.reason, "method": self.method,
            "variants_in_study": len(log_p), "variants": 0, "scored": 0, "n": self.n,
            "lead": "", "lead_neg_log10_p": np.nan, "lambda": self.flat.inconsistency,
            "flipped": self.flat.flipped, "outliers": self.flat.outliers,
            "suspicious": "; ".join(filter(None, [self._left_out(), self.flat.suspicious])),
            "seen": self.seen,
            "converged": "", "sets_flat": 0, "sets": 0, "causal_flat": np.nan, "causal": np.nan, "top": "",
            "top_pip": np.nan, "prior_gain": np.nan,
        }  # fmt: skip
        if len(log_p):
            lead = int(np.where(np.isnan(log_p), 0.0, log_p).argmin())
            record["lead"] = self._name(lead)
            record["lead_neg_log10_p"] = -float(log_p[lead]) / np.log(10)
        if fit.status == FINE_MAPPED:
            top = int(fit.pip.argmax())
            record |= {
                "variants": len(fit.pip), "scored": int((~np.isnan(self.score)).sum()),
                "converged": "yes" if fit.converged and self.flat.converged else "no",
                "sets_flat": len(self.flat.sets), "sets": len(fit.sets),
                "causal_flat": float(self.flat.pip.sum()), "causal": float(fit.pip.sum()),
                "top": self._names([top])[0] if fit.pip[top] > 0 else "", "top_pip": float(fit.pip[top]),
                "prior_gain": self._gain(),
            }  # fmt: skip
        return {name: record[name] for name in LOCUS_TYPES}

    def _left_out(self) -> str:
        """The row of the lowest p-value of those left out, where it is as low as any."""
        log_p = np.where(np.isnan(self.rows["log_p"]), 0.0, self.rows["log_p"])
        lost = np.flatnonzero(~self.usable)
        if not len(lost) or not self.usable.any():
            return ""
        lowest = int(lost[log_p[lost].argmin()])
        if log_p[lowest] > log_p[self.usable].min() + _NEARLY:
            return ""
        return f"{self._name(lowest)} (-log10 p {-log_p[lowest] / np.log(10):.3g}) {LEAD_LEFT_OUT}"

    def _sets(self, fit: LocusFit, prior: str) -> list[dict[str, object]]:
        sets: list[dict[str, object]] = []
        pos = self.rows["pos"][self.usable]
        for number, one in enumerate(fit.sets, start=1):
            names = self._names(one.members)
            best = int(fit.pip[one.members].argmax())
            sets.append(
                {
                    **{name: self.locus[name] for name in ("study", "locus", "chrom")},
                    "prior": prior, "set": number, "start": int(pos[one.members].min()),
                    "end": int(pos[one.members].max()), "size": len(names), "coverage": one.coverage,
                    "min_abs_corr": one.min_abs_corr, "mean_abs_corr": one.mean_abs_corr,
                    "median_abs_corr": one.median_abs_corr,
                    "log10_bf": float(fit.log_bf[one.effect] / np.log(10)), "lead": names[best],
                    "lead_pip": float(fit.pip[one.members[best]]), "members": ",".join(names),
                }
            )  # fmt: skip
        return sets

    def _names(self, numbers: Iterable[int]) -> list[str]:
        """``chrom:pos:ref:alt`` of usable rows."""
        rows = np.flatnonzero(self.usable)
        return [self._name(int(rows[number])) for number in numbers]

    def _name(self, row: int) -> str:
        return ":".join(str(self.rows[name][row]) for name in ("chrom", "pos", "ref", "alt"))

    def _gain(self) -> float:
        """Log-likelihood of the strongest effect with the prior less that of the flat one."""
        effect = int(self.flat.log_bf.argmax())
        log_bf = self.flat.log_bf_variable[effect]
        shifted = np.exp(log_bf - log_bf.max())
        return float(np.log(self.weights @ shifted) - np.log(shifted.mean()))


def no_rows(locus: Mapping[str, object], reason: str) -> LocusRows:
    """A locus in which a study has no variant.

    Parameters
    ----------
    locus : mapping
        Study, locus, chrom, start, end.
    reason : str
        Why, in words.
    """
    record: dict[str, object] = {
        name: "" if kind == "str" else 0 if kind == "int64" else np.nan for name, kind in LOCUS_TYPES.items()
    }
    record |= {name: locus[name] for name in ("study", "locus", "chrom", "start", "end")}
    record |= {"status": EMPTY, "reason": reason}
    return LocusRows(record, {}, [])


def variant_table(loci: Sequence[LocusRows], annotations: Sequence[str]) -> pd.DataFrame:
    """The rows of some loci as of ``variants.tsv.gz``.

    Parameters
    ----------
    loci : sequence of LocusRows
        Those that are not fine-mapped have none.
    annotations : sequence of str
        Names, also where there is no row.
    """
    own = [one for one in loci if one.variants]
    further = [f"{ANNOTATION}{name}" for name in annotations]
    if not own:
        return empty(VARIANT_TYPES).assign(**{name: pd.Series(dtype="float64") for name in further})
    columns = {
        name: np.concatenate([one.variants[name] for one in own])
        for name in (*VARIANT_TYPES, *further)
        if name not in ("study", "locus")
    }
    sizes = [len(one.variants["pip"]) for one in own]
    for name in ("study", "locus"):
        columns[name] = np.repeat(np.array([str(one.record[name]) for one in own], dtype=object), sizes)
    return typed(pd.DataFrame(columns), VARIANT_TYPES)


def set_table(loci: Iterable[LocusRows]) -> pd.DataFrame:
    """The rows of loci as of ``credible_sets.tsv``."""
    rows = [row for one in loci for row in one.sets]
    return typed(pd.DataFrame(rows, columns=list(SET_TYPES)), SET_TYPES) if rows else empty(SET_TYPES)


def _numbers(size: int, sets: Sequence[CredibleSet]) -> npt.NDArray[np.int64]:
    """The set of each variant, from 1; the first of several, 0 in none."""
    numbers = np.zeros(size, dtype=np.int64)
    for number, one in reversed(list(enumerate(sets, start=1))):
        numbers[one.members] = number
    return numbers
