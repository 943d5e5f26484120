"""Small tables of a GWAS, written and read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mifm_kipoi.genetics.associations import AssociationRows, AssociationTable
from mifm_kipoi.genetics.row_counts import RowCounts

PLACES = "CHR BP EA NEA"

GLM = "#CHROM POS ID REF ALT A1 TEST OBS_CT BETA SE T_STAT P"


def write(path: Path, header: str, *rows: str) -> Path:
    text = "".join("\t".join(line.split(" ")) + "\n" for line in (header, *rows))
    path.write_text(text)
    return path


def read(
    path: Path, counts: RowCounts | None = None, fields: tuple[str, ...] | None = None,
    max_p_value: float | None = None, **options: Any,
) -> AssociationRows:  # fmt: skip
    """All rows of a small table, which is read as one block."""
    (rows,) = AssociationTable(str(path), **options).batches(fields, max_p_value, counts)
    return rows


def table(tmp_path: Path, columns: str, *rows: str) -> Path:
    """A table of SNVs at 1:10, 1:20 ..., with some columns more."""
    places = [f"1 {10 * number} G A" for number in range(1, len(rows) + 1)]
    return write(
        tmp_path / "t.tsv",
        f"{PLACES} {columns}",
        *(" ".join(pair) for pair in zip(places, rows, strict=True)),
    )


def of(rows: AssociationRows, *fields: str) -> list[list[Any]]:
    return [getattr(rows, field).tolist() for field in fields]
