"""The benchmark of training runs and says what it measured; how long things take is never tested."""

import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks.speed import synthetic
from benchmarks.speed import training as benchmark
from mifm_kipoi import Genome, Variant, cut_windows
from tests.conftest import Run
from training.data.dataset import Split

TINY = synthetic.SHAPES["tiny"]


def test_random_data_sets_have_the_stated_shape(tmp_path: Path) -> None:
    dataset = synthetic.make(TINY, tmp_path / "genome.fa")
    genome = Genome(tmp_path / "genome.fa")
    assert genome.contigs == {"1": 200_000, "2": 200_000}
    counts = dataset.bags.value_counts(["split", "label"]).to_dict()
    assert counts == {("train", 1): 8, ("train", 0): 16, ("validation", 1): 2, ("validation", 0): 2}
    sizes = dataset.bags.groupby("label")["size"]
    assert sizes.max().to_dict() == {0: 1, 1: 5}
    variants = [
        Variant(row.chrom, row.pos, row.id, row.ref, row.alt) for row in dataset.instances.itertuples()
    ]
    assert set(cut_windows(variants, genome).status) == {"ok"}
    assert all(variant.ref != variant.alt for variant in variants)
    labels = dataset.instances["bag"].map(dataset.bags["label"])
    pos, chrom = dataset.instances["pos"], dataset.instances["chrom"]
    for row in np.flatnonzero(labels == 0):
        near = pos[(labels == 1) & (chrom == chrom[row])]
        assert np.abs(near - pos[row]).min() <= 128


def test_the_bags_trained_on_are_drawn_from_those_for_training(tmp_path: Path) -> None:
    dataset = synthetic.make(TINY, tmp_path / "genome.fa")
    part = benchmark.training_bags(dataset, 3)
    assert part.bags["label"].value_counts().to_dict() == {0: 16, 1: 3}
    assert set(part.bags["split"]) == {Split.TRAIN.value}
    assert len(benchmark.training_bags(dataset, 100).bags) == 24


@pytest.mark.slow
def test_tiny(run: Run, root: Path, tmp_path: Path) -> None:
    out = tmp_path / "figures.json"
    words = ("--scale", "tiny", "--repeats", "1", "--threads", "1", "--out", out)
    done = run("benchmarks.speed.training", *words, cwd=root)
    figures = json.loads(out.read_text())
    assert (figures["bags"], figures["batches"], figures["genome_bases"]) == (8, 1, 200_000)
    assert figures["bare_over_bare"] == 1
    assert figures["loader_per_s"] > 0
    assert min(figures["peak_mb"].values()) > 100
    assert f"| {figures['peak_mb']['fit']} |" in done.stdout


def test_a_data_set_wants_its_genome() -> None:
    with pytest.raises(SystemExit, match="--data and --fasta go together"):
        benchmark.main(["--data", "somewhere"])
