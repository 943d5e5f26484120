"""The output formats: what each writes while variants are scored, and how it is finished.

A format appends bytes to one growing file, so that a run that was killed can go on from any point at
which a run of records was complete. What cannot be appended to, Parquet and BCF, grows as an Arrow
stream or as VCF and is converted in the end.
"""

from __future__ import annotations

from pathlib import Path

from mifm_kipoi.errors import OptionError
from mifm_kipoi.scoring.formats.parquet import Parquet
from mifm_kipoi.scoring.formats.tsv import BgzippedTsv, OutputFormat
from mifm_kipoi.scoring.formats.vcf import Bcf, BgzippedVcf, Vcf

__all__ = ["OutputFormat", "find_format"]

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
    for suffix, form in _FORMATS.items():
        if path.name.endswith(suffix) and path.name != suffix:
            return form
    raise OptionError(f"the name {path.name} ends in no known format; expected one of {', '.join(_FORMATS)}")
