"""Mean and standard deviation of each track's effects over common variants, for normalisation.

:mod:`mifm_kipoi.comparison.backgrounds` measures them; here is their record and its file.
"""

from __future__ import annotations

import dataclasses
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from mifm_kipoi.errors import InputError
from mifm_kipoi.support.files import sha256_of, written_whole

_KEY = "mifm_background"
"""Of the metadata in the file."""


@dataclasses.dataclass(frozen=True)
class Background:
    """How the effects on each track are spread over variants.

    Parameters
    ----------
    path : Path
        Of its file.
    mean, sd : numpy.ndarray of float64, shape (tracks,)
        Of the effects; the standard deviation is that of the variants themselves, with their number as the
        divisor.
    count : int
        Variants with effects.
    left_out : int
        Variants without.
    identity : dict
        ``model``: what decides the effects of the network, ``libraries``, ``variants_sha256``,
        ``fasta_sha256``, ``version`` of this package.
    sha256 : str
        Of the file.
    """

    path: Path
    mean: npt.NDArray[np.float64]
    sd: npt.NDArray[np.float64]
    count: int
    left_out: int
    identity: dict[str, Any]
    sha256: str


def read_background(path: str | os.PathLike[str]) -> Background:
    """Read the file of a background.

    Raises
    ------
    InputError
        When the file cannot be read, or is not a background.
    """
    path = Path(path)
    tensors, record = read_moments(path)
    try:
        mean, sd = tensors["mean"], tensors["sd"]
        count, left_out, identity = int(record["count"]), int(record["left_out"]), dict(record["identity"])
        sound = (
            mean.shape == sd.shape and mean.ndim == 1 and count > 1 and isinstance(identity["model"], dict)
        )
        sound &= bool(np.isfinite(mean).all() and np.isfinite(sd).all() and (sd >= 0).all())
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"{path} is not a background of a model: {error!r}") from error
    if not sound or mean.dtype != np.float64 or sd.dtype != np.float64:
        raise InputError(f"{path} is damaged: its means and standard deviations are not finite")
    return Background(path, mean, sd, count, left_out, identity, sha256_of(path))


def write_moments(path: Path, tensors: dict[str, npt.NDArray[np.float64]], record: dict[str, Any]) -> None:
    """Write moments of tracks with what they are of: a background, or one that is not complete yet.

    Parameters
    ----------
    path : Path
        File to write, safetensors.
    tensors : dict of numpy.ndarray of float64, shape (tracks,)
        Moments by name.
    record : dict of plain JSON types
        What they are of.

    Raises
    ------
    OutputError
        When the file cannot be written.
    """
    with written_whole(path) as temporary:
        # The library may hide that a disk is full.
        temporary.write_bytes(save(tensors, metadata={_KEY: json.dumps(record, sort_keys=True)}))


def read_moments(path: Path) -> tuple[dict[str, npt.NDArray[np.float64]], dict[str, Any]]:
    """Read what :func:`write_moments` wrote.

    Raises
    ------
    InputError
        When the file cannot be read, or is another one.
    """
    try:
        with safe_open(path, framework="np") as file:
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 - it is not a dict
            record = json.loads((file.metadata() or {})[_KEY])
    except (OSError, SafetensorError, KeyError, ValueError) as error:
        raise InputError(
            f"cannot read {path} as a background of a model ({error}); expected a file of 'mifm compare "
            "background'"
        ) from error
    if not isinstance(record, dict):
        raise InputError(
            f"cannot read {path} as a background of a model; expected a file of 'mifm compare background'"
        )
    return tensors, record
