"""Columns of tables as scores: against joins by pandas, in every format, and what is refused."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import numpy as np
import pandas as pd
import pysam
import pytest

from mifm_kipoi.baselines.tables import looked_up as looked_up_module
from mifm_kipoi.baselines.tables import tabix, variant_rows
from mifm_kipoi.baselines.tables.looked_up import FEW_STRANGERS, LookedUp, content_of
from mifm_kipoi.cli import main
from mifm_kipoi.errors import InputError, OptionError
from mifm_kipoi.genomics.genome import Genome
from mifm_kipoi.genomics.variants import read_variants
from tests.baselines.tables.lookups import (
    as_variants,
    looked_up,
    opened,
    random_variants,
    score,
    variants,
    write_indexed,
    write_text,
)

HEADER = "chrom\tpos\tref\talt\tvalue\n"
FORMATS = ("plain.tsv", "zipped.tsv.gz", "commas.csv", "commas.csv.gz", "columns.parquet", "indexed.tsv.gz")


def table_text(*rows: str, header: str = HEADER) -> str:
    return header + "".join(row.replace(" ", "\t") + "\n" for row in rows)


def write_table(path: Path, table: pd.DataFrame) -> Path:
    """In the format that the name says."""
    if path.suffix == ".parquet":
        table.to_parquet(path, index=False)
        return path
    text = table.to_csv(sep="," if ".csv" in path.name else "\t", index=False)
    return (
        write_indexed(path, text, line_skip=1) if path.name.startswith("indexed") else write_text(path, text)
    )


@pytest.mark.parametrize("name", FORMATS)
def test_are_a_join_by_position_and_alleles(tmp_path: Path, name: str) -> None:
    generator = np.random.default_rng(1)
    asked = random_variants(generator, 400)
    held = asked.sample(frac=0.6, random_state=2).sort_values(["chrom", "pos"]).reset_index(drop=True)
    held["value"] = generator.normal(size=len(held)).round(6)
    held.loc[::7, "value"] = np.nan
    write_table(tmp_path / name, held.assign(other="x"))
    expected = asked.merge(held, how="left", on=["chrom", "pos", "ref", "alt"], indicator="source")
    status, columns = looked_up(f"table:{tmp_path / name}:value", as_variants(asked))
    np.testing.assert_array_equal(columns["value"], expected["value"])
    places = set(zip(held["chrom"], held["pos"], strict=True))
    for found, row in zip(status, expected.itertuples(), strict=True):
        if row.source == "both":
            assert found == ("value_missing" if np.isnan(row.value) else "ok")
        elif (row.chrom, row.pos) not in places:
            assert found == "not_in_table"
        else:
            # Another variant at the position, or one that would fit on the other strand.
            assert found in ("alleles_differ", "strand_ambiguous")


@pytest.mark.parametrize("name", ["plain.tsv", "indexed.tsv.gz"])
def test_the_case_of_the_column_does_not_count(tmp_path: Path, name: str) -> None:
    table = pd.DataFrame([("1", 5, "A", "C", 0.5)], columns=["CHROM", "POS", "REF", "ALT", "BETA"])
    write_table(tmp_path / name, table)
    _, columns = looked_up(f"table:{tmp_path / name}:beta", variants([("1", 5, "A", "C")]))
    assert columns["beta"] == [0.5]


@pytest.mark.parametrize("name", FORMATS)
def test_a_table_may_be_of_the_other_strand_and_have_other_names_of_contigs(
    tmp_path: Path, name: str
) -> None:
    table = pd.DataFrame(
        [(5, "T", "G", 0.5), (6, "T", "A", 0.25), (7, "A", "C", 0.75), (7, "T", "G", 0)],
        columns=["POS", "REF", "ALT", "value"],
    )
    table.insert(0, "#CHROM", "chr1")
    write_table(tmp_path / name, table)
    rows = variants(
        [("1", 5, "A", "C"), ("1", 6, "A", "T"), ("1", 7, "A", "C"), ("1", 8, "A", "C"), ("2", 5, "A", "C")]
    )
    status, columns = looked_up(f"table:{tmp_path / name}:value", rows)
    assert status == ["ok", "strand_ambiguous", "ok", "not_in_table", "not_in_table"]
    np.testing.assert_array_equal(columns["value"], [0.5, np.nan, 0.75, np.nan, np.nan])


@pytest.mark.parametrize("name", FORMATS)
def test_effect_and_other_allele_are_a_pair_without_order(tmp_path: Path, name: str) -> None:
    table = pd.DataFrame(
        [
            ("1", 5, "C", "A", 0.5),
            ("1", 6, "G", "T", 0.25),
            ("1", 7, "T", "A", 0.75),
            ("1", 8, "AC", "A", 0.1),
        ],
        columns=["chr", "bp", "ea", "nea", "value"],
    )
    write_table(tmp_path / name, table)
    rows = variants(
        [
            ("chr1", 5, "A", "C"),
            ("1", 6, "A", "C"),
            ("1", 7, "A", "T"),
            ("1", 8, "A", "AC"),
            ("1", 5, "A", "G"),
        ]
    )
    status, columns = looked_up(f"table:{tmp_path / name}:value", rows)
    assert status == ["ok"] * 4 + ["alleles_differ"]
    np.testing.assert_array_equal(columns["value"], [0.5, 0.25, 0.75, 0.1, np.nan])


@pytest.mark.parametrize("form", ["{}:{}_{}_{}", "{}:{}:{}:{}", "{}_{}_{}_{}", "chr{}:{}:{}:{}"])
@pytest.mark.parametrize("place", [True, False])
def test_alleles_may_stand_in_an_identifier_and_are_ordered(tmp_path: Path, form: str, place: bool) -> None:
    rows = [("1", 5, "A", "C"), ("2", 6, "AG", "A"), ("1", 9, "G", "A")]
    table = pd.DataFrame({"SNP": [form.format(*row) for row in rows], "value": [0.5, 0.25, 0.75]})
    if place:
        table = table.assign(CHR=[row[0] for row in rows], POS=[row[1] for row in rows])
    path = write_table(tmp_path / "t.tsv", table.assign(rsid="rs1"))
    asked = variants([("1", 5, "A", "C"), ("2", 6, "AG", "A"), ("2", 6, "A", "AG"), ("1", 9, "A", "G")])
    status, columns = looked_up(f"table:{path}:value", asked)
    assert status == ["ok", "ok", "alleles_differ", "alleles_differ"]
    np.testing.assert_array_equal(columns["value"], [0.5, 0.25, np.nan, np.nan])


def test_identifiers_must_have_alleles_and_fit_the_columns(tmp_path: Path) -> None:
    path = write_text(tmp_path / "t.tsv", "SNP\tvalue\n1:5_A_C\t1\n\nrs12\t2\n")
    with pytest.raises(InputError, match=r"line 4 of .*SNP is 'rs12'; expected chrom:pos_ref_alt"):
        opened(f"table:{path}:value")
    path = write_text(tmp_path / "t.tsv", "SNP\tCHR\tPOS\tvalue\n1:5_A_C\t1\t6\t1\n")
    with pytest.raises(InputError, match=r"line 2 of .*expected the position in the column POS"):
        opened(f"table:{path}:value")


def test_variants_without_a_window_keep_their_reason(tmp_path: Path) -> None:
    path = write_text(tmp_path / "t.tsv", table_text("1 5 A C 1", "1 5 A <DEL> 2", "1 5 N A 3"))
    rows = variants([("1", 5, "A", "<DEL>"), ("1", 5, "A", "*"), ("1", 5, "N", "A"), ("1", 5, "A", ".")])
    status, _ = looked_up(f"table:{path}:value", rows)
    assert status == ["symbolic_alt", "spanning_deletion", "non_acgt_allele", "missing_alt"]


@pytest.mark.parametrize("name", ["t.tsv", "indexed.tsv.gz"])
def test_rows_of_one_variant_must_agree(tmp_path: Path, name: str) -> None:
    rows = ("1 5 A C 1", "1 5 A C 1.0", "1 6 A C 1", "1 6 A C 2", "1 7 A C NA", "1 7 A C 3", "1 8 A C .")
    text = table_text(*rows)
    path = tmp_path / name
    (write_indexed(path, text, line_skip=1) if "indexed" in name else write_text(path, text))
    status, columns = looked_up(
        f"table:{path}:value", variants([("1", pos, "A", "C") for pos in range(5, 9)])
    )
    assert status == ["ok", "conflicting_rows", "ok", "value_missing"]
    np.testing.assert_array_equal(columns["value"], [1, np.nan, 3, np.nan])


@pytest.mark.parametrize("missing", ["", "NA", "NaN", "nan", ".", "-", "NULL"])
def test_what_stands_for_no_value(tmp_path: Path, missing: str) -> None:
    path = write_text(tmp_path / "t.csv", f"chrom,pos,ref,alt,value\n1,5,A,C,{missing}\n1,6,A,C, 1e-3\n")
    status, columns = looked_up(f"table:{path}:value", variants([("1", 5, "A", "C"), ("1", 6, "A", "C")]))
    assert status == ["value_missing", "ok"]
    np.testing.assert_array_equal(columns["value"], [np.nan, 1e-3])


@pytest.mark.parametrize("name", ["t.tsv", "t.tsv.gz"])
@pytest.mark.parametrize(("row", "message"), [
    ("1 6 A C high", r"line 6 of .*t\.tsv.*: value is 'high'; expected a number, or nothing"),
    ("1 6 A C inf", r"line 6 of .*: value is 'inf'; expected a finite number"),
    ("1 6.5 A C 1", r"line 6 of .*: pos is '6\.5'; expected a whole number"),
    ("1 -6 A C 1", r"line 6 of .*: pos is '-6'; expected a whole number"),
    ("1 x A C 1", r"line 6 of .*: pos is 'x'; expected a number"),
    ("1 6 A C", r"line 6 of .*t\.tsv.* has 4 fields; expected 5"),
    ("1 6 A C 1 2", r"line 6 of .*t\.tsv.* has 6 fields; expected 5"),
])  # fmt: skip
def test_errors_name_the_line(tmp_path: Path, name: str, row: str, message: str) -> None:
    path = write_text(
        tmp_path / name,
        "##a\n##b\n" + table_text("1 5 A C 1") + "\n" + table_text(row, "1 7 A C 1", header=""),
    )
    with pytest.raises(InputError, match=message):
        opened(f"table:{path}:value")


@pytest.mark.parametrize("last", ["1 5 A C high", "1 5 A C"])
def test_errors_name_the_line_far_down(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, last: str) -> None:
    monkeypatch.setattr("mifm_kipoi.genomics.tables.BLOCK_BYTES", 256)
    path = write_text(tmp_path / "t.tsv", table_text(*["1 5 A C 1"] * 999, last, "1 5 A C 1"))
    with pytest.raises(InputError, match="line 1001 of"):
        opened(f"table:{path}:value")


def test_errors_name_the_row_of_a_parquet_file(tmp_path: Path) -> None:
    table = pd.DataFrame(
        {"chrom": ["1"] * 3, "pos": [1, 2, 3], "ref": "A", "alt": "C", "value": ["1", "2", "x"]}
    )
    path = write_table(tmp_path / "t.parquet", table)
    with pytest.raises(InputError, match=r"row 3 of .*t\.parquet: value is 'x'"):
        opened(f"table:{path}:value")
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(InputError, match=r"cannot read .*t\.parquet as Parquet"):
        opened(f"table:{path}:value")


def test_errors_of_rows_that_are_read_by_region_name_them(tmp_path: Path) -> None:
    path = write_indexed(
        tmp_path / "t.tsv.gz", table_text("1 5 A C 1", "1 6 A C high", "1 7 A C"), line_skip=1
    )
    baseline = opened(f"table:{path}:value")
    assert score(baseline, variants([("1", 5, "A", "C")])).status == ["ok"]
    with pytest.raises(InputError, match=r"the row of .* with chrom 1, pos 6, ref A, alt C: value is 'high'"):
        score(baseline, variants([("1", 6, "A", "C")]))
    with pytest.raises(InputError, match="a row of 4 fields near 1:7; expected 5"):
        score(baseline, variants([("1", 7, "A", "C")]))


@pytest.mark.parametrize("pos", ["5.0", "5e0", " 5"])
def test_whole_numbers_may_be_written_in_any_way(tmp_path: Path, pos: str) -> None:
    path = write_text(tmp_path / "t.tsv", HEADER + f"1\t{pos}\tA\tC\t1\n")
    assert looked_up(f"table:{path}:value", variants([("1", 5, "A", "C")]))[0] == ["ok"]


@pytest.mark.parametrize("row", [" 5 A C 1", "1 NA A C 1"])
def test_rows_without_a_place_are_passed_over(
    tmp_path: Path, row: str, caplog: pytest.LogCaptureFixture
) -> None:
    path = write_text(tmp_path / "t.tsv", table_text(row, "1 6 A C 2"))
    rows = variants([("1", 5, "A", "C"), ("1", 6, "A", "C"), ("1", 0, "A", "C"), ("", 5, "A", "C")])
    assert looked_up(f"table:{path}:value", rows)[0] == ["not_in_table", "ok", "not_in_table", "not_in_table"]
    assert "t.tsv: 1 rows have no contig or no position, and are skipped" in caplog.text


def test_23_and_24_are_x_and_y(tmp_path: Path) -> None:
    text = table_text("chr23 5 A C 1", "24 5 A C 2")
    rows = variants([("X", 5, "A", "C"), ("chrX", 5, "A", "C"), ("23", 5, "A", "C"), ("chrY", 5, "A", "C")])
    for path in (
        write_text(tmp_path / "t.tsv", text),
        write_indexed(tmp_path / "i.tsv.gz", text, line_skip=1),
    ):
        assert looked_up(f"table:{path}:value", rows)[1]["value"] == [1, 1, 1, 2]


@pytest.mark.parametrize("csi", [False, True])
def test_an_indexed_table_is_read_by_region(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, csi: bool
) -> None:
    text = HEADER + "".join(f"{c}\t{pos}\tA\tC\t{pos}\n" for c in (1, 2) for pos in range(1, 20_001))
    path = write_indexed(tmp_path / "t.tsv.gz", text, csi, line_skip=1)
    fetched: list[tuple[str, int, int]] = []
    file = pysam.TabixFile

    class Watched:
        def __init__(self, *args: object, **options: object) -> None:
            self.file = file(*args, **options)
            self.contigs = self.file.contigs

        def __enter__(self) -> Watched:
            return self

        def __exit__(self, *_: object) -> None:
            self.file.close()

        def fetch(self, *region: object) -> object:
            fetched.append(region)  # type: ignore[arg-type]
            return self.file.fetch(*region)

    monkeypatch.setattr(pysam, "TabixFile", Watched)
    monkeypatch.setattr(tabix, "_NEAR", 100)
    positions = [19_000, 1, 100, 150, 20_000, 5_000, 5_100]
    found = score(opened(f"table:{path}:value"), variants([("2", pos, "A", "C") for pos in positions]))
    assert found.columns["value"].tolist() == positions
    assert fetched == [("2", 0, 151), ("2", 4_998, 5_101), ("2", 18_998, 19_001), ("2", 19_998, 20_001)]


def test_an_index_of_0_based_positions_finds_the_column_all_the_same(tmp_path: Path) -> None:
    text = table_text("1 5 A C 1", "1 6 A C 2", "1 7 A C 3")
    path = write_indexed(tmp_path / "t.tsv.gz", text, line_skip=1, zerobased=True)
    assert looked_up(f"table:{path}:value", variants([("1", 6, "A", "C")]))[1]["value"] == [2]


def test_an_index_must_not_be_older_than_its_file(tmp_path: Path) -> None:
    path = write_indexed(tmp_path / "t.tsv.gz", table_text("1 5 A C 1"), line_skip=1)
    os.utime(f"{path}.tbi", (1, 1))
    with pytest.raises(InputError, match=r"t\.tsv\.gz\.tbi is older than .*touch t\.tsv\.gz\.tbi"):
        opened(f"table:{path}:value")


def test_a_cut_file_is_refused(tmp_path: Path) -> None:
    path = write_indexed(tmp_path / "t.tsv.gz", table_text("1 5 A C 1"), line_skip=1)
    path.write_bytes(path.read_bytes()[:-28])
    os.utime(f"{path}.tbi")
    with pytest.raises(InputError, match="cut short"):
        opened(f"table:{path}:value")
    Path(f"{path}.tbi").unlink()
    with pytest.raises(InputError, match=r"cut short: bgzip's end-of-file mark is missing"):
        opened(f"table:{path}:value")


def test_a_bgzip_file_without_an_index_is_refused_where_it_is_cut_at_the_end_of_a_block(
    tmp_path: Path,
) -> None:
    text = table_text(*(f"1 {pos} A C {hash((pos,))}" for pos in range(1, 9000)))
    path = write_indexed(tmp_path / "t.tsv.gz", text, line_skip=1)
    Path(f"{path}.tbi").unlink()
    assert looked_up(f"table:{path}:value", variants([("1", 8999, "A", "C")]))[0] == ["ok"]
    content = path.read_bytes()
    # The last two bytes of what precedes a block's subfield hold its length less one.
    first = int.from_bytes(content[16:18], "little") + 1
    path.write_bytes(content[:first])
    assert 0 < len(gzip.decompress(path.read_bytes())) < len(text)
    with pytest.raises(InputError, match=r"cut short: bgzip's end-of-file mark is missing"):
        opened(f"table:{path}:value")
    path.write_bytes(content[:20])
    with pytest.raises(InputError, match="cut short"):
        opened(f"table:{path}:value")


def test_a_gzipped_file_is_refused_wherever_it_is_cut(tmp_path: Path) -> None:
    path = write_text(tmp_path / "t.tsv.gz", table_text(*(f"1 {pos} A C {pos}" for pos in range(1, 200))))
    content = path.read_bytes() + gzip.compress(b"1\t500\tA\tC\t1\n")
    path.write_bytes(content)
    assert looked_up(f"table:{path}:value", variants([("1", 500, "A", "C")]))[0] == ["ok"]
    # A cut between two members cannot be told from the end.
    whole = len(content) - len(gzip.compress(b"1\t500\tA\tC\t1\n"))
    for length in (2, whole // 2, whole - 9, whole - 8, whole - 1, whole + 1, whole + 12, len(content) - 1):
        path.write_bytes(content[:length])
        with pytest.raises(InputError, match=r"cannot read .*t\.tsv\.gz"):
            opened(f"table:{path}:value")


def test_an_index_of_another_file_is_refused(tmp_path: Path) -> None:
    text = HEADER + "".join(f"1\t{pos}\tA\tC\t{pos % 7}\n" for pos in range(1, 50_000))
    path = write_indexed(tmp_path / "t.tsv.gz", text, line_skip=1)
    path.with_name("t.tsv.gz.tbi").write_bytes(b"nothing")
    with pytest.raises(InputError, match="index is that of another file"):
        score(opened(f"table:{path}:value"), variants([("1", 40_000, "A", "C")]))


def test_a_table_of_another_build_is_refused(tmp_path: Path) -> None:
    generator = np.random.default_rng(5)
    asked = random_variants(generator, 300, snvs=True).drop_duplicates(["chrom", "pos"])
    other = asked.assign(ref=generator.choice(list("ACGT"), len(asked)), value=1.0)
    other["alt"] = [("ACGT" * 2)["ACGT".index(ref) + 1] for ref in other["ref"]]
    path = write_table(tmp_path / "t.tsv", other)
    with pytest.raises(
        InputError, match=r"other alleles than .* has reference .* most likely of another genome build"
    ):
        looked_up(f"table:{path}:value", as_variants(asked))
    # One of the same build has other alternative alleles here and there, and a few errors.
    same = asked.assign(alt=[("ACGT" * 2)["ACGT".index(ref) + 1] for ref in asked["ref"]], value=1.0)
    same.loc[same.index[:FEW_STRANGERS], "ref"] = "N"
    looked_up(f"table:{write_table(tmp_path / 'u.tsv', same)}:value", as_variants(asked))


def test_strangers_are_counted_over_all_calls(tmp_path: Path) -> None:
    rows = [f"1 {pos} C G 1" for pos in range(1, 11)] + [f"1 {pos} A G 1" for pos in range(11, 31)]
    path = write_text(tmp_path / "t.tsv", table_text(*rows))
    asked = variants([("1", pos, "A", "G") for pos in range(1, 31)])
    baseline = opened(f"table:{path}:value")
    for part in (asked[:FEW_STRANGERS], asked[10:14]):
        score(baseline, part)
    with pytest.raises(
        InputError, match=r"at 6 of the 10 positions .* 1:1 has reference A in .* and reference C in the"
    ):
        score(baseline, asked[5:6])
    baseline = opened(f"table:{path}:value")
    score(baseline, asked[10:30])
    assert score(baseline, asked[:6]).status == ["alleles_differ"] * 6
    with pytest.raises(InputError, match="at 7 of the 27"):
        score(baseline, asked[6:7])


def test_what_tells_a_file_follows_its_content(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "t.tsv"
    path.write_bytes(b"0" * 100)
    os.utime(path, ns=(1, 1))
    assert content_of(path) == {"sha256": hashlib.sha256(b"0" * 100).hexdigest()}
    monkeypatch.setattr(looked_up_module, "_WHOLE_BYTES", 100)
    assert set(content_of(path)) == {"sha256"}
    monkeypatch.setattr(looked_up_module, "_WHOLE_BYTES", 99)
    monkeypatch.setattr(looked_up_module, "_END_BYTES", 10)
    found = content_of(path)
    assert found == {"bytes": 100, "modified_ns": 1, "ends_sha256": hashlib.sha256(b"0" * 20).hexdigest()}
    assert json.loads(json.dumps(found)) == found
    for place, size, modified, same in [
        (9, 100, 1, False), (90, 100, 1, False), (50, 100, 2, False), (50, 101, 1, False), (50, 100, 1, True),
    ]:  # fmt: skip
        path.write_bytes(b"0" * place + b"1" + b"0" * (size - place - 1))
        os.utime(path, ns=(modified, modified))
        assert (content_of(path) == found) is same
    with pytest.raises(InputError, match=r"cannot read .*none"):
        content_of(tmp_path / "none")


def test_an_indexed_table_of_the_same_size_is_another(tmp_path: Path) -> None:
    made_by, sizes = [], []
    for value in (1, 2):
        path = write_indexed(tmp_path / "t.tsv.gz", table_text(f"1 5 A C {value}"), line_skip=1)
        made_by.append(opened(f"table:{path}:value").declaration.provenance)
        sizes.append((path.stat().st_size, Path(f"{path}.tbi").read_bytes()))
    assert sizes[0] == sizes[1]
    assert made_by[0] != made_by[1]


@pytest.mark.parametrize("pos", ["597", "597.0", " 597", "597 ", "597.", "+597"])
@pytest.mark.parametrize("name", ["t.tsv", "indexed.tsv.gz"])
def test_an_index_finds_positions_however_they_are_written(tmp_path: Path, pos: str, name: str) -> None:
    text = HEADER + f"1\t590\tA\tC\t1\n1\t{pos}\tA\tC\t2\n1\t598.0\tA\tC\t3\n1\t599\tA\tC\t4\n"
    path = tmp_path / name
    (write_indexed(path, text, line_skip=1) if "indexed" in name else write_text(path, text))
    asked = variants([("1", position, "A", "C") for position in (590, 596, 597, 598)])
    status, columns = looked_up(f"table:{path}:value", asked)
    assert status == ["ok", "not_in_table", "ok", "ok"]
    np.testing.assert_array_equal(columns["value"], [1, np.nan, 2, 3])


def test_positions_that_are_none_are_refused_through_an_index_too(tmp_path: Path) -> None:
    path = write_indexed(tmp_path / "t.tsv.gz", table_text("1 5 A C 1", "1 6.5 A C 2"), line_skip=1)
    with pytest.raises(InputError, match=r"pos is '6\.5'; expected a whole number"):
        looked_up(f"table:{path}:value", variants([("1", 6, "A", "C")]))


@pytest.mark.parametrize("column", ["chrom", "pos", "id", "ref", "alt", "status"])
def test_a_score_cannot_have_the_name_of_another_column(tmp_path: Path, column: str) -> None:
    path = write_text(tmp_path / "t.tsv", "chrom\tpos\tid\tref\talt\tstatus\n1\t5\t1\tA\tC\t1\n")
    with pytest.raises(OptionError, match=f"a score cannot have the name {column},"):
        opened(f"table:{path}:{column}")


@pytest.mark.parametrize("column", ["my\tscore", "my\nscore", "my\rscore", "\x00", "score\x85"])
def test_a_score_cannot_have_control_characters_in_its_name(tmp_path: Path, column: str) -> None:
    table = pd.DataFrame({"chrom": ["1"], "pos": [5], "ref": ["A"], "alt": ["C"], column: [1.0]})
    path = write_table(tmp_path / "t.parquet", table)
    with pytest.raises(OptionError, match=r"the column '.*\\.*' has a tab, a line end or another control"):
        opened(f"table:{path}:{column}")


def test_declares_what_it_is_of(tmp_path: Path) -> None:
    path = write_text(tmp_path / "a:b.tsv", table_text("1 5 A C 1").replace("value", "my score"))
    baseline = opened(f"table:{path}:my score")
    assert score(baseline, variants([("1", 5, "A", "C")])).columns["my score"].tolist() == [1]
    declared = baseline.declaration
    assert declared.provenance == {
        "file": "a:b.tsv",
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        "column": "my score",
    }
    assert [(one.name, one.ranks) for one in declared.scores] == [("my score", True)]
    indexed = write_indexed(tmp_path / "i.tsv.gz", table_text("1 5 A C 1"), line_skip=1)
    index = Path(f"{indexed}.tbi").read_bytes()
    assert opened(f"table:{indexed}:value").declaration.provenance == {
        "file": "i.tsv.gz",
        "sha256": hashlib.sha256(indexed.read_bytes()).hexdigest(),
        "index_sha256": hashlib.sha256(index).hexdigest(),
        "column": "value",
    }


@pytest.mark.parametrize(("argument", "error", "message"), [
    ("{}", OptionError, "does not name a column"),
    ("{}:", OptionError, "does not name a column"),
    ("{}:none", InputError, "no column 'none'; it has chrom, pos, ref, alt, value"),
    ("{}.missing:value", InputError, "cannot read .*No such file"),
])  # fmt: skip
def test_arguments_that_are_refused(
    tmp_path: Path, argument: str, error: type[Exception], message: str
) -> None:
    path = write_text(tmp_path / "t.tsv", table_text("1 5 A C 1"))
    with pytest.raises(error, match=message):
        opened(f"table:{argument.format(path)}")


@pytest.mark.parametrize(("header", "message"), [
    ("", "is empty"),
    ("value", "begins with 'value'; expected a header"),
    ("chrom\tpos\tvalue", "does not name its variants"),
    ("chrom\tpos\tref\tvalue", "has positions and no alternative alleles"),
    ("chrom\tpos\trsid\tvalue", "does not name its variants"),
    ("chrom\tchr\tpos\tref\talt\tvalue", "each of the columns chrom, chr could be chrom"),
    ("chrom\tpos\tref\talt\tvalue\tvalue", "more than one column value"),
])  # fmt: skip
def test_headers_that_are_refused(tmp_path: Path, header: str, message: str) -> None:
    path = write_text(tmp_path / "t.tsv", header + "\n")
    with pytest.raises(InputError, match=message):
        opened(f"table:{path}:value")


def test_a_table_without_rows_holds_nothing(tmp_path: Path) -> None:
    path = write_text(tmp_path / "t.tsv", HEADER)
    assert looked_up(f"table:{path}:value", variants([("1", 5, "A", "C")]))[0] == ["not_in_table"]
    assert looked_up(f"table:{path}:value", [])[0] == []


@pytest.mark.parametrize("name", ["scores.tsv", "scores.tsv.gz", "scores.parquet"])
def test_outputs_of_our_own_are_tables(tmp_path: Path, example: Path, name: str) -> None:
    output = tmp_path / name
    assert main(["score", str(example / "variants.vcf"), str(example / "genome.fa"), "-o", str(output)]) == 0
    rows = list(read_variants(example / "variants.vcf"))
    found = score(opened(f"table:{output}:mifm_delta"), rows)
    table = pd.read_parquet(output) if name.endswith("parquet") else pd.read_csv(output, sep="\t")
    assert (table["status"] == "ok").sum() > 3
    for status, value, own, expected in zip(
        found.status, found.columns["mifm_delta"], table["status"], table["mifm_delta"], strict=True
    ):
        if own == "ok":
            assert (status, value) == ("ok", expected)
        else:
            assert status != "ok"


def test_large_tables_are_merged_in_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(variant_rows, "_FIRST_MERGE", 50)
    monkeypatch.setattr("mifm_kipoi.genomics.tables.BLOCK_BYTES", 256)
    generator = np.random.default_rng(3)
    asked = random_variants(generator, 60, snvs=True)
    held = asked.sample(1000, replace=True, random_state=1).assign(p=generator.uniform(size=1000))
    path = write_table(tmp_path / "t.tsv", held.rename(columns={"ref": "ea", "alt": "nea"}))
    _, columns = looked_up(f"pvalue:{path}", as_variants(asked))
    lowest = asked.merge(held.groupby(["chrom", "pos", "ref", "alt"], as_index=False)["p"].min(), how="left")[
        "p"
    ]
    np.testing.assert_allclose(columns["one_minus_p"], 1 - lowest)


@pytest.mark.reference
def test_real_variants_find_themselves(tmp_path: Path, reference_data: Path) -> None:
    rows = list(read_variants(reference_data / "data" / "variants" / "1000G_phase3.chr20_1M_2M.sites.vcf.gz"))
    table = pd.DataFrame(
        [(v.chrom, v.pos, v.ref, v.alt) for v in rows], columns=["chrom", "pos", "ref", "alt"]
    )
    table["value"] = np.arange(len(table), dtype=float)
    path = write_table(tmp_path / "t.tsv.gz", table)
    status, columns = looked_up(f"table:{path}:value", rows)
    known = np.array([reason == "ok" for reason in status])
    assert known.sum() > 29_000
    np.testing.assert_array_equal(np.array(columns["value"])[known], table["value"][known])
    assert set(status) == {"ok", "symbolic_alt"}


def test_the_case_of_alleles_does_not_count(tmp_path: Path) -> None:
    path = write_text(tmp_path / "t.tsv", table_text("1 5 a c 1"))
    assert looked_up(f"table:{path}:value", variants([("1", 5, "A", "C")]))[0] == ["ok"]


def test_contigs_that_the_fasta_lacks_or_of_another_build(tmp_path: Path) -> None:
    table = write_text(
        tmp_path / "t.tsv", "chrom\tpos\tref\talt\tx\nNC_000001.10\t5\tA\tC\t1\n7\t5\tA\tC\t1\n"
    )
    baseline = cast(LookedUp, opened(f"table:{table}:x"))
    genome = SimpleNamespace(path="g.fa", contigs={"chr1": 1000, "X": 1000})
    (warning,) = baseline.warnings(cast(Genome, genome))
    assert "1 rows on contigs that the FASTA does not have: '7' (1 rows)" in warning
    genome.contigs = {"chr1": 248956422, "7": 1000}
    with pytest.raises(InputError, match=r"NC_000001\.10, which is of GRCh37, and g\.fa is GRCh38"):
        baseline.warnings(cast(Genome, genome))
