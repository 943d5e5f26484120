"""MIFM as a baseline: the numbers of ``mifm score``, and what it says of itself."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mifm_kipoi import Genome, read_variants, score_variants
from mifm_kipoi.baselines.mifm import open_mifm
from mifm_kipoi.baselines.protocol import ComputeOptions
from mifm_kipoi.network.training_sets import KEY, TrainingSet
from mifm_kipoi.network.weights import save_weights
from tests.builders import TINY, random_network


def test_same_numbers_as_scoring(example: Path) -> None:
    vcf, fasta = example / "variants.vcf", example / "genome.fa"
    expected = score_variants(vcf, fasta)
    baseline = open_mifm("", ComputeOptions(device="cpu"))
    scored = baseline.score(list(read_variants(vcf)), Genome(fasta))
    assert list(scored.status) == expected["status"].tolist()
    assert set(scored.columns) == set(baseline.declaration.columns)
    for name in ("mifm_ref", "mifm_alt", "mifm_delta"):
        np.testing.assert_allclose(scored.columns[name], expected[name], atol=1e-6)
    np.testing.assert_array_equal(scored.columns["mifm_abs_delta"], np.abs(scored.columns["mifm_delta"]))
    assert all(values.dtype == np.float64 for values in scored.columns.values())


def test_declares_the_window_and_the_index() -> None:
    declaration = open_mifm("", ComputeOptions()).declaration
    assert (declaration.window, declaration.variant_index) == (512, 255)
    assert declaration.held_out == ("9", "10")
    assert "CAUSALdb2" in declaration.leakage
    assert [score.name for score in declaration.scores if score.ranks] == ["mifm_ref", "mifm_abs_delta"]
    assert [score.name for score in declaration.scores if score.signed] == ["mifm_delta"]


def test_own_weights_have_no_known_held_out_chromosomes(tmp_path: Path) -> None:
    path = tmp_path / "own.safetensors"
    save_weights(path, random_network(TINY), {"made_by": "a test"})
    declaration = open_mifm(str(path), ComputeOptions()).declaration
    assert (declaration.window, declaration.variant_index) == (64, 31)
    assert declaration.held_out == ()
    assert "your own" in declaration.leakage
    assert (
        declaration.provenance["tensors_sha256"]
        != open_mifm("", ComputeOptions()).declaration.provenance["tensors_sha256"]
    )


def test_own_weights_declare_what_they_were_trained_on(tmp_path: Path) -> None:
    path = tmp_path / "own.safetensors"
    trained_on = TrainingSet(train=("1", "2"), validation=("3",), tables=(("gwas.tsv.gz", "c0ffee"),))
    save_weights(path, random_network(TINY), {KEY: [trained_on.to_dict()]})
    declaration = open_mifm(str(path), ComputeOptions()).declaration
    assert declaration.held_out == (*map(str, range(4, 23)), "X", "Y")
    assert declaration.leakage == "trained on chromosomes 1, 2 of gwas.tsv.gz; 3 chose the epoch"
    assert declaration.provenance["trained_on"] == {"gwas.tsv.gz": "c0ffee"}
    # Of two teachers, what either has seen was seen.
    teachers = (TrainingSet(train=("1",)), TrainingSet(train=("4",)))
    save_weights(path, random_network(TINY), {KEY: [each.to_dict() for each in teachers]})
    assert not {"1", "4"} & set(open_mifm(str(path), ComputeOptions()).declaration.held_out)


def test_unknown_weights() -> None:
    with pytest.raises(Exception, match="no weights named 'nothing'"):
        open_mifm("nothing", ComputeOptions())
