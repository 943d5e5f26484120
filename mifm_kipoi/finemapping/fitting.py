"""One locus: what is fitted, how, and what comes of it."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from mifm_kipoi.errors import InputError
from mifm_kipoi.finemapping.diagnostics import Spectrum, dentist_s, inconsistency, kriging
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
    lead : int
        The variant of the lowest p-value.
    n : float, optional
        People of the study.
    R : numpy.ndarray of float64, shape (p, p), optional
        Correlations, of any method where there is LD.
    products : Products, optional
        Of the method :attr:`Method.INDIVIDUAL`.
    prior_weights : numpy.ndarray of float64, shape (p,), optional
        The same for all variants by default.
    options : SusieOptions
    check : bool
        Whether z are compared with LD.
    in_sample : bool
        Whether LD is that of the people whose z these are, so that it must fit.
    """

    number: int
    method: Method
    z: Values
    log_bf: Values
    lead: int
    n: float | None
    R: Values | None
    products: Products | None
    prior_weights: Values | None
    options: SusieOptions
    check: bool
    in_sample: bool


@dataclasses.dataclass(frozen=True)
class LocusFit:
    """What comes of a job.

    Parameters
    ----------
    number : int
        Of the locus.
    status, reason : str
        See :data:`mifm_kipoi.finemapping.records.LOCUS_TYPES`.
    pip : numpy.ndarray of float64, shape (p,)
        Empty where the locus is refused, as all arrays.
    log_bf_variable, alpha : numpy.ndarray of float64, shape (L, p)
    log_bf : numpy.ndarray of float64, shape (L,)
    sets : tuple of CredibleSet
    converged : bool
    r2 : numpy.ndarray of float64, shape (p,)
        Squared correlations with the lead; NaN without LD.
    outlier : numpy.ndarray of object, shape (p,)
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
                    file, known=np.array(json.dumps(known)), pip=self.pip, alpha=self.alpha,
                    log_bf_variable=self.log_bf_variable, log_bf=self.log_bf, r2=self.r2,
                    outlier=self.outlier.astype(str),
                )  # fmt: skip
            temporary.replace(path)

    @classmethod
    def load(cls, path: Path) -> LocusFit:
        """Read it back."""
        with np.load(path, allow_pickle=False) as stored:
            known: dict[str, Any] = json.loads(str(stored["known"]))
            arrays = {name: stored[name] for name in ("pip", "log_bf_variable", "alpha", "log_bf", "r2")}
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
    r2 = np.full(len(job.z), np.nan)
    outlier = np.full(len(job.z), "", dtype=object)
    checked: dict[str, Any] = {}
    try:
        if job.R is not None:
            with_lead = job.R[job.lead]
            r2 = with_lead**2
            if job.check:
                checked = _check(job, job.R, outlier)
        fit = _fit(job)
    except InputError as error:
        return _refused(job.number, str(error), checked)
    return LocusFit(
        job.number, FINE_MAPPED, "", fit.pip, fit.log_bf_variable, fit.alpha, fit.log_bf, fit.sets,
        fit.converged, r2, outlier, **checked,
    )  # fmt: skip


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
        number, REFUSED, reason, none, nothing, nothing, none, (), False, none, np.empty(0, object), **checked
    )


def _fit(job: Job) -> Fit:
    if job.method is Method.INDIVIDUAL:
        assert job.products is not None
        own = job.products
        return fit_sufficient(own.XtX, own.Xty, own.yty, own.n, job.prior_weights, job.options)
    if job.method is Method.SUMMARY:
        assert job.R is not None
        return fit_summary(job.z, job.R, job.n, job.prior_weights, job.options)
    if job.R is not None:
        # LD gives the purity of the set, and nothing else.
        options = dataclasses.replace(job.options, effects=1)
        return fit_summary(job.z, job.R, job.n, job.prior_weights, options)
    return fit_single_effect(job.log_bf, job.prior_weights, job.options)


def _check(job: Job, r: Values, outlier: Texts) -> dict[str, Any]:
    """Compare z with LD; ``outlier`` receives what speaks against variants."""
    spectrum = Spectrum.of(r)
    lambda_ = inconsistency(job.z, spectrum, job.n)
    flipped = kriging(job.z, spectrum, job.n, lambda_).flipped()
    lead = dentist_s(job.z, r[job.lead], job.lead)
    outlier[lead.outliers] = AGAINST_LEAD
    outlier[flipped] = FLIPPED
    suspicious = ""
    if len(lead.outliers):
        suspicious = (
            f"{len(lead.outliers)} of {len(lead.in_ld)} variants in LD with the lead have another z than "
            "that makes likely (SLALOM)"
        )
    return {
        "inconsistency": lambda_, "flipped": int(np.size(flipped)), "outliers": len(lead.outliers),
        "suspicious": suspicious,
    }  # fmt: skip
