"""Files with which a genome browser opens a scan: sessions of IGV, a track hub for the UCSC browser."""

from __future__ import annotations

import json
import os
import xml.etree.ElementTree as ET
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mifm_kipoi.genomics.genome import Genome
from mifm_kipoi.support.bigwig import outline_of
from mifm_kipoi.support.files import written_whole

_COLOUR = "31,90,166"

_NAMES = {
    "mifm_ref": "MIFM score",
    "mifm_logit_ref": "MIFM logit",
    "mifm_percentile": "MIFM percentile",
    "mifm_phred": "MIFM PHRED",
}
"""What a track is called, by its column."""

_FROM_ZERO = ("mifm_ref", "mifm_percentile", "mifm_phred")
"""Columns whose axis begins at 0."""


def igv_session_paths(track: Path) -> tuple[Path, Path]:
    """Where the sessions of a track are written: that of IGV, and that of igv.js."""
    return Path(f"{track}.igv.xml"), Path(f"{track}.igv.json")


def ucsc_hub_path(track: Path) -> Path:
    """Where the hub of a track is written."""
    return Path(f"{track}.hub.txt")


def write_igv_sessions(track: Path, genome: Genome, manifest: Mapping[str, Any]) -> tuple[Path, Path]:
    """Write sessions of IGV: the FASTA as the genome, and the track.

    One is for the desktop application, the other for igv.js in web pages. Files are named relative to
    them, so that they can be moved together.

    Parameters
    ----------
    track : Path
        A bigWig file.
    genome : Genome
        What it is of.
    manifest : mapping
        That of the track.

    Returns
    -------
    (Path, Path)
        ``TRACK.igv.xml`` and ``TRACK.igv.json``.

    Raises
    ------
    OutputError
        When one cannot be written.
    """
    desktop, web = igv_session_paths(track)
    column, low, high, first = _shown(track, genome, manifest)
    fasta = os.path.relpath(genome.path.resolve(), track.resolve().parent)
    locus = f"{first[0]}:{first[1] + 1}-{first[2]}"
    session = ET.Element("Session", genome=fasta, locus=locus, version="8")
    ET.SubElement(ET.SubElement(session, "Resources"), "Resource", path=track.name, type="bw")
    panel = ET.SubElement(session, "Panel", name="DataPanel")
    shown = ET.SubElement(
        panel, "Track", id=track.name, name=_NAMES[column], autoScale="false", color=_COLOUR, height="120",
        renderer="BAR_CHART", windowFunction="mean",
    )  # fmt: skip
    ET.SubElement(
        shown, "DataRange", type="LINEAR", baseline=f"{low:g}", minimum=f"{low:g}", maximum=f"{high:g}"
    )
    ET.indent(session)
    with written_whole(desktop) as temporary:
        ET.ElementTree(session).write(temporary, encoding="UTF-8", xml_declaration=True)
    reference = {"id": genome.path.name, "fastaURL": fasta, "indexURL": f"{fasta}.fai"}
    if os.path.exists(f"{genome.path}.gzi"):
        reference["compressedIndexURL"] = f"{fasta}.gzi"
    record = {
        "reference": reference,
        "locus": locus,
        "tracks": [
            {
                "name": _NAMES[column],
                "type": "wig",
                "format": "bigwig",
                "url": track.name,
                "min": low,
                "max": high,
                "color": f"rgb({_COLOUR})",
                "height": 120,
            }
        ],
    }
    with written_whole(web) as temporary:
        temporary.write_text(json.dumps(record, indent=1) + "\n")
    return desktop, web


def write_ucsc_hub(track: Path, genome: Genome, build: str, manifest: Mapping[str, Any]) -> Path:
    """Write a track hub of one file for the UCSC genome browser.

    The browser must reach it and the track under one web address, from a server that answers requests for
    parts of files.

    Parameters
    ----------
    track : Path
        A bigWig file.
    genome : Genome
        What it is of.
    build : str
        The browser's name of the assembly, such as ``hg19``.
    manifest : mapping
        That of the track.

    Returns
    -------
    Path
        ``TRACK.hub.txt``.

    Raises
    ------
    OutputError
        When it cannot be written.
    """
    path = ucsc_hub_path(track)
    column, low, high, _ = _shown(track, genome, manifest)
    weights = manifest["weights"][0]["name"]
    stanzas: list[dict[str, str]] = [
        {
            "hub": "mifm",
            "shortLabel": "MIFM",
            "longLabel": f"MIFM, {manifest['mifm_kipoi']}, weights {weights}",
            "useOneFile": "on",
            "email": "none",
        },
        {"genome": build},
        {
            "track": column,
            "bigDataUrl": track.name,
            "shortLabel": _NAMES[column],
            "longLabel": f"{_NAMES[column]} of the position, weights {weights}",
            "type": f"bigWig {low:g} {high:g}",
            "viewLimits": f"{low:g}:{high:g}",
            "autoScale": "off",
            "visibility": "full",
            "maxHeightPixels": "120:60:16",
            "color": _COLOUR,
        },
    ]
    text = "\n".join("".join(f"{key} {value}\n" for key, value in stanza.items()) for stanza in stanzas)
    with written_whole(path) as temporary:
        temporary.write_text(text)
    return path


def _shown(
    track: Path, genome: Genome, manifest: Mapping[str, Any]
) -> tuple[str, float, float, tuple[str, int, int]]:
    """The column, the ends of its axis, and the region that is shown first."""
    column = manifest["columns"][0]
    outline = outline_of(track)
    low = 0.0 if column in _FROM_ZERO else outline.least
    number, start = outline.first or (0, 0)
    contig, length = list(genome.contigs.items())[number]
    return column, low, outline.largest, (contig, start, min(start + _FIRST_BP, length))


_FIRST_BP = 10_000
"""Positions that are shown first."""
