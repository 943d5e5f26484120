"""From associations to bags: the rows of each study, and their variants united over studies.

Rows are held a part at a time: sorted by bag, parts go to temporary files, and the bags are then made one
after the other. Memory grows with the different variants of each bag and with the rows of studies in their
compact form (24 bytes each), not with the texts of the table.
"""

from __future__ import annotations

import contextlib
import dataclasses
import logging
import math
import tempfile
from collections.abc import Hashable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from mifm_kipoi.errors import InputError
from mifm_kipoi.genetics.alleles import Orientation, check_mismatches, orient, status_counts
from mifm_kipoi.genomics.contigs import contig_keys
from mifm_kipoi.genomics.genome import Genome
from training.data.dataset import EVIDENCE_COLUMNS, INSTANCE_COLUMNS, STUDY_COLUMNS
from training.data.evidence import posteriors, study_weights

log = logging.getLogger(__name__)

SIGNALS = ("primary", "secondary", "all")

MAX_MISMATCH_FRACTION = 0.1
"""Largest fraction of variants without an allele of the FASTA that is taken for errors in single rows. Of
variants of another build about half have one, by chance."""

_BUFFER = 1 << 20
"""Rows that are collected before they go to a file, and that are made into bags together: some 100 MB."""

_ROUNDING = 1e-12
"""By so much the logarithm of a p-value may be above that of a limit."""

_POS_BITS = 40
_ALLELE_BITS = 32
"""Where two numbers are packed into one, these many lower bits are the position or the second allele."""

_ROW = np.dtype(
    [
        ("bag", "i4"), ("study", "i4"), ("locus", "i8"), ("pair", "i4"), ("effect_first", "?"),
        ("name", "u4"), ("p_value", "f8"), ("log_p", "f8"), ("z", "f4"), ("pip", "f4"), ("log_bf", "f4"),
    ]
)  # fmt: skip
"""A row of the table in numbers. ``pair`` is the two alleles in the order of their numbers, ``effect_first``
whether the first of them has the effect."""

_EVIDENCE = np.dtype(
    [("study", "i4"), ("instance", "i4"), ("log_p", "f4"), ("z", "f4"), ("log_bf", "f4"), ("pip", "f4")]
)
"""A variant of a study in a bag; ``instance`` is a row of the united variants, later of the instances."""

_Rows = npt.NDArray[Any]
"""A structured array."""


@dataclasses.dataclass(frozen=True)
class StudyRows:
    """The rows of each study in positive bags, in a compact form.

    Parameters
    ----------
    studies : numpy.ndarray of str objects, shape (number of studies,)
        Names of the studies.
    parts : list of numpy.ndarray
        ``study`` (index in ``studies``), ``instance`` (row of :attr:`Bags.instances`), and the statistics of
        :data:`training.data.dataset.EVIDENCE_COLUMNS`, z that of ``alt``; all rows of a bag in one part.
    """

    studies: npt.NDArray[np.object_]
    parts: list[_Rows]

    def draw(
        self,
        rows: npt.NDArray[np.int64],
        bag: npt.NDArray[np.int64],
        per_bag: int,
        generator: np.random.Generator,
    ) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """The sets of some studies of each bag, at random.

        Parameters
        ----------
        rows : numpy.ndarray of int64, shape (n,)
            Rows of :attr:`Bags.instances` that count.
        bag : numpy.ndarray of int64, shape (n,)
            The bag of each.
        per_bag : int
            So many studies of each bag, or all where it has fewer.
        generator : numpy.random.Generator
            Source of the choice.

        Returns
        -------
        rows : numpy.ndarray of int64, shape (m,)
            Rows of :attr:`Bags.instances`, set by set.
        sets : numpy.ndarray of int64, shape (m,)
            The set of each, from 0.
        """
        last = max((int(part["instance"].max(initial=-1)) for part in self.parts), default=-1)
        bag_of = np.full(max(last, int(rows.max(initial=-1))) + 1, -1, dtype=np.int64)
        bag_of[rows] = bag
        drawn, sets, number = [], [], 0
        for part in self.parts:
            some = part[bag_of[part["instance"]] >= 0]
            of_bag = bag_of[some["instance"]]
            order = np.lexsort((some["instance"], some["study"], of_bag))
            of_bag, study, instance = of_bag[order], some["study"][order], some["instance"][order]
            new = np.ones(len(order), dtype=bool)
            new[1:] = (np.diff(of_bag) != 0) | (np.diff(study) != 0)
            group, starts = np.cumsum(new) - 1, np.flatnonzero(new)
            # Within each bag by a random number: the first few of each are chosen.
            by_bag = np.lexsort((generator.random(len(starts)), of_bag[starts]))
            first = np.searchsorted(of_bag[starts][by_bag], of_bag[starts][by_bag], side="left")
            chosen = np.zeros(len(starts), dtype=bool)
            chosen[by_bag] = np.arange(len(starts)) - first < per_bag
            drawn.append(instance[chosen[group]].astype(np.int64))
            sets.append(number + (np.cumsum(chosen) - 1)[group[chosen[group]]])
            number += int(chosen.sum())
        return np.concatenate(drawn), np.concatenate(sets)

    def tables(self, rows: npt.NDArray[np.int64], bag: npt.NDArray[np.int64]) -> tuple[pd.DataFrame, ...]:
        """The tables of studies and evidence of a data set; the parts are used up, to save memory.

        Parameters
        ----------
        rows : numpy.ndarray of int64, shape (n,)
            The rows of :attr:`Bags.instances` that the data set has first, in its order.
        bag : numpy.ndarray of int64, shape (n,)
            The bag of each in the data set, in rising order.

        Returns
        -------
        studies : pandas.DataFrame
            :data:`training.data.dataset.STUDY_COLUMNS`; by bag and then by name.
        evidence : pandas.DataFrame
            :data:`training.data.dataset.EVIDENCE_COLUMNS`.
        """
        last = max((int(part["instance"].max(initial=-1)) for part in self.parts), default=-1)
        number = np.full(max(last, int(rows.max(initial=-1))) + 1, -1, dtype=np.int64)
        number[rows] = np.arange(len(rows))
        bags = int(bag.max(initial=-1)) + 1
        per_bag = np.zeros(bags, dtype=np.int64)
        for part in self.parts:
            instance = number[part["instance"]]
            per_bag += np.bincount(bag[instance[instance >= 0]], minlength=bags)
        starts = np.cumsum(per_bag) - per_bag
        columns = {name: np.empty(per_bag.sum(), dtype=kind) for name, kind in EVIDENCE_COLUMNS.items()}
        rank = np.argsort(np.argsort(self.studies.astype(str), kind="stable"))
        made = []
        while self.parts:
            part = self.parts.pop()
            instance = number[part["instance"]]
            part, instance = part[instance >= 0], instance[instance >= 0]
            size = np.abs(part["z"])
            keys = (instance, -_known(size, -1), part["log_p"], rank[part["study"]], bag[instance])
            order = np.lexsort(keys)
            part, instance = part[order], instance[order]
            of_bag = bag[instance]
            new = np.ones(len(part), dtype=bool)
            new[1:] = (np.diff(of_bag) != 0) | (np.diff(part["study"]) != 0)
            study, first = np.cumsum(new) - 1, np.flatnonzero(new)
            weights = study_weights(study, instance, posteriors(study, part["log_bf"], part["pip"]))
            sizes = np.diff(np.append(first, len(part)))
            made.append(
                pd.DataFrame(
                    {"bag": of_bag[first], "code": part["study"][first], "size": sizes, "weight": weights}
                )
            )
            here, counts = np.unique(of_bag, return_counts=True)
            within = np.arange(len(part)) - np.repeat(np.cumsum(counts) - counts, counts)
            places = np.repeat(starts[here], counts) + within
            columns["instance"][places] = instance
            for name in ("log_p", "z", "log_bf", "pip"):
                columns[name][places] = part[name]
        studies = (
            pd.concat(made, ignore_index=True) if made else pd.DataFrame(columns=[*STUDY_COLUMNS, "code"])
        )
        # Stable: within a bag the studies are in order already.
        studies = studies.sort_values("bag", kind="stable", ignore_index=True)
        studies["study"] = self.studies[studies.pop("code").to_numpy(np.int64)]
        studies = studies[list(STUDY_COLUMNS)].astype(STUDY_COLUMNS)
        columns["study"][:] = np.repeat(np.arange(len(studies)), studies["size"])
        return studies, pd.DataFrame(columns, copy=False)


@dataclasses.dataclass(frozen=True)
class Bags:
    """Positive bags before they are assigned to splits.

    Parameters
    ----------
    bags : pandas.DataFrame
        One row per bag: ``bag``, ``block``, ``signal``, ``chrom``, ``studies``, as in
        :data:`training.data.dataset.BAG_COLUMNS`; ``chrom`` is missing for a bag without instances.
    instances : pandas.DataFrame
        Columns and order of :data:`training.data.dataset.INSTANCE_COLUMNS`.
    variants : pandas.DataFrame
        ``chrom``, ``pos`` (1-based), ``ref``, ``alt`` of all variants whose REF is known, each once.
    studies : StudyRows
        The rows of each study.
    counts : dict
        Numbers of rows, studies, blocks and variants, and of variants with each status.
    """

    bags: pd.DataFrame
    instances: pd.DataFrame
    variants: pd.DataFrame
    studies: StudyRows
    counts: dict[str, Any]


def make_bags(
    associations: Iterable[pd.DataFrame],
    genome: Genome | None,
    max_mismatch_fraction: float = MAX_MISMATCH_FRACTION,
    lead_p_value: float | None = None,
    buffer: int = _BUFFER,
) -> Bags:
    """Unite associations into bags, one for each block and signal, and keep the rows of each study.

    A variant is identified by its contig, position and pair of alleles, never by its name. Of the rows of a
    variant in a study and bag, the one with the lowest p-value by its logarithm (then the z furthest from 0,
    then the first) gives p-value, z, log Bayes factor and name; the PIP is the largest of all. Of the studies
    of a bag, an instance has the statistics of the one whose row comes first in the same order. The sign of
    ``z`` is that of ``alt``.

    Parameters
    ----------
    associations : iterable of pandas.DataFrame
        Columns of :data:`mifm_kipoi.genetics.associations.ASSOCIATION_COLUMNS`, a part of the rows at a
        time.
    genome : Genome, optional
        The reference genome: ``ref`` is the allele that it has, or the other allele where it has both.
        Variants that it does not have, or whose window has too many N, are left out. Without a genome,
        ``ref`` is the other allele and ``alt`` the effect allele of the row that counts.
    max_mismatch_fraction : float
        Largest fraction of variants without an allele of the genome, see
        :func:`mifm_kipoi.genetics.alleles.check_mismatches`.
    lead_p_value : float, optional
        A study is left out of a bag where its lowest p-value there is above this; a study of which no p-value
        is known stays. None leaves none out.
    buffer : int
        Rows that are held before they go to a temporary file.

    Returns
    -------
    Bags
        All bags of the table, those without instances too.

    Raises
    ------
    InputError
        When there are no rows, or a block has variants on several contigs.
    ReferenceMismatchError
        When the variants are of another genome build than the FASTA.
    """
    codes = _Codes()
    with contextlib.ExitStack() as stack:
        table = _RowsByBag(buffer, stack)
        for chunk in associations:
            table.add(codes.encode(chunk))
        if not table.rows:
            raise InputError("there are no associations to make bags of; expected a table with rows")
        union = _Union(codes, lead_p_value)
        for rows in table.bags():
            union.add(rows)
    return union.bags(genome, max_mismatch_fraction)


class _Numbers:
    """Numbers of values, from 0 in the order of first appearance."""

    def __init__(self) -> None:
        self.numbers: dict[Hashable, int] = {}

    def encode(self, values: pd.Series[Any] | npt.NDArray[Any]) -> npt.NDArray[np.int64]:
        codes, unique = pd.factorize(values)
        numbers = [self.numbers.setdefault(value, len(self.numbers)) for value in unique.tolist()]
        return np.array(numbers, dtype=np.int64)[codes] if numbers else codes.astype(np.int64)

    def values(self) -> npt.NDArray[np.object_]:
        return np.array(list(self.numbers), dtype=object)


class _Codes:
    """What the numbers of a row stand for."""

    def __init__(self) -> None:
        self.chroms, self.blocks, self.studies, self.alleles = (_Numbers() for _ in range(4))
        self.names, self._pairs = _Names(), _Numbers()

    def encode(self, chunk: pd.DataFrame) -> _Rows:
        """Rows as numbers, see _ROW."""
        effect, other = (self.alleles.encode(chunk[name]) for name in ("effect_allele", "other_allele"))
        signal = np.array([SIGNALS.index(name) for name in chunk["signal"].unique()], dtype=np.int64)
        rows = np.empty(len(chunk), dtype=_ROW)
        rows["bag"] = self.blocks.encode(chunk["block"]) * len(SIGNALS)
        rows["bag"] += signal[pd.factorize(chunk["signal"])[0]].astype(np.int32)
        rows["study"] = self.studies.encode(chunk["study"])
        rows["locus"] = self.chroms.encode(contig_keys(chunk["chrom"])) << _POS_BITS
        rows["locus"] |= chunk["pos"].to_numpy(np.int64)
        pairs = np.minimum(effect, other) << _ALLELE_BITS | np.maximum(effect, other)
        rows["pair"] = self._pairs.encode(pairs)
        rows["effect_first"] = effect < other
        rows["name"] = self.names.encode(chunk["id"])
        for name in ("p_value", "log_p", "z", "pip", "log_bf"):
            rows[name] = chunk[name]
        return rows

    def pairs(self) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """The first and the second allele of each pair, as indices of the alleles."""
        packed = self._pairs.values().astype(np.int64)
        return packed >> _ALLELE_BITS, packed & ((1 << _ALLELE_BITS) - 1)


class _Names:
    """Names of variants in 32 bits: those of dbSNP, rs and a number, by that number; others by a code."""

    FIRST_OTHER = 3_500_000_000
    """Below are the numbers of dbSNP, the highest of which was some 2.2 billion in 2023; 0 is no name."""

    def __init__(self) -> None:
        self._others = _Numbers()

    def encode(self, names: pd.Series[str]) -> npt.NDArray[np.uint32]:
        texts = names.fillna(".").astype("str")
        digits = texts.str.slice(2)
        # Without leading zeros, so that the name can be had again from the number.
        of_dbsnp = (texts.str.fullmatch("rs[1-9][0-9]{0,9}") & (texts.str.len() <= 12)).to_numpy(bool)
        codes = np.zeros(len(texts), dtype=np.int64)
        codes[of_dbsnp] = digits[of_dbsnp].astype("int64")
        others = ((texts != ".").to_numpy() & ~of_dbsnp) | (codes >= self.FIRST_OTHER)
        codes[others] = self.FIRST_OTHER + self._others.encode(texts[others])
        return codes.astype(np.uint32)

    def decode(self, codes: npt.NDArray[np.uint32]) -> npt.NDArray[np.object_]:
        names = np.array([f"rs{code}" for code in codes.tolist()], dtype=object)
        names[codes == 0] = "."
        others = codes >= self.FIRST_OTHER
        names[others] = self._others.values()[codes[others].astype(np.int64) - self.FIRST_OTHER]
        return names


class _RowsByBag:
    """Rows of a table, which come in any order, bag by bag; more than a buffer of them go to files."""

    def __init__(self, buffer: int, stack: contextlib.ExitStack) -> None:
        self._buffer, self._stack = buffer, stack
        self._folder: Path | None = None
        self._waiting: list[_Rows] = []
        self._files: list[Path] = []
        self._counts: list[npt.NDArray[np.int64]] = []
        self._number = self.rows = 0

    def add(self, rows: _Rows) -> None:
        """Collect rows."""
        self._waiting.append(rows)
        self.rows += len(rows)
        self._number += len(rows)
        if self._number >= self._buffer:
            self._write()

    def bags(self) -> Iterator[_Rows]:
        """The rows of some whole bags at a time, in the order of the bags, then of the table."""
        if not self._files:
            if self._waiting:
                yield np.concatenate(self._waiting)
            return
        self._write()
        counts = np.zeros((len(self._files), max(map(len, self._counts))), dtype=np.int64)
        for number, of_file in enumerate(self._counts):
            counts[number, : len(of_file)] = of_file
        ends = np.cumsum(counts, axis=1)
        total = np.cumsum(counts.sum(axis=0))
        start = 0
        while start < len(total):
            before = total[start - 1] if start else 0
            end = max(int(np.searchsorted(total, before + self._buffer, side="right")), start + 1)
            parts = []
            for number, path in enumerate(self._files):
                first = int(ends[number, start - 1]) if start else 0
                number_of_rows = int(ends[number, end - 1]) - first
                parts.append(np.fromfile(path, _ROW, number_of_rows, offset=first * _ROW.itemsize))
            rows = np.concatenate(parts)
            if len(rows):
                yield rows
            start = end

    def _write(self) -> None:
        """Write what waits, sorted by bag, to a file of its own."""
        if not self._waiting:
            return
        if self._folder is None:
            self._folder = Path(self._stack.enter_context(tempfile.TemporaryDirectory(prefix="mifm-bags-")))
        rows = np.concatenate(self._waiting)
        # Stable: within a bag the rows keep the order of the table, whatever the chunks were.
        rows = rows[np.argsort(rows["bag"], kind="stable")]
        self._files.append(self._folder / f"{len(self._files)}.rows")
        rows.tofile(self._files[-1])
        self._counts.append(np.bincount(rows["bag"]))
        self._waiting, self._number = [], 0


class _Union:
    """Bags as they are made of their rows."""

    def __init__(self, codes: _Codes, lead_p_value: float | None) -> None:
        self._codes, self._lead_p_value = codes, lead_p_value
        self._united: list[_Rows] = []
        self._evidence: list[_Rows] = []
        self._variants = self._rows = self._repeated = self._left_out = 0
        self._without_lead = self._without_p_value = 0
        self._bags: list[npt.NDArray[np.int32]] = []

    def add(self, rows: _Rows) -> None:
        """Take all rows of some bags."""
        self._rows += len(rows)
        self._bags.append(np.unique(rows["bag"]))
        rows = self._with_a_lead(self._once(rows))
        if not len(rows):
            return
        order = np.lexsort(
            (-_known(np.abs(rows["z"]), -1), rows["log_p"], *_keys(rows, "pair", "locus", "bag"))
        )
        first = _first(rows, order, ("bag", "locus", "pair"))
        group = np.empty(len(rows), dtype=np.int64)
        group[order] = np.cumsum(first) - 1
        starts = np.flatnonzero(first)
        # Sorted within groups, so that the best row of each is at the start of its group.
        united = rows[order[starts]]
        united["pip"] = np.fmax.reduceat(rows["pip"][order], starts)
        evidence = np.empty(len(rows), dtype=_EVIDENCE)
        for name in ("study", "log_p", "log_bf", "pip"):
            evidence[name] = rows[name]
        evidence["z"] = np.where(rows["effect_first"], rows["z"], -rows["z"])
        evidence["instance"] = group + self._variants
        self._variants += len(united)
        self._united.append(united)
        self._evidence.append(evidence)

    def _once(self, rows: _Rows) -> _Rows:
        """Each variant once in each study and bag, in the order of the table."""
        size = -_known(np.abs(rows["z"]), -1)
        order = np.lexsort((size, rows["log_p"], *_keys(rows, "pair", "locus", "study", "bag")))
        first = _first(rows, order, ("bag", "study", "locus", "pair"))
        starts = np.flatnonzero(first)
        self._repeated += len(rows) - len(starts)
        once = rows[order[starts]]
        once["pip"] = np.fmax.reduceat(rows["pip"][order], starts)
        return once[np.argsort(order[starts])]

    def _with_a_lead(self, rows: _Rows) -> _Rows:
        """Without the studies that have no lead variant in a bag."""
        if self._lead_p_value is None:
            return rows
        order = np.lexsort(_keys(rows, "study", "bag"))
        first = _first(rows, order, ("bag", "study"))
        starts = np.flatnonzero(first)
        lowest = np.fmin.reduceat(rows["log_p"][order], starts)
        self._without_p_value += int(np.isnan(lowest).sum())
        high = lowest > math.log(self._lead_p_value) + _ROUNDING
        self._without_lead += int(high.sum())
        kept = np.empty(len(rows), dtype=bool)
        kept[order] = ~high[np.cumsum(first) - 1]
        self._left_out += int(np.count_nonzero(~kept))
        return rows[kept]

    def bags(self, genome: Genome | None, max_mismatch_fraction: float) -> Bags:
        """The bags."""
        numbers = np.concatenate(self._bags).astype(np.int64)
        if self._lead_p_value is not None and not self._united:
            raise InputError(
                f"no study has a p-value up to lead_p_value, {self._lead_p_value:g}, in any of "
                f"{len(numbers):,} bags; expected lead variants. Name another "
                "data.credible_sets.lead_p_value, or null to keep all studies"
            )
        rows = np.concatenate(self._united)
        self._united.clear()
        bag = rows["bag"].astype(np.int64)
        loci, pairs, which = _unique(rows["locus"], rows["pair"].astype(np.int64))
        chroms, alleles = self._codes.chroms.values(), self._codes.alleles.values()
        contig, pos = loci >> _POS_BITS, loci & ((1 << _POS_BITS) - 1)
        first, second = (of_pairs[pairs] for of_pairs in self._codes.pairs())
        self._check_contigs(bag, contig[which])
        variants = pd.DataFrame(
            {"chrom": chroms[contig], "pos": pos, "first": alleles[first], "second": alleles[second]}
        )
        counts = self._counts(len(rows), len(variants))
        if genome is None:
            kept = np.ones(len(which), dtype=bool)
            second_is_ref = rows["effect_first"]
            variants = variants.rename(columns={"first": "ref", "second": "alt"})
        else:
            orientations, both = orient(variants, genome)
            check_mismatches(variants, orientations, genome, max_mismatch_fraction)
            counts |= {
                "orientation": dict(status_counts(orientations)),
                "variants_with_both_alleles_in_fasta": int(both.sum()),
                "contigs_not_in_fasta": [name for name in chroms if genome.find_contig(name) is None],
            }
            oriented, swapped = orientations <= Orientation.SECOND, orientations == Orientation.SECOND
            # Where the FASTA has both alleles, REF is the other allele of the table, the same in all bags.
            either = np.flatnonzero(both[which])[::-1]
            swapped[which[either]] = rows["effect_first"][either]
            kept, second_is_ref = oriented[which], swapped[which]
            variants = pd.DataFrame(
                {
                    "chrom": variants["chrom"],
                    "pos": pos,
                    "ref": variants["second"].where(swapped, variants["first"]),
                    "alt": variants["first"].where(swapped, variants["second"]),
                }
            )[oriented].reset_index(drop=True)
        ref = np.where(second_is_ref, second[which], first[which])
        alt = np.where(second_is_ref, first[which], second[which])
        # By the alleles themselves: their codes depend on the order of the table.
        rank = np.argsort(np.argsort(alleles))
        z = np.where(rows["effect_first"] == second_is_ref, rows["z"], -rows["z"])
        keys = (rank[alt], rank[ref], pos[which], -_known(np.abs(z), -1), rows["log_p"], bag)
        order = np.lexsort(keys)
        order = order[kept[order]]
        instances = pd.DataFrame(
            {
                "bag": bag[order],
                "chrom": chroms[contig[which[order]]],
                "pos": pos[which[order]],
                "ref": alleles[ref[order]],
                "alt": alleles[alt[order]],
                "id": self._codes.names.decode(rows["name"][order]),
                **{name: rows[name][order] for name in ("p_value", "pip", "log_bf")},
                "z": z[order],
            }
        ).astype(INSTANCE_COLUMNS)[list(INSTANCE_COLUMNS)]
        studies = self._study_rows(order, second_is_ref)
        return Bags(self._bag_table(numbers, instances, studies), instances, variants, studies, counts)

    def _study_rows(self, order: npt.NDArray[np.int64], second_is_ref: npt.NDArray[np.bool_]) -> StudyRows:
        """The rows of studies, of the instances that are left, with the z of their ALT."""
        instance = np.full(len(second_is_ref), -1, dtype=np.int32)
        instance[order] = np.arange(len(order), dtype=np.int32)
        for number, part in enumerate(self._evidence):
            union = part["instance"]
            # Until here z was that of the first allele of the pair.
            part["z"] = np.where(second_is_ref[union], part["z"], -part["z"])
            part["instance"] = instance[union]
            self._evidence[number] = part if (part["instance"] >= 0).all() else part[part["instance"] >= 0]
        return StudyRows(self._codes.studies.values(), self._evidence)

    def _bag_table(
        self, numbers: npt.NDArray[np.int64], instances: pd.DataFrame, rows: StudyRows
    ) -> pd.DataFrame:
        """One row per bag of the table, those without instances too."""
        bag = instances["bag"].to_numpy()
        studies = np.zeros(int(numbers.max(initial=-1)) + 1, dtype=np.int64)
        for part in rows.parts:
            pairs = np.unique(bag[part["instance"]] << 32 | part["study"])
            studies += np.bincount(pairs >> 32, minlength=len(studies))
        chroms = instances.groupby("bag")["chrom"].first()
        return pd.DataFrame(
            {
                "bag": numbers,
                "block": self._codes.blocks.values()[numbers // len(SIGNALS)],
                "signal": np.array(SIGNALS, dtype=object)[numbers % len(SIGNALS)],
                "chrom": chroms.reindex(numbers).to_numpy(),
                "studies": studies[numbers],
            }
        )

    def _counts(self, united: int, variants: int) -> dict[str, Any]:
        left_out = {
            "studies_of_bags_above_lead_p_value": self._without_lead,
            "rows_of_studies_above_lead_p_value": self._left_out,
            "studies_of_bags_without_a_p_value": self._without_p_value,
        }
        return {
            "rows": self._rows,
            "rows_repeated_within_study": self._repeated,
            **(left_out if self._lead_p_value is not None else {}),
            "rows_united_over_studies": self._rows - self._repeated - self._left_out - united,
            "studies": len(self._codes.studies.numbers),
            "blocks": len(self._codes.blocks.numbers),
            "variants": variants,
        }

    def _check_contigs(self, bags: npt.NDArray[np.int64], contigs: npt.NDArray[np.int64]) -> None:
        """Make sure that each block is a region of one contig."""
        blocks, names = bags // len(SIGNALS), self._codes.blocks.values()
        chroms = self._codes.chroms.values()
        low, high = np.full(len(names), len(chroms)), np.full(len(names), -1)
        np.minimum.at(low, blocks, contigs)
        np.maximum.at(high, blocks, contigs)
        several = np.flatnonzero(low < high)
        if len(several):
            block = several[0]
            raise InputError(
                f"block {names[block]!r} has variants on the contigs {chroms[low[block]]} "
                f"and {chroms[high[block]]} ({len(several)} such blocks); expected a region of one contig. "
                "Name all columns that identify a block, such as block: trait,chrom,region"
            )


def _keys(rows: _Rows, *names: str) -> tuple[npt.NDArray[Any], ...]:
    """Columns of their own, which sort faster than those of a structured array."""
    return tuple(np.ascontiguousarray(rows[name]) for name in names)


def _first(rows: _Rows, order: npt.NDArray[np.int64], key: tuple[str, ...]) -> npt.NDArray[np.bool_]:
    """Where another value of the key begins, in an order in which equal keys are neighbours."""
    first = np.zeros(len(order), dtype=bool)
    first[:1] = True
    for name in key:
        values = rows[name][order]
        first[1:] |= values[1:] != values[:-1]
    return first


def _known(values: npt.NDArray[np.floating], instead: float) -> npt.NDArray[np.floating]:
    """The values, with another number in place of NaN."""
    return np.where(np.isnan(values), instead, values)


def _unique(
    loci: npt.NDArray[np.int64], pairs: npt.NDArray[np.int64]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """The different combinations of locus and pair of alleles, and the index of each given one among them."""
    order = np.lexsort((pairs, loci))
    new = np.ones(len(order), dtype=bool)
    new[1:] = (np.diff(loci[order]) != 0) | (np.diff(pairs[order]) != 0)
    which = np.empty(len(order), dtype=np.int64)
    which[order] = np.cumsum(new) - 1
    return loci[order][new], pairs[order][new], which
