"""Measurements of a network beside untrained ones, against closed forms and literals."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from benchmarks.__main__ import main
from benchmarks.real import network_report
from benchmarks.real import published_network as measured
from mifm_kipoi import MIFM, Genome, MIFMConfig
from mifm_kipoi.errors import InputError, WeightsError
from mifm_kipoi.network.weights import save_weights
from mifm_kipoi.sequence import encoding
from tests.builders import random_network, write_fasta


@pytest.fixture(scope="module")
def fasta(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """60 kb with an unknown block of 100 bp in the middle."""
    bases = "".join(np.random.default_rng(3).choice(list("ACGT"), 60_000))
    path = tmp_path_factory.mktemp("genome") / "genome.fa"
    return write_fasta(path, {"chr20": bases[:30_000] + "N" * 100 + bases[30_100:]})


@pytest.fixture(scope="module")
def windows(fasta: Path) -> measured.Windows:
    return measured.draw_windows(Genome(fasta), "20", 200)


class TestWeights:
    def test_bounds_are_one_over_the_root_of_the_fan_in(self) -> None:
        bounds = measured.initial_bounds(MIFM().state_dict())
        assert len(bounds) == 17
        assert bounds["stem.0.weight"] == bounds["stem.0.bias"] == pytest.approx((4 * 15) ** -0.5)
        assert bounds["tower.0.0.2.weight"] == pytest.approx((16 * 5) ** -0.5)
        assert bounds["head.weight"] == pytest.approx(64**-0.5)
        assert "head.bias" not in bounds

    def test_an_untrained_network(self) -> None:
        torch.manual_seed(1)
        state = MIFM().state_dict()
        tensors = measured.tensors(state)
        assert sum(each.values for each in tensors) == sum(state[each.name].numel() for each in tensors)
        assert max(each.largest for each in tensors) <= 1
        assert sum(each.p_value < 0.05 for each in tensors) <= 3
        scales = measured.scales(state)
        assert [(each.steps, each.root_mean_square, each.largest) for each in scales] == [(0, 0, 0)] * 14

    def test_weights_that_moved_are_seen(self) -> None:
        torch.manual_seed(1)
        state = MIFM().state_dict()
        state["features.2.weight"] *= 1.2
        state["features.0.weight"] += torch.tensor([0.03, *[0.0] * 30])
        state["features.0.num_batches_tracked"] += 7
        moved = {each.name: each for each in measured.tensors(state)}["features.2.weight"]
        assert moved.p_value < 1e-6
        assert 1.15 < moved.largest <= 1.2
        scales = {each.name: each for each in measured.scales(state)}["features.0.weight"]
        assert (scales.steps, scales.largest) == (7, pytest.approx(0.03))
        assert scales.root_mean_square == pytest.approx(0.03 / 31**0.5)


class TestWindows:
    def test_places_and_bases(self, fasta: Path, windows: measured.Windows) -> None:
        genome = Genome(fasta)
        assert (np.diff(windows.pos) > 0).all()
        for row in (0, 99, 199):
            pos0 = int(windows.pos[row]) - 1
            cut = encoding.codes(genome.fetch("chr20", pos0 - 255, pos0 + 257))
            assert np.array_equal(windows.ref[row], cut)
            differs = np.flatnonzero(windows.alternative[row] != cut)
            assert differs.tolist() == [255]
            before = encoding.codes(genome.fetch("chr20", pos0 - 256, pos0 + 256))
            assert np.array_equal(windows.one_off[row], before)
            # The complement of the same base is at the same index.
            assert windows.reverse[row, 255] == 3 - cut[255]
            assert np.array_equal(windows.reverse[row], encoding.reverse_complement(before))
        assert max(each.max() for each in (windows.ref, windows.one_off, windows.reverse)) <= 3

    def test_a_contig_that_is_missing_or_too_short(self, fasta: Path, tmp_path: Path) -> None:
        with pytest.raises(InputError, match=r"no contig '21'; it has chr20"):
            measured.draw_windows(Genome(fasta), "21", 1)
        short = write_fasta(tmp_path / "short.fa", {"1": "A" * 520})
        # Index 255 with one base more on either side: 520 - 514 + 1 positions.
        assert len(measured.draw_windows(Genome(short), "1", 7).pos) == 7
        with pytest.raises(InputError, match=r"has 7 positions .* expected 8"):
            measured.draw_windows(Genome(short), "1", 8)


class TestSignature:
    def test_of_windows_that_are_the_same(self, windows: measured.Windows) -> None:
        same = dataclasses.replace(windows, alternative=windows.ref, one_off=windows.ref, reverse=windows.ref)
        signature = measured.signature("x", random_network(), same)
        assert signature.one_off.value == signature.reverse.value == signature.alternative.value == 1
        assert signature.delta.value == 0
        assert signature.deviation.low < signature.deviation.value < signature.deviation.high

    def test_of_random_sequence(self, windows: measured.Windows) -> None:
        """On random sequence the other strand is another window: no correlation but by chance."""
        signature = measured.signature("x", random_network(), windows)
        assert signature.reverse.low < 0.15
        assert abs(signature.reverse.value) < 4 / 200**0.5
        assert signature.alternative.value > 0.5
        assert 0 < signature.delta.value < 1.5

    def test_weighted_moments(self) -> None:
        values = np.array([3.0, 1.0, 2.0, 10.0])
        weights = np.array([[1, 0], [1, 2], [1, 0], [1, 2]], dtype=np.float64)
        assert measured.medians(values, weights).tolist() == [2, 1]
        assert measured.standard_deviations(values, weights) == pytest.approx([np.std(values), 4.5])

    def test_untrained_networks_have_the_statistics_of_the_windows(self, windows: measured.Windows) -> None:
        network = measured.untrained(MIFMConfig(), 4, windows.ref)
        assert not network.training
        assert {int(n) for key, n in network.state_dict().items() if key.endswith("tracked")} == {1}
        one_hot = torch.from_numpy(encoding.one_hot(windows.ref))
        stem = network.stem[0](one_hot).detach()
        assert torch.allclose(network.stem[1].branch[0].running_mean, stem.mean((0, 2)), atol=1e-5)
        state = torch.get_rng_state()
        again = measured.untrained(MIFMConfig(), 4, windows.ref)
        assert torch.equal(network.head.weight, again.head.weight)
        assert torch.equal(state, torch.get_rng_state())


def test_proportion_of_first_windows() -> None:
    """The optimum of the weighted squared error, inverted: s = 100 q / (1 + 99 q)."""
    q = np.array([0.0, 0.001, 0.0099, 0.2, 1.0])
    assert measured.first_proportion(100 * q / (1 + 99 * q)) == pytest.approx(q)
    assert measured.first_proportion([0.5, 0.9]) == pytest.approx([1 / 101, 9 / 109])


def test_command(fasta: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    weights = tmp_path / "mine.safetensors"
    save_weights(weights, random_network(), {})
    arguments = ["real", "published-network", "--weights", str(weights), "--fasta", str(fasta)]
    sizes = ["--positions", "100", "--untrained", "3", "--out", str(tmp_path / "out")]
    assert main([*arguments, *sizes]) == 0
    report = (tmp_path / "out" / network_report.REPORT).read_text()
    assert report in capsys.readouterr().out
    assert "Batch normalisation counted **0 training steps**" in report
    assert "100 random positions of contig chr20" in report
    figures = json.loads((tmp_path / "out" / network_report.FIGURES).read_text())
    signatures = pd.read_csv(tmp_path / "out" / network_report.SIGNATURES, sep="\t")
    assert signatures["network"].tolist() == [
        "mine.safetensors", *(f"untrained, seed {seed}" for seed in range(3))
    ]  # fmt: skip
    assert figures["signatures"][0]["alternative"] == pytest.approx(signatures["alternative"][0])
    assert len(pd.read_csv(tmp_path / "out" / network_report.TENSORS, sep="\t")) == 17
    assert 0 < figures["score_quantiles"]["0.5"] < 1
    assert main([*arguments, "--untrained", "2", "--out", str(tmp_path / "out")]) == 2
    assert "--untrained is 2; expected 3 or more" in capsys.readouterr().err


def test_other_pickles_are_refused(tmp_path: Path) -> None:
    torch.save({"a": Path("x")}, tmp_path / "other.ckpt")
    with pytest.raises(WeightsError, match=r"refused to read .*other\.ckpt"):
        measured.read_network(str(tmp_path / "other.ckpt"))


@pytest.mark.reference
def test_the_published_checkpoint(reference_data: Path) -> None:
    """3,750 steps; only the features and the head can be told from their initial distribution."""
    state = measured.read_network(str(reference_data / "published" / "a7a0q7ar.ckpt")).state_dict()
    assert {each.steps for each in measured.scales(state)} == {3750}
    assert max(each.largest for each in measured.scales(state)) < 0.05
    tensors = {each.name: each for each in measured.tensors(state)}
    moved = [each for each in tensors.values() if each.p_value < 0.1]
    assert {each.name for each in moved} == {"features.2.weight", "head.weight"}
    assert tensors["features.2.weight"].p_value == pytest.approx(0.0105, abs=0.0005)
    assert tensors["features.2.weight"].largest == pytest.approx(1.198, abs=0.001)
    assert tensors["head.weight"].p_value == pytest.approx(0.0394, abs=0.0005)
    assert tensors["head.weight"].largest == pytest.approx(1.274, abs=0.001)
