"""Write the packaged study and the packaged locus into a folder."""

from __future__ import annotations

import dataclasses
import gzip
import os
import shutil
import tarfile
from pathlib import Path

from mifm_kipoi.errors import OutputError
from mifm_kipoi.support.bgzf import BGZF_END, bgzf_blocks
from mifm_kipoi.support.files import workspace

STUDY = Path(__file__).with_name("study.tar.xz")
"""All files of the study, none of them compressed by itself; ``python -m benchmarks example`` makes it."""

LOCUS = "locus"
"""Folder of the real locus, which ``mifm demo`` ranks."""

_LOCUS_FILES = ("README.md", "genome.fa.gz", "genome.fa.gz.fai", "genome.fa.gz.gzi", "variants.vcf")
_LOCUS_SOURCE = Path(__file__).parent.parent / "kipoi" / "example"


@dataclasses.dataclass(frozen=True)
class Example:
    """What was written.

    Parameters
    ----------
    folder : Path
        Where.
    files : tuple of Path
        Relative to it, in the order of their names.
    """

    folder: Path
    files: tuple[Path, ...]


def write_example(folder: str | os.PathLike[str]) -> Example:
    """Write all files of the study and of the locus; its ``README.md`` says what each one is.

    Parameters
    ----------
    folder : path-like
        A new or an empty folder.

    Returns
    -------
    Example
        The folder and its files.

    Raises
    ------
    OutputError
        When the folder has files, or cannot be written.
    """
    folder = Path(folder).absolute()
    if folder.is_file() or (folder.is_dir() and any(folder.iterdir())):
        raise OutputError(f"{folder} is there already; name a new folder, or remove it")
    try:
        with workspace(folder) as private:
            whole = private / "example"
            whole.mkdir()
            _unpack(whole)
            (whole / LOCUS).mkdir()
            for name in _LOCUS_FILES:
                shutil.copyfile(_LOCUS_SOURCE / name, whole / LOCUS / name)
            files = tuple(sorted(path.relative_to(whole) for path in whole.rglob("*") if path.is_file()))
            if folder.exists():
                # It may be the one that the user's shell is in, which must stay the same.
                for path in whole.iterdir():
                    path.replace(folder / path.name)
            else:
                whole.replace(folder)
    except OSError as error:
        raise OutputError(f"cannot write {folder}: {error.strerror or error}") from error
    return Example(folder, files)


def _unpack(folder: Path) -> None:
    """Write the members of the archive, compressed where their names say so."""
    with tarfile.open(STUDY) as archive:
        for member in archive:
            path = folder / member.name
            path.parent.mkdir(parents=True, exist_ok=True)
            stream = archive.extractfile(member)
            content = stream.read() if stream else b""
            if path.name.endswith(".vcf.gz"):
                content = bgzf_blocks(content) + BGZF_END
            elif path.suffix == ".gz":
                # Without a time: equal everywhere.
                content = gzip.compress(content, mtime=0)
            path.write_bytes(content)
