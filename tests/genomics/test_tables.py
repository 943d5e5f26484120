"""The reader of tables: what it reads in every form, what it refuses, and where it says that it is."""

from __future__ import annotations

import csv
import gzip
import io
import os
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from mifm_kipoi.errors import InputError
from mifm_kipoi.genomics.tables import MISSING, Batch, TableFile

HEADER = ("chrom", "pos", "name")
ROWS = [("1", "5", "a"), ("chr2", "6", "NA"), ("X", "7.0", "c d"), ("", "8", "e")]


def write(path: Path, text: str | bytes) -> Path:
    content = text.encode() if isinstance(text, str) else text
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
    return path


def text_of(rows: list[tuple[str, ...]], separator: str) -> str:
    return "".join(separator.join(row) + "\n" for row in rows)


def contents(table: TableFile, block_bytes: int | None = None) -> list[tuple[str, ...]]:
    """All rows as text."""
    rows: list[tuple[str, ...]] = []
    for batch in table.batches(block_bytes=block_bytes):
        columns = [batch.text(name).to_pylist() for name in table.columns]
        rows += list(zip(*columns, strict=True))
    return rows


def lines_of(table: TableFile, block_bytes: int | None = None) -> list[int]:
    return [int(line) for batch in table.batches(block_bytes=block_bytes) for line in batch.lines]


def one(table: TableFile) -> Batch:
    (batch,) = table.batches()
    return batch


@pytest.mark.parametrize("block_bytes", [1, 7, None])
@pytest.mark.parametrize("ending", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
@pytest.mark.parametrize(("name", "separator"), [("t", "\t"), ("t.gz", "\t"), ("t.csv", ","), ("t.gz", ",")])
def test_forms_of_text_give_the_same(
    tmp_path: Path, name: str, separator: str, mark: str, ending: str, block_bytes: int | None
) -> None:
    text = mark + text_of([HEADER, *ROWS], separator).replace("\n", ending)
    for content in (text, text.removesuffix(ending)):
        table = TableFile.of(write(tmp_path / name, content))
        assert table.columns == HEADER
        assert contents(table, block_bytes) == ROWS
        assert lines_of(table, block_bytes) == [2, 3, 4, 5]


@pytest.mark.parametrize("block_bytes", [1, 64, None])
def test_white_space(tmp_path: Path, block_bytes: int | None) -> None:
    text = "  CHR  SNP   P\n 1  rs1   0.5  \n\n \t \n2\trs2 1e-3\n"
    table = TableFile.of(write(tmp_path / "t.assoc", text))
    assert table.columns == ("CHR", "SNP", "P")
    assert contents(table, block_bytes) == [("1", "rs1", "0.5"), ("2", "rs2", "1e-3")]
    assert lines_of(table, block_bytes) == [2, 5]


def test_a_table_without_a_header(tmp_path: Path) -> None:
    path = write(tmp_path / "t.bim", '\n1 rs1 0 5 A C\n1\tNA\t0\t6\tA\t"\n')
    table = TableFile.of(path, names=("chrom", "id", "cm", "pos", "one", "two"))
    assert contents(table) == [("1", "rs1", "0", "5", "A", "C"), ("1", "NA", "0", "6", "A", '"')]
    assert lines_of(table) == [2, 3]
    assert contents(TableFile.of(path, names=("a", "b"))) == [("1", "rs1"), ("1", "NA")]
    write(path, "1 a 5 x y\n2 b 6\n3 c 7 x\n")
    assert contents(TableFile.of(path, names=("a", "b", "c"))) == [
        ("1", "a", "5"),
        ("2", "b", "6"),
        ("3", "c", "7"),
    ]
    with pytest.raises(InputError, match=r"line 2 of .*t\.bim has 3 fields; expected 4 \(a, b, c, d\)"):
        list(TableFile.of(path, names=("a", "b", "c", "d")).batches())
    assert contents(TableFile.of(write(tmp_path / "e.bim", ""), names=("a", "b"))) == []


def test_comments_and_blank_lines(tmp_path: Path) -> None:
    text = "##made by x\n##\n\nchrom,pos,name\n1,5,a\n\n , ,\n,,\n1,6,\n"
    table = TableFile.of(write(tmp_path / "t.csv", text))
    assert table.comments == ("##made by x", "##")
    assert contents(table) == [("1", "5", "a"), ("1", "6", "")]
    assert lines_of(table) == [5, 9]


def test_columns_are_given_as_they_are_asked_for(tmp_path: Path) -> None:
    path = write(tmp_path / "t.tsv", text_of([HEADER, *ROWS], "\t"))
    (batch,) = TableFile.of(path).batches(["name", "chrom", "name"])
    assert batch.rows.schema.names == ["name", "chrom"]
    assert batch.text("chrom").to_pylist() == [row[0] for row in ROWS]


def test_a_list_has_one_column(tmp_path: Path) -> None:
    path = write(tmp_path / "t", "SNP\nrs1\n\nrs2\n")
    assert contents(TableFile.of(path, min_columns=1)) == [("rs1",), ("rs2",)]
    assert contents(TableFile.of(path, names=("id",), min_columns=1)) == [("SNP",), ("rs1",), ("rs2",)]


def test_columns_may_lack_a_name(tmp_path: Path) -> None:
    table = TableFile.of(write(tmp_path / "t.csv", "a,b,,\n1,2,3,4\n"))
    assert table.columns == ("a", "b", "", "")
    assert one(table).text("b").to_pylist() == ["2"]
    assert one(table).rows.num_columns == 4


@pytest.mark.parametrize("block_bytes", [1, 30, None])
@pytest.mark.parametrize("mark", [",", ";"])
def test_quotes_between_commas_and_semicolons(tmp_path: Path, mark: str, block_bytes: int | None) -> None:
    text = '"chrom", "pos","a ""name"""\n1,5, " x, y" \n1,7,5" long\n1,8,"""q"""\n1,"9","p"r\n "1" ,10,\n'
    table = TableFile.of(write(tmp_path / "t.csv", text.replace(",", mark)))
    assert table.columns == ("chrom", "pos", 'a "name"')
    assert contents(table, block_bytes) == [
        ("1", "5", f"x{mark} y"), ("1", "7", '5" long'), ("1", "8", '"q"'), ("1", "9", "pr"), ("1", "10", ""),
    ]  # fmt: skip
    assert lines_of(table, block_bytes) == [2, 3, 4, 5, 6]


@pytest.mark.parametrize("separator", ["\t", " "])
@pytest.mark.parametrize("block_bytes", [1, None])
def test_quotes_between_tabs_and_blanks(tmp_path: Path, separator: str, block_bytes: int | None) -> None:
    """They are letters, but where all names of the header have them."""
    rows = [("5", '"a"', "b"), ("6", '"a', "b"), ("7", 'a"', '"b"'), ("8", '"', '"'), ("9", '"a', '"b""c"')]
    table = TableFile.of(write(tmp_path / "t", text_of([('"pos"', "x", "y"), *rows], separator)))
    assert table.columns == ('"pos"', "x", "y")
    assert contents(table, block_bytes) == rows
    table = TableFile.of(write(tmp_path / "t", text_of([('"pos"', '"x"', '"y"'), *rows], separator)))
    assert table.columns == ("pos", "x", "y")
    assert contents(table, block_bytes) == [
        ("5", "a", "b"), ("6", '"a', "b"), ("7", 'a"', "b"), ("8", '"', '"'), ("9", '"a', 'b"c'),
    ]  # fmt: skip
    assert lines_of(table, block_bytes) == [2, 3, 4, 5, 6]


@pytest.mark.parametrize("block_bytes", [1, 100, None])
@pytest.mark.parametrize("mark", [",", ";"])
@pytest.mark.parametrize("rest", ["5,6\n", '5,"6\n', '5,6"\n'])
def test_a_quote_that_is_not_closed_on_its_line_is_named(
    tmp_path: Path, rest: str, mark: str, block_bytes: int | None
) -> None:
    path = write(tmp_path / "t.csv", ('a,b\n1,"2, 3"\n3,"x\n' + rest * 5).replace(",", mark))
    with pytest.raises(InputError, match=r"line 3 of .*t\.csv has a quote that is not closed"):
        list(TableFile.of(path).batches(block_bytes=block_bytes))
    with pytest.raises(InputError, match=r"line 2 of .* quote that is not closed"):
        TableFile.of(write(tmp_path / "u.csv", f'\na{mark}"b\n1{mark}2\n'))


@pytest.mark.parametrize("block_bytes", [1, 10, None])
@pytest.mark.parametrize("separator", ["\t", ",", ";"])
def test_blanks_around_fields_are_no_part_of_them(
    tmp_path: Path, separator: str, block_bytes: int | None
) -> None:
    rows = [(" 1", "5 ", " a b ", ""), ("chr2 ", " ", " NA", " "), ("1", "2", "3", "x  ")]
    table = TableFile.of(write(tmp_path / "t", text_of([(" CHR", "P ", " note ", ""), *rows], separator)))
    assert table.columns == ("CHR", "P", "note", "")
    assert contents(table, block_bytes) == [
        ("1", "5", "a b", ""),
        ("chr2", "", "NA", ""),
        ("1", "2", "3", "x"),
    ]


@pytest.mark.parametrize(
    ("text", "columns", "comments"),
    [
        ("##x\n#y z\nchr\tpos\nx\t5\n", ("chr", "pos"), 2),
        ("##x\n#chr\tpos\nx\t5\n", ("#chr", "pos"), 1),
        ("# made by x\n\n#CHROM POS\nx 5\n", ("#CHROM", "POS"), 1),
        ("# chr  pos\nx 5\n", ("#chr", "pos"), 0),
        ("#\tchr\tpos\n1\tx\t5\n", ("#", "chr", "pos"), 0),
        ("# three more words\na b c\n1 x 5\n", ("a", "b", "c"), 1),
        ('#chr,"pos"\n1,"5"\n', ("#chr", "pos"), 0),
        ("#chr\tpos\n", ("#chr", "pos"), 0),
        ("#chr;pos\n1;5;\n", ("#chr", "pos"), 0),
    ],
)
def test_comments_before_the_header(
    tmp_path: Path, text: str, columns: tuple[str, ...], comments: int
) -> None:
    table = TableFile.of(write(tmp_path / "t", text))
    assert (table.columns, len(table.comments)) == (columns, comments)
    if text.endswith(";\n"):
        with pytest.raises(InputError, match=r"line 2 .* has 3 fields; expected 2 as in the header"):
            contents(table)
    else:
        assert len(contents(table)) == text.count("\n") - table.lines_before


def test_names_of_rows_without_a_name_are_explained(tmp_path: Path) -> None:
    table = TableFile.of(write(tmp_path / "t", '"CHR" "P"\n"1" 1 0.5\n'))
    with pytest.raises(InputError, match=r"line 2 .* has 3 fields; expected 2 .*row\.names=FALSE"):
        contents(table)
    table = TableFile.of(write(tmp_path / "t", "CHR\tP\n1\t0.5\t\n"))
    with pytest.raises(InputError, match=r"line 2 .* has 3 fields; expected 2 .* The last one is empty"):
        contents(table)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            "CHR\tP\n1\t5\n".encode("utf-16"),
            "is text in UTF-16, as spreadsheets save it; save it as text in UTF-8",
        ),
        (b"PK\x03\x04" + bytes(9), "is a workbook of a spreadsheet, or a zip file"),
        (b"BZh91AY", "is compressed with bzip2"),
    ],
)
def test_other_formats_are_named(tmp_path: Path, content: bytes, message: str) -> None:
    with pytest.raises(InputError, match=rf"t\.tsv {message}"):
        TableFile.of(write(tmp_path / "t.tsv", content))


def test_a_pipe_is_refused_before_it_is_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(InputError, match="pipe is a pipe and must be read twice"):
        TableFile.of(tmp_path / "pipe")


@pytest.mark.parametrize(
    ("text", "row"), [("a;b\nx;1\ny;0,05\n", "0,05"), ("a\tb\nx\t1\ny\t-1,5e-8\n", "-1,5e-8")]
)
def test_decimal_commas_are_an_error(tmp_path: Path, text: str, row: str) -> None:
    batch = one(TableFile.of(write(tmp_path / "t", text)))
    with pytest.raises(InputError, match=f"line 3 .*: b is '{row}'; expected a number with a decimal point"):
        batch.parsed("b")


@pytest.mark.parametrize("block_bytes", [1, 20, None])
@pytest.mark.parametrize(("line", "fields"), [("1\t5", 2), ("1\t5\ta\tb", 4), ("x", 1), ('"1\t5"', 2)])
def test_lines_of_another_length_are_named(
    tmp_path: Path, line: str, fields: int, block_bytes: int | None
) -> None:
    text = f"##\nchrom\tpos\tname\n1\t5\ta\n\n1\t5\ta\n{line}\n1\t7\ta\n"
    table = TableFile.of(write(tmp_path / "t.tsv", text))
    with pytest.raises(InputError, match=rf"line 6 of .*t\.tsv has {fields} fields; expected 3 as in the"):
        list(table.batches(["pos"], block_bytes))


def test_text_that_is_not_utf_8_is_named(tmp_path: Path) -> None:
    table = TableFile.of(write(tmp_path / "t.tsv", b"a\tb\n\n1\t2\n1\t\xff\n"))
    with pytest.raises(InputError, match=r"line 4 of .*t\.tsv is malformed: .*UTF8"):
        list(table.batches())


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "is empty; expected a header"),
        ("\n\n", "is empty"),
        ("value\n1\n", "begins with 'value'; expected a header"),
        ("a\tb\ta\tb\tc\n", r"more than one column a, b; expected each name once"),
        (b"a\tb\xff\n", r"cannot read .*t\.tsv"),
        (b"PAR1" + bytes(20), r"cannot read .*t\.tsv"),
        (b"\x1f\x8b", r"cannot read .*t\.tsv"),
    ],
)
def test_files_that_are_not_tables(tmp_path: Path, content: str | bytes, message: str) -> None:
    with pytest.raises(InputError, match=message):
        TableFile.of(write(tmp_path / "t.tsv", content))
    with pytest.raises(InputError, match=r"cannot read .*none: No such file"):
        TableFile.of(tmp_path / "none")


def test_a_gzip_file_is_refused_wherever_it_is_cut(tmp_path: Path) -> None:
    path = write(tmp_path / "t.gz", "a\tb\n" + "1\t2\n" * 1000)
    whole = path.read_bytes()
    for length in (3, len(whole) // 2, len(whole) - 9, len(whole) - 1):
        path.write_bytes(whole[:length])
        with pytest.raises(InputError, match=r"cannot read .*t\.gz"):
            list(TableFile.of(path).batches())
    damaged = bytearray(whole)
    damaged[-6] ^= 1
    path.write_bytes(damaged)
    with pytest.raises(InputError, match=r"cannot read .*t\.gz"):
        list(TableFile.of(path).batches())
    path.write_bytes(whole + gzip.compress(b"3\t4\n"))
    assert len(contents(TableFile.of(path))) == 1001


def test_a_file_compressed_with_zstd(tmp_path: Path) -> None:
    rows = "".join(f"{number}\t{number % 7}\n" for number in range(20_000))
    content = pa.compress(f"#CHROM\tPOS\n{rows}".encode(), codec="zstd", asbytes=True)
    path = tmp_path / "t.pvar.zst"
    path.write_bytes(content)
    table = TableFile.of(path)
    assert table.columns == ("#CHROM", "POS")
    values = np.concatenate([batch.numbers("#CHROM") for batch in table.batches(block_bytes=1000)])
    np.testing.assert_array_equal(values, np.arange(20_000))
    for cut in (5, len(content) // 2, len(content) - 1):
        path.write_bytes(content[:cut])
        with pytest.raises(InputError, match=r"t\.pvar\.zst"):
            list(TableFile.of(path).batches())


def test_a_header_known_by_its_first_name(tmp_path: Path) -> None:
    path = tmp_path / "t.psam"
    people = {"names": ("#FID", "IID"), "min_columns": 1, "first": ("#FID", "#IID")}
    for text, columns, values in (
        ("#IID\nanna\nben\n", ("#IID",), ["anna", "ben"]),
        ("##any\n#IID\tSEX\nanna\tNA\n", ("#IID", "SEX"), ["anna"]),
        ("#FID IID\nf  anna\n", ("#FID", "IID"), ["f"]),
        ("f anna 0 0\n", ("#FID", "IID"), ["f"]),
        ("#FID IID\n", ("#FID", "IID"), []),
    ):
        path.write_text(text)
        table = TableFile.of(path, **people)
        assert table.columns == columns
        read = [value for batch in table.batches() for value in batch.text(columns[0]).to_pylist()]
        assert read == values


def test_a_long_line_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mifm_kipoi.genomics.text_files._LONGEST_LINE", 1 << 20)
    path = write(tmp_path / "t.gz", "a\tb\n" + "1" * (3 << 20))
    with pytest.raises(InputError, match=r"t\.gz has a line of more than 1 MiB"):
        list(TableFile.of(path).batches(block_bytes=1 << 16))


def test_parquet(tmp_path: Path) -> None:
    frame = pd.DataFrame({"pos": [5, None, 7], "flag": [True, False, None], "name": ["a", "NA", None]})
    frame["half"] = np.array([0.5, np.nan, np.inf])
    frame.astype({"pos": "Int32"}).to_parquet(tmp_path / "t.tsv")
    table = TableFile.of(tmp_path / "t.tsv")
    assert table.columns == ("pos", "flag", "name", "half")
    batch = one(table)
    assert batch.positions("pos")[0].tolist() == [5, 0, 7]
    assert batch.positions("pos")[1].tolist() == [True, False, True]
    assert batch.optional_text("name").to_pylist() == ["a", None, None]
    assert batch.known("half").tolist() == [True, False, True]
    np.testing.assert_array_equal(batch.numbers("flag"), [1, 0, np.nan])
    with pytest.raises(InputError, match=r"row 3 of .*t\.tsv: half is 'inf'; expected a finite number"):
        batch.finite("half")
    parts = list(table.batches(["name"], block_bytes=64))
    assert [part.lines.tolist() for part in parts] == [[1], [2], [3]]
    parquet.write_table(pa.table([[1], [2]], names=["x", "x"]), tmp_path / "u.parquet")
    with pytest.raises(InputError, match="more than one column x"):
        TableFile.of(tmp_path / "u.parquet")


@pytest.mark.parametrize("missing", [*MISSING, *map(str.lower, MISSING), "nA", "Null", "NONE", "NAN", "n/a"])
def test_what_is_missing(tmp_path: Path, missing: str) -> None:
    batch = one(TableFile.of(write(tmp_path / "t.tsv", f"a\tb\tc\nA\t1\tx\n{missing}\t{missing}\tx\n")))
    np.testing.assert_array_equal(batch.numbers("b"), [1, np.nan])
    assert batch.text("a").to_pylist() == ["A", missing]
    assert batch.optional_text("a").to_pylist() == ["A", None]
    assert batch.alleles("a").to_pylist() == ["A", missing if missing in ("-", ".") else None]
    assert batch.known("a").tolist() == [True, False]
    assert batch.frame()["a"].isna().tolist() == [False, True]


@pytest.mark.parametrize(
    ("text", "number"),
    [("1e-3", 1e-3), (" 5", 5), ("5 ", 5), ("+5", 5), ("-.5", -0.5), ("5.", 5), ("inf", np.inf),
     ("1E+2", 100), ("4.9e-324", 5e-324), ("1e-400", 0), ("0.1", 0.1), (" NA ", np.nan)],
)  # fmt: skip
def test_numbers(tmp_path: Path, text: str, number: float) -> None:
    batch = one(TableFile.of(write(tmp_path / "t.csv", f"a,b\nA,{text}\nC,2\n")))
    np.testing.assert_array_equal(batch.numbers("b"), [number, 2])
    assert not batch.parsed("b")[1].any()


@pytest.mark.parametrize("text", ["high", "1,234,5", "0x1p3", "1 2", "--1", "1e", "True"])
def test_what_is_not_a_number(tmp_path: Path, text: str) -> None:
    batch = one(TableFile.of(write(tmp_path / "t.tsv", f"a\tb\n\nA\t1\nC\t{text}\n")))
    values, unreadable = batch.parsed("b")
    np.testing.assert_array_equal(values, [1, np.nan])
    assert unreadable.tolist() == [False, True]
    with pytest.raises(InputError, match=rf"line 4 of .*t\.tsv: b is '{text}'; expected a number"):
        batch.numbers("b")


def test_ranges_and_positions(tmp_path: Path) -> None:
    text = "p\tpos\n0.5\t5\n1.0000001\t5e1\nNA\t.\n0\t2147483647\n1\t0\n"
    batch = one(TableFile.of(write(tmp_path / "t.tsv", text)))
    np.testing.assert_array_equal(batch.within("p", 0, 1, 1e-6), [0.5, 1, np.nan, 0, 1])
    with pytest.raises(InputError, match=r"line 3 .* p is '1\.0000001'; expected a number from 0 to 1"):
        batch.within("p", 0, 1)
    positions, known = batch.positions("pos")
    assert positions.tolist() == [5, 50, 0, 2147483647, 0]
    assert known.tolist() == [True, True, False, True, True]
    with pytest.raises(InputError, match=r"line 6 .* pos is '0'; expected a whole number from 1 to"):
        batch.positions("pos", lowest=1)
    for bad in ("5.5", "-1", "2147483648", "inf", "x"):
        other = one(TableFile.of(write(tmp_path / "u.tsv", f"p\tpos\n1\t{bad}\n")))
        with pytest.raises(InputError, match=f"line 2 .* pos is '{bad}'"):
            other.positions("pos")


def test_some_rows_keep_their_lines(tmp_path: Path) -> None:
    batch = one(TableFile.of(write(tmp_path / "t.tsv", "a\tb\n1\tx\n\n2\ty\n3\tz\n")))
    some = batch.filter(np.array([False, True, True]))
    assert len(some) == 2
    assert some.numbers("a").tolist() == [2, 3]
    assert some.frame(["b"])["b"].to_dict() == {4: "y", 5: "z"}
    with pytest.raises(InputError, match=r"line 5 of .*: b is 'z'; expected y"):
        some.refuse(np.array([False, True]), "b", "y")


def test_progress(tmp_path: Path) -> None:
    for name in ("t.tsv", "t.gz"):
        rows = "".join(f"{number}\t{number**3}\n" for number in range(2000))
        table = TableFile.of(write(tmp_path / name, "a\tb\n" + rows))
        seen: list[tuple[int, float]] = []
        batches = list(table.batches(None, 1000, lambda *values, seen=seen: seen.append(values)))
        assert [count for count, _ in seen] == np.cumsum([len(batch) for batch in batches]).tolist()
        assert seen[-1] == (2000, 1)
        fractions = [fraction for _, fraction in seen]
        assert fractions == sorted(fractions)
        assert 0 < fractions[0] < 1 or name.endswith("gz")


fields = st.text(st.characters(codec="utf-8", exclude_characters='\0\t\r\n"'), max_size=6)
quoted = st.text(st.sampled_from('ab, "'), max_size=6)


def csv_rows(rows: list[list[str]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([["a", "b", "c"], *rows])
    return text.getvalue()


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(fields, fields, fields)), st.integers(1, 200))
def test_every_row_between_tabs_is_read(rows: list[tuple[str, ...]], block_bytes: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "t"
        path.write_bytes(text_of([("a", "b", "c"), *rows], "\t").encode())
        stripped = [tuple(field.strip(" ") for field in row) for row in rows]
        expected = [row for row in stripped if any(row)]
        assert contents(TableFile.of(path), block_bytes) == expected


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(quoted, quoted, quoted)), st.integers(1, 200))
def test_every_row_between_commas_is_read_as_python_reads_it(
    rows: list[tuple[str, ...]], block_bytes: int
) -> None:
    rows = [(*row[:2], row[2] + "x") for row in rows]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "t"
        path.write_bytes(csv_rows([list(row) for row in rows]).encode())
        assert contents(TableFile.of(path), block_bytes) == [tuple(map(str.strip, row)) for row in rows]
