"""LD of picked variants in a reference panel, for joint effects."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from mifm_kipoi.conventions import COMPLEMENT
from mifm_kipoi.errors import InputError, OptionError
from mifm_kipoi.genetics.genotypes import Genotypes, open_genotypes
from mifm_kipoi.genetics.ld import correlations
from mifm_kipoi.genomics.contigs import build_named
from mifm_kipoi.polygenic.building.weights import LEAST_EIGENVALUE

Values = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

FEW_PEOPLE = 50
"""Founders of a panel below which correlations between its variants are mostly noise."""


@dataclasses.dataclass(frozen=True)
class LinkageOptions:
    """A reference panel, and how far its LD counts.

    Parameters
    ----------
    genotypes : tuple of Path
        PLINK 1, PLINK 2, VCF or BCF files of the same people, who are like those of the studies; founders are
        used.
    window_kb : float
        Variants of a score are in one joint model as long as neighbours are not farther apart than this, in
        thousands of base pairs.
    least_eigenvalue : float
        Directions of the correlations with a smaller eigenvalue are not used
        (:func:`mifm_kipoi.polygenic.building.weights.joint_weights`).
    """

    genotypes: tuple[Path, ...]
    window_kb: float = 1000.0
    least_eigenvalue: float = LEAST_EIGENVALUE

    def __post_init__(self) -> None:
        if not self.genotypes:
            raise OptionError("the LD reference has no files; name genotypes, or leave joint weights out")
        if not self.window_kb >= 0:
            raise OptionError(f"window_kb is {self.window_kb}; expected 0 or more")
        if not 0 < self.least_eigenvalue < 1:
            raise OptionError(f"least_eigenvalue is {self.least_eigenvalue}; expected between 0 and 1")


@dataclasses.dataclass(frozen=True)
class Region:
    """Variants of one study that are in one joint model.

    Parameters
    ----------
    variants : numpy.ndarray of int64, shape (m,)
        Their numbers.
    correlations : numpy.ndarray of float64, shape (m, m)
        Of copies of their effect alleles in the panel.
    deviations : numpy.ndarray of float64, shape (m,)
        Standard deviations of these copies; above 0.
    """

    variants: Integers
    correlations: Values
    deviations: Values


@dataclasses.dataclass(frozen=True)
class Linkage:
    """LD of the variants of all studies.

    Parameters
    ----------
    regions : list of Region
        Each of one study.
    absent : dict of str to int
        Variants without LD, by reason.
    people : int
        Founders of the panel.
    least_eigenvalue : float
        Of the directions of correlations that are used.
    """

    regions: list[Region]
    absent: dict[str, int]
    people: int
    least_eigenvalue: float = LEAST_EIGENVALUE

    @property
    def largest(self) -> int:
        """Variants of the largest region."""
        return max((len(region.variants) for region in self.regions), default=0)


def read_linkage(
    options: LinkageOptions,
    variants: pd.DataFrame,
    build: str = "",
    on_progress: Callable[[str], None] = lambda _: None,
) -> Linkage:
    """Read the LD between variants of each study, region by region, in one pass over the genotypes.

    Held are the genotypes of the regions that are being read, and the correlations within regions.

    Parameters
    ----------
    options : LinkageOptions
        The panel.
    variants : pandas.DataFrame
        A row for each variant of each study, numbered from 0: study, chrom, pos, effect_allele, other_allele.
        Alleles of SNVs may be those of the other strand, but for A/T and C/G.
    build : str
        Their genome build, where it is known.
    on_progress : callable, optional
        Gets a line of text.

    Raises
    ------
    InputError
        When genotypes cannot be read, have too few founders, none of the variants, or another build.
    """
    panel = open_genotypes(list(options.genotypes))
    if panel.build and build_named(build) not in ("", panel.build):
        raise InputError(
            f"{', '.join(map(str, options.genotypes))} is of {panel.build} by its header, and the studies "
            f"are of {build}; use genotypes of that build, or lift the studies over (lift_over)"
        )
    founders = np.flatnonzero(panel.samples["founder"].to_numpy(bool))
    if len(founders) < FEW_PEOPLE:
        raise InputError(
            f"{', '.join(map(str, options.genotypes))} has {len(founders)} founders; expected {FEW_PEOPLE} "
            "or more for correlations between variants. Use a larger panel, or leave joint weights out"
        )
    rows, signs = _rows_of(panel, variants)
    found = np.flatnonzero(rows >= 0)
    if not len(found):
        raise InputError(
            f"{', '.join(map(str, options.genotypes))} has none of the {len(variants):,} variants of the LD "
            "reference's scores; expected genotypes of the studies' genome build"
        )
    regions = _regions_of(variants.iloc[found], found, options.window_kb * 1000)
    read = _read_regions(panel, founders, rows, signs, regions)
    constant = len(found) - sum(len(region.variants) for region in read)
    absent = {
        "not in the LD reference": len(variants) - len(found),
        "one allele in the LD reference": constant,
    }
    on_progress(
        f"LD of {len(found) - constant:,} variants in {len(read):,} regions, from {len(founders):,} people"
    )
    return Linkage(
        read,
        {reason: number for reason, number in absent.items() if number},
        len(founders),
        options.least_eigenvalue,
    )


def _rows_of(panel: Genotypes, variants: pd.DataFrame) -> tuple[Integers, npt.NDArray[np.float32]]:
    """The row of the panel with each variant, -1 for none; 1, or -1 where it counts the other allele."""
    rows = np.full(len(variants), -1, dtype=np.int64)
    signs = np.ones(len(variants), dtype=np.float32)
    fits = np.full(len(variants), 9, dtype=np.int64)
    wanted = variants[["chrom", "pos", "effect_allele", "other_allele"]].reset_index(drop=True)
    wanted = wanted.assign(number=range(len(wanted)))
    places = pd.MultiIndex.from_frame(wanted[["chrom", "pos"]].drop_duplicates())
    for chunk in panel.variants():
        near = chunk[pd.MultiIndex.from_frame(chunk[["chrom", "pos"]]).isin(places)]
        pairs = near[["row", "chrom", "pos", "counted", "other"]].merge(wanted, on=["chrom", "pos"])
        for fit, sign, first, second in _fits(pairs):
            same = (pairs["counted"] == first) & (pairs["other"] == second)
            for number, row in zip(pairs["number"][same].tolist(), pairs["row"][same].tolist(), strict=True):
                # As written before the other strand; of the same, the first.
                if fit < fits[number]:
                    rows[number], signs[number], fits[number] = row, sign, fit
    return rows, signs


def _fits(pairs: pd.DataFrame) -> list[tuple[int, float, pd.Series[str], pd.Series[str]]]:
    """Ways in which alleles can be those of a variant: rank, sign, counted allele and the other."""
    effect, other = pairs["effect_allele"], pairs["other_allele"]
    flipped = [one.map(lambda allele: str(allele).translate(COMPLEMENT)) for one in (effect, other)]
    # Only an SNV whose alleles do not pair with each other can be told on the other strand.
    told = (effect.str.len() == 1) & (other.str.len() == 1) & (flipped[0] != other)
    complement_effect, complement_other = (one.where(told, "") for one in flipped)
    return [
        (0, 1.0, effect, other),
        (0, -1.0, other, effect),
        (1, 1.0, complement_effect, complement_other),
        (1, -1.0, complement_other, complement_effect),
    ]


def _regions_of(variants: pd.DataFrame, numbers: Integers, window_bp: float) -> list[Integers]:
    """The numbers of the variants of each region: of one study and contig, without a wider gap."""
    order = variants.assign(number=numbers).sort_values(["study", "chrom", "pos", "number"], kind="stable")
    new = (order["study"] != order["study"].shift()) | (order["chrom"] != order["chrom"].shift())
    new |= order["pos"].diff() > window_bp
    region = new.to_numpy().cumsum()
    starts = np.flatnonzero(np.diff(region, prepend=0))
    return np.split(order["number"].to_numpy(np.int64), starts[1:])


def _read_regions(
    panel: Genotypes,
    founders: Integers,
    rows: Integers,
    signs: npt.NDArray[np.float32],
    regions: Sequence[Integers],
) -> list[Region]:
    """The LD of each region as soon as its last variant was read."""
    wanted = np.unique(rows[rows >= 0])
    regions_of: dict[int, list[int]] = {}
    missing = []
    for number, variants in enumerate(regions):
        own = np.unique(rows[variants]).tolist()
        missing.append(len(own))
        for row in own:
            regions_of.setdefault(row, []).append(number)
    waiting = {row: len(numbers) for row, numbers in regions_of.items()}
    held: dict[int, npt.NDArray[np.float32]] = {}
    done: dict[int, Region] = {}

    def chosen(chunk: pd.DataFrame) -> npt.NDArray[np.bool_]:
        return np.isin(chunk["row"].to_numpy(np.int64), wanted)

    for block in panel.blocks(chosen, founders):
        for row, dosages in zip(block.variants["row"].tolist(), block.dosages, strict=True):
            held[row] = dosages.copy()
            for number in regions_of[row]:
                missing[number] -= 1
                if missing[number]:
                    continue
                variants = regions[number]
                done[number] = _region(variants, [held[one] for one in rows[variants]], signs[variants])
                for one in np.unique(rows[variants]).tolist():
                    waiting[one] -= 1
                    if not waiting[one]:
                        del held[one]
    return [done[number] for number in range(len(regions)) if len(done[number].variants)]


def _region(
    variants: Integers, dosages: Sequence[npt.NDArray[np.float32]], signs: npt.NDArray[np.float32]
) -> Region:
    copies = np.stack(dosages)
    with np.errstate(invalid="ignore"):
        deviations = np.nanstd(copies.astype(np.float64), axis=1)
    varies = deviations > 0
    signed = signs[varies].astype(np.float64)
    # Missing genotypes count as the mean, so that correlations of several variants are possible together.
    r = correlations(copies[varies]) * np.outer(signed, signed)
    return Region(variants[varies], r, deviations[varies])
