"""Maximum-likelihood logistic regression of the variants that are worth it, and Firth's where it fails."""

from __future__ import annotations

import dataclasses

import numpy as np
import numpy.typing as npt

from mifm_kipoi.association.models import NullModel
from mifm_kipoi.association.scan import Associations, Counts, Dosages
from mifm_kipoi.statistics.linear import FitStatus
from mifm_kipoi.statistics.normal import log_p_of_z
from mifm_kipoi.statistics.regression import firth, logistic_wald

LINEAR, SCORE, LOGISTIC, FIRTH = "linear", "score", "logistic", "firth"
"""What gave the numbers of a row: least squares, a score test with one step, maximum likelihood, Firth."""


_SURE = 1e-12
"""A probability this near to 0 or 1 has a logit of 28, which is enough to begin with."""


def with_exact_fits(
    model: NullModel, found: Associations, dosages: Dosages, rows: Counts
) -> tuple[Associations, npt.NDArray[np.object_]]:
    """Associations in which some variants have the estimates of the whole logistic regression.

    Each is a fit of its own, on the people with the genotype: maximum likelihood, with Wald's test. Where it
    has no finite maximum, as where all carriers are cases, it is Firth's penalised likelihood (1993,
    Biometrika 80:27; Heinze and Schemper 2002, Stat Med 21:2409), with Wald's test as well. A variant for
    which neither converges keeps its score test.

    Parameters
    ----------
    model : NullModel
        Of a binary trait.
    found : Associations
        Of the variants of a block with this trait.
    dosages : numpy.ndarray of float32, shape (variants, n)
        Their genotypes.
    rows : numpy.ndarray of int64
        0-based: the variants to fit, whose statistic is known.

    Returns
    -------
    associations : Associations
        z of Wald's test is the statistic of what was fitted.
    fit : numpy.ndarray of object, shape (variants,)
        :data:`SCORE`, :data:`LOGISTIC` or :data:`FIRTH`.

    Raises
    ------
    MissingPackageError
        When scipy is not installed.
    """
    fit = np.full(len(found), SCORE, dtype=object)
    beta, error = found.beta.copy(), found.standard_error.copy()
    # Near the estimates of any variant, since one has a small effect beside the covariates.
    mu = np.clip(model.trait - model.residuals, _SURE, 1 - _SURE)
    start, *_ = np.linalg.lstsq(model.design, np.log(mu / (1 - mu)), rcond=None)
    case = model.trait > 0
    for row in rows.tolist():
        genotype = dosages[row, model.people].astype(np.float64)
        some = ~np.isnan(genotype)
        design = np.column_stack([model.design, genotype])[some]
        one = logistic_wald(design, case[some], np.append(start, found.beta[row]))
        name = LOGISTIC
        if one.status != FitStatus.FITTED:
            one, name = firth(design, case[some], np.append(start, 0.0)), FIRTH
        if one.status == FitStatus.FITTED:
            beta[row], error[row], fit[row] = one.coefficients[-1], one.standard_errors[-1], name
    statistic = np.where(fit == SCORE, found.statistic, beta / error)
    log_p = np.where(fit == SCORE, found.log_p, log_p_of_z(statistic))
    exact = dataclasses.replace(found, beta=beta, standard_error=error, statistic=statistic, log_p=log_p)
    return exact, fit
