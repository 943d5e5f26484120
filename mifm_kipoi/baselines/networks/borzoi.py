"""Borzoi, as borzoi-pytorch has it: the human head on the scale of its training, summed over its bins."""

from __future__ import annotations

import importlib.util
from typing import Any

import torch

from mifm_kipoi.baselines.networks import pretrained
from mifm_kipoi.baselines.networks.sequence import TRACKS_LEAKAGE, About, SequenceBaseline, TorchReader
from mifm_kipoi.baselines.protocol import ComputeOptions
from mifm_kipoi.errors import MissingPackageError, OptionError, WeightsError

WINDOW = 524_288
"""Length of the windows that Borzoi was trained on, in base pairs."""

CITATION = "Linder J et al. (2025) Nat Genet 57: 949-961"

_STEP = 128
"""The transformer sees one position for so many base pairs."""


def open_borzoi(argument: str, compute: ComputeOptions) -> SequenceBaseline:
    """``borzoi:NAME_OR_FOLDER[:WINDOW]``.

    Parameters
    ----------
    argument : str
        Folder with ``config.json`` and ``model.safetensors`` or ``pytorch_model.bin``, or a name of Hugging
        Face's hub; and the length of the windows in base pairs.
    compute : Machine

    Raises
    ------
    MissingPackageError
        When borzoi-pytorch, or the flash-attn of a Flashzoi, is not installed.
    InputError
        When there is no such folder, and the hub gives no such model.
    WeightsError
        When the weights do not fit their settings.
    OptionError
        When the network cannot read windows of this length.
    """
    name, window = pretrained.split_window(argument, WINDOW)
    pretrained.imported("borzoi_pytorch", "borzoi")
    if window % _STEP:
        raise OptionError(f"Borzoi cannot read windows of {window:,} bp; expected a multiple of {_STEP}")
    folder = pretrained.find_folder(name)
    config = folder.read_config("borzoi")
    network = _load_network(folder, config)
    about = About(
        name="Borzoi",
        scale="tracks of the human head on Borzoi's squashed scale, which is not undone",
        citation=CITATION,
        leakage=TRACKS_LEAKAGE,
        weights=folder.checksums(),
        libraries=pretrained.versions("borzoi-pytorch", "torch") | folder.origin,
    )
    return SequenceBaseline(TorchReader(network, _forward, window, compute), about)


def _load_network(folder: pretrained.Folder, config: dict[str, Any]) -> torch.nn.Module:
    library = pretrained.imported("borzoi_pytorch", "borzoi")
    if config.get("flashed") and importlib.util.find_spec("flash_attn") is None:
        raise MissingPackageError(
            f"{folder.path} is a Flashzoi, which needs the package flash-attn and a GPU; install it with: "
            "pip install flash-attn, or name a Borzoi without it"
        )
    if not config.get("enable_human_head", True):
        raise WeightsError(f"{folder.path} has no human head; expected one")
    settings = pretrained.imported("borzoi_pytorch.config_borzoi", "borzoi").BorzoiConfig(**config)
    network: torch.nn.Module = library.Borzoi(settings)
    tensors = pretrained.read_tensors(folder.weights)
    pretrained.load_strictly(network, tensors, folder.weights, unread=["mouse_head."])
    return network


def _forward(network: torch.nn.Module, windows: torch.Tensor) -> torch.Tensor:
    """(n, window, 4) to (n, bins, tracks)."""
    found: torch.Tensor = network(windows.transpose(1, 2)).transpose(1, 2)
    return found
