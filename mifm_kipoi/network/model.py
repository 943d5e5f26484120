"""The MIFM network: its configuration, layers and forward pass, and nothing else."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any, Literal, get_args

import torch
from torch import nn

from mifm_kipoi.errors import WeightsError

DropoutKind = Literal["activations", "channels"]
DropoutPlace = Literal["all", "dilated"]

_LEFT_OUT_BY_DEFAULT = ("dropout_kind", "dropout_place")
"""Entries that came after weights had been written: files, checksums and journals of scorings hold the
configuration, and stay the same where these have their defaults."""


@dataclasses.dataclass(frozen=True)
class MIFMConfig:
    """Sizes of a MIFM network; the defaults are those of the published student.

    Parameters
    ----------
    channels : int
        Input channels: 4 (A, C, G, T), or 5 with the variant token as the last channel.
    window : int
        Length of the input window in base pairs; a multiple of ``2 ** (1 + len(tower_channels))``.
    stem_channels, stem_kernel : int
        Channels and kernel of the first convolution.
    tower_channels : tuple of int
        Output channels of each block of the convolution tower; every block halves the length.
    tower_kernel : int
        Kernel of the tower's convolutions.
    dilations : tuple of int
        Dilation of each dilated residual block.
    dilated_kernel : int
        Kernel of the dilated convolutions.
    head_channels : int
        Channels of the features that the linear head reads.
    dropout : float
        Dropout probability on residual connections, in ``[0, 1)``; active in training only.
    dropout_kind : str
        What is dropped: single ``activations``, or whole ``channels`` of a window (``Dropout1d``).
    dropout_place : str
        Which residual connections have it: ``all``, or those of the ``dilated`` blocks alone.

    Raises
    ------
    ValueError
        When a size is impossible; the message names it.
    """

    channels: int = 4
    window: int = 512
    stem_channels: int = 16
    stem_kernel: int = 15
    tower_channels: tuple[int, ...] = (19, 22, 26, 31)
    tower_kernel: int = 5
    dilations: tuple[int, ...] = (2, 3)
    dilated_kernel: int = 3
    head_channels: int = 64
    dropout: float = 0.0
    dropout_kind: DropoutKind = "activations"
    dropout_place: DropoutPlace = "all"

    def __post_init__(self) -> None:
        if self.channels not in (4, 5):
            raise ValueError(f"channels is {self.channels}; expected 4, or 5 with the variant token")
        if self.window <= 0 or self.window % self.bin_size:
            raise ValueError(f"window is {self.window}; expected a positive multiple of {self.bin_size}")
        if not 0.0 <= self.dropout < 1.0:
            raise ValueError(f"dropout is {self.dropout}; expected a probability in [0, 1)")
        for name, known in (("dropout_kind", DropoutKind), ("dropout_place", DropoutPlace)):
            if getattr(self, name) not in get_args(known):
                raise ValueError(
                    f"{name} is {getattr(self, name)!r}; expected one of {', '.join(get_args(known))}"
                )
        kernels = {
            "stem_kernel": self.stem_kernel,
            "tower_kernel": self.tower_kernel,
            "dilated_kernel": self.dilated_kernel,
        }
        for name, kernel in kernels.items():
            if kernel < 1 or kernel % 2 == 0:
                raise ValueError(f"{name} is {kernel}; expected an odd positive number")
        sizes = (self.stem_channels, *self.tower_channels, *self.dilations, self.head_channels)
        if min(sizes) < 1:
            raise ValueError(f"sizes are {sizes}; expected positive numbers")

    @property
    def bin_size(self) -> int:
        """Base pairs per bin after the tower."""
        return int(2 ** (1 + len(self.tower_channels)))

    @property
    def variant_index(self) -> int:
        """0-based index of the variant's base in the window: 255 of 512."""
        return self.window // 2 - 1

    @property
    def variant_bin(self) -> int:
        """Index of the bin that holds the variant's base, the only one that is read out: 7 of 16."""
        return self.variant_index // self.bin_size

    @property
    def tower_dropout(self) -> float:
        """Dropout probability in the stem and the tower."""
        return self.dropout if self.dropout_place == "all" else 0.0

    def to_dict(self) -> dict[str, Any]:
        """The configuration as plain JSON types; kind and place of dropout only where not the default."""
        defaults = {field.name: field.default for field in dataclasses.fields(self)}
        return {
            key: list(value) if isinstance(value, tuple) else value
            for key, value in dataclasses.asdict(self).items()
            if key not in _LEFT_OUT_BY_DEFAULT or value != defaults[key]
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> MIFMConfig:
        """Read what :meth:`to_dict` wrote; an unknown or ill-typed entry is an error.

        Raises
        ------
        WeightsError
            When an entry is unknown, has another type, or makes an impossible network.
        """
        if not isinstance(values, Mapping):
            raise WeightsError(f"a model configuration is {str(values)[:50]!r}; expected an object of JSON")
        defaults = {field.name: field.default for field in dataclasses.fields(cls)}
        known: dict[str, Any] = {}
        for key, value in values.items():
            if key not in defaults:
                raise WeightsError(
                    f"unknown entry {key!r} in a model configuration; known are {sorted(defaults)}"
                )
            expected = type(defaults[key])
            if expected is tuple and isinstance(value, list) and all(type(item) is int for item in value):
                known[key] = tuple(value)
            elif type(value) is expected or (expected is float and type(value) is int):
                known[key] = expected(value)
            else:
                raise WeightsError(
                    f"{key!r} of a model configuration is {value!r}; expected {expected.__name__}"
                )
        try:
            return cls(**known)
        except ValueError as error:
            raise WeightsError(f"impossible model configuration: {error}") from error


def tensor_shapes(config: MIFMConfig) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Names and shapes of the tensors of a network, by arithmetic: they are those of its ``state_dict``.

    Parameters
    ----------
    config : MIFMConfig
        Sizes of the network.

    Yields
    ------
    (str, tuple of int)
        Of one tensor after the other, as a network of thousands of layers has too many to be made for this.
    """

    def activated(name: str, inputs: int, outputs: int, kernel: int) -> Iterator[tuple[str, tuple[int, ...]]]:
        for part in ("weight", "bias", "running_mean", "running_var"):
            yield f"{name}.0.{part}", (inputs,)
        yield f"{name}.0.num_batches_tracked", ()
        yield f"{name}.2.weight", (outputs, inputs, kernel)

    width = config.stem_channels
    yield "stem.0.weight", (width, config.channels, config.stem_kernel)
    yield "stem.0.bias", (width,)
    yield from activated("stem.1.branch", width, width, 1)
    for number, channels in enumerate(config.tower_channels):
        yield from activated(f"tower.{number}.0", width, channels, config.tower_kernel)
        yield from activated(f"tower.{number}.1.branch", channels, channels, 1)
        width = channels
    for number in range(len(config.dilations)):
        yield from activated(f"dilated.{number}.branch.0", width, width, config.dilated_kernel)
        yield from activated(f"dilated.{number}.branch.1", width, width, 1)
    yield from activated("features", width, config.head_channels, 1)
    yield "head.weight", (1, config.head_channels, 1)
    yield "head.bias", (1,)


def _activated(conv: nn.Conv1d) -> nn.Sequential:
    """``conv(GELU(BatchNorm(x)))``, the order of Basenji2."""
    return nn.Sequential(nn.BatchNorm1d(conv.in_channels), nn.GELU(approximate="tanh"), conv)


class _Residual(nn.Module):
    """``x + dropout(branch(x))``."""

    def __init__(self, branch: nn.Module, dropout: float, kind: DropoutKind) -> None:
        super().__init__()
        self.branch = branch
        self.dropout = nn.Dropout1d(dropout) if kind == "channels" else nn.Dropout(dropout)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Shape in and out: (n, channels, length)."""
        return torch.add(x, self.dropout(self.branch(x)))


def _pointwise(channels: int, config: MIFMConfig) -> _Residual:
    mix = _activated(nn.Conv1d(channels, channels, 1, bias=False))
    return _Residual(mix, config.tower_dropout, config.dropout_kind)


class MIFM(nn.Module):
    """The MIFM convolutional network (Rakowski & Lippert 2026), after Basenji2 (Kelley 2020).

    A stem and a tower halve the length to bins of 32 bp, dilated residual blocks mix the bins, and
    the head reads out the bin that holds the variant's base. The output is a logit; the MIFM score
    is its sigmoid.

    Parameters
    ----------
    config : MIFMConfig
        Sizes; the published ones, 24,655 parameters, by default.
    """

    def __init__(self, config: MIFMConfig | None = None) -> None:
        super().__init__()
        self.config = config = config or MIFMConfig()
        width = config.stem_channels
        self.stem = nn.Sequential(
            nn.Conv1d(config.channels, width, config.stem_kernel, padding="same"),
            _pointwise(width, config),
            nn.MaxPool1d(2),
        )
        self.tower = nn.Sequential()
        for channels in config.tower_channels:
            conv = nn.Conv1d(width, channels, config.tower_kernel, padding="same", bias=False)
            self.tower.append(nn.Sequential(_activated(conv), _pointwise(channels, config), nn.MaxPool1d(2)))
            width = channels
        self.dilated = nn.Sequential()
        for dilation in config.dilations:
            conv = nn.Conv1d(
                width, width, config.dilated_kernel, padding="same", dilation=dilation, bias=False
            )
            mix = nn.Conv1d(width, width, 1, bias=False)
            branch = nn.Sequential(_activated(conv), _activated(mix))
            self.dilated.append(_Residual(branch, config.dropout, config.dropout_kind))
        self.features = _activated(nn.Conv1d(width, config.head_channels, 1, bias=False))
        self.head = nn.Conv1d(config.head_channels, 1, 1)

    def bins(self, x: torch.Tensor) -> torch.Tensor:
        """Activations of every bin: (n, channels, length) -> (n, width, length // bin_size)."""
        return self.dilated(self.tower(self.stem(x)))  # type: ignore[no-any-return]

    def read_out(self, bins: torch.Tensor) -> torch.Tensor:
        """Logits of bins: (n, width, bins) -> (n, bins)."""
        return self.head(self.features(bins)).squeeze(1)  # type: ignore[no-any-return]

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Logits of windows.

        Parameters
        ----------
        x : torch.Tensor, shape (n, channels, window), floating point
            One-hot windows with the variant's base at ``config.variant_index``; zeros for N.

        Returns
        -------
        torch.Tensor, shape (n,)
            Logits.

        Raises
        ------
        ValueError
            When the shape is another: one base off centre would be a wrong score.
        """
        expected = (self.config.channels, self.config.window)
        if x.dim() != 3 or tuple(x.shape[1:]) != expected:
            raise ValueError(
                f"windows have shape {tuple(x.shape)}; expected (n, {expected[0]}, {expected[1]})"
            )
        centre = self.config.variant_bin
        return self.read_out(self.bins(x)[:, :, centre : centre + 1]).squeeze(1)
