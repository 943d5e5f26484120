"""Enrichment of PIPs in what scores put first, against hand-computed figures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from benchmarks.real.blood_traits import (
    TOPS,
    enrichment,
    enrichments,
    read_rows,
    write_variants,
)
from mifm_kipoi import read_variants
from mifm_kipoi.errors import InputError
from tests.builders import write_fasta


def blocks(pips: list[list[float]]) -> pd.DataFrame:
    """Rows of blocks, each at a locus of its own."""
    rows = [(number, pip) for number, block in enumerate(pips) for pip in block]
    return pd.DataFrame(rows, columns=["block", "pip"]).assign(locus=lambda table: table["block"])


def test_ratio_by_hand() -> None:
    rows = blocks([[0.9, 0.1], [0.2, 0.5, 0.3]])
    score = np.array([2.0, 1.0, 3.0, 1.0, 2.0])
    found = enrichment(rows, score, "x", top=1, permutations=99)
    assert found.ratio.value == pytest.approx((0.9 + 0.2) / (0.5 + 1 / 3))
    assert (found.blocks, found.variants) == (2, 5)
    found = enrichment(rows, score, "x", top=2, permutations=99)
    assert found.ratio.value == pytest.approx((0.5 + (0.2 + 0.3) / 2) / (0.5 + 1 / 3))


def test_constant_scores_are_chance() -> None:
    rows = blocks([[0.9, 0.1], [0.2, 0.5, 0.3]])
    for top in TOPS:
        assert enrichment(rows, np.zeros(5), "x", top, permutations=99).ratio.value == pytest.approx(1)


def test_missing_scores_and_single_variants_are_left_out() -> None:
    rows = blocks([[0.9, 0.1], [0.2, 0.5, 0.3], [0.7]])
    score = np.array([np.nan, 1.0, np.nan, 1.0, 2.0, 5.0])
    found = enrichment(rows, score, "x", top=1, permutations=99)
    assert (found.blocks, found.variants) == (1, 2)
    assert found.ratio.value == pytest.approx(0.3 / 0.4)


def test_p_value_of_all_permutations() -> None:
    """Of three variants the first has the highest PIP in a third of the permutations; in both, a ninth."""
    rows = blocks([[0.8, 0.1, 0.1], [0.7, 0.2, 0.1]])
    score = np.array([3.0, 2.0, 1.0, 3.0, 2.0, 1.0])
    found = enrichment(rows, score, "x", top=1, permutations=20_000)
    assert found.p_value == pytest.approx(1 / 9, abs=0.01)


def test_permutations_stay_within_loci() -> None:
    """Where all PIPs of a locus are the same, no permutation gives less: p is 1."""
    rows = blocks([[0.9, 0.9], [0.1, 0.1]])
    assert enrichment(rows, np.array([2.0, 1.0, 1.0, 2.0]), "x", 1, permutations=99).p_value == 1


def test_blocks_over_the_same_variants_are_permuted_together() -> None:
    """Two traits with the same PIPs over the same variants say no more than one: p is 1/3, not 1/9."""
    keys = pd.DataFrame({"chrom": "1", "pos": [1, 2, 3] * 2, "ref": "A", "alt": "C"})
    rows = pd.concat([blocks([[0.8, 0.1, 0.1]] * 2).assign(locus=0), keys], axis=1)
    score = np.array([3.0, 2.0, 1.0] * 2)
    found = enrichment(rows, score, "x", top=1, permutations=9_999)
    assert found.p_value == pytest.approx(1 / 3, abs=0.02)


def test_intervals_resample_loci() -> None:
    """Five loci have an interval; the same blocks at four have none, as those are too few."""
    rows = blocks([[0.9, 0.1], [0.1, 0.9], [0.6, 0.4], [0.7, 0.3], [0.4, 0.6]])
    score = np.array([2.0, 1.0] * 5)
    one = enrichment(rows.assign(locus=rows["locus"] % 4), score, "x", 1, permutations=9).ratio
    assert np.isnan([one.low, one.high]).all()
    own = enrichment(rows, score, "x", 1, permutations=9).ratio
    assert own.low < own.value < own.high


def test_controls_come_last() -> None:
    rows = blocks([[0.9, 0.1], [0.2, 0.5, 0.3]]).assign(
        chrom="1", pos=range(1, 6), ref="A", alt="C", locus=0, z=[1.0, -9.0, 1.0, -2.0, 0.0]
    )
    scores = rows[["chrom", "pos", "ref", "alt"]].iloc[::-1].assign(s=[1.0, 2.0, 3.0, 4.0, 5.0])
    found = enrichments(rows, scores, ["s"])
    assert [(each.score, each.top) for each in found] == [
        (name, top) for name in ("s", "own p-value", "random") for top in (1, 5)
    ]
    assert found[0].ratio.value == pytest.approx((0.9 + 0.2) / (0.5 + 1 / 3))
    assert found[2].ratio.value == pytest.approx((0.1 + 0.5) / (0.5 + 1 / 3))


def test_the_random_control_is_of_variants() -> None:
    rows = blocks([[0.9, 0.1]] * 2).assign(chrom="1", pos=[1, 2, 1, 2], ref="A", alt="C", locus=0, z=1.0)
    scores = rows[["chrom", "pos", "ref", "alt"]].drop_duplicates()
    for seed in range(5):
        ratio = enrichments(rows, scores, [], seed=seed)[2].ratio.value
        assert ratio == pytest.approx(1.8) or ratio == pytest.approx(0.2)


TABLE = """SNP PP region CHR POS MAF p.value ZSCORE trait
1:300_A_C 0.5 1 1 300 0.1 1e-8 5 A
1:256_A_C 0.4 1 1 256 0.1 1e-8 5 A
1:255_A_C 0.3 1 1 255 0.1 1e-8 5 A
1:300_A_C 0.2 7 1 300 0.1 1e-8 5 B
1:310_A_AT 0.1 7 1 310 0.1 1e-8 5 B
1:743_A_C 0.6 2 1 743 0.1 1e-8 5 A
1:744_A_C 0.6 2 1 744 0.1 1e-8 5 A
1:700_A_C 0.6 3 1 700 0.1 1e-8 5 A
2:300_A_C 0.6 3 2 300 0.1 1e-8 5 A
odd 0.6 3 1 301 0.1 1e-8 5 A
"""


class TestRows:
    @pytest.fixture
    def rows(self, tmp_path: Path) -> pd.DataFrame:
        (tmp_path / "table.tsv").write_text(TABLE.replace(" ", "\t"))
        return read_rows(tmp_path / "table.tsv", write_fasta(tmp_path / "g.fa", {"chr1": "A" * 1000}))

    def test_only_full_windows(self, rows: pd.DataFrame) -> None:
        """[pos - 256, pos + 256) must lie in [0, 1000): from 256 to 744."""
        assert rows["pos"].tolist() == [300, 256, 300, 310, 743, 744, 700]
        assert rows["alt"].tolist() == ["C", "C", "C", "AT", "C", "C", "C"]

    def test_blocks_and_loci(self, rows: pd.DataFrame) -> None:
        assert rows["block"].tolist() == [0, 0, 1, 1, 2, 2, 3]
        # Regions 1 of A and 7 of B share variants; the others lie apart.
        assert rows["locus"].tolist() == [0, 0, 0, 0, 2, 2, 1]

    def test_a_long_block_joins_all_that_it_holds(self, tmp_path: Path) -> None:
        lines = ["SNP PP region CHR POS MAF p.value ZSCORE trait"]
        for trait, positions in (("A", (300, 700)), ("B", (350, 360)), ("C", (600, 610)), ("D", (701, 702))):
            lines += [f"1:{pos}_A_C 0.5 1 1 {pos} 0.1 0.1 1 {trait}" for pos in positions]
        (tmp_path / "table.tsv").write_text("\n".join(lines).replace(" ", "\t") + "\n")
        rows = read_rows(tmp_path / "table.tsv", write_fasta(tmp_path / "g.fa", {"1": "A" * 1000}))
        assert rows["locus"].tolist() == [0, 0, 0, 0, 0, 0, 1, 1]

    def test_variants_once_in_order(self, rows: pd.DataFrame, tmp_path: Path) -> None:
        vcf, associations = tmp_path / "v.vcf", tmp_path / "a.tsv"
        assert write_variants(rows, vcf, associations) == 6
        assert [variant.pos for variant in read_variants(vcf)] == [256, 300, 310, 700, 743, 744]
        written = pd.read_csv(associations, sep="\t")
        assert len(written) == 7
        assert written.loc[3, ["effect_allele", "other_allele"]].tolist() == ["AT", "A"]

    def test_another_genome(self, tmp_path: Path) -> None:
        (tmp_path / "table.tsv").write_text(TABLE.replace(" ", "\t"))
        with pytest.raises(InputError, match=r"no row of .* has a full window"):
            read_rows(tmp_path / "table.tsv", write_fasta(tmp_path / "g.fa", {"7": "A" * 1000}))
