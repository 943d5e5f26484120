"""The output formats: what each writes while variants are scored, and how it is finished.

A format appends bytes to one growing file, so that a run that was killed can go on from any point at
which a run of records was complete. What cannot be appended to, Parquet and BCF, grows as an Arrow
stream or as VCF and is converted in the end.
"""

from __future__ import annotations

import contextlib
import gzip
import io
import itertools
import json
import math
import re
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar

from Bio import bgzf

from mifm_kipoi.errors import OptionError, OutputError
from mifm_kipoi.htslib import is_sorted, quiet
from mifm_kipoi.scores import SCORES
from mifm_kipoi.scoring import AVERAGED, LOGITS, Chunk, ScoredVariants
from mifm_kipoi.variants import BGZF_END
from mifm_kipoi.vcf_text import declare_all, put_definitions, put_info, split_record
from mifm_kipoi.windows import CHUNK, Status

VARIANT_COLUMNS = ("chrom", "pos", "id", "ref", "alt")

_STATUS_TAG = b"MIFM_STATUS"

_ROW_GROUP = 1 << 17


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

    def __init__(
        self, columns: Sequence[str], provenance: dict[str, Any], drop_samples: bool = False
    ) -> None:
        self.columns = tuple(columns)
        self.provenance = provenance
        self.drop_samples = drop_samples

    def start(self, header: Sequence[bytes]) -> bytes:
        """What the file begins with; ``header`` is that of the variant file."""
        return self._packed(self._head(header))

    def encode(self, chunk: Chunk, scored: ScoredVariants) -> bytes:
        """What a run of records adds to the file."""
        return self._packed(self._body(chunk, scored))

    def finish(self, grown: Path) -> tuple[Path, Path | None]:
        """Make the final file and its index, both under temporary names.

        Parameters
        ----------
        grown : Path
            The file with everything that was appended.

        Returns
        -------
        finished : Path
            ``grown`` itself, or another file beside it.
        index : Path or None
            The index, where the format has one and the variants are sorted: named as ``finished``, with
            a suffix more.

        Raises
        ------
        OutputError
            When the file cannot be converted.
        """
        return grown, None

    def merge(self, parts: Sequence[Path], grown: Path) -> tuple[Path, Path | None]:
        """Make one file of finished ones, one after the other; as :meth:`finish`."""
        self.join(parts, grown)
        return self.finish(grown)

    def join(self, parts: Sequence[Path], grown: Path) -> None:
        """Write what finished files hold, one after the other, into a file for :meth:`finish`."""
        with grown.open("wb") as target:
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


class _Bgzipped(OutputFormat):
    """Text compressed with bgzip, and indexed."""

    _layout: ClassVar[dict[str, Any]]
    """What pysam must know of the columns to index them."""

    def _packed(self, content: bytes) -> bytes:
        """Whole blocks, so that the file is complete after each run of records but for its end."""
        if not content:
            # An empty block is the end of a file.
            return b""
        file = io.BytesIO()
        writer = bgzf.BgzfWriter(fileobj=file)  # type: ignore[no-untyped-call]  # Biopython has few types
        writer.write(content)  # type: ignore[no-untyped-call]
        writer.flush()  # type: ignore[no-untyped-call]
        return file.getvalue()

    def _opened(self, part: Path) -> contextlib.AbstractContextManager[Iterable[bytes]]:
        return gzip.open(part)

    def finish(self, grown: Path) -> tuple[Path, Path | None]:
        """Add the end of a bgzip file, and index positions."""
        from pysam import tabix_index

        with grown.open("ab") as file:
            file.write(BGZF_END)
        # The newer kind of index, CSI, is for contigs that are too long for the other.
        for csi, suffix in ((False, ".tbi"), (True, ".csi")):
            index = Path(f"{grown}{suffix}")
            try:
                with quiet():
                    tabix_index(str(grown), force=True, csi=csi, keep_original=True, **self._layout)
            except OSError as error:
                index.unlink(missing_ok=True)
                reason = error
            else:
                return grown, index
        with self._opened(grown) as lines:
            if is_sorted(line for row, line in enumerate(lines) if not self._is_header(row, line)):
                raise OutputError(f"cannot index {grown}: {reason}")
        return grown, None


class BgzippedTsv(_Bgzipped):
    """Tab-separated text, compressed with bgzip and indexed by position."""

    _layout: ClassVar[dict[str, Any]] = {
        "seq_col": 0,
        "start_col": 1,
        "end_col": 1,
        "line_skip": 1,
        "zerobased": False,
    }


def info_tag(column: str) -> str:
    """The INFO tag of a column; letters that a tag cannot have become ``_``."""
    names = (*(f"{name}_{AVERAGED}" for name in SCORES), *SCORES)
    score = next(name for name in names if column == name or column.startswith(f"{name}_"))
    return score.upper() + re.sub(r"[^A-Za-z0-9_.]", "_", column[len(score) :])


class Vcf(OutputFormat):
    """The records of the input with the scores in INFO, one value per ALT; nothing else changes.

    INFO holds the scores and the status, not the logits.
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
            raise OptionError(f"the columns {', '.join(columns)} are not told apart as INFO tags")

    def _head(self, header: Sequence[bytes]) -> bytes:
        """The header of the input with our lines at its end; older definitions of our tags go."""
        lines = [
            b"##INFO=<ID=" + tag + f',Number=A,Type=Float,Description="MIFM: {name} of the ALT">'.encode()
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
            if Status.OK in reasons:
                values = (b",".join(column[rows]) for column in numbers)
                entries[:0] = [tag + b"=" + text for tag, text in zip(self._score_tags, values, strict=True)]
            fields = self._kept(record.line)
            fields[7] = put_info(fields[7], self._tags, entries)
            lines.append(b"\t".join(fields) + b"\n")
        return b"".join(lines)

    def _is_header(self, row: int, line: bytes) -> bool:  # noqa: ARG002
        return line.startswith(b"#")


class BgzippedVcf(_Bgzipped, Vcf):
    """VCF, compressed with bgzip and indexed."""

    _layout: ClassVar[dict[str, Any]] = {"preset": "vcf"}


class Bcf(Vcf):
    """BCF, made of VCF by bcftools, and indexed."""

    def finish(self, grown: Path) -> tuple[Path, Path | None]:
        """Convert the VCF."""
        from pysam import bcftools
        from pysam.utils import SamtoolsError

        finished = Path(f"{grown}.bcf")
        declared = Path(f"{grown}.declared.vcf")
        expected = declare_all(grown, declared)
        try:
            with quiet():
                bcftools.view("--no-version", "-Ob", "-o", str(finished), str(declared), catch_stdout=False)
        except SamtoolsError as error:
            raise OutputError(f"cannot write BCF: {' '.join(str(error).split())}; write .vcf.gz") from error
        declared.unlink()
        count = bcftools.query("-f", "\n", str(finished)).count("\n")
        if count != expected:
            raise OutputError(f"only {count} of {expected} records can be written as BCF; write .vcf.gz")
        return finished, self._index(finished)

    def _index(self, finished: Path) -> Path | None:
        from pysam import bcftools
        from pysam.utils import SamtoolsError

        try:
            with quiet():
                bcftools.index("--csi", "--force", str(finished))
        except SamtoolsError as error:
            with self._opened(finished) as lines:
                if is_sorted(line for line in lines if not line.startswith(b"#")):
                    raise OutputError(f"cannot index {finished}: {error}") from error
            return None
        return Path(f"{finished}.csi")

    def merge(self, parts: Sequence[Path], grown: Path) -> tuple[Path, Path | None]:
        """Join the parts as they are where their headers are the same, for text has fewer digits."""
        from pysam import bcftools
        from pysam.utils import SamtoolsError

        finished = Path(f"{grown}.bcf")
        try:
            with quiet():
                bcftools.concat("--naive", "-o", str(finished), *map(str, parts), catch_stdout=False)
        except SamtoolsError:
            return super().merge(parts, grown)
        return finished, self._index(finished)

    @contextlib.contextmanager
    def _opened(self, part: Path) -> Iterator[Iterable[bytes]]:
        from pysam import bcftools

        with tempfile.NamedTemporaryFile(suffix=".vcf") as file:
            bcftools.view("--no-version", "-Ov", "-o", file.name, str(part), catch_stdout=False)
            yield file


class Parquet(OutputFormat):
    """An Apache Parquet table with the columns of the tab-separated one, the provenance in its metadata."""

    @property
    def _schema(self) -> Any:
        import pyarrow as pa

        text = {name: pa.string() for name in VARIANT_COLUMNS} | {"pos": pa.int64()}
        numbers = dict.fromkeys(self.columns, pa.float32())
        fields = {**text, **numbers, "status": pa.string()}
        return pa.schema(fields.items(), metadata={"mifm_kipoi": json.dumps(self.provenance)})

    def _head(self, header: Sequence[bytes]) -> bytes:  # noqa: ARG002
        """The schema, as an Arrow stream begins."""
        return bytes(self._schema.serialize())

    def _body(self, chunk: Chunk, scored: ScoredVariants) -> bytes:  # noqa: ARG002
        """One batch of the Arrow stream."""
        import pyarrow as pa

        if not len(scored):
            return b""
        schema = self._schema
        columns: list[Any] = [
            [_unicode(getattr(variant, name)) for variant in scored.variants] for name in VARIANT_COLUMNS
        ]
        columns += [pa.array(scored.columns[name], from_pandas=True) for name in self.columns]
        columns.append([reason.value for reason in scored.status])
        arrays = [pa.array(values, kind) for values, kind in zip(columns, schema.types, strict=True)]
        return bytes(pa.record_batch(arrays, schema=schema).serialize())

    def finish(self, grown: Path) -> tuple[Path, Path | None]:
        """Convert the Arrow stream, in groups of rows."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        finished = Path(f"{grown}.parquet")
        with (
            grown.open("rb") as file,
            pa.ipc.open_stream(file) as stream,
            pq.ParquetWriter(finished, self._schema, compression="zstd") as writer,
        ):
            for table in _groups(stream):
                writer.write_table(table)
        return finished, None

    def join(self, parts: Sequence[Path], grown: Path) -> None:
        """Write the rows of finished files as one Arrow stream."""
        import pyarrow.parquet as pq

        with grown.open("wb") as target:
            target.write(self._head(()))
            for part in parts:
                with pq.ParquetFile(part) as file:
                    target.writelines(bytes(batch.serialize()) for batch in file.iter_batches(CHUNK))


def _unicode(value: Any) -> Any:
    """Text with what is not UTF-8 replaced, since Parquet holds nothing else."""
    return (
        value.encode(errors="surrogateescape").decode(errors="replace") if isinstance(value, str) else value
    )


def _groups(stream: Iterable[Any]) -> Iterator[Any]:
    """Tables of the rows of a stream of batches, large enough for a group of rows."""
    import pyarrow as pa

    batches, rows = [], 0
    for batch in stream:
        batches.append(batch)
        rows += batch.num_rows
        if rows >= _ROW_GROUP:
            yield pa.Table.from_batches(batches)
            batches, rows = [], 0
    if batches:
        yield pa.Table.from_batches(batches)


_FORMATS: dict[str, type[OutputFormat]] = {
    ".tsv": OutputFormat,
    ".tsv.gz": BgzippedTsv,
    ".vcf": Vcf,
    ".vcf.gz": BgzippedVcf,
    ".bcf": Bcf,
    ".parquet": Parquet,
}


def find_format(path: Path) -> type[OutputFormat]:
    """The format that the name of a file ends in.

    Raises
    ------
    OptionError
        When it is unknown.
    """
    for suffix, found in _FORMATS.items():
        if path.name.endswith(suffix) and path.name != suffix:
            return found
    raise OptionError(f"the name {path.name} ends in no known format; expected one of {', '.join(_FORMATS)}")
