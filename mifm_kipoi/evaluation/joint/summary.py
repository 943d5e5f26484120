"""Joint effects without people: from summary statistics and the LD of a reference panel, as COJO."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from mifm_kipoi.errors import InputError
from mifm_kipoi.evaluation.joint.candidates import Candidates, effects_of, read_study, variant_keys
from mifm_kipoi.evaluation.joint.clumps import Clump
from mifm_kipoi.evaluation.joint.cohort import Cohort, clump_dosages
from mifm_kipoi.evaluation.joint.models import (
    FilterOptions,
    JointTests,
    Limits,
    correlations_of,
    regressions_of,
)
from mifm_kipoi.evaluation.joint.second import Replicated, fits_of
from mifm_kipoi.genetics.genotypes import Genotypes
from mifm_kipoi.statistics.joint import CrossProducts, summary_products

Values = npt.NDArray[np.float64]

NEEDED = ("beta", "standard_error", "frequency", "sample_size")
"""Numbers of a study that joint effects need."""


def with_effects(candidates: Candidates) -> Candidates:
    """The candidates with all numbers that joint effects need; a trait counts only variants that have them.

    Raises
    ------
    InputError
        When the study of a trait has none.
    """
    effects, notes = {}, list(candidates.notes)
    for trait, own in candidates.effects.items():
        known = np.all([np.isfinite(own[name]) for name in NEEDED], axis=0)
        associated = np.isfinite(own["log_p"]) | np.isneginf(own["log_p"])
        if associated.any() and not (known & associated).any():
            lacking = [name for name in NEEDED if not np.isfinite(own[name][associated]).any()]
            raise InputError(
                f"the study of {trait} has no {' and no '.join(lacking)} of its associated variants, without "
                "which there are no joint effects; --sample-size gives the number of people"
            )
        lost = int((associated & ~known).sum())
        if lost:
            notes.append(f"{lost:,} associated variants of {trait} lack an effect, frequency or sample size")
        effects[trait] = own | {"log_p": np.where(known, own["log_p"], np.nan)}
    return Candidates(candidates.variants, effects, notes)


def regress_panel(
    genotypes: Genotypes,
    candidates: Candidates,
    clumps: Sequence[Clump],
    scores: Mapping[str, Values],
    limits: Mapping[str, Limits],
    options: FilterOptions,
) -> tuple[list[JointTests], list[Values]]:
    """The regressions of all clumps from effects and the correlations of a panel.

    Parameters
    ----------
    genotypes : Genotypes
        Of the panel, all of its founders.
    candidates : Candidates
        With effects (:func:`with_effects`).
    clumps : sequence of Clump
    scores, limits, options
        See :func:`mifm_kipoi.evaluation.joint.models.choose`; limits by trait.

    Returns
    -------
    tested : list of JointTests
        Of each clump.
    correlations : list of numpy.ndarray of float64
        Of the variants of each that are kept.
    """
    founders = np.flatnonzero(genotypes.samples["founder"].to_numpy(dtype=bool))
    rows = candidates.variants["row"].to_numpy(np.int64)
    panel = Cohort(genotypes, founders, {}, [])
    tested: dict[int, tuple[JointTests, Values]] = {}
    for number, dosages in clump_dosages(panel, [rows[clump.members] for clump in clumps]):
        clump, r = clumps[number], correlations_of(dosages)
        own = candidates.effects[clump.trait]
        products = _products(r, {name: own[name][clump.members] for name in NEEDED})
        one = regressions_of(clump, r, products, scores, limits[clump.trait], options)
        tested[number] = one, r[np.ix_(one.kept, one.kept)]
    return [tested[number][0] for number in range(len(clumps))], [
        tested[number][1] for number in range(len(clumps))
    ]


def replicate_studies(
    tables: Mapping[str, Path],
    options: Mapping[str, Any],
    tested: Sequence[JointTests],
    correlations: Sequence[Values],
    variants: pd.DataFrame,
) -> list[Replicated]:
    """The same models from the summary statistics of a second study of each trait.

    Parameters
    ----------
    tables : mapping of str to Path
        By trait.
    options : mapping
        See :func:`mifm_kipoi.evaluation.joint.candidates.read_study`.
    tested : sequence of JointTests
    correlations : sequence of numpy.ndarray of float64
        See :func:`regress_panel`.
    variants : pandas.DataFrame
        The candidates.

    Raises
    ------
    InputError
        When a table cannot be read, or a trait has none.
    """
    key = pd.Index(variant_keys(variants))
    lacking = sorted({one.clump.trait for one in tested} - set(tables))
    if lacking:
        raise InputError(f"there is no second study of {', '.join(lacking)}; give one for each trait")
    studies = {
        trait: effects_of(read_study(path, options, wanted=key)[0], key, variants)
        for trait, path in tables.items()
    }
    found = []
    for one, r in zip(tested, correlations, strict=True):
        own = {name: studies[one.clump.trait][name][one.members] for name in NEEDED}
        present = np.all([np.isfinite(values) for values in own.values()], axis=0)
        products = _spread(
            _products(r[np.ix_(present, present)], {name: values[present] for name, values in own.items()}),
            present,
        )
        found.append(Replicated(present, products, fits_of(one, products), {}))
    return found


def _products(r: Values, numbers: Mapping[str, Values]) -> CrossProducts:
    return summary_products(r, *(numbers[name] for name in NEEDED))


def _spread(products: CrossProducts, present: npt.NDArray[np.bool_]) -> CrossProducts:
    """Cross products with zeros for variables that are absent."""
    size, rows = len(present), np.flatnonzero(present)
    xx, xy, total = np.zeros((size, size)), np.zeros(size), np.zeros(size)
    xx[np.ix_(rows, rows)], xy[rows], total[rows] = products.xx, products.xy, products.total
    dispersion = products.dispersion if len(rows) else 1.0
    return CrossProducts(xx, xy, products.yy, products.freedom, dispersion, total)
