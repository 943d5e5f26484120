"""Clumps of associated variants around their lead variants, as PLINK 1.9 makes them.

Variants are visited by rising p-value, by its logarithm, so that those too small for a number have an order
too. Each that is not yet in a clump becomes the lead variant of a new one, which takes the nearby correlated
variants that are not in a clump either. The correlation is that of PLINK's ``--clump``: between alleles on
the same haplotype, with the maximum-likelihood haplotype frequencies of the unphased genotypes (Excoffier &
Slatkin 1995, Mol Biol Evol 12:921; Gaunt et al. 2007, BMC Bioinformatics 8:428, solve the two-variant case as
a cubic).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from mifm_kipoi.genetics.genotypes import MISSING, Fileset, GenotypeError, bim_chunks, open_fileset
from mifm_kipoi.genomics.contigs import contig_keys
from mifm_kipoi.genomics.gwas_formats import PLINK_NUMBERS

_log = logging.getLogger(__name__)

CLUMP_COLUMNS = {"clump": "int64", "row": "int64", "id": "str", "lead": "bool", "r2": "float64"}
"""One row per member of a clump; :func:`clump` describes the columns."""

_BLOCK_BYTES = 16 << 20
"""Size of the genotypes that are held at a time, 16 MiB; their counts take four times as much."""

_WITHOUT_CLUMPS = ("Y", "26", "M", "0")
"""Keys of Y, the mitochondrion and PLINK's unplaced variants."""

_ROUNDING = 1e-9
"""A squared correlation must exceed the limit by more than this, whatever the rounding."""

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
    absent: list[int] | None = None,
) -> pd.DataFrame:
    """Clump as ``plink --clump --clump-p1 --clump-p2 --clump-r2 --clump-kb`` does, founders only.

    Equal p-values are ordered by falling |z| where it is given, then by ``bed_prefixes`` and the variants'
    order in the ``.bim`` files, as in PLINK.
    On X, males have one haplotype and their heterozygous genotypes count as missing; variants on Y and the
    mitochondrion are left out.

    Parameters
    ----------
    table : pandas.DataFrame
        Columns id and log_p, the natural logarithm of the p-value; z, optional; chrom, pos (1-based),
        effect_allele and other_allele where ``match`` is ``variant``. Each variant occurs once.
    bed_prefixes : sequence of str
        Paths of PLINK filesets without ``.bed``, such as one per chromosome; no chromosome is in two.
    p1 : float
        Highest p-value of a lead variant.
    p2 : float
        Members other than the lead variant have a lower p-value than this; at least ``p1``.
    r2 : float
        Members have a higher squared correlation with the lead variant than this, from 0 to 1.
    kb : float
        Members are nearer to the lead variant than this, in thousands of base pairs.
    match : str
        How variants are looked up in the ``.bim`` files: ``variant`` by chromosome, position and both
        alleles in either order; ``id`` by id alone, with the position of the ``.bim`` file, as PLINK does.
    absent : list of int, optional
        Receives the rows (0-based, in ``table``) of variants without genotypes, which are left out, as PLINK
        does.

    Returns
    -------
    pandas.DataFrame
        One row per member: clump (from 1 by rising p-value of the lead variant), row (0-based index in
        ``table``), id, lead (bool) and r2 with the lead variant; in each clump the lead variant is first and
        the others follow by position.

    Raises
    ------
    GenotypeError
        When PLINK files do not belong together or a variant occurs twice; an InputError when a file cannot
        be read.
    ValueError
        When ``p2`` is less than ``p1``.
    """
    if p2 < p1:
        raise ValueError(f"p2 is {p2}, less than p1, {p1}")
    filesets = [open_fileset(prefix) for prefix in bed_prefixes]
    genotyped = _genotyped(table, filesets, match)
    missing = np.setdiff1d(np.arange(len(table)), genotyped["row"]).tolist()
    if missing:
        _log.warning("%d of %d variants are not in the genotypes", len(missing), len(table))
    if absent is not None:
        absent += missing
    with np.errstate(divide="ignore"):
        log_p1, log_p2 = np.log(p1), np.log(p2)
    has_lead = genotyped.groupby("chrom")["log_p"].transform("min") <= log_p1
    parts = [
        _clump_chromosome(rows, filesets[rows["fileset"].iloc[0]], log_p1, log_p2, r2, kb)
        for _, rows in genotyped[has_lead].groupby("chrom", sort=False)
    ]
    if not parts:
        return pd.DataFrame(columns=list(CLUMP_COLUMNS)).astype(CLUMP_COLUMNS)
    members = pd.concat(parts, ignore_index=True)
    # Clumps are numbered over all chromosomes, by the rank of the lead variant's p-value.
    by_p_value = _by_association(genotyped)
    rank = pd.Series(np.arange(len(genotyped)), index=genotyped["number"].to_numpy()[by_p_value])
    members = members.assign(clump=members["clump"].map(rank))
    members = members.sort_values(["clump", "lead", "number"], ascending=[True, False, True])
    rows = members["number"].map(genotyped.set_index("number")["row"]).astype("int64").to_numpy()
    numbers = pd.factorize(members["clump"])[0] + 1
    return members.assign(clump=numbers, row=rows, id=table["id"].to_numpy()[rows])[
        list(CLUMP_COLUMNS)
    ].reset_index(drop=True)


def _genotyped(table: pd.DataFrame, filesets: list[Fileset], match: str) -> pd.DataFrame:
    """The variants of the table that have genotypes, numbered from 0 in the order of the filesets.

    Columns: those of the ``.bim`` file, ``bim`` (0-based row in it), ``fileset`` (index in ``filesets``),
    ``row`` (0-based row of ``table``), ``log_p``, ``size`` (|z|, or 0) and ``number``.
    """
    wanted = pd.DataFrame(
        {
            "key": _keys(table, "effect_allele", "other_allele") if match == "variant" else table["id"],
            "row": range(len(table)),
            "log_p": table["log_p"],
            "size": table["z"].abs().fillna(0) if "z" in table else 0.0,
        }
    )
    _refuse_duplicates(wanted["key"], "the table")
    positions = set(table["pos"]) if match == "variant" else set()
    parts = []
    contigs: set[str] = set()
    for index, fileset in enumerate(filesets):
        for chunk in bim_chunks(fileset.prefix):
            contigs.update(contig_keys(pd.Series(chunk["chrom"].unique(), dtype="str"), PLINK_NUMBERS))
            candidates = chunk[chunk["pos"].isin(positions)] if match == "variant" else chunk
            keys = candidates["id"]
            if match == "variant":
                keys = _keys(candidates, "allele1", "allele2", PLINK_NUMBERS)
            candidates = candidates.assign(
                key=keys,
                fileset=index,
                bim=candidates.index,
                # 25, where males have two haplotypes as females have, clumps apart from X, as in PLINK.
                chrom=contig_keys(candidates["chrom"]),
            )
            kept = candidates["key"].isin(wanted["key"]) & ~candidates["chrom"].isin(_WITHOUT_CLUMPS)
            parts.append(candidates[kept])
    if match == "variant":
        _warn_of_contigs(contig_keys(table["chrom"]), contigs)
    genotyped = pd.concat(parts, ignore_index=True)
    _refuse_duplicates(genotyped["key"], "the .bim files")
    filesets_of = genotyped.groupby("chrom")["fileset"].nunique()
    if (filesets_of > 1).any():
        raise GenotypeError(
            f"chromosome {filesets_of.idxmax()} is in {filesets_of.max()} filesets; expected each chromosome "
            f"in one of {', '.join(fileset.prefix for fileset in filesets)}"
        )
    genotyped = genotyped.merge(wanted, on="key").sort_values(["fileset", "bim"])
    return genotyped.assign(number=range(len(genotyped)))


def _keys(
    table: pd.DataFrame, first: str, second: str, numbers: Mapping[str, str] | None = None
) -> pd.Series:
    """Chromosome, position and the two alleles in alphabetical order, as one text."""
    one, two = table[first].str.upper(), table[second].str.upper()
    ordered = one <= two
    alleles = one.where(ordered, two) + ":" + two.where(ordered, one)
    return contig_keys(table["chrom"], numbers) + ":" + table["pos"].astype(str) + ":" + alleles


def _warn_of_contigs(chroms: pd.Series, contigs: set[str]) -> None:
    """Say which contigs of the table the genotypes lack."""
    absent = chroms[~chroms.isin(contigs)].value_counts()
    if len(absent):
        _log.warning(
            "the genotypes have no variants on %s",
            ", ".join(f"{name} ({number:,} variants of the table)" for name, number in absent.items()),
        )


def _refuse_duplicates(keys: pd.Series, source: str) -> None:
    if keys.duplicated().any():
        raise GenotypeError(
            f"{keys[keys.duplicated()].iloc[0]} occurs more than once in {source}; keep one of them"
        )


def clump_genotypes(
    table: pd.DataFrame,
    genotypes: npt.NDArray[np.int8],
    male: npt.NDArray[np.bool_],
    *,
    p1: float,
    p2: float,
    r2: float,
    kb: float,
) -> pd.DataFrame:
    """As :func:`clump`, of the variants of one chromosome whose genotypes are in memory.

    Parameters
    ----------
    table : pandas.DataFrame
        A row for each variant: chrom (one, as :func:`mifm_kipoi.genomics.contigs.contig_key` names it), pos
        and log_p, NaN where unknown; z, optional. Equal p-values and |z| are ordered by row.
    genotypes : numpy.ndarray of int8, shape (variants, founders)
        Copies of an allele, 0, 1, 2 or :data:`mifm_kipoi.genetics.genotypes.MISSING`.
    male : numpy.ndarray of bool, shape (founders,)
        Who has one haplotype of X.
    p1, p2, r2, kb : float
        See :func:`clump`.

    Returns
    -------
    pandas.DataFrame
        One row per member: clump (the row of its lead variant), row (0-based, in ``table``), lead and r2; in
        each clump the lead variant is first and the others follow by position. Clumps follow by p-value.
    """
    if table["chrom"].nunique() > 1:
        raise ValueError(f"the table has {table['chrom'].nunique()} chromosomes; expected one")
    rows = pd.DataFrame(
        {
            "chrom": table["chrom"].to_numpy(),
            "pos": table["pos"].to_numpy(),
            "log_p": table["log_p"].to_numpy(np.float64),
            "size": np.nan_to_num(np.abs(table["z"].to_numpy(np.float64))) if "z" in table else 0.0,
            "number": np.arange(len(table)),
            "bim": np.arange(len(table)),
        }
    )
    with np.errstate(divide="ignore"):
        limits = float(np.log(p1)), float(np.log(p2))
    if not len(rows) or not (rows["log_p"] <= limits[0]).any() or rows["chrom"].iloc[0] in _WITHOUT_CLUMPS:
        return pd.DataFrame(columns=["clump", "row", "lead", "r2"]).astype(
            {"clump": "int64", "row": "int64", "lead": "bool", "r2": "float64"}
        )
    on_x = male if rows["chrom"].iloc[0] == "X" else None
    members = _clump_rows(rows, lambda some: genotypes[some], on_x, *limits, r2, kb)
    return members.rename(columns={"number": "row"})[["clump", "row", "lead", "r2"]]


def _clump_chromosome(
    rows: pd.DataFrame, fileset: Fileset, log_p1: float, log_p2: float, r2: float, kb: float
) -> pd.DataFrame:
    """Members of the clumps of one chromosome; ``clump`` is the number of the lead variant."""
    male = fileset.male if rows["chrom"].iloc[0] == "X" else None
    with fileset.reading() as read:
        return _clump_rows(rows, read, male, log_p1, log_p2, r2, kb)


def _clump_rows(
    rows: pd.DataFrame,
    read: Callable[[_Ints], npt.NDArray[np.int8]],
    male: npt.NDArray[np.bool_] | None,
    log_p1: float,
    log_p2: float,
    r2: float,
    kb: float,
) -> pd.DataFrame:
    """As :func:`_clump_chromosome`, of genotypes that ``read`` gives by their ``bim``."""
    rows = rows.sort_values(["pos", "number"])
    pos, log_p = rows["pos"].to_numpy(dtype=np.int64), rows["log_p"].to_numpy(dtype=np.float64)
    number, bim = rows["number"].to_numpy(dtype=np.int64), rows["bim"].to_numpy(dtype=np.int64)
    free = np.ones(len(rows), dtype=bool)
    clumps: list[tuple[int, _Ints, _Floats]] = []
    for lead in _by_association(rows):
        if log_p[lead] > log_p1 or np.isnan(log_p[lead]):
            break
        if not free[lead]:
            continue
        free[lead] = False
        start = np.searchsorted(pos, pos[lead] - kb * 1000, side="right")
        stop = np.searchsorted(pos, pos[lead] + kb * 1000, side="left")
        near = start + np.flatnonzero(free[start:stop])
        correlations = _correlations(read, bim[lead], bim[near], male)
        linked = correlations > r2 + _ROUNDING
        free[near[linked]] = False
        reported = linked & (log_p[near] < log_p2)
        members = np.append(number[lead], number[near[reported]])
        clumps.append((number[lead], members, correlations[reported]))
    return pd.DataFrame(
        {
            "clump": np.repeat([lead for lead, _, _ in clumps], [len(members) for _, members, _ in clumps]),
            "number": np.concatenate([members for _, members, _ in clumps]),
            "lead": np.concatenate([members == lead for lead, members, _ in clumps]),
            "r2": np.concatenate([np.append(1.0, correlations) for _, _, correlations in clumps]),
        }
    )


def _by_association(rows: pd.DataFrame) -> _Ints:
    """The order in which variants become lead variants, shape (n,)."""
    return np.lexsort((rows["number"], -rows["size"], rows["log_p"]))


def _correlations(
    read: Callable[[_Ints], npt.NDArray[np.int8]],
    lead: int,
    near: _Ints,
    male: npt.NDArray[np.bool_] | None,
) -> _Floats:
    """r2 of one variant with others, whose genotypes are read in blocks."""
    if not len(near):
        return np.empty(0)
    genotypes = read(np.array([lead]))[0]
    size = max(1, _BLOCK_BYTES // len(genotypes))
    blocks = (near[first : first + size] for first in range(0, len(near), size))
    return np.concatenate([squared_correlation(genotypes, read(block), male) for block in blocks])


def squared_correlation(
    genotypes: npt.NDArray[np.int8], others: npt.NDArray[np.int8], male: npt.NDArray[np.bool_] | None = None
) -> _Floats:
    """r2 of one variant with others, between alleles on the same haplotype.

    Parameters
    ----------
    genotypes : numpy.ndarray of int8, shape (samples,)
        Copies of an allele of the one variant: 0, 1, 2, or :data:`mifm_kipoi.genetics.genotypes.MISSING`.
    others : numpy.ndarray of int8, shape (variants, samples)
        The same of the other variants.
    male : numpy.ndarray of bool, shape (samples,), optional
        Samples with one haplotype; given for X only.

    Returns
    -------
    numpy.ndarray of float64, shape (variants,)
        From 0 to 1; NaN where a variant has only one allele among the samples with both genotypes.
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

    Let f be the haplotype counts of the samples that are not heterozygous at both variants, as fractions of
    all haplotypes, and h half the fraction of haplotypes in double heterozygotes. The fraction x of
    haplotypes that are 00 (or 11) in double heterozygotes solves
    ``2x^3 + (s - t - 3h) x^2 + (f00 f11 + f01 f10 + h (t - s + h)) x - h f00 f11 = 0`` where
    ``s = f00 + f11`` and ``t = f01 + f10``. Of its roots, that of the highest likelihood is taken.

    Parameters
    ----------
    counts : numpy.ndarray of float64, shape (variants, 3, 3)
        Samples by copies of an allele at the one variant (axis 1) and at the other (axis 2).

    Returns
    -------
    numpy.ndarray of float64, shape (variants,)
        As for :func:`squared_correlation`.
    """
    corners = counts[:, ::2, ::2] * 2  # haplotypes of samples homozygous twice; then those with one het
    known = corners + counts[:, ::2, 1, None] + counts[:, 1, None, ::2]  # (variants, 2, 2)
    double = counts[:, 1, 1]
    total = known.sum(axis=(1, 2)) + 2 * double
    with np.errstate(divide="ignore", invalid="ignore"):
        f = known / total[:, None, None]
        h = double / total
        x = _cis_fraction(known, double, f, h)
        one, two = f[:, 0].sum(axis=1) + h, f[:, :, 0].sum(axis=1) + h
        d = f[:, 0, 0] + x - one * two
        r2: _Floats = d**2 / (one * (1 - one) * two * (1 - two))
    # Sums of frequencies are not exactly 0 or 1, so that counts show whether a variant has two alleles.
    rows, columns = known.sum(axis=2) + double[:, None], known.sum(axis=1) + double[:, None]
    polymorphic = (rows > 0).all(axis=1) & (columns > 0).all(axis=1)
    return np.where(polymorphic, r2, np.nan)


def _cis_fraction(known: _Floats, double: _Floats, f: _Floats, h: _Floats) -> _Floats:
    """The most likely x of :func:`squared_correlation_of_counts`, shape (variants,)."""
    same, crossed = f[:, 0, 0] * f[:, 1, 1], f[:, 0, 1] * f[:, 1, 0]
    s, t = f[:, 0, 0] + f[:, 1, 1], f[:, 0, 1] + f[:, 1, 0]
    roots = _real_roots((s - t - 3 * h) / 2, (same + crossed + h * (t - s + h)) / 2, -h * same / 2)
    # 0 and h are solutions where a haplotype occurs in no other sample.
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
    """Real roots of ``x^3 + a x^2 + b x + c``, shape (n, 3); a single real root is repeated three times."""
    q, r = (a**2 - 3 * b) / 9, (2 * a**3 - 9 * a * b + 27 * c) / 54
    discriminant = q**3 - r**2
    angle = np.arccos(np.clip(r / np.sqrt(np.maximum(q, 0)) ** 3, -1, 1))
    three = [-2 * np.sqrt(np.maximum(q, 0)) * np.cos((angle + 2 * np.pi * k) / 3) for k in range(3)]
    large = -np.copysign(np.cbrt(np.abs(r) + np.sqrt(np.maximum(-discriminant, 0))), r)
    single = large + np.where(large == 0, 0, q / large)
    roots = np.where((discriminant > 0)[:, None], np.stack(three, axis=1), single[:, None])
    shifted: _Floats = roots - a[:, None] / 3
    return shifted
