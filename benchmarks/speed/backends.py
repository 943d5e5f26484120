"""Ways to evaluate the network: PyTorch as it is and compiled, ONNX Runtime, OpenVINO.

    python -m benchmarks.speed.backends

The same random windows are evaluated by each back-end that is installed, interleaved and repeated; the
medians are compared. Three computations are given to each:

- forward: ``MIFM.forward``, one logit of each window;
- partial: the same logits from ``PartialNetwork``;
- pairs: these and, from the same activations, those of the windows with another base at the centre.

Compiling takes about a minute and a C++ compiler. ONNX Runtime and OpenVINO also need onnxscript, for the
export.
"""

from __future__ import annotations

import argparse
import copy
import importlib.util
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional as F  # noqa: N812 - its usual name

from benchmarks.speed import measuring
from mifm_kipoi.conventions import VARIANT_INDEX, WINDOW
from mifm_kipoi.network.model import MIFM
from mifm_kipoi.network.partial import PartialNetwork
from mifm_kipoi.network.weights import load_model
from mifm_kipoi.sequence.encoding import BASES

Way = Callable[[], np.ndarray]
Inputs = tuple[torch.Tensor, ...]

COMPUTATIONS = {
    "forward": "`MIFM.forward`",
    "partial": "`PartialNetwork`",
    "pairs": "`PartialNetwork`, both alleles",
}


class Partial(torch.nn.Module):
    """Logits of windows, (n, window, channels), and of substitutions at their centres, (n, channels)."""

    def __init__(self, network: PartialNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, windows: torch.Tensor, alt: torch.Tensor | None = None) -> torch.Tensor:
        """Logits: those of the windows first."""
        levels = self.network.levels(windows)
        bins = levels[-1]
        if alt is not None:
            bins = torch.cat([bins, self.network.substitute(levels, VARIANT_INDEX, alt)])
        return self.network.read_out(bins)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print and write a table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.speed.backends", description=__doc__)
    parser.add_argument("--windows", type=int, default=256, help="how many per batch (default: 256)")
    parser.add_argument(
        "--backends", nargs="+", choices=BACKENDS, default=list(BACKENDS), help="default: all"
    )
    measuring.add_arguments(parser, "backends", 25)
    measuring.report(parser.parse_args(arguments), measure, table)


def measure(options: argparse.Namespace) -> measuring.Figures:
    """Medians in milliseconds, and how far the logits are from those of ``MIFM.forward``."""
    network = load_model()
    generator = torch.Generator().manual_seed(0)
    codes = torch.randint(0, len(BASES), (options.windows, WINDOW), generator=generator)
    windows = F.one_hot(codes, len(BASES)).float()
    alt = windows[:, VARIANT_INDEX].roll(1, 1)
    partial = Partial(PartialNetwork(network)).eval()
    computations: dict[str, tuple[torch.nn.Module, Inputs]] = {
        "forward": (network, (windows.transpose(1, 2).contiguous(),)),
        "partial": (partial, (windows,)),
        "pairs": (partial, (windows, alt)),
    }
    ways: dict[str, Way] = {}
    missing = [name for name in options.backends if not all(map(importlib.util.find_spec, BACKENDS[name][1]))]
    for backend in options.backends:
        for name, (module, inputs) in computations.items():
            if backend not in missing:
                with torch.inference_mode():
                    ways[f"{backend} {name}"] = BACKENDS[backend][0](module, inputs, options.threads)
    with torch.inference_mode():
        expected = network(*computations["forward"][1]).numpy()
        changed = windows.clone()
        changed[:, VARIANT_INDEX] = alt
        expected = np.concatenate([expected, network(changed.transpose(1, 2)).numpy()])
        median, logits_of = measuring.median_seconds(ways, options.repeats)
    apart = {
        name: np.abs(logits.ravel() - expected[: logits.size]).max() for name, logits in logits_of.items()
    }
    return {
        "windows": options.windows,
        "ms": {name: round(1000 * value, 2) for name, value in median.items()},
        "largest_difference": float(f"{max(apart.values()):.1e}"),
        "not_installed": missing,
    }


def eager(module: torch.nn.Module, inputs: Inputs, threads: int) -> Way:  # noqa: ARG001 - as the others
    """PyTorch as the project uses it."""
    return lambda: module(*inputs).numpy()


def compiled(module: torch.nn.Module, inputs: Inputs, threads: int) -> Way:  # noqa: ARG001
    """``torch.compile`` for inputs of this shape."""
    fast = torch.compile(explicit(module), dynamic=False)
    fast(*inputs)
    return lambda: fast(*inputs).numpy()


def onnx_runtime(module: torch.nn.Module, inputs: Inputs, threads: int) -> Way:
    """ONNX Runtime on the CPU."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    exported = export(module, inputs)
    session = onnxruntime.InferenceSession(exported, options, providers=["CPUExecutionProvider"])
    names = [node.name for node in session.get_inputs()]
    feed = dict(zip(names, (values.numpy() for values in inputs), strict=True))
    return lambda: session.run(None, feed)[0]


def openvino(module: torch.nn.Module, inputs: Inputs, threads: int) -> Way:
    """OpenVINO on the CPU, in single precision as the others."""
    import openvino as library

    settings = {"INFERENCE_NUM_THREADS": threads, "INFERENCE_PRECISION_HINT": "f32"}
    core = library.Core()
    request = core.compile_model(
        core.read_model(export(module, inputs)), "CPU", settings
    ).create_infer_request()
    arrays = [values.numpy() for values in inputs]
    return lambda: next(iter(request.infer(arrays).values())).copy()


BACKENDS: dict[str, tuple[Callable[[torch.nn.Module, Inputs, int], Way], tuple[str, ...]]] = {
    "eager": (eager, ()),
    "compile": (compiled, ()),
    "onnxruntime": (onnx_runtime, ("onnxruntime", "onnxscript")),
    "openvino": (openvino, ("openvino", "onnxscript")),
}
"""How to make each, and the packages that it needs beside PyTorch."""


def export(module: torch.nn.Module, inputs: Inputs) -> bytes:
    """The computation as ONNX."""
    with tempfile.TemporaryDirectory() as folder, torch.no_grad():
        path = Path(folder, "network.onnx")
        torch.onnx.export(explicit(module), inputs, path, dynamo=True, external_data=False, verbose=False)
        return path.read_bytes()


def explicit(module: torch.nn.Module) -> torch.nn.Module:
    """The network with numbers for the padding ``same``, which ONNX Runtime refuses where it is dilated."""
    if not isinstance(module, MIFM):
        return module
    module = copy.deepcopy(module)
    for layer in module.modules():
        if isinstance(layer, torch.nn.Conv1d) and layer.padding == "same":
            layer.padding = (layer.kernel_size[0] // 2 * layer.dilation[0],)
    return module


def table(figures: measuring.Figures) -> str:
    """The figures as Markdown."""
    names = {
        "eager": "PyTorch",
        "compile": "`torch.compile`",
        "onnxruntime": "ONNX Runtime",
        "openvino": "OpenVINO",
    }
    measured = [name for name in names if f"{name} forward" in figures["ms"]]
    lines = [
        "{windows} random windows, {threads} threads, median of {repeats}, ms".format(**figures),
        "",
        " | ".join(["| computation", *(names[name] for name in measured)]) + " |",
        "| --- |" + " ---: |" * len(measured),
        *(
            " | ".join([f"| {meaning}", *(str(figures["ms"][f"{name} {key}"]) for name in measured)]) + " |"
            for key, meaning in COMPUTATIONS.items()
        ),
        "",
        f"Largest difference of logits: {figures['largest_difference']}.",
        *(f"Not installed: {names[name]}." for name in figures["not_installed"]),
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
