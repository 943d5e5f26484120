"""Credible sets on simulated sequence: what is moved, what stands in the sequence, and a data set of it."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.__main__ import main
from benchmarks.real.placed import (
    BETWEEN_BP,
    WITHIN_BP,
    Placement,
    contig_map,
    place_alleles,
)
from mifm_kipoi import Genome
from mifm_kipoi.conventions import WINDOW
from mifm_kipoi.errors import InputError, OptionError
from training.configuration import read_configuration
from training.data.credible_sets import CredibleSetsConfig
from training.data.prepare import prepare
from training.recipe import Recipe

COLUMNS = (
    "chr,bp,rsid,maf,ea,nea,beta,se,p,zscore,cojo_beta,cojo_se,cojo_p,abf,finemap,paintor,caviarbf,susie,"
    "polyfun_finemap,polyfun_susie,meta_id,block_id,tool,lead_snp,primary"
)


def causaldb_rows() -> list[str]:
    """Ten blocks of two studies, 5 Mb from each other, each of ten variants 100 bp apart."""
    rows = []
    for block, chrom in enumerate((1, 1, 1, 2, 3, 4, 9, 10, 11, 12), start=1):
        for study in ("S1", "S2"):
            for number in range(10):
                bp = block * 5_000_000 + number * 100
                ea, nea = ("ACT"[number % 3], "G") if number != 4 else ("G", "GTTT")
                beta = 0.4 if number == 3 else 0.3
                pip = 0.91 if number == 3 else 0.01
                rows.append(
                    f"{chrom},{bp},rs{bp},0.2,{ea},{nea},{beta},0.05,{1e-12 if number == 3 else 1e-9},"
                    f"{beta / 0.05},,,,{pip},{pip},-1,-1,{pip},-1,-1,{study},{block},1,rs{bp},1"
                )
    return rows


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "sets.csv"
    path.write_text("\n".join([COLUMNS, *causaldb_rows()]) + "\n")
    return path


def base_at(genome: Genome, contig: str, pos: int) -> str:
    return genome.fetch(contig, pos - 1, pos).tobytes().decode()


def spans(*pairs: tuple[int, int]) -> pd.DataFrame:
    return pd.DataFrame(pairs, columns=["start", "end"])


class TestPositions:
    def test_long_gaps_are_cut(self) -> None:
        """Within the first block 9,847 bases become 2,000; between the blocks 199,999 become 50,000."""
        variants = spans((100, 100), (150, 152), (10_000, 10_000), (210_000, 210_000))
        found = contig_map(variants, spans((100, 10_000), (210_000, 210_000)))
        first = BETWEEN_BP + 1
        expected = [first, first + 50, first + 52, first + 2_053, first + 52_054]
        assert found.moved(np.array([100, 150, 152, 10_000, 210_000])).tolist() == expected
        assert found.length == first + 52_054 + BETWEEN_BP

    def test_what_lies_between_stays_between(self) -> None:
        found = contig_map(spans((100, 100), (10_000, 10_000)), spans((100, 10_000)))
        first, middle, last = found.moved(np.array([100, 5_050, 10_000])).tolist()
        assert middle == pytest.approx((first + last) / 2, abs=1)
        assert found.moved(np.array([1, 20_000])).tolist() == [first, last]

    def test_a_block_around_another_keeps_the_short_gaps(self) -> None:
        variants = spans((1, 1), (40_000, 40_000), (50_000, 50_000), (90_000, 90_000))
        found = contig_map(variants, spans((1, 90_000), (40_000, 40_000), (50_000, 50_000)))
        assert np.diff(found.moved(variants["start"].to_numpy())).tolist() == [2_001] * 3

    @given(st.lists(st.tuples(st.integers(1, 300_000), st.integers(1, 12), st.integers(0, 3)), min_size=1))
    def test_near_variants_keep_their_distance(self, drawn: list[tuple[int, int, int]]) -> None:
        """Neighbours up to the limit keep their distance, others stay further than windows reach."""
        variants = pd.DataFrame(drawn, columns=["start", "size", "block"]).sort_values("start")
        variants["end"] = variants["start"] + variants["size"] - 1
        blocks = variants.groupby("block")["start"].agg(start="min", end="max")
        found = contig_map(variants, blocks)
        before = variants["start"].to_numpy()
        after = found.moved(before)
        near = np.diff(before) <= WITHIN_BP
        assert (np.diff(after)[near] == np.diff(before)[near]).all()
        assert (np.diff(after)[~near] > 2 * WINDOW).all()
        assert after[0] > BETWEEN_BP
        assert after[-1] + BETWEEN_BP <= found.length


class TestAlleles:
    @staticmethod
    def placed(*rows: tuple[int, str, str]) -> tuple[str, list[bool]]:
        """The bases of a contig of 8 bp, and which variants have an allele there."""
        variants = pd.DataFrame(rows, columns=["pos", "other_allele", "effect_allele"])
        bases, placed = place_alleles(variants, 8)
        return "".join("ACGTN"[base] for base in bases), placed.tolist()

    def test_the_other_allele_stands_at_the_position(self) -> None:
        assert self.placed((2, "G", "A"), (5, "TCA", "T")) == ("NGNNTCAN", [True, True])

    def test_a_substitution_fits_the_deletion_around_it(self) -> None:
        assert self.placed((3, "A", "C"), (2, "GCT", "G")) == ("NGCTNNNN", [True, True])

    def test_the_allele_in_common_is_the_reference(self) -> None:
        assert self.placed((1, "G", "A"), (1, "C", "A")) == ("ANNNNNNN", [True, True])

    def test_variants_that_exclude_each_other(self) -> None:
        assert self.placed((1, "G", "A"), (1, "C", "T")) == ("GNNNNNNN", [True, False])


class TestCausalDB2:
    def test_a_data_set_of_all_rows(self, table: Path, tmp_path: Path) -> None:
        """Every row is used, and chromosomes are held out as in a real table."""
        out = tmp_path / "placed"
        assert main(["real", "placed", "--table", str(table), "--out", str(out)]) == 0
        recipe = read_configuration(["default", out / "recipe.yaml"], Recipe)
        report = prepare(recipe.fasta, recipe.data).manifest["report"]
        assert report["variants"]["orientation"] == {"ok": 100}
        bags = {
            row["split"]: (row["bags"], row["instances"])
            for row in report["bags"]["per_split_and_label"]
            if row["label"]
        }
        assert bags == {"train": (6, 60), "validation": (2, 20), "test": (2, 20)}
        (traits,) = report["effects"]["traits"]
        assert (traits["trait"], traits["rows"]) == ("case-control", 200)
        assert report["negatives"]["kept"] > 20

    def test_the_table_keeps_all_else(self, table: Path, tmp_path: Path) -> None:
        Placement(CredibleSetsConfig(str(table)), tmp_path / "placed").run()
        before = pd.read_csv(table, dtype=str)
        after = pd.read_csv(tmp_path / "placed" / "credible_sets.tsv.gz", sep="\t", dtype=str)
        pd.testing.assert_frame_equal(before.drop(columns="bp"), after.drop(columns="bp"))
        # Blocks begin 50 kb apart, one behind the other.
        first = after.groupby(["chr", "block_id"])["bp"].first().astype(int)
        assert first["1"].tolist() == [50_001, 100_902, 151_803]
        assert first.drop("1").tolist() == [50_001] * 7

    def test_common_variants_leave_alleles_alone(self, table: Path, tmp_path: Path) -> None:
        Placement(CredibleSetsConfig(str(table)), tmp_path / "placed").run()
        genome = Genome(tmp_path / "placed" / "genome.fa")
        rows = pd.read_csv(tmp_path / "placed" / "credible_sets.tsv.gz", sep="\t", dtype={"chr": str})
        taken = {
            (row.chr, row.bp + ahead)
            for row in rows.itertuples()
            for ahead in range(max(len(row.ea), len(row.nea)))
        }
        with gzip.open(tmp_path / "placed" / "variants.vcf.gz", "rt") as file:
            records = [line.rstrip("\n").split("\t") for line in file if not line.startswith("#")]
        assert len(records) > 3_000
        frequencies = []
        for chrom, pos, _, ref, alt, _, _, info in records:
            assert base_at(genome, chrom, int(pos)) == ref != alt
            assert (chrom, int(pos)) not in taken
            frequencies.append(float(info.removeprefix("AF=")))
        assert min(frequencies) >= 0.01
        assert max(frequencies) <= 0.99
        assert 0.4 < np.mean(np.array(frequencies) > 0.5) < 0.6

    def test_sizes_of_studies_follow_from_their_errors(self, table: Path, tmp_path: Path) -> None:
        """0.05² = 1 / (2 n / 4 x 0.2 x 0.8) of n = 5,000."""
        assert Placement(CredibleSetsConfig(str(table)), tmp_path / "placed").run().studies == 2
        meta = pd.read_csv(tmp_path / "placed" / "meta.txt", sep="\t")
        assert meta.to_dict("list") == {
            "meta_id": ["S1", "S2"],
            "sample_size": [5_000] * 2,
            "n_case": [2_500] * 2,
            "n_control": [2_500] * 2,
        }

    def test_studies_without_frequencies(self, table: Path, tmp_path: Path) -> None:
        table.write_text(table.read_text().replace(",0.2,", ",,"))
        Placement(CredibleSetsConfig(str(table)), tmp_path / "placed").run()
        assert (
            pd.read_csv(tmp_path / "placed" / "meta.txt", sep="\t")["sample_size"].tolist() == [100_000] * 2
        )

    def test_a_seed_gives_the_same_files(self, table: Path, tmp_path: Path) -> None:
        for folder, seed in (("one", 1), ("two", 1), ("three", 2)):
            Placement(CredibleSetsConfig(str(table)), tmp_path / folder, seed).run()
        for name, differs in (
            ("genome.fa", True),
            ("variants.vcf.gz", True),
            ("credible_sets.tsv.gz", False),
        ):
            one, two, three = ((tmp_path / folder / name).read_bytes() for folder in ("one", "two", "three"))
            assert one == two
            assert (one != three) == differs

    def test_rows_that_cannot_be_read_stay(self, table: Path, tmp_path: Path) -> None:
        """A row without a position stays as it is; one of symbolic alleles is moved with its neighbours."""
        rows = causaldb_rows()
        rows += [
            rows[0].replace("1,5000000,", "1,,"),
            rows[1].replace("5000100", "5000150").replace(",C,G,", ",I,D,"),
            # Of no block, and of no study: neither is one of its own.
            rows[0].replace(",S1,1,", ",S1,NA,"),
            rows[40].replace(",S1,3,", ",S1,NA,"),
            rows[0].replace(",S1,1,", ",NA,1,"),
        ]
        table.write_text("\n".join([COLUMNS, *rows]) + "\n")
        placed = Placement(CredibleSetsConfig(str(table)), tmp_path / "placed").run()
        assert (placed.rows, placed.variants, placed.blocks, placed.studies) == (205, 100, 10, 2)
        after = pd.read_csv(tmp_path / "placed" / "credible_sets.tsv.gz", sep="\t", dtype=str)
        assert pd.isna(after["bp"].iloc[-5])
        assert after["bp"].iloc[-4:].tolist() == ["50151", "50001", "151803", "50001"]


class TestOtherTables:
    COLUMNS = "SNP PP region CHR POS MAF p.value ZSCORE trait"

    @pytest.fixture
    def traits(self, tmp_path: Path) -> Path:
        rows = [
            f"1:{pos}_A_{alt} 0.1 {region} 1 {pos} 0.3 1e-9 6 {trait}"
            for trait in ("MPV", "PLT")
            for region, start in ((1, 4_000_000), (2, 9_000_000))
            for pos, alt in ((start, "C"), (start + 7, "AT"), (start + 10_000, "G"))
        ]
        path = tmp_path / "traits.tsv"
        path.write_text("\n".join([self.COLUMNS, *rows]).replace(" ", "\t") + "\n")
        return path

    def test_identifiers_are_moved_too(self, traits: Path, tmp_path: Path) -> None:
        out = tmp_path / "placed"
        assert main(["real", "placed", "--config", "smoke", "--table", str(traits), "--out", str(out)]) == 0
        after = pd.read_csv(out / "credible_sets.tsv.gz", sep="\t")
        # The insertion's longer allele is a variant of two bases; gaps are of bases between them.
        expected = [50_001, 50_008, 52_010, 102_011, 102_018, 104_020]
        assert after["POS"].tolist() == expected * 2
        assert after["SNP"].str.extract(r"^1:(\d+)_A_[ACGT]+$")[0].astype(int).tolist() == expected * 2
        genome = Genome(out / "genome.fa")
        assert {base_at(genome, "1", pos) for pos in after["POS"]} == {"A"}
        # The recipe says the kind of trait, so that no table of studies is made up.
        assert not (out / "meta.txt").exists()
        assert read_configuration(["default", out / "recipe.yaml"], Recipe).data.credible_sets is not None
        assert json.loads((out / "placed.json").read_text())["blocks"] == 4

    def test_a_data_set_of_it(self, traits: Path, tmp_path: Path) -> None:
        main(["real", "placed", "--config", "smoke", "--table", str(traits), "--out", str(tmp_path / "p")])
        recipe = read_configuration(
            ["default", tmp_path / "p" / "recipe.yaml"], Recipe, ["data.min_bag_size=3"]
        )
        made = prepare(recipe.fasta, recipe.data)
        assert made.manifest["report"]["variants"]["orientation"] == {"ok": 6}
        assert (made.bags["label"] == 1).sum() == 4


class TestErrors:
    def test_lift_over(self, table: Path, tmp_path: Path) -> None:
        config = CredibleSetsConfig(str(table), lift_over="hg38ToHg19.over.chain.gz")
        with pytest.raises(OptionError, match="lift_over is set"):
            Placement(config, tmp_path / "placed").run()

    def test_no_table(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["real", "placed", "--out", str(tmp_path / "placed")]) == 2
        assert "give --table" in capsys.readouterr().err

    def test_a_table_without_blocks(self, table: Path, tmp_path: Path) -> None:
        table.write_text(table.read_text().replace("block_id", "blk"))
        with pytest.raises(InputError, match="has no column block_id"):
            Placement(CredibleSetsConfig(str(table)), tmp_path / "placed").run()


def test_the_extract_of_causaldb2(reference_data: Path, tmp_path: Path) -> None:
    """All 10,393 real rows are used: none is refused, and REF stands in the sequence for all of them."""
    table = reference_data / "data" / "finemapping" / "causaldb2_AD.csv.gz"
    placed = Placement(CredibleSetsConfig(str(table)), tmp_path / "placed").run()
    assert (placed.rows, placed.variants, placed.without_reference) == (10_393, 6_595, 0)
    paths = ["default", tmp_path / "placed" / "recipe.yaml"]
    recipe = read_configuration(paths, Recipe, ["data.min_bag_size=10"])
    report = prepare(recipe.fasta, recipe.data).manifest["report"]
    assert report["source"]["kept"] == 10_393
    assert report["variants"]["orientation"] == {"ok": 6_595}
    bags = {row["split"]: row["bags"] for row in report["bags"]["per_split_and_label"] if row["label"]}
    assert bags == {"train": 55, "validation": 7, "test": 3}
