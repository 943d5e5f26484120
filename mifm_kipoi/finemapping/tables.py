"""What was fitted as rows of the tables."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

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
    LocusResult,
    empty,
    typed,
)
from mifm_kipoi.finemapping.studies import variant_names
from mifm_kipoi.finemapping.susie import CredibleSet
from mifm_kipoi.statistics.estimates import Values

Flags = npt.NDArray[np.bool_]


@dataclasses.dataclass(frozen=True)
class Fitted:
    """A locus with all that was fitted of it.

    Parameters
    ----------
    locus : mapping
        Study, locus, chrom, start, end.
    rows : pandas.DataFrame
        Those of the study (:data:`mifm_kipoi.finemapping.studies.ROWS`), p of them, by position.
    usable : numpy.ndarray of bool, shape (p,)
        Which of them are fine-mapped.
    method : str
        How.
    n : float
        People; NaN where not known.
    flat : LocusFit
        With the flat prior.
    final : LocusFit, optional
        With prior weights; none where they are flat.
    weights : numpy.ndarray of float64, shape (k,)
        Prior weights of the k usable rows.
    score : numpy.ndarray of float64, shape (k,)
        As in its table.
    annotations : mapping of str to numpy.ndarray of float64, shape (k,)
    seen : str
        What the scores know of the locus.
    """

    locus: Mapping[str, object]
    rows: pd.DataFrame
    usable: Flags
    method: str
    n: float
    flat: LocusFit
    final: LocusFit | None
    weights: Values
    score: Values
    annotations: Mapping[str, Values]
    seen: str

    def result(self) -> LocusResult:
        """Its rows of the tables."""
        last = self.final or self.flat
        failed = self.flat if self.flat.status != FINE_MAPPED else last
        if failed.status != FINE_MAPPED:
            return LocusResult(self._record(None, failed), empty(VARIANT_TYPES), empty(SET_TYPES))
        variants = self._variants(last)
        names = variant_names(variants)
        sets = [*_sets(variants, names, self.flat, FLAT)]
        if self.final is not None:
            sets += _sets(variants, names, self.final, SCORE)
        of_sets = pd.DataFrame(sets, columns=list(SET_TYPES)) if sets else empty(SET_TYPES)
        for name in ("study", "locus", "chrom"):
            of_sets[name] = str(self.locus[name])
        return LocusResult(self._record(variants, last), variants, typed(of_sets, SET_TYPES))

    def _variants(self, last: LocusFit) -> pd.DataFrame:
        rows = self.rows[self.usable].reset_index(drop=True)
        neg_log10_p = -rows["log_p"] / np.log(10)
        table = rows.assign(
            study=str(self.locus["study"]),
            locus=str(self.locus["locus"]),
            # A p-value that is too small for a number is 0, and its logarithm is not.
            p_value=np.exp(rows["log_p"]),
            neg_log10_p=neg_log10_p,
            r2=self.flat.r2,
            outlier=self.flat.outlier,
            score=self.score,
            prior=self.weights,
            pip_flat=self.flat.pip,
            pip=last.pip,
            set_flat=_numbers(len(rows), self.flat.sets),
            set=_numbers(len(rows), last.sets),
        )
        named = {f"{ANNOTATION}{name}": values for name, values in self.annotations.items()}
        return typed(table[list(VARIANT_TYPES)], VARIANT_TYPES).assign(**named)

    def _record(self, variants: pd.DataFrame | None, fit: LocusFit) -> dict[str, object]:
        rows = self.rows
        record: dict[str, object] = {
            **{name: self.locus[name] for name in ("study", "locus", "chrom", "start", "end")},
            "status": fit.status, "reason": fit.reason, "method": self.method,
            "variants_in_study": len(rows), "variants": 0, "scored": 0, "n": self.n,
            "lead": "", "lead_neg_log10_p": np.nan, "lambda": self.flat.inconsistency,
            "flipped": self.flat.flipped, "outliers": self.flat.outliers, "suspicious": self.flat.suspicious,
            "seen": self.seen,
            "converged": "", "sets_flat": 0, "sets": 0, "causal_flat": np.nan, "causal": np.nan, "top": "",
            "top_pip": np.nan, "prior_gain": np.nan,
        }  # fmt: skip
        if len(rows):
            lead = int(rows["log_p"].fillna(0).to_numpy().argmin())
            record["lead"] = variant_names(rows.iloc[[lead]]).iloc[0]
            record["lead_neg_log10_p"] = -float(rows["log_p"].iloc[lead]) / np.log(10)
        if variants is not None:
            top = int(variants["pip"].to_numpy().argmax())
            record |= {
                "variants": len(variants), "scored": int((~np.isnan(self.score)).sum()),
                "converged": "yes" if fit.converged and self.flat.converged else "no",
                "sets_flat": len(self.flat.sets), "sets": len(fit.sets),
                "causal_flat": float(self.flat.pip.sum()), "causal": float(fit.pip.sum()),
                "top": variant_names(variants.iloc[[top]]).iloc[0],
                "top_pip": float(variants["pip"].iloc[top]),
                "prior_gain": self._gain(),
            }  # fmt: skip
        return {name: record[name] for name in LOCUS_TYPES}

    def _gain(self) -> float:
        """Log-likelihood of the strongest effect with the prior less that of the flat one."""
        effect = int(self.flat.log_bf.argmax())
        log_bf = self.flat.log_bf_variable[effect]
        shifted = np.exp(log_bf - log_bf.max())
        return float(np.log(self.weights @ shifted) - np.log(shifted.mean()))


def no_rows(locus: Mapping[str, object], reason: str) -> LocusResult:
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
    return LocusResult(record, empty(VARIANT_TYPES), empty(SET_TYPES))


def _numbers(size: int, sets: Sequence[CredibleSet]) -> npt.NDArray[np.int64]:
    """The set of each variant, from 1; the first of several, 0 in none."""
    numbers = np.zeros(size, dtype=np.int64)
    for number, one in reversed(list(enumerate(sets, start=1))):
        numbers[one.members] = number
    return numbers


def _sets(
    variants: pd.DataFrame, names: pd.Series[str], fit: LocusFit, prior: str
) -> list[dict[str, object]]:
    rows = []
    for number, one in enumerate(fit.sets, start=1):
        pos = variants["pos"].to_numpy(np.int64)[one.members]
        best = int(fit.pip[one.members].argmax())
        rows.append(
            {
                "prior": prior, "set": number, "start": int(pos.min()), "end": int(pos.max()),
                "size": len(one.members), "coverage": one.coverage, "min_abs_corr": one.min_abs_corr,
                "mean_abs_corr": one.mean_abs_corr, "median_abs_corr": one.median_abs_corr,
                "log10_bf": float(fit.log_bf[one.effect] / np.log(10)),
                "lead": names.iloc[one.members[best]], "lead_pip": float(fit.pip[one.members[best]]),
                "members": ",".join(names.iloc[one.members]),
            }
        )  # fmt: skip
    return rows
