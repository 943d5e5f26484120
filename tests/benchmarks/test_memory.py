"""The benchmark runs and says what it measured; how much memory things take is never tested."""

import json
from pathlib import Path

from tests.conftest import Run


def test_score_on_the_example(run: Run, root: Path, example: Path, tmp_path: Path) -> None:
    out = tmp_path / "figures.json"
    arguments = ("--fasta", example / "genome.fa", "--sizes", "20", "200", "--out", out)
    done = run("benchmarks.memory.score", *arguments, cwd=root)
    peaks = json.loads(out.read_text())["peak_mb"]
    assert list(peaks) == ["20", "200"]
    assert min(peaks.values()) > 50
    assert f"200 SNVs: {peaks['200']} MB" in done.stdout


def test_data_of_a_table_of_the_shape_of_causaldb2(run: Run, root: Path, tmp_path: Path) -> None:
    out = tmp_path / "figures.json"
    run("benchmarks.memory.data", "--rows", "30000", "--folder", tmp_path, "--out", out, cwd=root)
    (table,) = json.loads(out.read_text())["tables"]
    assert 25_000 < table["rows"] < 35_000
    # 30,000 rows of 36 million are those of two blocks of 944 variants, primary and secondary.
    assert table["bags"] == 4
    assert 0.95 * 4 * 944 < table["instances"] <= 4 * 944
    assert 0.95 * table["rows"] < table["evidence"] <= table["rows"]
    assert table["peak_mb"] > 50
