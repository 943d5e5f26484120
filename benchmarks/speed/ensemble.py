"""Members of an ensemble one after the other against all of them in one pass.

    python -m benchmarks.speed.ensemble

Forward, cross-entropy and backward of several members, each with windows of its own: once in a loop, once
through ``torch.func.vmap`` over their stacked parameters, which makes of the members' convolutions one
grouped convolution. Batch normalisation uses the statistics of each batch in both; optimiser and data are
left out.
"""

from __future__ import annotations

import argparse
import copy
from collections.abc import Sequence

import torch
from torch.func import functional_call, grad, stack_module_state, vmap
from torch.nn import functional

from benchmarks.speed import measuring
from mifm_kipoi import MIFM, MIFMConfig
from training.commands.process import keep_freed_memory

MEMBER = MIFMConfig(channels=5, dropout=0.5)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print and write a table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.speed.ensemble", description=__doc__)
    parser.add_argument("--members", type=int, default=5)
    parser.add_argument("--windows", type=int, nargs="+", default=[128, 1024], help="of a member's batch")
    measuring.add_arguments(parser, "ensemble", 7)
    keep_freed_memory()
    measuring.report(parser.parse_args(arguments), measure, table)


def measure(options: argparse.Namespace) -> measuring.Figures:
    """Windows per second of both ways, for every size of batch; also the largest difference of gradients."""
    networks = [member_network(seed) for seed in range(options.members)]
    rates = []
    for size in options.windows:
        codes = torch.randint(0, 5, (options.members, size, 512))
        windows = functional.one_hot(codes, 5).transpose(2, 3).float()
        labels = torch.randint(0, 2, (options.members, size)).float()
        ways = {
            "loop": lambda windows=windows, labels=labels: one_by_one(networks, windows, labels),
            "together": lambda windows=windows, labels=labels: together(networks, windows, labels),
        }
        seconds, gradients = measuring.median_seconds(ways, options.repeats)
        total = size * options.members
        rates.append({"windows": size, **{way: round(total / value) for way, value in seconds.items()}})
        rates[-1]["largest_difference"] = difference(gradients["loop"], gradients["together"])
    return {"members": options.members, "windows_per_second": rates}


def member_network(seed: int) -> MIFM:
    """In training, but without dropout, whose draws would differ, and without running statistics."""
    torch.manual_seed(seed)
    network = MIFM(MEMBER).train()
    for module in network.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
        if isinstance(module, torch.nn.BatchNorm1d):
            module.track_running_stats = False
            module.running_mean = module.running_var = module.num_batches_tracked = None
    return network


def one_by_one(
    networks: Sequence[MIFM], windows: torch.Tensor, labels: torch.Tensor
) -> dict[str, torch.Tensor]:
    """Gradients of every member, by name, stacked: windows of shape (members, n, 5, 512)."""
    for network, x, y in zip(networks, windows, labels, strict=True):
        network.zero_grad()
        functional.binary_cross_entropy_with_logits(network(x), y).backward()
    names = dict(networks[0].named_parameters())
    return {
        name: torch.stack([network.get_parameter(name).grad for network in networks]).detach()
        for name in names
    }


def together(
    networks: Sequence[MIFM], windows: torch.Tensor, labels: torch.Tensor
) -> dict[str, torch.Tensor]:
    """The same in one pass."""
    parameters, buffers = stack_module_state(list(networks))
    template = copy.deepcopy(networks[0]).to("meta")

    def loss(
        values: dict[str, torch.Tensor], rest: dict[str, torch.Tensor], x: torch.Tensor, y: torch.Tensor
    ) -> torch.Tensor:
        logits = functional_call(template, (values, rest), (x,))
        return functional.binary_cross_entropy_with_logits(logits, y)

    gradients = vmap(grad(loss), randomness="different")(parameters, buffers, windows, labels)
    return {name: value.detach() for name, value in gradients.items()}


def difference(loop: dict[str, torch.Tensor], others: dict[str, torch.Tensor]) -> float:
    """The largest between two gradients, over the largest of any."""
    largest = max(float(value.abs().max()) for value in loop.values())
    return max(float((loop[name] - others[name]).abs().max()) for name in loop) / largest


def table(figures: measuring.Figures) -> str:
    """Markdown."""
    head = f"| windows of each of {figures['members']} members | loop | together |\n| ---: | ---: | ---: |"
    rows = [
        f"| {row['windows']} | {row['loop']:,} /s | {row['together']:,} /s |"
        for row in figures["windows_per_second"]
    ]
    return "\n".join([head, *rows])


if __name__ == "__main__":
    main()
