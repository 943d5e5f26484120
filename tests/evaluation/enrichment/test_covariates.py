"""Composition, distances to genes, strata."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest

from mifm_kipoi.errors import InputError
from mifm_kipoi.evaluation.enrichment.covariates import (
    CPG,
    FLANK,
    GC,
    composition,
    design,
    distance_to_start,
    read_starts,
    strata,
)
from mifm_kipoi.genomics.genome import Genome
from tests.builders import write_fasta


def test_composition_is_that_of_the_bases_around(tmp_path: Path) -> None:
    bases = "".join(np.random.default_rng(1).choice(list("ACGTN"), 3000, p=[0.2, 0.3, 0.3, 0.15, 0.05]))
    genome = Genome(write_fasta(tmp_path / "g.fa", {"chr1": bases, "2": "N" * 900}))
    pos = np.array([1, 2, 300, 1500, 2999, 3000, 450, 10])
    contig = np.array([0] * 6 + [1, 2])
    found = composition(genome, ("1", "2", "3"), contig, pos)
    for number, one in enumerate(pos[:6]):
        window = bases[max(0, one - 1 - FLANK) : one + FLANK]
        known = len(window) - window.count("N")
        assert found[GC][number] == pytest.approx((window.count("G") + window.count("C")) / known)
        # A pair counts where its C lies within.
        longer = bases[max(0, one - 1 - FLANK) : one + FLANK + 1]
        pairs = longer.count("CG") if one + FLANK < len(bases) else window.count("CG")
        assert found[CPG][number] == pytest.approx(pairs / known, abs=1 / known)
    assert np.isnan(found[GC][6:]).all()


def test_starts_of_transcripts_and_of_regions(tmp_path: Path) -> None:
    rows = [
        "#!genome",
        "chr1\ts\tgene\t50\t90\t.\t+\t.\tg",
        "chr1\ts\ttranscript\t100\t900\t.\t+\t.\tt",
        "1\ts\ttranscript\t200\t500\t.\t-\t.\tt",
        "1\ts\texon\t1\t5\t.\t-\t.\tt",
    ]
    path = tmp_path / "a.gtf.gz"
    path.write_bytes(gzip.compress("\n".join(rows).encode()))
    assert {name: each.tolist() for name, each in read_starts(path).items()} == {"1": [99, 499]}
    genes = tmp_path / "genes.gtf"
    genes.write_text("\n".join(rows[:2]) + "\n")
    assert read_starts(genes)["1"].tolist() == [49]
    regions = tmp_path / "a.bed"
    regions.write_text("chr1\t7\t8\nchr1\t3\t4\n")
    assert read_starts(regions)["1"].tolist() == [3, 7]
    genes.write_text("chr1\ts\tgene\tx\t90\t.\t+\t.\tg\n")
    with pytest.raises(InputError, match=r"line 1 of .*genes.gtf is not GTF"):
        read_starts(genes)
    genes.write_text("chr1\ts\texon\t1\t90\t.\t+\t.\tg\n")
    with pytest.raises(InputError, match="has no transcription start site"):
        read_starts(genes)


def test_distance_to_the_nearest_start() -> None:
    starts = {"1": np.array([99, 499])}
    found = distance_to_start(starts, ("1", "2"), np.array([0, 0, 0, 0, 1]), np.array([1, 100, 309, 1500, 5]))
    assert found[:4] == pytest.approx(np.log10(1 + np.array([99, 0, 191, 1000])))
    assert np.isnan(found[4])


def test_strata_are_products_of_quantile_bins() -> None:
    one, other = np.arange(100.0), np.tile([0.0, 1.0], 50)
    assert np.bincount(strata({"a": one})).tolist() == [20] * 5
    both = strata({"a": one, "b": other})
    assert np.unique(both).size == 10
    one[7] = np.nan
    assert strata({"a": one})[7] == -1


def test_a_design_has_squares_and_no_constant() -> None:
    columns = design({"a": np.array([1.0, 2.0, 3.0]), "b": np.ones(3)})
    assert columns.shape == (3, 2)
    assert columns[:, 0] == pytest.approx([-np.sqrt(1.5), 0, np.sqrt(1.5)])
    assert columns[:, 1] == pytest.approx([1.5, 0, 1.5])
