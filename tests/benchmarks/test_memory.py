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
