"""The text of VCF files: INFO entries put in, all else kept as it is."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

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
