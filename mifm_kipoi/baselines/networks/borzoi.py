"""Borzoi, as borzoi-pytorch has it: the human head on the scale of its training, summed over its bins."""

from __future__ import annotations

import importlib.util
from typing import Any

import torch

from mifm_kipoi.baselines.networks import pretrained
from mifm_kipoi.baselines.networks.sequence import ModelInfo, SequenceBaseline
from mifm_kipoi.baselines.protocol import ComputeOptions
from mifm_kipoi.errors import MissingPackageError, OptionError, WeightsError

WINDOW = 524_288
"""Length of the windows that Borzoi was trained on, in base pairs."""

CITATION = "Linder J et al. (2025) Nat Genet 57: 949-961"

_STEP = 128
"""Base pairs per position of the transformer."""


def open_borzoi(argument: str, compute: ComputeOptions) -> SequenceBaseline:
    """``borzoi:NAME_OR_FOLDER[:WINDOW]``.

    Parameters
    ----------
    argument : str
        Folder with ``config.json`` and ``model.safetensors`` or ``pytorch_model.bin``, or a name of Hugging
        Face's hub; and the length of the windows in base pairs.
    compute : ComputeOptions
        Where and how it computes.

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
    folder, config, window = find_borzoi(argument)
    info = ModelInfo(
        name="Borzoi",
        scale="tracks of the human head on Borzoi's squashed scale, which is not undone",
        citation=CITATION,
        weights=folder.checksums(),
        libraries=pretrained.versions("borzoi-pytorch") | folder.origin,
    )
    return pretrained.baseline_of_tracks(info, _load_network(folder, config), _forward, window, compute)


def find_borzoi(argument: str) -> tuple[pretrained.Folder, dict[str, Any], int]:
    """The folder, the settings and the window that an argument names; raises as :func:`open_borzoi`."""
    folder, config, window = pretrained.find_network(argument, "borzoi_pytorch", "borzoi", WINDOW)
    if window % _STEP:
        raise OptionError(f"Borzoi cannot read windows of {window:,} bp; expected a multiple of {_STEP}")
    if config.get("flashed") and importlib.util.find_spec("flash_attn") is None:
        raise MissingPackageError(
            f"{folder.path} is a Flashzoi, which needs the package flash-attn and a GPU; install it with: "
            "pip install flash-attn, or name a Borzoi without it"
        )
    return folder, config, window


def _load_network(folder: pretrained.Folder, config: dict[str, Any]) -> torch.nn.Module:
    library = pretrained.imported("borzoi_pytorch", "borzoi")
    if not config.get("enable_human_head", True):
        raise WeightsError(f"{folder.path} has no human head, whose tracks are scored")
    settings = pretrained.imported("borzoi_pytorch.config_borzoi", "borzoi").BorzoiConfig(**config)
    network: torch.nn.Module = library.Borzoi(settings)
    tensors = pretrained.read_tensors(folder.weights)
    pretrained.load_strictly(network, tensors, folder.weights, unread=["mouse_head."])
    return network


def _forward(network: torch.nn.Module, windows: torch.Tensor) -> torch.Tensor:
    """(n, window, 4) to (n, bins, tracks)."""
    tracks: torch.Tensor = network(windows.transpose(1, 2)).transpose(1, 2)
    return tracks
