"""Steps of a study: what each is made of, and whether what is on disk is just that."""

from __future__ import annotations

import dataclasses
import enum
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from mifm_kipoi.errors import InputError
from mifm_kipoi.support.files import written_whole
from mifm_kipoi.support.provenance import described, differences

NOTE = "made_of.json"
"""In the folder of each step: what it was made of and what it wrote; written when it is complete."""

GENOTYPES = ((".bed", ".bim", ".fam"), (".pgen", ".pvar", ".psam"), (".pgen", ".pvar.zst", ".psam"))
"""Files that one name without a suffix, or the first of them, stands for."""

_HOW = frozenset({"folder", "threads", "workers", "memory"})
"""Options that say where and how something is computed; the numbers do not depend on them."""


@dataclasses.dataclass(frozen=True)
class Step:
    """A step of a study.

    Parameters
    ----------
    folder : Path
        Of its outputs.
    made_of : mapping of str to object
        All that its outputs depend on, as plain JSON types.
    """

    folder: Path
    made_of: Mapping[str, Any]

    def reason(self) -> str:
        """Why it has to be done, in words; empty where it is done."""
        try:
            note = json.loads((self.folder / NOTE).read_text())
            known, files = note["made_of"], note["files"]
            changed = differences(known, self.made_of)
            missing = [one["name"] for one in files if not _is(self.folder / one["name"], one["sha256"])]
        except FileNotFoundError:
            return "not done yet"
        except (OSError, ValueError, KeyError, TypeError) as error:
            return f"{self.folder / NOTE} cannot be used: {error}"
        more = f" and {len(changed) - 3} more" if len(changed) > 3 else ""
        if changed:
            return f"{'; '.join(changed[:3])}{more}"
        return f"{missing[0]} is missing or was changed" if missing else ""

    def end(self, files: Iterable[Path]) -> None:
        """Note that it is done, and remove what only an earlier run wrote; other files stay.

        Until then the note of an earlier run stays as well: where a run ends early, its outputs are either as
        they were or not those of the note.

        Parameters
        ----------
        files : iterable of Path
            What it wrote, in its folder or beside it.
        """
        earlier = self._written()
        written = [
            {"name": os.path.relpath(path, self.folder), "sha256": described(path)["sha256"]}
            for path in files
        ]
        with written_whole(self.folder / NOTE) as temporary:
            temporary.write_text(json.dumps({"made_of": self.made_of, "files": written}, indent=1) + "\n")
        for name in earlier - {one["name"] for one in written}:
            (self.folder / name).unlink(missing_ok=True)

    def _written(self) -> set[str]:
        """The files of an earlier run, as its note has them."""
        try:
            return {one["name"] for one in json.loads((self.folder / NOTE).read_text())["files"]}
        except (OSError, ValueError, KeyError, TypeError):
            return set()


def made_of(options: Any, **more: Any) -> dict[str, Any]:
    """What the outputs of a run depend on: its options, with the content of the files that they name.

    Parameters
    ----------
    options : dataclass
        A run: numbers, texts, paths, and tuples, mappings and dataclasses of these.
    **more : object
        Further plain JSON types, such as a version.

    Raises
    ------
    InputError
        When a file does not exist; the message names the option.
    """
    return {**more, **_plain(options, "")}


def check_inputs(options: Any, prefix: str) -> None:
    """Refuse paths that lead nowhere, before anything is computed.

    Parameters
    ----------
    options : dataclass
        A run, whose ``folder`` need not exist.
    prefix : str
        Before the names of its options in the message: ``score.``.

    Raises
    ------
    InputError
        When a file does not exist; the message names the option.
    """
    for key, path in _paths(options, prefix):
        files_of(path, key)


def files_of(path: Path, key: str = "") -> list[Path]:
    """The files that a path stands for: itself, those of a folder, or those of a set of genotypes.

    Parameters
    ----------
    path : Path
        A file, a folder, or the common name of the files of PLINK.
    key : str
        What the path is, for the message.

    Raises
    ------
    InputError
        When there is no such file.
    """
    for suffixes in GENOTYPES:
        stem = path.with_suffix("") if path.suffix == suffixes[0] else path
        files = [stem.parent / f"{stem.name}{suffix}" for suffix in suffixes]
        if all(file.is_file() for file in files):
            return files
    if path.is_dir():
        return sorted(file for file in path.iterdir() if file.is_file())
    if not path.exists():
        raise InputError(f"{key + ': ' if key else ''}{path} does not exist")
    return [path]


def _paths(options: Any, key: str) -> Iterator[tuple[str, Path]]:
    if isinstance(options, Path):
        yield key, options
    elif dataclasses.is_dataclass(options):
        for field in dataclasses.fields(options):
            if field.name not in _HOW:
                yield from _paths(getattr(options, field.name), _joined(key, field.name))
    elif isinstance(options, Mapping):
        for name, value in options.items():
            yield from _paths(value, _joined(key, str(name)))
    elif isinstance(options, tuple | list):
        for row, value in enumerate(options):
            yield from _paths(value, f"{key}[{row}]")


def _plain(options: Any, key: str) -> Any:
    if isinstance(options, Path):
        files = [described(file) for file in files_of(options, key)]
        return files[0] if len(files) == 1 else files
    if dataclasses.is_dataclass(options):
        return {
            field.name: _plain(getattr(options, field.name), _joined(key, field.name))
            for field in dataclasses.fields(options)
            if field.name not in _HOW
        }
    if isinstance(options, Mapping):
        return {str(name): _plain(value, _joined(key, str(name))) for name, value in options.items()}
    if isinstance(options, tuple | list):
        return [_plain(value, f"{key}[{row}]") for row, value in enumerate(options)]
    return options.value if isinstance(options, enum.Enum) else options


def _joined(key: str, name: str) -> str:
    return f"{key}.{name}" if key else name


def _is(path: Path, sha256: str) -> bool:
    return path.is_file() and described(path)["sha256"] == sha256
