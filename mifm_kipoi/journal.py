"""A growing output file, and up to where it is complete."""

from __future__ import annotations

import collections
import contextlib
import dataclasses
import fcntl
import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from mifm_kipoi.errors import InputError, MIFMError, OutputError
from mifm_kipoi.files import written_whole


@dataclasses.dataclass
class Journal:
    """A growing file beside the output, ``OUT.partial``, and what is known of it, ``OUT.partial.json``.

    After each run of records the bytes are written first, then the note of how many they are. A run
    that goes on cuts the file at the last note, so that it ends up the same, byte for byte.

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
    compared, mismatches : int
        Of the check of REF alleles.
    seconds : float
        What earlier runs took.
    """

    output: Path
    identity: dict[str, Any]
    records: int
    size: int = 0
    statuses: collections.Counter[str] = dataclasses.field(default_factory=collections.Counter)
    compared: int = 0
    mismatches: int = 0
    seconds: float = 0.0

    def __post_init__(self) -> None:
        self._first = self.records
        self._began = time.monotonic()
        self._file: IO[bytes] | None = None

    @property
    def partial(self) -> Path:
        """The growing file."""
        return Path(f"{self.output}.partial")

    @property
    def note(self) -> Path:
        """What is known of it."""
        return Path(f"{self.partial}.json")

    def remove(self) -> None:
        """Remove all that lies beside the output before it is finished."""
        self.note.unlink(missing_ok=True)
        for leftover in (self.partial, *self.partial.parent.glob(f"{self.partial.name}.*")):
            leftover.unlink(missing_ok=True)

    @contextlib.contextmanager
    def opened(self, head: bytes, resume: bool) -> Iterator[None]:
        """Begin the file with ``head``, or go on with the one that is there.

        Raises
        ------
        InputError
            When there is one and ``resume`` was not asked for, or it is damaged or of another run.
        OutputError
            When it cannot be written, or another process writes it.
        """
        if self.note.exists() and not resume:
            raise InputError(
                f"{self.partial} is left from a run that did not end; add --resume to go on with it, or "
                f"delete {self.note.name} to start again"
            )
        with contextlib.ExitStack() as stack:
            with _writing(self.partial):
                self._file = stack.enter_context(self.partial.open("ab"))
            try:
                fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                raise OutputError(f"another process is writing {self.output}; wait for its end") from error
            if self.note.exists():
                self._go_on()
            else:
                self._file.truncate(0)
                self.append(head, self._first)
            yield

    def _go_on(self) -> None:
        assert self._file is not None
        again = f"delete {self.note} to start again"
        try:
            noted = json.loads(self.note.read_text())
            found = dict(noted["identity"])
            self.statuses = collections.Counter(noted["statuses"])
            self.records, self.size = int(noted["records"]), int(noted["size"])
            self.compared, self.mismatches = int(noted["compared"]), int(noted["mismatches"])
            self.seconds = float(noted["seconds"])
        except (ValueError, KeyError, TypeError, OSError) as error:
            raise InputError(f"{self.note} cannot be read ({error!r}); {again}") from error
        differing = [key for key in self.identity if found.get(key) != self.identity[key]]
        if differing:
            raise InputError(
                f"{self.partial} was begun with other {', '.join(differing)}; go on with the same, or {again}"
            )
        if self.partial.stat().st_size < self.size:
            raise InputError(f"{self.partial} is shorter than its note says; {again}")
        self._file.truncate(self.size)

    def append(self, content: bytes, records: int) -> None:
        """Add what a run of records gave, up to the one before ``records``.

        Raises
        ------
        OutputError
            When it cannot be written.
        """
        assert self._file is not None
        with _writing(self.partial):
            self._file.write(content)
            self._file.flush()
            os.fsync(self._file.fileno())
        self.size += len(content)
        self.records = records
        noted = {
            "identity": self.identity,
            "records": self.records,
            "size": self.size,
            "statuses": dict(self.statuses),
            "compared": self.compared,
            "mismatches": self.mismatches,
            "seconds": self.total_seconds,
        }
        with written_whole(self.note) as temporary:
            temporary.write_text(json.dumps(noted) + "\n")

    @property
    def total_seconds(self) -> float:
        """What this run and those before it took."""
        return round(self.seconds + time.monotonic() - self._began, 2)

    @contextlib.contextmanager
    def kept_on_error(self) -> Iterator[None]:
        """Say of an error that what is done is kept; remove a file that holds nothing."""
        try:
            yield
        except MIFMError as error:
            if self.records == self._first:
                self.remove()
                raise
            kept = f"{self.statuses.total()} rows are kept in {self.partial}: go on with --resume"
            raise type(error)(f"{error}. {kept}") from error


@contextlib.contextmanager
def _writing(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise OutputError(f"cannot write {path}: {error.strerror or error}") from error
