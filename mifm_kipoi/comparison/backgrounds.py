"""``mifm compare background`` from files to files: the moments of each network's tracks."""

from __future__ import annotations

import contextlib
import dataclasses
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from mifm_kipoi.baselines.networks.background import fit_background
from mifm_kipoi.baselines.protocol import ComputeOptions
from mifm_kipoi.baselines.specs import Spec
from mifm_kipoi.conventions import MAX_MISMATCH_FRACTION
from mifm_kipoi.scoring.workers import set_threads
from mifm_kipoi.support.files import made_folder
from mifm_kipoi.support.progress import Progress

SUFFIX = ".safetensors"
"""Of the moments of the model with that label, in a folder of them."""


@dataclasses.dataclass(frozen=True)
class BackgroundRun:
    """On which variants to fit the moments of which networks.

    Parameters
    ----------
    variants, fasta : Path
        VCF or BCF file of common variants; reference genome.
    specs : sequence of Spec
        Networks with tracks.
    folder : Path
        Of the outputs, ``LABEL.safetensors``; made where it is missing.
    compute : Machine
    threads : int, optional
        Threads of PyTorch; by default all cores.
    max_mismatch_fraction : float
        See :func:`mifm_kipoi.stream_windows`.
    progress : bool, optional
        Show progress; by default on a terminal.
    """

    variants: Path
    fasta: Path
    specs: Sequence[Spec]
    folder: Path
    compute: ComputeOptions = dataclasses.field(default_factory=ComputeOptions)
    threads: int | None = None
    max_mismatch_fraction: float = MAX_MISMATCH_FRACTION
    progress: bool | None = None

    def __call__(self) -> Iterator[str]:
        """Fit what is not fitted yet.

        Yields
        ------
        str
            What was done, in words, when it is done.

        Raises
        ------
        MIFMError
            When an input cannot be read, a package is missing or an output cannot be written. What was done
            is kept, and the same command goes on with it.
        """
        for spec in self.specs:
            spec.check()
        made_folder(self.folder)
        set_threads(self.threads or os.cpu_count() or 1)
        for spec in self.specs:
            output = self.folder / f"{spec.label}{SUFFIX}"
            with contextlib.closing(Progress(f"variants of {spec.label}", self.progress)) as progress:
                background = fit_background(
                    spec,
                    self.compute,
                    self.variants,
                    self.fasta,
                    output,
                    progress,
                    self.max_mismatch_fraction,
                )
            yield f"{output}: {len(background.mean):,} tracks over {background.count:,} variants"
