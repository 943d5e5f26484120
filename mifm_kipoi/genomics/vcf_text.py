"""The text of VCF files: INFO entries put in, all else kept as it is, or compared with what became of it."""

from __future__ import annotations

import collections
import dataclasses
import itertools
import math
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from mifm_kipoi.genomics.htslib import parse_definition

MISSING = b"."

_CONTIG = re.compile(r"^##contig=<(?:.*,)?ID=([^,>]+)(?:,.*)?>")
_LENGTH = re.compile(r"[<,]length=([0-9]+)[,>]")

_FIXED = 8
"""Columns from CHROM to INFO."""


def split_record(line: bytes) -> list[bytes]:
    """The fields of a record up to INFO, and all that follows as one more where there is more.

    Records without INFO occur in real files; theirs is ``.``.
    """
    fields = line.split(b"\t", _FIXED)
    return fields + [MISSING] * (_FIXED - len(fields))


def contig_lengths(header: Iterable[str]) -> dict[str, int]:
    """The contigs that lines of a header declare, and their lengths, 0 where none is stated."""
    named = ((_CONTIG.match(line), _LENGTH.search(line)) for line in header)
    return {contig[1]: int(length[1]) if length else 0 for contig, length in named if contig}


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


@dataclasses.dataclass(frozen=True)
class Declared:
    """What :func:`declare_all` wrote.

    Parameters
    ----------
    records : int
        Records of the file.
    types : dict of bytes to bytes
        Of the tags that the header defines, such as ``INFO/DP``.
    left_out : list of bytes
        Lines of the header that htslib cannot parse.
    """

    records: int
    types: dict[bytes, bytes]
    left_out: list[bytes]


def declare_all(source: Path, target: Path) -> Declared:
    """Copy VCF with every contig, filter and tag declared, as BCF needs it.

    Tags that the header does not define, or not so that htslib can parse it, become text. Empty fields, and
    those that a record lacks at its end, get ``.``.
    """
    used: dict[bytes, dict[bytes, None]] = {kind: {} for kind in _DEFINED}
    header: list[bytes] = []
    records = 0
    with source.open("rb") as lines:
        for line in lines:
            if line.startswith(b"#"):
                header.append(line.rstrip(b"\r\n"))
                continue
            records += 1
            fields = line.rstrip(b"\n").split(b"\t", 9)
            used[b"contig"][fields[0]] = None
            used[b"FILTER"] |= dict.fromkeys(fields[6].split(b";"))
            used[b"INFO"] |= dict.fromkeys(entry.partition(b"=")[0] for entry in fields[7].split(b";"))
            used[b"FORMAT"] |= dict.fromkeys(fields[8].split(b":") if fields[8:] else ())
    first, *definitions, columns = header
    parsed = [(line, parse_definition(line)) for line in definitions]
    declared = {definition.name: definition for _, definition in parsed if definition and definition.name}
    known = [first, *(definition.line for _, definition in parsed if definition)]
    for kind, more in _DEFINED.items():
        # Records of a list whose place is not known are on the contig '.'.
        none = (b"",) if kind == b"contig" else (MISSING, b"", b"PASS")
        unknown = (name for name in used[kind] if name not in none)
        known += [
            b"##%s=<ID=%s%s>" % (kind, name, more)
            for name in unknown
            if b"%s/%s" % (kind, name) not in declared
        ]
    # htslib refuses FORMAT where no sample follows.
    columns = columns.removesuffix(b"\tFORMAT")
    width = columns.count(b"\t") + 1
    with source.open("rb") as lines, target.open("wb") as file:
        file.writelines(line + b"\n" for line in [*known, columns])
        for line in lines:
            if not line.startswith(b"#"):
                fields = [field or MISSING for field in line.rstrip(b"\n").split(b"\t")]
                if width == _FIXED:
                    del fields[_FIXED:]
                file.write(b"\t".join([*fields, *[MISSING] * (width - len(fields))]) + b"\n")
    types = {name: definition.type for name, definition in declared.items()}
    return Declared(records, types, [line for line, definition in parsed if not definition])


_TEXT = b',Number=.,Type=String,Description="not declared in the input"'
_DEFINED = {
    b"contig": b"",
    b"FILTER": b',Description="not declared in the input"',
    b"INFO": _TEXT,
    b"FORMAT": _TEXT,
}
"""What a header must define, and what follows the name where it does not."""


class Comparison:
    """Records of VCF beside what another program made of them: which values changed.

    Numbers may be written otherwise, those of the type Float with six digits. Missing and empty values are
    the same.

    Parameters
    ----------
    types : mapping of bytes to bytes
        Of the tags, as :class:`Declared` has them.
    """

    def __init__(self, types: Mapping[bytes, bytes]) -> None:
        self._types = types
        self._changes: dict[bytes, int] = {}
        self._examples: dict[bytes, str] = {}
        self.records = 0

    def add(self, before: bytes, after: bytes) -> None:
        """Compare a record with what was made of it; both with all columns."""
        old, new = before.rstrip(b"\n").split(b"\t"), after.rstrip(b"\n").split(b"\t")
        changes = [
            (name, old[column], new[column])
            for column, name in enumerate(_COLUMNS)
            if old[column] != new[column] and not self._same_column(name, old[column], new[column])
        ]
        changes += self._changed_info(old[7], new[7])
        if old[8:] != new[8:]:
            changes += self._changed_samples(old[8:], new[8:])
        if changes:
            self.records += 1
        for name in {name for name, *_ in changes}:
            self._changes[name] = self._changes.get(name, 0) + 1
        for name, was, becomes in changes:
            if name not in self._examples:
                locus = b":".join(old[:2]).decode(errors="replace")
                self._examples[name] = f"at {locus} {_shown(was)} becomes {_shown(becomes)}"

    def __str__(self) -> str:
        """The columns and tags whose values changed, their records, and an example of each."""
        return "; ".join(
            f"{name.decode(errors='replace')} of {count} record{'s'[: count > 1]} ({self._examples[name]})"
            for name, count in sorted(self._changes.items(), key=lambda change: -change[1])
        )

    def _same_column(self, name: bytes, old: bytes, new: bytes) -> bool:
        if name == b"FILTER":
            return set(old.split(b";")) == set(new.split(b";"))
        return name in (b"POS", b"QUAL") and _same_number(old, new, whole=name == b"POS")

    def _changed_info(self, old: bytes, new: bytes) -> Iterator[_Change]:
        before, after = ([entry for entry in info.split(b";") if entry] for info in (old, new))
        left = collections.defaultdict[bytes, list[bytes]](list)
        for entry in after:
            name, _, value = entry.partition(b"=")
            left[name].append(value)
        for entry in before:
            name, _, value = entry.partition(b"=")
            values = left.get(name)
            if name == MISSING:
                continue
            if not values:
                yield b"INFO/" + name, entry, b"nothing"
            elif not self._same(b"INFO/" + name, value, found := values.pop(0)):
                yield b"INFO/" + name, value, found

    def _changed_samples(self, old: list[bytes], new: list[bytes]) -> Iterator[_Change]:
        if len(old) != len(new) or old[0] != new[0]:
            yield b"FORMAT", old[0], new[0]
            return
        names = [b"FORMAT/" + name for name in old[0].split(b":")]
        for before, after in zip(old[1:], new[1:], strict=True):
            if before != after:
                pairs = itertools.zip_longest(names, before.split(b":"), after.split(b":"), fillvalue=MISSING)
                for name, was, becomes in pairs:
                    if not self._same(name, was, becomes):
                        yield name, was, becomes

    def _same(self, name: bytes, old: bytes, new: bytes) -> bool:
        """Whether values of a tag are the same."""
        if old == new or (old in (b"", MISSING) and new in (b"", MISSING)):
            return True
        kind = self._types.get(name)
        if kind not in (b"Integer", b"Float"):
            return False
        before, after = old.split(b","), new.split(b",")
        whole = kind == b"Integer"
        return len(before) == len(after) and all(
            _same_number(was, becomes, whole) for was, becomes in zip(before, after, strict=True)
        )


_Change = tuple[bytes, bytes, bytes]
"""A column or tag, its value, and what became of it."""

_COLUMNS = (b"CHROM", b"POS", b"ID", b"REF", b"ALT", b"QUAL", b"FILTER")


def _same_number(old: bytes, new: bytes, whole: bool) -> bool:
    """Whether two numbers are the same: whole ones exactly, others in six digits."""
    if old == new or (old in (b"", MISSING) and new == MISSING):
        return True
    try:
        was, becomes = float(old), float(new)
    except ValueError:
        return False
    if whole:
        return was == becomes
    return math.isclose(was, becomes, rel_tol=1e-5) or (math.isnan(was) and math.isnan(becomes))


def _shown(value: bytes) -> str:
    text = value.decode(errors="replace")
    return repr(text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]}...")


_LONGEST_SHOWN = 40
