"""Enformer, as enformer-pytorch has it: the human head, summed over its bins."""

from __future__ import annotations

import logging
from typing import Any

import torch

from mifm_kipoi.baselines.networks import pretrained
from mifm_kipoi.baselines.networks.sequence import ModelInfo, SequenceBaseline
from mifm_kipoi.baselines.protocol import ComputeOptions
from mifm_kipoi.errors import OptionError, WeightsError

_log = logging.getLogger(__name__)

WINDOW = 196_608
"""Length of the windows that Enformer was trained on, in base pairs."""

CITATION = "Avsec Z et al. (2021) Nat Methods 18: 1196-1203"

_OFFICIAL = {"dim": 1536, "depth": 11, "heads": 8}
"""Sizes of the published network; those of a configuration that does not say."""

_TF_POSITIONS = 1536
"""Positions for which enformer-pytorch has TensorFlow's features."""

_HEAD = "human"


def open_enformer(argument: str, compute: ComputeOptions) -> SequenceBaseline:
    """``enformer:NAME_OR_FOLDER[:WINDOW]``.

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
        When enformer-pytorch is not installed.
    InputError
        When there is no such folder, and the hub gives no such model.
    WeightsError
        When the weights do not fit their settings.
    OptionError
        When the network cannot read windows of this length.
    """
    folder, config, window = find_enformer(argument)
    info = ModelInfo(
        name="Enformer",
        scale=(
            "tracks of the human head, after softplus; positions as in "
            f"{'TensorFlow' if config['use_tf_gamma'] else 'PyTorch'}"
        ),
        citation=CITATION,
        weights=folder.checksums() | {"use_tf_gamma": config["use_tf_gamma"]},
        libraries=pretrained.versions("enformer-pytorch") | folder.origin,
    )
    return pretrained.baseline_of_tracks(info, _load_network(folder, config), _forward, window, compute)


def find_enformer(argument: str) -> tuple[pretrained.Folder, dict[str, Any], int]:
    """The folder, the settings and the window that an argument names; raises as :func:`open_enformer`."""
    folder, config, window = pretrained.find_network(argument, "enformer_pytorch", "enformer", WINDOW)
    config["use_tf_gamma"] = uses_tf_features(config)
    _check_window(config, window)
    return folder, config, window


def uses_tf_features(config: dict[str, Any]) -> bool:
    """Whether a network was trained with TensorFlow's features of positions.

    The published settings do not say that theirs was; enformer-pytorch knows it by the name on the hub
    alone, and reads a copy under another name with PyTorch's features, which gives other numbers.

    Parameters
    ----------
    config : dict
        The settings in ``config.json``.
    """
    official = {key: config.get(key, size) for key, size in _OFFICIAL.items()} == _OFFICIAL
    if official and config.get("use_tf_gamma") is False:
        _log.warning(
            "config.json says use_tf_gamma: false, so positions are those of PyTorch. If these are the "
            "published weights, saved again by the library, that is wrong: set it to true"
        )
    return bool(config.get("use_tf_gamma", official))


def _check_window(config: dict[str, Any], window: int) -> None:
    bin_width = 2 ** int(config.get("num_downsamples", 7))
    bins, target = window // bin_width, int(config.get("target_length", 896))
    if window % bin_width:
        raise OptionError(
            f"Enformer cannot read windows of {window:,} bp; expected a multiple of {bin_width}"
        )
    if bins < target:
        raise OptionError(
            f"windows of {window:,} bp are {bins} bins of {bin_width} bp, and Enformer gives the {target} in "
            f"the middle; expected at least {target * bin_width:,} bp"
        )
    if config["use_tf_gamma"] and bins != _TF_POSITIONS:
        raise OptionError(
            f"this Enformer reads only windows of {_TF_POSITIONS * bin_width:,} bp, because its positional "
            f"features are fixed; got {window:,} bp"
        )


def _load_network(folder: pretrained.Folder, config: dict[str, Any]) -> torch.nn.Module:
    library = pretrained.imported("enformer_pytorch", "enformer")
    settings = pretrained.imported("enformer_pytorch.config_enformer", "enformer").EnformerConfig(**config)
    if _HEAD not in settings.output_heads:
        raise WeightsError(
            f"{folder.path} has the heads {', '.join(settings.output_heads)}; expected {_HEAD}"
        )
    network: torch.nn.Module = library.Enformer(settings)
    unread = [f"_heads.{head}." for head in settings.output_heads if head != _HEAD]
    tensors = pretrained.read_tensors(folder.weights)
    pretrained.load_strictly(network, tensors, folder.weights, unread)
    return network


def _forward(network: torch.nn.Module, windows: torch.Tensor) -> torch.Tensor:
    """(n, window, 4) to (n, bins, tracks)."""
    tracks: torch.Tensor = network(windows)[_HEAD]
    return tracks
