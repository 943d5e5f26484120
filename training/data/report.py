"""The report of a data set, for people: what became of every row of the tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any


def render(manifest: Mapping[str, Any]) -> str:
    """The manifest's report as Markdown.

    Parameters
    ----------
    manifest : mapping
        Of :func:`training.data.prepare.prepare`.
    """
    report = manifest["report"]
    variants = dict(report["variants"])
    orientation, absent = variants.pop("orientation", {}), variants.pop("contigs_not_in_fasta", [])
    parts = [
        "# Data set",
        f"Made by `{manifest['command']}` of version {manifest['version']}. "
        f"REF was {manifest['reference']} against a FASTA.",
        "## Rows of the table",
        "Rows are refused for the first reason that holds; those kept go on.",
        _table(("rows", "number"), report["source"].items()),
        "## Variants",
        "A variant is a contig, a position and a pair of alleles. Rows of one variant in one block and "
        "signal are united: over studies, or within a study where the table repeats them.",
        _table(("what", "number"), variants.items()),
    ]
    if orientation:
        parts += ["Variants against the FASTA:", _table(("status", "variants"), orientation.items())]
    if absent:
        parts += ["Contigs that the FASTA lacks: " + ", ".join(absent)]
    filters = report["filters"]
    signals = sorted({**filters["positive_bags_before"], **filters["positive_bags_after"]})
    parts += [
        "## Positive bags",
        _table(
            ("signal", "blocks of the table", "after filters", "in the data set"),
            (
                (
                    signal,
                    *(
                        counts.get(signal, 0)
                        for counts in (
                            filters["positive_bags_before"],
                            filters["positive_bags_after"],
                            report["bags"]["positive_bags"],
                        )
                    ),
                )
                for signal in signals
            ),
        ),
        "What was left out:",
        _table(
            ("what", "number"),
            ((name, value) for name, value in _flat(filters) if "positive_bags" not in name),
        ),
        "Instances in a positive bag of the data set:",
        _table(("quantile", "instances"), report["bags"]["positive_bag_size_quantiles"].items()),
    ]
    if "negatives" in report:
        parts += [
            "## Negatives",
            "Alleles of the VCF files, under the first reason that holds; one bag for each that is kept.",
            _table(("alleles", "number"), report["negatives"].items()),
        ]
    parts += [
        "## The data set",
        _table(
            ("split", "label", "bags", "instances"),
            (
                (row["split"], row["label"], row["bags"], row["instances"])
                for row in report["bags"]["per_split_and_label"]
            ),
        ),
        _table(
            ("what", "number"),
            ((name, value) for name, value in report["bags"].items() if isinstance(value, int | float)),
        ),
        "## Inputs",
        _table(("file", "sha256"), ((entry["path"], entry["sha256"]) for entry in manifest["inputs"])),
    ]
    return "\n\n".join(parts) + "\n"


def _flat(values: Mapping[str, Any], before: str = "") -> list[tuple[str, Any]]:
    found: list[tuple[str, Any]] = []
    for name, value in values.items():
        place = f"{before}{name}"
        found += _flat(value, f"{place}: ") if isinstance(value, Mapping) else [(place, value)]
    return found


def _table(header: Sequence[str], rows: Any) -> str:
    lines = [header, ["---"] + ["---:"] * (len(header) - 1), *([*row] for row in rows)]
    return "\n".join("| " + " | ".join(_cell(cell) for cell in line) + " |" for line in lines)


def _cell(value: object) -> str:
    if isinstance(value, int | float):
        return f"{value:,}" if isinstance(value, int) else f"{value:,g}"
    return str(value).replace("_", " ") if "/" not in str(value) else str(value)
