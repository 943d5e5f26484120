"""Does a device compute what the CPU computes? Scores, mutagenesis, the scan, and a step of training."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import torch

from benchmarks.gpu.record import Figures
from benchmarks.gpu.setting import Setting, Steps
from benchmarks.gpu.sizes import Sizes
from mifm_kipoi.conventions import FULL, PRECISIONS, WINDOW
from mifm_kipoi.mutagenesis.mutate import substitution_logits
from mifm_kipoi.network.inference import Predictor
from mifm_kipoi.network.model import MIFM
from mifm_kipoi.network.scan import Scan
from mifm_kipoi.network.weights import load_model
from mifm_kipoi.sequence.encoding import NO_BASE
from training.mil.objective import PoolingName

TOLERANCE = 1e-5
"""Largest difference of logits, and of gradients over the largest gradient, that counts as equal."""

_CPU = torch.device("cpu")


def random_windows(count: int, seed: int, window: int = WINDOW) -> npt.NDArray[np.uint8]:
    """Random coded windows, one base in a hundred unknown: (count, window)."""
    generator = np.random.default_rng(seed)
    windows = generator.integers(0, NO_BASE, (count, window), dtype=np.uint8)
    windows[generator.random(windows.shape) < 0.01] = NO_BASE
    return windows


def scores(device: torch.device, sizes: Sizes) -> Figures:
    """Logits of both alleles under the embedded weights, in each format of activations.

    Returns
    -------
    dict
        For each format the largest differences from the CPU's logits in float32; ``equal`` says whether
        those of float32 are within :data:`TOLERANCE`.
    """
    network = load_model()
    ref = random_windows(sizes.equality_windows, seed=1)
    alt = ref.copy()
    centre = network.config.variant_index
    ref[:, centre] %= NO_BASE
    alt[:, centre] = (ref[:, centre] + 1) % NO_BASE
    expected = Predictor(network).variant_logits(ref, alt)
    figures: Figures = {"windows": sizes.equality_windows, "sd_of_logits": float(np.std(expected[0]))}
    for precision in PRECISIONS:
        try:
            predictor = Predictor(load_model().to(device), precision=precision)
            got = predictor.variant_logits(ref, alt)
        # A CPU may lack kernels for a short format.
        except RuntimeError as error:
            figures[precision] = {"error": str(error)[:200]}
            continue
        figures[precision] = {
            "largest_ref": _largest(got[0], expected[0]),
            "largest_alt": _largest(got[1], expected[1]),
            "largest_delta": _largest(got[1] - got[0], expected[1] - expected[0]),
        }
    figures["equal"] = max(figures[FULL].values()) <= TOLERANCE
    return figures


def mutagenesis(device: torch.device, sizes: Sizes) -> Figures:
    """Logits of all substitutions of windows; the largest difference from the CPU's."""
    windows = random_windows(sizes.mutated_windows, seed=2)
    expected = substitution_logits(Predictor(load_model()), windows)[1]
    got = substitution_logits(Predictor(load_model().to(device)), windows)[1]
    assert np.array_equal(np.isnan(got), np.isnan(expected)), "other substitutions have no logit"
    largest = _largest(got[~np.isnan(got)], expected[~np.isnan(expected)])
    return {
        "substitutions": int((~np.isnan(got)).sum()),
        "largest_difference": largest,
        "equal": largest <= TOLERANCE,
    }


def scan(device: torch.device, sizes: Sizes) -> Figures:
    """Logits of all windows of a sequence and of a substitution in each, against the CPU's one by one."""
    network, count = load_model(), sizes.equality_windows
    codes = random_windows(1, seed=5, window=count + WINDOW - 1)[0]
    windows = np.lib.stride_tricks.sliding_window_view(codes, WINDOW)
    rows, index = np.arange(count), network.config.variant_index
    alt = windows.copy()
    alt[:, index] = (alt[:, index] + 1) % NO_BASE
    expected = Predictor(network).variant_logits(np.ascontiguousarray(windows), alt)
    got = Scan(load_model().to(device), "pytorch").substituted(codes, rows, alt[:, index])
    largest = max(_largest(mine, theirs) for mine, theirs in zip(got, expected, strict=True))
    return {"windows": count, "largest_difference": largest, "equal": largest <= TOLERANCE}


def training_step(device: torch.device, setting: Setting, pooling: PoolingName) -> Figures:
    """Loss and gradients of one step from the same weights, without dropout.

    Float32 is compared without TensorFloat-32 in convolutions, as in a fit, and with it, which is PyTorch's
    default; ``deterministic`` says whether two steps give the same bits under deterministic algorithms.
    """
    reference, steps = setting.steps(_CPU, pooling), setting.steps(device, pooling)
    expected = gradients(setting.network(dropout=0.0), reference)

    def measured(kind: torch.dtype | None = None, tf32: bool = False) -> dict[str, torch.Tensor]:
        return gradients(setting.network(dropout=0.0).to(device), steps, kind, tf32)

    ways: dict[str, tuple[torch.dtype | None, bool]] = {
        "fp32": (None, False), "tf32": (None, True), "bf16": (torch.bfloat16, True),
    }  # fmt: skip
    if device.type != "cpu":
        ways["fp16"] = (torch.float16, True)
    figures: Figures = {"windows": len(steps.epoch[0].rows)}
    for name, (kind, tf32) in ways.items():
        figures[name] = compared(measured(kind, tf32), expected)
    figures["equal"] = figures["fp32"]["largest_gradient"] <= TOLERANCE
    with deterministic():
        try:
            twice = [measured() for _ in range(2)]
            figures["deterministic"] = {
                "same_bits": _same_bits(*twice),
                **compared(twice[0], expected),
            }
        except RuntimeError as error:
            figures["deterministic"] = {"error": str(error)[:200]}
    figures["same_bits_by_default"] = _same_bits(measured(), measured())
    return figures


def gradients(
    network: MIFM, steps: Steps, kind: torch.dtype | None = None, tf32: bool = False
) -> dict[str, torch.Tensor]:
    """Loss and gradients of the first step, by name, as float32 on the CPU.

    Parameters
    ----------
    network : MIFM
        It is left in training mode, with these gradients.
    steps : Steps
        On the same device.
    kind : torch.dtype, optional
        Format of activations, by autocast; float32 by default.
    tf32 : bool
        Whether convolutions may use TensorFloat-32.
    """
    device = next(network.parameters()).device
    autocast = torch.autocast(device.type, kind) if kind else contextlib.nullcontext()
    exact = torch.are_deterministic_algorithms_enabled()
    with torch.backends.cudnn.flags(enabled=True, deterministic=exact, allow_tf32=tf32):
        with autocast:
            loss = steps.loss(network.train(), 0)
        loss.backward()
    values = {name: value.grad for name, value in network.named_parameters() if value.grad is not None}
    return {"loss": loss.detach().float().cpu(), **{name: x.float().cpu() for name, x in values.items()}}


def _same_bits(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return all(torch.equal(value, other[name]) for name, value in one.items())


def compared(got: dict[str, torch.Tensor], expected: dict[str, torch.Tensor]) -> Figures:
    """Differences of losses and gradients, these over the largest of all gradients."""
    names = [name for name in expected if name != "loss"]
    largest = max(float(expected[name].abs().max()) for name in names)
    off = max(float((got[name] - expected[name]).abs().max()) for name in names)
    return {
        "loss": abs(float(got["loss"]) - float(expected["loss"])),
        "largest_gradient": off / largest,
    }


@contextlib.contextmanager
def deterministic() -> Iterator[None]:
    """Deterministic algorithms, as ``fit.deterministic`` asks for them."""
    before = torch.are_deterministic_algorithms_enabled()
    torch.use_deterministic_algorithms(True)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before)


def _largest(got: npt.NDArray[np.float32], expected: npt.NDArray[np.float32]) -> float:
    return float(np.abs(got.astype(np.float64) - expected).max())
