"""The records of the input with the scores in INFO: VCF, plain and compressed with bgzip, and BCF."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar

from mifm_kipoi.conventions import SCORED
from mifm_kipoi.errors import FormatError, OptionError, OutputError
from mifm_kipoi.genomics.bcf import as_vcf, refusal
from mifm_kipoi.genomics.htslib import quiet, reason
from mifm_kipoi.genomics.vcf_text import (
    Comparison,
    Declared,
    declare_all,
    put_definitions,
    put_info,
    split_record,
)
from mifm_kipoi.scoring.formats.tsv import POSITIONS, Bgzipped, OutputFormat, why_not_indexed
from mifm_kipoi.scoring.records import Chunk, ScoredVariants
from mifm_kipoi.scoring.scores import AVERAGED, LOGITS, PERCENTILES, SCORES

_STATUS_TAG = b"MIFM_STATUS"

_LONGEST_SHOWN = 200
"""Letters of a header's line in a message."""

_log = logging.getLogger(__name__)


def info_tag(column: str) -> str:
    """The INFO tag of a column; letters that a tag cannot have become ``_``."""
    names = (*(f"{name}_{AVERAGED}" for name in SCORES), *SCORES, *PERCENTILES)
    score = next(name for name in names if column == name or column.startswith(f"{name}_"))
    return score.upper() + re.sub(r"[^A-Za-z0-9_.]", "_", column[len(score) :])


def _described(column: str) -> str:
    """What the header says of a tag; what made the numbers is in a line of its own."""
    f = "f the fraction of the positions of real sequence whose mifm_ref is as high or higher"
    if column.startswith("mifm_percentile"):
        return f"{column}, 100 (1 - f), {f}"
    if column.startswith("mifm_phred"):
        return f"{column}, -10 log10(f), {f}"
    return f"{column} of the ALT"


class Vcf(OutputFormat):
    """The records of the input with the scores in INFO, one value per ALT; nothing else changes.

    INFO holds the scores, what they are among the background's positions and the status, not the logits. A
    tag of which a record has no value is left out.
    """

    needs_lines = True

    def __init__(
        self, columns: Sequence[str], provenance: dict[str, Any], drop_samples: bool = False
    ) -> None:
        columns = [name for name in columns if not name.startswith(LOGITS)]
        super().__init__(columns, provenance, drop_samples)
        self._score_tags = [info_tag(name).encode() for name in columns]
        self._tags = {*self._score_tags, _STATUS_TAG}
        if len(set(self._score_tags)) < len(columns):
            raise OptionError(f"the columns {', '.join(columns)} are not distinguished as INFO tags")

    def _head(self, header: Sequence[bytes]) -> bytes:
        """The header of the input with our lines at its end; older definitions of our tags go."""
        lines = [
            b"##INFO=<ID=" + tag + f',Number=A,Type=Float,Description="MIFM: {_described(name)}">'.encode()
            for tag, name in zip(self._score_tags, self.columns, strict=True)
        ]
        meaning = b',Number=A,Type=String,Description="Why the ALT has scores (ok) or has none">'
        lines.append(b"##INFO=<ID=" + _STATUS_TAG + meaning)
        lines.append(b"##mifm_kipoi=" + json.dumps(self.provenance).encode())
        *lines, columns = put_definitions(header, self._tags, lines, replaced=(b"##mifm_kipoi=",))
        return b"\n".join([*lines, b"\t".join(self._kept(columns))]) + b"\n"

    def _kept(self, line: bytes) -> list[bytes]:
        fields = split_record(line)
        return fields[:8] if self.drop_samples else fields

    def _body(self, chunk: Chunk, scored: ScoredVariants) -> bytes:
        """The records, their INFO completed; older values of our tags go."""
        numbers = [[text.encode() for text in values] for values in self._numbers(scored, ".")]
        lines = []
        row = 0
        for record in chunk.records:
            rows = slice(row, row + len(record.variants))
            row = rows.stop
            reasons = scored.status[rows]
            entries = [_STATUS_TAG + b"=" + ",".join(reasons).encode()]
            if any(reason in SCORED for reason in reasons):
                columns = zip(self._score_tags, (column[rows] for column in numbers), strict=True)
                entries[:0] = [
                    tag + b"=" + b",".join(values) for tag, values in columns if set(values) != {b"."}
                ]
            fields = self._kept(record.line)
            fields[7] = put_info(fields[7], self._tags, entries)
            lines.append(b"\t".join(fields) + b"\n")
        return b"".join(lines)

    def _is_header(self, row: int, line: bytes) -> bool:  # noqa: ARG002
        return line.startswith(b"#")


class BgzippedVcf(Bgzipped, Vcf):
    """VCF, compressed with bgzip and indexed."""

    _layout: ClassVar[dict[str, Any]] = {"preset": "vcf"}


class Bcf(Vcf):
    """BCF, made of VCF by bcftools, and indexed."""

    indexed = True

    def finish(self, grown: Path, folder: Path) -> tuple[Path, Path | None]:
        """Convert the VCF.

        Raises
        ------
        FormatError
            When BCF cannot hold a record.
        OutputError
            When the file cannot be written.
        """
        finished, declared = folder / "new.bcf", folder / "declared.vcf"
        written = declare_all(grown, declared)
        try:
            _bcftools("view", "--no-version", "-Ob", "-o", str(finished), str(declared))
        except OutputError as error:
            # bcftools says the same of a full disk and of a record that it cannot write.
            if why := refusal(declared):
                raise FormatError(f"a record cannot be written as BCF ({why})") from error
            raise OutputError(f"cannot write {finished}: {error}; is the disk full?") from error
        self._check_same(declared, written, finished)
        declared.unlink()
        return finished, self._index_of(finished, folder)

    def _check_same(self, declared: Path, written: Declared, finished: Path) -> None:
        """Compare the records of BCF with those of the VCF that it was made of.

        Raises
        ------
        FormatError
            When a value is not the same: htslib changes what it cannot hold, often without a word.
        """
        changes = Comparison(written.types)
        count = 0
        with declared.open("rb") as before, self._opened(finished) as after:
            records = (line for line in after if not line.startswith(b"#"))
            for line in before:
                if line.startswith(b"#"):
                    continue
                made = next(records, None)
                if made is None:
                    raise FormatError(f"only {count} of {written.records} records can be written as BCF")
                changes.add(line, made)
                count += 1
        if changes.records:
            raise FormatError(
                f"BCF cannot hold the values of {changes.records} of {count} records by the types that the "
                f"header defines: {changes}"
            )
        if written.left_out:
            _log.warning(
                "%d lines of the header are not in the BCF file, since htslib cannot parse them; tags that "
                "they define are text there. The first is %s",
                len(written.left_out),
                written.left_out[0].decode(errors="replace")[:_LONGEST_SHOWN],
            )

    def _index_of(self, finished: Path, folder: Path) -> Path | None:
        """The index, where htslib can make one."""
        index = folder / "new.csi"
        try:
            _index(finished, index)
        except OSError as error:
            with self._opened(finished) as lines:
                self.not_indexed = why_not_indexed(line for line in lines if not line.startswith(b"#"))
            if self.not_indexed is POSITIONS:
                with contextlib.suppress(OSError):
                    _index(finished, Path(os.devnull))
                    raise OutputError(f"cannot index {finished}: {error}; is the disk full?") from error
            return None
        return index

    def merge(self, parts: Sequence[Path], folder: Path) -> tuple[Path, Path | None]:
        """Join the parts as they are where their headers are the same, for text has fewer digits."""
        finished = folder / "new.bcf"
        try:
            _bcftools("concat", "--naive", "-o", str(finished), *map(os.path.abspath, parts))
        except OutputError:
            return super().merge(parts, folder)
        return finished, self._index_of(finished, folder)

    @contextlib.contextmanager
    def _opened(self, part: Path) -> Iterator[Iterable[bytes]]:
        with part.open("rb", buffering=0) as file, as_vcf(file) as lines:
            yield lines


def _index(finished: Path, index: Path) -> None:
    from pysam import tabix_index

    with quiet():
        tabix_index(
            os.path.abspath(finished), preset="bcf", csi=True, force=True, keep_original=True,
            index=os.path.abspath(index),
        )  # fmt: skip


def _bcftools(command: str, *arguments: str) -> None:
    """Run a command of bcftools.

    Raises
    ------
    OutputError
        When it fails.
    """
    from pysam import bcftools
    from pysam.utils import SamtoolsError

    # pysam takes text that is not UTF-8, as in names of files, as bytes only.
    words = [os.fsencode(argument) for argument in arguments]
    try:
        with quiet():
            getattr(bcftools, command)(*words, catch_stdout=False)
    except SamtoolsError as error:
        raise OutputError(f"bcftools {command}: {reason(str(error))}") from error
