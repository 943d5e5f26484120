"""The statistics of many variants, each alone beside the covariates, with several traits in one pass.

With a variant's genotypes g, and of a :class:`~mifm_kipoi.association.models.NullModel` the weights w, the
residuals r and the orthonormal covariates Q, all sums over the people who have the genotype::

    a = Q' diag(w) g,  b = Q' r,  A = Q' diag(w) Q
    U = g' r - a' A^-1 b,  V = g' diag(w) g - a' A^-1 a

By the theorem of Frisch, Waugh and Lovell, ``beta = U / V`` is the coefficient of the variant in the linear
regression on all covariates, and ``r' r - b' A^-1 b - U^2 / V`` its residual sum of squares. In a logistic
model ``U / sqrt(V)`` is the score test, ``U / V`` one step of Newton's method from no effect, and
``1 / sqrt(V)`` its standard error.

Where nobody lacks the genotype, A is the identity and b is 0: two products of matrices give all sums of a
block of variants and all traits. What the people without a genotype contribute is taken off, variant by
variant. Linear regressions are therefore those of the people with the genotype, to rounding. Score tests take
the weights and residuals of the model of all people, with one step of Newton's method to those with the
genotype.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from mifm_kipoi.association.models import Flags, NullModel
from mifm_kipoi.statistics.estimates import Values
from mifm_kipoi.statistics.normal import log_p_of_z
from mifm_kipoi.statistics.student import log_p_of_t

Dosages = npt.NDArray[np.float32]
Counts = npt.NDArray[np.int64]

ALIKE = 1e-8
"""A variant of whose variance covariates leave less than this has no estimate."""

_CONSTANT = 1e-12
"""A variant whose centred sum of squares is less than this, of its sum of squares, does not vary."""

WHOLLY = 1e-12
"""The fraction of a trait's variance, given the covariates, that least squares cannot tell from nothing.

A variant that leaves less has the standard error and p-value of one that leaves this: upper bounds."""

_VARIANTS, _PEOPLE = 128, 1024
"""Genotypes that are in the cache of a processor while they are used: 1 MiB."""

_ENOUGH_LEFT = 0.9
"""Where people without a genotype have less than this of the leverage of the covariates, A has full rank."""

_RANK = 1e-9
"""Eigenvalues of A below this are of covariates that vary among people without the genotype alone."""


@dataclasses.dataclass(frozen=True)
class Genotyped:
    """What the genotypes of a block are, without any trait; arrays have shape (variants,).

    Parameters
    ----------
    people : int
        Who was read.
    observed : numpy.ndarray of int64
        People with a genotype.
    total, squares : numpy.ndarray of float64
        Sums of the dosages, and of their squares, over these.
    """

    people: int
    observed: Counts
    total: Values
    squares: Values

    @property
    def frequency(self) -> Values:
        """Of the counted allele; NaN where nobody has a genotype."""
        with np.errstate(invalid="ignore"):
            return self.total / (2 * self.observed)


@dataclasses.dataclass(frozen=True)
class Associations:
    """Estimates of one trait; arrays have shape (variants,).

    Parameters
    ----------
    beta, standard_error : numpy.ndarray of float64
        Of one copy of the counted allele: units of the trait, or the log odds ratio. NaN where there is none.
    statistic : numpy.ndarray of float64
        Student's t of a linear regression, z of a score test.
    log_p : numpy.ndarray of float64
        Natural logarithm of the two-sided p-value.
    observed : numpy.ndarray of int64
        People with trait, covariates and genotype.
    cases : numpy.ndarray of int64
        Cases among them; 0 of a quantitative trait.
    frequency : numpy.ndarray of float64
        Of the counted allele among them; NaN without any.
    freedom : numpy.ndarray of int64
        Degrees of freedom of t; 0 for z.
    """

    beta: Values
    standard_error: Values
    statistic: Values
    log_p: Values
    observed: Counts
    cases: Counts
    frequency: Values
    freedom: Counts

    def __len__(self) -> int:
        return len(self.beta)

    @property
    def explains_wholly(self) -> Flags:
        """Which variants leave nothing of the trait (:data:`WHOLLY`)."""
        with np.errstate(invalid="ignore"):
            return (self.freedom > 0) & (self.statistic**2 * WHOLLY >= self.freedom * (1 - 1e-6))

    def take(self, rows: Flags) -> Associations:
        """Those of some variants, by a mask."""
        return Associations(*(getattr(self, field.name)[rows] for field in dataclasses.fields(self)))


class Scan:
    """Tests blocks of variants with all models; its method can be called from several threads.

    Parameters
    ----------
    models : sequence of NullModel
        One or more, over the same n people.
    """

    def __init__(self, models: Sequence[NullModel]) -> None:
        self._models = list(models)
        self._people = len(models[0].people)
        # Linear models of the same people share weights and covariates.
        designs: dict[tuple[bytes, bytes], int] = {}
        self._designs: list[_Design] = []
        self._design_of: list[int] = []
        for number, model in enumerate(models):
            own = str(number).encode() if model.binary else model.design.tobytes()
            key = (model.people.tobytes(), own)
            if key not in designs:
                designs[key] = len(self._designs)
                self._designs.append(_Design(model))
            self._design_of.append(designs[key])
        everyone = np.ones((self._people, 1))
        linear = [everyone, *(one.scaled for one in self._designs), *(one.flags for one in self._designs)]
        self._residuals = [_over_all(model, model.residuals) for model in models]
        self._columns = np.column_stack([*linear, *self._residuals])
        self._squares = np.column_stack([everyone, *(one.weights for one in self._designs)])
        self._case = [_over_all(model, model.trait > 0) if model.binary else None for model in models]

    def test(self, dosages: Dosages) -> tuple[Genotyped, list[Associations]]:
        """Test variants.

        Parameters
        ----------
        dosages : numpy.ndarray of float32, shape (variants, n)
            Copies of the counted allele of each variant, 0 to 2; NaN where missing.

        Returns
        -------
        genotyped : Genotyped
        associations : list of Associations
            One a model.
        """
        products, squares, missing = self._products(dosages)
        observed = self._people - np.bincount(missing[0], minlength=len(dosages))
        genotyped = Genotyped(self._people, observed, products[:, 0], squares[:, 0])
        associations = []
        lost = _lost(missing, len(dosages))
        first = 1
        sums = []
        for number, design in enumerate(self._designs):
            width = design.scaled.shape[1]
            flag = 1 + sum(one.scaled.shape[1] for one in self._designs) + number
            own = _Sums(design, products[:, first : first + width], squares[:, 1 + number], products[:, flag])
            sums.append(own.with_missing(lost))
            first += width
        first += len(self._designs)
        for number, model in enumerate(self._models):
            own = sums[self._design_of[number]]
            score, left, cases = own.efficient(
                products[:, first + number], self._residuals[number], self._case[number], lost
            )
            associations.append(_associations(model, own, score, left, cases))
        return genotyped, associations

    def _products(self, dosages: Dosages) -> tuple[Values, Values, tuple[Counts, Counts]]:
        """Dosages times columns, their squares times weights, and (variant, person) of what is missing."""
        variants = len(dosages)
        products = np.zeros((variants, self._columns.shape[1]))
        squares = np.zeros((variants, self._squares.shape[1]))
        holes: list[tuple[Counts, Counts]] = []
        buffer = np.empty((min(variants, _VARIANTS), min(self._people, _PEOPLE)))
        for top in range(0, variants, _VARIANTS):
            rows = slice(top, min(top + _VARIANTS, variants))
            for left in range(0, self._people, _PEOPLE):
                columns = slice(left, min(left + _PEOPLE, self._people))
                part = buffer[: rows.stop - top, : columns.stop - left]
                np.copyto(part, dosages[rows, columns])
                absent = np.isnan(part)
                if absent.any():
                    part[absent] = 0.0
                    variant, person = np.nonzero(absent)
                    holes.append((variant + top, person + left))
                products[rows] += part @ self._columns[columns]
                np.multiply(part, part, out=part)
                squares[rows] += part @ self._squares[columns]
        if not holes:
            nothing = np.zeros(0, dtype=np.int64)
            return products, squares, (nothing, nothing)
        variant, person = (np.concatenate(each) for each in zip(*holes, strict=True))
        return products, squares, (variant, person)


class _Design:
    """Covariates and weights as columns over all n people: 0 for those who are not in the model."""

    def __init__(self, model: NullModel) -> None:
        self.binary = model.binary
        self.size = model.size
        self.columns = model.columns
        self.basis = _over_all(model, model.basis)
        self.weights = _over_all(model, model.weights)
        self.scaled = self.basis * self.weights[:, np.newaxis]
        self.flags = model.people.astype(np.float64)


class _Sums:
    """The sums of a block that a design has, whatever the trait."""

    def __init__(self, design: _Design, explained: Values, squares: Values, total: Values) -> None:
        variants = len(explained)
        self.design = design
        self.explained = explained
        self.squares = squares
        self.total = total
        self.observed = np.full(variants, design.size, dtype=np.int64)
        self.columns = np.full(variants, design.columns, dtype=np.int64)
        self.solved = explained
        self.inverse: dict[int, Values] = {}

    def with_missing(self, lost: dict[int, Counts]) -> _Sums:
        """These, with A of the variants that people lack."""
        if lost:
            self.solved = self.explained.copy()
        for variant, people in lost.items():
            own = people[self.design.flags[people] > 0]
            if not len(own):
                continue
            self.observed[variant] -= len(own)
            basis = self.design.basis[own]
            matrix = np.eye(self.design.columns) - self.design.scaled[own].T @ basis
            inverse, rank = _inverse(matrix)
            self.inverse[variant] = inverse
            self.columns[variant] = rank
            self.solved[variant] = inverse @ self.explained[variant]
        return self

    def efficient(
        self,
        products: Values,
        residuals: Values,
        case: Values | None,
        lost: dict[int, Counts],
    ) -> tuple[Values, _Left, Counts]:
        """U of a trait, what covariates leave of trait and variants, and cases with a genotype."""
        variance = self.squares - np.einsum("ij,ij->i", self.explained, self.solved)
        score = products.copy()
        trait = np.full(len(products), float(residuals @ residuals))
        cases = np.full(len(products), 0 if case is None else int(case.sum()), dtype=np.int64)
        for variant, inverse in self.inverse.items():
            own = lost[variant]
            beyond = -(self.design.basis[own].T @ residuals[own])
            score[variant] -= self.solved[variant] @ beyond
            trait[variant] += -(residuals[own] @ residuals[own]) - beyond @ inverse @ beyond
            if case is not None:
                cases[variant] -= int(case[own].sum())
        # Among those with the genotype it can follow from the covariates, but for rounding.
        trait[trait <= _CONSTANT * float(residuals @ residuals)] = 0.0
        return score, _Left(variance, trait), cases


@dataclasses.dataclass(frozen=True)
class _Left:
    """What covariates leave: V of variants, and the sum of squares of the trait, shape (variants,).

    The latter is 0 where the trait follows from the covariates among those with the genotype.
    """

    variance: Values
    trait: Values


def _associations(model: NullModel, sums: _Sums, score: Values, left: _Left, cases: Counts) -> Associations:
    observed = sums.observed
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = sums.total / observed
        # Of the unweighted genotypes for a linear model; a bound of the same size for a logistic one.
        spread = sums.squares - (0 if model.binary else sums.total * mean)
        varies = (left.variance > ALIKE * spread) & (spread > _CONSTANT * sums.squares)
        freedom = observed - sums.columns - 1
        varies &= freedom > 0
        variance = np.where(varies, left.variance, np.nan)
        beta = score / variance
        if model.binary:
            # Cases or controls can be missing among those with the genotype.
            beta = np.where((cases > 0) & (cases < observed), beta, np.nan)
            error = np.where(np.isnan(beta), np.nan, 1 / np.sqrt(variance))
        else:
            beta = np.where(left.trait > 0, beta, np.nan)
            residual = np.maximum(left.trait - score * beta, WHOLLY * left.trait)
            error = np.sqrt(residual / freedom / variance)
        statistic = beta / error
    log_p = log_p_of_z(statistic) if model.binary else log_p_of_t(statistic, freedom)
    return Associations(
        beta, error, statistic, log_p, observed, cases, mean / 2,
        np.zeros_like(freedom) if model.binary else freedom,
    )  # fmt: skip


def _inverse(matrix: Values) -> tuple[Values, int]:
    """The inverse of A and its rank; where covariates vary among missing people alone, the pseudo-inverse."""
    if np.trace(matrix) > len(matrix) - _ENOUGH_LEFT:
        return np.asarray(np.linalg.inv(matrix)), len(matrix)
    values, vectors = np.linalg.eigh(matrix)
    kept = values > _RANK
    return (vectors[:, kept] / values[kept]) @ vectors[:, kept].T, int(kept.sum())


def _lost(missing: tuple[Counts, Counts], variants: int) -> dict[int, Counts]:
    """The people without a genotype, by variant."""
    variant, person = missing
    if not len(variant):
        return {}
    order = np.argsort(variant, kind="stable")
    counts = np.bincount(variant, minlength=variants)
    some = np.flatnonzero(counts)
    return dict(zip(some.tolist(), np.split(person[order], np.cumsum(counts[some])[:-1]), strict=True))


def _over_all(model: NullModel, values: Values | Flags) -> Values:
    """Values of the people of a model, 0 for all others: (m, ...) -> (n, ...)."""
    full = np.zeros((len(model.people), *values.shape[1:]))
    full[model.people] = values
    return full
