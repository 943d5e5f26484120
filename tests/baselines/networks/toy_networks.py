"""Genomes, windows made by slicing strings, and networks whose effects are known in closed form."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch

from mifm_kipoi.baselines.networks.sequence import ModelInfo, SequenceBaseline, TorchReader
from mifm_kipoi.baselines.protocol import ComputeOptions
from mifm_kipoi.genomics.genome import Genome
from mifm_kipoi.genomics.variants import Variant
from mifm_kipoi.sequence import windows
from tests.builders import write_fasta

CPU = ComputeOptions("cpu")
ONE_BY_ONE = ComputeOptions("cpu", 1)
"""The order of sums depends on the size of a batch, and networks of many layers carry the difference far."""

TRACKS = 3

BASES = np.array([[0.1, 1.0, -2.0], [0.7, -0.4, 0.3], [-1.3, 0.2, 0.9], [0.45, -3.0, 1.7]])
"""Weight of each base, in the order A, C, G, T, on each track; no two are the same."""


def random_bases(length: int, seed: int = 0) -> str:
    """A sequence of A, C, G and T."""
    return "".join(np.random.default_rng(seed).choice(list("ACGT"), length))


def make_genome(folder: Path, length: int = 40_000) -> tuple[Genome, dict[str, str]]:
    """A genome of a long contig and a short one, and its sequences."""
    contigs = {"1": random_bases(length), "chr2": random_bases(3_000, seed=1)}
    return Genome(write_fasta(folder / "genome.fa", contigs)), contigs


def slice_windows(bases: str, variant: Variant, window: int) -> tuple[str, str]:
    """Reference and alternative windows, by slices of a padded string."""
    pad = "N" * (window + len(variant.ref))
    padded = pad + bases + pad
    at = len(pad) + variant.pos - 1
    start = at - (window - 1) // 2
    assert padded[at : at + len(variant.ref)] == variant.ref
    alternative = padded[start:at] + variant.alt + padded[at + len(variant.ref) :]
    return padded[start : start + window], alternative[:window]


def one_hot(window: str) -> list[list[float]]:
    """Base by base: A, C, G, T, and zeros for anything else."""
    return [[float(base == letter) for letter in "ACGT"] for base in window]


def stacked(bases: str, variants: Sequence[Variant], window: int) -> tuple[torch.Tensor, torch.Tensor]:
    """One-hot reference and alternative windows, float32 of shape (n, window, 4)."""
    pairs = [slice_windows(bases, variant, window) for variant in variants]
    ref, alt = (torch.tensor([one_hot(pair[side]) for pair in pairs]) for side in (0, 1))
    return ref, alt


def some_variants(bases: str, positions: Sequence[int], chrom: str = "1") -> list[Variant]:
    """At each position an SNV; behind them an insertion, a deletion and a replacement at the first ones."""
    other = {"A": "G", "C": "A", "G": "T", "T": "C"}
    found = [Variant(chrom, pos, ".", bases[pos - 1], other[bases[pos - 1]]) for pos in positions]
    first, second, third = (pos - 1 for pos in positions[:3])
    return [
        *found,
        Variant(chrom, first + 1, ".", bases[first], bases[first] + "GATTACA"),
        Variant(chrom, second + 1, ".", bases[second : second + 5], bases[second]),
        Variant(chrom, third + 1, ".", bases[third : third + 3], "TG"),
    ]


def place_weights(window: int) -> npt.NDArray[np.float64]:
    """A weight for each place in a window; neighbours, and places opposite each other, differ."""
    places = np.arange(window)
    weights: npt.NDArray[np.float64] = np.sin(1 + 0.37 * places * places)
    return weights


class Toy(torch.nn.Module):
    """Tracks that are sums over places of the weight of the place times that of the base."""

    def __init__(self, window: int, bins: int = 4) -> None:
        super().__init__()
        self.register_buffer("places", torch.from_numpy(place_weights(window)))
        self.register_buffer("bases", torch.tensor(BASES))
        self.bins = bins

    def forward(self, windows: torch.Tensor) -> torch.Tensor:
        """(n, window, 4) to (n, bins, tracks)."""
        each = self.places[:, None] * (windows.double() @ self.bases)
        return torch.stack([part.sum(1) for part in each.tensor_split(self.bins, dim=1)], dim=1)


def toy_effect(bases: str, variant: Variant, window: int) -> npt.NDArray[np.float64]:
    """What :class:`Toy` gives: for an SNV the weight of the place times the difference of the bases'."""
    weights = place_weights(window)
    if len(variant.ref) == len(variant.alt) == 1:
        ref, alt = ("ACGT".index(base) for base in (variant.ref, variant.alt))
        effect: npt.NDArray[np.float64] = weights[(window - 1) // 2] * (BASES[alt] - BASES[ref])
        return effect
    effect = np.zeros(TRACKS)
    for sign, letters in zip((-1, 1), slice_windows(bases, variant, window), strict=True):
        for place, letter in enumerate(letters):
            if letter != "N":
                effect += sign * weights[place] * BASES["ACGT".index(letter)]
    return effect


def check_toy_effects(
    baseline: SequenceBaseline, genome: Genome, bases: str, variants: Sequence[Variant], window: int
) -> None:
    """Assert that a baseline around :class:`Toy` has the alleles in their place, the right way round."""
    status, effects = baseline.effects(variants, genome)
    assert status == ["ok"] * len(variants)
    expected = np.array([toy_effect(bases, variant, window) for variant in variants])
    np.testing.assert_allclose(effects, expected, rtol=1e-5, atol=1e-6)
    scored = baseline.score(variants, genome)
    strongest = np.abs(expected).argmax(axis=1)
    signed = expected[np.arange(len(variants)), strongest]
    np.testing.assert_allclose(scored.columns["strongest_delta"], signed, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(scored.columns["max_abs_delta"], np.abs(signed), rtol=1e-5, atol=1e-6)


def check_notices_shift(
    monkeypatch: pytest.MonkeyPatch,
    baseline: SequenceBaseline,
    genome: Genome,
    bases: str,
    variants: Sequence[Variant],
    window: int,
) -> None:
    """Assert that :func:`check_toy_effects` fails where windows are cut one base off."""
    with monkeypatch.context() as patch:
        patch.setattr(windows, "variant_index", lambda length: (length - 1) // 2 + 1)
        with pytest.raises(AssertionError, match="Not equal to tolerance"):
            check_toy_effects(baseline, genome, bases, variants, window)


def info(name: str = "Toy") -> ModelInfo:
    """What a network says of itself."""
    return ModelInfo(
        name=name, scale="weighted bases", citation="nobody", weights={"weights_sha256": "0"},
        libraries={"torch": "any"},
    )  # fmt: skip


def toy_baseline(window: int, compute: ComputeOptions = CPU) -> SequenceBaseline:
    """A baseline around :class:`Toy`."""
    return baseline_of(Toy(window), window, compute)


def baseline_of(network: torch.nn.Module, window: int, compute: ComputeOptions = CPU) -> SequenceBaseline:
    """A baseline around a network that reads (n, window, 4)."""
    return SequenceBaseline(TorchReader(network, lambda net, x: net(x), window, compute), info())


class Convolutions(torch.nn.Module):
    """Something with rounding errors, from (n, window, 4) to (n, window // 8, tracks)."""

    def __init__(self, tracks: int = 5) -> None:
        super().__init__()
        torch.manual_seed(3)
        self.layers = torch.nn.Sequential(
            torch.nn.Conv1d(4, 12, 9, padding=4),
            torch.nn.GELU(),
            torch.nn.MaxPool1d(8),
            torch.nn.Conv1d(12, tracks, 3, padding=1),
            torch.nn.Softplus(),
        )

    def forward(self, windows: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = self.layers(windows.transpose(1, 2)).transpose(1, 2)
        return found


def randomise(network: torch.nn.Module, scale: float, seed: int = 0) -> torch.nn.Module:
    """Draw every parameter and statistic, those too that begin as zeros; in evaluation mode."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in network.parameters():
            fan_in = max(parameter[0].numel() if parameter.dim() > 1 else 1, 1)
            size = scale / fan_in**0.5 if parameter.dim() > 1 else 0.1
            parameter.copy_(torch.randn(parameter.shape, generator=generator) * size)
            if parameter.dim() == 1:
                parameter.add_(0.5)
        for name, buffer in network.named_buffers():
            if name.endswith("running_mean"):
                buffer.copy_(torch.randn(buffer.shape, generator=generator) * 0.2)
            if name.endswith("running_var"):
                buffer.copy_(0.5 + torch.rand(buffer.shape, generator=generator))
    return network.eval()


def check_equals_module(
    baseline: SequenceBaseline,
    genome: Genome,
    bases: str,
    variants: Sequence[Variant],
    module: Any,
    window: int,
) -> None:
    """Assert that the effects are those of the library's own module on windows made by slices.

    Parameters
    ----------
    baseline : SequenceBaseline
        That reads windows one by one.
    module : callable
        From one-hot windows (n, window, 4) to (n, bins, tracks).
    """
    with torch.inference_mode():
        ref, alt = (
            torch.cat([module(one[None]) for one in side]).double().sum(1)
            for side in stacked(bases, variants, window)
        )
    status, effects = baseline.effects(variants, genome)
    assert status == ["ok"] * len(variants)
    expected = (alt - ref).numpy()
    # Far above the rounding errors of the sums, so that agreement says something.
    assert np.abs(expected).max() > 1e-3 * float(ref.abs().max())
    np.testing.assert_allclose(effects, expected, rtol=1e-5, atol=1e-5 * np.abs(expected).max())
