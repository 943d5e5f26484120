"""People with traits and genotypes: their models without variants, and the dosages of clumps in one pass."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from mifm_kipoi.association.models import NullModel, linear_model, logistic_model
from mifm_kipoi.errors import InputError
from mifm_kipoi.genetics.genotypes import Genotypes
from mifm_kipoi.genetics.people import Aligned
from mifm_kipoi.statistics.joint import CrossProducts, linear_products, score_products
from mifm_kipoi.statistics.linear import FitStatus
from mifm_kipoi.statistics.regression import logistic_wald

Values = npt.NDArray[np.float64]
Rows = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]
Dosages = npt.NDArray[np.float64]
"""Of clumps, without missing values."""


@dataclasses.dataclass(frozen=True)
class Cohort:
    """People whose genotypes are read, and the models of their traits.

    Parameters
    ----------
    genotypes : Genotypes
    samples : numpy.ndarray of int64, shape (n,)
        Rows of the genotypes' samples.
    models : dict of str to NullModel
        By trait; ``people`` of each is a mask over ``samples``.
    notes : list of str
        What covariates lost, in words.
    """

    genotypes: Genotypes
    samples: Rows
    models: dict[str, NullModel]
    notes: list[str]

    @property
    def analysed(self) -> Rows:
        """Rows of the samples who have all covariates and at least one trait."""
        return self.samples[np.any([model.people for model in self.models.values()], axis=0)]


def cohort_of(
    genotypes: Genotypes, aligned: Aligned, traits: Sequence[str], who: str, part: Flags | None = None
) -> Cohort:
    """The people of a sample, or of a part of it, with their models.

    Parameters
    ----------
    genotypes : Genotypes
    aligned : Aligned
        People with these genotypes.
    traits : sequence of str
    who : str
        Names the people in messages.
    part : numpy.ndarray of bool, shape (n,), optional
        Who of ``aligned``; by default all.

    Raises
    ------
    InputError
        When a trait cannot be modelled in these people; the message says why.
    """
    part = np.ones(len(aligned.people), dtype=bool) if part is None else part
    people, samples = aligned.people.take(part), aligned.samples[part]
    complete = people.complete()
    if not complete.any():
        raise InputError(
            f"none of the {len(people):,} {who} has all covariates; expected those of most people"
        )
    models, notes = {}, []
    for name in traits:
        trait = people.traits[name]
        own = trait.known & complete
        if not own.any():
            raise InputError(
                f"the trait {name} is not known of any of the {len(people):,} {who} with covariates"
            )
        design = people.design(own)
        notes += [f"{name}, {who}: no column for {one}" for one in design.dropped]
        model = logistic_model if trait.binary else linear_model
        try:
            models[name] = model(name, own, trait.values[own], design.matrix)
        except InputError as error:
            raise InputError(f"{who}: {error}") from error
    return Cohort(genotypes, samples, models, list(dict.fromkeys(notes)))


def halves(people: int, seed: int) -> Flags:
    """A random half of people, bool, shape (people,); of an odd number, the smaller half."""
    chosen = np.zeros(people, dtype=bool)
    chosen[np.random.default_rng([seed, 0]).permutation(people)[: people // 2]] = True
    return chosen


def clump_dosages(cohort: Cohort, clumps: Sequence[Rows]) -> Iterator[tuple[int, Dosages]]:
    """The genotypes of clumps, in one pass over the files, each held as long as it is needed.

    Parameters
    ----------
    cohort : Cohort
        Whose genotypes.
    clumps : sequence of numpy.ndarray of int64
        Rows of the genotypes of each clump.

    Yields
    ------
    number : int
        Of a clump; as soon as all of it has been read.
    dosages : numpy.ndarray of float64, shape (len(clumps[number]), n)
        The mean of the others where a genotype is missing.
    """
    order = sorted((int(rows.max()), number) for number, rows in enumerate(clumps) if len(rows))
    # The last clump in this order that needs a variant.
    last: dict[int, int] = {}
    for place, (_, number) in enumerate(order):
        last.update(dict.fromkeys(clumps[number].tolist(), place))
    if not last:
        return
    wanted = np.array(sorted(last))
    held: dict[int, npt.NDArray[np.float32]] = {}
    done = 0
    for block in cohort.genotypes.blocks(
        lambda chunk: np.isin(chunk["row"].to_numpy(), wanted), cohort.samples
    ):
        rows = block.variants["row"].tolist()
        held.update(zip(rows, block.dosages, strict=True))
        while done < len(order) and order[done][0] <= rows[-1]:
            number = order[done][1]
            yield number, without_missing(np.stack([held[row] for row in clumps[number].tolist()]))
            for row in clumps[number].tolist():
                if last[row] == done:
                    del held[row]
            done += 1


def without_missing(dosages: npt.NDArray[np.float32]) -> Dosages:
    """Dosages with the mean of a variant where one is missing; 0 where all are. Shape (variants, n)."""
    full = dosages.astype(np.float64)
    missing = np.isnan(full)
    if missing.any():
        known = np.maximum((~missing).sum(axis=1), 1)
        full[missing] = 0.0
        full[missing] = np.broadcast_to((full.sum(axis=1) / known)[:, np.newaxis], full.shape)[missing]
    return full


def products_of(model: NullModel, dosages: Dosages) -> CrossProducts:
    """What regressions of a trait on variants need: one step of logistic regression for a binary one.

    Parameters
    ----------
    model : NullModel
    dosages : numpy.ndarray of float64, shape (m, n)
        Of all people of the cohort.
    """
    own = dosages[:, model.people]
    if not model.binary:
        return linear_products(own, model.basis, model.trait)
    basis = model.basis * np.sqrt(model.weights)[:, np.newaxis]
    return score_products(own, model.weights, basis, model.residuals)


@dataclasses.dataclass(frozen=True)
class ExactFit:
    """A logistic regression on variants and covariates by maximum likelihood; arrays have the shape (k,).

    Parameters
    ----------
    coefficients, standard_errors : numpy.ndarray of float64
        Log odds ratios of one copy; NaN where there is none.
    status : str
        ``fitted``, or why there is none.
    """

    coefficients: Values
    standard_errors: Values
    status: str


def exact_fit(model: NullModel, dosages: Dosages, estimable: Flags) -> ExactFit:
    """Fit a logistic regression.

    Parameters
    ----------
    model : NullModel
        Of a binary trait.
    dosages : numpy.ndarray of float64, shape (k, n)
        Of all people of the cohort.
    estimable : numpy.ndarray of bool, shape (k,)
        Variants whose effects the data determine; of the others as many are fitted as are independent.

    Returns
    -------
    ExactFit
    """
    own = dosages[:, model.people]
    # Those that are determined come first, so that the others cannot take their place.
    order = np.concatenate([np.flatnonzero(estimable), np.flatnonzero(~estimable)])
    left = own - (own @ model.basis) @ (model.basis * model.weights[:, np.newaxis]).T
    independent = _independent(left[order])
    used = order[independent]
    fit = logistic_wald(np.column_stack([own[used].T, model.design]), model.trait > 0)
    coefficients, errors = np.full(len(own), np.nan), np.full(len(own), np.nan)
    if fit.status == FitStatus.FITTED:
        coefficients[used], errors[used] = (
            each[: len(used)] for each in (fit.coefficients, fit.standard_errors)
        )
    coefficients[~estimable], errors[~estimable] = np.nan, np.nan
    return ExactFit(coefficients, errors, str(fit.status))


def _independent(variables: Values) -> Flags:
    """Which rows are not combinations of those before them: (k, n) -> (k,)."""
    kept = np.empty((0, variables.shape[1]))
    flags = np.zeros(len(variables), dtype=bool)
    for row, values in enumerate(variables):
        size = np.linalg.norm(values)
        rest = values - (kept @ values) @ kept
        rest -= (kept @ rest) @ kept
        left = np.linalg.norm(rest)
        if size > 0 and left > 1e-6 * size:
            flags[row] = True
            kept = np.vstack([kept, rest / left])
    return flags
