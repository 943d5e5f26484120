"""Borzoi: real code on a small network, places and alleles with a toy one, and what is refused."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from mifm_kipoi.baselines.networks import borzoi
from mifm_kipoi.errors import MissingPackageError, OptionError, WeightsError
from mifm_kipoi.genomics.genome import Genome
from tests.baselines.networks.toy_networks import (
    CPU,
    ONE_BY_ONE,
    Toy,
    check_equals_module,
    check_notices_shift,
    check_toy_effects,
    make_genome,
    randomise,
    some_variants,
)

pytest.importorskip("borzoi_pytorch")

WINDOW = 2_048
SIZES = {"dim": 16, "depth": 1, "heads": 2, "attn_dim_key": 8, "attn_dim_value": 8, "bins_to_return": 16}

Genomes = tuple[Genome, dict[str, str]]


@pytest.fixture(scope="module")
def genome(tmp_path_factory: pytest.TempPathFactory) -> Genomes:
    return make_genome(tmp_path_factory.mktemp("genome"), 5_000)


@pytest.fixture(scope="module")
def network() -> Any:
    from borzoi_pytorch import Borzoi

    return randomise(Borzoi.from_hparams(**SIZES), 2.0)


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory, network: Any) -> Path:
    folder = tmp_path_factory.mktemp("borzoi")
    network.save_pretrained(folder)
    assert (folder / "model.safetensors").exists()
    return folder


@pytest.fixture
def settings(saved: Path) -> Iterator[Path]:
    """The folder's settings, put back afterwards."""
    path = saved / "config.json"
    text = path.read_text()
    yield path
    path.write_text(text)


def change(path: Path, **more: Any) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | more))


def test_equals_the_library(saved: Path, network: Any, genome: Genomes) -> None:
    baseline = borzoi.open_borzoi(f"{saved}:{WINDOW}", ONE_BY_ONE)
    bases = genome[1]["1"]
    variants = some_variants(bases, [1_500, 2_001, 3_002])
    check_equals_module(
        baseline, genome[0], bases, variants, lambda x: network(x.permute(0, 2, 1)).permute(0, 2, 1), WINDOW
    )
    declared = baseline.declaration
    assert (declared.window, declared.variant_index, declared.tracks) == (WINDOW, 1_023, 7_611)
    assert "sum over its 16 bins" in declared.formula
    assert "squashed scale" in declared.formula


def test_alleles_are_in_their_place(monkeypatch: pytest.MonkeyPatch, saved: Path, genome: Genomes) -> None:
    class Library(Toy):
        def forward(self, windows: torch.Tensor) -> torch.Tensor:
            return super().forward(windows.transpose(1, 2)).transpose(1, 2)

    monkeypatch.setattr(borzoi, "_load_network", lambda folder, config: Library(WINDOW, 16))
    baseline = borzoi.open_borzoi(f"{saved}:{WINDOW}", CPU)
    bases = genome[1]["1"]
    variants = some_variants(bases, range(2_000, 2_009))
    check_toy_effects(baseline, genome[0], bases, variants, WINDOW)
    check_notices_shift(monkeypatch, baseline, genome[0], bases, variants, WINDOW)


def test_impossible_windows(saved: Path, settings: Path) -> None:
    with pytest.raises(OptionError, match=r"windows of 2,100 bp; expected a multiple of 128"):
        borzoi.open_borzoi(f"{saved}:2100", CPU)
    with pytest.raises(
        OptionError, match=r"cannot read windows of 384 bp: sequence length 12 is less than target"
    ):
        borzoi.open_borzoi(f"{saved}:384", CPU)
    change(settings, return_center_bins_only=False)
    with pytest.raises(OptionError, match="less than target length 16352"):
        borzoi.open_borzoi(f"{saved}:{WINDOW}", CPU)


def test_settings_that_do_not_fit(saved: Path, settings: Path) -> None:
    change(settings, model_type="enformer")
    with pytest.raises(WeightsError, match="has the model_type 'enformer'; expected 'borzoi'"):
        borzoi.open_borzoi(f"{saved}:{WINDOW}", CPU)
    change(settings, model_type="borzoi", enable_human_head=False)
    with pytest.raises(WeightsError, match="has no human head"):
        borzoi.open_borzoi(f"{saved}:{WINDOW}", CPU)
    change(settings, enable_human_head=True, depth=2)
    with pytest.raises(WeightsError, match=r"it lacks \d+: transformer\.1\."):
        borzoi.open_borzoi(f"{saved}:{WINDOW}", CPU)


def test_flashed_networks_need_their_package(
    monkeypatch: pytest.MonkeyPatch, saved: Path, settings: Path
) -> None:
    change(settings, flashed=True)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(MissingPackageError, match="is a Flashzoi, which needs the package flash-attn"):
        borzoi.open_borzoi(f"{saved}:{WINDOW}", CPU)


def test_missing_and_needless_tensors(saved: Path, tmp_path: Path) -> None:
    tensors = load_file(saved / "model.safetensors")
    (tmp_path / "config.json").write_text((saved / "config.json").read_text())
    bias = tensors.pop("human_head.bias")
    save_file(tensors, tmp_path / "model.safetensors")
    with pytest.raises(WeightsError, match=r"it lacks 1: human_head\.bias"):
        borzoi.open_borzoi(f"{tmp_path}:{WINDOW}", CPU)
    save_file(
        tensors | {"human_head.bias": bias, "mouse_head.bias": bias + 1}, tmp_path / "model.safetensors"
    )
    assert borzoi.open_borzoi(f"{tmp_path}:{WINDOW}", CPU).tracks == 7_611
    save_file(tensors | {"human_head.bias": bias, "extra.bias": bias + 1}, tmp_path / "model.safetensors")
    with pytest.raises(WeightsError, match=r"has, beyond those 1: extra\.bias"):
        borzoi.open_borzoi(f"{tmp_path}:{WINDOW}", CPU)


def test_missing_package(monkeypatch: pytest.MonkeyPatch, saved: Path) -> None:
    monkeypatch.setitem(sys.modules, "borzoi_pytorch", None)
    with pytest.raises(MissingPackageError, match=r"pip install '\.\[borzoi\]'"):
        borzoi.open_borzoi(f"{saved}:{WINDOW}", CPU)
