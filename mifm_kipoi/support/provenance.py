"""What made an output, and whether what is there was made of the same inputs and settings."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mifm_kipoi.support.checksums import remembered_sha256

_CHECKSUM = re.compile(r"[0-9a-f]{64}")


def described(path: str | os.PathLike[str]) -> dict[str, str]:
    """What identifies an input or an output in a manifest: its name and the checksum of its content.

    The folder is left out, so that files can be moved together with what was made of them.

    Parameters
    ----------
    path : path-like
        A file that can be read again; a pipe has no description.

    Returns
    -------
    dict of str to str
        ``name``, the last part of the path, and ``sha256``, 64 hexadecimal digits.

    Raises
    ------
    InputError
        When it cannot be read.
    """
    return {"name": Path(path).name, "sha256": remembered_sha256(path)}


def differences(old: Any, new: Any) -> list[str]:
    """In what a run on disk and this one differ, each difference in words for a message.

    Both are the identity of a run: a mapping of plain JSON types with all that must be the same for the
    outputs to be the same. A caller that finds any refuses to go on, for example::

        changed = differences(note["identity"], identity)
        if changed:
            raise InputError(f"{note} is of another run: {'; '.join(changed)}; delete it to start again")

    Parameters
    ----------
    old : mapping or other plain JSON type
        The identity that is noted on disk.
    new : mapping or other plain JSON type
        The identity of this run. Tuples count as the lists that JSON makes of them.

    Returns
    -------
    list of str
        Empty for the same run. Otherwise one phrase for each entry that differs, in the order of its name:
        ``options.shift was 0 and is 2``, ``regions was not set and is peaks.bed``, and for a file of
        :func:`described` whose name is the same ``variants (calls.vcf) has other content``.
    """
    return _differences(_plain(old), _plain(new), "")


def _differences(old: Any, new: Any, key: str) -> list[str]:
    if old == new:
        return []
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        if _is_file(old) and _is_file(new):
            if old["name"] == new["name"]:
                return [f"{key} ({new['name']}) has other content".strip()]
            return [f"{key} was {old['name']} and is {new['name']}".strip()]
        prefix = f"{key}." if key else ""
        names = sorted({*old, *new})
        return [
            line for name in names for line in _differences(old.get(name), new.get(name), f"{prefix}{name}")
        ]
    if isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        both = enumerate(zip(old, new, strict=True))
        if any(isinstance(value, Mapping) for value in (*old, *new)):
            return [line for row, pair in both for line in _differences(*pair, f"{key}[{row}]")]
    return [f"{key} was {_in_words(old)} and is {_in_words(new)}".strip()]


def _is_file(value: Mapping[str, Any]) -> bool:
    return set(value) == {"name", "sha256"}


def _in_words(value: Any) -> str:
    if value is None:
        return "not set"
    if isinstance(value, Mapping) and _is_file(value):
        return str(value["name"])
    if isinstance(value, str) and _CHECKSUM.fullmatch(value):
        return f"{value[:12]}..."
    return str(value)


def _plain(value: Any) -> Any:
    """Tuples as the lists that JSON makes of them."""
    if isinstance(value, Mapping):
        return {str(key): _plain(entry) for key, entry in value.items()}
    return [_plain(entry) for entry in value] if isinstance(value, list | tuple) else value
