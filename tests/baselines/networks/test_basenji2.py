"""Basenji2: real code on a tiny network, places and alleles with a toy one, and what is refused."""

from __future__ import annotations

import copy
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from mifm_kipoi.baselines.networks import basenji2
from mifm_kipoi.errors import InputError, MissingPackageError, OptionError, WeightsError
from mifm_kipoi.genomics.genome import Genome
from mifm_kipoi.support.files import sha256_of
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

pytest.importorskip("basenji2_pytorch")

WINDOW = basenji2.WINDOW
MODEL: dict[str, Any] = {
    "seq_length": 16_513,
    "target_length": 2,
    "activation": "gelu",
    "norm_type": "batch",
    "bn_momentum": 0.9,
    "trunk": [
        {"name": "conv_block", "filters": 6, "kernel_size": 15, "pool_size": 2},
        {
            "name": "conv_tower",
            "filters_init": 7,
            "filters_mult": 1.1,
            "kernel_size": 5,
            "pool_size": 2,
            "repeat": 6,
        },
        {
            "name": "dilated_residual",
            "filters": 8,
            "rate_mult": 1.5,
            "repeat": 3,
            "dropout": 0.3,
            "round": True,
        },
        {"name": "Cropping1D", "cropping": 64},
        {"name": "conv_block", "filters": 16, "dropout": 0.05},
    ],
    "head_human": {"name": "final", "units": 5, "activation": "softplus"},
}
"""The published architecture with fewer and narrower layers."""

Genomes = tuple[Genome, dict[str, str]]


@pytest.fixture(scope="module")
def library() -> Any:
    import basenji2_pytorch

    return basenji2_pytorch


@pytest.fixture(scope="module")
def genome(tmp_path_factory: pytest.TempPathFactory) -> Genomes:
    return make_genome(tmp_path_factory.mktemp("genome"))


@pytest.fixture(scope="module")
def network(library: Any) -> torch.nn.Module:
    return randomise(library.Basenji2(copy.deepcopy(MODEL)), 2.0)


def folder_of(network: torch.nn.Module, folder: Path, file: str = "model.safetensors") -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "params.json").write_text(json.dumps({"train": {}, "model": MODEL}))
    if file.endswith("safetensors"):
        save_file(network.state_dict(), folder / file)
    else:
        torch.save(network.state_dict(), folder / file)
    return folder


@pytest.fixture
def folder(network: torch.nn.Module, tmp_path: Path) -> Path:
    return folder_of(network, tmp_path / "basenji2")


@pytest.mark.parametrize(("window", "bins"), [(WINDOW, 2), (16_512, 1), (20_000, 29)])
def test_equals_the_library(
    folder: Path, network: torch.nn.Module, genome: Genomes, window: int, bins: int
) -> None:
    baseline = basenji2.open_basenji2(str(folder) if window == WINDOW else f"{folder}:{window}", ONE_BY_ONE)
    bases = genome[1]["1"]
    variants = some_variants(bases, [15_000, 20_001, 22_002])
    check_equals_module(baseline, genome[0], bases, variants, lambda x: network(x.permute(0, 2, 1)), window)
    declared = baseline.declaration
    assert (declared.window, declared.variant_index, declared.tracks) == (window, (window - 1) // 2, 5)
    assert ("number of" if bins == 1 else f"its {bins} bins") in declared.formula


def test_alleles_are_in_their_place(monkeypatch: pytest.MonkeyPatch, folder: Path, genome: Genomes) -> None:
    class Library(Toy):
        def forward(self, windows: torch.Tensor) -> torch.Tensor:
            return super().forward(windows.transpose(1, 2))

    monkeypatch.setattr(basenji2, "_load_network", lambda *_: Library(WINDOW, 2))
    baseline = basenji2.open_basenji2(str(folder), CPU)
    bases = genome[1]["1"]
    variants = some_variants(bases, range(20_000, 20_005))
    check_toy_effects(baseline, genome[0], bases, variants, WINDOW)
    check_notices_shift(monkeypatch, baseline, genome[0], bases, variants, WINDOW)


@pytest.mark.parametrize(
    ("name", "write"),
    [
        ("b.pth", torch.save),
        ("b.pt", lambda tensors, path: torch.save({"state_dict": tensors, "epoch": 3}, path)),
        ("b.safetensors", save_file),
        (
            "b.pth",
            lambda tensors, path: torch.save({f"basenji2.{key}": t for key, t in tensors.items()}, path),
        ),
        (
            "lightning.ckpt",
            lambda tensors, path: torch.save(
                {"state_dict": {f"basenji2.{key}": t for key, t in tensors.items()}}, path
            ),
        ),
    ],
    ids=["pth", "state_dict", "safetensors", "prefix", "lightning"],
)
def test_files_of_the_published_architecture(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    library: Any,
    network: torch.nn.Module,
    folder: Path,
    genome: Genomes,
    name: str,
    write: Callable[..., object],
) -> None:
    """The tiny network stands for the published one."""
    monkeypatch.setitem(library.basenji2_params, "model", copy.deepcopy(MODEL))
    path = tmp_path / name
    write(network.state_dict(), path)
    baseline = basenji2.open_basenji2(str(path), CPU)
    variants = some_variants(genome[1]["1"], [20_000, 20_003, 20_009])[:1]
    expected = basenji2.open_basenji2(str(folder), CPU).effects(variants, genome[0])[1]
    assert baseline.effects(variants, genome[0])[1].tolist() == expected.tolist()
    assert baseline.declaration.provenance["weights"]["weights_sha256"] == sha256_of(path)
    # The package writes into the parameters that it is given.
    assert library.basenji2_params["model"] == MODEL


def test_download(monkeypatch: pytest.MonkeyPatch, library: Any, folder: Path) -> None:
    monkeypatch.setitem(library.basenji2_params, "model", copy.deepcopy(MODEL))
    monkeypatch.setattr(library, "basenji2_weights", lambda: str(folder / "model.safetensors"))
    for argument, window in (("", WINDOW), (":20000", 20_000), ("20000", 20_000)):
        declared = basenji2.open_basenji2(argument, CPU).declaration
        assert declared.window == window
        assert declared.provenance["weights"]["weights_sha256"] == sha256_of(folder / "model.safetensors")

    def fail() -> str:
        raise ConnectionError("no route")

    monkeypatch.setattr(library, "basenji2_weights", fail)
    with pytest.raises(InputError, match=r"cannot download .*no route.*name it, as in basenji2:FILE"):
        basenji2.open_basenji2("", CPU)


def test_folder_of_a_state_dict(network: torch.nn.Module, folder: Path, tmp_path: Path) -> None:
    other = folder_of(network, tmp_path / "other", "model.pth")
    assert basenji2.open_basenji2(str(other), CPU).tracks == 5


def test_impossible_windows(folder: Path) -> None:
    for window in (16_384, 100):
        with pytest.raises(
            OptionError, match=f"windows of {window:,} bp, most likely because cropping leaves no"
        ):
            basenji2.open_basenji2(f"{folder}:{window}", CPU)
    with pytest.raises(OptionError, match="expected a number of base pairs"):
        basenji2.open_basenji2(f"{folder}:all", CPU)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.pop("model.head.final.block.1.bias"), "it lacks 1: model.head.final.block.1.bias"),
        (
            lambda t: t.update({"model.head.final.block.9.bias": torch.ones(5)}),
            "has, beyond those 1: model.head",
        ),
        (
            lambda t: t.update({"model.head.final.block.1.bias": torch.ones(4)}),
            "has in other shapes 1: model.head",
        ),
        (lambda t: t.clear(), "it lacks"),
    ],
)
def test_weights_that_do_not_fit(
    folder: Path, network: torch.nn.Module, change: Callable[..., object], message: str
) -> None:
    tensors = dict(network.state_dict())
    change(tensors)
    save_file(tensors, folder / "model.safetensors")
    with pytest.raises(WeightsError, match=message):
        basenji2.open_basenji2(str(folder), CPU)


def test_counters_may_be_missing(folder: Path, network: torch.nn.Module) -> None:
    tensors = {key: t for key, t in network.state_dict().items() if not key.endswith("num_batches_tracked")}
    assert len(tensors) < len(network.state_dict())
    save_file(tensors, folder / "model.safetensors")
    assert basenji2.open_basenji2(str(folder), CPU).tracks == 5


def test_folders_that_do_not_fit(folder: Path) -> None:
    with pytest.raises(InputError, match="there is no file or folder '/nowhere'; expected a state_dict"):
        basenji2.open_basenji2("/nowhere", CPU)
    params = folder / "params.json"
    heads = MODEL | {"head_mouse": MODEL["head_human"]}
    params.write_text(json.dumps({"model": heads}))
    with pytest.raises(WeightsError, match=r"have the heads .*head_mouse.*expected only head_human"):
        basenji2.open_basenji2(str(folder), CPU)
    params.write_text(json.dumps(MODEL))
    with pytest.raises(WeightsError, match="has no section 'model'"):
        basenji2.open_basenji2(str(folder), CPU)
    params.write_text(json.dumps({"model": MODEL}))
    (folder / "model.safetensors").unlink()
    with pytest.raises(WeightsError, match=r"has no weights; expected model\.safetensors or model\.pth"):
        basenji2.open_basenji2(str(folder), CPU)


def test_missing_package(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    monkeypatch.setitem(sys.modules, "basenji2_pytorch", None)
    with pytest.raises(MissingPackageError, match=r"pip install '\.\[basenji2\]'"):
        basenji2.open_basenji2(str(folder), CPU)
