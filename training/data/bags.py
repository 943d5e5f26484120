"""From associations to bags: rows of one variant are united over studies.

Memory grows with the different variants of each bag, not with the rows of the table.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from mifm_kipoi.errors import InputError
from mifm_kipoi.genetics.alleles import Orientation, check_mismatches, orient, status_counts
from mifm_kipoi.genetics.associations import ASSOCIATION_COLUMNS
from mifm_kipoi.genomics.contigs import contig_keys
from mifm_kipoi.genomics.genome import Genome
from training.data.dataset import INSTANCE_COLUMNS

SIGNALS = ("primary", "secondary", "all")

MAX_MISMATCH_FRACTION = 0.1
"""Largest fraction of variants without an allele of the FASTA that is taken for errors in single rows. Of
variants of another build about half have one, by chance."""

_BUFFER = 1 << 20
"""Rows that are collected before they are united: about 100 MB of memory."""

_POS_BITS = 40
_ALLELE_BITS = _STUDY_BITS = 32
"""Where two numbers are packed into one, these many lower bits are the position, allele or study."""

_KEY = ("bag", "locus", "alleles")
_Rows: TypeAlias = dict[str, npt.NDArray[Any]]
"""Columns by name, all of the same length."""

_NUMBERS = ("p_value", "log_p", "z", "pip", "log_bf")


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
    counts : dict
        Numbers of rows, studies, blocks and variants, and of variants with each status.
    """

    bags: pd.DataFrame
    instances: pd.DataFrame
    variants: pd.DataFrame
    counts: dict[str, Any]


def make_bags(
    associations: Iterable[pd.DataFrame],
    genome: Genome | None,
    max_mismatch_fraction: float = MAX_MISMATCH_FRACTION,
    buffer: int = _BUFFER,
) -> Bags:
    """Unite associations into bags, one for each block and signal.

    A variant is identified by its contig, position and pair of alleles, never by its name. Of the rows of a
    variant in a bag, the one with the lowest p-value by its logarithm (then the z furthest from 0, then the
    first) gives p-value, z, log Bayes factor and name; the PIP is the largest of all. The sign of ``z`` is
    that of ``alt``.

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
    buffer : int
        Rows that are collected before they are united.

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
    union = _Union(buffer)
    for chunk in associations:
        union.add(chunk)
    union.unite()
    return union.bags(genome, max_mismatch_fraction)


class _Codes:
    """Codes of texts: numbers from 0 in the order of first appearance."""

    def __init__(self) -> None:
        self.numbers: dict[str, int] = {}

    def encode(self, texts: pd.Series[str]) -> npt.NDArray[np.int64]:
        codes, unique = pd.factorize(texts)
        numbers = [self.numbers.setdefault(str(text), len(self.numbers)) for text in unique]
        return np.array(numbers, dtype=np.int64)[codes] if numbers else codes.astype(np.int64)

    def texts(self) -> npt.NDArray[np.object_]:
        return np.array(list(self.numbers), dtype=object)


class _Union:
    """Rows united by bag and variant, as they come."""

    def __init__(self, buffer: int) -> None:
        self._limit = buffer
        self._chroms, self._blocks, self._studies, self._alleles = (_Codes() for _ in range(4))
        self._united: _Rows | None = None
        self._ids = pa.array([], pa.large_string())
        self._parts: list[tuple[_Rows, pa.Array]] = []
        self._waiting = 0
        self._of_studies = np.empty(0, dtype=np.int64)
        self._rows = self._repeated = 0

    def add(self, chunk: pd.DataFrame) -> None:
        """Collect rows."""
        effect, other = (self._alleles.encode(chunk[name]) for name in ("effect_allele", "other_allele"))
        block = self._blocks.encode(chunk["block"])
        chrom = self._chroms.encode(contig_keys(chunk["chrom"]))
        signal = np.array([SIGNALS.index(name) for name in chunk["signal"].unique()], dtype=np.int64)
        rows: _Rows = {
            "bag": block * len(SIGNALS) + signal[pd.factorize(chunk["signal"])[0]],
            "locus": chrom << _POS_BITS | chunk["pos"].to_numpy(np.int64),
            "alleles": np.minimum(effect, other) << _ALLELE_BITS | np.maximum(effect, other),
            "effect_first": effect < other,
            "study": self._studies.encode(chunk["study"]),
            **{name: chunk[name].to_numpy(ASSOCIATION_COLUMNS[name]) for name in _NUMBERS},
        }
        ids = pa.array(chunk["id"], pa.large_string(), from_pandas=True)
        # Of a table that was put together from several, pandas gives an array for each.
        if isinstance(ids, pa.ChunkedArray):
            ids = ids.combine_chunks()
        self._parts.append((rows, ids))
        self._rows += len(chunk)
        self._waiting += len(chunk)
        united = 0 if self._united is None else len(self._united["bag"])
        if self._waiting >= max(self._limit, united // 2):
            self.unite()

    def unite(self) -> None:
        """Unite the collected rows with those that were united before."""
        if not self._parts:
            return
        parts = [rows for rows, _ in self._parts]
        studies = [pd.unique(rows["bag"] << _STUDY_BITS | rows["study"]) for rows in parts]
        self._of_studies = pd.unique(np.concatenate([self._of_studies, *studies]))
        before = [] if self._united is None else [self._united]
        ids = pa.concat_arrays([self._ids, *(part for _, part in self._parts)])
        self._parts, self._united, self._waiting = [], None, 0
        rows = {name: np.concatenate([part[name] for part in (*before, *parts)]) for name in parts[0]}
        del parts, before
        # Stable: within a group the rows keep the order of the table, whatever the chunks were.
        order = np.lexsort(tuple(rows[name] for name in reversed(_KEY)))
        first = np.zeros(len(order), dtype=bool)
        for name in _KEY:
            values = rows[name][order]
            first[1:] |= values[1:] != values[:-1]
        first[:1] = True
        group = np.cumsum(first) - 1
        starts = np.flatnonzero(first)
        study = rows["study"][order]
        self._repeated += int(np.count_nonzero(~first[1:] & (study[1:] == study[:-1])))
        last = np.append(starts[1:], len(order)) - 1
        pip = np.fmax.reduceat(rows["pip"][order], starts)
        log_p, size = rows["log_p"][order], np.abs(rows["z"][order])
        ranks = np.lexsort((-_known(size, -1), log_p, group))
        # Sorted within groups, so that the best row of each is at the start of its group.
        best = order[ranks[starts]]
        self._united = {name: values[best] for name, values in rows.items()}
        self._united |= {"pip": pip, "study": study[last]}
        self._ids = ids.take(pa.array(best))

    def bags(self, genome: Genome | None, max_mismatch_fraction: float) -> Bags:
        """The bags of the united rows."""
        if self._united is None or not len(self._united["bag"]):
            raise InputError("there are no associations to make bags of; expected a table with rows")
        rows = self._united
        loci, pairs, which = _unique(rows["locus"], rows["alleles"])
        chroms, alleles = self._chroms.texts(), self._alleles.texts()
        contig, pos = loci >> _POS_BITS, loci & ((1 << _POS_BITS) - 1)
        first, second = pairs >> _ALLELE_BITS, pairs & ((1 << _ALLELE_BITS) - 1)
        self._check_contigs(rows["bag"], contig[which])
        variants = pd.DataFrame(
            {"chrom": chroms[contig], "pos": pos, "first": alleles[first], "second": alleles[second]}
        )
        counts = self._counts(len(which), len(variants))
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
        keys = (rank[alt], rank[ref], pos[which], -_known(np.abs(z), -1), rows["log_p"], rows["bag"])
        order = np.lexsort(keys)
        order = order[kept[order]]
        instances = pd.DataFrame(
            {
                "bag": rows["bag"][order],
                "chrom": chroms[contig[which[order]]],
                "pos": pos[which[order]],
                "ref": alleles[ref[order]],
                "alt": alleles[alt[order]],
                "id": self._ids.take(pa.array(order)).to_pandas(),
                **{name: rows[name][order] for name in _NUMBERS if name in INSTANCE_COLUMNS},
                "z": z[order],
            }
        ).astype(INSTANCE_COLUMNS)[list(INSTANCE_COLUMNS)]
        bags = self._bags(np.unique(rows["bag"]), instances)
        return Bags(bags, instances, variants, counts)

    def _bags(self, numbers: npt.NDArray[np.int64], instances: pd.DataFrame) -> pd.DataFrame:
        """One row per bag of the table, those without instances too."""
        studies = pd.Series(self._of_studies >> _STUDY_BITS).value_counts()
        chroms = instances.groupby("bag")["chrom"].first()
        return pd.DataFrame(
            {
                "bag": numbers,
                "block": self._blocks.texts()[numbers // len(SIGNALS)],
                "signal": np.array(SIGNALS, dtype=object)[numbers % len(SIGNALS)],
                "chrom": chroms.reindex(numbers).to_numpy(),
                "studies": studies.reindex(numbers).to_numpy(),
            }
        )

    def _counts(self, united: int, variants: int) -> dict[str, Any]:
        return {
            "rows": self._rows,
            "rows_repeated_within_study": self._repeated,
            "rows_united_over_studies": self._rows - self._repeated - united,
            "studies": len(self._studies.numbers),
            "blocks": len(self._blocks.numbers),
            "variants": variants,
        }

    def _check_contigs(self, bags: npt.NDArray[np.int64], contigs: npt.NDArray[np.int64]) -> None:
        """Make sure that each block is a region of one contig."""
        blocks = bags // len(SIGNALS)
        low = np.full(len(self._blocks.numbers), len(self._chroms.numbers))
        high = np.full(len(low), -1)
        np.minimum.at(low, blocks, contigs)
        np.maximum.at(high, blocks, contigs)
        several = np.flatnonzero(low < high)
        if len(several):
            block, chroms = several[0], self._chroms.texts()
            raise InputError(
                f"block {self._blocks.texts()[block]!r} has variants on the contigs {chroms[low[block]]} "
                f"and {chroms[high[block]]} ({len(several)} such blocks); expected a region of one contig. "
                "Name all columns that identify a block, such as block: trait,chrom,region"
            )


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
