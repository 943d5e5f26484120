"""The text of VCF files: INFO entries put in, all else kept as it is."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path

MISSING = b"."

_FIXED = 8
"""Columns from CHROM to INFO."""


def split_record(line: bytes) -> list[bytes]:
    """The fields of a record up to INFO, and all that follows as one more where there is more.

    Records without INFO occur in real files; theirs is ``.``.
    """
    fields = line.split(b"\t", _FIXED)
    return fields + [MISSING] * (_FIXED - len(fields))


def put_info(info: bytes, tags: Collection[bytes], entries: Iterable[bytes]) -> bytes:
    """Add entries to an INFO field; those that it had of the same tags go."""
    kept = [entry for entry in info.split(b";") if entry not in (b"", MISSING)]
    kept = [entry for entry in kept if entry.partition(b"=")[0] not in tags]
    return b";".join([*kept, *entries])


def put_definitions(
    header: Sequence[bytes], tags: Collection[bytes], lines: Iterable[bytes], replaced: tuple[bytes, ...] = ()
) -> list[bytes]:
    """Add lines at the end of a header, before the line of columns.

    Parameters
    ----------
    header : sequence of bytes
        Its lines; the last is that of the columns.
    tags : collection of bytes
        INFO tags whose older definitions go.
    lines : iterable of bytes
        What to add.
    replaced : tuple of bytes
        Beginnings of other lines that go.
    """
    old = (*(b"##INFO=<ID=" + tag + b"," for tag in tags), *replaced)
    return [*(line for line in header[:-1] if not line.startswith(old)), *lines, header[-1]]


def declare_all(source: Path, target: Path) -> int:
    """Copy VCF with every contig, filter and tag declared, as BCF needs it; count its records.

    Tags that the header does not know become text, and records that end early get ``.`` in the rest.
    """
    kinds = {"contig": "", "FILTER": "", "INFO": ",Number=.,Type=String", "FORMAT": ",Number=.,Type=String"}
    used: dict[str, dict[bytes, None]] = {kind: {} for kind in kinds}
    header: list[bytes] = []
    count = 0
    with source.open("rb") as lines:
        for line in lines:
            if line.startswith(b"#"):
                header.append(line)
                continue
            count += 1
            fields = line.rstrip(b"\n").split(b"\t", 9)
            used["contig"][fields[0]] = None
            used["FILTER"] |= dict.fromkeys(fields[6].split(b";"))
            used["INFO"] |= dict.fromkeys(entry.partition(b"=")[0] for entry in fields[7].split(b";"))
            used["FORMAT"] |= dict.fromkeys(fields[8].split(b":") if fields[8:] else ())
    added: list[bytes] = []
    for kind, more in kinds.items():
        declared = re.findall(rb"(?m)^##%s=<(?:.*?,)?ID=([^,>]+)" % kind.encode(), b"".join(header))
        end = more if kind == "contig" else f'{more},Description="not declared in the input"'
        unknown = (name for name in used[kind] if name not in (*declared, MISSING, b"", b"PASS"))
        added += [b"##%s=<ID=%s%s>\n" % (kind.encode(), name, end.encode()) for name in unknown]
    columns = header[-1].count(b"\t")
    with source.open("rb") as lines, target.open("wb") as file:
        file.writelines([*header[:-1], *added, header[-1]])
        for line in lines:
            if not line.startswith(b"#"):
                missing = columns - line.count(b"\t")
                file.write(line.rstrip(b"\n") + b"\t." * missing + b"\n")
    return count
