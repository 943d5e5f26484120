import contextlib
import dataclasses
import hashlib
import http.server
import json
import pickle
import shutil
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch

from mifm_kipoi.cli import main
from mifm_kipoi.errors import OutputError, WeightsError
from mifm_kipoi.network import weights
from mifm_kipoi.network.background import LogitCounts
from mifm_kipoi.network.model import MIFM, MIFMConfig, tensor_shapes
from tests.builders import TINY, random_network


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's data folder, empty."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    return weights.weights_folder()


def saved(path: Path, network: MIFM | None = None) -> Path:
    weights.save_weights(path, network or random_network(TINY), {"made": "by a test"})
    return path


def test_the_folder_is_under_the_users_data(tmp_path: Path, folder: Path) -> None:
    assert folder == tmp_path / "data" / "mifm-kipoi" / "weights"


def test_what_is_saved_is_loaded(tmp_path: Path) -> None:
    network = random_network(TINY)
    loaded = weights.load_weights(saved(tmp_path / "own.safetensors", network))
    assert loaded.config == TINY
    assert loaded.provenance["made"] == "by a test"
    assert loaded.provenance["mifm_kipoi"] == weights.__version__
    assert loaded.sha256 == weights.tensors_sha256(network.state_dict())
    x = torch.rand(3, 4, 64)
    assert torch.equal(loaded.model()(x), network(x))
    assert not loaded.model().training


def test_embedded_weights_are_what_their_checksum_says() -> None:
    embedded = weights.verify_weights("embedded")
    assert embedded.config == MIFMConfig()
    assert embedded.sha256 == weights.TENSORS_SHA256["embedded"]
    assert embedded.provenance["teacher"]["tensors_sha256"] == weights.TENSORS_SHA256["published"]


class TestBackground:
    """What scores mean is kept with the weights."""

    @pytest.fixture
    def own(self, tmp_path: Path) -> Path:
        path = saved(tmp_path / "own.safetensors")
        read = weights.load_weights(path)
        assert read.background is None
        counts = LogitCounts()
        counts.add(np.linspace(-2, 2, 5001, dtype=np.float32))
        background = counts.background({"name": "a test", "weights": read.identity})
        weights.save_weights(path, read.model(), read.provenance, background)
        return path

    def test_is_read_with_the_weights_and_installed_with_them(self, own: Path) -> None:
        for read in (weights.load_weights(own), weights.import_weights(own, "named")):
            assert read.background is not None
            assert read.background.positions == 5001
            assert read.background.name == "a test"
            assert read.background.percentile(np.zeros(1))[0] == pytest.approx(50, abs=0.02)
            assert read.provenance["made"] == "by a test"

    @pytest.mark.parametrize(
        ("change", "match"),
        [
            (lambda text: text[:-8], "another checksum"),
            (lambda text: "?" + text[1:], "cannot be read"),
            (lambda text: "", "another checksum"),
        ],
    )
    def test_damaged(self, own: Path, change: Callable[[str], str], match: str) -> None:
        with safetensors.safe_open(own, framework="pt") as file:
            metadata = file.metadata()
        metadata["background"] = change(metadata["background"])
        safetensors.torch.save_file(random_network(TINY).state_dict(), own, metadata)
        with pytest.raises(WeightsError, match=rf"own\.safetensors is damaged: its background .*{match}"):
            weights.load_weights(own)

    def test_of_other_weights(self, own: Path, tmp_path: Path) -> None:
        background = weights.load_weights(own).background
        weights.save_weights(tmp_path / "other.safetensors", random_network(TINY, seed=7), {}, background)
        with pytest.raises(WeightsError, match="background is of other weights: tensors_sha256 was"):
            weights.load_weights(tmp_path / "other.safetensors")

    def test_of_the_embedded_weights_under_any_name(self, tmp_path: Path) -> None:
        embedded = weights.load_weights()
        assert embedded.background is not None
        assert embedded.background.positions == 9_514_038
        assert embedded.background.source["contigs"] == {"1": 9_876_492}
        copy = tmp_path / "copy.safetensors"
        shutil.copyfile(embedded.path, copy)
        again = weights.import_weights(copy)
        assert again.background is not None
        assert again.background.identity == embedded.background.identity
        # The package's table is found, not copied.
        with safetensors.safe_open(again.path, framework="pt") as file:
            assert "background" not in file.metadata()

    def test_of_the_published_weights(self) -> None:
        """By the checksum alone, for their file is not here."""
        sha256 = weights.TENSORS_SHA256["published"]
        published = dataclasses.replace(weights.load_weights(), sha256=sha256)
        background = weights._packaged_background(published)
        assert background is not None
        assert background.source["weights"]["tensors_sha256"] == sha256
        assert background.positions == 9_514_038
        other = dataclasses.replace(published.config, dilations=(2, 4))
        assert weights._packaged_background(dataclasses.replace(published, config=other)) is None


def test_saving_leaves_no_half_file_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_state: object, path: Path, metadata: object) -> None:
        path.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(safetensors.torch, "save_file", fail)
    with pytest.raises(OutputError, match="No space left on device"):
        saved(tmp_path / "own.safetensors")
    assert list(tmp_path.iterdir()) == []


def test_a_changed_tensor_is_noticed(tmp_path: Path) -> None:
    path = saved(tmp_path / "own.safetensors")
    content = bytearray(path.read_bytes())
    content[-3] ^= 1
    path.write_bytes(content)
    with pytest.raises(WeightsError, match="another checksum"):
        weights.load_weights(path)


def test_a_truncated_file_is_noticed(tmp_path: Path) -> None:
    path = saved(tmp_path / "own.safetensors")
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(WeightsError, match="cannot read the weights file"):
        weights.load_weights(path)


def test_a_foreign_safetensors_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "foreign.safetensors"
    safetensors.torch.save_file({"a": torch.zeros(2)}, path)
    with pytest.raises(WeightsError, match="expected 'mifm-weights/1'"):
        weights.load_weights(path)


def test_tensors_of_another_network_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "foreign.safetensors"
    state = {"a": torch.zeros(2)}
    metadata = {
        "format": weights.FORMAT,
        "config": json.dumps(TINY.to_dict()),
        "provenance": "{}",
        "tensors_sha256": weights.tensors_sha256(state),
    }
    safetensors.torch.save_file(state, path, metadata=metadata)
    with pytest.raises(WeightsError, match="its tensors do not fit its configuration"):
        weights.load_weights(path)


@pytest.mark.parametrize(
    ("entry", "text", "match"),
    [
        ("config", "[1]", r"a model configuration is '\[1\]'; expected an object"),
        ("config", "7", "a model configuration is '7'"),
        ("config", "{", "is damaged: Expecting"),
        ("config", "[" * 100_000, "is damaged: maximum recursion depth"),
        ("config", '{"head_channels": 100000000000}', "its tensors do not fit its configuration"),
        ("config", '{"head_channels": 1' + "0" * 30 + "}", "its tensors do not fit its configuration"),
        ("provenance", "[]", "its provenance is not a JSON object"),
    ],
)
def test_damaged_metadata(tmp_path: Path, entry: str, text: str, match: str) -> None:
    """Sizes that no memory holds are refused without being tried."""
    path = saved(tmp_path / "own.safetensors")
    with safetensors.safe_open(path, framework="pt") as file:
        metadata = file.metadata()
    safetensors.torch.save_file(random_network(TINY).state_dict(), path, {**metadata, entry: text})
    with pytest.raises(WeightsError, match=match):
        weights.load_weights(path)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("nothing", "no weights named 'nothing'; known are embedded"),
        ("../../etc/none", "there is no weights file"),
        ("no.safetensors", "there is no weights file no.safetensors"),
        ("published", "mifm weights fetch published.*mifm weights import a7a0q7ar.ckpt"),
    ],
)
def test_unknown_names(name: str, message: str) -> None:
    with pytest.raises(WeightsError, match=message):
        weights.load_weights(name)


def test_import_of_own_weights(tmp_path: Path) -> None:
    path = saved(tmp_path / "mine.safetensors")
    assert weights.import_weights(path).name == "mine"
    assert weights.import_weights(path, "other").provenance["made"] == "by a test"
    assert weights.list_weights() == ["embedded", "mine", "other"]
    assert weights.load_weights("mine").sha256 == weights.load_weights(path).sha256


@pytest.mark.parametrize("name", ["embedded", "../up", "", ".hidden", "a/b"])
def test_import_under_a_forbidden_name(tmp_path: Path, name: str, folder: Path) -> None:
    path = saved(tmp_path / "mine.safetensors")
    if name == "":
        path = path.rename(tmp_path / "a b.safetensors")
    with pytest.raises(WeightsError, match="cannot be named"):
        weights.import_weights(path, name or None)
    assert not folder.exists()


def test_other_weights_cannot_take_the_published_name(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="does not hold the published weights"):
        weights.import_weights(saved(tmp_path / "mine.safetensors"), "published")


def test_verify_notices_other_weights_under_a_known_name(folder: Path) -> None:
    folder.mkdir(parents=True)
    saved(folder / "published.safetensors")
    with pytest.raises(WeightsError, match="does not hold the published weights"):
        weights.verify_weights("published")


class Malicious:
    """An object whose unpickling makes a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[Path]]:
        return Path.touch, (self.path,)


class Exploiting:
    """One that calls a name that a careless list might allow."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return eval, (f"open({self.name!r}, 'w')",)


def checkpoint(path: Path, content: object) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", pickle.dumps(content, protocol=2))
    return path


def test_a_malicious_pickle_is_refused_and_not_executed(tmp_path: Path) -> None:
    made = tmp_path / "made"
    for content in (Malicious(made), {"state_dict": [Malicious(made)]}, Exploiting(str(made))):
        path = checkpoint(tmp_path / "evil.ckpt", content)
        with pytest.raises(WeightsError, match="it asks to run"):
            weights.import_weights(path)
        assert not made.exists()
    pickle.loads(pickle.dumps(Malicious(made)))
    assert made.exists(), "the pickle would have made the file"


@pytest.mark.parametrize(
    "module", ["os", "posix", "builtins", "torch", "torch._utils", "torch.nn.modules.conv"]
)
def test_names_of_allowed_modules_are_refused_too(tmp_path: Path, module: str) -> None:
    name = {"os": "system", "posix": "system", "builtins": "exec"}.get(module, "load")
    path = tmp_path / "evil.ckpt"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", f"c{module}\n{name}\n(S'x'\ntR.".encode())
    with pytest.raises(WeightsError, match=f"it asks to run {module}.{name}"):
        weights.import_weights(path)


@pytest.mark.parametrize("content", [b"", b"hello", b"PK\x03\x04rubbish"])
def test_a_file_that_is_no_checkpoint(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "some.ckpt"
    path.write_bytes(content)
    with pytest.raises(WeightsError, match=r"refused to read .*some.ckpt"):
        weights.import_weights(path)


@pytest.mark.parametrize("opcode", [b"r\xff\xff\xff\x7f", b"p2147483647\n"])
def test_a_pickle_that_would_take_all_memory(tmp_path: Path, opcode: bytes) -> None:
    """Python's unpickler makes room for as many objects as the highest number says."""
    path = tmp_path / "large.ckpt"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", b"\x80\x02]" + opcode + b".")
    with pytest.raises(WeightsError, match="it gives an object the number 2147483647, and holds fewer bytes"):
        weights.import_weights(path)


def test_a_harmless_pickle_that_is_no_network(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="the root is not a module"):
        weights.import_weights(checkpoint(tmp_path / "some.ckpt", {"a": 1}))


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"cannot read .*none.ckpt"):
        weights.import_weights(tmp_path / "none.ckpt")


@pytest.mark.reference
def test_the_published_checkpoint_is_imported(reference_data: Path) -> None:
    found = weights.import_weights(reference_data / "published" / "a7a0q7ar.ckpt")
    assert (found.name, found.config) == ("published", MIFMConfig())
    assert found.provenance["source"]["sha256"] == weights.PUBLISHED_SHA256
    assert weights.verify_weights("published").sha256 == found.sha256
    assert weights.import_weights(found.path, "copy").sha256 == found.sha256


@pytest.mark.reference
def test_a_damaged_checkpoint_never_becomes_published(
    reference_data: Path, tmp_path: Path, folder: Path
) -> None:
    content = (reference_data / "published" / "a7a0q7ar.ckpt").read_bytes()
    path = tmp_path / "a7a0q7ar.ckpt"
    for size in (1000, 40_000, 149_000):
        path.write_bytes(content[:size])
        with pytest.raises(WeightsError, match="refused to read"):
            weights.import_weights(path)
    assert not (folder / "published.safetensors").exists()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """A web server on the loopback and the folder that it serves."""
    served = tmp_path / "served"
    served.mkdir()

    class Handler(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *arguments: object) -> None:
            super().__init__(*arguments, directory=str(served))

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as web:
        threading.Thread(target=web.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{web.server_port}", served
        web.shutdown()


@pytest.mark.reference
def test_fetch_checks_converts_and_installs(server: tuple[str, Path], reference_data: Path) -> None:
    url, served = server
    shutil.copy(reference_data / "published" / "a7a0q7ar.ckpt", served)
    found = weights.fetch_published(f"{url}/a7a0q7ar.ckpt")
    assert (found.name, found.sha256) == ("published", weights.TENSORS_SHA256["published"])


@pytest.mark.parametrize("content", [b"something else", b"x" * 1_000_000])
def test_fetch_refuses_other_content(server: tuple[str, Path], content: bytes, folder: Path) -> None:
    url, served = server
    (served / "a7a0q7ar.ckpt").write_bytes(content)
    with pytest.raises(WeightsError, match=r"expected de14420e.*nothing was installed"):
        weights.fetch_published(f"{url}/a7a0q7ar.ckpt")
    assert not folder.exists()


def test_fetch_offline_says_how_to_import_by_hand(server: tuple[str, Path]) -> None:
    for url in (f"{server[0]}/absent.ckpt", "http://127.0.0.1:9/a7a0q7ar.ckpt"):
        with pytest.raises(WeightsError, match=r"cannot download.*run 'mifm weights import a7a0q7ar.ckpt'"):
            weights.fetch_published(url)


def test_the_pinned_address_names_the_commit() -> None:
    assert weights.PUBLISHED_URL.startswith("https://")
    assert weights.PUBLISHED_COMMIT in weights.PUBLISHED_URL
    assert len(bytes.fromhex(weights.PUBLISHED_SHA256)) == hashlib.sha256().digest_size


@pytest.mark.parametrize(
    "config",
    [
        MIFMConfig(),
        TINY,
        MIFMConfig(channels=5, tower_channels=(), dilations=(), window=64),
        MIFMConfig(tower_channels=(7,), dilations=(1, 2, 4), dilated_kernel=5, stem_kernel=3, window=128),
    ],
)
def test_shapes_are_those_of_the_network(config: MIFMConfig) -> None:
    expected = {name: tuple(tensor.shape) for name, tensor in MIFM(config).state_dict().items()}
    assert dict(tensor_shapes(config)) == expected


def test_a_configuration_of_many_layers_is_refused_at_once(tmp_path: Path) -> None:
    path = saved(tmp_path / "own.safetensors")
    with safetensors.safe_open(path, framework="pt") as file:
        metadata = file.metadata()
    large = json.dumps({**TINY.to_dict(), "dilations": [1] * 200_000})
    safetensors.torch.save_file(random_network(TINY).state_dict(), path, {**metadata, "config": large})
    began = time.monotonic()
    with pytest.raises(WeightsError, match="its tensors do not fit its configuration"):
        weights.load_weights(path)
    assert time.monotonic() - began < 2


@pytest.mark.parametrize(
    ("name", "value", "match"),
    [
        ("head.bias", float("nan"), "1 of 1 numbers of head.bias are not finite"),
        ("stem.0.weight", float("-inf"), "numbers of stem.0.weight are not finite"),
        ("features.0.running_var", -1.0, "running_var has variances that are not positive, the least -1"),
        ("features.0.running_var", 0.0, "running_var has variances that are not positive, the least 0"),
    ],
)
def test_numbers_that_cannot_be_computed_with(tmp_path: Path, name: str, value: float, match: str) -> None:
    """They are not written, and not used where another program has written them."""
    network = random_network(TINY)
    network.state_dict()[name].flatten()[0] = value
    with pytest.raises(WeightsError, match=f"is not written: .*{match}"):
        saved(tmp_path / "own.safetensors", network)
    path = saved(tmp_path / "own.safetensors")
    with safetensors.safe_open(path, framework="pt") as file:
        metadata = file.metadata()
    metadata["tensors_sha256"] = weights.tensors_sha256(network.state_dict())
    safetensors.torch.save_file(network.state_dict(), path, metadata)
    with pytest.raises(WeightsError, match=f"cannot be used: .*{match}"):
        weights.load_weights(path)


def test_what_cannot_be_loaded_is_passed_over_with_a_word(
    tmp_path: Path, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    weights.import_weights(saved(tmp_path / "mine.safetensors"))
    saved(folder / "a.safetensors.safetensors")
    saved(folder / "b c.safetensors")
    (folder / "folder.safetensors").mkdir()
    (folder / "link.safetensors").symlink_to(folder / "mine.safetensors")
    (folder / "notes.txt").touch()
    assert weights.list_weights() == ["embedded", "mine"]
    assert len({record.args[0].name for record in caplog.records}) == 5
    assert main(["weights", "verify"]) == 0
    with pytest.raises(WeightsError, match=r"cannot be named 'mine\.safetensors'"):
        weights.import_weights(tmp_path / "mine.safetensors", "mine.safetensors")


class SlowHandler(http.server.BaseHTTPRequestHandler):
    """Sends a byte now and then, or an error."""

    def do_GET(self) -> None:
        if self.path == "/missing":
            self.send_error(404)
            return
        if self.path == "/broken":
            self.wfile.write(b"nonsense\r\n")
            return
        with contextlib.suppress(OSError):
            self.wfile.write(b"HTTP/1.0 200 OK\r\n\r\n")
            for _ in range(200):
                self.wfile.write(b"x")
                self.wfile.flush()
                time.sleep(0.05)

    def log_message(self, *_: object) -> None:
        pass


@pytest.mark.parametrize(
    ("name", "match"),
    [
        ("slow", "it was not complete after 0.5 seconds"),
        ("missing", "the server answered 404 Not Found"),
        ("broken", "nonsense"),
    ],
)
def test_every_failure_of_a_download_says_how_to_import_by_hand(name: str, match: str) -> None:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), SlowHandler) as web:
        threading.Thread(target=web.serve_forever, daemon=True).start()
        began = time.monotonic()
        with pytest.raises(WeightsError, match=f"{match}.* run 'mifm weights import a7a0q7ar.ckpt'"):
            weights.fetch_published(f"http://127.0.0.1:{web.server_port}/{name}", whole=0.5)
        assert time.monotonic() - began < 5
        web.shutdown()


_GLOBAL_MODULE = b"csrc.models\nDeepVEP\n)\x81"
_DEEP = b"N" + b"q\x00h\x00\x86" * 80
"""A tuple of the same tuple twice, and so on, 80 times: its hash and its text would take for ever."""


def _shared_modules() -> bytes:
    """A module whose two children are the same, whose two children are the same, and so on."""
    child = _GLOBAL_MODULE + b"q\x01"
    for _ in range(60):
        child += (
            b"0"
            + _GLOBAL_MODULE
            + b"}X\x08\x00\x00\x00_modules}(X\x01\x00\x00\x00ah\x01X\x01\x00\x00\x00bh\x01usbq\x01"
        )
    return child


def _tensor(size: bytes, key: bytes = b"X\x01\x00\x00\x000") -> bytes:
    storage = b"(X\x07\x00\x00\x00storagectorch\nFloatStorage\n" + key + b"X\x03\x00\x00\x00cpuK\x01tQ"
    return b"ctorch._utils\n_rebuild_tensor_v2\n(" + storage + b"K\x00" + size + size + b"tR"


@pytest.mark.parametrize(
    ("content", "match"),
    [
        (b"}" + _DEEP + b"Ns", "a key of a dictionary is neither text nor a number"),
        (b"}(" + _DEEP + b"Nu", "a key of a dictionary is neither text nor a number"),
        (b"(" + _DEEP + b"Nd", "a key of a dictionary is neither text nor a number"),
        (b"c__builtin__\nset\n](K\x01" + _DEEP + b"\x86e\x85R", "a key of a dictionary is neither text"),
        (b"ccollections\nOrderedDict\n](" + _DEEP + b"N\x86e\x85R", "a key of a dictionary is neither text"),
        (b"(" + _DEEP + b"i__builtin__\nset\n", "makes objects in a way that no MIFM checkpoint needs"),
        (_tensor(b"(" + b"K\x01" * 100_000 + b"t"), "a tensor has 100000 axes; expected at most 4"),
        (_tensor(b"(K\x01t", _DEEP), "it refers to something other than a tensor's storage"),
        (_tensor(b"(K\x01t") + b"}b", "it gives a state to something other than a module"),
        (_shared_modules(), "it has more than 10000 modules and tensors"),
    ],
)
def test_a_pickle_that_would_take_for_ever(tmp_path: Path, content: bytes, match: str) -> None:
    path = tmp_path / "endless.ckpt"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", b"\x80\x02" + content + b".")
        archive.writestr("archive/data/0", bytes(4))
    began = time.monotonic()
    with pytest.raises(WeightsError, match=match):
        weights.import_weights(path)
    assert time.monotonic() - began < 5


def test_an_archive_that_would_take_all_memory(tmp_path: Path) -> None:
    """Zeros are packed well: the parts together are limited, and the file is."""
    path = tmp_path / "large.ckpt"
    tensors = b"".join(_tensor(b"(K\x01t", b"X\x01\x00\x00\x00%d" % key) + b"0" for key in range(9))
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(
            "archive/data.pkl", b"\x80\x02" + tensors.replace(b"K\x01tQ", b"J\x00\x00\x10\x00tQ") + b"N."
        )
        for key in range(9):
            archive.writestr(f"archive/data/{key}", bytes(4 << 20))
    with pytest.raises(WeightsError, match=r"with archive/data/3 it would take more than 16777216 bytes"):
        weights.import_weights(path)
    with path.open("r+b") as file:
        file.truncate(17 << 20)
    with pytest.raises(WeightsError, match=r"it has 17825792 bytes; expected at most 16777216"):
        weights.import_weights(path)


def with_configuration(path: Path, source: Path, **entries: object) -> Path:
    """A copy of weights with another configuration that fits the same tensors."""
    with safetensors.safe_open(source, framework="pt") as file:
        metadata = file.metadata()
    config = json.dumps({**json.loads(metadata["config"]), **entries})
    safetensors.torch.save_file(safetensors.torch.load_file(source), path, {**metadata, "config": config})
    return path


def test_released_tensors_with_another_configuration(tmp_path: Path) -> None:
    """They load, as a network of its own, which is not the released one."""
    embedded = weights.load_weights()
    dilations = list(reversed(embedded.config.dilations))
    path = with_configuration(tmp_path / "turned.safetensors", embedded.path, dilations=dilations)
    turned = weights.load_weights(path)
    assert turned.sha256 == embedded.sha256
    assert turned.identity != embedded.identity
    with pytest.raises(WeightsError, match=r"turned\.safetensors has the tensors of released weights and"):
        weights.verify_weights(path)


@pytest.mark.parametrize("entries", [{"channels": 3}, {"dilations": [1e300]}, {"surprise": 1}])
def test_impossible_configurations_name_the_file(tmp_path: Path, entries: dict[str, object]) -> None:
    path = with_configuration(tmp_path / "odd.safetensors", saved(tmp_path / "own.safetensors"), **entries)
    with pytest.raises(WeightsError, match=r"odd\.safetensors is damaged: .*configuration"):
        weights.load_weights(path)
