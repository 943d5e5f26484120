"""CADD's precomputed scores, read by region from the files that its authors publish."""

from __future__ import annotations

from pathlib import Path

from mifm_kipoi.baselines.protocol import ComputeOptions, Declaration, Evidence, Score
from mifm_kipoi.baselines.tables.looked_up import LookedUp
from mifm_kipoi.baselines.tables.tabix import IndexedRows, checksums_of_indexed, find_index
from mifm_kipoi.baselines.tables.variant_columns import find_variant_columns
from mifm_kipoi.baselines.tables.variant_rows import agreed
from mifm_kipoi.errors import InputError
from mifm_kipoi.genomics.tables import TableFile
from mifm_kipoi.genomics.text_files import is_bgzip

_COLUMNS = ("Chr", "Pos", "Ref", "Alt", "RawScore", "PHRED")


def open_cadd(argument: str, compute: ComputeOptions) -> LookedUp:  # noqa: ARG001 - nothing is computed
    """``cadd:FILE``: a file of CADD such as ``whole_genome_SNVs.tsv.gz``, with its index ``.tbi``.

    The variants must be of the genome build of the file, which its first line names.

    Raises
    ------
    InputError
        When the file is not one of CADD, cannot be read, or has no index.
    """
    path = Path(argument)
    table = TableFile.of(path)
    # CADD v1.4 has #Chr, later versions #Chrom.
    columns = {name.removeprefix("#").lower().replace("chrom", "chr"): name for name in table.columns}
    missing = [name for name in _COLUMNS if name.lower() not in columns]
    if missing:
        raise InputError(
            f"{path} has no column {', '.join(missing)}; it has {', '.join(table.columns)}. Expected a file "
            f"of CADD, with the columns {', '.join(_COLUMNS)}"
        )
    index = find_index(path)
    if index is None:
        raise InputError(
            f"{path} has no index; download {path.name}.tbi too, or make it: tabix -s1 -b2 -e2 {path.name}"
            if is_bgzip(path)
            else f"{path} is not compressed with bgzip, which its index needs. Compress it: gzip -dcf "
            f"{path.name} | bgzip > NEW.tsv.gz; tabix -s1 -b2 -e2 NEW.tsv.gz. Or use "
            f"table:{path}:{columns['phred']}, which reads any file"
        )
    source = IndexedRows(
        table,
        index,
        find_variant_columns(table),
        (columns["rawscore"], columns["phred"]),
        either_strand=False,
    )
    return LookedUp(
        path,
        source,
        agreed,
        Declaration(
            name="CADD",
            scores=(
                Score(
                    "raw_score",
                    "RawScore of CADD, a log odds of being simulated rather than fixed",
                    evidence=Evidence.ANNOTATION,
                ),
                Score(
                    "phred",
                    "PHRED of CADD: the rank of the raw score among all SNVs, rounded",
                    ranks=False,
                    evidence=Evidence.ANNOTATION,
                ),
            ),
            alleles="reference to alternative allele, of the forward strand",
            formula="the scores of the file's row",
            citation=(
                "Schubach M et al. (2024) Nucleic Acids Res 52: D1143; Kircher M et al. (2014) Nat Genet 46: "
                "310"
            ),
            provenance={**checksums_of_indexed(path, index), "header": list(table.comments)},
            leakage=(
                "fitted to simulated against fixed human-derived variants of all chromosomes, on annotations "
                "that include conservation and population frequencies; to no GWAS"
            ),
        ),
    )
