"""The benchmark runs and says what it measured; how long things take is never tested."""

import json
import random
from pathlib import Path

import numpy as np
import pytest

from benchmarks.speed import backends, gwas
from mifm_kipoi.genetics.genotypes import open_genotypes
from tests.builders import write_fasta
from tests.conftest import Run


def test_score_on_the_example(run: Run, root: Path, example: Path, tmp_path: Path) -> None:
    out = tmp_path / "figures.json"
    files = ("--vcf", example / "variants.vcf", "--fasta", example / "genome.fa")
    done = run("benchmarks.speed.score", *files, "--snvs", "12", "--repeats", "1", "--out", out, cwd=root)
    figures = json.loads(out.read_text())
    assert figures["snvs"] == 12
    assert figures["loop_s"] > 0
    assert f"| {figures['predict_over_score']} |" in done.stdout
    assert "all 9 billion SNVs of the human genome" in done.stdout


def test_mutagenesis_on_the_example(run: Run, root: Path, example: Path, tmp_path: Path) -> None:
    out = tmp_path / "figures.json"
    files = ("--vcf", example / "variants.vcf", "--fasta", example / "genome.fa")
    arguments = (*files, "--snvs", "1", "--repeats", "1", "--threads", "1", "--out", out)
    done = run("benchmarks.speed.mutagenesis", *arguments, cwd=root)
    figures = json.loads(out.read_text())
    assert figures["variant_substitutions"] == figures["position_substitutions"] == 3 * 512
    assert figures["variant_largest_difference"] < 2e-5
    assert figures["position_largest_difference"] < 2e-5
    assert f"| {figures['variant_naive_over_variant']} x |" in done.stdout


def test_dense_files(run: Run, root: Path, tmp_path: Path) -> None:
    out, fasta = tmp_path / "figures.json", tmp_path / "genome.fa"
    write_fasta(fasta, {"1": "".join(random.Random(1).choices("ACGT", k=3000))})
    arguments = ("--fasta", fasta, "--contig", "1", "--start", "300", "--variants", "20", "--distances", "5")
    arguments = (*arguments, "--repeats", "1", "--threads", "1", "--chunks", "1", "--out", out)
    done = run("benchmarks.speed.dense", *arguments, cwd=root)
    figures = json.loads(out.read_text())
    assert set(figures["seconds"]["5"]) == {"auto", "windows", "scan"}
    assert all(value > 0 for value in figures["cpu_us"]["5"].values())
    assert f"| {figures['windows_over_auto']['5']} |" in done.stdout


@pytest.mark.slow
def test_scan_on_the_genome_of_tests(run: Run, root: Path, tmp_path: Path) -> None:
    bases = np.random.default_rng(0).choice(list("ACGT"), 16_000)
    fasta = write_fasta(tmp_path / "genome.fa", {"1": "".join(bases)})
    out = tmp_path / "figures.json"
    arguments = (
        "--fasta",
        fasta,
        "--blocks",
        "2",
        "--windows",
        "32",
        "--repeats",
        "1",
        "--threads",
        "1",
        "--out",
        out,
    )
    done = run("benchmarks.speed.scan", *arguments, cwd=root)
    figures = json.loads(out.read_text())
    assert figures["positions"] == 8192
    assert max(figures["largest_difference"].values()) < 2e-5
    assert figures["limit"]["multiply_adds_of_a_substitution"] == 108_906
    assert f"| {figures['hours_of_genome']['1']:.2f} |" in done.stdout


def test_backends(run: Run, root: Path, tmp_path: Path) -> None:
    out = tmp_path / "figures.json"
    arguments = ("--backends", "eager", "--windows", "4", "--repeats", "1", "--threads", "1", "--out", out)
    done = run("benchmarks.speed.backends", *arguments, cwd=root)
    figures = json.loads(out.read_text())
    assert list(figures["ms"]) == ["eager forward", "eager partial", "eager pairs"]
    assert figures["largest_difference"] < 2e-5
    assert f"| `MIFM.forward` | {figures['ms']['eager forward']} |" in done.stdout


def test_a_backend_that_is_not_installed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr(backends.importlib.util, "find_spec", lambda name: None)
    arguments = ["--backends", "eager", "openvino", "--windows", "4", "--repeats", "1", "--threads", "1"]
    backends.main([*arguments, "--out", str(tmp_path / "figures.json")])
    assert "Not installed: OpenVINO." in capsys.readouterr().out


def test_compare_on_the_example(run: Run, root: Path, example: Path, tmp_path: Path) -> None:
    out = tmp_path / "figures.json"
    files = ("--vcf", example / "variants.vcf", "--fasta", example / "genome.fa")
    arguments = (*files, "--repeats", "1", "--threads", "1", "--out", out)
    done = run("benchmarks.speed.compare", *arguments, cwd=root)
    figures = json.loads(out.read_text())
    assert set(figures["models_s"]) == {"mifm", "cadd", "own", "pvalue", "abf"}
    assert figures["compare_over_score"] > 0
    assert f"| {figures['compare_over_score']} |" in done.stdout


@pytest.mark.slow
def test_enrichment_of_a_small_table(run: Run, root: Path, tmp_path: Path) -> None:
    out = tmp_path / "figures.json"
    arguments = (
        "--variants",
        "3000",
        "--cell-lines",
        "5",
        "--segments",
        "2000",
        "--threads",
        "1",
        "--out",
        out,
    )
    done = run("benchmarks.speed.enrichment", *arguments, cwd=root)
    figures = json.loads(out.read_text())
    assert figures["variants"] == 3000
    assert figures["cpu_seconds"] > 0
    assert f"| {figures['memory_gib']} GiB |" in done.stdout


def test_paired_tests_of_few_people(run: Run, root: Path, tmp_path: Path) -> None:
    out = tmp_path / "figures.json"
    arguments = ("--scenarios", "2", "--people", "400", "--plain", "1", "--threads", "1", "--out", out)
    done = run("benchmarks.speed.paired_tests", *arguments, cwd=root)
    figures = json.loads(out.read_text())
    assert (figures["covariates"], figures["scores"], figures["tests"]) == (40, 39, 72)
    assert figures["newton_seconds"] > 0
    assert f"| {figures['seconds']} |" in done.stdout


def test_gwas_of_a_small_cohort(run: Run, root: Path, tmp_path: Path) -> None:
    out = tmp_path / "figures.json"
    sizes = ("--people", "300", "--variants", "900", "--slice", "700", "--traits", "2")
    done = run("benchmarks.speed.gwas", *sizes, "--threads", "1", "--out", out, cwd=root)
    figures = json.loads(out.read_text())
    assert [case["kind"] for case in figures["cases"]] == ["quantitative", "quantitative", "binary"]
    assert [case["variants"] for case in figures["cases"]] == [900, 700, 700]
    assert "| binary | 700 | 0% |" in done.stdout


def test_the_genotypes_of_the_gwas_have_their_frequencies(tmp_path: Path) -> None:
    gwas.write_genotypes(tmp_path / "some", 4000, 50, 0.05)
    dosages = np.concatenate([block.dosages for block in open_genotypes(tmp_path / "some").blocks()])
    missing = np.isnan(dosages).mean(axis=1)
    frequency = np.nanmean(dosages, axis=1) / 2
    np.testing.assert_allclose(missing, 0.05, atol=0.02)
    np.testing.assert_allclose(frequency, np.linspace(0.01, 0.5, 50), atol=0.03)


@pytest.mark.slow
def test_polygenic_scores_of_few_people(run: Run, root: Path, tmp_path: Path) -> None:
    out = tmp_path / "figures.json"
    arguments = (
        "--people",
        "1001",
        "--variants",
        "60",
        "--scores",
        "3",
        "--missing",
        "0.01",
        "--threads",
        "1",
    )
    done = run("benchmarks.speed.polygenic", *arguments, "--out", out, cwd=root)
    figures = json.loads(out.read_text())
    assert figures["variants"] == [30, 60]
    assert min(figures["cpu_seconds"]) > 0
    assert f"memory {figures['memory_gib']} GiB" in done.stdout
