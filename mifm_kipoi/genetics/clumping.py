"""Clumps of associated variants around their lead variants, as PLINK 1.9 makes them.

The variants are taken by rising p-value. Each that is not yet in a clump leads a new one, which takes up
the variants near it that are correlated with it and in no clump yet. The correlation is the one of
PLINK's ``--clump``: between alleles on the same haplotype, whose frequencies are those of highest
likelihood given unphased genotypes (Excoffier & Slatkin 1995, Mol Biol Evol 12:921; Gaunt et al. 2007,
BMC Bioinformatics 8:428, solve the two-variant case as a cubic).
"""

from __future__ import annotations

import collections
import logging
from collections.abc import Callable, Sequence
from typing import Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from mifm_kipoi.genetics.genotypes import MISSING, Fileset, GenotypeError, bim_chunks, open_fileset
from mifm_kipoi.genomics.contigs import bare_names

_log = logging.getLogger(__name__)

NOT_GENOTYPED = "not in the genotypes"
"""Reason under which variants without genotypes are counted."""

CLUMP_COLUMNS = {"clump": "int64", "row": "int64", "id": "str", "lead": "bool", "r2": "float64"}
"""One row per member of a clump."""

_BLOCK_BYTES = 16 << 20
"""Genotypes of at most so many bytes are held at a time; their counts take four times as much."""

_ROUNDING = 1e-9
"""A squared correlation that is over the limit by less is not over it."""

_Floats = npt.NDArray[np.float64]
_Ints = npt.NDArray[np.int64]


def clump(
    table: pd.DataFrame,
    bed_prefixes: Sequence[str],
    *,
    p1: float,
    p2: float,
    r2: float,
    kb: float,
    match: Literal["variant", "id"] = "variant",
    counts: collections.Counter[str] | None = None,
) -> pd.DataFrame:
    """Clump as ``plink --clump --clump-p1 --clump-p2 --clump-r2 --clump-kb``, founders only.

    Ties of p-values go by the order of ``bed_prefixes`` and of the variants in the ``.bim`` files.
    On X males count as one haplotype and their heterozygous genotypes as missing; on Y and the
    mitochondrion there are no clumps.

    Parameters
    ----------
    table : pandas.DataFrame
        Columns id and p_value; chrom, pos (1-based), effect_allele and other_allele where
        ``match`` is ``variant``. No variant twice.
    bed_prefixes : sequence of str
        PLINK filesets, such as one per chromosome; each chromosome in one of them only.
    p1 : float
        Highest p-value of a lead variant.
    p2 : float
        Members other than the lead variant have a lower p-value; not less than ``p1``.
    r2 : float
        Members have a higher squared correlation with the lead variant.
    kb : float
        Members are nearer to the lead variant than so many thousand base pairs.
    match : str
        How a variant is found in the ``.bim`` files: by chromosome, position and both alleles in either
        order, or by id alone (then with the position of the ``.bim`` file, as PLINK does).
    counts : collections.Counter, optional
        Variants that are not in the genotypes are counted here, and left out as PLINK does.

    Returns
    -------
    pandas.DataFrame
        One row per member: clump (from 1 by rising p-value), row (position in ``table``, from 0), id,
        lead (bool) and r2 with the lead variant; in each clump the lead variant is first and the others
        follow by position.

    Raises
    ------
    GenotypeError
        When PLINK files cannot be read or do not fit each other, or a variant occurs twice.
    ValueError
        When ``p2`` is less than ``p1``.
    """
    if p2 < p1:
        raise ValueError(f"p2 is {p2}, less than p1, {p1}")
    filesets = [open_fileset(prefix) for prefix in bed_prefixes]
    found = _find(table, filesets, match)
    missing = len(table) - len(found)
    if missing:
        _log.warning("%d of %d variants are not in the genotypes", missing, len(table))
    if counts is not None:
        counts[NOT_GENOTYPED] += missing
    led = found.groupby("chrom")["p_value"].transform("min") <= p1
    parts = [
        _clump_chromosome(rows, filesets[rows["fileset"].iloc[0]], p1, p2, r2, kb)
        for _, rows in found[led].groupby("chrom", sort=False)
    ]
    if not parts:
        return pd.DataFrame(columns=list(CLUMP_COLUMNS)).astype(CLUMP_COLUMNS)
    members = pd.concat(parts, ignore_index=True)
    # Clumps are numbered over all chromosomes: by the place of the lead variant in the order of p-values.
    order = np.lexsort((found["place"], found["p_value"]))
    rank = pd.Series(np.arange(len(found)), index=found["place"].to_numpy()[order])
    members = members.assign(clump=members["clump"].map(rank))
    members = members.sort_values(["clump", "lead", "place"], ascending=[True, False, True])
    rows = members["place"].map(found.set_index("place")["row"]).astype("int64").to_numpy()
    numbers = pd.factorize(members["clump"])[0] + 1
    return members.assign(clump=numbers, row=rows, id=table["id"].to_numpy()[rows])[
        list(CLUMP_COLUMNS)
    ].reset_index(drop=True)


def _find(table: pd.DataFrame, filesets: list[Fileset], match: str) -> pd.DataFrame:
    """Variants of the table that have genotypes, with their place in the files."""
    wanted = pd.DataFrame(
        {
            "key": _keys(table, "effect_allele", "other_allele") if match == "variant" else table["id"],
            "row": range(len(table)),
            "p_value": table["p_value"],
        }
    )
    _refuse_twice(wanted["key"], "the table")
    positions = set(table["pos"]) if match == "variant" else set()
    parts = []
    for number, fileset in enumerate(filesets):
        for chunk in bim_chunks(fileset.prefix):
            near = chunk[chunk["pos"].isin(positions)] if match == "variant" else chunk
            keys = _keys(near, "allele1", "allele2") if match == "variant" else near["id"]
            near = near.assign(key=keys, fileset=number, bim=near.index, chrom=bare_names(near["chrom"]))
            kept = near["key"].isin(wanted["key"]) & ~near["chrom"].isin(["Y", "26", "MT", "M", "0"])
            parts.append(near[kept])
    found = pd.concat(parts, ignore_index=True)
    _refuse_twice(found["key"], "the .bim files")
    spread = found.groupby("chrom")["fileset"].nunique()
    if (spread > 1).any():
        raise GenotypeError(
            f"chromosome {spread.idxmax()} is in {spread.max()} filesets; expected each chromosome in one of "
            + ", ".join(fileset.prefix for fileset in filesets)
        )
    return found.merge(wanted, on="key").sort_values(["fileset", "bim"]).assign(place=lambda x: range(len(x)))


def _keys(table: pd.DataFrame, first: str, second: str) -> pd.Series:
    """Chromosome, position and the alleles in alphabetical order."""
    one, two = table[first].str.upper(), table[second].str.upper()
    ordered = one <= two
    alleles = one.where(ordered, two) + ":" + two.where(ordered, one)
    return bare_names(table["chrom"]) + ":" + table["pos"].astype(str) + ":" + alleles


def _refuse_twice(keys: pd.Series, place: str) -> None:
    if keys.duplicated().any():
        raise GenotypeError(f"{keys[keys.duplicated()].iloc[0]} occurs more than once in {place}; leave one")


def _clump_chromosome(
    rows: pd.DataFrame, fileset: Fileset, p1: float, p2: float, r2: float, kb: float
) -> pd.DataFrame:
    """Members of the clumps of one chromosome; ``clump`` is the place of the lead variant."""
    rows = rows.sort_values(["pos", "place"])
    pos, p_value = rows["pos"].to_numpy(dtype=np.int64), rows["p_value"].to_numpy(dtype=np.float64)
    place, bim = rows["place"].to_numpy(dtype=np.int64), rows["bim"].to_numpy(dtype=np.int64)
    male = fileset.male if rows["chrom"].iloc[0] == "X" else None
    free = np.ones(len(rows), dtype=bool)
    clumps: list[tuple[int, _Ints, _Floats]] = []
    with fileset.reading() as read:
        for lead in np.lexsort((place, p_value)):
            if p_value[lead] > p1 or np.isnan(p_value[lead]):
                break
            if not free[lead]:
                continue
            free[lead] = False
            start = np.searchsorted(pos, pos[lead] - kb * 1000, side="right")
            stop = np.searchsorted(pos, pos[lead] + kb * 1000, side="left")
            near = start + np.flatnonzero(free[start:stop])
            found = _correlations(read, bim[lead], bim[near], male)
            linked = found > r2 + _ROUNDING
            free[near[linked]] = False
            reported = linked & (p_value[near] < p2)
            clumps.append((place[lead], np.append(place[lead], place[near[reported]]), found[reported]))
    return pd.DataFrame(
        {
            "clump": np.repeat([lead for lead, _, _ in clumps], [len(places) for _, places, _ in clumps]),
            "place": np.concatenate([places for _, places, _ in clumps]),
            "lead": np.concatenate([places == lead for lead, places, _ in clumps]),
            "r2": np.concatenate([np.append(1.0, correlations) for _, _, correlations in clumps]),
        }
    )


def _correlations(
    read: Callable[[_Ints], npt.NDArray[np.int8]],
    lead: int,
    near: _Ints,
    male: npt.NDArray[np.bool_] | None,
) -> _Floats:
    """r2 of one variant with others, which are read in blocks."""
    if not len(near):
        return np.empty(0)
    genotypes = read(np.array([lead]))[0]
    size = max(1, _BLOCK_BYTES // len(genotypes))
    blocks = (near[first : first + size] for first in range(0, len(near), size))
    return np.concatenate([squared_correlation(genotypes, read(block), male) for block in blocks])


def squared_correlation(
    genotypes: npt.NDArray[np.int8], others: npt.NDArray[np.int8], male: npt.NDArray[np.bool_] | None = None
) -> _Floats:
    """r2 between alleles on the same haplotype, of one variant with others.

    Parameters
    ----------
    genotypes : numpy.ndarray of int8, shape (samples,)
        0, 1 or 2 copies of an allele, or :data:`mifm_kipoi.genetics.genotypes.MISSING`.
    others : numpy.ndarray of int8, shape (variants, samples)
    male : numpy.ndarray of bool, shape (samples,), optional
        Samples with one haplotype, for X.

    Returns
    -------
    numpy.ndarray of float64, shape (variants,)
        NaN where either variant has one allele only among the samples with both genotypes.
    """
    weights = np.ones(len(genotypes), dtype=np.float32)
    if male is not None:
        weights[male] = 0.5
        genotypes = np.where(male & (genotypes == 1), np.int8(MISSING), genotypes)
        others = np.where(male & (others == 1), np.int8(MISSING), others)
    copies = np.arange(3, dtype=np.int8)
    mine = (genotypes[:, None] == copies) * weights[:, None]  # (samples, 3)
    counts = np.stack([(others == count).astype(np.float32) @ mine for count in copies], axis=1)
    return squared_correlation_of_counts(counts.astype(np.float64))


def squared_correlation_of_counts(counts: _Floats) -> _Floats:
    """r2 from the numbers of samples with each pair of genotypes.

    With the haplotype frequencies f of the samples that are not heterozygous twice, and h half the
    share of haplotypes in those that are, the share x of their haplotypes that are 00 or 11 solves
    ``2x^3 + (s - t - 3h) x^2 + (f00 f11 + f01 f10 + h (t - s + h)) x - h f00 f11 = 0`` where
    ``s = f00 + f11`` and ``t = f01 + f10``. Of its roots, the one of highest likelihood is taken.

    Parameters
    ----------
    counts : numpy.ndarray of float64, shape (variants, 3, 3)
        Samples with so many copies at the one variant (axis 1) and at the other (axis 2).

    Returns
    -------
    numpy.ndarray of float64, shape (variants,)
    """
    corners = counts[:, ::2, ::2] * 2  # haplotypes of samples homozygous twice; then those with one het
    known = corners + counts[:, ::2, 1, None] + counts[:, 1, None, ::2]  # (variants, 2, 2)
    double = counts[:, 1, 1]
    total = known.sum(axis=(1, 2)) + 2 * double
    with np.errstate(divide="ignore", invalid="ignore"):
        f = known / total[:, None, None]
        h = double / total
        x = _share_of_cis(known, double, f, h)
        one, two = f[:, 0].sum(axis=1) + h, f[:, :, 0].sum(axis=1) + h
        d = f[:, 0, 0] + x - one * two
        found: _Floats = d**2 / (one * (1 - one) * two * (1 - two))
    # Sums of frequencies are not exactly 0 or 1: whether a variant has two alleles is seen in the counts.
    rows, columns = known.sum(axis=2) + double[:, None], known.sum(axis=1) + double[:, None]
    polymorphic = (rows > 0).all(axis=1) & (columns > 0).all(axis=1)
    return np.where(polymorphic, found, np.nan)


def _share_of_cis(known: _Floats, double: _Floats, f: _Floats, h: _Floats) -> _Floats:
    same, crossed = f[:, 0, 0] * f[:, 1, 1], f[:, 0, 1] * f[:, 1, 0]
    s, t = f[:, 0, 0] + f[:, 1, 1], f[:, 0, 1] + f[:, 1, 0]
    roots = _real_roots((s - t - 3 * h) / 2, (same + crossed + h * (t - s + h)) / 2, -h * same / 2)
    # The ends are roots where a haplotype is seen in no other sample.
    x = np.concatenate([np.zeros_like(h)[:, None], np.clip(roots, 0, h[:, None]), h[:, None]], axis=1)
    cis, trans = x, h[:, None] - x
    f00, f01, f10, f11 = (column[:, None] for column in f.reshape(-1, 4).T)
    sums = [f00 + cis, f01 + trans, f10 + trans, f11 + cis]
    likelihood = double[:, None] * np.log(sums[0] * sums[3] + sums[1] * sums[2])
    for number, frequency in zip(known.reshape(-1, 4).T, sums, strict=True):
        likelihood += np.where(number[:, None] > 0, number[:, None] * np.log(frequency), 0)
    best = np.argmax(np.nan_to_num(likelihood, nan=-np.inf), axis=1)
    return np.where(double > 0, x[np.arange(len(x)), best], 0.0)


def _real_roots(a: _Floats, b: _Floats, c: _Floats) -> _Floats:
    """Real roots of ``x^3 + a x^2 + b x + c``, shape (n, 3); where there is one, it comes thrice."""
    q, r = (a**2 - 3 * b) / 9, (2 * a**3 - 9 * a * b + 27 * c) / 54
    discriminant = q**3 - r**2
    angle = np.arccos(np.clip(r / np.sqrt(np.maximum(q, 0)) ** 3, -1, 1))
    three = [-2 * np.sqrt(np.maximum(q, 0)) * np.cos((angle + 2 * np.pi * k) / 3) for k in range(3)]
    large = -np.copysign(np.cbrt(np.abs(r) + np.sqrt(np.maximum(-discriminant, 0))), r)
    single = large + np.where(large == 0, 0, q / large)
    roots = np.where((discriminant > 0)[:, None], np.stack(three, axis=1), single[:, None])
    found: _Floats = roots - a[:, None] / 3
    return found
