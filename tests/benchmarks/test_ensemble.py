"""The benchmark of members trained in one pass runs, and compares what it says that it compares."""

import argparse
import json
from pathlib import Path

import torch

from benchmarks.speed import ensemble as benchmark


def test_both_ways_give_the_same_gradients() -> None:
    """Against a member alone."""
    networks = [benchmark.member_network(seed) for seed in (1, 2)]
    windows, labels = torch.rand(2, 4, 5, 512), torch.tensor([[0.0, 1, 0, 1], [1, 1, 0, 0]])
    loop = benchmark.one_by_one(networks, windows, labels)
    together = benchmark.together(networks, windows, labels)
    assert benchmark.difference(loop, together) < 1e-3
    alone = benchmark.one_by_one(networks[1:], windows[1:], labels[1:])
    assert torch.equal(alone["head.weight"][0], loop["head.weight"][1])
    assert loop["head.weight"].abs().max() > 0


def test_the_figures_in_the_documentation_are_those_measured(root: Path) -> None:
    figures = json.loads((root / "benchmarks" / "speed" / "ensemble.json").read_text())
    text = " ".join(path.read_text() for path in sorted((root / "docs").rglob("*.md")))
    for row in figures["windows_per_second"]:
        assert f"| {row['windows']:,} | {row['loop']:,} | {row['together']:,} |" in text


def test_it_says_what_it_measured() -> None:
    figures = benchmark.measure(argparse.Namespace(members=2, windows=[2], repeats=1))
    (row,) = figures["windows_per_second"]
    assert (figures["members"], row["windows"]) == (2, 2)
    assert row["loop"] > 0 < row["together"]
    assert "| 2 |" in benchmark.table(figures)
