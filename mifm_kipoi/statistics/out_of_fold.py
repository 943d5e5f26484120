"""Predictions by models that did not see the person: covariates alone, and with each of many scores.

Each split fits, to its training rows, a model of the covariates and one more for each score; the covariates'
part of the work is done once for all scores. Columns that cannot have a coefficient in a training set are
left out there and named: a level that nobody has, one that the columns before determine, and, in logistic
models, one without cases or without controls, whose coefficient has no bound. Test rows of such a level are
predicted as those of the reference level.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Literal

import numpy as np
import numpy.typing as npt

from mifm_kipoi.statistics.estimates import Values
from mifm_kipoi.statistics.explained import log_losses, squared_errors
from mifm_kipoi.statistics.folds import Split
from mifm_kipoi.statistics.linear import Basis, FitStatus, Rows, Statuses
from mifm_kipoi.statistics.regression import logistic_each

Model = Literal["linear", "logistic"]


@dataclasses.dataclass(frozen=True)
class SplitFit:
    """The models of one split, and what they predict for its test rows; m scores.

    Parameters
    ----------
    split : Split
    constant : float
        Prediction without covariates: the mean of the training rows, or the log odds of its cases.
    covariates : numpy.ndarray of float64, shape (t,)
        Predictions by the covariates: values, or log odds. NaN without a fit.
    scores : numpy.ndarray of float64, shape (t, m)
        Predictions with each score; NaN without a fit.
    slopes : numpy.ndarray of float64, shape (m,)
        Coefficient of each score; NaN without a fit.
    covariate_status : FitStatus
    status : numpy.ndarray of FitStatus, shape (m,)
    dropped : dict of int to FitStatus
        Columns of the design that were left out, and why. :data:`FitStatus.ONE_CLASS`: rows with one of the
        two values of the column are all cases, or all controls.
    unseen : int
        Test rows with a value other than the training rows' in a column that was constant there.
    """

    split: Split
    constant: float
    covariates: Values
    scores: Values
    slopes: Values
    covariate_status: FitStatus
    status: Statuses
    dropped: dict[int, FitStatus]
    unseen: int


@dataclasses.dataclass(frozen=True)
class Losses:
    """Losses of test rows: squared errors, or minus log-likelihoods.

    Parameters
    ----------
    constant, covariates : numpy.ndarray of float64, shape (t,)
        Of models without covariates, and with them alone.
    scores : numpy.ndarray of float64, shape (t, m)
        Of models with each score; NaN without a fit.
    """

    constant: Values
    covariates: Values
    scores: Values


@dataclasses.dataclass(frozen=True)
class OutOfFold:
    """All splits together; t counts test rows, each as often as it is in a test set.

    Parameters
    ----------
    outcome : numpy.ndarray of float64, shape (n,)
    model : {"linear", "logistic"}
    fits : list of SplitFit
    """

    outcome: Values
    model: Model
    fits: list[SplitFit]

    @property
    def rows(self) -> Rows:
        """Test rows, shape (t,); of folds, each row once."""
        return np.concatenate([fit.split.test for fit in self.fits])

    @property
    def split(self) -> Rows:
        """Number of the split of each test row, shape (t,)."""
        return np.repeat(np.arange(len(self.fits)), [fit.split.test.size for fit in self.fits])

    @property
    def constant(self) -> Values:
        """Predictions without covariates, shape (t,)."""
        return np.concatenate([np.full(fit.split.test.size, fit.constant) for fit in self.fits])

    @property
    def covariates(self) -> Values:
        """Predictions by the covariates, shape (t,)."""
        return np.concatenate([fit.covariates for fit in self.fits])

    @property
    def scores(self) -> Values:
        """Predictions with each score, shape (t, m)."""
        return np.concatenate([fit.scores for fit in self.fits])

    @property
    def status(self) -> Statuses:
        """Of each score, shape (m,): why its first split without a fit has none."""
        result = self.fits[0].status.copy()
        for fit in self.fits[1:]:
            result = np.where(result == FitStatus.FITTED, fit.status, result)
        return result

    def losses(self) -> Losses:
        """Of all test rows."""
        outcome = self.outcome[self.rows]
        loss = squared_errors if self.model == "linear" else log_losses
        return Losses(*(loss(part, outcome) for part in (self.constant, self.covariates, self.scores)))


def predict_out_of_fold(
    design: Values, scores: Values, outcome: npt.ArrayLike, splits: Sequence[Split], model: Model
) -> OutOfFold:
    """Fit each split's models to its training rows, and predict its test rows.

    Parameters
    ----------
    design : numpy.ndarray of float64, shape (n, k)
        Covariates, a column of ones first; finite.
    scores : numpy.ndarray of float64, shape (n, m)
        Each goes alone beside the covariates; finite.
    outcome : array_like, shape (n,)
        Values; of logistic models, true or 1 for cases.
    splits : sequence of Split
        Of :func:`mifm_kipoi.statistics.folds.k_folds` or
        :func:`~mifm_kipoi.statistics.folds.random_splits`.
    model : {"linear", "logistic"}
        Linear models may have classes as outcome, for R2 on the observed scale and that of liability.

    Returns
    -------
    OutOfFold
    """
    values = np.asarray(outcome, dtype=np.float64)
    fit = _linear if model == "linear" else _logistic
    return OutOfFold(values, model, [fit(design, scores, values, split) for split in splits])


def _linear(design: Values, scores: Values, outcome: Values, split: Split) -> SplitFit:
    y, own = outcome[split.train], scores[split.train]
    basis = Basis.of(design[split.train])
    left = basis.residuals(own)
    status = basis.variable_statuses(own, left)
    squares = np.einsum("ij,ij->j", left, left)
    squares[status != FitStatus.FITTED] = np.nan
    slopes = (left.T @ basis.residuals(y)) / squares
    covariates = basis.coefficients(y)
    test = design[split.test]
    predicted = test @ covariates
    beside = scores[split.test] - test @ basis.coefficients(own)
    return SplitFit(
        split, float(y.mean()), predicted, predicted[:, np.newaxis] + beside * slopes, slopes,
        FitStatus.FITTED, status, basis.dropped, _unseen(design, split, basis.dropped),
    )  # fmt: skip


def _logistic(design: Values, scores: Values, outcome: Values, split: Split) -> SplitFit:
    case = outcome[split.train] > 0
    train, test, size = design[split.train], design[split.test], split.test.size
    dropped = (
        {} if case.all() or not case.any() else dict.fromkeys(of_one_class(train, case), FitStatus.ONE_CLASS)
    )
    kept = np.array([column for column in range(design.shape[1]) if column not in dropped], dtype=np.int64)
    basis = Basis.of(train[:, kept])
    dropped |= {int(kept[column]): reason for column, reason in basis.dropped.items()}
    fits = logistic_each(basis, scores[split.train], case, errors=False)
    odds = case.sum() / max((~case).sum(), np.finfo(float).tiny)
    with np.errstate(divide="ignore"):
        constant = float(np.log(odds))
    predicted = test[:, kept] @ fits.covariates.coefficients
    with_scores = test[:, kept] @ fits.coefficients + scores[split.test] * fits.slopes
    return SplitFit(
        split, constant, predicted, with_scores.reshape(size, -1), fits.slopes, fits.covariates.status,
        fits.status, dropped, _unseen(design, split, dropped),
    )  # fmt: skip


def of_one_class(design: Values, positive: npt.NDArray[np.bool_]) -> list[int]:
    """Columns of two values, such as indicators of levels, one of which has cases only, or controls only.

    Parameters
    ----------
    design : numpy.ndarray of float64, shape (n, k)
    positive : numpy.ndarray of bool, shape (n,)
        Class of each row; both occur.
    """
    low, high = design.min(axis=0), design.max(axis=0)
    result = []
    for column in np.flatnonzero(low < high):
        upper = design[:, column] == high[column]
        if not (upper | (design[:, column] == low[column])).all():
            continue
        cases, all_upper = int((upper & positive).sum()), int(upper.sum())
        others, all_lower = int(positive.sum()) - cases, upper.size - all_upper
        if cases in (0, all_upper) or others in (0, all_lower):
            result.append(int(column))
    return result


def _unseen(design: Values, split: Split, dropped: dict[int, FitStatus]) -> int:
    constant = [column for column, reason in dropped.items() if reason == FitStatus.CONSTANT]
    columns = np.array(constant, dtype=np.int64)
    if not columns.size:
        return 0
    other = design[np.ix_(split.test, columns)] != design[split.train[0], columns]
    return int(other.any(axis=1).sum())
