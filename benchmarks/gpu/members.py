"""The members of an ensemble one after the other, stacked in one pass, and in processes side by side."""

from __future__ import annotations

import dataclasses
import time
from multiprocessing.synchronize import Barrier

import torch
from torch.nn import functional

from benchmarks.gpu import processes
from benchmarks.gpu.record import Deadline, Figures
from benchmarks.gpu.setting import MEMBER, Setting, paper_config
from benchmarks.gpu.sizes import Sizes
from benchmarks.gpu.speed import rate
from benchmarks.speed.ensemble import member_network, one_by_one, together

_GRACE = 5.0
"""Seconds that fits side by side may take longer than their time."""


def stacked(device: torch.device, sizes: Sizes, deadline: Deadline) -> Figures:
    """Windows a second of forward and backward passes of all members, in a loop and by ``torch.func.vmap``.

    Both without dropout and optimiser; see :mod:`benchmarks.speed.ensemble`.
    """
    networks = [member_network(seed).to(device) for seed in range(sizes.members)]
    rates = {}
    for count in sizes.member_windows:
        codes = torch.randint(0, 5, (sizes.members, count, MEMBER.window), device=device)
        windows = functional.one_hot(codes, 5).transpose(2, 3).float()
        labels = torch.randint(0, 2, (sizes.members, count), device=device).float()
        passes = {
            "loop_windows_per_s": rate(
                device, sizes.measured_seconds, deadline,
                lambda _, x=windows, y=labels: one_by_one(networks, x, y), 1,
            ),
            "stacked_windows_per_s": rate(
                device, sizes.measured_seconds, deadline,
                lambda _, x=windows, y=labels: together(networks, x, y), 1,
            ),
        }  # fmt: skip
        rates[count] = {name: sizes.members * count * value for name, value in passes.items()}
        if deadline.over:
            break
    return {"members": sizes.members, "by_windows_of_a_member": rates}


def side_by_side(device: torch.device, sizes: Sizes, deadline: Deadline, count: int) -> Figures:
    """Windows a second of fits in processes of their own, all together, and of one alone.

    Each makes its bags and fits an epoch first, which does not count; then all begin together.

    Parameters
    ----------
    device : torch.device
        Of all of them.
    sizes : Sizes
        How much is measured.
    deadline : Deadline
        When they are ended.
    count : int
        Processes.
    """
    threads = max(torch.get_num_threads() // count, 1)
    figures: Figures = {"processes": count}
    for name, number in (("one_alone", 1), ("together", count)):
        barrier = processes.CONTEXT.Barrier(number)
        arguments = [(str(device), sizes, seed, threads, barrier, deadline) for seed in range(number)]
        # Two jobs for one process, since one job would be this process, whose device is warm.
        results = processes.run(_fit, arguments, max(number, 2), deadline, grace=_GRACE)
        if failed := [result for result in results if "windows" not in result]:
            raise RuntimeError(f"{len(failed)} of {number} processes have no result, such as {failed[0]}")
        windows = sum(result["windows"] for result in results)
        seconds = max(result["end"] for result in results) - min(result["began"] for result in results)
        figures[f"{name}_windows_per_s"] = windows / seconds
    return figures


def _fit(
    device: str, sizes: Sizes, seed: int, threads: int, barrier: Barrier, deadline: Deadline
) -> processes.Result:
    """Fit a member to the bags that are measured: its windows, when it began and when it ended."""
    torch.set_num_threads(threads)
    setting = Setting(dataclasses.replace(sizes, shape=sizes.member_shape))
    on_device = torch.device(device)
    setting.fit(on_device, paper_config(seed=seed))
    barrier.wait(deadline.left)
    began = time.monotonic()
    history = setting.fit(on_device, paper_config(epochs=3, seed=seed))
    return {"windows": int(history["windows"].sum()), "began": began, "end": time.monotonic()}
