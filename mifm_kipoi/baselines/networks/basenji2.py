"""Basenji2, as basenji2-pytorch has it, summed over its bins."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import torch

from mifm_kipoi.baselines.networks import pretrained
from mifm_kipoi.baselines.networks.sequence import ModelInfo, SequenceBaseline
from mifm_kipoi.baselines.protocol import ComputeOptions
from mifm_kipoi.errors import InputError, OptionError, WeightsError
from mifm_kipoi.support.files import sha256_of

WINDOW = 16_513
"""Default length of the windows in base pairs: after a crop of 64 bins of 128 bp on either side it leaves the
bin of the variant and the next one. The network was trained on 131,072 bp."""

CITATION = "Kelley DR (2020) PLoS Comput Biol 16(7): e1008050"

_PREFIX = "basenji2."
"""Beginning of all names in a checkpoint of the package's Lightning module."""

_PARAMETERS = "params.json"


def open_basenji2(argument: str, compute: ComputeOptions) -> SequenceBaseline:
    """``basenji2[:FILE_OR_FOLDER][:WINDOW]``.

    Parameters
    ----------
    argument : str
        File of a state_dict of the published architecture (``.pth``, ``.pt`` or ``.safetensors``); or a
        folder of ``params.json``, whose section ``model`` says the architecture, and ``model.safetensors`` or
        ``model.pth``; without either, what the package downloads. And the length of the windows in base
        pairs.
    compute : ComputeOptions
        Where and how it computes.

    Raises
    ------
    MissingPackageError
        When basenji2-pytorch is not installed.
    InputError
        When there is no such file, or the download fails.
    WeightsError
        When the weights do not fit the architecture.
    OptionError
        When windows of this length leave the network no bin.
    """
    file, parameters, window = find_basenji2(argument)
    info = ModelInfo(
        name="Basenji2",
        scale="tracks of the human head, after softplus",
        citation=CITATION,
        weights={"weights_sha256": sha256_of(file), "parameters": parameters},
        libraries=pretrained.versions("basenji2-pytorch"),
    )
    network = _load_network(file, parameters, window, _library())
    return pretrained.baseline_of_tracks(info, network, _forward, window, compute)


def find_basenji2(argument: str) -> tuple[Path, dict[str, Any], int]:
    """The file of weights, the section ``model`` of the parameters, and the window that an argument names.

    Raises as :func:`open_basenji2`.
    """
    name, window = _split(argument)
    return *_find(name, _library()), window


def _library() -> Any:
    return pretrained.imported("basenji2_pytorch", "basenji2")


def _split(argument: str) -> tuple[str, int]:
    """The name, which may be left out, and the window."""
    if argument.isdigit() and not Path(argument).exists():
        argument = f":{argument}"
    return pretrained.split_window(argument, WINDOW)


def _find(name: str, library: Any) -> tuple[Path, dict[str, Any]]:
    """The file of weights and the section ``model`` of the parameters."""
    published: dict[str, Any] = library.basenji2_params["model"]
    if not name:
        return _downloaded(library), published
    path = Path(name)
    if not path.is_dir():
        if not path.is_file():
            raise InputError(
                f"there is no file or folder {name!r}; expected a state_dict of Basenji2, or a folder of "
                f"{_PARAMETERS} and model.safetensors or model.pth"
            )
        return path, published
    parameters = pretrained.read_json(path / _PARAMETERS).get("model")
    if not isinstance(parameters, dict):
        raise WeightsError(f"{path / _PARAMETERS} has no section 'model'; expected that of basenji2_params")
    for file in (path / "model.safetensors", path / "model.pth"):
        if file.is_file():
            return file, parameters
    raise WeightsError(f"{path} has no weights; expected model.safetensors or model.pth")


def _downloaded(library: Any) -> Path:
    """The published weights, which the package downloads once and checks."""
    try:
        return Path(library.basenji2_weights())
    # The network and the check of the download each have errors of their own.
    except Exception as error:
        raise InputError(
            f"cannot download the weights of Basenji2 ({error}); download basenji2.pth from "
            "https://zenodo.org/records/14969593 elsewhere and name it, as in basenji2:FILE"
        ) from error


def _load_network(file: Path, parameters: dict[str, Any], window: int, library: Any) -> torch.nn.Module:
    heads = [name for name in parameters if name.startswith("head")]
    if heads != ["head_human"]:
        raise WeightsError(f"the parameters of {file} have the heads {heads}; expected only head_human")
    # The package writes into its parameters, and runs the network once over a window of this length.
    own = copy.deepcopy(parameters) | {"seq_length": window}
    try:
        network: torch.nn.Module = library.Basenji2(own)
    except (RuntimeError, ValueError) as error:
        first = str(error).split("\n", maxsplit=1)[0]
        raise OptionError(
            f"Basenji2 cannot be made for windows of {window:,} bp, most likely because cropping leaves no "
            f"bin of them ({first}); expected longer windows"
        ) from error
    tensors = pretrained.read_tensors(file)
    if tensors and all(key.startswith(_PREFIX) for key in tensors):
        tensors = {key.removeprefix(_PREFIX): tensor for key, tensor in tensors.items()}
    pretrained.load_strictly(network, tensors, file)
    return network


def _forward(network: torch.nn.Module, windows: torch.Tensor) -> torch.Tensor:
    """(n, window, 4) to (n, bins, tracks)."""
    tracks: torch.Tensor = network(windows.transpose(1, 2))
    return tracks
