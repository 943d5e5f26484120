"""Join the outputs of the parts of one scoring run."""

from __future__ import annotations

import collections
import dataclasses
import itertools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from mifm_kipoi.errors import InputError, OptionError
from mifm_kipoi.scoring.formats import find_format
from mifm_kipoi.scoring.journal import Journal
from mifm_kipoi.scoring.run import IDENTITY, ScoringResult, check_output, publish, read_manifest
from mifm_kipoi.scoring.run import provenance as provenance_of
from mifm_kipoi.support.files import sha256_of, writing
from mifm_kipoi.support.provenance import differences


def merge(parts: Sequence[Path], output: Path) -> ScoringResult:
    """Join the outputs of ``mifm score --shard`` as one run would have written them.

    Parameters
    ----------
    parts : sequence of Path
        The outputs of all parts, in any order, their manifests beside them.
    output : Path
        The file of all rows, of the format of the parts.

    Returns
    -------
    ScoringResult
        What was written, and the manifest of the whole.

    Raises
    ------
    InputError
        When a part is missing, duplicated, damaged, or of another run: other weights, options or inputs.
    OptionError
        When the parts or the output have different formats.
    """
    form = find_format(output)
    for part in parts:
        if find_format(part) is not form:
            raise OptionError(f"{part} has another format than {output}; expected the same ending")

    def join(first: dict[str, Any], ordered: Sequence[Path], folder: Path) -> Joined:
        written = form(first["columns"], provenance_of(first))
        finished, index = written.merge(ordered, folder)
        return Joined(finished, index, {"not_indexed": written.not_indexed} if written.not_indexed else {})

    return ScoringResult(output, merge_parts(parts, output, join, IDENTITY))


@dataclasses.dataclass(frozen=True)
class Joined:
    """A file of all parts.

    Parameters
    ----------
    finished : Path
        The file, under a temporary name.
    index : Path or None
        Its index, in the same way.
    entries : dict of plain JSON types
        What is added to the manifest.
    """

    finished: Path
    index: Path | None
    entries: dict[str, Any]


def merge_parts(
    parts: Sequence[Path],
    output: Path,
    join: Callable[[dict[str, Any], Sequence[Path], Path], Joined],
    identity: Sequence[str],
) -> dict[str, Any]:
    """Join the parts of one run of any command that has shards.

    Parameters
    ----------
    parts : sequence of Path
        All parts, in any order.
    output : Path
        The file of all rows.
    join : callable
        Receives the manifest of the first part, the parts in their order and a private folder.
    identity : sequence of str
        Entries of a manifest that must be the same for all parts, but for ``shard``.

    Returns
    -------
    dict of plain JSON types
        The manifest of the whole.

    Raises
    ------
    InputError
        As :func:`merge`.
    """
    check_output(output, parts)
    manifests = {part: _checked_manifest(part) for part in set(parts)}
    ordered = sorted(parts, key=lambda part: tuple(manifests[part]["shard"]))
    _check_whole(ordered, manifests, identity)
    journal = Journal(output, {}, 0)
    with journal.locked() as folder:
        if journal.note.exists():
            raise InputError(
                f"{journal.partial} is of a run that did not end; end it with --resume, or delete it and "
                f"{journal.note.name} first"
            )
        with writing(output):
            joined = join(manifests[ordered[0]], ordered, folder)
        manifest = _joined_manifest([manifests[part] for part in ordered]) | joined.entries
        publish(joined.finished, joined.index, output, manifest)
    return manifest


def _checked_manifest(part: Path) -> dict[str, Any]:
    """The manifest of a part that is as its run wrote it."""
    manifest = read_manifest(part)
    try:
        shard, sha256 = manifest["shard"], manifest["output"]["sha256"]
    except (KeyError, TypeError) as error:
        raise InputError(
            f"{part} has no manifest {part.name}.json that can be read; it is written with every output"
        ) from error
    if not shard:
        raise InputError(f"{part} is not a part of a run, but the whole of one; there is nothing to join")
    if sha256_of(part) != sha256:
        raise InputError(f"{part} is not as its manifest says (another sha256); make this part again")
    return manifest


def _check_whole(
    ordered: Sequence[Path], manifests: dict[Path, dict[str, Any]], identity: Sequence[str]
) -> None:
    """Every part of one run, once."""
    first = manifests[ordered[0]]
    for part in ordered[1:]:
        of_first, of_part = (
            {key: manifest.get(key) for key in identity if key != "shard"}
            for manifest in (first, manifests[part])
        )
        if changed := differences(of_first, of_part):
            raise InputError(f"{part} is of another run than {ordered[0]}: {'; '.join(changed)}")
    counts = collections.Counter(tuple(manifests[part]["shard"]) for part in ordered)
    parts = first["shard"][1]
    if others := sorted({total for _, total in counts} - {parts}):
        raise InputError(f"the parts are of runs of {parts} and of {others[0]} parts; expected one run")
    missing = [str(number) for number in range(1, parts + 1) if (number, parts) not in counts]
    if missing:
        raise InputError(f"missing: part {', '.join(missing)} of {parts}")
    if twice := [part for part, _ in counts if counts[part, parts] > 1]:
        raise InputError(f"part {twice[0]} of {parts} is there {counts[twice[0], parts]} times")
    for left, right in itertools.pairwise(ordered):
        if manifests[left]["records"][1] != manifests[right]["records"][0]:
            raise InputError(f"{right} does not begin with the record at which {left} ends")


def _joined_manifest(manifests: Sequence[dict[str, Any]]) -> dict[str, Any]:
    statuses: collections.Counter[str] = collections.Counter()
    for manifest in manifests:
        statuses.update(manifest["status"])
    seconds = sum(manifest["seconds"] for manifest in manifests)
    rows = statuses.total()
    return {
        **manifests[0],
        "shard": None,
        "records": [manifests[0]["records"][0], manifests[-1]["records"][1]],
        "rows": rows,
        "status": dict(statuses.most_common()),
        "seconds": round(seconds, 2),
        "rows_per_second": round(rows / max(seconds, 0.01), 1),
        "finished": max(manifest["finished"] for manifest in manifests),
        "parts": [manifest["output"] for manifest in manifests],
    }
