"""A block of variants tested: rows of the outputs, and what the report keeps of them."""

from __future__ import annotations

import collections
import dataclasses
import math

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from mifm_kipoi.association import exact
from mifm_kipoi.association.cohort import Cohort
from mifm_kipoi.association.filters import Filters
from mifm_kipoi.association.results import GENOME_WIDE, Tested, TraitResult
from mifm_kipoi.association.scan import Associations, Scan
from mifm_kipoi.errors import InputError
from mifm_kipoi.genetics.genotypes import Block
from mifm_kipoi.genetics.gwas_ssf import encode, gwas_ssf
from mifm_kipoi.statistics.estimates import Values

NO_ESTIMATE = "no estimate"
"""Why a variant has no row of one trait: among people with the genotype, it or the trait does not vary given
the covariates, or all are cases or controls."""

Texts = npt.NDArray[np.object_]


@dataclasses.dataclass(frozen=True)
class TraitRows:
    """What a block has of one trait.

    Parameters
    ----------
    encoded : bytes
        Its rows in GWAS-SSF, compressed, without a header.
    neg_log_10_p : numpy.ndarray of float32, shape (tested variants,)
        NaN where the trait has no estimate.
    hits : pandas.DataFrame
        See :class:`~mifm_kipoi.association.results.TraitResult`.
    fits : collections.Counter
        Rows by what gave their numbers.
    wholly : list of str
        Variants that leave nothing of the trait.
    """

    encoded: bytes
    neg_log_10_p: npt.NDArray[np.float32]
    hits: pd.DataFrame
    fits: collections.Counter[str]
    wholly: list[str]


@dataclasses.dataclass(frozen=True)
class TestedBlock:
    """A block after all tests.

    Parameters
    ----------
    chrom, pos : numpy.ndarray, shape (tested variants,)
        Where they lie; object and int64.
    traits : list of TraitRows
        One a trait.
    left_out : bytes
        Rows of the variants that are in no, or not in every, output; compressed.
    reasons : collections.Counter
        Variants that no trait has, by reason.
    no_estimate : list of int
        Tested variants without an estimate, of each trait.
    """

    chrom: Texts
    pos: npt.NDArray[np.int64]
    traits: list[TraitRows]
    left_out: bytes
    reasons: collections.Counter[str]
    no_estimate: list[int]


class BlockTest:
    """Tests a block with all traits; can be called from several threads.

    Parameters
    ----------
    cohort : Cohort
        People and models.
    filters : Filters
        Which variants are tested.
    exact_below : float
        P-value of the score test below which logistic regression is fitted.
    with_info : bool
        Whether outputs have the quality of imputation.
    """

    def __init__(self, cohort: Cohort, filters: Filters, exact_below: float, with_info: bool) -> None:
        self._cohort, self._filters, self._with_info = cohort, filters, with_info
        with np.errstate(divide="ignore"):
            self._log_exact = float(np.log(exact_below))
        self._scan = Scan(cohort.models)

    @property
    def headers(self) -> list[bytes]:
        """How the output of each trait begins."""
        nothing = _variants(pd.DataFrame(columns=["chrom", "pos", "id", "counted", "other"]))
        none = np.zeros(0)
        number = np.zeros(0, dtype=np.int64)
        empty = Associations(none, none, none, none, number, number, none, number)
        kinds = np.zeros(0, dtype=object)
        return [
            encode(self._rows(nothing, empty, kinds, none, model.binary), header=True)
            for model in self._cohort.models
        ]

    def __call__(self, block: Block) -> TestedBlock:
        """Test a block.

        Parameters
        ----------
        block : Block
            Of the people of the cohort.

        Returns
        -------
        TestedBlock
        """
        variants = _variants(block.variants)
        genotyped, found = self._scan.test(block.dosages)
        reasons, info = self._filters.reasons(
            block.variants, block.dosages, genotyped, self._cohort.male, self._cohort.female, block.hard_calls
        )
        tested = reasons == ""
        traits, no_estimate = [], []
        left_out = [_left_out(variants[~tested], "", reasons[~tested], genotyped.frequency[~tested],
                              genotyped.observed[~tested])]  # fmt: skip
        for model, one in zip(self._cohort.models, found, strict=True):
            known = tested & np.isfinite(one.beta) & np.isfinite(one.log_p)
            own, fits = one, np.full(len(tested), exact.LINEAR, dtype=object)
            if model.binary:
                some = np.flatnonzero(known & (one.log_p <= self._log_exact))
                own, fits = exact.with_exact_fits(model, one, block.dosages, some)
            rows = self._rows(variants[known], own.take(known), fits[known], info[known], model.binary)
            shown = np.where(known, -own.log_p / math.log(10), np.nan)[tested]
            hit = known & (own.log_p < math.log(GENOME_WIDE))
            traits.append(
                TraitRows(
                    encode(rows, header=False) if known.any() else b"",
                    shown.astype(np.float32),
                    _hits(variants[hit], own.take(hit)),
                    collections.Counter(fits[known].tolist()),
                    _names(variants[known & own.explains_wholly]),
                )
            )
            lacking = tested & ~known
            no_estimate.append(int(lacking.sum()))
            left_out.append(
                _left_out(
                    variants[lacking], model.name, NO_ESTIMATE, own.frequency[lacking], own.observed[lacking]
                )
            )
        return TestedBlock(
            variants["chrom"].to_numpy(dtype=object)[tested],
            variants["pos"].to_numpy(np.int64)[tested],
            traits,
            encode_left_out(pd.concat(left_out)),
            collections.Counter(reasons[~tested].tolist()),
            no_estimate,
        )

    def _rows(
        self, variants: pd.DataFrame, found: Associations, fits: Texts, info: Values, binary: bool
    ) -> pa.Table:
        more: dict[str, npt.ArrayLike] = {}
        if self._with_info:
            more["info"] = np.ma.masked_invalid(info.astype(np.float32))
        more["fit"] = pa.array(fits.tolist(), pa.string())
        return gwas_ssf(
            variants, found.beta, found.standard_error, found.frequency, found.observed,
            found.cases if binary else None, found.log_p, more,
        )  # fmt: skip


def _variants(rows: pd.DataFrame) -> pd.DataFrame:
    return rows[["chrom", "pos", "id", "counted", "other"]].rename(
        columns={"counted": "effect_allele", "other": "other_allele"}
    )


def _names(variants: pd.DataFrame) -> list[str]:
    """Of variants, or where they lie."""
    return [f"{row.chrom}:{row.pos}" if row.id in ("", ".") else str(row.id) for row in variants.itertuples()]


def _hits(variants: pd.DataFrame, found: Associations) -> pd.DataFrame:
    return variants.assign(
        frequency=found.frequency, beta=found.beta, standard_error=found.standard_error, log_p=found.log_p
    )


def _left_out(
    variants: pd.DataFrame, trait: str, reason: str | Texts, frequency: Values, number: npt.NDArray[np.int64]
) -> pd.DataFrame:
    return variants.assign(trait=trait, reason=reason, frequency=frequency, n=number)


def encode_left_out(rows: pd.DataFrame | None) -> bytes:
    """Rows of the variants that were left out, compressed; the header alone for None."""
    columns = ["chrom", "pos", "id", "effect_allele", "other_allele", "trait", "reason", "frequency", "n"]
    if rows is None:
        return encode(pa.table({name: pa.array([], pa.string()) for name in columns}), header=True)
    if not len(rows):
        return b""
    shown = rows[columns].assign(frequency=rows["frequency"].astype(np.float32))
    return encode(pa.Table.from_pandas(shown, preserve_index=False), header=False)


class Collected:
    """What the report keeps of all blocks.

    Parameters
    ----------
    cohort : Cohort
        People and models.
    """

    def __init__(self, cohort: Cohort) -> None:
        self._cohort = cohort
        self._chroms: dict[str, int] = {}
        self._places: list[tuple[npt.NDArray[np.int16], npt.NDArray[np.int32]]] = []
        self._p: list[list[npt.NDArray[np.float32]]] = [[] for _ in cohort.models]
        self._hits: list[list[pd.DataFrame]] = [[] for _ in cohort.models]
        self._fits: list[collections.Counter[str]] = [collections.Counter() for _ in cohort.models]
        self._wholly: list[list[str]] = [[] for _ in cohort.models]
        self._last = (-1, -1)
        self.left_out: collections.Counter[str] = collections.Counter()
        self.no_estimate: collections.Counter[str] = collections.Counter()
        self.variants = 0
        self.is_sorted = True

    def add(self, block: TestedBlock) -> None:
        """Keep what a block has."""
        codes = np.array(
            [self._chroms.setdefault(name, len(self._chroms)) for name in block.chrom], dtype=np.int16
        )
        self._note_order(codes, block.pos)
        self._places.append((codes, block.pos.astype(np.int32)))
        for number, own in enumerate(block.traits):
            self._p[number].append(own.neg_log_10_p)
            self._fits[number].update(own.fits)
            self._wholly[number] += own.wholly
            if len(own.hits):
                self._hits[number].append(own.hits)
        self.left_out.update(block.reasons)
        for model, number in zip(self._cohort.models, block.no_estimate, strict=True):
            self.no_estimate[model.name] += number
        self.variants += len(codes) + sum(block.reasons.values())

    def refuse_nothing(self, path: str) -> None:
        """Refuse genotypes of which no variant was tested.

        Raises
        ------
        InputError
            With the reasons.
        """
        if not self.variants:
            raise InputError(f"{path} has no variants; expected at least one")
        if not any(sum(fits.values()) for fits in self._fits):
            reasons = self.left_out + collections.Counter({NO_ESTIMATE: max(self.no_estimate.values())})
            named = ", ".join(f"{number:,} for {reason}" for reason, number in reasons.most_common())
            raise InputError(f"none of the {self.variants:,} variants can be tested: left out are {named}")

    def _note_order(self, codes: npt.NDArray[np.int16], pos: npt.NDArray[np.int64]) -> None:
        """Whether contigs are each in one piece, and positions on them ascend."""
        if not len(codes):
            return
        before = np.concatenate([[self._last[0]], codes[:-1]]), np.concatenate([[self._last[1]], pos[:-1]])
        falls = (codes < before[0]) | ((codes == before[0]) & (pos < before[1]))
        self.is_sorted &= not bool(falls.any())
        self._last = (int(codes[-1]), int(pos[-1]))

    def places(self) -> Tested:
        """Where all tested variants lie."""
        if not self._places:
            return Tested([], np.zeros(0, np.int16), np.zeros(0, np.int32))
        chrom, pos = map(np.concatenate, zip(*self._places, strict=True))
        return Tested(list(self._chroms), chrom, pos)

    def traits(self) -> list[TraitResult]:
        """The traits, in the order of the models."""
        nothing = pd.DataFrame(
            columns=["chrom", "pos", "id", "effect_allele", "other_allele", "frequency", "beta",
                     "standard_error", "log_p"]
        )  # fmt: skip
        return [
            TraitResult(
                model.name,
                model.binary,
                model.size,
                model.cases,
                self._cohort.covariates[model.name],
                self._cohort.columns[model.name],
                np.concatenate([np.zeros(0, np.float32), *p]),
                pd.concat(hits, ignore_index=True) if hits else nothing,
                dict(fits),
                tuple(wholly),
            )
            for model, p, hits, fits, wholly in zip(
                self._cohort.models, self._p, self._hits, self._fits, self._wholly, strict=True
            )
        ]
