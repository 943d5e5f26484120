"""The regressions of each clump: which variants a filter keeps, and what the joint model says of them."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from mifm_kipoi.association.models import NullModel
from mifm_kipoi.evaluation.joint.clumps import Clump
from mifm_kipoi.evaluation.joint.cohort import Dosages, ExactFit, exact_fit, products_of
from mifm_kipoi.genetics.ld import correlations
from mifm_kipoi.statistics.joint import (
    AddedTest,
    CrossProducts,
    JointFit,
    added_test,
    dependent_sets,
    joint_fit,
    prune,
)

Values = npt.NDArray[np.float64]
Rows = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

ALL = "all"
"""The model of the whole clump."""

BY_P = "p"
"""The filter by p-value."""

LEAD = "lead"
"""The model of the lead variant alone, to which others are compared."""


@dataclasses.dataclass(frozen=True)
class FilterOptions:
    """Which secondary variants filters keep, and which are too much alike.

    Parameters
    ----------
    p_percentile : float
        Secondary variants with p-values below this percentile of all associated variants of the trait.
    score_percentile : float
        Secondary variants with scores above this percentile of them.
    within_clumps : bool
        Keep the same number of each clump by all filters instead: of its secondary variants the fraction that
        ``p_percentile`` says, rounded up.
    prune : float
        Variants of a clump with a higher squared correlation in the people who are tested count as one; 1
        keeps all.
    """

    p_percentile: float = 30.0
    score_percentile: float = 70.0
    within_clumps: bool = False
    prune: float = 0.99


@dataclasses.dataclass(frozen=True)
class Limits:
    """The percentiles of one trait.

    Parameters
    ----------
    log_p : float
        Secondary variants with a lower log p are kept by p.
    scores : dict of str to float
        Those with a higher score are kept by a score; NaN where no associated variant has one.
    """

    log_p: float
    scores: dict[str, float]


def limits_of(clumps: Sequence[Clump], scores: Mapping[str, Values], options: FilterOptions) -> Limits:
    """Percentiles over all associated variants of a trait, the members of its clumps, leads among them.

    Parameters
    ----------
    clumps : sequence of Clump
        Of the trait.
    scores : mapping of str to numpy.ndarray of float64
        Of all candidates.
    options : FilterOptions
    """
    members = np.unique(np.concatenate([clump.members for clump in clumps]))
    log_p = np.concatenate([clump.log_p for clump in clumps])
    above = {}
    for name, values in scores.items():
        own = values[members]
        own = own[~np.isnan(own)]
        above[name] = float(np.percentile(own, options.score_percentile)) if len(own) else float("nan")
    return Limits(float(np.percentile(log_p, options.p_percentile)), above)


@dataclasses.dataclass(frozen=True)
class JointTests:
    """A clump in the people who are tested. Of its m members k are kept, the lead variant first.

    Parameters
    ----------
    clump : Clump
    kept : numpy.ndarray of int64, shape (k,)
        Which members.
    stands_for : numpy.ndarray of int64, shape (m,)
        Of each member the one that is kept in its place.
    r : numpy.ndarray of float64, shape (k,)
        Correlation with the lead variant.
    products : CrossProducts
        Of those kept.
    chosen : dict of str to numpy.ndarray of bool, shape (k,)
        By filter, :data:`ALL` among them: the variants of its model; the lead variant always.
    pool : dict of str to numpy.ndarray of bool, shape (k,)
        By filter: secondary variants that it could have kept, those that have what it looks at.
    fits : dict of str to JointFit
        Of the variants that are chosen, in their order; :data:`LEAD` among them. For a binary trait it is one
        step of logistic regression.
    added : dict of str to AddedTest
        By filter: whether the secondary variants add to the lead variant.
    exact : dict of str to ExactFit
        By filter, for a binary trait of people: fits by maximum likelihood.
    alone : JointFit
        Coefficients, errors and p-values of each kept variant in a regression of its own.
    dependent : list of list of int
        Sets of kept variants that are linearly dependent, though no two are alike; numbers from 0 to k - 1.
    """

    clump: Clump
    kept: Rows
    stands_for: Rows
    r: Values
    products: CrossProducts
    chosen: dict[str, Flags]
    pool: dict[str, Flags]
    fits: dict[str, JointFit]
    added: dict[str, AddedTest]
    exact: dict[str, ExactFit]
    alone: JointFit
    dependent: list[list[int]]

    @property
    def members(self) -> Rows:
        """Rows of the candidates that are kept, shape (k,)."""
        return self.clump.members[self.kept]

    def sets(self) -> list[Rows]:
        """For each kept variant the members that it stands for, itself first."""
        return [
            np.concatenate([[row], np.setdiff1d(np.flatnonzero(self.stands_for == row), [row])]).astype(
                np.int64
            )
            for row in self.kept
        ]


def pruned_members(clump: Clump, r: Values, limit: float) -> tuple[Rows, Rows]:
    """Members that are kept, and which stands for which: the lead variant first, then by rising p-value."""
    order = np.concatenate([[0], 1 + np.argsort(clump.log_p[1:], kind="stable")])
    pruned = prune(r**2, order, limit)
    return pruned.kept, pruned.stands_for


def choose(
    clump: Clump,
    kept: Rows,
    scores: Mapping[str, Values],
    limits: Limits,
    options: FilterOptions,
) -> tuple[dict[str, Flags], dict[str, Flags]]:
    """Which of the kept variants are in the model of each filter, and which could be.

    A variant that stands for others has its own p-value and its own score. What stands for what does not
    depend on scores, and no score on how many a variant stands for; so scores that say nothing keep any of
    the secondary variants with the same chance, as random filters do.

    Parameters
    ----------
    clump : Clump
    kept : numpy.ndarray of int64, shape (k,)
        See :func:`pruned_members`.
    scores : mapping of str to numpy.ndarray of float64
        Of all candidates.
    limits : Limits
        Of the trait.
    options : FilterOptions

    Returns
    -------
    chosen, pool : dict of str to numpy.ndarray of bool, shape (k,)
        See :class:`JointTests`.
    """
    secondary = np.arange(len(kept)) > 0
    chosen, pool = {ALL: np.ones(len(kept), dtype=bool)}, {ALL: secondary}
    few = int(np.ceil(options.p_percentile / 100 * secondary.sum()))
    for name, values, limit in (
        (BY_P, -clump.log_p, -limits.log_p),
        *((name, own[clump.members], limits.scores[name]) for name, own in scores.items()),
    ):
        own = values[kept]
        pool[name] = secondary & ~np.isnan(own)
        if options.within_clumps:
            # Equal values by position, which says nothing of p.
            order = np.lexsort((kept, -np.where(pool[name], own, -np.inf)))[:few]
            keep = np.zeros(len(kept), dtype=bool)
            keep[order] = True
            keep &= pool[name]
        else:
            keep = pool[name] & (own > limit)
        chosen[name] = keep | ~secondary
    return chosen, pool


def regressions_of(
    clump: Clump,
    r: Values,
    products: CrossProducts,
    scores: Mapping[str, Values],
    limits: Limits,
    options: FilterOptions,
) -> JointTests:
    """The regressions of a clump from its cross products.

    Parameters
    ----------
    clump : Clump
    r : numpy.ndarray of float64, shape (m, m)
        Correlations of its members.
    products : CrossProducts
        Of all members.
    scores, limits, options
        See :func:`choose`.
    """
    kept, stands_for = pruned_members(clump, r, options.prune)
    chosen, pool = choose(clump, kept, scores, limits, options)
    own = taken(products, kept)
    fits = {name: joint_fit(own, np.flatnonzero(rows)) for name, rows in chosen.items()}
    fits[LEAD] = joint_fit(own, [0])
    added = {name: added_test(own, [0], np.flatnonzero(rows)[1:]) for name, rows in chosen.items()}
    dependent = dependent_sets(own, np.arange(len(kept))) if fits[ALL].rank < len(kept) else []
    return JointTests(
        clump, kept, stands_for, r[0, kept], own, chosen, pool, fits, added, {}, alone_of(own), dependent
    )  # fmt: skip


def taken(products: CrossProducts, rows: Rows) -> CrossProducts:
    """The cross products of some of the variables."""
    return dataclasses.replace(
        products, xx=products.xx[np.ix_(rows, rows)], xy=products.xy[rows], total=products.total[rows]
    )


def alone_of(products: CrossProducts) -> JointFit:
    """Regressions on one variable each, put together; what is not of one variable is that of the first."""
    each = [joint_fit(products, [row]) for row in range(len(products))]
    return dataclasses.replace(
        each[0],
        coefficients=np.concatenate([fit.coefficients for fit in each]),
        standard_errors=np.concatenate([fit.standard_errors for fit in each]),
        log_p=np.concatenate([fit.log_p for fit in each]),
        vif=np.concatenate([fit.vif for fit in each]),
    )


def regress_clump(
    clump: Clump,
    dosages: Dosages,
    model: NullModel,
    scores: Mapping[str, Values],
    limits: Limits,
    options: FilterOptions,
) -> JointTests:
    """The regressions of a clump in people.

    Parameters
    ----------
    clump : Clump
    dosages : numpy.ndarray of float64, shape (m, n)
        Of its members, without missing values.
    model : NullModel
        Of its trait.
    scores, limits, options
        See :func:`choose`.
    """
    tested = regressions_of(
        clump, correlations_of(dosages[:, model.people]), products_of(model, dosages), scores, limits, options
    )
    return dataclasses.replace(
        tested, exact=exact_fits(model, dosages[tested.kept], tested.chosen, tested.fits)
    )


def exact_fits(
    model: NullModel, dosages: Dosages, chosen: Mapping[str, Flags], fits: Mapping[str, JointFit]
) -> dict[str, ExactFit]:
    """Maximum-likelihood fits of all models of a binary trait; of others none."""
    exact: dict[str, ExactFit] = {}
    if not model.binary:
        return exact
    known: dict[bytes, ExactFit] = {}
    for name, rows in chosen.items():
        key = rows.tobytes()
        if key not in known:
            known[key] = exact_fit(model, dosages[rows], fits[name].estimable)
        exact[name] = known[key]
    return exact


def correlations_of(dosages: Dosages) -> Values:
    """Correlations of variants, shape (m, m); 0 for one that does not vary, but with itself."""
    r = np.nan_to_num(correlations(dosages))
    np.fill_diagonal(r, 1.0)
    return r
