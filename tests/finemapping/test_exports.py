"""Exports of fine-mapping, read as the programs that they are for read them."""

from __future__ import annotations

import gzip
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from mifm_kipoi.finemapping.exports import (
    FINEMAP_COLUMNS,
    POLYFUN_COLUMNS,
    SET_COLUMNS,
    Exports,
    write_exports,
)
from mifm_kipoi.finemapping.records import LocusResult
from mifm_kipoi.genetics.associations import AssociationTable
from tests.finemapping.drawn import drawn_locus, refused_locus, write_folder


@pytest.fixture(scope="module")
def loci() -> list[LocusResult]:
    second = drawn_locus("HDL c", "19", 900_000, seed=5)
    # Two loci of a study overlap: the second begins with ten variants of the first.
    first = drawn_locus("HDL c", "19", 900_000, seed=5, name="other")
    shared = first.variants.tail(10).assign(locus="next")
    later = drawn_locus("HDL c", "19", int(shared["pos"].max()), size=20, seed=6, name="next")
    joined = pd.concat([shared, later.variants], ignore_index=True)
    joined["prior"] /= joined["prior"].sum()
    joined[["set", "set_flat"]] *= joined["pos"].gt(shared["pos"].max()).astype(int).to_numpy()[:, None]
    overlapping = LocusResult(later.record | {"variants": len(joined)}, joined, later.sets)
    unknown = drawn_locus("LDL", "X", 5_000, size=12, seed=4)
    bare = unknown.variants.assign(beta=np.nan, standard_error=np.nan, frequency=np.nan, id=".")
    return [
        drawn_locus("LDL", "2", 1_000, seed=1),
        refused_locus("LDL", "3", 7_000),
        LocusResult(unknown.record | {"n": float("nan")}, bare, unknown.sets),
        second,
        overlapping,
    ]


@pytest.fixture(scope="module")
def folder(loci: list[LocusResult], tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_folder(tmp_path_factory.mktemp("finemap"), loci)


@pytest.fixture(scope="module")
def exports(folder: Path) -> Exports:
    return write_exports(folder)


def test_all_files_of_fine_mapped_loci_are_there_and_an_earlier_export_is_replaced(
    folder: Path, exports: Exports
) -> None:
    names = {str(path.relative_to(folder / "exports")) for path in exports.files}
    assert names == {
        "polyfun/LDL.snpvar.gz", "polyfun/HDL_c.snpvar.gz", "susier/LDL.prior_weights.tsv.gz",
        "susier/HDL_c.prior_weights.tsv.gz", "finemap/LDL.2_1000.z", "finemap/LDL.X_5000.z",
        "finemap/HDL_c.19_900000.z", "finemap/HDL_c.next.z", "finemap/LDL.master", "finemap/HDL_c.master",
        "credible_sets.tsv.gz", "training/credible_sets.tsv.gz", "training/data.yaml",
    }  # fmt: skip
    assert {str(path.relative_to(folder)) for path in (folder / "exports").rglob("*") if path.is_file()} == {
        f"exports/{name}" for name in names
    }
    before = {path: path.read_bytes() for path in exports.files}
    (folder / "exports" / "stale").touch()
    again = write_exports(folder)
    assert {path: path.read_bytes() for path in again.files} == before
    assert not (folder / "exports" / "stale").exists()


def test_files_do_not_depend_on_how_many_loci_are_written_together(
    loci: list[LocusResult], exports: Exports, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mifm_kipoi.finemapping.exports._ROWS", 1)
    apart = write_exports(write_folder(tmp_path, loci))
    assert apart.notes == exports.notes

    def text(path: Path) -> bytes:
        content = path.read_bytes()
        return gzip.decompress(content) if path.suffix == ".gz" else content

    assert {path.name: text(path) for path in apart.files} == {
        path.name: text(path) for path in exports.files
    }


def test_polyfun_reads_priors_of_variants_that_occur_once(
    folder: Path, exports: Exports, loci: list[LocusResult]
) -> None:
    # As finemapper.py reads and indexes them: white space, and the alleles of SNPs in alphabetical order.
    for study, first, others in (("LDL", loci[0], loci[2]), ("HDL_c", loci[3], loci[4])):
        table = pd.read_table(folder / f"exports/polyfun/{study}.snpvar.gz", sep=r"\s+")
        assert tuple(table.columns) == POLYFUN_COLUMNS
        assert table["CHR"].dtype == np.int64
        alleles = np.sort(table[["A1", "A2"]].to_numpy(str), axis=1)
        index = (
            table["CHR"].astype(str)
            + "."
            + table["BP"].astype(str)
            + "."
            + alleles[:, 0]
            + "."
            + alleles[:, 1]
        )
        assert index.is_unique
        assert table[["SNP", "SNPVAR", "Z"]].notna().all(axis=None)
        own = table.iloc[: len(first.variants)]
        np.testing.assert_allclose(own["SNPVAR"] / own["SNPVAR"].sum(), first.variants["prior"], rtol=1e-6)
        np.testing.assert_array_equal(own["A1"], first.variants["alt"])
        np.testing.assert_allclose(own["Z"], first.variants["z"], rtol=1e-6)
        rest = 10 if study == "HDL_c" else 0
        assert len(table) == len(first.variants) + len(others.variants) - rest
    assert (pd.read_table(folder / "exports/polyfun/LDL.snpvar.gz")["CHR"].tail(12) == 23).all()
    (note,) = (note for note in exports.notes if "PolyFun refuses" in note)
    assert note.endswith(": 10")


def test_finemap_gets_priors_that_sum_to_one_and_z_scores_where_effects_are_unknown(
    folder: Path, exports: Exports, loci: list[LocusResult]
) -> None:
    for name, locus in (("LDL.2_1000", loci[0]), ("LDL.X_5000", loci[2])):
        table = pd.read_csv(folder / f"exports/finemap/{name}.z", sep=" ")
        assert tuple(table.columns) == FINEMAP_COLUMNS
        assert table["prob"].sum() == pytest.approx(1, abs=1e-5)
        assert ((table["maf"] > 0) & (table["maf"] <= 0.5)).all()
        np.testing.assert_allclose(table["beta"] / table["se"], locus.variants["z"], rtol=1e-5)
        assert table["rsid"].is_unique
    assert [note for note in exports.notes if "FINEMAP" in note and note.endswith("loci: 1")]
    master = pd.read_csv(folder / "exports/finemap/LDL.master", sep=";")
    # The locus whose sample size is unknown has no line, for FINEMAP needs it.
    assert master["z"].tolist() == ["LDL.2_1000.z"]
    assert master["n_samples"].tolist() == [5000]


def test_the_table_of_credible_sets_is_read_as_a_gwas_table(
    folder: Path, exports: Exports, loci: list[LocusResult]
) -> None:
    path = folder / "exports/credible_sets.tsv.gz"
    assert path in exports.files
    table = pd.read_table(path, dtype={"chromosome": str})
    assert tuple(table.columns) == SET_COLUMNS
    own = table[(table["study"] == "LDL") & (table["chromosome"] == "2")]
    expected = loci[0].variants[loci[0].variants["set"] == 1].sort_values("pip", ascending=False)
    np.testing.assert_array_equal(own["base_pair_location"], expected["pos"])
    np.testing.assert_allclose(own["pip"], expected["pip"], rtol=1e-6)
    assert (own["credible_set_size"] == len(expected)).all()
    assert own["pip"].sum() == pytest.approx(own["credible_set_coverage"].iloc[0], rel=1e-6)
    assert set(table["chromosome"]) == {"2", "23", "19"}
    rows = next(AssociationTable(str(path)).batches())
    np.testing.assert_array_equal(rows.pos, table["base_pair_location"])
    np.testing.assert_allclose(rows.z[: len(own)], expected["z"], rtol=1e-4)


def test_a_variant_of_two_sets_has_a_row_of_each(loci: list[LocusResult], tmp_path: Path) -> None:
    locus = loci[0]
    key = locus.sets["members"].iloc[0].split(",")[0]
    second = locus.sets.assign(set=2, log10_bf=locus.sets["log10_bf"] - 1, members=key, size=1)
    both = LocusResult(locus.record, locus.variants, pd.concat([locus.sets, second], ignore_index=True))
    exported = write_exports(write_folder(tmp_path, [both]))
    assert len(exported.files) == 7
    for name, column in (
        ("credible_sets.tsv.gz", "credible_set"),
        ("training/credible_sets.tsv.gz", "primary"),
    ):
        table = pd.read_table(tmp_path / "exports" / name)
        place = "base_pair_location" if "base_pair_location" in table else "pos"
        counts = table[table[place] == int(key.split(":")[1])][column].tolist()
        assert sorted(counts) == ([1, 2] if column == "credible_set" else [0, 1])
    table = pd.read_table(tmp_path / "exports/credible_sets.tsv.gz")
    assert (
        table.groupby("credible_set")["credible_set_size"].first() == table["credible_set"].value_counts()
    ).all()


def test_training_reads_the_sets_of_the_flat_prior(
    folder: Path, exports: Exports, loci: list[LocusResult], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from training.__main__ import main
    from training.data.dataset import read_dataset

    assert folder / "exports/training/data.yaml" in exports.files
    monkeypatch.chdir(folder / "exports/training")
    settings = ["--set", "data.splits={validation: [], test: []}"]
    assert not main(["data", "--config", "data.yaml", "--out", str(tmp_path / "bags"), *settings])
    dataset = read_dataset(tmp_path / "bags")
    assert (dataset.bags["label"] == 1).all()
    # The locus of X has neither effects nor frequencies, and so no Bayes factors, but PIPs.
    assert len(dataset.bags) == 4
    for chrom, locus in (("2", loci[0]), ("19", loci[3])):
        expected = locus.variants[locus.variants["set_flat"] == 1]
        bags = dataset.bags[(dataset.bags["chrom"] == chrom)]
        rows = dataset.instances[dataset.instances["bag"].isin(bags["bag"])]
        own = rows[rows["pos"].isin(expected["pos"])].sort_values("pos")
        np.testing.assert_array_equal(own["pos"], expected["pos"])
        np.testing.assert_allclose(own["pip"], expected["pip_flat"], rtol=1e-5)
    assert sorted(dataset.studies["study"].unique()) == ["HDL c", "LDL"]


def test_susier_takes_the_prior_weights(folder: Path, exports: Exports, loci: list[LocusResult]) -> None:
    path = folder / "exports/susier/LDL.prior_weights.tsv.gz"
    assert path in exports.files
    table = pd.read_table(path)
    own = table[table["locus"] == "2:1000"]
    np.testing.assert_allclose(own["prior_weights"], loci[0].variants["prior"], rtol=1e-6)
    with gzip.open(path, "rt") as file:
        assert sum(line.startswith("locus\t") for line in file) == 1
    rscript = shutil.which("Rscript")
    if (
        not rscript
        or subprocess.run([rscript, "-e", "library(susieR)"], check=False, capture_output=True).returncode
    ):
        pytest.skip("Rscript with susieR is not installed")
    script = """
    t <- read.delim(commandArgs(TRUE)[1]); t <- t[t$locus == "2:1000", ]
    R <- 0.93^abs(outer(seq_len(nrow(t)), seq_len(nrow(t)), "-"))
    fit <- susieR::susie_rss(t$z, R, n = t$n[1], L = 1, prior_weights = t$prior_weights,
                             estimate_residual_variance = FALSE)
    cat(which.max(fit$pip), max(fit$pip), sum(fit$pi), "\\n")
    """
    done = subprocess.run([rscript, "-e", script, str(path)], check=True, capture_output=True, text=True)
    top, pip, total = map(float, done.stdout.split())
    assert total == pytest.approx(1, abs=1e-6)
    variants = loci[0].variants
    assert int(top) - 1 == int(variants["pip"].idxmax())
    # Its prior variance is estimated and ours is fixed, so that PIPs are near and not equal.
    assert pip == pytest.approx(variants["pip"].max(), abs=0.05)
