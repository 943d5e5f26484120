"""Tracks of saturation mutagenesis, for genome browsers, as bigWig files."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from mifm_kipoi.conventions import Status
from mifm_kipoi.errors import OutputError
from mifm_kipoi.genomics.genome import Genome
from mifm_kipoi.mutagenesis.mutate import MAIN_SCORE, Effects, mean_effect, strongest_effect
from mifm_kipoi.mutagenesis.targets import Centre, Target
from mifm_kipoi.support.bigwig import BigWig
from mifm_kipoi.support.files import writing, written_whole

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
    OutputError
        When a file cannot be written, or, from :meth:`Tracks.add`, regions are not sorted, or overlap
        although each has its own window.
    """
    contigs = list(genome.contigs.items())
    with contextlib.ExitStack() as stack:
        files = {}
        for name in TRACKS[centre]:
            path = track_path(prefix, name)
            temporary = stack.enter_context(written_whole(path))
            with writing(path):
                files[name] = BigWig(temporary, contigs)
            stack.callback(files[name].close)
        yield Tracks(files, genome, centre)
        for file in files.values():
            file.finish()


class Tracks:
    """A sink that writes one value per position to each track.

    Parameters
    ----------
    files : dict of str to BigWig
        By the names in :data:`TRACKS`.
    genome : Genome
        Has the contigs, in the order of the tracks.
    centre : Centre
        What the effects are of; it decides which score is written.
    """

    def __init__(self, files: dict[str, BigWig], genome: Genome, centre: Centre) -> None:
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
            with writing(f"the track {name}"):
                file.add(contig, effects.start + written, values[name][written:])

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
