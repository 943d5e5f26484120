"""Loci on disk while a cohort grows, so that an interrupted run goes on where it ended."""

from __future__ import annotations

import concurrent.futures
import multiprocessing
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from benchmarks.cohort.loci import Locus, draw_locus
from benchmarks.cohort.sizes import Cohort
from mifm_kipoi.support.progress import Progress

_ARRAYS = (
    "positions", "sequence", "alternative", "kinds", "change", "causal", "score_optimal", "score_reference",
)  # fmt: skip


class Parts:
    """The loci of a cohort, one file each.

    Parameters
    ----------
    cohort : Cohort
        All settings.
    folder : Path
        Made where missing. What it holds must be of the same settings.
    """

    def __init__(self, cohort: Cohort, folder: Path) -> None:
        self._cohort, self._folder = cohort, folder
        folder.mkdir(parents=True, exist_ok=True)

    def draw(self, jobs: int) -> None:
        """Draw the loci that are not there yet, in as many processes as jobs, or in this one."""
        missing = [number for number in range(self._cohort.loci) if not self._path(number).exists()]
        progress = Progress("loci")
        if jobs == 1:
            done: Iterator[int] = map(self._draw, missing)
            for count, _ in enumerate(done, start=1):
                progress.update(count, count / len(missing))
        elif missing:
            # Not forked: the parent may run threads.
            context = multiprocessing.get_context("spawn")
            with concurrent.futures.ProcessPoolExecutor(jobs, mp_context=context) as pool:
                for count, _ in enumerate(pool.map(self._draw, missing), start=1):
                    progress.update(count, count / len(missing))
        progress.close()

    def read(self, number: int) -> Locus:
        """A locus with all dosages."""
        with np.load(self._path(number)) as stored:
            of_samples = {
                kind: {
                    name: stored[f"{kind}/{name}"]
                    for name in self._cohort.samples
                    if f"{kind}/{name}" in stored
                }
                for kind in ("dosages", "driver")
            }
            arrays = {name: stored[name] for name in _ARRAYS}
            return Locus(number=number, twins=int(stored["twins"]), **arrays, **of_samples)

    def __iter__(self) -> Iterator[Locus]:
        """All loci, one after the other."""
        return map(self.read, range(self._cohort.loci))

    def changes(self) -> list[tuple[np.ndarray, bool]]:
        """Of each locus the changes of affinity, 0 where not causal, and whether its driver is in no file."""
        found = []
        for number in range(self._cohort.loci):
            with np.load(self._path(number)) as stored:
                found.append((stored["change"] * stored["causal"], any("driver/" in name for name in stored)))
        return found

    def _path(self, number: int) -> Path:
        return self._folder / f"{number:04d}.npz"

    def _draw(self, number: int) -> int:
        locus = draw_locus(self._cohort, number)
        arrays = {name: getattr(locus, name) for name in _ARRAYS}
        arrays |= {f"dosages/{name}": each for name, each in locus.dosages.items()}
        arrays |= {f"driver/{name}": each for name, each in locus.driver.items()}
        path = self._path(number)
        growing = path.with_suffix(".partial.npz")
        np.savez_compressed(growing, twins=np.array(locus.twins), **arrays)
        growing.replace(path)
        return number
