"""Known motifs of MEME files, and which of them patterns resemble: TOMTOM, by memelite."""

from __future__ import annotations

import dataclasses
import re
import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from mifm_kipoi.errors import InputError
from mifm_kipoi.evaluation.motifs.patterns import Pattern, Values
from mifm_kipoi.network.attribution import EXTRA
from mifm_kipoi.support.packages import needed

FEW_MOTIFS = 50
"""With fewer motifs TOMTOM's p-values depend on which they are, as its authors say."""

_HOCOMOCO = re.compile(r"(\w+)_(?:HUMAN|MOUSE)\.H\d+")
"""Such as ``GATA1_HUMAN.H11MO.0.A``."""


@dataclasses.dataclass(frozen=True)
class Motif:
    """A known motif.

    Parameters
    ----------
    name : str
        What stands behind ``MOTIF`` in its file.
    matrix : numpy.ndarray of float64, shape (width, 4)
        Probabilities of A, C, G, T.
    """

    name: str
    matrix: Values

    @property
    def factor(self) -> str:
        """The transcription factor: ``GATA1`` of HOCOMOCO's names, the second name of JASPAR's."""
        if found := _HOCOMOCO.match(self.name):
            return found[1]
        return self.name.split()[-1]


def read_motifs(paths: Sequence[Path]) -> list[Motif]:
    """Read MEME files.

    Parameters
    ----------
    paths : sequence of Path
        All together are what patterns are compared with.

    Raises
    ------
    InputError
        When one cannot be read, or two motifs have the same name.
    MissingPackageError
        When memelite is not installed.
    """
    read_meme = needed("memelite.io", EXTRA).read_meme
    motifs: dict[str, Motif] = {}
    for path in paths:
        try:
            # The reader keeps the last of several motifs with one name.
            named = sum(line.startswith("MOTIF") for line in path.read_text("utf-8").splitlines())
            matrices = read_meme(path)
        except (OSError, ValueError, TypeError, AttributeError, IndexError) as error:
            reason = getattr(error, "strerror", None) or error
            raise InputError(
                f"cannot read {path} as a file of motifs: {reason}; expected MEME format"
            ) from error
        if not matrices:
            raise InputError(f"{path} has no motifs; expected MEME format, with lines that begin with MOTIF")
        repeated = sorted(set(matrices) & set(motifs))
        if repeated or named != len(matrices):
            which = f": {', '.join(repeated[:3])}" if repeated else ""
            raise InputError(f"{path} has motifs whose names others have, or without a matrix{which}")
        for name, matrix in matrices.items():
            columns = np.asarray(matrix, np.float64).T
            if (columns < 0).any() or not np.allclose(columns.sum(axis=1), 1, atol=0.02):
                raise InputError(f"{path}: the columns of motif {name} are not probabilities of A, C, G, T")
            motifs[name] = Motif(name, columns / columns.sum(axis=1, keepdims=True))
    return list(motifs.values())


MATCHES = (
    "pattern", "motif", "factor", "p_value", "q_value", "score", "offset", "overlap", "strand",
)  # fmt: skip
"""Columns of a table of matches."""


def compare(patterns: Sequence[Pattern], motifs: Sequence[Motif], threads: int) -> pd.DataFrame:
    """TOMTOM (Gupta et al. 2007) of the trimmed patterns against all motifs, on both strands.

    Parameters
    ----------
    patterns : sequence of Pattern
        Those that are flat are not compared.
    motifs : sequence of Motif
        Their columns are the background of the p-values.
    threads : int
        Of numba.

    Returns
    -------
    pandas.DataFrame
        :data:`MATCHES` of each pattern with each motif. ``q_value`` is that of Benjamini and Hochberg over
        all rows; ``offset`` the column of the pattern's span at which the motif begins.

    Raises
    ------
    MissingPackageError
        When memelite or scipy is not installed.
    """
    tomtom = needed("memelite", EXTRA).tomtom
    adjusted = needed("scipy.stats", "evaluation").false_discovery_control
    compared = [pattern for pattern in patterns if not pattern.flat]
    if not compared:
        return pd.DataFrame({name: [] for name in MATCHES})
    with warnings.catch_warnings():
        # The report has a caution of its own.
        warnings.filterwarnings("ignore", message="tomtom was given")
        results = tomtom(
            [np.ascontiguousarray(pattern.trimmed.T) for pattern in compared],
            [np.ascontiguousarray(motif.matrix.T) for motif in motifs],
            n_jobs=threads,
        )
    p_values, scores, offsets, overlaps, strands = (np.asarray(each) for each in results)
    p = np.clip(p_values.ravel(), 0, 1)
    return pd.DataFrame(
        {
            "pattern": np.repeat([pattern.name for pattern in compared], len(motifs)),
            "motif": np.tile([motif.name for motif in motifs], len(compared)),
            "factor": np.tile([motif.factor for motif in motifs], len(compared)),
            "p_value": p,
            "q_value": adjusted(p),
            "score": scores.ravel(),
            "offset": -_whole(offsets),
            "overlap": _whole(overlaps),
            "strand": np.where(strands.ravel() == 0, "+", "-"),
        }
    )


def _whole(values: Values) -> npt.NDArray[np.int64]:
    return values.ravel().astype(np.int64)
