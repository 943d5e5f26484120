"""What a scan writes: a track for genome browsers, a table of positions, a table of SNVs.

A format makes bytes of a block of positions, on any thread, and appends those of a segment to a growing
file; in the end it adds what the file ends with, and an index. The bytes of a segment do not depend on the
segments beside it, so that the files of shards are joined without a look at their numbers.
"""

from __future__ import annotations

import abc
import dataclasses
import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any, ClassVar, Generic, TypeVar

import numpy as np
import numpy.typing as npt

from mifm_kipoi.errors import InputError, OptionError, OutputError
from mifm_kipoi.genome_scan.positions import PositionScores
from mifm_kipoi.genomics.htslib import quiet
from mifm_kipoi.network.background import Background
from mifm_kipoi.scoring.scores import PERCENTILES, background_columns
from mifm_kipoi.sequence import encoding
from mifm_kipoi.support import bigwig
from mifm_kipoi.support.bgzf import BGZF_END, bgzf_blocks, first_block_bytes
from mifm_kipoi.support.cpus import usable_cpus
from mifm_kipoi.support.rows import Letters, fixed, rows_of, text, whole

TRACKS = ("mifm_ref", "mifm_logit_ref", *PERCENTILES)
"""What a bigWig file can hold; the score is what browsers are given by default."""

POSITION_COLUMNS = ("chrom", "pos", "ref", "mifm_ref", "mifm_logit_ref", *PERCENTILES)
"""Columns of a table of positions."""

ALLELE_COLUMNS = tuple(f"mifm_logit_{base}" for base in encoding.BASES)
"""Columns that follow them where alternatives are scored: the logit with each base at the position."""

SNV_COLUMNS = ("#Chrom", "Pos", "Ref", "Alt", "RawScore", "PHRED")
"""Columns of a table of SNVs, as CADD has them."""

_SCORE_DECIMALS = _LOGIT_DECIMALS = 6
"""A logit of the table is within 5e-7 of the network's, and the score of it within 1.3e-7."""

_RANK_DECIMALS = {"mifm_percentile": 5, "mifm_phred": 3}
"""Those of a percentile are all that its format has near 100."""

_TEXT_LEVEL = 1
"""Of zlib."""

_IN_PLACE = 1 << 20
"""Bytes from which on a bigWig file is completed where it grew. The journal knows a file by its last 64 kb,
in which the header of a smaller one lies, that is filled in last."""

Part = TypeVar("Part")
"""What a format makes of a block."""


@dataclasses.dataclass(frozen=True)
class FormatOptions:
    """What a format must know.

    Parameters
    ----------
    contigs : tuple of (str, int)
        Names and lengths of those of the FASTA.
    background : Background, optional
        What percentiles refer to.
    track : str
        What a bigWig file holds, one of :data:`TRACKS`.
    alleles : bool
        Whether alternatives are scored.
    snvs : bool
        Whether a table has three rows a position, as that of CADD.
    """

    contigs: tuple[tuple[str, int], ...]
    background: Background | None = None
    track: str = TRACKS[0]
    alleles: bool = False
    snvs: bool = False


class ScanFormat(abc.ABC, Generic[Part]):
    """One way to write the scores of positions."""

    columns: tuple[str, ...]
    """What the file holds of each position."""

    def __init__(self, options: FormatOptions) -> None:
        self.options = options

    @abc.abstractmethod
    def head(self) -> bytes:
        """What the file begins with."""

    @abc.abstractmethod
    def encode(self, scores: PositionScores) -> Part:
        """What becomes of a block; threads call this side by side."""

    @abc.abstractmethod
    def joined(self, parts: Sequence[Part]) -> bytes:
        """What the blocks of a segment add to the file."""

    @classmethod
    @abc.abstractmethod
    def finish(cls, grown: Path, folder: Path) -> tuple[Path, Path | None]:
        """Make the final file and its index, both under temporary names.

        Parameters
        ----------
        grown : Path
            The file with everything that was appended.
        folder : Path
            A private folder on the same file system.

        Returns
        -------
        finished : Path
            ``grown`` itself, or a file in ``folder``.
        index : Path or None
            The index in ``folder``, with its suffix.
        """

    @classmethod
    @abc.abstractmethod
    def join(cls, parts: Sequence[Path], grown: Path) -> None:
        """Write what finished files hold, one after the other, into a file for :meth:`finish`."""


class Track(ScanFormat[list[bigwig.Section]]):
    """A bigWig file: a value for each position."""

    def __init__(self, options: FormatOptions) -> None:
        super().__init__(options)
        if options.track in PERCENTILES:
            _require_background(options, options.track)
        self.columns = (options.track,)
        self._numbers = {name: number for number, (name, _) in enumerate(options.contigs)}

    def head(self) -> bytes:
        """The space of the header, and the contigs."""
        return bigwig.begin_file(self.options.contigs)

    def encode(self, scores: PositionScores) -> list[bigwig.Section]:
        """The compressed values of a block."""
        name = self.options.track
        if name == "mifm_ref":
            values = scores.ref_score
        elif name == "mifm_logit_ref":
            values = scores.ref_logit
        else:
            values = background_columns(self.options.background, scores.ref_logit)[name]
        return bigwig.encode_sections(self._numbers[scores.contig], scores.start, scores.dense(values))

    def joined(self, parts: Sequence[list[bigwig.Section]]) -> bytes:
        """The values of a segment."""
        return bigwig.chunk_of([section for part in parts for section in part])

    @classmethod
    def finish(cls, grown: Path, folder: Path) -> tuple[Path, Path | None]:
        """Add the index and the levels of zoom, which are in the file itself."""
        if grown.stat().st_size < _IN_PLACE:
            grown = Path(shutil.copyfile(grown, folder / "finished"))
        bigwig.finish_file(grown, usable_cpus())
        return grown, None

    @classmethod
    def join(cls, parts: Sequence[Path], grown: Path) -> None:
        """Copy the compressed values."""
        bigwig.join_files(parts, grown)


class Table(ScanFormat[bytes]):
    """A tab-separated table, compressed with bgzip and indexed by position."""

    _layout: ClassVar[dict[str, Any]]
    """What pysam must know of the columns to index them."""

    def head(self) -> bytes:
        """The line of the columns, and what comes before it."""
        return bgzf_blocks(self._header().encode(), _TEXT_LEVEL)

    def _header(self) -> str:
        return "\t".join(self.columns) + "\n"

    def encode(self, scores: PositionScores) -> bytes:
        """The compressed rows of a block."""
        return bgzf_blocks(rows_of(self._rows(scores)), _TEXT_LEVEL) if len(scores) else b""

    @abc.abstractmethod
    def _rows(self, scores: PositionScores) -> list[Letters]:
        """The columns of the rows."""

    def joined(self, parts: Sequence[bytes]) -> bytes:
        """The compressed rows of a segment."""
        return b"".join(parts)

    @classmethod
    def finish(cls, grown: Path, folder: Path) -> tuple[Path, Path | None]:
        """Add the end of a bgzip file, and index it."""
        from pysam import tabix_index

        with grown.open("ab") as file:
            file.write(BGZF_END)
        # The newer kind of index, CSI, is for contigs that are too long for the other.
        for csi, suffix in ((False, ".tbi"), (True, ".csi")):
            index = folder / f"new{suffix}"
            try:
                with quiet():
                    tabix_index(
                        os.path.abspath(grown), force=True, csi=csi, keep_original=True,
                        index=os.path.abspath(index), **cls._layout,
                    )  # fmt: skip
            except OSError:
                index.unlink(missing_ok=True)
            else:
                return grown, index
        raise OutputError(f"cannot index {grown}; is the disk full?")

    @classmethod
    def join(cls, parts: Sequence[Path], grown: Path) -> None:
        """Copy the compressed rows; the first block of each part is what it begins with."""
        with grown.open("xb") as target:
            for number, part in enumerate(parts):
                with part.open("rb") as file:
                    _copy_blocks(file, target, with_first=number == 0)


def _copy_blocks(file: IO[bytes], target: IO[bytes], *, with_first: bool) -> None:
    """Copy the blocks of a bgzip file but for the last, which ends it, and maybe the first."""
    end = file.seek(0, os.SEEK_END) - len(BGZF_END)
    file.seek(0)
    start = 0 if with_first else first_block_bytes(file)
    if end < start:
        raise InputError(f"{file.name} is not a whole table of 'mifm genome'")
    file.seek(start)
    while start < end:
        content = file.read(min(end - start, 1 << 24))
        target.write(content)
        start += len(content)


class PositionTable(Table):
    """One row a position."""

    _layout: ClassVar[dict[str, Any]] = {
        "seq_col": 0, "start_col": 1, "end_col": 1, "line_skip": 1, "zerobased": False,
    }  # fmt: skip

    def __init__(self, options: FormatOptions) -> None:
        super().__init__(options)
        self.columns = POSITION_COLUMNS + (ALLELE_COLUMNS if options.alleles else ())

    def _rows(self, scores: PositionScores) -> list[Letters]:
        ranks = background_columns(self.options.background, scores.ref_logit)
        columns = [
            text(scores.contig, len(scores)),
            whole(scores.positions + 1),
            _letters(scores.bases),
            fixed(scores.ref_score, _SCORE_DECIMALS),
            fixed(scores.ref_logit, _LOGIT_DECIMALS),
            *(fixed(ranks[name], _RANK_DECIMALS[name]) for name in PERCENTILES),
        ]
        if scores.alt_logit is not None:
            columns += [fixed(logits, _LOGIT_DECIMALS) for logits in scores.alt_logit.T]
        return columns


class SnvTable(Table):
    """Three rows a position, one for each other base, in the layout of CADD.

    RawScore is the position's MIFM score, the same in the three rows, and PHRED its rank.
    """

    columns = SNV_COLUMNS

    _layout: ClassVar[dict[str, Any]] = {
        "seq_col": 0, "start_col": 1, "end_col": 1, "meta_char": "#", "zerobased": False,
    }  # fmt: skip

    def __init__(self, options: FormatOptions) -> None:
        super().__init__(options)
        _require_background(options, "PHRED")

    def _header(self) -> str:
        return "## MIFM: RawScore is mifm_ref, one value a position; PHRED is its rank\n" + super()._header()

    def _rows(self, scores: PositionScores) -> list[Letters]:
        ranks = background_columns(self.options.background, scores.ref_logit)
        once = (
            text(scores.contig, len(scores)),
            whole(scores.positions + 1),
            _letters(scores.bases),
        )
        numbers = (
            fixed(scores.ref_score, _SCORE_DECIMALS),
            fixed(ranks["mifm_phred"], _RANK_DECIMALS["mifm_phred"]),
        )
        return [
            *(np.repeat(column, 3, axis=0) for column in once),
            _letters(encoding.OTHER_BASES[scores.bases].ravel()),
            *(np.repeat(column, 3, axis=0) for column in numbers),
        ]


def _letters(codes: npt.NDArray[np.integer]) -> Letters:
    letters: Letters = np.frombuffer(encoding.BASES.encode(), dtype=np.uint8)[codes]
    return letters[:, None]


def _require_background(options: FormatOptions, what: str) -> None:
    if options.background is None:
        raise OptionError(
            f"the weights have no background, so there is no {what} to write; 'mifm genome background' "
            "measures one"
        )


SUFFIXES = (".bw", ".bigwig", ".bigWig", ".tsv.gz")
"""Endings of the names of outputs."""


def is_output(name: str) -> bool:
    """Whether a file is one of these by its name."""
    return name.endswith(SUFFIXES)


def make_format(path: Path, options: FormatOptions) -> ScanFormat[Any]:
    """The format that the name of an output ends in.

    Raises
    ------
    OptionError
        When it is unknown, or cannot hold what is asked for.
    """
    if not is_output(path.name) or path.name in SUFFIXES:
        raise OptionError(
            f"the name {path.name} ends in no known format; expected one of {', '.join(SUFFIXES)}"
        )
    if is_track(path):
        return Track(options)
    return SnvTable(options) if options.snvs else PositionTable(options)


def format_of(path: Path, columns: Sequence[str]) -> type[ScanFormat[Any]]:
    """The format of a finished file with some columns."""
    if is_track(path):
        return Track
    return SnvTable if tuple(columns) == SNV_COLUMNS else PositionTable


def is_track(path: Path) -> bool:
    """Whether an output is a bigWig file by its name."""
    return not path.name.endswith(".tsv.gz")
