"""Traits with the regression on covariates alone: what is known before any variant is read.

A linear and a logistic model give the same things for each person (:class:`NullModel`): a weight, a residual,
and covariates that are orthonormal under the weights. From these and a variant's genotypes follow all its
statistics (:mod:`mifm_kipoi.association.scan`).
"""

from __future__ import annotations

import dataclasses

import numpy as np
import numpy.typing as npt

from mifm_kipoi.errors import InputError
from mifm_kipoi.statistics.estimates import Values
from mifm_kipoi.statistics.regression import logistic

Flags = npt.NDArray[np.bool_]

_NOTHING_LEFT = 1e-9
"""A trait of whose length covariates leave less than this is a combination of them."""


@dataclasses.dataclass(frozen=True)
class NullModel:
    """A trait given its covariates, without a variant.

    Parameters
    ----------
    name : str
        Of the trait.
    binary : bool
        Logistic regression of a trait with cases and controls; linear regression of any other.
    people : numpy.ndarray of bool, shape (n,)
        Who is in the model: those with the trait and all covariates. What follows has a row for each of these
        m people, in their order.
    trait : numpy.ndarray of float64, shape (m,)
        The trait; of a binary one, 1 for cases and 0 for controls.
    design : numpy.ndarray of float64, shape (m, k)
        Covariates, the intercept among them.
    weights : numpy.ndarray of float64, shape (m,)
        w: 1 of a linear model; mu (1 - mu) of a logistic one, which gives a person the probability mu.
    basis : numpy.ndarray of float64, shape (m, k)
        Q: it spans the covariates, and ``Q' diag(w) Q`` is the identity matrix.
    residuals : numpy.ndarray of float64, shape (m,)
        r: the trait less its expectation; ``Q' r`` is 0.
    """

    name: str
    binary: bool
    people: Flags
    trait: Values
    design: Values
    weights: Values
    basis: Values
    residuals: Values

    @property
    def size(self) -> int:
        """People in the model."""
        return len(self.trait)

    @property
    def cases(self) -> int:
        """Cases of a binary trait."""
        return int(self.trait.sum()) if self.binary else 0

    @property
    def columns(self) -> int:
        """Columns of the design, the intercept among them."""
        return int(self.design.shape[1])


def linear_model(name: str, people: Flags, trait: Values, design: Values) -> NullModel:
    """The linear regression of a trait on its covariates.

    Parameters
    ----------
    name : str
        Of the trait.
    people : numpy.ndarray of bool, shape (n,)
        The m people of the model.
    trait : numpy.ndarray of float64, shape (m,)
        Without missing values.
    design : numpy.ndarray of float64, shape (m, k)
        Covariates with an intercept, of full rank.

    Raises
    ------
    InputError
        When nobody is left to estimate from, or covariates leave nothing of the trait.
    """
    _require_people(name, *design.shape)
    basis, _ = np.linalg.qr(design)
    residuals = trait - basis @ (basis.T @ trait)
    residuals -= basis @ (basis.T @ residuals)
    if np.linalg.norm(residuals) <= _NOTHING_LEFT * np.linalg.norm(trait):
        raise InputError(
            f"the trait {name} is constant, or a combination of its covariates, in the {len(trait):,} people "
            "who have both; expected a trait that varies given them"
        )
    return NullModel(name, False, people, trait, design, np.ones(len(trait)), basis, residuals)


def logistic_model(name: str, people: Flags, trait: Values, design: Values) -> NullModel:
    """The logistic regression of a trait on its covariates.

    Parameters
    ----------
    name : str
        Of the trait.
    people : numpy.ndarray of bool, shape (n,)
        The m people of the model.
    trait : numpy.ndarray of float64, shape (m,)
        1 for cases, 0 for controls.
    design : numpy.ndarray of float64, shape (m, k)
        Covariates with an intercept, of full rank.

    Raises
    ------
    InputError
        When there are no cases or no controls, nobody is left to estimate from, or covariates tell cases
        from controls.
    """
    _require_people(name, *design.shape)
    cases = int(trait.sum())
    if cases in (0, len(trait)):
        lacking = "controls" if cases else "cases"
        raise InputError(
            f"the trait {name} has no {lacking} among the {len(trait):,} people who have it and all "
            "covariates; expected some of both"
        )
    # Columns of one length: Newton's method in units of the user would meet badly conditioned Hessians.
    scaled = np.linalg.qr(design)[0] * np.sqrt(len(design))
    fit = logistic(scaled, trait > 0)
    if not np.isfinite(fit.coefficients).all():
        raise InputError(
            f"covariates tell the {cases:,} cases of {name} from its {len(trait) - cases:,} controls, so "
            "that the logistic regression on them has no finite estimates; leave out covariates, or levels, "
            "in which all people are cases or all are controls"
        )
    expected = 1 / (1 + np.exp(-(scaled @ fit.coefficients)))
    weights = expected * (1 - expected)
    # By the triangle, not by dividing by weights, which may be 0 but for rounding.
    _, triangle = np.linalg.qr(np.sqrt(weights)[:, np.newaxis] * scaled)
    basis = np.linalg.solve(triangle.T, scaled.T).T
    return NullModel(name, True, people, trait, design, weights, basis, trait - expected)


def _require_people(name: str, people: int, columns: int) -> None:
    if people < columns + 2:
        raise InputError(
            f"the trait {name} has {people:,} people with all covariates, which have {columns} columns with "
            f"the intercept; expected at least {columns + 2} people"
        )
