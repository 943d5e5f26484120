"""Weights of other people's networks, from folders or Hugging Face's hub, read to the last tensor."""

from __future__ import annotations

import dataclasses
import importlib.metadata
import json
import pickle
import re
import warnings
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import torch

from mifm_kipoi.baselines.networks.sequence import TRACKS_LEAKAGE, ModelInfo, SequenceBaseline, TorchReader
from mifm_kipoi.baselines.protocol import ComputeOptions
from mifm_kipoi.errors import InputError, OptionError, WeightsError
from mifm_kipoi.support.files import sha256_of
from mifm_kipoi.support.packages import needed

_WEIGHTS = ("model.safetensors", "pytorch_model.bin")
"""Files of weights in a folder of Hugging Face, in order of preference."""

_SHOWN = 3
"""Names of tensors that a message shows."""


def imported(package: str, extra: str) -> ModuleType:
    """Import a package of :func:`mifm_kipoi.support.packages.needed`, its own warnings left out.

    Parameters
    ----------
    package, extra : str
        See there.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return needed(package, extra)


def versions(*packages: str) -> dict[str, str]:
    """Versions of installed distributions by name."""
    return {package: importlib.metadata.version(package) for package in packages}


def split_window(argument: str, default: int) -> tuple[str, int]:
    """``NAME[:WINDOW]`` to the name and the length of the window in base pairs.

    Raises
    ------
    OptionError
        When the window is not a positive number.
    """
    name, colon, last = argument.rpartition(":")
    if not colon or "/" in last:
        return argument, default
    if not re.fullmatch(r"[1-9][0-9]*", last):
        raise OptionError(f"the window of {argument!r} is {last!r}; expected a number of base pairs")
    return name, int(last)


@dataclasses.dataclass(frozen=True)
class Folder:
    """A folder of ``config.json`` and weights, as Hugging Face's libraries write it.

    Parameters
    ----------
    path : Path
        The folder.
    origin : dict of str
        Name and commit of the hub's repository; empty for a folder of the user's own.
    """

    path: Path
    origin: dict[str, str] = dataclasses.field(default_factory=dict)

    @property
    def weights(self) -> Path:
        """The file of weights.

        Raises
        ------
        WeightsError
            When there is none.
        """
        for name in _WEIGHTS:
            if (self.path / name).is_file():
                return self.path / name
        raise WeightsError(f"{self.path} has no weights; expected {' or '.join(_WEIGHTS)} in one file")

    def read_config(self, model_type: str) -> dict[str, Any]:
        """The settings in ``config.json``.

        Parameters
        ----------
        model_type : str
            What the settings must be of.

        Raises
        ------
        WeightsError
            When they cannot be read, or are those of another network.
        """
        config = read_json(self.path / "config.json")
        if config.get("model_type") != model_type:
            raise WeightsError(
                f"{self.path / 'config.json'} has the model_type {config.get('model_type')!r}; expected "
                f"{model_type!r}"
            )
        return config

    def checksums(self) -> dict[str, str]:
        """SHA-256 of the weights and of the settings."""
        return {
            "weights_sha256": sha256_of(self.weights),
            "config_sha256": sha256_of(self.path / "config.json"),
        }


def find_folder(name: str) -> Folder:
    """A folder of the user's, or one that Hugging Face's hub has under this name, downloaded where needed.

    Raises
    ------
    InputError
        When it is not a folder, and the hub does not give it.
    """
    if Path(name).is_dir():
        return Folder(Path(name))
    from huggingface_hub import snapshot_download

    if not re.fullmatch(r"[\w.-]+/[\w.-]+", name) or name.startswith("."):
        raise InputError(
            f"there is no folder {name!r}; expected one, or a name OWNER/MODEL of Hugging Face's hub"
        )
    try:
        for weights in _WEIGHTS:
            path = Path(snapshot_download(name, allow_patterns=["config.json", weights]))
            if (path / weights).is_file():
                break
    # The hub, its cache and the network each have errors of their own.
    except Exception as error:
        first = str(error).strip().split("\n", maxsplit=1)[0]
        raise InputError(
            f"there is no folder {name!r}, and Hugging Face's hub does not give a model of this name "
            f"({type(error).__name__}: {first}). Where it cannot be reached, download config.json and "
            f"{' or '.join(_WEIGHTS)} from https://huggingface.co/{name} elsewhere, put them into one "
            "folder, and give its path in place of the name"
        ) from error
    return Folder(path, {"repository": name, "commit": path.name})


def find_network(argument: str, package: str, kind: str, window: int) -> tuple[Folder, dict[str, Any], int]:
    """What an argument ``NAME_OR_FOLDER[:WINDOW]`` names: a folder, its settings, and the window.

    Parameters
    ----------
    argument : str
        Folder with ``config.json`` and weights, or a name of Hugging Face's hub; and the length of the
        windows in base pairs.
    package : str
        The package of the architecture.
    kind : str
        Its ``model_type``, which is the name of the extra that brings the package, too.
    window : int
        Length of the windows in base pairs where the argument does not say.

    Raises
    ------
    MissingPackageError
        When the package is not installed.
    InputError
        When there is no such folder, and the hub gives no such model.
    WeightsError
        When there are no weights, or the settings are those of another network.
    OptionError
        When the window is not a positive number.
    """
    name, window = split_window(argument, window)
    imported(package, kind)
    folder = find_folder(name)
    config = folder.read_config(kind)
    folder.weights  # noqa: B018 - raises where there are none
    return folder, config, window


def baseline_of_tracks(
    info: ModelInfo,
    network: torch.nn.Module,
    forward: Callable[[torch.nn.Module, torch.Tensor], torch.Tensor],
    window: int,
    compute: ComputeOptions,
) -> SequenceBaseline:
    """A network that was trained on measured tracks as a baseline.

    Parameters
    ----------
    info : ModelInfo
        Its leakage is that of such networks, and PyTorch's version is added to its libraries.
    network, forward, window, compute
        See :class:`mifm_kipoi.baselines.networks.sequence.TorchReader`.
    """
    libraries = info.libraries | versions("torch")
    info = dataclasses.replace(info, leakage=TRACKS_LEAKAGE, libraries=libraries)
    return SequenceBaseline(TorchReader(network, forward, window, compute), info)


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object.

    Raises
    ------
    WeightsError
        When it cannot be read.
    """
    try:
        content = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise WeightsError(f"cannot read {path}: {error}; expected a JSON object") from error
    if not isinstance(content, dict):
        raise WeightsError(f"{path} holds a {type(content).__name__}; expected a JSON object")
    return content


def read_tensors(path: Path) -> dict[str, torch.Tensor]:
    """The tensors of a file: safetensors, or what ``torch.save`` wrote of tensors and plain types.

    No pickled code is run. Of a file with more than tensors those under ``state_dict`` are taken.

    Raises
    ------
    WeightsError
        When it cannot be read, or holds something else.
    """
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            return load_file(path)
        _check_unpacked(path)
        content = torch.load(path, map_location="cpu", weights_only=True)
    except WeightsError:
        raise
    except pickle.UnpicklingError as error:
        raise WeightsError(
            f"{path} is damaged, or holds pickled objects other than tensors, which are never run; expected "
            "a state_dict"
        ) from error
    # Damaged files fail in many ways inside both libraries.
    except Exception as error:
        raise WeightsError(f"cannot read the weights {path}: {error}") from error
    if isinstance(content, dict) and isinstance(content.get("state_dict"), dict):
        content = content["state_dict"]
    if not isinstance(content, dict) or not all(
        isinstance(value, torch.Tensor) for value in content.values()
    ):
        raise WeightsError(f"{path} does not hold a state_dict; expected tensors by name")
    return dict(content)


def _check_unpacked(path: Path) -> None:
    """Refuse an archive that grows when it is read; PyTorch writes its parts as they are."""
    if not zipfile.is_zipfile(path):
        return
    with zipfile.ZipFile(path) as archive:
        size = sum(part.file_size for part in archive.infolist())
    if size > path.stat().st_size:
        raise WeightsError(
            f"{path} is not a file of torch.save: its parts would take {size} bytes, and it has "
            f"{path.stat().st_size}"
        )


def load_strictly(
    network: torch.nn.Module, tensors: dict[str, torch.Tensor], path: Path, unread: Sequence[str] = ()
) -> None:
    """Give a network every one of its tensors from a file, or none.

    A tensor that the network has under several names may be in the file under any of them, under each with
    the same values. Counters of batches, which inference does not read, may be missing.

    Parameters
    ----------
    network : torch.nn.Module
        Changed in place.
    tensors : dict of torch.Tensor
        By name.
    path : Path
        Of the file, for messages.
    unread : sequence of str
        Beginnings of names that may be missing or superfluous: heads that are not used.

    Raises
    ------
    WeightsError
        When tensors are missing, too many, of another shape, not finite, or contradict each other.
    """
    own = dict(network.state_dict())
    unread = tuple(unread)
    present = {own[name].data_ptr() for name in own.keys() & tensors.keys()}
    missing = [
        name
        for name, tensor in own.items()
        if name not in tensors
        and tensor.data_ptr() not in present
        and not name.endswith("num_batches_tracked")
        and not name.startswith(unread)
    ]
    needless = [name for name in tensors if name not in own and not name.startswith(unread)]
    shapes = [name for name in own.keys() & tensors.keys() if own[name].shape != tensors[name].shape]
    for what, names in (("lacks", missing), ("has, beyond those", needless), ("has in other shapes", shapes)):
        if names:
            raise WeightsError(
                f"{path} does not fit the network: of {len(own)} tensors it {what} {_some(names)}; expected "
                "the weights of exactly this architecture"
            )
    network.load_state_dict(tensors, strict=False)
    for name, tensor in network.state_dict().items():
        if name not in tensors:
            continue
        if not torch.isfinite(tensor).all():
            raise WeightsError(f"{path} is damaged: {name} holds numbers that are not finite")
        if not torch.equal(tensor, tensors[name].to(tensor.dtype)):
            raise WeightsError(f"{path} is damaged: it has {name} twice, with different numbers")


def _some(names: Sequence[str]) -> str:
    shown = ", ".join(sorted(names)[:_SHOWN])
    return f"{len(names)}: {shown}{', ...' if len(names) > _SHOWN else ''}"
