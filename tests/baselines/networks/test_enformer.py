"""Enformer: real code on a tiny network, places and alleles with a toy one, and what is refused."""

from __future__ import annotations

import json
import pickle
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from mifm_kipoi.baselines.networks import enformer, pretrained
from mifm_kipoi.errors import InputError, MissingPackageError, OptionError, WeightsError
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

library = pytest.importorskip("enformer_pytorch")

WINDOW = 4_096
SIZES = {
    "dim": 48, "heads": 2, "depth": 1, "attn_dim_key": 8, "target_length": 16, "dim_divisible_by": 12,
    "output_heads": {"human": 7, "mouse": 3},
}  # fmt: skip

Genomes = tuple[Genome, dict[str, str]]


def make_network(**sizes: Any) -> torch.nn.Module:
    from enformer_pytorch.config_enformer import EnformerConfig

    return randomise(library.Enformer(EnformerConfig(**SIZES | sizes)), 2.0)


def save(network: Any, folder: Path, safe: bool = False) -> Path:
    """As the library writes it, or with tensors that have several names kept under the first alone."""
    if not safe:
        network.save_pretrained(folder, safe_serialization=False)
        return folder
    network.config.save_pretrained(folder)
    seen: set[int] = set()
    tensors = {}
    for name, tensor in network.state_dict().items():
        if tensor.data_ptr() not in seen:
            tensors[name] = tensor
            seen.add(tensor.data_ptr())
    save_file(tensors, folder / "model.safetensors")
    return folder


@pytest.fixture(scope="module")
def genome(tmp_path_factory: pytest.TempPathFactory) -> Genomes:
    return make_genome(tmp_path_factory.mktemp("genome"))


@pytest.fixture(scope="module")
def network() -> torch.nn.Module:
    return make_network()


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory, network: torch.nn.Module) -> Path:
    return save(network, tmp_path_factory.mktemp("enformer"))


@pytest.fixture
def copy(tmp_path: Path, network: torch.nn.Module) -> Callable[..., Path]:
    """A folder of the tiny network with changes to its tensors and settings."""

    def make(change: Callable[[dict[str, torch.Tensor]], object] | None = None, **config: Any) -> Path:
        folder = save(network, tmp_path, safe=True)
        if change:
            tensors = load_file(folder / "model.safetensors")
            change(tensors)
            save_file(tensors, folder / "model.safetensors")
        path = folder / "config.json"
        settings = json.loads(path.read_text()) | config
        path.write_text(json.dumps({key: value for key, value in settings.items() if value is not None}))
        return folder

    return make


@pytest.mark.parametrize("safe", [False, True])
def test_equals_the_library(tmp_path: Path, network: torch.nn.Module, genome: Genomes, safe: bool) -> None:
    """Also where tensors with several names stand in the file once."""
    folder = save(network, tmp_path, safe)
    baseline = enformer.open_enformer(f"{folder}:{WINDOW}", ONE_BY_ONE)
    bases = genome[1]["1"]
    variants = some_variants(bases, [15_000, 20_001, 30_002])
    check_equals_module(baseline, genome[0], bases, variants, lambda x: network(x)["human"], WINDOW)
    declared = baseline.declaration
    assert (declared.window, declared.variant_index, declared.tracks) == (WINDOW, 2_047, 7)
    assert "sum over its 16 bins" in declared.formula
    assert len(declared.provenance["weights"]["weights_sha256"]) == 64


def test_alleles_are_in_their_place(monkeypatch: pytest.MonkeyPatch, saved: Path, genome: Genomes) -> None:
    class Library(Toy):
        def forward(self, windows: torch.Tensor) -> dict[str, torch.Tensor]:
            return {"mouse": windows[:, :, :2], "human": super().forward(windows)}

    monkeypatch.setattr(enformer, "_load_network", lambda folder, config: Library(WINDOW, 16))
    baseline = enformer.open_enformer(f"{saved}:{WINDOW}", CPU)
    bases = genome[1]["1"]
    variants = some_variants(bases, range(20_000, 20_009))
    check_toy_effects(baseline, genome[0], bases, variants, WINDOW)
    check_notices_shift(monkeypatch, baseline, genome[0], bases, variants, WINDOW)


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({"dim": 1536, "depth": 11, "heads": 8}, True),
        ({}, True),
        ({"dim": 1536, "depth": 11, "heads": 8, "use_tf_gamma": False}, False),
        ({"dim": 768, "depth": 11, "heads": 8}, False),
        ({"dim": 768, "depth": 11, "heads": 8, "use_tf_gamma": True}, True),
        ({"dim": 1536, "depth": 4, "heads": 8}, False),
    ],
)
def test_features_of_positions(config: dict[str, Any], expected: bool) -> None:
    assert enformer.uses_tf_features(config) is expected


def test_published_sizes_with_features_of_pytorch_are_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    """The library writes use_tf_gamma: false when it saves the published weights again."""
    assert not enformer.uses_tf_features({"dim": 1536, "depth": 11, "heads": 8, "use_tf_gamma": False})
    assert "If these are the published weights" in caplog.text
    caplog.clear()
    assert not enformer.uses_tf_features({"dim": 48, "depth": 1, "heads": 2, "use_tf_gamma": False})
    assert enformer.uses_tf_features({"dim": 1536, "depth": 11, "heads": 8})
    assert not caplog.text


def test_published_settings_mean_features_of_tensorflow(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, genome: Genomes
) -> None:
    """A copy of the published network, here a small one of as many positions, under a name of its own."""
    sizes = {"dim": 192, "heads": 1, "num_downsamples": 3, "dim_divisible_by": 48, "target_length": 1_000}
    network = make_network(**sizes)
    window = 1_536 * 8
    folder = save(network, tmp_path)
    path = folder / "config.json"
    settings = json.loads(path.read_text())
    bases = genome[1]["1"]
    variants = some_variants(bases, [20_000, 20_300, 21_000])[3:4]
    found = []
    for tf in (True, False):
        attention = [module for module in network.modules() if hasattr(module, "use_tf_gamma")]
        for module in attention:
            module.use_tf_gamma = tf
        if tf:
            monkeypatch.setattr(enformer, "_OFFICIAL", {"dim": 192, "depth": 1, "heads": 1})
            path.write_text(json.dumps({key: settings[key] for key in settings if key != "use_tf_gamma"}))
        else:
            path.write_text(json.dumps(settings))
        baseline = enformer.open_enformer(f"{folder}:{window}", ONE_BY_ONE)
        assert ("TensorFlow" in baseline.declaration.formula) is tf
        assert baseline.identity["use_tf_gamma"] is tf
        check_equals_module(baseline, genome[0], bases, variants, lambda x: network(x)["human"], window)
        found.append(baseline.effects(variants, genome[0])[1])
        if tf:
            with pytest.raises(OptionError, match="reads only windows of 12,288 bp"):
                enformer.open_enformer(f"{folder}:{window + 8}", CPU)
    assert abs(found[0] - found[1]).max() > 1e-3 * abs(found[0]).max()


@pytest.mark.parametrize(
    ("window", "message"),
    [
        ("4100", "expected a multiple of 128"),
        ("1920", r"are 15 bins of 128 bp, .* expected at least 2,048 bp"),
        ("12kb", "the window of .* is '12kb'; expected a number"),
        ("", "expected a number"),
    ],
)
def test_impossible_windows(saved: Path, window: str, message: str) -> None:
    with pytest.raises(OptionError, match=message):
        enformer.open_enformer(f"{saved}:{window}", CPU)


def test_default_window() -> None:
    assert pretrained.split_window("a/b", enformer.WINDOW) == ("a/b", 196_608)
    assert pretrained.split_window("a:b/c", 5) == ("a:b/c", 5)


def drop(*names: str) -> Callable[[dict[str, torch.Tensor]], object]:
    return lambda tensors: [tensors.pop(name) for name in names]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            drop("transformer.0.0.fn.1.to_q.weight"),
            r"it lacks 2: _trunk.*to_q.weight, transformer.*to_q.weight",
        ),
        (drop("_heads.human.0.bias"), "it lacks 1: _heads.human.0.bias"),
        (
            lambda t: t.update({"transformer.1.0.fn.0.weight": torch.ones(48)}),
            "has, beyond those 1: transformer.1",
        ),
        (lambda t: t.update({"stem.0.bias": torch.ones(23)}), "has in other shapes 1: stem.0.bias"),
        (lambda t: t["stem.0.bias"].fill_(float("nan")), "stem.0.bias holds numbers that are not finite"),
        (
            lambda t: t.update({"_trunk.1.0.bias": t["stem.0.bias"] + 1}),
            "twice, with different numbers",
        ),
    ],
)
def test_weights_that_do_not_fit(copy: Callable[..., Path], change: Any, message: str) -> None:
    with pytest.raises(WeightsError, match=message):
        enformer.open_enformer(f"{copy(change)}:{WINDOW}", CPU)


def test_what_is_not_read_may_be_missing(copy: Callable[..., Path]) -> None:
    folder = copy(drop("_heads.mouse.0.bias", "stem.1.fn.0.num_batches_tracked"))
    assert enformer.open_enformer(f"{folder}:{WINDOW}", CPU).tracks == 7


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"model_type": "borzoi"}, "has the model_type 'borzoi'; expected 'enformer'"),
        ({"output_heads": {"mouse": 3}}, "has the heads mouse; expected human"),
        ({"depth": 2}, "it lacks"),
    ],
)
def test_settings_that_do_not_fit(copy: Callable[..., Path], config: dict[str, Any], message: str) -> None:
    with pytest.raises(WeightsError, match=message):
        enformer.open_enformer(f"{copy(**config)}:{WINDOW}", CPU)


def test_damaged_folders(copy: Callable[..., Path]) -> None:
    folder = copy()
    (folder / "model.safetensors").write_bytes(b"cut")
    with pytest.raises(WeightsError, match=r"cannot read the weights .*model\.safetensors"):
        enformer.open_enformer(f"{folder}:{WINDOW}", CPU)
    (folder / "model.safetensors").unlink()
    with pytest.raises(
        WeightsError, match=r"has no weights; expected model\.safetensors or pytorch_model\.bin"
    ):
        enformer.open_enformer(f"{folder}:{WINDOW}", CPU)
    (folder / "config.json").write_text("{")
    with pytest.raises(WeightsError, match=r"cannot read .*config\.json"):
        enformer.open_enformer(f"{folder}:{WINDOW}", CPU)
    (folder / "config.json").write_text("[]")
    with pytest.raises(WeightsError, match="holds a list; expected a JSON object"):
        enformer.open_enformer(f"{folder}:{WINDOW}", CPU)


class Malicious:
    """Makes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (self.path,)


@pytest.mark.parametrize("write", [torch.save, lambda value, path: path.write_bytes(pickle.dumps(value, 2))])
def test_pickled_code_is_never_run(copy: Callable[..., Path], write: Callable[..., object]) -> None:
    folder = copy()
    (folder / "model.safetensors").unlink()
    trace = folder / "trace"
    write({"stem.0.bias": Malicious(trace)}, folder / "pytorch_model.bin")
    with pytest.raises(WeightsError, match="holds pickled objects other than tensors"):
        enformer.open_enformer(f"{folder}:{WINDOW}", CPU)
    assert not trace.exists()


def test_a_file_of_something_else(copy: Callable[..., Path]) -> None:
    folder = copy()
    (folder / "model.safetensors").unlink()
    torch.save([1, 2], folder / "pytorch_model.bin")
    with pytest.raises(WeightsError, match="does not hold a state_dict"):
        enformer.open_enformer(f"{folder}:{WINDOW}", CPU)


def test_names_without_network(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import huggingface_hub.constants as hub

    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr(hub, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(hub, "HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(
        InputError,
        match=r"EleutherAI/enformer-official-rough.* download config\.json and .* give its path",
    ):
        enformer.open_enformer("EleutherAI/enformer-official-rough", CPU)
    for name in ("/nowhere/at/all", "./folder", "folder"):
        with pytest.raises(InputError, match=r"there is no folder .*; expected one, or a name OWNER/MODEL"):
            enformer.open_enformer(name, CPU)


def test_names_of_the_hub(monkeypatch: pytest.MonkeyPatch, saved: Path, genome: Genomes) -> None:
    """A snapshot on this machine stands for the download; its folder is called after the commit."""
    asked = []

    def snapshot_download(name: str, allow_patterns: list[str]) -> str:
        asked.append((name, allow_patterns))
        return str(saved)

    monkeypatch.setattr("huggingface_hub.snapshot_download", snapshot_download)
    by_name = enformer.open_enformer(f"owner/model:{WINDOW}", CPU)
    assert asked == [
        ("owner/model", ["config.json", file]) for file in ("model.safetensors", "pytorch_model.bin")
    ]
    libraries = by_name.declaration.provenance["libraries"]
    assert (libraries["repository"], libraries["commit"]) == ("owner/model", saved.name)
    assert by_name.identity == enformer.open_enformer(f"{saved}:{WINDOW}", CPU).identity


def test_missing_package(monkeypatch: pytest.MonkeyPatch, saved: Path) -> None:
    monkeypatch.setitem(sys.modules, "enformer_pytorch", None)
    with pytest.raises(MissingPackageError, match=r"pip install '\.\[enformer\]'"):
        enformer.open_enformer(f"{saved}:{WINDOW}", CPU)


def test_an_archive_that_grows_when_it_is_read_is_refused(tmp_path: Path) -> None:
    """PyTorch packs nothing; a small file of zeros could take all memory."""
    plain, packed = tmp_path / "plain.bin", tmp_path / "packed.bin"
    torch.save({"a": torch.zeros(10_000)}, plain)
    assert pretrained.read_tensors(plain)["a"].shape == (10_000,)
    with zipfile.ZipFile(plain) as parts, zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in parts.namelist():
            archive.writestr(name, parts.read(name))
    with pytest.raises(WeightsError, match=r"packed\.bin is not a file of torch\.save: its parts would take"):
        pretrained.read_tensors(packed)
