"""One locus: what is fitted, how, and what comes of it."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from mifm_kipoi.errors import InputError
from mifm_kipoi.finemapping.diagnostics import Diagnosis, diagnose
from mifm_kipoi.finemapping.linkage import Products
from mifm_kipoi.finemapping.records import FINE_MAPPED, REFUSED, Method
from mifm_kipoi.finemapping.susie import (
    CredibleSet,
    Fit,
    SusieOptions,
    fit_single_effect,
    fit_sufficient,
    fit_summary,
)
from mifm_kipoi.support.files import writing

Values = npt.NDArray[np.float64]
Texts = npt.NDArray[np.object_]

FLIPPED, AGAINST_LEAD = "sign against LD", "against LD with the lead"
"""What LD speaks against a variant's z."""

Flags = npt.NDArray[np.bool_]


@dataclasses.dataclass(frozen=True)
class Job:
    """A locus that is fitted: of p variants, without those that have no LD.

    Parameters
    ----------
    number : int
        Of the locus.
    method : Method
        How.
    z, log_bf : numpy.ndarray of float64, shape (p,)
        Of the study.
    log_p : numpy.ndarray of float64, shape (p,)
        Natural logarithms of p-values; NaN where not known.
    n : float, optional
        People of the study.
    with_ld : numpy.ndarray of bool, shape (p,)
        Variants that have LD: all, but where one effect is fitted, which needs none.
    R : numpy.ndarray of float64, shape (k, k), optional
        Correlations of these k, of any method where there is LD.
    products : Products, optional
        Of the method :attr:`Method.INDIVIDUAL`.
    prior_weights : numpy.ndarray of float64, shape (p,), optional
        The same for all variants by default.
    options : SusieOptions
    check : bool
        Whether z are compared with LD. Where LD must fit them, as it is that of the same people, variants
        whose z is that of the other allele are left out, and what does not fit then is refused.
    """

    number: int
    method: Method
    z: Values
    log_bf: Values
    log_p: Values
    n: float | None
    with_ld: Flags
    R: Values | None
    products: Products | None
    prior_weights: Values | None
    options: SusieOptions
    check: bool

    @property
    def lead(self) -> int:
        """The variant of the lowest p-value, and of such the largest z."""
        known = np.where(np.isnan(self.log_p), 0.0, self.log_p)
        return int(np.lexsort((-np.abs(self.z), known))[0])

    def take(self, kept: Flags) -> Job:
        """Some of its variants."""
        of_ld = kept[self.with_ld]

        def of_both(matrix: Values) -> Values:
            return matrix[np.ix_(of_ld, of_ld)]

        products = self.products and dataclasses.replace(
            self.products, XtX=of_both(self.products.XtX), Xty=self.products.Xty[kept]
        )
        return dataclasses.replace(
            self, z=self.z[kept], log_bf=self.log_bf[kept], log_p=self.log_p[kept],
            with_ld=self.with_ld[kept],
            R=None if self.R is None else of_both(self.R), products=products,
            prior_weights=None if self.prior_weights is None else self.prior_weights[kept],
        )  # fmt: skip


@dataclasses.dataclass(frozen=True)
class LocusFit:
    """What comes of a job.

    Parameters
    ----------
    number : int
        Of the locus.
    status, reason : str
        See :data:`mifm_kipoi.finemapping.records.LOCUS_TYPES`.
    kept : numpy.ndarray of bool, shape (p,)
        Variants of the job that were fitted, k of them.
    pip : numpy.ndarray of float64, shape (k,)
        Empty where the locus is refused, as all arrays.
    log_bf_variable, alpha : numpy.ndarray of float64, shape (L, k)
    log_bf : numpy.ndarray of float64, shape (L,)
    sets : tuple of CredibleSet
    converged : bool
    r2 : numpy.ndarray of float64, shape (k,)
        Squared correlations with the lead; NaN without LD.
    outlier : numpy.ndarray of object, shape (k,)
        What LD speaks against a variant's z; empty where nothing does.
    inconsistency : float
        Lambda; NaN where z were not compared.
    flipped, outliers : int
    suspicious : str
        What speaks against the locus as a whole.
    """

    number: int
    status: str
    reason: str
    kept: Flags
    pip: Values
    log_bf_variable: Values
    alpha: Values
    log_bf: Values
    sets: tuple[CredibleSet, ...]
    converged: bool
    r2: Values
    outlier: Texts
    inconsistency: float = float("nan")
    flipped: int = 0
    outliers: int = 0
    suspicious: str = ""

    def save(self, path: Path) -> None:
        """Write it as one file, whole or not at all."""
        sets = [{**dataclasses.asdict(one), "members": one.members.tolist()} for one in self.sets]
        known = {
            "number": self.number, "status": self.status, "reason": self.reason, "converged": self.converged,
            "inconsistency": None if np.isnan(self.inconsistency) else self.inconsistency,
            "flipped": self.flipped, "outliers": self.outliers, "suspicious": self.suspicious, "sets": sets,
        }  # fmt: skip
        temporary = path.with_suffix(".part")
        with writing(path):
            with open(temporary, "wb") as file:
                np.savez(
                    file, known=np.array(json.dumps(known)), kept=self.kept, pip=self.pip, alpha=self.alpha,
                    log_bf_variable=self.log_bf_variable, log_bf=self.log_bf, r2=self.r2,
                    outlier=self.outlier.astype(str),
                )  # fmt: skip
            temporary.replace(path)

    @classmethod
    def load(cls, path: Path) -> LocusFit:
        """Read it back."""
        with np.load(path, allow_pickle=False) as stored:
            known: dict[str, Any] = json.loads(str(stored["known"]))
            arrays = {
                name: stored[name] for name in ("kept", "pip", "log_bf_variable", "alpha", "log_bf", "r2")
            }
            outlier = stored["outlier"].astype(object)
        sets = tuple(
            CredibleSet(**{**one, "members": np.array(one["members"], dtype=np.int64)})
            for one in known.pop("sets")
        )
        lambda_ = known.pop("inconsistency")
        return cls(
            **known, **arrays, outlier=outlier, sets=sets,
            inconsistency=float("nan") if lambda_ is None else lambda_,
        )  # fmt: skip


def fit_locus(job: Job) -> LocusFit:
    """Fine-map a locus; what cannot be is refused, with the reason.

    Parameters
    ----------
    job : Job
    """
    kept = np.ones(len(job.z), dtype=bool)
    outlier = np.full(len(job.z), "", dtype=object)
    checked: dict[str, Any] = {}
    try:
        if job.check and job.R is not None and len(job.R):
            found = diagnose(job.z[job.with_ld], job.R, job.n)
            must_fit = job.method is Method.SUMMARY
            flipped = np.flatnonzero(job.with_ld)[found.flipped]
            number = len(flipped)
            if must_fit and 0 < number < len(job.z):
                kept[flipped] = False
                job = job.take(kept)
                assert job.R is not None
                found = diagnose(job.z, job.R, job.n)
                number += len(found.flipped)
            elif not must_fit:
                outlier[flipped] = FLIPPED
            checked = _in_words(found, number)
            outlier = outlier[kept]
            outlier[np.flatnonzero(job.with_ld)[found.lead_test.outliers]] = AGAINST_LEAD
            if must_fit and found.reason:
                raise InputError(found.reason)
        fit = _fit(job)
    except InputError as error:
        return _refused(job.number, str(error), checked)
    return LocusFit(
        job.number, FINE_MAPPED, "", kept, fit.pip, fit.log_bf_variable, fit.alpha, fit.log_bf, fit.sets,
        fit.converged, _r2(job), outlier, **checked,
    )  # fmt: skip


def _r2(job: Job) -> Values:
    """Squared correlations with the lead, shape (p,); NaN where it or a variant has no LD."""
    r2 = np.full(len(job.z), np.nan)
    if job.R is not None and job.with_ld[job.lead]:
        r2[job.with_ld] = job.R[int(job.with_ld[: job.lead].sum())] ** 2
    return r2


def refused(number: int, reason: str) -> LocusFit:
    """A locus that cannot be fine-mapped.

    Parameters
    ----------
    number : int
        Of the locus.
    reason : str
        Why.
    """
    return _refused(number, reason, {})


def _refused(number: int, reason: str, checked: dict[str, Any]) -> LocusFit:
    none, nothing = np.empty(0), np.empty((0, 0))
    return LocusFit(
        number, REFUSED, reason, np.empty(0, bool), none, nothing, nothing, none, (), False, none,
        np.empty(0, object), **checked,
    )  # fmt: skip


def _one_effect(job: Job, r: Values) -> Fit:
    """One effect, of whose set LD gives the purity, among members that have LD, and nothing else."""
    every = np.eye(len(job.z))
    every[np.ix_(job.with_ld, job.with_ld)] = r
    options = dataclasses.replace(job.options, effects=1, min_abs_corr=0.0)
    fit = fit_summary(job.z, every, job.n, job.prior_weights, options)
    sets = []
    for one in fit.sets:
        known = one.members[job.with_ld[one.members]]
        pairs = np.abs(every[np.ix_(known, known)][np.triu_indices(len(known), k=1)])
        purity = (float("nan"),) * 3
        if len(one.members) == 1:
            purity = (1.0, 1.0, 1.0)
        elif len(pairs):
            purity = (float(pairs.min()), float(pairs.mean()), float(np.median(pairs)))
        if not purity[0] < job.options.min_abs_corr:
            sets.append(CredibleSet(one.effect, one.members, one.coverage, *purity))
    return dataclasses.replace(fit, sets=tuple(sets))


def _in_words(found: Diagnosis, flipped: int) -> dict[str, Any]:
    """What is told of the comparison of z with LD."""
    lead = found.lead_test
    suspicious = []
    if found.reason:
        suspicious.append(found.reason)
    if len(lead.outliers):
        suspicious.append(
            f"{len(lead.outliers)} of {len(lead.in_ld)} variants in LD with the lead have another z than "
            "that makes likely (SLALOM)"
        )
    return {
        "inconsistency": found.inconsistency, "flipped": flipped, "outliers": len(lead.outliers),
        "suspicious": "; ".join(suspicious),
    }  # fmt: skip


def _fit(job: Job) -> Fit:
    if job.method is Method.INDIVIDUAL:
        assert job.products is not None
        own = job.products
        return fit_sufficient(own.XtX, own.Xty, own.yty, own.n, job.prior_weights, job.options)
    if job.method is Method.SUMMARY:
        assert job.R is not None
        return fit_summary(job.z, job.R, job.n, job.prior_weights, job.options)
    if job.R is not None:
        return _one_effect(job, job.R)
    return fit_single_effect(job.log_bf, job.prior_weights, job.options)
