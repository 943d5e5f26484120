"""The packaged study: its files agree with each other, with its page, and with the script that made it."""

from __future__ import annotations

import gzip
import io
import re
import tarfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from bed_reader import open_bed

from benchmarks.cohort import example as script
from mifm_kipoi import cli
from mifm_kipoi.association import Filters, GwasRun, Selection
from mifm_kipoi.example import write_example
from mifm_kipoi.example.unpack import STUDY
from mifm_kipoi.genomics.genome import Genome
from mifm_kipoi.genomics.text_files import is_bgzip

TRAITS = ("q1", "q2", "b1")


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_example(tmp_path_factory.mktemp("example") / "study").folder


@pytest.fixture(scope="module")
def variants(study: Path) -> pd.DataFrame:
    columns = ["chrom", "pos", "id", "ref", "alt", "qual", "filter", "info"]
    return pd.read_csv(study / "variants.vcf.gz", sep="\t", comment="#", names=columns, dtype={"chrom": str})


def test_the_page_names_each_file(study: Path) -> None:
    page = (study / "README.md").read_text()
    for path in study.rglob("*"):
        name = path.relative_to(study).as_posix().split("/")[0]
        assert name == "README.md" or f"`{name}" in page, path
    counts = pd.read_csv(study / "truth.tsv.gz", sep="\t")
    assert f"{len(counts):,} variants" in page
    assert f"decides which are causal: {counts['causal'].sum()} are" in page.replace("\n", " ")
    sets = pd.read_csv(study / "credible_sets.txt.gz", sep="\t")
    for trait in TRAITS:
        regions = sets.loc[sets["meta_id"] == trait, "block_id"].nunique()
        assert f"| {trait} | {(counts[f'effect_{trait}'] != 0).sum()} | {regions} |" in page
    for name in ("discovery", "replication", "target", "panel"):
        people = len((study / "genotypes" / f"{name}.fam").read_text().splitlines())
        assert re.search(rf"[^0-9]{people:,} ?", page)


def test_the_archive_stays_small() -> None:
    assert STUDY.stat().st_size < 1.5e6


def test_every_file_has_the_same_variants(study: Path, variants: pd.DataFrame) -> None:
    genome = Genome(study / "genome.fa")
    assert [
        genome.fetch(row.chrom, row.pos - 1, row.pos).tobytes().decode() for row in variants.itertuples()
    ] == (variants["ref"].tolist())
    for name in ("discovery", "replication", "target", "panel"):
        bim = pd.read_csv(
            study / "genotypes" / f"{name}.bim", sep=r"\s+", dtype={0: str},
            names=["chrom", "id", "cm", "pos", "alt", "ref"],
        )  # fmt: skip
        shared = ["chrom", "pos", "id", "ref", "alt"]
        pd.testing.assert_frame_equal(bim[shared], variants[shared], check_dtype=False)
    stated = variants["info"].str.extract(r"AF=([^;]+)")[0].astype(float)
    counted = open_bed(study / "genotypes" / "discovery.bed").read().mean(axis=0) / 2
    np.testing.assert_allclose(stated, counted, atol=1e-6)


@pytest.mark.parametrize(("folder", "sample"), [("gwas", "discovery"), ("replication", "replication")])
def test_the_gwas_is_that_of_its_genotypes(study: Path, folder: str, sample: str, tmp_path: Path) -> None:
    selection = Selection(
        (study / "phenotypes.tsv", study / "covariates.tsv"),
        traits=("q1", "b1"),
        covariates=("age", "sex", "centre", "batch", "PC1", "PC2", "PC3", "PC4"),
        categorical=("centre", "batch"),
    )
    run = GwasRun((study / "genotypes" / f"{sample}.bed",), selection, tmp_path / "gwas", Filters(min_maf=0))
    run.run()
    for trait in ("q1", "b1"):
        (made,) = (tmp_path / "gwas").glob(f"*{trait}*.tsv.gz")
        ours = pd.read_csv(made, sep="\t").set_index("variant_id")
        theirs = pd.read_csv(study / folder / f"{trait}.tsv.gz", sep="\t").set_index("variant_id")
        ours = ours.loc[theirs.index]
        sign = np.where(ours["effect_allele"] == theirs["effect_allele"], 1, -1)
        # Ours has the exact logistic regression where p is small.
        same = theirs["p_value"] > (1e-3 if trait == "b1" else 0)
        np.testing.assert_allclose((sign * ours["beta"])[same], theirs["beta"][same], rtol=2e-4, atol=1e-8)
        np.testing.assert_allclose(ours["p_value"][same], theirs["p_value"][same], rtol=2e-3)


def test_files_are_compressed_as_their_names_say(study: Path) -> None:
    assert is_bgzip(study / "variants.vcf.gz")
    for path in study.rglob("*.gz"):
        assert gzip.decompress(path.read_bytes())


def test_the_locus_is_that_of_the_demo(study: Path, packaged_example: Path) -> None:
    for path in (study / "locus").iterdir():
        assert path.read_bytes() == (packaged_example / path.name).read_bytes()


def test_a_folder_with_files_stays_as_it_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    assert cli.main(["example", str(tmp_path)]) == 1
    assert f"{tmp_path} is there already; name a new folder" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]
    assert cli.main(["example", str(tmp_path / "missing" / "study")]) == 1
    assert "cannot write" in capsys.readouterr().err


def test_an_empty_folder_is_filled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert cli.main(["example", "."]) == 0
    files = sum(path.is_file() for path in tmp_path.rglob("*"))
    assert f"{files} files" in capsys.readouterr().out


def test_the_script_makes_the_archive(study: Path, tmp_path: Path) -> None:
    script.make(study / "trained.safetensors", tmp_path / "study.tar.xz")
    with tarfile.open(tmp_path / "study.tar.xz") as made, tarfile.open(STUDY) as packaged:
        assert made.getnames() == packaged.getnames()
        for name in packaged.getnames():
            ours, theirs = made.extractfile(name).read(), packaged.extractfile(name).read()
            if name.endswith((".tsv", ".tsv.gz", ".txt", ".txt.gz")) and ours != theirs:
                # Last digits of what is fitted differ between machines.
                tables = [pd.read_csv(io.BytesIO(each), sep="\t", comment="#") for each in (ours, theirs)]
                pd.testing.assert_frame_equal(*tables, rtol=1e-5, atol=1e-6)
            else:
                assert ours == theirs, name
