"""Linear regression: of one design, and of many variables in turn beside the same covariates.

Columns of a design that say nothing which the columns before them do not say are left out, and named: a level
of a category that nobody has is a column of zeros, and the last level of a category is collinear with the
others beside a constant.
"""

from __future__ import annotations

import dataclasses
import enum

import numpy as np
import numpy.typing as npt

from mifm_kipoi.statistics.estimates import Values
from mifm_kipoi.support.packages import needed

Rows = npt.NDArray[np.int64]

Statuses = npt.NDArray[np.object_]
"""Of :class:`FitStatus`."""

COLLINEAR = 1e-7
"""Part of a column (of its standard deviation, beside a constant) that other columns must leave over."""

_CONSTANT = 1e-12
"""Standard deviation, as a part of the mean square, below which a column is constant but for rounding."""


class FitStatus(enum.StrEnum):
    """What became of a regression on a variable."""

    FITTED = "fitted"
    CONSTANT = "constant"
    """The variable has one value."""
    COLLINEAR = "collinear"
    """The covariates determine the variable."""
    TOO_FEW = "too few rows"
    """There are not more rows than coefficients."""
    ONE_CLASS = "one class"
    """Logistic: all rows are cases, or none is."""
    SEPARATED = "separated"
    """Logistic: a combination of columns tells cases from controls, and its coefficient has no bound."""
    NOT_CONVERGED = "not converged"
    """Logistic: the likelihood's maximum was not reached."""


@dataclasses.dataclass(frozen=True)
class Basis:
    """An orthonormal basis of the columns of a design: ``design[:, kept] = q @ triangle``.

    Parameters
    ----------
    q : numpy.ndarray of float64, shape (n, r)
        Orthonormal columns, r the rank of the design.
    triangle : numpy.ndarray of float64, shape (r, r)
        Upper triangular.
    kept : numpy.ndarray of int64, shape (r,)
        Columns of the design that the basis is of, in their order.
    dropped : dict of int to FitStatus
        The other columns: constant ones (beside a constant before them, or zeros), and those that are
        collinear with columns before them.
    columns : int
        Of the design.
    """

    q: Values
    triangle: Values
    kept: Rows
    dropped: dict[int, FitStatus]
    columns: int

    @classmethod
    def of(cls, design: Values) -> Basis:
        """The basis of a design.

        Gram and Schmidt, column by column and each twice, so that what is left out does not depend on the
        columns after it.

        Parameters
        ----------
        design : numpy.ndarray of float64, shape (n, k)
            Finite; a column of ones, where there is one, before the variables.
        """
        size, columns = design.shape
        # Column by column in memory: each is read often.
        q = np.empty((size, min(size, columns)), order="F")
        triangle = np.zeros((columns, columns))
        kept: list[int] = []
        dropped: dict[int, FitStatus] = {}
        has_constant = False
        for number in range(columns):
            column = np.array(design[:, number], dtype=np.float64)
            norm = float(np.sqrt(column @ column))
            mean = float(column.mean()) if size else 0.0
            centred = column - mean
            spread = float(np.sqrt(centred @ centred))
            constant = spread <= _CONSTANT * norm
            if norm == 0 or (constant and has_constant):
                dropped[number] = FitStatus.CONSTANT
                continue
            rank = len(kept)
            # Without the mean, a column such as a year of birth keeps all its digits.
            rest = centred if has_constant else column
            before = q[:, :rank]
            steps = np.zeros(rank)
            for _ in range(2):
                step = before.T @ rest
                rest = rest - before @ step
                steps += step
            left = float(np.sqrt(rest @ rest))
            if rank == size or left <= COLLINEAR * (spread if has_constant else norm):
                dropped[number] = FitStatus.COLLINEAR
                continue
            if has_constant:
                steps += before.T @ np.full(size, mean)
            q[:, rank] = rest / left
            triangle[:rank, rank] = steps
            triangle[rank, rank] = left
            kept.append(number)
            has_constant |= constant
        rank = len(kept)
        return cls(
            np.ascontiguousarray(q[:, :rank]),
            triangle[:rank, :rank],
            np.array(kept, dtype=np.int64),
            dropped,
            columns,
        )

    @property
    def rank(self) -> int:
        """Of the design."""
        return int(self.kept.size)

    def residuals(self, values: Values) -> Values:
        """What the design leaves over of variables.

        Parameters
        ----------
        values : numpy.ndarray of float64, shape (n,) or (n, m)

        Returns
        -------
        numpy.ndarray of float64, of the same shape
        """
        rest = values - self.q @ (self.q.T @ values)
        # Once more: what was left may be much smaller than what was taken away.
        left: Values = rest - self.q @ (self.q.T @ rest)
        return left

    def coefficients(self, values: Values) -> Values:
        """Coefficients of the design's columns in least-squares fits.

        Parameters
        ----------
        values : numpy.ndarray of float64, shape (n,) or (n, m)
            Outcomes.

        Returns
        -------
        numpy.ndarray of float64, shape (k,) or (k, m)
            0 for columns that were left out, so that a product with a design of the same columns predicts.
        """
        coefficients = np.zeros((self.columns, *values.shape[1:]))
        coefficients[self.kept] = np.linalg.solve(self.triangle, self.q.T @ values)
        return coefficients

    def inverse(self) -> Values:
        """``(X'X)^-1`` of the kept columns, shape (r, r)."""
        inverse = np.linalg.inv(self.triangle)
        product: Values = inverse @ inverse.T
        return product

    def variable_statuses(self, variables: Values, residuals: Values) -> Statuses:
        """Whether variables can have a coefficient beside the design.

        Parameters
        ----------
        variables, residuals : numpy.ndarray of float64, shape (n, m)
            And what the design leaves over of them (:meth:`residuals`).

        Returns
        -------
        numpy.ndarray of FitStatus, shape (m,)
            :data:`FitStatus.FITTED`, or why not.
        """
        size = len(variables)
        squares = np.einsum("ij,ij->j", variables, variables)
        centred = squares - size * variables.mean(axis=0) ** 2 if size else squares
        constant = np.zeros(variables.shape[1], dtype=bool)
        # Rounding leaves about 1e-16 of the squares; only then is a second look needed.
        for column in np.flatnonzero(centred <= 1e-9 * squares):
            values = variables[:, column] - variables[:, column].mean()
            centred[column] = values @ values
            constant[column] = np.sqrt(centred[column]) <= _CONSTANT * np.sqrt(squares[column])
        left = np.sqrt(np.einsum("ij,ij->j", residuals, residuals))
        collinear = left <= COLLINEAR * np.sqrt(np.maximum(centred, 0))
        statuses = np.full(variables.shape[1], FitStatus.FITTED, dtype=object)
        statuses[collinear] = FitStatus.COLLINEAR
        statuses[constant] = FitStatus.CONSTANT
        if size <= self.rank + 1:
            statuses[:] = FitStatus.TOO_FEW
        return statuses


@dataclasses.dataclass(frozen=True)
class LinearFit:
    """An ordinary least-squares fit.

    Parameters
    ----------
    coefficients, standard_errors : numpy.ndarray of float64, shape (k,)
        NaN for columns that were left out; standard errors are NaN without degrees of freedom.
    basis : Basis
        Of the design.
    residual_squares, total_squares : float
        Sum of squared residuals, and of squared deviations from the mean of the outcome.
    freedom : int
        Residual degrees of freedom, n - rank.
    """

    coefficients: Values
    standard_errors: Values
    basis: Basis
    residual_squares: float
    total_squares: float
    freedom: int

    @property
    def r_squared(self) -> float:
        """``1 - residual / total`` squares; of a design with a constant."""
        return 1 - self.residual_squares / self.total_squares if self.total_squares > 0 else float("nan")

    @property
    def p_values(self) -> Values:
        """Two-sided, of Student's t, shape (k,); NaN where there is no standard error."""
        student = needed("scipy.stats", "polygenic").t
        with np.errstate(invalid="ignore", divide="ignore"):
            z = np.abs(self.coefficients / self.standard_errors)
        return np.asarray(2 * student.sf(z, max(self.freedom, 1)))


def least_squares(design: Values, outcome: Values) -> LinearFit:
    """Ordinary least squares, of designs of any rank.

    Parameters
    ----------
    design : numpy.ndarray of float64, shape (n, k)
        With a column of ones first, for the intercept.
    outcome : numpy.ndarray of float64, shape (n,)
    """
    basis = Basis.of(design)
    residuals = basis.residuals(outcome)
    squares = float(residuals @ residuals)
    centred = outcome - outcome.mean()
    freedom = len(outcome) - basis.rank
    coefficients, errors = np.full(basis.columns, np.nan), np.full(basis.columns, np.nan)
    coefficients[basis.kept] = basis.coefficients(outcome)[basis.kept]
    if freedom > 0:
        errors[basis.kept] = np.sqrt(np.diag(basis.inverse()) * squares / freedom)
    return LinearFit(coefficients, errors, basis, squares, float(centred @ centred), freedom)


@dataclasses.dataclass(frozen=True)
class LinearFits:
    """Fits of m variables, each alone beside the same covariates; of one outcome or t of them.

    Parameters
    ----------
    slopes, standard_errors : numpy.ndarray of float64, shape (m,) or (m, t)
        Of the variables; NaN without a fit.
    residual_squares : numpy.ndarray of float64, shape (m,) or (m, t)
        Sums of squared residuals; NaN without a fit.
    freedom : int
        Residual degrees of freedom.
    status : numpy.ndarray of FitStatus, shape (m,)
    """

    slopes: Values
    standard_errors: Values
    residual_squares: Values
    freedom: int
    status: Statuses

    @property
    def p_values(self) -> Values:
        """Two-sided, of Student's t; NaN without a fit."""
        student = needed("scipy.stats", "polygenic").t
        with np.errstate(invalid="ignore", divide="ignore"):
            z = np.abs(self.slopes / self.standard_errors)
        return np.asarray(2 * student.sf(z, max(self.freedom, 1)))


def least_squares_each(basis: Basis, variables: Values, outcome: Values) -> LinearFits:
    """Least squares of an outcome on covariates and one more variable, for each of many variables.

    The covariates are projected out once (Frisch, Waugh and Lovell): two matrix products for all variables.

    Parameters
    ----------
    basis : Basis
        Of the covariates, with a constant: ``Basis.of(design)``.
    variables : numpy.ndarray of float64, shape (n, m)
        Finite.
    outcome : numpy.ndarray of float64, shape (n,) or (n, t)
    """
    outcomes = outcome.reshape(len(outcome), -1)
    left, rest = basis.residuals(variables), basis.residuals(outcomes)
    status = basis.variable_statuses(variables, left)
    fitted = status == FitStatus.FITTED
    squares = np.einsum("ij,ij->j", left, left)
    squares[~fitted] = np.nan
    freedom = len(outcome) - basis.rank - 1
    slopes = (left.T @ rest) / squares[:, np.newaxis]
    total = np.einsum("ij,ij->j", rest, rest)
    residual = np.maximum(total - slopes**2 * squares[:, np.newaxis], 0)
    # The difference has no digits left where a variable explains nearly all: there the residuals themselves.
    for variable, trait in np.argwhere(residual < 1e-6 * total):
        values = rest[:, trait] - slopes[variable, trait] * left[:, variable]
        residual[variable, trait] = values @ values
    errors = np.sqrt(residual / max(freedom, 1) / squares[:, np.newaxis])
    shape = (variables.shape[1], *outcome.shape[1:])
    return LinearFits(slopes.reshape(shape), errors.reshape(shape), residual.reshape(shape), freedom, status)
