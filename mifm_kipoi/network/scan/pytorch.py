"""The programs of a scan by PyTorch's matrix products, on CPUs and GPUs."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch

from mifm_kipoi.network.layers import activate
from mifm_kipoi.network.scan.program import NOWHERE, SYMBOLS, Kind, Program, ScanPrograms


class PyTorchEngine:
    """Runs programs with an operation of PyTorch for each of theirs.

    Parameters
    ----------
    programs : ScanPrograms
        What is computed.
    device : torch.device
        Where.
    """

    def __init__(self, programs: ScanPrograms, device: torch.device) -> None:
        self._programs = programs
        self._weights = torch.from_numpy(programs.weights).to(device)

    def workspace(self) -> PyTorchWorkspace:
        """Buffers for one thread."""
        return PyTorchWorkspace(self._programs, self._weights)


class PyTorchWorkspace:
    """The buffers in which one thread computes one sequence after the other."""

    def __init__(self, programs: ScanPrograms, weights: torch.Tensor) -> None:
        self._programs, self._weights = programs, weights
        self._buffers = [
            weights.new_zeros(program.rows * program.stride)
            for program in (programs.reference, programs.substitution)
        ]

    def logits(self, codes: npt.NDArray[np.uint8], windows: int) -> npt.NDArray[np.floating]:
        """Logits of windows, from the bases ``[program.start, program.end + windows - 1)``."""
        program, buffer = self._programs.reference, self._buffers[0]
        self._encode(program, buffer, codes)
        self._run(program, buffer, windows, None)
        return self._read(program, buffer, windows)

    def substituted(
        self, rows: npt.NDArray[np.int64], symbols: npt.NDArray[np.uint8]
    ) -> npt.NDArray[np.floating]:
        """Logits of windows of the last sequence with another base."""
        program, buffer = self._programs.substitution, self._buffers[1]
        self._encode(program, buffer, symbols)
        self._run(program, buffer, len(rows), torch.from_numpy(rows).to(buffer.device))
        return self._read(program, buffer, len(rows))

    def _encode(self, program: Program, buffer: torch.Tensor, symbols: npt.NDArray[np.uint8]) -> None:
        present = torch.from_numpy(symbols).to(buffer.device)
        for channel, symbol in enumerate(SYMBOLS[: self._programs.channels]):
            start = program.one_hot + channel * program.stride
            buffer[start : start + len(symbols)] = present == symbol

    def _read(self, program: Program, buffer: torch.Tensor, windows: int) -> npt.NDArray[np.floating]:
        logits: npt.NDArray[np.floating] = buffer[program.logit : program.logit + windows].cpu().numpy()
        return logits.copy()

    def _run(self, program: Program, buffer: torch.Tensor, windows: int, rows: torch.Tensor | None) -> None:
        weights = self._weights

        def array(place: int, channels: int, positions: int) -> torch.Tensor:
            return buffer.as_strided((channels, positions), (program.stride, 1), place)

        def constants(start: int, count: int) -> torch.Tensor:
            return weights[start : start + count, None]

        for each in program.operations:
            channels, positions = each.channels, windows + each.extent
            out = array(each.out, channels, positions)
            if each.kind == Kind.MULTIPLY:
                bias = each.first == NOWHERE
                total = (
                    constants(each.constants, channels) if bias else array(each.first, channels, positions)
                )
                for place, start in each.taps:
                    matrix = weights[start : start + each.inputs * channels].view(each.inputs, channels)
                    torch.addmm(total, matrix.T, array(place, each.inputs, positions), out=out)
                    total = out
            elif each.kind == Kind.ACTIVATE:
                affine = (
                    constants(each.constants, channels),
                    constants(each.constants + channels, channels),
                )
                out.copy_(activate(array(each.first, channels, positions), affine))
            elif each.kind == Kind.MAXIMUM:
                torch.maximum(
                    array(each.first, channels, positions), array(each.second, channels, positions), out=out
                )
            elif each.kind == Kind.SUBTRACT:
                torch.sub(
                    array(each.first, channels, positions), array(each.second, channels, positions), out=out
                )
            elif each.kind == Kind.GATHER:
                assert rows is not None
                reference = self._programs.reference
                source = self._buffers[0].as_strided(
                    (channels, reference.windows), (reference.stride, 1), each.first
                )
                torch.index_select(source, 1, rows, out=out)
