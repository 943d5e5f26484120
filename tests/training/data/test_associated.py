"""What a table associates is never a negative, whatever becomes of its row."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from bed_reader import to_bed
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.builders import write_fasta
from training.data.associated import AssociatedPositions, shared_bases
from training.data.credible_sets import CredibleSetsConfig
from training.data.dataset import DataSet
from training.data.negatives import NegativesConfig
from training.data.prepare import DataConfig, prepare
from training.data.splits import SplitsConfig
from training.data.summary_statistics import ClumpingConfig, LDBlocksConfig, SummaryStatisticsConfig

COMMON = (901, 1000, 1001, 1002, 1101)
"""Positions of common variants; of a contig ``ACGT`` again and again, REF is A at 901, 1001 and 1101."""

FREE = 1101
"""The position that no table here has."""

SPLITS = SplitsConfig((), ())

GWAS = {"CHR": "1", "BP": "1001", "EA": "C", "NEA": "A", "BETA": "0.3", "SE": "0.03", "P": "1e-20"}
SETS = GWAS | {"PIP": "0.4", "LOCUS": "L", "PRIMARY": "1", "TRAIT": "T"}
FIELDS = {
    "chrom": "CHR", "pos": "BP", "effect_allele": "EA", "other_allele": "NEA", "beta": "BETA",
    "standard_error": "SE", "p_value": "P", "pip": "PIP", "block": "LOCUS", "primary": "PRIMARY",
    "study": "TRAIT",
}  # fmt: skip


def inputs(folder: Path, common: tuple[int, ...] = COMMON) -> tuple[str, NegativesConfig]:
    """A FASTA and a VCF file of common variants."""
    lines = ["##fileformat=VCFv4.2", "##contig=<ID=1>", "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO"]
    for pos in common:
        ref = "ACGT"[(pos - 1) % 4]
        lines.append(f"1\t{pos}\tn{pos}\t{ref}\t{'G' if ref != 'G' else 'T'}\t.\t.\tAF=0.3")
    (folder / "common.vcf").write_text("\n".join(lines) + "\n")
    fasta = write_fasta(folder / "genome.fa", {"1": "ACGT" * 1000})
    return str(fasta), NegativesConfig((str(folder / "common.vcf"),), max_distance=400)


def table(folder: Path, rows: list[dict[str, str]]) -> str:
    lines = ["\t".join(rows[0]), *("\t".join(row.values()) for row in rows)]
    (folder / "table.tsv").write_text("\n".join(lines) + "\n")
    return str(folder / "table.tsv")


def rows_with(plain: dict[str, str], defect: dict[str, str]) -> list[dict[str, str]]:
    """Three good rows, at 897, 901 and 905, and one at 1001 with a defect."""
    return [*(plain | {"BP": pos} for pos in ("897", "901", "905")), plain | defect]


def negatives(made: DataSet) -> list[int]:
    return made.instances["pos"][
        made.instances["bag"].isin(made.bags["bag"][made.bags["label"] == 0])
    ].tolist()


def from_gwas(folder: Path, rows: list[dict[str, str]], **options: object) -> DataSet:
    fasta, common = inputs(folder)
    blocks = folder / "blocks.txt"
    blocks.write_text("chr\tstart\tstop\tpop\n1\t0\t1000\tEUR\n1\t1000\t1005\tEUR\n")
    config = SummaryStatisticsConfig(table(folder, rows), ld_blocks=LDBlocksConfig(str(blocks)))
    config = dataclasses.replace(config, **options)
    return prepare(fasta, DataConfig(None, config, common, SPLITS, min_bag_size=2))


def from_sets(folder: Path, rows: list[dict[str, str]], **options: object) -> DataSet:
    fasta, common = inputs(folder)
    config = CredibleSetsConfig(table(folder, rows), "table", FIELDS)
    config = dataclasses.replace(config, **options)
    return prepare(fasta, DataConfig(config, None, common, SPLITS, min_bag_size=2))


DEFECTS = {
    "an error of 0": {"SE": "0"},
    "an effect that is infinite": {"BETA": "inf"},
    "no p-value": {"P": "NA"},
    "a p-value above 1": {"P": "7"},
    "a p-value below 0": {"P": "-300"},
    "I and D": {"EA": "I", "NEA": "D"},
    "an allele of no bases": {"EA": "-"},
    "a symbol": {"EA": "<DEL>"},
    "no allele": {"EA": "NA"},
    "the same alleles": {"EA": "A"},
    "another REF": {"EA": "G", "NEA": "C"},
    "a small bag": {},
    "a twin": {"BP": "901", "P": "1e-30", "EA": "G"},
}


@pytest.mark.parametrize("defect", DEFECTS)
def test_no_row_of_summary_statistics_becomes_a_negative(tmp_path: Path, defect: str) -> None:
    rows = rows_with(GWAS, DEFECTS[defect])
    made = from_gwas(tmp_path, rows)
    at_defect = int(rows[-1]["BP"])
    assert FREE in negatives(made)
    assert at_defect not in negatives(made)
    assert made.manifest["report"]["associated"]["rows_without_a_readable_place"] == 0


@pytest.mark.parametrize(
    "defect",
    [
        *DEFECTS,
        "a PIP above 1",
        "a PIP below 0",
        "no block",
        "no study",
        "a signal of 3",
    ],
)
def test_no_row_of_credible_sets_becomes_a_negative(tmp_path: Path, defect: str) -> None:
    other = {
        "a PIP above 1": {"PIP": "1.5"},
        "a PIP below 0": {"PIP": "-0.5"},
        "no block": {"LOCUS": "NA"},
        "no study": {"TRAIT": "NA"},
        "a signal of 3": {"PRIMARY": "3"},
    }
    rows = rows_with(SETS, {"P": "0.9", **(DEFECTS | other)[defect]})
    made = from_sets(tmp_path, rows)
    assert FREE in negatives(made)
    assert int(rows[-1]["BP"]) not in negatives(made)


@pytest.mark.parametrize(
    ("name", "free"), [("1:1001_I_D", False), ("1:1001", False), ("1:1001x", True), ("rs1001", True)]
)
def test_the_place_of_an_identifier_is_read_without_its_alleles(
    tmp_path: Path, name: str, free: bool
) -> None:
    rows = [{"SNP": f"1:{pos}_A_C", "LOCUS": "L"} for pos in (897, 901, 905)] + [{"SNP": name, "LOCUS": "L"}]
    made = from_sets(tmp_path, rows, columns={"variant": "SNP", "block": "LOCUS"})
    assert (1001 in negatives(made)) == free
    assert made.manifest["report"]["associated"]["rows_without_a_readable_place"] == int(free)


def test_rows_without_a_place_are_counted_apart(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    rows = rows_with(GWAS, {"CHR": "NA"})
    made = from_gwas(tmp_path, rows)
    assert made.manifest["report"]["associated"] == {
        "positions": 3, "rows": 4, "rows_without_a_readable_place": 1,
        "in_no_bag": {"place missing (rows)": 1},
    }  # fmt: skip
    assert negatives(made) == [1000, 1001, 1002, FREE]
    assert "1 associated rows have no place that can be read" in caplog.text


def test_variants_outside_of_blocks_and_bags_are_kept_out(tmp_path: Path) -> None:
    # 1009 is in no block; 1001 is alone in the second one, which has no lead variant.
    rows = rows_with(GWAS, {"P": "1e-6"})
    rows.append(GWAS | {"BP": "1002", "P": "2e-6", "EA": "A", "NEA": "C"})
    rows.append(GWAS | {"BP": "1101"})
    made = from_gwas(tmp_path, rows)
    assert negatives(made) == [1000]


def test_a_row_above_the_limit_may_be_a_negative(tmp_path: Path) -> None:
    assert negatives(from_gwas(tmp_path, rows_with(GWAS, {"P": "0.3"}))) == [1000, 1001, 1002, FREE]


@pytest.mark.parametrize("genotyped", [(897, 901), (897, 901, 1001)])
def test_variants_without_a_clump_are_kept_out(tmp_path: Path, genotyped: tuple[int, ...]) -> None:
    """1001 has no genotypes, or is in no clump; 897 and 901 are in perfect LD."""
    genotypes = np.array([[0, 0, 0], [0, 0, 2], [2, 2, 0], [2, 2, 2]], dtype="float32")
    properties = {
        "chromosome": ["1"] * len(genotyped),
        "bp_position": list(genotyped),
        "allele_1": ["C"] * len(genotyped),
        "allele_2": ["A"] * len(genotyped),
    }
    genotypes = np.ascontiguousarray(genotypes[:, : len(genotyped)])
    to_bed(tmp_path / "g.bed", genotypes, properties=properties)
    rows = [GWAS | {"BP": "897"}, GWAS | {"BP": "901"}, GWAS | {"P": "1e-6"}]
    made = from_gwas(tmp_path, rows, ld_blocks=None, clumping=ClumpingConfig((str(tmp_path / "g"),)))
    assert made.instances["pos"][made.instances["bag"] == 0].tolist() == [897, 901]
    assert negatives(made) == [1000, 1002, FREE]


def test_a_variant_is_recognised_by_bases_that_its_alleles_share(tmp_path: Path) -> None:
    """A deletion without the base before it, and variants of several bases that differ in the last only."""
    associated = AssociatedPositions()
    associated.add(
        np.array(["1", "1", "X", "25", ""], dtype=object),
        np.array([1001, 2000, 5, 7, 9]),
        np.array(["-", "ACG", "A", "A", "A"], dtype=object),
        np.array(["C", "ATG", "AT", "C", "C"], dtype=object),
    )
    held = [pos for pos in range(990, 2010) if associated.holds("1", pos)]
    assert held == [1000, 1001, 2000, 2001]
    assert associated.holds("chr1", 1998, "GCACG", "GCACA") is False
    assert associated.holds("chr1", 1998, "GCAA", "GCAT")
    assert [pos for pos in range(1, 10) if associated.holds("chrX", pos)] == [5, 7]
    assert associated.holds("chrM", 7)
    assert associated.counts() == {"positions": 8, "rows": 5, "rows_without_a_readable_place": 1}


@pytest.mark.parametrize(
    ("one", "other", "shared"),
    [("A", "C", 0), ("A", "AT", 0), ("ACG", "ATG", 1), ("AC", "ACT", 1), ("", "A", 0)],
)
def test_shared_bases(one: str, other: str, shared: int) -> None:
    assert shared_bases(one, other) == shared_bases(other, one) == shared


ODD = st.sampled_from(["", "NA", "#NA", ".", "0", "-1", "inf", "nan", "1e-400", "7", "x", "-"])


@st.composite
def odd_rows(draw: st.DrawFn, plain: dict[str, str]) -> list[dict[str, str]]:
    """Good rows, and some with defects in any column but the place, or with a p-value that is not low."""
    rows = [plain | {"BP": str(pos)} for pos in range(501, 900, 4)]
    for pos in draw(st.lists(st.sampled_from(range(893, 1120, 4)), min_size=1, max_size=12)):
        row = plain | {
            "BP": str(pos),
            "CHR": draw(st.sampled_from(["1", "chr1", "01", "1.0", "Chr1", " 1 "])),
        }
        for column in draw(st.lists(st.sampled_from(sorted(set(plain) - {"BP", "CHR"})), max_size=3)):
            row[column] = draw(ODD | st.just("0.5") if column == "P" else ODD)
        rows.append(row)
    return rows


def check_negatives(made: DataSet, associated: set[int]) -> None:
    """All positions but the associated ones are negatives, and but those before an indel without its base."""
    found = set(negatives(made))
    assert not associated & found
    assert set(range(900, 1125)) - associated <= found | {pos - 1 for pos in associated}


@settings(deadline=None, max_examples=40)
@given(rows=odd_rows(SETS))
def test_no_place_of_credible_sets_is_ever_a_negative(
    tmp_path_factory: pytest.TempPathFactory, rows: list[dict[str, str]]
) -> None:
    folder = tmp_path_factory.mktemp("odd")
    fasta, common = inputs(folder, tuple(range(880, 1125)))
    config = CredibleSetsConfig(table(folder, rows), "table", FIELDS)
    made = prepare(fasta, DataConfig(config, None, common, SPLITS, min_bag_size=1))
    check_negatives(made, {int(row["BP"]) for row in rows})


@settings(deadline=None, max_examples=40)
@given(rows=odd_rows(GWAS))
def test_no_associated_place_of_summary_statistics_is_ever_a_negative(
    tmp_path_factory: pytest.TempPathFactory, rows: list[dict[str, str]]
) -> None:
    folder = tmp_path_factory.mktemp("odd")
    fasta, common = inputs(folder, tuple(range(880, 1125)))
    blocks = folder / "blocks.txt"
    blocks.write_text("chr\tstart\tstop\tpop\n1\t0\t1000\tEUR\n1\t1000\t1050\tEUR\n")
    config = SummaryStatisticsConfig(table(folder, rows), ld_blocks=LDBlocksConfig(str(blocks)))
    made = prepare(fasta, DataConfig(None, config, common, SPLITS, min_bag_size=1))
    check_negatives(made, {int(row["BP"]) for row in rows if row["P"] != "0.5"})
