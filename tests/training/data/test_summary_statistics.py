import gzip
import math
import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from bed_reader import to_bed
from scipy.stats import norm

from mifm_kipoi.errors import InputError
from mifm_kipoi.genetics.associations import ASSOCIATION_COLUMNS
from mifm_kipoi.genetics.row_counts import RowCounts
from training.data.associated import AssociatedPositions
from training.data.summary_statistics import (
    ClumpingConfig,
    LDBlocksConfig,
    SummaryStatisticsConfig,
    read_summary_statistics,
)

BLOCKS = "chr\tstart\tstop\tpop\n1\t0\t100\tAFR\n1\t0\t100\tEUR\n1\t100\t200\tEUR\n2\t50\t80\tEUR\n"
HEADER = (
    "chromosome\tbase_pair_location\teffect_allele\tother_allele\tbeta\tstandard_error\t"
    "effect_allele_frequency\tp_value\tvariant_id\trsid\n"
)


def write(path: Path, text: str) -> str:
    path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())
    return str(path)


def configure(folder: Path, text: str, name: str = "gwas.tsv", **options: Any) -> SummaryStatisticsConfig:
    blocks = LDBlocksConfig(write(folder / "blocks.tsv", BLOCKS))
    return SummaryStatisticsConfig(write(folder / name, text), **({"ld_blocks": blocks} | options))


def read(
    config: SummaryStatisticsConfig, block_bytes: int | None = None
) -> tuple[pd.DataFrame, dict[str, int]]:
    counts = RowCounts()
    parts = list(read_summary_statistics(config, counts, block_bytes=block_bytes))
    for part in parts:
        assert {name: str(kind) for name, kind in part.dtypes.items()} == ASSOCIATION_COLUMNS
        assert part["chrom"].nunique() == 1
    found = pd.concat(parts, ignore_index=True)
    assert counts.kept == len(found)
    lost = counts.above + counts.refused.total() + counts.left_out.total() + counts.other_tests.total()
    assert counts.read == counts.kept + lost
    return found, {**counts.refused, **counts.left_out, "above": counts.above}


@pytest.mark.parametrize("block_bytes", [20, 150, 1 << 20])
@pytest.mark.parametrize("name", ["gwas.tsv", "gwas.tsv.gz"])
def test_gwas_ssf(tmp_path: Path, name: str, block_bytes: int) -> None:
    lines = [
        "1\t100\ta\tG\t0.3\t0.05\t0.1\t2e-9\t1_100_G_A\trs1",
        "1\t101\tA\tG\t0.3\t0.05\t0.1\t2e-9\t1_101_G_A\t#NA",
        "chr1\t7\tAT\tG\t#NA\tNA\t0.1\t1e-5\t#NA\trs2",
        "1\t9\tA\tG\t0.3\t0.05\t0.1\t1.1e-5\t.\trs3",
        "",
        "1\t9\tA\tG\t0.3\t0.05\t0.1\tNA\t.\trs3",
        "1\t9\tA\tG\t0.3\t0.05\t0.1\t-0.1\t.\trs3",
        "1\t9\tA\tG\t0.3\t0.05\t0.1\t1.1\t.\trs3",
        "1\t#NA\tA\tG\t0.3\t0.05\t0.1\t1e-7\t.\trs3",
        "1\t0\tA\tG\t0.3\t0.05\t0.1\t1e-7\t.\trs3",
        "1\t9\tNA\tG\t0.3\t0.05\t0.1\t1e-7\t.\trs3",
        "1\t9\tA\t<DEL>\t0.3\t0.05\t0.1\t1e-7\t.\trs3",
        "1\t9\tA\ta\t0.3\t0.05\t0.1\t1e-7\t.\trs3",
        "1\t9\tA\tG\tinf\t0.05\t0.1\t1e-7\t.\trs3",
        "1\t9\tA\tG\t0.3\t0\t0.1\t1e-7\t.\trs3",
        "1\t100\tG\tA\t-0.3\t0.06\t0.1\t5e-7\t.\trs1",
        "2\t50\tA\tG\t0.3\t0.05\t0.1\t1e-9\t.\trs5",
        "2\t51\tA\tG\t0.3\t0.05\t0.1\t6e-8\t.\trs6",
        "23\t51\tA\tG\t0.3\t0.05\t0.1\t1e-9\t.\trs6",
        *(f"3\t{pos}\tA\tG\t0.1\t0.05\t0.1\t0.0455\t.\trs" for pos in range(1, 21)),
    ]
    config = configure(tmp_path, HEADER + "\n".join(lines) + "\n", name)
    found, counts = read(config, block_bytes)
    columns = ["chrom", "pos", "effect_allele", "other_allele", "id", "p_value", "block", "signal", "study"]
    assert found[columns].to_numpy().tolist() == [
        ["1", 100, "A", "G", "rs1", 2e-9, "2", "all", name],
        ["1", 101, "A", "G", ".", 2e-9, "3", "all", name],
        ["1", 7, "AT", "G", "rs2", 1e-5, "2", "all", name],
    ]
    # z = 0.3 / 0.05; with W = 0.04 and V = 0.0025: -1/2 log(1 + 16) + 1/2 * 36 * 0.04 / 0.0425.
    log_bf = -0.5 * math.log(17) + 18 * 16 / 17
    np.testing.assert_allclose(found["z"], [6, 6, np.nan], rtol=1e-6)
    np.testing.assert_allclose(found["log_bf"], [log_bf, log_bf, np.nan], rtol=1e-6)
    assert found["pip"].isna().all()
    assert counts == {
        "above": 21,
        "p-value missing": 1,
        "p-value out of range": 2,
        "place missing": 1,
        "position out of range": 1,
        "allele missing": 1,
        "allele is not of A, C, G and T": 1,
        "alleles are the same": 1,
        "effect out of range": 1,
        "standard error out of range": 1,
        "repeated variant": 1,
        "outside the LD blocks": 2,
        "block without a lead variant": 1,
    }


def test_what_a_table_lacks_follows_from_the_p_value(tmp_path: Path) -> None:
    ratios = "CHR BP A1 A2 OR SE P\n 1 5 A G 0.5 0.1 1e-9\n 1  6 A G 2 NA 1e-9\n 1 7 A G 1 NA 1e-9\n"
    found, _ = read(configure(tmp_path, ratios))
    z = norm.isf(5e-10)
    assert found["z"].tolist() == pytest.approx([math.log(0.5) / 0.1, z, 0])
    # The Wald test of log(2) with that p-value has a standard error of log(2) / z.
    variance = (math.log(2) / z) ** 2
    log_bf = 0.5 * math.log(variance / (variance + 0.04)) + 0.5 * z**2 * 0.04 / (variance + 0.04)
    assert found["log_bf"][1] == pytest.approx(log_bf)
    assert np.isnan(found["log_bf"][2])
    scores = "CHR,BP,A1,A2,Z,P\n1,5,A,G,-6,1e-9\n1,6,A,G,,1e-9\n"
    np.testing.assert_allclose(read(configure(tmp_path, scores))[0]["z"], [-6, np.nan])


def test_p_values_that_are_too_small_for_a_number(tmp_path: Path) -> None:
    text = "CHR\tBP\tEA\tNEA\thazard_ratio\tneg_log_10_p_value\n1\t5\tA\tG\t0.9\t400\n1\t6\tA\tG\t1.1\t4.9\n"
    found, counts = read(configure(tmp_path, text))
    assert found["p_value"].tolist() == [0]
    assert norm.logsf(-found["z"][0]) == pytest.approx(-400 * math.log(10) - math.log(2))
    assert counts == {"above": 1}
    assert found["log_p"].tolist() == [pytest.approx(-400 * math.log(10))]
    zero, _ = read(configure(tmp_path, "CHR\tBP\tEA\tNEA\tBETA\tP\n1\t5\tA\tG\t0.9\t0\n"))
    assert np.isnan(zero["z"][0])


def test_the_format_of_the_table_is_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    text = "SNP CHR BP GENPOS ALLELE1 ALLELE0 BETA SE P_BOLT_LMM\nrs1 1 5 0.1 A G 0.6 0.1 1e-9\n"
    found, _ = read(configure(tmp_path, text))
    assert found[["effect_allele", "other_allele", "z"]].to_numpy().tolist() == [["A", "G", 6]]
    assert re.search(r"gwas\.tsv is read as the format bolt: .*ALLELE1 has the effect", caplog.text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty; expected a header"),
        ("CHR\tBP\tP\tP\n", "more than one column P"),
        ("CHR\tBP\tA1\tA2\tP\n\n1\t5\tA\tG\n", r"line 3 of .*gwas\.tsv has 4 fields; expected 5"),
        ("CHR BP A1 A2 P\n1 5 A G 1e-9\n1 5 A G 1e-9 1\n", "line 3 of .* has 6 fields; expected 5"),
        ('CHR,BP,A1,A2,P\n1,5,"A,C",G,1e-9,1\n', "line 2 of .* has 6 fields; expected 5"),
        ("CHR BP A1 A2 P\n1 5 A G low\n", r"p-value is not a number \(1, such as line 2: P is 'low'\)"),
        ("CHR BP A1 A2 P\n1 x A G 1e-9\n", r"position is not a number \(1, such as line 2: BP is 'x'\)"),
        (
            "CHR BP A1 A2\n1 x A G\n",
            "no column of p-values.*its columns are CHR, BP, A1, A2.*known are.*pval",
        ),
    ],
)
@pytest.mark.parametrize("block_bytes", [15, 1 << 20])
def test_malformed_lines_are_named(tmp_path: Path, text: str, message: str, block_bytes: int) -> None:
    with pytest.raises(InputError, match=message):
        read(configure(tmp_path, text), block_bytes)


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    config = configure(tmp_path, "CHR BP A1 A2 P\n" + "1 5 A G 1e-9\n" * 1000, "gwas.gz")
    path = Path(config.path)
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(InputError, match=r"cannot read .*gwas\.gz"):
        read(config)
    path.write_bytes(b"CHR BP A1 A2 P\n1 5 \xff G 1e-9\n")
    with pytest.raises(InputError, match=r"line 2 of .*gwas\.gz .*UTF"):
        read(config)
    path.unlink()
    with pytest.raises(InputError, match=r"cannot read .*gwas\.gz"):
        read(config)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("", "has a header and no rows"),
        ("1 5 A G 1e-7\n", r"no variant .* p-value up to 5e-08, but 1e-07 at least: 1 rows read, 1 kept"),
        ("1 5 A G 0.5\n", r"no variant .* p-value up to 5e-08: 1 rows read, 0 kept, 1 with a p-value above"),
        (
            "1 5 I D 1e-9\n" + "1 6 A G 0.5\n" * 3,
            r"1 refused: allele is not of A, C, G and T \(1, such as line 2: A1 is 'I'\)",
        ),
        (
            "9 5 A G 1e-9\n",
            r"no variant .* LD blocks: .*outside the LD blocks \(1, such as line 2: .*9:5:G:A",
        ),
        ("2 60 A G 1e-7\n1 150 A G 1e-7\n", "no variant .* that can be used has a p-value up to 5e-08"),
    ],
)
def test_a_table_without_lead_variants(tmp_path: Path, rows: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        read(configure(tmp_path, f"CHR BP A1 A2 P\n{rows}"))


def test_contigs_without_blocks_are_warned_of(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    read(configure(tmp_path, "CHR BP A1 A2 P\nchr01 5 A G 1e-9\n9 5 A G 1e-9\n9 6 A G 1e-9\n"))
    assert re.search(r"rows on contigs that .*blocks\.tsv does not have: '9' \(2 rows\)", caplog.text)


@pytest.mark.parametrize("wanted", ["MPV", ("MPV", "PLT")])
def test_rows_of_some_traits(tmp_path: Path, wanted: str | tuple[str, ...]) -> None:
    rows = ["1 5 A G 1e-9 MPV", "1 6 A G 1e-9 HGB", "1 7 I D 1e-9 HGB", "1 8 A G 1e-9 PLT"]
    text = "\n".join(["CHR BP A1 A2 P trait", *rows]) + "\n"
    associated = AssociatedPositions()
    config = configure(tmp_path, text, where={"trait": wanted})
    (found,) = read_summary_statistics(config, associated=associated)
    assert found["pos"].tolist() == ([5] if wanted == "MPV" else [5, 8])
    assert [pos for pos in range(1, 20) if associated.holds("1", pos)] == [5, 6, 7, 8]
    with pytest.raises(InputError, match=r"no rows in which trait is RBC: there is MPV, HGB, PLT"):
        list(read_summary_statistics(configure(tmp_path, text, where={"trait": "RBC"})))
    with pytest.raises(InputError, match=r"no column set, whose values choose the rows .*CHR, BP"):
        list(read_summary_statistics(configure(tmp_path, text, where={"set": "1"})))


def test_the_row_with_the_lowest_logarithm_of_p_counts(tmp_path: Path) -> None:
    rows = ["1 5 A G 0.1 350", "1 5 A G 0.2 1000", "1 5 G A 0.3 400"]
    text = "\n".join(["CHR BP A1 A2 BETA NEG_LOG10_P", *rows]) + "\n"
    found, counts = read(configure(tmp_path, text))
    assert found["z"].tolist() == [pytest.approx(67.8, abs=0.1)]
    assert counts["repeated variant"] == 2


def test_places_with_any_low_p_value_are_associated(tmp_path: Path) -> None:
    header = "CHR BP A1 A2 TEST BETA SE P mlogp\n"
    rows = ["1 110 A G ADD 0.7 0.1 2.6e-12 11.6", "1 120 A G ADD NA NA 0 0", "1 130 A G ADD 0.1 0.1 0.3 0.5",
            "1 130 A G REC 0.7 0.1 2.6e-12 11.6", "1 140 A G ADD NA NA 0.9 40", "1 150 A G ADD NA NA x 0.3",
            "1 160 A G ADD 0.1 0.1 0.3 0.5", "1 160 A G AGE 0.7 0.1 2.6e-12 11.6"]  # fmt: skip
    text = (header + "\n".join(rows) + "\n").replace(" ", "\t")
    associated = AssociatedPositions()
    config = configure(tmp_path, text)
    (found,) = read_summary_statistics(config, associated=associated)
    assert found["pos"].tolist() == [110, 120]
    places = [pos for pos in range(110, 170, 10) if associated.holds("1", pos)]
    assert places == [110, 120, 130, 140, 150]


def test_z_with_frequency_and_sample_size_gives_bayes_factors(tmp_path: Path) -> None:
    found, _ = read(configure(tmp_path, "CHR BP A1 A2 Z P EAF N\n1 5 A G 6 2e-9 0.5 800\n"))
    # V = 1 / (2 * 800 / 4) = 1 / 400; W = 0.04, so that W / (V + W) is 16 / 17.
    assert found["log_bf"].tolist() == [pytest.approx(-0.5 * math.log(17) + 18 * 16 / 17)]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "expected one of ld_blocks and clumping"),
        ({"ld_blocks": LDBlocksConfig("b"), "clumping": ClumpingConfig(("g",))}, "expected one of"),
        ({"lead_p_value": 1e-3}, r"lead_p_value is 0\.001 and member_p_value 1e-05"),
        ({"lead_p_value": 0.0}, r"lead_p_value is 0\.0 and"),
        ({"ld_blocks": LDBlocksConfig("b"), "columns": {"P": "x"}}, "columns has P; known are chrom, pos"),
        (
            {"ld_blocks": LDBlocksConfig("b"), "format": "plink"},
            "format is 'plink'; expected one of auto, table",
        ),
        ({"ld_blocks": LDBlocksConfig("b"), "sample_size": 0.0}, "sample_size is 0"),
    ],
)
def test_configurations_that_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        SummaryStatisticsConfig("table", **options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"genotypes": ()}, "genotypes is empty"),
        ({"r2": 1.0}, r"r2 is 1\.0"),
        ({"r2": math.nan}, "r2 is nan"),
        ({"kb": 0.0}, r"kb is 0\.0"),
        ({"kb": math.inf}, "kb is inf"),
    ],
)
def test_clumping_that_is_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ClumpingConfig(**({"genotypes": ("g",)} | options))


def test_clumps(tmp_path: Path) -> None:
    # Variants at 10, 20 and 30 are in perfect LD; the one at 40 is independent of them.
    genotypes = np.array([[0, 0, 0, 0], [0, 0, 0, 2], [2, 2, 2, 0], [2, 2, 2, 2]], dtype="float32")
    properties = {
        "chromosome": ["1"] * 4,
        "bp_position": [10, 20, 30, 40],
        "allele_1": ["A"] * 4,
        "allele_2": ["G"] * 4,
    }
    to_bed(tmp_path / "g.bed", genotypes, properties=properties)
    rows = ["10 A G 1e-7", "20 G A 1e-9", "30 A G 2e-5", "40 A G 1e-6", "50 A G 1e-9"]
    text = "CHR BP A1 A2 P\n" + "".join(f"chr1 {row}\n" for row in rows)
    config = configure(
        tmp_path, text, ld_blocks=None, clumping=ClumpingConfig((str(tmp_path / "g"),)), study="mine"
    )
    found, counts = read(config)
    assert found[["pos", "block", "study"]].to_numpy().tolist() == [
        [20, "1:20:A:G", "mine"],
        [10, "1:20:A:G", "mine"],
    ]
    assert counts == {"above": 1, "not in the genotypes": 1, "in no clump": 1}


@pytest.mark.reference
def test_a_real_table_of_bolt(reference_data: Path) -> None:
    folder = reference_data / "data"
    path = str(folder / "genotypes/eur1000G_subset/bolt.sumstats.txt.gz")
    config = SummaryStatisticsConfig(
        path,
        columns={"p_value": "P_BOLT_LMM"},
        ld_blocks=LDBlocksConfig(str(folder / "finemapping/causaldb_ld_blocks.txt")),
    )
    found, counts = read(config, 1 << 18)
    # The oracle reads the file at once and pairs every variant with every block of its chromosome.
    table = pd.read_csv(path, sep="\t", usecols=["CHR", "BP", "P_BOLT_LMM"])
    low = table[table["P_BOLT_LMM"] <= 1e-5]
    blocks = pd.read_csv(folder / "finemapping/causaldb_ld_blocks.txt", sep="\t")
    blocks["block"] = range(1, len(blocks) + 1)
    pairs = low.merge(blocks[blocks["pop"] == "EUR"], left_on="CHR", right_on="chr")
    pairs = pairs[(pairs["start"] < pairs["BP"]) & (pairs["BP"] <= pairs["stop"])]
    expected = pairs[pairs.groupby("block")["P_BOLT_LMM"].transform("min") <= 5e-8]
    assert (
        found.groupby("block").size().rename(index=int).to_dict()
        == expected.groupby("block").size().to_dict()
    )
    assert found["p_value"].sum() == pytest.approx(expected["P_BOLT_LMM"].sum())
    assert found["block"].nunique() == 10
    assert counts["above"] == len(table) - len(low)
