"""A growing output file, and up to where it is complete."""

from __future__ import annotations

import collections
import contextlib
import dataclasses
import fcntl
import glob
import io
import json
import os
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from mifm_kipoi.errors import FormatError, InputError, MIFMError, OutputError
from mifm_kipoi.support.files import writing, written_whole
from mifm_kipoi.support.provenance import differences


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

    @property
    def partial(self) -> Path:
        """The growing file."""
        return Path(f"{self.output}.partial")

    @property
    def note(self) -> Path:
        """What is known of it."""
        return Path(f"{self.partial}.json")

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other processes from the output; what holds nothing in the end is removed.

        Raises
        ------
        OutputError
            When the file cannot be written, or another process writes it.
        """
        with contextlib.ExitStack() as stack:
            with writing(self.partial):
                while True:
                    file = stack.enter_context(self.partial.open("ab", buffering=0))
                    try:
                        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    except BlockingIOError as error:
                        message = f"another process is writing {self.output}; wait for its end"
                        raise OutputError(message) from error
                    # The process that had the lock may have renamed the file meanwhile.
                    with contextlib.suppress(FileNotFoundError):
                        if os.path.samestat(os.fstat(file.fileno()), self.partial.stat()):
                            break
            self._file = file
            try:
                yield
            finally:
                if not self.note.exists():
                    self.partial.unlink(missing_ok=True)

    def remove(self) -> None:
        """Remove all that lies beside the output before it is finished; only under the lock."""
        self.note.unlink(missing_ok=True)
        self._remove_unfinished()
        self.partial.unlink(missing_ok=True)

    def _remove_unfinished(self) -> None:
        """Remove what the growing file was being made into."""
        for leftover in self.partial.parent.glob(f"{glob.escape(self.partial.name)}.*"):
            if leftover != self.note:
                leftover.unlink(missing_ok=True)

    def begin(self, head: bytes, resume: bool) -> None:
        """Begin the file with ``head``, or go on with the one that is there; only under the lock.

        Raises
        ------
        InputError
            When there is one and ``resume`` was not asked for, or it is damaged or of another run.
        OutputError
            When it cannot be written.
        """
        assert self._file is not None
        if self.note.exists():
            if not resume:
                advice = "add --resume to go on with it, or " if self.again else ""
                raise InputError(
                    f"{self.partial} is left from a run that did not end; {advice}delete {self.note} to "
                    "start again"
                )
            self._go_on()
            return
        self._file.truncate(0)
        self.append(head, self._first)

    def _go_on(self) -> None:
        assert self._file is not None
        again = f"delete {self.note} to start again"
        try:
            noted = json.loads(self.note.read_text())
            identity = dict(noted["identity"])
            self.statuses = collections.Counter(noted["statuses"])
            self.records, self.size = int(noted["records"]), int(noted["size"])
            self.seconds = float(noted["seconds"])
        except (ValueError, KeyError, TypeError, OSError) as error:
            raise InputError(f"{self.note} cannot be read ({error!r}); {again}") from error
        if changed := differences(identity, self.identity):
            raise InputError(
                f"{self.partial} is of another run: {'; '.join(changed)}; go on with the same inputs and "
                f"options, or {again}"
            )
        if self.partial.stat().st_size < self.size:
            raise InputError(f"{self.partial} is shorter than its note says; {again}")
        self._file.truncate(self.size)

    def append(self, content: bytes, records: int, statuses: Iterable[str] = ()) -> None:
        """Add the rows of a chunk, and note that they are complete.

        Parameters
        ----------
        content : bytes
            What is added to the file.
        records : int
            The record behind the chunk's last.
        statuses : iterable of str
            Of the rows.

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
        self.size += len(content)
        self.records = records
        self.statuses.update(statuses)
        noted = {
            "identity": self.identity,
            "records": self.records,
            "size": self.size,
            "statuses": dict(self.statuses),
            "seconds": self.total_seconds,
        }
        with written_whole(self.note) as temporary:
            temporary.write_text(json.dumps(noted) + "\n")

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
            self._remove_unfinished()
            raise FormatError(
                f"{error}; --resume would end here again. All {self.statuses.total()} rows are in "
                f"{self.partial}, a whole VCF file: rename it, or score again into another format"
            ) from error
        except MIFMError as error:
            if self.records == self._first or not self.again:
                self.remove()
                raise
            self._remove_unfinished()
            kept = f"{self.statuses.total()} rows are kept in {self.partial}: {self.advice}"
            error.args = (f"{error}. {kept}",)
            raise
