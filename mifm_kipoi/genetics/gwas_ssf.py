"""Summary statistics in the format of the GWAS Catalog, GWAS-SSF, as they are written.

The columns are the mandatory ones of GWAS-SSF 1.0 in their order (Hayhurst et al. 2022,
bioRxiv 2022.07.15.500230), then the identifier, the sample sizes and what else there is. Files grow by
parts: members of gzip one behind the other are one gzip file.
:class:`mifm_kipoi.genetics.associations.AssociationTable` reads them, as it reads those of others.
"""

from __future__ import annotations

import gzip
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from mifm_kipoi.statistics.normal import log_p_of_z
from mifm_kipoi.support.rows import table_rows

COLUMNS = (
    "chromosome", "base_pair_location", "effect_allele", "other_allele", "beta", "standard_error",
    "effect_allele_frequency", "p_value", "variant_id", "n",
)  # fmt: skip
"""Columns of a quantitative trait; those of a binary one have ``n_cases`` and ``n_controls`` behind."""

METADATA_SUFFIX = "-meta.yaml"
"""Behind the name of a file: that of its description."""

CHROMOSOME_NUMBERS: Mapping[str, str] = {"X": "23", "Y": "24", "M": "25"}
"""How GWAS-SSF writes the chromosomes that others name by letters."""

Values = npt.NDArray[np.float64]

_DIGITS = 6
"""Significant digits of p-values."""

_SMALLEST = -300.0
"""log10 of the smallest p-value that is written from a number; smaller ones are from their logarithm."""


def gwas_ssf(
    variants: pd.DataFrame,
    beta: Values,
    standard_error: Values,
    frequency: Values,
    sample_size: int | npt.NDArray[np.int64],
    cases: int | npt.NDArray[np.int64] | None = None,
    log_p: Values | None = None,
    more: Mapping[str, npt.ArrayLike] | None = None,
) -> pa.Table:
    """Rows of one study.

    Parameters
    ----------
    variants : pandas.DataFrame, n rows
        ``chrom, pos`` (1-based), ``id, effect_allele, other_allele``.
    beta, standard_error : numpy.ndarray of float64, shape (n,)
        Of one copy of the effect allele.
    frequency : numpy.ndarray of float64, shape (n,)
        Of the effect allele.
    sample_size : int or numpy.ndarray of int64, shape (n,)
        Of the study, or of each variant.
    cases : int or numpy.ndarray of int64, shape (n,), optional
        Of these, those that are cases, for a binary trait; the rest are controls.
    log_p : numpy.ndarray of float64, shape (n,), optional
        Natural logarithms of the p-values; by default those of ``beta / standard_error`` under a normal
        distribution.
    more : mapping of str to array-like, optional
        Further columns, by their names.

    Returns
    -------
    pyarrow.Table
        In :data:`COLUMNS`, and what is behind them.
    """
    if log_p is None:
        log_p = log_p_of_z(beta / standard_error)
    size = np.broadcast_to(np.asarray(sample_size, dtype=np.int64), beta.shape)
    columns: list[object] = [
        variants["chrom"].replace(CHROMOSOME_NUMBERS).tolist(), variants["pos"].to_numpy(np.int64),
        variants["effect_allele"].tolist(), variants["other_allele"].tolist(),
        beta.astype(np.float32), standard_error.astype(np.float32),
        frequency.astype(np.float32), _as_text(log_p / np.log(10)), variants["id"].tolist(), size,
    ]  # fmt: skip
    table = pa.table(dict(zip(COLUMNS, columns, strict=True)))
    if cases is not None:
        number = np.broadcast_to(np.asarray(cases, dtype=np.int64), size.shape)
        table = table.append_column("n_cases", pa.array(number))
        table = table.append_column("n_controls", pa.array(size - number))
    for name, values in (more or {}).items():
        table = table.append_column(name, pa.array(values))
    return table


def encode(rows: pa.Table, header: bool) -> bytes:
    """Rows as text between tabs, one member of a gzip file; with the header in the first part of a file."""
    head = ("\t".join(rows.column_names) + "\n").encode() if header else b""
    # Without a time, so that equal runs give equal files.
    return gzip.compress(head + table_rows(rows), compresslevel=4, mtime=0)


def write_metadata(
    path: Path,
    trait: str,
    ancestry: str,
    sample_size: int,
    cases: int | None = None,
    method: str = "",
    build: str = "simulated",
    is_sorted: bool = True,
) -> Path:
    """Describe a finished file beside it, in the fields of GWAS-SSF's metadata.

    Parameters
    ----------
    path : Path
        The file, ``NAME.tsv.gz``.
    trait, ancestry : str
        Of the study.
    sample_size : int
        Of the study.
    cases : int, optional
        Of a binary trait.
    method : str
        What gave the effects.
    build : str
        Genome assembly.
    is_sorted : bool
        Whether the rows are in the order of chromosomes and positions.

    Returns
    -------
    Path
        ``NAME.tsv.gz-meta.yaml``.
    """
    # Text as JSON is text as YAML, whatever its letters.
    lines = [
        f"genome_assembly: {_text(build)}",
        "coordinate_system: 1-based",
        f"trait_description: [{_text(trait)}]",
        "samples:",
        f"  - sample_size: {sample_size}",
        f"    sample_ancestry: [{_text(ancestry)}]",
        f"    case_control_study: {str(cases is not None).lower()}",
    ]
    if cases is not None:
        lines += [f"    case_count: {cases}", f"    control_count: {sample_size - cases}"]
    if method:
        lines.append(f"analysis_software: {_text(method)}")
    lines += [
        f"data_file_name: {_text(path.name)}",
        "file_type: GWAS-SSF v1.0",
        f"data_file_md5sum: {_md5(path)}",
        "is_harmonised: false",
        f"is_sorted: {str(is_sorted).lower()}",
    ]
    described = path.with_name(path.name + METADATA_SUFFIX)
    described.write_text("\n".join(lines) + "\n")
    return described


def _text(value: str) -> str:
    return json.dumps(value, ensure_ascii=False)


def _md5(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


def _as_text(log10_p: Values) -> pa.Array:
    """P-values with :data:`_DIGITS` significant digits, also those that no float64 holds."""
    exponent = np.floor(log10_p)
    digits = np.round(10 ** (log10_p - exponent + _DIGITS - 1))
    small = log10_p < _SMALLEST
    # Both are whole numbers, so that the quotient is the double nearest to the decimal number.
    value = digits / 10.0 ** np.minimum(_DIGITS - 1 - exponent, _DIGITS - 1 - _SMALLEST)
    text = pc.cast(pa.array(value), pa.string())
    if not small.any():
        return text
    written = [
        f"{each / 10 ** (_DIGITS - 1):g}e{int(power)}"
        for each, power in zip(digits[small], exponent[small], strict=True)
    ]
    return pc.replace_with_mask(text, pa.array(small), pa.array(written))
