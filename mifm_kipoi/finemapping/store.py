"""What is fitted of each locus of a run that is not complete, in a folder, so that the run can go on."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from mifm_kipoi.errors import InputError
from mifm_kipoi.finemapping.fitting import LocusFit
from mifm_kipoi.support.files import made_folder, write_json
from mifm_kipoi.support.provenance import differences

FLAT_FITS, PRIOR_FITS = "flat", "prior"
"""With which prior loci are fitted: the two stages of a run."""


class FitStore:
    """The fits of loci, each stored whole.

    Parameters
    ----------
    folder : Path
        Where they lie; made by :meth:`begin`.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._note = folder / "run.json"

    def begin(self, provenance: Mapping[str, Any]) -> bool:
        """Go on with what is stored of the same run, or begin.

        Parameters
        ----------
        provenance : mapping
            What the run is made of, as JSON.

        Returns
        -------
        bool
            Whether there is anything of an earlier run.

        Raises
        ------
        InputError
            When the folder holds fits of another run, or what no run has written.
        """
        if self._note.is_file():
            try:
                old = json.loads(self._note.read_text())
            except (OSError, ValueError) as error:
                raise InputError(
                    f"{self._note} cannot be read ({error}); delete {self._folder} to start again"
                ) from error
            changed = differences(old, provenance)
            if not changed:
                return True
            if any((self._folder / FLAT_FITS).glob("*.npz")):
                raise InputError(
                    f"{self._folder.parent} has an unfinished run of other inputs or options: "
                    f"{'; '.join(changed)}. Name another folder, or delete {self._folder} to start again"
                )
            # Nothing is lost with a run that stored no locus.
        elif self._folder.exists() and any(self._folder.iterdir()):
            raise InputError(f"{self._folder} is not of 'mifm finemap'; name another folder, or delete it")
        for name in (FLAT_FITS, PRIOR_FITS):
            made_folder(self._folder / name)
        write_json(self._note, provenance)
        return False

    def has(self, stage: str, number: int) -> bool:
        """Whether the fit of a locus is stored."""
        return self._file(stage, number).is_file()

    def fit(self, stage: str, number: int) -> LocusFit:
        """The fit of a locus."""
        return LocusFit.load(self._file(stage, number))

    def keep(self, stage: str, fit: LocusFit) -> None:
        """Store the fit of a locus."""
        fit.save(self._file(stage, fit.number))

    def usable(self, number: int) -> npt.NDArray[np.bool_]:
        """Which rows of a locus its fits are of, shape (rows,)."""
        values: npt.NDArray[np.bool_] = np.load(self._usable_file(number))
        return values

    def keep_usable(self, number: int, usable: npt.NDArray[np.bool_]) -> None:
        """Store which rows of a locus its fits are of."""
        np.save(self._usable_file(number), usable)

    def remove(self) -> None:
        """Remove all of it."""
        shutil.rmtree(self._folder, ignore_errors=True)

    def _file(self, stage: str, number: int) -> Path:
        return self._folder / stage / f"{number:07d}.npz"

    def _usable_file(self, number: int) -> Path:
        return self._folder / FLAT_FITS / f"{number:07d}.usable.npy"
