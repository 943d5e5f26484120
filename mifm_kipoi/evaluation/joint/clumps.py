"""Clumps of each trait around its lead variants, of variants that pass filters of quality."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping

import numpy as np
import numpy.typing as npt
import pandas as pd

from mifm_kipoi.errors import InputError
from mifm_kipoi.evaluation.joint.candidates import Candidates
from mifm_kipoi.genetics.clumping import clump_genotypes
from mifm_kipoi.genetics.genotypes import MISSING, Genotypes
from mifm_kipoi.statistics.hardy_weinberg import exact_p

Values = npt.NDArray[np.float64]
Rows = npt.NDArray[np.int64]
Calls = npt.NDArray[np.int8]

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
    maf : float
        Lowest frequency of the rarer allele.
    hwe : float
        Lowest p-value of the exact test of Hardy-Weinberg equilibrium; not asked of X.
    info : float
        Lowest quality of imputation, where a table says it.
    missing : float
        Highest fraction of people without a genotype.
    """

    p1: float = 5e-8
    p2: float = 1e-4
    r2: float = 0.9
    kb: float = 1000.0
    maf: float = 0.01
    hwe: float = 1e-6
    info: float = 0.8
    missing: float = 0.05


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


def clumps_of(genotypes: Genotypes, candidates: Candidates, options: ClumpOptions) -> Clumped:
    """Clump the candidates of each trait by the genotypes of all founders, in one pass over these.

    Parameters
    ----------
    genotypes : Genotypes
    candidates : Candidates
    options : ClumpOptions

    Raises
    ------
    InputError
        When genotypes cannot be read, a chromosome is in two places, or there are no founders.
    """
    founders = np.flatnonzero(genotypes.samples["founder"].to_numpy(dtype=bool))
    if not len(founders):
        raise InputError(f"{', '.join(genotypes.paths)} has no founders, of whom clumps are made")
    male = (genotypes.samples["sex"].to_numpy()[founders] == "1").astype(bool)
    known = np.array([own["log_p"] for own in candidates.effects.values()])
    info = np.array([own["info"] for own in candidates.effects.values()])
    with np.errstate(invalid="ignore"):
        poor: npt.NDArray[np.bool_] = np.any(info < options.info, axis=0)
    removed = {"quality of imputation": int(poor.sum())} if poor.any() else {}
    found: dict[str, list[pd.DataFrame]] = {trait: [] for trait in candidates.effects}
    for rows, calls in _by_chromosome(genotypes, founders, candidates.variants["row"].to_numpy(np.int64)):
        chrom = str(candidates.variants["chrom"].iloc[rows[0]])
        good = ~poor[rows]
        for reason, bad in _poor_genotypes(calls, chrom, options).items():
            removed[reason] = removed.get(reason, 0) + int((bad & good).sum())
            good &= ~bad
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
                table, calls[own], male, p1=options.p1, p2=options.p2, r2=options.r2, kb=options.kb
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


def _by_chromosome(genotypes: Genotypes, samples: Rows, wanted: Rows) -> Iterator[tuple[Rows, Calls]]:
    """The candidates of each chromosome, by their rows, with hard calls (variants, samples)."""
    if not len(wanted):
        return
    place = pd.Series(np.arange(len(wanted)), index=wanted)
    chrom, rows, calls = "", list[Rows](), list[Calls]()
    seen: set[str] = set()
    for block in genotypes.blocks(lambda chunk: chunk["row"].isin(place.index).to_numpy(), samples):
        names = block.variants["chrom"].to_numpy()
        for name in dict.fromkeys(names):
            own = np.flatnonzero(names == name)
            if name != chrom:
                if rows:
                    yield np.concatenate(rows), np.concatenate(calls)
                if name in seen:
                    raise InputError(
                        f"chromosome {name} is in several places of {', '.join(genotypes.paths)}; expected "
                        "its "
                        "variants together, as sorted files have them"
                    )
                seen.add(name)
                chrom, rows, calls = name, [], []
            rows.append(place[block.variants["row"].to_numpy()[own]].to_numpy(np.int64))
            calls.append(hard_calls(block.dosages[own]))
    if rows:
        yield np.concatenate(rows), np.concatenate(calls)


def _poor_genotypes(calls: Calls, chrom: str, options: ClumpOptions) -> dict[str, npt.NDArray[np.bool_]]:
    """Which variants fail which filter, in the order in which they are applied."""
    counts = np.stack([(calls == copies).sum(axis=1) for copies in range(3)], axis=1)
    observed = counts.sum(axis=1)
    with np.errstate(invalid="ignore"):
        frequency = (counts[:, 1] + 2 * counts[:, 2]) / (2 * observed)
    rarer = np.minimum(frequency, 1 - frequency)
    poor = {
        "missing genotypes": observed < (1 - options.missing) * calls.shape[1],
        "allele frequency": ~(rarer >= options.maf),
    }
    if chrom != "X":
        poor["Hardy-Weinberg equilibrium"] = exact_p(*counts.T) < options.hwe
    return poor
