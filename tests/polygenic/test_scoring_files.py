"""Scoring files: read as the PGS Catalog means them, written so that its own reader takes them."""

from __future__ import annotations

import gzip
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from mifm_kipoi.errors import InputError, OptionError
from mifm_kipoi.polygenic.scoring_files import (
    COMPLEX,
    DOMINANT,
    DOSAGE_WEIGHTS,
    RECESSIVE,
    read_scoring_file,
    score_name,
    write_scoring_file,
)

HARMONISED = """\
###PGS CATALOG SCORING FILE
#format_version=2.0
#pgs_id=PGS999999
#trait_reported=Height
#genome_build={stated}
##HARMONIZATION DETAILS
#HmPOS_build=GRCh38
#HmPOS_date=2022-08-04
#HmPOS_match_chr={{"True": 1, "False": 0}}
rsID\tchr_name\tchr_position\teffect_allele\tother_allele\teffect_weight\thm_rsID\thm_chr\thm_pos\thm_inferOtherAllele
rs1\t1\t1000\tA\tG\t0.5\trs11\t1\t2000\t
rs2\tX\t1500\tc\t\t-0.25\trs2\tX\t2500\tT
rs3\t2\t1600\tC\t\t1e-3\trs3\t\t\tA/T
"""


def written(folder: Path, text: str, name: str = "score.txt") -> Path:
    path = folder / name
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    ("wanted", "stated", "build", "places"),
    [
        ("", "GRCh37", "GRCh38", [("1", 2000), ("X", 2500), ("", 0)]),
        ("hg38", "GRCh37", "GRCh38", [("1", 2000), ("X", 2500), ("", 0)]),
        ("hg19", "GRCh37", "GRCh37", [("1", 1000), ("X", 1500), ("2", 1600)]),
        ("hg19", "NR", "GRCh38", [("1", 2000), ("X", 2500), ("", 0)]),
    ],
)
def test_harmonised_places_are_taken_unless_those_submitted_are_of_the_wanted_build(
    tmp_path: Path, wanted: str, stated: str, build: str, places: list[tuple[str, int]]
) -> None:
    score = read_scoring_file(written(tmp_path, HARMONISED.format(stated=stated)), build=wanted)
    assert score.build == build
    assert list(zip(score.rows["chrom"], score.rows["pos"], strict=True)) == places
    assert score.rows["effect_allele"].tolist() == ["A", "C", "C"]
    # Inferred where it is one allele, unknown where it is several.
    assert score.rows["other_allele"].tolist() == ["G", "T", ""]
    assert score.rows["weight"].tolist() == [0.5, -0.25, 0.001]
    assert score.rows["id"].tolist() == (
        ["rs11", "rs2", "rs3"] if score.harmonised else ["rs1", "rs2", "rs3"]
    )
    assert score.rows.index.tolist() == [11, 12, 13]
    assert score.header["trait_reported"] == "Height"
    assert score.name == "score"


def test_what_is_not_additive_is_marked(tmp_path: Path) -> None:
    text = (
        "rsID\tchr_name\tchr_position\teffect_allele\tother_allele\teffect_weight\tis_haplotype\tis_dominant\t"
        "is_recessive\tis_interaction\tdosage_0_weight\tdosage_1_weight\tdosage_2_weight\n"
        "rs1\t1\t1\tA\tG\t1\tFalse\tTrue\tFalse\tFalse\t\t\t\n"
        "rs2\t1\t2\tA\tG\t1\tFalse\tFalse\tTrue\tFalse\t\t\t\n"
        "HLA\t6\t31;32\tA;T\t\t1\tTrue\tFalse\tFalse\tFalse\t\t\t\n"
        "rs3_x_rs4\t1\t3_x_4\tA_x_G\t\t1\tFalse\tFalse\tFalse\tTrue\t\t\t\n"
        "rs5\t1\t5\tA\tG\t\tFalse\tFalse\tFalse\tFalse\t0\t1\t0\n"
        "rs6\t1\t6\tA\tG\t1\tFalse\tFalse\tFalse\tFalse\t0\t1\t0\n"
    )
    rows = read_scoring_file(written(tmp_path, text)).rows
    assert rows["effect_type"].tolist() == [
        DOMINANT, RECESSIVE, COMPLEX, COMPLEX, DOSAGE_WEIGHTS, "additive",
    ]  # fmt: skip
    assert rows["pos"].tolist() == [1, 2, 0, 0, 5, 6]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("SNP A1 BETA\nrs1 a 0.5\n", ("", 0, "rs1", "A", "", 0.5)),
        ("CHR BP SNP A1 A2 OR\nchr1 10 rs1 A G 2\n", ("1", 10, "rs1", "A", "G", np.log(2))),
        ("chr,pos,effect_allele,other_allele,weight\n23,10,A,G,1\n", ("X", 10, "", "A", "G", 1.0)),
        ("chr\tpos\tref\talt\teffect_allele\tbeta\n1\t10\tG\tA\tA\t-1\n", ("1", 10, "", "A", "G", -1.0)),
        ("chr\tpos\tref\talt\teffect_allele\tbeta\n1\t10\tG\tA\tG\t-1\n", ("1", 10, "", "G", "A", -1.0)),
        ("variant_id effect_allele beta\n1:10:G:A A 3\n", ("1", 10, "1:10:G:A", "A", "", 3.0)),
        (
            "SNP CHR BP GENPOS ALLELE1 ALLELE0 A1FREQ F_MISS BETA SE P_BOLT_LMM_INF\n"
            "rs1 1 10 0.1 A G 0.2 0 0.5 0.1 1e-5\n",
            ("1", 10, "rs1", "A", "G", 0.5),
        ),
    ],
)
def test_tables_are_read_by_the_usual_names(tmp_path: Path, text: str, expected: tuple[object, ...]) -> None:
    row = read_scoring_file(written(tmp_path, text)).rows.iloc[0]
    found = tuple(row[["chrom", "pos", "id", "effect_allele", "other_allele", "weight"]])
    assert found == expected


@pytest.mark.parametrize("name", ["v0_331", "chr6_GL000250v2_alt:5", "s1:7:A:G"])
def test_names_that_only_look_like_places_are_names(tmp_path: Path, name: str) -> None:
    row = read_scoring_file(written(tmp_path, f"SNP\tA1\tBETA\n{name}\tA\t1\n")).rows.iloc[0]
    assert (row["id"], row["chrom"], row["pos"]) == (name, "", 0)


def test_a_column_of_names_can_be_named(tmp_path: Path) -> None:
    path = written(tmp_path, "SNP\tA1\tBETA\n1:7:A:G\tA\t1\n")
    row = read_scoring_file(path).rows.iloc[0]
    assert (row["id"], row["chrom"], row["pos"]) == ("1:7:A:G", "1", 7)
    row = read_scoring_file(path, columns={"id": "SNP"}).rows.iloc[0]
    assert (row["id"], row["chrom"], row["pos"]) == ("1:7:A:G", "", 0)


def test_a_weight_can_be_named(tmp_path: Path) -> None:
    path = written(tmp_path, "rsid effect_allele beta joint\nrs1 A 1 7\n")
    assert read_scoring_file(path, columns={"beta": "joint"}).rows["weight"].tolist() == [7.0]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("rsID\teffect_allele\teffect_weight\nrs1\tA\tx\n", "line 2 .*effect_weight is 'x'"),
        ("rsID\teffect_allele\teffect_weight\nrs1\tA\tinf\n", "line 2 .*effect_weight is 'inf'"),
        (
            "rsID\tchr_name\tchr_position\teffect_allele\teffect_weight\nr\t1\t1.5\tA\t1\n",
            "chr_position is '1.5'",
        ),
        ("rsID\teffect_allele\teffect_weight\n", "has no row"),
        ("rsid effect_allele p\nrs1 A 1\n", "has no column of weights"),
        ("chr pos A1 A2 OR\n1 1 A G 0\n", "line 2 .*OR is '0'"),
    ],
)
def test_what_cannot_be_read_is_named(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        read_scoring_file(written(tmp_path, text))


ROWS = pd.DataFrame({
    "chrom": ["1", "1", "X", "2"],
    "pos": [1000, 1000, 5, 0],
    "id": ["rs1", "rs1b", "", "rs4"],
    "effect_allele": ["A", "T", "GA", "C"],
    "other_allele": ["G", "G", "G", ""],
    "weight": [0.1 + 0.2, -1e-17, 3.0, 2.0],
    "variant_description": ["block 1", "", "", ""],
})  # fmt: skip


def test_written_files_are_read_back_the_same(tmp_path: Path) -> None:
    paths = [tmp_path / "a.txt", tmp_path / "mifm.BMI.top1.txt.gz"]
    for path in paths:
        write_scoring_file(
            path,
            ROWS,
            name="mifm.BMI",
            trait="BMI >= 30",
            build="hg19",
            header={"weight_type": "beta", "x": "1"},
        )
        score = read_scoring_file(path)
        columns = ["chrom", "pos", "id", "effect_allele", "other_allele", "weight"]
        expected = ROWS[columns].assign(chrom=["1", "1", "X", ""])
        pd.testing.assert_frame_equal(
            score.rows[columns].reset_index(drop=True), expected, check_exact=True, check_dtype=False
        )
        assert score.build == "GRCh37"
        assert score.header["trait_reported"] == "BMI \u2265 30"
        assert score.header["variants_number"] == "4"
        assert score.header["x"] == "1"
    assert score_name(paths[1]) == "mifm.BMI.top1"
    first = paths[1].read_bytes()
    assert gzip.decompress(first) == paths[0].read_bytes()
    write_scoring_file(
        paths[1],
        ROWS,
        name="mifm.BMI",
        trait="BMI >= 30",
        build="hg19",
        header={"weight_type": "beta", "x": "1"},
    )
    assert paths[1].read_bytes() == first


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"weight": [1.0, np.nan, 1.0, 1.0]}, "finite"),
        ({"effect_allele": ["A", "", "GA", "C"]}, "no effect allele"),
        ({"id": ["rs1", "", "", ""]}, "neither a place nor a name"),
        ({"effect_allele": ["A", "G", "GA", "C"], "other_allele": ["G", "A", "G", ""]}, "1:1000 rs1b G/A"),
        ({"flavour": [1, 2, 3, 4]}, "flavour"),
    ],
)
def test_rows_that_are_no_score_are_refused(
    tmp_path: Path, changed: dict[str, list[object]], message: str
) -> None:
    with pytest.raises(OptionError, match=message):
        write_scoring_file(tmp_path / "a.txt", ROWS.assign(**changed), name="a", trait="b", build="hg19")
    assert not list(tmp_path.iterdir())


def test_the_catalogs_own_reader_takes_what_is_written(tmp_path: Path) -> None:
    pytest.importorskip("pgscatalog.core")
    path = tmp_path / "ours.txt.gz"
    rows = ROWS.iloc[:3].assign(allelefrequency_effect=[0.1, 0.2, 0.3])
    write_scoring_file(path, rows, name="ours", trait="a = b", build="GRCh38", header={"citation": "x=y"})
    # In a process of its own: what it imports raises warnings, which are errors here.
    read = (
        "import sys; from pgscatalog.core.lib import ScoringFile; score = ScoringFile(sys.argv[1]);"
        "print(score.pgs_id, score.genome_build, score.header.trait_reported, sep='|');"
        "[print(v.chr_name, v.chr_position, v.effect_allele, v.other_allele, v.effect_weight, v.rsID,"
        " v.is_complex, sep='|') for v in score.variants]"
    )
    done = subprocess.run(
        [sys.executable, "-c", read, str(path)], check=True, capture_output=True, text=True, cwd=tmp_path
    )
    assert done.stdout.splitlines() == [
        "ours|GRCh38|a : b",
        "1|1000|A|G|0.30000000000000004|rs1|False",
        "1|1000|T|G|-1e-17|rs1b|False",
        "X|5|GA|G|3.0|None|False",
    ]


@pytest.mark.reference
def test_real_files_of_the_catalog(reference_data: Path) -> None:
    harmonised = read_scoring_file(reference_data / "data" / "pgs" / "PGS000001_hmPOS_GRCh37.txt")
    assert (harmonised.build, harmonised.harmonised, len(harmonised.rows)) == ("GRCh37", True, 77)
    assert harmonised.header["trait_reported"] == "Breast cancer"
    assert harmonised.rows["weight"].sum() == pytest.approx(1.806458435, abs=1e-8)  # by awk
    submitted = read_scoring_file(reference_data / "data" / "pgs" / "PGS001229_22.txt", build="GRCh38")
    assert (submitted.build, submitted.harmonised, len(submitted.rows)) == ("GRCh37", False, 835)
    assert set(submitted.rows["chrom"]) == {"22"}
    assert (submitted.rows["other_allele"] != "").all()
