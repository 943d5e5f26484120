"""Apache Parquet."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar

from mifm_kipoi.conventions import CHUNK
from mifm_kipoi.scoring.formats.tsv import VARIANT_COLUMNS, OutputFormat
from mifm_kipoi.scoring.records import Chunk, ScoredVariants
from mifm_kipoi.support import read_back
from mifm_kipoi.support.text import as_unicode

_ROW_GROUP = 1 << 17


class Parquet(OutputFormat):
    """An Apache Parquet table with the columns of the tab-separated one, the provenance in its metadata."""

    number_type: ClassVar[str] = "float32"
    """Arrow's name of the type of the numbers."""

    @property
    def _schema(self) -> Any:
        import pyarrow as pa

        text = {name: pa.string() for name in VARIANT_COLUMNS} | {"pos": pa.int64()}
        numbers = dict.fromkeys(self.columns, pa.type_for_alias(self.number_type))
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
            [variant.pos for variant in scored.variants]
            if name == "pos"
            else [as_unicode(getattr(variant, name)) for variant in scored.variants]
            for name in VARIANT_COLUMNS
        ]
        columns += [pa.array(scored.columns[name], from_pandas=True) for name in self.columns]
        columns.append([str(reason) for reason in scored.status])
        arrays = [pa.array(values, kind) for values, kind in zip(columns, schema.types, strict=True)]
        return bytes(pa.record_batch(arrays, schema=schema).serialize())

    def finish(self, grown: Path, folder: Path) -> tuple[Path, Path | None]:
        """Convert the Arrow stream, in groups of rows."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        finished, rows = folder / "new.parquet", 0
        with (
            grown.open("rb") as file,
            pa.ipc.open_stream(file) as stream,
            # Arrow takes no name that is not UTF-8.
            finished.open("xb") as target,
            pq.ParquetWriter(target, self._schema, compression="zstd") as writer,
        ):
            for table in _groups(stream):
                writer.write_table(table)
                rows += table.num_rows
        read_back.parquet(finished, rows)
        return finished, None

    def join(self, parts: Sequence[Path], grown: Path) -> None:
        """Write the rows of finished files as one Arrow stream."""
        import pyarrow.parquet as pq

        with grown.open("xb") as target:
            target.write(self._head(()))
            for part in parts:
                with part.open("rb") as source, pq.ParquetFile(source) as file:
                    target.writelines(bytes(batch.serialize()) for batch in file.iter_batches(CHUNK))


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
