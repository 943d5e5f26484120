"""The programs of a scan by PyTorch's matrix products, on CPUs and GPUs."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch

from mifm_kipoi.network.layers import activate
from mifm_kipoi.network.scan.operations import SYMBOLS, Kind, Operation, Place, Program, ScanPrograms


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
    """The buffer in which one thread computes one sequence after the other."""

    def __init__(self, programs: ScanPrograms, weights: torch.Tensor) -> None:
        self._programs, self._weights = programs, weights
        self._buffer = weights.new_zeros(programs.size)

    def logits(self, codes: npt.NDArray[np.uint8], windows: int) -> npt.NDArray[np.floating]:
        """Logits of windows, from the bases ``[programs.start, programs.end + windows - 1)``."""
        return self._run(self._programs.reference, codes, windows, None)

    def substituted(
        self, rows: npt.NDArray[np.int64], symbols: npt.NDArray[np.uint8]
    ) -> npt.NDArray[np.floating]:
        """Logits of windows of the last sequence with another base."""
        sources = torch.from_numpy(rows).to(self._buffer.device)
        return self._run(self._programs.substitution, symbols, len(rows), sources)

    def _array(self, place: Place, channels: int, positions: int) -> torch.Tensor:
        programs = self._programs
        stride = programs.local_stride if place.is_local else programs.stride
        return self._buffer.as_strided((channels, positions), (stride, 1), place.start)

    def _run(
        self, program: Program, symbols: npt.NDArray[np.uint8], windows: int, rows: torch.Tensor | None
    ) -> npt.NDArray[np.floating]:
        present = torch.from_numpy(symbols).to(self._buffer.device)
        for row, symbol in zip(
            self._array(program.one_hot, self._programs.channels, len(symbols)), SYMBOLS, strict=False
        ):
            row.copy_(present == symbol)
        for operation in program.operations:
            self._carry_out(operation, windows + operation.extent, rows)
        logits: npt.NDArray[np.floating] = self._array(program.logit, 1, windows)[0].cpu().numpy()
        return logits.copy()

    def _carry_out(self, operation: Operation, positions: int, rows: torch.Tensor | None) -> None:
        channels = operation.channels

        def array(place: Place | None) -> torch.Tensor:
            assert place is not None
            return self._array(place, channels, positions)

        def constants(start: int) -> torch.Tensor:
            return self._weights[start : start + channels, None]

        out = self._weights.new_empty(channels, positions) if operation.out is None else array(operation.out)
        if operation.kind == Kind.MULTIPLY:
            total = constants(operation.bias) if operation.first is None else array(operation.first)
            for tap in operation.taps:
                matrix = self._weights[tap.matrix : tap.matrix + operation.inputs * channels]
                source = self._array(tap.source, operation.inputs, positions)
                total = torch.addmm(total, matrix.view(-1, channels).T, source, out=out)
                if tap.kept is not None:
                    array(tap.kept).copy_(total)
            out = total
        elif operation.kind == Kind.GATHER:
            assert rows is not None
            assert operation.first is not None
            source = self._array(operation.first, channels, self._programs.windows)
            torch.index_select(source, 1, rows, out=out)
        else:
            combine = torch.maximum if operation.kind == Kind.MAXIMUM else torch.sub
            combine(array(operation.first), array(operation.second), out=out)
        if operation.active is not None:
            affine = constants(operation.affine), constants(operation.affine + channels)
            array(operation.active).copy_(activate(out, affine))
