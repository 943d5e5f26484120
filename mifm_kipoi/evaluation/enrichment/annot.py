"""Scores and labels as annotations for stratified LD score regression: files ``.annot.gz`` of LDSC."""

from __future__ import annotations

import gzip
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from mifm_kipoi.evaluation.enrichment.annotations import Annotated
from mifm_kipoi.evaluation.enrichment.variants import Variants
from mifm_kipoi.support.files import made_folder, writing, written_whole
from mifm_kipoi.support.rows import table_rows

FOLDER = "annot"

_ROWS = 1 << 16
"""Rows that are text in memory."""


def write_annot(
    variants: Variants, annotated: Sequence[Annotated], thresholds: Mapping[str, float], folder: Path
) -> list[Path]:
    """Write ``annot/mifm.CHROM.annot.gz`` for every contig.

    The columns are ``CHR BP SNP CM`` (centimorgans, 0: LDSC does not use them in an annotation), then of each
    score 1 where a variant is selected, and of each label 1 where it has it. LDSC needs exactly the variants
    of its reference panel, in their order: score those.

    Parameters
    ----------
    variants : Variants
        With names.
    annotated : sequence of Annotated
        Labels of the same variants.
    thresholds : mapping of str to float
        Of each score, above which a variant is selected.
    folder : Path
        Where the folder ``annot`` is made.

    Returns
    -------
    list of Path
        The files.

    Raises
    ------
    OutputError
        When a file cannot be written.
    """
    import pyarrow as pa

    columns: dict[str, npt.NDArray[np.bool_]] = {
        f"{name}_selected": variants.scores[name] > threshold for name, threshold in thresholds.items()
    }
    for one in annotated:
        for label, inside in zip(one.labels, one.inside, strict=True):
            columns[f"{label.annotation}.{label.name}".replace(" ", "_")] = inside
    made_folder(folder / FOLDER)
    cuts = np.searchsorted(variants.contig, np.arange(len(variants.contigs) + 1))
    files = []
    for code, chrom in enumerate(variants.contigs):
        rows = slice(int(cuts[code]), int(cuts[code + 1]))
        size = rows.stop - rows.start
        if not size:
            continue
        assert variants.names is not None
        table = pa.table(
            {
                "CHR": pa.array([chrom] * size),
                "BP": variants.pos[rows],
                "SNP": variants.names.slice(rows.start, size),
                "CM": np.zeros(size, dtype=np.int8),
                **{name: flags[rows].astype(np.int8) for name, flags in columns.items()},
            }
        )
        path = folder / FOLDER / f"mifm.{chrom}.annot.gz"
        with (
            written_whole(path) as temporary,
            writing(path),
            temporary.open("wb") as raw,
            # Without a time and a name the same content has the same bytes.
            gzip.GzipFile(filename="", fileobj=raw, mode="wb", mtime=0, compresslevel=4) as file,
        ):
            file.write(("\t".join(table.column_names) + "\n").encode())
            for start in range(0, size, _ROWS):
                file.write(table_rows(table.slice(start, _ROWS)))
        files.append(path)
    return files
