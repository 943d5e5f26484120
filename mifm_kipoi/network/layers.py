"""The layers of a network in evaluation mode, as all that evaluates them reads their weights."""

from __future__ import annotations

import dataclasses
import math

import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812 - its usual name

from mifm_kipoi.network.model import MIFM

GELU_LINEAR = 2 * math.sqrt(2 / math.pi)
GELU_CUBIC = 0.044715 * GELU_LINEAR
"""``GELU(x)`` in its tanh form is ``x * sigmoid(GELU_LINEAR * x + GELU_CUBIC * x ** 3)``."""

Affine = tuple[torch.Tensor, torch.Tensor]
"""Scale and shift per channel: batch norm in evaluation mode."""


def affine_of(norm: nn.Module) -> Affine:
    """What a batch norm multiplies by and adds."""
    assert isinstance(norm, nn.BatchNorm1d)
    assert norm.running_var is not None
    assert norm.running_mean is not None
    scale = norm.weight.detach() / torch.sqrt(norm.running_var + norm.eps)
    return scale, norm.bias.detach() - norm.running_mean * scale


def bias_of(conv: nn.Module) -> torch.Tensor | None:
    """Shape (out,), where the convolution has one."""
    assert isinstance(conv, nn.Conv1d)
    return None if conv.bias is None else conv.bias.detach().clone()


def kernel_of(conv: nn.Module) -> torch.Tensor:
    """Shape (out, in, 1, kernel), in the memory format in which convolutions are fastest."""
    assert isinstance(conv, nn.Conv1d)
    return conv.weight.detach().unsqueeze(2).clone(memory_format=torch.channels_last)


def convolve(
    x: torch.Tensor, kernel: torch.Tensor, bias: torch.Tensor | None = None, stride: int = 1
) -> torch.Tensor:
    """Without padding: (n, length, in) -> (n, length', out)."""
    convolved = F.conv2d(x.transpose(1, 2).unsqueeze(2), kernel, bias, stride=(1, stride))
    return convolved.squeeze(2).transpose(1, 2)


def activate(x: torch.Tensor, affine: Affine) -> torch.Tensor:
    """``GELU(BatchNorm(x))`` of the last dimension.

    ``0.5 * (1 + tanh(u))`` is ``sigmoid(2 * u)``, which PyTorch computes in less time.
    """
    scale, shift = affine
    x = torch.addcmul(shift, x, scale)
    gate = (x * x).mul_(GELU_CUBIC).add_(GELU_LINEAR).mul_(x).sigmoid_()
    return x.mul_(gate)


@dataclasses.dataclass(frozen=True)
class Stage:
    """A convolution, its pointwise residual, pooling, and the activation of the next convolution."""

    kernel: torch.Tensor
    bias: torch.Tensor | None
    residual_affine: Affine
    residual_weight: torch.Tensor
    next_affine: Affine | None

    @property
    def reach(self) -> int:
        """Positions that an output reads on either side of its own."""
        return int(self.kernel.shape[-1]) // 2

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        """(n, length + 2 * reach, in) -> (n, length // 2, out); the length is even."""
        x = convolve(x, self.kernel, self.bias)
        branch = activate(x, self.residual_affine)
        flat = x.reshape(-1, x.shape[-1]).addmm_(branch.reshape(-1, x.shape[-1]), self.residual_weight)
        x = flat.view(x.shape)
        x = torch.maximum(x[:, 0::2], x[:, 1::2])
        return x if self.next_affine is None else activate(x, self.next_affine)


@dataclasses.dataclass(frozen=True)
class DilatedWeights:
    """A dilated residual block: a convolution and a pointwise one, each of what is activated."""

    affine: Affine
    kernel: torch.Tensor
    mix_affine: Affine
    mix_kernel: torch.Tensor


@dataclasses.dataclass(frozen=True)
class ReadOut:
    """What makes the logit of a bin: ``weight @ activate(bin, affine) + bias``."""

    affine: Affine
    weight: torch.Tensor
    """Shape (1, width). Nothing lies between the features and the head: together they are one linear map."""
    bias: torch.Tensor | None


def _part(module: nn.Module | torch.Tensor, *path: int) -> nn.Module:
    """A module inside nested sequences."""
    assert isinstance(module, nn.Module)
    for index in path:
        assert isinstance(module, nn.Sequential)
        module = module[index]
    return module


def stages_of(model: MIFM) -> list[Stage]:
    """The stem and the tower of a network."""
    convolutions = [_part(model.stem, 0), *(_part(block, 0, 2) for block in model.tower)]
    branches = [_part(block, 1).branch for block in (model.stem, *model.tower)]
    affines = [affine_of(_part(block, 0, 0)) for block in model.tower]
    return [
        Stage(
            kernel=kernel_of(convolution),
            bias=bias_of(convolution),
            residual_affine=affine_of(_part(branch, 0)),
            residual_weight=kernel_of(_part(branch, 2))[:, :, 0, 0].T.contiguous(),
            next_affine=affine,
        )
        for convolution, branch, affine in zip(convolutions, branches, [*affines, None], strict=True)
    ]


def dilated_weights(model: MIFM) -> list[DilatedWeights]:
    """The dilated blocks of a network."""
    return [
        DilatedWeights(
            affine=affine_of(_part(block.branch, 0, 0)),
            kernel=kernel_of(_part(block.branch, 0, 2)),
            mix_affine=affine_of(_part(block.branch, 1, 0)),
            mix_kernel=kernel_of(_part(block.branch, 1, 2)),
        )
        for block in model.dilated
    ]


def read_out_of(model: MIFM) -> ReadOut:
    """The features and the head of a network."""
    head = kernel_of(model.head)[:, :, 0, 0].double()
    features = kernel_of(_part(model.features, 2))[:, :, 0, 0].double()
    weight = (head @ features).to(model.head.weight.dtype)
    return ReadOut(affine_of(model.features[0]), weight, bias_of(model.head))
