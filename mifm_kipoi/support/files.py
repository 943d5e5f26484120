"""Write files so that a half-written one never carries the final name."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from mifm_kipoi.errors import InputError, OutputError


@contextlib.contextmanager
def written_whole(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Give a temporary name beside ``path``, renamed to it on success and removed on failure.

    A ``path`` that exists and is not a regular file, such as a pipe, is given itself. Folders that do
    not exist are not made.

    Raises
    ------
    OutputError
        When the file cannot be written.
    """
    path = Path(path)
    if path.exists() and not path.is_file():
        yield path
        return
    try:
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=path.suffix)
        os.close(handle)
    except OSError as error:
        raise OutputError(f"cannot write {path}: {error.strerror or error}") from error
    temporary = Path(name)
    try:
        yield temporary
        temporary.chmod(0o644)
        temporary.replace(path)
    except OSError as error:
        raise OutputError(f"cannot write {path}: {error}") from error
    finally:
        temporary.unlink(missing_ok=True)


def made_folder(path: str | os.PathLike[str]) -> Path:
    """A folder, made with those above it where it is missing.

    Raises
    ------
    OutputError
        When it cannot be made.
    """
    path = Path(path)
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"cannot make the folder {path}: {error.strerror or error}") from error
    return path


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Keep other processes from a folder; nothing is left in it.

    Raises
    ------
    OutputError
        When another process has it.
    """
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(handle)
        raise OutputError(f"another process is writing into {folder}; wait for its end") from error
    try:
        yield
    finally:
        os.close(handle)


@contextlib.contextmanager
def writing(path: str | os.PathLike[str]) -> Iterator[None]:
    """Turn what the system says while a file is written into an error that names it.

    Raises
    ------
    OutputError
        When it cannot be written.
    """
    try:
        yield
    except OSError as error:
        raise OutputError(f"cannot write {path}: {error.strerror or error}") from error


def sha256_of(path: str | os.PathLike[str]) -> str:
    """Checksum of a file's bytes.

    Raises
    ------
    InputError
        When it cannot be read.
    """
    try:
        with Path(path).open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}") from error
