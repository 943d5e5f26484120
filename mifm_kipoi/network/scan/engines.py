"""The scan of a network: any number of windows, any engine, many threads."""

from __future__ import annotations

import collections
import contextlib
import importlib.metadata
import importlib.util
import os
from collections.abc import Iterable, Iterator
from typing import Protocol

import numpy as np
import numpy.typing as npt
import torch

from mifm_kipoi.errors import OptionError
from mifm_kipoi.network.inference import exactly, finite
from mifm_kipoi.network.model import MIFM
from mifm_kipoi.network.scan.operations import TOKEN
from mifm_kipoi.network.scan.program import programs_of
from mifm_kipoi.network.scan.pytorch import PyTorchEngine
from mifm_kipoi.sequence import encoding
from mifm_kipoi.sequence.contig_blocks import BLOCK, ContigBlock
from mifm_kipoi.support.packages import missing_package
from mifm_kipoi.support.threads import ordered_map

ENGINES = ("auto", "numba", "pytorch")
"""``auto`` is numba on CPUs where it is installed, PyTorch elsewhere."""

_ON_DEVICE = 16 * BLOCK
"""Windows, or substitutions, that a GPU computes together: it waits for the calls of shorter ones."""

_PACKAGES = {"numba": "numba", "pytorch": "torch"}


def engine_of(device: torch.device | str = "cpu", engine: str = "auto") -> str:
    """The engine that a scan takes, found without importing it.

    Parameters
    ----------
    device : torch.device or str
        Where it computes.
    engine : str
        One of :data:`ENGINES`.

    Raises
    ------
    OptionError
        When there is no such engine, or not for the device.
    MissingPackageError
        When it is not installed.
    """
    if engine not in ENGINES:
        raise OptionError(f"no engine {engine!r} of the scan; expected one of {', '.join(ENGINES)}")
    on_cpu, installed = torch.device(device).type == "cpu", importlib.util.find_spec("numba") is not None
    if engine == "auto":
        return "numba" if on_cpu and installed else "pytorch"
    if engine == "numba" and not on_cpu:
        raise OptionError(f"the engine numba computes on CPUs; the network is on {device}: take pytorch")
    if engine == "numba" and not installed:
        raise missing_package("numba", "scan")
    return engine


def identity_of(engine: str) -> dict[str, str]:
    """What :attr:`Scan.identity` says of an engine, without a network."""
    return {"engine": engine, "version": importlib.metadata.version(_PACKAGES[engine])}


class Workspace(Protocol):
    """The buffers of one thread."""

    def logits(self, codes: npt.NDArray[np.uint8], windows: int) -> npt.NDArray[np.floating]:
        """Logits of the windows of a sequence."""

    def substituted(
        self, rows: npt.NDArray[np.int64], symbols: npt.NDArray[np.uint8]
    ) -> npt.NDArray[np.floating]:
        """Logits of windows of the last sequence with another base."""


class Engine(Protocol):
    """What carries out the programs of a scan."""

    def workspace(self) -> Workspace:
        """Buffers for one thread."""


class Scan:
    """A network made ready for the consecutive windows of a sequence.

    The logits are those of ``model.eval()`` but for the rounding of float32: up to 1e-5. Nearly all
    activations of a window are those of its neighbours, so they are computed once a position. A network with
    the variant token has another base in each window; its windows cost as much as substitutions. Threads may
    use one scan at the same time.

    Parameters
    ----------
    model : MIFM
        In evaluation mode, on any device; its values are taken as they are now.
    engine : str
        One of :data:`ENGINES`.
    path : path-like, optional
        The file of the weights, which errors name.

    Raises
    ------
    OptionError
        When there is no such engine, or not for the model's device.
    MissingPackageError
        When it is not installed.
    """

    def __init__(self, model: MIFM, engine: str = "auto", path: str | os.PathLike[str] = "") -> None:
        self._name = engine_of(model.head.weight.device, engine)
        self._window, self._index = model.config.window, model.config.variant_index
        self._token = model.config.channels > encoding.NO_BASE
        self._path = path
        device = model.head.weight.device
        self._engine: Engine
        if self._name == "numba":
            # numba is optional, and takes a while to import.
            from mifm_kipoi.network.scan.compiled import AT_HAND, CompiledEngine

            self._programs = programs_of(model, BLOCK, AT_HAND)
            self._engine = CompiledEngine(self._programs)
        else:
            at_once = BLOCK if device.type == "cpu" else _ON_DEVICE
            self._programs = programs_of(model, at_once, at_once)
            self._engine = PyTorchEngine(self._programs, device)
        self._idle: collections.deque[Workspace] = collections.deque()

    @property
    def window(self) -> int:
        """Length of the network's windows in base pairs."""
        return self._window

    @property
    def identity(self) -> dict[str, str]:
        """What computes the numbers, as plain JSON types: another engine rounds in another way."""
        return identity_of(self._name)

    def logits(self, codes: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        """Logits of all windows of a sequence.

        Parameters
        ----------
        codes : numpy.ndarray of uint8, shape (n + window - 1,)
            Coded bases (:func:`mifm_kipoi.sequence.encoding.codes`); window i is ``codes[i : i + window]``.

        Returns
        -------
        numpy.ndarray of float32, shape (n,)

        Raises
        ------
        ValueError
            When the sequence is shorter than a window.
        WeightsError
            When the network computes a logit that is not finite.
        """
        none = np.empty(0, dtype=np.int64)
        return self.substituted(codes, none, none.astype(np.uint8))[0]

    def substituted(
        self, codes: npt.NDArray[np.uint8], rows: npt.NDArray[np.int64], bases: npt.NDArray[np.uint8]
    ) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
        """Logits of all windows, and of windows with another base at the variant's index.

        Parameters
        ----------
        codes : numpy.ndarray of uint8, shape (n + window - 1,)
            As for :meth:`logits`.
        rows : numpy.ndarray of int64, shape (m,)
            The window of each substitution, ascending; a window can have several.
        bases : numpy.ndarray of uint8, shape (m,)
            Code of the base that is there instead.

        Returns
        -------
        ref_logit : numpy.ndarray of float32, shape (n,)
            As from :meth:`logits`.
        alt_logit : numpy.ndarray of float32, shape (m,)

        Raises
        ------
        ValueError
            When the sequence is shorter than a window, or the rows are not windows in ascending order.
        WeightsError
            When the network computes a logit that is not finite.
        """
        ref, alt = self.exact(codes, rows, bases)
        return _float32(ref, self._path), _float32(alt, self._path)

    def exact(
        self, codes: npt.NDArray[np.uint8], rows: npt.NDArray[np.int64], bases: npt.NDArray[np.uint8]
    ) -> tuple[npt.NDArray[np.floating], npt.NDArray[np.floating]]:
        """As :meth:`substituted`, in the floating-point format of the model and whatever the numbers are."""
        windows = len(codes) - self._window + 1
        if codes.ndim != 1 or codes.dtype != np.uint8 or windows < 1:
            raise ValueError(
                f"codes are {codes.dtype} of shape {codes.shape}; expected uint8 of one dimension, at least "
                f"a window of {self._window}"
            )
        if rows.shape != bases.shape or (
            rows.size and (rows[0] < 0 or rows[-1] >= windows or (np.diff(rows) < 0).any())
        ):
            raise ValueError(
                f"rows of {len(rows)} substitutions for {len(bases)} bases: expected windows of 0 to "
                f"{windows - 1}, ascending"
            )
        ref = np.empty(windows, dtype=self._programs.weights.dtype)
        alt = np.empty(len(rows), dtype=self._programs.weights.dtype)
        at_once = self._programs.windows
        cuts = np.searchsorted(rows, np.arange(0, windows + at_once, at_once))
        with self._workspace() as workspace:
            for number, start in enumerate(range(0, windows, at_once)):
                count = min(at_once, windows - start)
                here = slice(start, start + count)
                ref[here] = workspace.logits(self._read(codes, start, count), count)
                if self._token:
                    each = np.arange(count)
                    ref[here] = self._substitute(workspace, each, np.full(count, TOKEN, dtype=np.uint8))
                    continue
                there = slice(cuts[number], cuts[number + 1])
                alt[there] = self._substitute(workspace, rows[there] - start, bases[there])
        if self._token:
            # The token stands where the base would.
            alt = ref[rows]
        return ref, alt

    def logits_of(
        self, blocks: Iterable[ContigBlock], threads: int = 1
    ) -> Iterator[tuple[ContigBlock, npt.NDArray[np.float32]]]:
        """Logits of the positions of blocks, in their order, a block a thread.

        Parameters
        ----------
        blocks : iterable of ContigBlock
            Read as they are needed: a few are held at a time.
        threads : int
            How many compute side by side.

        Yields
        ------
        (ContigBlock, numpy.ndarray of float32, shape (len(block),))
            With the logits of all positions, scorable or not.
        """

        def scanned(block: ContigBlock) -> tuple[ContigBlock, npt.NDArray[np.float32]]:
            return block, self.logits(block.windows_of(self._window))

        with one_thread_each(threads):
            yield from ordered_map(scanned, blocks, threads)

    def _read(self, codes: npt.NDArray[np.uint8], start: int, count: int) -> npt.NDArray[np.uint8]:
        """The bases that the program reads for ``count`` windows from ``start`` on, none past the ends."""
        low, high = start + self._programs.start, start + self._programs.end + count - 1
        part = codes[max(low, 0) : max(high, 0)]
        before, behind = max(-low, 0), max(high - max(low, 0) - len(part), 0)
        if not before and not behind:
            return part
        return np.pad(part, (before, behind), constant_values=encoding.NO_BASE)

    def _substitute(
        self, workspace: Workspace, rows: npt.NDArray[np.int64], symbols: npt.NDArray[np.uint8]
    ) -> npt.NDArray[np.floating]:
        at_once = self._programs.windows
        parts = [
            workspace.substituted(rows[start : start + at_once], symbols[start : start + at_once])
            for start in range(0, len(rows), at_once)
        ]
        return np.concatenate(parts) if parts else np.empty(0)

    @contextlib.contextmanager
    def _workspace(self) -> Iterator[Workspace]:
        """Buffers that no other thread has now."""
        try:
            workspace = self._idle.pop()
        except IndexError:
            workspace = self._engine.workspace()
        with exactly():
            yield workspace
        self._idle.append(workspace)


def _float32(logits: npt.NDArray[np.floating], path: str | os.PathLike[str]) -> npt.NDArray[np.float32]:
    numbers: npt.NDArray[np.float32] = finite(torch.from_numpy(logits), path).numpy()
    return numbers


@contextlib.contextmanager
def one_thread_each(threads: int) -> Iterator[None]:
    """PyTorch's own threads, off while several of ours compute: together they are slower than one."""
    before = torch.get_num_threads()
    if threads > 1:
        torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
