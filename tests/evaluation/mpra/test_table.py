"""Reading tables of saturation mutagenesis."""

from __future__ import annotations

import gzip
from pathlib import Path

import pandas as pd
import pytest

from mifm_kipoi.errors import InputError
from mifm_kipoi.evaluation.mpra.table import Kind, Measured, lifted, read_measurements
from mifm_kipoi.genomics.liftover import LiftOver
from tests.evaluation.mpra.mpra_tables import HEADER, row, write_table

ROWS = [
    row("1", 10, "A", "C", "-0.25"),
    row("1", 10, "a", "-", 1.5),
    row("1", 11, "G", "t", "1e-3", barcodes=9),
]


def test_what_is_read(tmp_path: Path) -> None:
    found = read_measurements(write_table(tmp_path / "t.tsv.gz", ROWS))
    assert found.release == "GRCh37"
    assert found.rows[["element", "chrom", "pos", "ref", "alt"]].to_numpy().tolist() == [
        ["E", "1", 10, "A", "C"],
        ["E", "1", 10, "A", "-"],
        ["E", "1", 11, "G", "T"],
    ]
    assert found.rows["coefficient"].tolist() == [-0.25, 1.5, 1e-3]
    assert found.rows["kind"].tolist() == [Kind.SNV, Kind.DELETION, Kind.SNV]
    assert found.rows["measured"].tolist() == [Measured.OK, Measured.OK, Measured.FEW_BARCODES]
    assert found.original.columns.tolist() == list(HEADER)
    assert found.original["Ref"].tolist() == ["A", "a", "G"]


def test_forms_of_the_table_give_the_same(tmp_path: Path) -> None:
    expected = read_measurements(write_table(tmp_path / "t.tsv", ROWS)).rows
    comma = write_table(tmp_path / "t.csv", ROWS, separator=",")
    frame = pd.read_csv(comma, dtype={"Chrom": str}, na_filter=False)
    frame.to_parquet(tmp_path / "t.parquet")
    site = (
        "#CHROMOSOME",
        "Position",
        "REF",
        "Alt",
        "Tags",
        "dna",
        "rna",
        "VALUE",
        "P-Value",
        "element",
        "release",
    )
    named = write_table(tmp_path / "site.tsv", ROWS, header=site)
    for path in (comma, tmp_path / "t.parquet", named):
        pd.testing.assert_frame_equal(read_measurements(path).rows, expected)


def test_a_table_without_elements_is_one(tmp_path: Path) -> None:
    path = write_table(tmp_path / "SORT1.part.tsv", [cells[:-2] for cells in ROWS], header=HEADER[:-2])
    found = read_measurements(path)
    assert set(found.rows["element"]) == {"SORT1"}
    assert found.release == ""


def test_what_is_not_understood_keeps_its_row(tmp_path: Path) -> None:
    rows = [
        row("1", 10, "A", "CT"),
        row("1", 10, "-", "C"),
        row("1", 10, "AG", "-"),
        row("1", 11, "C", "C"),
        row("1", 12, "N", "A"),
        row("1", 12, "N", "-"),
        row("1", 13, "T", "A", "NA"),
        row("1", 13, "T", "G", barcodes=""),
        row("1", 13, "T", "C", barcodes=10),
    ]
    assert read_measurements(write_table(tmp_path / "t.tsv", rows)).rows["measured"].tolist() == [
        Measured.OTHER_KIND, Measured.OTHER_KIND, Measured.OTHER_KIND, Measured.OTHER_KIND,
        Measured.NON_ACGT, Measured.NON_ACGT, Measured.MISSING, Measured.FEW_BARCODES, Measured.OK,
    ]  # fmt: skip


@pytest.mark.parametrize(("least", "expected"), [(0, "ok"), (9, "ok"), (10, "few_barcodes")])
def test_barcodes(tmp_path: Path, least: int, expected: str) -> None:
    path = write_table(tmp_path / "t.tsv", [row("1", 10, "A", "C", barcodes=9)])
    assert read_measurements(path, least).rows["measured"].tolist() == [expected]


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (row("1", 0, "A", "C"), r"line 3 of .*t\.tsv: Pos is '0'"),
        (row("1", "x7", "A", "C"), r"line 3 of .* Pos is 'x7'"),
        (row("1", "NA", "A", "C"), r"line 3 of .* Pos is 'NA'; expected a position"),
        (row("1", 3_000_000_000, "A", "C"), r"line 3 of .* Pos is '3000000000'"),
        (row("1", 12, "Q", "C"), r"line 3 of .* Ref is 'Q'; expected A, C, G, T"),
        (row("1", 12, "A", ""), r"line 3 of .* Alt is ''"),
        (row("1", 12, "A", "A-"), r"line 3 of .* Alt is 'A-'"),
        (row("1", 12, "A", "C", "low"), r"line 3 of .* Coefficient is 'low'; expected a number"),
        (row("1", 12, "A", "C", "inf"), r"line 3 of .* Coefficient is 'inf'"),
        (row("1", 12, "A", "C", barcodes="many"), r"line 3 of .* Barcodes is 'many'"),
        (row("1", 12, "A", "C", p=1.5), r"line 3 of .* pValue is '1\.5'; expected a number from 0 to 1"),
        (row("", 12, "A", "C"), r"line 3 of .* Chrom is ''"),
        (row("NA", 12, "A", "C"), r"line 3 of .* Chrom is 'NA'; expected a name"),
        (row(".", 12, "A", "C"), r"line 3 of .* Chrom is '\.'"),
        (row("1", 12, "A", "C", element="NA"), r"line 3 of .* Element is 'NA'; expected a name"),
        (row("1", 12, "A", "C", element=""), r"line 3 of .* Element is ''"),
        (row("1", 10, "a", "C", "0.7"), r"line 3 of .* 1:10 A>C of element E is already in line 2"),
        (row("2", 12, "A", "C"), r"element E lies on 1 and 2"),
        (row("1", 12, "A", "C", release="GRCh38"), r"releases GRCh37, GRCh38; expected one"),
        (row("25", 12, "A", "C"), r"line 3 of .* Chrom is '25'; expected X, Y or MT by name"),
        (row("1", 12, "A", "C", "0,5"), r"line 3 of .* Coefficient is '0,5'"),
        (("1", 12, "A"), r"line 3 of .*t\.tsv has 3 fields; expected 11"),
    ],
)  # fmt: skip
def test_bad_rows_are_named(tmp_path: Path, bad: tuple[object, ...], message: str) -> None:
    with pytest.raises(InputError, match=message):
        read_measurements(write_table(tmp_path / "t.tsv", [row("1", 10, "A", "C"), bad]))


def test_names_of_one_chromosome(tmp_path: Path) -> None:
    rows = [row("23", 10, "A", "C"), row("chrX", 11, "A", "C"), row("x", 12, "A", "C")]
    found = read_measurements(write_table(tmp_path / "t.tsv", rows))
    assert found.rows["chrom"].tolist() == ["X", "X", "X"]
    assert found.original["Chrom"].tolist() == ["23", "chrX", "x"]


CHAIN = """\
chain 900 chr1 100 + 0 20 chr2 200 - 50 70 1
20

chain 900 chr3 100 + 0 10 chr3 200 + 50 60 2
10

chain 800 chr3 100 + 5 10 chr4 200 + 50 55 3
5

"""
"""1-based: chr1 1-20 are chr2 150-131, reversed, chr3 1-5 are chr3 51-55, 6-10 have two places."""


def test_another_build(tmp_path: Path) -> None:
    pytest.importorskip("liftover")
    (tmp_path / "a.chain").write_text(CHAIN)
    rows = [
        row("1", 10, "A", "C"), row("1", 11, "A", "-"), row("1", 12, "A", "C", "NA"), row("1", 50, "A", "C"),
        row("3", 2, "A", "C", element="F"), row("3", 7, "A", "C", element="F"),
    ]  # fmt: skip
    measured = read_measurements(write_table(tmp_path / "t.tsv", rows))
    found = lifted(measured, LiftOver(tmp_path / "a.chain"))
    assert found.rows.loc[:2, ["chrom", "pos", "ref", "alt", "kind"]].to_numpy().tolist() == [
        ["2", 141, "T", "G", "snv"], ["2", 140, "T", "-", "deletion"], ["2", 139, "T", "G", "snv"],
    ]  # fmt: skip
    assert found.rows["measured"].tolist() == [
        "ok", "ok", "coefficient_missing", "lost_in_lift_over", "ok", "ambiguous_in_lift_over",
    ]  # fmt: skip
    assert found.rows["kind"].tolist()[3:] == ["other", "snv", "other"]
    pd.testing.assert_frame_equal(found.original, measured.original)
    apart = write_table(tmp_path / "apart.tsv", [row("3", 2, "A", "C"), row("3", 12, "A", "C")])
    (tmp_path / "b.chain").write_text(
        "chain 9 chr3 100 + 0 5 chr3 99 + 0 5 1\n5\n\nchain 9 chr3 100 + 9 19 chr5 99 + 0 10 2\n10\n\n"
    )
    with pytest.raises(InputError, match="element E lies on 3 and 5"):
        lifted(read_measurements(apart), LiftOver(tmp_path / "b.chain"))


def test_lines_are_counted_with_empty_ones(tmp_path: Path) -> None:
    path = write_table(tmp_path / "t.tsv", [row("1", 10, "A", "C")])
    path.write_text(path.read_text() + "\n\n" + "\t".join(map(str, row("1", -1, "A", "C"))) + "\n")
    with pytest.raises(InputError, match=r"line 5 of .* Pos is '-1'"):
        read_measurements(path)


@pytest.mark.parametrize(
    ("last", "options", "message"),
    [
        (("Coef",), {}, "no column coefficient; expected Chrom, Pos"),
        (("Value",), {}, r"no column of barcodes.*--min-barcodes 0"),
        (("Value", "coefficient"), {}, "two columns coefficient: Value, coefficient"),
        (("Value",), {"min_barcodes": 0, "need_p_values": True}, "no column of p-values"),
    ],
)
def test_missing_columns(
    tmp_path: Path, last: tuple[str, ...], options: dict[str, int], message: str
) -> None:
    header = ("Chrom", "Pos", "Ref", "Alt", *last)
    path = write_table(tmp_path / "t.tsv", [("1", 10, "A", "C", 0.5, 0.5)[: len(header)]], header)
    with pytest.raises(InputError, match=message):
        read_measurements(path, **options)


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"cannot read .*none\.tsv"):
        read_measurements(tmp_path / "none.tsv")
    whole = write_table(tmp_path / "t.tsv.gz", ROWS * 50)
    (tmp_path / "cut.tsv.gz").write_bytes(whole.read_bytes()[:-40])
    with pytest.raises(InputError, match=r"cannot read .*cut\.tsv\.gz"):
        read_measurements(tmp_path / "cut.tsv.gz")
    (tmp_path / "latin.tsv").write_bytes("\t".join(HEADER).encode() + b"\n\xff" + b"\t1" * 10 + b"\n")
    with pytest.raises(InputError, match=r"line 2 of .*latin\.tsv is malformed: .*UTF8"):
        read_measurements(tmp_path / "latin.tsv")
    (tmp_path / "bad.parquet").write_bytes(b"PAR1" + bytes(20))
    with pytest.raises(InputError, match=r"cannot read .*bad\.parquet"):
        read_measurements(tmp_path / "bad.parquet")
    (tmp_path / "empty.tsv.gz").write_bytes(gzip.compress(b""))
    with pytest.raises(InputError, match=r"empty\.tsv\.gz is empty"):
        read_measurements(tmp_path / "empty.tsv.gz")
    with pytest.raises(InputError, match="has no rows"):
        read_measurements(write_table(tmp_path / "head.tsv", []))


@pytest.mark.reference
def test_the_table_of_kircher(reference_data: Path) -> None:
    found = read_measurements(reference_data / "data" / "mpra" / "kircher_satmut_GRCh37.tsv.gz")
    assert len(found.rows) == 16_321
    assert found.rows["kind"].value_counts().to_dict() == {"snv": 14_738, "deletion": 1_583}
    assert found.rows["measured"].value_counts().to_dict() == {"ok": 15_378, "few_barcodes": 943}
    assert found.rows["element"].nunique() == 10


@pytest.mark.parametrize("letter", ["\t", "\n", "\r"])
def test_cells_that_the_outputs_cannot_hold(tmp_path: Path, letter: str) -> None:
    header = (*HEADER, "note")
    rows = [(*row("1", 5, "A", "C"), "plain"), (*row("1", 6, "A", "C"), f"a{letter}b")]
    cells = [dict(zip(header, map(str, one), strict=True)) for one in rows]
    pd.DataFrame(cells).to_parquet(tmp_path / "t.parquet")
    with pytest.raises(InputError, match=r"row 2 of .*: note is 'a.*b', with a tab or a line break"):
        read_measurements(tmp_path / "t.parquet")
