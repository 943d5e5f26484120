"""Candidates from every kind of input: the same variants, scores and numbers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from mifm_kipoi.errors import InputError, OptionError
from mifm_kipoi.explanation.ranking.candidates import NUMBERS, Candidates, Scoring, Source, TableOptions
from mifm_kipoi.genomics.genome import Genome
from mifm_kipoi.network.weights import load_weights
from mifm_kipoi.scoring.run import ScoringRun
from mifm_kipoi.scoring.scorer import score_variants
from tests.builders import write_vcf
from tests.explanation.ranking.builders import genome, other

PLACES = [("1", 600), ("1", 700), ("1", 100), ("20", 900)]
"""The third has no window without N."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A genome, and its variants as VCF."""
    path = tmp_path_factory.mktemp("candidates")
    _, contigs = genome(path / "genome.fa")
    records = [(chrom, pos, contigs[chrom][pos - 1], other(contigs[chrom][pos - 1])) for chrom, pos in PLACES]
    write_vcf(path / "variants.vcf", records)
    return path


@pytest.fixture(scope="module")
def scores(folder: Path) -> pd.DataFrame:
    """What ``mifm score`` gives."""
    return score_variants(folder / "variants.vcf", folder / "genome.fa")


def _read(source: Source, folder: Path | None) -> Candidates:
    if folder is None:
        return source.read(None, None)
    return source.read(Genome(folder / "genome.fa"), Scoring(load_weights()))


def _assert_scores(found: Candidates, scores: pd.DataFrame, rtol: float = 1e-6) -> None:
    for name in ("chrom", "pos", "ref", "alt", "status"):
        assert found.table[name].tolist() == scores[name].tolist(), name
    for name in NUMBERS:
        np.testing.assert_allclose(found.table[name], scores[name].astype(float), rtol=rtol, err_msg=name)


def test_a_vcf_is_scored_as_by_mifm_score(folder: Path, scores: pd.DataFrame) -> None:
    found = _read(Source(folder / "variants.vcf"), folder)
    _assert_scores(found, scores)
    assert scores["mifm_ref"].isna().tolist() == [False, False, True, False]
    assert found.scored
    assert found.table["id"].tolist() == ["v1", "v2", "v3", "v4"]
    assert found.table[["pip", "p_value", "log_abf"]].isna().all(axis=None)


@pytest.mark.parametrize("name", ["s.tsv", "s.tsv.gz", "s.parquet", "s.vcf", "s.vcf.gz", "s.bcf"])
def test_an_output_of_mifm_score_needs_no_genome(
    folder: Path, scores: pd.DataFrame, tmp_path: Path, name: str
) -> None:
    ScoringRun(str(folder / "variants.vcf"), folder / "genome.fa", tmp_path / name).run()
    found = _read(Source(tmp_path / name), None)
    # INFO has seven digits, and no logits.
    _assert_scores(found, scores, 1e-6 if "s.tsv" in name or "parquet" in name else 2e-5)
    assert not found.scored


def test_rows_of_a_table_keep_their_numbers_and_the_fasta_says_what_is_ref(
    folder: Path, scores: pd.DataFrame, tmp_path: Path
) -> None:
    rows = scores.iloc[[0, 0, 1, 3]].reset_index(drop=True)
    table = pd.DataFrame({"CHR": rows["chrom"], "BP": rows["pos"]})
    # The reference allele is the effect allele in some rows.
    swapped = np.array([True, False, False, True])
    table["EA"] = np.where(swapped, rows["ref"], rows["alt"])
    table["NEA"] = np.where(swapped, rows["alt"], rows["ref"])
    table["BETA"], table["SE"] = [0.1, -0.2, 0.3, 0.01], [0.02, 0.02, 0.02, np.nan]
    table["P"], table["PIP"] = [5.7e-7, 1e-23, 7e-51, 0.6], [0.2, 0.8, 1.0, -1]
    table["trait"], table["block"] = ["a", "b", "a", "a"], [1, 1, 1, 7]
    path = tmp_path / "gwas.tsv"
    table.to_csv(path, sep="\t", index=False)
    found = _read(Source(path), folder)
    _assert_scores(found, rows)
    np.testing.assert_allclose(found.table["p_value"], table["P"])
    np.testing.assert_allclose(found.table["neg_log10_p"], -np.log10(table["P"]))
    np.testing.assert_allclose(found.table["pip"], [0.2, 0.8, 1.0, np.nan])
    # log(1/sqrt(1 + W/V)) + z^2 W / (2 (V + W)), of W = 0.04 and V = 0.0004.
    expected = [-0.5 * np.log(101) + 0.5 * z**2 * 100 / 101 for z in (5, 10, 15)]
    np.testing.assert_allclose(found.table["log_abf"][:3], expected, rtol=1e-6)
    assert (found.keys, found.studies, found.has_loci) == (("trait", "block"), ("trait",), True)
    # An impossible PIP costs its row the numbers, and not its place.
    assert _read(Source(path, by=("CHR",)), folder).keys == ("trait", "CHR")


def test_a_table_with_scores_of_its_own_is_not_scored_again(folder: Path, tmp_path: Path) -> None:
    text = "chrom\tpos\tref\talt\tmifm_ref\tp\n1\t600\tA\tG\t0.25\t1e-5\nchr1\t700\tC\tT\t\t0.1\n"
    (tmp_path / "own.tsv").write_text(text)
    found = _read(Source(tmp_path / "own.tsv"), folder)
    assert not found.scored
    assert found.table["chrom"].tolist() == ["1", "chr1"]
    np.testing.assert_allclose(found.table["mifm_ref"], [0.25, np.nan])
    np.testing.assert_allclose(found.table["mifm_logit_ref"], [np.log(1 / 3), np.nan])
    assert found.table["status"].tolist() == ["ok", "no_score"]


def test_of_several_scores_one_is_named(tmp_path: Path) -> None:
    header = "chrom\tpos\tref\talt\tmifm_ref_a\tmifm_logit_ref_a\tmifm_ref_b\tmifm_logit_ref_b"
    (tmp_path / "t.tsv").write_text(f"{header}\n1\t600\tA\tG\t0.5\t0\t0.75\t1.0986\n")
    with pytest.raises(OptionError, match="mifm_ref_a, mifm_ref_b; name one with --score"):
        _read(Source(tmp_path / "t.tsv"), None)
    found = _read(Source(tmp_path / "t.tsv", score="mifm_ref_b"), None)
    assert found.table["mifm_logit_ref"].tolist() == [1.0986]
    with pytest.raises(OptionError, match="no MIFM score 'p'"):
        _read(Source(tmp_path / "t.tsv", score="p"), None)


def test_without_scores_a_genome_is_needed(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "t.tsv").write_text("chrom\tpos\tref\talt\n1\t600\tA\tG\n")
    for path in (tmp_path / "t.tsv", folder / "variants.vcf"):
        with pytest.raises(InputError, match=r"has no MIFM scores .* no FASTA is given"):
            _read(Source(path), None)


def test_identifiers_alone_are_scored(folder: Path, scores: pd.DataFrame, tmp_path: Path) -> None:
    names = [f"{row.chrom}:{row.pos}_{row.ref}_{row.alt}" for row in scores.itertuples()]
    (tmp_path / "list.txt").write_text("\n".join(names) + "\n")
    _assert_scores(_read(Source(tmp_path / "list.txt"), folder), scores)


def test_another_table_is_joined_by_position_and_alleles_in_any_order(
    folder: Path, scores: pd.DataFrame, tmp_path: Path
) -> None:
    rows = scores.iloc[[3, 0]]
    table = pd.DataFrame({"chrom": "chr" + rows["chrom"], "pos": rows["pos"], "effect_allele": rows["ref"]})
    table = table.assign(other_allele=rows["alt"], p_value=[1e-4, 1e-200], beta=[0.1, 0.2], se=[0.02, 0.02])
    table.to_csv(tmp_path / "gwas.tsv", sep="\t", index=False)
    table.assign(susie=[0.25, 0.5]).drop(columns=["p_value", "beta", "se"]).to_csv(
        tmp_path / "fm.csv", index=False
    )
    found = _read(
        Source(
            folder / "variants.vcf", gwas=str(tmp_path / "gwas.tsv"), pip=f"{tmp_path / 'fm.csv'}:pip=susie"
        ),
        folder,
    )
    np.testing.assert_allclose(found.table["p_value"], [1e-200, np.nan, np.nan, 1e-4])
    np.testing.assert_allclose(found.table["neg_log10_p"], [200, np.nan, np.nan, 4])
    np.testing.assert_allclose(found.table["pip"], [0.5, np.nan, np.nan, 0.25])
    assert found.table["log_abf"].notna().tolist() == [True, False, False, True]
    assert [note for note in found.notes if "2 of 4 variants have a row" in note]


def test_pips_are_a_column_or_a_file(folder: Path, scores: pd.DataFrame, tmp_path: Path) -> None:
    table = scores[["chrom", "pos", "ref", "alt"]].assign(mine=[0.1, 0.2, 0.3, 0.4])
    table.to_csv(tmp_path / "t.tsv", sep="\t", index=False)
    found = _read(Source(tmp_path / "t.tsv", pip="mine"), folder)
    assert found.table["pip"].tolist() == [0.1, 0.2, 0.3, 0.4]
    with pytest.raises(OptionError, match=r"'nothing' is neither a column of .* nor a file"):
        _read(Source(tmp_path / "t.tsv", pip="nothing"), folder)


@pytest.mark.parametrize("pip", ["", "pip"])
def test_a_row_has_the_evidence_of_one_study_and_keeps_its_own_pip(
    folder: Path, scores: pd.DataFrame, tmp_path: Path, pip: str
) -> None:
    rows = scores[["chrom", "pos"]].assign(effect_allele=scores["alt"], other_allele=scores["ref"])
    own = rows.assign(p_value=[1e-3] * 4, beta=0.1, se=0.02, pip=[0.1, 0.2, 0.3, 0.4])
    own.to_csv(tmp_path / "own.tsv", sep="\t", index=False)
    other = rows.iloc[[3, 0]].assign(p_value=[1e-4, 1e-9], pip=[0.8, 0.9])
    other.to_csv(tmp_path / "other.tsv", sep="\t", index=False)
    found = _read(Source(tmp_path / "own.tsv", gwas=str(tmp_path / "other.tsv"), pip=pip), folder)
    assert found.table["pip"].tolist() == [0.1, 0.2, 0.3, 0.4]
    np.testing.assert_allclose(found.table["p_value"], [1e-9, np.nan, np.nan, 1e-4])
    assert not found.table["log_abf"].notna().any()
    assert [note for note in found.notes if "p-values and effects are those of" in note]


def test_options_that_do_not_fit(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="is not a table, and has no columns for --by"):
        _read(Source(folder / "variants.vcf", by=("block",)), folder)
    (tmp_path / "t.tsv").write_text("chrom\tpos\tref\talt\tp\n1\t600\tA\tG\t0.1\n")
    with pytest.raises(OptionError, match="no column 'block' to divide it"):
        _read(Source(tmp_path / "t.tsv", by=("block",)), folder)
    with pytest.raises(OptionError, match="trait"):
        _read(Source(tmp_path / "t.tsv", TableOptions(trait="height")), folder)


def test_of_several_rows_of_a_variant_all_numbers_are_those_of_the_lowest_p(
    folder: Path, scores: pd.DataFrame, tmp_path: Path
) -> None:
    row = scores.iloc[0]
    table = pd.DataFrame(
        {"chrom": row["chrom"], "pos": row["pos"], "ref": row["ref"], "alt": row["alt"]}, [0, 1, 2]
    )
    table = table.assign(trait=["a", "b", "c"], p=[1e-3, 1e-8, 1e-5], pip=[0.9, 0.1, 0.5])
    table.to_csv(tmp_path / "gwas.tsv", sep="\t", index=False)
    found = _read(Source(folder / "variants.vcf", gwas=str(tmp_path / "gwas.tsv")), folder)
    np.testing.assert_allclose(found.table[["p_value", "pip"]].iloc[0], [1e-8, 0.1])
    chosen = _read(Source(folder / "variants.vcf", gwas=f"{tmp_path / 'gwas.tsv'}:phenotype=c"), folder)
    np.testing.assert_allclose(chosen.table[["p_value", "pip"]].iloc[0], [1e-5, 0.5])
