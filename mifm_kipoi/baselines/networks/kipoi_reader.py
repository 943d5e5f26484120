"""A model of Kipoi as a reader of windows: its own dataloader makes the inputs."""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from mifm_kipoi.baselines.networks.sequence import NetworkError
from mifm_kipoi.errors import InputError, MIFMError, OptionError
from mifm_kipoi.sequence import encoding

FUNCTIONS = {
    "diff": "differences of the model's outputs",
    "logit": "differences of the logits of the model's outputs, which are kept between 2^-24 and 1 - 2^-24",
}
"""What the effect is made of, by name."""

SMALLEST = 2.0**-24
"""Nearest to 0 and 1 that a probability is taken for; beyond 1 - 2^-24 float32 has 1 alone."""

_FILES = ("intervals_file", "fasta_file")
"""Arguments that the dataloader must take."""

_PROBES = 5
"""Windows that show whether each gets its own numbers."""

_SAME_FRACTION, _ROUNDING = 1e-3, 1e-5
"""Fractions of the spread of a track, and of its largest number, by which equal numbers may differ."""


class KipoiReader:
    """A model of Kipoi as a :class:`mifm_kipoi.baselines.networks.sequence.Reader`.

    Parameters
    ----------
    model : kipoi.model.BaseModel
        With its default dataloader.
    function : str
        A key of :data:`FUNCTIONS`.
    batch_size : int
        Windows that are read together.

    Raises
    ------
    InputError
        When the dataloader does not read windows of sequence of one length, gives them in another
        order, or the numbers of a window depend on those beside it.
    """

    device = "the model's own choice"
    """See :class:`mifm_kipoi.baselines.networks.sequence.Reader`."""

    def __init__(self, model: Any, function: str, batch_size: int) -> None:
        self._model = model
        self._function = function
        self._batch_size = batch_size
        self._arguments = _defaults(model)
        self.window = _window(model, self._arguments)
        probes = _probes(self.window)
        alone = np.concatenate([self._outputs(probe[np.newaxis], 1)[0] for probe in probes])
        self.bins, self.tracks = alone.shape[1:]
        # Fewer per batch than there are, so that several batches are compared too.
        together = np.concatenate(self._outputs(probes, min(2, batch_size)))
        if not _agree(together.sum(axis=1), alone.sum(axis=1)):
            raise InputError(
                f"the Kipoi model {model.name} gives other numbers for {_PROBES} windows together than for "
                "each alone: its dataloader returns windows in another order, or what it or the model makes "
                f"of a window depends on the batch; expected each by itself, in the order of {_FILES[0]}"
            )

    def __call__(self, codes: npt.NDArray[np.uint8]) -> npt.NDArray[np.float64]:
        """See :class:`mifm_kipoi.baselines.networks.sequence.Reader`."""
        outputs = self._outputs(codes, self._batch_size)
        sums: npt.NDArray[np.float64] = np.concatenate([each.sum(axis=1) for each in outputs])
        return sums

    def _outputs(self, codes: npt.NDArray[np.uint8], batch_size: int) -> list[npt.NDArray[np.float64]]:
        """Batches of what the function makes of the model's outputs, shape (n, bins, tracks)."""
        batches = []
        with tempfile.TemporaryDirectory(prefix="mifm-kipoi-") as folder:
            for batch in self._batches(Path(folder), codes, batch_size):
                outputs = self._predict(batch)
                batches.append(self._logits(outputs) if self._function == "logit" else outputs)
        if sum(map(len, batches)) != len(codes):
            raise NetworkError(
                f"the Kipoi model {self._model.name} gave numbers for {sum(map(len, batches))} windows of "
                f"{len(codes)}"
            )
        return batches

    def _predict(self, batch: Any) -> npt.NDArray[np.float64]:
        """What the model gives for a batch of the dataloader, shape (n, bins, tracks)."""
        try:
            with quiet(), torch.no_grad(), torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
                return _as_tracks(self._model.predict_on_batch(batch["inputs"]))
        # A model of somebody else raises whatever it likes.
        except Exception as error:
            raise NetworkError(f"the Kipoi model {self._model.name} failed: {error!r}") from error

    def _logits(self, outputs: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        if ((outputs < 0) | (outputs > 1)).any():
            raise OptionError(
                f"the Kipoi model {self._model.name} gives {outputs.min():.4g} to {outputs.max():.4g}, which "
                "are not probabilities and have no logits; use the function diff"
            )
        clipped = outputs.clip(SMALLEST, 1 - SMALLEST)
        logits: npt.NDArray[np.float64] = np.log(clipped) - np.log1p(-clipped)
        return logits

    def _batches(self, folder: Path, codes: npt.NDArray[np.uint8], batch_size: int) -> Iterator[Any]:
        """What the dataloader makes of windows."""
        # kipoiseq puts chr before names of contigs that do not begin with it.
        names = [f"chr{number}" for number in range(1, len(codes) + 1)]
        files = _write_windows(folder, names, codes, strand=bool(self._arguments.get("use_strand")))
        # The names are ours: a dataloader that takes chr off them would not find them.
        own = {"num_chr_fasta": False} if self._arguments.get("num_chr_fasta") else {}
        read = 0
        try:
            with quiet():
                loader = self._model.default_dataloader(**files, **own)
                batches = loader.batch_iter(batch_size=batch_size)
            while True:
                with quiet():
                    batch = next(batches, None)
                if batch is None:
                    break
                ranges = (batch.get("metadata") or {}).get("ranges")
                if isinstance(ranges, Mapping):
                    read += self._check_ranges(ranges, names[read:])
                yield batch
        except MIFMError:
            raise
        # A dataloader of somebody else raises whatever it likes.
        except Exception as error:
            raise InputError(
                f"the dataloader of the Kipoi model {self._model.name} cannot read windows of {self.window} "
                f"bp from a FASTA and a BED file: {error!r}"
            ) from error

    def _check_ranges(self, ranges: Any, names: list[str]) -> int:
        """Notice a dataloader that reads other windows than those that it is given, or in another order."""
        read = [
            (str(chrom).removeprefix("chr"), int(end) - int(start))
            for chrom, start, end in zip(ranges["chr"], ranges["start"], ranges["end"], strict=True)
        ]
        if read != [(name.removeprefix("chr"), self.window) for name in names[: len(read)]]:
            raise InputError(
                f"the dataloader of the Kipoi model {self._model.name} reads other windows than it is given, "
                f"such as one of {read[0][1]} bp in place of {self.window}"
            )
        return len(read)


def _defaults(model: Any) -> dict[str, Any]:
    """Default arguments of the dataloader, which must need no more than windows."""
    from kipoi_utils.utils import default_kwargs

    arguments = model.default_dataloader.args
    defaults: dict[str, Any] = dict(default_kwargs(model.default_dataloader))
    required = [
        key for key, value in arguments.items() if key not in (*_FILES, *defaults) and not value.optional
    ]
    lacking = [key for key in _FILES if key not in arguments]
    if lacking or required:
        what = f"does not take {' and '.join(lacking)}" if lacking else f"also needs {' and '.join(required)}"
        raise InputError(
            f"the dataloader of the Kipoi model {model.name} {what}; expected one that reads {_FILES[0]}, a "
            f"BED file, and {_FILES[1]} alone"
        )
    return defaults


def _window(model: Any, defaults: dict[str, Any]) -> int:
    """Length of the windows, from the dataloader's arguments or the shape of the model's input."""
    if defaults.get("auto_resize_len"):
        return int(defaults["auto_resize_len"])
    inputs = model.schema.inputs
    arrays = inputs.values() if isinstance(inputs, dict) else inputs if isinstance(inputs, list) else [inputs]
    lengths = {size for array in arrays for size in array.shape if size not in (None, 1, encoding.NO_BASE)}
    if len(lengths) != 1:
        raise InputError(
            f"cannot tell the length of the windows of the Kipoi model {model.name}: its dataloader has no "
            f"auto_resize_len, and its inputs have the shapes {[array.shape for array in arrays]}"
        )
    return int(lengths.pop())


def _probes(window: int) -> npt.NDArray[np.uint8]:
    """Windows that differ from each other at every position, and one more, for models to distinguish."""
    first, last = np.random.default_rng(0).integers(encoding.NO_BASE, size=(2, window), dtype=np.uint8)
    turned = [(first + turn) % encoding.NO_BASE for turn in range(_PROBES - 1)]
    return np.stack([*turned, last])


def _agree(together: npt.NDArray[np.float64], alone: npt.NDArray[np.float64]) -> bool:
    """Whether numbers of shape (n, tracks) are the same but for rounding, on the tracks that are finite."""
    known = np.isfinite(together).all(axis=0) & np.isfinite(alone).all(axis=0)
    together, alone = together[:, known], alone[:, known]
    allowed = _SAME_FRACTION * np.ptp(alone, axis=0) + _ROUNDING * np.abs(alone).max(axis=0)
    return bool((np.abs(together - alone) <= allowed).all())


def _write_windows(
    folder: Path, names: list[str], codes: npt.NDArray[np.uint8], strand: bool
) -> dict[str, str]:
    """A FASTA file of windows, and a BED file of them, as arguments of the dataloader."""
    bases = np.frombuffer(f"{encoding.BASES}N".encode(), dtype=np.uint8)[codes]
    rest = "\t.\t0\t+" if strand else ""
    with (folder / "windows.fa").open("wb") as fasta, (folder / "windows.bed").open("w") as bed:
        for name, window in zip(names, bases, strict=True):
            fasta.write(b">%s\n%s\n" % (name.encode(), window.tobytes()))
            bed.write(f"{name}\t0\t{window.size}{rest}\n")
    return {"intervals_file": str(folder / "windows.bed"), "fasta_file": str(folder / "windows.fa")}


def _as_tracks(given: Any) -> npt.NDArray[np.float64]:
    """(n, bins, tracks), from arrays of (n,), (n, tracks) or (n, bins, tracks), or a dict or list of them.

    Those of a dict come in the order of its keys; of several with bins the bins are summed first.
    """
    if isinstance(given, dict | list | tuple):
        parts = [given[key] for key in sorted(given)] if isinstance(given, dict) else list(given)
        arrays = [_as_tracks(part) for part in parts]
        if len({array.shape[1] for array in arrays}) > 1:
            raise ValueError(
                f"its outputs have {[array.shape[1] for array in arrays]} bins; expected one number"
            )
        return np.concatenate(arrays, axis=2)
    outputs = np.asarray(given, dtype=np.float64)
    if outputs.ndim == 1:
        outputs = outputs[:, np.newaxis]
    if outputs.ndim not in (2, 3):
        raise ValueError(f"it gave numbers of shape {outputs.shape}; expected one to three axes")
    return outputs[:, np.newaxis] if outputs.ndim == 2 else outputs


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keep standard output for results: what Kipoi, git and models print goes to standard error."""
    sys.stdout.flush()
    kept = os.dup(1)
    os.dup2(2, 1)
    try:
        with contextlib.redirect_stdout(sys.stderr):
            yield
    finally:
        sys.stderr.flush()
        os.dup2(kept, 1)
        os.close(kept)
