"""Scores of every position of a region, against windows cut one by one."""

from __future__ import annotations

import random

import numpy as np
import pytest

from mifm_kipoi.conventions import Status
from mifm_kipoi.genome_scan.region import region_logits
from mifm_kipoi.genomics.genome import Genome
from mifm_kipoi.genomics.intervals import Interval
from mifm_kipoi.network.inference import Predictor
from mifm_kipoi.network.scan import Scan
from mifm_kipoi.sequence.contig_blocks import BLOCK
from mifm_kipoi.sequence.windows import cut_interval_windows
from tests.builders import random_network, write_fasta

LENGTH = BLOCK + 900


@pytest.fixture(scope="module")
def genome(tmp_path_factory: pytest.TempPathFactory) -> Genome:
    """A contig of two blocks with N inside, and one that is N alone."""
    bases = "".join(random.Random(1).choices("ACGT", k=LENGTH))
    bases = bases[:1500] + "N" * 40 + bases[1540:]
    return Genome(
        write_fasta(tmp_path_factory.mktemp("region") / "x.fa", {"20": bases, "n": "N" * (BLOCK + 1)})
    )


@pytest.mark.parametrize(
    ("start", "end"),
    [(1480, 1560), (BLOCK - 20, BLOCK + 20), (LENGTH - 230, LENGTH), (0, 230)],
    ids=["around N", "two blocks", "end", "beginning"],
)
def test_each_position_has_the_logit_of_its_window(genome: Genome, start: int, end: int) -> None:
    network = random_network()
    values = region_logits(genome, "20", start, end, Scan(network))
    codes, status = cut_interval_windows(
        [Interval("20", pos, pos + 1, "") for pos in range(start, end)], genome, 0.1
    )
    bases = genome.fetch("20", start, end)
    scorable = np.array([reason is Status.OK for reason in status]) & (bases != ord("N"))
    assert scorable.sum() > 0
    expected = np.where(scorable, Predictor(network).logits(codes), np.nan)
    np.testing.assert_allclose(values, expected, atol=1e-5)


def test_outside_the_contig_and_in_n_there_is_nothing(genome: Genome) -> None:
    scan = Scan(random_network())
    values = region_logits(genome, "20", -10, LENGTH + 10, scan, threads=2)
    assert len(values) == LENGTH + 20
    assert np.isnan(values[:10]).all()
    assert np.isnan(values[-10:]).all()
    np.testing.assert_array_equal(
        values[10 + 1000 : 10 + 1100], region_logits(genome, "20", 1000, 1100, scan)
    )
    assert np.isnan(region_logits(genome, "n", 0, BLOCK + 1, scan)).all()
    assert np.isnan(region_logits(genome, "20", LENGTH + 5, LENGTH + 9, scan)).all()
