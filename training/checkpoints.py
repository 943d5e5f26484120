"""Checkpoints of training: tensors and plain values in one file."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

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
    # PyTorch's own errors of a full disk are no errors of files.
    content = io.BytesIO()
    torch.save(dict(state), content)
    with written_whole(path) as temporary:
        temporary.write_bytes(content.getbuffer())
