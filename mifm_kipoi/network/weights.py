"""Named weights: embedded, published, imported ones, or a file; their checksums and provenance.

A weights file is safetensors, which holds numbers and text and nothing that could be executed. Its
metadata says what made it: the network's configuration, the provenance and a checksum of the tensors. A
background, where ``mifm genome background`` has made one, is there too.
"""

from __future__ import annotations

import base64
import binascii
import dataclasses
import hashlib
import json
import logging
import os
import queue
import re
import tempfile
import threading
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch

from mifm_kipoi.errors import OutputError, WeightsError
from mifm_kipoi.network.background import Background
from mifm_kipoi.network.checkpoint import read_checkpoint
from mifm_kipoi.network.model import MIFM, MIFMConfig, tensor_shapes
from mifm_kipoi.support import read_back
from mifm_kipoi.support.files import made_folder, written_whole
from mifm_kipoi.support.provenance import differences
from mifm_kipoi.support.text import did_you_mean
from mifm_kipoi.version import __version__

EMBEDDED = "embedded"
PUBLISHED = "published"

FORMAT = "mifm-weights/1"

PUBLISHED_COMMIT = "e3e0a56254439e8f20c1baa839f65f0c1494ffdc"
PUBLISHED_URL = (
    "https://raw.githubusercontent.com/HealthML/multiple-instance-fine-mapping/"
    f"{PUBLISHED_COMMIT}/checkpoints/a7a0q7ar.ckpt"
)
PUBLISHED_SHA256 = "de14420eed5fbaa7477a5ed94e6d785033899fee1b8a34cb59feb5edc4afe842"
PUBLISHED_BYTES = 150_455

TENSORS_SHA256 = {
    EMBEDDED: "7e08a39643e0fdd1c0c4caa7c271aea4c0a67a80ff446aff9b8fc5c92a4c546f",
    PUBLISHED: "95726764d035766c2a4ea5a2b959d31cfadbf0e861503bff17a90c8fa27c7ccd",
}
"""Checksums (:func:`tensors_sha256`) of the weights whose names promise particular numbers."""

NO_LICENCE = "none stated"
"""The licence of weights whose provenance names none, such as the published ones."""

_EMBEDDED_PATH = Path(__file__).parent / "embedded.safetensors"
_EMBEDDED_LICENCE = _EMBEDDED_PATH.with_name("embedded.LICENCE.txt")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_MAX_BYTES = 1 << 30
_PACKAGED_BACKGROUNDS = Path(__file__).parent / "backgrounds"

_log = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class Weights:
    """Weights read from a file and checked.

    Parameters
    ----------
    name : str
        The name or path that was asked for.
    path : Path
        The file.
    config : MIFMConfig
        Sizes of the network.
    state : mapping of str to torch.Tensor
        Parameters and buffers, as ``MIFM(config).load_state_dict`` takes them.
    provenance : mapping
        What made the file: plain JSON types.
    sha256 : str
        Checksum of the tensors (:func:`tensors_sha256`).
    background : Background, optional
        How the logits are spread over real sequence: that of the file, else of this package, which has those
        of the embedded and the published weights. None where neither has one.
    """

    name: str
    path: Path
    config: MIFMConfig
    state: Mapping[str, torch.Tensor]
    provenance: Mapping[str, Any]
    sha256: str
    background: Background | None = None

    @property
    def identity(self) -> dict[str, Any]:
        """What must be the same for two weights to give the same scores, as plain JSON types."""
        return {"tensors_sha256": self.sha256, "configuration": self.config.to_dict()}

    @property
    def licence(self) -> str:
        """The licence of the weights: the note beside the embedded ones, or what their provenance states."""
        if self.path == _EMBEDDED_PATH:
            return _EMBEDDED_LICENCE.read_text()
        return str(self.provenance.get("licence", NO_LICENCE))

    def model(self) -> MIFM:
        """A network with these weights, in evaluation mode, on the CPU."""
        model = MIFM(self.config)
        model.load_state_dict(dict(self.state))
        return model.eval()


def weights_folder() -> Path:
    """The folder of the user's imported and fetched weights."""
    import platformdirs

    return Path(platformdirs.user_data_path("mifm-kipoi")) / "weights"


def list_weights() -> list[str]:
    """Names that can be loaded now, ``embedded`` first; a warning says what else is in the user's folder."""
    names = []
    for path in sorted(weights_folder().glob("*")) if weights_folder().is_dir() else []:
        if path.name.startswith("."):
            # What a command that was killed was writing.
            continue
        if reason := _not_weights(path):
            _log.warning("%s is passed over: %s", path, reason)
        else:
            names.append(path.stem)
    return [EMBEDDED, *names]


def _not_weights(path: Path) -> str:
    """Why an entry of the user's folder cannot be loaded by a name; empty where it can."""
    if path.is_symlink():
        return "it is a link; install the weights with 'mifm weights import'"
    if not path.is_file():
        return "it is not a file"
    if path.suffix != ".safetensors":
        return "its name does not end in .safetensors"
    if not _is_name(path.stem):
        return f"weights cannot be named {path.stem!r}; rename it"
    return ""


def _is_name(name: str) -> bool:
    """Whether weights can have a name, which must not look like a path or a file."""
    return bool(_NAME.fullmatch(name)) and name != EMBEDDED and not name.endswith(".safetensors")


def find_weights(name: str | os.PathLike[str]) -> Path:
    """The file of named weights, or of a path.

    Raises
    ------
    WeightsError
        When there is none; the message says how to get it.
    """
    text = os.fspath(name)
    if text == EMBEDDED:
        return _EMBEDDED_PATH
    if text.endswith(".safetensors") or os.sep in text:
        path = Path(text)
        if not path.is_file():
            raise WeightsError(f"there is no weights file {path}")
        return path
    path = weights_folder() / f"{text}.safetensors"
    if _is_name(text) and not _not_weights(path):
        return path
    if text == PUBLISHED:
        raise WeightsError(
            "the published weights are not installed: their file states no licence and is not redistributed "
            f"here. Run 'mifm weights fetch published' to download it, or, without internet, {_BY_HAND}"
        )
    raise WeightsError(
        f"there are no weights named {text!r}; known are {', '.join(list_weights())}, or give the path of a "
        f".safetensors file{did_you_mean(text, list_weights())}"
    )


_BY_HAND = (
    f"bring {PUBLISHED_URL} (sha256 {PUBLISHED_SHA256}) here by other means and run "
    "'mifm weights import a7a0q7ar.ckpt'"
)


def load_weights(name: str | os.PathLike[str] = EMBEDDED) -> Weights:
    """Read weights and check them against their own checksum.

    Parameters
    ----------
    name : str or path-like
        ``embedded``, ``published``, the name of imported weights, or the path of a file.

    Raises
    ------
    WeightsError
        When they are missing, damaged, or not those of a MIFM network.
    """
    path = find_weights(name)
    try:
        with safetensors.safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            state = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 - not a dict
    except (OSError, safetensors.SafetensorError) as error:
        raise WeightsError(f"cannot read the weights file {path}: {error}") from error
    if metadata.get("format") != FORMAT:
        raise WeightsError(
            f"{path} is not a MIFM weights file: its format is {metadata.get('format')!r}, "
            f"expected {FORMAT!r}"
        )
    try:
        config = MIFMConfig.from_dict(json.loads(metadata["config"]))
        provenance = json.loads(metadata["provenance"])
    except (KeyError, ValueError, RecursionError, WeightsError) as error:
        raise WeightsError(f"the weights file {path} is damaged: {error}") from error
    if not isinstance(provenance, dict):
        raise WeightsError(f"the weights file {path} is damaged: its provenance is not a JSON object")
    if not _fits(state, config):
        raise WeightsError(f"the weights file {path} is damaged: its tensors do not fit its configuration")
    sha256 = tensors_sha256(state)
    if sha256 != metadata.get("tensors_sha256"):
        raise WeightsError(
            f"the weights file {path} is damaged: its tensors have another checksum than it states"
        )
    if problem := impossible_numbers(state):
        raise WeightsError(f"the weights of {path} cannot be used: {problem}")
    weights = Weights(os.fspath(name), path, config, state, provenance, sha256)
    try:
        background = _own_background(weights, metadata) or _packaged_background(weights)
    except (OSError, WeightsError) as error:
        raise WeightsError(f"the weights file {path} is damaged: {error}") from error
    return dataclasses.replace(weights, background=background)


def _own_background(weights: Weights, metadata: Mapping[str, str]) -> Background | None:
    """The background in the metadata of a file, checked; None where it has none.

    Raises
    ------
    WeightsError
        When it is damaged, or of other weights.
    """
    if "background" not in metadata:
        return None
    try:
        content = base64.b64decode(metadata["background"], validate=True)
    except (binascii.Error, ValueError) as error:
        raise WeightsError(f"its background cannot be read: {error}") from error
    if hashlib.sha256(content).hexdigest() != metadata.get("background_sha256"):
        raise WeightsError("its background has another checksum than it states")
    background = Background.from_bytes(content)
    if changed := differences(background.source.get("weights"), weights.identity):
        raise WeightsError(f"its background is of other weights: {'; '.join(changed)}")
    return background


def _packaged_background(weights: Weights) -> Background | None:
    """The background that this package has of weights, whatever their name; None where it has none."""
    for name, sha256 in TENSORS_SHA256.items():
        if weights.sha256 == sha256:
            background = Background.from_bytes((_PACKAGED_BACKGROUNDS / f"{name}.npz").read_bytes())
            # The same tensors in a network of another configuration have other logits.
            return None if differences(background.source["weights"], weights.identity) else background
    return None


def _fits(state: Mapping[str, torch.Tensor], config: MIFMConfig) -> bool:
    """Whether tensors are those of a network, which is not made for it."""
    count = 0
    for count, (name, shape) in enumerate(tensor_shapes(config), start=1):  # noqa: B007 - the last counts
        kind = torch.int64 if name.endswith("num_batches_tracked") else torch.float32
        if name not in state or tuple(state[name].shape) != shape or state[name].dtype != kind:
            return False
    return count == len(state)


def impossible_numbers(state: Mapping[str, torch.Tensor]) -> str:
    """What of a network's numbers it cannot compute with, in words; empty where it can.

    Parameters
    ----------
    state : mapping of str to torch.Tensor
        Parameters and buffers by name.
    """
    for name, tensor in state.items():
        if not torch.isfinite(tensor).all():
            count = int((~torch.isfinite(tensor)).sum())
            return f"{count} of {tensor.numel()} numbers of {name} are not finite"
        if name.endswith("running_var") and not (tensor > 0).all():
            return f"{name} has variances that are not positive, the least {float(tensor.min()):g}"
    return ""


def verify_weights(name: str | os.PathLike[str]) -> Weights:
    """Read weights, checked against their own checksum and, for the two known names, the pinned one.

    The tensors of the two make a network of the published sizes, under whatever name.

    Raises
    ------
    WeightsError
        When they are missing, damaged or not what their name promises.
    """
    weights = load_weights(name)
    if weights.sha256 != TENSORS_SHA256.get(weights.name, weights.sha256):
        raise WeightsError(
            f"{weights.path} does not hold the {weights.name} weights: its tensors have sha256 "
            f"{weights.sha256}, expected {TENSORS_SHA256[weights.name]}"
        )
    changed = differences(MIFMConfig().to_dict(), weights.config.to_dict())
    if changed and weights.sha256 in TENSORS_SHA256.values():
        raise WeightsError(
            f"{weights.path} has the tensors of released weights and another configuration, which gives "
            f"other scores: {'; '.join(changed)}"
        )
    return weights


def load_model(name: str | os.PathLike[str] = EMBEDDED) -> MIFM:
    """A network with named weights, in evaluation mode, on the CPU; see :func:`load_weights`."""
    return load_weights(name).model()


def tensors_sha256(state: Mapping[str, torch.Tensor]) -> str:
    """Checksum of tensors: their names, types, shapes and bytes, in the order of the names."""
    digest = hashlib.sha256()
    for name in sorted(state):
        values = state[name].detach().cpu().contiguous().numpy()
        digest.update(f"{name} {values.dtype.str} {values.shape}\n".encode())
        digest.update(values.tobytes())
    return digest.hexdigest()


def save_weights(
    path: str | os.PathLike[str],
    model: MIFM,
    provenance: Mapping[str, Any],
    background: Background | None = None,
) -> None:
    """Write a model's weights; the file gets its name only when it is complete.

    Parameters
    ----------
    path : path-like
        Name of the file, ending in ``.safetensors``.
    model : MIFM
        The network; its weights and configuration are written.
    provenance : mapping of plain JSON types
        What made the weights; the version of this package is added.
    background : Background, optional
        Of these weights.
    """
    state = {name: tensor.detach().cpu().contiguous() for name, tensor in model.state_dict().items()}
    metadata = {
        "format": FORMAT,
        "config": json.dumps(model.config.to_dict()),
        "provenance": json.dumps({"mifm_kipoi": __version__, **provenance}),
        "tensors_sha256": tensors_sha256(state),
    }
    if background:
        content = background.to_bytes()
        metadata["background"] = base64.b64encode(content).decode()
        metadata["background_sha256"] = hashlib.sha256(content).hexdigest()
    if problem := impossible_numbers(state):
        raise WeightsError(f"{path} is not written: {problem}")

    def check(temporary: Path) -> None:
        written = safetensors.torch.load_file(temporary)
        if tensors_sha256(written) != metadata["tensors_sha256"]:
            raise read_back.lost(temporary, "tensors are damaged")

    with written_whole(path, check) as temporary:
        try:
            safetensors.torch.save_file(state, temporary, metadata=metadata)
        except safetensors.SafetensorError as error:
            raise OutputError(f"cannot write {path}: {error}") from error


def file_sha256(path: Path) -> str:
    """Checksum of a file's bytes.

    Raises
    ------
    WeightsError
        When it cannot be read, or is too large to hold weights.
    """
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise WeightsError(f"{path} has {path.stat().st_size} bytes, too many for weights")
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise WeightsError(f"cannot read {path}: {error.strerror or error}") from error


def import_weights(path: str | os.PathLike[str], name: str | None = None) -> Weights:
    """Install weights in the user's folder.

    Parameters
    ----------
    path : path-like
        A ``.safetensors`` file of this package, or a checkpoint of the authors, which is read
        without executing its pickle.
    name : str, optional
        Name to install under; the file's name without its ending by default, and ``published``
        for the published checkpoint.

    Raises
    ------
    WeightsError
        When the file cannot be read, is unsafe, or the name is not allowed.
    """
    path = Path(path)
    sha256 = file_sha256(path)
    background = None
    if path.suffix == ".safetensors":
        weights = load_weights(path.resolve())
        model = weights.model()
        packaged = _packaged_background(weights)
        if weights.background and not (packaged and packaged.identity == weights.background.identity):
            background = weights.background
        provenance = dict(weights.provenance)
        name = name or path.stem
    else:
        model = MIFM()
        model.load_state_dict(read_checkpoint(path))
        provenance = {"source": {"file": path.name, "sha256": sha256}}
        if sha256 == PUBLISHED_SHA256:
            provenance["source"].update(
                url=PUBLISHED_URL, citation="Rakowski & Lippert, PLoS Genet 22(6): e1012208"
            )
            name = name or PUBLISHED
        name = name or path.stem
    if not _is_name(name):
        raise WeightsError(
            f"weights cannot be named {name!r}; use letters, digits, '.', '_' and '-', and neither "
            "'embedded' nor a name in .safetensors"
        )
    if name == PUBLISHED and tensors_sha256(model.state_dict()) != TENSORS_SHA256[PUBLISHED]:
        raise WeightsError(
            f"{path} does not hold the published weights: the checkpoint has sha256 {PUBLISHED_SHA256}, "
            f"this file {sha256}; give it another name with --name"
        )
    folder = made_folder(weights_folder())
    save_weights(folder / f"{name}.safetensors", model, provenance, background)
    return load_weights(name)


def _download(url: str, timeout: float, whole: float) -> bytes:
    """What is at an address, but no more than the published checkpoint and a byte.

    A server that sends a byte now and then never lets a read end late, so another thread reads.
    """
    answers: queue.SimpleQueue[bytes | Exception] = queue.SimpleQueue()

    def read() -> None:
        try:
            with urllib.request.urlopen(url, timeout=timeout) as response:  # noqa: S310 - a fixed address
                answers.put(response.read(PUBLISHED_BYTES + 1))
        except Exception as error:
            answers.put(error)

    threading.Thread(target=read, daemon=True).start()
    try:
        answer = answers.get(timeout=whole)
    except queue.Empty:
        answer = TimeoutError(f"it was not complete after {whole:g} seconds")
    if isinstance(answer, bytes):
        return answer
    reason = getattr(answer, "reason", answer)
    if isinstance(answer, urllib.error.HTTPError):
        reason = f"the server answered {answer.code} {answer.reason}"
    text = " ".join(str(reason).split()) or type(answer).__name__
    raise WeightsError(f"cannot download {url}: {text}. Without internet, {_BY_HAND}") from answer


def fetch_published(url: str = PUBLISHED_URL, timeout: float = 30.0, whole: float = 120.0) -> Weights:
    """Download the published checkpoint from its pinned commit, check it and install it.

    Parameters
    ----------
    url : str
        Where to download from.
    timeout : float
        Seconds to wait for each answer of the server.
    whole : float
        Seconds to wait for all of it.

    Raises
    ------
    WeightsError
        When it cannot be downloaded, in which case the message says how to import it by hand, or
        when its checksum is not the published one.
    """
    content = _download(url, timeout, whole)
    sha256 = hashlib.sha256(content).hexdigest()
    if sha256 != PUBLISHED_SHA256:
        raise WeightsError(
            f"what {url} gave has sha256 {sha256}; expected {PUBLISHED_SHA256}; nothing was installed. A "
            f"proxy may have given a page of its own: {_BY_HAND}"
        )
    with tempfile.TemporaryDirectory() as folder:
        checkpoint = Path(folder) / "a7a0q7ar.ckpt"
        checkpoint.write_bytes(content)
        return import_weights(checkpoint)
