"""Write files so that a half-written one never carries the final name."""

from __future__ import annotations

import contextlib
import enum
import fcntl
import hashlib
import json
import os
import re
import shutil
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mifm_kipoi.errors import InputError, OptionError, OutputError

if TYPE_CHECKING:
    import pandas as pd

OWNER = ".owner-is-mifm-kipoi"
"""The file in a :func:`workspace` that marks it as ours; its lock is held as long as the owner lives."""

_HOME = re.compile(r"""(?<=[=:,\[\s"'])~(?=/)""")
"""Where ``~`` begins a path within a word."""

_MOST_WORKSPACES = 1000
"""Numbers that are tried for the workspace of one file."""


def with_home(text: str) -> str:
    """The paths of a word with the home folder in place of ``~``, however the shell passed it on.

    Parameters
    ----------
    text : str
        A path (``~/g.fa``, ``~user/g.fa``), or a word that holds some: ``--fasta=~/g.fa``,
        ``table:~/t.tsv:COLUMN``, ``embedded,~/w.safetensors``, ``vcf=[~/a.vcf, ~/b.vcf]``. Any other ``~`` is
        a letter.
    """
    if text.startswith("~"):
        text = os.path.expanduser(text)
    return _HOME.sub(lambda _: os.path.expanduser("~"), text)


@contextlib.contextmanager
def workspace(path: str | os.PathLike[str], alone: bool = False) -> Iterator[Path]:
    """Give a private folder beside ``path`` for what is made before it gets that name.

    The folder is ``.NAME.mifm-0``, or has the next number where another process works on the same file. What
    a process that was killed has left is removed by the next one: a folder counts as left when it has the
    mark :data:`OWNER` and nobody holds its lock. Nothing else is ever removed.

    Parameters
    ----------
    path : path-like
        The file or folder that is to be.
    alone : bool
        Whether no other process may work on ``path`` meanwhile.

    Yields
    ------
    Path
        An empty folder, which only its owner may enter; it is removed in the end with what is still in it.

    Raises
    ------
    OutputError
        When the folder cannot be made, or another process works on ``path`` and ``alone`` is set.
    """
    path = Path(path)
    try:
        folder, handle = _claimed(path, alone)
    except OSError as error:
        raise OutputError(f"cannot write {path}: {error.strerror or error}") from error
    try:
        yield folder
    finally:
        # Errors of cleaning must not hide those of the work; the next process tries again.
        with contextlib.suppress(OSError):
            _remove(folder)
        os.close(handle)


def _claimed(path: Path, alone: bool) -> tuple[Path, int]:
    """A new workspace and the handle that holds its lock."""
    number = 0
    while number < _MOST_WORKSPACES:
        folder = path.with_name(f".{path.name}.mifm-{number}")
        try:
            folder.mkdir(mode=0o700)
        except FileExistsError:
            if (owner := _owner(folder)) is _Owner.ALIVE and alone:
                raise OutputError(f"another process is writing {path}; wait for its end") from None
            # What is not ours, or in use, stays.
            number += owner is not _Owner.NONE
            continue
        # Another process may take the folder for one that was left until its lock is held.
        with contextlib.suppress(FileNotFoundError):
            handle = os.open(folder / OWNER, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o666)
            if _locked_now(handle, folder / OWNER, alone):
                return folder, handle
            os.close(handle)
    raise OutputError(f"cannot write {path}: {folder} and all names before it are taken; remove them")


class _Owner(enum.Enum):
    """Who has a folder that a workspace would be."""

    ALIVE = enum.auto()
    NONE = enum.auto()
    STRANGER = enum.auto()


def _owner(folder: Path) -> _Owner:
    """Who has a folder; one that a killed process left is removed, and has none."""
    with contextlib.suppress(OSError):
        # Without a mark only an empty folder can be of a process that was killed at once.
        folder.rmdir()
        return _Owner.NONE
    try:
        handle = os.open(folder / OWNER, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        return _Owner.STRANGER if os.path.lexists(folder) else _Owner.NONE
    except OSError:
        return _Owner.STRANGER
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        _remove(folder)
    except OSError:
        # In use, or on a file system without locks, where nobody can know.
        return _Owner.ALIVE
    finally:
        os.close(handle)
    return _Owner.NONE


def _remove(folder: Path) -> None:
    """Remove a workspace, its mark last."""
    for entry in os.scandir(folder):
        if entry.is_dir(follow_symlinks=False):
            shutil.rmtree(entry)
        elif entry.name != OWNER:
            os.unlink(entry)
    (folder / OWNER).unlink(missing_ok=True)
    folder.rmdir()


def _locked_now(handle: int, owner: Path, alone: bool) -> bool:
    """Whether the lock is held, and of the file that has the name."""
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        # A file system without locks: what is left there when a process is killed stays.
        if alone:
            raise
    return os.path.samestat(os.fstat(handle), owner.stat())


@contextlib.contextmanager
def written_whole(
    path: str | os.PathLike[str], check: Callable[[Path], None] | None = None, mode: int | None = None
) -> Iterator[Path]:
    """Give a temporary name beside ``path``, renamed to it on success and removed on failure.

    The temporary file is in a :func:`workspace` and does not exist yet. A ``path`` that exists and is not a
    regular file, such as a pipe, is given itself. Folders that do not exist are not made.

    Parameters
    ----------
    path : path-like
        The file that is to be.
    check : callable, optional
        Reads the temporary file back and raises an error where it is not whole; for libraries that hide the
        errors of writing.
    mode : int, optional
        Of the file; by default what the umask asks for, whatever mode a library gave it.

    Raises
    ------
    OutputError
        When the file cannot be written.
    """
    path = Path(path)
    if path.exists() and not path.is_file():
        yield path
        return
    with workspace(path) as folder:
        temporary = folder / f"new{path.suffix}"
        try:
            yield temporary
            if check:
                check(temporary)
            # The mark was made with the mode of any other file.
            temporary.chmod((folder / OWNER).stat().st_mode & 0o777 if mode is None else mode)
            named(temporary, path)
        except OSError as error:
            raise OutputError(f"cannot write {path}: {error}") from error


def named(temporary: Path, path: Path) -> None:
    """Give a complete file its name, after the system has written all of it.

    Raises
    ------
    OSError
        When the disk is full after all, or the file cannot be renamed.
    """
    handle = os.open(temporary, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
    temporary.replace(path)


def check_outputs(
    outputs: Iterable[str | os.PathLike[str]], inputs: Iterable[str | os.PathLike[str] | None]
) -> None:
    """Refuse outputs that would replace an input; call it before any work.

    Parameters
    ----------
    outputs : iterable of path-like
        Every name that a run may use, of files and of folders that it fills with names of its own choice.
    inputs : iterable of path-like or None
        What it reads; None for an input that is not given.

    Raises
    ------
    OptionError
        When a name is that of an input, by whatever path or link, or an input lies in a folder that is to be
        filled.
    """
    given = [(path, Path(path).resolve()) for path in inputs if path is not None and os.path.exists(path)]
    for output in outputs:
        if not os.path.lexists(output):
            continue
        real = Path(output).resolve()
        is_folder = real.is_dir()
        for path, real_input in given:
            if is_folder and real_input.is_relative_to(real):
                raise OptionError(
                    f"the input {path} lies in {output}, which would be filled anew; name another output"
                )
            if not is_folder and os.path.exists(output) and os.path.samefile(output, path):
                raise OptionError(f"writing {output} would replace the input {path}; name another output")


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


def require_file(path: str | os.PathLike[str]) -> None:
    """Refuse what can be read only once where it must be read twice; a missing file passes.

    Raises
    ------
    InputError
        When it is a pipe, or standard input.
    """
    path = Path(path)
    if str(path) == "-" or (path.exists() and not path.is_file() and not path.is_dir()):
        raise InputError(f"{path} is a pipe and must be read twice; save it to a file first")


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


def write_json(path: str | os.PathLike[str], values: Any) -> None:
    """Write plain JSON types, whole or not at all; indented, with an end of line.

    Parameters
    ----------
    path : path-like
        The file that is to be.
    values : mapping or other plain JSON type
        Its content.

    Raises
    ------
    OutputError
        When it cannot be written.
    """
    with written_whole(path) as temporary, writing(path):
        temporary.write_text(json.dumps(values, indent=1) + "\n")


def write_table(path: str | os.PathLike[str], table: pd.DataFrame, digits: int | None = 6) -> Path:
    """Write a table as text between tabs, whole or not at all, with a header and without its index.

    Parameters
    ----------
    path : path-like
        The file that is to be.
    table : pandas.DataFrame
        Its content; missing values become nothing.
    digits : int, optional
        Significant ones of numbers that are not whole; None for all that tell them apart.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    OutputError
        When it cannot be written.
    """
    form = None if digits is None else f"%.{digits}g"
    with written_whole(path) as temporary, writing(path):
        table.to_csv(temporary, sep="\t", index=False, float_format=form, lineterminator="\n")
    return Path(path)


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
