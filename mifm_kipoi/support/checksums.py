"""Checksums of large files, which are remembered: the shards of a run have one genome."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import re
import time
from pathlib import Path

from mifm_kipoi.errors import OutputError
from mifm_kipoi.support.files import made_folder, sha256_of, written_whole

LARGE = 1 << 26
"""Bytes from which on a checksum is remembered; smaller files are read in a moment."""

_SETTLED = 3.0
"""Seconds since a file's last change from which on another change has another time for certain."""

_CHECKSUM = re.compile(r"[0-9a-f]{64}")

_log = logging.getLogger(__name__)


def remembered_sha256(path: str | os.PathLike[str]) -> str:
    """Checksum of a file's bytes; that of a large file is kept in the user's cache folder.

    It is of use as long as the file has the same path, size, inode and times. The time of the last change of
    its inode is among them, which no program can set. A cache that cannot be read or written is as none.

    Parameters
    ----------
    path : path-like
        A file that can be read again.

    Returns
    -------
    str
        64 hexadecimal digits.

    Raises
    ------
    InputError
        When it cannot be read.
    """
    before = _state(path)
    if before is None or before["size"] < LARGE:
        return sha256_of(path)
    note = _note(path)
    if (known := _read(note, before)) is not None:
        return known
    now = time.time()
    sha256 = sha256_of(path)
    if now - max(before["mtime_ns"], before["ctime_ns"]) / 1e9 > _SETTLED and _state(path) == before:
        _write(note, before, sha256)
    return sha256


def _state(path: str | os.PathLike[str]) -> dict[str, int] | None:
    """What changes with a file's content; None where the file cannot be found."""
    try:
        status = os.stat(path)
    except OSError:
        return None
    return {key: getattr(status, f"st_{key}") for key in ("size", "mtime_ns", "ctime_ns", "ino", "dev")}


def _note(path: str | os.PathLike[str]) -> Path:
    """Where the checksum of the file of a path is kept."""
    import platformdirs

    name = hashlib.sha256(os.fsencode(os.path.realpath(path))).hexdigest()
    return Path(platformdirs.user_cache_path("mifm-kipoi")) / "checksums" / f"{name}.json"


def _read(note: Path, state: dict[str, int]) -> str | None:
    """The checksum that is kept, where it is of a file in the same state."""
    try:
        kept = json.loads(note.read_bytes())
        if kept["state"] == state and _CHECKSUM.fullmatch(kept["sha256"]):
            return str(kept["sha256"])
    except FileNotFoundError:
        pass
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        _log.debug("the checksum in %s cannot be read: %r", note, error)
    return None


def _write(note: Path, state: dict[str, int], sha256: str) -> None:
    try:
        made_folder(note.parent)
        with written_whole(note) as temporary:
            temporary.write_text(json.dumps({"state": state, "sha256": sha256}))
    except OutputError as error:
        _log.debug("a checksum is not remembered: %s", error)
