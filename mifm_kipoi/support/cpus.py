"""How many CPUs this process may use."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path


def usable_cpus(root: Path = Path("/")) -> int:
    """The CPUs that this process may use, the default of all threads.

    The smallest of: the CPUs that the process is bound to (as by ``taskset`` or a batch system), the first
    number of ``OMP_NUM_THREADS``, and the CPU quota of its control groups (as of a container), rounded
    down.

    Parameters
    ----------
    root : Path
        Where ``proc`` and ``sys`` are mounted.

    Returns
    -------
    int
        1 or more.
    """
    counts = [len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1]
    wanted = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0].strip()
    if wanted.isdecimal() and int(wanted):
        counts.append(int(wanted))
    counts += [max(int(cpus), 1) for cpus in _quotas(root)]
    return min(counts)


def _quotas(root: Path) -> Iterator[float]:
    """CPU quotas, in CPUs, of the control groups of this process and of those that hold them."""
    try:
        lines = (root / "proc/self/cgroup").read_text().splitlines()
    except OSError:
        return
    for line in lines:
        _, controllers, group = line.split(":", 2)
        if not controllers:
            for folder in _with_parents(root / "sys/fs/cgroup", group):
                yield from _ratio(folder / "cpu.max")
        elif "cpu" in controllers.split(","):
            for folder in _with_parents(root / "sys/fs/cgroup/cpu", group):
                yield from _ratio(folder / "cpu.cfs_quota_us", folder / "cpu.cfs_period_us")


def _with_parents(mount: Path, group: str) -> Iterator[Path]:
    folder = mount / group.strip("/")
    yield from (parent for parent in (folder, *folder.parents) if parent.is_relative_to(mount))


def _ratio(*files: Path) -> Iterator[float]:
    """Quota over period, where there is a quota; without one the kernel says ``max`` or -1."""
    with contextlib.suppress(OSError, ValueError):
        quota, period = (int(word) for file in files for word in file.read_text().split())
        if quota > 0 and period > 0:
            yield quota / period
