"""LD between the variants of loci: from genotypes, from people with traits, from matrices, or none.

A source is given the rows of all loci (:meth:`Linkage.attach`), and then hands on one locus after the other,
in an order of its own (:meth:`Linkage.loci`), so that genotypes are read once and in their order.
Correlations are those of copies of ``alt`` of each row.
"""

from __future__ import annotations

import collections
import dataclasses
from collections.abc import Hashable, Iterator, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt
import pandas as pd

from mifm_kipoi.association.models import NullModel
from mifm_kipoi.errors import InputError
from mifm_kipoi.genetics.genotypes import Genotypes
from mifm_kipoi.genetics.ld import correlations
from mifm_kipoi.genetics.matching import OUTCOMES, candidates, match, resolve

Values = npt.NDArray[np.float64]
Numbers = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]
Texts = npt.NDArray[np.object_]

FEW_PEOPLE = 100
"""People below which correlations between variants are mostly noise."""

CONSTANT = "the same in all people with genotypes"
"""Why a variant of the genotypes has no LD."""

OTHER_FREQUENCY = "A/T or C/G with the frequency of the other strand"
"""Why a variant whose strand its alleles do not tell is left out."""

_CLEARLY = 0.1
"""By how much the frequency on one strand must be nearer than that on the other to tell them apart."""

_NOTHING_LEFT = 1e-8
"""A variant of whose variance covariates leave less is a combination of them."""


@dataclasses.dataclass(frozen=True)
class Products:
    """A trait and variants of the same people, less their covariates.

    Parameters
    ----------
    XtX : numpy.ndarray of float64, shape (k, k)
        Of copies of ``alt``.
    Xty : numpy.ndarray of float64, shape (k,)
    yty : float
    n : int
        People.
    """

    XtX: Values
    Xty: Values
    yty: float
    n: int


@dataclasses.dataclass(frozen=True)
class LocusLD:
    """LD of a locus of p rows.

    Parameters
    ----------
    number : int
        Of the locus.
    reason : numpy.ndarray of object, shape (p,)
        Why a row has no LD; empty for the k that have.
    R : numpy.ndarray of float64, shape (k, k), optional
        Correlations of copies of ``alt``; none without LD.
    products : Products, optional
        Where the people have the trait.
    """

    number: int
    reason: Texts
    R: Values | None = None
    products: Products | None = None

    @property
    def usable(self) -> Flags:
        """Rows that are fine-mapped, shape (p,)."""
        usable: Flags = self.reason == ""
        return usable


class Linkage(Protocol):
    """A source of LD."""

    def attach(self, rows: pd.DataFrame, loci: Sequence[Numbers], places: Sequence[Hashable]) -> list[str]:
        """Find the variants of all loci in the source.

        Parameters
        ----------
        rows : pandas.DataFrame
            ``study``, ``chrom``, ``pos``, ``id``, ``ref``, ``alt``, ``frequency``, ``folded``.
        loci : sequence of numpy.ndarray of int64
            Numbers of the rows of each locus.
        places : sequence of hashable
            Of each locus: those of one place are read together.

        Returns
        -------
        list of str
            What a user must know, a sentence each.
        """

    def loci(self, wanted: frozenset[int]) -> Iterator[LocusLD]:
        """LD of some loci, by their numbers, each once and in an order of the source's own."""


class NoLinkage:
    """No LD: every row counts."""

    def attach(self, rows: pd.DataFrame, loci: Sequence[Numbers], places: Sequence[Hashable]) -> list[str]:
        """See :meth:`Linkage.attach`."""
        del rows, places
        self._loci = loci
        return []

    def loci(self, wanted: frozenset[int]) -> Iterator[LocusLD]:
        """See :meth:`Linkage.loci`."""
        for number in sorted(wanted):
            yield LocusLD(number, np.full(len(self._loci[number]), "", dtype=object))


class GenotypeLinkage:
    """LD of the people of genotypes.

    Parameters
    ----------
    genotypes : Genotypes
        The source.
    samples : numpy.ndarray of int64, shape (n,)
        Rows of the people who count.
    covariates : numpy.ndarray of float64, shape (n, c), optional
        Of a regression, the constant among them: correlations are of what they leave of dosages, as are the z
        of a study with these covariates.

    Raises
    ------
    InputError
        When people are too few.
    """

    def __init__(self, genotypes: Genotypes, samples: Numbers, covariates: Values | None = None) -> None:
        self._genotypes, self._samples = genotypes, samples
        self._basis = None if covariates is None else np.linalg.qr(covariates)[0]
        if len(samples) < FEW_PEOPLE:
            raise InputError(
                f"{', '.join(genotypes.paths)} has {len(samples)} people for LD; expected {FEW_PEOPLE} or "
                "more, or correlations are mostly noise. Use a larger sample, or fine-map without LD"
            )

    @property
    def people(self) -> int:
        """Whose LD it is."""
        return len(self._samples)

    def attach(self, rows: pd.DataFrame, loci: Sequence[Numbers], places: Sequence[Hashable]) -> list[str]:
        """See :meth:`Linkage.attach`.

        Raises
        ------
        InputError
            When genotypes cannot be read, or have none of the variants.
        """
        self._rows, self._loci, self._places = rows, loci, places
        if not len(rows):
            return []
        keys = pd.MultiIndex.from_frame(rows[["chrom", "pos", "ref", "alt"]])
        number_of, unique = pd.factorize(keys)
        first = np.unique(number_of, return_index=True)[1]
        variants = _as_keys(rows.iloc[first])
        found = match(variants, candidates(self._genotypes.variants(), variants))
        outcome, _ = resolve(found, None)
        matched = outcome == OUTCOMES.index(OUTCOMES[0])
        if not matched.any():
            raise InputError(
                f"{', '.join(self._genotypes.paths)} has none of the {len(unique):,} variants of the loci; "
                "expected genotypes of the studies' genome build, with the same alleles"
            )
        words = np.array([str(one).replace("_", " ") for one in OUTCOMES], dtype=object)
        self._reason = np.where(matched, "", words[outcome])[number_of]
        self._row = np.where(matched, found.row, -1)[number_of]
        self._sign = np.where(found.counted, 1.0, -1.0)[number_of]
        self._palindromic = found.palindromic[number_of]
        return [
            f"{number:,} of {len(unique):,} variants of the loci have no LD: {words[code]}"
            for code, number in collections.Counter(outcome[~matched].tolist()).items()
        ]

    def loci(self, wanted: frozenset[int]) -> Iterator[LocusLD]:
        """See :meth:`Linkage.loci`."""
        for numbers, read, dosages in self._regions(wanted):
            r = correlations(self._less_covariates(dosages))
            frequency = np.nanmean(dosages, axis=1) / 2
            for number in numbers:
                yield self._locus(number, read, r, frequency)

    def _less_covariates(self, dosages: npt.NDArray[np.float32]) -> npt.NDArray[np.floating]:
        """Dosages, or what covariates leave of them; constant where that is nothing."""
        if self._basis is None:
            return dosages
        filled = np.where(np.isnan(dosages), np.nanmean(dosages, axis=1, keepdims=True), dosages)
        centred = filled.astype(np.float64) - filled.mean(axis=1, dtype=np.float64, keepdims=True)
        left: Values = centred - (centred @ self._basis) @ self._basis.T
        nothing = (left**2).sum(axis=1) <= _NOTHING_LEFT * (centred**2).sum(axis=1)
        left[nothing] = 0.0
        return left

    def _locus(self, number: int, read: Numbers, r: Values, frequency: Values) -> LocusLD:
        """A locus, of the variants that were read for it and others."""
        reason, at = self._with_frequencies(number, read, frequency, np.isnan(np.diag(r)))
        kept = np.flatnonzero(reason == "")
        sign = self._sign[self._loci[number]][kept]
        return LocusLD(number, reason, r[np.ix_(at[kept], at[kept])] * np.outer(sign, sign))

    def _with_frequencies(
        self, number: int, read: Numbers, frequency: Values, constant: Flags
    ) -> tuple[Texts, Numbers]:
        """Reasons against the rows of a locus, and which of the variants that were read they are."""
        rows = self._loci[number]
        reason = self._reason[rows].astype(object)
        at = np.searchsorted(read, self._row[rows]).clip(max=max(len(read) - 1, 0))
        there = np.flatnonzero(reason == "")
        own = frequency[at[there]]
        own = np.where(self._sign[rows[there]] > 0, own, 1 - own)
        theirs = self._rows["frequency"].to_numpy(np.float64)[rows[there]]
        with np.errstate(invalid="ignore"):
            other_strand = np.abs(theirs - (1 - own)) < np.abs(theirs - own) - _CLEARLY
        # Frequencies that are folded say nothing of strands.
        other_strand &= self._palindromic[rows[there]] & ~self._rows["folded"].to_numpy(bool)[rows[there]]
        reason[there[other_strand]] = OTHER_FREQUENCY
        reason[there[constant[at[there]]]] = CONSTANT
        return reason, at

    def _regions(
        self, wanted: frozenset[int]
    ) -> Iterator[tuple[list[int], Numbers, npt.NDArray[np.float32]]]:
        """Loci at one place together: their numbers, the rows of the genotypes that they have, and dosages.

        Genotypes are read in one pass. Those of a region are held until its last variant was read.
        """
        places: dict[Hashable, list[int]] = {}
        for number in sorted(wanted):
            places.setdefault(self._places[number], []).append(number)
        regions = list(places.values())
        needs = []
        for numbers in regions:
            rows = np.unique(np.concatenate([self._row[self._loci[number]] for number in numbers]))
            needs.append(rows[rows >= 0])
        for region, rows in enumerate(needs):
            if not len(rows):
                yield regions[region], rows, np.empty((0, len(self._samples)), dtype=np.float32)
        for region, dosages in self._read(needs):
            yield regions[region], needs[region], dosages

    def _read(self, needs: Sequence[Numbers]) -> Iterator[tuple[int, npt.NDArray[np.float32]]]:
        """Dosages of the rows that each region needs, as soon as the last of them was read."""
        regions_of: dict[int, list[int]] = collections.defaultdict(list)
        for region, rows in enumerate(needs):
            for row in rows.tolist():
                regions_of[row].append(region)
        if not regions_of:
            return
        all_rows = np.array(sorted(regions_of), dtype=np.int64)
        missing = [len(rows) for rows in needs]
        held: dict[int, npt.NDArray[np.float32]] = {}
        waiting = {row: len(of) for row, of in regions_of.items()}

        def chosen(chunk: pd.DataFrame) -> Flags:
            return np.isin(chunk["row"].to_numpy(np.int64), all_rows)

        for block in self._genotypes.blocks(chosen, self._samples):
            for row, dosages in zip(block.variants["row"].tolist(), block.dosages, strict=True):
                held[row] = dosages.copy()
                for region in regions_of[row]:
                    missing[region] -= 1
                    if missing[region]:
                        continue
                    rows = needs[region].tolist()
                    yield region, np.stack([held[one] for one in rows])
                    for one in rows:
                        waiting[one] -= 1
                        if not waiting[one]:
                            del held[one]


class PeopleLinkage(GenotypeLinkage):
    """LD and traits of the same people.

    Parameters
    ----------
    genotypes : Genotypes
        The source.
    samples : numpy.ndarray of int64
        Rows of the people who have a trait.
    models : sequence of NullModel
        Linear models of the traits, over these people; a locus' study is the name of its model.
    """

    def __init__(self, genotypes: Genotypes, samples: Numbers, models: Sequence[NullModel]) -> None:
        super().__init__(genotypes, samples)
        self._models = {model.name: model for model in models}

    def loci(self, wanted: frozenset[int]) -> Iterator[LocusLD]:
        """See :meth:`Linkage.loci`."""
        for numbers, read, dosages in self._regions(wanted):
            filled = np.where(np.isnan(dosages), np.nanmean(dosages, axis=1, keepdims=True), dosages)
            # Traits of the same people and covariates share the products of variants.
            shared: dict[tuple[bytes, bytes], tuple[Values, Values]] = {}
            for number in numbers:
                model = self._models[str(self._rows["study"].iloc[self._loci[number][0]])]
                key = (model.people.tobytes(), model.design.tobytes())
                if key not in shared:
                    shared[key] = _without_covariates(filled[:, model.people].astype(np.float64), model)
                yield self._products(number, read, model, *shared[key], filled)

    def _products(
        self,
        number: int,
        read: Numbers,
        model: NullModel,
        x: Values,
        xtx: Values,
        filled: npt.NDArray[np.float32],
    ) -> LocusLD:
        of_model = filled[:, model.people]
        frequency = of_model.mean(axis=1, dtype=np.float64) / 2
        whole = of_model.var(axis=1, dtype=np.float64) * model.size
        constant = np.diag(xtx) <= _NOTHING_LEFT * np.maximum(whole, 1e-12)
        reason, at = self._with_frequencies(number, read, frequency, constant)
        kept = np.flatnonzero(reason == "")
        sign = self._sign[self._loci[number]][kept]
        some = xtx[np.ix_(at[kept], at[kept])] * np.outer(sign, sign)
        deviation = np.sqrt(np.diag(some))
        r = np.clip(some / np.outer(deviation, deviation), -1.0, 1.0)
        xty = sign * (x[at[kept]] @ model.residuals)
        products = Products(some, xty, float(model.residuals @ model.residuals), model.size)
        return LocusLD(number, reason, r, products)


def _without_covariates(dosages: Values, model: NullModel) -> tuple[Values, Values]:
    """Dosages of the people of a model less their covariates, and X'X of them."""
    x = dosages - dosages.mean(axis=1, keepdims=True)
    x -= (x @ model.basis) @ model.basis.T
    return x, x @ x.T


def _as_keys(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows as :func:`mifm_kipoi.genetics.matching.match` wants variants."""
    names = rows[["chrom", "pos", "id", "alt", "ref"]]
    return names.rename(columns={"alt": "effect_allele", "ref": "other_allele"}).reset_index(drop=True)


def founders_of(genotypes: Genotypes, keep: Path | None) -> Numbers:
    """The people whose LD counts: founders, of a list where there is one.

    Parameters
    ----------
    genotypes : Genotypes
        The source.
    keep : Path, optional
        Table of those who count.

    Raises
    ------
    InputError
        When the table cannot be read, or none of its people has genotypes.
    """
    from mifm_kipoi.genetics.people_tables import read_people

    founders = genotypes.samples["founder"].to_numpy(bool)
    if keep is not None:
        listed = read_people([keep]).rows_of(genotypes.samples) >= 0
        if not listed.any():
            raise InputError(f"none of the people of {keep} is among the {len(genotypes):,} with genotypes")
        founders = founders & listed
    return np.flatnonzero(founders).astype(np.int64)
