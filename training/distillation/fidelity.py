"""How closely a student's logits follow its teacher's, on sequence that it was not taught on."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterable, Iterator

import numpy as np
import numpy.typing as npt
import pandas as pd

from mifm_kipoi.conventions import VARIANT_INDEX, WINDOW, Status
from mifm_kipoi.errors import InputError
from mifm_kipoi.genomics.genome import Genome
from mifm_kipoi.genomics.tables import TableFile
from mifm_kipoi.genomics.variants import Variant, read_variants
from mifm_kipoi.network.inference import logits
from mifm_kipoi.network.model import MIFM
from mifm_kipoi.scoring.scores import probability
from mifm_kipoi.sequence.encoding import NO_BASE, codes, one_hot
from mifm_kipoi.sequence.windows import stream_windows
from mifm_kipoi.statistics.correlation import pearson, spearman
from training.distillation.config import DistilError

STRIDE = 128
"""Base pairs from one window of a tiled contig to the next."""


@dataclasses.dataclass(frozen=True)
class Fidelity:
    """Agreement of a student with its teacher.

    Parameters
    ----------
    windows : int
        Tiled windows without N of the held-out contigs.
    window_pearson : float
        Pearson correlation of the logits over these windows.
    snvs : int
        Single-base variants of the variant file on the held-out contigs.
    ref_pearson, delta_pearson : float
        Pearson correlation over these of the reference logits, and of the differences between
        alternative and reference logits.
    delta_spearman : float
        Spearman correlation of the differences of probabilities, ``mifm_delta``.
    probability_error : float
        Largest absolute difference between student's and teacher's reference probabilities.
    blocks, same_top : int
        LD blocks, and those in which both put the same variant first.
    """

    windows: int
    window_pearson: float
    snvs: int
    ref_pearson: float
    delta_pearson: float
    delta_spearman: float
    probability_error: float
    blocks: int
    same_top: int


def fidelity(
    student: MIFM,
    teacher: MIFM,
    genome: Genome,
    held_out: Iterable[str],
    vcf: str | os.PathLike[str],
    blocks: str | os.PathLike[str],
) -> Fidelity:
    """Compare a student with its teacher.

    Parameters
    ----------
    student, teacher : MIFM
        Networks with four input channels.
    genome : Genome
        The FASTA file.
    held_out : iterable of str
        Contigs that the student was not taught on.
    vcf : path-like
        Variants, of which the single-base ones on the held-out contigs are compared.
    blocks : path-like
        Table of fine-mapped blocks (:func:`read_blocks`); all blocks with sequence in the genome are
        compared, whichever their contig.

    Raises
    ------
    DistilError
        When nothing is left to compare.
    """
    held_out = set(held_out)
    tiled = np.concatenate([_both(student, teacher, windows) for windows in _tiles(genome, held_out)], axis=1)
    snvs = (
        variant
        for variant in read_variants(vcf)
        if genome.find_contig(variant.chrom) in held_out and len(variant.ref) == len(variant.alt) == 1
    )
    ref, alt = _variant_logits(student, teacher, snvs, genome)
    if not ref.size:
        raise DistilError(f"{vcf} has no single-base variant on the held-out contigs {sorted(held_out)}")
    delta = alt - ref
    ref_probability, alt_probability = probability(ref), probability(alt)
    same = [
        student_logits.argmax() == teacher_logits.argmax()
        for student_logits, teacher_logits in _block_logits(student, teacher, read_blocks(blocks), genome)
    ]
    return Fidelity(
        windows=tiled.shape[1],
        window_pearson=_rounded(pearson(*tiled)),
        snvs=ref.shape[1],
        ref_pearson=_rounded(pearson(*ref)),
        delta_pearson=_rounded(pearson(*delta)),
        delta_spearman=_rounded(spearman(*(alt_probability - ref_probability))),
        probability_error=round(float(np.abs(ref_probability[0] - ref_probability[1]).max()), 4),
        blocks=len(same),
        same_top=int(np.sum(same)),
    )


def _rounded(correlation: npt.NDArray[np.float64]) -> float:
    return round(float(correlation), 5)


def _both(student: MIFM, teacher: MIFM, windows: npt.NDArray[np.uint8]) -> npt.NDArray[np.float64]:
    """Logits of coded windows: (n, 512) -> (2, n), the student's first."""
    encoded = one_hot(windows)
    return np.stack([logits(student, encoded), logits(teacher, encoded)]).astype(np.float64)


def _tiles(genome: Genome, contigs: Iterable[str], batch: int = 4096) -> Iterator[npt.NDArray[np.uint8]]:
    """Coded windows without N, every 128 bp."""
    for contig in sorted(contigs):
        if contig not in genome.contigs:
            raise DistilError(
                f"there is no contig {contig!r} in {genome.path}; it has {', '.join(genome.contigs)}"
            )
        sequence = codes(genome.fetch(contig, 0, genome.contigs[contig]))
        starts = np.arange(0, sequence.size - WINDOW + 1, STRIDE)
        for first in range(0, starts.size, batch):
            windows = sequence[starts[first : first + batch, None] + np.arange(WINDOW)]
            yield windows[(windows != NO_BASE).all(axis=1)]


def _variant_logits(
    student: MIFM, teacher: MIFM, variants: Iterable[Variant], genome: Genome
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Reference and alternative logits of the variants that have windows: each (2, n)."""
    ref, alt = [np.empty((2, 0))], [np.empty((2, 0))]
    for chunk in stream_windows(variants, genome):
        rows = [row for row, status in enumerate(chunk.status) if status is Status.OK]
        ref.append(_both(student, teacher, chunk.ref[rows]))
        alt.append(_both(student, teacher, chunk.alt[rows]))
    return np.concatenate(ref, axis=1), np.concatenate(alt, axis=1)


def read_blocks(path: str | os.PathLike[str]) -> pd.DataFrame:
    """Read fine-mapped variants of LD blocks.

    Parameters
    ----------
    path : path-like
        Table with the columns ``trait``, ``region``, ``CHR`` and ``POS`` (1-based); the rows that share the
        first three make a block, and rows without one of the four are left out.

    Returns
    -------
    pandas.DataFrame
        Columns ``block`` (int), ``chrom`` (str), ``pos`` (int).

    Raises
    ------
    DistilError
        When the file cannot be read or lacks a column.
    """
    columns = ["trait", "CHR", "region", "POS"]
    try:
        table = TableFile.of(path)
        if missing := [name for name in columns if name not in table.columns]:
            raise InputError(f"it has no column {', '.join(missing)}; it has {', '.join(table.columns)}")
        frames = [
            batch.frame(columns).assign(pos=batch.positions("POS")[0]) for batch in table.batches(columns)
        ]
        if not frames:
            raise InputError("it has no rows")
    except InputError as error:
        raise DistilError(f"cannot read the table of blocks {path}: {error}") from error
    rows = pd.concat(frames).dropna()
    block = rows.groupby(columns[:3], sort=False).ngroup()
    return pd.DataFrame({"block": block, "chrom": rows["CHR"], "pos": rows["pos"]}).reset_index(drop=True)


def _block_logits(
    student: MIFM, teacher: MIFM, blocks: pd.DataFrame, genome: Genome
) -> Iterator[tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]]:
    """Reference logits of each block's variants whose whole window lies in the genome, without N."""
    contigs = {chrom: genome.find_contig(chrom) for chrom in blocks["chrom"].unique()}
    for _, block in blocks.groupby("block"):
        contig = contigs[block["chrom"].iloc[0]]
        if contig is None:
            continue
        starts = np.unique(block["pos"].to_numpy()) - 1 - VARIANT_INDEX
        inside = starts[(starts >= 0) & (starts + WINDOW <= genome.contigs[contig])]
        windows = [codes(genome.fetch(contig, start, start + WINDOW)) for start in inside.tolist()]
        known = [window for window in windows if (window != NO_BASE).all()]
        if len(known) > 1:
            student_logits, teacher_logits = _both(student, teacher, np.stack(known))
            yield student_logits, teacher_logits
