"""Checkpoints of training: tensors and plain values in one file."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from mifm_kipoi.errors import OutputError
from mifm_kipoi.support import read_back
from mifm_kipoi.support.files import written_whole


def write_checkpoint(path: Path, state: Mapping[str, Any]) -> None:
    """Write what ``torch.load`` reads; the file gets its name when it is complete.

    Parameters
    ----------
    path : Path
        The file.
    state : mapping of str
        Tensors and plain values.

    Raises
    ------
    OutputError
        When it cannot be written.
    """
    with written_whole(path, _check) as temporary:
        try:
            torch.save(dict(state), temporary)
        # PyTorch's error for a full disk; what else it has errors for is not in a checkpoint.
        except RuntimeError as error:
            raise OutputError(
                f"cannot write {path}: {str(error).splitlines()[0]}; is the disk full?"
            ) from error


def _check(path: Path) -> None:
    """Compare the parts of a checkpoint with their checksums."""
    try:
        with zipfile.ZipFile(path) as archive:
            damaged = archive.testzip()
    except zipfile.BadZipFile as error:
        raise read_back.lost(path, error) from error
    if damaged:
        raise read_back.lost(path, f"{damaged} is damaged")
