"""Tracks of saturation mutagenesis, for genome browsers, as bigWig files."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from mifm_kipoi.conventions import Status
from mifm_kipoi.errors import OutputError
from mifm_kipoi.genomics.genome import Genome
from mifm_kipoi.mutagenesis.mutate import MAIN_SCORE, Effects, mean_effect, strongest_effect
from mifm_kipoi.mutagenesis.targets import Centre, Target
from mifm_kipoi.support.files import written_whole
from mifm_kipoi.support.packages import needed

TRACKS = {
    Centre.VARIANT: ("importance", "strongest"),
    Centre.POSITION: ("mifm_ref", "importance", "strongest"),
}
"""Names of the tracks: the MIFM score of each position, minus the mean of the effects of its three
substitutions, and the effect of the largest size with its sign. A window around a variant has one score,
which makes no track."""


def track_path(prefix: str | os.PathLike[str], name: str) -> Path:
    """Where a track of :data:`TRACKS` is written."""
    return Path(f"{prefix}.{name}.bw")


@contextlib.contextmanager
def written_tracks(prefix: str | os.PathLike[str], genome: Genome, centre: Centre) -> Iterator[Tracks]:
    """Files ``PREFIX.<track>.bw``, which get their names when they are complete.

    Parameters
    ----------
    prefix : path-like
        What the names of the files begin with.
    genome : Genome
        Its contigs, under its names, are those of the files.
    centre : Centre
        Says which tracks there are (:data:`TRACKS`) and which score they show
        (:data:`mifm_kipoi.mutagenesis.mutate.MAIN_SCORE`).

    Raises
    ------
    MissingPackageError
        When pyBigWig is not installed.
    OutputError
        When a file cannot be written, or, from :meth:`Tracks.add`, regions are not sorted, or overlap
        although each has its own window.
    """
    bigwig = needed("pyBigWig", "tracks")
    with contextlib.ExitStack() as stack:
        files = {}
        for name in TRACKS[centre]:
            temporary = stack.enter_context(written_whole(track_path(prefix, name)))
            file = bigwig.open(str(temporary), "w")
            stack.callback(file.close)
            file.addHeader(list(genome.contigs.items()))
            files[name] = file
        yield Tracks(files, genome, centre)


class Tracks:
    """A sink that writes one value per position to each track.

    Parameters
    ----------
    files : dict of str to pyBigWig file
        By the names in :data:`TRACKS`, open for writing, with a header.
    genome : Genome
        Has the contigs, in the order of the tracks.
    centre : Centre
        What the effects are of; it decides which score is written.
    """

    def __init__(self, files: dict[str, Any], genome: Genome, centre: Centre) -> None:
        self._files = files
        self._genome = genome
        self._order = {contig: number for number, contig in enumerate(genome.contigs)}
        self._score = MAIN_SCORE[centre]
        self._last: tuple[int, int] = (0, 0)
        self._before: Target | None = None

    def add(self, effects: Effects) -> None:
        """Write the values of further positions.

        Raises
        ------
        OutputError
            When they do not lie behind those written before; with a window for each position, regions
            may overlap, but must be sorted by their starts.
        """
        target = effects.target
        if target.status is not Status.OK:
            return
        contig = self._genome.find_contig(target.chrom)
        assert contig is not None, "a target that is ok lies on a contig of the FASTA"
        order = self._order[contig]
        written = self._written_before(target, order, effects)
        self._last = (order, max(effects.start + len(effects), effects.start + written))
        self._before = target
        scores = effects.scores()
        shown = scores[self._score]
        values = {
            "mifm_ref": scores["mifm_ref"],
            "importance": -mean_effect(shown),
            "strongest": strongest_effect(shown),
        }
        for name, file in self._files.items():
            _add_values(file, contig, effects.start + written, values[name][written:])

    def _written_before(self, target: Target, order: int, effects: Effects) -> int:
        """How many of the first positions the tracks have already."""
        if (order, effects.start) >= self._last:
            return 0
        same_contig = order == self._last[0]
        before = self._before
        # In windows of their own, positions have the same values in every region.
        if target.centre is None and same_contig and before is not None and target.start >= before.start:
            return self._last[1] - effects.start
        raise OutputError(self._message(target, overlap=same_contig))

    def _message(self, target: Target, overlap: bool) -> str:
        before = self._before
        assert before is not None, "something was written before"
        remedy = (
            "sort the regions ('bedtools sort -faidx GENOME.fa.fai', or 'bcftools sort') and merge those "
            "that overlap ('bedtools merge'), give one region at a time, or leave --bigwig out"
        )
        which = "begins before the end of" if overlap else "is on a contig that the FASTA has before that of"
        return (
            f"cannot write bigWig tracks: {target.name} {which} the region before it, {before.name}; a track "
            f"holds one value per position, in the order of the FASTA: {remedy}"
        )


def _add_values(file: Any, contig: str, start: int, values: npt.NDArray[np.float32]) -> None:
    """Write each run of positions that have a value."""
    has_value = np.concatenate([[False], ~np.isnan(values), [False]])
    edges = np.flatnonzero(has_value[1:] != has_value[:-1])
    for low, high in edges.reshape(-1, 2).tolist():
        # One by one, so that the values need no common step.
        file.addEntries(contig, start + low, values=values[low:high].astype(float).tolist(), span=1, step=1)
