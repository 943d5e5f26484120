"""Logits of instances, one by one and by a scan of their sequence."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch

from mifm_kipoi.network.scan import Scan
from mifm_kipoi.scoring.scanning import COSTS, Costs
from tests.builders import TINY, random_network
from training.fitting import predictions
from training.fitting.predictions import instance_logits
from training.mil.genome_tensor import Alleles, GenomeTensor


@pytest.fixture(scope="module")
def genome() -> GenomeTensor:
    """Two contigs, some of their bases unknown."""
    codes = np.random.default_rng(1).integers(0, 5, 64 + 9000 + 64 + 500 + 64, dtype=np.uint8)
    starts, lengths = {"1": 64, "2": 64 + 9000 + 64}, {"1": 9000, "2": 500}
    for contig, start in starts.items():
        codes[start - 64 : start] = 4
        codes[start + lengths[contig] : start + lengths[contig] + 64] = 4
    return GenomeTensor(torch.from_numpy(codes), starts, lengths, 64)


@pytest.mark.parametrize("both", [False, True])
def test_dense_instances_are_scanned(
    genome: GenomeTensor, both: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In any order, repeated, in two contigs at once; one alone has a window of its own."""
    generator = np.random.default_rng(2)
    dense = np.concatenate([np.arange(64, 700), np.arange(9064 + 64, 9064 + 64 + 500, 3), [5000, 8500]])
    offsets = torch.from_numpy(generator.permutation(np.concatenate([dense, dense[:50]])))
    instances = pd.DataFrame({"ref": "A", "alt": generator.choice(["C", "GT", "T"], len(offsets))})
    alleles = Alleles.of(instances) if both else None
    network = random_network(TINY, seed=3).train()
    expected = instance_logits(network, genome, offsets, alleles)
    lengths: list[int] = []
    real = Scan.exact

    def noted(scan: Scan, codes: np.ndarray, *others: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        lengths.append(len(codes) - TINY.window + 1)
        return real(scan, codes, *others)

    monkeypatch.setattr(Scan, "exact", noted)
    monkeypatch.setattr(predictions, "START", 0)
    for engine in COSTS:
        monkeypatch.setitem(COSTS, engine, Costs(window=30, pair=0, position=1, substitution=0))
    found = instance_logits(network, genome, offsets, alleles)
    assert sorted(lengths) == [636, 1127]
    assert network.training
    assert found.dtype == expected.dtype == np.float64
    np.testing.assert_allclose(found, expected, atol=1e-5, rtol=0)
    assert not np.array_equal(found, expected)


def test_of_nothing(genome: GenomeTensor) -> None:
    none = torch.empty(0, dtype=torch.int64)
    assert instance_logits(random_network(TINY), genome, none).shape == (0,)
