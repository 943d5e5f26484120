"""How many windows a second: of scoring and of training, against the bare network."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
import torch
from torch.nn import functional

from benchmarks.gpu.equality import random_windows
from benchmarks.gpu.record import Deadline, Figures
from benchmarks.gpu.setting import MEMBER, Setting, paper_config
from benchmarks.gpu.sizes import Sizes
from mifm_kipoi.conventions import FULL, WINDOW
from mifm_kipoi.mutagenesis.mutate import substitution_logits
from mifm_kipoi.network.inference import Predictor, exactly
from mifm_kipoi.network.scan import Scan
from mifm_kipoi.network.weights import load_model
from mifm_kipoi.sequence import encoding


def rate(
    device: torch.device,
    seconds: float,
    deadline: Deadline,
    work: Callable[[int], object],
    most: int,
    least: int = 0,
) -> float:
    """How many a second: a first, small pass that does not count, then passes until ``seconds`` are over.

    Parameters
    ----------
    device : torch.device
        It is waited for.
    seconds : float
        How long passes are repeated; one is made in any case, of about so many seconds at most.
    deadline : Deadline
        Ends the repetition, too.
    work : callable
        A pass over the first so many.
    most, least : int
        Size of a pass, and the smallest one, such as a batch; ``most`` where it is 0.
    """
    count = least or most
    # The device is warmed up, then timed: the first pass of a shape takes longer.
    for _ in range(2):
        began = time.perf_counter()
        work(count)
        synchronise(device)
    first = time.perf_counter() - began
    count = min(most, count * max(int(min(seconds, deadline.left) / max(first, 1e-9)), 1))
    began, passes = time.perf_counter(), 0
    while not passes or (time.perf_counter() - began < seconds and not deadline.over):
        work(count)
        synchronise(device)
        passes += 1
    return count * passes / (time.perf_counter() - began)


def synchronise(device: torch.device) -> None:
    """Wait for what was begun."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def scoring(device: torch.device, sizes: Sizes, deadline: Deadline, precision: str = FULL) -> Figures:
    """Windows a second of :class:`Predictor`, from codes on the host to logits on the host, by batch size.

    ``bare`` is ``MIFM.forward`` on one-hot windows that are on the device, in float32, its logits left there.
    A variant has two windows, of which the alternative one is computed as far as it differs.
    """
    windows = random_windows(sizes.scoring_windows, seed=3)
    alt = windows.copy()
    centre = load_model().config.variant_index
    windows[:, centre] %= encoding.NO_BASE
    alt[:, centre] = (windows[:, centre] + 1) % encoding.NO_BASE
    figures: Figures = {"windows": len(windows), "precision": precision, "by_batch_size": {}}
    for size in sizes.batch_sizes:
        predictor = Predictor(load_model().to(device), size, precision)
        figures["by_batch_size"][size] = {
            "windows_per_s": rate(
                device, sizes.measured_seconds, deadline, lambda n, p=predictor: p.logits(windows[:n]),
                len(windows), size,
            ),
            "variants_per_s": rate(
                device, sizes.measured_seconds, deadline,
                lambda n, p=predictor: p.variant_logits(windows[:n], alt[:n]), len(windows), size,
            ),
        }  # fmt: skip
        if deadline.over:
            break
    if precision == FULL:
        ready = torch.from_numpy(encoding.one_hot(windows[: max(sizes.batch_sizes)])).to(device)
        network = load_model().to(device)
        with exactly():
            figures["bare_windows_per_s"] = rate(
                device, sizes.measured_seconds, deadline, lambda n: network(ready[:n]), len(ready),
                min(sizes.batch_sizes),
            )  # fmt: skip
        best = max(each["windows_per_s"] for each in figures["by_batch_size"].values())
        figures["best_over_bare"] = best / figures["bare_windows_per_s"]
    return figures


def mutagenesis(device: torch.device, sizes: Sizes, deadline: Deadline) -> Figures:
    """Substitutions a second of saturation mutagenesis around variants."""
    windows = random_windows(sizes.mutated_windows, seed=4)
    predictor = Predictor(load_model().to(device))
    substitutions = 3 * int(np.count_nonzero(windows != encoding.NO_BASE))
    passes = rate(
        device, sizes.measured_seconds, deadline, lambda _: substitution_logits(predictor, windows), 1
    )
    return {"substitutions": substitutions, "substitutions_per_s": substitutions * passes}


def scan(device: torch.device, sizes: Sizes, deadline: Deadline) -> Figures:
    """Positions and SNVs a second of :class:`Scan`, from codes on the host to logits on the host."""
    scan, figures = Scan(load_model().to(device), "pytorch"), Figures()
    index = load_model().config.variant_index
    for count in sizes.scan_positions:
        codes = random_windows(1, seed=6, window=count + WINDOW - 1)[0]
        bases = codes[index : index + count]
        rows, others = np.nonzero(bases[:, None] != np.arange(encoding.NO_BASE))
        part = rows < max(count // 16, 1)
        snvs = rows[part], others[part].astype(np.uint8)
        positions = rate(device, sizes.measured_seconds, deadline, lambda _, c=codes: scan.logits(c), 1)
        both = rate(
            device, sizes.measured_seconds, deadline, lambda _, c=codes, s=snvs: scan.substituted(c, *s), 1
        )
        seconds = max(1 / both - 1 / positions, 1e-9)
        figures[f"sequences of {count}"] = {
            "positions_per_s": count * positions,
            "snvs_per_s": len(snvs[0]) / seconds,
        }
        if deadline.over:
            break
    return figures


def training(device: torch.device, setting: Setting, deadline: Deadline, precision: str = FULL) -> Figures:
    """Windows a second of a fit, by the seconds in its log, and of bare steps; the paper's member projected.

    The first epoch, in which the device is warmed up, does not count. A bare step is forward, maximum,
    cross-entropy, backward and AdamW in float32 on one-hot windows that are on the device.
    """
    history = setting.fit(device, paper_config(epochs=3, precision=precision), on_progress=stops_at(deadline))
    counted = history.iloc[1:]
    fitted = float(counted["windows"].sum() / max(counted["seconds"].sum(), 1e-3))
    figures: Figures = {
        "precision": precision,
        "bags": int((setting.measured.bags["label"] == 1).sum()),
        "windows_per_epoch": int(history["windows"].iloc[0]),
        "fit_windows_per_s": fitted,
    }
    if precision == FULL:
        steps = setting.steps(device)
        ready = [
            (steps.windows(step, MEMBER), steps.epoch[step].group, steps.epoch[step].labels)
            for step in range(len(steps.epoch))
        ]
        total = sum(len(windows) for windows, _, _ in ready)
        network = setting.network().to(device).train()
        optimiser = torch.optim.AdamW(network.parameters(), lr=1e-4, weight_decay=0.0, fused=True)

        def bare(count: int) -> None:
            for windows, bag, labels in ready[:count]:
                logits = network(windows)
                pooled = logits.new_full((len(labels),), -torch.inf)
                pooled = pooled.scatter_reduce(0, bag, logits, "amax")
                loss = functional.binary_cross_entropy_with_logits(pooled, labels)
                optimiser.zero_grad()
                loss.backward()
                optimiser.step()

        with torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
            steps_per_s = rate(device, setting.sizes.measured_seconds, deadline, bare, len(ready), 1)
        figures["bare_windows_per_s"] = steps_per_s * total / len(ready)
        figures["fit_over_bare"] = fitted / figures["bare_windows_per_s"]
    figures |= projection(setting, fitted)
    return figures


def projection(setting: Setting, windows_per_s: float) -> Figures:
    """Windows of a member of the paper's shape, as the random bags have them, and its hours at a rate."""
    whole = setting.epoch_windows
    return {
        "paper_windows_per_epoch": whole,
        "paper_hours_per_member": whole * setting.sizes.member_epochs / windows_per_s / 3600,
    }


def whole_member(
    device: torch.device, setting: Setting, deadline: Deadline, precision: str = FULL
) -> Figures:
    """All epochs of one member of the paper's shape.

    Raises
    ------
    TimeoutError
        When the deadline comes first; the message says how far it was.
    """
    config = paper_config(epochs=setting.sizes.member_epochs, precision=precision)
    began = time.perf_counter()
    history = setting.fit(device, config, setting.whole, stops_at(deadline))
    seconds = time.perf_counter() - began
    windows = int(history["windows"].sum())
    return {
        "epochs": len(history),
        "precision": precision,
        "windows": windows,
        "hours": seconds / 3600,
        "windows_per_s_with_all": windows / seconds,
        "last_train_loss": float(history["train_loss"].iloc[-1]),
    }


def stops_at(deadline: Deadline) -> Callable[[int, float], None]:
    """What ends a fit when the time is up: its ``on_progress``."""
    began = time.monotonic()

    def on_progress(windows: int, fraction: float) -> None:
        if deadline.over:
            raise TimeoutError(
                f"stopped after {windows:,} windows, {100 * fraction:.0f} % of the fit, in "
                f"{time.monotonic() - began:.0f} s with its preparation"
            )

    return on_progress
