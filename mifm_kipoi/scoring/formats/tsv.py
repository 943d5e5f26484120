"""Tab-separated text, plain and compressed with bgzip; the base of the other formats."""

from __future__ import annotations

import contextlib
import gzip
import itertools
import math
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, ClassVar

from mifm_kipoi.conventions import CHUNK
from mifm_kipoi.errors import OutputError
from mifm_kipoi.genomics.htslib import is_sorted, quiet
from mifm_kipoi.scoring.records import Chunk, ScoredVariants
from mifm_kipoi.support.bgzf import BGZF_END, bgzf_blocks

VARIANT_COLUMNS = ("chrom", "pos", "id", "ref", "alt")


class OutputFormat:
    """One way to write scored variants: tab-separated text, and the base of the others.

    The columns are ``chrom pos id ref alt``, those of the numbers, and ``status``; a number that there
    is not is an empty field.

    Parameters
    ----------
    columns : sequence of str
        The columns of numbers.
    provenance : dict of plain JSON types
        What made the scores.
    drop_samples : bool
        Leave the genotypes of the input out.
    """

    needs_lines = False
    """Whether the records must carry their text."""

    indexed = False
    """Whether the format has an index."""

    def __init__(
        self, columns: Sequence[str], provenance: dict[str, Any], drop_samples: bool = False
    ) -> None:
        self.columns = tuple(columns)
        self.provenance = provenance
        self.drop_samples = drop_samples
        self.not_indexed = ""
        """Why there is no index of a format that has one, once the file is finished."""

    def start(self, header: Sequence[bytes]) -> bytes:
        """What the file begins with; ``header`` is that of the variant file."""
        return self._packed(self._head(header))

    def encode(self, chunk: Chunk, scored: ScoredVariants) -> bytes:
        """What a run of records adds to the file."""
        return self._packed(self._body(chunk, scored))

    def finish(self, grown: Path, folder: Path) -> tuple[Path, Path | None]:  # noqa: ARG002
        """Make the final file and its index, both under temporary names.

        Parameters
        ----------
        grown : Path
            The file with everything that was appended.
        folder : Path
            A private folder on the same file system, for all that is made.

        Returns
        -------
        finished : Path
            ``grown`` itself, or a file in ``folder``.
        index : Path or None
            The index in ``folder``, with its suffix; where there is none, :attr:`not_indexed` says why.

        Raises
        ------
        OutputError
            When the file cannot be converted.
        """
        return grown, None

    def merge(self, parts: Sequence[Path], folder: Path) -> tuple[Path, Path | None]:
        """Make one file of finished ones, one after the other; as :meth:`finish`."""
        grown = folder / "joined"
        self.join(parts, grown)
        return self.finish(grown, folder)

    def join(self, parts: Sequence[Path], grown: Path) -> None:
        """Write what finished files hold, one after the other, into a file for :meth:`finish`."""
        with grown.open("xb") as target:
            for number, part in enumerate(parts):
                with self._opened(part) as lines:
                    kept = (
                        line
                        for row, line in enumerate(lines)
                        if number == 0 or not self._is_header(row, line)
                    )
                    while lines_now := list(itertools.islice(kept, CHUNK)):
                        target.write(self._packed(b"".join(lines_now)))

    def _head(self, header: Sequence[bytes]) -> bytes:  # noqa: ARG002 - a table has a header of its own
        return "\t".join([*VARIANT_COLUMNS, *self.columns, "status"]).encode() + b"\n"

    def _body(self, chunk: Chunk, scored: ScoredVariants) -> bytes:  # noqa: ARG002 - others need its lines
        rows = zip(scored.variants, zip(*self._numbers(scored, ""), strict=True), scored.status, strict=True)
        lines = [
            "\t".join((v.chrom, str(v.pos), v.id, v.ref, v.alt, *values, reason)) + "\n"
            for v, values, reason in rows
        ]
        return "".join(lines).encode(errors="surrogateescape")

    def _numbers(self, scored: ScoredVariants, missing: str) -> list[list[str]]:
        """The numbers of each column as text, with seven digits."""
        columns = (scored.columns[name].tolist() for name in self.columns)
        return [[missing if math.isnan(value) else f"{value:.7g}" for value in values] for values in columns]

    def _packed(self, content: bytes) -> bytes:
        return content

    def _opened(self, part: Path) -> contextlib.AbstractContextManager[Iterable[bytes]]:
        """The lines of a finished file."""
        return part.open("rb")

    def _is_header(self, row: int, line: bytes) -> bool:  # noqa: ARG002 - others need the line
        return row == 0


class Bgzipped(OutputFormat):
    """Text compressed with bgzip, and indexed."""

    indexed = True

    _layout: ClassVar[dict[str, Any]]
    """What pysam must know of the columns to index them."""

    def _packed(self, content: bytes) -> bytes:
        """Whole blocks, so that the file is complete after each run of records but for its end."""
        return bgzf_blocks(content)

    def _opened(self, part: Path) -> contextlib.AbstractContextManager[Iterable[bytes]]:
        return gzip.open(part)

    def finish(self, grown: Path, folder: Path) -> tuple[Path, Path | None]:
        """Add the end of a bgzip file, and index positions where htslib can."""
        with grown.open("ab") as file:
            file.write(BGZF_END)
        # The newer kind of index, CSI, is for contigs that are too long for the other.
        for csi, suffix in ((False, ".tbi"), (True, ".csi")):
            index = folder / f"new{suffix}"
            try:
                self._index(grown, index, csi)
            except OSError:
                index.unlink(missing_ok=True)
            else:
                return grown, index
        with self._opened(grown) as lines:
            kept = (line for row, line in enumerate(lines) if not self._is_header(row, line))
            self.not_indexed = why_not_indexed(kept)
        if self.not_indexed is POSITIONS:
            with contextlib.suppress(OSError):
                self._index(grown, Path(os.devnull), csi=True)
                # It can be indexed, so that it was the disk.
                raise OutputError(f"cannot index {grown}: the index cannot be written; is the disk full?")
        return grown, None

    def _index(self, grown: Path, index: Path, csi: bool) -> None:
        from pysam import tabix_index

        with quiet():
            tabix_index(
                os.path.abspath(grown),
                force=True,
                csi=csi,
                keep_original=True,
                index=os.path.abspath(index),
                **self._layout,
            )


UNSORTED = "the variants are not sorted"
"""Why a file has no index."""

POSITIONS = "htslib cannot index all positions, such as POS 0 or one behind the end of its contig"
"""Why a file of sorted variants has no index."""


def why_not_indexed(lines: Iterable[bytes]) -> str:
    """Why htslib could not index a file with these rows: :data:`UNSORTED` or :data:`POSITIONS`."""
    return POSITIONS if is_sorted(lines) else UNSORTED


class BgzippedTsv(Bgzipped):
    """Tab-separated text, compressed with bgzip and indexed by position."""

    _layout: ClassVar[dict[str, Any]] = {
        "seq_col": 0,
        "start_col": 1,
        "end_col": 1,
        "line_skip": 1,
        "zerobased": False,
    }
