"""Elements of saturation mutagenesis: where they lie, their own sequence, their substitutions as variants."""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from mifm_kipoi.conventions import WINDOW, Status
from mifm_kipoi.errors import InputError
from mifm_kipoi.evaluation.mpra.table import NO_VARIANT, Kind, Measurements
from mifm_kipoi.genomics.genome import Genome
from mifm_kipoi.genomics.variants import MISSING, Variant
from mifm_kipoi.sequence.windows import variant_index
from mifm_kipoi.support.files import writing

LONGEST = 100_000
"""Bases that an element may span."""

_UNKNOWN = "N"


class NoVariant(enum.StrEnum):
    """Why a row is not a variant, beside :class:`mifm_kipoi.evaluation.mpra.table.Measured`."""

    NO_BASE_BEFORE = "no_base_before"
    """A deletion is written with the base before it, which is unknown."""


@dataclasses.dataclass(frozen=True)
class Element:
    """A region of the genome whose bases were substituted.

    Parameters
    ----------
    name : str
        In the table.
    chrom : str
        Its chromosome.
    start, end : int
        From the first substituted base to the last, 0-based half-open.
    contig : str
        Its contig in the FASTA that it is scored with.
    offset : int
        To subtract from a position on ``chrom`` for that on ``contig``.
    """

    name: str
    chrom: str
    start: int
    end: int
    contig: str
    offset: int = 0

    def __len__(self) -> int:
        return self.end - self.start

    @property
    def middle(self) -> float:
        """1-based position half-way between the first and the last base."""
        return (self.start + 1 + self.end) / 2


def find_elements(measurements: Measurements) -> list[Element]:
    """The elements, in the order of the table.

    Parameters
    ----------
    measurements : Measurements
        The table.

    Returns
    -------
    list of Element
        Those with a substitution or a deletion of one base, on the contigs of the genome.

    Raises
    ------
    InputError
        When an element spans more than :data:`LONGEST` bases.
    """
    elements = []
    rows = measurements.rows[measurements.rows["kind"] != Kind.OTHER]
    for name, own in rows.groupby("element", sort=False):
        chrom, start, end = str(own["chrom"].iloc[0]), int(own["pos"].min()) - 1, int(own["pos"].max())
        if end - start > LONGEST:
            raise InputError(
                f"{measurements.path}: rows of element {name} lie on {chrom}:{start + 1}-{end}; expected a "
                f"regulatory element of at most {LONGEST:,} bp. Is one position wrong?"
            )
        elements.append(Element(str(name), chrom, start, end, chrom))
    return elements


def own_sequences(measurements: Measurements, elements: Sequence[Element]) -> list[str]:
    """The sequence of each element from the REF of its rows, N where no row has the base.

    Parameters
    ----------
    measurements : Measurements
        The table.
    elements : sequence of Element
        From :func:`find_elements`.

    Raises
    ------
    InputError
        When two rows have different bases at one position.
    """
    rows = measurements.rows[measurements.rows["kind"] != Kind.OTHER]
    by_element = rows.groupby("element", sort=False)
    sequences = []
    for element in elements:
        known = by_element.get_group(element.name)[["pos", "ref"]].drop_duplicates()
        known = known[known["ref"] != _UNKNOWN]
        twice = known[known["pos"].duplicated(keep=False)]
        if len(twice):
            pos = twice["pos"].iloc[0]
            bases = " and ".join(twice.loc[twice["pos"] == pos, "ref"])
            raise InputError(
                f"{measurements.path}: Ref of element {element.name} at {element.chrom}:{pos} is {bases}; "
                "expected one base"
            )
        letters = dict(zip(known["pos"], known["ref"], strict=True))
        sequences.append(
            "".join(letters.get(pos, _UNKNOWN) for pos in range(element.start + 1, element.end + 1))
        )
    return sequences


def write_own_genome(elements: Sequence[Element], sequences: Sequence[str], path: Path) -> list[Element]:
    """Write a FASTA with a contig for each element, and nothing around it.

    Parameters
    ----------
    elements : sequence of Element
        From :func:`find_elements`.
    sequences : sequence of str
        From :func:`own_sequences`.
    path : Path
        Where to write.

    Returns
    -------
    list of Element
        The same on these contigs, whose names differ from those of chromosomes.

    Raises
    ------
    OutputError
        When the file cannot be written.
    """
    placed = [
        dataclasses.replace(element, contig=f"element_{number}", offset=element.start)
        for number, element in enumerate(elements, start=1)
    ]
    with writing(path), path.open("w") as file:
        for element, bases in zip(placed, sequences, strict=True):
            file.write(f">{element.contig}\n{bases}\n")
    return placed


def as_variants(
    rows: pd.DataFrame, elements: Sequence[Element], genome: Genome
) -> tuple[list[Variant | None], list[str]]:
    """Rows as variants on the contigs of the elements.

    A deletion is written as in VCF: REF is the base before and the deleted one, ALT the base before, and the
    position that of the base before. It stays where the table has it: among equal bases it is not moved.

    Parameters
    ----------
    rows : pandas.DataFrame, n rows
        :attr:`mifm_kipoi.evaluation.mpra.table.Measurements.rows`.
    elements : sequence of Element
        On the contigs of the genome.
    genome : Genome
        With their contigs.

    Returns
    -------
    variants : list of Variant or None, length n
    status : list of str, length n
        ``ok``, or why there is no variant: the row is not a substitution or deletion of one base, or was lost
        in a lift-over; of deletions, the base lies behind the end of the contig or the base before is
        unknown.
    """
    by_name = {element.name: element for element in elements}
    contigs = {element.contig: genome.find_contig(element.contig) for element in elements}
    variants: list[Variant | None] = []
    status: list[str] = []
    columns = (rows[name] for name in ("element", "pos", "ref", "alt", "kind", "measured"))
    for name, pos, ref, alt, kind, measured in zip(*columns, strict=True):
        if measured in NO_VARIANT:
            variants.append(None)
            status.append(str(measured))
            continue
        element = by_name[name]
        at = int(pos) - element.offset
        if kind == Kind.SNV:
            variants.append(Variant(element.contig, at, MISSING, ref, alt))
            status.append(Status.OK)
            continue
        contig = contigs[element.contig]
        if contig and at > genome.contigs[contig]:
            variants.append(None)
            status.append(Status.POSITION_OUTSIDE_CONTIG)
            continue
        before = _base(genome, contig, at - 1) if contig else _UNKNOWN
        known = before in "ACGT"
        variants.append(Variant(element.contig, at - 1, MISSING, before + ref, before) if known else None)
        status.append(
            Status.OK if known else NoVariant.NO_BASE_BEFORE if contig else Status.CONTIG_NOT_IN_FASTA
        )
    return variants, status


def _base(genome: Genome, contig: str, pos: int) -> str:
    """The base at a 1-based position; N outside the contig."""
    return genome.fetch(contig, pos - 1, pos).tobytes().decode()


def n_fractions(sequences: Sequence[str]) -> npt.NDArray[np.float64]:
    """Fraction of N in the 512 bp window of every base of elements whose flanks are unknown.

    Parameters
    ----------
    sequences : sequence of str
        From :func:`own_sequences`.

    Returns
    -------
    numpy.ndarray of float64, shape (bases of all elements,)
    """
    left = variant_index(WINDOW)
    fractions = []
    for bases in sequences:
        known = np.array(list(bases)) != _UNKNOWN
        total = np.concatenate([np.zeros(1), np.cumsum(np.pad(known, (left, WINDOW)))])
        starts = np.arange(len(bases))
        fractions.append(1 - (total[starts + WINDOW] - total[starts]) / WINDOW)
    return np.concatenate(fractions)
