"""Enformer's effects of common variants, as its authors published them."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from mifm_kipoi.baselines.protocol import ComputeOptions, Declaration, Evidence, Score
from mifm_kipoi.baselines.tables.looked_up import UNORDERED, LookedUp, content_of
from mifm_kipoi.baselines.tables.variant_columns import TableVariants
from mifm_kipoi.baselines.tables.variant_rows import Combine, Lookup, RowsBuilder, Values, agreed
from mifm_kipoi.errors import InputError
from mifm_kipoi.genomics.contigs import contig_key
from mifm_kipoi.genomics.variants import Variant

_PER_VARIANT = ("chr", "pos", "ref", "alt")
_SUFFIXES = (".h5", ".hdf5")

_NEAR = 8
"""Rows at most this many apart are read together, with those between them."""

_MOST_BYTES = 1 << 25
"""Largest number of bytes of effects in one read."""

_CACHE_BYTES = 1 << 26
"""Bytes of chunks that HDF5 keeps, so that neighbouring rows are not decompressed again."""


def open_enformer_sad(argument: str, compute: ComputeOptions) -> LookedUp:  # noqa: ARG001 - nothing is computed
    """``enformer-sad:FILE_OR_FOLDER``: Enformer's published effects of 1000 Genomes variants, in HDF5.

    The files, one for each chromosome of GRCh37, are called such as ``1000G.MAF_threshold=0.005.10.h5``; a
    folder stands for all in it that end in .h5 or .hdf5. They have the form of ``basenji_sad.py``: ``chr``,
    ``pos``, ``ref``, ``alt`` of each variant (``pos`` 1-based), ``target_ids`` of each track, and ``SAD``,
    alternative less reference prediction summed over the window's bins, float16 of shape (variants, tracks).
    Positions take 20 bytes of memory a variant; effects are read as they are needed.

    Effects are not normalised, as the files hold no moments of them.

    Raises
    ------
    InputError
        When there is no file, one is not as described, or they have different tracks.
    """
    path = Path(argument)
    inside = path.iterdir() if path.is_dir() else (path,)
    paths = sorted(file for file in inside if file == path or file.suffix in _SUFFIXES)
    if not paths:
        raise InputError(
            f"there is no file that ends in {' or '.join(_SUFFIXES)} in {path}; expected Enformer's SAD files"
        )
    files = [_SADFile.of(file) for file in paths]
    other = next((file for file in files if file.tracks_sha256 != files[0].tracks_sha256), None)
    if other is not None:
        raise InputError(
            f"{other.path} has other target_ids than {files[0].path}; expected the same tracks in all"
        )
    return LookedUp(
        path,
        _SADFiles(files),
        agreed,
        Declaration(
            name="Enformer (published effects)",
            scores=(
                Score(
                    "max_abs_sad",
                    "largest |alternative - reference| over the tracks, each summed over the window; "
                    "not normalised, so that tracks of high counts decide it. None where the effect on a "
                    "track is not finite in float16",
                    evidence=Evidence.SEQUENCE,
                ),
            ),
            alleles=UNORDERED,
            formula="max over tracks of |SAD|",
            citation="Avsec Ž et al. (2021) Nat Methods 18: 1196",
            tracks=files[0].tracks,
            provenance={
                "files": {file.path.name: content_of(file.path) for file in files},
                "target_ids_sha256": files[0].tracks_sha256,
            },
            leakage=(
                "trained on functional tracks of regions of all chromosomes, the reference sequence of many "
                "variants among them; on no GWAS"
            ),
        ),
    )


@dataclasses.dataclass(frozen=True)
class _SADFile:
    """One file, and where its variants lie: positions ascending, with the rows that have them."""

    path: Path
    contigs: tuple[str, ...]
    contig: npt.NDArray[np.int32]
    pos: npt.NDArray[np.int64]
    row: npt.NDArray[np.int64]
    tracks: int
    tracks_sha256: str

    @classmethod
    def of(cls, path: Path) -> _SADFile:
        with _opened(path) as file:
            tracks = _check(path, file)
            names, contig = np.unique(file["chr"][:].astype("S"), return_inverse=True)
            pos = file["pos"][:].astype(np.int64)
            order = np.lexsort((pos, contig))
            return cls(
                path,
                tuple(contig_key(name.decode()) for name in names),
                contig[order].astype(np.int32),
                pos[order],
                order,
                tracks,
                hashlib.sha256(b"\n".join(file["target_ids"][:].astype("S"))).hexdigest(),
            )

    def rows(self, wanted: dict[str, set[int]]) -> npt.NDArray[np.int64]:
        """Rows at positions of contigs, ascending."""
        parts = [np.empty(0, np.int64)]
        for number, name in enumerate(self.contigs):
            positions = np.array(sorted(wanted.get(name, ())), dtype=np.int64)
            start, end = np.searchsorted(self.contig, (number, number + 1))
            first = start + np.searchsorted(self.pos[start:end], positions, side="left")
            behind = start + np.searchsorted(self.pos[start:end], positions, side="right")
            parts += [self.row[low:high] for low, high in zip(first, behind, strict=True) if low < high]
        return np.sort(np.concatenate(parts))

    def read(self, rows: npt.NDArray[np.int64]) -> Iterator[tuple[TableVariants, Values]]:
        """Variants of rows, which ascend, and the largest absolute effect of each, (n, 1)."""
        import pyarrow as pa

        most = max(_MOST_BYTES // (2 * self.tracks), 1)
        with _opened(self.path) as file:
            for run in _runs(rows, most):
                first, inside = run[0], run - run[0]
                effects = np.abs(file["SAD"][first : run[-1] + 1][inside]).max(axis=1).astype(np.float64)
                chrom, ref, alt = (
                    pa.array([text.decode() for text in file[name][first : run[-1] + 1][inside]])
                    for name in ("chr", "ref", "alt")
                )
                pos = file["pos"][first : run[-1] + 1][inside].astype(np.int64)
                variants = TableVariants(chrom, pos, ref, alt, np.ones(len(run), dtype=bool))
                yield variants, np.where(np.isfinite(effects), effects, np.nan)[:, np.newaxis]


@dataclasses.dataclass(frozen=True)
class _SADFiles:
    """Effects in several files."""

    files: Sequence[_SADFile]

    def look_up(self, variants: Sequence[Variant], combine: Combine) -> Lookup:
        wanted: dict[str, set[int]] = {}
        for variant in variants:
            wanted.setdefault(contig_key(variant.chrom), set()).add(variant.pos)
        builder = RowsBuilder(1, ordered=False)
        for file in self.files:
            for rows, values in file.read(file.rows(wanted)):
                builder.add(rows, values)
        return builder.done().look_up(variants, combine)


def _runs(rows: npt.NDArray[np.int64], most: int) -> Iterator[npt.NDArray[np.int64]]:
    """Rows that are read together: near ones, and no more than ``most`` with those between them."""
    start = 0
    for number in range(1, len(rows) + 1):
        if number == len(rows) or rows[number] > min(rows[number - 1] + _NEAR, rows[start] + most - 1):
            yield rows[start:number]
            start = number


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[Any]:
    import h5py

    try:
        with h5py.File(path, "r", rdcc_nbytes=_CACHE_BYTES) as file:
            yield file
    except OSError as error:
        raise InputError(
            f"cannot read {path}: {error}; expected one of Enformer's SAD files, HDF5"
        ) from error


def _check(path: Path, file: Any) -> int:
    """The number of tracks of a file that is as it should be."""
    import h5py

    names = (*_PER_VARIANT, "target_ids", "SAD")
    missing = [name for name in names if not isinstance(file.get(name), h5py.Dataset)]
    if missing:
        raise InputError(
            f"{path} has no dataset {', '.join(missing)}; it has {', '.join(file)}. Expected one of "
            "Enformer's SAD files, as basenji_sad.py writes them"
        )
    shapes = {name: file[name].shape for name in names}
    variants, tracks = shapes["pos"][:1], shapes["target_ids"][:1]
    fits = all(shapes[name] == variants for name in _PER_VARIANT) and shapes["SAD"] == (*variants, *tracks)
    kinds = file["pos"].dtype.kind, file["SAD"].dtype.kind
    if not fits or len(shapes["target_ids"]) != 1 or not tracks[0] or kinds[0] not in "iu" or kinds[1] != "f":
        raise InputError(
            f"{path} has datasets of shapes {shapes}, pos of {file['pos'].dtype} and SAD of "
            f"{file['SAD'].dtype}; expected chr, pos, ref, alt of each variant, target_ids of each track, "
            "whole numbers in pos, and floating point numbers in SAD, (variants, tracks)"
        )
    return int(tracks[0])
