"""A growing output file, and up to where it is complete."""

from __future__ import annotations

import collections
import contextlib
import dataclasses
import hashlib
import io
import json
import os
import stat
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from mifm_kipoi.errors import (
    FormatError,
    GenomeError,
    InputError,
    IntervalFileError,
    MIFMError,
    OutputError,
    ReferenceMismatchError,
    VariantFileError,
)
from mifm_kipoi.support.files import named, workspace, writing
from mifm_kipoi.support.provenance import differences

_MARK = "mifm-kipoi/1"
"""What tells a note of a journal from other files."""

_END_BYTES = 1 << 16
"""Bytes at the end of what is complete whose checksum the note has."""

_OF_INPUTS = (VariantFileError, GenomeError, IntervalFileError, InputError, ReferenceMismatchError)
"""Errors that another run of the same inputs mostly meets again."""


@dataclasses.dataclass
class Journal:
    """A growing file beside the output, ``OUT.partial``, and what is known of it, ``OUT.partial.json``.

    After each run of records the bytes are written first, then the note of how many they are, and a checksum
    of the last of them. A run that goes on cuts the file at the last note, so that it ends up the same, byte
    for byte. The note is there before the file is and goes after it, so that a file without a note, or one
    that is not as its note says, is not of a journal: it is neither written nor removed. Nor is anything
    that is reached through a link.

    Parameters
    ----------
    output : Path
        The file that is to be.
    identity : dict of plain JSON types
        What must be the same for a run to go on with the file.
    records : int
        The record behind the last one that is in the file.
    size : int
        Bytes of the file that are complete.
    statuses : collections.Counter
        Rows by status.
    seconds : float
        What earlier runs took.
    again : bool
        Whether a run can go on after an error, as it cannot where the input can be read only once.
    advice : str
        How a run goes on, in words.
    began : float, optional
        When the run began, of :func:`time.monotonic`; by default now.
    """

    output: Path
    identity: dict[str, Any]
    records: int
    size: int = 0
    statuses: collections.Counter[str] = dataclasses.field(default_factory=collections.Counter)
    seconds: float = 0.0
    again: bool = True
    advice: str = "go on with --resume"
    began: float = dataclasses.field(default_factory=time.monotonic)

    def __post_init__(self) -> None:
        self._first = self.records
        self._file: io.FileIO | None = None
        self._end = b""
        self._folder: Path | None = None

    @property
    def partial(self) -> Path:
        """The growing file."""
        return Path(f"{self.output}.partial")

    @property
    def note(self) -> Path:
        """What is known of it."""
        return Path(f"{self.partial}.json")

    @contextlib.contextmanager
    def locked(self) -> Iterator[Path]:
        """Keep other processes from the output; give a private folder for what the file is made into.

        Raises
        ------
        OutputError
            When the folder cannot be made, or another process writes the output.
        """
        with workspace(self.output, alone=True) as self._folder:
            try:
                yield self._folder
            finally:
                if self._file is not None:
                    self._file.close()

    def remove(self) -> None:
        """Remove the growing file and its note; only under the lock."""
        if self._file is None:
            try:
                noted = self._noted()
            except InputError:
                return
            with contextlib.suppress(InputError):
                self._open_noted(noted)
        if self._file is not None and self._has_name():
            self.partial.unlink()
        if self._file is not None or not os.path.lexists(self.partial):
            self.note.unlink(missing_ok=True)

    def begin(self, head: bytes, resume: bool) -> None:
        """Begin the file with ``head``, or go on with the one that is there; only under the lock.

        Raises
        ------
        InputError
            When there is one and ``resume`` was not asked for, or it is damaged or of another run.
        OutputError
            When it cannot be written.
        """
        if os.path.lexists(self.note):
            noted = self._noted()
            if not resume:
                advice = "add --resume to go on with it, or " if self.again else ""
                raise InputError(
                    f"{self.partial} is left from a run that did not end; {advice}{self._restart}"
                )
            self._go_on(noted)
        elif os.path.lexists(self.partial):
            raise InputError(
                f"{self.partial} exists, and there is no {self.note.name} that says that a run made it; "
                "rename or delete it, or name another output"
            )
        else:
            self._write_note()
        if not self.size:
            try:
                self._create()
                self.append(head, self._first)
            except OutputError:
                self.remove()
                raise

    def _create(self) -> None:
        """Make the growing file, where a run has not made it."""
        if self._file is None:
            with writing(self.partial):
                flags = os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
                self._file = io.FileIO(os.open(self.partial, flags, 0o666), "ab")

    @property
    def _restart(self) -> str:
        return f"delete {self.partial} and {self.note.name} to start again"

    def _noted(self) -> dict[str, Any]:
        """What the note says.

        Raises
        ------
        InputError
            When it cannot be read, or is another file.
        """
        try:
            with open(
                os.open(self.note, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC), encoding="utf-8"
            ) as file:
                noted = json.load(file)
            if noted["journal"] != _MARK or noted["file"] != self.partial.name:
                raise ValueError("it has no mark of a journal of this output")
            dict(noted["identity"]), dict(noted["statuses"]), str(noted["end"])
            int(noted["records"]), int(noted["size"]), float(noted["seconds"])
        except (ValueError, KeyError, TypeError, OSError, RecursionError) as error:
            raise InputError(
                f"{self.note} cannot be read as the note of a run ({error!r}); {self._restart}, or name "
                "another output"
            ) from error
        return dict(noted)

    def _go_on(self, noted: dict[str, Any]) -> None:
        if changed := differences(noted["identity"], self.identity):
            raise InputError(
                f"{self.partial} is of another run: {'; '.join(changed)}; go on with the same inputs and "
                f"options, or {self._restart}"
            )
        self.statuses = collections.Counter(noted["statuses"])
        self.records, self.size = int(noted["records"]), int(noted["size"])
        self.seconds = float(noted["seconds"])
        self._open_noted(noted)
        if self._file is not None:
            with writing(self.partial):
                self._file.truncate(self.size)

    def _open_noted(self, noted: dict[str, Any]) -> None:
        """Open the growing file, where it is there and as its note says.

        Raises
        ------
        InputError
            When it is another file, or lost although the note says what it holds.
        """
        size = int(noted["size"])
        try:
            handle = os.open(self.partial, os.O_RDWR | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC)
        except FileNotFoundError as error:
            if size:
                raise InputError(f"{self.partial} is not there, but its note is; {self._restart}") from error
            return
        except OSError as error:
            raise InputError(f"cannot open {self.partial}: {error.strerror}; {self._restart}") from error
        file = io.FileIO(handle, "ab")
        status = os.fstat(handle)
        if not stat.S_ISREG(status.st_mode) or status.st_nlink > 1:
            file.close()
            raise InputError(
                f"{self.partial} is not a file with this one name, so it is not written; {self._restart}"
            )
        end = os.pread(handle, min(size, _END_BYTES), max(size - _END_BYTES, 0))
        if status.st_size < size or _checksum(end) != noted["end"]:
            file.close()
            what = "shorter than" if status.st_size < size else "not as"
            raise InputError(f"{self.partial} is {what} its note says; {self._restart}")
        self._file, self._end = file, end

    def _has_name(self) -> bool:
        """Whether the file that is open still has its name."""
        assert self._file is not None
        with contextlib.suppress(FileNotFoundError):
            return os.path.samestat(os.fstat(self._file.fileno()), self.partial.lstat())
        return False

    def _write_note(self) -> None:
        assert self._folder is not None
        noted = {
            "journal": _MARK,
            "file": self.partial.name,
            "identity": self.identity,
            "records": self.records,
            "size": self.size,
            "end": _checksum(self._end),
            "statuses": dict(self.statuses),
            "seconds": self.total_seconds,
        }
        temporary = self._folder / "note.json"
        with writing(self.note):
            temporary.write_text(json.dumps(noted) + "\n")
            named(temporary, self.note)

    def append(self, content: bytes, records: int, statuses: Iterable[str] | Mapping[str, int] = ()) -> None:
        """Add the rows of a chunk, and note that they are complete.

        Parameters
        ----------
        content : bytes
            What is added to the file.
        records : int
            The record behind the chunk's last.
        statuses : iterable of str, or mapping of str to int
            Of the rows, or how many have each.

        Raises
        ------
        OutputError
            When it cannot be written.
        """
        assert self._file is not None
        with writing(self.partial):
            rest = memoryview(content)
            while rest:
                rest = rest[self._file.write(rest) :]
            os.fsync(self._file.fileno())
        before = self.size, self._end, self.records, self.statuses.copy()
        self.size += len(content)
        self._end = (self._end + content[-_END_BYTES:])[-_END_BYTES:]
        self.records = records
        self.statuses.update(statuses)
        try:
            self._write_note()
        except OutputError:
            # What is kept is what the last note says.
            self.size, self._end, self.records, self.statuses = before
            raise

    @property
    def total_seconds(self) -> float:
        """What this run and those before it took."""
        return round(self.seconds + time.monotonic() - self.began, 2)

    @contextlib.contextmanager
    def kept_on_error(self) -> Iterator[None]:
        """Say of an error that what is done is kept; remove a file that holds nothing, or is of no use."""
        try:
            yield
        except FormatError as error:
            raise FormatError(
                f"{error}; --resume would end here again. All {self.statuses.total()} rows are in "
                f"{self.partial}, a whole VCF file: rename it, or score again into another format"
            ) from error
        except MIFMError as error:
            if self.records == self._first or not self.again:
                self.remove()
                raise
            advice = self.advice
            if isinstance(error, _OF_INPUTS):
                advice += f" where the inputs stay as they are; with others, {self._restart}"
            kept = f"{self.statuses.total()} rows are kept in {self.partial}: {advice}"
            error.args = (f"{error}. {kept}",)
            raise


def _checksum(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
