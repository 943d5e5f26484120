"""The same regressions in a second sample."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from mifm_kipoi.evaluation.joint.candidates import genotyped, variant_keys
from mifm_kipoi.evaluation.joint.cohort import Cohort, Dosages, ExactFit, clump_dosages, products_of
from mifm_kipoi.evaluation.joint.models import JointTests, exact_fits
from mifm_kipoi.genetics.genotypes import Genotypes
from mifm_kipoi.statistics.joint import CrossProducts, JointFit, joint_fit

Values = npt.NDArray[np.float64]
Rows = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]


@dataclasses.dataclass(frozen=True)
class Replicated:
    """The models of a clump in the second sample, with the alleles of the first.

    Parameters
    ----------
    present : numpy.ndarray of bool, shape (k,)
        Which of the kept variants the second sample has; models there are without the others.
    products : CrossProducts
        Of the kept variants; zeros for those that are absent.
    fits : dict of str to JointFit
        As :attr:`mifm_kipoi.evaluation.joint.models.JointTests.fits`.
    exact : dict of str to ExactFit
    """

    present: Flags
    products: CrossProducts
    fits: dict[str, JointFit]
    exact: dict[str, ExactFit]


def located(genotypes: Genotypes, variants: pd.DataFrame) -> tuple[Rows, Flags]:
    """Where variants of the first sample are in the second.

    Parameters
    ----------
    genotypes : Genotypes
        Of the second sample.
    variants : pandas.DataFrame, n rows
        Of the first.

    Returns
    -------
    rows : numpy.ndarray of int64, shape (n,)
        Of the genotypes; -1 where a variant is absent.
    swapped : numpy.ndarray of bool, shape (n,)
        Where they count the other allele.
    """
    keys = pd.Index(variant_keys(variants))
    own = genotyped(genotypes, keys)
    places = pd.Index(variant_keys(own)).get_indexer(keys)
    rows = np.where(places >= 0, own["row"].to_numpy(np.int64)[places] if len(own) else -1, -1)
    counted = own["counted"].to_numpy(object)[places] if len(own) else np.full(len(keys), "", dtype=object)
    return rows.astype(np.int64), (places >= 0) & (counted != variants["counted"].to_numpy(object))


def replicate_people(
    cohort: Cohort, tested: Sequence[JointTests], variants: pd.DataFrame, on_progress: Callable[[str], None]
) -> list[Replicated]:
    """Fit all models in the people of a second sample.

    Parameters
    ----------
    cohort : Cohort
        The second sample.
    tested : sequence of JointTests
        Clumps of the first.
    variants : pandas.DataFrame
        The candidates.
    on_progress : callable
        Gets a line of text at the end.

    Returns
    -------
    list of Replicated
        Of each clump.
    """
    rows, swapped = located(cohort.genotypes, variants)
    found: dict[int, Replicated] = {}
    present = [rows[one.members] >= 0 for one in tested]
    wanted = [rows[one.members][own] for one, own in zip(tested, present, strict=True)]
    size = len(cohort.samples)
    for number, dosages in clump_dosages(cohort, wanted):
        found[number] = _replicated(cohort, tested[number], present[number], swapped, dosages)
    for number, one in enumerate(tested):
        if number not in found:
            nothing = np.zeros((0, size))
            found[number] = _replicated(cohort, one, present[number], swapped, nothing)
    absent = int((rows < 0).sum())
    on_progress(
        f"second sample: {size:,} people"
        + (f"; {absent:,} of {len(rows):,} variants are absent" if absent else "")
    )
    return [found[number] for number in range(len(tested))]


def _replicated(
    cohort: Cohort, one: JointTests, present: Flags, swapped: Flags, dosages: Dosages
) -> Replicated:
    every = np.zeros((len(present), dosages.shape[1]))
    every[present] = np.where(swapped[one.members][present][:, np.newaxis], 2 - dosages, dosages)
    model = cohort.models[one.clump.trait]
    products = products_of(model, every)
    fits = fits_of(one, products)
    return Replicated(present, products, fits, exact_fits(model, every, one.chosen, fits))


def fits_of(one: JointTests, products: CrossProducts) -> dict[str, JointFit]:
    """The models of a clump by other cross products."""
    return {name: joint_fit(products, np.flatnonzero(rows)) for name, rows in one.chosen.items()}
