"""The benchmark runs and says what it measured; how long things take is never tested."""

import json
from pathlib import Path

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
    assert figures["variant_exchanges"] == figures["position_exchanges"] == 3 * 512
    assert figures["variant_largest_difference"] < 2e-5
    assert figures["position_largest_difference"] < 2e-5
    assert f"| {figures['variant_naive_over_variant']} x |" in done.stdout
