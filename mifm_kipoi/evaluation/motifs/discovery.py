"""Patterns of attributions, by TF-MoDISco (modisco-lite), and the file that keeps them."""

from __future__ import annotations

import dataclasses
import importlib.metadata
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np

from mifm_kipoi.attribution.files import Attributions
from mifm_kipoi.errors import InputError, WorkerError
from mifm_kipoi.evaluation.motifs.patterns import SIGNS, Pattern, Seqlets
from mifm_kipoi.network.attribution import EXTRA
from mifm_kipoi.support.files import named, workspace, writing
from mifm_kipoi.support.packages import needed
from mifm_kipoi.support.provenance import described, differences

PAPER_SEQLETS = 200_000
"""Seqlets of a sign in Rakowski and Lippert 2026."""

_GROUPS = {"positive": "pos_patterns", "negative": "neg_patterns"}
_OURS = "mifm"
"""The group that we add to the file of TF-MoDISco: which window each of its examples is."""


@dataclasses.dataclass(frozen=True)
class DiscoveryOptions:
    """What TF-MoDISco is given.

    Parameters
    ----------
    seqlets : int
        Of each sign, at most.
    windows : int, optional
        Windows, at most, drawn at random; all of the file by default.
    seed : int
        Of their order: TF-MoDISco takes seqlets in the order of the windows until it has enough.
    """

    seqlets: int = 2000
    windows: int | None = 20_000
    seed: int = 0

    @property
    def modisco(self) -> dict[str, Any]:
        """Arguments of ``TFMoDISco``: those of its command ``modisco motifs``, spelt out."""
        return {
            "max_seqlets_per_metacluster": self.seqlets,
            "sliding_window_size": 20,
            "flank_size": 5,
            "trim_to_window_size": 30,
            "initial_flank_to_add": 10,
            "final_flank_to_add": 0,
            "target_seqlet_fdr": 0.05,
            "n_leiden_runs": 2,
        }


@dataclasses.dataclass(frozen=True)
class Discovery:
    """Patterns of one file of attributions.

    Parameters
    ----------
    attributions : Attributions
        Where they were found.
    patterns : list of Pattern
        Positive ones first, and those of most seqlets first.
    windows : int
        Windows that were searched.
    provenance : dict of plain JSON types
        What made them.
    """

    attributions: Attributions
    patterns: list[Pattern]
    windows: int
    provenance: dict[str, Any]

    def of_sign(self, sign: str) -> list[Pattern]:
        """Those of one of :data:`SIGNS`."""
        return [pattern for pattern in self.patterns if pattern.sign == sign]


def discover(
    attributions: Attributions, options: DiscoveryOptions, path: Path, threads: int, reuse: bool = False
) -> Discovery:
    """Find patterns, and keep them in a file of TF-MoDISco's format.

    Only what the network reads is searched: elsewhere contributions are 0, which would count as background.

    Parameters
    ----------
    attributions : Attributions
        What is searched.
    options : DiscoveryOptions
        How.
    path : Path
        The file, ``.h5``.
    threads : int
        Of TF-MoDISco.
    reuse : bool
        Read the file where it is there and of the same attributions and options.

    Raises
    ------
    MissingPackageError
        When modisco-lite is not installed.
    InputError
        When the attributions cannot be read.
    WorkerError
        When TF-MoDISco fails.
    OutputError
        When the file cannot be written.
    """
    needed("modiscolite", EXTRA)
    identity = identity_of(attributions, options)
    if reuse and path.exists():
        found = read_patterns(path, attributions)
        if not differences(found.provenance, identity):
            return found
    rows = np.random.default_rng(options.seed).permutation(len(attributions))[: options.windows]
    start, end = attributions.support
    codes, hypothetical = attributions.arrays(rows)
    if not len(rows) or not hypothetical[:, :, start:end].any():
        raise InputError(f"{attributions.path} has no contribution that is not 0, so it has no patterns")
    with workspace(path) as folder:
        with writing(path):
            np.save(folder / "sequence.npy", codes[:, start:end])
            np.save(folder / "hypothetical.npy", hypothetical[:, :, start:end])
            (folder / "options.json").write_text(json.dumps(options.modisco))
        del codes, hypothetical
        _run_child(folder, threads)
        with writing(path):
            _add_rows(folder / "patterns.h5", rows, start, identity)
            named(folder / "patterns.h5", path)
    return read_patterns(path, attributions)


def identity_of(attributions: Attributions, options: DiscoveryOptions) -> dict[str, Any]:
    """What must be the same for the same patterns, as plain JSON types.

    Parameters
    ----------
    attributions : Attributions
        What is searched.
    options : DiscoveryOptions
        How.
    """
    return {
        "attributions": described(attributions.path),
        "windows": options.windows,
        "seed": options.seed,
        "support": list(attributions.support),
        "modisco": {"version": importlib.metadata.version("modisco-lite"), **options.modisco},
    }


def _run_child(folder: Path, threads: int) -> None:
    environment = {
        **os.environ, "NUMBA_NUM_THREADS": str(threads), "OMP_NUM_THREADS": "1", "MPLBACKEND": "Agg",
    }  # fmt: skip
    command = [sys.executable, "-m", f"{__package__}.child", str(folder.resolve())]
    done = subprocess.run(  # noqa: S603 - this interpreter, and a folder of our own
        command, env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        lines = done.stderr.strip().splitlines()
        reason = lines[-1] if lines else f"it ended with {done.returncode}"
        raise WorkerError(f"TF-MoDISco failed: {reason}; run with --debug for all of what it wrote") from (
            RuntimeError(done.stderr)
        )


def _add_rows(path: Path, rows: np.ndarray[Any, np.dtype[np.int64]], start: int, identity: Any) -> None:
    import h5py

    with h5py.File(path, "r+") as file:
        group = file.create_group(_OURS)
        group["rows"] = rows
        group.attrs["start"] = start
        group.attrs["provenance"] = json.dumps(identity)


def read_patterns(path: Path, attributions: Attributions) -> Discovery:
    """Read the patterns of attributions that :func:`discover` has written.

    Raises
    ------
    InputError
        When the file cannot be read, or is of other attributions.
    """
    import h5py

    try:
        with h5py.File(path, "r") as file:
            ours = file[_OURS]
            provenance = json.loads(ours.attrs["provenance"])
            rows, start = ours["rows"][:], int(ours.attrs["start"])
            patterns = [
                _pattern(file[group][f"pattern_{number}"], sign, number + 1, rows, start)
                for sign, group in _GROUPS.items()
                for number in range(len(file.get(group, ())))
            ]
    except (OSError, KeyError, ValueError) as error:
        raise InputError(
            f"cannot read {path} as patterns of 'mifm evaluate motifs': {error}; delete it to find them again"
        ) from error
    if changed := differences(provenance["attributions"], described(attributions.path)):
        raise InputError(
            f"{path} has the patterns of other attributions than {attributions.path}: {'; '.join(changed)}"
        )
    order = sorted(range(len(patterns)), key=lambda i: (SIGNS.index(patterns[i].sign), patterns[i].number))
    return Discovery(attributions, [patterns[i] for i in order], len(rows), provenance)


def _pattern(group: Any, sign: str, number: int, rows: Any, start: int) -> Pattern:
    seqlets = group["seqlets"]
    return Pattern(
        sign,
        number,
        group["sequence"][:].astype(np.float64),
        group["contrib_scores"][:].astype(np.float64),
        Seqlets(
            rows[seqlets["example_idx"][:]],
            seqlets["start"][:] + start,
            seqlets["end"][:] + start,
            seqlets["is_revcomp"][:],
        ),
    )
