"""Clumps of each trait around its lead variants, of variants that pass filters of quality."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from mifm_kipoi.association.filters import Filters
from mifm_kipoi.association.scan import Genotyped
from mifm_kipoi.errors import InputError
from mifm_kipoi.evaluation.joint.candidates import Candidates
from mifm_kipoi.genetics.clumping import clump_genotypes
from mifm_kipoi.genetics.genotypes import MISSING, Genotypes

Values = npt.NDArray[np.float64]
Rows = npt.NDArray[np.int64]
Calls = npt.NDArray[np.int8]
Flags = npt.NDArray[np.bool_]

STATED_INFO = "imputation quality in the table"
"""Why a variant is removed, beside the reasons of :class:`mifm_kipoi.association.filters.Filters`."""

HARD_CALL = 0.1
"""A dosage further than this from a whole number is a missing genotype, as to PLINK."""


@dataclasses.dataclass(frozen=True)
class ClumpOptions:
    """How variants are chosen and clumped; the published text names only ``r2`` and ``kb``.

    Parameters
    ----------
    p1 : float
        Highest p-value of a lead variant.
    p2 : float
        Members have a lower p-value than this.
    r2 : float
        Members have a higher squared correlation with their lead variant.
    kb : float
        Members are nearer to it, in thousands of base pairs.
    quality : Filters
        What the genotypes of variants must be, as for ``mifm gwas``; ``min_info`` also holds for the quality
        of imputation that a table states.
    """

    p1: float = 5e-8
    p2: float = 1e-4
    r2: float = 0.9
    kb: float = 1000.0
    quality: Filters = dataclasses.field(default_factory=Filters)


@dataclasses.dataclass(frozen=True)
class Clump:
    """A lead variant and the associated variants that are correlated with it.

    Parameters
    ----------
    trait : str
    number : int
        From 1 on by rising p-value of the lead variant, among the clumps of the trait.
    members : numpy.ndarray of int64, shape (m,)
        Rows of the candidates; the lead variant first.
    r2 : numpy.ndarray of float64, shape (m,)
        With the lead variant, as PLINK computes it.
    log_p : numpy.ndarray of float64, shape (m,)
        Natural logarithms of the p-values that selected.
    """

    trait: str
    number: int
    members: Rows
    r2: Values
    log_p: Values

    def __len__(self) -> int:
        return len(self.members)


@dataclasses.dataclass(frozen=True)
class Clumped:
    """The clumps of all traits.

    Parameters
    ----------
    candidates : Candidates
        Of the members of all clumps, in the order of the genotypes.
    clumps : list of Clump
        By trait, then by number; clumps of one are among them.
    removed : dict of str to int
        Associated variants that a filter of quality removed, by the reason.
    """

    candidates: Candidates
    clumps: list[Clump]
    removed: dict[str, int]


def clumps_of(
    genotypes: Genotypes, candidates: Candidates, options: ClumpOptions, samples: Rows | None = None
) -> Clumped:
    """Clump the candidates of each trait by the genotypes of people, in one pass over these.

    Filters of quality are by all of these people, as those of ``mifm gwas``; LD is by their founders, as
    PLINK's.

    Parameters
    ----------
    genotypes : Genotypes
    candidates : Candidates
    options : ClumpOptions
    samples : numpy.ndarray of int64, optional
        People who are analysed, rows of the genotypes' samples; by default all founders.

    Raises
    ------
    InputError
        When genotypes cannot be read, a chromosome is in two places, or there are no founders.
    """
    founder = genotypes.samples["founder"].to_numpy(dtype=bool)
    rows_of_people = np.flatnonzero(founder) if samples is None else samples
    if not founder[rows_of_people].any():
        raise InputError(
            f"{', '.join(genotypes.paths)}: none of the people who are analysed is a founder, of whom clumps "
            "are made"
        )
    sex = genotypes.samples["sex"].to_numpy(dtype=object)[rows_of_people]
    people = _People(rows_of_people, founder[rows_of_people], np.asarray(sex == "1"), np.asarray(sex == "2"))
    known = np.array([own["log_p"] for own in candidates.effects.values()])
    info = np.array([own["info"] for own in candidates.effects.values()])
    with np.errstate(invalid="ignore"):
        poor: npt.NDArray[np.bool_] = np.any(info < options.quality.min_info, axis=0)
    removed = {STATED_INFO: int(poor.sum())} if poor.any() else {}
    found: dict[str, list[pd.DataFrame]] = {trait: [] for trait in candidates.effects}
    for rows, calls, reasons in _by_chromosome(
        genotypes, people, candidates.variants["row"].to_numpy(np.int64), options.quality
    ):
        chrom = str(candidates.variants["chrom"].iloc[rows[0]])
        good = ~poor[rows]
        for reason, count in zip(*np.unique(reasons[good], return_counts=True), strict=True):
            removed[str(reason)] = removed.get(str(reason), 0) + int(count) * bool(reason)
        good &= reasons == ""
        for number, trait in enumerate(candidates.effects):
            own = np.flatnonzero(good & ~np.isnan(known[number, rows]))
            table = pd.DataFrame(
                {
                    "chrom": chrom,
                    "pos": candidates.variants["pos"].to_numpy()[rows[own]],
                    "log_p": known[number, rows[own]],
                    "z": candidates.effects[trait]["z"][rows[own]],
                }
            )
            members = clump_genotypes(
                table,
                calls[own],
                people.male[people.founder],
                p1=options.p1,
                p2=options.p2,
                r2=options.r2,
                kb=options.kb,
            )
            lead = rows[own][members["clump"].to_numpy()]
            found[trait].append(members.assign(clump=lead, row=rows[own][members["row"].to_numpy()]))
    return _collected(candidates, found, {name: count for name, count in removed.items() if count})


def _collected(
    candidates: Candidates, found: Mapping[str, list[pd.DataFrame]], removed: dict[str, int]
) -> Clumped:
    tables = {trait: pd.concat(parts) for trait, parts in found.items() if parts}
    used = np.unique(
        np.concatenate([*(one["row"].to_numpy(np.int64) for one in tables.values()), []])
    ).astype(np.int64)
    place = np.full(len(candidates), -1, dtype=np.int64)
    place[used] = np.arange(len(used))
    clumps = []
    for trait, members in tables.items():
        log_p, z = (candidates.effects[trait][name] for name in ("log_p", "z"))
        own = [
            Clump(
                trait, 0, place[rows["row"].to_numpy()], rows["r2"].to_numpy(), log_p[rows["row"].to_numpy()]
            )
            for _, rows in members.groupby("clump", sort=False)
        ]
        leads = used[[clump.members[0] for clump in own]] if own else np.empty(0, dtype=np.int64)
        order = np.lexsort((leads, -np.abs(z[leads]), log_p[leads]))
        clumps += [dataclasses.replace(own[row], number=number + 1) for number, row in enumerate(order)]
    return Clumped(candidates.take(used), clumps, removed)


def hard_calls(dosages: npt.NDArray[np.float32]) -> Calls:
    """Copies of an allele, 0, 1, 2 or :data:`mifm_kipoi.genetics.genotypes.MISSING`: int8, the same shape."""
    nearest = np.rint(dosages)
    with np.errstate(invalid="ignore"):
        certain = np.abs(dosages - nearest) <= HARD_CALL
    return np.where(certain, np.where(certain, nearest, 0), MISSING).astype(np.int8)


@dataclasses.dataclass(frozen=True)
class _People:
    """Of whom clumps are made: rows of the samples, who are founders, and whose sex is known."""

    rows: Rows
    founder: Flags
    male: Flags
    female: Flags


def _by_chromosome(
    genotypes: Genotypes, people: _People, wanted: Rows, quality: Filters
) -> Iterator[tuple[Rows, Calls, npt.NDArray[np.object_]]]:
    """The candidates of each chromosome: rows, hard calls (variants, founders), and why they are no good."""
    if not len(wanted):
        return
    place = pd.Series(np.arange(len(wanted)), index=wanted)
    chrom, parts = "", list[tuple[Rows, Calls, npt.NDArray[np.object_]]]()
    seen: set[str] = set()
    for block in genotypes.blocks(lambda chunk: chunk["row"].isin(place.index).to_numpy(), people.rows):
        reasons, _ = quality.reasons(
            block.variants, block.dosages, _genotyped(block.dosages), people.male, people.female
        )
        rows = place[block.variants["row"].to_numpy()].to_numpy(np.int64)
        names = block.variants["chrom"].to_numpy()
        for name in dict.fromkeys(names):
            own = np.flatnonzero(names == name)
            if name != chrom:
                if parts:
                    yield _joined(parts)
                if name in seen:
                    raise InputError(
                        f"chromosome {name} is in several places of {', '.join(genotypes.paths)}; expected "
                        "its variants together, as sorted files have them"
                    )
                seen.add(name)
                chrom, parts = name, []
            parts.append((rows[own], hard_calls(block.dosages[np.ix_(own, people.founder)]), reasons[own]))
    if parts:
        yield _joined(parts)


def _joined(
    parts: Sequence[tuple[Rows, Calls, npt.NDArray[np.object_]]],
) -> tuple[Rows, Calls, npt.NDArray[np.object_]]:
    rows, calls, reasons = zip(*parts, strict=True)
    return np.concatenate(rows), np.concatenate(calls), np.concatenate(reasons)


def _genotyped(dosages: npt.NDArray[np.float32]) -> Genotyped:
    """What the genotypes of a block are."""
    known = np.where(np.isnan(dosages), 0, dosages).astype(np.float64)
    observed = (~np.isnan(dosages)).sum(axis=1)
    return Genotyped(dosages.shape[1], observed, known.sum(axis=1), (known**2).sum(axis=1))
