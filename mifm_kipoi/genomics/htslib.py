"""What htslib, through pysam, asks of those who call it."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterable, Iterator


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Without what htslib itself says on standard error; its errors are exceptions too."""
    import pysam

    before = pysam.set_verbosity(0)
    try:
        yield
    finally:
        pysam.set_verbosity(before)


def reason(failure: str) -> str:
    """What bcftools itself says, out of the text of pysam's error."""
    return failure.rpartition("stderr=")[2].replace("\\n", " ").strip(" '")


@dataclasses.dataclass(frozen=True)
class Definition:
    """A line of the header of a VCF file, as htslib understands it.

    Parameters
    ----------
    line : bytes
        The line; closed where it was not, since htslib would take the next lines for its end.
    name : bytes
        What it defines, such as ``INFO/DP``; empty where it defines nothing.
    type : bytes
        Of the values, such as ``Integer``; empty where there are none.
    """

    line: bytes
    name: bytes
    type: bytes


def parse_definition(line: bytes) -> Definition | None:
    """Parse a line of the header of a VCF file other than its first and last; None where htslib cannot."""
    import pysam

    header = pysam.VariantHeader()
    before = len(header.records)
    # pysam shows UTF-8 only; of text that is not, each byte is a letter of its own here.
    try:
        with quiet():
            header.add_line(line.decode("latin-1"))
    except ValueError:
        return None
    if len(header.records) == before:
        # htslib knows the filter PASS already.
        return Definition(line, b"", b"") if line.startswith(b"##FILTER=<ID=PASS,") else None
    record = list(header.records)[before]
    if record.type == "GENERIC":
        return Definition(line, b"", b"")
    values = dict(record.items())
    tags = {"INFO": header.info, "FORMAT": header.formats}.get(record.key, {})
    kind = tags[values["ID"]].type if values.get("ID") in tags else ""
    text = str(record).strip().encode("latin-1")
    name = f"{record.key}/{values['ID']}" if "ID" in values else ""
    return Definition(text, name.encode("latin-1"), kind.encode())


def is_sorted(lines: Iterable[bytes]) -> bool:
    """Whether the rows of each contig follow each other by position, as an index needs them."""
    seen: set[bytes] = set()
    last, last_pos = b"", 0
    for line in lines:
        chrom, pos, _ = line.split(b"\t", 2)
        if chrom != last:
            if chrom in seen:
                return False
            seen.add(chrom)
            last, last_pos = chrom, 0
        if int(pos) < last_pos:
            return False
        last_pos = int(pos)
    return True
