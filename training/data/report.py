"""The report of a data set for people: what became of every row of the tables."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from mifm_kipoi.statistics.estimates import MIN_CLUSTERS
from mifm_kipoi.support.files import written_whole

REPORT = "report.md"
"""Name of the report in the folder of a data set."""


def write_report(folder: Path, manifest: Mapping[str, Any]) -> None:
    """Write the report into the folder of a data set.

    Parameters
    ----------
    folder : Path
        The folder, which must exist; gets :data:`REPORT`.
    manifest : mapping of plain JSON types
        Of a data set that :func:`training.data.prepare.prepare` made.

    Raises
    ------
    OutputError
        When the file cannot be written.
    """
    with written_whole(folder / REPORT) as path:
        path.write_text(render(manifest))


def render(manifest: Mapping[str, Any]) -> str:
    """The manifest's report as Markdown.

    Parameters
    ----------
    manifest : mapping of plain JSON types
        Of a data set that :func:`training.data.prepare.prepare` made.
    """
    report = manifest["report"]
    variants = dict(report["variants"])
    statuses, absent = variants.pop("orientation", {}), variants.pop("contigs_not_in_fasta", [])
    filters, bags = report["filters"], report["bags"]
    before, after, made = (
        filters["positive_bags_before"],
        filters["positive_bags_after"],
        bags["positive_bags"],
    )
    parts = [
        "# Data set",
        f"Made by `{manifest['command']}` of version {manifest['version']}. "
        f"REF was {manifest['reference']} against a FASTA.",
        "## Rows of the table",
        "A row is refused, or left out, for the first reason that applies; kept rows are used.",
        _table(("rows", "number"), report["source"].items()),
        *_examples(report),
        "## Associated positions",
        "Rows that the table associates, used or not: all of credible sets; of summary statistics those "
        "whose p-value is not above `member_p_value`, or cannot be read. What is at their positions is never "
        "a negative; where a place cannot be read, nothing can be kept out.",
        _table(
            ("count of", "number"),
            ((name, value) for name, value in report["associated"].items() if isinstance(value, int)),
        ),
        *(
            [
                "Associated, but in no bag:",
                _table(("reason", "number"), report["associated"]["in_no_bag"].items()),
            ]
            if report["associated"]["in_no_bag"]
            else []
        ),
        "## Effects that Bayes factors assume",
        "Prior standard deviations in the units of beta: 0.15 times that of a quantitative trait, 0.2 of log "
        "odds ratios, and 0.2 of whatever beta is where the kind of trait is not known, unless "
        "`prior_variance` says otherwise. Where traits of several kinds or units are among the latter, name "
        "`meta` or `trait`: their Bayes factors mean different things.",
        _table(
            ("trait", "rows", "lowest", "highest"),
            (
                (one["trait"], one["rows"], one["lowest_prior_sd"], one["highest_prior_sd"])
                for one in report["effects"]["traits"]
            ),
        ),
        *_studies_not_known(report["effects"]),
        "## Variants",
        "A variant is a contig, a position and a pair of alleles. Rows of one variant in one block and "
        "signal are united: over studies, or within a study where the table repeats them.",
        _table(("count of", "number"), variants.items()),
    ]
    if statuses:
        parts += ["Variants compared with the FASTA:", _table(("status", "variants"), statuses.items())]
    if absent:
        parts += ["Contigs that the FASTA lacks: " + ", ".join(absent)]
    parts += [
        "## Positive bags",
        _table(
            ("signal", "blocks of the table", "after filters", "in the data set"),
            (
                (signal, *(counts.get(signal, 0) for counts in (before, after, made)))
                for signal in sorted({**before, **after})
            ),
        ),
        "What the filters left out, of the instances before them:",
        _table(
            ("count of", "number"),
            ((name, value) for name, value in _flat(filters) if "positive_bags" not in name),
        ),
        "Sizes of the positive bags in the data set:",
        _table(("quantile", "instances"), bags["positive_bag_size_quantiles"].items()),
    ]
    if "negatives" in report:
        parts += [
            "## Negatives",
            "ALT alleles of the VCF files, under the first reason that applies; each that is kept is "
            + ("a candidate." if "matching" in report else "a bag."),
            _table(("alleles", "number"), report["negatives"].items()),
            *(_matching(report["matching"]) if "matching" in report else []),
        ]
    parts += [
        "## Contents of the data set",
        f"{_held_out(manifest['configuration']['data']['splits'])} What was learnt can be judged by the "
        f"positive bags of a held-out split if they are at {MIN_CLUSTERS} loci or more.",
        _table(
            ("split", "label", "bags", "instances"),
            (
                (row["split"], row["label"], row["bags"], row["instances"])
                for row in bags["per_split_and_label"]
            ),
        ),
        _table(
            ("count of", "number"),
            ((name, value) for name, value in bags.items() if isinstance(value, int | float)),
        ),
        "## Inputs",
        _table(("file", "sha256"), ((entry["path"], entry["sha256"]) for entry in manifest["inputs"])),
    ]
    return "\n\n".join(parts) + "\n"


def _held_out(splits: Mapping[str, Sequence[str]]) -> str:
    """Which regions are held out, in words."""
    named = [f"{', '.join(regions)} for {split}" for split, regions in splits.items() if regions]
    return f"Held out are {' and '.join(named)}." if named else "Nothing is held out."


def _matching(matching: Mapping[str, Any]) -> list[str]:
    """How like the matched negatives are the variants of the sets."""
    rows = [
        (one["feature"], one["known"], one["positives"], one["candidates"], one["negatives"], one["sd"])
        for one in matching["features"]
    ]
    return [
        f"{matching['bags']:,} bags for {matching['sets']:,} sets of studies, each of the size of its set "
        "and of variants of one region without associated positions, from "
        f"{matching['candidates']:,} candidates that cross no border of a split. {_in_blocks(matching)} "
        f"{_lacking(matching['lacking'])}Means of the variants of "
        "sets of which a feature is known, of all candidates, and of the negatives that these were matched "
        "with:",
        _table(
            ("feature", "variants", "sets", "candidates (before)", "negatives (after)", "SD of candidates"),
            rows,
        ),
    ]


def _in_blocks(matching: Mapping[str, Any]) -> str:
    """What was left out as inside the blocks of positive bags."""
    margin = matching["block_margin"]
    if margin is None:
        return "Blocks of positive bags were not excluded (`block_margin: null`)."
    return (
        f"Not among these are {matching['in_blocks']:,} that lie in a block of a positive bag, from its "
        f"first to its last position and {margin:,} bp on either side."
    )


def _lacking(numbers: Mapping[str, int]) -> str:
    """Which negatives lack a feature that they should be matched on, and do not show in the means."""
    some = ", ".join(f"{number:,} lack {name.replace('_', ' ')}" for name, number in numbers.items())
    return f"Of the negatives, {some}, which the variants matched with them have. " if some else ""


def _studies_not_known(effects: Mapping[str, Any]) -> list[str]:
    number, rows = effects["studies_not_in_meta"], effects["rows_of_studies_not_in_meta"]
    parts = [f"{number:,} studies, of {rows:,} rows, are not in `meta`."] if number else []
    if rows := effects["incomplete_rows"]:
        parts.append(
            f"{rows:,} rows of {effects['studies_with_incomplete_rows']:,} studies lack a frequency or a "
            "sample size. A study has one prior variance: theirs follows from its other rows."
        )
    if rows := effects["rows_of_assumed_units"]:
        parts.append(
            f"**{rows:,} rows of {effects['studies_of_assumed_units']:,} studies** have effects on a "
            "quantitative trait in units that no row shows, with a standard error, a frequency and a sample "
            "size: a variance of 1 is assumed. Where the trait has another, set `prior_variance`."
        )
    return parts


def _examples(report: Mapping[str, Any]) -> list[str]:
    """What was said of the table, and some refused rows for each reason."""
    notes, examples = report["notes"], report["examples"]
    parts = ["\n".join(f"- {note}" for note in notes)] if notes else []
    if examples:
        parts += [
            "Some rows of each reason:",
            "\n".join(f"- {name}: {'; '.join(some)}" for name, some in examples.items()),
        ]
    return parts


def counts_in_words(counts: Mapping[str, int]) -> str:
    """Counts for a message, such as ``1,234 kept, 5 rare``, in the order in which they come.

    Parameters
    ----------
    counts : mapping of str to int
        From what was counted to its number.
    """
    return ", ".join(f"{number:,} {name}" for name, number in counts.items()) or "nothing was read"


def _flat(values: Mapping[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    """The entries of nested mappings, each with its keys joined by a colon."""
    entries: list[tuple[str, Any]] = []
    for name, value in values.items():
        key = f"{prefix}{name}"
        entries += _flat(value, f"{key}: ") if isinstance(value, Mapping) else [(key, value)]
    return entries


def _table(header: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """A Markdown table whose columns but the first are aligned to the right."""
    lines = [header, ["---"] + ["---:"] * (len(header) - 1), *rows]
    return "\n".join("| " + " | ".join(_cell(cell) for cell in line) + " |" for line in lines)


def _cell(value: object) -> str:
    if isinstance(value, int | float):
        return f"{value:,}" if isinstance(value, int) else f"{value:,g}"
    return str(value).replace("_", " ") if "/" not in str(value) else str(value)
