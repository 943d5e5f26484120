"""Look up the scores of positions in the files that ``mifm genome`` wrote."""

from __future__ import annotations

import abc
import collections
import gzip
import io
import os
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from mifm_kipoi.errors import InputError
from mifm_kipoi.genome_scan.formats import ALLELE_COLUMNS, is_track
from mifm_kipoi.genome_scan.run import KIND
from mifm_kipoi.scoring.run import manifest_path, read_manifest
from mifm_kipoi.support.checksums import remembered_sha256
from mifm_kipoi.support.packages import needed

_WINDOWS = 8
"""How many of these are kept in memory."""

_READ = 1 << 18
"""Bytes of text that are read together."""

_LARGEST_SCORE = np.nextafter(np.float32(1), np.float32(0))
"""The largest score below 1, whose logit is 16.6: a score that was rounded to 1 is taken for it."""


class GenomeScores(abc.ABC):
    """Scores of the positions of a genome, in a file that ``mifm genome`` wrote.

    Instances can be handed to worker processes, each of which opens the file for itself; threads must not
    share one.

    Parameters
    ----------
    path : Path
        A bigWig file or a table of positions; its manifest lies beside it.

    Raises
    ------
    InputError
        When it is not one, or not as its manifest says by its size.
    """

    _width: ClassVar[int]
    """Positions that are read together, from multiples of this on."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.manifest = _checked_manifest(path)
        self._windows: collections.OrderedDict[tuple[str, int], npt.NDArray[np.float32]] = (
            collections.OrderedDict()
        )
        self._open()

    @property
    def weights(self) -> Mapping[str, Any]:
        """Which weights made them: ``name``, ``tensors_sha256`` and ``configuration``."""
        weights: dict[str, Any] = self.manifest["weights"][0]
        return weights

    @property
    def fasta(self) -> Mapping[str, str]:
        """Of which FASTA they are: ``name`` and ``sha256``."""
        fasta: dict[str, str] = self.manifest["fasta"]
        return fasta

    @property
    def max_n_fraction(self) -> float:
        """The largest fraction of N of a window that was scored."""
        return float(self.manifest["options"]["max_n_fraction"])

    @property
    def has_alternatives(self) -> bool:
        """Whether there are logits of alternatives."""
        return bool(self.manifest["options"]["alleles"]) and not is_track(self.path)

    @property
    def is_whole(self) -> bool:
        """Whether all positions of the FASTA that have a window are there."""
        return not any(self.manifest[part] for part in ("contigs", "regions", "shard"))

    def verify(self) -> None:
        """Compare the whole file with the checksum of its manifest.

        Raises
        ------
        InputError
            When it has another one.
        """
        if remembered_sha256(self.path) != self.manifest["output"]["sha256"]:
            raise InputError(f"{self.path} is not as its manifest says (another sha256); scan again")
        if index := self.manifest["index"]:
            # An index of another file would make rows look as if they were not there.
            path = self.path.with_name(index)
            if remembered_sha256(path) != self.manifest["index_sha256"]:
                raise InputError(
                    f"{path} is not the index that was made with {self.path.name} (another sha256); scan "
                    "again, or bring the index that belongs to the table"
                )

    def look_up(self, contig: str, positions: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
        """Logits of positions.

        Parameters
        ----------
        contig : str
            The FASTA's name.
        positions : numpy.ndarray of int64, shape (n,)
            0-based, in any order; fastest where neighbours follow each other.

        Returns
        -------
        numpy.ndarray of float32, shape (n, 1) or (n, 5)
            The logit of the reference window; with :attr:`has_alternatives`, then those with A, C, G and T at
            the position. NaN where the file has none.

        Raises
        ------
        InputError
            When the file cannot be read.
        """
        logits = np.full((len(positions), 5 if self.has_alternatives else 1), np.nan, dtype=np.float32)
        windows = positions // self._width
        order = np.argsort(windows, kind="stable")
        for rows in np.split(order, np.flatnonzero(np.diff(windows[order])) + 1) if len(order) else ():
            number = int(windows[rows[0]])
            if number >= 0:
                logits[rows] = self._window(contig, number)[positions[rows] - number * self._width]
        return logits

    def fetch(self, contig: str, start: int, end: int) -> npt.NDArray[np.float32]:
        """Logits of consecutive positions, as from :meth:`look_up`.

        Parameters
        ----------
        contig : str
            The FASTA's name.
        start, end : int
            0-based half-open.
        """
        return self.look_up(contig, np.arange(start, end, dtype=np.int64))

    def _window(self, contig: str, number: int) -> npt.NDArray[np.float32]:
        key = (contig, number)
        if key not in self._windows:
            self._windows[key] = self._read(contig, number * self._width)
            if len(self._windows) > _WINDOWS:
                self._windows.popitem(last=False)
        self._windows.move_to_end(key)
        return self._windows[key]

    @abc.abstractmethod
    def _open(self) -> None:
        """Open the file in this process."""

    @abc.abstractmethod
    def _read(self, contig: str, start: int) -> npt.NDArray[np.float32]:
        """The logits of the positions of a window, shape (window, 1 or 5)."""

    def __getstate__(self) -> dict[str, Any]:
        return {"path": self.path}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(state["path"])  # type: ignore[misc] # opens the file again


class TrackScores(GenomeScores):
    """Those of a bigWig file of scores or logits.

    A logit is within 6e-8 / (1 - score) of the network's where the file has scores.
    """

    # A section of the file.
    _width = 4096

    def _open(self) -> None:
        column = self.manifest["columns"][0]
        if column not in ("mifm_ref", "mifm_logit_ref"):
            raise InputError(
                f"{self.path} holds {column}, of which no score can be had; use a track of mifm_ref or "
                "mifm_logit_ref, or a table"
            )
        self._is_score = column == "mifm_ref"
        try:
            self._file = needed("pyBigWig", "tracks").open(str(self.path))
            self._lengths: dict[str, int] = self._file.chroms()
        except RuntimeError as error:
            raise InputError(f"cannot read {self.path} as a bigWig file: {error}") from error

    def _read(self, contig: str, start: int) -> npt.NDArray[np.float32]:
        values = np.full(self._width, np.nan)
        end = min(start + self._width, self._lengths.get(contig, 0))
        if start < end:
            try:
                values[: end - start] = self._file.values(contig, start, end, numpy=True)
            except RuntimeError as error:
                raise InputError(f"cannot read {contig}:{start + 1}-{end} of {self.path}: {error}") from error
        if self._is_score:
            score = np.clip(values, np.finfo(np.float32).tiny, float(_LARGEST_SCORE))
            values = np.log(score) - np.log1p(-score)
        return values.astype(np.float32)[:, None]


class TableScores(GenomeScores):
    """Those of a table of positions, within 5e-7 of the network's."""

    # What an entry of the index of tabix is of.
    _width = 1 << 14

    def _open(self) -> None:
        from pysam import BGZFile

        columns = list(self.manifest["columns"])
        if "mifm_logit_ref" not in columns:
            raise InputError(
                f"{self.path} has the columns of CADD, with rounded scores; look scores up in a bigWig file, "
                "or in a table that was written without --snvs"
            )
        self._columns = columns
        self._numbers = ["mifm_logit_ref", *(ALLELE_COLUMNS if self.has_alternatives else ())]
        if str(self.manifest["index"]).endswith(".csi"):
            raise InputError(
                f"{self.path} has contigs that are too long for the index that look-up needs; use a "
                "bigWig file"
            )
        self._offsets = _linear_index(Path(f"{self.path}.tbi"))
        try:
            self._file = BGZFile(os.fspath(self.path), "rb")
        except OSError as error:
            raise InputError(f"cannot read {self.path}: {error}") from error

    def _read(self, contig: str, start: int) -> npt.NDArray[np.float32]:
        import pyarrow as pa
        import pyarrow.csv

        logits = np.full((self._width, len(self._numbers)), np.nan, dtype=np.float32)
        content = self._text(contig, start)
        if not content:
            return logits
        types = {name: pa.float32() for name in self._numbers} | {"pos": pa.int64(), "chrom": pa.string()}
        try:
            table = pyarrow.csv.read_csv(
                io.BytesIO(content),
                read_options=pyarrow.csv.ReadOptions(column_names=self._columns, use_threads=False),
                parse_options=pyarrow.csv.ParseOptions(delimiter="\t", quote_char=False),
                convert_options=pyarrow.csv.ConvertOptions(
                    column_types=types, include_columns=["chrom", "pos", *self._numbers]
                ),
            )
        except (pa.ArrowInvalid, OSError) as error:
            raise InputError(
                f"cannot read the rows of {self.path} at {contig}:{start + 1}: {error}"
            ) from error
        offsets = table["pos"].to_numpy() - 1 - start
        here = (offsets >= 0) & (offsets < self._width)
        here &= table["chrom"].to_numpy(zero_copy_only=False) == contig
        for column, name in enumerate(self._numbers):
            logits[offsets[here], column] = table[name].to_numpy()[here]
        return logits

    def _text(self, contig: str, start: int) -> bytes:
        """Whole lines, among them those of the window."""
        offsets = self._offsets.get(contig, ())
        if start // self._width >= len(offsets):
            return b""
        content = bytearray()
        last = f"{contig}\t".encode()
        # Windows before the first row may have no offset.
        offset = max(int(offsets[start // self._width]), int(min(filter(None, offsets))))
        try:
            self._file.seek(offset)
            while more := self._file.read(_READ):
                content += more
                whole = content.rfind(b"\n")
                line = content[content.rfind(b"\n", 0, whole) + 1 : whole]
                if not line.startswith(last) or int(line.split(b"\t", 2)[1]) >= start + self._width:
                    break
        except (OSError, ValueError, IndexError) as error:
            raise InputError(f"cannot read {self.path} at {contig}:{start + 1}: {error}") from error
        return bytes(content[: content.rfind(b"\n") + 1])


def open_genome_scores(path: str | os.PathLike[str]) -> GenomeScores:
    """Open a file that ``mifm genome`` wrote.

    Parameters
    ----------
    path : path-like
        A bigWig file of ``mifm_ref`` or ``mifm_logit_ref``, or a table of positions.

    Raises
    ------
    InputError
        When it is another file.
    MissingPackageError
        When pyBigWig is not installed, for a bigWig file.
    """
    path = Path(path)
    return TrackScores(path) if is_track(path) else TableScores(path)


def _checked_manifest(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise InputError(f"there is no file {path}")
    manifest = read_manifest(path)
    if manifest.get("kind") != KIND:
        raise InputError(
            f"{path} has no manifest {manifest_path(path).name} of 'mifm genome' beside it, which says what "
            "its scores are of"
        )
    if path.stat().st_size != manifest.get("bytes"):
        raise InputError(
            f"{path} is not as its manifest says: it has {path.stat().st_size} bytes, not "
            f"{manifest.get('bytes')}; scan again"
        )
    return manifest


_HEAD = struct.Struct("<4s8i")


def _linear_index(path: Path) -> dict[str, npt.NDArray[np.uint64]]:
    """Where in a file the first row of each window of each contig is, from its index of tabix."""
    try:
        content = gzip.decompress(path.read_bytes())
        magic, count, *_, size = _HEAD.unpack_from(content)
        if magic != b"TBI\1":
            raise ValueError("it does not begin as one")
        names = content[_HEAD.size : _HEAD.size + size].split(b"\0")[:count]
        at = _HEAD.size + size
        index = {}
        for name in names:
            (bins,) = struct.unpack_from("<i", content, at)
            at += 4
            for _ in range(bins):
                _, chunks = struct.unpack_from("<Ii", content, at)
                at += 8 + 16 * chunks
            (windows,) = struct.unpack_from("<i", content, at)
            index[name.decode()] = np.frombuffer(content, "<u8", windows, at + 4)
            at += 4 + 8 * windows
    except (OSError, EOFError, ValueError, struct.error) as error:
        raise InputError(
            f"cannot read the index {path}: {error}; make it with 'tabix -s1 -b2 -e2 -S1'"
        ) from error
    return index
