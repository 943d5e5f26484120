"""Tables drawn at random, with the defects of real ones, read as a slow and obvious reader reads them.

Every row is there, in order, with its line, or the table is an error that names a line which is bad.
``MIFM_FUZZ_SEED`` (default 0) draws other tables; a failure names the case and shows its text.
"""

from __future__ import annotations

import gzip
import os
import random
import re
from pathlib import Path

import numpy as np
import pytest

from mifm_kipoi.errors import InputError
from mifm_kipoi.genomics.tables import Batch, TableFile
from tests.genomics.fuzz.mutations import mutate

SEED = os.environ.get("MIFM_FUZZ_SEED", "0")

MISSING = {"", ".", "-", "na", "n/a", "#na", "#n/a", "#n/a n/a", "<na>", "nan", "-nan", "null", "none",
           "1.#ind", "-1.#ind", "1.#qnan", "-1.#qnan"}  # fmt: skip
NUMBER = re.compile(r"[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][-+]?[0-9]+)?|[-+]?(inf|infinity)", re.IGNORECASE)
COMMA = re.compile(r"[-+]?[0-9]*,[0-9]+([eE][-+]?[0-9]+)?")
OTHER_FORMATS = (b"PAR1", b"\x1f\x8b", b"\xff\xfe", b"\xfe\xff", b"PK\x03\x04", b"BZh")

NUMBERS = ["1", "0.05", "-3", "+2.5", "1e-8", "5e-324", "1E5", ".5", "7.", "inf", "Infinity", "007"]
TEXTS = [
    "rs1",
    "A",
    "é",
    "a b",
    '"',
    '"x',
    'x"',
    '5" long',
    '"a"',
    '"a""b"',
    "#",
    "# x",
    "x;y",
    "chr1",
    "1:2_A_C",
]
ODD = ["0,05", "1,5e-3", "high", "1 2", "0x1", "1_0", "--1", "1e", "True", "\u0663"]


class BadTableError(Exception):
    """The table cannot be read: one of ``lines`` must be named, where it is not the header."""

    def __init__(self, lines: set[int]) -> None:
        super().__init__(lines)
        self.lines = lines


def slow_csv(line: str, mark: str) -> list[str]:
    """The fields of a line, without any where a quote is not closed."""
    fields, at = [], 0
    while True:
        while line[at : at + 1] == " ":
            at += 1
        field = ""
        if line[at : at + 1] == '"':
            at += 1
            while line[at : at + 1] != '"' or line[at : at + 2] == '""':
                if at >= len(line):
                    return []
                field += line[at]
                at += 2 if line[at] == '"' else 1
            at += 1
        while at < len(line) and line[at] != mark:
            field, at = field + line[at], at + 1
        fields.append(field.strip(" "))
        if at == len(line):
            return fields
        at += 1


def slow_fields(line: str, mark: str, quoted: bool = False) -> list[str]:
    if mark in ",;":
        return slow_csv(line, mark)
    fields = line.split("\t") if mark == "\t" else filter(None, re.split("[ \t]+", line))
    fields = [field.strip(" ") for field in fields]
    if not quoted:
        return fields
    return [
        field[1:-1].replace('""', '"').strip(" ") if re.fullmatch('"([^"]|"")*"', field) else field
        for field in fields
    ]


def slow_separator(line: str) -> str:
    return "\t" if "\t" in line else "," if "," in line else ";" if ";" in line else " "


Lines = list[tuple[int, bytes]]


def slow_header(lines: Lines) -> tuple[int, str]:
    """The number and the text of the header."""
    lines = [(number, line) for number, line in lines if line.strip(b" \t,;")]
    comments = 0
    while comments < len(lines) and lines[comments][1].startswith(b"#"):
        comments += 1
    try:
        head = [line.decode() for _, line in lines[: comments + 1]]
    except UnicodeDecodeError:
        raise BadTableError(set()) from None
    following = head[comments] if comments < len(head) else ""
    if comments and not head[comments - 1].startswith("##"):
        last = head[comments - 1]
        mark = slow_separator(last)
        own, after = slow_fields(last, mark) or ["an open", "quote"], slow_fields(following, mark)
        number = re.compile('"?([-+]?[0-9]*[.]?[0-9]+([eE][-+]?[0-9]+)?)"?')
        if len(own) > 1 and (not following or any(map(number.fullmatch, after))):
            joined = own[0] == "#" and len(after) == len(own) - 1
            return lines[comments - 1][0], "#" + last[1:].lstrip(" \t") if joined else last
    if not following:
        raise BadTableError(set())
    return lines[comments][0], following


def slow_read(content: bytes, names: list[str] | None) -> tuple[list[str], list[tuple[int, list[str]]]]:
    """Names of the columns, and the line and the fields of each row."""
    if content.startswith(OTHER_FORMATS):
        raise BadTableError(set())
    text = content.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
    lines = [(number, line.removeprefix(b"\xef\xbb\xbf")) for number, line in enumerate(text, 1)]
    mark, quoted, columns = " ", False, names
    if columns is None:
        number, header = slow_header(lines)
        mark = slow_separator(header)
        quoted = mark in "\t " and all(
            re.fullmatch('"([^"]|"")*"', name) for name in slow_fields(header, mark)
        )
        columns = slow_fields(header, mark, quoted)
        named = list(filter(None, columns))
        if len(columns) < 2 or len(set(named)) < len(named):
            raise BadTableError(set())
        lines = lines[number:]
    rows, bad = [], set()
    for number, line in lines:
        if not line.strip(b" \t" + mark.encode()):
            continue
        fields = slow_fields(line.decode(errors="surrogateescape"), mark, quoted)
        if names is not None:
            fields = fields[: len(names)]
        if len(fields) != len(columns) or re.search("[\ud800-\udfff]", "".join(fields)):
            bad.add(number)
        else:
            rows.append((number, fields))
    if bad:
        raise BadTableError(bad)
    return columns, rows


def drawn(rng: random.Random) -> bytes:
    """A table of three to five columns as people and programs write them."""
    mark = rng.choice(["\t", "\t", ",", ";", " ", "  "])
    names = [" SNP", "CHR", "pos ", "P-value", "note"][: rng.choice([3, 4, 5])]
    quoting = rng.choice(["none", "none", "all", "some"])
    rows = []
    for number in range(rng.choice([0, 1, 3, 8, 30])):
        row = [rng.choice(TEXTS), rng.choice(["1", "chrX", "23"]), str(number * 10)]
        row.append(rng.choice([*NUMBERS, rng.choice(sorted(MISSING)).upper(), rng.choice(ODD)]))
        row.append(rng.choice([*TEXTS, rng.choice(sorted(MISSING))]))
        rows.append(row[: len(names)])
    if mark.strip() == "" and mark != "\t":
        names = [name.strip() for name in names]
        rows = [[field.replace(" ", "") or "NA" for field in row] for row in rows]
    if rng.random() < 0.3:
        blank = "" if mark in "\t,;" else "x"
        names, rows = [blank, *names], [[blank, *row] for row in rows]
    if rng.random() < 0.3 and mark in "\t,;":
        names, rows = [*names, ""], [[*row, ""] for row in rows]
    if mark in ",;" and quoting == "none":
        rows = [[field.replace('"', "") for field in row] for row in rows]
        rows = [[field.replace(mark, ".") for field in row] for row in rows]

    def written(field: str) -> str:
        quotes = (
            quoting == "all" or (quoting == "some" and rng.random() < 0.3) or mark in field or '"' in field
        )
        if quotes and (quoting == "all" or mark in ",;"):
            field = '"' + field.replace('"', '""') + '"'
        return f"{rng.choice(['', '', ' '])}{field}{rng.choice(['', '', ' '])}" if mark in "\t,;" else field

    lines = [mark.join(written(field) for field in row) for row in rows]
    header = mark.join(written(name) if quoting != "some" or mark in ",;" else name for name in names)
    if rng.random() < 0.2:
        header = rng.choice(["#", "# "]) + header
    before = rng.sample(
        ["##MASKS=<x>", "##", "#made by x", "# a b c", "", " ", ",,"], rng.choice([0, 0, 0, 1, 2])
    )
    for _ in range(rng.choice([0, 0, 1])):
        lines.insert(rng.randrange(len(lines) + 1), rng.choice(["", " ", "\t\t", mark * 3]))
    text = rng.choice(["\n", "\r\n", "\r"]).join([*before, header, *lines])
    return (rng.choice(["", "\ufeff"]) + text + rng.choice(["", "\n"])).encode()


def check(path: Path, content: bytes, rng: random.Random) -> str:
    """Compare the two readers; what became of the table."""
    names = None if rng.random() < 0.85 else ["a", "b", "c"]
    block_bytes = rng.choice([1, 20, 200, None])
    path.write_bytes(gzip.compress(content, 1) if rng.random() < 0.3 else content)
    try:
        columns, rows = slow_read(content, names)
    except BadTableError as error:
        message = error_of(path, names, block_bytes)
        line = re.search(r"^line (\d+) of ", message)
        if error.lines and not (line and int(line[1]) in error.lines):
            raise AssertionError(f"{message!r}; the lines {error.lines} are bad") from None
        return "error"
    table = TableFile.of(path, names)
    assert list(table.columns) == columns
    found: list[tuple[int, list[str]]] = []
    for batch in table.batches(block_bytes=block_bytes):
        texts = [column.to_pylist() for column in batch.rows.columns]
        found += zip(batch.lines.tolist(), map(list, zip(*texts, strict=True)), strict=True)
        for name in filter(None, columns):
            check_values(batch, name)
    assert found == rows
    return "read"


def error_of(path: Path, names: list[str] | None, block_bytes: int | None) -> str:
    try:
        list(TableFile.of(path, names).batches(block_bytes=block_bytes))
    except InputError as error:
        return str(error)
    return "no error"


def check_values(batch: Batch, column: str) -> None:
    """What a column means as alleles and as numbers."""
    text = batch.text(column).to_pylist()
    known = [one.lower() not in MISSING for one in text]
    assert batch.known(column).tolist() == known
    alleles = [one.upper() if one.lower() not in MISSING - {"-", "."} else None for one in text]
    assert batch.alleles(column).to_pylist() == alleles
    commas = [line for line, one in zip(batch.lines.tolist(), text, strict=True) if COMMA.fullmatch(one)]
    if commas:
        with pytest.raises(InputError, match=rf"^line {commas[0]} .* decimal point"):
            batch.parsed(column)
        return
    values, unreadable = batch.parsed(column)
    numbers = [float(one) if NUMBER.fullmatch(one.strip("\t\v\f")) else np.nan for one in text]
    np.testing.assert_allclose(values, numbers, rtol=1e-14)
    assert unreadable.tolist() == list(np.isnan(numbers) & known)


@pytest.mark.parametrize("damaged", [False, True])
def test_tables_are_read_as_a_slow_reader_reads_them(tmp_path: Path, damaged: bool) -> None:
    outcomes = []
    for number in range(250):
        rng = random.Random(f"{SEED} {damaged} {number}")
        content = drawn(rng)
        if damaged:
            content = mutate(rng, content)
        try:
            outcomes.append(check(tmp_path / "table", content, rng))
        except Exception as error:
            pytest.fail(f"case {number}, damaged {damaged}, seed {SEED}: {error}\n{content!r}")
    assert outcomes.count("read") > 50
    assert outcomes.count("error") > 5
