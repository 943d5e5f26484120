"""Join the outputs of the parts of one scan."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mifm_kipoi.errors import OptionError
from mifm_kipoi.genome_scan.formats import format_of, is_track
from mifm_kipoi.genome_scan.run import IDENTITY, KIND, SCORED, GenomeResult
from mifm_kipoi.scoring.merge import Joined, merge_parts
from mifm_kipoi.scoring.run import read_manifest


def is_of_scan(part: Path) -> bool:
    """Whether a file was written by ``mifm genome``, as its manifest says."""
    return read_manifest(part).get("kind") == KIND


def merge(parts: Sequence[Path], output: Path) -> GenomeResult:
    """Join the outputs of ``mifm genome --shard`` as one run would have written them, byte for byte.

    Parameters
    ----------
    parts : sequence of Path
        The outputs of all parts, in any order, all of one format, their manifests beside them.
    output : Path
        The file of the whole, of the format of the parts.

    Returns
    -------
    GenomeResult
        What was written, and its manifest.

    Raises
    ------
    InputError
        When a part is missing, duplicated, damaged, or of another run: other weights, options or inputs.
    OptionError
        When the parts or the output have different formats.
    """
    for part in parts:
        if is_track(part) != is_track(output):
            raise OptionError(f"{part} has another format than {output}; expected the same ending")

    def join(first: dict[str, Any], ordered: Sequence[Path], folder: Path) -> Joined:
        form = format_of(output, first["columns"])
        grown = folder / "joined"
        form.join(ordered, grown)
        finished, index = form.finish(grown, folder)
        manifests = [read_manifest(part) for part in ordered]
        rows = sum(manifest["status"].get(SCORED, 0) for manifest in manifests)
        seconds = sum(manifest["seconds"] for manifest in manifests)
        entries = {
            "rows": rows,
            "bytes": finished.stat().st_size,
            "rows_per_second": round(rows / max(seconds, 0.01), 1),
        }
        return Joined(finished, index, entries)

    return GenomeResult((output,), {output: merge_parts(parts, output, join, IDENTITY)})
