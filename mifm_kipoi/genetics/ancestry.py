"""Ancestry of people: axes of a labelled reference panel, where others lie on them, and their labels.

The axes are principal components of common variants in little LD, which both sources of genotypes have
(Price et al. 2006, Nat Genet 38:904). People are placed on them without shrinkage
(:func:`mifm_kipoi.statistics.components.projected`) and labelled by the panel's people near them.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from typing import Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from mifm_kipoi.errors import InputError, OptionError
from mifm_kipoi.genetics.genotypes import Block, Genotypes
from mifm_kipoi.genetics.ld import independent_rows
from mifm_kipoi.statistics.components import Components, principal_components, projected
from mifm_kipoi.statistics.nearest import Centroids, neighbour_fractions, neighbours

MORE_COMPONENTS = 10
"""Components beyond those that are used, which place people better."""

ENOUGH_VARIANTS = 100
"""Variants below which axes say little."""

Method = Literal["knn", "centroid"]

Values = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
Rows = npt.NDArray[np.int64]

_ISOLATED = 0.99
"""The quantile of a group's own distances that counts as its edge."""

_BASES = {"A": 0, "C": 1, "G": 2, "T": 3}
_AUTOSOMES = {str(number): number for number in range(1, 23)}


@dataclasses.dataclass(frozen=True)
class AxesOptions:
    """Which variants axes are made of, and how many axes are used.

    Parameters
    ----------
    components : int
        Axes by which people are labelled.
    min_maf : float
        Lowest frequency, in the panel, of a variant's rarer allele.
    min_call_rate : float
        Lowest fraction of people, in the panel and in the genotypes, with a variant's genotype.
    max_r2 : float
        Highest squared correlation of two variants within the window, in the panel.
    window_kb : float
        The window, in thousands of base pairs.
    """

    components: int = 10
    min_maf: float = 0.01
    min_call_rate: float = 0.95
    max_r2: float = 0.2
    window_kb: float = 500.0

    def __post_init__(self) -> None:
        if self.components < 1:
            raise OptionError(f"components is {self.components}; expected 1 or more")
        for name, highest in (("min_maf", 0.5), ("min_call_rate", 1), ("max_r2", 1)):
            if not 0 <= getattr(self, name) <= highest:
                raise OptionError(f"{name} is {getattr(self, name):g}; expected 0 to {highest:g}")


@dataclasses.dataclass(frozen=True)
class AssignmentOptions:
    """How people get the label of a group.

    Parameters
    ----------
    method : str
        ``knn``: the most frequent group among the nearest people of the panel; its probability is that
        fraction. ``centroid``: the group with the nearest mean, distances being measured in the spread within
        groups; probabilities as of normal distributions.
    neighbours : int
        People of the panel that count as near.
    min_probability : float
        Lowest probability of a label; people below have none.
    max_isolation : float
        Farthest that a person may be from the people of the panel: the mean distance to the nearest ones, in
        units of that at the edge of the group (its 99th percentile among the group's own people).
    """

    method: Method = "knn"
    neighbours: int = 20
    min_probability: float = 0.75
    max_isolation: float = 2.0

    def __post_init__(self) -> None:
        if self.neighbours < 1:
            raise OptionError(f"neighbours is {self.neighbours}; expected 1 or more")
        if not 0 <= self.min_probability <= 1:
            raise OptionError(f"min_probability is {self.min_probability:g}; expected 0 to 1")


@dataclasses.dataclass(frozen=True)
class SharedVariants:
    """Variants of two sources that are the same, and those of the reference panel that are not used.

    Parameters
    ----------
    reference, target : numpy.ndarray of int64, shape (m,)
        ``row`` of each variant in the panel and in the genotypes; those of the panel rise.
    swapped : numpy.ndarray of bool, shape (m,)
        Where the genotypes count the allele that the panel does not.
    counts : dict of str to int
        Variants of the panel by what became of them.
    """

    reference: Rows
    target: Rows
    swapped: Flags
    counts: dict[str, int]

    def take(self, kept: Flags) -> SharedVariants:
        """Some of the variants."""
        return SharedVariants(self.reference[kept], self.target[kept], self.swapped[kept], self.counts)


@dataclasses.dataclass(frozen=True)
class Panel:
    """The axes of a reference panel, and its people.

    Parameters
    ----------
    people : numpy.ndarray of int64, shape (n,)
        Rows of the panel's samples.
    codes : numpy.ndarray of int64, shape (n,)
        The group of each, by its place in ``groups``.
    groups : tuple of str
        Labels, in alphabetical order.
    variants : pandas.DataFrame
        The m variants of the axes: row (of the panel), chrom, pos, id, counted, other, frequency (of
        ``counted``).
    cross : numpy.ndarray of float64, shape (n, n)
        Products of the people's standardised genotypes.
    components : Components
        Of the panel: those that are used, and more.
    loadings : numpy.ndarray of float64, shape (m, k)
        Of each component: weights of standardised genotypes.
    used : int
        Components by which people are labelled.
    """

    people: Rows
    codes: Rows
    groups: tuple[str, ...]
    variants: pd.DataFrame
    cross: Values
    components: Components
    loadings: Values
    used: int

    @property
    def points(self) -> Values:
        """Where the panel's people lie, shape (n, used)."""
        return self.components.scores[:, : self.used]


@dataclasses.dataclass(frozen=True)
class Placed:
    """Where people lie on the axes of a panel.

    Parameters
    ----------
    points : numpy.ndarray of float64, shape (t, used)
        Comparable with :attr:`Panel.points`.
    observed : numpy.ndarray of float64, shape (t,)
        The fraction of the axes' variants of which a person has the genotype.
    """

    points: Values
    observed: Values


@dataclasses.dataclass(frozen=True)
class Assigned:
    """Labels of people.

    Parameters
    ----------
    label : numpy.ndarray of object, shape (t,)
        A group, or empty.
    nearest : numpy.ndarray of int64, shape (t,)
        The most probable group, whether it is the label or not.
    probabilities : numpy.ndarray of float64, shape (t, g)
        Of all groups.
    isolation : numpy.ndarray of float64, shape (t,)
        As :class:`AssignmentOptions` describes it.
    """

    label: npt.NDArray[np.object_]
    nearest: Rows
    probabilities: Values
    isolation: Values


def shared_variants(reference: Genotypes, target: Genotypes) -> SharedVariants:
    """Variants by which people of two sources can be compared.

    They are single-nucleotide variants of autosomes with one alternative allele, at the same position and
    with the same alleles in both, on either strand; A/T and C/G, which look alike on both strands, are left
    out.

    Parameters
    ----------
    reference, target : Genotypes
        A panel and the genotypes; each is read once, without its genotypes.

    Raises
    ------
    InputError
        When both state a genome build, and not the same.
    """
    if reference.build and target.build and reference.build != target.build:
        raise InputError(
            f"{reference.paths[0]} is of {reference.build} and {target.paths[0]} of {target.build}; expected "
            "one genome build. Lift one of them over"
        )
    panel, total = _comparable(reference)
    own, _ = _comparable(target)
    same, mine, theirs = np.intersect1d(panel.key, own.key, assume_unique=True, return_indices=True)
    one, other = panel.take(mine), own.take(theirs)
    on_strand, flipped = _pair(one), _pair(one, strand=True)
    fits, swapped = np.zeros(len(same), dtype=bool), np.zeros(len(same), dtype=bool)
    for pair in (on_strand, flipped):
        straight = pair == _pair(other)
        crossed = pair == _pair(_Sites(other.key, other.row, other.other, other.counted))
        fits |= straight | crossed
        swapped |= crossed
    order = np.argsort(one.row[fits])
    counts = {
        "variants of the panel": total,
        "single-nucleotide variants of autosomes, no A/T or C/G": len(panel.key),
        "at a position of the genotypes": len(same),
        "with the same alleles": int(fits.sum()),
    }
    return SharedVariants(one.row[fits][order], other.row[fits][order], (fits & swapped)[fits][order], counts)


@dataclasses.dataclass(frozen=True)
class _Sites:
    """Variants as numbers: contig and position, row, and both alleles."""

    key: Rows
    row: Rows
    counted: npt.NDArray[np.int8]
    other: npt.NDArray[np.int8]

    def take(self, rows: Rows) -> _Sites:
        return _Sites(self.key[rows], self.row[rows], self.counted[rows], self.other[rows])


def _comparable(genotypes: Genotypes) -> tuple[_Sites, int]:
    """The variants of a source that can be compared, and how many it has."""
    parts, total = [], 0
    for chunk in genotypes.variants():
        total += len(chunk)
        contig = chunk["chrom"].map(_AUTOSOMES).fillna(0).to_numpy(np.int64)
        counted, other = (
            np.asarray(chunk[name].map(_BASES).fillna(-1), dtype=np.int8) for name in ("counted", "other")
        )
        kept = (contig > 0) & (chunk["pos"].to_numpy() > 0) & (counted >= 0) & (other >= 0)
        kept &= (counted != other) & (counted != 3 - other)
        # A position occurs twice where a variant has two alternative alleles, whatever they are.
        key = (contig << 32) | chunk["pos"].to_numpy(np.int64)
        parts.append((key, chunk["row"].to_numpy(np.int64), counted, other, kept))
    if not parts:
        raise InputError(f"{genotypes.paths[0]} has no variants")
    key, row, counted, other, kept = (np.concatenate(column) for column in zip(*parts, strict=True))
    _, first, number = np.unique(key, return_index=True, return_counts=True)
    once = np.zeros(len(key), dtype=bool)
    once[first[number == 1]] = True
    sites = _Sites(key, row, counted, other)
    return sites.take(np.flatnonzero(kept & once)), total


def _pair(sites: _Sites, strand: bool = False) -> npt.NDArray[np.int8]:
    """Both alleles as one number, perhaps those of the other strand."""
    counted, other = sites.counted, sites.other
    if strand:
        counted, other = np.int8(3) - counted, np.int8(3) - other
    return np.asarray(counted * 4 + other, dtype=np.int8)


def choose_variants(
    reference: Genotypes, people: Rows, target: Genotypes, shared: SharedVariants, options: AxesOptions
) -> SharedVariants:
    """Variants of the axes: common, called in both sources and in little LD.

    Each source is read once.

    Parameters
    ----------
    reference, target : Genotypes
        The panel and the genotypes.
    people : numpy.ndarray of int64, shape (n,)
        Rows of the panel's samples.
    shared : SharedVariants
        Among which they are chosen.
    options : AxesOptions
        The limits.

    Raises
    ------
    InputError
        When fewer are left than there are to be components.
    """

    def usable(block: Block) -> Flags:
        called = ~np.isnan(block.dosages)
        number = called.sum(axis=1)
        frequency = np.where(called, block.dosages, 0).sum(axis=1) / np.maximum(2 * number, 1)
        common = np.minimum(frequency, 1 - frequency) >= options.min_maf
        return np.asarray(common & (number >= options.min_call_rate * len(people)))

    rows = independent_rows(
        reference, lambda chunk: np.isin(chunk["row"], shared.reference), people, usable=usable,
        max_r2=options.max_r2, window_bp=int(options.window_kb * 1000),
    )  # fmt: skip
    kept = shared.take(np.isin(shared.reference, rows))
    rate = np.zeros(len(kept.target))
    order = np.argsort(kept.target)
    for block in target.blocks(lambda chunk: np.isin(chunk["row"], kept.target)):
        places = order[np.searchsorted(kept.target[order], block.variants["row"])]
        rate[places] = (~np.isnan(block.dosages)).mean(axis=1)
    counts = {
        **shared.counts,
        "common and in little LD in the panel": len(rows),
        "called in the genotypes": int((rate >= options.min_call_rate).sum()),
    }
    chosen = dataclasses.replace(kept.take(rate >= options.min_call_rate), counts=counts)
    if len(chosen.reference) <= options.components:
        said = "; ".join(f"{number:,} {what}" for what, number in counts.items())
        raise InputError(
            f"{len(chosen.reference)} variants are left for {options.components} components: {said}. "
            f"Expected at least {ENOUGH_VARIANTS}: are the panel and the genotypes of the same genome build?"
        )
    return chosen


def fit_panel(
    reference: Genotypes, people: Rows, labels: Sequence[str], chosen: SharedVariants, components: int
) -> Panel:
    """The axes of a panel, in two passes over its genotypes.

    Held are a matrix of people times people and the loadings of the variants.

    Parameters
    ----------
    reference : Genotypes
        The panel.
    people : numpy.ndarray of int64, shape (n,)
        Rows of its samples.
    labels : sequence of str, length n
        The group of each.
    chosen : SharedVariants
        Variants.
    components : int
        How many are used.
    """
    groups = tuple(sorted(set(labels)))
    codes = np.array([groups.index(label) for label in labels], dtype=np.int64)
    cross = np.zeros((len(people), len(people)))
    parts = []
    for block in _chosen_blocks(reference, chosen.reference, people):
        frequency = np.asarray(np.nanmean(block.dosages, axis=1, dtype=np.float64) / 2)
        parts.append(block.variants.assign(frequency=frequency))
        standardised = _standardised(block.dosages, frequency)
        cross += standardised.T @ standardised
    variants = pd.concat(parts, ignore_index=True).drop(columns="ref")
    found = principal_components(cross, components + MORE_COMPONENTS)
    turn = found.vectors / found.singular
    loadings = np.concatenate(
        [
            _standardised(block.dosages, variants["frequency"].to_numpy()[places]) @ turn
            for block, places in _with_places(
                _chosen_blocks(reference, chosen.reference, people), variants["row"].to_numpy()
            )
        ]
    )
    used = min(components, len(found.singular))
    return Panel(people, codes, groups, variants, cross, found, loadings, used)


def place(target: Genotypes, chosen: SharedVariants, panel: Panel) -> Placed:
    """Place people on the axes of a panel, in one pass over their genotypes.

    A missing genotype counts nothing, and what a person has is scaled up for it.

    Parameters
    ----------
    target : Genotypes
        Their genotypes.
    chosen : SharedVariants
        The variants of the panel's axes.
    panel : Panel
        The axes.
    """
    people = len(target)
    scores = np.zeros((people, panel.loadings.shape[1]))
    squares, observed = np.zeros(people), np.zeros(people)
    order = np.argsort(chosen.target)
    rows = chosen.target[order]
    for block, places in _with_places(_chosen_blocks(target, chosen.target, None), rows):
        variants = order[places]
        dosages = block.dosages
        dosages = np.where(chosen.swapped[variants][:, None], np.float32(2) - dosages, dosages)
        observed += (~np.isnan(dosages)).sum(axis=0)
        standardised = _standardised(dosages, panel.variants["frequency"].to_numpy()[variants])
        scores += standardised.T @ panel.loadings[variants]
        squares += (standardised**2).sum(axis=0)
    observed /= len(chosen.target)
    scale = 1 / np.maximum(observed, 1 / len(chosen.target))
    points = projected(panel.components, scores * scale[:, None], squares * scale)
    return Placed(points[:, : panel.used], observed)


def assign(
    points: Values, codes: Rows, groups: Sequence[str], others: Values, options: AssignmentOptions
) -> Assigned:
    """Label people by those of a panel.

    Parameters
    ----------
    points : numpy.ndarray of float64, shape (n, k)
        The panel's people.
    codes : numpy.ndarray of int64, shape (n,)
        Their groups, by their places in ``groups``.
    groups : sequence of str
        Labels.
    others : numpy.ndarray of float64, shape (t, k)
        Whom to label.
    options : AssignmentOptions
        How.

    Raises
    ------
    InputError
        When the panel has no more people than neighbours that count.
    """
    if len(points) <= options.neighbours:
        raise InputError(
            f"the panel has {len(points)} people; expected more than the {options.neighbours} neighbours "
            "that count"
        )
    rows, distances = neighbours(points, others, options.neighbours)
    if options.method == "knn":
        probabilities = neighbour_fractions(rows, codes, len(groups))
    else:
        probabilities = Centroids.of(points, codes, len(groups)).probabilities(others)
    nearest = probabilities.argmax(axis=1)
    # The nearest one of a person of the panel is the person.
    _, own = neighbours(points, points, options.neighbours + 1)
    spread = (own.sum(axis=1) - own.min(axis=1)) / options.neighbours
    edges = np.array([np.quantile(spread[codes == group], _ISOLATED) for group in range(len(groups))])
    isolation = distances.mean(axis=1) / edges[nearest]
    sure = probabilities.max(axis=1) >= options.min_probability
    names = np.array([*groups], dtype=object)[nearest]
    return Assigned(
        np.where(sure & (isolation <= options.max_isolation), names, ""), nearest, probabilities, isolation
    )


def held_out(panel: Panel, options: AssignmentOptions, folds: int, seed: int) -> Assigned:
    """Label each person of a panel by axes and people of the other folds.

    The axes are computed anew without the fold, from :attr:`Panel.cross`; variants and the frequencies that
    standardise them are those of the whole panel, which knows no labels.

    Parameters
    ----------
    panel : Panel
        The panel.
    options : AssignmentOptions
        As they are used.
    folds : int
        How many, each with its part of every group.
    seed : int
        Of the folds.
    """
    people = len(panel.codes)
    fold = np.empty(people, dtype=np.int64)
    generator = np.random.default_rng(seed)
    for group in range(len(panel.groups)):
        members = generator.permutation(np.flatnonzero(panel.codes == group))
        fold[members] = np.arange(len(members)) % folds
    label = np.empty(people, dtype=object)
    nearest, isolation = np.zeros(people, dtype=np.int64), np.zeros(people)
    probabilities = np.zeros((people, len(panel.groups)))
    for number in range(folds):
        inside, outside = np.flatnonzero(fold == number), np.flatnonzero(fold != number)
        if not len(inside):
            continue
        means = panel.cross[:, outside].mean(axis=1)
        cross = panel.cross - means[:, None] - means + means[outside].mean()
        found = principal_components(cross[np.ix_(outside, outside)], len(panel.components.singular))
        scores = cross[np.ix_(inside, outside)] @ (found.vectors / found.singular)
        points = projected(found, scores, np.diag(cross)[inside])[:, : panel.used]
        present, codes = np.unique(panel.codes[outside], return_inverse=True)
        groups = [panel.groups[code] for code in present]
        one = assign(found.scores[:, : panel.used], codes, groups, points, options)
        label[inside], isolation[inside] = one.label, one.isolation
        nearest[inside] = present[one.nearest]
        probabilities[np.ix_(inside, present)] = one.probabilities
    return Assigned(label, nearest, probabilities, isolation)


def _chosen_blocks(genotypes: Genotypes, rows: Rows, people: Rows | None) -> Iterator[Block]:
    return genotypes.blocks(lambda chunk: np.isin(chunk["row"], rows), people)


def _with_places(blocks: Iterator[Block], rows: Rows) -> Iterator[tuple[Block, Rows]]:
    """Blocks with the places of their variants among rising rows."""
    for block in blocks:
        yield block, np.searchsorted(rows, block.variants["row"].to_numpy(np.int64))


def _standardised(dosages: npt.NDArray[np.float32], frequency: Values) -> Values:
    """Genotypes with the mean and the variance that the frequencies expect; 0 where missing."""
    frequency = frequency[:, None]
    scaled = (dosages - 2 * frequency) / np.sqrt(2 * frequency * (1 - frequency))
    return np.asarray(np.nan_to_num(scaled, nan=0.0))
